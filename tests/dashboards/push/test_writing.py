"""What `maibo dashboards push` writes and what it leaves, where, and beside others at the same time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.dashboards.push.contract import SMALL, TOKEN, Fault, Served, dashboard, panel, push

from maibo_dashboards.errors import GrafanaError
from maibo_dashboards.outputs import grafana as client
from maibo_dashboards.outputs import pushing
from maibo_dashboards.outputs.files import documents as made_of

if TYPE_CHECKING:
    from maibo_slo.documents import Catalogue


# --- what is written, and what is not


def test_what_is_not_there_is_made_with_its_folder(grafana: client.Grafana, there: Served) -> None:
    [one] = push(grafana)
    assert (one.result, one.differences, one.url) == ("new", ("2 panels",), "/d/maibo-small/slug")
    assert there.contract.folders == {"maibo": "maibo"}
    assert there.contract.places == {"maibo-small": "maibo"}
    assert there.contract.messages == ["maibo dashboards push"]
    assert there.contract.tokens == {f"Bearer {TOKEN}"}


def test_what_is_unchanged_is_not_written(grafana: client.Grafana, there: Served) -> None:
    push(grafana)
    there.contract.requests.clear()
    [one] = push(grafana)
    assert one.result == "unchanged"
    assert there.contract.writes == []
    assert there.contract.dashboards["maibo-small"]["version"] == 1


def test_the_real_dashboards_are_written_once(there: Served, catalogue: Catalogue) -> None:
    grafana = client.Grafana(there.url, TOKEN)
    real = [document for _, document in made_of(catalogue, "clickhouse")]
    assert {one.result for one in push(grafana, *real)} == {"new"}
    assert {one.result for one in push(grafana, *real)} == {"unchanged"}
    assert {document["version"] for document in there.contract.dashboards.values()} == {1}


def test_what_grafana_adds_is_no_change_but_what_people_do_is(grafana: client.Grafana, there: Served) -> None:
    ours = dashboard(panel("Rate", thresholds=[{"color": "green", "value": None}]), panel("P99"))
    push(grafana, ours)
    kept = there.contract.dashboards["maibo-small"]
    kept |= {"weekStart": "", "tags": [], "preload": False, "gnetId": None}
    kept["panels"][0]["transparent"] = False
    del kept["panels"][0]["thresholds"][0]["value"]
    assert [one.result for one in push(grafana, ours)] == ["unchanged"]
    kept["editable"] = True
    kept["panels"][0]["maxDataPoints"] = 7
    [one] = push(grafana, ours)
    assert one.result == "changed"
    assert one.differences == ("editable: true -> false", '~ panel "Rate"', "    maxDataPoints: 7 -> nothing")
    assert there.contract.dashboards["maibo-small"]["editable"] is False
    assert [each.result for each in push(grafana, ours)] == ["unchanged"]


def test_a_dry_run_writes_nothing_and_tells_all(grafana: client.Grafana, there: Served) -> None:
    assert [one.result for one in push(grafana, dry_run=True)] == ["new"]
    assert (there.contract.writes, there.contract.folders) == ([], {})
    push(grafana)
    there.contract.requests.clear()
    [one] = push(grafana, dashboard(panel("Rate")), dry_run=True)
    assert (one.result, one.differences) == ("changed", ('- panel "P99"',))
    assert there.contract.writes == []


# --- the folder


def test_a_folder_of_this_name_is_taken_whatever_its_uid(grafana: client.Grafana, there: Served) -> None:
    there.contract.folders = {"abc": "maibo", "def": "other"}
    push(grafana)
    assert there.contract.places == {"maibo-small": "abc"}
    assert len(there.contract.folders) == 2


def test_our_folder_stays_ours_when_it_is_renamed(grafana: client.Grafana, there: Served) -> None:
    there.contract.folders = {"abc": "maibo", "maibo": "Observability"}
    push(grafana)
    assert there.contract.places == {"maibo-small": "maibo"}


def test_two_folders_of_this_name_are_not_guessed_between(grafana: client.Grafana, there: Served) -> None:
    there.contract.folders = {"abc": "maibo", "def": "maibo"}
    with pytest.raises(GrafanaError, match="2 folders called 'maibo'; choose another with --folder"):
        push(grafana)


def test_all_pages_of_folders_are_read(grafana: client.Grafana, there: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pushing, "PAGE", 2)
    there.contract.folders = {f"f{number}": f"Folder {number}" for number in range(4)} | {"last": "maibo"}
    push(grafana)
    assert there.contract.places == {"maibo-small": "last"}


def test_a_dashboard_is_moved_into_the_folder(grafana: client.Grafana, there: Served) -> None:
    [first] = pushing.push(grafana, [SMALL], pushing.Folder("", ""), dry_run=False)
    assert first.result == "new"
    assert there.contract.places == {"maibo-small": ""}
    [one] = push(grafana)
    assert (one.result, one.differences) == ("changed", ("folder: 'none' -> 'maibo'",))
    assert there.contract.places == {"maibo-small": "maibo"}


def test_a_folder_that_was_moved_below_another_is_found(grafana: client.Grafana, there: Served) -> None:
    there.contract.folders = {"maibo": "maibo"}
    there.contract.faults = [Fault("GET", "/api/folders?", 200, [])]
    [one] = push(grafana)
    assert (one.result, there.contract.places) == ("new", {"maibo-small": "maibo"})


# --- others, at the same time


def test_who_saves_in_between_is_not_overwritten_unseen(grafana: client.Grafana, there: Served) -> None:
    push(grafana)
    kept = there.contract.dashboards["maibo-small"]
    wanted = dashboard(panel("Rate", sql="SELECT 2"))
    there.contract.before_write = [lambda: kept.update(version=7, title="Mine")]
    [one] = push(grafana, wanted)
    assert one.result == "changed"
    assert there.contract.dashboards["maibo-small"]["version"] == 8
    assert there.contract.dashboards["maibo-small"]["title"] == "Small"
    reads = [path for method, path in there.contract.requests if (method, "uid" in path) == ("GET", True)]
    assert len(reads) == 3  # the first push, before the write that was refused, and after it


def test_who_saves_for_ever_is_told_of(grafana: client.Grafana, there: Served) -> None:
    push(grafana)
    mismatch = {"status": "version-mismatch", "message": "The dashboard has been changed by someone else"}
    there.contract.faults = [Fault("POST", "/api/dashboards/db", 412, mismatch) for _ in range(pushing.ATTEMPTS)]
    [one] = push(grafana, dashboard(panel("Rate", sql="SELECT 2")))
    assert one.result == "failed"
    assert "somebody else saves it at the same time" in one.why


def test_another_dashboard_of_the_same_name_is_left_alone(grafana: client.Grafana, there: Served) -> None:
    exists = {"status": "name-exists", "message": "A dashboard with the same name in the folder already exists"}
    there.contract.faults = [Fault("POST", "/api/dashboards/db", 412, exists)]
    [one, other] = push(grafana, SMALL, dashboard(panel("Rate"), uid="maibo-other"))
    assert one.result == "failed"
    assert "has another dashboard of that name" in one.why
    assert other.result == "new"


def test_a_provisioned_dashboard_is_told_of_before_anything_is_sent(grafana: client.Grafana, there: Served) -> None:
    push(grafana)
    there.contract.provisioned = {"maibo-small": "maibo/small.json"}
    assert [one.result for one in push(grafana)] == ["unchanged"]
    there.contract.requests.clear()
    [one] = push(grafana, dashboard(panel("Rate", sql="SELECT 2")))
    assert "Grafana reads it from a file (maibo/small.json)" in one.why
    assert there.contract.writes == []
