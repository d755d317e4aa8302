"""What every page is made with: its answer, whatever happens, its languages and its headers.

A page is asked for and rendered in a worker thread. A browser that would wait longer than `PATIENCE_SECONDS` gets the page's head and
a skeleton at once, and the rest when it is there; every other client gets one answer with its right status. Whatever goes wrong, the
reader gets a page: a store that is down is a 503 that says what to do.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool

from maibo_slo.errors import MaiboError
from maibo_slo.service.pages import language, ranges, templates
from maibo_slo.service.pages.page import page as page_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from maibo_slo.service.pages.page import Page

log = logging.getLogger(__name__)

PATIENCE_SECONDS: Final = 0.4
COOKIE_SECONDS: Final = 365 * 86_400
NO_SUCH: Final = {
    "journey": language.marked("No such journey"),
    "SLO": language.marked("No such SLO"),
    "scale-up": language.marked("No such scale-up"),
    "target": language.marked("No such target"),
    "alert": language.marked("No such alert"),
}
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class Main:
    """The part of a page that needs data."""

    html: str
    status: int = 200


class Shell:
    """Around every page of one service."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.assets = templates.assets()
        self._templates = templates.environment(self.assets)

    def page(
        self,
        request: Request,
        title: str,
        here: Callable[[Mapping[str, str]], str],
        *,
        place: str,
        usual: str = ranges.DEFAULT_WINDOW,
        ranged: bool = True,
    ) -> Page:
        """What is asked for, as of this moment."""
        return page_of(request, title, here, place=place, now=self._clock(), usual=usual, ranged=ranged)

    async def answer(self, request: Request, page: Page, main: Callable[[], Main]) -> Response:
        """A page, whatever happens."""
        work = asyncio.create_task(run_in_threadpool(self._whatever_happens, page, main))
        # Only a navigation asks for text/html by name; the page's own script and tools wait for the status.
        patience = PATIENCE_SECONDS if "text/html" in request.headers.get("accept", "") else None
        done, _ = await asyncio.wait({work}, timeout=patience)
        headers = {**HEADERS, "Cache-Control": "no-store", "Vary": "Accept-Language, Cookie"}
        response: Response
        if done:
            rendered = work.result()
            html = self._render("head.html", page) + rendered.html + self._render("tail.html", page)
            response = HTMLResponse(html, status_code=rendered.status, headers=headers)
        else:
            response = StreamingResponse(self._slowly(page, work), headers=headers, media_type="text/html")
        if request.query_params.get("lang") == page.language:
            response.set_cookie(
                language.COOKIE, page.language, max_age=COOKIE_SECONDS, path=f"{page.base}/", samesite="lax"
            )
        return response

    def rendered(self, template: str, page: Page, **context: object) -> Main:
        """A page's part, from its template."""
        return Main(self._render(template, page, **context))

    def missing(self, page: Page, what: str, name: str) -> Main:
        """There is none of this name."""
        title = language.gettext(NO_SUCH.get(what, what))
        return Main(self._render("missing.html", page, what=what, name=name, title=title), status=404)

    async def _slowly(self, page: Page, work: asyncio.Task[Main]) -> AsyncIterator[str]:
        yield self._render("head.html", page) + self._render("skeleton.html", page)
        rendered = await work
        yield rendered.html + self._render("tail.html", page)

    def _whatever_happens(self, page: Page, main: Callable[[], Main]) -> Main:
        try:
            with language.speaking(page.language):
                return main()
        except MaiboError as error:
            log.warning("page %s: %s", page.title, error)
            return Main(self._render("error.html", page, ours=False, problem=str(error)), status=503)
        except Exception as error:  # whatever it was, its reader gets a page, and the log gets the traceback
            log.exception("page %s", page.title)
            return Main(self._render("error.html", page, ours=True, problem=type(error).__name__), status=500)

    def _render(self, template: str, page: Page, **context: object) -> str:
        with language.speaking(page.language):
            return self._templates.get_template(template).render(page=page, **context)
