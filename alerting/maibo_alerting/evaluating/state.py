"""The state of one alert: inactive, pending, firing, resolved."""

from __future__ import annotations

from collections.abc import Mapping  # these two are read at run time, when states are read back
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from maibo_alerting.alerts import Reason, Severity

BURN: Final = "MaiboBudgetBurn"
NO_DATA: Final = "MaiboNoData"
NOT_EVALUATING: Final = "MaiboNotEvaluating"

Phase = Literal["inactive", "pending", "firing", "resolved"]


class Key(NamedTuple):
    """What an alert is about."""

    name: str
    slo: str
    objective: str
    group: str
    severity: Severity


@dataclass(frozen=True, slots=True)
class State:
    """Of an alert that is not inactive. Times are unix seconds."""

    key: Key
    phase: Phase
    since: float
    """When it came into this phase."""
    fired_at: float | None = None
    """When it fired; one that is reached again soon after it was resolved is the same one."""
    held_by: tuple[int, ...] = ()
    """Long windows, in seconds, of the pairs that keep it firing."""
    reason: Reason = ""
    """Why a resolved one is."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """As they were when it fired: they are part of its identity elsewhere."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    """What was told last, in the service's language."""
    translations: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The same in those of destinations."""
    told_at: float | None = None
    """When; None when its phase has changed since."""
    link: str = ""


States = dict[Key, State]
