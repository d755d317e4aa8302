"""One request's part in a journey, whichever protocol the server speaks (`maibo.asgi`, `maibo.wsgi`).

The rules:

* The journey is the one that comes in with the request: in W3C ``baggage`` from another service, else in the cookie. A route that
  ``begins`` starts a new one when none of its name is under way, or when the one that came in is older than the journey's timeout.
  (A route for whichever journey comes in knows no timeout: it adds its step to what another service sends, within a day.)
* The step lasts until the response is complete. What the handler said (``maibo.current().fail("card_declined")``) is its outcome;
  else an exception or a 5xx (``http_503``) is a failure, a client that left before the end ``abandoned``, all other answers success: a
  4xx is the customer's mistake, and the service did its work.
* The journey ends with a route that ``ends``, with that step's outcome. But a 4xx without a word from the handler ends nothing that
  spans requests: the customer may mend the input and try again. Nor does it begin anything: no cookie is set. (No request knows of
  another: two at the same time with the same cookie, on a route that ``ends``, count the journey twice.)
* A begin that fails ends the journey as a failure. A service in the middle of a journey only ever adds its steps.
* A journey that goes on after the request that began it travels in a cookie; its end takes the cookie away. The cookie holds one
  journey: beginning another that spans requests replaces it, one that a single request makes up leaves it alone.
"""

# ruff: noqa: SLF001 -- a request is a block of journeys and steps, and sees their insides, so that users need not

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from maibo import blocks, carriers, journeys, problems, runtime
from maibo.blocks import Attachment
from maibo.carriers import COOKIE, Identity
from maibo.routes import Route, Routes
from maibo.semconv import ABANDONED, FAILURE, SUCCESS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from opentelemetry.trace import SpanContext

    from maibo.journeys import Journey
    from maibo.steps import Step

_OF_ANY_JOURNEY = Route()
_DESCRIBED = ("tier", "variant", "user", "session")


class Visit:
    """A request under way that is part of a journey."""

    __slots__ = (
        "_begun",
        "_cookie",
        "_done",
        "_hold",
        "_remote",
        "_route",
        "_secure",
        "_status",
        "_will_end",
        "journey",
        "step",
    )

    def __init__(
        self, journey: Journey, route: Route, *, begun: bool, cookie: bool, secure: bool, remote: SpanContext | None
    ) -> None:
        self.journey = journey
        self._route = route
        self._begun = begun
        self._cookie = cookie
        self._secure = secure
        self._remote = remote
        self._status = 0
        self._will_end: bool | None = None
        self._done = False
        # Held until `done`: what a handler says takes effect when the response is complete, not at once.
        self._hold = Attachment(journey, attach=False)
        self._hold.__enter__()
        self.step: Step | None = journey.step(route.step) if route.step else None
        if self.step is not None:
            self.step._start(attach=False)

    @contextmanager
    def current(self) -> Iterator[None]:
        """Journey and step are current in here; nothing of it is left outside."""
        stack = ExitStack()
        try:
            stack.enter_context(Attachment(self.journey))
            if self.step is not None:
                stack.enter_context(blocks.being(self.step))
        except Exception as error:  # noqa: BLE001 -- the host goes on
            problems.caught("visit", error)
        try:
            yield
        finally:
            try:
                stack.close()
            except Exception as error:  # noqa: BLE001 -- the host goes on
                problems.caught("visit", error)

    def answered(self, status: int) -> str | None:
        """The response starts: what to set as ``Set-Cookie``, if anything."""
        try:
            self._status = status
            self._find_parent()
            self._will_end = self._ends(SUCCESS if status < 500 else FAILURE)
            if self._begun and not self._will_end and not self._refused():
                return self._set_cookie(self.journey.cookie(), self._route.timeout_seconds)
            if self._cookie and self._will_end:
                return self._set_cookie("", 0)
        except Exception as error:  # noqa: BLE001 -- the host goes on
            problems.caught("visit", error)
        return None

    def done(self, error: type[BaseException] | None = None, *, complete: bool = True) -> None:
        """The response is complete, or will never be: end the step, and the journey if this request ends it."""
        if self._done:
            return
        self._done = True
        try:
            outcome, reason = self._outcome(error, complete=complete)
            if self.step is not None:
                self.step._finish(outcome, reason)
                if self.step._outcome:
                    outcome, reason = self.step._outcome, self.step._reason
            will_end = self._ends(outcome) if self._will_end is None else self._will_end
            if will_end or (self._begun and self._ends(outcome)):
                self.journey._end(outcome, reason)
            elif self._begun and not self._refused():
                self.journey._goes_on()
        except Exception as mishap:  # noqa: BLE001 -- the host goes on
            problems.caught("visit", mishap)
        finally:
            self._hold.__exit__()

    def _outcome(self, error: type[BaseException] | None, *, complete: bool) -> tuple[str, str]:
        if error is not None:
            return FAILURE, error.__name__
        if not self._status:
            return FAILURE, "no_response"
        if self._status >= 500:
            return FAILURE, f"http_{self._status}"
        return (SUCCESS, "") if complete else (ABANDONED, "")

    def _ends(self, outcome: str) -> bool:
        if self._begun and outcome == FAILURE:
            return True
        if not self._route.ends:
            return False
        return not self._refused() or self._begun

    def _refused(self) -> bool:
        """A 4xx, and the handler said nothing else."""
        said = self.journey._outcome or (self.step._outcome if self.step is not None else "")
        return 400 <= self._status < 500 and not said

    def _find_parent(self) -> None:
        """A framework's own server span is current where the response starts, though not yet where the request came in."""
        context = blocks.host_span() or self._remote
        if self.step is not None and self.step._parent is None:
            self.step._parent = context
        if self.journey._parent is None:
            self.journey._parent = context

    def _set_cookie(self, value: str, max_age: int) -> str:
        secure = "; Secure" if self._secure else ""
        return f"{COOKIE}={value}; Max-Age={max_age}; Path=/; HttpOnly; SameSite=Lax{secure}"


def visit(
    routes: Routes,
    method: str,
    path: str,
    headers: Iterable[tuple[Any, Any]],
    *,
    secure: bool,
    traceparent: str = "",
    customer: Callable[[], Mapping[str, str | None]] | None = None,
) -> Visit | None:
    """What this request is a part of; None: of no journey. `customer` is asked only when a journey begins."""
    live = runtime.active
    if live is None:
        return None
    candidates = routes.match(method, path)
    now_us = time.time_ns() // 1000
    found = carriers.find(headers, now_us=now_us)
    incoming, source = found if found is not None else (None, "")
    route = _choose(candidates, incoming)
    if incoming is not None and _outdated(incoming, source, route, now_us=now_us):
        incoming, route = None, _choose(candidates, None)
    if incoming is not None and route.journey in {"", incoming.name}:
        journey, begun = journeys.resumed(live, incoming, ends=False), False
    elif route.begins and route.journey:
        journey, begun = journeys.started(route.journey, _described(customer), ends=None), True
    else:
        if candidates:
            problems.noticed(
                problems.STEPS_OUTSIDE,
                "maibo: %s %s is a step of a journey, but came without one (further ones are counted)",
                method,
                path,
            )
        return None
    if not journey.active:  # an internal error, already counted
        return None
    return Visit(
        journey,
        route,
        begun=begun,
        cookie=source == "cookie" and not begun,
        secure=secure,
        remote=_remote(traceparent) if traceparent else None,
    )


def _described(customer: Callable[[], Mapping[str, str | None]] | None) -> dict[str, str | None]:
    """`tier`, `variant`, `user` and `session` of a journey that begins, as the host tells them."""
    told: Mapping[str, str | None] = {}
    try:
        told = {} if customer is None else customer()
        return {name: told.get(name) for name in _DESCRIBED}
    except Exception as error:  # noqa: BLE001 -- the host's mistake; the journey is counted without them
        problems.caught("customer", error)
        return dict.fromkeys(_DESCRIBED)


def _choose(candidates: tuple[Route, ...], incoming: Identity | None) -> Route:
    if incoming is not None:
        for route in candidates:
            if route.journey == incoming.name:
                return route
    for route in candidates:
        if route.begins or (incoming is not None and not route.journey):
            return route
    return _OF_ANY_JOURNEY


def _outdated(incoming: Identity, source: str, route: Route, *, now_us: int) -> bool:
    if source == "baggage" and not route.journey and not route.ends:
        return False
    return now_us - incoming.start_us > route.timeout_seconds * 1_000_000


def _remote(traceparent: str) -> SpanContext | None:
    from opentelemetry.trace import get_current_span
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    context = get_current_span(TraceContextTextMapPropagator().extract({"traceparent": traceparent})).get_span_context()
    return context if context.is_valid and context.is_remote else None
