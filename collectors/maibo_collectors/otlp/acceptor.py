"""An acceptor process: takes OTLP over HTTP on a socket it inherits, over gRPC on a port it shares, and writes the log.

Started by the core as ``python -m maibo_collectors.otlp.acceptor``. It says ``ready`` on its standard output once it serves, and stops
when it gets SIGTERM or its standard input ends: the core holds the other end, so that no acceptor outlives a killed core.
Stopping, it finishes the requests under way and seals its segment.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import resource
import signal
import socket
import ssl
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
import uvloop

from maibo_collectors.errors import CollectorError
from maibo_collectors.otlp.decoding import rules
from maibo_collectors.otlp.log import Log
from maibo_collectors.otlp.metrics import AcceptorMetrics
from maibo_collectors.otlp.receiving.access import Access, Door
from maibo_collectors.otlp.receiving.heads import BoundedHeads
from maibo_collectors.otlp.receiving.http import App
from maibo_collectors.otlp.receiving.reading import CountingReader, ForwardingReader, Reader
from maibo_collectors.otlp.receiving.receive import Receiver
from maibo_collectors.otlp.receiving.refusals import Seldom, watch_handshakes

if TYPE_CHECKING:
    from collections.abc import Iterator

    import grpc.aio

MEMORY_BYTES = 3 * 2**29
"""Address space. 64 MiB of real spans need 0.7 GB on their way through; a hostile body of that size would unfold to 6 GB of messages:
at this limit the parser gives up, and the body is refused."""
OPEN_FILES = 8192
"""Enough for the connections over HTTP that there may be, those over gRPC, and the log."""
STOP_SECONDS = 5
"""For the requests under way; less than the core waits."""
HTTP2_PREFACE = b"PRI * HTTP/2.0"
_NICE = 5
"""Below the core: what is acknowledged should soon be seen, and an acknowledgement is the quicker of the two by far."""
LOOK_SECONDS = 1.0
"""How often the rules' file is looked at."""

logger = logging.getLogger(__name__)


def main() -> None:
    """Serves until told to stop."""
    arguments = _arguments()
    logging.basicConfig(
        level=logging.INFO,
        format=f"%(asctime)s %(levelname)s acceptor {arguments.acceptor}: %(message)s",
    )
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").addFilter(Seldom())
    os.nice(_NICE)
    _limit(resource.RLIMIT_AS, MEMORY_BYTES)
    _limit(resource.RLIMIT_NOFILE, OPEN_FILES)
    try:
        uvloop.run(_serve(arguments))
    except CollectorError as error:
        sys.exit(f"acceptor {arguments.acceptor}: {error}")


async def _serve(arguments: argparse.Namespace) -> None:
    access = Access(arguments.tokens, arguments.tls_cert, arguments.tls_key, arguments.tls_client_ca)
    log = Log(arguments.log, acceptor=arguments.acceptor, quota_bytes=arguments.quota)
    try:
        # Before they are read: what is written meanwhile is read again.
        rules_written = None if arguments.rules is None else _written(arguments.rules)
        receiver = Receiver(
            log,
            AcceptorMetrics.kept_in(arguments.metrics, acceptor=arguments.acceptor),
            Door(access, bytes_per_second=arguments.token_bytes_per_second, now=time.monotonic()),
            _raw if arguments.raw else CountingReader,
            rules.Rules() if arguments.rules is None else rules.read(arguments.rules),
        )
        over_http = _http(App(receiver), access, _telling_http2(receiver, arguments.grpc))
        if over_http.config.ssl is not None:
            watch_handshakes(over_http.config.ssl, asyncio.get_running_loop(), partial(_handshake_failed, receiver))
        over_grpc = _grpc(receiver, arguments.grpc, access) if arguments.grpc else None
        with contextlib.ExitStack() as stack:
            if arguments.rules is not None:
                stack.enter_context(_following(arguments.rules, receiver, seen=rules_written))
            await _run(socket.socket(fileno=arguments.fd), over_http, over_grpc)
    finally:
        await asyncio.to_thread(log.close)


def _raw(_: rules.Rules) -> Reader:
    return ForwardingReader()


def _telling_http2(receiver: Receiver, grpc_address: str) -> type[BoundedHeads]:
    """A sender over gRPC that was given the port of HTTP is told so, as is the log; its own library would only say 'unavailable'."""
    told = f"gRPC is taken at {grpc_address}" if grpc_address else "gRPC is off (--otlp-grpc)"

    class TellingHttp2(BoundedHeads):
        def data_received(self, data: bytes) -> None:
            if self.cycle is None and data.startswith(HTTP2_PREFACE):
                peer = self.client[0] if self.client else ""
                receiver.door.refusals.tell(
                    peer, f"HTTP/2, as gRPC has it, where HTTP/1.1 is: {told}", now=time.monotonic()
                )
                self.send_400_response(f"HTTP/1.1 is spoken here; {told}")
                return
            super().data_received(data)

    return TellingHttp2


def _http(app: App, access: Access, protocol: type[BoundedHeads] = BoundedHeads) -> uvicorn.Server:
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            http=protocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            access_log=False,
            log_config=None,
            server_header=False,
            date_header=False,  # for caches, which answers to POST never reach
            proxy_headers=False,  # nothing here depends on them, and anybody could write them
            timeout_keep_alive=120,  # longer than senders keep an idle connection, so that none meets a closed one
            timeout_graceful_shutdown=STOP_SECONDS,
            ssl_certfile=access.certificate,
            ssl_keyfile=access.key,
            ssl_ca_certs=None if access.client_ca is None else str(access.client_ca),
            ssl_cert_reqs=ssl.CERT_NONE if access.client_ca is None else ssl.CERT_REQUIRED,
        )
    )
    server.config.load()  # with its TLS
    # Signals are ours: both protocols stop by them.
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
    return server


def _handshake_failed(receiver: Receiver, peer: str, why: str) -> None:
    receiver.metrics.refused_handshakes.inc()
    receiver.door.refusals.tell(peer, why, now=time.monotonic())


def _grpc(receiver: Receiver, address: str, access: Access) -> grpc.aio.Server:
    from maibo_collectors.otlp.receiving.grpc import server  # 10 MB, which an acceptor without it need not have

    return server(receiver, address, access)


async def _run(listening: socket.socket, over_http: uvicorn.Server, over_grpc: grpc.aio.Server | None) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def orphaned() -> None:
        loop.remove_reader(sys.stdin)
        stopping.set()

    loop.add_reader(sys.stdin, orphaned)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    serving = asyncio.create_task(over_http.serve(sockets=[listening]))
    serving.add_done_callback(lambda _: stopping.set())
    if over_grpc is not None:
        await over_grpc.start()
    while not over_http.started and not serving.done():  # noqa: ASYNC110 -- uvicorn has no event for it
        await asyncio.sleep(0.001)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await stopping.wait()
    over_http.should_exit = True
    async with asyncio.TaskGroup() as group:
        group.create_task(_ended(serving))
        if over_grpc is not None:
            group.create_task(over_grpc.stop(STOP_SECONDS))


async def _ended(task: asyncio.Task[None]) -> None:
    await task


@contextlib.contextmanager
def _following(path: Path, receiver: Receiver, *, seen: object) -> Iterator[None]:
    """Takes over the rules that the core writes, as long as this lasts."""
    task = asyncio.create_task(_follow(path, receiver, seen))
    try:
        yield
    finally:
        task.cancel()


async def _follow(path: Path, receiver: Receiver, seen: object) -> None:
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        written = _written(path)
        if written == seen:
            continue
        seen = written
        try:
            receiver.replace_rules(rules.read(path))
        except CollectorError as error:
            logger.error("%s; those read before stay in force", error)  # noqa: TRY400 -- the text says it all
        else:
            logger.info("the rules of the documents were read again")


def _written(path: Path) -> tuple[int, int] | None:
    """Changes when the file does."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_ino


def _limit(what: int, limit: int) -> None:
    _, hard = resource.getrlimit(what)
    resource.setrlimit(what, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="maibo_collectors.otlp.acceptor")
    parser.add_argument("--fd", type=int, required=True, help="listening socket for HTTP, inherited")
    parser.add_argument("--acceptor", type=int, required=True, help="which acceptor this is, from 0")
    parser.add_argument("--log", type=Path, required=True, help="folder of the write-ahead log")
    parser.add_argument("--metrics", type=Path, required=True, help="folder of the metrics' files")
    parser.add_argument("--quota", type=int, required=True, help="bytes that may wait in the log")
    parser.add_argument("--grpc", default="", help="address for gRPC, HOST:PORT, shared; without it there is none")
    parser.add_argument("--rules", type=Path, help="file of the documents' rules, followed")
    parser.add_argument("--tokens", type=Path, help="file of the tokens, followed")
    parser.add_argument("--token-bytes-per-second", type=int, default=0, help="of each token; 0: no limit")
    parser.add_argument("--tls-cert", type=Path)
    parser.add_argument("--tls-key", type=Path)
    parser.add_argument("--tls-client-ca", type=Path)
    parser.add_argument("--raw", action="store_true", help="log bodies as they came instead of counting them")
    return parser.parse_args()


if __name__ == "__main__":
    main()
