"""What it costs to turn OTLP into journey counts: each stage alone, and a whole `maibo serve` under load from another process.

    python benchmarks/ingest.py                  # a table; about two minutes
    python benchmarks/ingest.py --json           # one object
    python benchmarks/ingest.py --stages-only    # without the service
    python benchmarks/ingest.py --soak 600       # is memory flat? ten minutes at 50,000 spans/s

Spans per core are spans / CPU-second (user and system, of every process of the service: acceptors, log, drain, store, API), from the
first request until the last acknowledged span is visible; the sender's own CPU is not in it. A request is 500 spans of some 480 bytes with
11 attributes (`otlp_load.py`), gzip; "validated" is a parse by OTLP's own schema, "fsynced" is before the 200, "visible" is in an
answer of the API. The baseline is a plain loop over opentelemetry-proto's messages; the limits are that parser alone, and memcpy.

The targets (per core): 250,000 spans/s with the compiled decoder, 80,000 in pure Python, 1,000,000 for decoding and aggregating alone;
acknowledgement P99 of 100 ms and freshness P99 of 1 s at half load; 4 bytes stored a span; nothing lost, nothing counted twice. The exit
code says whether loss and duplication are 0; speeds are printed beside their targets, since machines differ.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import otlp_load
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from maibo_collectors.otlp.body import Encoding, unpack
from maibo_collectors.otlp.decoding import tally
from maibo_collectors.otlp.decoding.classify import Classifier
from maibo_collectors.otlp.decoding.decoders import decoder_in_use
from maibo_collectors.otlp.decoding.rules import Rules
from maibo_collectors.otlp.decoding.traces import PythonTraces, validate
from maibo_collectors.otlp.segment import body_hash

if TYPE_CHECKING:
    from collections.abc import Callable

SPANS = 500
TICKS = os.sysconf("SC_CLK_TCK")
TARGETS = {
    "compiled_spans_per_core_s": (250_000, "at least"),
    "python_spans_per_core_s": (80_000, "at least"),
    "decode_aggregate_spans_per_core_s": (1_000_000, "at least"),
    "ack_p99_ms": (100, "at most"),
    "freshness_p99_s": (1.0, "at most"),
    "bytes_per_span": (4, "at most"),
    "lost": (0, "at most"),
    "duplicated": (0, "at most"),
    "acceptor_mb": (80, "at most"),
    "core_mb": (512, "at most"),
}


def main() -> int:
    parser = argparse.ArgumentParser(description="What it costs to turn OTLP into journey counts.")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--seconds", type=float, default=15, help="of each load")
    parser.add_argument("--acceptors", type=int, default=1)
    parser.add_argument("--decoder", choices=["compiled", "python"], help="this one alone")
    parser.add_argument("--stages-only", action="store_true", help="without the service")
    parser.add_argument(
        "--soak", type=float, default=0, metavar="SECONDS", help="nothing but memory under a steady load"
    )
    arguments = parser.parse_args()
    if arguments.soak:
        return soak(arguments.soak, acceptors=arguments.acceptors)
    decoders = ["compiled", "python"] if decoder_in_use() == "compiled" else ["python"]
    decoders = [each for each in decoders if arguments.decoder in {None, each}]
    if not decoders:
        parser.error("there is no compiled decoder here: `make scanner` builds it")
    stages = measure_stages(decoders)
    runs: dict[str, dict[str, float]] = {}
    if not arguments.stages_only:
        for decoder in decoders:
            runs[decoder] = measure_service(decoder, seconds=arguments.seconds, acceptors=arguments.acceptors)
    result = summary(stages, runs)
    if arguments.json:
        print(json.dumps({**result, "stages_us_per_span": stages, "runs": runs, "decoder": decoder_in_use()}))
    else:
        show(stages, runs, result)
    return int(result.get("lost", 0) > 0 or result.get("duplicated", 0) > 0)


def summary(stages: dict[str, float], runs: dict[str, dict[str, float]]) -> dict[str, float]:
    """The figures that have targets: of the first decoder, the best there is; losses of all runs."""
    best = next(iter(runs.values()), {})
    decode = min(cost for stage, cost in stages.items() if stage.startswith("decode and aggregate"))
    return {
        **{f"{decoder}_spans_per_core_s": run["spans_per_core_s"] for decoder, run in runs.items()},
        "decode_aggregate_spans_per_core_s": 1e6 / decode,
        **{name: best[name] for name in TARGETS if name in best},
        **{name: sum(run[name] for run in runs.values()) for name in ("lost", "duplicated") if runs},
    }


# -- stages, in this process ------------------------------------------------------------------------------------------------------


def measure_stages(decoders: list[str]) -> dict[str, float]:
    """us a span of each stage; medians of several rounds over bodies that are all different."""
    made = otlp_load.Bodies(seed=7, spans=SPANS)
    bodies = [made.next(end_ns=time.time_ns()) for _ in range(40)]
    packed = [otlp_load.zipped(body) for body in bodies]
    now_ns = time.time_ns()
    costs: dict[str, float] = {}

    def stage(name: str, call: Callable[[bytes], object], over: list[bytes] = bodies) -> None:
        costs[name] = cost_us(call, over) / SPANS

    stage("limit: memcpy", bytearray)
    stage("limit: OTLP's own parser alone", ExportTraceServiceRequest.FromString)
    stage("baseline: loop over its messages", naive)
    stage("gunzip, zlib", lambda data: zlib.decompress(data, 31), packed)
    stage("gunzip, as used", lambda data: unpack(data, Encoding.GZIP), packed)
    stage("hash, SHA-256", lambda body: hashlib.sha256(body).digest())
    stage("hash, as used", body_hash)
    stage("validate, by OTLP's own parser", validate)
    if "compiled" in decoders:
        stage("validate, compiled", compiled_validate())
    tallies: list[tally.Tally] = []
    for decoder in decoders:
        traces = compiled_traces() if decoder == "compiled" else PythonTraces(Classifier(Rules()))
        label = {"compiled": "compiled", "python": "Python"}[decoder]
        stage(f"decode and aggregate, {label}", lambda body, traces=traces: traces.tally(body, received_ns=now_ns))
        tallies = [traces.tally(body, received_ns=now_ns) for body in bodies]
    written = [tally.encode(each) for each in tallies]
    each = iter(tallies * 1000)
    stage("write the tally", lambda _: tally.encode(next(each)))
    costs |= measure_log(written)
    costs |= measure_drain(written)
    costs |= measure_clickhouse(bodies)
    costs["bytes of a tally"] = sum(map(len, written)) / len(written) / SPANS
    return costs


def compiled_traces() -> Any:
    from maibo_collectors.otlp.decoding.compiled import (
        CompiledTraces,  # not there where the pure Python decoder is used
    )

    return CompiledTraces(Classifier(Rules()))


def compiled_validate() -> Callable[[bytes], object]:
    from maibo_collectors.otlp.decoding.compiled import is_valid

    return is_valid


def measure_log(written: list[bytes]) -> dict[str, float]:
    """us a span of appending to the log, 8 senders at once; each is answered when its record is fsynced."""
    from maibo_collectors.otlp.log import Log
    from maibo_collectors.otlp.segment import Kind, Record

    async def append(log: Log) -> None:
        records = iter(written * 5)

        async def sender() -> None:
            for raw in records:
                await log.append(Record(os.urandom(16), time.time_ns(), SPANS, Encoding.IDENTITY, raw, Kind.TALLY))

        await asyncio.gather(*(sender() for _ in range(8)))

    with tempfile.TemporaryDirectory() as folder:
        log = Log(Path(folder), acceptor=0)
        begin = time.process_time()
        asyncio.run(append(log))
        spent = time.process_time() - begin
        log.close()
    return {"log, fsynced (8 senders)": 1e6 * spent / (5 * len(written) * SPANS)}


def measure_drain(written: list[bytes]) -> dict[str, float]:
    """us a span of merging a batch of tallies, and of inserting it."""
    from maibo_collectors.otlp.draining.merge import Merge, SeriesMemo
    from maibo_slo.store import counts, open_store

    costs: dict[str, float] = {}
    batch = len(written) * SPANS
    memo = SeriesMemo()
    begin = time.process_time()
    for _ in range(5):
        merge = Merge(memo)
        for raw in written:
            merge.add(tally.decode(raw))
        made = merge.counts()
    costs["merge (a batch of 40)"] = 1e6 * (time.process_time() - begin) / 5 / batch
    with tempfile.TemporaryDirectory() as folder, open_store(f"chdb://{folder}") as store:
        store.warm_up()
        counts.insert(store, made, token="first")
        for name, insert in (("10 s cells", counts.insert_cells), ("minutes and hours", counts.insert_minutes)):
            begin = time.process_time()
            for number in range(5):
                insert(store, made, token=f"batch-{number}")
            costs[f"insert {name} (a batch of 40)"] = 1e6 * (time.process_time() - begin) / 5 / batch
    return costs


OTLP_FOR_CLICKHOUSE = """syntax = "proto3";
message AnyValue { string string_value = 1; }
message KeyValue { string key = 1; AnyValue value = 2; }
message Status { int32 code = 3; }
message Span { fixed64 start_time_unix_nano = 7; fixed64 end_time_unix_nano = 8; repeated KeyValue attributes = 9; Status status = 15; }
message ScopeSpans { repeated Span spans = 2; }
message Resource { repeated KeyValue attributes = 1; }
message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
"""
ATTRIBUTES = "Array(Tuple(key String, value Tuple(string_value String)))"
SPAN = (
    f"Tuple(start_time_unix_nano UInt64, end_time_unix_nano UInt64, status Tuple(code Int32), attributes {ATTRIBUTES})"
)


def measure_clickhouse(bodies: list[bytes]) -> dict[str, float]:
    """us a span of the engine's own parse, of no more than is needed to judge a span, into a table that keeps nothing."""
    from google.protobuf.wrappers_pb2 import BytesValue

    from maibo_slo.store import open_store

    # Requests, end to end, are one request; its length goes before it, as that of a message's bytes does, behind their tag.
    block = BytesValue(value=b"".join(bodies)).SerializeToString()[1:]
    settings = {
        "format_schema_source": "string",
        "format_schema": OTLP_FOR_CLICKHOUSE,
        "format_schema_message_name": "ResourceSpans",
    }
    rounds = []
    # The engine keeps the schema's text in a folder where it was started.
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), open_store(f"chdb://{folder}") as store:
        store.warm_up()
        columns = f"`resource.attributes` {ATTRIBUTES}, scope_spans Array(Tuple(spans Array({SPAN})))"
        for engine in ("Memory", "Null"):
            store.execute(f"CREATE TABLE parsed_{engine} ({columns}) ENGINE = {engine}")
        names = ["resource.attributes", "scope_spans"]

        def parse(table: str) -> None:
            store.client().raw_insert(table, names, block, settings, "ProtobufList")

        parse("parsed_Memory")
        found = store.rows("SELECT sum(length(arrayJoin(scope_spans).spans)) FROM parsed_Memory")[0][0]
        assert found == SPANS * len(bodies), f"ClickHouse found {found} spans"
        for _ in range(5):
            begin = time.process_time()
            parse("parsed_Null")
            rounds.append(time.process_time() - begin)
    return {"ClickHouse's parse, for comparison": 1e6 * sorted(rounds)[2] / SPANS / len(bodies)}


def cost_us(call: Callable[[bytes], object], over: list[bytes]) -> float:
    """CPU us of a call: the median round of five."""
    for each in over[:3]:
        call(each)
    rounds = []
    for _ in range(5):
        begin = time.process_time()
        for each in over:
            call(each)
        rounds.append((time.process_time() - begin) / len(over))
    return 1e6 * sorted(rounds)[2]


def naive(body: bytes) -> Counter[tuple[object, ...]]:
    """What anybody would write first: the journeys of a request, counted by series, 10 s and millisecond."""
    counted: Counter[tuple[object, ...]] = Counter()
    request = ExportTraceServiceRequest.FromString(body)
    for resource_spans in request.resource_spans:
        resource = {each.key: each.value.string_value for each in resource_spans.resource.attributes}
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                found = {each.key: each.value.string_value for each in span.attributes}
                duration_ms = (span.end_time_unix_nano - span.start_time_unix_nano) // 1_000_000
                counted[
                    span.end_time_unix_nano // 10**10,
                    resource.get("service.name"),
                    resource.get("service.version"),
                    found.get("journey.name"),
                    found.get("journey.step"),
                    found.get("journey.tier"),
                    found.get("journey.outcome"),
                    duration_ms,
                ] += 1
    return counted


# -- the service, under load from another process ---------------------------------------------------------------------------------


def measure_service(decoder: str, *, seconds: float, acceptors: int) -> dict[str, float]:
    """One service: a load as fast as it goes, then half of that; both counted to the last span."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        service = Service(Path(folder), decoder=decoder, acceptors=acceptors)
        try:
            service.start()
            tell(f"{decoder}: warming up")
            service.settle(run_load(service.otlp, seconds=3))
            tell(f"{decoder}: as fast as it goes, {seconds:g} s")
            before, begin = service.cpu_seconds(), time.monotonic()
            sent = run_load(service.otlp, seconds=seconds)
            accepted = time.monotonic() - begin
            service.settle(sent)
            core, accepting = (now - then for now, then in zip(service.cpu_seconds(), before, strict=True))
            result = {
                "spans_per_core_s": sent["acknowledged"] / (core + accepting),
                "core_us_per_span": 1e6 * core / sent["acknowledged"],
                "acceptors_us_per_span": 1e6 * accepting / sent["acknowledged"],
                "spans_per_s": sent["acknowledged"] / accepted,
                "saturated_ack_p99_ms": quantile(sent["ack_ms"], 0.99),
                "refused": sent["refused"],
            }
            tell(f"{decoder}: half of that, {seconds:g} s")
            before = sum(service.cpu_seconds())
            with service.watching() as visible:
                half = run_load(service.otlp, seconds=seconds, rate=result["spans_per_s"] / 2, probes=True)
                service.settle(half)
            fresh = freshness(half["probes_at"], visible)
            result |= {
                "half_spans_per_core_s": half["acknowledged"] / (sum(service.cpu_seconds()) - before),
                "ack_p50_ms": quantile(half["ack_ms"], 0.5),
                "ack_p99_ms": quantile(half["ack_ms"], 0.99),
                "freshness_p50_s": quantile(fresh, 0.5),
                "freshness_p99_s": quantile(fresh, 0.99),
                "core_mb": service.peak_mb(core=True),
                "acceptor_mb": service.peak_mb(core=False),
            }
            difference = service.counted() - service.acknowledged
            result |= {"lost": max(0, -difference), "duplicated": max(0, difference)}
        finally:
            service.stop()
        result["bytes_per_span"] = stored_bytes(Path(folder) / "store") / service.acknowledged
    return result


def soak(seconds: float, *, acceptors: int, rate: float = 50_000) -> int:
    """A steady load; prints memory at every tenth of it. 1: the core grew by more than a tenth in the second half."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        service = Service(Path(folder), decoder="", acceptors=acceptors)
        try:
            service.start()
            core: list[float] = []
            for part in range(10):
                service.settle(run_load(service.otlp, seconds=seconds / 10, rate=rate))
                core.append(service.now_mb(core=True))
                print(
                    f"{(part + 1) * seconds / 10:>8.0f} s{core[-1]:>8.0f} MB core{service.now_mb(core=False):>8.0f} MB acceptor"
                )
            lost = service.acknowledged - service.counted()
        finally:
            service.stop()
    print(f"{service.acknowledged} spans acknowledged, {lost} not counted")
    return int(lost != 0 or core[-1] > 1.1 * max(core[2:5]))


@dataclass
class Service:
    """`maibo serve` on an embedded store, and what of its processes the kernel counts."""

    folder: Path
    decoder: str
    acceptors: int
    process: subprocess.Popen[bytes] | None = None
    url: str = ""
    otlp: str = ""
    acknowledged: int = 0

    def start(self) -> None:
        api, otlp = free_port(), free_port()
        self.url, self.otlp = f"http://127.0.0.1:{api}", f"http://127.0.0.1:{otlp}"
        with (self.folder / "log.txt").open("w") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "maibo_slo.cli", "serve", "--listen", f"127.0.0.1:{api}"),
                    *("--otlp-http", f"127.0.0.1:{otlp}", "--otlp-grpc", "off", "--acceptors", str(self.acceptors)),
                    *("--store", f"chdb://{self.folder / 'store'}", "--data-dir", str(self.folder / "data")),
                ],
                env={**os.environ, "MAIBO_OTLP_DECODER": self.decoder if self.decoder == "python" else ""},
                stdout=log,
                stderr=log,
            )
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                if httpx2.get(f"{self.url}/readyz").status_code == 200:
                    return
            except httpx2.TransportError:
                pass
            time.sleep(0.1)
        raise SystemExit(f"maibo serve was not ready within 60 s: {(self.folder / 'log.txt').read_text()[-2000:]}")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(60)

    def settle(self, sent: dict[str, Any]) -> None:
        """Waits until all that was acknowledged is counted, in minutes and hours too, or for a minute."""
        self.acknowledged += sent["acknowledged"] + len(sent["probes_at"])
        kept = self.folder / "data" / "otlp" / "kept"
        until = time.monotonic() + 60
        while (self.counted() < self.acknowledged or any(kept.iterdir())) and time.monotonic() < until:
            time.sleep(0.2)

    def counted(self) -> int:
        return int(self.ask("/v1/ingest")["counted"])

    def ask(self, path: str) -> Any:
        return httpx2.get(self.url + path, timeout=60).raise_for_status().json()

    def processes(self) -> list[int]:
        """The core, then what it started."""
        assert self.process is not None
        core = self.process.pid
        children = Path(f"/proc/{core}/task/{core}/children").read_text().split()
        return [core, *map(int, children)]

    def cpu_seconds(self) -> tuple[float, float]:
        """Of the core, and of its acceptors."""
        used = []
        for pid in self.processes():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            used.append(sum(map(int, fields[11:13])) / TICKS)
        return used[0], sum(used[1:])

    def peak_mb(self, *, core: bool) -> float:
        """The most memory that one of them ever had."""
        return self._mb("VmHWM", core=core)

    def now_mb(self, *, core: bool) -> float:
        return self._mb("VmRSS", core=core)

    def _mb(self, field_: str, *, core: bool) -> float:
        pids = self.processes()
        return max(status_kb(pid, field_) for pid in (pids[:1] if core else pids[1:])) / 1024

    def watching(self) -> Watching:
        return Watching(self.url)


@dataclass
class Watching:
    """Asks some seven times a second how many probes are visible; freshness is told too long by as much, rather than the service kept
    busy with answers.
    """

    url: str
    seen: list[tuple[float, int]] = field(default_factory=list)
    _done: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> list[tuple[float, int]]:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self.seen

    def __exit__(self, *_: object) -> None:
        self._done.set()
        assert self._thread is not None
        self._thread.join()

    def _run(self) -> None:
        with httpx2.Client(base_url=self.url, timeout=60) as client:
            while not self._done.wait(0.1):
                answer = client.get("/v1/journeys/probe/histogram", params={"window": "5m"})
                if answer.status_code == 200:
                    self.seen.append((time.time(), int(answer.json()["count"])))


def freshness(acknowledged_at: list[float], seen: list[tuple[float, int]]) -> list[float]:
    """Seconds from each probe's acknowledgement to the first answer that counts it."""
    waited, known = [], 0
    for at, count in seen:
        waited += [max(0.0, at - each) for each in acknowledged_at[known:count]]
        known = max(known, count)
    return waited


def run_load(url: str, *, seconds: float, rate: float = 0, probes: bool = False) -> dict[str, Any]:
    """In a process of its own."""
    script = Path(__file__).with_name("otlp_load.py")
    arguments = ["--url", url, "--seconds", str(seconds), "--rate", str(rate), *(["--probes"] if probes else [])]
    seed = ["--seed", str(time.time_ns() % 2**31)]
    done = subprocess.run([sys.executable, script, *arguments, *seed], check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


def stored_bytes(folder: Path) -> int:
    """Of all cells, merged as the store does in time."""
    from maibo_slo.store import open_store
    from maibo_slo.store.schema import info
    from maibo_slo.store.tables import TIERS

    with open_store(f"chdb://{folder}") as store:
        for tier in TIERS:
            store.execute(f"OPTIMIZE TABLE {tier.table} FINAL")
        tables = {tier.table for tier in TIERS}
        return sum(each.bytes_on_disk for each in info(store).tables if each.table in tables)


def status_kb(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def quantile(values: list[float], q: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))] if ordered else float("nan")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# -- what is shown ----------------------------------------------------------------------------------------------------------------


def show(stages: dict[str, float], runs: dict[str, dict[str, float]], result: dict[str, float]) -> None:
    baseline, limit = stages["baseline: loop over its messages"], stages["limit: OTLP's own parser alone"]
    print(f"{'stage (CPU, one core)':<42}{'us/span':>10}{'spans/s':>14}{'x baseline':>12}{'x limit':>9}")
    for name, cost in stages.items():
        if name.startswith("bytes"):
            print(f"{name:<42}{cost:>10.1f}")
        else:
            print(f"{name:<42}{cost:>10.3f}{1e6 / cost:>14,.0f}{baseline / cost:>12.1f}{limit / cost:>9.2f}")
    for decoder, run in runs.items():
        print(f"\nmaibo serve, decoder {decoder}")
        for name, value in run.items():
            print(f"  {name:<38}{value:>14,.3f}")
    print(f"\n{'figure':<40}{'here':>14}{'target':>22}")
    for name, (target, how) in TARGETS.items():
        if name in result:
            print(f"{name:<40}{result[name]:>14,.3f}{how:>12} {target:,}")


def tell(text: str) -> None:
    print(f"… {text}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
