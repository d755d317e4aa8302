"""Ticks of SLOs of every method, with groups, calendars, corrections, composites and counts from elsewhere: the ledger's rows against brute force."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maibo_slo.documents import (
    COMPOSITE,
    Calendar,
    CellSelector,
    Correction,
    DataSource,
    ErrorBudgetPolicy,
    Objective,
    Origin,
    PolicyState,
    PromQuery,
    PromSlo,
    ScaleupSli,
    ScaleupSlo,
    Sli,
)
from maibo_slo.engine.counts import GoodBad
from maibo_slo.engine.evaluate import Engine
from maibo_slo.engine.groups import MOST_GROUPS, OVERFLOW
from maibo_slo.engine.state import PolicyNow
from maibo_slo.store import ledger

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from maibo_slo.documents import Slo
    from maibo_slo.engine.state import Observed
    from maibo_slo.store import Store

HOUR, DAY = 3_600, 86_400
NOW = int(time.time()) // HOUR * HOUR
"""Near the present: the store forgets what is too old. The hour is whole, so that slices are."""
BERLIN = ZoneInfo("Europe/Berlin")
MILLION = 1_000_000

Rows = dict[tuple[str, str, int], tuple[int, int]]
"""(objective, group, minute) -> good and bad."""
_Sliced = TypeVar("_Sliced", "Slo", ScaleupSlo)


@pytest.fixture
def told() -> list[Correction]:
    """Corrections that were told to the running service."""
    return []


@pytest.fixture
def start(store: Store, documents, tmp_path: Path, told):
    """Starts the engine, or starts it again."""
    return lambda: Engine(store, documents, memory_path=tmp_path / "engine.json", corrections=lambda: told)


@pytest.fixture
def engine(start) -> Engine:
    return start()


def sliced(slo: _Sliced, *, method: str = "Timeslices", seconds: int = 300, target: float | None = 0.9) -> _Sliced:
    goals = tuple(
        replace(each, slice_seconds=seconds, slice_target=target if method == "Timeslices" else None)
        for each in slo.objectives
    )
    return replace(slo, method=method, objectives=goals)


def offered(name: str = "shop", *, calendar: Calendar | None = None, target: float = 0.99) -> PromSlo:
    source = DataSource("prom", "", "", "Prometheus", {"url": "http://127.0.0.1:9"}, {}, Origin("test.yaml", 1))
    return PromSlo(
        **of_all(name, target),
        total=PromQuery("total"),
        good=PromQuery("good"),
        bad=None,
        calendar=calendar,
        data_source=source,
    )


def scaling(within: float = 30, *, name: str = "shop") -> ScaleupSlo:
    return ScaleupSlo(**of_all(name, 0.9), indicator=ScaleupSli("in-time", ("shop/Deployment/api",), within))


def of_all(name: str, target: float) -> dict[str, Any]:
    return {
        "name": name,
        "display_name": "",
        "description": "",
        "service": "shop",
        "objectives": (Objective(str(target), target),),
        "window_seconds": 28 * DAY,
        "labels": {},
        "origin": Origin("test.yaml", 1),
    }


def maintenance(begin: int, seconds: int, effect: str = "exclude", **more: object) -> Correction:
    start = datetime.fromtimestamp(begin, UTC).replace(tzinfo=None)
    return replace(Correction("upgrade", "maintenance", "exclude", start, seconds, "UTC"), effect=effect, **more)


def rows(store: Store, slo: str, *, raw: bool = False) -> Rows:
    """What the ledger has, without minutes that have no data."""
    found = store.rows(
        "SELECT objective, grp, toUnixTimestamp(t), good, bad FROM sli FINAL WHERE slo = {slo:String} AND good + bad > 0",
        {"slo": slo},
    )
    return {
        (objective, group, int(t)): (int(good), int(bad))
        for objective, group, t, good, bad in found
        if objective.startswith(ledger.RAW) == raw
    }


def one(engine: Engine, objective: str = "0.99", group: str = "") -> Observed:
    (found,) = (each for each in engine.snapshot().observed if (each.objective.name, each.group) == (objective, group))
    return found


def settle(engine: Engine, now: float) -> None:
    """Tick until nothing waits."""
    for _ in range(100):
        if not engine.tick(now=now).pending_minutes:
            return
    raise AssertionError("the recount does not end")


# -- Slices ---------------------------------------------------------------------------------------------------------------


def test_a_slice_is_written_when_it_is_over_though_nothing_new_came(engine, documents, feed, event, make_slo, store):
    documents.put(sliced(make_slo()))
    feed.send([*[event(NOW)] * 8, *[event(NOW + 60, outcome="failure")] * 2])
    engine.tick(now=NOW + 120)
    assert rows(store, "checkout") == {}
    assert rows(store, "checkout", raw=True) == {("~0.99", "", NOW): (8, 0), ("~0.99", "", NOW + 60): (0, 2)}
    engine.tick(now=NOW + 299.9)
    assert one(engine).own.observed_minutes == 0
    engine.tick(now=NOW + 300)
    assert rows(store, "checkout") == {("0.99", "", NOW + 240): (0, 1)}
    assert (one(engine).own.good, one(engine).own.bad, one(engine).last_t) == (0, 1, NOW + 240)


def test_slices_tell_how_many_events_they_are_made_of_over_a_restart_too(
    engine, start, documents, feed, event, make_slo, store
):
    documents.put(make_slo("plain"), sliced(make_slo(), method="RatioTimeslices"))
    feed.send([*[event(NOW - DAY)] * 8, *[event(NOW - 60, outcome="failure")] * 2, event(NOW - 60)])
    engine.tick(now=NOW)
    feed.send([event(NOW, outcome="failure")])
    for ticking in (engine, start()):
        ticking.tick(now=NOW + 300)
        plain, ratio = ticking.snapshot().observed
        assert plain.events == {}
        assert [(ratio.events[each].good, ratio.events[each].bad) for each in (HOUR, DAY, 3 * DAY)] == [
            (1, 3), (1, 3), (9, 3)
        ]  # fmt: skip


def test_late_events_reopen_their_slice(engine, documents, feed, event, make_slo, store):
    documents.put(sliced(make_slo()))
    feed.send([event(NOW - DAY, outcome="failure")])
    engine.tick(now=NOW)
    assert rows(store, "checkout") == {("0.99", "", NOW - DAY + 240): (0, 1)}
    feed.send([event(NOW - DAY + 250)] * 9)
    engine.tick(now=NOW + 10)
    assert rows(store, "checkout") == {("0.99", "", NOW - DAY + 240): (1, 0)}


def test_a_slice_that_was_open_at_a_restart_is_closed_after_it(engine, start, documents, feed, event, make_slo, store):
    documents.put(sliced(make_slo()))
    feed.send([event(NOW)])
    engine.tick(now=NOW + 10)
    again = start()
    again.tick(now=NOW + 20)
    assert rows(store, "checkout") == {}
    again.tick(now=NOW + 300)
    assert rows(store, "checkout") == {("0.99", "", NOW + 240): (1, 0)}
    feed.send([event(NOW + 300)])
    again.tick(now=NOW + 310)
    start().tick(now=NOW + 7_200)  # it was over long before
    assert rows(store, "checkout")["0.99", "", NOW + 540] == (1, 0)


def test_ticks_without_news_read_no_raw_rows(engine, documents, feed, event, make_slo, monkeypatch):
    documents.put(sliced(make_slo()))
    feed.send([event(NOW - DAY), event(NOW)])
    engine.tick(now=NOW + 10)
    read: list[tuple[int, int]] = []
    real = ledger.minutes

    def minutes(store, slos, begin, end, *, raw=False, **more):
        if raw:
            read.append((begin, end))
        return real(store, slos, begin, end, raw=raw, **more)

    monkeypatch.setattr(ledger, "minutes", minutes)
    for second in range(20, 300, 10):
        engine.tick(now=NOW + second)
    assert read == []
    engine.tick(now=NOW + 300)
    assert read == [(NOW, NOW + 300)]


def test_a_changed_method_length_or_target_is_counted_anew_and_the_old_rows_are_gone(
    engine, documents, feed, event, make_slo, store
):
    feed.send([*[event(NOW - 400)] * 3, event(NOW - 400, outcome="failure"), event(NOW - 50)])
    minute = (NOW - 400) // 60 * 60
    for slo, expected in (
        (make_slo(), {minute: (3, 1), NOW - 60: (1, 0)}),
        (sliced(make_slo()), {NOW - 360: (0, 1), NOW - 60: (1, 0)}),
        (sliced(make_slo(), seconds=600), {NOW - 60: (0, 1)}),
        (sliced(make_slo(), seconds=600, target=0.8), {NOW - 60: (1, 0)}),
        (sliced(make_slo(), method="RatioTimeslices", seconds=600), {NOW - 60: (800_000, 200_000)}),
        (make_slo(), {minute: (3, 1), NOW - 60: (1, 0)}),
    ):
        documents.put(slo)
        settle(engine, NOW)
        assert {t: counts for (_, _, t), counts in rows(store, "checkout").items()} == expected
        total = [sum(each) for each in zip(*expected.values(), strict=True)]
        assert [one(engine).own.good, one(engine).own.bad] == total
    assert rows(store, "checkout", raw=True) == {}


# -- Corrections ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["Occurrences", "Timeslices", "RatioTimeslices"])
def test_a_correction_that_is_told_changed_and_cancelled_leaves_no_trace(
    method, engine, documents, feed, event, make_slo, store, told
):
    slo = make_slo() if method == "Occurrences" else sliced(make_slo(), method=method)
    documents.put(slo)
    feed.send([event(NOW - 60 * n, outcome="failure" if n % 3 else "success") for n in range(1, 60)])
    engine.tick(now=NOW)
    truth, own = rows(store, "checkout"), one(engine).own
    told.append(maintenance(NOW - 1_800, 900))
    engine.tick(now=NOW + 1)
    excluded = rows(store, "checkout")
    assert excluded == {key: counts for key, counts in truth.items() if not NOW - 1_800 <= key[2] < NOW - 900}
    told[0] = maintenance(NOW - 1_800, 600, "count_as_good")
    engine.tick(now=NOW + 2)
    whole = {"Occurrences": 1, "Timeslices": 1, "RatioTimeslices": MILLION}[method]
    forgiven = {key: (whole, 0) if NOW - 1_800 <= key[2] < NOW - 1_200 else each for key, each in truth.items()}
    assert rows(store, "checkout") == forgiven
    told[0] = maintenance(NOW - 1_800, 600, "annotate")
    engine.tick(now=NOW + 3)
    assert (rows(store, "checkout"), one(engine).own) == (truth, own)
    assert [(each.begin, each.end) for each in one(engine).corrected] == [(NOW - 1_800, NOW - 1_200)]
    told[0] = maintenance(NOW - 1_800, 900)
    engine.tick(now=NOW + 4)
    assert rows(store, "checkout") == excluded
    told.clear()
    engine.tick(now=NOW + 5)
    assert (rows(store, "checkout"), one(engine).own, one(engine).corrected) == (truth, own, ())


def test_events_within_a_correction_are_corrected_as_they_come(engine, documents, feed, event, make_slo, store):
    documents.put(make_slo(), corrections=[maintenance(NOW, 120)])
    feed.send([event(NOW + 30, outcome="failure"), event(NOW + 150, outcome="failure")])
    engine.tick(now=NOW + 160)
    assert rows(store, "checkout") == {("0.99", "", NOW + 120): (0, 1)}


def test_a_correction_is_applied_though_the_store_failed_when_it_was_told(
    engine, documents, feed, event, make_slo, told, store, monkeypatch
):
    documents.put(make_slo())
    feed.send([event(NOW - 60, outcome="failure")])
    engine.tick(now=NOW)
    told.append(maintenance(NOW - 120, 120))

    def fails(*_: object, **__: object) -> None:
        raise OSError("no answer")

    with monkeypatch.context() as patched:
        patched.setattr(Engine, "_correct_anew", fails)
        with pytest.raises(OSError, match="no answer"):
            engine.tick(now=NOW + 10)
    engine.tick(now=NOW + 20)
    assert rows(store, "checkout") == {}


def test_what_a_correction_touches_does_not_make_a_slice_certain(engine, documents, feed, event, make_slo, told):
    documents.put(sliced(make_slo(), method="RatioTimeslices", seconds=60))
    feed.send([*[event(NOW - 1_000, outcome="failure")] * 100, event(NOW - 60, outcome="failure")])
    told.append(maintenance(NOW - 1_200, 600))
    engine.tick(now=NOW)
    events = one(engine).events
    assert (events[300].bad, sorted(events)) == (1, [300])
    told.clear()
    engine.tick(now=NOW + 1)
    assert one(engine).events[3_600].bad == 101


def test_a_correction_concerns_whom_it_names(engine, documents, feed, event, make_slo, told):
    documents.put(make_slo("one"), make_slo("two", targets=[0.9]))
    feed.send([event(NOW - 60, outcome="failure")])
    told.append(maintenance(NOW - 120, 120, slos=("two",)))
    engine.tick(now=NOW)
    assert (one(engine).own.bad, one(engine, "0.9").own.bad) == (1, 0)
    assert (one(engine).corrected, len(one(engine, "0.9").corrected)) == ((), 1)


def test_a_correction_that_was_cancelled_while_nothing_ran_is_undone(
    engine, start, documents, feed, event, make_slo, store, told
):
    documents.put(make_slo())
    feed.send([event(NOW - 60, outcome="failure")])
    told.append(maintenance(NOW - 120, 120))
    engine.tick(now=NOW)
    assert rows(store, "checkout") == {}
    told.clear()
    again = start()
    again.tick(now=NOW + 10)
    assert rows(store, "checkout") == {("0.99", "", NOW - 60): (0, 1)}
    assert one(again).own.bad == 1


def test_windows_of_a_rule_go_on_as_time_does_and_the_newest_twenty_are_shown(
    engine, documents, feed, event, make_slo, told
):
    documents.put(make_slo())
    told.append(maintenance(NOW - 25 * DAY, 600, rrule="FREQ=DAILY"))
    engine.tick(now=NOW)
    assert [each.begin for each in one(engine).corrected] == [NOW - n * DAY for n in range(20)]
    (said,) = engine.snapshot().assess(now=NOW)
    assert said.corrected_unshown == 6  # of 26: one begins now
    assert said.excluded_minutes == 250  # of all 25 days that have passed, not of those that are shown
    feed.send([event(NOW + DAY + 60, outcome="failure"), event(NOW + DAY + 660, outcome="failure")])
    engine.tick(now=NOW + DAY + 700)
    assert one(engine).own.bad == 1
    assert one(engine).corrected[0].begin == NOW + DAY


def test_a_correction_is_not_looked_for_at_every_tick(engine, documents, make_slo, told, monkeypatch):
    from maibo_slo.engine import correcting

    found: list[str] = []
    real = correcting.windows
    monkeypatch.setattr(
        correcting, "windows", lambda those, slo, begin, end: found.append(slo.name) or real(those, slo, begin, end)
    )
    documents.put(*(make_slo(f"slo-{n}") for n in range(5)))
    told.append(maintenance(NOW, 600, rrule="FREQ=DAILY"))
    for second in range(0, 600, 60):
        engine.tick(now=NOW + second)
    assert found == ["slo-0"]  # and all five share it
    engine.tick(now=NOW + HOUR)
    assert len(found) == 2


# -- Policies -------------------------------------------------------------------------------------------------------------


def test_a_policy_does_not_thaw_while_minutes_are_counted_anew(engine, documents, feed, event, make_slo, monkeypatch):
    documents.put(make_slo())
    feed.send([event(NOW - 60 * n, outcome="failure" if n > 60 else "success") for n in range(1, 180)])
    settle(engine, NOW)
    slow = one(engine).policy
    assert slow is not None
    assert slow.state == "slow"
    monkeypatch.setattr("maibo_slo.engine.evaluate.RECOUNT_SECONDS", 0.0)
    changed = make_slo()
    total = replace(changed.indicator.total, where={"tier": ("standard", "vip", "gold", "")})
    good = replace(changed.indicator.good, where=total.where)
    documents.put(replace(changed, indicator=replace(changed.indicator, total=total, good=good)))
    assert engine.tick(now=NOW + 7_200).pending_minutes
    assert one(engine).policy == slow
    settle(engine, NOW + 7_210)
    assert one(engine).policy == slow


def test_where_a_policy_stands_is_remembered(engine, start, documents, feed, event, make_slo):
    documents.put(make_slo())
    feed.send([event(NOW - 9 * HOUR), event(NOW - 60)])
    assert engine.tick(now=NOW).observed[0].policy == PolicyNow("default", "healthy", NOW)
    feed.send([event(NOW - 60, outcome="failure")] * 50)
    assert engine.tick(now=NOW + 10).observed[0].policy == PolicyNow("default", "frozen", NOW + 10)
    assert start().tick(now=NOW + 20).observed[0].policy == PolicyNow("default", "frozen", NOW + 10)
    calm = ErrorBudgetPolicy("calm", "", (PolicyState("fine"),), 0, services=("shop",))
    documents.put(make_slo(), policies=[calm])
    assert engine.tick(now=NOW + 30).observed[0].policy == PolicyNow("calm", "fine", NOW + 30)


# -- Groups ---------------------------------------------------------------------------------------------------------------


def test_each_group_has_a_budget_and_all_together_none(engine, documents, feed, event, make_slo, store):
    documents.put(replace(make_slo(), group_by=("tier",)))
    engine.tick(now=NOW)
    assert [(each.group, each.last_t) for each in engine.snapshot().observed] == [("", None)]  # no data is an answer
    feed.send([event(NOW, tier="gold"), event(NOW, tier="free", outcome="failure"), event(NOW, tier="free")])
    engine.tick(now=NOW + 10)
    assert [each.group for each in engine.snapshot().observed] == ["tier=free", "tier=gold"]
    assert (one(engine, group="tier=free").own.bad, one(engine, group="tier=gold").own.bad) == (1, 0)
    assert rows(store, "checkout") == {("0.99", "tier=free", NOW): (1, 1), ("0.99", "tier=gold", NOW): (1, 0)}


@pytest.mark.parametrize("method", ["Occurrences", "Timeslices"])
def test_too_many_groups_count_together_and_no_event_is_lost_or_counted_twice(
    method, engine, start, documents, feed, event, make_slo, store, tmp_path
):
    slo = replace(make_slo(), group_by=("tier",))
    documents.put(slo if method == "Occurrences" else sliced(slo, seconds=60))
    feed.send(event(NOW - 60, tier=f"t{n}") for n in range(MOST_GROUPS + 7) for _ in range(2 if n < MOST_GROUPS else 1))
    engine.tick(now=NOW)
    raw = method != "Occurrences"
    assert len(rows(store, "checkout", raw=raw)) == MOST_GROUPS + 1
    ((objective,),) = store.rows(
        "SELECT DISTINCT objective FROM sli WHERE startsWith(objective, '~') = {raw:UInt8}", {"raw": int(raw)}
    )
    assert rows(store, "checkout", raw=raw)[objective, OVERFLOW, NOW - 60] == (7, 0)
    (tmp_path / "engine.json").unlink()
    again = start()
    feed.send([event(NOW - 60, tier="t206"), event(NOW - 60, tier="t0"), event(NOW - 60, tier="before all others")])
    settle(again, NOW + 10)
    found = rows(store, "checkout", raw=raw)
    assert found[objective, OVERFLOW, NOW - 60] == (9, 0)
    assert sum(good for good, _ in found.values()) == 2 * MOST_GROUPS + 7 + 3
    assert len(again.snapshot().observed) == MOST_GROUPS + 1


def test_a_group_without_events_for_as_long_as_its_slo_looks_back_makes_room(engine, documents, feed, event, make_slo):
    documents.put(replace(make_slo(window_seconds=DAY), group_by=("tier",)))
    feed.send([event(NOW - 3 * DAY, tier="gone"), event(NOW, tier="gold")])
    engine.tick(now=NOW + 10 - HOUR)
    assert [each.group for each in engine.snapshot().observed] == ["tier=gold", "tier=gone"]
    for second in (HOUR, HOUR + 10):
        engine.tick(now=NOW + second)
    assert [each.group for each in engine.snapshot().observed] == ["tier=gold"]


def test_a_group_that_just_came_is_kept_though_its_slice_is_open(engine, start, documents, feed, event, make_slo):
    documents.put(sliced(replace(make_slo(), group_by=("tier",)), seconds=HOUR))
    feed.send([event(NOW, tier="gold")])
    for second in (10, 20, 30):
        engine.tick(now=NOW + second)
        assert [(each.group, each.last_t) for each in engine.snapshot().observed] == [("tier=gold", None)]


# -- Calendars ------------------------------------------------------------------------------------------------------------


def clock_change(hours: int) -> int:
    """Begin of the newest day in Berlin that had so many hours."""
    day = datetime.now(BERLIN).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=2)
    for back in range(380):
        begin = int((day - timedelta(days=back)).timestamp())
        if int((day - timedelta(days=back - 1)).timestamp()) - begin == hours * HOUR:
            return begin
    raise AssertionError("clocks change twice a year")


@pytest.mark.parametrize("hours", [23, 25])
def test_a_day_by_the_calendar_is_as_long_as_clocks_say(hours, engine, documents):
    begin = clock_change(hours)
    day = Calendar(1, "d", datetime(2026, 1, 1), "Europe/Berlin")  # noqa: DTZ001 -- a start is local: the zone stands beside it
    documents.put(offered(calendar=day))
    end = begin + hours * HOUR
    counts = {begin + n * 60: GoodBad(9, 1) for n in range(-30, hours * 60 + 30)}
    engine.offer("shop", {t: each for t, each in counts.items() if t < end - 60}, source="prometheus:a")
    settle(engine, end - 1)
    found = one(engine)
    assert found.period == (begin, end)
    assert (found.own.bad, found.own.observed_minutes) == (hours * 60 - 1, hours * 60 - 1)
    engine.offer("shop", counts, source="prometheus:a")
    settle(engine, end + 1_799)
    found = one(engine)
    assert found.period is not None
    assert found.period[0] == end
    assert found.own.bad == 29  # the running minute is not over
    assert found.counts[HOUR].bad == 59  # burns look back beyond the begin


def test_maintenance_goes_on_over_the_turn_of_a_period(engine, documents, told):
    """Neither the silence nor the burn windows that it explains begin with the period."""
    midnight = NOW // DAY * DAY
    documents.put(offered(calendar=Calendar(1, "d", datetime(2026, 1, 1), "UTC")))  # noqa: DTZ001 -- a start is local
    told.append(maintenance(midnight - 2 * HOUR, 4 * HOUR))
    engine.offer("shop", {midnight - 2 * HOUR - n * 60: GoodBad(9, 0) for n in range(1, 60)}, source="prometheus:a")
    settle(engine, midnight + 1_200)
    (found,) = engine.snapshot().assess(now=midnight + 1_200)
    assert found.excluded_minutes == 20
    assert next(burn.coverage for burn in found.burns if burn.window == "6h") == pytest.approx(59 / (6 * 60 - 140))
    assert found.state != "stale"


def test_a_month_ends_with_its_last_day_and_slices_begin_with_the_next(engine, documents, store):
    first = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    begin = int(first.timestamp())
    months = Calendar(1, "M", datetime(2026, 1, 1), "UTC")  # noqa: DTZ001 -- as above
    slo = replace(offered(calendar=months), method="Timeslices", objectives=(Objective("0.99", 0.99, 7 * HOUR, 0.5),))
    documents.put(slo)
    engine.offer("shop", {begin - 60: GoodBad(0, 1), begin: GoodBad(1, 0)}, source="prometheus:a")
    settle(engine, begin + 7 * HOUR)
    # The last slice of the month before is cut short, whatever its length is by then.
    assert rows(store, "shop") == {("0.99", "", begin - 60): (0, 1), ("0.99", "", begin + 7 * HOUR - 60): (1, 0)}
    assert (one(engine).own.good, one(engine).own.bad) == (1, 0)


# -- Counts from elsewhere ------------------------------------------------------------------------------------------------


def test_what_is_offered_is_counted_replaced_and_blanked(engine, documents, store):
    documents.put(offered())
    engine.offer("shop", {NOW - 120: GoodBad(9, 1), NOW - 60: GoodBad(5, 0)}, source="prometheus:a")
    engine.offer("nobody", {NOW - 60: GoodBad(5, 0)}, source="prometheus:a")
    engine.tick(now=NOW)
    assert rows(store, "shop") == {("0.99", "", NOW - 120): (9, 1), ("0.99", "", NOW - 60): (5, 0)}
    assert (one(engine).own.good, one(engine).own.bad, one(engine).first_t) == (14, 1, NOW - 120)
    engine.offer("shop", {NOW - 120: GoodBad(8, 2)}, source="prometheus:a")
    engine.offer("shop", {NOW - 120: GoodBad(7, 3), NOW - 60: GoodBad(0, 0)}, source="prometheus:a")
    engine.tick(now=NOW + 10)
    assert rows(store, "shop") == {("0.99", "", NOW - 120): (7, 3)}
    assert (one(engine).own.good, one(engine).own.bad, one(engine).last_t) == (7, 3, NOW - 120)


def test_scale_ups_that_are_offered_are_judged_and_those_of_another_promise_are_void(engine, start, documents, store):
    documents.put(scaling())
    engine.offer("shop", {NOW - 600: GoodBad(3, 0), NOW - 120: GoodBad(1, 1)}, source="scaleups:a")
    engine.tick(now=NOW)
    assert rows(store, "shop") == {("0.9", "", NOW - 600): (3, 0), ("0.9", "", NOW - 120): (1, 1)}
    assert (one(engine, "0.9").own.good, one(engine, "0.9").own.bad) == (4, 1)
    documents.put(scaling(within=10))
    again = start()
    again.offer("shop", {NOW - 120: GoodBad(0, 2)}, source="scaleups:b")
    again.tick(now=NOW + 10)
    assert rows(store, "shop") == {("0.9", "", NOW - 120): (0, 2)}


def test_scale_ups_may_be_judged_by_slices(engine, documents, store):
    documents.put(sliced(scaling(), seconds=3600))
    engine.offer("shop", {NOW - 120: GoodBad(1, 1)}, source="scaleups:a")
    engine.tick(now=NOW + 3600)
    assert list(rows(store, "shop").values()) == [(0, 1)]


def test_counts_of_another_question_are_void(engine, start, documents, store):
    documents.put(offered())
    engine.offer("shop", {NOW - DAY: GoodBad(9, 1), NOW - 60: GoodBad(5, 5)}, source="prometheus:a")
    engine.tick(now=NOW)
    again = start()
    again.offer("shop", {NOW - 60: GoodBad(2, 0)}, source="prometheus:b")
    again.tick(now=NOW + 10)
    assert rows(store, "shop") == {("0.99", "", NOW - 60): (2, 0)}
    assert rows(store, "shop", raw=True) == {("~0.99", "", NOW - 60): (2, 0)}
    assert (one(again).own.good, one(again).own.bad, one(again).first_t) == (2, 0, NOW - 60)


def test_an_offer_survives_a_tick_that_fails(engine, documents, store, monkeypatch):
    documents.put(offered())
    engine.offer("shop", {NOW - 60: GoodBad(5, 1)}, source="prometheus:a")

    def fails(*_: object, **__: object) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr(ledger, "append", fails)
        with pytest.raises(OSError, match="no space"):
            engine.tick(now=NOW)
    engine.tick(now=NOW + 10)
    assert rows(store, "shop") == {("0.99", "", NOW - 60): (5, 1)}


def test_what_another_source_counted_is_void_though_the_store_fails_half_way(engine, documents, store, monkeypatch):
    slo = offered()
    second = Objective("0.5", 0.5)
    documents.put(replace(slo, objectives=(*slo.objectives, second)))
    engine.offer("shop", {NOW - 600: GoodBad(0, 100)}, source="prometheus:a")
    engine.tick(now=NOW)
    # The second objective's history is shorter, as where it was added later.
    blank = [ledger.Interval("shop", name, "", NOW - 600, 0, 0, 0, "prometheus:a") for name in ("~0.5", "0.5")]
    ledger.append(store, blank, version=2_000 * NOW)
    engine.offer("shop", {NOW - 60: GoodBad(5, 0)}, source="prometheus:b")

    def fails(*_: object, **__: object) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr("maibo_slo.engine.evaluate.follow", fails)
        with pytest.raises(OSError, match="no space"):
            engine.tick(now=NOW + 10)
    settle(engine, NOW + 20)
    assert rows(store, "shop") == {(name, "", NOW - 60): (5, 0) for name in ("0.99", "0.5")}
    assert (one(engine).own.good, one(engine).own.bad) == (5, 0)


@pytest.mark.parametrize("asked", ["prometheus:a", "prometheus:b"], ids=["the same", "another"])
def test_raw_rows_that_were_written_when_the_process_died_are_judged_after_it(
    asked, engine, start, documents, store, monkeypatch
):
    documents.put(offered())
    engine.offer("shop", {NOW - DAY: GoodBad(1, 1), NOW - 60: GoodBad(5, 0)}, source="prometheus:a")
    engine.tick(now=NOW)
    real = ledger.append

    def dies(store, rows, *, version):
        if any(not row.objective.startswith(ledger.RAW) for row in rows):
            raise KeyboardInterrupt
        real(store, rows, version=version)

    with monkeypatch.context() as patched:
        patched.setattr(ledger, "append", dies)
        for t in (NOW - 2 * DAY, NOW - 120):
            engine.offer("shop", {t: GoodBad(7, 3)}, source=asked)
            with pytest.raises(KeyboardInterrupt):
                engine.tick(now=NOW + 10)
    again = start()
    settle(again, NOW + 20)  # and nobody offers anything again
    kept = rows(store, "shop", raw=True)
    assert kept["~0.99", "", NOW - 2 * DAY] == (7, 3)
    assert (("~0.99", "", NOW - DAY) in kept) == (asked == "prometheus:a")
    assert rows(store, "shop") == {("0.99", group, t): counts for (_, group, t), counts in kept.items()}
    assert one(again).own.bad == sum(bad for _, bad in kept.values())


def test_an_offer_of_an_slo_that_a_tick_does_not_know_yet_waits(store, documents, tmp_path):
    """Documents change while a tick is under way, and whoever offers has read them."""

    def catalogue():
        before = documents()
        if not before.judged:
            documents.put(offered())
            engine.offer("shop", {NOW - 60: GoodBad(5, 1)}, source="prometheus:a")
        return before

    engine = Engine(store, catalogue, memory_path=tmp_path / "engine.json")
    engine.tick(now=NOW)
    engine.tick(now=NOW + 10)
    assert rows(store, "shop") == {("0.99", "", NOW - 60): (5, 1)}


def test_a_lost_memory_or_a_new_method_needs_no_new_offers(engine, start, documents, store, tmp_path):
    documents.put(offered())
    engine.offer("shop", {NOW - 20 * DAY: GoodBad(5, 5), NOW - 60: GoodBad(9, 1)}, source="prometheus:a")
    engine.tick(now=NOW)
    (tmp_path / "engine.json").unlink()
    again = start()
    settle(again, NOW + 10)
    assert (one(again).own.good, one(again).own.bad, one(again).first_t) == (14, 6, NOW - 20 * DAY)
    documents.put(replace(offered(), method="Timeslices", objectives=(Objective("0.99", 0.99, 300, 0.9),)))
    settle(again, NOW + 20)
    assert {t: each for (_, _, t), each in rows(store, "shop").items()} == {
        NOW - 20 * DAY + 240: (0, 1),
        NOW - 60: (1, 0),
    }
    assert (one(again).own.good, one(again).own.bad) == (1, 1)


# -- Composites, by hand --------------------------------------------------------------------------------------------------


def composite(make_slo, method: str, **more: object) -> Slo:
    def goal(name: str, target: float, weight: float) -> Objective:
        total = CellSelector("checkout", step=name)
        sli = Sli(name, total, good=replace(total, outcomes=frozenset({"success"})))
        seconds, slice_target = (0, None) if method == "Occurrences" else (300, 0.9)
        return Objective(
            name, target, seconds, slice_target if method == "Timeslices" else None, indicator=sli, weight=weight
        )

    parts = goal("cart", 0.99, 1.0), goal("pay", 0.9, 2.0)
    whole = Objective(COMPOSITE, 0.99, parts[0].slice_seconds)
    return replace(make_slo(), method=method, objectives=(*parts, whole), **more)


def send_steps(feed, event, minute: int, **counts: tuple[int, int]) -> None:
    feed.send(
        event(minute, step=step, outcome=outcome)
        for step, (good, bad) in counts.items()
        for outcome, n in (("success", good), ("failure", bad))
        for _ in range(n)
    )


def test_a_composite_by_occurrences_has_parts_and_no_rows(engine, documents, feed, event, make_slo, store):
    documents.put(composite(make_slo, "Occurrences"))
    send_steps(feed, event, NOW - 60, cart=(98, 2), pay=(9, 1))
    engine.tick(now=NOW)
    assert rows(store, "checkout") == {("cart", "", NOW - 60): (98, 2), ("pay", "", NOW - 60): (9, 1)}
    whole = one(engine, COMPOSITE)
    assert whole.parts == (one(engine, "cart"), one(engine, "pay"))
    assert (whole.own.good, whole.own.bad, whole.first_t, whole.last_t) == (0, 0, NOW - 60, NOW - 60)


def test_a_composite_by_slices_is_bad_when_any_part_is(engine, documents, feed, event, make_slo, store):
    documents.put(composite(make_slo, "Timeslices"))
    send_steps(feed, event, NOW - 900, cart=(9, 1), pay=(9, 1))  # both reach 0.9
    send_steps(feed, event, NOW - 600, cart=(9, 1), pay=(8, 2))
    send_steps(feed, event, NOW - 300, cart=(1, 0))  # pay is silent
    engine.tick(now=NOW)
    found = {t: each for (objective, _, t), each in rows(store, "checkout").items() if objective == COMPOSITE}
    assert found == {NOW - 660: (1, 0), NOW - 360: (0, 1), NOW - 60: (1, 0)}
    assert (one(engine, COMPOSITE).own.good, one(engine, COMPOSITE).own.bad) == (2, 1)
    assert one(engine, COMPOSITE).parts == ()
    assert one(engine, COMPOSITE).first_t == NOW - 900


def test_a_composite_by_ratios_lacks_what_its_parts_lack(engine, documents, feed, event, make_slo, store):
    documents.put(composite(make_slo, "RatioTimeslices", group_by=("tier",)))
    send_steps(feed, event, NOW - 600, cart=(95, 5), pay=(95, 5))
    send_steps(feed, event, NOW - 300, cart=(1, 1), pay=(2, 3))
    engine.tick(now=NOW)
    group = "tier=standard"
    found = {t: each for (objective, _, t), each in rows(store, "checkout").items() if objective == COMPOSITE}
    assert found == {NOW - 360: (850_000, 150_000), NOW - 60: (0, MILLION)}  # 5 % + 2 x 5 %; 50 % + 2 x 60 %
    assert one(engine, COMPOSITE, group).own.bad == 1_150_000


# -- Whatever happens -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Spell:
    """A correction's window, for the reference."""

    begin: int
    end: int
    effect: str


def expected_rows(events: Iterable, slo: Slo, spells: Iterable[Spell], *, now: float) -> Rows:
    """Straight from the events, one by one."""
    minutes: dict[tuple[str, int], list[int]] = {}
    for each in events:
        if each.outcome == "abandoned":
            continue
        counts = minutes.setdefault((f"tier={each.tier}" if slo.group_by else "", each.t // 60 * 60), [0, 0])
        counts[each.outcome != "success"] += 1
    for (_, t), counts in minutes.items():
        effects = {spell.effect for spell in spells if spell.begin <= t < spell.end}
        if "exclude" in effects:
            counts[:] = [0, 0]
        elif "count_as_good" in effects:
            counts[:] = [sum(counts), 0]
    (objective,) = slo.objectives
    length = objective.slice_seconds or 60
    stretches: dict[tuple[str, int], list[int]] = {}
    for (group, t), (good, bad) in minutes.items():
        sums = stretches.setdefault((group, t // length * length), [0, 0])
        sums[0], sums[1] = sums[0] + good, sums[1] + bad
    return {
        (objective.name, group, begin + length - 60): judged(slo.method, good, bad)
        for (group, begin), (good, bad) in stretches.items()
        if good + bad and (slo.method == "Occurrences" or begin + length <= now)
    }


def judged(method: str, good: int, bad: int) -> tuple[int, int]:
    if method == "Timeslices":
        return (1, 0) if good / (good + bad) >= 0.75 else (0, 1)
    if method == "RatioTimeslices":
        share = round(MILLION * bad / (good + bad))
        return MILLION - share, share
    return good, bad


AGO = st.sampled_from([0, 59, 61, 290, 310, 1790, 3590, 7300, DAY - 60, 2 * DAY])
ACTIONS = st.lists(
    st.one_of(
        st.tuples(
            st.just("send"),
            st.lists(
                st.tuples(AGO, st.sampled_from(["success", "failure", "abandoned"]), st.sampled_from(["vip", "free"])),
                min_size=1, max_size=10,
            ),
        ),
        st.tuples(st.just("tick"), st.integers(0, 400)),
        st.tuples(st.just("restart"), st.just(0)),
        st.tuples(
            st.just("correct"),
            st.lists(st.tuples(AGO, st.integers(1, 7_200), st.sampled_from(["exclude", "count_as_good"])), max_size=2),
        ),
        st.tuples(st.just("mean"), st.integers(0, 3)),
    ),
    min_size=2,
    max_size=9,
)  # fmt: skip


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=ACTIONS)
def test_rows_equal_brute_force_whatever_happens(actions, store, documents, feed, event, make_slo, tmp_path):
    journey = f"journey-{time.monotonic_ns()}"

    def slos(seconds: int) -> list[Slo]:
        plain = make_slo(journey, journey=journey)
        grouped = replace(plain, name=f"{journey}-grouped", group_by=("tier",))
        return [
            grouped,
            replace(sliced(plain, seconds=seconds, target=0.75), name=f"{journey}-slices"),
            replace(sliced(grouped, seconds=seconds, target=0.75), name=f"{journey}-grouped-slices"),
            replace(sliced(plain, method="RatioTimeslices", seconds=seconds), name=f"{journey}-ratios"),
        ]

    told: list[Correction] = []

    def start() -> Engine:
        return Engine(store, documents, memory_path=tmp_path / f"{journey}.json", corrections=lambda: tuple(told))

    meant = slos(300)
    documents.put(*meant)
    engine, now, mine, spells = start(), NOW + 30, [], []
    for action, what in [*actions, ("tick", 0)]:
        if action == "send":
            batch = [event(now - ago, 1_000, outcome, tier, journey) for ago, outcome, tier in what]
            feed.send(batch)
            mine += batch
        elif action == "tick":
            now += what
            engine.tick(now=now)
        elif action == "restart":
            engine = start()
        elif action == "correct":
            told[:] = [
                maintenance(now - ago, seconds, effect, name=f"c{place}")
                for place, (ago, seconds, effect) in enumerate(what)
            ]
            spells = [
                Spell((now - ago) // 60 * 60, -(-(now - ago + seconds) // 60) * 60, effect)
                for ago, seconds, effect in what
            ]
        else:
            meant = slos((60, 300, 600, HOUR)[what])
            documents.put(*meant)
    settle(engine, now)
    for slo in meant:
        expected = expected_rows(mine, slo, spells, now=now)
        assert rows(store, slo.name) == expected
        for each in engine.snapshot().observed:
            if each.slo.name == slo.name:
                in_window = window_of(expected, each.group, now=now, seconds=28 * DAY)
                assert (each.own.good, each.own.bad, each.own.observed_minutes) == in_window
                in_hour = window_of(expected, each.group, now=now, seconds=HOUR)
                assert (each.counts[HOUR].good, each.counts[HOUR].bad, each.counts[HOUR].observed_minutes) == in_hour


def window_of(
    found: Mapping[tuple[str, str, int], tuple[int, int]], group: str, *, now: int, seconds: int
) -> tuple[int, int, int]:
    end = now // 60 * 60 + 60
    inside = [each for (_, of, t), each in found.items() if of == group and end - seconds <= t < end]
    return sum(good for good, _ in inside), sum(bad for _, bad in inside), len(inside)
