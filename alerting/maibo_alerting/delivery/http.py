"""One request to a destination: bounded in time and size, never anywhere else than configured, and silent about secrets.

The whole exchange takes `DEADLINE_SECONDS` at most, however slowly a server drips. Redirects are answers, not ways: an address comes from the
configuration alone. Environment variables (proxies, netrc) are not asked. Errors name scheme, host and port of an address only:
paths and queries of chat services hold keys.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from base64 import b64encode
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import httpx2

from maibo_alerting.delivery.destination import DeliveryError, Secrets
from maibo_alerting.delivery.masking import keys_of, masked
from maibo_slo.connection_errors import cause

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

logging.getLogger("httpx2").setLevel(logging.WARNING)  # at INFO it logs whole addresses, which hold keys

REQUEST_FIELDS: Final = frozenset(
    [
        "url",
        "username",
        "password_file",
        "password_env",
        "bearer_file",
        "bearer_env",
        "ca_file",
        "cert_file",
        "key_file",
    ]
)
"""Settings of a destination that say where and as whom."""
DEADLINE_SECONDS: Final = 10.0
LONGEST_RETRY_AFTER_SECONDS: Final = 3600.0
_READ_BYTES: Final = 64 * 2**10
"""Of an answer."""
_SHOWN: Final = 200
"""Characters of an answer that an error repeats."""
_RETRIED: Final = frozenset({408, 425, 429})
"""Beside every 5xx."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a destination said."""

    status: int
    body: bytes
    retry_after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who we are, from settings ``username`` with ``password_file|_env``, or ``bearer_file|_env``; ``ca_file``, ``cert_file``, ``key_file``.

    Read anew for each request: what was rotated is used at once, and nothing keeps it.
    """

    settings: Mapping[str, object] = field(repr=False)
    secrets: Secrets = field(repr=False)

    def check(self) -> None:
        """DeliveryError when they do not fit together or cannot be read."""
        if self.settings.get("username") and self.secrets.read(self.settings, "bearer"):
            raise DeliveryError("give one of username and bearer_file or bearer_env", retry=False)
        if self.settings.get("username") and not self.secrets.read(self.settings, "password"):
            raise DeliveryError("username needs password_file or password_env", retry=False)
        if self.settings.get("key_file") and not self.settings.get("cert_file"):
            raise DeliveryError("key_file needs cert_file", retry=False)
        self._headers()
        self.tls()

    def headers(self) -> dict[str, str]:
        """`Authorization`, or nothing. What cannot be read now may be read later: it was there when the service started."""
        try:
            return self._headers()
        except DeliveryError as error:
            raise DeliveryError(str(error), retry=True) from None

    def tls(self) -> ssl.SSLContext | None:
        """None: as the system trusts."""
        files = {
            name: str(self.settings[name]) for name in ("ca_file", "cert_file", "key_file") if self.settings.get(name)
        }
        if not files:
            return None
        try:
            context = ssl.create_default_context(cafile=files.get("ca_file"))
            if "cert_file" in files:
                context.load_cert_chain(files["cert_file"], files.get("key_file"), password=_no_password)
        except (OSError, ssl.SSLError, ValueError) as error:
            named = ", ".join(f"{name} {path}" for name, path in files.items())
            raise DeliveryError(f"{named}: not usable for TLS ({type(error).__name__})", retry=True) from None
        return context

    def _headers(self) -> dict[str, str]:
        if bearer := self.secrets.read(self.settings, "bearer"):
            return {"Authorization": f"Bearer {bearer}"}
        if username := self.settings.get("username"):
            pair = f"{username}:{self.secrets.read(self.settings, 'password')}"
            return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
        return {}


def _no_password() -> str:
    """OpenSSL asks the terminal otherwise."""
    raise ValueError("a key with a passphrase")


def checked_url(url: object) -> str:
    """An address that may be sent to. DeliveryError tells what is wrong with it."""
    if not isinstance(url, str) or not url:
        raise DeliveryError("url is needed: http://HOST:PORT or https://HOST", retry=False)
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise DeliveryError("url is not an address; write https://HOST:PORT/PATH", retry=False) from None
    if parts.scheme not in ("http", "https"):
        raise DeliveryError("url must begin with http:// or https://", retry=False)
    if not host or not url.isprintable() or " " in url:
        raise DeliveryError(
            "url has no host, or characters that no address has; write https://HOST:PORT/PATH", retry=False
        )
    if parts.username is not None or parts.password is not None:
        raise DeliveryError("url holds a user or password; give username and password_file instead", retry=False)
    return url


def shown_url(url: str) -> str:
    """As errors may say it.

    >>> shown_url("https://hooks.example.com/services/T0/secret?key=1")
    'https://hooks.example.com'
    """
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def post_json(
    url: str,
    said: object,
    *,
    headers: Mapping[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
    hidden: Sequence[str] = (),
) -> Answer:
    """POST as JSON, and see it `accepted`."""
    body = json.dumps(said, ensure_ascii=False, allow_nan=False).encode()
    return post(url, body, headers={"Content-Type": "application/json", **(headers or {})}, tls=tls, hidden=hidden)


def post(
    url: str,
    body: bytes,
    *,
    headers: Mapping[str, str],
    tls: ssl.SSLContext | None = None,
    hidden: Sequence[str] = (),
) -> Answer:
    """POST these bytes. DeliveryError when there is no answer in time, or none of success (`accepted`).

    No error repeats the address's keys, the credentials of `headers`, nor what is `hidden`, even when the answer does.
    """
    where = shown_url(url)
    try:
        answer = asyncio.run(_exchange(url, body, headers, tls))
    except TimeoutError:
        raise DeliveryError(f"{where} did not answer within {DEADLINE_SECONDS:.0f} s", retry=True) from None
    except ssl.SSLError as error:
        raise DeliveryError(f"{where}: TLS failed: {error.reason}", retry=True) from None
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, UnicodeError) as error:
        # The texts of these may hold the address with its keys; their names tell enough.
        raise DeliveryError(f"{where} cannot be reached: {cause(error)}", retry=True) from None
    credentials = [value.rpartition(" ")[2] for name, value in headers.items() if name.lower() == "authorization"]
    return accepted(answer, where, [*keys_of(url), *credentials, *hidden])


def accepted(answer: Answer, where: str, hidden: Sequence[str] = ()) -> Answer:
    """The answer, if it is one of success; otherwise DeliveryError: 5xx, 408, 425 and 429 may be tried again, all else not."""
    if 200 <= answer.status < 300:
        return answer
    if 300 <= answer.status < 400:
        raise DeliveryError(f"{where} answered {answer.status}: redirects are not followed; mend its url", retry=False)
    raise DeliveryError(
        f"{where} answered {answer.status}: {_text(answer.body, hidden)}".removesuffix(": "),
        retry=answer.status >= 500 or answer.status in _RETRIED,
        retry_after_seconds=answer.retry_after_seconds,
    )


async def _exchange(url: str, body: bytes, headers: Mapping[str, str], tls: ssl.SSLContext | None) -> Answer:
    sent = {"User-Agent": "maibo", "Accept-Encoding": "identity", **headers}  # the answer is read as it comes
    verify = True if tls is None else tls
    async with (
        asyncio.timeout(DEADLINE_SECONDS),
        httpx2.AsyncClient(verify=verify, trust_env=False, follow_redirects=False, timeout=DEADLINE_SECONDS) as client,
        client.stream("POST", url, content=body, headers=sent) as response,
    ):
        read = b""
        async for chunk in response.aiter_raw():
            read += chunk
            if len(read) >= _READ_BYTES:
                break
        return Answer(response.status_code, read[:_READ_BYTES], _retry_after(response.headers))


def _retry_after(headers: httpx2.Headers) -> float | None:
    """Seconds, from either form; a date is taken relative to the answer's own, whatever clock we have."""
    said = headers.get("retry-after", "").strip()
    if said.isascii() and said.isdecimal():
        return min(float(said), LONGEST_RETRY_AFTER_SECONDS)
    try:
        until, now = parsedate_to_datetime(said), parsedate_to_datetime(headers.get("date", ""))
        return min(max((until - now).total_seconds(), 0.0), LONGEST_RETRY_AFTER_SECONDS)
    except (ValueError, TypeError):  # one date with a zone and one without cannot be compared
        return None


def _text(body: bytes, hidden: Sequence[str]) -> str:
    """One line of it, without what is secret, nor what a terminal would obey."""
    text = " ".join(masked(body[: 4 * _SHOWN].decode("utf-8", "replace"), hidden).split())[:_SHOWN]
    return "".join(each if each.isprintable() else "\ufffd" for each in text)
