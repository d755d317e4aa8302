"""Strategies replayed: same seed, same answer; none sees what is to come but the oracle; what is missed, lost and paid is of one run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from benchmarks.autoscaling.__main__ import main
from benchmarks.autoscaling.cluster import Room
from benchmarks.autoscaling.figures import figures
from benchmarks.autoscaling.replay import WARM_UP_SECONDS, Outcome, replay
from benchmarks.autoscaling.service import Law, Service
from benchmarks.autoscaling.settings import mean_rate, setting_of
from benchmarks.autoscaling.strategies import OURS, STOCK, strategies
from benchmarks.autoscaling.traces import DAY, Trace, Window, made
from benchmarks.autoscaling.world import ScaleUp, Setting, Unsuited, World

LAW = Law(Service())
ALL = list(strategies())
BEGIN, SECONDS = 9 * DAY + 43_200, 1_200


def trace_with_a_crowd(rises_by: float = 3.0) -> Trace:
    """Restless for days, then steady, and after ten of the replayed minutes many times as much at once."""
    flat = made(1, days=11)
    rates = np.full(len(flat.rates), 1.0)
    restless = BEGIN // 60 - 60
    rates[:restless] = np.exp(np.random.default_rng(5).normal(0, 0.1, restless))
    rates[(BEGIN + 600) // 60 :] = rises_by
    return replace(flat, rates=rates).scaled(mean_rate(LAW.service))


@pytest.fixture(scope="module")
def setting() -> Setting:
    return setting_of(trace_with_a_crowd(), Window(BEGIN, BEGIN + SECONDS, "all"), LAW, seed=1)


@pytest.fixture(scope="module")
def outcomes(setting: Setting) -> dict[str, Outcome]:
    return {name: replay(setting, each.make(setting), room=Room(), seed=1) for name, each in strategies().items()}


def test_the_same_seed_gives_the_same_answer(setting: Setting, outcomes: dict[str, Outcome]) -> None:
    for name in (STOCK, "maibo+pool"):
        again = replay(setting, strategies()[name].make(setting), room=Room(), seed=1)
        assert np.array_equal(again.missed, outcomes[name].missed)
        assert again.scale_ups == outcomes[name].scale_ups


@pytest.fixture(scope="module")
def changed(setting: Setting) -> Setting:
    """Half as much from a moment on."""
    after = WARM_UP_SECONDS + 500
    calls, expected = setting.calls.copy(), setting.expected.copy()
    calls[after:], expected[after:] = calls[after:] // 2, expected[after:] / 2
    return replace(setting, calls=calls, expected=expected)


@pytest.mark.parametrize("name", [name for name in ALL if name not in ("oracle", "static")])
def test_what_is_to_come_changes_nothing_before(
    name: str, setting: Setting, changed: Setting, outcomes: dict[str, Outcome]
) -> None:
    found = replay(changed, strategies()[name].make(changed), room=Room(), seed=1)
    assert np.array_equal(found.pods[:500], outcomes[name].pods[:500])
    assert np.array_equal(found.missed[:500], outcomes[name].missed[:500])


def test_only_the_oracle_and_a_static_peak_are_ready_for_what_nobody_can_know(outcomes: dict[str, Outcome]) -> None:
    lost = {name: figures([each]).lost_share for name, each in outcomes.items()}
    assert lost["oracle"] < 0.001
    assert lost["static"] < 0.001
    assert all(lost[name] > 0.01 for name in (STOCK, "keda", "cron", "day-naive", "maibo"))


def test_each_part_of_ours_helps_in_a_flash_crowd(outcomes: dict[str, Outcome]) -> None:
    missed = {name: figures([outcomes[name]]).missed for name in (STOCK, *OURS)}
    assert missed["maibo"] < missed[STOCK]
    assert missed["maibo+fast"] <= missed["maibo+forecast"] * 1.001
    assert missed["maibo+pool"] < missed["maibo+fast"]
    assert missed["maibo+image"] <= missed["maibo+pool"] * 1.001


def test_numbers_of_a_run_belong_together(outcomes: dict[str, Outcome]) -> None:
    for name, each in outcomes.items():
        assert (each.lost <= each.missed + 1e-9).all(), name
        assert (each.missed <= each.calls * 1.02 + 1e-9).all(), name
        assert (each.ready <= each.pods).all()
        assert (each.pods + each.pool <= each.slots).all()
        assert (each.busy <= each.ready + 1e-9).all()
        found = figures([each])
        assert found.calls == pytest.approx(each.calls.sum())
        worked = each.busy.sum() * LAW.service.per_second
        assert 0.98 * (found.calls - found.lost) <= worked <= 1.02 * found.calls, (
            "work is of requests; of lost ones some, in vain"
        )


def test_a_scale_up_is_cold_where_a_pod_of_it_waited_for_a_node(outcomes: dict[str, Outcome]) -> None:
    done = [each for outcome in outcomes.values() for each in outcome.scale_ups if each.seconds is not None]
    cold, warm = ([each.lasted for each in done if each.cold is wanted] for wanted in (True, False))
    assert min(cold) > max(2.0, float(np.median(warm)))
    assert max(cold) > 60 > max(warm), "a pull is no wait for a node"


def test_the_room_that_scale_ups_need_is_what_they_asked_for_while_none_came_back(
    outcomes: dict[str, Outcome],
) -> None:
    of = outcomes["maibo+fast"]
    wanted = np.full(len(of.wanted), 10.0)
    wanted[300:] = 14.0
    wanted[320:] = 17.0
    wanted[900:] = 18.0
    ups = tuple(ScaleUp(WARM_UP_SECONDS + at, to, 3.0, 3.0) for at, to in ((300, 14), (320, 17), (900, 18)))
    found = figures([replace(of, wanted=wanted, scale_ups=ups)])
    assert found.room == 7
    assert found.room_share == pytest.approx(7 * len(wanted) / of.pods.sum())
    assert figures([replace(of, scale_ups=())]).room == 0


def test_a_world_tells_the_past_alone(setting: Setting) -> None:
    world = World(setting, 10, 10, now=100)
    assert world.calls(90, 10_000) == setting.calls[90:100].sum()
    assert world.calls(-50, 5) == setting.calls[:5].sum()
    assert world.calls(200, 300) == 0


def test_a_strategy_that_needs_more_history_says_so() -> None:
    short = replace(made(1, days=3), rates=np.ones(3 * 1440)).scaled(mean_rate(LAW.service))
    one = setting_of(short, Window(2 * DAY, 2 * DAY + 600, "all"), LAW, seed=1)
    with pytest.raises(Unsuited, match="7 d"):
        strategies()["cron"].make(one)


def test_the_command_prints_one_object_the_same_for_the_same_seed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "hour.txt").write_text("".join(f"{50 + n // 10}\n" for n in range(1_200)), encoding="utf-8")
    asked = ["--trace-dir", str(tmp_path), "--strategies", "hpa-65,oracle,cron,maibo+pool,maibo+image", "--json"]
    assert main([*asked, "--plot", str(tmp_path / "out")]) == 0
    first = capsys.readouterr().out
    assert main([*asked, "--jobs", "2"]) == 0, "however many processes do it"
    assert capsys.readouterr().out == first
    [trace] = json.loads(first)["traces"].values()
    assert trace["strategies"]["cron"] == {"unsuited": "the trace does not reach back 7 d"}
    assert (
        trace["strategies"]["maibo+pool"]["against_stock"]["missed"]["lower"]
        <= trace["strategies"]["maibo+pool"]["against_stock"]["missed"]["upper"]
    )
    assert {goal["what"] for goal in trace["goals"]} >= {"fewer misses than the HPA at 65 %", "no more pod-hours"}
    assert (tmp_path / "out" / "hour-1-all.svg").read_text(encoding="utf-8").startswith("<svg")


def test_the_command_prints_a_table_and_the_goals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "some.txt").write_text("20\n" * 300, encoding="utf-8")
    asked = ["--trace", str(tmp_path / "some.txt"), "--strategies", "hpa-65,maibo+pool"]
    assert main(asked) == 0
    printed, progress = capsys.readouterr()
    assert progress.splitlines() == ["some, all: hpa-65 (1 of 2)", "some, all: maibo+pool (2 of 2)"]
    assert "misses against hpa-65, %" in printed
    assert "what it took" in printed
    assert max(map(len, printed.splitlines())) <= 120
    assert "\u2026" not in printed, "nothing is cut off"
    assert "no more pod-hours" in printed
    assert main([*asked, "--held-out", "3"]) == 0
    assert "some: no day of it is held out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (["--strategies", "magic"], "no strategy magic; there are static"),
        (["--trace", "/nowhere.csv"], "nowhere"),
        (["--set", "luck=1"], "luck"),
    ],
)
def test_a_wrong_question_is_answered_plainly(asked: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*asked]) == 2
    assert told in capsys.readouterr().err.replace("\n", "")
