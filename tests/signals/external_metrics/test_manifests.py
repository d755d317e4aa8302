"""What a cluster is given: as Kubernetes has it, for every target, and never half of it."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import yaml

from maibo_slo.documents import Catalogue
from maibo_slo.documents.scaling_kinds import CapacitySpec, ScalingTarget
from maibo_slo.errors import MaiboError
from maibo_slo.signals.external_metrics.manifests import manifests
from maibo_slo.store.workload import Workload

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from maibo_slo.plugins import Artefact


def a_target(name: str = "checkout-api", kind: str = "Deployment", least: int = 2) -> ScalingTarget:
    return ScalingTarget(
        name, name, "", Workload("shop", kind, name), (name,), (), (), (), CapacitySpec(fixed=10.0), least, 30
    )


def artefacts(*targets: ScalingTarget, ca: str = "") -> list[Artefact]:
    catalogue = Catalogue(scaling_targets={each.name: each for each in targets})
    where = {"namespace": "monitoring", "service": "maibo-signals", "service_account": "maibo"}
    return list(manifests(catalogue, **where, ca=ca, tolerance=""))


def made(*targets: ScalingTarget, ca: str = "") -> dict[str, list[dict[str, Any]]]:
    return {each.path: list(yaml.safe_load_all(each.text)) for each in artefacts(*targets, ca=ca)}


def test_every_target_has_an_hpa_that_asks_for_its_own_signal() -> None:
    files = made(a_target(), a_target("cart", least=0))
    assert list(files) == ["external-metrics.yaml", "hpa/shop/cart.yaml", "hpa/shop/checkout-api.yaml"]
    (hpa,) = files["hpa/shop/checkout-api.yaml"]
    metric = hpa["spec"]["metrics"][0]["external"]
    assert metric["metric"] == {
        "name": "maibo_scaling_desired_replicas",
        "selector": {"matchLabels": {"target": "checkout-api"}},
    }
    assert metric["target"] == {"type": "AverageValue", "averageValue": "1"}
    assert (hpa["spec"]["minReplicas"], hpa["spec"]["maxReplicas"]) == (2, 30)
    assert files["hpa/shop/cart.yaml"][0]["spec"]["minReplicas"] == 1


def test_that_an_hpa_keeps_one_where_the_document_allows_none_is_noted() -> None:
    notes = {each.path: list(each.notes) for each in artefacts(a_target(), a_target("cart", least=0))}
    assert notes["hpa/shop/checkout-api.yaml"] == []
    (note,) = notes["hpa/shop/cart.yaml"]
    assert note.startswith("shop/Deployment/cart: minReplicas is 1, though the document says min: 0")


def test_the_service_and_the_api_service_name_the_same_port_and_authority(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text("-----BEGIN CERTIFICATE-----\n")
    objects = {each["kind"]: each for each in made(ca=str(ca))["external-metrics.yaml"]}
    api = objects["APIService"]["spec"]
    assert base64.b64decode(api["caBundle"]) == ca.read_bytes()
    assert "insecureSkipTLSVerify" not in api
    assert api["service"] == {"name": "maibo-signals", "namespace": "monitoring", "port": 443}
    assert objects["Service"]["spec"]["ports"][0]["port"] == 443


def test_without_an_authority_cert_manager_is_asked_for_it() -> None:
    (api,) = (each for each in made()["external-metrics.yaml"] if each["kind"] == "APIService")
    assert api["metadata"]["annotations"] == {"cert-manager.io/inject-ca-from": "monitoring/maibo-signals"}


def test_the_same_documents_give_the_same_bytes() -> None:
    assert made(a_target(), a_target("cart")) == made(a_target("cart"), a_target())


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MaiboError, match="API version of a Sandbox"):
        made(a_target(kind="Sandbox"))
    with pytest.raises(MaiboError, match="cannot read --ca"):
        made(ca=str(tmp_path / "none"))
    (tmp_path / "key").write_text("secret")
    with pytest.raises(MaiboError, match="holds no certificate"):
        made(ca=str(tmp_path / "key"))


def test_two_targets_of_one_workload_are_refused_and_like_names_have_files_of_their_own() -> None:
    with pytest.raises(MaiboError, match="scaled by 'checkout-api' too"):
        made(a_target(), replace(a_target("twin"), workload=a_target().workload))
    one = replace(a_target("b-c"), workload=Workload("a", "Deployment", "x"))
    other = replace(a_target("c"), workload=Workload("a-b", "Deployment", "x"))
    assert len(made(one, other)) == 3
