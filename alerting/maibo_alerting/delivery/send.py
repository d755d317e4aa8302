"""Empties the outbox: one thread for each destination, so that none waits for another.

A destination that fails is tried again after an exponentially growing wait with full jitter, or when its ``Retry-After`` says; within what
it takes a minute. What it refuses for good, or has not taken for `GIVEN_UP_SECONDS`, becomes a dead letter. One that forgets what it
is not told again (Alertmanager) is told again, and is never given up for its silence: what still fires then is still news.

`Sender.step` is all of it, with the time passed in; the threads only call it.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from maibo_alerting.delivery.destination import DeliveryError
from maibo_alerting.delivery.http import LONGEST_RETRY_AFTER_SECONDS
from maibo_alerting.delivery.outbox import OutboxError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from maibo_alerting.alerts import Alert
    from maibo_alerting.delivery.outbox import DeadLetter, Letter, Outbox, Taken
    from maibo_alerting.delivery.route import Route

logger = logging.getLogger(__name__)

FIRST_WAIT_SECONDS: Final = 2.0
LONGEST_WAIT_SECONDS: Final = 60.0
GIVEN_UP_SECONDS: Final = 24 * 3600.0
LEAST_ATTEMPTS: Final = 20
"""Before anything is given up for its age: a clock that jumps ahead, or a service that was down for a day, buries nothing."""
_LOOK_SECONDS: Final = 1.0
"""How often a thread looks for what has become due."""
_NAP_SECONDS: Final = 5.0
"""After an outbox that cannot be used."""


@dataclass(frozen=True, slots=True)
class Condition:
    """How a destination fares."""

    name: str
    waiting: int
    oldest_queued_at: float | None
    last_taken_at: float | None
    """Since this process started."""
    trouble: str | None
    """Why it did not take the last request; None when it did."""
    dead: int = 0
    """What was given up."""


@dataclass(slots=True)
class _Lane:
    """What one destination's thread knows; a restart forgets it."""

    route: Route
    failures: int = 0
    singly: int = 0
    """Requests to make with one alert each: a batch was refused, and which of it was meant is found out so."""
    paused_until: float = 0.0
    last_taken_at: float | None = None
    trouble: str | None = None


class Sender:
    """`put` alerts; they are sent from `start` to `stop`. The outbox is its owner's to close, after `stop`."""

    def __init__(
        self,
        outbox: Outbox,
        routes: Sequence[Route],
        *,
        clock: Callable[[], float] = time.time,
        jitter: random.Random | None = None,
        given_up_seconds: float = GIVEN_UP_SECONDS,
    ) -> None:
        self._outbox = outbox
        self._lanes = {route.name: _Lane(route) for route in routes}
        self._clock = clock
        self._jitter = jitter or random.Random()  # noqa: S311 -- spreads retries; nothing secret
        self._given_up_seconds = given_up_seconds
        self._stopping = threading.Event()
        self._wakes = {name: threading.Event() for name in self._lanes}
        self._threads: list[threading.Thread] = []

    def put(self, alerts: Sequence[Alert], *, now: float) -> None:
        """Have them sent to each destination that takes their severity. OutboxError; then none of one severity was put."""
        for severity in sorted(
            {alert.severity for alert in alerts}
        ):  # pages first: if the outbox is full, they had the last room
            names = [lane.route.name for lane in self._lanes.values() if severity in lane.route.severities]
            self._outbox.put([alert for alert in alerts if alert.severity == severity], names, now=now)
        for wake in self._wakes.values():
            wake.set()

    def end_others(self, alerts: Sequence[Alert], *, now: float) -> None:
        """End what destinations take for firing and is not among these, which are all that there are. OutboxError."""
        self._outbox.end_others(
            {
                name: {alert.key for alert in alerts if alert.severity in lane.route.severities}
                for name, lane in self._lanes.items()
            },
            now=now,
        )

    def start(self) -> None:
        self._outbox.retain(tuple(self._lanes), now=self._clock())
        for name in self._lanes:
            thread = threading.Thread(target=self._run, args=(name,), name=f"alerts to {name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self, *, within_seconds: float = 5.0) -> None:
        """A request under way is waited for this long; whether it was taken is then found out by sending it again after the next start."""
        self._stopping.set()
        for wake in self._wakes.values():
            wake.set()
        until = time.monotonic() + within_seconds
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def conditions(self) -> tuple[Condition, ...]:
        """Of every destination, as configured. OutboxError."""
        pending, dead = self._outbox.pending(), self._outbox.dead_counts()
        made = []
        for name, lane in self._lanes.items():
            waiting = pending.get(name)
            count, oldest = (waiting.count, waiting.oldest_queued_at) if waiting else (0, None)
            made.append(Condition(name, count, oldest, lane.last_taken_at, lane.trouble, dead.get(name, 0)))
        return tuple(made)

    def taken(self, keys: Collection[str]) -> tuple[Taken, ...]:
        """Of these alerts, what each destination took last. OutboxError."""
        return self._outbox.held(keys)

    def dead(self, *, most: int) -> tuple[DeadLetter, ...]:
        """What was given up, the newest first; of destinations that are gone, too. OutboxError."""
        return self._outbox.dead(most=most)

    def replay(self, dead_id: int, *, now: float) -> bool:
        """Send it after all. False when there is none, something newer was told since, or its destination is gone. OutboxError."""
        letter = next((letter for letter in self._outbox.dead() if letter.id == dead_id), None)
        if letter is None or letter.destination not in self._lanes or not self._outbox.replay(dead_id, now=now):
            return False
        self._wakes[letter.destination].set()
        return True

    def discard(self, dead_id: int) -> bool:
        """Forget it. False when there is none. OutboxError."""
        return self._outbox.discard(dead_id)

    def step(self, name: str, *, now: float) -> bool:
        """One request to this destination, if anything is due. True when there was: look again at once. OutboxError."""
        lane = self._lanes[name]
        route = lane.route
        if now < lane.paused_until <= now + LONGEST_RETRY_AFTER_SECONDS:  # a longer pause is of a clock that was ahead
            return False
        most = 1 if lane.singly else route.batch
        letters = self._outbox.claim(name, now=now, most=most, per_minute=route.per_minute)
        if not letters and route.resend_seconds is not None:
            letters = self._outbox.repeat(
                name, now=now, every=route.resend_seconds, most=most, per_minute=route.per_minute
            )
        if letters:
            lane.singly = max(0, lane.singly - 1)
            self._send(lane, letters, now)
        return bool(letters)

    def _send(self, lane: _Lane, letters: Sequence[Letter], now: float) -> None:
        error = attempt(lane.route, [letter.alert for letter in letters], now=now)
        if error is None:
            self._outbox.taken(letters, now=now)
            if lane.trouble is not None:
                logger.info("alerts to %s: taken again", lane.route.name)
            lane.failures, lane.paused_until, lane.last_taken_at, lane.trouble = 0, 0.0, now, None
            return
        if lane.trouble is None:
            logger.warning("alerts to %s: %s", lane.route.name, error)
        lane.trouble = str(error)
        if error.retry:
            self._retry(lane, letters, error, now)
        elif len(letters) > 1:
            lane.singly = len(letters)
        else:
            self._refused(lane, letters[0], error, now)

    def _retry(self, lane: _Lane, letters: Sequence[Letter], error: DeliveryError, now: float) -> None:
        lane.failures += 1
        least = min(error.retry_after_seconds or 0.0, LONGEST_RETRY_AFTER_SECONDS)
        lane.paused_until = now + max(least, self._wait(lane.failures))
        for letter in letters:
            if self._is_old(lane.route, letter, now):
                self._give_up(letter, str(error), now)
            else:
                due = now + max(least, self._wait(letter.attempts))
                self._outbox.later([letter], due_at=due, every=lane.route.resend_seconds)

    def _refused(self, lane: _Lane, letter: Letter, error: DeliveryError, now: float) -> None:
        if letter.id:
            self._give_up(letter, str(error), now)
        else:  # a repetition of what was taken: it may be taken again
            self._outbox.later([letter], due_at=now + LONGEST_WAIT_SECONDS, every=lane.route.resend_seconds)

    def _give_up(self, letter: Letter, reason: str, now: float) -> None:
        logger.error("alert %s to %s is given up: %s", letter.alert.slo, letter.destination, reason)
        self._outbox.bury([letter], reason, now=now)

    def _is_old(self, route: Route, letter: Letter, now: float) -> bool:
        return (
            letter.id != 0
            and route.resend_seconds is None
            and letter.attempts >= LEAST_ATTEMPTS
            and now - letter.queued_at >= self._given_up_seconds
        )

    def _wait(self, attempts: int) -> float:
        """Full jitter: anything up to the exponential bound, so that many that failed together do not come back together."""
        return self._jitter.uniform(0.0, min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2.0 ** min(attempts - 1, 20)))

    def _run(self, name: str) -> None:
        wake = self._wakes[name]
        while not self._stopping.is_set():
            wake.clear()
            try:
                again = self.step(name, now=self._clock())
            except OutboxError as error:
                logger.warning("alerts to %s wait: %s", name, error)
                self._stopping.wait(_NAP_SECONDS)
                continue
            if not again:
                wake.wait(_LOOK_SECONDS)


def attempt(route: Route, alerts: Sequence[Alert], *, now: float) -> DeliveryError | None:
    """Why they were not taken; None when they were."""
    try:
        route.destination.send(alerts, now=now)
    except DeliveryError as error:
        return error
    except Exception as error:  # noqa: BLE001 -- an adapter may be a stranger's; its thread must live. The text may hold secrets
        return DeliveryError(f"the adapter failed with {type(error).__name__}", retry=True)
    return None
