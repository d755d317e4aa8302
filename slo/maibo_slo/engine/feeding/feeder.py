"""Asking the sources, place by place, and offering what they say; the package's own words tell what is guaranteed."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, NamedTuple

from maibo_slo.engine.feeding.feed import LONGEST_RETRY_SECONDS, NOTHING, Feed, Place, Tries, delay, is_ahead, place_of
from maibo_slo.engine.feeding.memory import Remembered, recall, remember
from maibo_slo.engine.feeding.source import MINUTE, SourceError, SourceUnreachable, checked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from maibo_slo.documents import Catalogue, FedSlo, Slo
    from maibo_slo.engine.counts import GoodBad
    from maibo_slo.engine.feeding.source import Offer, Source
    from maibo_slo.engine.spans import Span

ROUND_SECONDS: Final = 5.0
QUICK_SECONDS: Final = 2.0
"""What is known by then is told in the same round, the rest in the next."""
WORK_SECONDS: Final = 4.0
"""Of a round, for the past; the present takes what it takes."""
LONGEST_UNREACHABLE_SECONDS: Final = 60.0
"""Between two tries of a place that does not answer."""
MOST_UNTAKEN: Final = 100_000
"""Minutes on offer that the engine has not taken in yet: then the past waits, and at twice as many the present."""
THREADS: Final = 8
STOP_SECONDS: Final = 12.0
"""For what is under way at the stop; what it would have told is asked for after the next start."""
SAVE_SECONDS: Final = 30.0
_SHOWN: Final = 3
log = logging.getLogger(__name__)


class _Rest(NamedTuple):
    """Of a place that does not answer."""

    failures: int
    """In a row."""
    until: float
    """Unix s."""
    why: str


_NEVER: Final = _Rest(0, 0.0, "")


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
        self._feeds: dict[str, Feed] = {}
        self._resting: dict[Place, _Rest] = {}
        self._untaken: list[tuple[float, int]] = []
        self._told: dict[str, str | None] = {}

    async def run(self, stopping: asyncio.Event) -> None:
        """Ask until `stopping`; a request under way is waited for, `STOP_SECONDS` at most."""
        running: dict[Place, asyncio.Future[None]] = {}
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

    def places(self) -> list[Place]:
        """Where SLOs are to be asked for, as the documents say now; who is not asked for any more is forgotten."""
        feeds: dict[str, Feed] = {}
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
                    known = Feed(slo, reader, source, meaning, asked=asked, kept=asked, former=void)
                    if former and not former.startswith(f"{source} "):
                        # However long the new source says nothing, the old one's counts are not its own.
                        self._offer(slo.name, {int(self._now()) // MINUTE * MINUTE: NOTHING}, source=source)
                elif known.slo is not slo:
                    # A document was mended, perhaps.
                    known.slo, known.present, known.earlier = slo, Tries(), Tries()
                feeds[slo.name] = known
        with self._lock:
            self._feeds = feeds
            self._remembered = {}
        return sorted({place_of(feed) for feed in feeds.values()})

    def work(self, place: Place) -> None:
        """Ask one place for what is due: the present of each SLO, then the past, as long as there is time."""
        now = self._now()
        with self._lock:
            feeds = [feed for feed in self._feeds.values() if place_of(feed) == place]
            failures, until, _ = self._resting.get(place, _NEVER)
        if is_ahead(until, now, LONGEST_UNREACHABLE_SECONDS):
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
                    until = self._now() + delay(failures + 1, LONGEST_UNREACHABLE_SECONDS)
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
            if number := sum(place_of(feed) == place for feed in feeds):
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

    def _due(self, feeds: Sequence[Feed], now: float) -> Iterator[tuple[Feed, Span, Tries]]:
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

    def _due_of_the_past(self, feeds: Sequence[Feed], now: float, until: float) -> Iterator[tuple[Feed, Span, Tries]]:
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

    def _is_due(self, feed: Feed, tries: Tries, now: float) -> bool:
        waits = is_ahead(tries.retry_at, now, LONGEST_RETRY_SECONDS)
        return not waits and self._feeds.get(feed.slo.name) is feed

    def _has_room(self, most: int) -> bool:
        with self._lock:
            return sum(number for _, number in self._untaken) < most

    def _ask(self, feed: Feed, span: Span, tries: Tries) -> None:
        """SourceUnreachable; whatever else is wrong is this SLO's own."""
        try:
            counts = checked(feed.reader.counts(feed.slo, *span), span)
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

    def _take(self, feed: Feed, span: Span, counts: Mapping[int, GoodBad]) -> None:
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


async def _wait(stopping: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stopping.wait(), timeout=max(0.0, seconds))
    except TimeoutError:
        return
