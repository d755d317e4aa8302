"""`maibo_slo.kubernetes` against a real HTTP server."""

from __future__ import annotations

import json
import os
import ssl
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from maibo_slo.kubernetes import (
    DEPLOYMENTS,
    ROLLOUTS,
    Cluster,
    KubernetesDenied,
    KubernetesGone,
    KubernetesNotFound,
    KubernetesRefused,
    KubernetesSettingsError,
    KubernetesUnreachable,
    Resource,
    Watching,
)

if TYPE_CHECKING:
    from pathlib import Path

PODS = Resource("", "v1", "pods")
NODES = Resource("", "v1", "nodes", namespaced=False)
REVIEWS = Resource("authorization.k8s.io", "v1", "subjectaccessreviews", namespaced=False)


def pod(name: str, **fields: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, **fields}


def first(watching: Watching) -> Any:
    return json.loads(next(iter(watching)))


def test_an_object_is_had_and_its_scale_is_patched(api: Any, cluster: Cluster) -> None:
    api.put("deployments", {"metadata": {"name": "checkout", "namespace": "shop"}, "spec": {"replicas": 2}})
    had = cluster.get(DEPLOYMENTS, "checkout", namespace="shop")
    assert had["spec"] == {"replicas": 2}
    patch = {"metadata": {"resourceVersion": had["metadata"]["resourceVersion"]}, "spec": {"replicas": 5}}
    answer = cluster.patch(DEPLOYMENTS, "checkout", patch, namespace="shop", subresource="scale")
    assert (answer["kind"], answer["spec"]["replicas"]) == ("Scale", 5)
    assert api.object("deployments", "checkout", "shop")["spec"]["replicas"] == 5
    assert api.requests[-1].headers["content-type"] == "application/merge-patch+json"
    [noted] = api.object("deployments", "checkout", "shop")["metadata"]["managedFields"]
    assert (noted["manager"], noted["operation"], noted["subresource"]) == ("maibo", "Update", "scale")
    with pytest.raises(KubernetesRefused, match=r"patch deployments/scale checkout in namespace shop") as conflict:
        cluster.patch(DEPLOYMENTS, "checkout", patch, namespace="shop", subresource="scale")
    assert (conflict.value.status, conflict.value.reason) == (409, "Conflict")


def test_a_review_is_asked_for(api: Any, cluster: Cluster) -> None:
    api.reviews["subjectaccessreviews"] = lambda body: {"allowed": body["spec"]["user"] == "ada"}
    assert cluster.create(REVIEWS, {"spec": {"user": "ada"}})["status"] == {"allowed": True}
    assert cluster.create(REVIEWS, {"spec": {"user": "bob"}})["status"] == {"allowed": False}


def test_a_list_comes_in_pages_of_one_moment(api: Any, cluster: Cluster) -> None:
    for number in range(5):
        api.put("pods", pod(f"p{number}"))
    pages = cluster.list(PODS, limit=2)
    all_ = [next(pages)]
    api.put("pods", pod("p9"))
    all_ += pages
    names = [each["metadata"]["name"] for page in all_ for each in page.items]
    assert names == [f"p{number}" for number in range(5)]
    assert len(all_) == 3
    assert len({page.resource_version for page in all_}) == 1


def test_a_list_whose_continuation_has_expired_is_to_be_begun_anew(api: Any, cluster: Cluster) -> None:
    for number in range(3):
        api.put("pods", pod(f"p{number}"))
    pages = cluster.list(PODS, limit=2)
    next(pages)
    api.forget()
    with pytest.raises(KubernetesGone):
        next(pages)


def test_a_watch_tells_changes_and_bookmarks_until_the_server_ends_it(api: Any, cluster: Cluster) -> None:
    made = api.put("pods", pod("a"))
    with cluster.watch(PODS, resource_version=made["metadata"]["resourceVersion"]) as watching:
        api.put("pods", pod("b"))
        api.bookmark()
        api.delete("pods", "a")
        api.end("pods")
        told = [json.loads(line) for line in watching]
    assert [each["type"] for each in told] == ["ADDED", "BOOKMARK", "DELETED"]
    (asked,) = api.asked("watch", "pods")
    assert asked.query["allowWatchBookmarks"] == "true"
    assert asked.query["timeoutSeconds"] == "290"


def test_a_watch_of_one_namespace_tells_of_no_other(api: Any, cluster: Cluster) -> None:
    with cluster.watch(PODS, resource_version="1", namespace="shop") as watching:
        api.put("pods", pod("a"))
        api.put("pods", {"metadata": {"name": "b", "namespace": "shop"}})
        assert first(watching)["object"]["metadata"]["name"] == "b"
    assert api.requests[-1].path == "/api/v1/namespaces/shop/pods"


def test_lines_are_whole_however_they_come(api: Any, cluster: Cluster, fake_api: Any) -> None:
    told = fake_api.line("ADDED", pod("snow ❄"))
    with cluster.watch(PODS, resource_version="1") as watching:
        for at in range(len(told)):
            api.inject("pods", told[at : at + 1])
        api.inject("pods", told + told + b"\n")
        api.end("pods")
        assert [*watching] == [told.strip()] * 3


@pytest.mark.parametrize("after", [b"", b'{"type": "ADD'], ids=["between lines", "within a line"])
def test_a_watch_that_breaks_off_says_so(api: Any, cluster: Cluster, after: bytes) -> None:
    with cluster.watch(PODS, resource_version="1") as watching:
        api.cut("pods", after=after)
        with pytest.raises(KubernetesUnreachable, match="watch pods in all namespaces"):
            next(iter(watching))


def test_a_silent_watch_is_a_broken_one(api: Any, cluster: Cluster) -> None:
    with (
        cluster.watch(PODS, resource_version="1", idle_seconds=0.1) as watching,
        pytest.raises(KubernetesUnreachable, match="timed out"),
    ):
        next(iter(watching))


def test_a_watch_is_cancelled_while_somebody_waits_for_it(api: Any, cluster: Cluster) -> None:
    with cluster.watch(PODS, resource_version="1") as watching:
        lines: list[bytes] = []
        waiting = threading.Thread(target=lambda: lines.extend(watching))
        waiting.start()
        api.watching("pods")
        watching.cancel()
        waiting.join(5)
        assert not waiting.is_alive()
        assert lines == []
    watching.cancel()


@pytest.mark.parametrize("told_as", ["event", "status"])
def test_a_version_that_is_forgotten_is_gone(api: Any, cluster: Cluster, told_as: str) -> None:
    api.gone_as = told_as
    api.forget()
    if told_as == "status":
        with pytest.raises(KubernetesGone):
            cluster.watch(PODS, resource_version="1")
    else:
        with cluster.watch(PODS, resource_version="1") as watching:
            told = first(watching)
        assert (told["type"], told["object"]["code"]) == ("ERROR", 410)


def test_what_rbac_does_not_allow_is_named(api: Any, cluster: Cluster) -> None:
    api.refuse("*")
    with pytest.raises(KubernetesDenied, match=r"a Role bound .* the verb 'list' on 'pods' in apiGroups \[''\]"):
        next(cluster.list(PODS, namespace="shop"))
    with pytest.raises(KubernetesDenied, match=r"a ClusterRole bound .* the verb 'watch' on 'nodes'"):
        cluster.watch(NODES, resource_version="1")
    with pytest.raises(KubernetesDenied, match=r"'patch' on 'deployments/scale' in apiGroups \['apps'\]") as denied:
        cluster.patch(DEPLOYMENTS, "a", {}, namespace="shop", subresource="scale")
    assert (denied.value.status, denied.value.reason) == (403, "Forbidden")


def test_who_shows_nothing_is_told_so_and_not_to_change_rbac(api: Any, cluster: Cluster) -> None:
    api.refuse("pods", message='pods is forbidden: User "system:anonymous" cannot list resource "pods"')
    with pytest.raises(KubernetesDenied, match=r"does not know who asks .* of an exec plugin, run the command"):
        next(cluster.list(PODS))


def test_what_is_not_there_is_told_apart(api: Any, cluster: Cluster) -> None:
    with pytest.raises(KubernetesNotFound):
        cluster.get(PODS, "nobody", namespace="shop")
    assert not cluster.serves(ROLLOUTS)
    api.install("rollouts")
    assert cluster.serves(ROLLOUTS)
    assert cluster.serves(PODS)


def test_a_server_that_has_too_much_to_do_says_when_to_come_again(api: Any, cluster: Cluster) -> None:
    api.refuse("pods", status=429, reason="TooManyRequests", headers={"Retry-After": "7"})
    with pytest.raises(KubernetesRefused) as refused:
        next(cluster.list(PODS))
    assert (refused.value.status, refused.value.retry_after) == (429, 7)


def test_a_token_that_was_renewed_is_read_again(api: Any, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("old")
    config = api.kubeconfig(tmp_path, tokenFile=str(token))
    with Cluster(str(config)) as cluster:
        api.put("pods", pod("a"))
        api.tokens = {"old"}
        assert next(cluster.list(PODS)).items
        api.tokens = {"new"}
        token.write_text("new")
        assert next(cluster.list(PODS)).items
        api.tokens = set()
        with pytest.raises(KubernetesDenied, match="does not know who asks to list pods"):
            next(cluster.list(PODS))


def test_an_exec_plugin_says_who_we_are(api: Any, tmp_path: Path) -> None:
    api.tokens = {"from-the-plugin"}
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": "from-the-plugin"},
    }
    command = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": sys.executable,
        "args": ["-c", f"print({json.dumps(credential)!r})"],
        "interactiveMode": "Never",
    }
    with Cluster(str(api.kubeconfig(tmp_path, exec=command))) as cluster:
        assert next(cluster.list(PODS)).items == ()


def test_a_pod_uses_its_own_account_and_reads_its_token_again(
    fake_api: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kubernetes.config import incluster_config

    token, trusted, authority = tmp_path / "token", tmp_path / "ca.crt", trustme.CA()
    authority.cert_pem.write_to_path(trusted)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(trusted))
    with fake_api.FakeApi(tls=context) as api:
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", api.url.rpartition(":")[2])
        token.write_text("first")
        api.tokens = {"first"}
        with Cluster() as cluster:
            assert cluster.address == api.url
            assert next(cluster.list(PODS)).items == ()
            token.write_text("second")
            api.tokens = {"second"}
            assert next(cluster.list(PODS)).items == ()


def test_certificates_of_both_sides_are_checked(fake_api: Any, tmp_path: Path) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    ours = authority.issue_cert("maibo")
    certificate, key = tmp_path / "client.crt", tmp_path / "client.key"
    ours.cert_chain_pems[0].write_to_path(certificate)
    ours.private_key_pem.write_to_path(key)
    with fake_api.FakeApi(tls=context) as api:
        config = api.kubeconfig(tmp_path, **{"client-certificate": str(certificate), "client-key": str(key)})
        written = json.loads(config.read_text())
        for each, trusted in ((authority, True), (stranger, False)):
            each.cert_pem.write_to_path(tmp_path / "ca.crt")
            written["clusters"][0]["cluster"]["certificate-authority"] = str(tmp_path / "ca.crt")
            config.write_text(json.dumps(written))
            with Cluster(str(config)) as cluster:
                if not trusted:
                    with pytest.raises(KubernetesUnreachable, match="CERTIFICATE_VERIFY_FAILED"):
                        next(cluster.list(PODS))
                    continue
                assert next(cluster.list(PODS)).items == ()
                with cluster.watch(PODS, resource_version="1") as watching:
                    waiting = threading.Thread(target=lambda watching=watching: [*watching])
                    waiting.start()
                    watching.cancel()
                    waiting.join(5)
                    assert not waiting.is_alive()


def test_a_wrong_kubeconfig_says_what_is_wrong(
    api: Any, kubeconfig: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(KubernetesSettingsError, match="there is no kubeconfig"):
        Cluster(str(tmp_path / "none"))
    with pytest.raises(KubernetesSettingsError, match="with the context 'staging'"):
        Cluster(str(kubeconfig), context="staging")
    for wrong in ("", "[", "clusters: 3\n", "just words"):
        kubeconfig.write_text(wrong)
        with pytest.raises(KubernetesSettingsError, match="kubectl version"):
            Cluster(str(kubeconfig))
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join([str(kubeconfig), str(tmp_path / "none")]))
    with pytest.raises(KubernetesSettingsError, match="there is no kubeconfig"):
        Cluster()
    monkeypatch.delenv("KUBECONFIG")
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(KubernetesSettingsError, match=r"no cluster was found: .*; --kubernetes says which cluster"):
        Cluster()


def test_nobody_there_is_told(fake_api: Any, tmp_path: Path) -> None:
    with fake_api.FakeApi() as api:
        config = api.kubeconfig(tmp_path)
    with Cluster(str(config)) as cluster, pytest.raises(KubernetesUnreachable, match="Connection refused"):
        next(cluster.list(PODS))
