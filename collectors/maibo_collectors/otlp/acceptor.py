"""An acceptor process: takes OTLP over HTTP on a socket it inherits, and writes the log.

Started by the core as ``python -m maibo_collectors.otlp.acceptor``. It says ``ready`` on its standard output once it serves, and stops
when it gets SIGTERM or its standard input ends: the core holds the other end, so that no acceptor outlives a killed core.
Stopping, it finishes the requests under way and seals its segment.
"""

from __future__ import annotations

import argparse
import logging
import resource
import socket
import sys
from asyncio import get_running_loop
from pathlib import Path

import uvicorn
import uvloop

from maibo_collectors.otlp.http import App
from maibo_collectors.otlp.log import Log
from maibo_collectors.otlp.metrics import AcceptorMetrics

MEMORY_BYTES = 3 * 2**29
"""Address space. 64 MiB of real spans need 0.7 GB on their way through; a hostile body of that size would unfold to 6 GB of messages:
at this limit the parser gives up, and the body is refused."""


def main() -> None:
    """Serves until told to stop."""
    arguments = _arguments()
    logging.basicConfig(
        level=logging.INFO,
        format=f"%(asctime)s %(levelname)s acceptor {arguments.acceptor}: %(message)s",
    )
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    _limit_memory()
    metrics = AcceptorMetrics.kept_in(arguments.metrics, acceptor=arguments.acceptor)
    log = Log(arguments.log, acceptor=arguments.acceptor, quota_bytes=arguments.quota)
    uvloop.run(_serve(socket.socket(fileno=arguments.fd), App(log, metrics, on_ready=_say_ready)))


async def _serve(listening: socket.socket, app: App) -> None:
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            lifespan="on",
            interface="asgi3",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_keep_alive=120,  # longer than senders keep an idle connection, so that none meets a closed one
            timeout_graceful_shutdown=5,
        )
    )

    def orphaned() -> None:
        get_running_loop().remove_reader(sys.stdin)
        server.should_exit = True

    get_running_loop().add_reader(sys.stdin, orphaned)
    await server.serve(sockets=[listening])


def _limit_memory() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(MEMORY_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def _say_ready() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="maibo_collectors.otlp.acceptor")
    parser.add_argument("--fd", type=int, required=True, help="listening socket, inherited")
    parser.add_argument("--acceptor", type=int, required=True, help="which acceptor this is, from 0")
    parser.add_argument("--log", type=Path, required=True, help="folder of the write-ahead log")
    parser.add_argument("--metrics", type=Path, required=True, help="folder of the metrics' files")
    parser.add_argument("--quota", type=int, required=True, help="bytes that may wait in the log")
    return parser.parse_args()


if __name__ == "__main__":
    main()
