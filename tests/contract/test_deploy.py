"""What deploy/ says can be true: manifests that fit together, documents that load, a proxy that lets the right ones in."""

from __future__ import annotations

import base64
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from maibo_collectors.otlp.body import BODY_LIMIT
from maibo_slo.documents import load

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
KUSTOMIZE = ROOT / "deploy" / "kustomize"
USERS = {"ingest": "sender", "read": "reader"}
nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not here to build the manifests")
    folder = tmp_path_factory.mktemp("kustomize")
    shutil.copytree(KUSTOMIZE, folder / "k")
    for users in USERS:
        (folder / "k" / "example" / f"{users}.htpasswd").write_text("someone:{PLAIN}secret\n")
    command = [kubectl, "kustomize", str(folder / "k" / "example")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return {document["kind"]: document for document in yaml.safe_load_all(done.stdout)}


def test_the_base_builds_and_everything_it_refers_to_is_there(manifests: dict[str, Any]) -> None:
    pod = manifests["StatefulSet"]["spec"]["template"]["spec"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    claims = {claim["metadata"]["name"] for claim in manifests["StatefulSet"]["spec"]["volumeClaimTemplates"]}
    for container in pod["containers"]:
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes.keys() | claims
    assert volumes["users"]["secret"]["secretName"] == manifests["Secret"]["metadata"]["name"]
    assert manifests["Secret"]["data"].keys() == USERS.keys()
    ports = {
        port["name"]: port["containerPort"] for container in pod["containers"] for port in container.get("ports", [])
    }
    assert {port["targetPort"] for port in manifests["Service"]["spec"]["ports"]} == ports.keys()
    policy = manifests["NetworkPolicy"]["spec"]
    assert {port["port"] for rule in policy["ingress"] for port in rule["ports"]} == ports.keys()
    label = manifests["StatefulSet"]["spec"]["selector"]["matchLabels"]
    assert policy["podSelector"]["matchLabels"] == label == manifests["Service"]["spec"]["selector"]
    listens = {int(port) for port in re.findall(r"listen (\d+);", (KUSTOMIZE / "base" / "nginx.conf").read_text())}
    assert listens == set(ports.values())


def test_nothing_runs_as_root_or_writes_beside_its_volumes(manifests: dict[str, Any]) -> None:
    pod = manifests["StatefulSet"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    for container in pod["containers"]:
        context = container["securityContext"]
        assert context["runAsUser"] > 0
        assert context["readOnlyRootFilesystem"]
        assert not context["allowPrivilegeEscalation"]
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]


def test_there_is_one_owner_of_the_embedded_store(manifests: dict[str, Any]) -> None:
    assert manifests["StatefulSet"]["spec"]["replicas"] == 1


def test_the_example_documents_load_without_a_warning() -> None:
    catalogue = load([KUSTOMIZE / "example" / "documents.yaml"])
    assert catalogue.warnings == ()
    assert [*catalogue.slos] == ["checkout-fast"]


def test_the_proxy_takes_bodies_as_large_as_the_collector_does() -> None:
    limit = re.search(r"client_max_body_size (\d+)m;", (KUSTOMIZE / "base" / "nginx.conf").read_text())
    assert limit is not None
    assert int(limit[1]) * 2**20 == BODY_LIMIT


class Behind(BaseHTTPRequestHandler):
    """Stands for maibo: says what reached it."""

    def do_GET(self) -> None:
        length = int(self.headers.get("content-length", 0))
        self.rfile.read(length)
        said = f"{self.headers['host']} {self.headers.get('authorization', '-')} {length}".encode()
        self.send_response(200)
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_POST = do_GET

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def anybodys_folder() -> Iterator[Path]:
    """nginx runs without root here as it does there, so pytest's folders are closed to it."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


@pytest.fixture
def proxy(anybodys_folder: Path) -> Iterator[dict[str, str]]:
    """The real nginx with the real configuration, only its ports and folders being the test's own."""
    folder = anybodys_folder
    if nginx is None:
        pytest.skip("nginx is not here")
    for users, who in USERS.items():
        (folder / users).write_text(f"{who}:{{PLAIN}}secret\n")
    behind = ThreadingHTTPServer(("127.0.0.1", 0), Behind)
    threading.Thread(target=behind.serve_forever, daemon=True).start()
    text = (KUSTOMIZE / "base" / "nginx.conf").read_text()
    doors = {}
    for port, name in ((9318, "ingest"), (9080, "read")):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            chosen = free.getsockname()[1]
        text = text.replace(f"listen {port};", f"listen 127.0.0.1:{chosen};")
        doors[name] = f"http://127.0.0.1:{chosen}"
    for port in (4318, 8080):
        text = text.replace(f"server 127.0.0.1:{port};", f"server 127.0.0.1:{behind.server_port};")
    text = text.replace(" /tmp/", f" {folder}/").replace("/etc/maibo/users", str(folder))
    (folder / "nginx.conf").write_text(text)
    process = subprocess.Popen(
        [nginx, "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")],
        user=65534 if os.getuid() == 0 else None,
    )
    try:
        _wait_for(doors["read"], process)
        yield doors
    finally:
        process.terminate()
        process.wait(timeout=10)
        behind.shutdown()
        behind.server_close()


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    host, port = url.removeprefix("http://").split(":")
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        assert process.poll() is None, "nginx ended"
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    pytest.fail("nginx does not listen")


def ask(url: str, *, who: str = "", method: str = "GET", body: bytes | None = None) -> tuple[int, str]:
    request = urllib.request.Request(url, method=method, data=body)
    if who:
        request.add_header("authorization", "Basic " + base64.b64encode(f"{who}:secret".encode()).decode())
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, ""


def test_the_proxy_lets_senders_send_and_readers_read_and_nothing_else(proxy: dict[str, str]) -> None:
    traces, journeys = f"{proxy['ingest']}/v1/traces", f"{proxy['read']}/v1/journeys"
    body = b"x" * 100_000
    assert ask(traces, who="sender", method="POST", body=body) == (200, "127.0.0.1 - 100000")
    assert ask(journeys, who="reader") == (200, "127.0.0.1 - 0")
    assert ask(f"{proxy['read']}/metrics", who="reader")[0] == 200
    assert ask(traces, method="POST", body=body)[0] == 401
    assert ask(traces, who="reader", method="POST", body=body)[0] == 401
    assert ask(journeys)[0] == 401
    assert ask(journeys, who="sender")[0] == 401
    assert ask(journeys, who="reader", method="POST", body=b"x")[0] == 403
    assert ask(f"{proxy['ingest']}/metrics", who="sender")[0] == 404


def test_the_kubelet_needs_no_password_for_health(proxy: dict[str, str]) -> None:
    for path in ("/healthz", "/readyz"):
        assert ask(proxy["read"] + path)[0] == 200
        assert ask(proxy["ingest"] + path)[0] == 404
