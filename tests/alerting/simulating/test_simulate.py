"""`maibo alert simulate`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from maibo_alerting.commands import alert, simulate
from maibo_alerting.simulating.replay import replay
from maibo_alerting.simulating.scenario import SCENARIOS, Phase, Scenario, ScenarioError

if TYPE_CHECKING:
    from pathlib import Path

DAY = 86_400


def run(*arguments: str) -> Result:
    return CliRunner().invoke(alert, ["simulate", *arguments])


def changes(*arguments: str) -> list[tuple[int, str, str, str]]:
    """(minute, severity or ``no data``, phase, reason), of those that a person would hear of."""
    done = run(*arguments, "--output", "json")
    assert done.exit_code == 0, done.output
    said: dict[str, Any] = json.loads(done.output)
    return [
        (one["minute"], "no data" if one["alert"] == "MaiboNoData" else one["severity"], one["to"], one["reason"])
        for one in said["changes"]
        if one["to"] in ("firing", "resolved")
    ]


def pages(*arguments: str) -> list[tuple[int, str]]:
    return [(minute, phase) for minute, what, phase, _ in changes(*arguments) if what == "page"]


def test_an_outage_pages_in_its_first_minute_and_is_over_half_an_hour_after_its_end() -> None:
    assert pages("outage") == [(31, "firing"), (70, "resolved")]


@pytest.mark.parametrize(("scenario", "minute"), [("bad-release", 36), ("degraded", 74)])
def test_lesser_trouble_pages_later(scenario: str, minute: int) -> None:
    assert pages(scenario)[0] == (minute, "firing")


def test_a_slow_burn_is_a_ticket_and_a_blip_is_nothing() -> None:
    assert changes("slow-burn")[0] == (60 + 865, "ticket", "firing", "")
    assert pages("slow-burn") == []
    assert changes("blip") == []


def test_a_cold_start_is_silent() -> None:
    assert changes("cold-start") == []


def test_silence_is_told_and_heals_nothing() -> None:
    said = changes("silence")
    assert (71, "no data", "firing", "") in said
    assert (131, "page", "resolved", "no_data") in said
    assert [one for one in said if one[1] == "page" and one[3] == "over"] == []


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_scenario_has_a_picture_a_table_and_a_line_in_the_help(scenario: str) -> None:
    done = run(scenario)
    assert done.exit_code == 0
    assert "failures" in done.output
    assert "budget left" in done.output
    assert simulate.help is not None
    assert f"  {scenario} " in simulate.help


def test_the_table_reads_as_it_happens() -> None:
    lines = [" ".join(line.split()) for line in run("outage").output.splitlines()]
    at = lines.index("31 0:31 page fires (1h) 200.0 16.7 2.8 0.2 97.7 %")
    assert lines[at - 1] == "30 0:30 ── outage: 1000 events a minute, 100 % fail"
    assert "70 1:10 page resolves 0.0 166.7 27.8 2.3 76.9 %" in lines


def test_the_same_seed_draws_the_same_noise_and_another_does_not() -> None:
    first, again, other = (run("degraded", "--seed", seed, "-o", "json").output for seed in ("1", "1", "2"))
    assert first == again != other


def test_a_target_and_a_window_of_ones_own_have_their_own_factors() -> None:
    said = json.loads(run("outage", "--target", "99", "--window", "7d", "-o", "json").output)
    assert (said["target"], said["window_seconds"]) == (0.99, 7 * DAY)
    assert [round(pair["factor"], 2) for pair in said["pairs"]] == [3.36, 1.4, 1, 1]


def test_phases_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "phases.yaml"
    path.write_text("- {minutes: 10, per_minute: 1000}\n- {minutes: 10, per_minute: 1e3, failures: 15e-2, name: bad}\n")
    assert pages(str(path)) == [(16, "firing")]
    path.write_text('[{"minutes": 10, "per_minute": 1000, "failures": 1}]')
    assert pages(str(path)) == [(1, "firing")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "has no phases"),
        ("- {minutes: 10}", "missing required field `per_minute`"),
        ("- {minutes: 10, per_minute: 1, failure: 1}", "unknown field `failure`"),
        ("- {minutes: 10, per_minute: 1, failures: 2}", "`failures`|$[0].failures"),
        ("- {minutes: 0, per_minute: 1}", "$[0].minutes"),
        ("minutes: 10", "Expected `array`"),
        ("[{]", "neither YAML nor JSON"),
        ("- {minutes: 129600, per_minute: 1}\n- {minutes: 1, per_minute: 1}", "longer than"),
    ],
)
def test_a_file_that_cannot_be_replayed_says_why(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "phases.yaml"
    path.write_text(text)
    error = run(str(path)).exception
    assert isinstance(error, ScenarioError)
    assert any(part in str(error) for part in said.split("|"))
    assert str(path) in str(error)


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["outage", "--target", "100"],
        ["outage", "--target", "nan"],
        ["outage", "--window", "30m"],
        ["outage", "--window", "x"],
        ["outage", "--rate", "0"],
    ],
)
def test_wrong_use_is_refused(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


@given(
    minutes=st.integers(1, 200),
    per_minute=st.floats(0.01, 50),
    failures=st.floats(0, 1),
)
def test_rounding_loses_nothing(minutes: int, per_minute: float, failures: float) -> None:
    scenario = Scenario("x", "", (Phase(minutes=minutes, per_minute=per_minute, failures=failures),), is_new=True)
    moments = replay(scenario, target=0.99, window_seconds=DAY).moments
    events, bad = sum(moment.events for moment in moments), sum(moment.bad for moment in moments)
    assert abs(events - minutes * per_minute) <= 0.5
    assert abs(bad - events * failures) <= 1
    assert all(0 <= moment.bad <= moment.events for moment in moments)
