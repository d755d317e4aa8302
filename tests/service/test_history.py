"""Who burnt a budget, what was counted, and reports: over real HTTP, from a real store, and by the commands that ask for them."""

# ruff: noqa: RUF001 -- a dash for nothing is typography, not a typing error
import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from click.testing import CliRunner

from maibo_alerting import backtest
from maibo_alerting.backtesting.replay import Past
from maibo_alerting.backtesting.replay import backtest as replay
from maibo_alerting.backtesting.showing import print_outcomes
from maibo_slo.cli import cli, client
from maibo_slo.documents import Calendar, Catalogue, Objective
from maibo_slo.service.answers import Span
from maibo_slo.service.history import COUNTS, _periods
from maibo_slo.store import ledger
from maibo_slo.store.cells import Window


def get(service, path: str, **parameters):
    response = service.http.get(path, params=parameters)
    assert response.status_code == 200, response.text
    return json.loads(response.text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def refused(service, status: int, path: str, **parameters) -> str:
    response = service.http.get(path, params=parameters)
    assert response.status_code == status, response.text
    return response.json()["detail"]


def run(service, *arguments: str) -> str:
    result = CliRunner().invoke(cli, [*arguments, "--url", str(service.http.base_url)])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def more(service, monkeypatch) -> None:
    """Other kinds of SLOs in force beside the usual ones, and the ledger's rows of them: one good and one bad in a minute."""
    known = service.runtime._catalogue
    fast = known.slos["checkout-fast"]
    parts = tuple(Objective(name, 0.99, indicator=fast.indicator, weight=0.5) for name in ("works", "fast"))
    monthly = Calendar(1, "M", datetime(2026, 1, 1), "Europe/Berlin")  # noqa: DTZ001 -- a calendar's start has no zone
    one = replace(fast, objectives=(Objective("0.99", 0.99),))
    sliced = (*(replace(part, slice_seconds=60, slice_target=0.9) for part in parts), Objective("composite", 0.99, 60))
    slos = (
        replace(fast, name="weighed", objectives=(*parts, Objective("composite", 0.99))),
        replace(fast, name="sliced", objectives=sliced, method="Timeslices"),
        replace(one, name="tiered", group_by=("tier",)),
        replace(one, name="monthly", calendar=monthly),
    )
    at = int(service.now) // 60 * 60 - 600
    whose = [("weighed", "works", ""), ("sliced", "composite", ""), ("monthly", "0.99", "")]
    whose += [("tiered", "0.99", f"tier={tier}") for tier in ("free", "pro")]
    rows = [ledger.Interval(*each, at, 1, 1, 2, "test") for each in whose]
    ledger.append(service.store, rows, version=1)
    monkeypatch.setattr(
        service.runtime, "_catalogue", Catalogue(known.services, known.journeys, slos={slo.name: slo for slo in slos})
    )


def test_a_composite_without_rows_of_its_own_is_refused_and_names_its_components(service, more) -> None:
    for question in ("counts", "burnt"):
        said = refused(service, 404, f"/v1/slos/weighed/{question}", objective="composite")
        assert "judged from its components" in said
        assert "works, fast" in said
    arguments = ["slo", "backtest", "weighed", "--objective", "composite", "--url", str(service.http.base_url)]
    result = CliRunner().invoke(cli, arguments)
    assert (result.exit_code, "works, fast" in result.output) == (1, True)
    assert "0" not in result.stdout
    assert sum(get(service, "/v1/slos/weighed/counts", objective="works", window="1h")["bad"]) == 1


def test_a_composite_of_slices_has_counts(service, more) -> None:
    told = get(service, "/v1/slos/sliced/counts", objective="composite", window="1h")
    assert (told["good"], told["bad"]) == ([1], [1])
    said = refused(service, 422, "/v1/slos/sliced/counts", objective="composite", window="1h", threshold="1s")
    assert "works, fast" in said
    run(service, "slo", "backtest", "sliced", "--objective", "composite")


def test_a_group_that_is_not_there_is_refused_with_those_that_are(service, more) -> None:
    for question in ("counts", "burnt"):
        path = f"/v1/slos/tiered/{question}"
        assert "no group 'tier=gold'; there are: tier=free, tier=pro" in refused(service, 422, path, group="tier=gold")
        assert "no group 'gold'; there are: tier=free" in refused(service, 422, path, group="gold")
        said = refused(service, 422, path)
        assert "a budget for each tier: say which; there are: tier=free, tier=pro" in said
        assert "''" not in said
    # One that is there, and had no event in the window.
    told = get(service, "/v1/slos/tiered/counts", group="tier=pro", begin=service.now - 7200, end=service.now - 3600)
    assert told["t"] == []
    for group in ((), ("--group", "tier=gold")):
        arguments = ["slo", "backtest", "tiered", *group, "--url", str(service.http.base_url)]
        result = CliRunner().invoke(cli, arguments)
        assert (result.exit_code, "--group: " in result.output, "tier=free" in result.output) == (2, True, True)


def test_a_backtest_says_what_a_window_and_a_threshold_are(service, more) -> None:
    text = run(service, "slo", "backtest", "monthly", "--window", "1M", "--threshold", "1s")
    assert "1 month of the calendar" in text
    assert "30 d, rolling" in text
    assert "as asked, the window rolls" in text
    assert [line.split()[-2:] for line in text.splitlines() if line.strip().startswith("threshold")] == [
        ["500ms", "1s"]
    ]
    alone = run(service, "slo", "backtest", "monthly")
    assert "1 month of the calendar" in alone
    assert "rolls" not in alone
    told = json.loads(run(service, "slo", "backtest", "monthly", "--window", "1M", "--output", "json"))
    assert [told[side]["window_kind"] for side in ("documented", "changed")] == ["calendar", "rolling"]


def test_burnt_budgets_are_shared_among_those_who_burnt_them(service) -> None:
    burnt = get(service, "/v1/slos/checkout-fast/burnt", window="1h")["burnt"]
    # Six were slow and three failed; one that was abandoned is not counted.
    assert (burnt["events"], burnt["bad"], burnt["failed"], burnt["slow"], burnt["abandoned"]) == (99, 9, 3, 6, 0)
    assert burnt["budget_spent"] == pytest.approx(9 / 9.9)
    # Payment failed seven times, journeys three times: it has no more than these three. No SLO says which step is slow.
    assert [(s["value"], s["bad"], s["failed"], s["slow"]) for s in burnt["steps"]] == [
        ("(slow)", 6, 0, 6),
        ("payment", 3, 3, 0),
    ]
    assert burnt["steps"][1]["versions"] == [
        {"service": "payment", "version": "v9", "bad": 3, "share": pytest.approx(1 / 3)}
    ]
    for dimension, parts in burnt["by"].items():
        assert sum(part["bad"] for part in parts) + burnt["rest"][dimension] == 9, dimension
        assert sum(part["share"] for part in parts) == pytest.approx(1), dimension
    assert burnt["by"]["tier"] == [{"value": "standard", "bad": 9, "share": 1.0}]
    assert {part["value"]: part["bad"] for part in burnt["by"]["reason"]} == {"": 3, "(slow)": 6}


def test_an_objective_that_is_not_there_is_told(service) -> None:
    assert "'0.9', '0.99'" in refused(service, 422, "/v1/slos/checkout-fast/burnt", objective="0.5").replace(
        "0.9, 0.99", "'0.9', '0.99'"
    )
    assert "no document" in refused(service, 404, "/v1/slos/nothing/burnt")
    assert "no group" in refused(service, 422, "/v1/slos/checkout-fast/burnt", group="tier=gold")


def test_counts_are_those_of_the_ledger(service) -> None:
    told = get(service, "/v1/slos/checkout-fast/counts", window="1h", objective="0.99")
    assert (told["source"], told["step"], told["target"]) == ("ledger", 60, 0.99)
    assert (sum(told["good"]), sum(told["bad"])) == (90, 9)
    assert all(good + bad > 0 for good, bad in zip(told["good"], told["bad"], strict=True))
    assert told["t"] == sorted(told["t"])
    hours = get(service, "/v1/slos/checkout-fast/counts", window="1h", step="3600")
    assert (sum(hours["good"]), sum(hours["bad"])) == (90, 9)


def test_counts_at_the_documents_own_threshold_are_the_ledgers(service) -> None:
    ledger = get(service, "/v1/slos/checkout-fast/counts", window="1h")
    again = get(service, "/v1/slos/checkout-fast/counts", window="1h", threshold="500ms")
    assert again.pop("source") == "cells"
    assert ledger.pop("source") == "ledger"
    assert again == ledger


def test_counts_at_another_threshold_are_counted_again(service) -> None:
    counted = {}
    for threshold in ("80ms", "150ms", "1s"):
        told = get(service, "/v1/slos/checkout-fast/counts", window="1h", threshold=threshold)
        counted[threshold] = sum(told["good"]), sum(told["bad"])
    assert counted == {"80ms": (0, 99), "150ms": (60, 39), "1s": (96, 3)}
    vip = get(service, "/v1/slos/checkout-fast/counts", window="1h", tier="vip")
    assert (sum(vip["good"]), sum(vip["bad"])) == (30, 0)


def test_counts_that_cannot_be_had_are_refused_with_the_reason(service) -> None:
    path = "/v1/slos/checkout-fast/counts"
    assert "ask for hours" in refused(service, 422, path, window="101d")
    assert "35 days" in refused(service, 422, path, window="36d", threshold="1s")
    assert "exactly" in refused(service, 422, path, threshold="123456us")
    assert "300ms" in refused(service, 422, path, threshold="quick")


def test_a_report_has_a_row_for_each_objective(service) -> None:
    report = get(service, "/v1/report", window="1d")["report"]
    assert [(row["slo"], row["objective"], row["verdict"]) for row in report["rows"]] == [
        ("checkout-fast", "0.9", "met"),
        ("checkout-fast", "0.99", "missed"),
        ("silent-works", "0.999", "no_data"),
    ]
    strict = report["rows"][1]
    assert strict["attainment"] == pytest.approx(90 / 99)
    assert strict["budget_spent"] == pytest.approx(9 / 0.99)
    assert strict["before"] == {"attainment": None, "budget_spent": None}
    assert strict["alerts"]["spent_outside"] == 1.0
    silent = report["rows"][2]
    assert (silent["attainment"], silent["budget_spent"], silent["coverage"]) == (None, None, 0.0)


def test_the_command_writes_every_format(service, tmp_path) -> None:
    text = run(service, "report", "--period", "week")
    assert "# SLO report" in text
    assert "The period is not over" in text
    assert "| checkout-fast 0.99 | 99 % | 90.909 % | 909 % |" in text
    assert "| silent-works 0.999 | 99.9 % | – | – |" in text
    rows = list(csv.DictReader(io.StringIO(run(service, "report", "--period", "week", "--format", "csv"))))
    assert [row["verdict"] for row in rows] == ["met", "missed", "no_data"]
    assert rows[2]["attainment"] == ""
    assert json.loads(run(service, "report", "--format", "json"))["rows"][1]["bad"] == 9
    page = tmp_path / "week.html"
    assert run(service, "report", "--period", "week", "--by", "journey", "--out", str(page)) == ""
    html = page.read_text()
    assert html.startswith("<!doctype html>")
    assert "<script" not in html
    assert "http" not in html


def test_a_backtest_says_what_another_objective_would_have_left(service) -> None:
    told = json.loads(
        run(service, "slo", "backtest", "checkout-fast", "--target", "95", "--threshold", "1s", "--output", "json")
    )
    assert (told["documented"]["good"], told["documented"]["bad"]) == (90, 9)
    assert (told["changed"]["good"], told["changed"]["bad"]) == (96, 3)
    assert told["documented"]["budget_remaining"] == pytest.approx(1 - 9 / 9.9)
    assert told["changed"]["budget_remaining"] == pytest.approx(1 - 3 / (0.05 * 99))
    assert told["documented"]["pages"] == 0
    text = run(service, "slo", "backtest", "checkout-fast", "--target", "95")
    assert "as documented" in text
    assert "as asked" in text


def test_what_lies_beyond_the_days_that_are_read_is_told(capsys) -> None:
    begin, end = datetime(2026, 1, 10, tzinfo=UTC), datetime(2026, 1, 20, tzinfo=UTC)
    nothing = Past(*(np.empty(0, dtype=np.int64) for _ in range(3)))
    first, last = (int(at.timestamp()) for at in (begin, end))
    outcome = replay(nothing, target=0.999, window_seconds=30 * 86_400, begin=first, end=last)
    said = {}
    for days, periods in ((30, []), (8, []), (8, [first - 40 * 86_400, first - 5 * 86_400, last])):
        window = Span(begin=end - timedelta(days=days + 5), end=end, seconds=(days + 5) * 86_400)
        told = COUNTS.model_copy(update={"window": window, "window_seconds": 30 * 86_400, "periods": periods})
        print_outcomes(told, told, outcome, None, threshold=None)
        said[days, bool(periods)] = "reaches back" in capsys.readouterr().out
    assert said == {(30, False): False, (8, False): True, (8, True): True}


def test_a_shorter_window_that_is_asked_for_takes_nothing_from_the_documents(service, monkeypatch) -> None:
    asked = []

    def ask_and_note(url, path, model, parameters):
        asked.append(parameters)
        return client.ask(url, path, model, parameters)

    monkeypatch.setattr(backtest, "ask", ask_and_note)
    begin = int(datetime.now(UTC).timestamp()) - 3600
    run(service, "slo", "backtest", "checkout-fast", "--window", "4d", "--from", str(begin))
    assert begin - int(asked[-1]["begin"]) == pytest.approx(28 * 86_400, abs=60)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["report", "--from", "yesterday"], "--from: 'yesterday' is no time"),
        (["report", "--to", "2026-01-01T00:00Z"], "--to needs --from"),
        (["report", "--period", "day", "--from", "1"], "leave out --period or --from"),
        (["report", "--out", "october.pdf"], "no report is written as .pdf: say --format"),
        (["slo", "backtest", "checkout-fast", "--from", "soon"], "'soon' is no time"),
        (["slo", "backtest", "checkout-fast", "--objective", "0.5"], "no objective '0.5'"),
        (
            ["slo", "backtest", "checkout-fast", "--threshold", "301ms"],
            "--threshold: 301ms is not counted exactly; use 300ms or 305ms",
        ),
        (["slo", "backtest", "checkout-fast", "--from", "2026-01-01T00:00Z", "--to", "2026-06-01T00:00Z"], "100 days"),
    ],
)
def test_commands_that_are_used_wrongly_say_what_is_wrong(service, arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(cli, [*arguments, "--url", str(service.http.base_url)])
    assert result.exit_code == 2
    assert said in result.output


def test_a_report_that_cannot_be_written_says_why(service, tmp_path) -> None:
    where = tmp_path / "nowhere" / "report.html"
    result = CliRunner().invoke(cli, ["report", "--out", str(where), "--url", str(service.http.base_url)])
    assert result.exit_code == 1
    assert "cannot write" in result.output


def test_the_calendars_windows_that_touch_the_counts_are_told() -> None:
    months = Calendar(1, "M", datetime(2026, 1, 1), "Europe/Berlin")  # noqa: DTZ001 -- a calendar's start has no zone
    begin, end = (int(datetime(2026, month, 15, tzinfo=UTC).timestamp()) for month in (2, 4))
    told = [datetime.fromtimestamp(at, UTC).isoformat() for at in _periods(months, Window(begin, end))]
    assert told == [
        "2026-01-31T23:00:00+00:00",
        "2026-02-28T23:00:00+00:00",
        "2026-03-31T22:00:00+00:00",
        "2026-04-30T22:00:00+00:00",
    ]
    assert _periods(None, Window(begin, end)) == []
