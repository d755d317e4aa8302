"""Routes of the pages about what happened: alerts, their stories, and what changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response

from maibo_slo.errors import StoreError
from maibo_slo.service.changes import About, Kind
from maibo_slo.service.pages import alerts, changes, links, marks, story
from maibo_slo.service.pages.language import marked
from maibo_slo.service.pages.page import base_of

if TYPE_CHECKING:
    from maibo_slo.service.pages.page import Page
    from maibo_slo.service.pages.shell import Main, Shell
    from maibo_slo.service.questions import Questions


@dataclass(frozen=True, slots=True)
class Happenings:
    """These pages."""

    questions: Questions
    shell: Shell

    async def alerts(self, request: Request) -> Response:
        base, asked = base_of(request), request.query_params
        state, slo = asked.get("state", ""), asked.get("slo", "")
        state = state if state in alerts.STATES else ""
        page = self.shell.page(
            request,
            marked("Alerts \u00b7 maibo"),
            lambda query: alerts.alerts_href(base=base, carried=query, state=state, slo=slo),
            place="/alerts",
            usual=alerts.DEFAULT_WINDOW,
        )
        return await self.shell.answer(request, page, lambda: self._alerts(page, state, slo))

    async def alert(self, request: Request, alert_id: str) -> Response:
        base = base_of(request)
        page = self.shell.page(
            request,
            marked("Alert \u00b7 maibo"),
            lambda query: links.with_query(marks.alert_href(alert_id, base=base), query),
            place="/alerts",
            usual=alerts.DEFAULT_WINDOW,
            ranged=False,
        )
        return await self.shell.answer(request, page, lambda: self._alert(page, alert_id))

    async def changes(self, request: Request) -> Response:
        base, asked = base_of(request), request.query_params
        kinds, service = changes.kinds_of(asked.getlist("kind")), asked.get("service", "")
        page = self.shell.page(
            request,
            marked("Changes \u00b7 maibo"),
            lambda query: marks.changes_href(base=base, carried=query, kinds=kinds, service=service),
            place="/changes",
            usual=changes.DEFAULT_WINDOW,
        )
        return await self.shell.answer(request, page, lambda: self._changes(page, kinds, service))

    def _alerts(self, page: Page, state: str, slo: str) -> Main:
        found = self.questions.alerts(page.begin, page.end)
        if page.live:
            slos = self.questions.slos_lately(page.asked_at).slos
        else:
            fires = any(each.end is None for each in found.alerts)
            slos = self.questions.slos(page.asked_at, at=page.at).slos if fires else []
        view = alerts.alerts_page(
            found,
            slos,
            now=page.asked_at,
            base=page.base,
            carried=page.carried,
            state=state,
            slo=slo,
        )
        return self.shell.rendered("alerts.html", page, view=view)

    def _alert(self, page: Page, alert_id: str) -> Main:
        now = page.asked_at
        found = self.questions.alert(alert_id)
        if found is None:
            return self.shell.missing(page, "alert", alert_id)
        begin, end = story.around(found, now)
        view = story.story(
            found,
            self.questions.burning_at(found.slo, found.objective, found.group, found.begin),
            self.questions.burndown(found.slo, objective=found.objective, group=found.group, begin=begin, end=end),
            strip(
                self.questions,
                page,
                found.begin - story.BEFORE_SECONDS,
                found.begin + 60,
                About(slo=found.slo, kinds=frozenset(Kind) - {Kind.ALERT}),
            ),
            self.questions.slo(found.slo, now),
            now=now,
            base=page.base,
            carried=page.carried,
        )
        return self.shell.rendered("alert.html", page, view=view)

    def _changes(self, page: Page, kinds: tuple[Kind, ...], service: str) -> Main:
        about = About(service=service, kinds=frozenset(kinds or Kind))
        found = self.questions.changes(page.begin, page.end, about, now=page.asked_at)
        view = changes.changes_page(
            found, now=page.asked_at, base=page.base, carried=page.carried, kinds=kinds, service=service
        )
        return self.shell.rendered("changes.html", page, view=view)


def strip(questions: Questions, page: Page, begin: float, end: float, about: About) -> changes.ChangesView:
    """What changed in [begin, end), as a strip for another page; that page is shown without it where the store does not tell."""
    try:
        found = questions.changes(begin, end, about, now=page.asked_at)
    except StoreError as error:
        return changes.no_changes(begin, end, str(error))
    return changes.changes_strip(
        found, now=page.asked_at, base=page.base, carried=page.carried, own_range=not page.ranged
    )


def router(questions: Questions, shell: Shell) -> APIRouter:
    """Their routes."""
    routes, pages = APIRouter(), Happenings(questions, shell)

    @routes.get("/alerts")
    async def alerts_(request: Request) -> Response:
        return await pages.alerts(request)

    @routes.get("/alerts/{id:path}")
    async def alert(request: Request, id: str) -> Response:  # noqa: A002 -- the name in the address
        return await pages.alert(request, id)

    @routes.get("/changes")
    async def changes_(request: Request) -> Response:
        return await pages.changes(request)

    return routes
