"""ASGI: requests become steps of journeys (the rules are in `maibo.visits`)::

    from maibo.asgi import JourneyMiddleware, Route

    app.add_middleware(
        JourneyMiddleware,
        routes={
            "POST /checkout": Route(journey="checkout", step="basket", begins=True),
            "POST /checkout/pay/{id}": Route(journey="checkout", step="payment", ends=True),
        },
    )

or ``documents=[...]``: ``Journey`` documents as dicts. ``customer=`` is asked about a request that begins a journey, and answers a
dict with any of ``tier``, ``variant``, ``user`` and ``session``: ``lambda scope: {"tier": scope["user"].tier}``.

What comes in is not signed: where strangers' requests arrive, ``trust_baggage=False`` takes a journey from the cookie alone, and takes
maibo's keys out of the ``baggage`` that the app and its clients see. ``secure_cookie=True`` marks the cookie Secure behind a proxy that
ends TLS; by default the scheme that the server tells decides, never a header.

It adds no server span beside the framework's own, streams as the app streams, and at the lifespan's end sends what is left, within 2 s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from functools import partial
from typing import Any

from maibo import blocks, carriers, configuration, problems, runtime
from maibo.routes import Route, Routes
from maibo.visits import Visit, visit

__all__ = ["JourneyMiddleware", "Route"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class JourneyMiddleware:
    """See the module."""

    def __init__(
        self,
        app: App,
        *,
        routes: Mapping[str, Route | Iterable[Route]] | None = None,
        documents: Iterable[Mapping[str, Any]] = (),
        customer: Callable[[Scope], Mapping[str, str | None]] | None = None,
        trust_baggage: bool = True,
        secure_cookie: bool | None = None,
    ) -> None:
        self.app = app
        self.routes = Routes(routes, documents)
        self.customer = customer
        self.trust_baggage = trust_baggage
        self.secure_cookie = secure_cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(self.app, scope, receive, send)
            return
        if not self.trust_baggage:
            _take_out_journey(scope)
        if scope["type"] == "http" and (part := self._visit(scope)) is not None:
            await _attend(part, self.app, scope, receive, send)
        elif self.trust_baggage:
            await self.app(scope, receive, send)
        else:
            with blocks.without_baggage():
                await self.app(scope, receive, send)

    def _visit(self, scope: Scope) -> Visit | None:
        if runtime.active is None:
            return None
        try:
            headers = [(name, value) for name, value in scope["headers"] if name in {b"baggage", b"cookie"}]
            traceparent = next(
                (value.decode("latin-1") for name, value in scope["headers"] if name == b"traceparent"), ""
            )
            return visit(
                self.routes,
                scope["method"],
                scope["path"].removeprefix(scope.get("root_path", "")) or "/",
                headers,
                secure=scope.get("scheme") == "https" if self.secure_cookie is None else self.secure_cookie,
                traceparent=traceparent,
                customer=None if self.customer is None else partial(self.customer, scope),
            )
        except Exception as error:  # noqa: BLE001 -- the host goes on
            problems.caught("asgi", error)
            return None


def _take_out_journey(scope: Scope) -> None:
    """In place: who wraps this app sees the same scope, and is to carry nothing on either."""
    try:
        headers = list(scope.get("headers", ()))
        if any(name == b"baggage" for name, _ in headers):
            pairs = ((name, _without_journey(value) if name == b"baggage" else value) for name, value in headers)
            scope["headers"] = [(name, value) for name, value in pairs if value or name != b"baggage"]
    except Exception as error:  # noqa: BLE001 -- the host goes on
        problems.caught("asgi", error)


def _without_journey(header: bytes) -> bytes:
    return carriers.without_journey(header.decode("latin-1")).encode("latin-1")


async def _attend(part: Visit, app: App, scope: Scope, receive: Receive, send: Send) -> None:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            cookie = part.answered(message["status"])
            if cookie is not None:
                message = {
                    **message,
                    "headers": [*message.get("headers", ()), (b"set-cookie", cookie.encode("latin-1"))],
                }
        await send(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            part.done()

    try:
        with part.current():
            await app(scope, receive, sending)
    except BaseException as error:
        part.done(type(error))
        raise
    part.done(complete=False)


async def _live(app: App, scope: Scope, receive: Receive, send: Send) -> None:
    """The app's own lifespan, and one in its place where it has none: the server stops only after the flush."""
    heard = False

    async def receiving() -> Message:
        nonlocal heard
        heard = True
        return await receive()

    async def sending(message: Message) -> None:
        if message["type"] in {"lifespan.shutdown.complete", "lifespan.shutdown.failed"}:
            await _flush()
        await send(message)

    try:
        await app(scope, receiving, sending)
    except Exception:
        if heard:
            raise
    if not heard:
        await _live_alone(receive, send)


async def _live_alone(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        else:
            await _flush()
            await send({"type": "lifespan.shutdown.complete"})
            return


async def _flush() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:  # another event loop than asyncio's
        configuration.flush_at_stop()
    else:
        await asyncio.to_thread(configuration.flush_at_stop)
