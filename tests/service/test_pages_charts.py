"""The charts' geometry: what is drawn is what was counted, and stays on the paper."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maibo_slo.service.answers import Bar, Point, Span
from maibo_slo.service.pages import charts, shapes
from maibo_slo.service.pages.distribution import distribution
from maibo_slo.store.histogram import BINS, bounds_us

BEGIN = 1_800_000_000
WINDOW = Span(begin=datetime.fromtimestamp(BEGIN, UTC), end=datetime.fromtimestamp(BEGIN + 300, UTC), seconds=300)


def time(offset: float) -> datetime:
    return datetime.fromtimestamp(BEGIN + offset, UTC)


def point(offset: float, *, success: int = 0, failure: int = 0, abandoned: int = 0, p99: float | None = None) -> Point:
    outcomes = {"success": success, "failure": failure, "abandoned": abandoned}
    count = sum(outcomes.values())
    return Point(at=time(offset), count=count, rate_per_second=count / 10, outcomes=outcomes, p99_us=p99)


def bar(lower: float, upper: float, **outcomes: int) -> Bar:
    return Bar(lower_us=lower, upper_us=upper, outcomes=outcomes)


def drawn(bars, threshold=None):
    return distribution(bars, p50_us=120_000, p99_us=900_000, threshold_us=threshold)


def test_a_sparkline_has_one_run_for_each_stretch_of_data_and_gaps_between():
    values = [(time(offset), 5.0) for offset in (0, 10, 20, 100, 110)]
    spark = charts.spark(values, WINDOW, length=10, label="rate")
    assert spark.line.count("M") == 2
    assert spark.area.count("z") == 2
    right_ends = [int(x) for x in re.findall(r"H(\d+)", spark.line)]
    assert right_ends[2] == round(30 / 300 * charts.SPARK_WIDTH)


def test_a_sparkline_without_data_is_empty():
    assert charts.spark([], WINDOW, length=10, label="rate") == charts.Spark("", "", "rate")


@given(st.lists(st.tuples(st.integers(-100, 400), st.floats(0, 1e12)), max_size=40))
def test_a_sparkline_stays_within_its_box(values):
    spark = charts.spark([(time(offset), value) for offset, value in sorted(values)], WINDOW, length=10, label="")
    for x in re.findall(r"[MH](-?\d+)", spark.line + spark.area):
        assert 0 <= int(x) <= charts.SPARK_WIDTH
    for y in re.findall(r"V(-?\d+)", spark.line + spark.area):
        assert 0 <= int(y) <= charts.SPARK_HEIGHT


@given(st.fixed_dictionaries({kind: st.integers(0, 10**9) for kind in ("success", "failure", "abandoned")}))
def test_an_outcome_bar_fills_its_width_and_shows_every_outcome_there_is(outcomes):
    blocks = charts.outcome_bar(outcomes)
    assert [block.kind for block in blocks] == [kind for kind in ("success", "failure", "abandoned") if outcomes[kind]]
    if blocks:
        assert sum(block.width for block in blocks) == pytest.approx(100, abs=0.1)
        assert all(block.width >= 1.4 for block in blocks)


@pytest.mark.parametrize(
    ("remaining", "x", "width", "clipped"),
    [(1.0, 25, 75, False), (0.0, 25, 0, False), (0.5, 25, 37.5, False), (-0.5, 12.5, 12.5, False), (-9.0, 0, 25, True)],
)
def test_a_budget_bar_reaches_right_of_zero_for_what_is_left_and_left_of_it_for_what_is_overspent(
    remaining, x, width, clipped
):
    bar = charts.budget_bar(remaining)
    assert (bar.block.x, bar.block.width, bar.clipped, bar.overspent) == (x, width, clipped, remaining < 0)


def test_a_budget_without_data_has_no_bar():
    assert charts.budget_bar(None).block is None


def test_columns_over_time_are_as_high_as_their_counts_and_stand_on_the_floor():
    line = charts.outcomes_over_time([point(0, success=100), point(10, success=40, failure=10)], WINDOW)
    first, second = line.columns
    height = sum(block.height for block in second.blocks)
    assert height == pytest.approx(sum(block.height for block in first.blocks) / 2, abs=0.1)
    for column in line.columns:
        assert column.blocks[0].y + column.blocks[0].height == pytest.approx(shapes.PLOT_HEIGHT, abs=0.02)
    assert second.title.endswith("40 success, 10 failure")


def test_a_time_axis_is_labelled_at_round_times():
    labels = [tick.label for tick in charts.outcomes_over_time([], WINDOW).x_ticks]
    assert labels == ["08:01", "08:02", "08:03", "08:04"]


def test_a_window_that_reaches_into_another_day_tells_its_times_with_their_dates():
    whole = Span(begin=time(-86_400), end=time(0), seconds=86_400)
    points = [point(-86_400, success=1, p99=10_000), point(-3600, success=1, p99=10_000)]
    for line in (charts.outcomes_over_time(points, whole), charts.p99_over_time(points, whole, threshold_us=None)):
        assert [column.title[:19] for column in line.columns] == ["2027-01-14 08:00:00", "2027-01-15 07:00:00"]
        assert "15 Jan" in [tick.label for tick in line.x_ticks], "midnight"
    assert charts.outcomes_over_time([point(0, success=1)], WINDOW).columns[0].title.startswith("08:00:00")


@pytest.mark.parametrize("highest", [1, 2, 3, 7, 1000])
def test_an_axis_of_counts_is_marked_with_whole_numbers_only_once_each(highest):
    labels = [tick.label for tick in shapes.count_axis(highest)[1]]
    assert labels
    assert "0" not in labels
    assert len(set(labels)) == len(labels)


def test_a_distribution_has_an_axis_of_counts_that_its_columns_keep_to():
    chart = drawn([bar(bounds_us(500)[0], bounds_us(500)[1], success=1000)])
    top = min(block.y for column in chart.columns for block in column.blocks)
    events = sum(float(block.height) for column in chart.columns for block in column.blocks)
    mark = chart.y_ticks[0]
    per_event = (shapes.PLOT_HEIGHT - mark.at) / float(mark.label.replace(",", ""))
    assert events / per_event == pytest.approx(1000, rel=0.02)
    assert 0 < top <= mark.at


def test_p99_over_time_breaks_where_there_is_no_data():
    points = [
        point(0, success=1, p99=10_000),
        point(10),
        point(20, success=1, p99=20_000),
        point(30, success=1, p99=5_000),
    ]
    line = charts.p99_over_time(points, WINDOW, threshold_us=15_000)
    assert line.line.count("M") == 2
    assert len(line.columns) == 3
    assert 0 < line.threshold_y < shapes.PLOT_HEIGHT


def test_a_threshold_far_above_all_data_does_not_flatten_the_line():
    points = [point(0, success=1, p99=10_000)]
    assert charts.p99_over_time(points, WINDOW, threshold_us=41_000).threshold_y is None
    assert charts.p99_over_time(points, WINDOW, threshold_us=40_000).threshold_y is not None


def test_a_distribution_without_ended_events_is_none():
    assert drawn([]) is None
    assert drawn([bar(100, 200, abandoned=4)]) is None, "an abandoned journey has no end to time"


def test_equal_density_is_drawn_equally_high_whatever_the_width_of_the_bins():
    bins = [index for index in range(BINS) if 10_000 < bounds_us(index)[1] <= 100_000]
    bars = []
    for index in bins:
        lower, upper = bounds_us(index)
        bars.append(bar(lower, upper, success=round(1e6 * math.log10(upper / lower))))
    chart = drawn(bars)
    heights = [column.blocks[0].height for column in chart.columns[2:-2]]
    assert max(heights) - min(heights) < 0.02 * max(heights)


@given(
    st.dictionaries(st.integers(1, BINS - 2), st.integers(1, 10**6), min_size=1, max_size=60),
    st.sampled_from([None, 1, 250_000, 10**12]),
)
def test_a_distribution_stays_on_the_paper_and_its_table_counts_every_event(counts, threshold):
    bars = [bar(*bounds_us(index), success=number) for index, number in sorted(counts.items())]
    chart = drawn(bars, threshold)
    for column in chart.columns:
        for block in column.blocks:
            assert block.x >= -0.01
            assert block.x + block.width <= 100.01
            assert 0 <= block.y <= shapes.PLOT_HEIGHT
    assert all(0 <= marker.at <= 100 for marker in chart.markers)
    assert all(0 <= tick.at <= 100 for tick in chart.x_ticks)
    assert len(chart.x_ticks) <= 16
    shares = [row.share for row in chart.table]
    assert shares == sorted(shares)
    assert chart.table[-1].count == sum(counts.values())


def test_the_table_beside_a_distribution_is_exact():
    chart = drawn([bar(98, 100, success=5, failure=1), bar(100, 102, success=3), bar(400, 405, success=1)])
    assert [(row.limit_us, row.count) for row in chart.table] == [(100, 6), (200, 9), (500, 10)]
