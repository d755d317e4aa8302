"""Acceptor processes: started, watched, restarted, and never left behind."""

import contextlib
import itertools
import os
import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
import time
from pathlib import Path

import grpc
import pytest

from maibo_collectors.errors import CollectorError
from maibo_collectors.otlp import acceptor
from maibo_collectors.otlp.collector import open_folders, run
from maibo_slo.errors import MaiboError
from maibo_slo.store import open_store, segments

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

pytestmark = pytest.mark.anyio


def wait_until(condition, *, seconds=60):
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return value


def test_several_acceptors_share_one_address_and_a_retry_at_another_one_counts_once(core_at, tmp_path, otlp_body):
    core = core_at(tmp_path, acceptors="3").start()
    pids = core.acceptors()
    assert len(pids) == 3
    assert {os.getpriority(os.PRIO_PROCESS, pid) for pid in pids} == {
        os.getpriority(os.PRIO_PROCESS, 0) + acceptor._NICE
    }
    retried = otlp_body("retried", 2)
    for chosen in pids:
        others = [pid for pid in pids if pid != chosen]
        for pid in others:
            os.kill(pid, signal.SIGSTOP)
        assert core.send(retried).code == 200
        for pid in others:
            os.kill(pid, signal.SIGCONT)
    core.stop()
    with open_store(f"chdb://{tmp_path / 'store'}") as store:
        assert store.rows("SELECT sum(n) FROM cells_10s")[0][0] == 2
        assert segments.totals(store).duplicate_bodies == 2


IDLE = (
    b"POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n"
)
BEGUN = IDLE.replace(b"content-length: 0", b"content-length: 99") + b"a part"


@pytest.fixture
def acceptor_at(tmp_path):
    """Starts one acceptor without a core; its standard error goes to the file ``stderr``."""
    with contextlib.ExitStack() as stack:

        def start(*arguments) -> tuple[subprocess.Popen, tuple[str, int]]:
            listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            for name in ("log", "metrics"):
                (tmp_path / name).mkdir()
            named = {"--fd": listening.fileno(), "--acceptor": 0, "--log": tmp_path / "log"}
            named |= {"--metrics": tmp_path / "metrics", "--quota": 2**20}
            process = stack.enter_context(
                subprocess.Popen(
                    [
                        *(sys.executable, "-P", "-m", "maibo_collectors.otlp.acceptor"),
                        *(str(each) for pair in named.items() for each in pair),
                        *map(str, arguments),
                    ],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=stack.enter_context((tmp_path / "stderr").open("w")),
                    pass_fds=(listening.fileno(),),
                )
            )
            stack.callback(process.kill)
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n", (tmp_path / "stderr").read_text()
            return process, listening.getsockname()

        yield start


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
@pytest.mark.parametrize("sent", [(b"", IDLE, IDLE[:20]), (BEGUN,)], ids=["at rest", "an upload"])
def test_a_stop_does_not_wait_for_connections_at_rest_nor_long_for_uploads(
    acceptor_at, tmp_path, certificates, sent, tls
):
    of_tls = ("--tls-cert", certificates["cert"], "--tls-key", certificates["key"])
    process, address = acceptor_at(*(of_tls if tls else ()))
    with contextlib.ExitStack() as stack:
        for each in sent:
            connection = stack.enter_context(socket.create_connection(address, timeout=10))
            if tls:
                trusting = ssl.create_default_context(cafile=certificates["ca"])
                connection = stack.enter_context(trusting.wrap_socket(connection, server_hostname="127.0.0.1"))
            connection.sendall(each)
            if each == IDLE:
                assert connection.recv(100).startswith(b"HTTP/1.1 200")
        time.sleep(0.2)  # it has taken what was sent
        begin = time.monotonic()
        process.terminate()
        assert process.wait(30) == 0
        assert time.monotonic() - begin < acceptor.STOP_SECONDS - 0.5
    assert (tmp_path / "stderr").read_text() == ""


def test_an_acceptor_that_dies_is_replaced_and_what_it_took_is_counted(core_at, tmp_path, otlp_body):
    core = core_at(tmp_path, acceptors="1").start()
    assert core.send(otlp_body("checkout", 2)).code == 200
    requests = core.metric('maibo_otlp_requests_total{code="200"}')
    (pid,) = core.acceptors()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: core.acceptors() not in ([], [pid]))
    assert core.send(otlp_body("checkout", 3)).code == 200  # waits in the socket's queue until the new one serves
    core.wait_counted("checkout", 5)
    assert core.metric("maibo_otlp_acceptor_restarts_total") == 1
    assert core.metric('maibo_otlp_requests_total{code="200"}') == requests + 1
    wait_until(lambda: core.ask(health=0)[-1] is None)
    assert any("acceptor 0 died (exit code -9)" in (problem or "") for problem in core.ask(health=0))
    core.stop()


def test_stopping_in_order_counts_everything_first(core_at, tmp_path, otlp_body):
    core = core_at(tmp_path, acceptors="2", otlp_grpc="off").start()
    assert core.grpc == ""
    assert not any("cygrpc" in Path(f"/proc/{pid}/maps").read_text() for pid in core.acceptors())
    for _ in range(5):
        assert core.send(otlp_body("checkout", 2)).code == 200
    pids = core.acceptors()
    core.stop()
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert list((tmp_path / "otlp" / "log").iterdir()) == []
    with open_store(f"chdb://{tmp_path / 'store'}") as store:
        assert store.rows("SELECT sum(n) FROM cells_10s")[0][0] == 10


def test_acceptors_of_a_killed_core_end_by_themselves_and_let_go_of_the_address(core_at, tmp_path, otlp_body):
    core = core_at(tmp_path, acceptors="2").start()
    core.send(otlp_body("checkout"))
    pids = core.acceptors()
    core.kill(acceptors=False)
    core.options["otlp-http"] = f"127.0.0.1:{core.address[1]}"  # the very same, as after a crash of the real one
    core.start()
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
    core.wait_counted("checkout", 1)
    core.stop()


def test_a_log_over_its_quota_is_503_until_it_is_drained(core_at, tmp_path, otlp_request):
    core = core_at(tmp_path, acceptors="1", otlp_log_mib="1").start()
    numbers = itertools.count()

    def body() -> bytes:
        """300 spans, each of a series of its own."""
        journey = f"checkout-{next(numbers)}"
        long = {f"journey.{name}": name * 40 for name in ("tier", "variant")}
        spans = [{"journey.name": journey, "journey.step": f"{number:0200}"} | long for number in range(300)]
        return otlp_request(*spans).SerializeToString()

    os.kill(core.process.pid, signal.SIGSTOP)  # a core that does not come to draining
    try:
        replies = [core.send(body()) for _ in range(12)]
        with (
            pytest.raises(grpc.RpcError, match="not counted yet") as refused,
            grpc.insecure_channel(core.grpc) as channel,
        ):
            channel.unary_unary(EXPORT)(body(), timeout=20)
    finally:
        os.kill(core.process.pid, signal.SIGCONT)
    codes = [reply.code for reply in replies]
    assert codes == sorted(codes)
    assert set(codes) == {200, 503}
    assert "not counted yet" in replies[-1].status.message
    assert replies[-1].headers["retry-after"] == "5"
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    last = body()
    wait_until(lambda: core.send(last).code == 200)
    taken = 300 * (codes.count(200) + 1)
    wait_until(lambda: core.rows("SELECT sum(n) FROM cells_10s") == [[taken]])
    core.stop()


def rss_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024


def test_an_acceptor_stays_small_idle_and_after_ordinary_load(core, journey, otlp_request, zipped):
    (pid,) = core.acceptors()
    idle = rss_mib(pid)
    attributes = {f"http.attribute.{number}": "a value of some length" for number in range(9)}
    resource = {"service.name": "shop", "service.version": "1.2.3", "deployment.environment.name": "production"}
    for number in range(100):
        spans = [
            {"journey.name": journey, "journey.step": f"step-{step % 20}", "duration": 10_000_000 + 7919 * step}
            | attributes
            for step in range(500)
        ]
        body = otlp_request(*spans, resource=resource | {"k8s.pod.name": str(number)}).SerializeToString()
        with grpc.insecure_channel(core.grpc) as channel:
            channel.unary_unary(EXPORT)(body, timeout=30)
        assert core.send(zipped(body + body), content_encoding="gzip").code == 200
    core.wait_counted(journey, 100 * 3 * 500)
    loaded = rss_mib(pid)
    print(f"idle {idle:.1f} MiB, loaded {loaded:.1f} MiB")
    assert idle <= 80
    assert loaded <= 80


MAPPED = """
apiVersion: maibo.dev/v1
kind: Journey
metadata: {{name: {journey}}}
spec:
  spans: [{{name: a span}}]
"""


def test_documents_that_change_are_followed_while_it_runs(core, tmp_path, otlp_request):
    documents = tmp_path / "journeys.yaml"

    def counted_after_one_more(journey: str) -> bool:
        assert core.send(otlp_request({"some": "attribute"}).SerializeToString()).code == 200
        return core.counted(journey) > 0

    for journey in ("first", "second"):
        documents.write_text(MAPPED.format(journey=journey))
        core.ask(documents=[str(documents)])
        wait_until(lambda journey=journey: counted_after_one_more(journey))


def small_spans(count: int) -> bytes:
    """A request of spans that failed, of some 55 bytes each, of which nearly every one has a cell and an exemplar of its own."""

    def field(number: int, data: bytes) -> bytes:
        return bytes([number << 3 | 2]) + _varint(len(data)) + data

    now = time.time_ns()
    spans = []
    for number in range(count):
        end = now + (number % 17_000 - 8_500) * 10 * 10**9
        begin = end - int(1000 * 1.2 ** (number // 17_000 * 6 + number % 6))
        ids = field(1, struct.pack("<QQ", number + 1, number)) + field(2, struct.pack("<Q", number + 1))
        status = field(15, b"\x18\x02")
        spans.append(field(2, ids + field(5, b"x") + status + struct.pack("<BQBQ", 0x39, begin, 0x41, end)))
    return field(1, field(2, b"".join(spans)))


def _varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def test_a_body_whose_counts_are_more_than_a_record_holds_is_413_and_what_comes_next_is_counted(
    core_at, tmp_path, otlp_request
):
    core = core_at(tmp_path / "core", acceptors="1").start()
    documents = tmp_path / "journeys.yaml"
    rule = "apiVersion: maibo.dev/v1\nkind: Journey\nmetadata: {{name: j{}}}\nspec: {{spans: [{{name: x}}]}}\n"
    documents.write_text("---\n".join(rule.format(number) for number in range(5)))
    core.ask(documents=[str(documents)])
    one = otlp_request({"some": "attribute"})
    one.resource_spans[0].scope_spans[0].spans[0].name = "x"

    def counted_after_one_more() -> int:
        one.resource_spans[0].scope_spans[0].spans[0].start_time_unix_nano += 1
        assert core.send(one.SerializeToString()).code == 200
        return core.counted("j4")

    before = wait_until(counted_after_one_more)
    reply = core.send(small_spans(250_000))
    assert reply.code == 413
    assert "more counts than one record holds; send smaller batches" in reply.status.message
    wait_until(lambda: counted_after_one_more() > before)
    core.stop()
    assert list((tmp_path / "core" / "otlp" / "corrupt").iterdir()) == []
    with open_store(f"chdb://{tmp_path / 'core' / 'store'}") as store:
        assert store.rows("SELECT sum(n) FROM cells_10s")[0][0] < 5 * 1000


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"otlp-http": "0.0.0.0:0"}, "--otlp-http '0.0.0.0:0' can be reached by others, who must show who they are"),
        ({"otlp-grpc": "0.0.0.0:0"}, "--otlp-grpc '0.0.0.0:0' can be reached by others"),
        ({"otlp-grpc": "4317"}, "--otlp-grpc '4317' is no address"),
        (
            {"otlp-tokens": "/nowhere/tokens.json"},
            "--otlp-tokens: there is no token file /nowhere/tokens.json; make one with",
        ),
        ({"otlp-tls-cert": "/nowhere/cert.pem"}, "--otlp-tls-cert and --otlp-tls-key go together"),
        ({"otlp-tls-client-ca": "/nowhere/ca.pem"}, "needs TLS: give --otlp-tls-cert and --otlp-tls-key"),
        ({"otlp-series-limit": "-1"}, "--otlp-series-limit is '-1'"),
        ({"acceptors": "0"}, "--acceptors is '0'; it must be a whole number from 1 on"),
        ({"acceptors": "many"}, "--acceptors is 'many'"),
    ],
)
async def test_wrong_options_are_reported_and_nothing_is_started(tmp_path, context_at, options, problem):
    told = []
    context = context_at(tmp_path, None, told=told, **options)
    for _ in range(2):  # the service starts it again, and is told the same
        with pytest.raises((CollectorError, MaiboError), match=re.escape(problem)):
            await run(context)
    assert [part for part, _ in told] == ["otlp", "otlp"]
    assert all(problem in text for _, text in told)


def test_two_cores_do_not_share_a_log(tmp_path):
    with (
        open_folders(tmp_path / "otlp"),
        pytest.raises(CollectorError, match="another collector writes into"),
        open_folders(tmp_path / "otlp"),
    ):
        pass
    with open_folders(tmp_path / "otlp") as folders:
        assert folders.log.is_dir()


@pytest.mark.parametrize("there", [False, True])
def test_what_is_in_the_folder_is_for_its_owner_alone(tmp_path, there):
    root = tmp_path / "data" / "otlp"
    if there:
        root.mkdir(parents=True, mode=0o755)
    with open_folders(root):
        assert root.stat().st_mode & 0o777 == 0o700


HEAVY = (
    *("chdb", "clickhouse_connect", "pandas", "numpy", "pyarrow", "fastapi"),
    *(f"maibo_slo.{room}" for room in ("engine", "service", "documents", "plugins", "store.histogram")),
)


@pytest.mark.parametrize(
    ("module", "without"),
    [
        ("maibo_collectors.otlp.acceptor", HEAVY),
        ("maibo_collectors.otlp.plugin", ("chdb", "pandas", "uvicorn", "google.protobuf", "prometheus_client")),
    ],
)
def test_what_is_to_start_quickly_loads_nothing_heavy(module, without):
    code = f"import {module}, sys; print([name for name in {without!r} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    assert loaded.strip() == "[]"
