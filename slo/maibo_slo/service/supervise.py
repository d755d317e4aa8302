"""Plugin tasks: each runs until the service stops; one that dies is reported and started again, ever more slowly.

But a task that tells a `MaiboError` before it ever worked was set up wrongly, and trying again does not mend that: the service does
not start.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry

from maibo_slo.errors import MaiboError

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

    from maibo_slo.plugins import Context, Plugin
    from maibo_slo.service.health import Health

FIRST_DELAY_SECONDS: Final = 1.0
LONGEST_DELAY_SECONDS: Final = 60.0
log = logging.getLogger(__name__)


async def supervise(
    plugin: Plugin, context: Context, health: Health, *, first_delay: float = FIRST_DELAY_SECONDS
) -> None:
    """Run the plugin's task until `Context.stopping` is set. Raises the MaiboError of a task that had not worked before."""
    if plugin.task is None:
        return
    health.expect(plugin.name)
    reports = _Reports(plugin.name, health)
    delay = first_delay
    while not context.stopping.is_set():
        begun = asyncio.get_running_loop().time()
        try:
            with closing(_OwnMetrics(context.registry)) as registry:
                await plugin.task(replace(context, report=reports, registry=registry))
        except MaiboError as error:
            if not (reports.worked or context.stopping.is_set()):
                raise
            log.error("the task of plugin %s died: %s", plugin.name, error)  # noqa: TRY400 -- the text says it all
            why = f"its task died: {error}"
        except Exception as error:
            log.exception("the task of plugin %s died", plugin.name)
            why = f"its task died: {type(error).__name__}: {error}"
        else:
            why = "its task ended by itself"
        if context.stopping.is_set():
            return
        if asyncio.get_running_loop().time() - begun > LONGEST_DELAY_SECONDS:
            delay = first_delay
        health.report(plugin.name, f"{why}; it starts again in {delay:g} s")
        await _wait(context.stopping, delay)
        delay = min(delay * 2, LONGEST_DELAY_SECONDS)


@dataclass(slots=True)
class _Reports:
    """A plugin may report parts of other names than its own (``otlp``): any good news means that its task has started."""

    plugin: str
    health: Health
    worked: bool = False

    def __call__(self, part: str, error: str | None) -> None:
        if error is None:
            self.worked = True
            if part != self.plugin:
                self.health.report(self.plugin, None)
        self.health.report(part, error)


class _OwnMetrics(CollectorRegistry):
    """What one run of a task registers, in the service's registry too; the next run may register the same names."""

    def __init__(self, service: CollectorRegistry) -> None:
        super().__init__()
        self._service = service
        self._own: list[Collector] = []

    def register(self, collector: Collector) -> None:
        self._service.register(collector)
        super().register(collector)
        self._own.append(collector)

    def unregister(self, collector: Collector) -> None:
        self._service.unregister(collector)
        super().unregister(collector)
        self._own.remove(collector)

    def close(self) -> None:
        for collector in list(self._own):
            self.unregister(collector)


async def _wait(stopping: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stopping.wait(), timeout=seconds)
    except TimeoutError:
        return
