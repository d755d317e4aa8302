"""Scale-ups over real HTTP from a real store: the API, the commands that ask for them, and their pages."""

# ruff: noqa: RUF001 -- an en dash between two numbers is typography, not a typing error
import doctest
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from maibo_slo.cli import cli
from maibo_slo.cli.scaleup import waterfall
from maibo_slo.documents import load
from maibo_slo.service import scaleups as answers
from maibo_slo.service.pages import scaleup_words
from maibo_slo.service.scaleups_seen import as_of
from maibo_slo.store import rises, scaleups
from maibo_slo.store.rises import Rise
from maibo_slo.store.scaleups import Stage

CHECKOUT, CACHE = "shop/Deployment/checkout-api", "shop/StatefulSet/cache"
WARM = {"created": 1, "scheduled": 1.4, "pulled": 2, "started": 2.5, "ready": 8, "in_rotation": 9, "first_journey": 11}
NO_ROOM = "0/6 nodes are available: 6 Insufficient cpu."
NAVIGATION = {"accept": "text/html"}


def cold(index: int) -> dict[str, object]:
    """A pod whose node had to come first."""
    later = {stage: seconds + 60 + index for stage, seconds in WARM.items() if stage != "created"}
    return {
        "created": 1,
        **later,
        "node_provisioned": True,
        "unschedulable": NO_ROOM,
        "name": f"checkout-api-new-{index}",
    }


@pytest.fixture(scope="module")
def history(service, make_scaleup):
    """By what became of it: a fast one, one that waited for nodes, one that was censored and one that runs."""
    now = service.now
    told = {
        "fast": make_scaleup(now - 7200, [WARM] * 4, trigger=-6.0, served=-1.0, by="keda"),
        "cold": make_scaleup(now - 3600, [*[WARM] * 4, *map(cold, range(4))], trigger=-2.2),
        "censored": make_scaleup(
            now - 1800,
            [WARM, {"created": 1, "scheduled": 2, "state": "never_ready", "ended": 300.0, "name": "<b>evil</b>"}],
            ended=300.0,
            why_censored="1 pod failed before it was ready",
            skews=2,
            notes=("events of 1 pod were not seen",),
        ),
        "running": make_scaleup(now - 40, [WARM, {"created": 1, "unschedulable": NO_ROOM}], workload=CACHE, before=2),
        "old": make_scaleup(now - 5 * 86_400, [WARM]),
    }
    scaleups.append(service.store, list(told.values()))
    return told


def get(service, path: str, status: int = 200, **parameters):
    response = service.http.get(path, params=parameters or None)
    assert response.status_code == status, response.text
    return json.loads(response.text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def run(service, *arguments: str) -> str:
    result = CliRunner().invoke(cli, ["scaleup", *arguments, "--url", str(service.http.base_url)])
    assert result.exit_code == 0, result.output
    return result.output


def page(service, path: str, status: int = 200) -> str:
    response = service.http.get(path, headers=NAVIGATION)
    assert response.status_code == status
    assert "default-src 'none'" in response.headers["content-security-policy"]
    return response.text


def test_the_examples_in_the_modules_hold() -> None:
    assert doctest.testmod(scaleup_words).failed == 0


def test_the_list_tells_a_day_the_newest_first(service, history) -> None:
    said = get(service, "/v1/scaleups")
    expected = [history[which].id for which in ("running", "censored", "cold", "fast")]
    assert [each["id"] for each in said["scaleups"]] == expected
    assert (said["omitted"], said["window"]["seconds"]) == (0, 86_400)
    cut = get(service, "/v1/scaleups", limit=1)
    assert ([each["id"] for each in cut["scaleups"]], cut["omitted"]) == (expected[:1], 3)
    assert len(get(service, "/v1/scaleups", window="7d")["scaleups"]) == 5


def test_a_workload_is_named_wholly_or_by_its_name_and_a_state_chosen(service, history) -> None:
    for workload in (CACHE, "cache"):
        said = get(service, "/v1/scaleups", workload=workload, window="7d")
        assert [each["workload"] for each in said["scaleups"]] == [CACHE]
    said = get(service, "/v1/scaleups?state=censored&state=running")
    assert [each["state"] for each in said["scaleups"]] == ["running", "censored"]
    assert get(service, "/v1/scaleups", workload="other/Deployment/cache")["scaleups"] == []


def test_one_tells_latency_phases_and_where_the_time_went_as_intervals(service, history) -> None:
    said = get(service, f"/v1/scaleups/{history['cold'].id}")
    assert (said["workload"], said["before"], said["after"], said["since"]) == (CHECKOUT, 10, 18, "trigger")
    assert said["served_by"] == "", "no rise before it is on record"
    latency = (said["latency"]["earliest"], said["latency"]["latest"], said["censored"])
    assert latency == (pytest.approx(74.2), pytest.approx(75.2), False)
    assert said["latency"]["latest"] - said["latency"]["earliest"] == pytest.approx(1, abs=0.01)
    assert said["where"] == "63 of 75 s: waiting for a node"
    by_stage = {each["stage"]: each for each in said["phases"]}
    assert list(by_stage) == [stage for stage in Stage if stage not in ("trigger", "served")]
    assert by_stage["scheduled"]["doing"] == "waiting for a node"
    assert by_stage["scheduled"]["seconds"]["earliest"] == pytest.approx(62.4, abs=0.01)
    assert (said["warm"], said["pods"], len(said["added_pods"])) == (False, {"serving": 8}, 8)
    slowest = said["added_pods"][0]
    assert (slowest["name"], slowest["node_provisioned"], slowest["unschedulable"]) == (
        "checkout-api-new-3",
        True,
        NO_ROOM,
    )
    assert slowest["moments"]["created"]["source"] == "condition"
    assert said["moments"]["trigger"]["received"] is None
    assert (said["half"]["latest"], said["most"]["latest"] > 60) == (pytest.approx(12, abs=1), True)


def test_what_is_not_over_is_longer_than_it_lasted_so_far(service, history) -> None:
    censored = get(service, f"/v1/scaleups/{history['censored'].id}")
    assert (censored["state"], censored["censored"], censored["latency"]["earliest"]) == (
        "censored",
        True,
        pytest.approx(300, abs=0.1),
    )
    assert (censored["phases"][-1]["stage"], censored["phases"][-1]["over"]) == ("pulled", False)
    assert (censored["why_censored"], censored["skews"]) == ("1 pod failed before it was ready", 2)
    dead = censored["added_pods"][0]
    assert (dead["state"], dead["serving"], dead["seconds"]["latest"]) == (
        "never_ready",
        False,
        pytest.approx(300, abs=1),
    )
    running = get(service, f"/v1/scaleups/{history['running'].id}")
    assert (running["censored"], running["latency"]["latest"]) == (True, pytest.approx(40, abs=0.1))
    assert running["where"].endswith("waiting for a node")
    assert running["warm"] is False, "a pod still waits"


def test_an_id_may_be_written_as_segments_or_as_one(service, history) -> None:
    one = history["fast"].id
    assert get(service, f"/v1/scaleups/{one}") == get(service, f"/v1/scaleups/{one.replace('/', '%2F')}")


def test_the_summary_has_quantiles_of_the_whole_and_of_each_phase_by_workload(service, history) -> None:
    said = get(service, "/v1/scaleups/summary")
    checkout, cache = said["workloads"]
    assert (checkout["workload"], checkout["count"], checkout["complete"], checkout["censored"]) == (CHECKOUT, 3, 2, 1)
    assert (checkout["warm"], checkout["warm_share"]) == (2, pytest.approx(2 / 3))
    assert (checkout["triggered"], said["cut"]) == (2, False), "the censored one counts from its decision"
    assert checkout["latency"]["p50"]["earliest"] == pytest.approx(74, abs=1.1)
    assert checkout["latency"]["p90"] is None, "one of three never ended"
    assert (checkout["latency"]["censored"], checkout["latency"]["longest"]) == (1, pytest.approx(300, abs=0.1))
    phases = {each["stage"]: each for each in checkout["phases"]}
    assert phases["scheduled"]["p50"]["latest"] < 2 < 60 < phases["scheduled"]["p99"]["earliest"]
    assert (phases["pulled"]["count"], phases["pulled"]["censored"]) == (3, 1)
    assert (cache["running"], cache["warm_share"], cache["latency"]["p50"]) == (1, None, None)
    assert [each["workload"] for each in get(service, "/v1/scaleups/summary", workload="cache")["workloads"]] == [CACHE]


@pytest.mark.parametrize(
    ("path", "status", "mend"),
    [
        ("/v1/scaleups?workload=shop/checkout-api", 422, "NAMESPACE/KIND/NAME"),
        ("/v1/scaleups/summary?workload=/", 422, "NAMESPACE/KIND/NAME"),
        ("/v1/scaleups?state=done", 422, "complete"),
        ("/v1/scaleups?limit=0", 422, "greater than or equal to 1"),
        ("/v1/scaleups?workloads=x", 422, "did you mean 'workload'?"),
        ("/v1/scaleups?window=5x", 422, "5m"),
        ("/v1/scaleups/shop/Deployment/nobody@1", 404, "/v1/scaleups lists them"),
    ],
)
def test_what_is_wrong_is_a_problem_with_its_mend(service, history, path: str, status: int, mend: str) -> None:
    said = get(service, path, status)
    assert said["status"] == status
    assert mend in said["detail"]


@pytest.mark.parametrize("after", [0, 0.5, 1, 2, 8.5, 9, 30, 65, 69, 72, 75])
def test_a_scaleup_as_of_a_moment_is_what_had_been_recorded_by_then(make_scaleup, after: float) -> None:
    at, pods = 1_800_000_000, [*[WARM] * 4, *map(cold, range(4))]

    def known(pod: dict[str, object]) -> dict[str, object]:
        facts = {name: said for name, said in pod.items() if name not in set(Stage)}
        reached = {name: said for name, said in pod.items() if name in set(Stage) and said <= after}
        return {**reached, **facts, "state": "serving" if "in_rotation" in reached else "starting"}

    then = [known(pod) for pod in pods if pod["created"] <= after]
    recorded = make_scaleup(at, then, added=len(pods), trigger=-2.2, exact=True)
    found = as_of(make_scaleup(at, pods, trigger=-2.2, exact=True), at + after)
    assert (found.state, found.ended, found.half, found.most, found.moments, found.pods) == (
        recorded.state, recorded.ended, recorded.half, recorded.most, recorded.moments, recorded.together,
    )  # fmt: skip


def test_a_censored_one_runs_as_of_a_moment_before(make_scaleup) -> None:
    dies = {"created": 1, "state": "never_ready", "ended": 300.0}
    whole = make_scaleup(1_800_000_000, [WARM, dies], ended=320.0, why_censored="1 pod failed")
    for after, state, why, pods in (
        (299, "running", "", {"serving": 1, "starting": 1}),
        (300, "running", "", {"serving": 1, "never_ready": 1}),
        (320, "censored", "1 pod failed", {"serving": 1, "never_ready": 1}),
    ):
        found = as_of(whole, 1_800_000_000 + after)
        assert (found.state, found.why_censored, found.pods.states) == (state, why, pods)


def test_a_window_of_the_past_tells_no_later_state_and_no_later_latency(service, history) -> None:
    began = int(service.now) - 3600
    asked = {"begin": began - 600, "end": began + 30}
    [said] = get(service, "/v1/scaleups", **asked)["scaleups"]
    assert (said["id"], said["state"], said["censored"]) == (history["cold"].id, "running", True)
    assert said["latency"] == {"earliest": pytest.approx(32.2), "latest": pytest.approx(32.2)}
    assert (said["pods"], said["most"]) == ({"serving": 4, "starting": 4}, None)
    assert (said["phases"][-1]["stage"], said["phases"][-1]["over"]) == ("scheduled", False)
    assert get(service, "/v1/scaleups", state="complete", **asked)["scaleups"] == []
    [summed] = get(service, "/v1/scaleups/summary", **asked)["workloads"]
    assert (summed["running"], summed["complete"], summed["warm_share"]) == (1, 0, None)
    assert (summed["latency"]["p50"], summed["latency"]["longest"]) == (None, pytest.approx(32.2))
    [over] = get(service, "/v1/scaleups", begin=began - 600, end=began + 120)["scaleups"]
    assert (over["state"], over["latency"]["earliest"]) == ("complete", pytest.approx(74.2))
    then = page(service, f"/scaleups?from={began - 600}&to={began + 30}")
    assert "running" in then
    assert "63 of 75 s" not in then


def test_a_store_without_scaleups_says_so_everywhere(service) -> None:
    then = {"begin": int(service.now) - 90 * 86_400, "end": int(service.now) - 80 * 86_400}
    assert get(service, "/v1/scaleups", **then)["scaleups"] == []
    assert get(service, "/v1/scaleups/summary", **then)["workloads"] == []
    assert "no scale-up was recorded" in run(service, "list", "--workload", "nobody")
    assert "no scale-up was recorded" in run(service, "show", "--workload", "nobody")
    html = page(service, "/scaleups?workload=nobody")
    assert "maibo serve --kubernetes auto" in html


def test_the_commands_list_and_show_what_the_api_says(service, history) -> None:
    listed = run(service, "list")
    assert re.search(rf"{CHECKOUT} +10 → 18 +hpa +74–75 s +complete +63 of 75 s: waiting for a node", listed)
    assert re.search(r">300 s +censored", listed)
    assert "and 4 older" in run(service, "list", "--limit", "1")
    assert CACHE not in run(service, "list", "--state", "complete")
    shown = run(service, "show")
    assert re.search(r"the whole .* >300 s +4 +1 *\n", shown)
    assert re.search(r"scheduling .* 6[123]–6[234] s +4 +– *\n", shown)
    assert "1 scale-up, 1 running, from the decision" in shown
    assert "4 scale-ups, 1 censored, 2 from the trigger, 2 from the decision" in shown
    assert json.loads(run(service, "list", "--output", "json")) == get(service, "/v1/scaleups", window="7d")
    assert json.loads(run(service, "show", "-o", "json")) == get(service, "/v1/scaleups/summary", window="7d")


def test_explain_draws_a_waterfall_of_the_newest_or_of_an_id(service, history) -> None:
    drawn = run(service, "explain", history["cold"].id, "--pods", "5")
    assert "63 of 75 s: waiting for a node" in drawn
    assert re.search(r"^n  scheduling +░?█{40,}░? +6[123]–6[234] s  waiting for a node$", drawn, re.MULTILINE)
    assert "pods (the 5 that took longest of 8)" in drawn
    assert re.search(r"^checkout-api-new-3 +[░c]+n{40,}[░ps]*r+", drawn, re.MULTILINE)
    assert history["running"].id in json.dumps(json.loads(run(service, "explain", "-o", "json")))
    newest = run(service, "explain", "checkout-api")
    assert "censored, >300 s since the decision" in newest
    assert re.search(r"evil.*✗ >30[01] s never ready", newest)
    assert "2 moments come before" in newest
    assert "events of 1 pod were not seen" in newest
    result = CliRunner().invoke(cli, ["scaleup", "explain", "nobody", "--url", str(service.http.base_url)])
    assert (result.exit_code, "maibo scaleup list" in result.output) == (1, True)


@pytest.mark.parametrize("width", [40, 80, 120, 400])
def test_a_waterfall_keeps_its_bars_within_the_terminal(history, width: int) -> None:
    answer = answers.one_answer(history["cold"], now=history["cold"].ended)
    lines = [str(line) for line in waterfall(answer, width=width, pods=8)]
    bars = [line for line in lines if re.match(r"(\w {2}|checkout)", line)]
    assert len(bars) == 16
    assert max(len(line.split(" s")[0]) for line in bars) <= max(width, 75)
    none = [str(line) for line in waterfall(answer, width=width, pods=0)]
    assert not any("checkout-api-new" in line for line in none)


def test_a_second_of_which_nobody_knows_is_drawn_lighter(make_scaleup) -> None:
    one = make_scaleup(1_800_000_000, [{"created": 1, "ready": 8}])
    answer = answers.one_answer(one, now=1_800_000_100)
    [ready] = [str(line) for line in waterfall(answer, width=110, pods=0) if "readiness" in str(line)]
    bar = re.sub(r"[^█░]", "", ready)
    assert (bar.strip("░").strip("█"), bar.count("░")) == ("", pytest.approx(2 / 9 * 59, abs=2))
    exact = answers.one_answer(make_scaleup(1_800_000_000, [{"created": 1, "ready": 8}], exact=True), now=1_800_000_100)
    assert "░" not in "".join(str(line) for line in waterfall(exact, width=110, pods=0) if "█" in str(line))


def test_the_page_lists_workloads_with_their_phases_and_the_newest(service, history, reading) -> None:
    html = page(service, "/scaleups")
    read = reading(html)
    assert any(f"/scaleups/{history['cold'].id}" in link for link in read.links)
    assert any("scheduling: P50" in label for label in read.labels)
    assert all(read.labels)
    assert "63 of 75 s: waiting for a node" in html
    assert "/scaleups?window=30d" in read.links
    assert "/scaleups" in reading(page(service, "/")).links
    only = page(service, f"/scaleups?workload={CACHE}")
    assert "Show all workloads" in only
    assert CHECKOUT not in only


def test_of_a_window_with_too_many_the_newest_are_looked_at_and_it_says_so(service, history, monkeypatch) -> None:
    monkeypatch.setattr(answers, "MOST", 2)
    said = get(service, "/v1/scaleups")
    assert [each["id"] for each in said["scaleups"]] == [history["running"].id, history["censored"].id]
    assert said["cut"]
    assert [each["count"] for each in get(service, "/v1/scaleups/summary")["workloads"]] == [1, 1]
    assert "more scale-ups than are looked at" in page(service, "/scaleups")
    assert "the window has more than are looked at" in run(service, "show")
    assert not get(service, "/v1/scaleups", workload=CACHE)["cut"]


def test_the_page_of_one_is_a_waterfall_that_says_itself_in_words(service, history, reading) -> None:
    html = page(service, f"/scaleups/{history['cold'].id}")
    read = reading(html)
    [waited] = [label for label in read.labels if label.startswith("scheduling:")]
    assert re.fullmatch(r"scheduling: 6[123]–6[234] s, from .* s to .* s", waited)
    assert len([label for label in read.labels if label.startswith("checkout-api-")]) == 8
    assert "<script>" not in html
    assert html.count('class="stage scheduled"') > 4
    assert "unsure" in html


def test_a_page_tells_censoring_skews_and_notes_and_obeys_no_name(service, history, reading) -> None:
    html = page(service, f"/scaleups/{history['censored'].id}")
    read = reading(html)
    assert read.forbidden == []
    assert "&lt;b&gt;evil&lt;/b&gt;" in html
    for said in ("1 pod failed before it was ready", "clocks differ", "events of 1 pod were not seen", "never ready"):
        assert said in html
    assert 'class="stopped"' in html


@pytest.mark.parametrize("path", ["/scaleups/nobody", "/scaleups/a/b/c@1", "/scaleups/%3Cscript%3E@1"])
def test_the_page_of_none_says_so(service, history, path: str) -> None:
    html = page(service, path, 404)
    assert "No such scale-up" in html
    assert "<script>@" not in html


@pytest.mark.parametrize("asked", ["window=nonsense", "workload=a/b", "workload=//", "workload=%00", "workload=../.."])
def test_a_page_that_is_asked_for_nonsense_shows_what_it_has(service, history, asked: str) -> None:
    page(service, f"/scaleups?{asked}")


def test_a_window_that_the_page_does_not_have_is_told_and_another_shown(service, history) -> None:
    assert "“nonsense” is no window such as 5m, 6h or 7d" in page(service, "/scaleups?window=nonsense")
    assert "is no window" not in page(service, "/scaleups?window=30d")


def test_a_workload_that_was_scaled_to_nothing_known_has_no_sentence(make_scaleup) -> None:
    bare = replace(make_scaleup(1_800_000_000, [], added=2), pods=())
    assert answers.one_answer(bare, now=1_800_000_000).where == ""
    assert answers.one_answer(bare, now=1_800_000_009).where == "9.0 of 9.0 s: creating pods"


def test_the_documented_slo_is_judged_by_the_running_service(service, history, tmp_path, monkeypatch) -> None:
    manual = (Path(__file__).parents[2] / "docs" / "scale-ups.md").read_text()
    [document] = re.findall(r"```yaml\n(.*?)```", manual, re.DOTALL)
    owner = "---\napiVersion: openslo/v1\nkind: Service\nmetadata: {name: storefront}\nspec: {}\n"
    (tmp_path / "slo.yaml").write_text(document + owner)
    monkeypatch.setattr(service.runtime, "_catalogue", load([tmp_path / "slo.yaml"]))
    monkeypatch.setattr(service, "now", service.now + 1)
    service.runtime.feeder.round()
    service.tick()
    [objective] = get(service, "/v1/slos/checkout-scales")["objectives"]
    # Within 30 s: the fast one and the old one. Bad: the one that waited for nodes, and the censored one.
    assert (objective["good"], objective["bad"], objective["attainment"]) == (2, 2, 0.5)
    assert "checkout-scales" in page(service, "/slos/checkout-scales")


def test_the_face_that_told_a_scaler_first_is_named(service, history) -> None:
    found = history["cold"]
    asked = found.moments[Stage.DECIDED].earliest - 5
    rises.append(
        service.store,
        [
            Rise(
                f"{found.workload}@1",
                found.workload,
                "checkout-api",
                asked - 1,
                asked,
                10,
                18,
                "demand",
                asked + 1,
                "keda",
            )
        ],
    )
    assert get(service, f"/v1/scaleups/{found.id}")["served_by"] == "keda"
    shown = service.http.get(f"/scaleups/{found.id}", headers={"Accept": "text/html,*/*"}).text
    assert "first told by KEDA (gRPC)" in shown


def test_the_same_in_chinese(service, history, english_left) -> None:
    pages_of = [
        "/scaleups",
        "/scaleups?workload=nobody",
        "/scaleups/nobody",
        *(f"/scaleups/{one.id}" for one in history.values()),
    ]
    shown = {path: service.http.get(path, params={"lang": "zh"}, headers=NAVIGATION).text for path in pages_of}
    service.http.cookies.clear()
    names = (CHECKOUT, CACHE, "checkout-api-new", "checkout-api", "cache", "node", "nobody", "<b>evil</b>", NO_ROOM)
    for path, html in shown.items():
        assert english_left(html, *names) == [], path
    assert "等待节点" in shown["/scaleups"]
    assert "从未就绪" in shown[f"/scaleups/{history['censored'].id}"]
