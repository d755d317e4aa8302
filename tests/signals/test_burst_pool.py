"""`maibo generate burst-pool`: what it writes, and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml

from maibo_slo.documents import Catalogue, Origin
from maibo_slo.documents.scaling_kinds import BurstPool, CapacitySpec, ScalingTarget
from maibo_slo.errors import MaiboError
from maibo_slo.signals.pool import burst_pools, generator
from maibo_slo.store.workload import Workload

TARGET = ScalingTarget(
    "checkout-api", "", "", Workload("shop", "Deployment", "checkout"), ("checkout",), (), (), (),
    CapacitySpec(fixed=40.0), 2, 100, burst_pool=BurstPool(), origin=Origin("shop.yaml", 7),
)  # fmt: skip
BALLOON = replace(TARGET, name="cart", burst_pool=BurstPool(form="balloon", most=4))
SIZES = {"cpu": "500m", "memory": "512Mi", "image": "pause:3"}


def made(*targets: ScalingTarget, **options: str) -> dict[str, dict[str, object]]:
    catalogue = Catalogue(scaling_targets={each.name: each for each in targets})
    given = {"form": "document", "replicas": "6", "cpu": "", "memory": "", "image": "", **options}
    return {each.path: yaml.safe_load(each.text) for each in burst_pools(catalogue, **given)}


def test_a_capacity_buffer_is_the_workloads_with_replicas_and_no_percentage() -> None:
    assert made(TARGET) == {
        "burst-pool/shop/checkout-api.yaml": {
            "apiVersion": "autoscaling.x-k8s.io/v1beta1",
            "kind": "CapacityBuffer",
            "metadata": {
                "name": "checkout-api-burst-pool",
                "namespace": "shop",
                "labels": {"app.kubernetes.io/managed-by": "maibo"},
            },
            "spec": {
                "scalableRef": {"apiGroup": "apps", "kind": "Deployment", "name": "checkout"},
                "replicas": 6,
                "provisioningStrategy": "buffer.x-k8s.io/active-capacity",
            },
        }
    }


def test_a_balloon_gives_way_at_once_and_is_as_large_as_a_pod_of_the_workload() -> None:
    files = made(BALLOON, **SIZES)

    assert sorted(files) == ["burst-pool/priority-class.yaml", "burst-pool/shop/cart.yaml"]
    spec = files["burst-pool/shop/cart.yaml"]["spec"]
    assert isinstance(spec, dict)
    assert spec["replicas"] == 4, "no more than the document's most"
    labels = spec["template"]["metadata"]["labels"]
    assert spec["selector"]["matchLabels"].items() <= labels.items()
    pod = spec["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] == 0
    [room] = pod["containers"]
    assert room["resources"]["requests"] == {"cpu": "500m", "memory": "512Mi"}
    priority = files["burst-pool/priority-class.yaml"]
    assert (priority["metadata"], priority["value"], priority["globalDefault"]) == (
        {"name": pod["priorityClassName"]},
        -10,
        False,
    )


def test_each_target_has_its_own_form_or_all_have_the_one_asked_for() -> None:
    kinds = {path: each["kind"] for path, each in made(TARGET, BALLOON, form="capacity_buffer").items()}
    assert kinds == {
        "burst-pool/shop/checkout-api.yaml": "CapacityBuffer",
        "burst-pool/shop/cart.yaml": "CapacityBuffer",
    }

    kinds = {path: each["kind"] for path, each in made(TARGET, BALLOON, **SIZES).items()}
    assert kinds["burst-pool/shop/checkout-api.yaml"] == "CapacityBuffer"
    assert kinds["burst-pool/shop/cart.yaml"] == "Deployment"


def test_targets_have_their_own_numbers() -> None:
    files = made(TARGET, BALLOON, form="capacity_buffer", replicas="checkout-api=9, 2")

    found = {path: each["spec"] for path, each in files.items()}
    assert [spec["replicas"] for _, spec in sorted(found.items()) if isinstance(spec, dict)] == [2, 9]


def test_a_percentage_stands_alone_too_and_a_targets_own_number_counts_more() -> None:
    files = made(TARGET, replace(TARGET, name="cart"), replicas="cart=3", percentage="14")

    specs = [each["spec"] for _, each in sorted(files.items())]
    rooms = [(spec.get("replicas"), spec.get("percentage")) for spec in specs if isinstance(spec, dict)]
    assert rooms == [(3, None), (None, 14)]


def test_a_target_without_burst_pool_has_none() -> None:
    assert made(replace(TARGET, burst_pool=None)) == {}


@pytest.mark.parametrize(
    ("target", "options", "words"),
    [
        (TARGET, {"replicas": ""}, "shop.yaml:7: ScalingTarget checkout-api: how much room it needs is measured"),
        (TARGET, {"replicas": "few"}, "'few' is neither NUMBER nor TARGET=NUMBER"),
        (TARGET, {"replicas": "chekout=6"}, "no ScalingTarget 'chekout' has a burstPool; there are: checkout-api"),
        (TARGET, {"percentage": "a lot"}, "--percentage 'a lot': 'a lot' is neither NUMBER"),
        (TARGET, {"percentage": "14"}, "both --replicas and --percentage are given for it"),
        (TARGET, {"replicas": "checkout-api=2", "percentage": "checkout-api=14"}, "give one of them"),
        (BALLOON, {"form": "capacity_buffer", "replicas": "", "percentage": "14"}, "a percentage cannot keep to"),
        (BALLOON, {"replicas": "", "percentage": "14", **SIZES}, "how much room it needs is measured"),
        (BALLOON, {"image": "pause:3"}, "give what that requests with --cpu and --memory"),
        (BALLOON, {"cpu": "1", "memory": "1Gi"}, "give one with --image"),
        (replace(TARGET, workload=Workload("shop", "CloneSet", "x")), {}, "needs the API group of a CloneSet"),
    ],
)  # fmt: skip
def test_what_is_missing_is_told_with_the_mend(target: ScalingTarget, options: dict[str, str], words: str) -> None:
    with pytest.raises(MaiboError) as refused:
        made(target, **options)

    assert words in str(refused.value)


def test_the_command_line_has_it() -> None:
    from maibo_slo.signals.plugin import plugin

    assert generator().name in [each.name for each in plugin().generators]
