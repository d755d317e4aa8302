"""Addresses of the pages, with what they carry from one to the next: the range of time, and the choice of step, tier, version and region."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from maibo_slo.service.pages.language import marked

if TYPE_CHECKING:
    from collections.abc import Mapping

FILTERS = ("step", "tier", "version", "region")
PLACES: Final = (
    ("/", marked("Journeys")),
    ("/scaling", marked("Scaling")),
    ("/scaleups", marked("Scale-ups")),
    ("/alerts", marked("Alerts")),
    ("/changes", marked("Changes")),
)
"""What every page's head leads to: the path below the base, and its name."""


def overview_href(*, base: str, carried: Mapping[str, str]) -> str:
    """Where all journeys and SLOs are."""
    return place_href("/", base=base, carried=carried)


def place_href(path: str, *, base: str, carried: Mapping[str, str]) -> str:
    """A page without a name in its address."""
    return with_query(f"{base}{path}", carried)


def journey_href(name: str, *, base: str, carried: Mapping[str, str], filters: Mapping[str, str] | None = None) -> str:
    """Where a journey's page is; with filters, all of it is about one step or part."""
    return _href("journeys", name, base=base, query={**carried, **(filters or {})})


def traces_href(name: str, *, base: str, query: Mapping[str, str]) -> str:
    """Where the API tells the traces of a journey's page."""
    folded = quote(name, safe="", errors="replace").replace(".", "%2E")  # clients fold the segments . and ..
    return with_query(f"{base}/v1/journeys/{folded}/exemplars", query)


def slo_href(name: str, *, base: str, carried: Mapping[str, str], group: str = "") -> str:
    """Where an SLO's page is; with a group, the numbers of that group are shown."""
    return _href("slos", name, base=base, query={**carried, **({"group": group} if group else {})})


def with_query(address: str, query: Mapping[str, str]) -> str:
    """An address with a query, where it has any; colons of times stay readable."""
    if not query:
        return address
    return f"{address}{'&' if '?' in address else '?'}{urlencode(query, safe=':/', errors='replace')}"


def _href(kind: str, name: str, *, base: str, query: Mapping[str, str]) -> str:
    """A name may hold slashes, so it is quoted whole. Browsers fold the segments '.' and '..', and routes end at a newline: such
    names go into the query.
    """
    if name in {"", ".", ".."} or "\n" in name:
        return with_query(f"{base}/{kind}", {"name": name, **query})
    # A lone surrogate cannot be quoted as UTF-8; such a name cannot come from OTLP, but a page must not fail over it.
    return with_query(f"{base}/{kind}/{quote(name, safe='', errors='replace')}", query)
