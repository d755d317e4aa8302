"""Counts of a real Prometheus are those of the history that it was given."""

from __future__ import annotations

import random
import time
from itertools import accumulate
from typing import TYPE_CHECKING

import pytest

from maibo_slo.engine.counts import GoodBad
from maibo_slo.engine.feeding import SourceError, SourceUnreachable
from maibo_slo.sources.prometheus import Prometheus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

BEGIN = 1_700_006_400
"""A full hour."""
HOUR = 3600


def samples(counted: Iterable[float], *, every: int, begin: int = BEGIN) -> list[tuple[float, float]]:
    """Of a counter that begins at 0 and goes on by these."""
    return [(begin + index * every, value) for index, value in enumerate(accumulate(counted, initial=0))]


def by_minute(counted: list[int], *, every: int) -> dict[int, int]:
    """What is counted in each minute."""
    per = 60 // every
    return {BEGIN + 60 * i: sum(counted[i * per : (i + 1) * per]) for i in range(len(counted) // per)}


class Truth:
    """Six hours, scraped on the dot every 15 s: then an increase has no need to extrapolate."""

    def __init__(self) -> None:
        chance = random.Random(1)
        self.ok = [chance.randrange(40) for _ in range(6 * 240)]
        self.failed = [chance.choice((0, 0, 0, 0, 0, 1, 7)) for _ in range(6 * 240)]
        self.slow = [round(ok / 4) for ok in self.ok]
        self.ok_by_minute, self.failed_by_minute = by_minute(self.ok, every=15), by_minute(self.failed, every=15)
        self.counts = {
            t: GoodBad(ok, self.failed_by_minute[t])
            for t, ok in self.ok_by_minute.items()
            if ok or self.failed_by_minute[t]
        }

    def between(self, begin: int, end: int) -> dict[int, GoodBad]:
        return {t: counts for t, counts in self.counts.items() if begin <= t < end}


@pytest.fixture(scope="module")
def truth() -> Truth:
    return Truth()


@pytest.fixture(scope="module")
def url(make_prometheus: Callable[..., object], history: Callable[..., str], truth: Truth) -> str:
    ok = samples(truth.ok, every=15)
    reset = 3 * 240 + 7  # the exporter is restarted between two scrapes
    again = [(at, value if index <= reset else value - ok[reset][1]) for index, (at, value) in enumerate(ok)]
    gap = [each for each in ok if not BEGIN + HOUR < each[0] <= BEGIN + 2 * HOUR]
    off_the_dot = [(at + 7, value) for at, value in ok]
    seldom = off_the_dot[::4]
    text = history(
        ('requests_total{code="200"}', ok),
        ('requests_total{code="500"}', samples(truth.failed, every=15)),
    ).removesuffix("# EOF\n")
    text += history(("restarted_total", again)).removesuffix("# EOF\n")
    text += history(("gap_total", gap)).removesuffix("# EOF\n")
    text += history(("seldom_total", seldom)).removesuffix("# EOF\n")
    text += history(("shifted_total", off_the_dot)).removesuffix("# EOF\n")
    text += history(("flag", [(at, 1.0 if at < BEGIN + HOUR else 0.0) for at, _ in ok]), kind="gauge").removesuffix(
        "# EOF\n"
    )
    fast = samples([ok - slow for ok, slow in zip(truth.ok, truth.slow, strict=True)], every=15)
    text += history(
        ('seconds_bucket{le="1",pod="a"}', fast),
        ('seconds_bucket{le="+Inf",pod="a"}', ok),
        ('seconds_count{pod="a"}', ok),
        ('seconds_sum{pod="a"}', ok),
        ('seconds_bucket{le="1.0",pod="b"}', fast),
        ('seconds_bucket{le="+Inf",pod="b"}', ok),
        ('seconds_count{pod="b"}', ok),
        ('seconds_sum{pod="b"}', ok),
        kind="unknown",
    ).replace("# TYPE seconds unknown\n", "")
    running = make_prometheus(text)
    return running.url  # type: ignore[attr-defined, no-any-return]


def asked(slo, begin: int = BEGIN, end: int = BEGIN + 6 * HOUR, *, now: float | None = None) -> Mapping[int, GoodBad]:
    return Prometheus(now=lambda: end + 30.0 if now is None else now).counts(slo, begin, end)


def test_every_minute_has_the_counts_that_were_scraped(url, make_slo, truth):
    assert asked(make_slo(url)) == truth.counts
    assert asked(make_slo(url, good='requests_total{code="200"}')) == truth.counts


def test_any_part_of_the_time_says_the_same_of_its_minutes(url, make_slo, truth):
    for begin, end in ((BEGIN + 600, BEGIN + 660), (BEGIN + 59 * 60, BEGIN + 61 * 60), (BEGIN - HOUR, BEGIN + 120)):
        assert asked(make_slo(url), begin, end) == truth.between(begin, end)


def test_counts_are_whole_where_increases_are_not(url, make_slo, truth):
    counts = asked(make_slo(url, total="shifted_total", bad="missing_total"))
    for hour in range(1, 5):  # the first and the last have an end, where Prometheus extrapolates less
        begin = BEGIN + hour * HOUR
        seen = sum(good + bad for t, (good, bad) in counts.items() if begin <= t < begin + HOUR)
        told = sum(truth.ok[hour * 240 : (hour + 1) * 240])
        assert seen == pytest.approx(told, rel=0.05)
    assert all(isinstance(each, int) for pair in counts.values() for each in pair)


def test_a_reset_loses_nothing_but_what_no_scrape_saw(url, make_slo, truth):
    counts = asked(make_slo(url, total="restarted_total", bad="missing_total"))
    reset = BEGIN + 15 * (3 * 240 + 7) // 60 * 60
    wrong = {t for t, ok in truth.ok_by_minute.items() if counts.get(t, GoodBad(0, 0)).good != ok}
    assert wrong <= {reset // 60 * 60, reset // 60 * 60 - 60}
    assert all(bad == 0 for _, bad in counts.values())


def test_a_gap_is_no_data_and_neither_good_nor_bad(url, make_slo, truth):
    counts = asked(make_slo(url, total="gap_total", bad="missing_total"))
    gap = range(BEGIN + HOUR + 60, BEGIN + 2 * HOUR, 60)
    assert not counts.keys() & set(gap)
    after = BEGIN + 2 * HOUR + 60
    assert counts[after] == GoodBad(truth.ok_by_minute[after], 0)


def test_a_part_without_series_has_no_events_and_a_total_without_is_no_data(url, make_slo, truth):
    none_bad = asked(make_slo(url, total='requests_total{code="200"}', bad='requests_total{code="503"}'))
    assert none_bad == {t: GoodBad(ok, 0) for t, ok in truth.ok_by_minute.items() if ok}
    assert asked(make_slo(url, total="missing_total", bad='requests_total{code="500"}')) == {}


def test_queries_of_ones_own_count_over_the_window(url, make_slo, truth):
    own = make_slo(
        url,
        total="increase(requests_total[{{.window}}]) # of every code",
        bad='sum by (code) (rate(requests_total{code=~"5.."}[{{ .window }}]))',
    )
    assert asked(own) == truth.counts


def test_nan_is_no_data(url, make_slo):
    divided = make_slo(url, total="sum(increase(requests_total[{{.window}}])) * (0 / sum(flag - flag))")
    assert asked(divided) == {}


def test_a_bucket_is_found_in_both_spellings(url, make_slo, truth):
    for spelling in ('"1"', '"1.0"'):
        slo = make_slo(url, total="seconds_count", good=f"seconds_bucket{{le={spelling}}}")
        slow = by_minute(truth.slow, every=15)
        assert asked(slo) == {t: GoodBad(2 * (ok - slow[t]), 2 * slow[t]) for t, ok in truth.ok_by_minute.items() if ok}


def test_a_counter_that_is_scraped_every_minute_needs_a_longer_interval(url, make_slo, truth):
    end = BEGIN + 6 * HOUR
    with pytest.raises(SourceError, match="scrapes are more than half of that apart; write interval: 5m"):
        asked(make_slo(url, total="seldom_total"), end - 600, end)
    slo = make_slo(url, total="seldom_total", bad="missing_total", interval="5m")
    counts = asked(slo)
    assert {t % 300 for t in counts} == {240}, "an interval's counts are those of its last minute"
    for hour in range(6):
        begin = BEGIN + hour * HOUR
        seen = sum(counts[t].good for t in range(begin + 240, begin + HOUR, 300))
        assert seen == pytest.approx(sum(truth.ok[hour * 240 : (hour + 1) * 240]), rel=0.1)


def test_a_query_that_is_none_says_so(url, make_slo):
    with pytest.raises(SourceError, match=r"refused the query \(400\): .*parse error.*; mend the query"):
        asked(make_slo(url, total="sum(increase(requests_total[{{.window}}])"))
    with pytest.raises(SourceError, match=r"refused the query .* mend the query"):
        asked(make_slo(url, total="scalar(requests_total) + {{.window}}"))
    with pytest.raises(SourceError, match="events in an interval; count with increase"):
        asked(make_slo(url, total="-sum(increase(requests_total[{{.window}}]))"))


def test_part_of_nothing_is_told(url, make_slo, caplog, truth):
    slo = make_slo(url, total='requests_total{code="500"}', good="requests_total")
    counts = asked(slo)
    assert counts == {t: GoodBad(failed, 0) for t, failed in truth.failed_by_minute.items() if failed}
    assert "good counts more events than total in" in caplog.text


def test_down_is_told_and_back_again_says_the_same(make_prometheus, history, make_slo):
    running = make_prometheus(history(("requests_total", samples([1] * 240, every=15))))
    slo = make_slo(running.url, bad="missing_total")
    before = asked(slo, end=BEGIN + HOUR)
    assert set(before.values()) == {GoodBad(4, 0)}
    running.stop()
    with pytest.raises(SourceUnreachable, match="cannot be reached: ConnectError: Connection refused"):
        asked(slo, end=BEGIN + HOUR)
    running.start()
    assert asked(slo, end=BEGIN + HOUR) == before


def test_a_series_that_is_born_with_events_hides_them(make_prometheus, history, make_slo):
    """As docs/sources.md tells: `increase` needs two samples."""
    born = BEGIN + 600
    running = make_prometheus(history(("requests_total", [(born + 15 * i, 50.0 + (i >= 8)) for i in range(40)])))
    counts = asked(make_slo(running.url, bad="missing_total"), end=BEGIN + HOUR)
    assert sum(good for good, _ in counts.values()) == 1
    assert time.time() > born
