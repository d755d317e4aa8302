"""One SLO's counts from elsewhere: how far they were asked for, what is due, and what of an answer is news."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from maibo_slo.documents import PromSlo
from maibo_slo.engine.burn import BURN_WINDOWS
from maibo_slo.engine.calendar import longest_seconds
from maibo_slo.engine.counts import GoodBad
from maibo_slo.engine.feeding.memory import Remembered
from maibo_slo.engine.feeding.source import MINUTE
from maibo_slo.engine.spans import Span, joined, newest_gap

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maibo_slo.documents import FedSlo, Slo
    from maibo_slo.engine.feeding.source import Source

LOOK_BACK_SECONDS: Final = 600
"""How far what was asked is asked again, since samples may reach a source late."""
CHUNK_SECONDS: Final = 6 * 3600
"""Of the past, asked for at once; less where a source cannot tell so much."""
SHORTEST_CHUNK_SECONDS: Final = 1800
LONGEST_PATIENCE: Final = 64
"""Answers about the past in a row before more of it is asked for at once again: 4 after one failure, then twice as many after each."""
FIRST_RETRY_SECONDS: Final = 10.0
LONGEST_RETRY_SECONDS: Final = 300.0
NOTHING: Final = GoodBad(0, 0)


class Place(NamedTuple):
    """What is asked one after the other: a source, and of several servers which."""

    source: str
    server: str


class Reached(NamedTuple):
    """The spans that were asked for, when the last of it was offered (unix s)."""

    offered_at: float
    asked: tuple[Span, ...]


@dataclass(slots=True)
class Tries:
    """How asking for an SLO's present goes, or for its past: a past that takes too long must not delay the present."""

    failures: int = 0
    """In a row."""
    retry_at: float = 0.0
    problem: str = ""

    def failed(self, why: str, *, now: float) -> None:
        """Not to be asked again for a while."""
        self.failures += 1
        self.retry_at = now + delay(self.failures, LONGEST_RETRY_SECONDS)
        self.problem = why

    def succeeded(self) -> None:
        """All is well."""
        self.failures, self.retry_at, self.problem = 0, 0.0, ""


@dataclass(slots=True)
class Feed:
    """One SLO's counts: how far they were asked for."""

    slo: Slo | FedSlo
    reader: Source
    source: str
    meaning: str
    """The source and the names of the objectives: counts that an objective of a new name never had are asked for anew."""
    asked: tuple[Span, ...] = ()
    recent: dict[int, GoodBad] = field(default_factory=dict)
    """What was said of the minutes that are looked at again."""
    kept: tuple[Span, ...] = ()
    """Of `asked`, what the engine has taken in: this is remembered."""
    waiting: list[Reached] = field(default_factory=list)
    """Not taken in yet: the older is next, the newer grows. Two at most."""
    present: Tries = field(default_factory=Tries)
    earlier: Tries = field(default_factory=Tries)
    chunk_seconds: int = CHUNK_SECONDS
    patience: int = 2
    """Answers about the past in a row before more is asked for at once; doubled by each failure."""
    answers: int = 0
    """Of these, so far."""
    former: Remembered | None = None
    """What the ledger may have counts of until some of this are in it: after a kill, they must be known to be void."""

    @property
    def memory(self) -> Remembered | None:
        """What is to be known after a restart."""
        return Remembered(self.meaning, self.kept) if self.kept else self.former

    @property
    def reach_seconds(self) -> int:
        """How far back the SLO's numbers look."""
        calendar = self.slo.calendar
        window = self.slo.window_seconds if calendar is None else longest_seconds(calendar)
        return max(window, *BURN_WINDOWS.values())

    def wanted(self, now: float) -> Span:
        """The minutes within reach that are complete."""
        end = int(now - self.reader.settle_seconds(self.slo)) // MINUTE * MINUTE
        return Span((int(now) - self.reach_seconds) // MINUTE * MINUTE, end)

    def turn_back(self, now: float) -> None:
        """Minutes that have not come yet were asked for in vain, by a clock that was ahead."""
        end = self.wanted(now).end
        self.asked = tuple(Span(span.begin, min(span.end, end)) for span in self.asked if span.begin < end)
        self.waiting = [Reached(min(at, now), asked) for at, asked in self.waiting]

    def newest(self, now: float) -> Span | None:
        """What is to be asked for the present; None when there is no new minute."""
        begin, end = self.wanted(now)
        if self.asked and self.asked[-1].end >= end:
            return None
        return Span(max(begin, end - LOOK_BACK_SECONDS), end)

    def past(self, now: float) -> Span | None:
        """What is to be asked for the past."""
        gap = newest_gap(self.wanted(now), self.asked)
        return None if gap is None else Span(max(gap.begin, gap.end - self.chunk_seconds), gap.end)

    def failed(self, tries: Tries, why: str, *, now: float) -> None:
        """It could not be told; of the past, less is asked for next time."""
        tries.failed(why, now=now)
        if tries is self.earlier:
            self.chunk_seconds = max(self.chunk_seconds // 2, SHORTEST_CHUNK_SECONDS)
            self.patience, self.answers = min(2 * self.patience, LONGEST_PATIENCE), 0

    def succeeded(self, tries: Tries) -> None:
        """It was told; of the past, more is asked for once that went well for a while."""
        tries.succeeded()
        if tries is self.earlier:
            self.answers += 1
            if self.answers >= self.patience:
                self.chunk_seconds, self.answers = min(2 * self.chunk_seconds, CHUNK_SECONDS), 0

    def news(self, counts: Mapping[int, GoodBad], span: Span) -> dict[int, GoodBad]:
        """What the engine does not have yet; minutes that are empty now and were not, or may not have been, too."""
        told: dict[int, GoodBad] = {}
        for t in range(span.begin, span.end, MINUTE):
            before = self.recent.get(t, None if _within(t, self.asked) else NOTHING)
            if (said := counts.get(t, NOTHING)) != before:
                told[t] = said
        if not self.asked:
            told.setdefault(span.end - MINUTE, NOTHING)  # so that the engine knows of a new source which has no data
        return told

    def reached(self, span: Span, counts: Mapping[int, GoodBad], *, now: float) -> None:
        """The span was asked for, and its counts are on offer since `now`."""
        begin, end = self.wanted(now)
        self.recent |= {t: counts.get(t, NOTHING) for t in range(span.begin, span.end, MINUTE)}
        self.recent = {t: said for t, said in self.recent.items() if t >= end - LOOK_BACK_SECONDS}
        self.asked = joined((*self.asked, span), since=begin)
        self.waiting = [*self.waiting[:1], Reached(now, self.asked)]

    def took(self, at: float) -> None:
        """The engine has taken in what was on offer before this time."""
        while self.waiting and self.waiting[0].offered_at < at:
            self.kept = self.waiting.pop(0).asked


def place_of(feed: Feed) -> Place:
    data_source = feed.slo.data_source if isinstance(feed.slo, PromSlo) else None
    return Place(feed.reader.name, "" if data_source is None else data_source.name)


def delay(failures: int, longest: float) -> float:
    return min(FIRST_RETRY_SECONDS * 2.0 ** min(failures - 1, 10), longest)


def is_ahead(t: float, now: float, longest: float) -> bool:
    """Whether this time is still to come; one that is further away was told by a clock that was ahead."""
    return 0 < t - now <= longest


def _within(t: int, spans: Sequence[Span]) -> bool:
    return any(begin <= t < end for begin, end in spans)
