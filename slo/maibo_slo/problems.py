"""Every error leaves the service as RFC 9457 ``application/problem+json``: what was wrong, where, and what to do.

Our own problems have the type ``about:blank`` or ``urn:maibo:problem:NAME``; the title is the same for every problem of a type, the
detail is about this one.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from maibo_slo.documents.fields import meant
from maibo_slo.errors import MaiboError, StoreError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from fastapi import FastAPI, Request

log = logging.getLogger(__name__)


class Problem(BaseModel):
    """RFC 9457."""

    type: str = Field(default="about:blank", examples=["urn:maibo:problem:not-found"])
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["no journey 'chekout' is declared or was seen within 35 days"])
    instance: str = Field(examples=["/v1/journeys/chekout"])
    errors: list[str] = Field(default=[], description="one line for each wrong parameter")


class ProblemResponse(JSONResponse):
    """A problem as a response."""

    media_type = "application/problem+json"


def near(name: str, known: Collection[str]) -> str:
    """``; did you mean 'tea-composite'?``, to end a detail with; nothing when no known name is near.

    >>> near("chekout", ("browse", "checkout"))
    "; did you mean 'checkout'?"
    """
    mend = meant(name, known)
    return f"; {mend}" if mend else ""


def problem(
    request: Request,
    status: int,
    detail: str,
    *,
    name: str = "",
    errors: list[str] | None = None,
    headers: dict[str, str] | None = None,
    extensions: Mapping[str, object] | None = None,
) -> ProblemResponse:
    """One problem about this request; `name` makes its type, `extensions` are members beside those of the standard."""
    said = Problem(
        type=f"urn:maibo:problem:{name}" if name else "about:blank",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        instance=request.url.path,
        errors=errors or [],
    )
    return ProblemResponse(
        {**said.model_dump(exclude_defaults=True), "type": said.type, **(extensions or {})},
        status_code=status,
        headers={"Cache-Control": "no-store"} | (headers or {}),
    )


def install(app: FastAPI) -> None:
    """Make every error of this application a problem."""
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(StoreError, _store)
    app.add_exception_handler(MaiboError, _mendable)
    app.add_exception_handler(Exception, _unexpected)


async def _http(request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    detail = error.detail
    if error.status_code == 404 and detail == HTTPStatus.NOT_FOUND.phrase:
        told = request.app.openapi_url
        detail = f"there is nothing at {request.url.path}" + (f"; see {told} for what there is" if told else "")
    elif error.status_code == 405:
        detail = (
            f"{request.method} is not for {request.url.path}; allowed: {headers.get('Allow') or headers.get('allow')}"
        )
    return problem(request, error.status_code, detail, headers=headers)


async def _invalid(request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, RequestValidationError)
    errors = [f"{_place(said)}: {said['msg']}" for said in error.errors()]
    return problem(request, 422, "; ".join(errors), name="invalid-parameters", errors=errors)


def _place(said: dict[str, Any]) -> str:
    return " ".join(map(str, said["loc"]))


async def _store(request: Request, error: Exception) -> ProblemResponse:
    log.error("%s: the store failed: %s", request.url.path, error)
    return problem(request, 503, f"the store cannot answer now: {error}", name="store", headers={"Retry-After": "5"})


async def _mendable(request: Request, error: Exception) -> ProblemResponse:
    log.error("%s: %s", request.url.path, error)
    return problem(request, 500, str(error), name="internal")


async def _unexpected(request: Request, error: Exception) -> ProblemResponse:
    # Starlette logs the traceback after this; strangers get none of it.
    return problem(request, 500, f"{type(error).__name__} in the service; its log has the details", name="internal")
