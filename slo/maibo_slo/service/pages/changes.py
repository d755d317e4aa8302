"""What changed, on one axis of time: a lane for each kind, the same as a strip above other charts, and the words of each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from maibo_slo.service.answers import Span
from maibo_slo.service.changes import Kind
from maibo_slo.service.flows import utc
from maibo_slo.service.pages import ranges
from maibo_slo.service.pages.language import gettext
from maibo_slo.service.pages.marks import LANES, Drawing, Mark, Row, changes_href
from maibo_slo.service.pages.shapes import Tick, time_axis

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from maibo_slo.service.changes import Change, Changed

DEFAULT_WINDOW: Final = "1d"
ROWS: Final = 200
"""So many have a row: the newest."""
STRIP: Final[Sequence[tuple[Kind, ...]]] = (
    (Kind.VERSION, Kind.OVERRIDE, Kind.CORRECTION),
    (Kind.ALERT,),
    (Kind.SCALEUP, Kind.WRITE, Kind.RISE),
)
"""Rows of a strip: what people do, what they are told, what scaling does. Of marks that lie together in one, the first kind is drawn."""
SERVICES: Final = 200


@dataclass(frozen=True, slots=True)
class Lane:
    """One kind."""

    kind: Kind
    name: str
    count: int
    marks: tuple[Mark, ...]
    """None in a strip, which has its own."""
    words: str


@dataclass(frozen=True, slots=True)
class Filter:
    """One of the choices of kinds."""

    name: str
    href: str
    current: bool


@dataclass(frozen=True, slots=True)
class ChangesView:
    """What is drawn of some changes."""

    window: Span
    lanes: tuple[Lane, ...]
    """That have any."""
    ticks: tuple[Tick, ...]
    rows: tuple[Row, ...]
    count: int
    cut: bool
    more: int
    """Without a row."""
    href: str = ""
    """Of the page about them."""
    kinds: tuple[Filter, ...] = ()
    service: str = ""
    services: tuple[str, ...] = ()
    clear_href: str = ""
    strip: tuple[Mark, ...] = ()
    """All of them, in few rows."""
    strip_rows: int = 0
    problem: str = ""
    """Why they are not known."""


def kinds_of(said: Iterable[str]) -> tuple[Kind, ...]:
    """Those of an address that there are; what is none is left out."""
    there = {kind.value: kind for kind in Kind}
    return tuple(there[each] for each in dict.fromkeys(said) if each in there)


def changes_page(
    found: Changed, *, now: float, base: str, carried: Mapping[str, str], kinds: Sequence[Kind], service: str
) -> ChangesView:
    """The page at /changes."""
    draw = Drawing(found, now=now, base=base, carried=carried)
    view = _view(found, draw, ROWS, href=changes_href(base=base, carried=carried))
    filters = [Filter(gettext("All"), changes_href(base=base, carried=carried, service=service), not kinds)]
    filters += [
        Filter(gettext(name), changes_href(base=base, carried=carried, kinds=(kind,), service=service), kind in kinds)
        for kind, name in LANES.items()
    ]
    return replace(
        view,
        lanes=tuple(replace(lane, marks=draw.marks(_of(found, lane.kind))) for lane in view.lanes),
        kinds=tuple(filters),
        service=service,
        services=tuple(sorted({*found.services[:SERVICES], *([service] if service else [])})),
        clear_href=changes_href(base=base, carried=carried, kinds=kinds),
    )


def changes_strip(
    found: Changed, *, now: float, base: str, carried: Mapping[str, str], rows: int = 30, own_range: bool = False
) -> ChangesView:
    """The same, small: to stand above charts of [`begin`, `end`). `own_range`: it is about another stretch than its page."""
    draw = Drawing(found, now=now, base=base, carried=carried)
    strip: list[Mark] = []
    number = 0
    for kinds in STRIP:
        mine = _of(found, *kinds)
        strip += [replace(mark, row=number) for mark in draw.marks(mine, kinds)]
        number += bool(mine)
    own = {"from": ranges.written(found.begin), "to": ranges.written(found.end)}
    view = _view(found, draw, rows, href=changes_href(base=base, carried=own if own_range else carried))
    return replace(view, strip=tuple(strip), strip_rows=number)


def no_changes(begin: float, end: float, problem: str) -> ChangesView:
    """They cannot be told: the page is shown all the same."""
    span = Span(begin=utc(begin), end=utc(end), seconds=max(1, round(end - begin)))
    return ChangesView(span, (), time_axis(span), (), 0, cut=False, more=0, problem=problem)


def _view(found: Changed, draw: Drawing, rows: int, *, href: str) -> ChangesView:
    """Without marks."""
    lanes = []
    for kind, name in LANES.items():
        if number := len(_of(found, kind)):
            said = gettext(name)
            lanes.append(Lane(kind, said, number, (), f"{said}: {number}"))
    return ChangesView(
        window=draw.span,
        lanes=tuple(lanes),
        ticks=time_axis(draw.span),
        rows=tuple(draw.row(each) for each in found.changes[:rows]),
        count=len(found.changes),
        cut=found.cut,
        more=max(0, len(found.changes) - rows),
        href=href,
    )


def _of(found: Changed, *kinds: Kind) -> list[Change]:
    return [each for each in found.changes if each.kind in kinds]
