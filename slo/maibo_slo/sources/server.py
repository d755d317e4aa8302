"""A Prometheus' HTTP API, asked within bounds: where and as whom its `DataSource` says, and nowhere else.

A request takes `DEADLINE_SECONDS` at most, name resolution aside, however slowly a server drips, and reads `MOST_BYTES` at most. (Who
resolves names cannot be interrupted, and has time limits of its own.) Redirects are answers, not ways. Environment variables (proxies, netrc) are not asked. Secrets are in files, read anew for each request, and in no error's text.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from base64 import b64decode, b64encode
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx2

from maibo_slo.connection_errors import cause
from maibo_slo.engine.feeding import SourceError, SourceUnreachable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maibo_slo.documents import DataSource

logging.getLogger("httpx2").setLevel(logging.WARNING)  # at INFO it tells of every request

DEADLINE_SECONDS: Final = 10.0
MOST_BYTES: Final = 4 * 2**20
"""Of an answer: two series of a thousand samples are 60 kB."""
_SECRET_BYTES: Final = 64 * 2**10
_SHOWN: Final = 300
_MEND: Final = "in connectionDetails"


@dataclass(frozen=True, slots=True)
class Server:
    """One Prometheus, or what speaks like it."""

    url: str
    username: str = ""
    password_file: str = ""
    bearer_token_file: str = ""
    ca_file: str = ""

    def ask(self, path: str, form: Mapping[str, str]) -> object:
        """The ``data`` of an answer to this POST. SourceUnreachable when nobody answers, SourceError when they refuse."""
        credentials = self._credentials()
        headers = {"User-Agent": "maibo", "Accept-Encoding": "identity", **credentials}
        try:
            status, body = asyncio.run(_exchange(self.url + path, form, headers, _tls(self.ca_file)))
        except TimeoutError:
            raise SourceUnreachable(f"{self.url} did not answer within {DEADLINE_SECONDS:g} s") from None
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, UnicodeError) as error:
            raise SourceUnreachable(f"{self.url} cannot be reached: {cause(error)}") from None
        return self._data(status, body, secrets=_secrets(credentials))

    def _data(self, status: int, body: bytes, *, secrets: Sequence[str]) -> object:
        if 300 <= status < 400:
            raise SourceUnreachable(f"{self.url} answered {status}: redirects are not followed; mend url {_MEND}")
        if status in (401, 403):
            mend = f"give username and passwordFile, or bearerTokenFile, {_MEND}"
            raise SourceUnreachable(f"{self.url} answered {status}: it does not let us ask; {mend}")
        try:
            said = json.loads(body, parse_constant=str)
        except (ValueError, RecursionError):
            text = _line(body.decode("utf-8", "replace"), secrets)
            raise SourceUnreachable(
                f"{self.url} answered {status} and no JSON: {text}; is this a Prometheus?"
            ) from None
        if not isinstance(said, dict):
            raise SourceUnreachable(f"{self.url} answered {status} and no object; is this a Prometheus?")
        if said.get("status") == "success":
            if said.get("isPartial") is True:  # VictoriaMetrics, when some of its storage is down
                raise SourceUnreachable(f"{self.url} answered with a part of the data")
            return said.get("data")
        why = _line(str(said.get("error", "without a reason")), secrets)
        raise SourceError(f"{self.url} refused the query ({status}): {why}; mend the query")

    def _credentials(self) -> dict[str, str]:
        if self.bearer_token_file:
            return {"Authorization": f"Bearer {_secret(self.bearer_token_file, 'bearerTokenFile')}"}
        if self.username:
            pair = f"{self.username}:{_secret(self.password_file, 'passwordFile')}"
            return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
        return {}


def server(source: DataSource) -> Server:
    """Where a data source is, whose connectionDetails were checked when they were read."""
    details = source.connection_details
    return Server(
        url=details["url"].rstrip("/"),
        username=details.get("username", ""),
        password_file=details.get("passwordFile", ""),
        bearer_token_file=details.get("bearerTokenFile", ""),
        ca_file=details.get("caFile", ""),
    )


async def _exchange(
    url: str, form: Mapping[str, str], headers: Mapping[str, str], tls: ssl.SSLContext
) -> tuple[int, bytes]:
    async with (
        asyncio.timeout(DEADLINE_SECONDS),
        httpx2.AsyncClient(verify=tls, trust_env=False, follow_redirects=False, timeout=DEADLINE_SECONDS) as client,
        client.stream("POST", url, data=dict(form), headers=headers) as response,
    ):
        read = bytearray()
        async for chunk in response.aiter_raw():
            read += chunk
            if len(read) > MOST_BYTES:
                raise SourceError(f"the answer has more than {MOST_BYTES >> 20} MiB; let the query give one sum")
        return response.status_code, bytes(read)


def _tls(ca_file: str) -> ssl.SSLContext:
    """Made once, and again when the file was changed: reading the system's certificates costs 20 ms."""
    try:
        return _context(ca_file, Path(ca_file).stat().st_mtime_ns if ca_file else 0)
    except (OSError, ssl.SSLError) as error:
        raise SourceError(f"caFile {ca_file}: not usable for TLS ({type(error).__name__})") from None


@lru_cache(maxsize=32)
def _context(ca_file: str, _changed: int) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca_file or None)


def _secret(path: str, setting: str) -> str:
    try:
        with Path(path).open("rb") as file:
            secret = file.read(_SECRET_BYTES).decode().strip()
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise SourceError(f"{setting} {path} cannot be read: {why}") from None
    if not secret or not secret.isprintable():
        raise SourceError(f"{setting} {path} must hold one line with the secret")
    return secret


def _secrets(credentials: Mapping[str, str]) -> list[str]:
    """What a server that answers with the request must not have us tell."""
    kind, _, secret = credentials.get("Authorization", "").partition(" ")
    return [secret, b64decode(secret).decode().partition(":")[2]] if kind == "Basic" else [secret] if secret else []


def _line(text: str, secrets: Sequence[str]) -> str:
    """One line of it, without what a terminal would obey or nobody may know."""
    for secret in secrets:
        text = text.replace(secret, "***")
    shown = " ".join(text[: 4 * _SHOWN].split())[:_SHOWN]
    return "".join(each if each.isprintable() else "\ufffd" for each in shown)
