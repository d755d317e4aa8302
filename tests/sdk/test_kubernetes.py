import subprocess
import sys

from maibo import kubernetes
from maibo.kubernetes import KubernetesResourceDetector

POD = {
    "KUBERNETES_SERVICE_HOST": "10.0.0.1",
    "POD_NAME": "storefront-7d9c5b8f6d-x2x4z",
    "POD_NAMESPACE": "shop",
    "NODE_NAME": "node-1",
    "POD_UID": "u-1",
    "CONTAINER_NAME": "web",
    "CLUSTER_NAME": "eu-1",
}


def test_a_deployments_pod_says_who_it_is():
    assert kubernetes.attributes(POD, labels={"pod-template-hash": "7d9c5b8f6d"}, annotations={}) == {
        "k8s.cluster.name": "eu-1",
        "k8s.namespace.name": "shop",
        "k8s.node.name": "node-1",
        "k8s.pod.name": "storefront-7d9c5b8f6d-x2x4z",
        "k8s.pod.uid": "u-1",
        "k8s.container.name": "web",
        "k8s.deployment.name": "storefront",
        "k8s.replicaset.name": "storefront-7d9c5b8f6d",
        "service.name": "storefront",
        "service.namespace": "shop",
        "service.instance.id": "shop.storefront-7d9c5b8f6d-x2x4z.web",
    }


def test_labels_go_before_names_and_annotations_before_labels():
    labels = {
        "app.kubernetes.io/name": "shop-web",
        "app.kubernetes.io/instance": "shop-web-eu",
        "app.kubernetes.io/version": "1.2.3",
        "topology.kubernetes.io/region": "eu-west-1",
    }
    found = kubernetes.attributes(POD, labels=labels, annotations={})
    assert (found["service.name"], found["service.version"], found["cloud.region"]) == (
        "shop-web-eu",
        "1.2.3",
        "eu-west-1",
    )
    annotations = {
        "resource.opentelemetry.io/service.name": "annotated",
        "resource.opentelemetry.io/deployment.environment.name": "production",
        "other/service.name": "no",
    }
    found = kubernetes.attributes(POD, labels=labels, annotations=annotations)
    assert (found["service.name"], found["deployment.environment.name"]) == ("annotated", "production")


def test_without_the_downward_api_the_host_name_and_the_service_account_help():
    environ = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "HOSTNAME": "web-0"}
    found = kubernetes.attributes(environ, labels={}, annotations={}, namespace="shop")
    assert found["k8s.pod.name"] == found["service.name"] == "web-0"
    assert found["k8s.namespace.name"] == "shop"


def test_the_podinfo_volume_is_read_as_kubernetes_writes_it(tmp_path, monkeypatch):
    (tmp_path / "labels").write_text('app.kubernetes.io/name="web"\npod-template-hash="abc"')
    (tmp_path / "annotations").write_text(
        'resource.opentelemetry.io/team="a \\"b\\"\\n\\u00e9"\nbroken\nkubernetes.io/config.seen="2026"\n'
    )
    monkeypatch.setenv("MAIBO_PODINFO", str(tmp_path))
    found = KubernetesResourceDetector().detect().attributes
    assert found["service.name"] == "web"
    assert found["team"] == 'a "b"\né'


def test_outside_of_kubernetes_there_is_nothing(monkeypatch, tmp_path):
    for name in ("KUBERNETES_SERVICE_HOST", "POD_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MAIBO_PODINFO", str(tmp_path / "none"))
    monkeypatch.setenv("NODE_NAME", "a-build-machine")
    assert dict(KubernetesResourceDetector().detect().attributes) == {}


def test_any_opentelemetry_set_up_can_name_it_as_a_detector(monkeypatch):
    program = "from opentelemetry.sdk.resources import Resource; print(Resource.create().attributes['service.name'])"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=POD | {"OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "maibo_kubernetes"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("storefront-7d9c5b8f6d-x2x4z\n", "")
