from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from maibo_slo.store.cells import (
    DIMENSIONS,
    CellFilter,
    CellKey,
    Distribution,
    Window,
    busiest,
    cells_of_minutes,
    covered,
    distributions,
    insert_cells,
    series,
    tier_of,
)
from maibo_slo.store.histogram import BINS, Histogram, bin_of
from maibo_slo.store.tables import TIERS
from maibo_slo.store.windows import histograms

if TYPE_CHECKING:
    from collections.abc import Callable

    from maibo_slo.store import Store

HOUR, DAY = 3_600, 86_400
HOSTILE = {
    "quotes": 'it\'s "so" `here`',
    "backslashes": "a\\b\\'c\\",
    "NUL": "a\0b",
    "emoji": "🛒 付款",
    "lines": "a\nb\tc\r",
    "a parameter": "{begin:UInt32}",
    "percents": "%s %(x)s",
    "SQL": "'; DROP TABLE cells_10s; --",
    "10 kB": "x" * 10_240,
    "nothing": "",
    "the null of TSV": "\\N",
    "an array": "['a','b']",
}


def _random_cells(random: np.random.Generator, begin: int, end: int, n: int) -> dict[CellKey, int]:
    cells: Counter[CellKey] = Counter()
    for _ in range(n):
        cells[
            CellKey(
                t=int(random.integers(begin, end)) // 10 * 10,
                journey=str(random.choice(["checkout", "search"])),
                step=str(random.choice(["", "cart", "payment"])),
                environment="prod",
                service=str(random.choice(["shop", "pay"])),
                version=str(random.choice(["1", "2"])),
                cluster="",
                region=str(random.choice(["eu", "cn"])),
                tier=str(random.choice(["vip", "standard"])),
                variant="",
                outcome=str(random.choice(["success", "success", "failure", "abandoned"])),
                bin=bin_of(int(random.lognormal(18, 1))),
            )
        ] += int(random.integers(1, 50))
    return cells


def test_every_tier_counts_the_same_however_often_a_token_is_replayed(store: Store, present: int, counted: Callable):
    random = np.random.default_rng(1)
    batches = {f"segment-{i}": _random_cells(random, present - 2 * DAY, present, 300) for i in range(6)}
    for token in [*batches, "segment-3", "segment-0", *reversed(batches)]:
        insert_cells(store, batches[token], token=token)
    total = sum(sum(cells.values()) for cells in batches.values())
    assert counted() == (total, total, total)


def test_equal_cells_under_two_tokens_are_two_batches(store: Store, present: int, key: Callable, counted: Callable):
    insert_cells(store, {key(present): 3}, token="a")
    insert_cells(store, {key(present): 3}, token="b")
    assert counted() == (6, 6, 6)


def test_the_token_wins_over_the_content(store: Store, present: int, key: Callable, counted: Callable):
    insert_cells(store, {key(present): 3}, token="a")
    insert_cells(store, {key(present): 5, key(present, outcome="failure"): 1}, token="a")
    assert counted() == (3, 3, 3)


def test_an_insert_over_several_partitions_and_blocks_is_replayed_without_a_trace(
    store: Store, present: int, counted: Callable
):
    for setting in ("max_insert_block_size", "max_block_size", "min_insert_block_size_rows"):
        store.client().set_client_setting(setting, 500)
    store.client().set_client_setting("min_insert_block_size_bytes", 0)
    store.client().set_client_setting("use_strict_insert_block_limits", 1)
    cells = _random_cells(np.random.default_rng(2), present - 2 * DAY, present + 600, 3_000)
    total = sum(cells.values())
    for _ in range(3):
        insert_cells(store, cells, token="big")
        assert counted() == (total, total, total)
    # Parts that merges have replaced are listed for a while yet.
    written = {
        table: (partitions, parts)
        for table, partitions, parts in store.rows(
            "SELECT table, uniq(partition), count() FROM system.parts WHERE table LIKE 'cells%' GROUP BY table"
        )
    }
    assert written["cells_10s"][0] >= 3
    assert all(parts > partitions + 3 for partitions, parts in written.values())


def test_the_order_of_a_batchs_cells_does_not_matter(store: Store, present: int, key: Callable, counted: Callable):
    cells = {key(present + 10 * i): i + 1 for i in range(20)}
    insert_cells(store, cells, token="a")
    insert_cells(store, dict(reversed(cells.items())), token="a")
    assert counted() == (210, 210, 210)


def test_no_cells_are_no_insert_and_an_empty_token_is_refused(
    store: Store, present: int, key: Callable, counted: Callable
):
    insert_cells(store, {}, token="a")
    insert_cells(store, {key(present): 1}, token="a")
    assert counted() == (1, 1, 1)
    with pytest.raises(ValueError, match="token"):
        insert_cells(store, {key(present): 1}, token="")


def test_counts_beyond_a_signed_64_bit_integer_stay_exact(store: Store, present: int, key: Callable):
    insert_cells(store, {key(present): 2**63 + 1}, token="a")
    insert_cells(store, {key(present): 5}, token="b")
    (found,) = distributions(store, Window(present, present + 10), CellFilter())
    assert found.events() == {"success": 2**63 + 6}


def test_merging_parts_changes_no_answer(store: Store, present: int):
    random = np.random.default_rng(3)
    for i in range(5):
        insert_cells(store, _random_cells(random, present - 600, present, 200), token=str(i))
    window, which = Window(present - 600, present), CellFilter(step=None)

    def answer() -> list:
        return [
            (found.group, found.last_event, {name: counts.tolist() for name, counts in found.outcomes.items()})
            for found in distributions(store, window, which, by=("journey", "tier"))
        ]

    before = answer()
    for tier in TIERS:
        store.execute(f"OPTIMIZE TABLE {tier.table} FINAL")
    assert answer() == before


def test_distributions_are_what_counting_by_hand_gives(store: Store, present: int):
    cells = _random_cells(np.random.default_rng(4), present - 1_200, present, 1_000)
    insert_cells(store, cells, token="a")
    vip = {"tier": ["vip"], "region": ["eu", "us"], "outcome": ["success", "failure"]}
    for which, wanted in (
        (CellFilter(), lambda cell: cell.step == ""),
        (CellFilter(step=None), lambda cell: cell.step != ""),
        (CellFilter(step="payment"), lambda cell: cell.step == "payment"),
        (CellFilter(journey="checkout"), lambda cell: cell.step == "" and cell.journey == "checkout"),
        (CellFilter(journey="nobody's"), lambda cell: False),
        (
            CellFilter(where=vip),
            lambda cell: cell.step == "" and cell.tier == "vip" and cell.region == "eu" and cell.outcome != "abandoned",
        ),
        (CellFilter(where={"tier": []}), lambda cell: False),
    ):
        for by in ((), ("journey",), ("version", "region", "tier")):
            _compare_with_counting_by_hand(store, present, cells, which, wanted, by)


def _compare_with_counting_by_hand(store: Store, present: int, cells: dict[CellKey, int], which, wanted, by):
    window = Window(present - 895, present - 301)
    expected: dict[tuple[str, ...], dict[str, np.ndarray]] = {}
    newest: dict[tuple[str, ...], int] = {}
    for cell, n in cells.items():
        if wanted(cell) and present - 900 <= cell.t < present - 300:
            group = tuple(getattr(cell, name) for name in by)
            outcomes = expected.setdefault(group, {})
            outcomes.setdefault(cell.outcome, np.zeros(BINS, dtype=np.uint64))[cell.bin] += np.uint64(n)
            newest[group] = max(newest.get(group, 0), cell.t + 10)
    found = distributions(store, window, which, by=by)
    assert [each.group for each in found] == sorted(expected)
    for each in found:
        assert each.outcomes.keys() == expected[each.group].keys()
        assert all(np.array_equal(each.outcomes[name], expected[each.group][name]) for name in each.outcomes)
        assert all(counts.dtype == np.uint64 for counts in each.outcomes.values())
        assert each.last_event == newest[each.group]


def test_hostile_values_are_stored_found_and_grouped_like_any_other(store: Store, present: int, key: Callable):
    """Each in a minute of its own."""
    for minute, value in enumerate(HOSTILE.values()):
        _store_find_and_group(store, present + 60 * minute, key, value)


def _store_find_and_group(store: Store, begin: int, key: Callable, value: str):
    insert_cells(
        store, {key(begin, journey=value, tier=value): 2, key(begin, journey="other"): 7}, token=f"t{value}"[:50]
    )
    window = Window(begin, begin + 60)
    (by_journey,) = distributions(store, window, CellFilter(journey=value), by=("journey", "tier"))
    (by_where,) = distributions(store, window, CellFilter(where={"tier": [value, "no such"]}), by=("tier",))
    assert by_journey.group == (value, value)
    assert by_where.group == (value,)
    assert by_journey.events() == by_where.events() == {"success": 2}
    frame = cells_of_minutes(store, [begin], {value, "none such"})
    assert set(frame["journey"]) == {value}
    assert len(distributions(store, window, CellFilter(), by=("journey",))) == 2


def test_only_dimensions_are_written_into_sql(store: Store, present: int):
    window = Window(present, present + 60)
    with pytest.raises(ValueError, match="not a dimension"):
        distributions(store, window, CellFilter(), by=("t); DROP TABLE cells_10s; --",))
    with pytest.raises(ValueError, match="not a dimension"):
        series(store, window, CellFilter(), slice_seconds=60, by=("outcome",))
    with pytest.raises(ValueError, match="not a dimension"):
        distributions(store, window, CellFilter(where={"n": ["1"]}))
    with pytest.raises(ValueError, match="named twice"):
        distributions(store, window, CellFilter(), by=("tier", "tier"))


@pytest.mark.parametrize(
    ("length", "age", "table"),
    [
        (60, 60, "cells_10s"),
        (6 * HOUR, 6 * HOUR, "cells_10s"),
        (6 * HOUR + 1, 6 * HOUR + 1, "cells_1m"),
        (HOUR, 3 * DAY, "cells_10s"),
        (HOUR, 3 * DAY + 1, "cells_1m"),
        (35 * DAY, 35 * DAY, "cells_1m"),
        (35 * DAY + 60, 35 * DAY + 60, "cells_1h"),
        (HOUR, 36 * DAY, "cells_1h"),
        (500 * DAY, 500 * DAY, "cells_1h"),
    ],
)
def test_the_tier_is_the_finest_meant_for_the_window_that_still_holds_it(length: int, age: int, table: str):
    now = 2_000_000_000
    window = Window(now - age, now - age + length)
    tier = tier_of(window, now=now)
    assert tier.table == table
    wide = covered(window, now=now)
    assert wide.begin <= window.begin < wide.begin + tier.seconds
    assert wide.end - tier.seconds < window.end <= wide.end
    assert wide.begin % tier.seconds == wide.end % tier.seconds == 0


def test_a_widened_window_counts_nothing_before_its_begin(store: Store, present: int, key: Callable):
    end = present + 7
    told = covered(Window(end - 6 * HOUR, end), now=end)
    insert_cells(store, {key(t=told.begin - 10): 7, key(t=told.begin): 1}, token="edge")
    (found,) = distributions(store, told, CellFilter(journey="checkout"), now=end)
    assert found.histogram().total == 1


def test_a_window_must_begin_before_it_ends():
    for begin, end in ((10, 10), (20, 10), (-5, 10)):
        with pytest.raises(ValueError, match="begins before it ends"):
            Window(begin, end)


def test_every_tier_gives_the_same_distribution_of_whole_hours(store: Store, present: int):
    insert_cells(store, _random_cells(np.random.default_rng(5), present - 2 * HOUR, present, 1_000), token="a")
    window, which = Window(present - 2 * HOUR, present), CellFilter()
    answers = []
    for age in (HOUR, 4 * DAY, 40 * DAY):
        now = window.begin + age
        assert tier_of(window, now=now) is TIERS[len(answers)]
        answers.append(distributions(store, window, which, by=("journey",), now=now))
    for answer in answers[1:]:
        assert [found.group for found in answer] == [found.group for found in answers[0]]
        for found, finest in zip(answer, answers[0], strict=True):
            assert found.histogram() == finest.histogram()
            assert found.events() == finest.events()
            assert found.last_event == finest.last_event  # told by the 10 s tier, that still holds the last hour


def test_the_newest_event_of_an_old_window_is_told_by_its_own_tier(store: Store, present: int, key: Callable):
    insert_cells(store, {key(present - 7 * HOUR): 1}, token="a")
    (found,) = distributions(store, Window(present - 8 * HOUR, present), CellFilter())
    assert found.last_event == present - 7 * HOUR + 60


def test_no_data_are_no_rows(store: Store, present: int):
    window = Window(present - 8 * HOUR, present)
    assert distributions(store, window, CellFilter(), by=("tier",)) == []
    assert distributions(store, window, CellFilter()) == []
    assert series(store, window, CellFilter(), slice_seconds=60) == []


def test_abandoned_journeys_have_no_part_in_a_latency(store: Store, present: int, key: Callable):
    insert_cells(
        store,
        {
            key(present, duration_ms=100): 10,
            key(present, duration_ms=200, outcome="failure"): 10,
            key(present, duration_ms=900_000, outcome="abandoned"): 100,
        },
        token="a",
    )
    (found,) = distributions(store, Window(present, present + 10), CellFilter())
    assert found.histogram().total == 20
    assert found.histogram("failure").total == 10
    assert found.histogram("no such").quantile(0.5) is None
    (slice_,) = series(store, Window(present, present + 10), CellFilter(), slice_seconds=10)
    assert slice_.outcomes == {"success": 10, "failure": 10, "abandoned": 100}
    assert slice_.p99_us == found.histogram().quantile(0.99)
    assert slice_.p99_us is not None
    assert abs(slice_.p99_us - 200_000) < 2_500


@pytest.fixture
def measured(store: Store, present: int, key: Callable) -> Window:
    """A hundred VIPs and one ordinary customer, in ten minutes; three more gave up."""
    insert_cells(
        store,
        {
            key(present, duration_ms=250, tier="vip"): 90,
            key(present, duration_ms=260, tier="vip"): 9,
            key(present + 590, duration_ms=3_000, tier="vip", outcome="failure"): 1,
            key(present, duration_ms=250, tier="standard"): 1,
            key(present, duration_ms=1, tier="standard", outcome="abandoned"): 3,
        },
        token="measured",
    )
    return Window(present, present + 600)


def test_rates_quantiles_and_shares_of_each_group_come_from_its_counts(store: Store, measured: Window):
    standard, vip = distributions(store, measured, CellFilter(), by=("tier",))
    assert (standard.group, standard.events()) == (("standard",), {"success": 1, "abandoned": 3})
    assert sum(vip.events().values()) / measured.seconds == 100 / 600
    assert vip.histogram().total == 100
    assert vip.histogram().quantiles(0.5, 0.99, 1) == pytest.approx((250_000, 260_000, 3_000_000), rel=0.0125)
    assert (vip.histogram().within(250_000), vip.histogram().within(260_000)) == (90, 99)


def test_groups_together_are_what_was_never_grouped(store: Store, measured: Window):
    (whole,) = distributions(store, measured, CellFilter())
    together = Distribution.of(distributions(store, measured, CellFilter(), by=("tier", "region")))
    assert (together.group, together.last_event, together.events()) == ((), whole.last_event, whole.events())
    assert together.histogram() == whole.histogram()
    nothing = Distribution.of([])
    assert (nothing.events(), nothing.last_event, nothing.histogram().quantile(0.5)) == ({}, None, None)


def test_the_busiest_journeys_are_ranked_by_their_counts(store: Store, present: int, key: Callable):
    events = {"rare": 1, "often": 50, "usual": 7, "same": 7}
    insert_cells(store, {key(present, journey=name): n for name, n in events.items()}, token="a")
    insert_cells(store, {key(present, journey="rare", step="payment"): 900, key(present - HOUR): 900}, token="b")
    window = Window(present, present + 60)
    assert busiest(store, window, CellFilter(), limit=3) == (["often", "same", "usual"], 4)
    assert busiest(store, window, CellFilter(), limit=9)[0][-1] == "rare"
    assert busiest(store, window, CellFilter(where={"tier": ["vip"]}), limit=3) == ([], 0)


@pytest.mark.parametrize("age", [400 * DAY - 1, 400 * DAY, 400 * DAY + HOUR, 20_000 * DAY])
def test_slices_older_than_anything_kept_are_no_data(store: Store, present: int, age: int):
    window = Window(present - age, present - age + HOUR)
    assert series(store, window, CellFilter(), slice_seconds=HOUR, now=present) == []


@pytest.mark.parametrize("length", [6 * HOUR, 3 * DAY, 35 * DAY, 400 * DAY])
@pytest.mark.parametrize("begun", [0, 3 * DAY, 35 * DAY])
def test_slices_of_a_widened_window_are_told_at_any_moment(
    store: Store, present: int, key: Callable, length: int, begun: int
):
    insert_cells(store, {key(present): 3}, token="a")
    for now in (present + 10 + odd for odd in (0, 1, 7, 29, 49, 1_777, 3_599)):
        begin = now + 1 - max(begun, length)
        window = covered(Window(begin, begin + length), now=now)
        found = series(store, window, CellFilter(), slice_seconds=DAY, now=now)
        held = window.widened(DAY).begin <= present < window.widened(DAY).end
        assert [each.outcomes for each in found] == ([{"success": 3}] if held else [])


def test_a_slice_of_abandoned_journeys_alone_has_counts_and_no_latency(store: Store, present: int, key: Callable):
    insert_cells(store, {key(present, outcome="abandoned"): 4}, token="a")
    (slice_,) = series(store, Window(present, present + 10), CellFilter(), slice_seconds=10)
    assert (slice_.outcomes, slice_.p50_us, slice_.p99_us) == ({"abandoned": 4}, None, None)


@pytest.mark.parametrize("slice_seconds", [10, 30, 60, 300, HOUR])
def test_slices_lie_on_the_epochs_grid_and_add_up(store: Store, present: int, slice_seconds: int):
    cells = _random_cells(np.random.default_rng(6), present - HOUR, present, 1_000)
    insert_cells(store, cells, token="a")
    found = series(store, Window(present - HOUR, present), CellFilter(), slice_seconds=slice_seconds, by=("tier",))
    expected: Counter[tuple[int, str, str]] = Counter()
    for cell, n in cells.items():
        if cell.step == "":
            expected[cell.t // slice_seconds * slice_seconds, cell.tier, cell.outcome] += n
    assert {(each.t, each.group[0], outcome): n for each in found for outcome, n in each.outcomes.items()} == expected
    assert [(each.t, each.group) for each in found] == sorted((each.t, each.group) for each in found)
    for each in found:
        durations = [
            np.repeat(cell.bin, n)
            for cell, n in cells.items()
            if cell.step == ""
            and cell.outcome != "abandoned"
            and cell.tier == each.group[0]
            and cell.t // slice_seconds * slice_seconds == each.t
        ]
        exact = Histogram.from_bins(np.concatenate(durations), 1) if durations else Histogram.empty()
        assert (each.p50_us, each.p90_us, each.p99_us) == exact.quantiles(0.5, 0.9, 0.99)


def test_a_window_within_a_slice_is_widened_to_the_whole_slice(store: Store, present: int, key: Callable):
    insert_cells(store, {key(present): 1, key(present + 290): 2}, token="a")
    (slice_,) = series(store, Window(present + 100, present + 110), CellFilter(), slice_seconds=300)
    assert (slice_.t, slice_.outcomes) == (present, {"success": 3})


def test_fine_slices_of_a_long_window_are_read_from_a_finer_tier(store: Store, present: int, key: Callable):
    insert_cells(store, {key(present): 1, key(present + 10): 2}, token="a")
    window = Window(present - DAY, present + 60)
    assert [each.t for each in series(store, window, CellFilter(), slice_seconds=10)] == [present, present + 10]
    with pytest.raises(ValueError, match="kept in steps of 60 s"):
        series(store, window, CellFilter(), slice_seconds=10, now=present + 4 * DAY)
    with pytest.raises(ValueError, match="slices of 0 s"):
        series(store, window, CellFilter(), slice_seconds=0)


def test_cells_of_minutes_are_all_the_cells_of_those_minutes_each_once(store: Store, present: int, key: Callable):
    random = np.random.default_rng(8)
    expected: Counter[tuple] = Counter()
    minutes = [present - 600, present - 60]
    for i in range(4):
        cells = _random_cells(random, present - 900, present, 400)
        insert_cells(store, cells, token=str(i))
        for cell, n in cells.items():
            if cell.t // 60 * 60 in minutes:
                expected[(cell.t // 60 * 60, *cell[1:])] += n
    insert_cells(store, {key(minutes[0], journey="another's"): 7}, token="another")
    frame = cells_of_minutes(store, [*minutes, minutes[0]], {cell.journey for cell in cells})
    assert list(frame.columns) == ["t", *DIMENSIONS, "outcome", "bin", "n"]
    assert (frame["t"].dtype, frame["bin"].dtype, frame["n"].dtype) == (np.int64, np.uint16, np.uint64)
    assert {tuple(row[:-1]): row[-1] for row in frame.itertuples(index=False)} == expected
    assert len(frame) == len(expected)


def test_no_minutes_are_an_empty_frame_of_the_same_columns(store: Store, present: int, key: Callable):
    insert_cells(store, {key(present): 1}, token="a")
    empty, full = cells_of_minutes(store, [], {"checkout"}), cells_of_minutes(store, [present], {"checkout"})
    assert len(empty) == 0
    assert len(full) == 1
    pd.testing.assert_series_equal(empty.dtypes, full.dtypes)


def test_a_month_of_minutes_may_be_asked_for_at_once(store: Store, present: int, key: Callable):
    insert_cells(store, {key(present): 1}, token="a")
    assert len(cells_of_minutes(store, range(present - 30 * DAY, present + 60, 60), {"checkout"})) == 1


def test_late_cells_reopen_their_buckets_in_every_tier(store: Store, present: int, key: Callable):
    insert_cells(store, {key(present - 5 * HOUR): 1}, token="a")
    insert_cells(store, {key(present): 1}, token="b")
    insert_cells(store, {key(present - 5 * HOUR): 4}, token="late")
    for now in (present, present + 4 * DAY, present + 40 * DAY):
        (found,) = distributions(store, Window(present - 5 * HOUR, present - 4 * HOUR), CellFilter(), now=now)
        assert found.events() == {"success": 5}


def _of_windows(
    store: Store, end: int, lengths: list[int], which: CellFilter, by: tuple[str, ...], *outcomes: str
) -> dict[tuple[str, ...], tuple[Histogram, ...]]:
    """The long way: each window asked for, from minutes alone."""
    asked = [distributions(store, Window(end - length, end, TIERS[1]), which, by=by) for length in lengths]
    found = [{each.group: each.histogram(*outcomes) for each in window} for window in asked]
    seen = {group for window in found for group, histogram in window.items() if histogram.total}
    return {group: tuple(each.get(group, Histogram.empty()) for each in found) for group in sorted(seen)}


@pytest.mark.parametrize("minute", [0, 37])
def test_windows_that_end_together_are_each_counted_as_if_alone(store: Store, present: int, minute: int):
    end = present + minute * 60
    for batch in range(2):
        random = np.random.default_rng(batch)
        insert_cells(store, _random_cells(random, end - 4 * DAY, end + HOUR, 600), token=f"{batch}")
        insert_cells(store, _random_cells(random, end - 3 * HOUR, end + 120, 300), token=f"late {batch}")
    lengths = [300, 1_800, HOUR, 2 * HOUR, 6 * HOUR, DAY, 3 * DAY]
    by = ("journey", "tier")
    found = histograms(store, end, lengths, CellFilter(), by=by)
    assert found == _of_windows(store, end, lengths, CellFilter(), by)
    assert len(found) == 4
    unordered = [DAY, 60, 3 * DAY - 60, 60, 7 * HOUR]
    assert histograms(store, end, unordered, CellFilter()) == _of_windows(store, end, unordered, CellFilter(), ())
    which = CellFilter(step="cart", journey="search", where={"outcome": ["abandoned", "failure"], "region": ["eu"]})
    of_which = _of_windows(store, end, lengths, which, ("version",), "abandoned", "failure")
    assert histograms(store, end, lengths, which, by=("version",)) == of_which


def test_a_window_of_weeks_reads_whole_hours_as_hours(store: Store, present: int, key: Callable):
    ages = (60, HOUR, HOUR + 60, 34 * DAY, 35 * DAY - 60)
    insert_cells(store, {key(present - age): n for n, age in enumerate(ages, 1)}, token="a")
    insert_cells(store, {key(present - 35 * DAY - 60): 100, key(present): 100}, token="b")  # before and after
    ((long, short),) = histograms(store, present, [35 * DAY, 2 * HOUR], CellFilter()).values()
    assert (long.total, short.total) == (15, 6)
    store.execute("TRUNCATE TABLE cells_1m")
    ((hours_alone,),) = histograms(store, present, [35 * DAY], CellFilter()).values()
    assert hours_alone.total == 15


def test_windows_without_events_are_empty_and_groups_without_any_absent(store: Store, present: int, key: Callable):
    lost = key(present - 60, tier="vip", outcome="abandoned")
    insert_cells(store, {key(present - 2 * HOUR): 2**63 + 1, key(present + 60): 1, lost: 1}, token="a")
    found = histograms(store, present, [300, 3 * HOUR], CellFilter(), by=("tier",))
    assert {group: [each.total for each in windows] for group, windows in found.items()} == {
        ("standard",): [0, 2**63 + 1]
    }
    assert histograms(store, present, [300], CellFilter()) == {}


@pytest.mark.parametrize(
    ("end", "lengths", "by"),
    [(30, [60], ()), (0, [90], ()), (0, [], ()), (0, [0, 60], ()), (0, [35 * DAY + 60], ()), (0, [60], ("reason",))],
)
def test_windows_that_minutes_cannot_answer_are_refused(
    store: Store, present: int, end: int, lengths: list[int], by: tuple[str, ...]
):
    with pytest.raises(ValueError, match=r"minute|dimension"):
        histograms(store, present + end, lengths, CellFilter(), by=by)
