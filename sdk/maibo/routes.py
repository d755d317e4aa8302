"""Which requests are which step of which journey: from arguments or from ``Journey`` documents.

Arguments are code: what is wrong with them raises where the app is built. Documents are data, often from elsewhere: one that cannot be
read is skipped, counted and told once, and the host starts. ``maibo validate`` says all that is wrong with one; what it accepts is
accepted here.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from maibo import problems
from maibo.names import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DEFAULT_TIMEOUT_SECONDS: Final = 1800
_PARAMETER = re.compile(r"\{([^{}:]+)(?::([^{}]+))?\}|<(?:([^<>:]+):)?([^<>]+)>")
_DURATION = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)(us|ms|s|m|h|d)")
_MICROSECONDS: Final = {"us": 1, "ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_LONGEST_SECONDS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Route:
    """What requests of one route are."""

    journey: str = ""
    """'': whichever journey comes in with the request."""
    step: str = ""
    """'': no step of its own."""
    begins: bool = False
    """Starts the journey when none is under way."""
    ends: bool = False
    """Ends the journey. Each request does: two at the same time with the same cookie count the journey twice."""
    timeout_seconds: int = DEFAULT_TIMEOUT_SECONDS
    """A customer who comes back later than this is not on the same journey any more. A route of no particular `journey` that does not
    end it takes whatever another service sends, within a day."""


@dataclass(frozen=True, slots=True)
class _Template:
    pattern: re.Pattern[str]
    method: str
    routes: tuple[Route, ...]


class Routes:
    """Routes by method and path template: ``POST /checkout/pay/{id}``, ``/files/{name:path}`` (any method), ``GET /cart/<int:id>``.

    Where several templates fit, one with more literal text wins.
    """

    __slots__ = ("_literal", "_templates")

    def __init__(
        self, routes: Mapping[str, Route | Iterable[Route]] | None = None, documents: Iterable[Mapping[str, Any]] = ()
    ) -> None:
        table: defaultdict[str, list[Route]] = defaultdict(list)
        for spelled, given in (routes or {}).items():
            table[spelled].extend([given] if isinstance(given, Route) else given)
        for document in documents:
            for spelled, route in _readable(document):
                table[spelled].append(route)
        self._literal: dict[tuple[str, str], tuple[Route, ...]] = {}
        templates: list[tuple[int, _Template]] = []
        for spelled, several in table.items():
            method, path = _method_and_path(spelled)
            if _PARAMETER.search(path) is None:
                self._literal[method, path] = tuple(several)
            else:
                literal = len(_PARAMETER.sub("", path))
                templates.append((literal, _Template(_compile(path), method, tuple(several))))
        self._templates = [template for _, template in sorted(templates, key=lambda each: -each[0])]

    def match(self, method: str, path: str) -> tuple[Route, ...]:
        """What a request is; empty when it is no step of anything."""
        found = self._literal.get((method, path)) or self._literal.get(("", path))
        if found is not None:
            return found
        for template in self._templates:
            if template.method in {"", method} and template.pattern.fullmatch(path):
                return template.routes
        return ()


def of_document(document: Mapping[str, Any]) -> list[tuple[str, Route]]:
    """The routes of a ``maibo.dev/v1 Journey`` document; another kind of document has none. Raises for one that cannot be read."""
    if document.get("kind") != "Journey":
        return []
    journey, spec = clean(document["metadata"]["name"]), document.get("spec") or {}
    timeout = DEFAULT_TIMEOUT_SECONDS if spec.get("timeout", "") == "" else seconds(spec["timeout"])
    found = []
    for step in spec.get("steps") or ():
        name, begins, ends = clean(step["name"]), bool(step.get("begins", False)), bool(step.get("ends", False))
        route = Route(journey=journey, step=name, begins=begins, ends=ends, timeout_seconds=timeout)
        routes = step.get("routes") or ()
        for spelled in (routes,) if isinstance(routes, str) else routes:
            _method_and_path(spelled)
            found.append((spelled, route))
    return found


def _readable(document: Mapping[str, Any]) -> list[tuple[str, Route]]:
    try:
        return of_document(document)
    except Exception as error:  # noqa: BLE001 -- the host starts without it
        problems.noticed(
            problems.DOCUMENTS_IGNORED,
            "maibo: a Journey document cannot be read (%s: %s), its requests are not tagged: %.200r",
            type(error).__name__,
            error,
            document,
        )
        return []


def seconds(duration: str) -> int:
    """``90s``, ``30m``, ``1.5h``, ``1d`` as seconds; raises ValueError for what is not a whole number of them up to 10^6."""
    matched = _DURATION.fullmatch(duration) if isinstance(duration, str) else None
    if matched is None:
        raise ValueError(f"{duration!r} is not a duration such as 90s, 30m, 1.5h")
    whole, beyond = divmod(Decimal(matched[1]) * _MICROSECONDS[matched[2]], 1_000_000)
    if beyond or not 1 <= whole <= _LONGEST_SECONDS:
        raise ValueError(f"{duration!r} is not a whole number of seconds up to 11 days")
    return int(whole)


def _method_and_path(spelled: str) -> tuple[str, str]:
    method, _, path = spelled.strip().rpartition(" ")
    if not path.startswith("/"):
        raise ValueError(f"route {spelled!r}: expected 'METHOD /path' or '/path'")
    return method.strip().upper().replace("*", ""), path


def _compile(path: str) -> re.Pattern[str]:
    parts, end = [], 0
    for parameter in _PARAMETER.finditer(path):
        kind = parameter[2] or parameter[3]
        parts += [re.escape(path[end : parameter.start()]), ".*" if kind == "path" else "[^/]+"]
        end = parameter.end()
    return re.compile("".join([*parts, re.escape(path[end:])]), re.DOTALL)
