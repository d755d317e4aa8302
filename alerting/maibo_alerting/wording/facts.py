"""What is known of an alert, and what is said of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Literal

from maibo_slo.engine.burning import Guard

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

Wait = Literal["below", Guard]
"""Why a long window does not make a burn fire: it does not burn above the factor; or it does, and a guard holds it back."""
ChangeKind = Literal["version", "deployment", "scale_up", "scale_down"]
LinkKind = Literal["page", "dashboard", "runbook"]


@dataclass(frozen=True, slots=True)
class Change:
    """Something that became different at about the time of the trouble. It need not be the cause, and is not told as one."""

    at: float
    kind: ChangeKind
    what: str
    """The service or workload."""
    before: str = ""
    """The version or number of replicas; '' where unknown."""
    after: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Of a burn that does not fire yet: its short window burns above the factor, and why the long one does not, or not for sure."""

    factor: float
    long_seconds: float
    held_back_by: Wait


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything about an alert that may be told. None and '' are: not known. Times are unix seconds, ratios are of 1."""

    now: float
    """When this is told: forecasts and durations count from here."""
    slo: str
    kind: Literal["burn", "no_data", "standstill"] = "burn"
    """`standstill`: nothing is evaluated at all; `slo` is ''."""
    objective: str = ""
    target: float | None = None
    """0.999."""
    window_seconds: float | None = None
    """The SLO's own."""
    period: tuple[float, float] | None = None
    """Begin and end of the present one, where that is one of a calendar: then the budget is a new one."""
    journey: str = ""
    step: str = ""
    tier: str = ""
    group: str = ""
    since: float | None = None
    until: float | None = None
    """When it ended; None while it fires."""
    ended: Literal["over", "no_data", "withdrawn"] = "over"
    """Why it did: the trouble is over; nobody knows whether it is; nobody judges it any more."""
    over_seconds: float | None = None
    """How long a time `total`, `bad`, `customers`, `p99_seconds` and `burn_rate` are counted over, up to `now`."""
    total: int | None = None
    """Journeys, or whatever events the SLO counts."""
    bad: int | None = None
    is_felt: bool = True
    """Whether the bad ones failed or were too slow; what somebody else counts may be anything."""
    customers: int | None = None
    """Distinct customers among the bad."""
    p99_seconds: float | None = None
    threshold_seconds: float | None = None
    """What the objective asks of the latency."""
    burn_rate: float | None = None
    """1 spends exactly the budget over the window."""
    budget_remaining: float | None = None
    """Share of the error budget that is left; below 0 when more than all of it was spent."""
    age_seconds: float | None = None
    """Since the last event that was counted."""
    waiting: Waiting | None = None
    """None of what fires or has ended."""
    changes: Sequence[Change] = ()
    page: str = ""
    dashboard: str = ""
    runbook: str = ""
    zone: tzinfo = UTC
    """Whose clock times are told by."""

    @property
    def budget_lasts_seconds(self) -> float | None:
        """Until the budget is gone if it goes on burning like this; None where it is not known, or lasts until there is a new one."""
        whole = self.window_seconds if self.period is None else self.period[1] - self.period[0]
        if self.burn_rate is None or self.budget_remaining is None or whole is None:
            return None
        if self.burn_rate <= 0 or self.budget_remaining <= 0:
            return None
        lasts = self.budget_remaining * whole / self.burn_rate
        return None if self.period is not None and self.now + lasts >= self.period[1] else lasts


@dataclass(frozen=True, slots=True)
class Link:
    """An address to read on at; http or https."""

    kind: LinkKind
    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Message:
    """Plain text without markup: one line of title, and lines. A destination escapes it for what it speaks."""

    title: str
    lines: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()
