"""The aggregated API as an API server's aggregator and an HPA ask it, over real TLS."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
import trustme

from maibo_slo.signals import https

if TYPE_CHECKING:
    from typing import Any

ROOT = "/apis/external.metrics.k8s.io/v1beta1"
METRIC = f"{ROOT}/namespaces/shop/maibo_scaling_desired_replicas"
SOMEBODY = "system:serviceaccount:shop:curious"


def value(face: Any, selector: str = "target=checkout-api", **how: Any) -> tuple[int, Any]:
    status, _, said = face.ask(f"{METRIC}?labelSelector={quote(selector)}", **how)
    return status, said


def test_an_hpa_has_the_desired_replicas(face: Any) -> None:
    status, headers, said = face.ask(f"{METRIC}?labelSelector=target%3Dcheckout-api")
    assert (status, headers["content-type"]) == (200, "application/json")
    assert (said["kind"], said["apiVersion"]) == ("ExternalMetricValueList", "external.metrics.k8s.io/v1beta1")
    (item,) = said["items"]
    assert (item["value"], item["timestamp"]) == ("12", "2027-01-15T08:00:00Z")
    assert item["metricLabels"] == {"target": "checkout-api", "workload": "checkout-api", "kind": "Deployment"}
    assert list(face.served) == [("shop", "checkout-api", 12, "external_metrics")]


@pytest.mark.parametrize(
    ("selector", "status", "words"),
    [
        ("target=cart", 503, "94 s old, over 60 s"),
        ("target=search", 503, "capacity is not known"),
        ("target=checkout", 404, "there are: cart, checkout-api, search"),
        ("", 400, "selects 3 targets"),
        ("target in (cart,search)", 400, "selects 2 targets"),
        ("target in (cart", 400, "no label selector"),
        ("app=shop", 404, "there are: cart"),
        ("checkout-api", 404, "is selected by 'checkout-api'"),
    ],
)
def test_what_is_no_value_is_a_status_that_says_why(face: Any, selector: str, status: int, words: str) -> None:
    code, said = value(face, selector)
    assert (code, said["kind"], said["status"], said["code"]) == (status, "Status", "Failure", status)
    assert words in said["message"]
    assert not face.served


def test_a_signal_that_grows_old_is_refused_without_anybody_doing_anything(face: Any) -> None:
    assert value(face)[0] == 200
    face.now += 61
    status, said = value(face)
    assert (status, said["reason"]) == (503, "ServiceUnavailable")
    assert "stale" in said["message"]


def test_before_the_first_decision_nothing_is_known(face: Any) -> None:
    face.signals = None
    status, said = value(face)
    assert status == 503
    assert "does not run" in said["message"]


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/apis", "APIGroupList"), ("/apis/external.metrics.k8s.io", "APIGroup"), (ROOT, "APIResourceList")],
)
@pytest.mark.parametrize(
    "accept",
    [
        "application/vnd.kubernetes.protobuf, */*",
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json",
        "application/vnd.kubernetes.protobuf",
    ],
)
def test_discovery_answers_json_whatever_is_preferred(face: Any, path: str, kind: str, accept: str) -> None:
    status, headers, said = face.ask(path, user="system:kube-aggregator", groups=("system:masters",), accept=accept)
    assert (status, headers["content-type"], said["kind"]) == (200, "application/json", kind)


@pytest.mark.parametrize(
    "path",
    [
        f"{ROOT}/maibo_scaling_desired_replicas",
        f"{ROOT}/namespaces/shop",
        f"{ROOT}/namespaces/shop/",
        f"{ROOT}/namespaces/shop/group/maibo_scaling_desired_replicas",
        "/openapi/v2",
        "/openapi/v3",
        "/",
    ],
)
def test_there_is_nothing_elsewhere(face: Any, path: str) -> None:
    status, _, said = face.ask(path)
    assert (status, said["kind"], said["reason"]) == (404, "Status", "NotFound")


def test_another_metric_is_not_there(face: Any) -> None:
    status, _, said = face.ask(f"{ROOT}/namespaces/shop/p99")
    assert status == 404
    assert "only 'maibo_scaling_desired_replicas'" in said["message"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/livez"])
def test_probes_need_no_certificate(face: Any, path: str) -> None:
    assert face.ask(path, name=None, user=None)[0] == 200


def test_identity_headers_are_lies_without_the_front_proxys_certificate(face: Any) -> None:
    forgers: tuple[dict[str, Any], ...] = ({"name": None}, {"name": "somebody-else"}, {"user": None})
    for how in forgers:
        status, said = value(face, groups=("system:masters",), **how)
        assert (status, said["reason"]) == (401, "Unauthorized"), how


@pytest.mark.parametrize(
    "forged",
    [
        [("X-Remote-User", "system:masters"), ("X-Remote-User", "forged")],
        [("X-Remote-User", ""), ("X-Remote-User", "forged")],
        [("X_Remote_User", "forged")],
        [("X-Remote-User ", "forged")],
        [("X-Remote-User", ""), ("X_Remote_User", "forged"), ("X-Remote-Group", "system:masters")],
    ],
)
def test_a_user_that_is_not_told_once_and_exactly_is_nobody(face: Any, forged: list[tuple[str, str]]) -> None:
    with face.connected() as wire:
        told = "".join(f"{name}: {said}\r\n" for name, said in forged)
        wire.sendall(f"GET {METRIC} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{told}\r\n".encode())
        assert wire.recv(100).split()[1] in {b"400", b"401"}


def test_an_hpa_waits_for_nobodys_review(face: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def may(*_: object) -> bool:
        raise AssertionError("it was asked about")

    monkeypatch.setattr(face.gatekeeper, "may", may)
    assert value(face)[0] == 200


def test_whoever_sends_no_whole_request_is_let_go(face: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(https, "REQUEST_SECONDS", 0.2)
    for sent in (b"", b"GET /healthz HTT"):
        with face.connected() as wire:
            wire.sendall(sent)
            assert _read_to_the_end(wire) == b""
    whole = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    with face.connected() as wire:
        for _ in range(2):  # one that is whole may wait for its next
            wire.sendall(whole)
            said = b""
            while b'"ok"' not in said:
                said += wire.recv(1000)
            time.sleep(0.3)
        wire.sendall(whole[:10])
        assert _read_to_the_end(wire) == b""


def _read_to_the_end(wire: ssl.SSLSocket) -> bytes:
    said = b""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while more := wire.recv(1000):
            said += more
    return said


def test_whoever_does_not_shake_hands_is_let_go(face: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(https, "HANDSHAKE_SECONDS", 0.2)
    face.restart()
    with socket.create_connection(("127.0.0.1", face.port), timeout=10) as wire:
        assert wire.recv(1) == b""


@pytest.mark.parametrize("head", ["GET /" + "a" * 70_000, "GET /healthz HTTP/1.1\r\nX: " + "a" * 70_000])
def test_a_head_without_end_is_not_read_to_the_end(face: Any, head: str) -> None:
    with face.connected() as wire, contextlib.suppress(OSError):
        wire.sendall(head.encode())
        assert wire.recv(100).startswith(b"HTTP/1.1 400")


def test_a_certificate_of_another_authority_does_not_even_connect(face: Any) -> None:
    with pytest.raises((ssl.SSLError, OSError)):
        value(face, by=trustme.CA())


def test_any_name_is_allowed_where_the_cluster_names_none(face: Any) -> None:
    face.configmap(**{"requestheader-allowed-names": "[]"})
    face.look()
    assert value(face, name="whoever")[0] == 200


def test_others_are_asked_about_and_the_answer_is_kept_for_a_while(face: Any) -> None:
    asked = []
    face.api.reviews["subjectaccessreviews"] = lambda body: {"allowed": not asked.append(body["spec"])}
    assert value(face, user=SOMEBODY, groups=("system:serviceaccounts",))[0] == 200
    assert value(face, user=SOMEBODY, groups=("system:serviceaccounts",))[0] == 200
    (spec,) = asked
    assert (spec["user"], spec["groups"]) == (SOMEBODY, ["system:serviceaccounts"])
    assert spec["resourceAttributes"] == {
        "namespace": "shop",
        "verb": "list",
        "group": "external.metrics.k8s.io",
        "version": "v1beta1",
        "resource": "maibo_scaling_desired_replicas",
    }


def test_whom_the_cluster_does_not_allow_is_forbidden(face: Any) -> None:
    face.api.reviews["subjectaccessreviews"] = lambda _: {"allowed": False, "reason": "no"}
    status, said = value(face, user=SOMEBODY)
    assert (status, said["reason"]) == (403, "Forbidden")
    assert SOMEBODY in said["message"]
    assert value(face)[0] == 200  # the HPA is not asked about


def test_when_the_cluster_cannot_tell_others_wait_and_the_hpa_does_not(face: Any) -> None:
    face.api.refuse("subjectaccessreviews", "create", status=500, reason="InternalError", message="etcd is away")
    assert value(face, user=SOMEBODY)[0] == 503
    assert value(face)[0] == 200


def test_a_rotated_authority_is_taken_and_the_old_one_is_not_trusted_any_more(face: Any) -> None:
    before, face.front = face.front, trustme.CA()
    assert value(face, by=before)[0] == 200
    face.configmap()
    face.look()
    assert value(face)[0] == 200
    with pytest.raises((ssl.SSLError, OSError)):
        value(face, by=before)


def test_a_configmap_that_cannot_be_read_leaves_the_one_before_in_force(face: Any) -> None:
    refused = face.api.refuse("configmaps", "get")
    face.look()
    assert value(face)[0] == 200
    refused.times = 0
    face.configmap(**{"requestheader-client-ca-file": ""})
    face.look()
    assert value(face)[0] == 200
