"""What an alert says: from counts, cells and documents; and when a store does not answer."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from maibo_alerting.evaluating import teller as module
from maibo_alerting.evaluating.circumstances import Circumstances
from maibo_alerting.evaluating.evaluator import Evaluator
from maibo_alerting.wording import Change
from maibo_slo.documents import CellSelector, Sli
from maibo_slo.engine.groups import OVERFLOW
from maibo_slo.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from maibo_alerting.alerts import Alert
    from maibo_slo.engine.snapshot import Snapshot
    from maibo_slo.store import Store

HEALTHY = [(1000, 0)] * 400
OUTAGE = [(0, 1000)] * 5


@pytest.fixture
def burning(snapshot: Callable[..., Snapshot]) -> Snapshot:
    """After five minutes of an outage; the documents say where to look."""
    shot = snapshot(HEALTHY + OUTAGE)
    (one,) = shot.observed
    fast = Sli(
        "fast",
        CellSelector("checkout", where={"tier": ("gold",)}),
        good=CellSelector("checkout", outcomes=frozenset({"success"}), max_duration_us=500_000),
    )
    links = {"maibo.dev/dashboard": "https://grafana/d/1", "maibo.dev/runbook": "https://wiki/checkout"}
    slo = replace(one.slo, indicator=fast, annotations=links)
    first = int(shot.evaluated_at or 0) - 360
    return replace(shot, observed=(replace(one, slo=slo, first_burning_at=float(first)),))


@pytest.fixture
def page(tmp_path: Path) -> Callable[..., Alert]:
    def evaluated(shot: Snapshot, store: object = None, **more: Any) -> Alert:
        one = Evaluator(tmp_path / "alerts.state", store=cast("Store", store), url="http://maibo", **more)
        outcome = one.evaluate(shot, now=shot.evaluated_at or 0)
        one.stop()
        return next(alert for alert in outcome.alerts if alert.severity == "page")

    return evaluated


def test_it_tells_what_burns_since_when_and_where_to_look(burning: Snapshot, page: Callable[..., Alert]) -> None:
    alert = page(burning)
    assert alert.annotations["summary"] == (
        "checkout (gold): the error budget burns 1,000 times as fast as the SLO allows"
    )
    lines = alert.annotations["description"].split("\n")
    assert lines[:3] == [
        "5,000 of 5,000 failed or were too slow (100 %) in the last 5 min",
        "SLO checkout: 99.9 % are to be good over 30 d",
        "Since 2023-11-15 04:53 (UTC), for 6 min now",
    ]
    assert lines[3].startswith("88 % of the error budget is left; at this rate it is gone in ")
    assert (alert.annotations["dashboard_url"], alert.annotations["runbook_url"]) == (
        "https://grafana/d/1",
        "https://wiki/checkout",
    )
    assert alert.link == "http://maibo/slos/checkout"


@pytest.mark.parametrize(
    ("minutes", "summary"),
    [
        (
            [*[(1000, 0)] * 400, (900, 100)],
            "over 5 min the error budget burns 20 times as fast as the SLO allows, above 14.4; over 1 h it does not yet",
        ),
        (
            [(10, 0)] * 400 + [(8, 2)],
            "over 5 min the error budget burns 40 times as fast as the SLO allows, above 14.4; over 1 h it does not yet",
        ),
        (
            [(800, 200)] * 5,
            "over 5 min the error budget burns 200 times as fast as the SLO allows, above 14.4; over 1 h too little time has passed since the first event",
        ),
        (
            [(980, 20)] * 8,
            "over 5 min the error budget burns 20 times as fast as the SLO allows, above 14.4; over 1 h it does too, but too little of that time has been observed to fire",
        ),
    ],
)
def test_what_is_about_to_fire_says_how_fast_it_burns_and_what_it_lacks(
    snapshot: Callable[..., Snapshot], tmp_path: Path, minutes: list[tuple[int, int]], summary: str
) -> None:
    shot = snapshot(minutes)
    outcome = Evaluator(tmp_path / "alerts.state").evaluate(shot, now=shot.evaluated_at or 0)
    page = next(state for state in outcome.states.values() if state.key.severity == "page")
    assert (page.phase, page.annotations["summary"]) == ("pending", f"checkout: {summary}")
    assert outcome.alerts == ()


def test_it_tells_p99_and_the_version_that_is_new(
    burning: Snapshot, page: Callable[..., Alert], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Sli, str, int, float]] = []

    def known(_: object, sli: Sli, group: str, *, over_seconds: int, since: float, now: float) -> Circumstances:
        asked.append((sli, group, over_seconds, now - since))
        return Circumstances(1, 1, 1.84, (Change(now - 300, "version", "api", "1.4.1", "1.4.2"),))

    monkeypatch.setattr(module, "circumstances", known)
    lines = page(burning, Away()).annotations["description"].split("\n")
    assert "99 % took at most 1.84 s (P99); 500 ms is the threshold" in lines
    assert lines[-2:] == ["Changed around that time:", "2023-11-15 04:54 (UTC): version of api: 1.4.1 → 1.4.2"]
    assert asked[0] == (burning.observed[0].slo.indicator, "", 300, 360)  # type: ignore[union-attr]  # of cells


def test_each_locale_of_a_destination_is_told_beside_the_services_own(
    burning: Snapshot, page: Callable[..., Alert]
) -> None:
    alert = page(burning, locales=("zh", "en"))
    assert "错误预算" in alert.annotations["summary"]
    assert alert.translations["en"]["summary"].startswith("checkout (gold)")
    assert alert.translations.keys() == {"en"}


class Away:
    """A store that fails."""

    def arrow(self, *_: object) -> None:
        raise StoreError("no store")

    rows = arrow


class Hanging:
    """A store that does not answer until it is let go."""

    def __init__(self) -> None:
        self.released = threading.Event()

    def arrow(self, *_: object) -> None:
        self.released.wait(30)
        raise StoreError("too late")

    rows = arrow


def test_a_store_that_fails_is_told_without(burning: Snapshot, page: Callable[..., Alert]) -> None:
    assert page(burning, Away()) == page(burning)


def test_a_store_that_hangs_holds_no_alert_up(
    burning: Snapshot, page: Callable[..., Alert], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ASKED_SECONDS", 0.1)
    hanging = Hanging()
    one = Evaluator(tmp_path / "other.state", store=cast("Store", hanging), url="http://maibo")
    alerts = one.evaluate(burning, now=burning.evaluated_at or 0).alerts
    assert not hanging.released.is_set()
    assert page(burning) in alerts
    hanging.released.set()
    one.stop()


def test_words_change_once_a_minute_and_the_end_has_its_own(
    burning: Snapshot, snapshot: Callable[..., Snapshot], tmp_path: Path
) -> None:
    one, at = Evaluator(tmp_path / "alerts.state"), burning.evaluated_at or 0

    def told(shot: Snapshot) -> Alert:
        outcome = one.evaluate(shot, now=shot.evaluated_at or 0)
        return next(alert for alert in outcome.alerts if alert.severity == "page")

    first, soon, later = (told(replace(burning, evaluated_at=at + seconds)) for seconds in (0, 50, 60))
    assert first.annotations == soon.annotations != later.annotations
    assert (first.key, first.all_labels) == (later.key, later.all_labels)
    ended = told(snapshot([*HEALTHY, *OUTAGE, *[(1000, 0)] * 40]))
    assert ended.annotations["summary"] == "checkout: the error budget no longer burns too fast"
    assert "From 2023-11-15 04:59 (UTC) until 2023-11-15 05:39 (UTC): 40 min" in ended.annotations["description"]
    assert "Changed" not in ended.annotations["description"]


def test_an_end_that_is_no_healing_says_so(
    burning: Snapshot, snapshot: Callable[..., Snapshot], tmp_path: Path
) -> None:
    one = Evaluator(tmp_path / "alerts.state")
    one.evaluate(burning, now=burning.evaluated_at or 0)
    for silent in (31, 36, 97):
        shot = snapshot(HEALTHY + OUTAGE + [(0, 0)] * silent)
        outcome = one.evaluate(shot, now=shot.evaluated_at or 0)
    told = {(alert.name, alert.severity): alert.annotations["summary"] for alert in outcome.alerts}
    assert told["MaiboBudgetBurn", "page"] == (
        "checkout: no data for so long that nobody knows whether the trouble is over"
    )
    assert told["MaiboNoData", "ticket"] == "checkout: no data"
    gone = one.evaluate(replace(shot, observed=(), evaluated_at=shot.evaluated_at + 1), now=shot.evaluated_at + 1)  # type: ignore[operator]  # a snapshot of a tick
    told = {(alert.name, alert.severity): alert.annotations["summary"] for alert in gone.alerts}
    assert told["MaiboNoData", "ticket"] == "checkout: no longer judged"


def test_in_a_storm_what_is_new_is_told_at_once_and_the_rest_by_and_by(
    burning: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TOLD_AT_ONCE", 3)
    (one,) = burning.observed
    many = tuple(replace(one, slo=replace(one.slo, name=f"slo-{number}")) for number in range(5))
    evaluator, at = Evaluator(tmp_path / "alerts.state"), burning.evaluated_at or 0
    told: list[list[float | None]] = []
    for seconds in (0, 60, 70, 80, 90):
        outcome = evaluator.evaluate(replace(burning, observed=many, evaluated_at=at + seconds), now=at + seconds)
        told.append([state.told_at for state in outcome.states.values()])
    assert [
        sum(each == at + seconds for each in known) for known, seconds in zip(told, (0, 60, 70, 80, 90), strict=True)
    ] == [
        10,
        3,
        3,
        3,
        1,
    ]


def test_of_the_groups_that_are_too_many_the_cells_are_not_asked(
    burning: Snapshot, page: Callable[..., Alert], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cells know no such group: their answer would be that of all groups."""
    monkeypatch.setattr(module, "circumstances", lambda *_, **__: Circumstances(1, 1, 1.84))
    (one,) = burning.observed
    rest = replace(burning, observed=(replace(one, group=OVERFLOW),))
    assert "P99" not in page(rest, Away()).annotations["description"]


def test_in_a_calendars_period_it_says_which_and_no_forecast_beyond_it(
    burning: Snapshot, page: Callable[..., Alert], tmp_path: Path
) -> None:
    (one,) = burning.observed
    at = int(burning.evaluated_at or 0)
    period = at - 29 * 86_400, at + 600
    page_of = page(replace(burning, observed=(replace(one, period=period),)))
    lines = page_of.annotations["description"].split("\n")
    assert lines[1].startswith("SLO checkout: 99.9 % are to be good from 2023-10-17 ")
    assert [line for line in lines if "gone in" in line] == []
