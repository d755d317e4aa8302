"""`maibo generate keda`, held to KEDA's own schemas and to what its webhook refuses."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from maibo_slo.documents import Catalogue
from maibo_slo.errors import MaiboError
from maibo_slo.signals.external_metrics.manifests import manifests
from maibo_slo.signals.scaled_object import ADDRESSES, scaled_objects
from maibo_slo.store.workload import Workload

CRDS = Path(os.environ.get("MAIBO_CRDS", Path(__file__).parents[3] / "shared" / "crds"))
TRIGGERS = list(ADDRESSES)


def made(*targets: Any, trigger: str = "external", address: str = "", tolerance: str = "") -> list[dict[str, Any]]:
    catalogue = Catalogue(scaling_targets={target.name: target for target in targets})
    return [
        each
        for artefact in scaled_objects(catalogue, trigger=trigger, address=address, tolerance=tolerance)
        for each in yaml.safe_load_all(artefact.text)
    ]


def schema_of(kind: str) -> dict[str, Any]:
    path = CRDS / f"keda.sh_{kind.lower()}s.yaml"
    if not path.exists():
        pytest.skip(f"{path.name} is not here: KEDA's own schema was not asked")
    (version,) = yaml.safe_load(path.read_text())["spec"]["versions"]
    schema: dict[str, Any] = version["schema"]["openAPIV3Schema"]
    return schema


def unknown(written: Any, schema: dict[str, Any], path: str = "") -> list[str]:
    """Fields that the schema does not have: the API server would drop them in silence."""
    if isinstance(written, list):
        return [each for one in written for each in unknown(one, schema["items"], f"{path}[]")]
    if not isinstance(written, dict) or "properties" not in schema:
        return []
    fields = schema["properties"]
    return [f"{path}.{name}" for name in written if name not in fields] + [
        each
        for name, value in written.items()
        if name in fields
        for each in unknown(value, fields[name], f"{path}.{name}")
    ]


@pytest.mark.parametrize(("least", "tolerance"), [(0, ""), (2, "0")])
@pytest.mark.parametrize("trigger", TRIGGERS)
def test_the_objects_are_what_kedas_schemas_say(make_target, trigger, least, tolerance) -> None:
    objects = made(make_target(least=least), trigger=trigger, tolerance=tolerance)
    assert [each["kind"] for each in objects] == ["ScaledObject", "TriggerAuthentication"][
        : 1 if trigger == "prometheus" else 2
    ]
    for each in objects:
        schema = schema_of(each["kind"])
        jsonschema.Draft202012Validator(schema).validate(each)
        assert unknown({"spec": each["spec"]}, schema) == []


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_a_scaled_object_says_what_the_target_says(make_target, trigger) -> None:
    spec = made(make_target(least=2, most=30), trigger=trigger)[0]["spec"]
    assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout-api"}
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (2, 30)
    assert "cooldownPeriod" not in spec
    assert spec["fallback"] == {"failureThreshold": 3, "replicas": 2, "behavior": "currentReplicasIfHigher"}
    (asked,) = spec["triggers"]
    assert (asked["type"], asked["metricType"]) == (trigger, "AverageValue")
    assert all(isinstance(value, str) for value in asked["metadata"].values())


@pytest.mark.parametrize("tolerance", ["", "0.05"])
def test_an_hpa_moves_it_alike_whoever_made_the_hpa(make_target, tolerance) -> None:
    target = make_target(most=30)
    of_keda = made(target, tolerance=tolerance)[0]["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    files = manifests(
        Catalogue(scaling_targets={target.name: target}),
        namespace="monitoring",
        service="maibo-signals",
        service_account="maibo",
        ca="",
        tolerance=tolerance,
    )
    (of_hpa,) = (yaml.safe_load(each.text)["spec"]["behavior"] for each in files if each.path.startswith("hpa/"))
    assert of_keda == of_hpa
    up, down = of_keda["scaleUp"], of_keda["scaleDown"]
    assert up["policies"] == [{"type": "Pods", "value": 30, "periodSeconds": 15}]
    assert down["policies"] == [{"type": "Percent", "value": 100, "periodSeconds": 15}]
    assert (up["stabilizationWindowSeconds"], down["stabilizationWindowSeconds"]) == (0, 60)
    assert [each.get("tolerance", "") for each in (up, down)] == [tolerance, tolerance]


@pytest.mark.parametrize("tolerance", ["-0.1", "1", "10 %", "1e-3", ".", "nan"])
def test_a_tolerance_that_is_none_is_told_with_an_example(make_target, tolerance) -> None:
    with pytest.raises(MaiboError, match="is no share from 0 to below 1, such as 0 or"):
        made(make_target(), tolerance=tolerance)


def test_a_target_that_may_have_none_sleeps_without_waiting_twice(make_target) -> None:
    spec = made(make_target(least=0, scale_down_seconds=900), trigger="external-push")[0]["spec"]
    assert (spec["minReplicaCount"], spec["cooldownPeriod"], spec["fallback"]["replicas"]) == (0, 60, 1)
    assert "idleReplicaCount" not in spec  # KEDA wants it below the minimum
    for trigger, activation in (("metrics-api", "activationTargetValue"), ("prometheus", "activationThreshold")):
        assert made(make_target(least=0), trigger=trigger)[0]["spec"]["triggers"][0]["metadata"][activation] == "0"


def test_a_missing_series_is_no_zero(make_target) -> None:
    metadata = made(make_target(), trigger="prometheus")[0]["spec"]["triggers"][0]["metadata"]
    assert metadata["ignoreNullValues"] == "false"
    assert metadata["query"] == 'max(maibo_scaling_desired_replicas{target_namespace="shop",target="checkout-api"})'


def test_the_plain_address_is_that_of_the_target(make_target) -> None:
    metadata = made(make_target(), trigger="metrics-api", address="http://127.0.0.1:8080/")[0]["spec"]["triggers"][0][
        "metadata"
    ]
    assert metadata["url"] == "http://127.0.0.1:8080/v1/scaling/shop/checkout-api"
    assert (metadata["valueLocation"], metadata["targetValue"]) == ("desired_replicas", "1")


@pytest.mark.parametrize(
    ("trigger", "address", "parameters"),
    [
        ("external", "maibo.x.svc:6000", ["caCert", "tlsClientCert", "tlsClientKey"]),
        ("external-push", "dns:///maibo-headless.x.svc:6000", ["caCert", "tlsClientCert", "tlsClientKey"]),
        ("external", "127.0.0.1:6000", []),
        ("external", "[::1]:6000", []),
        ("metrics-api", "https://maibo.x.svc", ["token"]),
        ("metrics-api", "http://localhost:8080", []),
        ("prometheus", "http://prometheus.x.svc:9090", []),
    ],
)
def test_beyond_loopback_keda_shows_who_it_is(make_target, trigger, address, parameters) -> None:
    scaled, *authentication = made(make_target(), trigger=trigger, address=address)
    shown = [each["parameter"] for one in authentication for each in one["spec"]["secretTargetRef"]]
    assert shown == parameters
    named = scaled["spec"]["triggers"][0].get("authenticationRef", {}).get("name")
    assert named == (authentication[0]["metadata"]["name"] if parameters else None)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"least": 5, "most": 4}, "KEDA refuses replicas from 5 to 4"),
        ({"least": 0, "most": 0}, "KEDA refuses replicas from 0 to 0"),
        ({"workload": Workload("shop", "ReplicaSet", "x")}, "the API version of a ReplicaSet"),
        ({"name": "x" * 64}, "more than 63 characters"),
    ],
)
def test_what_keda_refuses_is_refused_with_its_place(make_target, changed, words) -> None:
    with pytest.raises(MaiboError, match=words) as error:
        made(make_target(**changed))
    assert ":0: ScalingTarget " in str(error.value)


def test_two_targets_of_one_workload_are_refused(make_target) -> None:
    with pytest.raises(MaiboError, match="'one' too, and KEDA takes one ScaledObject a workload"):
        made(*(make_target(name, workload=Workload("shop", "Deployment", "api")) for name in ("one", "two")))


@pytest.mark.parametrize(
    ("trigger", "address"),
    [
        ("external", "maibo"),
        ("external", "https://maibo:6000"),
        ("metrics-api", "maibo:8080"),
        ("prometheus", "prometheus"),
    ],
)
def test_an_address_of_the_wrong_kind_is_told_with_an_example(make_target, trigger, address) -> None:
    with pytest.raises(MaiboError, match=f"write it as {ADDRESSES[trigger]}"):
        made(make_target(), trigger=trigger, address=address)


def test_the_same_documents_give_the_same_bytes(make_target) -> None:
    targets = [make_target(name, workload=Workload("shop", "Deployment", name)) for name in ("b", "a")]
    texts = [
        [
            a.text
            for a in scaled_objects(
                Catalogue(scaling_targets={t.name: t for t in order}), trigger="external", address="", tolerance=""
            )
        ]
        for order in (targets, targets[::-1])
    ]
    assert texts[0] == texts[1]
