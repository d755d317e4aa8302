"""What deploy/kustomize lets the recorder do: what it watches, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from maibo_collectors.kubernetes.plugin import plugin
from maibo_collectors.kubernetes.recording import Settings
from maibo_collectors.kubernetes.watched import WATCHED

ROOT = Path(__file__).parents[2]
KUSTOMIZE = ROOT / "deploy" / "kustomize"


def allowed(role: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def needed(*, cluster: bool) -> set[tuple[str, str, str]]:
    watched = [each.resource for each in WATCHED if cluster or each.resource.namespaced]
    return {(each.group, each.plural, verb) for each in watched for verb in ("list", "watch")}


def documents(path: Path) -> dict[str, Any]:
    return {each["kind"]: each for each in yaml.safe_load_all(path.read_text())}


@pytest.mark.parametrize(
    ("path", "kind"),
    [("recorder/clusterrole.yaml", "ClusterRole"), ("recorder-namespaced/role.yaml", "Role")],
    ids=["all namespaces", "some namespaces"],
)
def test_the_recorder_may_do_what_it_does_and_nothing_else(path: str, kind: str) -> None:
    found = documents(KUSTOMIZE / path)
    role, binding = found[kind], found[f"{kind}Binding"]
    assert allowed(role) == needed(cluster=kind == "ClusterRole")
    assert binding["roleRef"]["kind"] == kind
    assert binding["roleRef"]["name"] == role["metadata"]["name"]


@pytest.fixture(scope="module")
def kubectl() -> str:
    found = shutil.which("kubectl")
    if found is None:
        pytest.skip("kubectl is not here to build the manifests")
    return found


@pytest.mark.parametrize("component", ["recorder", "recorder-namespaced"])
def test_the_component_builds_and_its_account_is_the_one_that_is_bound(
    component: str, kubectl: str, tmp_path: Path
) -> None:
    shutil.copytree(KUSTOMIZE, tmp_path / "k")
    example = tmp_path / "k" / "example"
    (example / "read.htpasswd").write_text("someone:{PLAIN}secret\n")
    (example / "tokens.json").write_text('{"tokens": []}')
    with (example / "kustomization.yaml").open("a") as file:
        file.write(f"components: [../{component}]\n")
    command = [kubectl, "kustomize", str(example)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    found = {each["kind"]: each for each in yaml.safe_load_all(done.stdout)}
    pod = found["StatefulSet"]["spec"]["template"]["spec"]
    maibo, proxy = ({each["name"]: each for each in pod["containers"]}[name] for name in ("maibo", "proxy"))
    account = found["ServiceAccount"]["metadata"]
    assert (pod["serviceAccountName"], pod["automountServiceAccountToken"]) == (account["name"], False)
    assert "account" in {mount["name"] for mount in maibo["volumeMounts"]}
    assert "account" not in {mount["name"] for mount in proxy["volumeMounts"]}
    assert {port["port"] for rule in found["NetworkPolicy"]["spec"]["egress"] for port in rule["ports"]} == {443, 6443}
    said = {each["name"]: each["value"] for each in maibo["env"]}
    options = {
        option.name: said.get(f"MAIBO_{option.name.upper().replace('-', '_')}", option.default)
        for option in plugin().options
    }
    settings = Settings.of(options)
    assert settings.config == "auto"
    if component == "recorder":
        bound = found["ClusterRoleBinding"]
        assert settings.namespaces == ()
    else:
        assert not found.keys() & {"ClusterRole", "ClusterRoleBinding"}
        bound = documents(KUSTOMIZE / component / "role.yaml")["RoleBinding"]
        assert settings.namespaces == ("shop",)
    (subject,) = bound["subjects"]
    assert (subject["name"], subject["namespace"]) == (account["name"], account["namespace"])
