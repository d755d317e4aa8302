"""``maibo.dev/v1 Pulse``: the numbers by which management tells how it goes, with the baseline and the target of each.

One document holds them: two would be two truths, so a second is an error. A target that is worse than its baseline is one as well.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from maibo_slo.documents import pulse_kind
from maibo_slo.documents.document import description
from maibo_slo.documents.durations import elapsed_text, time_us
from maibo_slo.documents.pulse_kind import Aim, Pulse
from maibo_slo.documents.shares import percent, share

if TYPE_CHECKING:
    from collections.abc import Callable

    from maibo_slo.documents.document import Document, Known
    from maibo_slo.documents.fields import Fields

_MOST_A_DAY: Final = 1_000_000
_LEAST_SHARE: Final = Decimal("0.01")
_MOST_QUANTILE: Final = Decimal("0.999")


def pulse(document: Document, known: Known) -> Pulse:
    """Read the document's spec."""
    _check_alone(document, known)
    spec = document.fields.mapping("spec")
    scale_up, quantile = _scale_up(spec)
    orders = spec.mapping("orders", required=False)
    result = Pulse(
        name=document.name,
        display_name=document.head.display_name,
        description=description(spec),
        journeys=known.refer_each(spec, "journeys", "Journey", others=known.undescribed),
        orders=known.refer_each(orders, "journey", "Journey", others=known.undescribed),
        environments=tuple(dict.fromkeys(text.value for text in spec.texts("environments"))),
        scale_up_seconds=scale_up,
        scale_up_quantile=quantile,
        deployments_per_day=_aim(
            spec,
            "deploymentsPerDay",
            pulse_kind.DEPLOYMENTS_PER_DAY,
            _a_day,
            more=True,
            told=lambda found: f"{found:g}",
        ),
        p99_us=_aim(spec, "p99", pulse_kind.P99_US, _microseconds, more=False, told=lambda us: elapsed_text(round(us))),
        utilisation=_aim(
            spec,
            "utilisation",
            pulse_kind.UTILISATION,
            _share,
            more=True,
            told=lambda found: percent(Decimal(repr(found))),
        ),
        labels=document.head.labels,
        origin=document.head.origin,
    )
    orders.close()
    spec.close()
    return result


def _check_alone(document: Document, known: Known) -> None:
    for first, at in known.names("Pulse").items():
        if first != document.name:
            message = f"a second Pulse; the first is {first!r} at {at.file}:{at.line}"
            document.fields.mapping("metadata").error("name", message, "keep one of them")
        return


def _scale_up(spec: Fields) -> tuple[Aim, float]:
    fields = spec.mapping("scaleUpLatency", required=False)
    quantile = share(
        fields, "quantile", of="all scale-ups", least=_LEAST_SHARE, most=_MOST_QUANTILE, example="0.9 or 90%"
    )
    aim = _aim_in(
        fields,
        pulse_kind.SCALE_UP_SECONDS,
        lambda fields, name: None if (us := _microseconds(fields, name)) is None else us / 1e6,
        more=False,
        told=lambda seconds: elapsed_text(round(seconds * 1e6)),
    )
    fields.close()
    return aim, pulse_kind.SCALE_UP_QUANTILE if quantile is None else float(quantile)


def _aim(
    spec: Fields,
    name: str,
    usual: Aim,
    read: Callable[[Fields, str], float | None],
    *,
    more: bool,
    told: Callable[[float], str],
) -> Aim:
    """``{baseline, target}``, each optional; `more` is better, or less."""
    fields = spec.mapping(name, required=False)
    found = _aim_in(fields, usual, read, more=more, told=told)
    fields.close()
    return found


def _aim_in(
    fields: Fields,
    usual: Aim,
    read: Callable[[Fields, str], float | None],
    *,
    more: bool,
    told: Callable[[float], str],
) -> Aim:
    given = fields.given("baseline", "target")
    baseline, target = (read(fields, name) for name in ("baseline", "target"))
    if (baseline is None and "baseline" in given) or (target is None and "target" in given):
        return usual  # it is told already
    aim = Aim(usual.baseline if baseline is None else baseline, usual.target if target is None else target)
    if given and (aim.target < aim.baseline if more else aim.target > aim.baseline):
        at, other, worth = (
            ("target", "baseline", aim.baseline) if target is not None else ("baseline", "target", aim.target)
        )
        usually = "" if other in given else ", as nothing else is said"
        message = f"the target is worse than the baseline: the {other} is {told(worth)}{usually}"
        fields.error(at, message, "swap them" if len(given) == 2 else f"give the {other} as well")
    return aim


def _microseconds(fields: Fields, name: str) -> float | None:
    found = time_us(fields, name, example="200ms")
    return None if found is None else float(found)


def _a_day(fields: Fields, name: str) -> float | None:
    number = fields.number(name)
    if number is not None and not 0 < number <= _MOST_A_DAY:
        fields.error(
            name, f"must be above 0 and at most {_MOST_A_DAY} a day", "such as 10, or 0.2 for one each five days"
        )
        return None
    return None if number is None else float(number)


def _share(fields: Fields, name: str) -> float | None:
    found = share(fields, name, of="what the replicas carry", least=_LEAST_SHARE, most=Decimal(1), example="65%")
    return None if found is None else float(found)
