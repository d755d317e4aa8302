"""A core process with nothing but the collector in it: the plugin's task on a real store, asked over stdin and stdout.

``python core_process.py DATA_DIR [OPTION=VALUE ...]``; a line of JSON in, a line of JSON out: ``{"rows": SQL}``, ``{"metrics": 0}``, ``{"health": 0}``,
``{"documents": [FILES]}`` (in force from then on).
The option ``store`` is a DSN instead of the embedded store in DATA_DIR, ``documents`` a file in force from the start. The first line out is ``{"ready": seconds, "url": address, "grpc": address}``. SIGTERM stops it in order.
"""

import asyncio
import json
import logging
import signal
import sys
import time
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest

from maibo_collectors.otlp.plugin import plugin
from maibo_slo.documents import Catalogue, load
from maibo_slo.plugins import Context
from maibo_slo.service.listen import listen
from maibo_slo.store import open_store


async def main(data_dir: Path, options: dict[str, str]) -> None:
    begin = time.monotonic()
    otlp = plugin()
    health: list[str | None] = ["not started"]
    healthy = asyncio.Event()
    announced: dict[str, str] = {}
    catalogue = [load([options.pop("documents")]) if "documents" in options else Catalogue()]

    def report(_: str, problem: str | None) -> None:
        health.append(problem)
        (healthy.set if problem is None else healthy.clear)()

    with open_store(options.pop("store", f"chdb://{data_dir / 'store'}")) as store:
        store.warm_up()
        registry = CollectorRegistry()
        context = Context(
            store=store,
            data_dir=data_dir,
            catalogue=lambda: catalogue[-1],
            options={option.name: option.default for option in otlp.options} | options,
            registry=registry,
            report=report,
            stopping=asyncio.Event(),
            listen=listen,
            announce=announced.__setitem__,
        )
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, context.stopping.set)
        assert otlp.task is not None
        task = asyncio.create_task(otlp.task(context))
        ready = asyncio.create_task(healthy.wait())
        await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            say({"failed": repr(task.exception())})
            ready.cancel()
            return
        say({"ready": time.monotonic() - begin, "url": announced["otlp-http"], "grpc": announced.get("otlp-grpc", "")})
        lines = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        asking = asyncio.create_task(answer(lines, store, registry, health, catalogue))
        await task
        asking.cancel()


async def answer(lines, store, registry, health, catalogue) -> None:
    while line := await lines.readline():
        match json.loads(line):
            case {"rows": sql}:
                say([list(row) for row in await asyncio.to_thread(store.rows, sql)])
            case {"metrics": _}:
                say(generate_latest(registry).decode())
            case {"documents": files}:
                catalogue.append(load(files))
                say(len(catalogue))
            case {"health": _}:
                say(health)


def say(what: object) -> None:
    sys.stdout.write(json.dumps(what, default=str) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s core: %(message)s")
    asyncio.run(main(Path(sys.argv[1]), dict(pair.split("=", 1) for pair in sys.argv[2:])))
