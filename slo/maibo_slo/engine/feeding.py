"""Counts from elsewhere: sources are asked for the minutes that have closed, and the engine is offered what they say.

A source is whoever can tell the good and bad events of an SLO's minutes: a Prometheus (`maibo_slo.sources`), or a plugin's own. It is asked
for the present first, once a minute, and then for the past, newest first and in bounded chunks, as far as the SLO's window reaches. How far
that has got is remembered over a restart, once the engine has taken it in. Guarantees:

* every closed minute within reach is asked for, however long a source was down: what is missing is asked for when it is back;
* until then those minutes are no data, neither good nor bad;
* the last ten minutes are looked at again with each new one, so that what reached the source late is counted too;
* a source that hangs delays its own SLOs alone, and of a Prometheus those alone that have the same data source: up to eight places are asked
  at once, so when eight hang, the others wait.

`Feeder.run` asks in threads; `Feeder.round` is one round of it, for a clock of one's own.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from numbers import Integral
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from maibo_slo.documents import FedSlo, PromSlo
from maibo_slo.engine.burn import BURN_WINDOWS
from maibo_slo.engine.calendar import longest_seconds
from maibo_slo.engine.counts import GoodBad
from maibo_slo.engine.inbox import MOST_EVENTS
from maibo_slo.engine.spans import Span, joined, newest_gap
from maibo_slo.errors import MaiboError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from maibo_slo.documents import Catalogue, Slo

FORMAT: Final = 1
MINUTE: Final = 60
ROUND_SECONDS: Final = 5.0
QUICK_SECONDS: Final = 2.0
"""What is known by then is told in the same round, the rest in the next."""
WORK_SECONDS: Final = 4.0
"""Of a round, for the past; the present takes what it takes."""
LOOK_BACK_SECONDS: Final = 600
"""How far what was asked is asked again, since samples may reach a source late."""
CHUNK_SECONDS: Final = 6 * 3600
"""Of the past, asked for at once; less where a source cannot tell so much."""
SHORTEST_CHUNK_SECONDS: Final = 1800
LONGEST_PATIENCE: Final = 64
"""Answers about the past in a row before more of it is asked for at once again: 4 after one failure, then twice as many after each."""
FIRST_RETRY_SECONDS: Final = 10.0
LONGEST_RETRY_SECONDS: Final = 300.0
LONGEST_UNREACHABLE_SECONDS: Final = 60.0
"""Between two tries of a place that does not answer."""
MOST_UNTAKEN: Final = 100_000
"""Minutes on offer that the engine has not taken in yet: then the past waits, and at twice as many the present."""
THREADS: Final = 8
STOP_SECONDS: Final = 12.0
"""For what is under way at the stop; what it would have told is asked for after the next start."""
SAVE_SECONDS: Final = 30.0
_NOTHING: Final = GoodBad(0, 0)
_SHOWN: Final = 3
log = logging.getLogger(__name__)


class SourceError(MaiboError):
    """A source cannot tell an SLO's counts; the text says why, and the mend. It is asked again later, ever more seldom."""


class SourceUnreachable(SourceError):  # noqa: N818 -- the name says what is so
    """Nobody answers there: other SLOs of the same place need not be asked in this round."""


class Source(Protocol):
    """Who can tell the good and bad events of SLOs' minutes."""

    @property
    def name(self) -> str:
        """What `/readyz` calls it."""
        ...

    def serves(self, slo: Slo | FedSlo, /) -> bool:
        """Whether it counts this SLO's events; must not block."""
        ...

    def settle_seconds(self, slo: Slo | FedSlo, /) -> float:
        """How long after a minute's end its counts are complete; must not block."""
        ...

    def source_of(self, slo: Slo | FedSlo, /) -> str:
        """What is asked for, as a short text (``NAME:HASH``): when that changes, everything is asked for anew. Must not block."""
        ...

    def counts(self, slo: Slo | FedSlo, begin: int, end: int, /) -> Mapping[int, GoodBad]:
        """By begin of minute (unix s), in [begin, end), all closed; minutes without events or data are absent.

        May block for some seconds: it runs in a thread, for several SLOs perhaps at once. Raises SourceError.
        """
        ...


class Offer(Protocol):
    """`maibo_slo.engine.evaluate.Engine.offer`."""

    def __call__(self, slo: str, counts: Mapping[int, GoodBad], /, *, source: str) -> None: ...


class _Place(NamedTuple):
    """What is asked one after the other: a source, and of several servers which."""

    source: str
    server: str


class _Rest(NamedTuple):
    """Of a place that does not answer."""

    failures: int
    """In a row."""
    until: float
    """Unix s."""
    why: str


_NEVER: Final = _Rest(0, 0.0, "")


class _Reached(NamedTuple):
    """The spans that were asked for, when the last of it was offered (unix s)."""

    offered_at: float
    asked: tuple[Span, ...]


@dataclass(slots=True)
class _Tries:
    """How asking for an SLO's present goes, or for its past: a past that takes too long must not delay the present."""

    failures: int = 0
    """In a row."""
    retry_at: float = 0.0
    problem: str = ""

    def failed(self, why: str, *, now: float) -> None:
        """Not to be asked again for a while."""
        self.failures += 1
        self.retry_at = now + _delay(self.failures, LONGEST_RETRY_SECONDS)
        self.problem = why

    def succeeded(self) -> None:
        """All is well."""
        self.failures, self.retry_at, self.problem = 0, 0.0, ""


@dataclass(slots=True)
class _Feed:
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
    waiting: list[_Reached] = field(default_factory=list)
    """Not taken in yet: the older is next, the newer grows. Two at most."""
    present: _Tries = field(default_factory=_Tries)
    earlier: _Tries = field(default_factory=_Tries)
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
        self.waiting = [_Reached(min(at, now), asked) for at, asked in self.waiting]

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

    def failed(self, tries: _Tries, why: str, *, now: float) -> None:
        """It could not be told; of the past, less is asked for next time."""
        tries.failed(why, now=now)
        if tries is self.earlier:
            self.chunk_seconds = max(self.chunk_seconds // 2, SHORTEST_CHUNK_SECONDS)
            self.patience, self.answers = min(2 * self.patience, LONGEST_PATIENCE), 0

    def succeeded(self, tries: _Tries) -> None:
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
            before = self.recent.get(t, None if _within(t, self.asked) else _NOTHING)
            if (said := counts.get(t, _NOTHING)) != before:
                told[t] = said
        if not self.asked:
            told.setdefault(span.end - MINUTE, _NOTHING)  # so that the engine knows of a new source which has no data
        return told

    def reached(self, span: Span, counts: Mapping[int, GoodBad], *, now: float) -> None:
        """The span was asked for, and its counts are on offer since `now`."""
        begin, end = self.wanted(now)
        self.recent |= {t: counts.get(t, _NOTHING) for t in range(span.begin, span.end, MINUTE)}
        self.recent = {t: said for t, said in self.recent.items() if t >= end - LOOK_BACK_SECONDS}
        self.asked = joined((*self.asked, span), since=begin)
        self.waiting = [*self.waiting[:1], _Reached(now, self.asked)]

    def took(self, at: float) -> None:
        """The engine has taken in what was on offer before this time."""
        while self.waiting and self.waiting[0].offered_at < at:
            self.kept = self.waiting.pop(0).asked


class Feeder:
    """Asks the sources, and offers what they say."""

    def __init__(
        self,
        sources: Sequence[Source],
        catalogue: Callable[[], Catalogue],
        offer: Offer,
        *,
        memory_path: Path,
        store: str,
        taken_in: Callable[[], float | None],
        tell: Callable[[str, str | None], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        """`taken_in`: when the engine's last tick began (unix s). `tell`: a source's name, and what is wrong or None.

        An SLO is asked of the first source that serves it.
        """
        self._sources = sources
        self._catalogue = catalogue
        self._offer = offer
        self._path = memory_path
        self._store = store
        self._taken_in = taken_in
        self._tell = tell
        self._now = now
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._remembered = recall(memory_path, store=store)
        self._saved = dict(self._remembered)
        self._feeds: dict[str, _Feed] = {}
        self._resting: dict[_Place, _Rest] = {}
        self._untaken: list[tuple[float, int]] = []
        self._told: dict[str, str | None] = {}

    async def run(self, stopping: asyncio.Event) -> None:
        """Ask until `stopping`; a request under way is waited for, `STOP_SECONDS` at most."""
        running: dict[_Place, asyncio.Future[None]] = {}
        loop = asyncio.get_running_loop()
        threads = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="maibo-source")
        try:
            saved = loop.time()
            while not stopping.is_set():
                due = loop.time() + ROUND_SECONDS
                running = {place: asked for place, asked in running.items() if not asked.done()}
                for place in self.places():
                    if place not in running:
                        running[place] = loop.run_in_executor(threads, self.work, place)
                if running:
                    await asyncio.wait(running.values(), timeout=QUICK_SECONDS)
                self.report()
                if loop.time() - saved >= SAVE_SECONDS:
                    await loop.run_in_executor(None, self.save)
                    saved = loop.time()
                await _wait(stopping, due - loop.time())
        finally:
            self._stopped.set()
            # Not waited for here: that would stop the loop for as long as one hangs.
            threads.shutdown(wait=False, cancel_futures=True)
        if running:
            _, late = await asyncio.wait(running.values(), timeout=STOP_SECONDS)
            for asked in late:
                log.warning("a source did not answer within %g s of the stop", STOP_SECONDS)
                asked.cancel()
        self.report()
        self.save()

    def round(self) -> None:
        """Ask every place for what is due, one after the other."""
        for place in self.places():
            self.work(place)
        self.report()

    def places(self) -> list[_Place]:
        """Where SLOs are to be asked for, as the documents say now; who is not asked for any more is forgotten."""
        feeds: dict[str, _Feed] = {}
        for slo in self._catalogue().judged.values():
            if (served := self._served(slo)) is None:
                continue
            reader, source = served
            meaning = f"{source} {' '.join(sorted(objective.name for objective in slo.objectives))}"
            with self._lock:
                known = self._feeds.get(slo.name)
                if known is None or known.meaning != meaning:
                    if known is None:
                        remembered = self._remembered.pop(slo.name, None)
                        former = remembered.meaning if remembered else ""
                    else:
                        former = known.meaning
                        remembered = known.memory or Remembered(former, ())
                    asked = remembered.asked if remembered is not None and remembered.meaning == meaning else ()
                    void = remembered and remembered._replace(asked=())
                    known = _Feed(slo, reader, source, meaning, asked=asked, kept=asked, former=void)
                    if former and not former.startswith(f"{source} "):
                        # However long the new source says nothing, the old one's counts are not its own.
                        self._offer(slo.name, {int(self._now()) // MINUTE * MINUTE: _NOTHING}, source=source)
                elif known.slo is not slo:
                    # A document was mended, perhaps.
                    known.slo, known.present, known.earlier = slo, _Tries(), _Tries()
                feeds[slo.name] = known
        with self._lock:
            self._feeds = feeds
            self._remembered = {}
        return sorted({_place(feed) for feed in feeds.values()})

    def work(self, place: _Place) -> None:
        """Ask one place for what is due: the present of each SLO, then the past, as long as there is time."""
        now = self._now()
        with self._lock:
            feeds = [feed for feed in self._feeds.values() if _place(feed) == place]
            failures, until, _ = self._resting.get(place, _NEVER)
        if _is_ahead(until, now, LONGEST_UNREACHABLE_SECONDS):
            return
        with self._lock:
            for feed in feeds:
                feed.turn_back(now)
            self._untaken = [(min(at, now), number) for at, number in self._untaken]
        answered = silent = False
        for feed, span, tries in self._due(feeds, now):
            try:
                self._ask(feed, span, tries)
            except SourceUnreachable as error:
                # When others were answered, it is this query, perhaps, that takes too long; or it is about too long a time.
                if answered or tries is feed.earlier:
                    feed.failed(tries, str(error), now=self._now())
                else:
                    tries.failures += 1  # the next try begins with the others, should it be this query
                if silent or not answered:
                    until = self._now() + _delay(failures + 1, LONGEST_UNREACHABLE_SECONDS)
                    with self._lock:
                        self._resting[place] = _Rest(failures + 1, until, str(error))
                    return
                silent = True
            else:
                answered, silent = True, False
            if self._stopped.is_set():
                return
        with self._lock:
            self._resting.pop(place, None)

    def report(self) -> None:
        """Tell how the sources are that were asked, and take note of what the engine took in."""
        with self._lock:
            feeds = list(self._feeds.values())
            resting = sorted(self._resting.items())
            if (taken := self._taken_in()) is not None:
                for feed in feeds:
                    feed.took(taken)
                self._untaken = [each for each in self._untaken if each[0] >= taken]
        problems: defaultdict[str, list[str]] = defaultdict(list)
        names = {feed.reader.name for feed in feeds if feed.recent} | set(self._told)
        for place, rest in resting:
            if number := sum(_place(feed) == place for feed in feeds):
                told = f"{rest.why}; no counts of {number} SLO{'s' if number != 1 else ''} meanwhile"
                problems[place.source].append(told)
        for feed in feeds:
            if problem := feed.present.problem or feed.earlier.problem:
                problems[feed.reader.name].append(f"SLO {feed.slo.name}: {problem}")
        for name in names | set(problems):
            texts = problems[name]
            more = f"; and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
            self._say(name, "; ".join(texts[:_SHOWN]) + more or None)

    def save(self) -> None:
        """Remember what the engine has taken in; nothing of it yet, and it is what was before."""
        with self._lock:
            kept = {name: memory for name, feed in self._feeds.items() if (memory := feed.memory)}
        if kept == self._saved:
            return
        try:
            remember(self._path, kept, store=self._store)
        except OSError as error:
            log.warning("%s cannot be written: %s; after a restart, sources are asked anew", self._path, error.strerror)
        else:
            self._saved = kept

    def _served(self, slo: Slo | FedSlo) -> tuple[Source, str] | None:
        for source in self._sources:
            try:
                if source.serves(slo):
                    return source, source.source_of(slo)
            except Exception:
                log.exception("source %s cannot say what it has of SLO %s", source.name, slo.name)
        return None

    def _due(self, feeds: Sequence[_Feed], now: float) -> Iterator[tuple[_Feed, Span, _Tries]]:
        """Whoever failed comes last, behind the past of the others: it may be the one that takes too long."""
        if not self._has_room(2 * MOST_UNTAKEN):
            return
        until = time.monotonic() + WORK_SECONDS
        for has_failed in (False, True):
            mine = [feed for feed in feeds if (feed.present.failures > 0) is has_failed]
            for feed in sorted(mine, key=lambda each: each.present.failures):
                if self._is_due(feed, feed.present, now) and (span := feed.newest(now)) is not None:
                    yield feed, span, feed.present
            yield from self._due_of_the_past(feeds, now, until)

    def _due_of_the_past(
        self, feeds: Sequence[_Feed], now: float, until: float
    ) -> Iterator[tuple[_Feed, Span, _Tries]]:
        """`until` is of the monotonic clock."""
        while time.monotonic() < until and self._has_room(MOST_UNTAKEN):
            missing = [
                (feed, span)
                for feed in feeds
                if not feed.present.failures
                and self._is_due(feed, feed.earlier, now)
                and (span := feed.past(now)) is not None
            ]
            if not missing:
                return
            feed, span = max(missing, key=lambda each: (-each[0].earlier.failures, each[1].end))
            yield feed, span, feed.earlier

    def _is_due(self, feed: _Feed, tries: _Tries, now: float) -> bool:
        waits = _is_ahead(tries.retry_at, now, LONGEST_RETRY_SECONDS)
        return not waits and self._feeds.get(feed.slo.name) is feed

    def _has_room(self, most: int) -> bool:
        with self._lock:
            return sum(number for _, number in self._untaken) < most

    def _ask(self, feed: _Feed, span: Span, tries: _Tries) -> None:
        """SourceUnreachable; whatever else is wrong is this SLO's own."""
        try:
            counts = _checked(feed.reader.counts(feed.slo, *span), span)
            self._take(feed, span, counts)
        except SourceUnreachable:
            raise
        except SourceError as error:
            feed.failed(tries, str(error), now=self._now())
        except Exception as error:
            log.exception("source %s failed for SLO %s", feed.reader.name, feed.slo.name)
            feed.failed(tries, f"{type(error).__name__}: {error}", now=self._now())
        else:
            feed.succeeded(tries)

    def _take(self, feed: _Feed, span: Span, counts: Mapping[int, GoodBad]) -> None:
        """Offer what is new, unless the documents say something else by now: an offer makes those of another source void."""
        with self._lock:
            if self._feeds.get(feed.slo.name) is not feed:
                return
            if news := feed.news(counts, span):
                self._offer(feed.slo.name, news, source=feed.source)
            offered_at = self._now()
            feed.reached(span, counts, now=offered_at)
            self._untaken.append((offered_at, len(news)))

    def _say(self, name: str, problem: str | None) -> None:
        if name not in self._told or self._told[name] != problem:
            if problem:
                log.warning("%s: %s", name, problem)
            self._told[name] = problem
            self._tell(name, problem)


class Remembered(NamedTuple):
    """Of one SLO: from which source for which objectives, and the spans that were asked for."""

    meaning: str
    asked: tuple[Span, ...]


def recall(path: Path, *, store: str) -> dict[str, Remembered]:
    """What is remembered about this store, by SLO; nothing when the file is missing, damaged or about another store."""
    try:
        said = json.loads(path.read_text())
        if said["format"] != FORMAT or said["store"] != store:
            return {}
        return {
            name: Remembered(str(one["meaning"]), tuple(Span(int(begin), int(end)) for begin, end in one["asked"]))
            for name, one in said["feeds"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}  # everything is asked for once more


def remember(path: Path, feeds: Mapping[str, Remembered], *, store: str) -> None:
    """Replace the file as a whole."""
    said = {"format": FORMAT, "store": store, "feeds": {name: feed._asdict() for name, feed in feeds.items()}}
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(said))
    os.replace(draft, path)  # noqa: PTH105 -- Path.replace says the same; os.replace is known to be atomic


def _place(feed: _Feed) -> _Place:
    data_source = feed.slo.data_source if isinstance(feed.slo, PromSlo) else None
    return _Place(feed.reader.name, "" if data_source is None else data_source.name)


def _delay(failures: int, longest: float) -> float:
    return min(FIRST_RETRY_SECONDS * 2.0 ** min(failures - 1, 10), longest)


def _is_ahead(t: float, now: float, longest: float) -> bool:
    """Whether this time is still to come; one that is further away was told by a clock that was ahead."""
    return 0 < t - now <= longest


def _within(t: int, spans: Sequence[Span]) -> bool:
    return any(begin <= t < end for begin, end in spans)


def _checked(counts: Mapping[int, GoodBad], span: Span) -> Mapping[int, GoodBad]:
    """As it may go into the ledger; ValueError when a source told what was not asked, SourceError when more than can be."""
    for t, (good, bad) in counts.items():
        if t % MINUTE or not span.begin <= t < span.end:
            raise ValueError(f"counts at {t}, which is not the begin of a minute in [{span.begin}, {span.end})")
        if not all(isinstance(each, Integral) and each >= 0 for each in (good, bad)):
            raise ValueError(f"not whole counts from 0 at {t}: {good} good, {bad} bad")
        if max(good, bad) > MOST_EVENTS:
            raise SourceError(
                f"{good} good and {bad} bad in the minute at {t}, and at most {MOST_EVENTS} can be; "
                "tell each minute's own events, not those since the start"
            )
    return counts


async def _wait(stopping: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stopping.wait(), timeout=max(0.0, seconds))
    except TimeoutError:
        return
