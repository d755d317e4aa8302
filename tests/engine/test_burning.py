"""The rule by which a pair of windows is reached and let go."""

from dataclasses import replace

import pytest

from maibo_slo.engine.burn import Counts, Pair, burn_rate, fast_pairs, slow_pair
from maibo_slo.engine.burning import Evidence, let_go, reached

DAY = 86_400
NOW = 1_800_000_000
HOURLY = fast_pairs(30 * DAY, target=0.999)[0]


def seen(
    long: tuple[int, int],
    short: tuple[int, int],
    pair: Pair = HOURLY,
    *,
    target: float = 0.999,
    age_seconds: int = 30 * DAY,
) -> Evidence:
    """(good, bad) of both windows, each with data in every minute."""
    counts = {
        seconds: Counts(*both, min(age_seconds, seconds) // 60)
        for seconds, both in ((pair.long_seconds, long), (pair.short_seconds, short))
    }
    own = Counts(sum(long) * age_seconds / min(age_seconds, pair.long_seconds), 0, age_seconds // 60)
    return Evidence(target, counts, own, 30 * DAY, first_t=NOW - age_seconds)


def test_a_low_target_can_still_be_reached_by_a_total_outage() -> None:
    for target in (0.9, 0.8, 0.5):
        for pair in fast_pairs(28 * DAY, target=target):
            assert reached(pair, seen((0, 1000), (0, 1000), pair, target=target), now=NOW)


def test_both_windows_must_burn() -> None:
    burning, calm = (9_000, 1_000), (10_000, 0)
    assert reached(HOURLY, seen(burning, burning), now=NOW)
    assert not reached(HOURLY, seen(burning, calm), now=NOW)  # it was, it is no more
    assert not reached(HOURLY, seen(calm, burning), now=NOW)  # a moment's trouble
    assert not reached(HOURLY, seen(burning, (0, 0)), now=NOW)  # no data is no burn


def test_one_failure_among_a_new_services_first_requests_is_no_alarm() -> None:
    assert burn_rate(8, 2, target=0.999) == pytest.approx(200)
    assert not reached(HOURLY, seen((8, 2), (8, 2)), now=NOW)
    assert reached(HOURLY, seen((8, 3), (8, 3)), now=NOW)


def test_a_burn_of_exactly_one_ends_inside_the_budget() -> None:
    pair = slow_pair()
    assert not reached(pair, seen((99_000, 1_000), (99_000, 1_000), pair, target=0.99), now=NOW)
    assert reached(pair, seen((98_900, 1_100), (98_900, 1_100), pair, target=0.99), now=NOW)


def test_a_little_above_the_factor_needs_more_than_a_few_events() -> None:
    few, many = (985, 15), (98_500, 1_500)  # 15x of 14.4x
    assert not reached(HOURLY, seen(few, few), now=NOW)
    assert reached(HOURLY, seen(many, many), now=NOW)


def test_a_cold_start_does_not_count_as_a_whole_hour() -> None:
    bad = (9_500, 500)  # 50x within its first five minutes; 4x of the hour that it is in
    assert not reached(HOURLY, seen(bad, bad, age_seconds=300), now=NOW)
    assert not reached(HOURLY, seen(bad, bad, age_seconds=600), now=NOW), "a sixth of the hour, so 8x"
    assert reached(HOURLY, seen(bad, bad, age_seconds=1_800), now=NOW)


def test_the_first_minutes_of_a_calendar_period_do_not_change_what_is_usual() -> None:
    burning = (90_000, 10_000)
    fresh = replace(seen(burning, burning), begin=NOW - 60, own=Counts(1_500, 160, 1))
    assert reached(HOURLY, fresh, now=NOW)


def test_slices_without_a_gap_are_a_whole_window() -> None:
    pair = slow_pair()
    counts = {pair.long_seconds: Counts(60, 12, 72), pair.short_seconds: Counts(2, 4, 6)}
    slices = Evidence(0.99, counts, Counts(8_000, 64, 8_064), 28 * DAY, first_t=NOW - 28 * DAY, grain_seconds=300)
    assert slices.expected_events(pair.long_seconds, now=NOW) == 72
    assert reached(pair, slices, now=NOW)


def test_it_is_let_go_by_events_and_never_by_silence_or_while_minutes_are_missing() -> None:
    burnt = (90_000, 10_000)
    assert let_go(HOURLY, seen(burnt, (5_000, 0)), now=NOW)
    assert not let_go(HOURLY, seen(burnt, burnt), now=NOW)
    assert not let_go(HOURLY, seen(burnt, (0, 0)), now=NOW)
    assert not let_go(HOURLY, replace(seen(burnt, (5_000, 0)), settled=False), now=NOW)


@pytest.mark.parametrize(("in_slices", "after_minutes"), [(True, 30), (False, 358)])
def test_good_slices_without_a_gap_are_no_sample_so_the_end_of_an_outage_is_seen(
    *, in_slices: bool, after_minutes: int
) -> None:
    """Ten bad minutes; then good ones, each a slice, or each with one event, of which chance could have spared thirty."""
    pair = fast_pairs(30 * DAY, target=0.999)[1]

    def since(minutes: int) -> Evidence:
        bad = {window: max(0, min(10, window // 60 - minutes)) for window in (pair.long_seconds, pair.short_seconds)}
        counts = {window: Counts(window // 60 - each, each, window // 60) for window, each in bad.items()}
        own = Counts(43_190, 10, 43_200)
        return Evidence(0.999, counts, own, 30 * DAY, first_t=NOW - 30 * DAY, in_slices=in_slices)

    assert reached(pair, since(0), now=NOW)
    assert next(minutes for minutes in range(1, 400) if let_go(pair, since(minutes), now=NOW)) == after_minutes


def test_parts_of_slices_are_believed_when_many_events_were_bad() -> None:
    """One event of fifty fails, over 5-minute ratio slices: a quarter of a slice an hour."""
    pair = fast_pairs(30 * DAY, target=0.999)[0]
    counts = {pair.long_seconds: Counts(11.76, 0.24, 12), pair.short_seconds: Counts(0.98, 0.02, 1)}
    busy = Evidence(
        0.999, counts, Counts(8_639.76, 0.24, 8_640), 30 * DAY, first_t=NOW - 30 * DAY, grain_seconds=300, in_slices=True,
        events={pair.long_seconds: Counts(58_800, 1_200, 60), pair.short_seconds: Counts(4_900, 100, 5)},
    )  # fmt: skip
    quiet = replace(busy, events={pair.long_seconds: Counts(49, 1, 50), pair.short_seconds: Counts(49, 1, 5)})
    assert reached(pair, busy, now=NOW)
    assert not reached(pair, quiet, now=NOW)
    over = replace(busy, counts={**counts, pair.short_seconds: Counts(1, 0, 1)})
    assert let_go(pair, over, now=NOW)


def test_a_good_slice_now_and_then_does_not_end_what_burns() -> None:
    bad = {HOURLY.long_seconds: Counts(5, 5, 10), HOURLY.short_seconds: Counts(1, 0, 1)}
    own = Counts(7_195, 5, 7_200)
    rare = Evidence(0.999, bad, own, 30 * DAY, first_t=NOW - 30 * DAY, in_slices=True)
    assert not let_go(HOURLY, rare, now=NOW)
