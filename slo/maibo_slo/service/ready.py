"""Whether the service is ready: what its parts reported last, from memory alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel

from maibo_slo.service.health import ready

if TYPE_CHECKING:
    from maibo_slo.service.questions import Questions


class PartReadiness(BaseModel):
    """One part; why not, when it is not ok. One that goes on as before (documents not reloaded) leaves the service ready."""

    part: str
    ok: bool
    detail: str


class Readiness(BaseModel):
    """GET /readyz"""

    ready: bool
    parts: list[PartReadiness]


def readiness(questions: Questions) -> Readiness:
    """Ready when every part works that the service needs."""
    said = questions.health()
    parts = [PartReadiness(part=one.part, ok=one.ok, detail=one.detail) for one in said]
    return Readiness(ready=ready(said), parts=parts)
