"""Routes of the pages about replicas: what is wished for, and how long it took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response

from maibo_slo.service.pages import language, links, scaleups, scaling, scaling_record, target, waterfall
from maibo_slo.service.pages.page import base_of

if TYPE_CHECKING:
    from maibo_slo.service.pages.page import Page
    from maibo_slo.service.pages.shell import Main, Shell
    from maibo_slo.service.questions import Questions


@dataclass(frozen=True, slots=True)
class ScalingPages:
    """These pages."""

    questions: Questions
    shell: Shell

    async def scaleups(self, request: Request) -> Response:
        base, workload = base_of(request), request.query_params.get("workload", "")
        page = self.shell.page(
            request,
            language.marked("Scale-ups \u00b7 maibo"),
            lambda query: scaleups.list_href(base=base, carried=query, workload=workload),
            place="/scaleups",
            usual=scaleups.DEFAULT_WINDOW,
        )
        return await self.shell.answer(request, page, lambda: self._scaleups(page, workload))

    async def scaleup(self, request: Request, scaleup_id: str) -> Response:
        base = base_of(request)
        page = self.shell.page(
            request,
            f"{scaleup_id} \u00b7 maibo",
            lambda query: links.with_query(scaleups.scaleup_href(scaleup_id, base=base), query),
            place="/scaleups",
            usual=scaleups.DEFAULT_WINDOW,
            ranged=False,
        )
        return await self.shell.answer(request, page, lambda: self._scaleup(page, scaleup_id))

    async def scaling(self, request: Request) -> Response:
        base = base_of(request)
        page = self.shell.page(
            request,
            language.marked("Scaling \u00b7 maibo"),
            lambda query: links.place_href("/scaling", base=base, carried=query),
            place="/scaling",
            usual=scaling.DEFAULT_WINDOW,
            ranged=False,
        )
        return await self.shell.answer(request, page, lambda: self._scaling(page))

    async def target(self, request: Request, namespace: str, name: str) -> Response:
        base = base_of(request)
        page = self.shell.page(
            request,
            f"{name} \u00b7 maibo",
            lambda query: scaling.target_href(namespace, name, base=base, carried=query),
            place="/scaling",
            usual=scaling.DEFAULT_WINDOW,
        )
        return await self.shell.answer(request, page, lambda: self._target(page, namespace, name))

    def _scaleups(self, page: Page, workload: str) -> Main:
        now = page.asked_at
        whose = workload if scaleups.is_workload(workload) else ""
        found, summary = self.questions.scaleups_and_summary(*page.whole, workload=whose, now=now)
        view = scaleups.scaleups_page(found, summary, base=page.base, carried=page.carried, workload=whose)
        return self.shell.rendered("scaleups.html", page, view=view)

    def _scaleup(self, page: Page, scaleup_id: str) -> Main:
        found = self.questions.scaleup(scaleup_id, now=page.asked_at)
        if found is None:
            return self.shell.missing(page, "scale-up", scaleup_id)
        return self.shell.rendered("scaleup.html", page, view=waterfall.scaleup_page(found, base=page.base))

    def _scaling(self, page: Page) -> Main:
        now, base, carried = page.asked_at, page.base, page.carried
        if page.at is None:
            view = scaling.scaling_page(self.questions.scaling(now), base=base, carried=carried)
        else:
            view = scaling_record.scaling_then(
                self.questions.scaling_record(page.at), now=now, base=base, carried=carried
            )
        return self.shell.rendered("scaling.html", page, view=view)

    def _target(self, page: Page, namespace: str, name: str) -> Main:
        now, base, carried = page.asked_at, page.base, page.carried
        view = None
        if page.at is None:
            found = self.questions.scaling_target(namespace, name, page.begin, page.end, now=now)
            if found is not None:
                view = target.target_page(found, base=base, carried=carried)
        else:
            past = self.questions.scaling_target_record(namespace, name, page.begin, at=page.at)
            if past is not None:
                view = scaling_record.target_then(past, now=now, base=base, carried=carried)
        if view is None:
            return self.shell.missing(page, "target", f"{namespace}/{name}")
        return self.shell.rendered("target.html", page, view=view)


def router(questions: Questions, shell: Shell) -> APIRouter:
    """Their routes."""
    routes, pages = APIRouter(), ScalingPages(questions, shell)

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
