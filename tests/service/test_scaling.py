"""The pages of scaling over real HTTP: a real store, the real engine deciding from counted calls, and every state that a reader may find it in."""

# ruff: noqa: RUF001 -- a dash for no data and a multiplication sign are typography, not typing errors
from __future__ import annotations

import doctest
import html
import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from maibo_slo.documents import load
from maibo_slo.engine.scaling.inputs import BurnSplit, Forecast, Inputs, Override, Replicas
from maibo_slo.engine.scaling.signal import Refusal, ScalingSignal, Signals
from maibo_slo.errors import StoreError
from maibo_slo.service.pages import scaling as pages
from maibo_slo.service.pages.replicas import SLICES
from maibo_slo.store import cells, forecasts, replicas, rises, scaling
from maibo_slo.store.cells import CellKey
from maibo_slo.store.histogram import bin_of
from maibo_slo.store.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKLOAD = Workload("shop", "Deployment", "checkout-api")
ONE = "/scaling/shop/checkout-api"
NAVIGATION = {"accept": "text/html"}


@pytest.fixture(scope="module")
def decided(service) -> ScalingSignal:
    """A minute of 400 calls a second, decided upon as the service does it: 13 replicas, of 40 at 80 %."""
    calls: Counter[CellKey] = Counter()
    now = int(service.now)
    for t in range(now // 10 * 10 - 60, now // 10 * 10, 10):
        calls[
            CellKey(t, "checkout", "pay", "", "checkout-api", "v1", "", "eu", "vip", "", "success", bin_of(40 * 10**6))
        ] += 4000
    cells.insert_cells(service.store, calls, token="calls")
    found = service.runtime.scaler.tick(service.now).by_target["shop", "checkout-api"]
    assert isinstance(found, ScalingSignal)
    return found


@pytest.fixture(scope="module")
def history(service, decided) -> int:
    """An hour: steady, ten minutes without a signal, then a rise that KEDA was told; its pods a minute late. When the rise was."""
    now = int(service.now) // 10 * 10
    rose = now - 1200
    rows, ran = [], []
    for t in range(now - 3600, now, 10):
        desired = None if now - 2400 <= t < now - 1800 else 8 if t < rose else 12
        rate = 320.0 if t < rose else 416.0
        why = "no calls of checkout-api were seen" if desired is None else f"{desired} replicas: {rate:g} calls/s <b>"
        rows.append(
            scaling.Decided(
                t, "shop", "checkout-api", desired, demand=rate, per_replica=40.0, held_by="", reason=why, ready=8
            )
        )
        ready = 8 if t < rose + 60 else 12
        ran.append(replicas.Sample(WORKLOAD, t, desired or 8, 12, ready, ready * 10_000, 10_000, 1, float(t)))
    scaling.insert(service.store, rows, version=1)
    replicas.insert(service.store, ran)
    minute = now // 60 * 60
    made = [
        forecasts.Forecasted("shop", "checkout-api", t, t + 90, "level", why, 1.0, {0.1: 256.0, 0.5: 320.0, 0.9: 384.0})
        for t in range(minute - 3000, minute, 60)
        for why in ("no better than persistence" if t < minute - 1500 else "",)
    ]
    forecasts.insert(service.store, made)
    told = rises.Rise("r@1", WORKLOAD, "checkout-api", rose - 2.0, float(rose), 8, 12, "more", rose + 1.5, "keda")
    unheard = rises.Rise("r@2", WORKLOAD, "checkout-api", rose + 8.0, rose + 10.0, 12, 13, "yet more")
    rises.append(service.store, [told, unheard])
    return rose


@pytest.fixture
def signals(service, monkeypatch):
    """``signals(found)``: what the engine is taken to have decided last, a second ago."""

    def put(*found: ScalingSignal | Refusal, at: float | None = 0.0) -> None:
        by_target = {(one.workload.namespace, one.target): one for one in found}
        decided_at = None if at is None else service.now - at
        monkeypatch.setattr(service.runtime.scaler, "_signals", Signals(decided_at, by_target))

    return put


@pytest.fixture
def override(service) -> Iterator[Override]:
    """Twenty at least, for two hours; ended afterwards."""
    now = service.now
    said = Override("o@1", "checkout-api", 20, None, now + 7200, "ana", "sale at <noon>", now - 60)
    service.runtime.overrides.say(said)
    yield said
    service.runtime.overrides.end("o@1", who="ben", why="sale is over", at=now)


def page(service, path: str, status: int = 200) -> str:
    response = service.http.get(path, headers=NAVIGATION)
    assert response.status_code == status, response.text
    assert "default-src 'none'" in response.headers["content-security-policy"]
    return response.text


def text(of: str) -> str:
    """What a reader sees, on one line."""
    main = of[of.index("<main") :]
    return " ".join(html.unescape(re.sub(r"<title>.*?</title>|<[^>]+>", " ", main)).split())


def test_the_examples_in_the_module_hold() -> None:
    assert doctest.testmod(pages).failed == 0


def test_the_list_has_every_target_with_its_replicas_and_why(service, decided, reading) -> None:
    shown = page(service, "/scaling")
    assert re.search(
        r"shop/checkout-api .* fresh desired 13 .* age \d\.\d s 13 replicas: 400 calls/s ÷ \(40 a replica at 80%\)",
        text(shown),
    )
    assert ONE in reading(shown).links
    assert "/scaling" in reading(page(service, "/")).links
    assert "without a signal" not in text(shown)


def test_a_stale_signal_is_marked_and_its_number_is_not_shown_as_if_it_held(service, decided, signals) -> None:
    signals(replace(decided, observed_at=service.now - 90))
    for path in ("/scaling", ONE):
        said = text(page(service, path))
        assert "stale" in said
        assert "90 s old, over 60 s" in said
        assert "last 13" in said
        assert re.search(r"[Dd]esired (replicas )?–", said)
    assert "1 without a signal to act upon" in text(page(service, "/scaling"))
    assert "scalers are refused" in text(page(service, ONE))


def test_a_refusal_says_why_and_what_is_known_all_the_same(service, decided, signals) -> None:
    known = Inputs(service.now, replicas=Replicas(5, 4, service.now - 1))
    signals(Refusal("checkout-api", WORKLOAD, "nobody calls", known))
    listed, one = text(page(service, "/scaling")), text(page(service, ONE))
    assert re.search(r"no signal desired – ready 4 age – no signal shop/checkout-api: nobody calls", listed)
    assert "No signal: scalers are refused" in one
    assert "4 of 5 wanted" in one


def test_before_the_first_decision_and_after_the_last_it_says_so(service, decided, signals) -> None:
    signals(at=None)
    for path in ("/scaling", ONE):
        assert "othing was decided for it yet" in text(page(service, path))
    signals(decided, at=42)
    for path in ("/scaling", ONE):
        assert "Nothing was decided for 42 s" in text(page(service, path))


def test_an_override_is_told_with_who_why_and_until_when(service, decided, signals, override, reading) -> None:
    signals(decided)
    # The engine has not heard of it yet: it is in force all the same.
    for path in ("/scaling", ONE):
        shown = page(service, path)
        assert re.search(r"override: at least 20 until .* \(2 h left\), ana\s*: sale at <noon>", text(shown))
        assert reading(shown).forbidden == []
    assert re.search(r"at least 20 .* in force, 2 h left", text(page(service, ONE)))
    followed = service.runtime.scaler.decide(service.now).by_target["shop", "checkout-api"]
    assert followed.desired_replicas == 20
    assert "20 to 30 replicas (by the document 2 to 30)" in text(page(service, ONE))


def test_the_trail_of_overrides_says_what_became_of_each(service, decided) -> None:
    now = service.now
    said = service.runtime.overrides.say
    said(Override("t@1", "checkout-api", None, 9, now + 500, "eve", "first", now - 300))
    said(Override("t@2", "checkout-api", 7, 7, now + 600, "dan", "second", now - 200))
    service.runtime.overrides.end("t@2", who="fay", why="enough", at=now - 100)
    shown = text(page(service, ONE))
    assert re.search(r"exactly 7 .* dan : second ended .* by fay: enough", shown)
    assert re.search(r"at most 9 .* eve : first replaced .* by dan", shown)


def test_the_page_of_one_has_every_wish_and_what_it_was_made_from(service, decided, signals) -> None:
    split = BurnSplit("checkout-fast", 3.2, 2.1, 0.7, 0.4, "latency rises with calls a pod")
    unsure = BurnSplit("all-of-it", 6.7, 0.0, 0.0, 6.7, "how many calls a pod gets is not known", load_known=False)
    inputs = replace(decided.inputs, splits=(split, unsure))
    signals(replace(decided, inputs=inputs))
    shown = text(page(service, ONE))
    assert "13 replicas: 400 calls/s ÷ (40 a replica at 80%) (reactive)" in shown
    assert re.search(r"reactive for demand now 13 highest 400 calls/s ÷ \(40 a replica at 80%\)", shown)
    for wish in ("feed-forward", "predictive", "correction"):
        assert re.search(rf"{wish} for .* –", shown)
    assert re.search(r"Demand 400/s .* calls in", shown)
    assert "A replica carries 40.0/s fixed" in shown
    assert re.search(r"Lead time 1 min 30 s assumed", shown)
    assert "nobody watches its pods" in shown
    assert "checkout-fast 3.2× 2.1× 0.70× 0.40× latency rises with calls a pod" in shown
    assert "all-of-it 6.7× – 0× – how many calls a pod gets is not known" in shown


def test_a_forecast_without_a_number_is_none_and_says_why(service, decided, signals) -> None:
    now, why = decided.inputs.now, "its history is short: 0.1 h are known, 12 h are needed"
    signals(replace(decided, inputs=replace(decided.inputs, forecast=Forecast(now, now + 90, {}, "persistence", why))))
    shown = text(page(service, ONE))
    assert re.search(rf"Forecast – (abstains )?{why}", shown), shown


@pytest.mark.parametrize("window", ["1h", "6h", "1d", "nonsense"])
def test_the_chart_shows_what_was_desired_ready_demanded_and_forecast(service, history, window: str, reading) -> None:
    shown = page(service, f"{ONE}?window={window}")
    [words] = [label for label in reading(shown).labels if label.startswith("Replicas over")]
    assert "desired between 8 and 12, 12 at last; ready between 8 and 12, 12 at last; no signal in" in words
    for kind in ("desired-line", "ready-area", "demand-line", "middle-line", "band", "unsure-band"):
        assert re.search(rf'<path class="{kind}" d="M[^"]+"', shown), kind
    assert '<rect class="refused" x="' in shown
    assert len(re.findall('<g class="column">', shown)) <= SLICES + 40
    xs = [float(x) for path in re.findall(r' d="(M[^"]+)"', shown) for x in re.findall(r"H([\d.]+)", path)]
    assert 0 <= min(xs) < max(xs) <= 1000


def test_a_slice_says_itself_in_words_and_demand_is_counted_in_replicas(service, history) -> None:
    titles = re.findall(r"<title>([^<]*desired[^<]*)</title>", page(service, f"{ONE}?window=1h"))
    assert any("12 desired, 8 ready, demand of 13 replicas (416/s)" in title for title in titles)
    assert any("8 desired, 8 ready, demand of 10 replicas (320/s)" in title for title in titles)
    assert any("forecast 8.0 to 10 (P10 to P60, abstained)" in title for title in titles)


def test_what_changed_and_which_face_told_it_first(service, history) -> None:
    shown = page(service, f"{ONE}?window=1h")
    assert re.search(
        r"UTC 8 → 12 12 replicas: 416 calls/s <b> .*UTC no signal → 8 .*UTC 8 → no signal no calls", text(shown)
    )
    assert re.search(
        r"12 → 13 no scaler has asked since yet more .*8 → 12 KEDA \(gRPC\), 1\.5 s later more", text(shown)
    )
    assert "&lt;b&gt;" in shown


def test_a_store_that_fails_costs_the_history_and_not_the_decision(service, decided, monkeypatch) -> None:
    def fails(*_: object) -> None:
        raise StoreError("cannot read scaling_10s: the disk is gone")

    monkeypatch.setattr(scaling, "history", fails)
    shown = text(page(service, ONE))
    assert "there is no history: cannot read scaling_10s: the disk is gone" in shown
    assert "13 replicas: 400 calls/s" in shown


def test_without_documents_the_list_shows_one_that_can_be_copied(service, decided, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(service.runtime, "_catalogue", replace(service.runtime._catalogue, scaling_targets={}))
    shown = page(service, "/scaling")
    assert "No ScalingTarget is in force" in shown
    [document] = re.findall(r"<pre><code>(.*?)</code></pre>", shown, re.DOTALL)
    (tmp_path / "target.yaml").write_text(html.unescape(document))
    assert list(load([tmp_path / "target.yaml"]).scaling_targets) == ["checkout-api"]


@pytest.mark.parametrize("path", ["shop/nobody", "other/checkout-api", "shop/%3Cscript%3E", "%00/%0A"])
def test_the_page_of_none_says_so(service, decided, path: str, reading) -> None:
    shown = page(service, f"/scaling/{path}", 404)
    assert "No such target" in shown
    assert "<script>/" not in shown
    assert "/scaling" in reading(shown).links


def test_the_page_tells_what_each_face_said_last(service, decided, reading) -> None:
    scaler = service.runtime.scaler
    scaler.served("shop", "checkout-api", 7, "keda")
    scaler.answered("shop", "checkout-api", None, 'it is old <b>"', "external_metrics")
    shown = page(service, ONE)
    assert not reading(shown).forbidden
    rows = text(shown).partition("What each face answers")[2]
    assert re.search(r"KEDA \(gRPC\) .*? 7 .*? it would answer otherwise now", rows)
    assert re.search(r"external metrics .*? refused .*? it is old", rows)
    assert "it is old &lt;b&gt;" in shown
    assert re.search(r"JSON .*? nobody has asked since maibo started", rows)
    assert "KEDA (gRPC) <b>7</b>" in page(service, "/scaling")
    assert "各接口的回答" in page(service, f"{ONE}?lang=zh")
    service.http.cookies.clear()


def test_the_same_in_chinese(service, history, decided, signals, override, english_left) -> None:
    split = BurnSplit("checkout-fast", 3.2, 2.1, 0.7, 0.4, "latency rises with calls a pod")
    known = Inputs(service.now, replicas=Replicas(5, 4, service.now - 1, rollout=True))
    states = [
        replace(decided, inputs=replace(decided.inputs, splits=(split,))),
        replace(decided, observed_at=service.now - 90),
        Refusal("checkout-api", WORKLOAD, "nobody calls", known),
    ]
    for state in states:
        signals(state, at=42)
        for path in ("/scaling", ONE, "/scaling/shop/nobody"):
            shown = service.http.get(path, params={"lang": "zh", "window": "1h"}, headers=NAVIGATION).text
            assert (
                english_left(
                    shown,
                    "shop/checkout-api",
                    "checkout-api",
                    "checkout-fast",
                    "nobody",
                    "ana",
                    "dan",
                    "fay",
                    "ben",
                    'it is old <b>"',
                )
                == []
            ), path
    service.http.cookies.clear()
    assert "期望副本数" in service.http.get(ONE, params={"lang": "zh"}, headers=NAVIGATION).text
    service.http.cookies.clear()


def then(service, path: str, ago: float, **query: str) -> str:
    """The page of a moment `ago` seconds before now."""
    moment = f"{datetime.fromtimestamp(service.now - ago, UTC):%Y-%m-%dT%H:%M:%SZ}"
    response = service.http.get(path, params={"at": moment, **query}, headers=NAVIGATION)
    assert response.status_code == 200, response.text
    return response.text


def test_a_moment_of_the_past_shows_what_is_on_record_of_it_and_no_number_of_now(service, history, decided) -> None:
    service.runtime.scaler.served("shop", "checkout-api", 13, "keda")
    for ago, desired, rate in ((600, 12, 416), (1500, 8, 320)):
        for path in ("/scaling", ONE):
            shown = then(service, path, ago)
            said = text(shown)
            assert "A moment in the past" in shown
            assert "fresh" in said
            assert f"{desired} replicas: {rate} calls/s <b>" in said
            for of_now in ("13", "400", "all of them", "said:", "KEDA (gRPC) <b>"):
                assert of_now not in re.sub(r"demand of 13 replicas|\d\d:\d\d:\d\d|12 → 13", "", said), (path, of_now)
        assert re.search(rf"Desired replicas {desired} .* Ready 8 .* Demand {rate}/s", said), said
        assert "A replica carries 40.0/s" in said
        assert "2 to 30 replicas by the document in force now" in said
        assert "Not on record, so not shown" in said
    assert "13 replicas: 400 calls/s" in text(page(service, ONE))


def test_a_past_moment_without_a_signal_or_without_a_record_says_so(service, history, decided) -> None:
    assert re.search(
        r"no signal desired – .* no calls of checkout-api were seen", text(then(service, "/scaling", 2000))
    )
    refused = text(then(service, ONE, 2000))
    assert "No signal then: scalers were refused , and kept what ran: no calls of checkout-api were seen" in refused
    assert "Desired replicas –" in refused
    for ago in (3600, 9000):
        assert "no decision of that moment is on record" in text(then(service, "/scaling", ago))
        before = text(then(service, ONE, ago))
        assert "No decision of that moment is on record" in before
        assert "Desired replicas" not in before


def test_a_bucket_that_was_not_over_then_is_not_told_of_then(service, history, decided) -> None:
    """It may have come to be what was decided later."""
    ago = service.now - history
    assert "8 replicas: 320 calls/s" in text(then(service, ONE, ago - 9))
    assert "12 replicas: 416 calls/s" in text(then(service, ONE, ago - 10))
    assert "12 desired" not in then(service, ONE, ago - 9)


def test_a_signal_that_was_stale_then_has_no_number_of_its_own(service, decided, monkeypatch) -> None:
    at = int(service.now) // 10 * 10 - 7200
    scaling.insert(service.store, [scaling.Decided(at, "shop", "checkout-api", 9, age=75.0, reason="nine")], version=1)
    for path in ("/scaling", ONE):
        said = text(then(service, path, service.now - at - 12))
        assert "what it followed was 1 min 15 s old, over the 1 min of the document in force now" in said
        assert "last 9" in said
        assert re.search(r"[Dd]esired (replicas )?–", said)


def test_overrides_of_the_past_stand_as_they_did_then(service, decided, history) -> None:
    now = service.now
    said = Override("p@1", "checkout-api", 5, 6, now - 1000, "gil", "a drill", now - 3000)
    service.runtime.overrides.say(said)
    later = Override("p@2", "checkout-api", 9, 9, now + 600, "hal", "much later", now - 500)
    service.runtime.overrides.say(later)
    for path in ("/scaling", ONE):
        shown = text(then(service, path, 2400))
        assert re.search(r"override: 5 to 6 until .* \(23 min 20 s left\), gil\s*: a drill", shown), shown
        assert "hal" not in shown
    assert re.search(r"5 to 6 .* in force, 23 min 20 s left", text(then(service, ONE, 2400)))
    assert re.search(r"5 to 6 .* expired", text(then(service, ONE, 900)))
    service.runtime.overrides.end("p@2", who="hal", why="over", at=now)


def test_forecasts_that_were_made_later_are_not_those_of_then(service, history, decided) -> None:
    window = {"window": "30m"}
    words = then(service, ONE, 1800, **window)
    assert re.findall(r"forecast [\d.]+ to", words), "those made before"
    minute = (service.now - 1800) // 60 * 60
    last = f"{datetime.fromtimestamp(minute + 120, UTC):%H:%M}"
    late = [each for each in re.findall(r"<title>([^<]*forecast[^<]*)</title>", words) if each > last]
    assert late == []


def test_a_face_that_answered_later_had_not_told_a_rise_then(service, decided) -> None:
    asked = service.now - 20_000.0
    late = rises.Rise("r@3", WORKLOAD, "checkout-api", asked, asked, 3, 4, "more", asked + 90, "keda")
    rises.append(service.store, [late])
    assert "3 → 4 no scaler had asked by then more" in text(then(service, ONE, 20_000 - 60))
    assert "3 → 4 KEDA (gRPC), 1 min 30 s later more" in text(then(service, ONE, 20_000 - 120))


def test_a_past_moment_without_the_store_is_a_problem_and_not_a_guess(service, decided, monkeypatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise StoreError("cannot read scaling_10s: the disk is gone")

    monkeypatch.setattr(scaling, "newest", fails)
    moment = f"{datetime.fromtimestamp(service.now - 60, UTC):%Y-%m-%dT%H:%M:%SZ}"
    for path in ("/scaling", ONE):
        shown = text(page(service, f"{path}?at={moment}", 503))
        assert "the disk is gone" in shown
        assert "13 replicas" not in shown


@pytest.mark.parametrize("ago", [600, 2000, 7188, 9000])
def test_the_past_in_chinese(service, history, decided, english_left, ago: float) -> None:
    names = ("shop/checkout-api", "checkout-api", "ana", "dan", "fay", "ben", "gil", "hal")
    for path in ("/scaling", ONE):
        assert english_left(then(service, path, ago, lang="zh"), *names) == [], path
    service.http.cookies.clear()
