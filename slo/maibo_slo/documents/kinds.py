"""What documents say, once they have been checked: plain frozen values."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

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
class Objective:
    """One objective of an SLO."""

    name: str
    """displayName where given, else ``target`` as text (``0.999``): unique within its SLO."""
    target: float
    """In (0, 1)."""


@dataclass(frozen=True, slots=True)
class Slo:
    """OpenSLO ``SLO`` with a rolling window and the Occurrences method."""

    name: str
    display_name: str
    description: str
    service: str
    indicator: Sli
    objectives: tuple[Objective, ...]
    window_seconds: int
    labels: Mapping[str, tuple[str, ...]]
    origin: Origin
    alert_policies: tuple[AlertPolicy, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)


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


@dataclass(frozen=True, slots=True)
class PromSli:
    """OpenSLO ``SLI`` whose events a Prometheus counts; exactly one of good and bad is given."""

    name: str
    total: PromQuery
    good: PromQuery | None = None
    bad: PromQuery | None = None


@dataclass(frozen=True, slots=True)
class PromSlo:
    """An OpenSLO ``SLO`` whose events a Prometheus counts: rules are generated for it; this version's engine does not judge it.

    Exactly one of good and bad is given.
    """

    name: str
    display_name: str
    description: str
    service: str
    total: PromQuery
    good: PromQuery | None
    bad: PromQuery | None
    objectives: tuple[Objective, ...]
    window_seconds: int
    labels: Mapping[str, tuple[str, ...]]
    origin: Origin
    alert_policies: tuple[AlertPolicy, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)


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
