"""WSGI: requests become steps of journeys (the rules are in `maibo.visits`)::

    from maibo.wsgi import JourneyMiddleware, Route

    app.wsgi_app = JourneyMiddleware(app.wsgi_app, routes={"POST /search": Route(journey="search", step="search", begins=True, ends=True)})

``documents=``, ``customer=`` (called with the environ), ``trust_baggage=`` and ``secure_cookie=`` are as in `maibo.asgi`. The step ends when the server closes the response's body.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from maibo import blocks, carriers, problems, runtime
from maibo.routes import Route, Routes
from maibo.visits import Visit, visit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["JourneyMiddleware", "Route"]


class JourneyMiddleware:
    """See the module."""

    def __init__(
        self,
        app: WSGIApplication,
        *,
        routes: Mapping[str, Route | Iterable[Route]] | None = None,
        documents: Iterable[Mapping[str, Any]] = (),
        customer: Callable[[WSGIEnvironment], Mapping[str, str | None]] | None = None,
        trust_baggage: bool = True,
        secure_cookie: bool | None = None,
    ) -> None:
        self.app = app
        self.routes = Routes(routes, documents)
        self.customer = customer
        self.trust_baggage = trust_baggage
        self.secure_cookie = secure_cookie

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if not self.trust_baggage:
            _take_out_journey(environ)
        part = self._visit(environ)
        if part is None:
            return self._pass(environ, start_response)

        def starting(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Callable[[bytes], object]:
            cookie = part.answered(int(status[:3]) if status[:3].isdigit() else 500)
            if cookie is not None:
                headers = [*headers, ("Set-Cookie", cookie)]
            return start_response(status, headers, *exc_info)

        try:
            with part.current():
                return _Body(self.app(environ, starting), part.current, part.done)
        except BaseException as error:
            part.done(type(error))
            raise

    def _pass(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if self.trust_baggage:
            return self.app(environ, start_response)
        with blocks.without_baggage() as taken_out:
            body = self.app(environ, start_response)
        return _Body(body, blocks.without_baggage) if taken_out else body

    def _visit(self, environ: WSGIEnvironment) -> Visit | None:
        if runtime.active is None:
            return None
        try:
            return visit(
                self.routes,
                environ["REQUEST_METHOD"],
                environ.get("PATH_INFO", "") or "/",
                [(name, environ[name]) for name in ("HTTP_BAGGAGE", "HTTP_COOKIE") if name in environ],
                secure=environ.get("wsgi.url_scheme") == "https" if self.secure_cookie is None else self.secure_cookie,
                traceparent=environ.get("HTTP_TRACEPARENT", ""),
                customer=None if self.customer is None else partial(self.customer, environ),
            )
        except Exception as error:  # noqa: BLE001 -- the host goes on
            problems.caught("wsgi", error)
            return None


def _take_out_journey(environ: WSGIEnvironment) -> None:
    try:
        if "HTTP_BAGGAGE" in environ:
            environ["HTTP_BAGGAGE"] = carriers.without_journey(environ["HTTP_BAGGAGE"])
    except Exception as error:  # noqa: BLE001 -- the host goes on
        problems.caught("wsgi", error)


class _Body:
    """The app's body; the journey is current while a chunk is made, never between two."""

    def __init__(
        self,
        body: Iterable[bytes],
        current: Callable[[], AbstractContextManager[object]],
        done: Callable[..., object] = lambda *_, **__: None,
    ) -> None:
        self._body = body
        self._chunks: Iterator[bytes] | None = None
        self._current = current
        self._done = done
        self._complete = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            with self._current():
                if self._chunks is None:
                    self._chunks = iter(self._body)
                return next(self._chunks)
        except StopIteration:
            self._complete = True
            raise
        except BaseException as error:
            self._done(type(error))
            raise

    def close(self) -> None:
        """Called by the server when it is done with the response, whole or not."""
        try:
            if (close := getattr(self._body, "close", None)) is not None:
                with self._current():
                    close()
        finally:
            self._done(complete=self._complete)
