"""Addresses of the pages, with the time window and the choice of step, tier, version and region that they carry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from collections.abc import Mapping

WINDOWS: Mapping[str, int] = {"5m": 300, "30m": 1_800, "1h": 3_600, "6h": 21_600, "1d": 86_400}
DEFAULT_WINDOW = "5m"
FILTERS = ("step", "tier", "version", "region")


@dataclass(frozen=True, slots=True)
class WindowLink:
    """One of the time windows that a page can show."""

    name: str
    href: str
    current: bool


def journey_href(name: str, *, base: str, window: str, filters: Mapping[str, str] | None = None) -> str:
    """Where a journey's page is; with filters, all of it is about one step or part."""
    return _href("journeys", name, base=base, query={"window": window, **(filters or {})})


def traces_href(name: str, *, base: str, window: str, filters: Mapping[str, str]) -> str:
    """Where the API tells the traces of a journey's page."""
    folded = quote(name, safe="", errors="replace").replace(".", "%2E")  # clients fold the segments . and ..
    return f"{base}/v1/journeys/{folded}/exemplars?{urlencode({'window': window, **filters}, errors='replace')}"


def slo_href(name: str, *, base: str, group: str = "") -> str:
    """Where an SLO's page is; with a group, the numbers of that group are shown."""
    return _href("slos", name, base=base, query={"group": group} if group else {})


def _href(kind: str, name: str, *, base: str, query: Mapping[str, str]) -> str:
    """A name may hold slashes, so it is quoted whole. Browsers fold the segments '.' and '..', and routes end at a newline: such
    names go into the query.
    """
    if name in {"", ".", ".."} or "\n" in name:
        return f"{base}/{kind}?{urlencode({'name': name, **query})}"
    # A lone surrogate cannot be quoted as UTF-8; such a name cannot come from OTLP, but a page must not fail over it.
    path = f"{base}/{kind}/{quote(name, safe='', errors='replace')}"
    return f"{path}?{urlencode(query, errors='replace')}" if query else path
