"""Plugin tasks: each runs until the service stops; one that dies is reported and started again, ever more slowly."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from maibo_slo.plugins import Context, Plugin
    from maibo_slo.service.health import Health

FIRST_DELAY_SECONDS: Final = 1.0
LONGEST_DELAY_SECONDS: Final = 60.0
log = logging.getLogger(__name__)


async def supervise(
    plugin: Plugin, context: Context, health: Health, *, first_delay: float = FIRST_DELAY_SECONDS
) -> None:
    """Run the plugin's task until `Context.stopping` is set. Never raises but when cancelled."""
    if plugin.task is None:
        return
    health.expect(plugin.name)
    own = replace(context, report=_reporting_for(plugin, health))
    delay = first_delay
    while not context.stopping.is_set():
        begun = asyncio.get_running_loop().time()
        try:
            await plugin.task(own)
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


def _reporting_for(plugin: Plugin, health: Health) -> Callable[[str, str | None], None]:
    """A plugin may report parts of other names than its own (``otlp``): any good news means that its task has started."""

    def report(part: str, error: str | None) -> None:
        if error is None and part != plugin.name:
            health.report(plugin.name, None)
        health.report(part, error)

    return report


async def _wait(stopping: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stopping.wait(), timeout=seconds)
    except TimeoutError:
        return
