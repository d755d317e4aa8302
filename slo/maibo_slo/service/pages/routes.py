"""The routes of the pages, and their static files: of the overview, a journey and an SLO here, of the others in modules of their own."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypedDict

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse, RedirectResponse

from maibo_slo.service import burndown
from maibo_slo.service.changes import About
from maibo_slo.service.journeys import JOURNEYS
from maibo_slo.service.meanwhile import Meanwhile
from maibo_slo.service.pages import (
    burnt,
    happenings,
    journey,
    links,
    listing,
    objectives,
    overview,
    scaling_routes,
    slo,
)
from maibo_slo.service.pages.page import base_of
from maibo_slo.service.pages.shell import Main, Shell
from maibo_slo.service.slos import BURNT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from maibo_slo.service.answers import JourneyAnswer, SloAnswer
    from maibo_slo.service.pages.burnt import BurntTable
    from maibo_slo.service.pages.page import Page
    from maibo_slo.service.questions import Questions

TRACES: Final = 20
"""So many exemplars of each kind are looked through for those that a page shows."""
MOST_JOURNEYS: Final = 1000
"""So many are looked through for a filter, or shown where all are asked for, beside those that are declared."""


class Choice(TypedDict):
    """What of a journey a question is about."""

    step: str
    where: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Pages:
    """The pages over these questions; see `router`."""

    questions: Questions
    shell: Shell
    endpoint: Callable[[], str]

    async def overview(self, request: Request) -> Response:
        base = base_of(request)
        asked = listing.asked(request.query_params)
        page = self.shell.page(
            request, "maibo", lambda query: links.overview_href(base=base, carried={**query, **asked.query}), place="/"
        )
        return await self.shell.answer(request, page, lambda: self._overview(page, asked))

    async def journey(self, request: Request, name: str) -> Response:
        base = base_of(request)
        filters = {key: request.query_params[key] for key in links.FILTERS if key in request.query_params}
        page = self.shell.page(
            request,
            f"{name} \u00b7 maibo",
            lambda query: links.journey_href(name, base=base, carried=query, filters=filters),
            place="/",
        )
        return await self.shell.answer(request, page, lambda: self._journey(page, name, filters))

    async def slo(self, request: Request, name: str) -> Response:
        base, group = base_of(request), request.query_params.get("group")
        page = self.shell.page(
            request,
            f"{name} \u00b7 maibo",
            lambda query: links.slo_href(name, base=base, carried=query, group=group or ""),
            place="/",
            usual="1d",
        )
        return await self.shell.answer(request, page, lambda: self._slo(page, name, group))

    def _overview(self, page: Page, asked: listing.Asked) -> Main:
        now = page.asked_at
        begin, end = page.whole
        with (
            Meanwhile(lambda: self.questions.ingest(now)) as ingest,
            Meanwhile(
                lambda: self.questions.slos_lately(now) if page.live else self.questions.slos(now, at=page.at)
            ) as slos,
        ):
            view = overview.overview(
                self.questions.journeys(
                    now=now,
                    begin=begin,
                    end=end,
                    series=True,
                    limit=MOST_JOURNEYS if asked.everything or asked.typed else JOURNEYS,
                ),
                slos.answer(),
                ingest.answer(),
                self.questions.health(),
                at=page.end,
                base=page.base,
                carried=page.carried,
                asked=asked,
            )
        return self.shell.rendered("overview.html", page, view=view, endpoint=self.endpoint())

    def _journey(self, page: Page, name: str, filters: Mapping[str, str]) -> Main:
        begin, end = page.whole
        with (
            Meanwhile(lambda: happenings.strip(self.questions, page, begin, end, About(journey=name))) as changes,
            Meanwhile(
                lambda: self.questions.exemplars(
                    name,
                    now=page.asked_at,
                    begin=begin,
                    end=end,
                    limit=TRACES,
                    step=filters.get("step"),
                    where=_choice(filters)["where"],
                )
            ) as traces,
        ):
            found = self.questions.journey_and_histogram(
                name, now=page.asked_at, begin=begin, end=end, **_choice(filters)
            )
            if found is None:
                return self.shell.missing(page, "journey", name)
            answer, histogram = found
            offered = self._offered(page, name, filters, answer)
            slos = self.questions.slos_over(name, page.asked_at, at=page.at)
            view = journey.journey_page(
                answer,
                histogram,
                slos,
                traces.answer(),
                burnt=self._burnt_over(page, name, slos.slos),
                offered=offered,
                filters=filters,
                at=page.end,
                base=page.base,
                carried=page.carried,
                api=page.range.api,
            )
            return self.shell.rendered("journey.html", page, view=view, changes=changes.answer())

    def _offered(
        self, page: Page, name: str, filters: Mapping[str, str], answer: JourneyAnswer
    ) -> dict[str, JourneyAnswer]:
        """By dimension: what its values are chosen from, whichever of them is chosen."""
        offered = {}
        for dimension in links.FILTERS:
            kept = journey.kept(filters, dimension)
            other = None if kept == filters else self._about(page, name, kept, dimension)
            offered[dimension] = answer if other is None else other
        return offered

    def _about(self, page: Page, name: str, filters: Mapping[str, str], dimension: str) -> JourneyAnswer | None:
        """What the table of this dimension is made of, and no more."""
        steps = dimension == "step"
        begin, end = page.whole
        return self.questions.journey(
            name,
            now=page.asked_at,
            begin=begin,
            end=end,
            by=() if steps else (dimension,),
            series=False,
            steps=steps,
            details=False,
            **_choice(filters),
        )

    def _burnt_over(self, page: Page, name: str, slos: Sequence[SloAnswer]) -> BurntTable | None:
        """Who burnt the budget of the worst objective over a journey, where one is in trouble."""
        worst = objectives.in_trouble(slos, journey=name)
        if worst is None:
            return None
        its, one = worst
        found = self.questions.burnt(its.name, objective=one.name, group=one.group, now=page.asked_at, end=page.at)
        return burnt.burnt_table(found, seconds=BURNT_SECONDS)

    def _slo(self, page: Page, name: str, group: str | None) -> Main:
        found = self.questions.slo(name, page.asked_at, at=page.at)
        if found is None:
            return self.shell.missing(page, "SLO", name)
        view = slo.slo_page(found, now=page.end, base=page.base, carried=page.carried, group=group)
        begin, end = page.whole
        if not page.live and page.end < page.asked_at:
            end = burndown.floored(begin, end)
            begin = min(begin, end - 1)
        counted = [section.named for section in view.sections if section.row.counted]
        drawn = burndown.drawn(begin, end) if counted else (begin, end)
        with Meanwhile(lambda: happenings.strip(self.questions, page, *drawn, About(slo=name))) as changes:
            worst = view.worst_counted
            if worst is not None:
                chosen = worst.objective
                by_whom = self.questions.burnt(
                    name, objective=chosen.name, group=chosen.group, now=page.asked_at, end=page.at
                )
                view = slo.with_burnt(view, by_whom, seconds=BURNT_SECONDS)
            spent = slo.with_burndowns(view, self.questions.burndowns(name, counted, begin=begin, end=end))
            return self.shell.rendered("slo.html", page, view=spent, changes=changes.answer())


def router(questions: Questions, *, endpoint: Callable[[], str], clock: Callable[[], float] = time.time) -> APIRouter:
    """The pages over these questions. `endpoint` tells, for each page anew, where services send to."""
    routes = APIRouter(include_in_schema=False)
    shell = Shell(clock=clock)
    pages = Pages(questions, shell, endpoint)

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
        return RedirectResponse(f"{base_of(request)}/") if name is None else await pages.journey(request, name)

    @routes.get("/slos")
    async def slo_by_query(request: Request, name: str | None = None) -> Response:
        return RedirectResponse(f"{base_of(request)}/") if name is None else await pages.slo(request, name)

    routes.include_router(scaling_routes.router(questions, shell))
    routes.include_router(happenings.router(questions, shell))

    @routes.get("/static/{name}")
    async def static(name: str) -> Response:
        asset = shell.assets.get(name)
        if asset is None:
            return PlainTextResponse("no such file", status_code=404)
        # The address carries the file's tag, so it may be kept for good.
        kept = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
        return Response(asset.body, media_type=asset.media_type, headers=kept)

    return routes


def _choice(filters: Mapping[str, str]) -> Choice:
    """As the questions take it."""
    where = {dimension: [value] for dimension, value in filters.items() if dimension != "step"}
    return Choice(step=filters.get("step", ""), where=where)
