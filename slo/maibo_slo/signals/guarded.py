"""The plain JSON for those who show a token: what KEDA's ``metrics-api`` trigger asks from another pod."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from fastapi import Depends, FastAPI, Request
from starlette.datastructures import Headers
from starlette.routing import Mount

from maibo_slo import problems
from maibo_slo.known_parameters import only_known
from maibo_slo.signals import plain
from maibo_slo.tokens import Scope

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Receive, Send
    from starlette.types import Scope as Connection

    from maibo_slo.signals.reading import Reader
    from maibo_slo.tokens import TokenFile

API_KEY: Final = "x-api-key"
"""KEDA's name for it, where its authMode is apiKey; ``bearer`` is a token as everywhere."""


def mount(
    reader: Reader,
    tokens: TokenFile,
    *,
    served: Callable[[str, str, int, str], None],
    answered: Callable[[str, str, int | None, str, str], None] = lambda *_: None,
) -> Mount:
    """``/v1/scaling…`` as on the service's own port, for holders of a token of the scope ``read``."""
    app = FastAPI(
        title="maibo signals",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
        dependencies=[Depends(only_known)],
    )
    problems.install(app)
    app.include_router(plain.router(reader, served, answered=answered))
    return Mount("/", TokensAlone(app, tokens))


class TokensAlone:
    """Middleware: lets nobody in without a token that may read."""

    def __init__(self, app: ASGIApp, tokens: TokenFile) -> None:
        self._app = app
        self._tokens = tokens

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Of HTTP requests; there is nothing else here."""
        headers = Headers(scope=scope)
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        secret = bearer.strip() if scheme.lower() == "bearer" else headers.get(API_KEY, "")
        if secret and self._tokens.owner(secret, Scope.READ, now=time.monotonic()):
            await self._app(scope, receive, send)
            return
        said = "show a token of the scope read: Authorization: Bearer …, or X-API-KEY"
        refused = problems.problem(Request(scope), 401, said, headers={"WWW-Authenticate": "Bearer"})
        await refused(scope, receive, send)
