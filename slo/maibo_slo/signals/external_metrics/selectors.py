"""Kubernetes' label selectors, as ``?labelSelector=`` has them: the whole grammar, or a clear refusal.

``a=b``, ``a==b``, ``a!=b``, ``a in (b,c)``, ``a notin (b,c)``, ``a``, ``!a``, ``a>1``, ``a<1``, joined by commas that mean "and"; '' selects all.
Source: ``labels.Parse`` of apimachinery (k8s.io/apimachinery/pkg/labels/selector.go).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Operator = Literal["in", "notin", "exists", "absent", "gt", "lt"]
LONGEST: Final = 16_384
_TOKEN: Final = re.compile(r"\s*(?:(?P<mark>==|!=|[=!,()<>])|(?P<word>[^\s=!,()<>]+))")
_NAME: Final = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_PREFIX: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_INTEGER: Final = re.compile(r"-?[0-9]{1,18}")


class SelectorError(ValueError):
    """A text that is no selector; says where it goes wrong."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One of those that must all be met."""

    key: str
    operator: Operator
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """A label that is not there is not in any set; ``!=`` and ``notin`` are met by that."""
        value = labels.get(self.key)
        match self.operator:
            case "exists":
                return value is not None
            case "absent":
                return value is None
            case "in":
                return value in self.values
            case "notin":
                return value not in self.values
            case "gt" | "lt":
                if value is None or not _INTEGER.fullmatch(value):
                    return False
                (bound,) = map(int, self.values)
                return int(value) > bound if self.operator == "gt" else int(value) < bound


def parse(text: str) -> tuple[Requirement, ...]:
    """All of these must match; () matches everything. SelectorError.

    >>> [str(each.operator) for each in parse("app=api,tier in (gold, silver),!canary")]
    ['in', 'in', 'absent']
    """
    if len(text) > LONGEST:
        raise SelectorError(f"a selector of {len(text)} characters; at most {LONGEST} are read")
    return _Parser(text).requirements()


def matches(requirements: tuple[Requirement, ...], labels: Mapping[str, str]) -> bool:
    """Whether all of them do."""
    return all(each.matches(labels) for each in requirements)


class _Parser:
    """Recursive descent over the tokens."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[tuple[str, bool]] = []
        """Text, and whether it is a word."""
        at, end = 0, len(text.rstrip())
        while at < end:
            found = _TOKEN.match(text, at)
            if found is None:  # nothing but spaces are no tokens, and they were stripped
                raise self._error(f"at {text[at:]!r}")
            self._tokens.append((found["mark"] or found["word"], found["word"] is not None))
            at = found.end()
        self._at = 0

    def requirements(self) -> tuple[Requirement, ...]:
        if not self._tokens:
            return ()
        found = [self._requirement()]
        while self._at < len(self._tokens):
            self._take(",")
            found.append(self._requirement())
        return tuple(found)

    def _requirement(self) -> Requirement:
        if self._next() == "!":
            self._take("!")
            return Requirement(self._key(), "absent")
        key = self._key()
        operator = self._next()
        if operator in {"", ","}:
            return Requirement(key, "exists")
        self._at += 1
        if operator in {"=", "==", "!="}:
            return Requirement(key, "notin" if operator == "!=" else "in", frozenset({self._value()}))
        if operator in {"<", ">"}:
            bound = self._value()
            if not _INTEGER.fullmatch(bound):
                raise self._error(f"{operator} compares whole numbers, not {bound!r}")
            return Requirement(key, "lt" if operator == "<" else "gt", frozenset({bound}))
        if operator == "in":
            return Requirement(key, "in", self._values())
        if operator == "notin":
            return Requirement(key, "notin", self._values())
        raise self._error(f"{operator!r} is no operator: there are =, ==, !=, in, notin, <, >")

    def _values(self) -> frozenset[str]:
        """``(a, b,)``: an empty one is the empty value."""
        self._take("(")
        values = {self._value()}
        while self._next() == ",":
            self._take(",")
            values.add(self._value())
        self._take(")")
        return frozenset(values)

    def _key(self) -> str:
        word, is_word = self._tokens[self._at] if self._at < len(self._tokens) else ("", False)
        prefix, slash, name = word.rpartition("/")
        if not is_word or not _NAME.fullmatch(name) or len(name) > 63 or (slash and not _PREFIX.fullmatch(prefix)):
            raise self._error(f"{word!r} is no label's name" if word else "a label's name is missing")
        self._at += 1
        return word

    def _value(self) -> str:
        if self._at == len(self._tokens) or not self._tokens[self._at][1]:
            return ""
        value = self._tokens[self._at][0]
        if not _NAME.fullmatch(value) or len(value) > 63:
            raise self._error(f"{value!r} is no label's value")
        self._at += 1
        return value

    def _next(self) -> str:
        return self._tokens[self._at][0] if self._at < len(self._tokens) else ""

    def _take(self, mark: str) -> None:
        if self._next() != mark or self._tokens[self._at][1]:
            raise self._error(
                f"{mark!r} is missing before {self._next()!r}" if self._next() else f"{mark!r} is missing"
            )
        self._at += 1

    def _error(self, what: str) -> SelectorError:
        return SelectorError(f"{self._text!r} is no label selector: {what}")
