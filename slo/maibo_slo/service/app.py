"""The web application: API, pages, metrics and health on one port."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

import anyio.to_thread
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from maibo_slo import problems
from maibo_slo.known_parameters import only_known
from maibo_slo.service import api, change_routes, scaleup_routes
from maibo_slo.service.listen import LocalNames
from maibo_slo.service.pages import routes as pages
from maibo_slo.service.questions import Questions
from maibo_slo.service.ready import Readiness, readiness

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

OTLP_ENDPOINT: Final = "http://127.0.0.1:4318"
"""Where services send their spans when nothing is said: OpenTelemetry's own default."""
QUERY_THREADS: Final = 4
"""Questions answered at once: more would only make the store's two threads switch between them."""


def create_app(
    questions: Questions,
    *,
    registry: CollectorRegistry,
    now: Callable[[], float],
    endpoint: Callable[[], str] = lambda: OTLP_ENDPOINT,
    plugin_routes: Sequence[APIRouter] = (),
) -> FastAPI:
    """Everything over HTTP; a plugin's routes come after ours, so they cannot take them away.

    `endpoint` tells where services send their spans to, once that is known.
    """
    app = FastAPI(
        title="maibo",
        summary="Journeys, SLOs and error budgets, from counts.",
        description="Times are RFC 3339 in UTC. A quantity without data is `null`. Errors are RFC 9457 problems.",
        version=version("maibo-slo"),
        docs_url=None,  # Swagger's page loads its scripts from elsewhere
        redoc_url=None,
        lifespan=_bounded_threads,
        dependencies=[Depends(only_known)],
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    problems.install(app)
    app.include_router(api.router(questions, now=now))
    app.include_router(scaleup_routes.router(questions, now=now))
    app.include_router(change_routes.router(questions, now=now))
    app.include_router(_health_routes(questions, registry))
    app.include_router(pages.router(questions, endpoint=endpoint, clock=now))
    for routes in plugin_routes:
        app.include_router(routes)
    app.add_middleware(NotStored)
    app.add_middleware(LocalNames)
    return app


def _health_routes(questions: Questions, registry: CollectorRegistry) -> APIRouter:
    routes = APIRouter(tags=["service"])

    @routes.get("/healthz")
    async def healthz() -> dict[str, str]:
        """The process answers; nothing else is looked at."""
        return {"status": "ok"}

    @routes.get("/readyz", responses={503: {"model": Readiness, "description": "Some part does not work"}})
    async def readyz(response: Response) -> Readiness:
        """Every part of the service, and whether all of them work."""
        said = readiness(questions)
        response.status_code = 200 if said.ready else 503
        return said

    @routes.get("/metrics", response_class=Response)
    def metrics(request: Request) -> Response:
        """For Prometheus."""
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), media_type=content_type)

    return routes


@asynccontextmanager
async def _bounded_threads(_: FastAPI) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = QUERY_THREADS
    yield


class NotStored:
    """Middleware: an answer that says nothing about caching is not to be kept; it is old in seconds."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_header(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message.setdefault("headers", [])
                if not any(name.lower() == b"cache-control" for name, _ in headers):
                    message["headers"] = [*headers, (b"cache-control", b"no-store")]
            await send(message)

        await self.app(scope, receive, send_with_header)
