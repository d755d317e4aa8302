"""What one tagged step costs, as a ratio to one bare OpenTelemetry span with six attributes.

    python benchmarks/sdk_overhead.py            # a table
    python benchmarks/sdk_overhead.py --json     # one object: step_ratio, disabled_ratio, ...

Counted in instructions by ``valgrind --tool=callgrind``, as the difference of two numbers of operations, so that start-up drops out
and the answer is the same on a busy machine. Wall-clock ratios are printed beside, as information only.

* base: ``with tracer.start_as_current_span("op", attributes=6)``, batch processor, exporter that does nothing
* step: ``with maibo.step("payment")`` inside a journey and inside a span of the host's (the costlier case); exporter that does nothing
* step_built: step, and the span built from it, which happens in the worker's thread, not where the request waits
* disabled: step, with maibo not configured

The target is step_ratio at most 1.15 and disabled_ratio at most 0.20; the exit code says whether they hold.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FEW, MANY = 50, 250
PROBES = ("base", "step", "step_built", "disabled")
LIMITS = {"step_ratio": 1.15, "disabled_ratio": 0.20}
WARM_UP = 50
ATTRIBUTES = {f"journey.attribute{n}": "some-value" for n in range(6)}


def main() -> int:
    parser = argparse.ArgumentParser(description="What one tagged step costs, in bare spans.")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--probe", choices=PROBES, help=argparse.SUPPRESS)
    parser.add_argument("--operations", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.probe:
        probe(arguments.probe, arguments.operations)
    if shutil.which("valgrind") is None:
        print("error: valgrind is missing: sudo apt-get install --no-install-recommends valgrind", file=sys.stderr)
        return 2
    result = measure()
    if arguments.json:
        print(json.dumps(result))
    else:
        show(result)
    return 0 if all(result[name] <= limit for name, limit in LIMITS.items()) else 1


def measure() -> dict[str, float]:
    with ThreadPoolExecutor(2) as pool:
        counted = dict(zip(PROBES, pool.map(instructions, PROBES), strict=True))
    wall = {name: min(seconds(name) for _ in range(3)) for name in PROBES}
    result: dict[str, float] = {f"{name}_ratio": round(counted[name] / counted["base"], 4) for name in PROBES[1:]}
    result |= {f"{name}_wall_ratio": round(wall[name] / wall["base"], 3) for name in PROBES[1:]}
    result |= {f"{name}_instructions": round(counted[name]) for name in PROBES}
    result["base_wall_us"] = round(wall["base"] * 1e6, 2)
    result["import_seconds"] = round(min(import_seconds() for _ in range(3)), 3)
    return result


def show(result: dict[str, float]) -> None:
    print(f"{'':16}{'instructions':>14}{'ratio':>9}{'wall-clock ratio':>19}")
    print(f"{'base':16}{result['base_instructions']:>14,}{1:>9.3f}{1:>19.3f}   ({result['base_wall_us']} us)")
    for name in PROBES[1:]:
        limit = LIMITS.get(f"{name}_ratio")
        verdict = "" if limit is None else f"   limit {limit}"
        ratio, wall = result[f"{name}_ratio"], result[f"{name}_wall_ratio"]
        print(f"{name:16}{result[f'{name}_instructions']:>14,}{ratio:>9.3f}{wall:>19.3f}{verdict}")
    print(f"import maibo: {result['import_seconds']} s")


def instructions(name: str) -> float:
    """Instructions of one operation."""
    few, many = (int(re.findall(r"Collected : (\d+)", run(name, n, counting=True))[0]) for n in (FEW, MANY))
    return (many - few) / (MANY - FEW)


def seconds(name: str) -> float:
    """Wall-clock seconds of one operation."""
    return float(run(name, 5_000, counting=False))


def run(name: str, operations: int, *, counting: bool) -> str:
    command = [sys.executable, __file__, "--probe", name, "--operations", str(operations)]
    if counting:
        command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *command]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "MAIBO_"))}
    done = subprocess.run(
        command,
        env=environment | {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    return done.stderr if counting else done.stdout


def import_seconds() -> float:
    program = "import time; t = time.perf_counter(); import maibo; print(time.perf_counter() - t)"
    return float(
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True).stdout
    )


def probe(name: str, operations: int) -> None:
    """Do one thing so many times, print seconds per operation, and leave without cleaning up."""
    operation = {"base": base, "step": step, "step_built": step_built, "disabled": disabled}[name]()
    for _ in range(WARM_UP):
        operation()
    began = time.perf_counter()
    for _ in range(operations):
        operation()
    print((time.perf_counter() - began) / max(operations, 1), flush=True)
    os._exit(0)


def base() -> Callable[[], None]:
    tracer = host_tracer()

    def operation() -> None:
        with tracer.start_as_current_span("op", attributes=ATTRIBUTES):
            pass

    return operation


def step() -> Callable[[], None]:
    host_tracer().start_as_current_span("request").__enter__()
    return tagged(pipeline())


def step_built() -> Callable[[], None]:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    from maibo.spans import as_span

    class Building:
        resource, scope = Resource.create(), InstrumentationScope("maibo")

        def put(self, finished: object, /) -> None:
            as_span(finished, span_id=1, resource=self.resource, scope=self.scope)  # type: ignore[arg-type]

    host_tracer().start_as_current_span("request").__enter__()
    return tagged(Building())


def disabled() -> Callable[[], None]:
    import maibo

    maibo.configure(enabled=False)
    maibo.journey("checkout").__enter__()

    def operation() -> None:
        with maibo.step("payment"):
            pass

    return operation


def tagged(sink: object) -> Callable[[], None]:
    import maibo
    from maibo import runtime

    runtime.activate(runtime.Runtime(sink=sink))  # type: ignore[arg-type]
    maibo.journey("checkout", tier="vip").__enter__()

    def operation() -> None:
        with maibo.step("payment"):
            pass

    return operation


def pipeline() -> object:
    """maibo's own, with an exporter that does nothing, asleep while the counting goes on."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    from maibo.otlp import Answer
    from maibo.pipeline import Pipeline

    class Nowhere:
        endpoint = ""

        def send(self, spans: object, *, timeout: float) -> Answer:  # noqa: ARG002 -- it does nothing
            return Answer(delivered=True)

        def close(self) -> None: ...

    return Pipeline(Nowhere, Resource.create(), InstrumentationScope("maibo"), delay_seconds=60.0)


def host_tracer():  # type: ignore[no-untyped-def]
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    class Nowhere(SpanExporter):
        def export(self, spans: object) -> SpanExportResult:  # noqa: ARG002 -- it does nothing
            return SpanExportResult.SUCCESS

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Nowhere(), schedule_delay_millis=60_000))
    trace.set_tracer_provider(provider)
    return provider.get_tracer("host")


if __name__ == "__main__":
    sys.exit(main())
