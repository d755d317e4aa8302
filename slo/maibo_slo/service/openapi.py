"""What routes answer, for the OpenAPI document: an example, and the problems that are possible."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from maibo_slo.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

WRONG: Final = "A parameter is wrong"
AWAY: Final = "The store cannot answer now"
_PROBLEM: Final = {"application/problem+json": {"schema": Problem.model_json_schema()}}


def answers(example: BaseModel, problems: Mapping[int, str], *, status: int = 200) -> dict[int | str, dict[str, Any]]:
    """``responses=`` of a route. `problems`: HTTP status -> when."""
    described: dict[int | str, dict[str, Any]] = {
        each: {"description": when, "content": _PROBLEM} for each, when in problems.items()
    }
    described[status] = {"content": {"application/json": {"example": example.model_dump(mode="json")}}}
    return described
