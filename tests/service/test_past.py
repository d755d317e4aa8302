"""Pages about a moment in the past: counts of then, and SLOs as the ledger has them for then."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from maibo_slo.engine.hindsight import minute_of, snapshot_at


def written(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"


def text(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html.split("<main")[1])).replace("\N{NO-BREAK SPACE}", " ")


def test_looking_back_to_now_is_what_the_engine_has_in_memory(service, fresh_store):
    known = service.runtime.engine.snapshot()
    again = snapshot_at(fresh_store, known.observed, at=minute_of(service.now))
    numbers = ("good", "bad", "budget", "burns", "state", "coverage", "observed_minutes", "age_seconds")
    for one, other in zip(known.assess(now=service.now), again.assess(now=service.now), strict=True):
        assert (one.slo, one.objective, one.group) == (other.slo, other.objective, other.group)
        assert [getattr(one, name) for name in numbers] == [getattr(other, name) for name in numbers]


@pytest.mark.parametrize(("ago", "good"), [(0, 90), (60, 30), (70, 0), (400, 0)])
def test_an_earlier_moment_knows_nothing_of_what_came_later(service, ago, good):
    slo = service.runtime.questions.slo("checkout-fast", service.now, at=service.now - ago)
    assert slo.objectives[0].good == good
    assert slo.objectives[0].policy is None, "where a policy stood is in no ledger"
    assert (slo.objectives[0].attainment is None) is (good == 0)


def test_a_page_about_the_past_says_so_and_does_not_refresh(service):
    at = written(service.now - 70)
    html = service.http.get(f"/?window=5m&at={at}").text
    assert "A moment in the past" in html
    assert 'data-live="no"' in html
    assert "http-equiv" not in html
    assert "as they stood at" in text(html)
    assert "as of now" in text(html), "what came in is known for now alone"
    assert f'href="/journeys/checkout?window=5m&amp;at={at}"' in html, "links stay in that moment"
    live = service.http.get("/").text
    assert "http-equiv" in live
    assert "http-equiv" not in service.http.get("/?refresh=off").text
    assert 'href="/journeys/checkout?refresh=off"' in service.http.get("/?refresh=off").text


def test_nothing_is_shown_that_came_after_the_moment(service):
    moment = service.now - 23  # within cells of 10 s, and within a minute
    at = written(moment)
    shown = text(service.http.get(f"/?window=5m&at={at}").text)
    assert f"as they stood at {datetime.fromtimestamp(moment // 60 * 60, UTC):%H:%M:%S}" in shown
    counted = service.http.get(f"/journeys/checkout?window=5m&at={at}").text
    [end] = {float(each) for each in re.findall(r'data-end="([0-9.]+)"', counted)}
    assert end == moment // 10 * 10
    found = service.runtime.questions.journeys(now=service.now, end=int(service.now) - 3600)
    assert all(each.last_event_at is None for each in found.journeys), "they began later"


def test_a_journey_and_an_slo_of_the_past_are_told_by_what_was_then(service):
    at = written(service.now - 60)
    assert "37 events" in text(service.http.get(f"/journeys/checkout?window=1m&at={at}").text)
    slo = service.http.get(f"/slos/checkout-fast?at={at}")
    assert slo.status_code == 200
    assert "events in the last 1 d until" in text(slo.text)
    assert "events in the last 1 d until" not in text(service.http.get("/slos/checkout-fast").text)
    assert "No event that ended in this window" in text(
        service.http.get(f"/journeys/checkout?window=1m&at={written(service.now - 3600)}").text
    )


@pytest.mark.parametrize("path", ["/", "/journeys/checkout"])
def test_of_a_moment_without_data_is_said_that_nothing_was_counted_and_not_that_nobody_ever_came(service, path):
    html = service.http.get(path, params={"window": "5m", "at": written(service.now - 3600)}).text
    assert "Nothing was counted in this time." in text(html)
    for untrue in ("No journeys yet", "none of them is tagged", "maibo.configure", "Nobody has taken"):
        assert untrue not in html
    html = service.http.get(path, params={"window": "5m", "at": written(service.now - 3600), "lang": "zh"}).text
    service.http.cookies.clear()
    assert "此时间内没有计数。" in html
    assert "还没有人" not in html


def test_the_list_is_filtered_and_sorted_by_its_address(service):
    html = service.http.get("/?q=silent").text
    assert "Silent" in text(html)
    assert "Checkout is fast" not in text(html)
    assert "No journey has nothing-like-it in its name" in re.sub(
        r"\s+", " ", text(service.http.get("/?q=nothing-like-it").text)
    )
    by_name = text(service.http.get("/?sort=-name").text)
    assert by_name.index("Silent") < by_name.index("Checkout")
    assert 'aria-sort="descending"' in service.http.get("/?sort=-name").text


def test_the_language_is_remembered_and_said(service):
    answer = service.http.get("/?lang=zh")
    assert '<html lang="zh-Hans">' in answer.text
    assert "旅程" in answer.text
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("maibo-lang=zh;")
    assert "SameSite=lax" in cookie
    assert answer.headers["vary"] == "Accept-Language, Cookie"
    assert answer.headers["cache-control"] == "no-store"
    service.http.cookies.clear()
    assert "旅程" in service.http.get("/", headers={"accept-language": "zh-CN"}).text
    assert "set-cookie" not in service.http.get("/", headers={"accept-language": "zh-CN"}).headers


def test_a_funnel_stands_where_steps_are_declared(service):
    stages = text(service.http.get("/journeys/checkout?window=1h").text)
    assert "Step by step" in stages
    funnel = stages[stages.index("Step by step") : stages.index("How long it takes")]
    assert funnel.index("cart") < funnel.index("payment") < funnel.index("ended")
    assert "unlisted" not in funnel


def test_slos_are_judged_once_a_tick_for_all_readers_and_before_they_ask_again(service):
    questions, now = service.runtime.questions, service.now
    told = questions.slos_lately(now)
    assert questions.slos_lately(now + 5) is told
    assert questions.slos_lately(now + 60) is not told, "an engine that does not tick is seen to be stale"
    told = questions.slos_lately(now)
    service.tick()
    questions.prepare(now + 5)
    prepared = questions.slos_lately(now + 6)
    assert prepared is not told
    assert prepared is questions.slos_lately(now + 7)
    assert prepared.now.timestamp() == now + 5
    service.tick()
    questions.prepare(now + 600)
    assert questions.slos_lately(now + 6).now.timestamp() == now + 6, (
        "nobody asked for minutes, so nothing was prepared"
    )
