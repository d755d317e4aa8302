"""Routes that change something.

A web page elsewhere must not be able to have a browser on this machine post: only JSON is taken, which needs the browser's leave to be sent across
sites, and a browser that says that another site sent it is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastapi import HTTPException, Request, Response

from maibo_slo.service.api import RawPathRoute

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from starlette.types import Message, Receive

LONGEST_BODY: Final = 64 * 1024


class ChangingRoute(RawPathRoute):
    """Takes only what no other site's page can have sent, of bounded length."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Its parent's, behind the checks."""
        answer = super().get_route_handler()

        async def answer_own_site(request: Request) -> Response:
            _require_own_site(request)
            return await answer(Request(request.scope, _bounded(request.receive)))

        return answer_own_site


def _require_own_site(request: Request) -> None:
    told = request.headers
    if told.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "send JSON, with Content-Type: application/json")
    site, origin = told.get("sec-fetch-site"), told.get("origin")
    # A browser's own word counts; an old one that gives none says at least where the page is from.
    foreign = origin is not None and origin.partition("://")[2] != told.get("host")
    if foreign if site is None else site not in {"same-origin", "none"}:
        raise HTTPException(403, "a page of another site sent this, and only this service's own may change anything")


def _bounded(receive: Receive) -> Receive:
    """A body without an end must not be read to it."""
    received = 0

    async def receive_bounded() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > LONGEST_BODY:
            raise HTTPException(413, f"at most {LONGEST_BODY // 1024} KiB are taken", headers={"Connection": "close"})
        return message

    return receive_bounded
