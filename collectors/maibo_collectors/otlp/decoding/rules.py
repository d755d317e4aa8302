"""How signals of services without the SDK become journeys and steps, as acceptors know it: what `Journey` documents say, as plain values.

The core writes them into a file (`write`), acceptors read it when it changes (`read`). Acceptors never load documents.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import msgspec

from maibo_collectors.errors import CollectorError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SPAN_KINDS: Final = {"internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}
"""As OTLP numbers them."""


class Condition(msgspec.Struct, frozen=True, array_like=True):
    """A text is one of these patterns; ``*`` in a pattern stands for any characters. A text that is absent matches nothing."""

    key: str
    """Attribute, or field of a log record."""
    patterns: tuple[str, ...]


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A signal that meets every condition is this step of this journey, or with step '' the journey as a whole."""

    journey: str
    step: str = ""
    resource: tuple[Condition, ...] = ()
    """About the resource's attributes; ``service.name`` among them."""
    attributes: tuple[Condition, ...] = ()
    """About the span's, the data point's or the log record's (its map body's fields first, then its attributes)."""
    name: tuple[str, ...] = ()
    """Patterns of the span's name (spans), or the metric's (metrics). Empty: any."""
    kind: int = 0
    """Of a span, as OTLP numbers it; 0: any."""
    failure: tuple[Condition, ...] = ()
    """Any of these makes it a failure; so does a span's status ERROR, unless `failure` is given."""
    reason: str = "error.type"
    """Attribute or field with the failure's reason."""
    tier: str = ""
    """Attribute or field with the tier; '' none."""
    variant: str = ""
    duration: str = ""
    """Field with the duration: log records only."""
    duration_unit_ns: int = 1_000_000_000


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """Everything acceptors know of documents."""

    spans: tuple[Rule, ...] = ()
    logs: tuple[Rule, ...] = ()
    metrics: tuple[Rule, ...] = ()
    thresholds_us: dict[str, int] = msgspec.field(default_factory=dict)
    """Journey -> what customers call fast; slower ones are worth an exemplar."""
    journeys: tuple[str, ...] = ()
    """Those that documents declare: counted by name whatever others come."""
    series_limit: int = 1000
    """Series that one journey may have in an acceptor in a day, all outcomes of the same dimensions being one; what is over goes
    into the journey's overflow series."""
    journey_limit: int = 1000
    """Journeys beside `journeys` that an acceptor counts by name in a day; what is over goes into one overflow journey."""
    reason_limit: int = 100
    """Failure reasons that one journey may have in an acceptor in a day; the others are one."""


def write(rules: Rules, path: Path) -> None:
    """Whoever reads meanwhile reads the old rules or the new ones, whole."""
    whole = path.with_name(f"{path.name}.{os.getpid()}.new")
    whole.write_bytes(msgspec.json.format(msgspec.json.encode(rules), indent=1))
    whole.replace(path)


def read(path: Path) -> Rules:
    """Raises CollectorError when they cannot be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Rules)
    except (OSError, ValueError) as error:
        raise CollectorError(
            f"reading the rules for signals in {path}: {error}; maibo serve writes them anew at its start"
        ) from error


class Patterns:
    """Texts that are looked for; ``*`` in them stands for any characters."""

    def __init__(self, patterns: tuple[str, ...]) -> None:
        self._equal = frozenset(pattern for pattern in patterns if "*" not in pattern)
        self._wild = tuple(tuple(pattern.split("*")) for pattern in patterns if "*" in pattern)

    def match(self, text: str) -> bool:
        return text in self._equal or any(_holds(pieces, text) for pieces in self._wild)


def _holds(pieces: tuple[str, ...], text: str) -> bool:
    """Whether the text is these pieces with anything between; in linear time, which a regular expression would not promise."""
    first, *middle, last = pieces
    if len(text) < len(first) + len(last) or not text.startswith(first) or not text.endswith(last):
        return False
    at, end = len(first), len(text) - len(last)
    for piece in middle:
        found = text.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True


class CompiledRule:
    """A rule, ready to be asked."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self._resource = _compiled(rule.resource)
        self._attributes = _compiled(rule.attributes)
        self._failure = _compiled(rule.failure)
        self._name = Patterns(rule.name)

    @property
    def resource_keys(self) -> tuple[str, ...]:
        """Resource attributes that it asks for."""
        return tuple(condition.key for condition in self.rule.resource)

    @property
    def attribute_keys(self) -> tuple[str, ...]:
        """Attributes or fields that it asks for, but for the duration."""
        asked = (condition.key for condition in (*self.rule.attributes, *self.rule.failure))
        named = (key for key in (self.rule.reason, self.rule.tier, self.rule.variant) if key)
        return (*asked, *named)

    def unmet(
        self, resource: Mapping[str, str | None], attributes: Mapping[str, str | None], *, name: str = "", kind: int = 0
    ) -> Condition | None:
        """The first condition that is not met; None: the rule matches. Those of kind and name have the keys ``kind`` and ``name``."""
        rule = self.rule
        for condition, patterns in self._resource:
            if not _met(resource.get(condition.key), patterns):
                return condition
        if rule.kind and rule.kind != kind:
            return Condition("kind", tuple(word for word, number in SPAN_KINDS.items() if number == rule.kind))
        if rule.name and not self._name.match(name):
            return Condition("name", rule.name)
        for condition, patterns in self._attributes:
            if not _met(attributes.get(condition.key), patterns):
                return condition
        return None

    def failed(self, attributes: Mapping[str, str | None], *, otherwise: bool) -> bool:
        """Whether any failure condition is met; `otherwise` is what a rule without such conditions goes by."""
        if not self._failure:
            return otherwise
        return any(_met(attributes.get(condition.key), patterns) for condition, patterns in self._failure)


def _compiled(conditions: tuple[Condition, ...]) -> tuple[tuple[Condition, Patterns], ...]:
    return tuple((condition, Patterns(condition.patterns)) for condition in conditions)


def _met(text: str | None, patterns: Patterns) -> bool:
    return text is not None and patterns.match(text)
