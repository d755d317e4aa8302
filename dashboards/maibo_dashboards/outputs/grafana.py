"""A Grafana's HTTP API, asked within bounds, and nowhere else than told.

A request takes `DEADLINE_SECONDS` at most, however slowly a server drips, and reads `MOST_BYTES` at most. Redirects are answers, not ways:
the token goes to the address that was given and to no other. Environment variables (proxies, netrc) are not asked. What may pass
(no answer in time, 429, 5xx) is asked again, at most twice. No error repeats the token, even when an answer does.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

import httpx2

from maibo_dashboards.errors import GrafanaError, NotAllowed, Unreachable
from maibo_dashboards.outputs.differences import plain
from maibo_slo.connection_errors import cause
from maibo_slo.loopback import is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    T = TypeVar("T")

logging.getLogger("httpx2").setLevel(logging.WARNING)  # at INFO it tells of every request

DEADLINE_SECONDS: Final = 30.0
MOST_BYTES: Final = 16 * 2**20
"""Of an answer: our largest dashboard has a fifth of one MiB, a list of a thousand folders as much."""
PAUSES_SECONDS: Final = (0.5, 2.0)
"""Before it is asked again."""
LONGEST_PAUSE_SECONDS: Final = 30.0
"""However long an answer wants it to be."""
_PASSING: Final = frozenset({408, 425, 429})
"""Beside every 5xx."""
_SHOWN: Final = 200
"""Characters of an answer that an error repeats."""
ROLE: Final = "give the token's service account the role Editor, or the right to write dashboards and folders"


class Answer:
    """A status that is no refusal, and what was said: JSON, or None."""

    __slots__ = ("message", "said", "status")

    def __init__(self, status: int, said: Any, message: str) -> None:
        self.status = status
        self.said = said
        self.message = message
        """What Grafana says of an error, on one line."""


class Grafana:
    """One Grafana, asked as whom the token stands for."""

    def __init__(
        self, url: str, token: str, *, tls: ssl.SSLContext | None = None, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self.url = url.rstrip("/")
        self._token = token
        self._tls = tls
        self._pause = pause

    def get(self, path: str, doing: str, *, forbidden_too: bool = False) -> Answer:
        """Asked again where that may help. GrafanaError in the words of what was being done; `forbidden_too`: a 403 is an answer."""
        return self.trying(lambda: self.ask("GET", path, doing, forbidden_too=forbidden_too))

    def trying(self, what: Callable[[], T]) -> T:
        """Does it, and again after a while when somebody was out of reach who may come back."""
        for seconds in PAUSES_SECONDS:
            try:
                return what()
            except Unreachable as error:
                if not error.again:
                    raise
                self._pause(min(max(seconds, error.after_seconds), LONGEST_PAUSE_SECONDS))
        return what()

    def ask(self, method: str, path: str, doing: str, said: object = None, *, forbidden_too: bool = False) -> Answer:
        """One request. 4xx that are no matter of rights are answers."""
        try:
            status, headers, body = asyncio.run(self._exchange(method, self.url + path, said))
        except TimeoutError:
            raise Unreachable(
                f"{self.url} did not answer within {DEADLINE_SECONDS:g} s, asked to {doing}", again=True
            ) from None
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, UnicodeError) as error:
            lost = not isinstance(error, httpx2.ConnectError | httpx2.InvalidURL | httpx2.UnsupportedProtocol)
            raise Unreachable(f"{self.url} cannot be reached: {cause(error)}; is --url right?", again=lost) from None
        if status == 403 and forbidden_too:
            return Answer(status, *self._read(body))
        return self._judged(status, headers, body, doing)

    def _judged(self, status: int, headers: httpx2.Headers, body: bytes, doing: str) -> Answer:
        said, message = self._read(body)
        told = f": {message}" if message else ""
        if 300 <= status < 400:
            raise GrafanaError(
                f"{self.url} answered {status}, a redirect to {_place(headers.get('location', ''))}; the token is sent to no other "
                "address than --url: give that one, if it is your Grafana"
            )
        if status == 401:
            raise NotAllowed(
                f"{self.url} does not know the token (401{told}); make one for a service account: Administration, Users and access"
            )
        if status == 403:
            raise NotAllowed(f"{self.url} does not let the token {doing} (403{told}); {ROLE}")
        if status >= 500 or status in _PASSING:
            raise Unreachable(
                f"{self.url} answered {status}, asked to {doing}{told}", again=True, after_seconds=_retry_after(headers)
            )
        if said is None and 200 <= status < 300:
            raise GrafanaError(f"{self.url} answered {status} and no JSON, asked to {doing}; is this a Grafana?")
        return Answer(status, said, message)

    def _read(self, body: bytes) -> tuple[Any, str]:
        try:
            said = json.loads(body, parse_constant=str)
        except (ValueError, RecursionError):
            return None, ""
        return said, self._line(str(said.get("message", ""))) if isinstance(said, dict) else ""

    def _line(self, text: str) -> str:
        """One line of it, without the token, nor what a terminal would obey."""
        return plain(" ".join(text.replace(self._token, "***")[: 4 * _SHOWN].split())[:_SHOWN])

    async def _exchange(self, method: str, url: str, said: object) -> tuple[int, httpx2.Headers, bytes]:
        headers = {
            "User-Agent": "maibo",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "Authorization": f"Bearer {self._token}",
        }
        verify = self._tls or _system()
        async with (
            asyncio.timeout(DEADLINE_SECONDS),
            httpx2.AsyncClient(
                verify=verify, trust_env=False, follow_redirects=False, timeout=DEADLINE_SECONDS
            ) as client,
            client.stream(method, url, json=said, headers=headers) as response,
        ):
            read = bytearray()
            async for chunk in response.aiter_raw():
                read += chunk
                if len(read) > MOST_BYTES:
                    raise GrafanaError(f"{self.url} answered with more than {MOST_BYTES >> 20} MiB; is this a Grafana?")
            return response.status_code, response.headers, bytes(read)


def checked_url(url: str, *, plain_http: bool) -> str:
    """An address that a token may be sent to. GrafanaError tells what is wrong with it."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise GrafanaError("--url is no address; write it as https://grafana.example") from None
    if parts.username is not None or parts.password is not None:
        raise GrafanaError("--url names a user; give a service account's token instead (--token-file)")
    usable = parts.scheme in {"http", "https"} and parts.hostname and url.isprintable() and " " not in url
    if not usable or parts.query or parts.fragment:
        raise GrafanaError(f"--url {url!r} should be like https://grafana.example or http://127.0.0.1:3000")
    if parts.scheme == "http" and not is_loopback(parts.hostname or "") and not plain_http:
        raise GrafanaError(
            f"--url {url!r} would send the token readable for everybody on the way; use https://, or say --plain-http where nobody else "
            "is on that way"
        )
    return url


@lru_cache(maxsize=1)
def _system() -> ssl.SSLContext:
    """Trusts whom the system trusts. Made once: reading its certificates costs 20 ms."""
    return ssl.create_default_context()


def tls_of(ca: Path) -> ssl.SSLContext:
    """Trusts this authority alone."""
    try:
        return ssl.create_default_context(cafile=str(ca))
    except (OSError, ssl.SSLError) as error:
        raise GrafanaError(f"--ca {ca}: not usable for TLS ({type(error).__name__})") from None


def _place(location: str) -> str:
    """An address without its query: that of a login page holds what was asked."""
    return plain(location.partition("?")[0][:_SHOWN]) or "nowhere"


def _retry_after(headers: httpx2.Headers) -> float:
    """Seconds alone: of dates, our own pause is as good."""
    said = headers.get("retry-after", "")
    return float(said) if said.isascii() and said.isdecimal() else 0.0
