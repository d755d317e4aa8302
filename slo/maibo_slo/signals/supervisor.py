"""The answerer's life, as the service leads it: started once there is a ScalingTarget, told each new `Signals`, ended with the service.

The port is taken only then. Whoever scales nothing has no port open, and two services on one machine do not meet on it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from asyncio.subprocess import PIPE
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final

from maibo_slo.addresses import Address
from maibo_slo.errors import MaiboError
from maibo_slo.signals import keda, tls, wire
from maibo_slo.signals.prometheus import ScalingCollector
from maibo_slo.signals.reading import Reader

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator

    from maibo_slo.plugins import Context
    from maibo_slo.signals.tls import Door

PART: Final = "signals"
LOOK_SECONDS: Final = 0.05
"""Between looks for new signals: what it adds to their way."""
START_SECONDS: Final = 30.0
END_SECONDS: Final = 5.0
log = logging.getLogger(__name__)


async def run(context: Context) -> None:
    """The plugin's task. MaiboError when the address cannot be had, and when the answerer dies."""
    door = tls.door(context.options)
    context.registry.register(ScalingCollector(Reader(context.signals), context.answered))
    if door is None or not await _a_target(context):
        context.report(PART, None)
        await context.stopping.wait()
        return
    async with _answerer(context, door) as (process, port):
        told = asyncio.create_task(_tell(context, process))
        heard = asyncio.create_task(_hear(context, process))
        context.announce(tls.ADDRESS, f"{door.address.rpartition(':')[0]}:{port}")
        context.report(PART, None)
        stopping = asyncio.create_task(context.stopping.wait())
        try:
            await asyncio.wait({told, heard, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (told, heard, stopping):
                task.cancel()
            for error in await asyncio.gather(told, heard, return_exceptions=True):
                if isinstance(error, Exception) and not isinstance(error, ConnectionError):
                    log.error("while KEDA was answered", exc_info=error)
    if not context.stopping.is_set():
        raise MaiboError(f"the process that answers KEDA ended ({process.returncode})")


async def _a_target(context: Context) -> bool:
    """Wait for the first ScalingTarget: documents may be read again. False when the service stops before."""
    while not context.stopping.is_set():
        if context.catalogue().scaling_targets:
            return True
        context.report(PART, None)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(context.stopping.wait(), timeout=1.0)
    return False


@contextlib.asynccontextmanager
async def _answerer(context: Context, door: Door) -> AsyncIterator[tuple[Process, int]]:
    """The process and its port; ended, if need be by force, at the exit."""
    with await context.listen(
        door.address, f"--{tls.ADDRESS}", guarded=door.guarded
    ) as found:  # waits for a port to be let go
        address = str(Address.taken_by(found))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # a file of that name in the working directory must not stand in for a module
        "-m",
        "maibo_slo.signals.answerer",
        stdin=PIPE,
        stdout=PIPE,
        start_new_session=True,
    )
    stdin = process.stdin
    assert stdin is not None
    try:
        stdin.write(wire.framed(asdict(replace(door, address=address))))
        yield process, await _started(process)
    finally:
        stdin.close()
        try:
            await asyncio.wait_for(process.wait(), END_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _started(process: Process) -> int:
    assert process.stdout is not None
    try:
        said = await asyncio.wait_for(wire.read(process.stdout), START_SECONDS)
    except (TimeoutError, asyncio.IncompleteReadError) as error:
        raise MaiboError("the process that answers KEDA did not start; what it says stands above") from error
    if "error" in said:
        raise MaiboError(said["error"])
    port: int = said["port"]
    return port


async def _tell(context: Context, process: Process) -> None:
    """Each new signals, the newest alone where it does not keep up."""
    stdin = process.stdin
    assert stdin is not None
    last: Any = ()
    while not context.stopping.is_set():
        signals = context.signals()
        if signals is not last and not stdin.transport.get_write_buffer_size():
            stdin.write(wire.framed(wire.packed(signals)))
            last = signals
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(context.stopping.wait(), LOOK_SECONDS)


async def _hear(context: Context, process: Process) -> None:
    """What was served and refused, until the process ends."""
    assert process.stdout is not None
    with contextlib.suppress(asyncio.IncompleteReadError):
        while True:
            said = await wire.read(process.stdout)
            if "refused" in said:
                namespace, target, words = said["refused"]
                context.answered(namespace, target, None, words, keda.FACE)
            else:
                namespace, target, replicas = said["served"]
                context.served(namespace, target, replicas, keda.FACE)
