"""What documents say, once they have been checked: plain frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


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
