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

from maibo_alerting.wording import LOCALES, Locale
from maibo_slo.engine.state import is_stale

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fastapi import APIRouter

    from maibo_alerting.delivery.outbox import Taken
    from maibo_alerting.delivery.route import Route
    from maibo_alerting.delivery.send import Sender
    from maibo_alerting.evaluating.evaluator import Evaluator
    from maibo_alerting.evaluating.record import Record
    from maibo_alerting.evaluating.step import Outcome
    from maibo_slo.plugins import Context

log = logging.getLogger(__name__)

DESTINATIONS: Final = "alert-destinations"
LOCALE: Final = "alert-locale"
PART: Final = "alerting"
EVERY_SECONDS: Final = 1.0
"""Between looks for a new tick of the engine."""


class Alerting:
    """One service's alerts: what `task` and `routes` of the plugin share."""

    def __init__(self, *, now: Callable[[], float] = time.time, every_seconds: float = EVERY_SECONDS) -> None:
        self._now = now
        self._every_seconds = every_seconds
        self._parts: _Parts | None = None

    async def run(self, context: Context) -> None:
        """The plugin's task. Raises DestinationsError when the file of destinations cannot be used."""
        with ExitStack() as leaving:
            parts = self._parts = await asyncio.to_thread(_parts, context, leaving)
            while not context.stopping.is_set():
                try:
                    await asyncio.to_thread(parts.evaluate, context, self._now())
                except Exception as error:
                    log.exception("alerts cannot be evaluated")
                    context.report(PART, f"alerts cannot be evaluated: {error}")
                else:
                    context.report(PART, _standstill(context, self._now()))
                await _wait(context.stopping, self._every_seconds)
            await asyncio.to_thread(parts.stop)

    def routes(self, _: Context) -> APIRouter:
        """``/v1/alerts``."""
        from maibo_alerting.api import router

        return router(
            lambda: None if self._parts is None else self._parts.evaluator,
            lambda: None if self._parts is None else self._parts.sender,
            now=self._now,
        )


class _Parts:
    """What a running task has."""

    def __init__(self, evaluator: Evaluator, record: Record, sender: Sender | None) -> None:
        self.evaluator = evaluator
        self.sender = sender
        self._record = record
        self._seen: Outcome | None = None
        self._put: Outcome | None = None

    def stop(self) -> None:
        """Nothing is sent, asked or put on record any more."""
        if self.sender is not None:
            self.sender.stop()
        self.evaluator.stop()
        self._record.stop()

    def evaluate(self, context: Context, now: float) -> None:
        """All that fires is put at each step: the outbox knows what it has already, and a restart between the two forgets nothing."""
        snapshot = context.snapshot()
        outcome = self.evaluator.evaluate(snapshot, now=now)
        if outcome is not self._seen:
            _log(outcome)
            self._record.write(outcome.states.values(), self._taken(outcome))
            context.about_to_fire(self.evaluator.soon)
            self._seen = outcome
        if self.sender is None or outcome is self._put:
            return
        alerts = outcome.alerts
        self.sender.put(alerts, now=now)
        is_of_snapshot = snapshot.evaluated_at is not None and self.evaluator.evaluated_at == snapshot.evaluated_at
        if is_of_snapshot and snapshot.pending_minutes == 0:
            self.sender.end_others(alerts, now=now)
        self._put = outcome

    def _taken(self, outcome: Outcome) -> Sequence[Taken]:
        """Who was told; it is only put on record, so an outbox that cannot be read holds up nothing."""
        if self.sender is None:
            return ()
        from maibo_alerting.delivery.outbox import OutboxError

        keys = {alert.key for alert in outcome.alerts}
        try:
            return self.sender.taken(keys) if keys else ()
        except OutboxError as error:
            log.warning("who was told of alerts cannot be put on record: %s", error)
            return ()


def _log(outcome: Outcome) -> None:
    for change in outcome.changes:
        key = change.key
        of = f" of {' '.join(filter(None, (key.slo, key.objective, key.group)))}" if key.slo else ""
        is_news = "firing" in (change.before, change.after)  # what is about to fire comes and goes
        level = logging.WARNING if is_news else logging.INFO
        log.log(level, "alert %s (%s)%s: %s, was %s", key.name, key.severity, of, change.after, change.before)


def _standstill(context: Context, now: float) -> str | None:
    """Why nothing new can fire; None when it can. Who is paged by nothing else should watch ``/readyz`` (`MaiboNotEvaluating`)."""
    stale = is_stale(context.snapshot().evaluated_at, now=now)
    return "the engine has not evaluated for a minute: alerts stand still" if stale else None


def _parts(context: Context, leaving: ExitStack) -> _Parts:
    """All of them; they end when `leaving` is left."""
    from maibo_alerting.evaluating.evaluator import Evaluator  # with the store: not for every command
    from maibo_alerting.evaluating.record import Record

    locale: Locale = "zh" if context.options.get(LOCALE) == "zh" else "en"
    routes = _routes(context, locale)
    evaluator = Evaluator(
        context.data_dir / "alerts.state",
        store=context.store,
        url=os.environ.get("MAIBO_URL", ""),
        locales=(locale, *sorted(_locales(routes))),
    )
    leaving.callback(evaluator.stop)
    record = Record(context.store)
    leaving.callback(record.stop)
    return _Parts(evaluator, record, _sender(context, routes, leaving) if routes else None)


def _routes(context: Context, locale: Locale) -> Sequence[Route]:
    """None without a file of destinations."""
    file = context.options.get(DESTINATIONS, "")
    if not file:
        return ()
    from maibo_alerting.delivery.config import load
    from maibo_alerting.delivery.destination import Secrets

    return load(Path(file), secrets=Secrets.of_process(), locale=locale)


def _locales(routes: Sequence[Route]) -> set[Locale]:
    """Those that destinations have of their own."""
    said = {getattr(route.destination, "locale", None) for route in routes}
    return {locale for locale in LOCALES if locale in said}


def _sender(context: Context, routes: Sequence[Route], leaving: ExitStack) -> Sender:
    """Sends until `leaving` is left."""
    from maibo_alerting.delivery.outbox import Outbox
    from maibo_alerting.delivery.send import Sender

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
