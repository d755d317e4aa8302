"""Budgets over time: every number against sums of the ledger made by hand, and the SLO's page that draws them."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING

import pytest

from maibo_slo.documents.kinds import Calendar
from maibo_slo.engine.budget import budget, error_budget
from maibo_slo.engine.burn import BURN_WINDOWS, burn_rate
from maibo_slo.engine.calendar import period
from maibo_slo.service.burndown import SLICES, Asked, burndown, burndowns, drawn
from maibo_slo.service.pages import burndown as pages
from maibo_slo.service.pages import units
from maibo_slo.service.pages.burndown import burndown_view
from maibo_slo.service.pages.plots import level_of
from maibo_slo.store import ledger
from maibo_slo.store.ledger import Interval

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maibo_slo.documents import Slo

HOUR, DAY = 3600, 86_400
END = int(datetime(2026, 3, 3, 11, 20, tzinfo=UTC).timestamp())


def counted(seed: int, minutes: int, *, every: int = 1) -> dict[int, tuple[int, int]]:
    """Random minutes up to END with a gap of two hours, by begin."""
    rng = Random(seed)
    found = {}
    for number in range(0, minutes, every):
        if 100 <= number < 220:
            continue
        events = rng.randrange(1, 400)
        found[END - 60 - number * 60] = (events - (bad := rng.randrange(0, 1 + events // 8)), bad)
    return found


def written(store, slo: str, group: str, minutes: Mapping[int, tuple[int, int]]) -> None:
    rows = [Interval(slo, "0.99", group, t, good, bad, good + bad, "test") for t, (good, bad) in minutes.items()]
    ledger.append(store, rows, version=1)


def summed(minutes: Mapping[int, tuple[int, int]], begin: int, end: int) -> tuple[int, int]:
    within = [counts for t, counts in minutes.items() if begin <= t < end]
    return sum(good for good, _ in within), sum(bad for _, bad in within)


@pytest.fixture(scope="module")
def slo(service) -> Slo:
    """Of a day, so that sums by hand are quick."""
    return replace(service.runtime.questions._catalogue().slos["checkout-fast"], name="by-hand", window_seconds=DAY)


@pytest.fixture(scope="module")
def minutes(service, slo) -> dict[int, tuple[int, int]]:
    found = counted(1, 3 * 1440 + 600, every=3)
    written(service.store, slo.name, "", found)
    return found


@pytest.mark.parametrize("hours", [2, 7])
def test_every_moment_is_what_the_ledgers_sums_say(service, slo, minutes, hours: int) -> None:
    objective = slo.objectives[1]
    found = burndown(service.store, slo, objective, "", END - hours * HOUR, END)
    assert (found.begin, found.end) == drawn(END - hours * HOUR, END)
    assert len(found.moments) <= SLICES
    assert (found.moments[0].begin, found.moments[-1].end) == (END - hours * HOUR, END)
    for moment in found.moments[:: max(1, len(found.moments) // 12)]:
        good, bad = summed(minutes, moment.end - DAY, moment.end)
        by_hand = budget(good, bad, target=0.99, elapsed=1.0)
        assert (moment.left, moment.observed) == pytest.approx((by_hand.projected, by_hand.remaining))
        assert (moment.good, moment.bad) == summed(minutes, moment.begin, moment.end)
        for name, rate in moment.burns.items():
            ends = range(moment.begin + 60, moment.end + 1, 60)
            rates = [burn_rate(*summed(minutes, end - BURN_WINDOWS[name], end), target=0.99) for end in ends]
            assert rate == pytest.approx(max(each for each in rates if each is not None)), name


def test_a_window_without_an_event_has_no_burn_rate_and_no_sli(service, slo, minutes) -> None:
    found = burndown(service.store, slo, slo.objectives[1], "", END - 3 * HOUR - 1800, END)
    silent = [each for each in found.moments if each.end <= END - 101 * 60 and each.begin >= END - 213 * 60]
    assert silent
    assert all(each.sli is None and "5m" not in each.burns and each.left is not None for each in silent)
    view = pages.burndown_view(found)
    assert view.sli.lines[0].path.count("M") >= 2, "a gap is a gap"


def test_a_stretch_before_anything_was_counted_is_empty(service, slo, minutes) -> None:
    found = burndown(service.store, slo, slo.objectives[1], "", END - 40 * DAY, END - 39 * DAY)
    assert all(each.left is None and each.sli is None and not each.burns for each in found.moments)
    assert pages.burndown_view(found).empty


def test_a_young_slo_is_projected_from_its_first_minute(service, slo) -> None:
    young = {END - 60 * number: (99, 1) for number in range(1, 61)}
    written(service.store, slo.name, "young", young)
    found = burndown(service.store, slo, slo.objectives[1], "young", END - HOUR, END, first_t=END - HOUR)
    last = found.moments[-1]
    assert last.observed == pytest.approx(0.0)
    assert last.left == pytest.approx(1 - HOUR / DAY)
    rare = burndown(service.store, slo, slo.objectives[1], "young", END - HOUR, END, first_t=END - HOUR, rare=True)
    assert rare.moments[-1].left == pytest.approx(0.0), "nothing is made up for what is not counted at a rate"


def test_several_that_are_read_at_once_are_what_each_is_alone(service, slo, minutes) -> None:
    written(service.store, slo.name, "tier=gold", counted(3, 1500))
    asked = [Asked(slo.objectives[1], "tier=gold"), Asked(slo.objectives[0]), Asked(slo.objectives[1])]
    for hours in (3, 8 * 24):
        begin = END - hours * HOUR
        found = burndowns(service.store, slo, asked, begin, END)
        assert found == [burndown(service.store, slo, each.objective, each.group, begin, END) for each in asked]
        assert [any(moment.burns for moment in each.moments) for each in found] == [True, False, True]


def test_a_calendars_budget_is_whole_again_when_the_period_turns(service, slo) -> None:
    calendar = Calendar(1, "d", datetime(2026, 1, 1), "Europe/Berlin")  # noqa: DTZ001 -- of the zone's own clock
    daily = replace(slo, name="daily", calendar=calendar)
    begin = period(calendar, END).begin
    counts = dict.fromkeys(range(begin - 2 * HOUR, begin, 60), (90, 10)) | dict.fromkeys(
        range(begin, begin + HOUR, 60), (100, 0)
    )
    written(service.store, "daily", "", counts)
    found = burndown(
        service.store, daily, daily.objectives[1], "", begin - HOUR, begin + HOUR, first_t=begin - 2 * HOUR
    )
    before = next(each for each in found.moments if each.end == begin)
    after = next(each for each in found.moments if each.end == begin + 60)
    assert before.observed == pytest.approx(1 - 0.1 / 0.01)
    assert (after.left, after.observed) == (1.0, 1.0)


def test_long_stretches_are_told_by_the_hour_and_without_shorter_windows(service, slo, minutes) -> None:
    found = burndown(service.store, slo, slo.objectives[1], "", END - 30 * DAY, END)
    assert len(found.moments) <= SLICES
    assert found.step % HOUR == 0
    assert all("5m" not in each.burns and "30m" not in each.burns for each in found.moments)
    # The hour that is not over counts as far as it is.
    last = found.moments[-1]
    assert (last.good, last.bad) == summed(minutes, last.begin, last.end)


def test_ratio_slices_are_told_as_slices(service, slo) -> None:
    parts = {END - 300 * number + 240: (900_000, 100_000) for number in range(1, 13)}
    ratio = replace(slo, name="ratio", method="RatioTimeslices")
    written(service.store, "ratio", "", parts)
    last = burndown(service.store, ratio, ratio.objectives[1], "", END - HOUR, END).moments
    assert sum(each.good + each.bad for each in last) == pytest.approx(12)
    assert last[-1].burns["5m"] == pytest.approx(10)


def test_the_last_moment_is_what_the_page_calls_budget_left_and_burn(service) -> None:
    questions = service.runtime.questions
    answer = questions.slo("checkout-fast", service.now)
    for objective in answer.objectives:
        found = questions.burndown(
            "checkout-fast", objective=objective.name, group="", begin=service.now - 300, end=service.now
        )
        last = found.moments[-1]
        assert last.left == pytest.approx(objective.budget_remaining_projected), "of the same moment"
        burns = {each.window: each.burn_rate for each in objective.burn_rates}
        assert last.burns == pytest.approx({name: burns[name] for name in last.burns})


def test_nothing_is_told_of_what_counts_nothing(service) -> None:
    ask = service.runtime.questions.burndown
    assert ask("nowhere", objective="0.9", group="", begin=END - 60, end=END) is None
    assert ask("checkout-fast", objective="0.123", group="", begin=END - 60, end=END) is None


def test_what_is_left_at_last_is_told_of_now_and_a_slice_that_runs_is_no_fall_in_traffic(service, slo) -> None:
    written(service.store, slo.name, "running", {END - 60 * back: (99, 1) for back in (1, 2, 3)})
    until = END + 10
    now = burndown(service.store, slo, slo.objectives[1], "running", END - 600, until, first_t=END - 180)
    shown = burndown_view(now)
    over = burndown(service.store, slo, slo.objectives[1], "running", END - 600, END, first_t=END - 180)
    elapsed = 190 / slo.window_seconds
    spent = 3 / (300 * error_budget(slo.objectives[1].target)) * elapsed
    assert now.moments[-1].end == END + 60
    assert now.moments[-1].left == pytest.approx(1 - spent)
    assert over.moments[-1].left == pytest.approx(1 - spent * 180 / 190)
    written(service.store, slo.name, "running", {END: (3, 0)})
    running = burndown(service.store, slo, slo.objectives[1], "running", END - 600, until, first_t=END - 180)
    assert running.moments[-1].good == 3
    assert len(burndown_view(running).events.columns) == len(shown.events.columns) == 3


def test_the_running_slice_of_a_day_is_drawn_as_wide_as_it_has_run_and_at_the_rate_of_that_time(service, slo) -> None:
    written(service.store, slo.name, "first", {END - 60 * back: (594, 6) for back in range(1, 6)})
    until = END - 20
    found = burndown(service.store, slo, slo.objectives[1], "first", until - DAY, until)
    assert found.moments[-1].end == END, "it runs for 20 s more"
    [column] = burndown_view(found).events.columns
    passed = found.step - 20
    assert column.title.endswith(f": {units.rate(3000 / passed)}, 30 bad")
    width = column.blocks[0].width / 0.9 / 100 * (found.end - found.begin)
    assert width == pytest.approx(passed, abs=found.step / 100)


def test_where_there_are_events_the_chart_never_says_that_there_are_none(service, slo) -> None:
    written(service.store, slo.name, "only", {END: (30, 0)})
    found = burndown(service.store, slo, slo.objectives[1], "only", END - HOUR, END + 10)
    events = burndown_view(found).events
    assert not events.empty
    assert events.columns[0].title.endswith(": 3.00/s, 0 bad")


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ([(0.0, 1.0, 20.0)], ("start", 56.0)),
        ([(0.0, 0.1, 55.0), (0.1, 1.0, 90.0)], ("end", 56.0)),
        ([(0.0, 1.0, 52.0)], ("start", 72.0)),
        ([(0.0, 0.05, 90.0), (0.05, 1.0, 20.0)], ("end", 56.0)),
    ],
    ids=["free", "left", "above", "rises"],
)  # fmt: skip
def test_a_thresholds_label_stands_where_the_line_is_not(line, place) -> None:
    level = level_of(60.0, "14x", line)
    assert (level.anchor, level.label_y) == place


def page(service, path: str) -> str:
    said = service.http.get(path, headers={"Accept": "text/html,*/*"})
    assert said.status_code == 200, said.text
    return said.text


def test_the_slos_page_draws_it_in_words_too(service, reading) -> None:
    shown = page(service, "/slos/checkout-fast?window=1h")
    read = reading(shown)
    assert not read.forbidden
    labels = " ".join(read.labels)
    for words in (
        "Error budget left over time:",
        "SLI over time, against an objective of 99",
        "Burn rate over 1h and over 5m",
    ):
        assert words in labels
    assert shown.count('class="line-burn-long"') >= 4
    assert 'class="level-threshold"' in shown
    assert re.search(r'<th scope="col" class="num">Burn 1h</th>', shown)


def test_a_link_to_a_moment_shows_that_moment(service) -> None:
    then = datetime.fromtimestamp(service.now - 3 * DAY, UTC)
    shown = page(service, f"/slos/checkout-fast?window=1h&at={then:%Y-%m-%dT%H:%M:%SZ}")
    assert "Nothing was counted in this time" in shown
    assert '<meta http-equiv="refresh"' not in shown


def test_the_same_in_chinese(service, english_left) -> None:
    shown = page(service, "/slos/checkout-fast?window=1h&lang=zh")
    assert "剩余错误预算" in shown
    assert "按告警所依据的各对窗口" in shown
    assert english_left(shown, "Checkout is fast", "checkout-fast", "payment", "shop") == []
    service.http.cookies.clear()
