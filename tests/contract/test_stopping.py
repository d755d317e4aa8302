"""A service and its collector from start to stop: what is told, how long a stop may take, and what it may not cost."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
import time
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import httpx2
import pytest
import yaml
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from maibo_collectors.otlp import collector
from maibo_collectors.otlp.draining.drain import Drain
from maibo_collectors.otlp.plugin import plugin
from maibo_slo.documents import Catalogue
from maibo_slo.errors import MaiboError
from maibo_slo.plugins import Context, Plugin
from maibo_slo.service import runtime
from maibo_slo.service.runtime import Runtime, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from maibo_slo.store import Store


def body() -> bytes:
    """One successful checkout that ends now."""
    now = time.time_ns()
    request = ExportTraceServiceRequest()
    span = (
        request.resource_spans.add()
        .scope_spans.add()
        .spans.add(trace_id=b"t" * 16, span_id=b"s" * 8, start_time_unix_nano=now - 10**8, end_time_unix_nano=now)
    )
    for name, value in {"journey.name": "checkout", "journey.id": "7", "journey.outcome": "success"}.items():
        span.attributes.add(key=name).value.string_value = value
    return request.SerializeToString()


def serve(
    store: Store,
    folder: Path,
    installed: Sequence[Plugin],
    visit: Callable[[str, list[str]], None] = lambda *_: None,
    *,
    options: Mapping[str, str] = MappingProxyType({}),
) -> float:
    """Run a service until it was visited; how long its stop took."""

    async def scenario() -> float:
        told_options = {"otlp-http": "127.0.0.1:0", "otlp-grpc": "127.0.0.1:0", "acceptors": "1", **options}
        settings = Settings(str(store), folder, options=told_options)
        service = Runtime(store, settings, catalogue=Catalogue(), installed=installed)
        told: list[str] = []
        ready = asyncio.Event()
        with socket.create_server(("127.0.0.1", 0)) as listener:

            def announce(line: str) -> None:
                told.append(line)
                if line.startswith("store: "):
                    ready.set()

            running = asyncio.create_task(service.run(listener, announce=announce))
            try:
                waiting = asyncio.create_task(ready.wait())
                await asyncio.wait({waiting, running}, timeout=60, return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
                if running.done():
                    running.result()
                assert ready.is_set()
                await asyncio.to_thread(visit, f"http://127.0.0.1:{listener.getsockname()[1]}", told)
            finally:
                service.stopping.set()
                begun = time.monotonic()
                await asyncio.wait_for(running, 30)
            return time.monotonic() - begun

    return asyncio.run(scenario())


def otlp_url(told: list[str]) -> str:
    return next(line.removeprefix("otlp-http: ") for line in told if line.startswith("otlp-http: "))


def test_the_collectors_real_address_is_told_and_shown(store: Store, tmp_path: Path) -> None:
    def visit(url: str, told: list[str]) -> None:
        where = otlp_url(told)
        assert re.fullmatch(r"http://127\.0\.0\.1:[1-9]\d+", where)
        assert httpx2.post(f"{where}/v1/traces", content=b"", trust_env=False).status_code == 415
        assert where in httpx2.get(url, trust_env=False).text

    serve(store, tmp_path, [plugin()], visit)


def test_a_task_that_does_not_stop_is_cancelled_and_the_service_ends(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "PLUGINS_STOP_SECONDS", 0.3)
    ended: list[str] = []

    async def stubborn(context: Context) -> None:
        context.report("stubborn", None)
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    assert 0.3 <= serve(store, tmp_path, [Plugin("stubborn", task=stubborn)]) < 10
    assert ended == ["cancelled"]


def test_the_service_waits_for_as_long_as_the_collector_allows_itself() -> None:
    from maibo_collectors.otlp.supervisor import STOP_SECONDS

    wanted = STOP_SECONDS + collector._LAST_DRAIN_SECONDS + collector._LAST_SEGMENT_SECONDS
    assert wanted < runtime.PLUGINS_STOP_SECONDS


def test_the_pod_is_given_longer_than_the_service_takes_to_stop() -> None:
    manifest = Path(__file__).parents[2] / "deploy" / "kustomize" / "base" / "statefulset.yaml"
    given = yaml.safe_load(manifest.read_text())["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert given > runtime.PLUGINS_STOP_SECONDS + runtime.HTTP_STOP_SECONDS + 10


@pytest.mark.parametrize(
    ("option", "value", "why"),
    [
        ("otlp-http", "0.0.0.0:18098", "can be reached by others"),
        ("acceptors", "many", "--acceptors is 'many'"),
        ("otlp-log-mib", "-3", "--otlp-log-mib is '-3'"),
    ],
)
def test_a_wrong_setting_of_the_collector_ends_the_service_with_the_reason(
    store: Store, tmp_path: Path, option: str, value: str, why: str
) -> None:
    with pytest.raises(MaiboError, match=why):
        serve(store, tmp_path, [plugin()], options={option: value})


def test_a_data_folder_with_another_owner_ends_the_service_with_the_reason(store: Store, tmp_path: Path) -> None:
    with collector.open_folders(tmp_path / collector.NAME), pytest.raises(MaiboError, match="another collector"):
        serve(store, tmp_path, [plugin()])


def test_what_a_cancelled_stop_left_in_the_log_is_counted_at_the_next_start(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken_up, over = threading.Event(), threading.Event()

    def hang(*_: object, **__: object) -> int:
        taken_up.set()
        over.wait(60)
        raise OSError("the disk is away")

    def counted() -> int:
        return int(store.rows("SELECT sum(n) FROM cells_10s")[0][0])

    def send(_: str, told: list[str]) -> None:
        headers = {"content-type": "application/x-protobuf"}
        answer = httpx2.post(f"{otlp_url(told)}/v1/traces", content=body(), headers=headers, trust_env=False)
        assert answer.status_code == 200

    def wait(_: str, __: list[str]) -> None:
        until = time.monotonic() + 30
        while not counted() and time.monotonic() < until:
            time.sleep(0.05)

    with monkeypatch.context() as slow:
        slow.setattr(runtime, "PLUGINS_STOP_SECONDS", 0.3)
        slow.setattr(collector, "_LAST_SEGMENT_SECONDS", 0.3)
        slow.setattr(Drain, "once", hang)
        assert serve(store, tmp_path, [plugin()], send) < 10
    assert taken_up.is_set()
    assert counted() == 0
    over.set()
    for thread in threading.enumerate():
        if thread.name == "maibo-drain":
            thread.join(10)
    serve(store, tmp_path, [plugin()], wait)
    assert counted() == 1
