"""Which requests are which step of which journey: from arguments or from ``Journey`` documents."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from maibo.names import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DEFAULT_TIMEOUT_SECONDS: Final = 1800
_PARAMETER = re.compile(r"\{([^{}:]+)(?::([^{}]+))?\}|<(?:([^<>:]+):)?([^<>]+)>")
_DURATION = re.compile(r"(\d+)\s*([smhd]?)")
_SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


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
    """Ends the journey."""
    timeout_seconds: int = DEFAULT_TIMEOUT_SECONDS
    """A customer who comes back later than this is not on the same journey any more."""


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
            for spelled, route in of_document(document):
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
    """The routes of a ``maibo.dev/v1 Journey`` document; another kind of document has none."""
    if document.get("kind") != "Journey":
        return []
    journey, spec = clean(document["metadata"]["name"]), document.get("spec") or {}
    timeout = seconds(spec.get("timeout", DEFAULT_TIMEOUT_SECONDS))
    return [
        (
            route,
            Route(
                journey=journey,
                step=clean(step["name"]),
                begins=bool(step.get("begins", False)),
                ends=bool(step.get("ends", False)),
                timeout_seconds=timeout,
            ),
        )
        for step in spec.get("steps") or ()
        for route in step.get("routes") or ()
    ]


def seconds(duration: object) -> int:
    """``90``, ``"90s"``, ``"30m"``, ``"2h"``, ``"1d"`` as seconds; raises ValueError for anything else."""
    matched = _DURATION.fullmatch(str(duration).strip())
    if matched is None:
        raise ValueError(f"{duration!r} is not a duration such as 90s, 30m, 2h")
    return int(matched[1]) * _SECONDS[matched[2]]


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
