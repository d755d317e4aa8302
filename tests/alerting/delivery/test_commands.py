"""`maibo alert test`."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from maibo_alerting.delivery.commands import test as command


@pytest.fixture
def run(tmp_path, server):
    file = tmp_path / "destinations.yaml"
    file.write_text(
        f"destinations:\n- {{name: hook, type: webhook, url: '{server.url}/hook'}}\n"
        f"- {{name: am, type: alertmanager, urls: ['{server.url}', '{server.url}/b'], severities: [ticket]}}\n"
    )
    return lambda *given: CliRunner().invoke(command, [*given, "--alert-destinations", str(file)])


def test_each_destination_gets_a_marked_alert_and_its_resolve(run, server) -> None:
    done = run("--output", "json")
    assert done.exit_code == 0, done.output
    assert [(one["destination"], one["severity"], one["status"], one["taken"]) for one in json.loads(done.stdout)] == [
        (name, severity, status, True)
        for name, severity in (("hook", "page"), ("am/1", "ticket"), ("am/2", "ticket"))
        for status in ("firing", "resolved")
    ]
    assert [said.path for said in server.said] == ["/hook"] * 2 + ["/api/v2/alerts"] * 2 + ["/b/api/v2/alerts"] * 2
    assert server.said[0].json["commonLabels"]["test"] == server.said[2].json[0]["labels"]["test"] == "true"


@pytest.mark.parametrize(("name", "requests"), [("hook", 2), ("am", 4), ("am/2", 2)])
def test_a_name_chooses_one(run, server, name, requests) -> None:
    assert run(name).exit_code == 0
    assert len(server.said) == requests


def test_what_was_not_taken_is_said_and_is_a_failure(run, server) -> None:
    server.answers.append((403, {}, b"who are you?"))
    done = run("hook")
    assert done.exit_code == 1
    assert "answered 403: who are you?" in done.stdout
    assert len(server.said) == 1


def test_a_name_that_is_none_is_refused_with_a_suggestion(run, server) -> None:
    done = run("hok")
    assert done.exit_code == 2
    assert "did you mean hook?" in done.output
    assert server.said == []
