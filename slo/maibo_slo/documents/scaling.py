"""``maibo.dev/v1 ScalingTarget``: a workload, what makes its demand, what one replica carries, and within which bounds it is scaled.

What contradicts itself is an error, since a target that is wrong scales production. What is allowed and does not do what it seems to is
`maibo lint`'s.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Final, get_args
from zoneinfo import ZoneInfo

from maibo_slo.documents.document import description
from maibo_slo.documents.durations import elapsed_text, whole_seconds
from maibo_slo.documents.fields import Fields, dns_label, meant
from maibo_slo.documents.moments import UTC, moment, zone
from maibo_slo.documents.scaling_kinds import (
    DEAD_BAND,
    EVERY_SECONDS,
    MAX_AGE_SECONDS,
    MOST_ADDED,
    POOL_QUANTILE,
    QUANTILE,
    SCALE_DOWN_SECONDS,
    STEP,
    UTILISATION,
    BurstPool,
    CapacitySpec,
    ExpectedLoad,
    FastLaneSpec,
    ForecastSpec,
    PoolForm,
    ScalingTarget,
    Silence,
)
from maibo_slo.documents.shares import share
from maibo_slo.documents.yaml import Map, Scalar
from maibo_slo.store.workload import Workload

if TYPE_CHECKING:
    from maibo_slo.documents.document import Document, Known

DEPLOYMENT: Final = "Deployment"
MOST_REPLICAS: Final = 100_000
"""Twice what one of the largest clusters runs."""
MOST_EXPECTED: Final = 500
MOST_NAMES: Final = 100
_SCALED_KINDS: Final = (DEPLOYMENT, "StatefulSet", "ReplicaSet", "Rollout")
_UNSCALED_KINDS: Final = ("DaemonSet", "Pod", "Job", "CronJob")
_KIND: Final = re.compile(r"[A-Z][A-Za-z0-9]{0,62}")
_DNS_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_WORKLOAD: Final = "such as workload: {namespace: shop, name: checkout-api}"
_CAPACITY: Final = "such as capacity: {fixed: 40}, or {learned: {floor: 20}}"
_SILENCES: Final[dict[str, Silence]] = {silence: silence for silence in get_args(Silence)}
_POOLS: Final[dict[str, PoolForm]] = {"CapacityBuffer": "capacity_buffer", "balloon": "balloon"}
_LEAST_SHARE: Final = Decimal("0.01")
_MOST_QUANTILE: Final = Decimal("0.999")
_MOST_FACTOR: Final = 1000


def scaling_target(document: Document, known: Known) -> ScalingTarget:
    """Read the document's spec."""
    spec = document.fields.mapping("spec")
    workload = _workload(spec, document.name, known)
    least, most = _replicas(spec)
    result = ScalingTarget(
        name=document.name,
        display_name=document.head.display_name,
        description=description(spec),
        workload=workload,
        services=_names(spec, "services") or (workload.name,),
        journeys=known.refer_each(spec, "journeys", "Journey", others=known.undescribed),
        slos=known.refer_each(spec, "slos", "SLO"),
        environments=_names(spec, "environments"),
        capacity=_capacity(spec),
        least=least,
        most=most,
        dead_band=_share(spec, "deadBand", DEAD_BAND, of="the replicas", least=Decimal(0), example="10%"),
        scale_down_seconds=whole_seconds(spec, "scaleDown", SCALE_DOWN_SECONDS, example="5m", zero=True),
        max_age_seconds=whole_seconds(spec, "maxAge", MAX_AGE_SECONDS, example="60s"),
        silence=_SILENCES.get(spec.choice("silence", _SILENCES), "hold") if spec.has("silence") else "hold",
        forecast=_forecast(spec),
        expected=_expected(spec),
        burst_pool=_burst_pool(spec),
        fast_lane=_fast_lane(spec),
        labels=document.head.labels,
        origin=document.head.origin,
    )
    spec.close()
    return result


def _workload(spec: Fields, target: str, known: Known) -> Workload:
    """What is scaled. Two targets of one workload would undo each other's work."""
    fields = spec.mapping("workload", mend=_WORKLOAD)
    given = fields.has("name")
    namespace = fields.text("namespace", rule=dns_label, mend="such as shop")
    kind = fields.text("kind", default="", rule=_kind) or DEPLOYMENT
    name = fields.text("name", rule=_dns_name, mend="such as checkout-api")
    fields.close()
    workload = Workload(namespace, kind, name)
    if given:
        first, at = known.scaled.setdefault(workload, (target, fields.at))
        if first != target:
            message = f"a second target of {workload}; the first is {first!r} at {at.file}:{at.line}"
            spec.error("workload", message, "keep one of them")
    return workload


def _kind(text: str) -> tuple[str, str] | None:
    if text in _UNSCALED_KINDS:
        return f"a {text} has no replicas to scale", f"name one of {', '.join(_SCALED_KINDS)}, or any other with /scale"
    if not _KIND.fullmatch(text):
        return f"{text!r} is not a kind", meant(text, _SCALED_KINDS) or f"such as {DEPLOYMENT}"
    return None


def _dns_name(text: str) -> tuple[str, str] | None:
    if len(text) <= 253 and _DNS_NAME.fullmatch(text):
        return None
    return f"{text[:60]!r} is not a name of Kubernetes", "use lower-case letters, digits, '-' and '.'"


def _names(spec: Fields, name: str) -> tuple[str, ...]:
    """Texts that are compared with what spans say, whatever that is."""
    texts = spec.texts(name)
    if len(texts) > MOST_NAMES:
        spec.error(name, f"has {len(texts)} names, at most {MOST_NAMES} are allowed", "leave some out")
    for text in texts:
        if not text.value.strip():
            spec.report.error(text.at, text.path, "must not be empty", "remove it")
    return tuple(dict.fromkeys(text.value for text in texts))


def _replicas(spec: Fields) -> tuple[int, int]:
    """The bounds."""
    fields = spec.mapping("replicas", mend="such as replicas: {min: 2, max: 40}")
    least = _whole(fields, "min", 1, least=0, most=MOST_REPLICAS)
    most = _whole(fields, "max", None, least=1, most=MOST_REPLICAS)
    if fields.has("max") and least > most:
        fields.error("min", f"is above max, which is {most}", "swap them, or mend one of them")
    fields.close()
    return least, most


def _whole(fields: Fields, name: str, default: int | None, *, least: int, most: int) -> int:
    """A whole number; required where there is no default."""
    number = fields.number(name)
    if number is None:
        if default is None and not fields.has(name):
            fields.error(name, "is required", "such as 40")
        return most if default is None else default
    if number != int(number) or not least <= number <= most:
        fields.error(name, f"must be a whole number from {least} to {most}", f"such as {max(least, 2)}")
        return most if default is None else default
    return int(number)


def _share(
    fields: Fields,
    name: str,
    default: float,
    *,
    of: str,
    least: Decimal = _LEAST_SHARE,
    most: Decimal = Decimal(1),
    example: str,
) -> float:
    found = share(fields, name, of=of, least=least, most=most, example=example)
    return default if found is None else float(found)


def _capacity(spec: Fields) -> CapacitySpec:
    """Calls a second that one replica carries, known or learned; learned where nothing is said."""
    fields = spec.mapping("capacity", required=False)
    given = fields.given("fixed", "learned")
    if len(given) == 2:
        fields.error("learned", "give exactly one of fixed and learned", _CAPACITY)
    fixed = _rate(fields, "fixed")
    learned = _switched(fields, "learned")
    floor, ceiling = (None, None) if learned is None else (_rate(learned, "floor"), _rate(learned, "ceiling"))
    if learned is not None:
        if floor is not None and ceiling is not None and floor > ceiling:
            learned.error("floor", "is above the ceiling", "swap them, or mend one of them")
        learned.close()
    elif fixed is None and _is_off(fields, "learned"):
        fields.error("learned", "is off, and nothing else says what a replica carries", _CAPACITY)
    utilisation = _share(fields, "utilisation", UTILISATION, of="the capacity", example="80%")
    fields.close()
    return CapacitySpec(fixed, floor, ceiling, utilisation)


def _rate(fields: Fields, name: str) -> float | None:
    number = fields.number(name)
    if number is not None and not 0 < number <= 1_000_000_000:
        fields.error(name, "must be calls a second above 0", "such as 40: what one replica carries while its SLOs hold")
        return None
    return None if number is None else float(number)


def _switched(fields: Fields, name: str) -> Fields | None:
    """``{...}`` or true: its fields; false or absent: None."""
    node = fields.node_of(name)
    if node is None or isinstance(node, Map):
        return None if node is None else fields.mapping(name)
    if isinstance(node, Scalar) and isinstance(node.value, bool):
        return Fields(Map(node.at, {}, {}), fields.path_of(name), fields.report) if node.value else None
    fields.error(name, "must be a mapping, true or false", f"write {name}: {{}} for what is usual")
    return None


def _is_off(fields: Fields, name: str) -> bool:
    node = fields.node_of(name)
    return isinstance(node, Scalar) and node.value is False


def _forecast(spec: Fields) -> ForecastSpec:
    if not spec.has("forecast"):
        return ForecastSpec()
    fields = _switched(spec, "forecast")
    if fields is None:
        return ForecastSpec(enabled=False)
    lead = whole_seconds(fields, "leadTime", 0, example="45s")
    result = ForecastSpec(
        enabled=fields.flag("enabled", default=True),
        quantile=_share(fields, "quantile", QUANTILE, of="all forecasts", most=_MOST_QUANTILE, example="0.9"),
        lead_seconds=lead or None,
    )
    fields.close()
    return result


def _expected(spec: Fields) -> tuple[ExpectedLoad, ...]:
    if not spec.has("expectedLoad"):
        return ()
    items = spec.mappings("expectedLoad", mend="remove it")
    if len(items) > MOST_EXPECTED:
        spec.error(
            "expectedLoad", f"has {len(items)} items, at most {MOST_EXPECTED} are allowed", "remove what is over"
        )
    found = [load for item in items[:MOST_EXPECTED] if (load := _load(item)) is not None]
    return tuple(sorted(found, key=lambda load: load.begin))


def _load(item: Fields) -> ExpectedLoad | None:
    where = zone(item, "timeZone", default=UTC)
    begin, end = moment(item, "from", where), moment(item, "to", where)
    if not item.has("factor"):
        item.error("factor", "is required", "such as 3: three times what would be without it")
    factor = item.number("factor")
    if factor is not None and not 0 < factor <= _MOST_FACTOR:
        item.error("factor", f"must be above 0 and at most {_MOST_FACTOR}", "write 3 for three times as much")
    why = item.text("why", default="")
    item.close()
    if begin is None or end is None or factor is None:
        return None
    there = ZoneInfo(where)
    first, last = (at.replace(tzinfo=there).timestamp() for at in (begin, end))
    if last <= first:
        item.error("to", "is not after from", "swap them, or mend the date")
    return ExpectedLoad(first, last, float(factor), why)


def _burst_pool(spec: Fields) -> BurstPool | None:
    fields = _switched(spec, "burstPool")
    if fields is None:
        return None
    form = _POOLS.get(fields.choice("form", _POOLS), "capacity_buffer") if fields.has("form") else "capacity_buffer"
    result = BurstPool(
        quantile=_share(fields, "quantile", POOL_QUANTILE, of="all growths", most=_MOST_QUANTILE, example="0.99"),
        most=_whole(fields, "max", MOST_REPLICAS, least=1, most=MOST_REPLICAS) if fields.has("max") else None,
        form=form,
    )
    fields.close()
    return result


def _fast_lane(spec: Fields) -> FastLaneSpec | None:
    fields = _switched(spec, "fastLane")
    if fields is None:
        return None
    result = FastLaneSpec(
        step=_whole(fields, "step", STEP, least=1, most=MOST_REPLICAS),
        most=_whole(fields, "max", MOST_ADDED, least=1, most=MOST_REPLICAS),
        every_seconds=whole_seconds(fields, "every", EVERY_SECONDS, example=elapsed_text(EVERY_SECONDS * 1_000_000)),
    )
    if result.step > result.most:
        fields.error("step", f"is above max, which is {result.most}: no write would be allowed", "lower it")
    fields.close()
    return result
