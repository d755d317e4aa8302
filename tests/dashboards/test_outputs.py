"""`maibo generate dashboards` in every form: what Kubernetes, the Grafana operator and Grafana's own API read."""

from __future__ import annotations

import json
import os
import re
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml
from click.testing import CliRunner

from maibo_dashboards import boards, panels, variables
from maibo_dashboards.errors import OutputError
from maibo_dashboards.outputs import files
from maibo_dashboards.outputs.folder import folder_uid
from maibo_dashboards.plugin import FORMS, generate
from maibo_dashboards.targets import Promql
from maibo_slo.cli import cli

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maibo_slo.documents import Catalogue

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"
CRD = Path(os.environ.get("MAIBO_CRDS", SHARED / "crds")) / "grafana.integreatly.org_grafanadashboards.yaml"
SCHEMA = SHARED / "schemas" / "grafana" / "dashboard.jsonschema.json"
KUBERNETES_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


def small(uid: str = "maibo-small", text: str = "A number.") -> Any:
    one = panels.stat("Stat", text, Promql("up"), unit=panels.COUNT)
    return panels.dashboard(
        title="Small",
        uid=uid,
        description="One panel.",
        rows=[[(24, 6, one)]],
        variables=[variables.datasource("prometheus")],
        annotations=[],
    )


@pytest.fixture
def one_board(monkeypatch: pytest.MonkeyPatch) -> None:
    """One small dashboard instead of all of them."""

    def every(_: Catalogue, source: str) -> Iterator[tuple[str, Any]]:
        yield "small", small(f"maibo-small{'-prom' if source == 'prometheus' else ''}")

    monkeypatch.setattr(boards, "every", every)


def read_yaml(text: str) -> Any:
    """As `yaml.safe_load`, many times faster."""
    return yaml.load(text, Loader=yaml.CSafeLoader)


def read(catalogue: Catalogue, form: str, **options: str) -> dict[str, Any]:
    """Files by path, as what reads them parses them."""
    return {
        made.path: (json.loads if made.path.endswith(".json") else read_yaml)(made.text)
        for made in generate(catalogue, format=form, **options)
    }


def test_every_form_has_the_same_dashboards(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    rendered = [*files.documents(catalogue, "clickhouse")]
    monkeypatch.setattr(files, "documents", lambda *_: deepcopy(rendered))
    plain = {document["uid"]: document for document in read(catalogue, "json").values()}
    assert len(plain) >= 6
    configmaps = read(catalogue, "configmap").values()
    assert {key: json.loads(text) for one in configmaps for key, text in one["data"].items()} == {
        f"{uid}.json": document for uid, document in plain.items()
    }
    operators = read(catalogue, "grafana-operator").values()
    assert {one["metadata"]["name"]: json.loads(one["spec"]["json"]) for one in operators} == plain
    resources = [one for one in read(catalogue, "v1-resource").values() if one["kind"] == "Dashboard"]
    counted = {"uid", "version"}
    assert {one["metadata"]["name"]: one["spec"] for one in resources} == {
        uid: {key: value for key, value in document.items() if key not in counted} for uid, document in plain.items()
    }


@pytest.mark.usefixtures("one_board")
@pytest.mark.parametrize("form", FORMS)
def test_the_same_documents_give_the_same_bytes(catalogue: Catalogue, form: str) -> None:
    assert list(generate(catalogue, format=form)) == list(generate(catalogue, format=form))


@pytest.mark.usefixtures("one_board")
def test_a_configmap_is_found_by_grafanas_sidecar(catalogue: Catalogue) -> None:
    [(path, found)] = read(catalogue, "configmap", folder="Team Shop").items()
    assert path == "grafana-configmaps/small.yaml"
    assert (found["apiVersion"], found["kind"]) == ("v1", "ConfigMap")
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert found["metadata"]["annotations"] == {"grafana_folder": "Team Shop"}
    assert list(found["data"]) == ["maibo-small.json"]


def test_the_json_in_a_manifest_stands_there_as_it_is_read(catalogue: Catalogue) -> None:
    made = next(generate(catalogue, format="configmap"))
    assert '  maibo-journeys.json: |\n    {\n      "annotations": {\n' in made.text


@pytest.mark.usefixtures("one_board")
def test_no_folder_is_named_where_none_is_wanted(catalogue: Catalogue) -> None:
    for form in ("configmap", "v1-resource"):
        [found] = read(catalogue, form, folder="").values()
        assert "annotations" not in found["metadata"]
    [found] = read(catalogue, "grafana-operator", folder="").values()
    assert "folder" not in found["spec"]


def test_names_are_what_kubernetes_takes(catalogue: Catalogue) -> None:
    names = [one["metadata"]["name"] for one in read(catalogue, "v1-resource").values()]
    assert len(set(names)) == len(names) >= 6
    assert [name for name in names if not KUBERNETES_NAME.fullmatch(name) or len(name) > 63] == []


@pytest.mark.parametrize("form", ["configmap", "grafana-operator"])
def test_what_kubernetes_could_not_hold_is_refused_with_a_way_out(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    large = small(text="x" * files.MOST_BYTES)
    monkeypatch.setattr(boards, "every", lambda *_: [("small", large)])
    with pytest.raises(OutputError, match=r"'Small' has 1,0\d\d,\d{3} bytes.*1,048,576.*maibo dashboards push"):
        list(generate(catalogue, format=form))
    assert len([*generate(catalogue, format="json")]) == 1


def test_who_applies_a_large_object_is_told_how(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boards, "every", lambda *_: [("a", small(text="x" * 2**18)), ("b", small())])
    notes = [made.notes for made in generate(catalogue, format="configmap")]
    assert "--server-side" in "".join(notes[0])
    assert notes[1] == []


@pytest.mark.usefixtures("one_board")
def test_the_operator_is_told_which_grafanas(catalogue: Catalogue) -> None:
    [found] = read(catalogue, "grafana-operator", instances="dashboards=grafana, team=shop").values()
    assert (found["apiVersion"], found["kind"]) == ("grafana.integreatly.org/v1beta1", "GrafanaDashboard")
    assert found["spec"]["instanceSelector"] == {"matchLabels": {"dashboards": "grafana", "team": "shop"}}
    assert found["spec"]["folder"] == "maibo"
    with pytest.raises(OutputError, match="--instances 'grafana' should be labels such as dashboards=grafana"):
        list(generate(catalogue, instances="grafana"))


@pytest.mark.skipif(not CRD.is_file(), reason="the Grafana operator's definition is not here")
@pytest.mark.usefixtures("one_board")
def test_the_operators_own_definition_accepts_its_objects(catalogue: Catalogue) -> None:
    [version] = yaml.safe_load(CRD.read_text())["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]
    schema["properties"]["spec"]["additionalProperties"] = False  # Kubernetes drops what it does not know
    [found] = read(catalogue, "grafana-operator").values()
    jsonschema.validate(found, schema)


@pytest.mark.usefixtures("one_board")
def test_a_resource_lies_in_its_folder_which_comes_with_it(catalogue: Catalogue) -> None:
    found = read(catalogue, "v1-resource", folder="Team Shop")
    folder, dashboard = found["grafana-resources/folder.json"], found["grafana-resources/small.json"]
    assert (folder["kind"], folder["spec"]) == ("Folder", {"title": "Team Shop"})
    assert dashboard["apiVersion"] == "dashboard.grafana.app/v1"
    assert dashboard["metadata"]["annotations"] == {"grafana.app/folder": folder["metadata"]["name"]}


@pytest.mark.skipif(not SCHEMA.is_file(), reason="Grafana's JSON schemas are not here")
def test_grafanas_own_schema_accepts_the_spec_of_a_resource(catalogue: Catalogue) -> None:
    schema = json.loads(SCHEMA.read_text())
    schema["definitions"]["DynamicConfigValue"]["properties"]["value"] = {}  # an override's value may be anything
    schema["definitions"]["MatcherConfig"]["properties"]["options"] = {}
    found = [one for one in read(catalogue, "v1-resource").values() if one["kind"] == "Dashboard"]
    validator = jsonschema.Draft7Validator(schema)
    assert [error.message[:200] for one in found for error in validator.iter_errors(one["spec"])] == []


@pytest.mark.usefixtures("one_board")
def test_both_data_sources_fit_into_one_folder(catalogue: Catalogue) -> None:
    made = [read(catalogue, "json", datasource=source) for source in ("clickhouse", "prometheus")]
    assert [[*each] for each in made] == [["grafana/small.json"], ["grafana/prometheus/small.json"]]
    uids = [document["uid"] for each in made for document in each.values()]
    assert uids == ["maibo-small", "maibo-small-prom"]


def test_the_dashboards_of_both_data_sources_are_different_ones(catalogue: Catalogue) -> None:
    clickhouse, prometheus = (
        {document["uid"] for _, document in files.documents(catalogue, source)}
        for source in ("clickhouse", "prometheus")
    )
    assert clickhouse
    assert prometheus
    assert clickhouse & prometheus == set()
    assert all(uid.endswith("-prom") for uid in prometheus)


@pytest.mark.parametrize("title", ["maibo", "Team Shop", "team shop", "Ünïcode", "x" * 200])
def test_a_folder_has_one_uid_that_grafana_takes(title: str) -> None:
    uid = folder_uid(title)
    assert uid == folder_uid(title)
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,40}", uid)
    others = {"maibo", "Team Shop", "team shop", "Ünïcode"} - {title}
    assert uid not in {folder_uid(other) for other in others}


# --- the command line


@pytest.fixture
def documents(tmp_path: Path) -> str:
    path = tmp_path / "service.yaml"
    path.write_text("apiVersion: openslo/v1\nkind: Service\nmetadata: {name: shop}\nspec: {}\n")
    return str(path)


@pytest.mark.usefixtures("one_board")
@pytest.mark.parametrize("form", FORMS)
def test_the_command_line_writes_each_form(documents: str, tmp_path: Path, form: str) -> None:
    done = CliRunner().invoke(cli, ["generate", "dashboards", documents, "--out", str(tmp_path), "--format", form])
    assert done.exit_code == 0, done.output
    written = [Path(line) for line in done.stdout.splitlines()]
    assert len(written) == (2 if form == "v1-resource" else 1)
    assert all(path.stat().st_size for path in written)


def test_a_form_of_another_generator_is_refused_with_those_that_there_are(documents: str, tmp_path: Path) -> None:
    for what, wrong, right in (("dashboards", "operator", "grafana-operator"), ("rules", "configmap", "prometheus")):
        done = CliRunner().invoke(cli, ["generate", what, documents, "--out", str(tmp_path), "--format", wrong])
        assert done.exit_code == 2
        assert f"'{wrong}' is not one of" in done.stderr
        assert f"'{right}'" in done.stderr


def test_an_option_of_the_same_name_has_each_generators_own_default(documents: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["generate", "rules", documents, "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "prometheus/maibo.rules.yaml" in done.stdout


def test_the_help_tells_the_forms_and_where_they_belong() -> None:
    text = CliRunner().invoke(cli, ["generate", "--help"], terminal_width=160).output
    section = next(each for each in re.split(r"\n(?=\S)", text) if each.startswith("Options of dashboards:"))
    assert all(form in section for form in FORMS)
    assert "[default: json]" in " ".join(section.split())
