"""The routes of the pages, and their static files.

A page is asked for and rendered in a worker thread. A browser that would wait longer than `PATIENCE_SECONDS` gets the page's head and
a skeleton at once, and the rest when it is there; every other client gets one answer with its right status. Whatever goes wrong, the
reader gets a page: a store that is down is a 503 that says what to do.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypedDict

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool

from maibo_slo.errors import MaiboError
from maibo_slo.service.pages import journey, links, objectives, overview, scaleups, scaling, templates, units
from maibo_slo.service.questions import BURNT_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from maibo_slo.service.answers import JourneyAnswer
    from maibo_slo.service.questions import Questions

log = logging.getLogger(__name__)

PATIENCE_SECONDS: Final = 0.4
TRACES: Final = 20
"""So many exemplars of each kind are looked through for those that a page shows."""
MOST_SHOWN: Final = 20
"""Characters of a window that nobody knows."""
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class Page:
    """What is known of a page before its data."""

    title: str
    base: str
    window: str
    windows: tuple[links.WindowLink, ...]
    asked_at: float
    unknown_window: str = ""
    """That was asked for, and no such page offers: `window` is shown instead."""

    @property
    def seconds(self) -> int:
        return {**links.WINDOWS, **scaleups.WINDOWS}[self.window]

    @property
    def asked_time(self) -> str:
        return units.clock(datetime.fromtimestamp(self.asked_at, UTC))

    @property
    def asked_moment(self) -> str:
        """With its date, for a page that may be looked at tomorrow."""
        return units.dated(datetime.fromtimestamp(self.asked_at, UTC))


@dataclass(frozen=True, slots=True)
class Main:
    """The part of a page that needs data."""

    html: str
    status: int = 200


class Choice(TypedDict):
    """What of a journey a question is about."""

    step: str
    where: Mapping[str, Sequence[str]]


class Pages:
    """The pages over these questions; see `router`."""

    def __init__(self, questions: Questions, *, endpoint: Callable[[], str], clock: Callable[[], float]) -> None:
        self._questions = questions
        self._endpoint = endpoint
        self._clock = clock
        self.assets = templates.assets()
        self._templates = templates.environment(self.assets)

    async def overview(self, request: Request) -> Response:
        base = _base(request)
        page = self._page(request, "maibo", lambda window: f"{base}/?window={window}")
        return await self._answer(request, page, lambda: self._overview(page))

    async def journey(self, request: Request, name: str) -> Response:
        filters = {key: request.query_params[key] for key in links.FILTERS if key in request.query_params}
        page = self._page(
            request,
            f"{name} \u00b7 maibo",
            lambda window: links.journey_href(name, base=_base(request), window=window, filters=filters),
        )
        return await self._answer(request, page, lambda: self._journey(page, name, filters))

    async def slo(self, request: Request, name: str) -> Response:
        page = self._page(request, f"{name} \u00b7 maibo", None)
        return await self._answer(request, page, lambda: self._slo(page, name, request.query_params.get("group")))

    async def scaleups(self, request: Request) -> Response:
        base, workload = _base(request), request.query_params.get("workload", "")
        page = self._page(
            request,
            "scale-ups \u00b7 maibo",
            lambda window: scaleups.list_href(base=base, window=window, workload=workload),
            windows=scaleups.WINDOWS,
            usual=scaleups.DEFAULT_WINDOW,
        )
        return await self._answer(request, page, lambda: self._scaleups(page, workload))

    async def scaleup(self, request: Request, scaleup_id: str) -> Response:
        page = self._page(request, f"{scaleup_id} \u00b7 maibo", None)
        return await self._answer(request, page, lambda: self._scaleup(page, scaleup_id))

    async def scaling(self, request: Request) -> Response:
        page = self._page(request, "scaling \u00b7 maibo", None, windows=scaling.WINDOWS, usual=scaling.DEFAULT_WINDOW)
        return await self._answer(request, page, lambda: self._scaling(page))

    async def target(self, request: Request, namespace: str, name: str) -> Response:
        page = self._page(
            request,
            f"{name} \u00b7 scaling \u00b7 maibo",
            lambda window: scaling.target_href(namespace, name, base=_base(request), window=window),
            windows=scaling.WINDOWS,
            usual=scaling.DEFAULT_WINDOW,
        )
        return await self._answer(request, page, lambda: self._target(page, namespace, name))

    def _overview(self, page: Page) -> Main:
        now = page.asked_at
        view = overview.overview(
            self._questions.journeys(now=now, window_seconds=page.seconds, series=True),
            self._questions.slos(now),
            self._questions.ingest(now),
            self._questions.health(),
            base=page.base,
            window=page.window,
        )
        return Main(self._render("overview.html", page, view=view, endpoint=self._endpoint()))

    def _journey(self, page: Page, name: str, filters: Mapping[str, str]) -> Main:
        now = page.asked_at
        found = self._questions.journey_and_histogram(name, now=now, window_seconds=page.seconds, **_choice(filters))
        if found is None:
            return self._not_found(page, "journey", name)
        answer, histogram = found
        offered = {}
        for dimension in links.FILTERS:
            kept = journey.kept(filters, dimension)
            other = None if kept == filters else self._about(page, name, kept, dimension)
            offered[dimension] = answer if other is None else other
        view = journey.journey_page(
            answer,
            histogram,
            self._questions.slos(now),
            self._questions.exemplars(
                name,
                now=now,
                window_seconds=page.seconds,
                limit=TRACES,
                step=filters.get("step"),
                where=_choice(filters)["where"],
            ),
            offered=offered,
            filters=filters,
            base=page.base,
            window=page.window,
        )
        return Main(self._render("journey.html", page, view=view))

    def _about(self, page: Page, name: str, filters: Mapping[str, str], dimension: str) -> JourneyAnswer | None:
        """What the table of this dimension is made of, and no more."""
        steps = dimension == "step"
        return self._questions.journey(
            name,
            now=page.asked_at,
            window_seconds=page.seconds,
            by=() if steps else (dimension,),
            series=False,
            steps=steps,
            details=False,
            **_choice(filters),
        )

    def _slo(self, page: Page, name: str, group: str | None) -> Main:
        slo = self._questions.slo(name, page.asked_at)
        if slo is None:
            return self._not_found(page, "SLO", name)
        view = objectives.slo_page(slo, now=page.asked_at, base=page.base, window=page.window, group=group)
        worst = view.worst_counted
        if worst is not None:
            chosen = worst.objective
            burnt = self._questions.burnt(name, objective=chosen.name, group=chosen.group, now=page.asked_at)
            view = objectives.with_burnt(view, burnt, seconds=BURNT_SECONDS)
        return Main(self._render("slo.html", page, view=view))

    def _scaleups(self, page: Page, workload: str) -> Main:
        now = page.asked_at
        end = int(now) + 1
        whose = workload if scaleups.is_workload(workload) else ""
        found, summary = self._questions.scaleups_and_summary(end - page.seconds, end, workload=whose, now=now)
        view = scaleups.scaleups_page(found, summary, base=page.base, window=page.window, workload=whose)
        return Main(self._render("scaleups.html", page, view=view))

    def _scaleup(self, page: Page, scaleup_id: str) -> Main:
        found = self._questions.scaleup(scaleup_id, now=page.asked_at)
        if found is None:
            return self._not_found(page, "scale-up", scaleup_id)
        return Main(self._render("scaleup.html", page, view=scaleups.scaleup_page(found, base=page.base)))

    def _scaling(self, page: Page) -> Main:
        view = scaling.scaling_page(self._questions.scaling(page.asked_at), base=page.base, window=page.window)
        return Main(self._render("scaling.html", page, view=view))

    def _target(self, page: Page, namespace: str, name: str) -> Main:
        now = page.asked_at
        found = self._questions.scaling_target(namespace, name, now - page.seconds, now, now=now)
        if found is None:
            return self._not_found(page, "target", f"{namespace}/{name}")
        return Main(
            self._render("target.html", page, view=scaling.target_page(found, base=page.base, window=page.window))
        )

    def _not_found(self, page: Page, what: str, name: str) -> Main:
        return Main(self._render("missing.html", page, what=what, name=name), status=404)

    def _page(
        self,
        request: Request,
        title: str,
        href: Callable[[str], str] | None,
        *,
        windows: Mapping[str, int] = links.WINDOWS,
        usual: str = links.DEFAULT_WINDOW,
    ) -> Page:
        asked = request.query_params.get("window", "")
        window = asked if asked in windows else usual
        offered = () if href is None else tuple(links.WindowLink(each, href(each), each == window) for each in windows)
        unknown = asked if offered and asked not in windows else ""
        return Page(title, _base(request), window, offered, self._clock(), unknown[:MOST_SHOWN])

    async def _answer(self, request: Request, page: Page, main: Callable[[], Main]) -> Response:
        work = asyncio.create_task(run_in_threadpool(self._whatever_happens, page, main))
        # Only a navigation asks for text/html by name; the page's own script and tools wait for the status.
        patience = PATIENCE_SECONDS if "text/html" in request.headers.get("accept", "") else None
        done, _ = await asyncio.wait({work}, timeout=patience)
        headers = {**HEADERS, "Cache-Control": "no-store"}
        if not done:
            return StreamingResponse(self._slowly(page, work), headers=headers, media_type="text/html")
        rendered = work.result()
        html = self._render("head.html", page) + rendered.html + self._render("tail.html", page)
        return HTMLResponse(html, status_code=rendered.status, headers=headers)

    async def _slowly(self, page: Page, work: asyncio.Task[Main]) -> AsyncIterator[str]:
        yield self._render("head.html", page) + self._render("skeleton.html", page)
        rendered = await work
        yield rendered.html + self._render("tail.html", page)

    def _whatever_happens(self, page: Page, main: Callable[[], Main]) -> Main:
        try:
            return main()
        except MaiboError as error:
            log.warning("page %s: %s", page.title, error)
            return Main(self._render("error.html", page, ours=False, problem=str(error)), status=503)
        except Exception as error:  # whatever it was, its reader gets a page, and the log gets the traceback
            log.exception("page %s", page.title)
            return Main(self._render("error.html", page, ours=True, problem=type(error).__name__), status=500)

    def _render(self, template: str, page: Page, **context: object) -> str:
        return self._templates.get_template(template).render(page=page, **context)


def router(questions: Questions, *, endpoint: Callable[[], str], clock: Callable[[], float] = time.time) -> APIRouter:
    """The pages over these questions. `endpoint` tells, for each page anew, where services send to."""
    routes = APIRouter(include_in_schema=False)
    pages = Pages(questions, endpoint=endpoint, clock=clock)

    @routes.get("/")
    async def overview(request: Request) -> Response:
        return await pages.overview(request)

    @routes.get("/journeys/{name:path}")
    async def journey(request: Request, name: str) -> Response:
        return await pages.journey(request, name)

    @routes.get("/slos/{name:path}")
    async def slo(request: Request, name: str) -> Response:
        return await pages.slo(request, name)

    @routes.get("/journeys")
    async def journey_by_query(request: Request, name: str | None = None) -> Response:
        return RedirectResponse(f"{_base(request)}/") if name is None else await pages.journey(request, name)

    @routes.get("/slos")
    async def slo_by_query(request: Request, name: str | None = None) -> Response:
        return RedirectResponse(f"{_base(request)}/") if name is None else await pages.slo(request, name)

    routes.include_router(_replicas(pages))

    @routes.get("/static/{name}")
    async def static(name: str) -> Response:
        asset = pages.assets.get(name)
        if asset is None:
            return PlainTextResponse("no such file", status_code=404)
        # The address carries the file's tag, so it may be kept for good.
        kept = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
        return Response(asset.body, media_type=asset.media_type, headers=kept)

    return routes


def _replicas(pages: Pages) -> APIRouter:
    """The pages about replicas: what is wished for, and how long it took."""
    routes = APIRouter()

    @routes.get("/scaleups")
    async def scale_ups(request: Request) -> Response:
        return await pages.scaleups(request)

    @routes.get("/scaleups/{id:path}")
    async def scale_up(request: Request, id: str) -> Response:  # noqa: A002 -- the name in the address
        return await pages.scaleup(request, id)

    @routes.get("/scaling")
    async def targets(request: Request) -> Response:
        return await pages.scaling(request)

    @routes.get("/scaling/{namespace}/{target}")
    async def target(request: Request, namespace: str, target: str) -> Response:
        return await pages.target(request, namespace, target)

    return routes


def _choice(filters: Mapping[str, str]) -> Choice:
    """As the questions take it."""
    where = {dimension: [value] for dimension, value in filters.items() if dimension != "step"}
    return Choice(step=filters.get("step", ""), where=where)


def _base(request: Request) -> str:
    """Where the service is mounted, '' mostly."""
    return str(request.scope.get("root_path", ""))
