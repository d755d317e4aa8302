"""A metricSource of type ``scaleup``: which scale-ups an SLI counts, and how long one may take.

``total`` says whose; ``good`` says the same, and within which time. A scale-up is one event, however many pods it adds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, get_args

from maibo_slo.documents.durations import time_us
from maibo_slo.documents.kinds import ScaleupBegin, ScaleupEnd

if TYPE_CHECKING:
    from maibo_slo.documents.fields import Fields, Text

SCALEUP: Final = "scaleup"
MAX_WORKLOADS: Final = 50
LONGEST_SECONDS: Final = 3600
"""Of `within`: a minute's scale-ups are settled no later than that."""
_BEGINS: Final[dict[str, ScaleupBegin]] = {begin: begin for begin in get_args(ScaleupBegin)}
_ENDS: Final[dict[str, ScaleupEnd]] = {end: end for end in get_args(ScaleupEnd)}
_WORKLOAD: Final = re.compile(r"[a-z0-9*-]{1,63}/[A-Za-z0-9*]{1,63}/[a-z0-9.*-]{1,253}")
_EXAMPLE: Final = "write NAMESPACE/KIND/NAME, such as shop/Deployment/checkout-api; * stands for any characters"


@dataclass(frozen=True, slots=True)
class ScaleupCount:
    """Scale-ups of these workloads; of ``good``, those that were done in time."""

    workloads: tuple[str, ...]
    within_seconds: float = 0.0
    """0: however long they took."""
    begin: ScaleupBegin = "trigger"
    until: ScaleupEnd = "in_rotation"


def scaleup(spec: Fields, *, whole: bool) -> ScaleupCount:
    """What ``total`` (`whole`) or ``good`` counts."""
    workloads = _workloads(spec)
    if whole:
        for name in spec.given("within", "from", "until"):
            spec.error(name, "is of good alone: total counts every scale-up", "move it to good")
        spec.close()
        return ScaleupCount(workloads)
    within = time_us(spec, "within", example="30s") or 0
    if not spec.has("within"):
        spec.error("within", "is required", "say how long a scale-up may take, such as 30s")
    elif within > LONGEST_SECONDS * 1_000_000:
        spec.error("within", f"must be at most {LONGEST_SECONDS // 3600}h", "lower it")
    begin = _BEGINS.get(spec.choice("from", _BEGINS), "trigger") if spec.has("from") else "trigger"
    until = _ENDS.get(spec.choice("until", _ENDS), "in_rotation") if spec.has("until") else "in_rotation"
    spec.close()
    return ScaleupCount(workloads, within / 1_000_000, begin, until)


def _workloads(spec: Fields) -> tuple[str, ...]:
    given = spec.given("workload", "workloads")
    if len(given) != 1:
        spec.error("workload", "give exactly one of workload and workloads", _EXAMPLE)
        return ()
    texts = spec.texts(given[0])
    if len(texts) > MAX_WORKLOADS:
        spec.error(given[0], f"has {len(texts)} workloads, at most {MAX_WORKLOADS} are allowed", "use *")
    for text in texts:
        _check(spec, text)
    return tuple(dict.fromkeys(text.value for text in texts))


def _check(spec: Fields, text: Text) -> None:
    if not _WORKLOAD.fullmatch(text.value):
        spec.report.error(text.at, text.path, f"{text.value[:80]!r} is no workload", _EXAMPLE)
