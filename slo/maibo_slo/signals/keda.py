"""KEDA's external scaler: five methods over gRPC, answered from memory.

One metric a target, the desired replicas, of which each replica should have 1: so the HPA that KEDA makes wants as many. What is stale,
refused or not known is UNAVAILABLE with words, never 0: the HPA holds, and KEDA's ``fallback`` counts it. GetMetricSpec answers for
every known target, for a metric does not change with the age of its value; and an HPA made without metrics would scale by CPU.

A stream sends transitions alone (each ``true`` restarts KEDA's cool-down), and nothing while there is no signal: it waits for one, and for the first decision.
It ends with OK when maibo stops, for an error doubles KEDA's pause before it comes again, to a minute at most, and only an OK resets it. Of a target that is
not known it ends with an error nevertheless: a name that is wrong must be seen, and what is deployed before its documents is woken by KEDA's polls.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, NoReturn, Protocol

import grpc
import grpc.aio

from maibo_slo.engine.scaling.signal import NoSignal, UnknownTarget
from maibo_slo.errors import MaiboError
from maibo_slo.signals import proto
from maibo_slo.signals.proto import NotAsked
from maibo_slo.signals.reading import Latest, Reader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from maibo_slo.signals.proto import Asked

FACE: Final = "keda"
REQUEST_BYTES: Final = 64 * 2**10
"""A trigger's whole metadata comes with each call; gRPC refuses more."""
WORDS: Final = 400
"""Characters of a refusal: gRPC sends it as a header, which may have 8 KiB, escaped."""
CALLS: Final = 20_000
"""At once, streams among them: two for each ScaledObject with ``external-push``."""
_STOP_SECONDS: Final = 2.0
log = logging.getLogger(__name__)


class Context(Protocol):
    """What `grpc.aio.ServicerContext` lends to a call; it publishes no types."""

    async def abort(self, code: grpc.StatusCode, details: str) -> NoReturn: ...


class ExternalScaler:
    """What is behind the five methods. `served` is told the namespace, target and replicas of each answer, `refused` the words of each refusal of a
    target that there is.
    """

    def __init__(
        self,
        latest: Latest,
        reader: Reader,
        served: Callable[[str, str, int], None],
        refused: Callable[[str, str, str], None] = lambda *_: None,
    ) -> None:
        self._latest = latest
        self._reader = reader
        self._served = served
        self._refused = refused

    async def is_active(self, request: bytes, context: Context) -> bytes:
        """Whether there should be any replica."""
        asked = await _understood(proto.asked, request, context)
        try:
            return proto.is_active(self._active(asked))
        except NoSignal as error:
            await _refuse(context, error)

    async def get_metric_spec(self, request: bytes, context: Context) -> bytes:
        """The metric's name and target."""
        asked = await _understood(proto.asked, request, context)
        try:
            return self._spec(asked)
        except NoSignal as error:
            await _refuse(context, error)

    async def get_metrics(self, request: bytes, context: Context) -> bytes:
        """The desired replicas."""
        asked = await _understood(proto.asked_metrics, request, context)
        try:
            signal = self._reader.get(asked.namespace, asked.target)
        except NoSignal as error:
            if not isinstance(error, UnknownTarget):
                self._refused(asked.namespace, asked.target, str(error))
            await _refuse(context, error)
        self._served(asked.namespace, asked.target, signal.desired_replicas)
        return proto.metrics(metric_name(asked.target), signal.desired_replicas)

    async def stream_is_active(self, request: bytes, context: Context) -> AsyncIterator[bytes]:
        """Transitions, the first from inactive. Before the first decision, and while the signal is stale or refused, nothing."""
        asked = await _understood(proto.asked, request, context)
        told = False
        while not self._latest.closed:
            try:
                active = self._active(asked)
            except UnknownTarget as error:
                await _refuse(context, error)
            except NoSignal:
                active = told  # nobody knows: KEDA's next poll is told so
            if active is not told:
                told = active
                yield proto.is_active(active)
            else:
                await self._latest.change()

    async def stream_metric_spec(self, request: bytes, context: Context) -> AsyncIterator[bytes]:
        """The metric, once: it never changes. Before the first decision nothing."""
        asked = await _understood(proto.asked, request, context)
        told = False
        while not self._latest.closed:
            if not told:
                try:
                    spec = self._spec(asked)
                except UnknownTarget as error:
                    await _refuse(context, error)
                except NoSignal as error:
                    log.debug("%s", error)
                else:
                    told = True
                    yield spec
                    continue
            await self._latest.change()

    def _active(self, asked: Asked) -> bool:
        return self._reader.get(asked.namespace, asked.target).desired_replicas >= 1

    def _spec(self, asked: Asked) -> bytes:
        self._reader.require_known(asked.namespace, asked.target)
        return proto.metric_spec(metric_name(asked.target))


def metric_name(target: str) -> str:
    """KEDA shows it as ``s0-maibo-checkout-api``."""
    return f"maibo-{target}"


def server(
    scaler: ExternalScaler, address: str, credentials: grpc.ServerCredentials | None
) -> tuple[grpc.aio.Server, int]:
    """A server on this address (``HOST:PORT``), to be started, and its port. MaiboError when the address cannot be had."""
    made = grpc.aio.server(
        maximum_concurrent_rpcs=CALLS,
        options=[
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", REQUEST_BYTES),
            ("grpc.max_metadata_size", 16 * 2**10),
            # A KEDA that vanished is found out; KEDA itself sends no pings, but what is between may.
            ("grpc.keepalive_time_ms", 60_000),
            ("grpc.keepalive_timeout_ms", 20_000),
            ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ],
    )
    methods = {
        "IsActive": grpc.unary_unary_rpc_method_handler(scaler.is_active),
        "GetMetricSpec": grpc.unary_unary_rpc_method_handler(scaler.get_metric_spec),
        "GetMetrics": grpc.unary_unary_rpc_method_handler(scaler.get_metrics),
        "StreamIsActive": grpc.unary_stream_rpc_method_handler(scaler.stream_is_active),
        "StreamMetricSpec": grpc.unary_stream_rpc_method_handler(scaler.stream_metric_spec),
    }
    made.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(proto.SERVICE, methods),))
    try:
        port = made.add_insecure_port(address) if credentials is None else made.add_secure_port(address, credentials)
    except (OSError, RuntimeError) as error:
        raise MaiboError(f"KEDA's gRPC cannot listen on {address}: {error}; choose another with --keda") from error
    return made, port


async def stop(running: grpc.aio.Server, latest: Latest) -> None:
    """Let streams end with OK and calls have their answer, then close."""
    latest.close()
    await running.stop(_STOP_SECONDS)


async def _understood(parse: Callable[[bytes], Asked], request: bytes, context: Context) -> Asked:
    try:
        return parse(request)
    except NotAsked as error:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))


async def _refuse(context: Context, error: NoSignal) -> NoReturn:
    words = str(error)
    await context.abort(grpc.StatusCode.UNAVAILABLE, words if len(words) <= WORDS else f"{words[:WORDS]} …")
