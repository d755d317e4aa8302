"""Beside the service: each tick's counts are judged, what changes goes into the outbox, and ``/v1/alerts`` tells what fires.

Alerts are evaluated even without a file of destinations: then they are only shown.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from maibo_alerting.evaluating.evaluator import Evaluator
from maibo_slo.engine.state import is_stale

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import APIRouter

    from maibo_alerting.delivery.send import Sender
    from maibo_slo.plugins import Context

log = logging.getLogger(__name__)

DESTINATIONS: Final = "alert-destinations"
PART: Final = "alerting"
EVERY_SECONDS: Final = 1.0
"""Between looks for a new tick of the engine."""


class Alerting:
    """One service's alerts: what `task` and `routes` of the plugin share."""

    def __init__(self, *, now: Callable[[], float] = time.time, every_seconds: float = EVERY_SECONDS) -> None:
        self._now = now
        self._every_seconds = every_seconds
        self._evaluator: Evaluator | None = None
        self._sender: Sender | None = None

    async def run(self, context: Context) -> None:
        """The plugin's task. Raises DestinationsError when the file of destinations cannot be used."""
        url = os.environ.get("MAIBO_URL", "")
        with ExitStack() as leaving:
            sender = self._sender = await asyncio.to_thread(_deliver, context, leaving)
            evaluator = self._evaluator = Evaluator(context.data_dir / "alerts.state", url=url)
            while not context.stopping.is_set():
                try:
                    await asyncio.to_thread(_evaluate, evaluator, sender, context, self._now())
                except Exception as error:
                    log.exception("alerts cannot be evaluated")
                    context.report(PART, f"alerts cannot be evaluated: {error}")
                else:
                    context.report(PART, _standstill(context, self._now()))
                await _wait(context.stopping, self._every_seconds)
            if sender is not None:
                await asyncio.to_thread(sender.stop)

    def routes(self, _: Context) -> APIRouter:
        """``GET /v1/alerts``."""
        from maibo_alerting.api import router

        return router(lambda: self._evaluator, lambda: self._sender)


def _evaluate(evaluator: Evaluator, sender: Sender | None, context: Context, now: float) -> None:
    """All that fires is put each time: the outbox knows what it has already, and a restart between the two forgets nothing."""
    outcome = evaluator.evaluate(context.snapshot(), now=now)
    for change in outcome.changes:
        log.warning("alert (%s) of %s: %s, was %s", change.key.severity, change.key.slo, change.after, change.before)
    if sender is not None:
        sender.put(outcome.alerts, now=now)
        if evaluator.evaluated_at is not None and context.snapshot().pending_minutes == 0:
            sender.end_others(outcome.alerts, now=now)


def _standstill(context: Context, now: float) -> str | None:
    """Why nothing new can fire; None when it can. Who is paged by nothing else should watch ``/readyz`` (`MaiboNotEvaluating`)."""
    stale = is_stale(context.snapshot().evaluated_at, now=now)
    return "the engine has not evaluated for a minute: alerts stand still" if stale else None


def _deliver(context: Context, leaving: ExitStack) -> Sender | None:
    """Sends until `leaving` is left; None without a file of destinations."""
    file = context.options.get(DESTINATIONS, "")
    if not file:
        return None
    from maibo_alerting.delivery.config import load
    from maibo_alerting.delivery.destination import Secrets
    from maibo_alerting.delivery.outbox import Outbox
    from maibo_alerting.delivery.send import Sender

    routes = load(Path(file), secrets=Secrets.of_process())
    outbox = leaving.enter_context(Outbox(context.data_dir / "alerts.outbox"))
    sender = Sender(outbox, routes)
    sender.start()
    leaving.callback(sender.stop, within_seconds=0.0)
    return sender


async def _wait(stopping: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stopping.wait(), timeout=seconds)
    except TimeoutError:
        return
