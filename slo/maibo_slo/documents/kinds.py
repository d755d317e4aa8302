"""What documents say, once they have been checked: plain frozen values."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from maibo_slo.store.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from decimal import Decimal

Method = Literal["Occurrences", "Timeslices", "RatioTimeslices"]
CorrectionKind = Literal["maintenance", "chaos", "incident", "other"]
Effect = Literal["exclude", "count_as_good", "annotate"]
ScaleupBegin = Literal["trigger", "decision"]
ScaleupEnd = Literal["ready", "in_rotation", "first_journey"]

COMPOSITE: Final = "composite"
"""Name of the objective that judges a composite SLO as a whole."""

_PER_SECOND: Final = re.compile(r"\b(?:i?rate|deriv|avg_over_time)\s*\(")
_WINDOW: Final = re.compile(r"\{\{\s*\.window\s*\}\}")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a document was written: file, and line from 1."""

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Service:
    """OpenSLO ``Service``: what SLOs belong to."""

    name: str
    display_name: str
    description: str
    labels: Mapping[str, tuple[str, ...]]
    origin: Origin


@dataclass(frozen=True, slots=True)
class Condition:
    """An attribute or field has one of these values; ``*`` in a value stands for any characters."""

    key: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SignalRule:
    """Which ordinary spans, log records or metrics are a journey or a step: all conditions must be met."""

    signal: str
    """``span``, ``log`` or ``metric``."""
    resource: tuple[Condition, ...] = ()
    """About resource attributes; ``service`` is short for ``service.name``."""
    attributes: tuple[Condition, ...] = ()
    """About the span's or data point's attributes, or the log record's fields."""
    names: tuple[str, ...] = ()
    """The span's or metric's name; empty: any."""
    kind: str = ""
    """Of a span: server, client, producer, consumer, internal; '' any."""
    failure: tuple[Condition, ...] = ()
    """Any of these makes it a failure; empty: the span's status says so."""
    reason: str = ""
    """Attribute or field with the reason of a failure; '' the usual one, ``error.type``."""
    tier: str = ""
    """Attribute or field with the tier; '' none."""
    variant: str = ""
    duration: str = ""
    """Field with the duration: log records only, which need it."""
    duration_unit_ns: int = 1_000_000_000
    origin: Origin = field(default=Origin("", 0), compare=False)
    """Where the rule is written."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a journey, and the routes whose requests are that step."""

    name: str
    display_name: str
    routes: tuple[str, ...] = ()
    """``METHOD /path/{param}``, as the web framework spells the route."""
    begins: bool = False
    """A request of this step starts the journey when none is under way."""
    ends: bool = False
    """A request of this step ends the journey."""
    signals: tuple[SignalRule, ...] = ()
    """What of services without the SDK is this step."""


@dataclass(frozen=True, slots=True)
class Journey:
    """``maibo.dev/v1 Journey``: a customer trying to get one thing done."""

    name: str
    display_name: str
    description: str
    service: str
    """The OpenSLO Service it belongs to, '' when none."""
    steps: tuple[Step, ...]
    timeout_seconds: int
    """A journey that has not ended by then was abandoned."""
    threshold_us: int | None
    """What customers call fast; drawn into distributions; on the histogram's grid."""
    labels: Mapping[str, tuple[str, ...]]
    origin: Origin
    signals: tuple[SignalRule, ...] = ()
    """What of services without the SDK is the journey as a whole."""


@dataclass(frozen=True, slots=True)
class CellSelector:
    """Which cells an SLI counts: a metricSource of type ``journey``."""

    journey: str
    step: str = ""
    outcomes: frozenset[str] = frozenset({"success", "failure"})
    """Abandoned journeys are the customer's choice: counted only where named."""
    max_duration_us: int | None = None
    """Only events that took at most this long; on the histogram's grid, hence exact."""
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Dimension (tier, region, version, ...) -> allowed values."""


@dataclass(frozen=True, slots=True)
class Sli:
    """OpenSLO ``SLI`` with a ratioMetric; exactly one of good and bad is given."""

    name: str
    total: CellSelector
    good: CellSelector | None = None
    bad: CellSelector | None = None


@dataclass(frozen=True, slots=True)
class Calendar:
    """Windows that begin and end by the calendar of a time zone, instead of rolling. `maibo_slo.engine.calendar` finds them."""

    count: int
    unit: str
    """OpenSLO's ``m h d w M Q Y``; days and longer are the zone's own, however long."""
    start: datetime
    """Of one of them, without a zone; those before and after follow from it."""
    zone: str
    """IANA."""


@dataclass(frozen=True, slots=True)
class Objective:
    """One objective of one SLO."""

    name: str
    """displayName where given, else in a composite SLO the indicator's, else ``target`` as text (``0.999``): unique within its SLO."""
    target: float
    """In (0, 1)."""
    slice_seconds: int = 0
    """Length of a slice, whole minutes; 0 with the method Occurrences."""
    slice_target: float | None = None
    """Share of good events that makes a slice good, in (0, 1]; with the method Timeslices alone."""
    indicator: Sli | PromSli | ScaleupSli | None = None
    """Its own, in a composite SLO; None: the SLO's."""
    weight: float = 1.0
    """Of its burn in a composite SLO's."""


@dataclass(frozen=True, slots=True)
class Slo:
    """OpenSLO ``SLO`` whose events are counted from cells."""

    source: ClassVar[str] = "journey"
    name: str
    display_name: str
    description: str
    service: str
    indicator: Sli
    """Of a composite SLO, its first objective's."""
    objectives: tuple[Objective, ...]
    """Of a composite SLO, its components and after them one named `COMPOSITE`, which judges the whole."""
    window_seconds: int
    """Of a calendar window nominal: a month is 30 days, a quarter 90, a year 365."""
    labels: Mapping[str, tuple[str, ...]]
    origin: Origin
    alert_policies: tuple[AlertPolicy, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)
    method: Method = "Occurrences"
    calendar: Calendar | None = None
    """None: the window rolls."""
    group_by: tuple[str, ...] = ()
    """Dimensions of cells; each combination of their values has a budget of its own."""

    @property
    def is_composite(self) -> bool:
        """Whether its objectives have indicators of their own."""
        return any(objective.indicator is not None for objective in self.objectives)

    @property
    def indicators(self) -> tuple[Sli, ...]:
        """What it counts: one indicator, or that of each component."""
        components = (objective.indicator for objective in self.objectives)
        return tuple(one for one in components if isinstance(one, Sli)) or (self.indicator,)

    @property
    def journey(self) -> str:
        """What it is about; of a composite, the first."""
        return self.indicator.total.journey


@dataclass(frozen=True, slots=True)
class PromQuery:
    """A metricSource of type ``prometheus``: which events a Prometheus counts."""

    query: str
    """PromQL that counts over ``{{.window}}``; without it, the selector of a counter."""

    def over(self, window: str) -> str:
        """The expression that gives the events of a window, as one sample.

        >>> PromQuery('http_requests_total{job="shop"}').over("5m")
        'sum(increase(http_requests_total{job="shop"}[5m]))'
        >>> PromQuery("sum(increase(paid_total[{{ .window }}]))").over("1h")
        'sum(increase(paid_total[1h]))'
        """
        if self.has_window:
            return _WINDOW.sub(lambda _: window, self.query)
        return f"sum(increase({self.query}[{window}]))"

    @property
    def has_window(self) -> bool:
        """Whether the query says itself where the window goes."""
        return _WINDOW.search(self.query) is not None

    @property
    def is_per_second(self) -> bool:
        """Whether it gives events a second, or, of a gauge of 0 and 1, the share of the time: times the seconds, both are counts."""
        return self.has_window and _PER_SECOND.search(self.query) is not None


@dataclass(frozen=True, slots=True)
class PromSli:
    """OpenSLO ``SLI`` whose events a Prometheus counts; exactly one of good and bad is given."""

    name: str
    total: PromQuery
    good: PromQuery | None = None
    bad: PromQuery | None = None


@dataclass(frozen=True, slots=True)
class ScaleupSli:
    """OpenSLO ``SLI`` whose events are scale-ups: good are those that were done in time. The recorder of Kubernetes measures them."""

    name: str
    workloads: tuple[str, ...]
    """``NAMESPACE/KIND/NAME`` of those that it counts; ``*`` stands for any characters."""
    within_seconds: float
    """From `begin` until `until`, as many pods as were added; a scale-up that took longer, or never got there, is bad."""
    begin: ScaleupBegin = "trigger"
    """``trigger``: what made more replicas needed, where that is known, else the decision."""
    until: ScaleupEnd = "in_rotation"
    """``in_rotation``: ready, where no Service selects the pods."""

    def counts(self, workload: Workload) -> bool:
        """Whether this workload's scale-ups are among its events.

        >>> from maibo_slo.store.workload import Workload
        >>> sli = ScaleupSli("started", ("shop/Deployment/*",), within_seconds=30)
        >>> sli.counts(Workload("shop", "Deployment", "checkout-api")), sli.counts(Workload("shop", "Rollout", "cart"))
        (True, False)
        """
        return any(fnmatchcase(str(workload), pattern) for pattern in self.workloads)


@dataclass(frozen=True, slots=True, kw_only=True)
class FedSlo:
    """An OpenSLO ``SLO`` whose events are counted by something else than our cells, which feeds the engine: no steps, tiers or groups."""

    source: ClassVar[str]
    """The metricSource's type."""
    counted_by: ClassVar[str]
    """In words."""
    name: str
    display_name: str
    description: str
    service: str
    objectives: tuple[Objective, ...]
    window_seconds: int
    """Of a calendar window nominal: a month is 30 days, a quarter 90, a year 365."""
    labels: Mapping[str, tuple[str, ...]]
    origin: Origin
    alert_policies: tuple[AlertPolicy, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)
    method: Method = "Occurrences"
    calendar: Calendar | None = None

    @property
    def group_by(self) -> tuple[str, ...]:
        """Labels and workloads are not dimensions of ours."""
        return ()

    @property
    def is_composite(self) -> bool:
        """Composites are of cells alone."""
        return False

    @property
    def journey(self) -> str:
        """None."""
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromSlo(FedSlo):
    """An SLO whose events a Prometheus counts: rules are generated for it. The engine judges it where its data source says at which
    address that Prometheus answers.

    Exactly one of good and bad is given.
    """

    source: ClassVar[str] = "prometheus"
    counted_by: ClassVar[str] = "a Prometheus"
    total: PromQuery
    good: PromQuery | None
    bad: PromQuery | None
    data_source: DataSource | None = None
    """With an address (``url``), or None: rules alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleupSlo(FedSlo):
    """An SLO whose events are scale-ups; each is counted in the minute of its decision."""

    source: ClassVar[str] = "scaleup"
    counted_by: ClassVar[str] = "the recorder of scale-ups"
    indicator: ScaleupSli


@dataclass(frozen=True, slots=True)
class Correction:
    """Time that was not like other time: maintenance, chaos, an incident; once or again and again.

    ``maibo.dev/v1 Correction``, or told to a running service (`maibo correction add`). `maibo_slo.engine.corrections` finds its windows.
    """

    name: str
    kind: CorrectionKind
    effect: Effect
    """``exclude``: no data; ``count_as_good``: what was bad is good; ``annotate``: shown, counted as it was."""
    start: datetime
    """Of the first window, without a zone."""
    duration_seconds: int
    zone: str
    """IANA: what a rule's "every Sunday at 2" is about."""
    rrule: str = ""
    """RFC 5545 RRULE without DTSTART; '' once."""
    slos: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    journeys: tuple[str, ...] = ()
    """An SLO that is named, or whose service or journey is; without any of the three, every SLO."""
    who: str = ""
    why: str = ""
    origin: Origin = field(default=Origin("", 0), compare=False)


@dataclass(frozen=True, slots=True)
class PolicyState:
    """One state of an error-budget policy, entered from a better one."""

    name: str
    remaining_below: float | None = None
    """Entered when the (projected) share of the budget that is left is below this, ..."""
    recover_above: float | None = None
    """... and left when it is above this, which is not lower."""
    burn_above: float | None = None
    """Or entered when the burn over 6 h is above this, ..."""
    burn_recover_below: float | None = None
    """... and left when it is below this, which is not higher."""


@dataclass(frozen=True, slots=True)
class ErrorBudgetPolicy:
    """``maibo.dev/v1 ErrorBudgetPolicy``: what a team does as its budget goes. The best state first; a worse one wins."""

    name: str
    description: str
    states: tuple[PolicyState, ...]
    """The first has no conditions: it holds when no other does."""
    hold_seconds: int
    """A state is kept this long before a better one may follow: no flapping."""
    slos: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    """As in `Correction`; an SLO that several policies name has the one that names it, else its service's, else the one for all."""
    origin: Origin = field(default=Origin("", 0), compare=False)


@dataclass(frozen=True, slots=True)
class DataSource:
    """OpenSLO ``DataSource``: where a metricSource's numbers come from."""

    name: str
    display_name: str
    description: str
    type: str
    """As written: ``Prometheus``, ``datadog``."""
    connection_details: Mapping[str, str] = field(repr=False)
    """As written, a list or mapping as JSON. Not in the repr: people put passwords there."""
    labels: Mapping[str, tuple[str, ...]]
    origin: Origin


@dataclass(frozen=True, slots=True)
class AlertCondition:
    """OpenSLO ``AlertCondition``: when the budget burns too fast."""

    name: str
    display_name: str
    description: str
    severity: str
    """Free text: ``page``, ``ticket``."""
    op: str
    """``lte``, ``gte``, ``lt`` or ``gt``."""
    threshold: Decimal
    """Burn rate."""
    lookback_seconds: int
    alert_after_seconds: int
    """How long it must hold; 0 when at once."""
    origin: Origin


@dataclass(frozen=True, slots=True)
class AlertNotificationTarget:
    """OpenSLO ``AlertNotificationTarget``: where alerts go."""

    name: str
    display_name: str
    description: str
    target: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class AlertPolicy:
    """OpenSLO ``AlertPolicy``, with its condition and targets resolved."""

    name: str
    display_name: str
    description: str
    when_no_data: bool
    when_resolved: bool
    when_breaching: bool
    condition: AlertCondition
    targets: tuple[AlertNotificationTarget, ...]
    origin: Origin
