"""What is true of all rules: silence, order, places, pages; and that clean documents stay clean."""

import json
import re
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maibo_slo.documents import DocumentsError, load
from maibo_slo.linting import RULES, Traffic, explanation, lint

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path for path in (ROOT / "examples").iterdir() if path.is_dir())
DEPLOYED = ROOT / "deploy" / "kustomize" / "example" / "documents.yaml"


@pytest.mark.parametrize("source", [*EXAMPLES, DEPLOYED], ids=lambda path: path.stem)
def test_the_examples_are_clean_even_for_a_small_shop(source):
    linted = lint([source], traffic=Traffic(each=1000))
    assert linted.usable
    assert linted.findings == ()
    catalogue = load([source])
    assert linted.slos == len(catalogue.every_slo)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    target=st.integers(930, 9999).map(lambda n: f"{n / 1000 if n < 1000 else n / 10_000}"),
    weeks=st.integers(1, 5),
    per_day=st.integers(1000, 10**9),
    threshold=st.sampled_from(["5ms", "100ms", "1.2s", "20s", "3m"]),
)
def test_a_plain_slo_with_enough_traffic_is_clean(shop, target, weeks, per_day, threshold):
    events_allowed = (1 - float(target)) * weeks * 7 * per_day
    reachable = 0.02 * weeks * 168 * (1 - float(target)) < 0.999
    document = shop.journey_slo(
        window=f"{weeks}w", objectives=f"[{{target: {target}}}]", selected=f"maxDuration: {threshold}"
    )
    found = set(shop.found(document, per_day=per_day))
    assert found <= {"SLO009", "SLO010", "SLO011", "SLO012"}
    assert ("SLO011" in found) == (not reachable and "SLO012" not in found) or target_is_low(target)
    if abs(events_allowed - 3) > 1e-6:
        assert bool(found & {"SLO009", "SLO010"}) == (events_allowed < 3)


def target_is_low(target: str) -> bool:
    return float(target) < 0.5


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    window=st.sampled_from(["1m", "59m", "1h", "1d", "7d", "28d", "30d", "1M", "1Q", "400d"]),
    target=st.decimals("0.000000000001", "0.999999999999", places=12),
    part=st.sampled_from(["good", "bad"]),
    outcomes=st.sets(st.sampled_from(["success", "failure", "abandoned"])),
    counted=st.sets(st.sampled_from(["success", "failure", "abandoned"])),
    per_day=st.floats(1e-6, 1e15),
)
def test_whatever_a_valid_document_says_each_finding_is_whole(shop, window, target, part, outcomes, counted, per_day):
    document = shop.journey_slo(
        window=window,
        objectives=f"[{{target: {target:f}}}]",
        part=part,
        selected=f"outcome: [{', '.join(sorted(outcomes))}]" if outcomes else "",
        total=f"outcome: [{', '.join(sorted(counted))}]" if counted else "",
    )
    linted = shop.lint(document, traffic=Traffic(per_day))
    for finding in linted.findings:
        assert RULES[finding.rule.id] is finding.rule
        assert finding.mend
        assert not re.search(r"[1-9]\d{13}|\de[-+]?\d|\bnan\b|\binf\b|-0\b", finding.message), finding.message


def test_findings_come_by_place_and_each_once(shop):
    findings = shop.lint(
        shop.journey_slo(window="30d", total="outcome: success"), shop.journey_slo(name="later", window="1M")
    ).findings
    assert [(one.document, one.rule.id) for one in findings] == [
        ("fast", "SLO008"),
        ("fast", "SLO020"),
        ("later", "SLO007"),
    ]
    assert list(findings) == sorted(set(findings), key=lambda one: one.at)


def test_a_document_silences_rules_for_itself_alone(shop):
    silent = shop.journey_slo(window="30d", annotations='maibo.dev/lint-ignore: "SLO007, slo008"')
    assert shop.found(silent) == {}
    assert shop.found(silent, shop.journey_slo(name="other", window="30d", selected=""))["SLO008"].document == "other"


def test_an_alert_condition_can_silence_its_own_rules(shop):
    condition = shop.alert_condition(op="lte")
    assert set(shop.found(condition)) == {"SLO027"}
    annotated = condition.replace("{name: quick}", "{name: quick, annotations: {maibo.dev/lint-ignore: SLO027}}")
    assert shop.found(annotated) == {}


def test_a_run_leaves_rules_out(shop):
    assert shop.lint(shop.journey_slo(window="30d"), ignored=frozenset({"SLO008"})).findings == ()


def test_what_validation_refuses_cannot_be_silenced(shop):
    text = shop.journey_slo(objectives="[{target: 1}]", annotations="maibo.dev/lint-ignore: SLO001")
    assert [one.rule.id for one in shop.lint(text, ignored=frozenset({"SLO001"})).findings] == ["SLO001"]


def test_errors_beside_a_refusal_are_told_as_validation_tells_them(shop):
    linted = shop.lint(shop.journey_slo(objectives="[{target: 1}]", window="soon"))
    assert [one.rule.id for one in linted.findings] == ["SLO001"]
    assert [one.path for one in linted.problems] == ["spec.timeWindow[0].duration"]


def test_documents_in_json_have_places_too(tmp_path):
    spec = {
        "service": "shop",
        "budgetingMethod": "Occurrences",
        "timeWindow": [{"duration": "30d", "isRolling": True}],
        "objectives": [{"target": 0.99}],
        "indicator": {
            "metadata": {"name": "sli"},
            "spec": {
                "ratioMetric": {
                    "good": {"metricSource": {"type": "journey", "spec": {"journey": "checkout"}}},
                    "total": {"metricSource": {"type": "journey", "spec": {"journey": "checkout"}}},
                }
            },
        },
    }
    documents = [
        {"apiVersion": "openslo/v1", "kind": "Service", "metadata": {"name": "shop"}, "spec": {}},
        {"apiVersion": "openslo/v1", "kind": "SLO", "metadata": {"name": "works"}, "spec": spec},
    ]
    file = tmp_path / "slos.json"
    file.write_text(json.dumps(documents))  # all on one line
    (finding,) = lint([file]).findings
    assert finding.rule.id == "SLO008"
    assert file.read_text()[finding.at.column - 1 :].startswith('"30d"')


@pytest.mark.parametrize("said", ["many", "0", "-1", "nan", "inf", "1e300"])
def test_traffic_that_is_no_number_is_an_error_of_the_document(shop, said):
    with pytest.raises(DocumentsError) as raised:
        shop.lint(shop.journey_slo(annotations=f'maibo.dev/events-per-day: "{said}"'))
    (problem,) = raised.value.problems
    assert problem.path == "metadata.annotations['maibo.dev/events-per-day']"
    assert said in problem.message


def test_measured_traffic_goes_before_what_is_said_of_all(shop):
    traffic = Traffic(each=10**6, measured={"fast": 1.0})
    assert [one.rule.id for one in shop.lint(shop.journey_slo(), traffic=traffic).findings] == ["SLO009"]


# --- pages


def pages() -> dict[str, str]:
    return {
        page.name: page.read_text(encoding="utf-8")
        for page in files("maibo_slo.linting").joinpath("explanations").iterdir()
    }


def test_every_rule_has_a_page_and_every_page_a_rule():
    assert set(pages()) == {f"{rule}.md" for rule in RULES}


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.id)
def test_a_page_tells_what_why_with_a_number_how_to_mend_and_how_to_silence(rule):
    text = explanation(rule)
    head, why, mend, silence = re.split(r"^## .*\n", text, flags=re.MULTILINE)
    assert head.startswith(f"# {rule.id}: {rule.title}\n\nSeverity: {rule.severity}.\n\n")
    assert re.search(r"\d", why), "no worked number"
    assert mend.strip()
    assert f"maibo lint --ignore {rule.id}" in silence or "cannot be silenced" in silence


def test_ids_have_no_gaps_and_titles_no_twins():
    assert list(RULES) == [f"SLO{number:03d}" for number in range(1, len(RULES) + 1)]
    assert len({rule.title for rule in RULES.values()}) == len(RULES)


def test_the_manual_lists_every_rule_as_it_is():
    manual = (ROOT / "docs" / "lint.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| (SLO\d+) \| (\w+) \| (.+?) \|$", manual, flags=re.MULTILINE)
    assert listed == [(rule.id, rule.severity, rule.title) for rule in RULES.values()]
