"""Steps while they run: the parts of a journey, each timed by a block, a decorated function or a request."""

# ruff: noqa: SLF001 -- blocks, journeys and steps see each other's insides, so that users need not

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from maibo import journeys, problems, runtime
from maibo.blocks import OPEN, Attachment, host_span, outcome_of, reset, suspended
from maibo.decorators import decorated
from maibo.runtime import Finished
from maibo.semconv import ABANDONED, FAILURE, SUCCESS

if TYPE_CHECKING:
    from contextvars import Token
    from types import TracebackType

    from opentelemetry.trace import SpanContext

    from maibo.journeys import Journey

F = TypeVar("F", bound=Callable[..., Any])


class Step:
    """A step, timed by its ``with`` block or by the function it decorates. Entered again while it runs, it is another step each time."""

    __slots__ = (
        "_bound",
        "_clock",
        "_others",
        "_outcome",
        "_parent",
        "_reason",
        "_start_ns",
        "_token",
        "journey",
        "name",
    )

    def __init__(self, name: str, journey: Journey | None = None) -> None:
        self.name = name
        self.journey: Journey | None = None
        """The journey it is a part of, once it runs."""
        self._parent: SpanContext | None = None
        self._start_ns = 0
        self._bound = journey
        self._clock = 0
        self._outcome = ""
        self._reason = ""
        self._token: Token[Attachment | Step | None] | None = None
        self._others: list[Step] = []

    def succeed(self) -> None:
        """It worked, whatever leaves its block."""
        self._say(SUCCESS, "")

    def fail(self, reason: str) -> None:
        """It failed; the journey goes on (say it on the journey, `current`, when the journey failed with it)."""
        self._say(FAILURE, reason)

    def abandon(self) -> None:
        """The customer gave up during this step."""
        self._say(ABANDONED, "")

    def __enter__(self) -> Step:  # noqa: PYI034 -- not always itself
        step = self
        if runtime.active is not None:
            try:
                if self._start_ns:  # it runs: around this block, or in another task or thread
                    step = Step(self.name, self._bound)
                    self._others.append(step)
                step._start(attach=not suspended(sys._getframe(1)))
            except Exception as error:  # noqa: BLE001 -- the host goes on
                problems.caught("step", error)
        return step

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._start_ns or self._others:
            try:
                step = self._left() if self._others else self
                if kind is None:
                    step._finish(SUCCESS)
                else:
                    step._finish(*outcome_of(kind))
            except Exception as mishap:  # noqa: BLE001 -- the host goes on
                problems.caught("step", mishap)

    def __call__(self, function: F) -> F:
        return decorated(function, lambda: Step(self.name, self._bound), "step")

    def _left(self) -> Step:
        """Of several that run, the one whose block ends here: the one that is current, else (in a generator) the last."""
        innermost, last = OPEN.get(), self._others[-1]
        if last._token is not None:
            if innermost is self:
                return self
            last = next((step for step in self._others if step is innermost), last)
        self._others.remove(last)
        return last

    def _start(self, *, attach: bool = True) -> None:
        """Start the clock; make the step current in this context. Without a journey nothing starts."""
        journey = self._bound or journeys.find()
        if journey is None or not journey.active:
            problems.noticed(
                problems.STEPS_OUTSIDE,
                "maibo: step %r is outside of any journey: dropped (further ones are counted)",
                self.name,
            )
            return
        self.journey = journey
        self._outcome = self._reason = ""  # of an earlier run
        self._parent = host_span()
        if attach:
            self._token = OPEN.set(self)
        self._start_ns = time.time_ns()
        self._clock = time.monotonic_ns()

    def _finish(self, outcome: str, reason: str = "") -> None:
        """Stop the clock. An outcome said before counts instead of the one given."""
        start_ns, self._start_ns = self._start_ns, 0
        end_ns = start_ns + time.monotonic_ns() - self._clock
        if (token := self._token) is not None:
            self._token = None
            reset(token)
        live = runtime.active
        if live is None or self.journey is None or not start_ns:
            return
        if self._outcome:
            outcome, reason = self._outcome, self._reason
        if outcome != SUCCESS:
            reason = live.reason(outcome, reason)
        name = live.catalogue.step(self.journey.name, self.name)
        live.sink.put(Finished(self.journey, name, outcome, reason, start_ns, end_ns, self._parent))

    def _say(self, outcome: str, reason: str) -> None:
        self._outcome, self._reason = outcome, reason
