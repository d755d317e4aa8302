"""A Prometheus as a source of counts: `increase` over aligned, closed intervals, good or bad and total in one expression.

* A counter's resets are the Prometheus' own doing.
* No sample of good (or bad) beside one of the total: none was. No sample of the total, or NaN: no data.
* Counts are whole and unbiased, as `whole` makes them.
* An interval has a minute; where scrapes are more than half of that apart, the data source's ``interval`` says how long. Its counts are
  those of its last minute.

Any server with Prometheus' API will do (Thanos, Mimir, VictoriaMetrics); one that would answer with a part of the data is told not to.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import time
from typing import TYPE_CHECKING, Final

from maibo_slo.documents import FedSlo, PromSlo
from maibo_slo.documents.durations import window_seconds
from maibo_slo.engine.counts import GoodBad
from maibo_slo.engine.feeding import SourceError
from maibo_slo.engine.inbox import MOST_EVENTS
from maibo_slo.sources.promql import BAD, GOOD, PART, TOTAL, counting, events
from maibo_slo.sources.server import DEADLINE_SECONDS, Server, server
from maibo_slo.sources.whole import HOUR, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from maibo_slo.documents import DataSource, Slo

MINUTE: Final = 60
INTERVAL: Final = "1m"
SETTLE_SECONDS: Final = 30.0
"""A scrape is stored when it ends, under the time when it began: 10 s earlier, as a rule at most."""
_PRESENT_SECONDS: Final = 900
_NOISE: Final = 1e-6
_OFTEN: Final = 0.1
_FEWEST: Final = 10
"""Intervals that say whether something happens often, or that there never is an increase."""
_COMMON: Final = {
    "timeout": f"{DEADLINE_SECONDS - 2:.0f}s",
    "partial_response": "false",  # of Thanos
    "deny_partial_response": "1",  # of VictoriaMetrics
}
log = logging.getLogger(__name__)


class Prometheus:
    """The SLOs whose data source is a Prometheus with an address. A `maibo_slo.engine.feeding.Source`."""

    name: str = "prometheus"

    def __init__(self, *, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._seen: set[str] = set()
        self._told: dict[str, float] = {}

    def serves(self, slo: Slo | FedSlo, /) -> bool:
        """Whether it is one of Prometheus'."""
        return isinstance(slo, PromSlo) and slo.data_source is not None

    def settle_seconds(self, _slo: Slo | FedSlo, /) -> float:
        """So long samples may take to arrive, whatever they are of."""
        return SETTLE_SECONDS

    def source_of(self, slo: Slo | FedSlo, /) -> str:
        """``prometheus:HASH``: of the address, the interval and the queries."""
        slo, source = _asked(slo)
        details = source.connection_details
        queries = [None if query is None else query.query for query in (slo.total, slo.good, slo.bad)]
        meaning = json.dumps([details.get("url", ""), details.get("interval", INTERVAL), *queries])
        return f"prometheus:{hashlib.blake2b(meaning.encode(), digest_size=8).hexdigest()}"

    def counts(self, slo: Slo | FedSlo, begin: int, end: int, /) -> Mapping[int, GoodBad]:
        """Its events by minute, in [begin, end). Raises SourceError."""
        slo, source = _asked(slo)
        seconds, where = interval_seconds(source), server(source)
        since = begin // HOUR * HOUR  # whole counts are those since the full hour
        until = end // seconds * seconds
        if until <= since:
            return {}
        data = where.ask(
            "/api/v1/query_range",
            {
                "query": counting(slo, seconds),
                "start": str(since + seconds),
                "end": str(until),
                "step": str(seconds),
                **_COMMON,
            },
        )
        series = _series(data, where)
        if series.get(TOTAL):
            self._seen.add(self.source_of(slo))
        else:
            self._check_interval(slo, where, since, until, seconds)
        split = self._split(slo, series)
        good = whole({at - MINUTE: each for at, (each, _) in split.items()})
        bad = whole({at - MINUTE: each for at, (_, each) in split.items()})
        return {t: GoodBad(good[t], bad[t]) for t in good if begin <= t < end and (good[t] or bad[t])}

    def _split(self, slo: PromSlo, series: Mapping[str, Mapping[int, float]]) -> dict[int, tuple[float, float]]:
        """Good and bad by time of evaluation, where there is data."""
        part = GOOD if slo.good is not None else BAD
        named = series.get(part, {})
        split: dict[int, tuple[float, float]] = {}
        beyond = 0
        for at, total in series.get(TOTAL, {}).items():
            picked = named.get(at, 0.0)
            if not (math.isfinite(total) and math.isfinite(picked)):
                continue
            beyond += picked > total * (1 + _NOISE) + _NOISE
            picked = min(picked, total)
            split[at] = (picked, total - picked) if part == GOOD else (total - picked, picked)
        if beyond >= max(_FEWEST * _OFTEN, len(split) * _OFTEN):
            self._tell_beyond(slo, part, beyond, len(split))
        return split

    def _tell_beyond(self, slo: PromSlo, part: str, beyond: int, intervals: int) -> None:
        """Once an hour."""
        now = time.monotonic()
        if now - self._told.get(slo.name, -math.inf) < HOUR:
            return
        self._told[slo.name] = now
        log.warning(
            "SLO %s: %s counts more events than total in %d of %d intervals; the surplus is left out. Make %s a part of total",
            slo.name,
            part,
            beyond,
            intervals,
            part,
        )

    def _check_interval(self, slo: PromSlo, where: Server, since: int, until: int, seconds: int) -> None:
        """Of the present, as long as no data was ever seen: an increase over all of the time, and over no interval in it."""
        if (
            self.source_of(slo) in self._seen
            or until - since < _FEWEST * seconds
            or self._now() - until > _PRESENT_SECONDS
        ):
            return
        query = f'label_replace({events(slo.total, until - since)}, "{PART}", "{TOTAL}", "", "")'
        data = where.ask("/api/v1/query", {"query": query, "time": str(until), **_COMMON})
        if _series(data, where).get(TOTAL):
            raise SourceError(
                f"{where.url} has the counter, and no increase of it over {seconds // MINUTE}m: "
                "scrapes are more than half of that apart; write interval: 5m in connectionDetails, or longer"
            )


def interval_seconds(source: DataSource) -> int:
    """Over how long increases are asked for: whole minutes that divide an hour."""
    text = source.connection_details.get("interval", INTERVAL)
    try:
        seconds = window_seconds(text)
    except ValueError:
        seconds = 0
    if seconds == 0 or seconds > HOUR or HOUR % seconds:
        raise SourceError(
            f"DataSource {source.name} ({source.origin.file}:{source.origin.line}), connectionDetails: "
            f"interval {text!r} must be minutes that divide an hour; write 1m, 2m, 5m, 10m, 15m, 30m or 1h"
        )
    return seconds


def _asked(slo: Slo | FedSlo) -> tuple[PromSlo, DataSource]:
    if not isinstance(slo, PromSlo) or slo.data_source is None:
        raise ValueError(f"SLO {slo.name} is not counted by a Prometheus with an address")
    return slo, slo.data_source


def _series(data: object, where: Server) -> dict[str, dict[int, float]]:
    """By part, and time of evaluation."""
    try:
        return {part: dict(samples) for part, samples in _parts(data)}
    except (TypeError, ValueError, KeyError, OverflowError, AttributeError):
        raise SourceError(f"{where.url} answered what no Prometheus answers; mend url in connectionDetails") from None


def _parts(data: object) -> Iterator[tuple[str, Iterator[tuple[int, float]]]]:
    """Anything that is not as the API's documentation has it raises some error."""
    if not isinstance(data, dict) or data["resultType"] not in ("matrix", "vector"):
        raise TypeError(data)
    for series in data["result"]:
        yield series["metric"][PART], _samples(series["values"] if "values" in series else [series["value"]])


def _samples(values: list[object]) -> Iterator[tuple[int, float]]:
    for sample in values:
        if not isinstance(sample, list):
            raise TypeError(sample)
        at, text = sample
        yield round(at), _count(text)


def _count(text: object) -> float:
    """Not below 0. SourceError when that is what a query gives."""
    if not isinstance(text, str):
        raise TypeError(text)
    count = float(text)
    if -_NOISE <= count <= MOST_EVENTS or not math.isfinite(count):
        return max(count, 0.0) if math.isfinite(count) else count
    raise SourceError(f"the query gave {count:g} events in an interval; count with increase() of a counter")
