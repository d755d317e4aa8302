"""``/metrics``: numbers, absence, and what promtool thinks of it."""

import shutil
import subprocess
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from maibo_slo.engine.burn import Counts
from maibo_slo.service.metrics import SloCollector


@pytest.fixture
def samples(service) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = service.http.get("/metrics").text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def labels(objective: str = "0.99", slo: str = "checkout-fast", **more: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted({"slo": slo, "objective": objective, "service": "shop", "group": "", **more}.items()))


def test_every_number_of_an_objective_is_there(samples) -> None:
    assert samples["maibo_slo_objective_ratio", labels()] == 0.99
    assert samples["maibo_slo_good_events", labels()] == 90
    assert samples["maibo_slo_bad_events", labels()] == 9
    assert samples["maibo_slo_error_budget_remaining_ratio", labels()] == pytest.approx(1 - 9 / 0.99)
    assert samples["maibo_slo_burn_rate", labels(window="1h")] == pytest.approx(9 / 99 / 0.01)
    assert samples["maibo_slo_burn_bad_events", labels(window="1h")] == 9
    assert samples["maibo_slo_burn_events", labels(window="1h")] == 99
    assert samples["maibo_slo_burn_factor", labels(window="1h")] == pytest.approx(2 * 28 * 24 / 100)
    assert samples["maibo_slo_journey_info", (("journey", "checkout"), ("slo", "checkout-fast"))] == 1
    assert samples["maibo_slo_coverage_ratio", labels()] == pytest.approx(2 / (28 * 1440))
    assert samples["maibo_slo_age_seconds", labels()] >= 0


def test_whether_a_pair_that_alerts_is_reached_is_told_by_its_long_window(samples) -> None:
    assert samples["maibo_slo_burn_rate", labels(window="1h")] > 9
    told = {dict(at)["window"]: value for (name, at), value in samples.items() if name == "maibo_slo_burn_reached"}
    assert told == dict.fromkeys(("1h", "6h", "1d", "3d"), 0.0), "two minutes after the first event"
    silent = labels("0.999", "silent-works", window="1h")
    assert ("maibo_slo_burn_reached", silent) not in samples


def test_a_burn_rate_has_an_interval_and_time_without_data_is_told(samples) -> None:
    ends = [samples[f"maibo_slo_burn_rate{end}", labels(window="1h")] for end in ("_lower", "", "_upper")]
    assert ends == sorted(ends)
    assert ends[0] < ends[1] < ends[2]
    covered = samples["maibo_slo_coverage_ratio", labels()] * 28 * 86_400
    assert samples["maibo_slo_no_data_seconds", labels()] + covered == pytest.approx(28 * 86_400)
    assert samples["maibo_slo_policy_state", labels(state="healthy")] == 1
    assert ("maibo_slo_burn_rate_lower", labels("0.999", "silent-works", window="5m")) not in samples


def test_groups_have_series_of_their_own_and_a_composite_has_no_counts(service) -> None:
    snapshot = service.runtime.engine.snapshot()
    one = snapshot.observed[0]
    gold, free = (replace(one, group=f"tier={tier}") for tier in ("gold", "free"))
    whole = replace(
        one, objective=replace(one.objective, name="composite"), own=Counts(0, 0, 0), counts={}, parts=(one,)
    )
    told = replace(snapshot, observed=(gold, free, whole))
    samples = {
        (sample.name, sample.labels["group"], sample.labels["objective"]): sample.value
        for family in SloCollector(lambda: told, now=lambda: snapshot.evaluated_at).collect()
        for sample in family.samples
        if "group" in sample.labels
    }
    name = one.objective.name
    assert samples["maibo_slo_bad_events", "tier=gold", name] == samples["maibo_slo_bad_events", "tier=free", name] == 9
    assert ("maibo_slo_bad_events", "", "composite") not in samples
    assert ("maibo_slo_burn_events", "", "composite") not in samples
    assert ("maibo_slo_attainment_ratio", "", "composite") in samples


def test_the_state_is_one_hot(samples) -> None:
    states = {
        dict(at)["state"]: value
        for (name, at), value in samples.items()
        if name == "maibo_slo_state" and dict(at)["objective"] == "0.99"
    }
    assert sum(states.values()) == 1
    assert set(states) == {"ok", "burning", "burning_fast", "exhausted", "no_data", "stale"}


def test_what_has_no_data_is_absent_and_never_nan(samples) -> None:
    silent = labels("0.999", "silent-works")
    assert ("maibo_slo_attainment_ratio", silent) not in samples
    assert ("maibo_slo_burn_rate", labels("0.999", "silent-works", window="5m")) not in samples
    assert samples["maibo_slo_state", labels("0.999", "silent-works", state="no_data")] == 1
    assert all(value == value for value in samples.values())


def test_an_engine_that_stands_still_leaves_no_old_burn_rate_behind(service) -> None:
    snapshot = service.runtime.engine.snapshot()

    def names(now: float) -> set[str]:
        return {
            sample.name
            for family in SloCollector(lambda: snapshot, now=lambda: now).collect()
            for sample in family.samples
        }

    counted = {
        "maibo_slo_burn_rate",
        "maibo_slo_burn_reached",
        "maibo_slo_attainment_ratio",
        "maibo_slo_error_budget_remaining_ratio",
    }
    assert counted <= names(snapshot.evaluated_at + 5)
    assert not counted & names(snapshot.evaluated_at + 3600)
    assert {"maibo_slo_state", "maibo_slo_objective_ratio"} <= names(snapshot.evaluated_at + 3600)


def test_the_services_own_health_is_there(samples) -> None:
    assert samples["maibo_part_up", (("part", "engine"),)] == 1
    assert samples["maibo_ingest_spans_total", (("result", "counted"),)] == 301
    assert samples["maibo_slo_evaluation_age_seconds", ()] >= 0
    assert samples["maibo_slo_evaluation_backlog", ()] == 0


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool (Debian package prometheus)")
def test_promtool_finds_nothing_wrong(service) -> None:
    text = service.http.get("/metrics").text
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=text, text=True, check=False, capture_output=True, timeout=30
    )
    ours = [line for line in (checked.stdout + checked.stderr).splitlines() if line.startswith("maibo")]
    assert ours == []
    assert "error" not in checked.stderr.lower()


def test_openmetrics_is_spoken_when_asked_for(service) -> None:
    response = service.http.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert response.headers["content-type"].startswith("application/openmetrics-text")
    assert response.text.endswith("# EOF\n")


def test_what_came_in_is_said_to_be_more_than_spans(service) -> None:
    said = service.http.get("/metrics").text
    assert "# HELP maibo_ingest_spans_total Spans, log records and data points" in said
