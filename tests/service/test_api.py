"""The API over real HTTP, against a real store: numbers, errors, documentation."""

import json
import re
import time
from dataclasses import replace

import pytest

from maibo_slo.cli.client import escaped
from maibo_slo.service import questions, slos
from maibo_slo.store import Store

NOW_ISO = "now"


def get(service, path: str, **parameters):
    response = service.http.get(path, params=parameters)
    assert response.status_code == 200, response.text
    assert response.headers["cache-control"] == "no-store"
    return json.loads(response.text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def problem(response, status: int):
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    said = response.json()
    assert said["status"] == status
    assert said["title"]
    assert said["detail"]
    assert said["type"]
    assert "Traceback" not in response.text
    return said


def test_journeys_have_counts_rates_and_quantiles(service) -> None:
    said = get(service, "/v1/journeys")
    checkout, silent = said["journeys"]
    assert (checkout["name"], checkout["display_name"], checkout["declared"]) == ("checkout", "Checkout", True)
    assert checkout["count"] == 100
    assert checkout["outcomes"] == {"abandoned": 1, "failure": 3, "success": 96}
    assert checkout["success_ratio"] == pytest.approx(96 / 99)
    assert checkout["rate_per_second"] == pytest.approx(100 / said["window"]["seconds"])
    assert checkout["p50_us"] == pytest.approx(100_000, rel=0.0125)
    assert checkout["p99_us"] == pytest.approx(900_000, rel=0.0125)
    assert (checkout["threshold_us"], checkout["within_threshold"]) == (500_000, 93)
    assert checkout["series"] == []
    assert (silent["count"], silent["success_ratio"], silent["p99_us"], silent["age_seconds"]) == (0, None, None, None)


def test_the_window_told_is_the_window_counted(service) -> None:
    window = get(service, "/v1/journeys", window="5m")["window"]
    assert 300 <= window["seconds"] <= 310
    assert get(service, "/v1/journeys", window="30s")["journeys"][0]["count"] < 100


def test_a_journey_has_its_steps_in_order_and_its_parts(service) -> None:
    said = get(service, "/v1/journeys/checkout")
    assert [(step["value"], step["count"]) for step in said["steps"]] == [
        ("cart", 99),
        ("payment", 97),
        ("gift", 0),
        ("unlisted", 5),
    ]
    assert [(part["value"], part["count"]) for part in said["by"]["tier"]] == [("standard", 70), ("vip", 30)]
    assert [(part["value"], part["count"]) for part in said["by"]["version"]] == [("v1", 70), ("v2", 30)]
    assert [(part["value"], part["count"]) for part in said["by"]["region"]] == [("us", 70), ("eu", 30)]


def test_a_bad_version_of_a_step_stands_beside_a_good_one(service) -> None:
    payment = get(service, "/v1/journeys/checkout")["steps"][1]
    assert payment["services"] == ["payment"]
    new, old = sorted(payment["versions"], key=lambda version: version["count"])
    assert (new["value"], new["count"], new["outcomes"]) == ("v9", 7, {"failure": 7})
    assert (old["value"], old["count"], old["success_ratio"]) == ("v8", 90, 1.0)
    assert new["p99_us"] > 10 * old["p99_us"]
    assert "v9" not in [part["value"] for part in get(service, "/v1/journeys/checkout")["by"]["version"]]


def test_one_step_of_a_journey_has_its_own_flow_parts_and_series(service) -> None:
    said = get(service, "/v1/journeys/checkout", step="payment")
    assert (said["name"], said["step"], said["count"]) == ("checkout", "payment", 97)
    assert (said["threshold_us"], said["within_threshold"]) == (None, None)
    assert said["outcomes"] == {"failure": 7, "success": 90}
    assert [(part["value"], part["count"]) for part in said["by"]["version"]] == [("v8", 90), ("v9", 7)]
    assert sum(point["count"] for point in said["series"]) == 97
    assert said["steps"] == get(service, "/v1/journeys/checkout")["steps"]
    assert get(service, "/v1/journeys/checkout", step="payment", version="v9")["count"] == 7


def test_a_step_that_was_never_seen_is_a_step_without_data(service) -> None:
    said = get(service, "/v1/journeys/checkout", step="gift")
    assert (said["count"], said["p99_us"], said["age_seconds"], said["by"]["version"]) == (0, None, None, [])


def test_of_many_journeys_the_busiest_and_the_declared_are_told_and_the_rest_counted(service, monkeypatch) -> None:
    from maibo_slo.store import cells, traffic
    from maibo_slo.store.cells import CellKey
    from maibo_slo.store.histogram import bin_of

    t, n = (int(service.now) - 5 * 3600) // 10 * 10, 300
    ordinary = ("", "", "shop", "v1", "", "us", "standard", "", "success", bin_of(10**8))
    cells.insert_cells(service.store, {CellKey(t, f"name-{at}", *ordinary): 1 + at for at in range(n)}, token="names")
    asked = []
    real, by_journey = cells.distributions, traffic.by_journey

    def distributions(*arguments, **named):
        found = real(*arguments, **named)
        asked.append(len(found))
        return found

    def with_slices(*arguments, **named):
        found, slices = by_journey(*arguments, **named)
        asked.append(len(found))
        return found, slices

    monkeypatch.setattr(cells, "distributions", distributions)
    monkeypatch.setattr(traffic, "by_journey", with_slices)
    then = {"begin": t, "end": t + 10}
    get(service, "/v1/journeys", limit=2, **then)  # from now on it is known how many there are
    few = get(service, "/v1/journeys", limit=2, series=True, **then)
    assert [one["name"] for one in few["journeys"]] == ["checkout", "name-298", "name-299", "silent"]
    assert few["omitted"] == n - 2
    assert max(asked) == 2
    usual = get(service, "/v1/journeys", **then)
    assert (len(usual["journeys"]), usual["omitted"]) == (102, n - 100)
    assert get(service, "/v1/journeys", limit=1000, **then)["omitted"] == 0
    get(service, "/v1/scorecard", **then)
    assert asked[-1] == 0  # of what no document names, nothing is on it


def test_a_series_has_every_slice_that_is_over(service) -> None:
    points = get(service, "/v1/journeys/checkout")["series"]
    assert 28 <= len(points) <= 60
    assert sum(point["count"] for point in points) == 100
    empty = [point for point in points if not point["count"]]
    assert empty
    assert {point["p99_us"] for point in empty} == {None}


def test_filters_restrict_everything(service) -> None:
    said = get(service, "/v1/journeys/checkout", tier="vip")
    assert said["count"] == 30
    assert [part["value"] for part in said["by"]["region"]] == ["eu"]
    assert get(service, "/v1/journeys", region="us")["journeys"][0]["count"] == 70
    assert get(service, "/v1/journeys", tier=["vip", "standard"])["journeys"][0]["count"] == 100


def test_a_histogram_has_the_bins_that_have_events(service) -> None:
    said = get(service, "/v1/journeys/checkout/histogram")
    assert said["count"] == 100
    assert sum(sum(bar["outcomes"].values()) for bar in said["bars"]) == 100
    assert [bar["upper_us"] for bar in said["bars"]] == [50_000, 100_000, 200_000, 900_000, 5_000_000]
    assert all(bar["lower_us"] < bar["upper_us"] for bar in said["bars"])
    assert said["bars"][0]["outcomes"] == {"failure": 3}


def test_a_histogram_counts_exactly_what_is_within_the_threshold(service) -> None:
    said = get(service, "/v1/journeys/checkout/histogram")
    assert (said["threshold_us"], said["within_threshold"]) == (500_000, 93)


def test_a_histogram_of_one_step(service) -> None:
    said = get(service, "/v1/journeys/checkout/histogram", step="payment")
    assert (said["step"], said["count"], said["threshold_us"], said["within_threshold"]) == ("payment", 97, None, None)


def test_a_window_can_be_given_by_its_ends(service) -> None:
    begin, end = int(service.now) - 120, int(service.now) - 60
    said = get(service, "/v1/journeys", begin=begin, end=end)
    assert said["journeys"][0]["count"] == 37
    iso = get(service, "/v1/journeys", begin=said["window"]["begin"], end=said["window"]["end"])
    assert iso["window"] == said["window"]


@pytest.mark.parametrize("window", ["30d", "400d", "2w", "36h"])
def test_windows_are_as_long_as_counts_are_kept(service, window: str) -> None:
    said = get(service, "/v1/journeys", window=window, series=True)
    assert said["journeys"][0]["count"] == 100
    unit = {"h": 3600, "d": 86_400, "w": 604_800}[window[-1]]
    assert 0 <= said["window"]["seconds"] - int(window[:-1]) * unit <= 3600
    assert get(service, "/v1/journeys/checkout", window=window)["count"] == 100


@pytest.mark.parametrize("path", ["/v1/journeys?series=true&", "/v1/journeys/checkout?", "/v1/scorecard?"])
@pytest.mark.parametrize("begin", ["1", "{before}"])
def test_a_time_that_nothing_is_kept_of_is_a_422_problem(service, path: str, begin: str) -> None:
    oldest = int(service.now) + 1 - 400 * 86_400
    begin = begin.format(before=oldest - 1)
    said = problem(service.http.get(f"{path}begin={begin}&end={int(begin) + 999}"), 422)
    assert "counts are kept for 400 days" in said["detail"]
    assert service.http.get(f"{path}begin={oldest}&end={oldest + 999}").status_code == 200


@pytest.mark.parametrize("window", ["6h", "3d", "35d", "840h", "5w", "60d", "61d", "121d", "400d"])
@pytest.mark.parametrize("second", [0, 9, 59])
def test_a_series_has_at_most_sixty_points_at_any_moment(service, monkeypatch, window: str, second: int) -> None:
    monkeypatch.setattr(service, "now", service.now // 60 * 60 + 60 + second)
    for said in (
        get(service, "/v1/journeys/checkout", window=window),
        get(service, "/v1/journeys", window=window, series=True)["journeys"][0],
    ):
        assert said["count"] == 100
        assert 20 <= len(said["series"]) <= 60


def test_one_journey_tells_when_and_of_which_window_it_was_asked(service) -> None:
    every, one = (get(service, path, window="7h") for path in ("/v1/journeys", "/v1/journeys/checkout"))
    assert (one["now"], one["window"]) == (every["now"], every["window"])
    assert one["window"]["seconds"] >= 7 * 3600


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("begin={0}&end={1}&window=5m", "leave one out"),
        ("end=2000000000", "in the future"),
        ("begin={2}&window=1h", "in the future"),
        ("begin=1999999000&end=2000000000", "in the future"),
    ],
)
def test_a_window_that_cannot_be_counted_as_asked_is_refused(service, query: str, told: str) -> None:
    asked = query.format(int(service.now) - 600, int(service.now) - 60, int(service.now) + 60)
    assert told in problem(service.http.get(f"/v1/journeys?{asked}"), 422)["detail"]


def test_a_begin_and_a_window_make_an_end(service) -> None:
    begin = int(service.now) // 60 * 60 - 120
    assert get(service, "/v1/journeys", begin=begin, window="1m")["window"]["seconds"] == 60
    over = get(service, "/v1/journeys", begin=begin, window="1h")["window"]
    assert over["seconds"] == int(service.now) + 1 - begin


PATHS = (
    "/v1/journeys",
    "/v1/journeys/checkout",
    "/v1/journeys/checkout/histogram",
    "/v1/journeys/checkout/exemplars",
    "/v1/slos",
    "/v1/slos/checkout-fast",
    "/v1/scorecard",
    "/v1/ingest",
)


@pytest.mark.parametrize("path", PATHS)
def test_a_misspelled_parameter_is_refused_wherever_it_is_asked(service, path: str) -> None:
    said = problem(service.http.get(f"{path}?tire=vip&windwo=1h"), 422)
    assert [error.partition(":")[0] for error in said["errors"]] == ["query tire", "query windwo"]
    if path.startswith("/v1/journeys"):
        assert "did you mean 'tier'?" in said["errors"][0]
    if path != "/v1/ingest" and "slos" not in path:
        assert "did you mean 'window'?" in said["errors"][1]


def test_every_route_refuses_what_it_does_not_know_a_plugins_too(service) -> None:
    asked = [
        (method, re.sub(r"{\w+}", "checkout", path))
        for path, item in get(service, "/openapi.json")["paths"].items()
        for method in item
        if path.startswith("/v1/")
    ]
    assert ("post", "/v1/greeting") in asked
    assert len(asked) > len(PATHS)
    for method, path in asked:
        said = problem(service.http.request(method.upper(), f"{path}?windw=1h", json={}), 422)
        assert [error.partition(":")[0] for error in said["errors"]] == ["query windw"], (method, path)
    assert service.http.get("/greeting?windw=1h").status_code == 200, "it is no question"


@pytest.mark.parametrize("rest", ["", "/histogram", "/exemplars"])
def test_a_step_that_there_is_not_is_a_404_problem_that_names_those_that_there_are(service, rest: str) -> None:
    said = problem(service.http.get(f"/v1/journeys/checkout{rest}?step=paymnt"), 404)
    assert "no step 'paymnt'" in said["detail"]
    assert "there are: 'cart', 'payment', 'gift', 'unlisted'" in said["detail"]
    for step in ("gift", "unlisted"):
        assert service.http.get(f"/v1/journeys/checkout{rest}?step={step}&tier=nobody").status_code == 200
    assert service.http.get(f"/v1/journeys/silent{rest}?step=gift").status_code == 200


def test_slos_have_attainment_budget_and_burn_rates(service) -> None:
    fast, idle = get(service, "/v1/slos")["slos"]
    assert (fast["name"], fast["window"], fast["journey"], fast["threshold_us"]) == (
        "checkout-fast",
        "28d",
        "checkout",
        500_000,
    )
    first, second = fast["objectives"]
    assert (first["good"], first["bad"]) == (90, 9)
    assert first["attainment"] == pytest.approx(90 / 99)
    assert first["budget_events"] == pytest.approx(9.9)
    assert first["budget_remaining"] == pytest.approx(1 - 9 / 9.9)
    assert second["budget_remaining"] == pytest.approx(1 - 9 / 0.99)
    assert second["budget_remaining_projected"] > 0.99
    assert [burn["window"] for burn in second["burn_rates"]] == ["5m", "30m", "1h", "2h", "6h", "1d", "3d"]
    assert second["burn_rates"][0]["burn_rate"] == pytest.approx(9 / 99 / 0.01)
    assert second["burn_rates"][0]["coverage"] == pytest.approx(2 / 5)
    assert second["burn_rates"][0]["lower"] < second["burn_rates"][0]["burn_rate"] < second["burn_rates"][0]["upper"]
    assert (second["state"], second["first_burning_at"]) == ("ok", None), "two minutes after its first event"
    assert [rule["held_back"] for rule in second["rules"]] == [False, True, True]
    assert [rule["held_back_by"] for rule in second["rules"]] == ["", "too_soon", "too_soon"]
    assert (second["unit"], second["group"], second["parts"]) == ("events", "", [])
    assert (fast["source"], fast["method"], fast["window_kind"], fast["period"]) == (
        "journey",
        "Occurrences",
        "rolling",
        None,
    )
    assert second["observed_minutes"] + second["no_data_minutes"] == 28 * 1440
    nothing = idle["objectives"][0]
    assert (nothing["state"], nothing["attainment"], nothing["age_seconds"]) == ("no_data", None, None)


def test_one_slo(service) -> None:
    assert get(service, "/v1/slos/checkout-fast") == get(service, "/v1/slos")["slos"][0]


def test_the_scorecard(service) -> None:
    (row,) = get(service, "/v1/scorecard")["rows"]
    assert (row["service"], row["journeys"], row["slos"]) == ("shop", 2, 2)
    assert (row["objectives_met"], row["objectives_missed"], row["objectives_without_data"]) == (1, 1, 1)
    assert row["score"] == 0.5
    assert row["count"] == 100
    assert row["worst_budget_remaining"] == pytest.approx(1 - 9 / 0.99)


def test_ingest_adds_up(service) -> None:
    said = get(service, "/v1/ingest")
    assert (said["bodies"], said["duplicate_bodies"], said["spans"]) == (3, 1, 350)
    assert said["counted"] + said["ignored"] + said["rejected"] == said["spans"]
    assert said["undrained_segments"] is None


@pytest.mark.parametrize(
    "path", ["/v1/journeys/chekout", "/v1/journeys/chekout/histogram", "/v1/slos/nope", "/v1/nothing", "/nothing"]
)
def test_what_is_not_there_is_a_404_problem(service, path: str) -> None:
    assert problem(service.http.get(path), 404)["instance"] == path


@pytest.mark.parametrize("rest", ["", "/counts"])
def test_a_misspelled_slo_is_told_which_one_may_be_meant(service, rest: str) -> None:
    said = problem(service.http.get(f"/v1/slos/checkout-fas{rest}"), 404)
    assert said["detail"].endswith("; did you mean 'checkout-fast'?")


@pytest.mark.parametrize(
    "query",
    [
        "window=5",
        "window=zz",
        "window=1s",
        "window=500d",
        "window=-5m",
        "begin=yesterday",
        "begin=2026-01-01T00:00:00",
        "begin=2000000000&end=1999999999",
        "begin=99999999999999999999",
        "begin=4294967295&end=9999999999",
        "end=9999-01-01T00:00:00Z",
        "begin=0001-01-01T00:00:00%2B14:00",
        "limit=0",
        "limit=100000",
        "series=perhaps",
    ],
)
def test_wrong_parameters_are_422_problems_that_name_them(service, query: str) -> None:
    said = problem(service.http.get(f"/v1/journeys?{query}"), 422)
    assert query.split("=", maxsplit=1)[0] in said["errors"][0]


def test_a_window_that_is_too_long_is_told_how_long_it_may_be(service) -> None:
    assert "between 10s and 400d" in problem(service.http.get("/v1/journeys?window=500d"), 422)["detail"]


def test_a_method_that_is_not_for_this_path_is_a_405_problem(service) -> None:
    response = service.http.post("/v1/slos")
    assert "GET" in problem(response, 405)["detail"]
    assert "GET" in response.headers["allow"]


def test_an_unexpected_error_is_a_500_problem_without_its_insides(service) -> None:
    said = problem(service.http.get("/broken"), 500)
    assert "ZeroDivisionError" in said["detail"]
    assert "division by" not in said["detail"]


def test_a_store_that_fails_is_a_503_problem_that_says_when_to_retry(service, monkeypatch) -> None:
    from maibo_slo.errors import StoreError
    from maibo_slo.store import cells

    def fail(*_: object, **__: object) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(cells, "distributions", fail)
    response = service.http.get("/v1/journeys")
    assert "the disk is full" in problem(response, 503)["detail"]
    assert response.headers["retry-after"] == "5"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "", "10.0.0.7"])
def test_another_host_name_is_refused(service, host: str) -> None:
    problem(service.http.get("/v1/journeys", headers={"Host": host}), 421)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:8080", "[::1]", "[::1]:8080"])
def test_loopback_names_are_served(service, host: str) -> None:
    assert service.http.get("/healthz", headers={"Host": host}).status_code == 200


def test_health_and_readiness(service) -> None:
    assert get(service, "/healthz") == {"status": "ok"}
    ready = get(service, "/readyz")
    assert ready["ready"]
    assert {part["part"] for part in ready["parts"]} == {"documents", "engine", "store"}


def test_a_part_that_fails_makes_the_service_not_ready(service) -> None:
    service.runtime.health.report("otlp", "the log is full")
    try:
        response = service.http.get("/readyz")
        assert response.status_code == 503
        assert {"part": "otlp", "ok": False, "detail": "the log is full"} in response.json()["parts"]
    finally:
        service.runtime.health.report("otlp", None)


def test_an_engine_that_does_not_tick_makes_the_service_not_ready(service) -> None:
    service.now += 61
    try:
        assert service.http.get("/readyz").status_code == 503
        assert {o["state"] for slo in get(service, "/v1/slos")["slos"] for o in slo["objectives"]} == {"stale"}
    finally:
        service.now -= 61


def test_a_plugins_routes_are_served(service) -> None:
    assert get(service, "/greeting") == {"hello": "world"}


def test_the_page_is_served(service) -> None:
    response = service.http.get("/")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")


def test_openapi_has_a_valid_example_of_every_answer(service) -> None:
    import jsonschema

    document = get(service, "/openapi.json")
    shown = 0
    for path, item in document["paths"].items():
        if not path.startswith("/v1/") or "get" not in item:
            continue
        content = item["get"]["responses"]["200"]["content"]["application/json"]
        schema = {"components": document["components"], **content["schema"]}
        jsonschema.Draft202012Validator(schema).validate(content["example"])
        assert "503" in item["get"]["responses"]
        shown += 1
    assert shown >= 10


def test_live_answers_fit_the_published_schema(service, make_scaleup) -> None:
    import jsonschema

    from maibo_slo.store import scaleups

    scaleup = make_scaleup(service.now - 60, [{"created": 1, "ready": 9}])
    scaleups.append(service.store, [scaleup])
    document = get(service, "/openapi.json")
    told = {"kind": "incident", "start": "2040-01-01 00:00", "duration_seconds": 60, "who": "ana", "why": "a test"}
    assert service.http.post("/v1/corrections", json={"name": "told", "every_slo": True, **told}).status_code == 201
    for path, item in document["paths"].items():
        if path.startswith("/v1/") and "get" in item:
            schema = item["get"]["responses"]["200"]["content"]["application/json"]["schema"]
            name = "checkout-fast" if "slos" in path else "told" if "corrections" in path else "checkout"
            target = path.replace("{namespace}", "shop").replace("{target}", "checkout-api")
            answer = get(service, target.replace("{name}", name).replace("{id}", scaleup.id))
            jsonschema.Draft202012Validator({"components": document["components"], **schema}).validate(answer)


def test_a_name_may_hold_slashes_and_even_end_like_another_route(service) -> None:
    from maibo_slo.store import cells
    from maibo_slo.store.cells import CellKey
    from maibo_slo.store.histogram import bin_of

    t = (int(service.now) - 9 * 3600) // 10 * 10
    ordinary = ("", "", "shop", "v1", "", "us", "standard", "", "success", bin_of(10**8))
    names = {"checkout/pay": 3, "checkout/histogram": 4, "..": 5, "100%2F": 6}
    cells.insert_cells(service.store, {CellKey(t, name, *ordinary): n for name, n in names.items()}, token="slashes")
    then = {"begin": t, "end": t + 10}
    for name, n in names.items():
        path = f"/v1/journeys/{escaped(name)}"
        assert (get(service, path, **then)["name"], get(service, path, **then)["count"]) == (name, n)
        assert get(service, f"{path}/histogram", **then)["count"] == n
    said = problem(service.http.get(f"/v1/slos/{escaped('../../etc')}"), 404)
    assert said["detail"] == "no document in force names an SLO '../../etc'"


def test_documents_that_cannot_be_reloaded_are_a_part_that_fails_of_a_service_that_is_ready(service, tmp_path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("kind: nothing\n")
    former = service.runtime.settings
    service.runtime.settings = replace(former, documents=[str(bad)])
    try:
        service.runtime.reload()
        said = get(service, "/readyz")
        part = next(part for part in said["parts"] if part["part"] == "documents")
        assert said["ready"] is True
        assert part["ok"] is False
        assert "bad.yaml:1" in part["detail"]
        assert 'maibo_part_up{part="documents"} 0.0' in service.http.get("/metrics").text
    finally:
        service.runtime.health.report("documents", None)
        service.runtime.settings = former
    assert 'maibo_part_up{part="documents"} 1.0' in service.http.get("/metrics").text


@pytest.mark.parametrize(("query", "most"), [("", 12), ("?tier=vip", 15), ("?step=payment&version=v9", 18)])
def test_a_journeys_page_asks_the_store_for_what_it_shows_and_once(service, monkeypatch, query, most) -> None:
    asked = []

    def noting(answer):
        def noted(store, sql, parameters):
            asked.append(f"{sql} {parameters}")
            return answer(store, sql, parameters)

        return noted

    for name in ("rows", "arrow"):
        monkeypatch.setattr(Store, name, noting(getattr(Store, name)))
    assert service.http.get(f"/journeys/checkout{query}").status_code == 200
    assert len(asked) == len(set(asked))
    assert 0 < len(asked) <= most


def test_the_page_of_an_slo_tells_who_burnt_its_budget_and_asks_the_store_once_a_minute(
    service, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    real = slos.blame
    monkeypatch.setattr(slos, "blame", lambda *args, **more: asked.append(1) or real(*args, **more))
    begun = time.time()
    for _ in range(3):
        page = service.http.get("/slos/checkout-fast").text
    assert "9 bad of 99 events in the last 1\u00a0d" in page
    assert len(asked) <= 1 + int(time.time() // 60 - begun // 60)
    assert "Who burnt" not in service.http.get("/slos/silent-works").text


def test_who_burnt_a_budget_is_found_before_somebody_asks_again_and_a_minute_of_the_past_is_read_anew(
    service, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    real = slos.blame
    monkeypatch.setattr(slos, "blame", lambda *args, **more: asked.append(args[4]) or real(*args, **more))
    fresh = questions.Questions(service.store, service.runtime.questions._catalogue, service.runtime.engine)
    now = service.now // 60 * 60

    def ask(at: float, **of: float) -> int:
        before = len(asked)
        assert fresh.burnt("checkout-fast", objective="0.99", group="", now=at, **of) is not None
        return len(asked) - before

    def prepare(at: float) -> int:
        before = len(asked)
        fresh.prepare(at)
        return len(asked) - before

    assert (prepare(now), ask(now), prepare(now + 10), prepare(now + 60), ask(now + 61)) == (0, 1, 0, 1, 0)
    assert [ask(each, end=now - 300) for each in (now + 61, now + 62, now + 62, now + 122)] == [1, 0, 0, 1], (
        "late events"
    )
    assert prepare(now + 121) == 1, "of the next minute, whatever was asked of the past"
    assert ask(now + 122) == 0
    assert prepare(now + 200) == 0, "nobody asked for a minute"


def test_nobody_is_asked_to_tell_what_a_composite_as_a_whole_or_what_is_beyond_all_groups_burnt(service) -> None:
    ask = service.runtime.questions.burnt
    assert ask("nope", objective="0.99", group="", now=service.now) is None
    assert ask("checkout-fast", objective="nope", group="", now=service.now) is None
    assert ask("checkout-fast", objective="0.99", group="__overflow__", now=service.now) is None
