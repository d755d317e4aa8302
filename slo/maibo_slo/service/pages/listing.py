"""A list that may be long: filtered by what is typed, sorted by a column, cut to what can be read. Its page's address says all of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

SHOWN: Final = 50
"""Rows, unless all are asked for: as many as anybody reads."""
MOST_TYPED: Final = 200
"""Characters of a filter."""
REVERSED: Final = "-"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address says of a page's lists."""

    typed: str = ""
    sort: str = ""
    """A column's name, after a minus the other way round; '' is the list's own order."""
    slos: str = ""
    """The same of the SLOs."""
    everything: bool = False

    @property
    def query(self) -> dict[str, str]:
        """How an address says it."""
        said = {"q": self.typed, "sort": self.sort, "slos": self.slos, "all": "1" if self.everything else ""}
        return {name: value for name, value in said.items() if value}

    @property
    def words(self) -> list[str]:
        return self.typed.casefold().split()

    def fits(self, *texts: str) -> bool:
        """Whether each word that was typed is in one of these."""
        if not self.typed:
            return True
        found = " ".join(texts).casefold()
        return all(word in found for word in self.words)


@dataclass(frozen=True, slots=True)
class Heading:
    """A column's head: the link that sorts by it, and how it is sorted now, as aria-sort says it."""

    href: str
    sorted: str


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """What a list can be sorted by: the key, smallest first or largest first. What has no key comes last, either way."""

    key: Callable[[T], Any]
    largest_first: bool = False


def asked(parameters: Mapping[str, str]) -> Asked:
    """Of a request."""
    return Asked(
        typed=parameters.get("q", "").strip()[:MOST_TYPED],
        sort=parameters.get("sort", "")[:MOST_TYPED],
        slos=parameters.get("slos", "")[:MOST_TYPED],
        everything=parameters.get("all") == "1",
    )


def ordered(items: Iterable[T], columns: Mapping[str, Column[T]], sort: str, usual: Callable[[T], Any]) -> list[T]:
    """By the column asked for; what is equal there, or where no such column is, in the usual order."""
    there = sorted(items, key=usual)
    column = columns.get(sort.removeprefix(REVERSED))
    if column is None:
        return there
    keyed = [(column.key(item), item) for item in there]
    known = sorted(
        ((key, item) for key, item in keyed if key is not None),
        key=lambda each: each[0],
        reverse=column.largest_first is not sort.startswith(REVERSED),
    )
    return [item for _, item in known] + [item for key, item in keyed if key is None]


def headings(columns: Mapping[str, Column[Any]], sort: str, here: Callable[[str], str]) -> dict[str, Heading]:
    """By name; `here` is the page's address sorted so."""
    return {name: _heading(name, column, sort, here) for name, column in columns.items()}


def _heading(name: str, column: Column[Any], sort: str, here: Callable[[str], str]) -> Heading:
    if name != sort.removeprefix(REVERSED):
        return Heading(here(name), "")
    turned = sort.startswith(REVERSED)
    falling = column.largest_first is not turned
    return Heading(here(name if turned else f"{REVERSED}{name}"), "descending" if falling else "ascending")
