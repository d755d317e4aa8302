"""Corrections over real HTTP: told, listed, cancelled; the trail; what strangers and other sites may not."""

from __future__ import annotations

import itertools
import json
import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from maibo_slo.cli import cli
from maibo_slo.engine.evaluate import Engine
from maibo_slo.engine.told import MOST_IN_FORCE, READ_SECONDS, CorrectionRefused, ToldCorrections
from maibo_slo.errors import StoreError
from maibo_slo.store import cells, open_store
from maibo_slo.store.events import every

if TYPE_CHECKING:
    from pathlib import Path

    import httpx2
    from click.testing import Result

NAMES = itertools.count()
PATH = "/v1/corrections"
# Times to come, which correct nothing that is counted here.


def said(**changed: Any) -> dict[str, Any]:
    """A maintenance of two hours, under a name of its own."""
    ordinary = {
        "name": f"upgrade-{next(NAMES)}",
        "kind": "maintenance",
        "start": "2040-11-25 02:00",
        "duration_seconds": 7200,
        "zone": "Europe/Berlin",
        "slos": ["checkout-fast"],
        "who": "ana",
        "why": "PostgreSQL 18",
    }
    return {key: value for key, value in (ordinary | changed).items() if value is not None}


def tell(service, body: Any = None, path: str = PATH, **headers: str) -> httpx2.Response:
    content = body if isinstance(body, bytes) else json.dumps(body)
    return service.http.post(path, content=content, headers={"Content-Type": "application/json", **headers})


def told(service, **changed: Any) -> dict[str, Any]:
    response = tell(service, said(**changed))
    assert response.status_code == 201, response.text
    return response.json()


def cancel(service, name: str, **changed: str) -> httpx2.Response:
    return tell(service, {"who": "ben", "why": "postponed", **changed}, f"{PATH}/{name}/cancel")


def detail(response: httpx2.Response, status: int) -> str:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    return response.json()["detail"]


def listed(service, **asked: Any) -> dict[str, dict[str, Any]]:
    response = service.http.get(PATH, params=asked)
    assert response.status_code == 200, response.text
    return {each["name"]: each for each in response.json()["corrections"]}


NOVEMBER = {"from": "2040-11-01T00:00Z", "to": "2040-12-01T00:00Z"}


def test_what_was_told_is_in_force_and_listed_with_its_windows(service) -> None:
    added = told(service)
    assert added["effect"] == "exclude"  # as maintenance is, where nothing is said
    assert added["in_force"]
    assert added["origin"] == "told"
    assert (added["concerned"], added["concerned_count"]) == (["checkout-fast"], 1)
    found = listed(service, **NOVEMBER)[added["name"]]
    assert found["windows"] == [{"begin": "2040-11-25T01:00:00Z", "end": "2040-11-25T03:00:00Z"}]
    assert added["name"] not in listed(service, **{"from": "2040-11-25T03:00Z", "to": "2040-12-01T00:00Z"})
    assert service.http.get(f"{PATH}/{added['name']}").json()["why"] == "PostgreSQL 18"
    assert added["name"] in {each.name for each in service.runtime.corrections()}


def test_one_that_recurs_has_a_window_each_time(service) -> None:
    added = told(service, start="2040-11-04T02:30", rrule="FREQ=WEEKLY;BYDAY=SU", slos=None, services=["shop"])
    found = listed(service, **NOVEMBER)[added["name"]]
    assert found["windows_count"] == 4
    assert [each["begin"] for each in found["windows"]][:2] == ["2040-11-04T01:30:00Z", "2040-11-11T01:30:00Z"]
    assert added["concerned"] == ["checkout-fast", "silent-works"]


def test_a_time_with_an_offset_is_that_moment(service) -> None:
    added = told(service, start="2040-11-25T02:00:00Z")
    assert added["start"] == "2040-11-25 03:00:00"
    assert listed(service, **NOVEMBER)[added["name"]]["windows"][0]["begin"] == "2040-11-25T02:00:00Z"


def test_all_but_maintenance_is_annotated_unless_an_effect_is_said(service) -> None:
    assert told(service, kind="incident")["effect"] == "annotate"
    assert told(service, kind="chaos", effect="count_as_good")["effect"] == "count_as_good"
    assert told(service, slos=None, every_slo=True)["concerned_count"] == 2


def test_what_is_cancelled_is_out_of_force_and_stays_in_the_trail_with_who_and_why(service) -> None:
    name = told(service)["name"]
    gone = cancel(service, name).json()
    assert not gone["in_force"]
    assert (gone["cancelled"]["who"], gone["cancelled"]["why"]) == ("ben", "postponed")
    assert (gone["who"], gone["why"]) == ("ana", "PostgreSQL 18")
    assert name not in {each.name for each in service.runtime.corrections()}
    assert listed(service, **NOVEMBER)[name]["cancelled"] == gone["cancelled"]
    assert "cancelled already, by ben" in detail(cancel(service, name), 409)
    assert "was told, and cancelled" in detail(tell(service, said(name=name)), 409)
    (kept,) = [each for each in every(service.store, "correction") if each.id == name]
    assert kept.detail["why"] == "PostgreSQL 18"
    assert kept.detail["cancelled_why"] == "postponed"


def test_a_restart_knows_all_of_it(service) -> None:
    kept, gone = told(service, rrule="FREQ=DAILY"), told(service)
    cancel(service, gone["name"])
    again = {each.correction.name: each for each in ToldCorrections(service.store).trail()}
    before = {each.correction.name: each for each in service.runtime.corrections.trail()}
    assert again == before
    assert again[kept["name"]].cancelled is None
    assert again[gone["name"]].cancelled is not None


def test_what_another_service_on_the_store_was_told_is_heard_of_within_seconds(service) -> None:
    elapsed = [0.0]
    other = ToldCorrections(service.store, clock=lambda: elapsed[0])
    other()
    name = told(service)["name"]
    assert name not in {each.name for each in other()}
    elapsed[0] = READ_SECONDS
    assert name in {each.name for each in other()}
    with pytest.raises(CorrectionRefused, match="is in force"):
        other.add(next(each for each in other() if each.name == name), at=0)


def test_a_name_is_taken_once(service) -> None:
    name = told(service)["name"]
    assert f"{name!r} is in force" in detail(tell(service, said(name=name)), 409)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"slos": ["chekout-fast"]}, "body slos: no SLO in force is named 'chekout-fast'; did you mean 'checkout-fast'?"),
        ({"slos": [], "services": ["shopp"]}, "body services: no SLO in force has the service 'shopp'; did you mean 'shop'?"),
        ({"journeys": ["checkuot"]}, "body journeys: no SLO in force has the journey 'checkuot'; did you mean 'checkout'?"),
        ({"slos": []}, "name SLOs, services or journeys, or say `every_slo: true`"),
        ({"every_slo": True}, "leave it out where"),
        ({"zone": "Europe/Berlni"}, "no time zone 'Europe/Berlni'; did you mean 'Europe/Berlin'?"),
        ({"zone": "../../etc/passwd"}, "no time zone"),
        ({"start": "next sunday"}, "'next sunday' is no time such as 2026-11-23 02:00"),
        ({"start": "2020-01-01 00:00"}, "body start: is longer ago than the 400 days"),
        ({"start": "2040-10-28T01:30:00Z"}, "body start: clocks of Europe/Berlin show 02:30 twice"),
        ({"start": "0001-01-01T00:00:00+14:00"}, "is no time such as"),
        ({"start": "9999-12-31T23:59:59-14:00"}, "is no time such as"),
        ({"duration_seconds": 59}, "body duration_seconds: "),
        ({"duration_seconds": 401 * 86_400}, "body duration_seconds: "),
        ({"duration_seconds": True}, "body duration_seconds: "),
        ({"rrule": "FREQ=SECONDLY"}, "body rrule: FREQ=SECONDLY is too often"),
        ({"rrule": "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"}, "body rrule: there is no such day"),
        ({"rrule": "FREQ=WEEKLY\nDTSTART:20260101T000000"}, "body rrule: "),
        ({"rrule": "every sunday"}, "body rrule: "),
        ({"kind": "outage"}, "body kind: "),
        ({"effect": "ignore"}, "body effect: "),
        ({"name": "Upgrade"}, "body name: "),
        ({"name": "a" * 64}, "body name: "),
        ({"who": "  "}, "body who: "),
        ({"who": None}, "body who: Field required"),
        ({"why": None}, "body why: Field required"),
        ({"why": "a\x1b[2Jb"}, "body why: has control characters in it"),
        ({"why": "\ud800"}, "body why: "),
        ({"why": "x" * 2001}, "body why: "),
        ({"slos": ["checkout-fast"] * 101}, "body slos: "),
        ({"until": "2027"}, "body until: Extra inputs are not permitted"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place_and_nothing_is_kept(service, changed: dict, expected: str) -> None:
    before = service.runtime.corrections.trail()
    response = tell(service, said(**changed) if "who" not in changed else {**said(), **changed})
    if None in changed.values():
        body = said()
        body.pop(next(iter(changed)))
        response = tell(service, body)
    assert expected in detail(response, 422)
    assert service.runtime.corrections.trail() == before


def test_everything_that_is_wrong_is_told_at_once(service) -> None:
    response = tell(service, said(slos=["nothing"], rrule="FREQ=NEVER", why="a\x07b"))
    assert len(response.json()["errors"]) == 3
    many = tell(service, said(slos=[f"checkout-fas{number}" for number in range(100)]))
    assert len(many.json()["errors"]) == 100


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'{"name": ', b"\xff\xfe", b'{"a":1e999}'])
def test_what_is_no_json_of_a_correction_is_a_problem(service, body: bytes) -> None:
    assert detail(tell(service, body), 422)


def test_json_too_deep_to_be_read_is_a_problem(service) -> None:
    assert detail(tell(service, b"[" * 50_000), 400)


def test_a_body_without_an_end_is_not_read_to_it(service) -> None:
    assert "at most 64 KiB" in detail(tell(service, said(why="x" * 100_000)), 413)
    host, port = service.http.base_url.host, service.http.base_url.port
    with socket.create_connection((host, port), timeout=10) as raw:
        raw.sendall(
            f"POST {PATH} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
            "Transfer-Encoding: chunked\r\n\r\n".encode()
        )
        for _ in range(9):
            raw.sendall(b"2000\r\n" + b" " * 0x2000 + b"\r\n")
        assert raw.recv(65_536).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Origin": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:1"},
    ],
)
@pytest.mark.parametrize("path", [PATH, f"{PATH}/upgrade-0/cancel"])
def test_a_page_of_another_site_may_not_post(service, path: str, headers: dict[str, str]) -> None:
    assert "another site" in detail(tell(service, said(), path, **headers), 403)


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "", "text/plain; application/json"]
)
def test_what_a_form_or_a_script_can_send_across_sites_is_not_taken(service, kind: str) -> None:
    body = said()
    assert "application/json" in detail(tell(service, body, **{"Content-Type": kind}), 415)
    assert body["name"] not in {each.name for each in service.runtime.corrections()}


def test_this_sites_own_page_may_post(service) -> None:
    own = str(service.http.base_url).rstrip("/")
    assert tell(service, said(), **{"Sec-Fetch-Site": "same-origin", "Origin": own}).status_code == 201
    assert tell(service, said(), Origin=own).status_code == 201
    assert tell(service, said(), **{"Content-Type": "application/json; charset=utf-8"}).status_code == 201


def test_another_name_of_this_machine_is_no_way_round(service) -> None:
    assert tell(service, said(), Host="evil.example").status_code == 421


def test_unknown_names_and_parameters_are_told(service) -> None:
    name = told(service, name="database-upgrade")["name"]
    assert f"did you mean {name!r}?" in detail(service.http.get(f"{PATH}/database-upgrad"), 404)
    assert f"did you mean {name!r}?" in detail(cancel(service, "database-upgrad"), 404)
    assert "no such parameter" in detail(service.http.get(PATH, params={"since": "1"}), 422)
    assert "from must be before to" in detail(
        service.http.get(PATH, params={"from": "2026-01-02T00:00Z", "to": "2026-01-01T00:00Z"}), 422
    )
    assert "no time such as" in detail(service.http.get(PATH, params={"from": "yesterday"}), 422)


def test_too_many_in_force_are_refused(service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maibo_slo.engine.told.MOST_IN_FORCE", len(service.runtime.corrections()))
    assert "are in force: cancel some" in detail(tell(service, said()), 409)
    assert MOST_IN_FORCE == 1000


def test_of_two_who_tell_the_same_name_at_once_one_is_refused(service) -> None:
    body = said()
    with ThreadPoolExecutor(8) as callers:
        answers = list(callers.map(lambda who: tell(service, {**body, "who": who}), "abcdefgh"))
    assert sorted(each.status_code for each in answers) == [201, *[409] * 7]
    (first,) = [each.json()["who"] for each in answers if each.status_code == 201]
    assert service.http.get(f"{PATH}/{body['name']}").json()["who"] == first


def test_without_its_store_nobody_says_that_nothing_is_in_force(service) -> None:
    with open_store(f"{service.store}?database=gone") as store:
        corrections = ToldCorrections(store)
        assert corrections() == ()
    with pytest.raises(StoreError, match="is closed"):
        ToldCorrections(store)()


# --- the numbers


def numbers(service) -> dict[str, tuple[Any, ...]]:
    """After a tick, of each objective of every SLO: counts, budget and burns."""
    service.tick()
    slos = service.http.get("/v1/slos").json()["slos"]
    return {
        f"{slo['name']}/{one['name']}": (
            one["good"],
            one["bad"],
            one["budget_remaining"],
            one["attainment"],
            one["burn_rates"],
        )
        for slo in slos
        for one in slo["objectives"]
    }


@pytest.mark.parametrize("effect", ["exclude", "count_as_good", "annotate"])
def test_a_correction_does_to_the_numbers_what_it_says_and_one_that_is_cancelled_leaves_them_as_they_were(
    service, effect: str
) -> None:
    before = numbers(service)
    good, bad, *_ = before["checkout-fast/0.9"]
    assert bad == 9
    start = datetime.fromtimestamp(service.now - 3600, UTC).isoformat()
    name = told(service, start=start, duration_seconds=7200, effect=effect)["name"]
    during = numbers(service)
    expected = {"exclude": (0, 0), "count_as_good": (good + bad, 0), "annotate": (good, bad)}
    assert during["checkout-fast/0.9"][:2] == expected[effect]
    assert during["silent-works/0.999"] == before["silent-works/0.999"]
    cancel(service, name)
    assert numbers(service) == before


def test_what_is_excluded_for_a_while_leaves_the_rest_and_survives_a_restart_of_the_engine(service, tmp_path) -> None:
    before = numbers(service)
    minute = int(service.now) // 60 * 60
    there = cells.cells_of_minutes(service.store, list(range(minute - 1200, minute + 60, 60)), {"checkout"})
    oldest = int(there["t"].min()) // 60 * 60
    start = datetime.fromtimestamp(oldest, UTC).isoformat()
    name = told(service, start=start, duration_seconds=60)["name"]
    during = numbers(service)
    assert 0 < sum(during["checkout-fast/0.9"][:2]) < sum(before["checkout-fast/0.9"][:2])
    assert stopped_and_started(service, tmp_path / "none.json") == during["checkout-fast/0.9"][:2]
    cancel(service, name)
    assert (
        stopped_and_started(service, service.runtime.settings.data_dir / "engine.json")
        == before["checkout-fast/0.9"][:2]
    )
    assert numbers(service) == before


def stopped_and_started(service, memory_path: Path) -> tuple[float, float]:
    """What another engine counts, which remembers as much."""
    told = ToldCorrections(service.store)
    engine = Engine(service.store, lambda: service.runtime._catalogue, memory_path=memory_path, corrections=told)
    counted = {(one.slo.name, one.objective.name): one.own for one in engine.tick(now=service.now).observed}
    own = counted["checkout-fast", "0.9"]
    return own.good, own.bad


# --- the command line


def run(service, *arguments: str) -> Result:
    url = str(service.http.base_url)
    return CliRunner().invoke(cli, ["correction", *arguments, "--url", url], catch_exceptions=False)


def add(service, name: str, *more: str) -> Result:
    usual = ("--from", "2040-11-25 02:00", "--for", "2h", "--kind", "maintenance", "--why", "PostgreSQL 18")
    return run(service, "add", name, *usual, *more)


def test_a_correction_is_told_listed_shown_and_cancelled_from_the_command_line(service, monkeypatch) -> None:
    monkeypatch.setenv("LOGNAME", "ana")
    result = add(service, "by-hand", "--slo", "checkout-fast", "--zone", "Europe/Berlin", "--output", "json")
    assert result.exit_code == 0
    assert json.loads(result.output)["who"] == "ana"
    listing = run(service, "list", "--from", "2040-11-01T00:00Z", "--to", "2040-12-01T00:00Z")
    assert "by-hand" in listing.output
    assert "2040-11-25 01:00" in listing.output
    shown = run(service, "show", "by-hand")
    assert "2040-11-25 02:00:00 Europe/Berlin, for 120 min" in shown.output
    assert "by ana: PostgreSQL 18" in shown.output
    gone = run(service, "cancel", "by-hand", "--who", "ben", "--why", "postponed")
    assert gone.exit_code == 0
    assert "by ben: postponed" in gone.output
    assert "cancelled" in run(service, "show", "by-hand").output


def test_a_recurring_one_is_told_with_its_rule(service) -> None:
    result = add(service, "sundays", "--all", "--rrule", "FREQ=WEEKLY;BYDAY=SU", "--who", "ops", "--effect", "annotate")
    assert result.exit_code == 0
    assert "again by FREQ=WEEKLY;BYDAY=SU" in result.output
    assert "(shown, and counted as it was)" in result.output


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("wrong", "--slo", "chekout-fast"), "did you mean 'checkout-fast'?"),
        (
            ("wrong", "--slo", "checkout-fast", "--for", "2 hours"),
            "is no duration of whole seconds such as 90m, 2h or 1d",
        ),
        (("wrong", "--slo", "checkout-fast", "--kind", "outage"), "'outage' is not one of"),
        (("wrong",), "say what it concerns: --slo, --service or --journey"),
    ],
)
def test_what_is_wrong_is_a_usage_error(service, arguments: tuple[str, ...], expected: str) -> None:
    result = add(service, *arguments)
    assert result.exit_code == 2
    assert expected in " ".join(result.output.split())


def test_what_cannot_be_done_fails_with_the_reason(service) -> None:
    add(service, "taken", "--all")
    again = add(service, "taken", "--all")
    assert (again.exit_code, "is in force: choose another name" in again.output) == (1, True)
    missing = run(service, "cancel", "never-told", "--why", "x")
    assert (missing.exit_code, "no correction 'never-told' was told" in missing.output) == (1, True)
    unreachable = CliRunner().invoke(cli, ["correction", "list", "--url", "http://127.0.0.1:1"])
    assert unreachable.exit_code == 1
    assert "cannot reach the service" in unreachable.output


def test_a_listing_without_any_says_so(service) -> None:
    result = run(service, "list", "--from", "2020-01-01T00:00Z", "--to", "2020-02-01T00:00Z")
    assert result.output == "no correction from 2020-01-01 00:00 to 2020-02-01 00:00 UTC\n"
