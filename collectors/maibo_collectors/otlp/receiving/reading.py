"""From a body to what is logged of it and what its sender is told: the counts it comes to or, at the edge, the body itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from maibo_collectors.otlp.body import Encoding
from maibo_collectors.otlp.decoding import points, tally
from maibo_collectors.otlp.decoding.decoders import Decoders
from maibo_collectors.otlp.receiving import partial, raw
from maibo_collectors.otlp.segment import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maibo_collectors.otlp.decoding.rules import Rules

_UNITS: Final = {"traces": "span", "metrics": "data point", "logs": "log record"}
"""What a signal's items are called."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a body comes to."""

    items: int
    """Spans, data points or log records."""
    results: Mapping[str, int]
    """How many of them were counted, ignored, …"""
    rejected: int = 0
    message: str = ""
    """For partial success."""
    kind: Kind = Kind.TALLY
    record: bytes | None = None
    """What is logged; None: nothing."""
    encoding: Encoding = Encoding.IDENTITY
    """Of what is logged."""


class Reader(Protocol):
    """Reads bodies, one after the other: not for several threads."""

    def read(self, kind: Kind, body: bytes, *, sent: bytes, encoding: Encoding, received_ns: int) -> Reading:
        """`body` is `sent` without its encoding. Raises BodyMalformed, BodyTooLarge."""
        ...

    def replace_rules(self, rules: Rules) -> None:
        """From the next body on."""


class CountingReader:
    """What a service's acceptors make of bodies."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._decoders = Decoders(rules)

    def replace_rules(self, rules: Rules) -> None:
        self._rules = rules
        self._decoders.replace_rules(rules)

    def read(self, kind: Kind, body: bytes, *, sent: bytes, encoding: Encoding, received_ns: int) -> Reading:  # noqa: ARG002 -- the edge logs these
        if kind.signal == "metrics":
            found = points.decode(kind, body, self._decoders.classifier, received_ns=received_ns)
            return self._reading(kind, found, Kind.POINTS, points.encode(found))
        made = self._decoders.tally(kind, body, received_ns=received_ns)
        return self._reading(kind, made, Kind.TALLY, tally.encode(made))

    def _reading(self, kind: Kind, made: tally.Tally | points.Points, logged_as: Kind, record: bytes) -> Reading:
        rejected = sum(made.rejected.values())
        results = {
            "counted": made.counted,
            "ignored": made.ignored,
            "rejected": rejected,
            "skewed": made.total - made.counted - made.ignored - rejected,
        }
        # Of metrics and logs nearly everything has nothing to do with journeys. Spans without one are logged all the same: that there
        # are such spans is what a page without journeys tells.
        wanted = made.total if kind.signal == "traces" else made.total - made.ignored
        return Reading(
            made.total,
            results,
            rejected,
            partial.message(made, self._rules, unit=_UNITS[kind.signal]),
            logged_as,
            record if wanted else None,
        )


class ForwardingReader:
    """What an edge's acceptors make of bodies: nothing but sure that they are whole."""

    def replace_rules(self, rules: Rules) -> None:
        """There are none at the edge."""

    def read(self, kind: Kind, body: bytes, *, sent: bytes, encoding: Encoding, received_ns: int) -> Reading:  # noqa: ARG002 -- counting needs it
        items = raw.items(kind, body)
        return Reading(items, {"taken": items}, kind=kind, record=sent if items else None, encoding=encoding)
