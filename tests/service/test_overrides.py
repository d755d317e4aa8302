"""Overrides over real HTTP and from the command line: said, listed, replaced, ended, expired; what strangers and other sites may not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from maibo_slo.cli import cli
from maibo_slo.engine.scaling.inputs import Decision, Inputs
from maibo_slo.engine.scaling.signal import Refusal, ScalingSignal, Signals

if TYPE_CHECKING:
    from collections.abc import Sequence

    import httpx2
    from click.testing import Result


PATH = "/v1/overrides"


@pytest.fixture(autouse=True)
def later(service) -> None:
    """Each test at a time of its own: what the one before said has expired."""
    service.now += 100_000


def tell(service, body: Any, path: str = PATH, **headers: str) -> httpx2.Response:
    return service.http.post(path, content=json.dumps(body), headers={"Content-Type": "application/json", **headers})


def said(service, **changed: Any) -> httpx2.Response:
    ordinary = {"target": "checkout-api", "min_replicas": 20, "for_seconds": 7200, "who": "ana", "why": "sale at noon"}
    return tell(service, {key: value for key, value in (ordinary | changed).items() if value is not None})


def in_force(service) -> list[tuple[str, int | None, int | None]]:
    found = service.http.get(PATH).json()["overrides"]
    return [(each["target"], each["min_replicas"], each["max_replicas"]) for each in found if each["in_force"]]


def run(service, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["override", *arguments, "--url", str(service.http.base_url)])


def test_what_was_said_is_in_force_until_it_expires(service) -> None:
    response = said(service)
    assert response.status_code == 201, response.text
    assert response.json()["notes"] == []
    assert in_force(service) == [("checkout-api", 20, None)]
    assert [each.least for each in service.runtime.overrides()] == [20]
    service.now += 7199
    assert in_force(service) == [("checkout-api", 20, None)]
    service.now += 1
    assert in_force(service) == []
    assert service.runtime.overrides() == ()


def test_it_is_among_what_changed_with_its_bounds(service) -> None:
    said(service, max_replicas=24)
    found = service.http.get("/v1/changes", params={"kind": "override"}).json()["changes"]
    assert (found[0]["subject"], found[0]["what"]) == ("checkout-api", "20 to 24")


def test_of_two_the_newer_is_in_force_and_the_trail_keeps_both(service) -> None:
    said(service)
    service.now += 10
    said(service, min_replicas=None, max_replicas=5, who="ben", why="database is down")
    assert in_force(service) == [("checkout-api", None, 5)]
    newer, older = service.http.get(PATH).json()["overrides"][:2]
    assert (newer["ended"], older["ended"]["who"], older["ended"]["why"]) == (None, "ben", "replaced by a newer one")


def test_one_that_was_ended_is_not_in_force_and_cannot_be_ended_again(service) -> None:
    id_ = said(service).json()["id"]
    service.now += 10
    ended = tell(service, {"who": "ben", "why": "sale is over"}, f"{PATH}/{id_}/end")
    assert ended.status_code == 200, ended.text
    assert ended.json()["ended"]["who"] == "ben"
    assert in_force(service) == []
    again = tell(service, {"who": "ben", "why": "sure?"}, f"{PATH}/{id_}/end")
    assert again.status_code == 404
    assert "no override" in again.json()["detail"]


@pytest.mark.parametrize(
    ("changed", "status", "text"),
    [
        ({"target": "checkout-ap"}, 404, "did you mean 'checkout-api'?"),
        ({"target": "shop/checkout-ap"}, 404, "did you mean 'shop/checkout-api'?"),
        ({"target": "ops/checkout-api"}, 404, "did you mean 'shop/checkout-api'?"),
        ({"min_replicas": None}, 422, "give min_replicas, max_replicas or both"),
        ({"min_replicas": 9, "max_replicas": 8}, 422, "min_replicas is more than max_replicas"),
        ({"min_replicas": -1}, 422, "min_replicas"),
        ({"for_seconds": 59}, 422, "for_seconds"),
        ({"for_seconds": 31 * 86_400}, 422, "for_seconds"),
        ({"why": "  "}, 422, "why"),
        ({"why": "sale\n2026-11-23 INFO forged"}, 422, "control characters"),
        ({"who": "ana\x1b[31m"}, 422, "control characters"),
        ({"replicas": 4}, 422, "replicas"),
    ],
)
def test_what_cannot_be_is_refused_and_says_why(service, changed: dict[str, Any], status: int, text: str) -> None:
    response = said(service, **changed)
    assert (response.status_code, text in response.text) == (status, True), response.text
    assert in_force(service) == []


def test_another_site_may_not(service) -> None:
    body = {"target": "checkout-api", "min_replicas": 1, "for_seconds": 60, "who": "x", "why": "y"}
    assert tell(service, body, **{"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert service.http.post(PATH, content=json.dumps(body)).status_code == 415


def test_more_than_the_document_allows_is_taken_with_a_note(service) -> None:
    notes = said(service, min_replicas=40).json()["notes"]
    assert len(notes) == 1
    assert "more than the document's 30" in notes[0]


def test_an_override_may_last_for_thirty_days(service) -> None:
    said_so = run(service, "scale", "checkout-api", "--min", "3", "--for", "30d", "--who", "ana", "--why", "migration")
    assert said_so.exit_code == 0, said_so.output
    service.now += 29 * 86_400
    assert in_force(service) == [("checkout-api", 3, None)]


def test_a_target_may_be_named_with_its_namespace_as_the_list_of_targets_names_it(service) -> None:
    said_so = run(
        service, "scale", "shop/checkout-api", "--min", "5", "--for", "1h", "--who", "ana", "--why", "named in full"
    )
    assert said_so.exit_code == 0, said_so.output
    assert in_force(service) == [("checkout-api", 5, None)]
    assert "shop/checkout-api" in said_so.output
    elsewhere = run(service, "end", "ops/checkout-api", "--who", "ben", "--why", "over")
    assert "no override of ops/checkout-api is in force; there is shop/checkout-api" in elsewhere.output
    assert run(service, "end", "shop/checkout-api", "--who", "ben", "--why", "over").exit_code == 0
    assert in_force(service) == []


def test_the_command_line_says_lists_and_ends(service) -> None:
    scaled = run(service, "scale", "checkout-api", "--min", "12", "--for", "2h", "--who", "ana", "--why", "sale")
    assert scaled.exit_code == 0, scaled.output
    assert "at least 12" in scaled.output
    listed = run(service, "list")
    assert "in force" in listed.output
    assert "sale" in listed.output
    ended = run(service, "end", "checkout-api", "--who", "ben", "--why", "over")
    assert "ended" in ended.output
    nothing = run(service, "end", "checkout-api", "--who", "ben", "--why", "over")
    assert nothing.exit_code == 1
    assert "no override of checkout-api is in force" in nothing.output


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("checkout-api", "--for", "2h"), "say --min, --max or both"),
        (("checkout-api", "--for", "2h", "--min", "3", "--max", "2"), "--min 3 is more than --max 2"),
        (("checkout-api", "--for", "soon", "--min", "3"), "no duration"),
        (("checkout-api", "--for", "10s", "--min", "3"), "--for"),
        (("checkout-api", "--for", "31d", "--min", "3"), "at most 30 days"),
    ],
)
def test_the_command_line_tells_what_is_wrong_in_its_own_words(service, arguments: Sequence[str], text: str) -> None:
    refused = run(service, "scale", *arguments, "--who", "ana", "--why", "x")
    assert refused.exit_code == 2
    assert text in refused.output


@pytest.fixture
def unknown(service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows the demand."""
    target = service.runtime.scaler.targets["shop", "checkout-api"]
    refusal = Refusal(target.name, target.workload, "no calls were seen in the last 300 s")
    told = Signals(service.now, {("shop", "checkout-api"): refusal})
    monkeypatch.setattr(service.runtime.scaler, "_signals", told)


def test_that_nothing_will_follow_is_told_to_who_sets_it(service, unknown: None) -> None:
    scaled = run(service, "scale", "checkout-api", "--min", "20", "--for", "2h", "--who", "ana", "--why", "sale")
    assert scaled.exit_code == 0, scaled.output
    assert scaled.stderr == (
        "note: no signal shop/checkout-api: no calls were seen in the last 300 s; until it is back scalers are refused: "
        "say at least 20 and at most 20 to have 20 told whatever happens\n"
    )


@pytest.mark.parametrize("changed", [{"max_replicas": 20}, {"min_replicas": None, "max_replicas": 2}])
def test_one_number_follows_whatever_is_known(service, unknown: None, changed: dict[str, Any]) -> None:
    assert said(service, **changed).json()["notes"] == []


def test_that_the_one_before_alone_had_an_answer_is_told(service, monkeypatch: pytest.MonkeyPatch) -> None:
    """One number is fresh whatever is known of demand; what replaces it is not."""
    target, now = service.runtime.scaler.targets["shop", "checkout-api"], service.now
    fixed = Decision(20, 20, 20, (), "override", "20 replicas, whatever demand is")
    signal = ScalingSignal(
        target.name, target.workload, 20, 20, 20, 20, 20, "", now, now, target.max_age_seconds, fixed, Inputs(now)
    )
    monkeypatch.setattr(service.runtime.scaler, "_signals", Signals(now, {("shop", "checkout-api"): signal}))
    [note] = said(service, min_replicas=None, max_replicas=24).json()["notes"]
    assert note.startswith("signal shop/checkout-api is stale but for the override before; until it is back")
    assert note.endswith("say at least 24 and at most 24 to have 24 told whatever happens")


def test_which_one_it_replaces_is_told(service) -> None:
    before = said(service).json()
    service.now += 10
    assert said(service, min_replicas=24, who="ben").json()["notes"] == [
        f"it replaces ana's of {before['said_at'][:16].replace('T', ' ')} UTC (at least 20): sale at noon"
    ]


def test_the_list_tells_who_ended_one_when_and_why(service) -> None:
    begun = said(service).json()
    service.now += 600
    run(service, "end", "checkout-api", "--who", "ben", "--why", "sale is over")
    ended = next(
        each["ended"]["at"] for each in service.http.get(PATH).json()["overrides"] if each["id"] == begun["id"]
    )
    listed = run(service, "list").output
    assert f" {ended[:16].replace('T', ' ')} " in listed
    assert f" {begun['until'][:16].replace('T', ' ')} " not in listed
    assert "ended by ben: sale is over" in listed
