"""What the demo says at its end, and in between."""

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from maibo_slo.demo.clocks import P99
from maibo_slo.demo.judgement import Judgement, Row, Spans, StepRow
from maibo_slo.demo.report import Report
from maibo_slo.demo.show import Lines, LiveTable, Moment, final, milliseconds, screen
from maibo_slo.demo.watch import Burnt

ROW = Row(
    journey="checkout",
    tier="standard",
    requests_seen=660,
    requests_told=660,
    seen={"success": 203, "failure": 7, "abandoned": 10},
    told={"success": 203, "failure": 7, "abandoned": 10},
    p99=P99((653_000.0, 653_000.0), 655_000.0),
)
CHARGE = StepRow(
    service="payment",
    version="1.1.0",
    journey="checkout",
    step="charge",
    written={"success": 40, "failure": 7},
    told={"success": 40, "failure": 7},
    p99=P99((640_000.0, 641_000.0), 645_000.0),
)
MOMENT = Moment(
    phase="flash sale",
    elapsed=17.0,
    duration=60.0,
    requests_per_second=81.2,
    journeys=303,
    failures=2,
    counted=281,
    p99_us={"browse": 21_300.0, "checkout": None},
    states={("checkout-fast", "0.99"): "burning_fast", ("browse-fast", "0.99"): "ok"},
)


@pytest.fixture
def report() -> Report:
    spans = Spans(expected=2436, ended=2436, accepted=2436, counted=2436, rejected=0)
    return Report(
        judgement=Judgement(rows=[ROW], steps=[CHARGE], requests=660, counted=660, spans=spans),
        freshness_seconds=[1.0, 1.2, 2.0],
        burnt=[
            Burnt("checkout-fast", "0.99", 104.6, "burning_fast"),
            Burnt("browse-fast", "0.99", 98.0, "burning"),
        ],
        released_at=100.0,
        seconds=60.0,
        seed=1,
        address="http://127.0.0.1:8080",
    )


def printed(report: Report, *, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width)
    final(console, report)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_both_accounts_stand_side_by_side_in_80_columns(report: Report):
    text = printed(report)
    (line,) = [each for each in text.splitlines() if each.startswith("checkout ")]
    assert line.split() == [
        *("checkout", "standard", "660/660", "220/220", "7/7", "10/10", "653", "ms", "655", "ms", "0.31%"),
    ]
    (line,) = [each for each in text.splitlines() if each.startswith("payment ")]
    assert line.split() == ["payment", "1.1.0", "charge", "47/47", "7/7", "641", "ms", "645", "ms"]
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    assert "The two accounts agree." in text


def test_a_burn_is_told_with_the_time_it_was_seen(report: Report):
    text = printed(report)
    assert "4.6 s after the bad release" in text
    assert "2.0 s before the bad release" in text
    assert "No SLO burned." in printed(replace(report, burnt=[]))


def test_a_burn_that_maibo_itself_would_not_tell_yet_is_marked(report: Report):
    held, real = replace(report.burnt[0], held_back=True), report.burnt[1]
    text = printed(replace(report, burnt=[held, real]))
    assert "burning fast* 4.6 s after the bad release" in text
    assert "burning       2.0 s before the bad release" in text
    assert "\n* held back: maibo serve says OK for a service's first six minutes or longer\n" in text
    assert max(map(len, text.splitlines())) <= 80
    assert "held back" not in printed(replace(report, burnt=[real]))


def test_a_run_that_is_too_short_to_burn_says_so(report: Report):
    text = " ".join(printed(replace(report, burnt=[], seconds=20.0)).split())
    assert (
        "No SLO burned: 20 s have too few journeys to tell a burn from chance. Without --duration it is 60 s." in text
    )


def test_a_disagreement_is_told_in_full_even_when_it_is_long(report: Report):
    where = (
        "checkout, standard, success: customers saw 203, the services wrote down 203, [maibo] counts 202, " + "x" * 90
    )
    judged = replace(report.judgement, disagreements=(where,), spans=replace(report.judgement.spans, lost=1))
    text = printed(replace(report, judgement=judged))
    assert where in text
    assert "The two accounts disagree:" in text
    assert "1 lost, 0 duplicated" in text


def test_the_json_object_has_what_is_promised_and_no_nan(report: Report):
    told = json.loads(json.dumps(report.as_json(), allow_nan=False))
    assert {name: told[name] for name in ("requests", "counted", "lost", "duplicated")} == {
        "requests": 660,
        "counted": 660,
        "lost": 0,
        "duplicated": 0,
    }
    assert told["p99_error_max"] == pytest.approx(2 / 653)
    assert (told["freshness_p50_s"], told["freshness_p99_s"]) == (1.2, 2.0)
    (step,) = told["steps"]
    assert step["services"] == step["maibo"] == {"success": 40, "failure": 7}
    assert step["p99_exact_between_us"] == [640_000.0, 641_000.0]
    assert [each["seen_after_release_s"] for each in told["slos_burnt"]] == pytest.approx([4.6, -2.0])


def test_what_has_no_data_is_null(report: Report):
    nothing = replace(ROW, p99=P99(None, None))
    empty = replace(report, freshness_seconds=[], judgement=replace(report.judgement, rows=[nothing]))
    told = empty.as_json()
    assert (told["p99_error_max"], told["freshness_p50_s"], told["freshness_p99_s"]) == (None, None, None)
    assert "visible" not in printed(empty)


def test_in_a_pipe_progress_is_plain_lines_one_a_phase():
    console = Console(file=io.StringIO(), width=80)
    with screen(console) as lines:
        assert isinstance(lines, Lines)
        for moment in (MOMENT, replace(MOMENT, elapsed=17.5), replace(MOMENT, phase="bad release", elapsed=24.0)):
            lines.show(moment)
    text = console.file.getvalue()
    assert len(text.splitlines()) == 2
    assert "flash sale" in text
    assert "checkout-fast: burning_fast" in text
    assert "browse-fast" not in text
    assert "\x1b" not in text


def test_a_phase_without_a_rate_of_its_own_yet_shows_a_dash():
    console = Console(file=io.StringIO(), width=80)
    with screen(console) as lines:
        lines.show(replace(MOMENT, requests_per_second=None))
    assert "flash sale            - requests/s" in console.file.getvalue()


def test_on_a_terminal_progress_is_a_table_that_is_drawn_anew():
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    with screen(console) as table:
        assert isinstance(table, LiveTable)
        table.show(MOMENT)
        table.say("the last customer has left")
    text = console.file.getvalue()
    assert "burning fast" in text
    assert "the last customer has left" in text


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (945.0, "0.945 ms"), (34_211.0, "34.2 ms"), (1_234_567.0, "1,235 ms")]
)
def test_durations_have_three_digits(value: float | None, text: str):
    assert milliseconds(value) == text
