"""The running service, asked over its API. An embedded store has one owner, so the command line asks that one."""

from __future__ import annotations

import re
from importlib.metadata import version
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import quote

import click

from maibo_slo.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx2
    from pydantic import BaseModel, ValidationError

    A = TypeVar("A", bound=BaseModel)

TIMEOUT_SECONDS: Final = 30.0
VERSION_TIMEOUT_SECONDS: Final = 5.0
_PARAMETER: Final = re.compile(r"(^|; )query (\w+): ")
"""How the service names a parameter; here each is an option of that name."""
_BODY: Final = re.compile(r"(^|; )body (\w+)")
"""How it names what it was told."""
_NO_OPTIONS: Final[Mapping[str, str]] = MappingProxyType({})


class AnsweredError(ServiceError):
    """The service answered with a problem: `members` is all that it said, beyond the text."""

    def __init__(self, message: str, members: Mapping[str, object]) -> None:
        super().__init__(message)
        self.members = members


url_option = click.option(
    "--url",
    default="http://127.0.0.1:8080",
    envvar="MAIBO_URL",
    show_default=True,
    show_envvar=True,
    help="Where the service answers.",
)


def escaped(name: str) -> str:
    """A name as one segment of a path, whatever it is: ``a/b``, ``..``. ServiceError for none."""
    if not name:
        raise ServiceError("a name is needed; `list` instead of `show` tells those that there are")
    return quote(name, safe="") if name.strip(".") else name.replace(".", "%2E")  # clients fold . and ..


def ask(url: str, path: str, model: type[A], parameters: Mapping[str, str] | None = None) -> A:
    """GET `path`, which is escaped already, as an answer.

    ServiceError when the service cannot be reached, or answers with a problem; UsageError when a parameter is wrong.
    """
    return _asked(url, "GET", path, model, parameters=parameters)


def tell(
    url: str, path: str, model: type[A], said: Mapping[str, object], *, options: Mapping[str, str] = _NO_OPTIONS
) -> A:
    """POST it as JSON; answer and errors as of `ask`. `options`: what of it was said by an option of another name, and by which."""
    return _asked(url, "POST", path, model, said=said, options=options)


def _asked(
    url: str,
    method: str,
    path: str,
    model: type[A],
    *,
    parameters: Mapping[str, str] | None = None,
    said: Mapping[str, object] | None = None,
    options: Mapping[str, str] = _NO_OPTIONS,
) -> A:
    import httpx2
    from pydantic import ValidationError

    service = (url if "://" in url else f"http://{url}").rstrip("/")
    address = service + path
    try:
        response = httpx2.request(method, address, params=dict(parameters or {}), json=said, timeout=TIMEOUT_SECONDS)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise ServiceError(
            f"cannot reach the service at {url}: {error}; start one with `maibo serve`, or say where it is with --url"
        ) from error
    if response.status_code == 422:
        wrong = _PARAMETER.sub(r"\1--\2: ", _problem(response))
        raise click.UsageError(_BODY.sub(lambda found: found[1] + options.get(found[2], found[2]), wrong))
    if response.status_code not in {200, 201}:
        raise AnsweredError(f"{address}: {_problem(response)}", _members(response))
    try:
        return model.model_validate_json(response.content)
    except ValidationError as error:
        raise ServiceError(f"{address} {_difference(service, error)}") from error


def _difference(service: str, error: ValidationError) -> str:
    """Why an answer is not what this command line reads: of another version of maibo, or of something else."""
    theirs = _version(service)
    if theirs is None:
        return "does not answer as maibo does; is it another service?"
    ours = version("maibo-slo")
    first = error.errors(include_url=False, include_input=False)[0]
    wrong = f"{'.'.join(map(str, first['loc'])) or 'the whole'}: {first['msg']}"
    if theirs == ours:
        return f"is another build of maibo {ours} than this command line ({wrong}): install the same for both"
    return (
        f"runs maibo {theirs}, this command line is {ours}, and they do not understand each other here ({wrong}): "
        "install the same version for both"
    )


def _version(service: str) -> str | None:
    """What the service says of itself; None where that is not maibo."""
    import httpx2

    try:
        response = httpx2.get(f"{service}/openapi.json", timeout=VERSION_TIMEOUT_SECONDS)
        match response.json():
            case {"info": {"title": "maibo", "version": str(said)}}:
                return said
    except (httpx2.HTTPError, ValueError):  # nobody there to ask, or no JSON
        return None
    return None


def _problem(response: httpx2.Response) -> str:
    return str(_members(response).get("detail", f"answered {response.status_code}"))


def _members(response: httpx2.Response) -> dict[str, object]:
    """Of a problem; {} where it is none."""
    if not response.headers.get("content-type", "").startswith("application/problem+json"):
        return {}
    said = response.json()
    return said if isinstance(said, dict) else {}
