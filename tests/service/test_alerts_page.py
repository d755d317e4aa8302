"""Alerts from the store's record: the list, and the story of each, with its numbers checked against the ledger by hand."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from maibo_slo.engine.burn import BURN_WINDOWS, alerted_pairs
from maibo_slo.service.alerts_soon import AboutToFire, Soon
from maibo_slo.store import events, ledger
from maibo_slo.store.events import Event
from maibo_slo.store.ledger import Interval

HOSTILE = '"><script>alert(1)</script>'
KEY = "c0ffee" * 10
DAY = 86_400


@pytest.fixture(scope="module")
def fired(service) -> float:
    """When the alert of the story fired: a day ago, of the objective 0.99 of an SLO of 28 days, after ten bad minutes."""
    at = float(int(service.now) // 60 * 60 - DAY + 12)
    minute = int(at) // 60 * 60
    rows = [
        Interval("checkout-fast", "0.99", "", minute - 60 * ago, 70 if ago < 10 else 99, 30 if ago < 10 else 1, 100, "journey")
        for ago in range(72 * 60)
    ]  # fmt: skip
    ledger.append(service.store, rows, version=9_999_999_999_999)
    said = {"name": "MaiboBudgetBurn", "objective": "0.99", "group": "", "severity": "page"}
    notices = [
        {"destination": "pagerduty", "status": "firing", "at": at + 3},
        {"destination": "slack", "status": "firing", "at": at + 2},
        {"destination": "slack", "status": "resolved", "at": at + 905},
    ]
    now = float(service.now)
    events.append(
        service.store,
        [
            Event(f"{KEY}@{at:.3f}", "alert", "checkout-fast", at, at + 900, {**said, "reason": "over", "summary": f"It burns {HOSTILE}", "notices": notices}),
            Event("goes-on@1", "alert", "checkout-fast", now - 600, None, {**said, "severity": "ticket"}),
            Event("old@1", "alert", "gone", now - 900, now - 300, {"reason": "no_data"}),
            Event(f"{HOSTILE}@1", "alert", HOSTILE, now - 800, now - 700, {"severity": HOSTILE, "objective": HOSTILE, "reason": HOSTILE}),
            Event("x@1", "override", "checkout-api", at - 1800, at - 900, {"least": 2, "who": "ana", "why": "why not"}),
        ],
    )  # fmt: skip
    return at


def page(service, path: str, status: int = 200) -> str:
    said = service.http.get(path, headers={"Accept": "text/html,*/*"})
    assert said.status_code == status, said.text
    return said.text


def test_it_tells_what_fires_and_what_ended(service, fired, reading) -> None:
    shown = page(service, "/alerts?window=7d")
    read = reading(shown)
    assert not read.forbidden
    assert "<script>alert" not in shown
    assert re.search(r"1 firing, . about to fire, 3 ended", shown)
    assert shown.index('id="firing-title"') < shown.index('id="ended-title"')
    assert f"/alerts/{KEY}@{fired:.3f}" in read.links
    assert "told: pagerduty, slack" in shown or "told: slack, pagerduty" in shown
    assert "for lack of data" in shown


@pytest.mark.parametrize(
    ("query", "there", "missing"),
    [
        ("&state=firing", "goes-on@1", "old@1"),
        ("&state=ended", "old@1", "goes-on@1"),
        ("&slo=gone", "old@1", "goes-on@1"),
        ("&state=weather", "goes-on@1", "nothing-like-it"),
    ],
)
def test_they_are_chosen_by_state_and_slo(service, fired, query: str, there: str, missing: str) -> None:
    shown = page(service, f"/alerts?window=7d{query}")
    assert there in shown
    assert missing not in shown


def test_a_stretch_has_those_that_fired_in_it(service, fired) -> None:
    then = f"{datetime.fromtimestamp(fired + 1200, UTC):%Y-%m-%dT%H:%M:%SZ}"
    shown = page(service, f"/alerts?window=1h&at={then}")
    assert KEY in shown
    assert "goes-on@1" not in shown
    assert "what fires is as of then" in shown


def test_what_ended_after_a_moment_fires_as_of_then(service, fired) -> None:
    then = f"{datetime.fromtimestamp(fired + 300, UTC):%Y-%m-%dT%H:%M:%SZ}"
    shown = page(service, f"/alerts?window=1h&at={then}")
    assert "1 firing, \N{EN DASH} about to fire, 0 ended" in shown
    assert "5\u00a0min so far" in shown
    assert "told: slack, pagerduty" in shown or "told: pagerduty, slack" in shown
    assert "burn rates and budgets as of then" in shown
    assert re.findall(r'burn </span>([^<]+)<span class="sub">1h', shown) == ["6.2\u00d7"], (
        "346 of 5,600 bad in that hour"
    )
    sooner = f"{datetime.fromtimestamp(fired + 1, UTC):%Y-%m-%dT%H:%M:%SZ}"
    assert "told: nobody" in page(service, f"/alerts?window=1h&at={sooner}"), "who was told came later"


def test_the_story_tells_why_it_fired_by_the_ledgers_counts(service, fired) -> None:
    minute = int(fired) // 60 * 60 + 60
    found = service.runtime.questions.burning_at("checkout-fast", "0.99", "", fired)
    pairs = alerted_pairs(28 * DAY, target=0.99)
    assert [(each.long, each.threshold) for each in found] == [(long, pair.factor) for long, pair in pairs.items()]

    def by_hand(seconds: int) -> float:
        number = seconds // 60
        bad = 30 * min(10, number) + max(0, number - 10)
        return bad / (100 * number) / 0.01

    for each in found:
        assert each.long_burn == pytest.approx(by_hand(BURN_WINDOWS[each.long])), minute
        assert each.short_burn == pytest.approx(by_hand(BURN_WINDOWS[each.short]))
    assert [each.long for each in found if each.above] == [
        each.long for each in found if by_hand(BURN_WINDOWS[each.long]) > each.threshold
        and by_hand(BURN_WINDOWS[each.short]) > each.threshold
    ]  # fmt: skip


def test_the_story_is_whole(service, fired, reading) -> None:
    shown = page(service, f"/alerts/{KEY}@{fired:.3f}")
    read = reading(shown)
    assert not read.forbidden
    assert "It burns &#34;&gt;&lt;script&gt;" in shown
    for words in (
        "Why it fired",
        "What changed",
        "What its budget did meanwhile",
        "What happened to it",
        "15\u00a0min",
    ):
        assert words in shown
    assert shown.index("slack took the notice") < shown.index("pagerduty took the notice")
    assert "the trouble was over" in shown
    assert "at least 2" in shown, "an override half an hour before it"
    then = f"{datetime.fromtimestamp(int(fired + 1800), UTC):%Y-%m-%dT%H:%M:%SZ}"
    assert any(link.startswith("/slos/checkout-fast?window=6h") and f"at={then}" in link for link in read.links)
    assert any(link.startswith("/journeys/checkout?window=1h") for link in read.links)
    assert any(label.startswith("Error budget left over time: ") for label in read.labels)


def test_a_record_without_most_fields_has_a_story_too(service, fired) -> None:
    shown = page(service, "/alerts/old@1")
    assert "no document in force has this SLO any more" in shown
    assert "Who was told of it is not on record" in shown
    hostile = page(service, "/alerts/%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E@1")
    assert "<script>alert" not in hostile
    assert "It goes on: see the SLO" in page(service, "/alerts/goes-on@1")


def test_one_that_is_not_there_is_a_404(service, fired) -> None:
    assert "nobody@1" in page(service, "/alerts/nobody@1", status=404)


def test_where_nobody_judges_what_is_about_to_fire_is_not_known(service, fired, monkeypatch) -> None:
    """A tenth of the checkouts is bad, ten times the budget of 99 %: a number reckoned here would not be the pager's."""
    told = AboutToFire()
    monkeypatch.setattr(service.runtime.questions, "_about_to_fire", told)
    shown = page(service, "/alerts?window=7d")
    assert "1 firing, \N{EN DASH} about to fire, 3 ended" in shown
    assert "nobody has judged alerts since maibo started" in shown
    told.tell([])
    judged = page(service, "/alerts?window=7d")
    assert "1 firing, 0 about to fire, 3 ended" in judged
    assert "nobody has judged" not in judged


@pytest.mark.parametrize("judged", [False, True])
def test_what_was_about_to_fire_at_a_moment_of_the_past_is_on_no_record(
    service, fired, monkeypatch, judged: bool
) -> None:
    told = AboutToFire()
    if judged:
        told.tell([])
    monkeypatch.setattr(service.runtime.questions, "_about_to_fire", told)
    past = f"from={int(service.now) - 7200}&to={int(service.now) - 3600}"
    shown = page(service, f"/alerts?{past}")
    assert "0 firing, \N{EN DASH} about to fire, 0 ended" in shown
    assert "What was about to fire then is not on record." in shown
    assert "nobody has judged" not in shown
    chinese = page(service, f"/alerts?{past}&lang=zh")
    service.http.cookies.clear()
    assert "当时即将触发的告警没有记录。" in chinese


def test_what_is_about_to_fire_is_listed_as_whoever_judges_says(service, fired) -> None:
    of = {"objective": "0.99", "group": "", "name": "MaiboBudgetBurn"}
    pair = {"long": "1h", "short": "5m", "threshold": 13.4, "slower": 39.8}
    now = service.now
    said = [
        Soon(slo="silent", severity="ticket", since=now - 540, **{**of, "name": "MaiboNoData"}),
        Soon(slo="slower", severity="ticket", since=now - 60, burn=99.0, **{**pair, "slower": 0.5}, held_back_by="below", **of),
        Soon(slo="slow-page", severity="page", since=now - 60, burn=20.0, **pair, held_back_by="too_soon", **of),
        Soon(slo="fast-page", severity="page", since=now - 60, burn=53.4, **pair, held_back_by="not_whole", **of),
    ]  # fmt: skip
    service.runtime._context.about_to_fire(said)
    shown = page(service, "/alerts?window=7d&state=pending")
    past = page(service, f"/alerts?from={int(now) - 7200}&to={int(now) - 3600}&state=pending")
    service.runtime._context.about_to_fire([])
    places = [shown.index(f'title="{name}"') for name in ("fast-page", "slow-page", "slower", "silent")]
    assert places == sorted(places)
    assert "4 about to fire" in shown
    assert (
        "5m burns at 53\u00d7, above 13\u00d7; 1h at 40\u00d7, above it too, but too little of that time has" in shown
    )
    assert "1h at 40\u00d7, above it too, but too soon after the first event to fire" in shown
    assert "1h at 0.50\u00d7, not above it yet" in shown
    assert "9\u00a0min so far" in shown
    assert "No data" in shown
    assert "fast-page" not in past


def test_the_same_in_chinese(service, fired, english_left) -> None:
    listed = page(service, "/alerts?window=7d&lang=zh")
    story = page(service, f"/alerts/{KEY}@{fired:.3f}?lang=zh")
    none = page(service, "/alerts/nobody?lang=zh", 404)
    service.http.cookies.clear()
    assert "触发中" in listed
    assert "为何触发" in story
    for shown in (listed, story, none):
        assert (
            english_left(
                shown, HOSTILE, "checkout-fast", "checkout-api", "pagerduty", "slack", "ana", "why not", "nobody"
            )
            == []
        )


def test_a_store_without_alerts_says_whose_they_are(service, fired) -> None:
    long_ago = int(service.now) - 90 * DAY
    shown = page(service, f"/alerts?from={long_ago}&to={long_ago + 3600}&state=ended")
    assert "put on record by the plugin maibo-alerting" in shown
    assert "maibo plugins tells which are" in shown


def test_of_very_many_the_newest_are_listed(service, fired) -> None:
    """The last test: it fills the store."""
    begin = service.now - 60 * DAY
    many = [
        Event(f"many@{number}", "alert", "checkout-fast", begin + number, begin + number + 1, {"severity": "page"})
        for number in range(10, 1210)
    ]
    events.append(service.store, many)
    shown = page(service, f"/alerts?from={int(begin)}&to={int(begin) + 3600}")
    assert "these are the newest 1,000" in shown
    assert "800 older ones have no row" in shown
    assert shown.count('<tr role="row">') <= 2 * 210
