"""A question is taken by the letter: a query parameter that its route does not know is refused, for, misspelled, it would restrict nothing."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from fastapi.dependencies.models import Dependant

ALIKE: Final = 0.7
"""`difflib`'s ratio from which a name is taken for another one misspelled: ``tire`` for ``tier``, but not ``window`` for ``kind``."""


async def only_known(request: Request) -> None:
    """Dependency of an application: of all its routes under ``/v1``, a plugin's among them. RequestValidationError names each parameter that is none."""
    route = request.scope.get("route")
    if isinstance(route, APIRoute) and route.path.startswith("/v1/"):
        _require_known(request.query_params.keys(), _parameters(route.dependant))


def _parameters(of: Dependant) -> set[str]:
    """Names of the query parameters that a route takes, itself and by what it depends on."""
    names = {name for each in of.query_params for name in _names(each.alias, each.field_info.annotation)}
    return names.union(*map(_parameters, of.dependencies))


def _names(alias: str, kind: object) -> Collection[str]:
    """A model's fields are parameters of their own."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return {field.alias or name for name, field in kind.model_fields.items()}
    return {alias}


def _require_known(given: Iterable[str], known: Collection[str]) -> None:
    there = f"there are: {', '.join(sorted(known))}" if known else "there are none here"
    wrong = [
        {"loc": ("query", name), "msg": f"no such parameter{_near(name, known)}; {there}", "type": "extra_forbidden"}
        for name in dict.fromkeys(given)
        if name not in known
    ]
    if wrong:
        raise RequestValidationError(wrong)


def _near(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=ALIKE)
    return f", did you mean {near[0]!r}?" if near else ""
