"""Whether the service is ready: what its parts reported last, from memory alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel

if TYPE_CHECKING:
    from maibo_slo.service.questions import Questions


class PartReadiness(BaseModel):
    """One part; why not, when it is not ok."""

    part: str
    ok: bool
    detail: str


class Readiness(BaseModel):
    """GET /readyz"""

    ready: bool
    parts: list[PartReadiness]


def readiness(questions: Questions) -> Readiness:
    """Ready when every part works."""
    parts = [PartReadiness(part=said.part, ok=said.ok, detail=said.detail) for said in questions.health()]
    return Readiness(ready=all(part.ok for part in parts), parts=parts)
