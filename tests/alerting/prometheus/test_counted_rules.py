"""Rules for SLOs whose events a Prometheus counts, as Prometheus itself reads and evaluates them, in both dialects and formats."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml

from maibo_alerting.plugin import generate
from maibo_slo.documents import Catalogue

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from maibo_slo.documents import PromSlo

DIALECTS = ("maibo", "sloth")
CRD = (
    Path(os.environ.get("MAIBO_CRDS", Path(__file__).parents[4] / "shared" / "crds"))
    / "monitoring.coreos.com_prometheusrules.yaml"
)


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Path]:
    """The folder with the rules and tests of SLOs."""

    def make(*slos: PromSlo, dialect: str = "maibo", **options: str) -> Path:
        catalogue = Catalogue(prom_slos={slo.name: slo for slo in slos})
        for artefact in generate(catalogue, dialect=dialect, **options):
            path = tmp_path / artefact.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(artefact.text)
        return tmp_path / "prometheus" / "slos"

    return make


def groups(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(path.read_text())["groups"]
    return found


def asked(
    folder: Path, series: Mapping[str, str], answers: Sequence[tuple[str, str, Sequence[Mapping[str, object]]]]
) -> None:
    """A promtool test of one's own: (time, expression, samples)."""
    suite = {
        "rule_files": ["checkout.rules.yaml"],
        "evaluation_interval": "1m",
        "group_eval_order": [group["name"] for group in groups(folder / "checkout.rules.yaml")],
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "promql_expr_test": [
                    {"eval_time": at, "expr": expr, "exp_samples": list(samples)} for at, expr, samples in answers
                ],
            }
        ],
    }
    (folder / "own_test.yaml").write_text(json.dumps(suite))


TRUE = [{"labels": "{}", "value": 1}]
EVENTS, BAD = 'http_requests_total{job="shop"}', 'http_requests_total{job="shop",code="500"}'


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_is_generated_passes_its_own_tests(
    prom_slo: Callable[..., PromSlo], made: Callable[..., Path], promtool_says: Callable[..., str], dialect: str
) -> None:
    rate = "sum(rate(http_requests_total{{{}}}[{{{{.window}}}}]))"
    slos = [
        prom_slo("checkout", days=28 if dialect == "maibo" else 1, labels={"team": ("a",), "severity": ("mine",)}),
        prom_slo("browse", targets=[0.95, 0.9], days=1 / 4, good='http_requests_total{job="shop",code!~"5..|429"}'),
        prom_slo(
            "rough",
            targets=[0.5],
            days=1 / 4,
            total=rate.format('job="x"'),
            bad=rate.format('job="x",code=~"(5..|429)"'),
        ),
        prom_slo("hour", targets=[0.05], days=1 / 24, total="latency_count", good='latency_bucket{le="0.3"}'),
    ]
    folder = made(*slos, dialect=dialect)
    rules, tests = sorted(folder.glob("*.rules.yaml")), sorted(folder.glob("*_test.yaml"))
    assert len(rules) == len(tests) == len(slos)
    assert promtool_says("check", "rules", "--lint=all", "--lint-fatal", *map(str, rules)) == ""
    assert promtool_says("test", "rules", *map(str, tests)) == ""


@pytest.mark.parametrize(
    ("written", "broken"),
    [(r"> 1\n", "> 60\n"), (r">= 3\n", ">= 1\n"), (r"absent\(", "sum(")],
    ids=["late", "unguarded", "no data untold"],
)
def test_generated_tests_find_rules_that_are_wrong(
    prom_slo: Callable[..., PromSlo],
    made: Callable[..., Path],
    promtool_says: Callable[..., str],
    written: str,
    broken: str,
) -> None:
    folder = made(prom_slo(days=1 / 4))  # a window so short that promtool is quick
    path = folder / "checkout.rules.yaml"
    text, changed = re.subn(written, broken, path.read_text())
    assert changed
    path.write_text(text)
    assert "FAILED" in promtool_says("test", "rules", str(folder / "checkout_test.yaml"))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_budget_is_from_counts_so_that_a_quiet_hour_weighs_little(
    prom_slo: Callable[..., PromSlo], made: Callable[..., Path], promtool_says: Callable[..., str], dialect: str
) -> None:
    folder = made(prom_slo(targets=[0.99], days=1), dialect=dialect)
    name = "maibo:slo_error_budget_remaining:ratio" if dialect == "maibo" else "slo:period_error_budget_remaining:ratio"
    # a busy hour without failures, then a quiet one in which half of 600 fail: 300 of 60 600 events
    series = {EVENTS: "1000+1000x60 61005+5x59", BAD: "1000+0x60 1005+5x59"}
    asked(folder, series, [("2h", f"abs(sum({name}) - (1 - 300 / 60600 / 0.01)) < bool 0.05", TRUE)])
    assert promtool_says("test", "rules", str(folder / "own_test.yaml")) == ""


@pytest.mark.parametrize("dialect", DIALECTS)
def test_without_a_series_of_bad_events_nothing_was_bad_and_without_traffic_nothing_is_said(
    prom_slo: Callable[..., PromSlo], made: Callable[..., Path], promtool_says: Callable[..., str], dialect: str
) -> None:
    folder = made(prom_slo(targets=[0.99], days=1), dialect=dialect)
    burn, remaining = (
        ("maibo:slo_burn_rate:ratio5m", "maibo:slo_error_budget_remaining:ratio")
        if dialect == "maibo"
        else ("slo:current_burn_rate:ratio", "slo:period_error_budget_remaining:ratio")
    )
    asked(
        folder,
        {EVENTS: "1000+100x60 7000+0x90"},
        [
            ("1h", f"sum({burn}) == bool 0", TRUE),
            ("2h", burn, []),
            ("2h", f"sum({remaining}) == bool 1", TRUE),
            ("2h", 'ALERTS{alertname="MaiboBudgetBurn"}', []),
            ("2h", 'count(ALERTS{alertname="MaiboNoData",alertstate="firing"})', TRUE),
        ],
    )
    assert promtool_says("test", "rules", str(folder / "own_test.yaml")) == ""


def test_a_rate_and_an_increase_of_the_same_counter_are_the_same_counts(
    prom_slo: Callable[..., PromSlo], made: Callable[..., Path], promtool_says: Callable[..., str]
) -> None:
    folder = made(prom_slo(total='sum(rate(http_requests_total{job="shop"}[{{.window}}]))'))
    raw = 'sum(increase(http_requests_total{job="shop"}[1h]))'
    counted = "sum(maibo:slo_events:increase1h)"
    asked(folder, {EVENTS: "1000+7x120"}, [("2h", f"abs({counted} - {raw}) < bool 1e-6", TRUE)])
    assert promtool_says("test", "rules", str(folder / "own_test.yaml")) == ""


def test_a_mean_of_a_recorded_rate_and_a_rate_are_counts_alike(
    prom_slo: Callable[..., PromSlo], made: Callable[..., Path], promtool_says: Callable[..., str]
) -> None:
    folder = made(prom_slo(total="sum(avg_over_time(job:http_requests:rate5m[{{.window}}]))"))
    asked(
        folder,
        {"job:http_requests:rate5m": "5x240"},
        [("2h", "abs(sum(maibo:slo_events:increase1h) - 5 * 3600) < bool 1e-6", TRUE)],
    )
    assert promtool_says("test", "rules", str(folder / "own_test.yaml")) == ""


def test_a_comment_at_a_querys_end_does_not_break_the_file(
    prom_slo: Callable[..., PromSlo], made: Callable[..., Path], promtool_says: Callable[..., str]
) -> None:
    folder = made(prom_slo(total="sum(rate(http_requests_total[{{.window}}])) # all of them"))
    assert promtool_says("check", "rules", str(folder / "checkout.rules.yaml")) == ""


@pytest.mark.parametrize(("days", "window"), [(30, "30d"), (28, "4w"), (7, "1w")])
def test_sloths_names_are_all_there(
    prom_slo: Callable[..., PromSlo], made: Callable[..., Path], days: int, window: str
) -> None:
    folder = made(prom_slo(days=days, labels={"owner": ("me",)}), dialect="sloth")
    found = groups(folder / "checkout.rules.yaml")
    assert [group["name"] for group in found] == [
        f"sloth-slo-{part}-shop-checkout" for part in ("sli-recordings", "meta-recordings", "alerts", "extra-rules")
    ]
    ids = {"sloth_id": "shop-checkout", "sloth_service": "shop", "sloth_slo": "checkout", "owner": "me"}
    ratios = [rule for rule in found[0]["rules"] if rule["record"].startswith("slo:")]
    windows = ("5m", "30m", "1h", "2h", "6h", "1d", "3d", window)
    assert [rule["record"] for rule in ratios] == [f"slo:sli_error:ratio_rate{one}" for one in windows]
    assert [rule["labels"] for rule in ratios] == [ids | {"sloth_window": one} for one in windows]
    about = {rule["record"]: rule for rule in found[1]["rules"]}
    assert list(about) == [
        "slo:objective:ratio",
        "slo:error_budget:ratio",
        "slo:time_period:days",
        "slo:current_burn_rate:ratio",
        "slo:period_burn_rate:ratio",
        "slo:period_error_budget_remaining:ratio",
        "sloth_slo_info",
    ]
    assert about["slo:objective:ratio"]["expr"] == "vector(0.999)"
    assert about["slo:error_budget:ratio"]["expr"] == "vector(0.001)"
    assert about["slo:time_period:days"]["expr"] == f"vector({days})"
    assert about["sloth_slo_info"]["labels"]["sloth_objective"] == "99.9"
    assert [rule["labels"]["sloth_severity"] for rule in found[2]["rules"]] == ["page", "ticket"]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_operators_object_has_the_same_rules_and_is_valid(
    prom_slo: Callable[..., PromSlo], made: Callable[..., Path], tmp_path: Path, dialect: str
) -> None:
    slo = prom_slo(targets=[0.99, 0.9], days=28, labels={"team": ("a",)})
    plain = groups(made(slo, dialect=dialect) / "checkout.rules.yaml")
    made(slo, dialect=dialect, format="operator")
    written = yaml.safe_load((tmp_path / "operator" / "slos" / "checkout.prometheusrule.yaml").read_text())
    assert (written["kind"], written["metadata"]["name"]) == ("PrometheusRule", "maibo-checkout")
    assert written["spec"]["groups"] == plain
    if not CRD.exists():
        pytest.skip(f"{CRD.name} is not here: the operator's own schema was not asked")
    (version,) = yaml.safe_load(CRD.read_text())["spec"]["versions"]
    schema = json.loads(json.dumps(version["schema"]["openAPIV3Schema"]).replace("^(?i)(", "(?i)^("))
    jsonschema.Draft202012Validator(schema).validate(written)


def test_a_query_that_cannot_be_fed_has_rules_and_says_that_it_has_no_tests(
    prom_slo: Callable[..., PromSlo], made: Callable[..., Path], promtool_says: Callable[..., str]
) -> None:
    folder = made(prom_slo(total="sum(increase(a_total[{{.window}}])) + sum(increase(b_total[{{.window}}]))"))
    assert [path.name for path in folder.iterdir()] == ["checkout.rules.yaml"]
    assert "# checkout: no tests, since" in (folder / "checkout.rules.yaml").read_text()
    assert promtool_says("check", "rules", str(folder / "checkout.rules.yaml")) == ""


def test_the_same_documents_give_the_same_bytes(prom_slo: Callable[..., PromSlo]) -> None:
    one, two = prom_slo("one"), prom_slo("two")
    made = [list(generate(Catalogue(prom_slos={slo.name: slo for slo in order}))) for order in ((one, two), (two, one))]
    assert made[0] == made[1]


def test_journeys_in_sloths_dialect_are_left_out_and_named(slo: Callable[..., Any]) -> None:
    (artefact,) = generate(Catalogue(slos={"buy": slo("buy", targets=[0.99], days=28)}), dialect="sloth")
    assert artefact.path == "prometheus/maibo.rules.yaml"
    assert "# buy: maibo counts its events itself" in artefact.text
    assert yaml.safe_load(artefact.text)["groups"] == []
