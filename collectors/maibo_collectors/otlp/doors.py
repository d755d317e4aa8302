"""The addresses of a collector: taken before its acceptors start, so that what is wrong with them is told at once."""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from maibo_collectors.errors import CollectorError
from maibo_collectors.otlp.receiving.access import Access, access
from maibo_slo.loopback import is_loopback

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from maibo_slo.plugins import Listen

HTTP: Final = "otlp-http"
GRPC: Final = "otlp-grpc"
"""Options, and the names under which addresses are announced."""
OFF: Final = "off"
_EXAMPLES: Final = {HTTP: "127.0.0.1:4318", GRPC: f"127.0.0.1:4317, or {OFF!r}"}

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Doors:
    """Where a collector takes telemetry, and from whom."""

    http: socket.socket
    """Listening; for acceptors to inherit."""
    grpc: str
    """Address that acceptors share; '' where there is none."""
    access: Access


@contextlib.asynccontextmanager
async def open_doors(
    options: Mapping[str, str], listen: Listen, announce: Callable[[str, str], None]
) -> AsyncIterator[Doors]:
    """Takes the addresses in the plugin's options, and announces them. CollectorError or MaiboError when one cannot be had."""
    guard = access(options)
    scheme = "https" if guard.certificate is not None else "http"
    with contextlib.ExitStack() as stack:
        http = stack.enter_context(await _listen(listen, options[HTTP], HTTP, guard))
        announce(HTTP, f"{scheme}://{_told(http)}")
        grpc = ""
        if options[GRPC] != OFF:
            with await _listen(listen, options[GRPC], GRPC, guard) as found:
                free = found.getsockname()
                family = found.family
            reserved = stack.enter_context(_reserve(family, free))
            grpc = _told(reserved)
            announce(GRPC, f"{scheme}://{grpc}")
        if guard.tokens is not None and guard.certificate is None:
            logger.warning(
                "tokens are sent unencrypted: give --otlp-tls-cert and --otlp-tls-key, or let a proxy do TLS"
            )
        yield Doors(http, grpc, guard)


async def _listen(listen: Listen, address: str, option: str, guard: Access) -> socket.socket:
    """That nobody has the port is for `listen` to say; its example of an address is the page's."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise CollectorError(f"--{option} {address!r} is no address; write it as {_EXAMPLES[option]}")
    host = host.removeprefix("[").removesuffix("]")
    if not guard.guarded and not is_loopback(host):
        raise CollectorError(
            f"--{option} {address!r} can be reached by others, who must show who they are: make a token with `maibo token add NAME "
            "--scope ingest` and give its file as --otlp-tokens, or ask for certificates with --otlp-tls-client-ca; or listen on "
            "127.0.0.1"
        )
    return await listen(address, f"--{option}", guarded=guard.guarded)


def _reserve(family: int, address: tuple[object, ...]) -> socket.socket:
    """Holds a port that was free a moment ago, for processes that share it: bound, and not listening, so it gets no connections."""
    reserved = socket.socket(family, socket.SOCK_STREAM)
    try:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind(address)
    except OSError as error:
        reserved.close()
        told = "somebody took it meanwhile" if error.errno == errno.EADDRINUSE else error.strerror
        raise CollectorError(f"cannot listen on {address[0]}:{address[1]} for --{GRPC}: {told}") from error
    return reserved


def _told(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
