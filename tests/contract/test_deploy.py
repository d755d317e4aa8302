"""What deploy/ says can be true: manifests that fit together, documents that load, a proxy that lets the right ones in."""

from __future__ import annotations

import base64
import json
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

from maibo_collectors.otlp.receiving.access import access
from maibo_slo.documents import load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
KUSTOMIZE = ROOT / "deploy" / "kustomize"
OTLP = {"MAIBO_OTLP_HTTP": 4318, "MAIBO_OTLP_GRPC": 4317}
nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, list[Any]]]:
    """Documents by kind, of the example as a reader makes it."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not here to build the manifests")

    def built(*, components: str = "") -> dict[str, list[Any]]:
        folder = tmp_path_factory.mktemp("kustomize")
        shutil.copytree(KUSTOMIZE, folder / "k")
        example = folder / "k" / "example"
        (example / "read.htpasswd").write_text("someone:{PLAIN}secret\n")
        (example / "tokens.json").write_text('{"tokens": []}')
        if components:
            with (example / "kustomization.yaml").open("a") as file:
                file.write(f"components: [{components}]\n")
        command = [kubectl, "kustomize", str(example)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        kinds: dict[str, list[Any]] = {}
        for document in yaml.safe_load_all(done.stdout):
            kinds.setdefault(document["kind"], []).append(document)
        return kinds

    return built


@pytest.fixture(scope="module")
def manifests(build: Callable[..., dict[str, list[Any]]]) -> dict[str, list[Any]]:
    return build()


def pod_of(manifests: dict[str, list[Any]]) -> dict[str, Any]:
    return dict(manifests["StatefulSet"][0]["spec"]["template"]["spec"])


def containers_of(manifests: dict[str, list[Any]]) -> dict[str, Any]:
    return {container["name"]: container for container in pod_of(manifests)["containers"]}


def settings_of(manifests: dict[str, list[Any]]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in containers_of(manifests)["maibo"]["env"]}


def check_mounts(manifests: dict[str, list[Any]]) -> None:
    volumes = {volume["name"] for volume in pod_of(manifests)["volumes"]}
    claims = {claim["metadata"]["name"] for claim in manifests["StatefulSet"][0]["spec"]["volumeClaimTemplates"]}
    for container in pod_of(manifests)["containers"]:
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes | claims


def test_the_base_builds_and_everything_it_refers_to_is_there(manifests: dict[str, list[Any]]) -> None:
    check_mounts(manifests)
    wanted = {volume["secret"]["secretName"] for volume in pod_of(manifests)["volumes"] if "secret" in volume}
    assert wanted == {secret["metadata"]["name"] for secret in manifests["Secret"]}
    ports = {
        port["name"]: port["containerPort"]
        for container in containers_of(manifests).values()
        for port in container["ports"]
    }
    assert {port["targetPort"] for port in manifests["Service"][0]["spec"]["ports"]} == ports.keys()
    policy = manifests["NetworkPolicy"][0]["spec"]
    assert {port["port"] for rule in policy["ingress"] for port in rule["ports"]} == ports.keys()
    label = manifests["StatefulSet"][0]["spec"]["selector"]["matchLabels"]
    assert policy["podSelector"]["matchLabels"] == label == manifests["Service"][0]["spec"]["selector"]
    listens = {int(port) for port in re.findall(r"listen (\d+);", (KUSTOMIZE / "base" / "nginx.conf").read_text())}
    assert listens == {port["containerPort"] for port in containers_of(manifests)["proxy"]["ports"]}


def test_whoever_sends_needs_a_token(manifests: dict[str, list[Any]], tmp_path: Path) -> None:
    settings = settings_of(manifests)
    mounted = {mount["name"]: mount["mountPath"] for mount in containers_of(manifests)["maibo"]["volumeMounts"]}
    assert settings["MAIBO_OTLP_TOKENS"] == f"{mounted['tokens']}/tokens.json"
    (tmp_path / "tokens.json").write_text(json.dumps({"tokens": []}))
    options = dict.fromkeys(("otlp-tls-cert", "otlp-tls-key", "otlp-tls-client-ca"), "")
    assert access({**options, "otlp-tokens": str(tmp_path / "tokens.json")}).guarded
    ports = {port["containerPort"] for port in containers_of(manifests)["maibo"]["ports"]}
    assert {settings[name] for name in OTLP} == {f"0.0.0.0:{port}" for port in OTLP.values()}
    assert ports == {*OTLP.values()}
    assert "MAIBO_LISTEN" not in settings


def test_tls_is_one_component(build: Callable[..., dict[str, list[Any]]]) -> None:
    manifests = build(components="../tls")
    check_mounts(manifests)
    settings = settings_of(manifests)
    assert settings["MAIBO_OTLP_TLS_CERT"] == "/etc/maibo/tls/tls.crt"
    assert settings["MAIBO_OTLP_TLS_KEY"] == "/etc/maibo/tls/tls.key"
    assert settings.keys() > OTLP.keys()
    mounted = {mount["name"]: mount["mountPath"] for mount in containers_of(manifests)["maibo"]["volumeMounts"]}
    assert mounted["tls"] == "/etc/maibo/tls"


def test_nothing_runs_as_root_or_writes_beside_its_volumes(manifests: dict[str, list[Any]]) -> None:
    pod = pod_of(manifests)
    assert pod["securityContext"]["runAsNonRoot"]
    for container in pod["containers"]:
        context = container["securityContext"]
        assert context["runAsUser"] > 0
        assert context["readOnlyRootFilesystem"]
        assert not context["allowPrivilegeEscalation"]
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]


def test_there_is_one_owner_of_the_embedded_store(manifests: dict[str, list[Any]]) -> None:
    assert manifests["StatefulSet"][0]["spec"]["replicas"] == 1


def test_the_example_documents_load_without_a_warning() -> None:
    catalogue = load([KUSTOMIZE / "example" / "documents.yaml"])
    assert catalogue.warnings == ()
    assert [*catalogue.slos] == ["checkout-fast"]


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

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def anybodys_folder() -> Iterator[Path]:
    """nginx runs without root here as it does there, so pytest's folders are closed to it."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


@pytest.fixture
def proxy(anybodys_folder: Path) -> Iterator[str]:
    """The real nginx with the real configuration, only its ports and folders being the test's own."""
    folder = anybodys_folder
    if nginx is None:
        pytest.skip("nginx is not here")
    (folder / "read").write_text("reader:{PLAIN}secret\n")
    behind = ThreadingHTTPServer(("127.0.0.1", 0), Behind)
    threading.Thread(target=behind.serve_forever, daemon=True).start()
    text = (KUSTOMIZE / "base" / "nginx.conf").read_text()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        chosen = free.getsockname()[1]
    text = text.replace("listen 9080;", f"listen 127.0.0.1:{chosen};")
    text = text.replace("server 127.0.0.1:8080;", f"server 127.0.0.1:{behind.server_port};")
    text = text.replace(" /tmp/", f" {folder}/").replace("/etc/maibo/users", str(folder))
    (folder / "nginx.conf").write_text(text)
    process = subprocess.Popen(
        [nginx, "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")],
        user=65534 if os.getuid() == 0 else None,
    )
    try:
        _wait_for(chosen, process)
        yield f"http://127.0.0.1:{chosen}"
    finally:
        process.terminate()
        process.wait(timeout=10)
        behind.shutdown()
        behind.server_close()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        assert process.poll() is None, "nginx ended"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
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


def test_the_proxy_lets_readers_read_and_nothing_else(proxy: str) -> None:
    assert ask(f"{proxy}/v1/journeys", who="reader") == (200, "127.0.0.1 - 0")
    assert ask(f"{proxy}/metrics", who="reader")[0] == 200
    assert ask(f"{proxy}/v1/journeys")[0] == 401
    assert ask(f"{proxy}/v1/journeys", who="stranger")[0] == 401
    assert ask(f"{proxy}/v1/journeys", who="reader", method="POST", body=b"x")[0] == 403


def test_the_kubelet_needs_no_password_for_health(proxy: str) -> None:
    assert {path: ask(proxy + path)[0] for path in ("/healthz", "/readyz")} == {"/healthz": 200, "/readyz": 200}
