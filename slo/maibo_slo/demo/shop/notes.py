"""What a process of the shop writes down beside the pipeline: every request that it answered, by clocks of its own.

Two pure ASGI layers, `Outside` and `Inside`, lie directly around and directly within the SDK's middleware, and read the
clock whenever a request or the end of an answer passes. Whenever the middleware takes its own readings, it takes them between
those of the two layers: so a duration that it tells must lie between two bounds that it has no part in, usually a fraction of a
millisecond apart. Who a request is for comes in plain headers, which the services hand on in their own code, and not by baggage.

Two things are written that the SDK does tell, to be compared with the rest: each journey that it ended, and its `maibo.stats`.
"""

from __future__ import annotations

import json
import time
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import maibo
from maibo_slo.demo.shop import TIER_HEADER, VISIT_HEADER

OWN_PATHS = "/-/"
"""Under it is what the demo itself asks its processes."""
_CLOCKS = "maibo_slo.demo"
"""Where the two layers meet in the ASGI scope."""
_visit: ContextVar[str] = ContextVar("visit", default="")


@dataclass(frozen=True, slots=True)
class Identity:
    """Which process this is."""

    process: str
    service: str
    version: str
    region: str


@dataclass(slots=True)
class Clocks:
    """One request under way: unix ns at which it and its answer passed the two layers."""

    came_ns: int
    """Outside, as the request came in."""
    entered_ns: int = 0
    """Inside, directly after the SDK's middleware had seen it."""
    answered_ns: int = 0
    """Outside, before any of the answer was sent."""
    sent_ns: int = 0
    """Outside, when all of it was sent, directly before the SDK's middleware learned that."""
    left_ns: int = 0
    """Inside, directly after."""
    status: int = 500
    """As a server answers when nothing was."""

    def end(self, now_ns: int) -> None:
        """It is over: what never happened, because the application or what is around it failed, happens now."""
        self.answered_ns = self.answered_ns or now_ns
        self.sent_ns = self.sent_ns or now_ns
        self.entered_ns = self.entered_ns or now_ns
        self.left_ns = self.left_ns or now_ns


class Notes:
    """Appends to ``requests-NAME.jsonl`` and ``journeys-NAME.jsonl`` while it is open, and writes ``spans-NAME.json`` when it is closed."""

    def __init__(self, folder: Path, name: str) -> None:
        self.requests = (folder / f"requests-{name}.jsonl").open("a", buffering=1)
        self.journeys = (folder / f"journeys-{name}.jsonl").open("a", buffering=1)
        self.spans_path = folder / f"spans-{name}.json"
        self._ended: list[dict[str, Any]] = []

    def journey_ended(self, journey: maibo.FinishedJourney) -> None:
        """Keep what the SDK says until the request is over: the clocks are still running."""
        self._ended.append(
            {
                "visit": _visit.get(),
                "journey": journey.name,
                "tier": journey.tier,
                "outcome": journey.outcome,
                "duration_ns": journey.duration_ns,
            }
        )

    def answered(self, identity: Identity, scope: Scope, clocks: Clocks) -> None:
        """One line, in the words of `maibo_slo.demo.evidence.Request`."""
        headers = Headers(scope=scope)
        noted = {
            **asdict(identity),
            "visit": headers.get(VISIT_HEADER, ""),
            "tier": headers.get(TIER_HEADER, ""),
            "route": f"{scope['method']} {scope['path']}",
            **asdict(clocks),
        }
        self.requests.write(json.dumps(noted) + "\n")
        self._write_ended()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        maibo.flush()
        self.spans_path.write_text(json.dumps(spans_now()))
        self._write_ended()
        self.requests.close()
        self.journeys.close()

    def _write_ended(self) -> None:
        ended, self._ended = self._ended, []
        for each in ended:
            self.journeys.write(json.dumps(each) + "\n")


class Outside:
    """Sees a request before the SDK's middleware does, and that an answer was sent before it does; writes the line."""

    def __init__(self, app: ASGIApp, notes: Notes, identity: Identity) -> None:
        self.app = app
        self.notes = notes
        self.identity = identity

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(OWN_PATHS):
            await self.app(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                clocks.status, clocks.answered_ns = message["status"], time.time_ns()
            await send(message)
            if _is_last(message):
                clocks.sent_ns = time.time_ns()

        token = _visit.set(Headers(scope=scope).get(VISIT_HEADER, ""))
        clocks = scope[_CLOCKS] = Clocks(time.time_ns())
        try:
            await self.app(scope, receive, sending)
        finally:
            clocks.end(time.time_ns())
            _visit.reset(token)
            self.notes.answered(self.identity, scope, clocks)


class Inside:
    """Sees a request after the SDK's middleware did, and that an answer was sent after it did."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        clocks = scope.get(_CLOCKS)
        if clocks is None:
            await self.app(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            await send(message)
            if _is_last(message):
                clocks.left_ns = time.time_ns()

        clocks.entered_ns = time.time_ns()
        try:
            await self.app(scope, receive, sending)
        finally:
            clocks.left_ns = clocks.left_ns or time.time_ns()


def _is_last(message: Message) -> bool:
    return message["type"] == "http.response.body" and not message.get("more_body", False)


def on_behalf(request: Request) -> dict[str, str]:
    """Headers that tell the next service, in plain words of the demo's own, which visit of which customer it serves."""
    return {name: request.headers[name] for name in (VISIT_HEADER, TIER_HEADER) if name in request.headers}


def spans_now() -> dict[str, int]:
    """What the SDK says of this process, as `maibo_slo.demo.evidence.SdkCounts` takes it."""
    return asdict(maibo.stats())
