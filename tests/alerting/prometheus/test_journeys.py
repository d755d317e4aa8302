"""The rule file of the journeys, and its tests, as Prometheus itself reads and evaluates them."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import yaml

from maibo_alerting.plugin import generate, plugin
from maibo_slo.documents import COMPOSITE, Catalogue
from maibo_slo.engine.burn import BURN_WINDOWS, Counts, burn_rate
from maibo_slo.engine.snapshot import Snapshot
from maibo_slo.engine.state import Observed, assess
from maibo_slo.service.metrics import SloCollector

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from maibo_slo.documents import Slo

NOW = 1_767_225_600
DAY = 86_400
HEALTHY = {"maibo_slo_evaluation_age_seconds": 5.0}


def observed(
    slo: Slo, *, bad_percent: Mapping[str, float], events_per_hour: int = 6_000, age: int = 30
) -> dict[str, float]:
    """The series that maibo's own /metrics has for these counts: real judgement, real names, real labels."""
    counts = {
        seconds: Counts(
            good=(events := events_per_hour * seconds // 3600)
            - (bad := round(events * bad_percent.get(name, 0) / 100)),
            bad=bad,
            observed_minutes=seconds // 60 if events else 0,
        )
        for name, seconds in (*BURN_WINDOWS.items(), ("window", slo.window_seconds))
    }
    seen = tuple(
        Observed(
            slo, objective, counts, counts[slo.window_seconds], first_t=NOW - slo.window_seconds, last_t=NOW - 60 - age
        )
        for objective in slo.objectives
    )
    return scraped(Snapshot(evaluated_at=NOW - 5, duration_seconds=0.1, observed=seen))


def scraped(snapshot: Snapshot) -> dict[str, float]:
    series = {}
    for metric in SloCollector(lambda: snapshot, now=lambda: NOW).collect():
        for sample in metric.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in {**sample.labels, "instance": "a:8080"}.items())
            series[f"{sample.name}{{{labels}}}"] = sample.value
    return series


def steady(bad_percent: float) -> dict[str, float]:
    return dict.fromkeys([*BURN_WINDOWS, "window"], bad_percent)


def test_prometheus_accepts_the_rules_without_a_single_lint(slo: Callable, rules: Callable, check: Callable) -> None:
    labels = {
        "team": ("checkout",),
        "tier-1/x": ("a", "b"),
        "severity": ("mine",),
        "9lives": ("cat",),
        "odd": ("{{ $value }}",),
    }
    text = rules(
        slo("fast", targets=[0.99, 0.999], days=28, labels=labels),
        slo("short", targets=[0.9], days=1),
        slo("hour", targets=[0.5], days=1 / 24),
        slo("minutes", targets=[0.05], days=1 / 48),
    )
    check(text)
    groups = yaml.safe_load(text)["groups"]
    assert [group["name"] for group in groups] == ["maibo-fast", "maibo-hour", "maibo-minutes", "maibo-short", "maibo"]
    first = groups[0]["rules"][0]["labels"]
    assert (
        first | {"team": "checkout", "tier_1_x": "a,b", "severity": "page", "slo": "fast", "journey": "checkout"}
        == first
    )
    assert "9lives" not in first


def test_prometheus_accepts_the_rules_of_no_documents(rules: Callable, check: Callable) -> None:
    check(rules())


def test_the_same_documents_give_the_same_bytes(slo: Callable, rules: Callable) -> None:
    one, two = slo("one", targets=[0.9], days=7), slo("two", targets=[0.99], days=28)
    assert rules(one, two) == rules(two, one)


def test_what_was_fitted_or_left_out_stands_in_the_file(slo: Callable, rules: Callable) -> None:
    text = rules(slo("low", targets=[0.9], days=28), slo("short", targets=[0.99], days=1))
    assert "# low 0.9: page over 1h: factor 13.44 lowered to 9:" in text
    assert "# short: no ticket over 3d, which is longer than the SLO's 1 days" in text


def test_an_outage_pages(slo: Callable, rules: Callable, firing: Callable) -> None:
    checkout = slo("checkout", targets=[0.99], days=28)
    outage = {"5m": 100.0, "30m": 100.0, "1h": 50.0, "2h": 25.0, "6h": 8.0, "1d": 2.0, "3d": 0.7, "window": 0.1}
    assert firing(rules(checkout), observed(checkout, bad_percent=outage)) == [("MaiboBudgetBurn", "page", "0.99")]


def test_a_slow_leak_is_a_ticket(slo: Callable, rules: Callable, firing: Callable) -> None:
    checkout = slo("checkout", targets=[0.99], days=28)
    assert firing(rules(checkout), observed(checkout, bad_percent=steady(3.0))) == [
        ("MaiboBudgetBurn", "ticket", "0.99")
    ]


@pytest.mark.parametrize("days", [7, 28, 90])
def test_a_sustainable_burn_is_silent(slo: Callable, rules: Callable, firing: Callable, days: int) -> None:
    checkout = slo("checkout", targets=[0.99, 0.95], days=days)
    assert firing(rules(checkout), observed(checkout, bad_percent=steady(0.95))) == []


def test_a_burn_that_stopped_is_silent(slo: Callable, rules: Callable, firing: Callable) -> None:
    checkout = slo("checkout", targets=[0.99], days=28)
    over = {"1h": 50.0, "2h": 25.0, "6h": 8.0, "30m": 0.0, "5m": 0.0, "1d": 2.0}
    assert firing(rules(checkout), observed(checkout, bad_percent=over)) == []


def test_two_failures_in_a_quiet_night_are_silent_and_the_third_pages(
    slo: Callable, rules: Callable, firing: Callable
) -> None:
    checkout = slo("checkout", targets=[0.999], days=28)

    def night(failures: int) -> dict[str, float]:
        percent = {"5m": 50.0, "30m": 100 * failures / 12, "1h": 100 * failures / 24, "6h": 100 * failures / 144}
        return observed(checkout, bad_percent=percent, events_per_hour=24)

    burning = [name for name, value in night(2).items() if name.startswith("maibo_slo_burn_rate{") and value > 13.44]
    assert len(burning) == 4, "the ratios alone would page"
    assert firing(rules(checkout), night(2)) == []
    assert firing(rules(checkout), night(3)) == [("MaiboBudgetBurn", "page", "0.999")]


def test_a_services_first_minutes_are_silent_until_there_is_enough_to_judge(
    slo: Callable, rules: Callable, firing: Callable
) -> None:
    checkout = slo("checkout", targets=[0.99], days=28)

    def after(minutes: int) -> dict[str, float]:
        counts = {
            seconds: Counts(50 * minutes, 50 * minutes, minutes)
            for seconds in (*BURN_WINDOWS.values(), checkout.window_seconds)
        }
        own = counts[checkout.window_seconds]
        seen = Observed(checkout, checkout.objectives[0], counts, own, first_t=NOW - minutes * 60, last_t=NOW - 60)
        return scraped(Snapshot(evaluated_at=NOW, observed=(seen,)))

    assert firing(rules(checkout), after(3)) == []
    # Half of what came is bad, 50 times what the budget lasts for; but of a whole hour's events it is 7 %, and the factor wants 13.
    assert firing(rules(checkout), after(8)) == []
    assert firing(rules(checkout), after(18)) == [("MaiboBudgetBurn", "page", "0.99")]


@pytest.mark.parametrize(
    ("bad", "minutes", "days", "is_paged"),
    [
        (2_500, 22, 28, False),  # not enough for the whole hour
        (2_500, 60, 28, True),
        (2_500, 5, 28, False),  # too soon
        (2, 60, 28, False),  # too few
        (12, 60, 28, False),  # by chance
        (13, 60, 7, True),
    ],
)
def test_prometheus_pages_when_the_state_is_burning_fast_and_only_then(
    slo: Callable, rules: Callable, firing: Callable, bad: int, minutes: int, days: int, is_paged: bool
) -> None:
    checkout = slo("checkout", targets=[0.99], days=days)
    events = 16_000 if bad > 1_000 else round(bad / 0.15)

    def over(seconds: int) -> Counts:
        share = min(1.0, seconds / 60 / minutes)
        return Counts((events - bad) * share, bad * share, min(minutes, seconds // 60))

    counts = {seconds: over(seconds) for seconds in (*BURN_WINDOWS.values(), checkout.window_seconds)}
    own, first_t = counts[checkout.window_seconds], NOW - minutes * 60
    if minutes == 60:  # as it has been for long, but for the last hour
        own = Counts(own.good * 24 * days, own.bad, 1_440 * days)
        first_t = NOW - checkout.window_seconds
    seen = Observed(checkout, checkout.objectives[0], counts, own, first_t=first_t, last_t=NOW - 60)
    assert (burn_rate(over(3_600).good, over(3_600).bad, target=0.99) or 0) > 13.44
    assert (assess(seen, now=NOW, evaluated_at=NOW).state == "burning_fast") == is_paged
    paged = ("MaiboBudgetBurn", "page", "0.99") in firing(
        rules(checkout), scraped(Snapshot(evaluated_at=NOW, observed=(seen,)))
    )
    assert paged == is_paged


def test_a_low_target_still_pages_when_nearly_everything_fails(
    slo: Callable, rules: Callable, firing: Callable
) -> None:
    rough = slo("rough", targets=[0.9], days=28)
    assert firing(rules(rough), observed(rough, bad_percent={"5m": 95.0, "1h": 95.0})) == [
        ("MaiboBudgetBurn", "page", "0.9")
    ]


def test_two_instances_of_maibo_fire_once(slo: Callable, rules: Callable, firing: Callable) -> None:
    checkout = slo("checkout", targets=[0.99], days=28)
    series = observed(checkout, bad_percent=steady(60.0))
    other = {name.replace("a:8080", "b:8080"): value * 0.99 for name, value in series.items()}
    assert firing(rules(checkout), series | other) == [
        ("MaiboBudgetBurn", "page", "0.99"),
        ("MaiboBudgetBurn", "ticket", "0.99"),
    ]


def test_an_objective_without_new_events_is_told(slo: Callable, rules: Callable, firing: Callable) -> None:
    checkout = slo("checkout", targets=[0.99], days=28)
    assert firing(rules(checkout), observed(checkout, bad_percent={}, age=1_700)) == []
    assert firing(rules(checkout), observed(checkout, bad_percent={}, age=1_900)) == [("MaiboNoData", "ticket", "0.99")]


def test_an_objective_that_never_had_an_event_is_told_and_does_not_burn(
    slo: Callable, rules: Callable, firing: Callable
) -> None:
    checkout = slo("checkout", targets=[0.99], days=28)
    seen = Observed(checkout, checkout.objectives[0], {}, Counts(0, 0, 0), first_t=None, last_t=None)
    series = scraped(Snapshot(evaluated_at=NOW, observed=(seen,)))
    assert firing(rules(checkout), series) == [("MaiboNoData", "ticket", "0.99")]


def test_a_maibo_that_is_gone_or_stuck_pages(slo: Callable, rules: Callable, firing: Callable) -> None:
    checkout = slo("checkout", targets=[0.99], days=28)
    text = rules(checkout)
    assert firing(text, {}) == [("MaiboNoData", "ticket", "0.99"), ("MaiboNotEvaluating", "page", "")]
    stuck = scraped(replace(Snapshot(), evaluated_at=NOW - 300.0))
    assert ("MaiboNotEvaluating", "page", "") in firing(text, stuck)
    assert firing(rules(), HEALTHY) == []


def test_names_are_quoted(slo: Callable, rules: Callable, check: Callable) -> None:
    odd = slo("odd", targets=[0.99], days=28)
    objective = replace(odd.objectives[0], name='99 % "of\\ all" {{ $value }} 结账')
    text = rules(replace(odd, objectives=(objective,)))
    check(text)
    expressions = [rule["expr"] for rule in yaml.safe_load(text)["groups"][0]["rules"]]
    assert all('objective="99 % \\"of\\\\ all\\" {{ $value }} 结账"' in expression for expression in expressions)


def test_every_metric_and_label_in_the_rules_is_on_the_metrics_page(slo: Callable, rules: Callable) -> None:
    checkout = slo("checkout", targets=[0.99], days=28)
    series = observed(checkout, bad_percent=steady(1.0))
    there = {
        name: set(re.findall(r'(\w+)="', labels)) for name, labels in (one.rstrip("}").split("{") for one in series)
    }
    windows = {window for one in series for window in re.findall(r'window="(\w+)"', one)}
    text = rules(checkout)
    asked = re.findall(
        r"(maibo_\w+)(?:\{([^}]*)\})?", "\n".join(re.findall(r"^ +(?:and )?\(?max.*|absent.*", text, re.MULTILINE))
    )
    assert len({name for name, _ in asked}) == 4
    for name, labels in asked:
        assert set(re.findall(r'(\w+)="', labels)) <= there[name]
        assert set(re.findall(r'window="(\w+)"', labels)) <= windows


@pytest.fixture
def tested(slo: Callable, tmp_path: Path) -> Path:
    """The rules of SLOs of every kind, and their tests beside them; the test file."""
    plain = slo("plain", targets=[0.99, 0.9], days=28, labels={"team": ("a",)})
    odd = replace(plain.objectives[0], name='99 % "of\\ all" {{ $value }} 结账')
    parts = (replace(odd, name="pay", indicator=plain.indicator), replace(odd, name="ship", indicator=plain.indicator))
    slos = [
        plain,
        slo("day", targets=[0.95], days=1),
        slo("rough", targets=[0.05], days=1 / 48),
        replace(plain, name="odd", objectives=(odd,)),
        replace(plain, name="grouped", group_by=("tier", "region"), labels={"group": ("mine",)}),
        replace(plain, name="slices", method="Timeslices", objectives=(replace(odd, slice_seconds=3_600),)),
        replace(plain, name="whole", objectives=(*parts, replace(odd, name=COMPOSITE))),
    ]
    for artefact in generate(Catalogue(slos={one.name: one for one in slos})):
        (tmp_path / artefact.path.rsplit("/", 1)[-1]).write_text(artefact.text)
    return tmp_path / "maibo_test.yaml"


def test_every_rule_passes_the_test_beside_it(tested: Path, promtool_says: Callable[..., str]) -> None:
    assert promtool_says("test", "rules", str(tested)) == ""


@pytest.mark.parametrize(
    ("written", "broken"),
    [
        (r"> 13\.44\n", "> 14\n"),
        (r"== 1\n", ">= 0\n"),
        (r'window="5m"', 'window="30m"'),
        (r"objective, group\)", "objective)"),
        (r'(reached\{.*window=)"6h"', r'\1"1d"'),
        (r"> 5400\n", "> 1800\n"),
        (r"absent\(maibo_slo_age", "sum(maibo_slo_age"),
        (r"absent\(maibo_slo_eval", "sum(maibo_slo_eval"),
        (r"objective: pay", "objective: ship"),
    ],
    ids=[
        "late",
        "unguarded",
        "wrong window",
        "ungrouped",
        "another pair's judgement",
        "slices",
        "untold",
        "alone",
        "wrong label",
    ],
)
def test_tests_of_journeys_find_rules_that_are_wrong(
    tested: Path, promtool_says: Callable[..., str], written: str, broken: str
) -> None:
    path = tested.with_name("maibo.rules.yaml")
    text, changed = re.subn(written, broken, path.read_text())
    assert changed
    path.write_text(text)
    assert "FAILED" in promtool_says("test", "rules", str(tested))


def test_a_composite_of_events_has_no_alert_of_its_own(tested: Path) -> None:
    groups = {
        one["name"]: one["rules"] for one in yaml.safe_load(tested.with_name("maibo.rules.yaml").read_text())["groups"]
    }
    assert {rule["labels"]["objective"] for rule in groups["maibo-whole"]} == {"pay", "ship"}


def test_alerts_link_to_where_people_reach_the_pages(
    slo: Callable, rules: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def links() -> set[str]:
        made = yaml.safe_load(rules(slo("checkout", targets=[0.99], days=28)))["groups"][0]["rules"]
        return {rule["annotations"]["page"] for rule in made}

    monkeypatch.delenv("MAIBO_URL", raising=False)
    assert links() == {"http://127.0.0.1:8080/slos/checkout"}
    monkeypatch.setenv("MAIBO_URL", "https://maibo.example.org/")
    assert links() == {"https://maibo.example.org/slos/checkout"}


def test_listing_plugins_does_not_load_the_engine() -> None:
    assert [generator.name for generator in plugin().generators] == ["rules"]
    script = "import sys; from maibo_alerting.plugin import plugin; plugin(); print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"
