"""Files and folders into one catalogue: references across files, all problems at once, and what cannot be read."""

import doctest
import io
import sys
from itertools import product

import pytest

from maibo_slo.documents import CellSelector, DocumentsError, check, durations, load
from maibo_slo.documents.catalogue import Catalogue
from maibo_slo.documents.selectors import BUILT_IN, SELECTABLE, beyond
from maibo_slo.documents.windows import MAX_WINDOW_DAYS
from maibo_slo.store.cells import DIMENSIONS
from maibo_slo.store.histogram import EDGES_NS


def test_values_are_read_as_written(judge, valid):
    catalogue = judge.catalogue(valid)
    slo = catalogue.slos["available"]
    assert (slo.display_name, slo.service, slo.window_seconds) == ("available", "shop", 28 * 86_400)
    assert [(objective.name, objective.target) for objective in slo.objectives] == [("0.995", 0.995)]
    assert slo.labels == {"team": ("shopping",)}
    assert slo.indicator.total == CellSelector("checkout")
    assert slo.indicator.good == CellSelector(
        "checkout", outcomes=frozenset({"success"}), where={"tier": ("vip", "standard")}
    )
    assert slo.indicator.bad is None
    assert slo.origin.line == 40
    journey = catalogue.journeys["checkout"]
    assert (journey.service, journey.timeout_seconds, journey.threshold_us) == ("shop", 1800, 300_000)
    assert [(step.name, step.routes, step.begins, step.ends) for step in journey.steps] == [
        ("basket", ("POST /checkout",), True, False),
        ("payment", ("POST /checkout/{id}/pay",), False, True),
    ]


def test_a_percentage_is_the_ratio_it_says_and_not_what_floats_make_of_it(judge, valid):
    for percent, name, target in (("99.9", "0.999", 0.999), ("99.90", "0.999", 0.999), ("99.99999", "0.9999999", 0.9999999), ("7", "0.07", 0.07)):  # fmt: skip
        objective = (
            judge.catalogue(valid.replace("target: 0.995", f"targetPercent: {percent}")).slos["available"].objectives[0]
        )
        assert (objective.name, objective.target) == (name, target)


def test_bad_counts_failures_where_nothing_is_said(judge, valid):
    catalogue = judge.catalogue(valid.replace("    good:\n", "    bad:\n"))
    indicator = catalogue.slos["available"].indicator
    assert indicator.good is None
    assert indicator.bad is not None
    assert indicator.bad.outcomes == {"failure"}


def test_references_reach_across_files_in_any_order(judge, valid):
    for name, document in zip(("z", "y/x", "b", "a"), valid.split("---\n"), strict=True):
        judge.write(document, f"{name}.yml")
    catalogue, problems = judge.check()
    assert problems == []
    assert catalogue is not None
    assert catalogue.slos["available"].indicator is catalogue.slis["success"]


def test_a_list_of_documents_and_json_are_documents_too(judge, valid):
    slos = "".join("- " + document.replace("\n", "\n  ").rstrip() + "\n" for document in valid.split("---\n"))
    assert set(judge.catalogue(slos).slos) == {"available"}
    judge.write("", "docs.yaml")
    catalogue = judge.catalogue(
        '[{"apiVersion": "openslo/v1", "kind": "Service", "metadata": {"name": "json"}}]', "a.json"
    )
    assert set(catalogue.services) == {"json"}


def test_problems_of_all_files_and_documents_are_told_at_once_with_the_place_in_a_list(judge):
    judge.write("- {apiVersion: openslo/v1, kind: Service, metadata: {name: a}}\n- {kind: Service}\n", "one.yaml")
    judge.write("a: [\n---\napiVersion: openslo/v1\nkind: Service\nmetadata: {name: B}\n", "two.yaml")
    with pytest.raises(DocumentsError) as raised:
        load([judge.folder])
    assert [(problem.file.rpartition("/")[2], problem.line, problem.path) for problem in raised.value.problems] == [
        ("one.yaml", 2, "[1].apiVersion"),
        ("one.yaml", 2, "[1].metadata"),
        ("two.yaml", 2, ""),
        ("two.yaml", 5, "metadata.name"),
    ]
    assert str(raised.value).count("\n") == 3


def test_the_same_name_twice_names_both_places(judge, valid):
    judge.write(valid, "a.yaml")
    problems = judge.problems("apiVersion: openslo/v1\nkind: Service\nmetadata:\n  name: shop\n", "b.yaml")
    assert problems == ["b.yaml:4:9: error: metadata.name: a second Service named 'shop'; the first is at a.yaml:1 (rename one of them)"]  # fmt: skip


def test_the_same_name_of_another_kind_is_another_name(judge, valid):
    judge.write(
        "apiVersion: maibo.dev/v1\nkind: Journey\nmetadata: {name: shop}\nspec: {steps: [{name: a}]}\n", "b.yaml"
    )
    assert set(judge.catalogue(valid).journeys) == {"checkout", "shop"}


def test_a_journey_that_no_document_describes_is_a_warning_once_when_none_describes_any(judge, valid):
    catalogue, problems = check(
        [judge.write("---\n".join(part for part in valid.split("---\n") if "Journey" not in part))]
    )
    assert [(problem.severity, problem.line, problem.message) for problem in problems] == [
        ("warning", 22, "no document describes the journey 'checkout'")
    ]
    assert catalogue is not None
    assert catalogue.warnings == problems


def test_an_error_in_a_document_brings_no_others_where_it_is_referred_to(judge, valid):
    broken = (
        valid.replace("name: basket", "name: Basket")
        .replace("Sells things.", "[]")
        .replace("counter: true", "counter: 1")
    )
    assert [problem.split(": ")[0] for problem in judge.problems(broken)] == [
        "docs.yaml:6:16",
        "docs.yaml:17:13",
        "docs.yaml:30:14",
    ]


def test_two_journeys_begun_by_one_request_are_a_warning(judge, valid):
    journey = valid.split("---\n")[1].replace("name: checkout", "name: gift")
    assert judge.problems(f"{valid}---\n{journey}") == [
        "docs.yaml:65:5: warning: spec.steps: 'POST /checkout' begins the journey 'checkout' too (let it begin one of them)"
    ]


def test_an_slo_written_as_openslo_s_own_examples_is_judged_with_a_warning(judge, valid):
    """Three of its four official examples put ``op`` beside a ratio."""
    catalogue, problems = check(
        [judge.write(valid.replace("target: 0.995", "target: 0.995\n      op: gt\n      value: 1"))]
    )
    assert catalogue is not None
    assert [problem.severity for problem in problems] == ["warning", "warning"]


def test_a_metric_type_of_a_stranger_can_be_handed_in(judge, valid):
    path = judge.write(valid.replace("type: journey", "type: echo").replace("journey: checkout", "word: hi"))

    def echo(spec, outcomes, known):
        selector = CellSelector(spec.text("word"), outcomes=outcomes)
        spec.texts("tier")
        spec.close()
        return selector

    assert load([path], metric_types={**BUILT_IN, "echo": echo}).slos["available"].indicator.total.journey == "hi"
    with pytest.raises(DocumentsError, match="a metricSource of type 'echo' is valid OpenSLO"):
        load([path])


def test_what_cannot_be_read_is_a_problem_and_not_the_end(judge, valid, tmp_path):
    judge.write(valid)
    (tmp_path / "empty").mkdir()
    (tmp_path / "dangling.yaml").symlink_to("nowhere")
    _, problems = check([tmp_path, tmp_path / "missing.yaml", tmp_path / "empty", tmp_path / "docs.yaml" / "x", "a\0b"])
    assert sorted((problem.file.removeprefix(f"{tmp_path}/"), problem.message) for problem in problems) == [
        ("a\0b", "cannot be read: embedded null byte"),
        ("dangling.yaml", "cannot be read: No such file or directory"),
        ("docs.yaml/x", "cannot be read: Not a directory"),
        ("empty", "no .yaml, .yml, .json file in this folder"),
        ("missing.yaml", "cannot be read: No such file or directory"),
    ]


def test_a_file_given_twice_is_read_once_and_hidden_ones_not_at_all(judge, valid, tmp_path):
    path = judge.write(valid)
    judge.write(valid, "..2024_01_01/docs.yaml")  # how Kubernetes mounts a ConfigMap
    judge.write("[", ".hidden.yaml")
    judge.write("[", "notes.txt")
    assert set(load([tmp_path, path, str(path)]).slos) == {"available"}


def test_a_mounted_configmap_is_read_once(judge, valid, tmp_path):
    judge.write(valid, "..2024_01_01/docs.yaml")
    (tmp_path / "..data").symlink_to("..2024_01_01")
    (tmp_path / "docs.yaml").symlink_to("..data/docs.yaml")
    assert set(load([tmp_path]).slos) == {"available"}


def test_a_dash_is_standard_input(monkeypatch, valid):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(valid.replace("shop\n", "Shop\n", 1).encode())))
    with pytest.raises(DocumentsError, match=r"^<stdin>:4:9: error: metadata\.name: 'Shop' is not a name"):
        load(["-"])


def test_nothing_is_an_empty_catalogue(judge):
    assert load([]) == Catalogue()
    assert judge.catalogue("# only a comment\n") == Catalogue()


def test_slos_are_found_by_journey(judge, valid):
    catalogue = judge.catalogue(valid)
    assert [slo.name for slo in catalogue.slos_of_journey("checkout")] == ["available"]
    assert catalogue.slos_of_journey("browse") == ()


def test_every_dimension_of_the_store_can_be_selected():
    assert {"journey", "step", *SELECTABLE} == set(DIMENSIONS)


def test_windows_are_what_openslo_s_own_sdk_makes_of_them():
    days = {"1d": 1, "4w": 28, "1M": 30, "1Q": 90, "1Y": 365}
    assert {text: durations.window_seconds(text) for text in days} == {text: n * 86_400 for text, n in days.items()}
    assert durations.window_seconds("1m") == 60
    assert MAX_WINDOW_DAYS >= 365


def test_every_edge_of_the_histogram_can_be_written_and_read_back():
    whole = [int(edge) // 1000 for edge in EDGES_NS if edge % 1000 == 0]
    assert [durations.elapsed_us(durations.elapsed_text(edge)) for edge in whole] == whole


def test_the_examples_in_docstrings_are_true():
    assert doctest.testmod(durations).failed == 0


def test_a_part_is_beyond_the_whole_exactly_if_some_event_is():
    """Every pair of small selectors, against every event that they can tell apart."""
    selectors = [
        CellSelector("j", step, frozenset(outcomes), longest, {"tier": tiers} if tiers else {})
        for step, outcomes, longest, tiers in product(
            ("", "pay"), (("success",), ("success", "failure")), (None, 1_000, 2_000), ((), ("vip",), ("vip", "free"))
        )
    ]
    events = list(product(("", "pay"), ("success", "failure"), (500, 1_000, 1_500, 2_000, 9_000), ("vip", "free", "")))

    def counted(selector):
        return {
            (step, outcome, took, tier)
            for step, outcome, took, tier in events
            if step == selector.step
            and outcome in selector.outcomes
            and (selector.max_duration_us is None or took <= selector.max_duration_us)
            and ("tier" not in selector.where or tier in selector.where["tier"])
        }

    for part, whole in product(selectors, repeat=2):
        assert bool(beyond(part, whole)) == bool(counted(part) - counted(whole)), (part, whole)
