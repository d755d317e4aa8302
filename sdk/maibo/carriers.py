"""How a journey travels: W3C baggage between services, a cookie or a session between one customer's requests.

What comes in was written by strangers, and nothing of it is signed. It is read within bounds, and what is garbled, too old or from the
future is ignored and counted: a journey is never worth an error. Going out, only maibo's own keys are touched.

* baggage: ``journey.ctx=NAME:ID:START``, ``journey.tier=…``, ``journey.variant=…``; NAME is percent-encoded, ID is 32 hex
  digits, START is unix time in microseconds, and each value is percent-encoded once more, as OpenTelemetry's propagator does.
* cookie, session: ``NAME:ID:START:TIER:VARIANT``, each text percent-encoded, under `COOKIE`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from maibo import problems
from maibo.names import clean
from maibo.semconv import BAGGAGE_KEYS, JOURNEY_TIER, JOURNEY_VARIANT

COOKIE: Final = "maibo-journey"
"""Name of the cookie, and key in a session."""
CONTEXT_KEY: Final = BAGGAGE_KEYS[0]
LONGEST_HEADER: Final = 8192
LONGEST_VALUE: Final = 64
OLDEST_US: Final = 24 * 3600 * 1_000_000
"""Collectors refuse what is further away than a day."""
SKEW_US: Final = 60 * 1_000_000

_CONTEXT = re.compile(r"([^:]{1,1600}):([0-9a-f]{32}):([0-9]{1,17})")
_COOKIE = re.compile(rf"({_CONTEXT.pattern}):([^:]{{0,800}}):([^:]{{0,800}})")
_HEADER_NAMES = {
    "baggage": "baggage",
    "http_baggage": "baggage",
    "cookie": "cookie",
    "http_cookie": "cookie",
    COOKIE: COOKIE,
}

Carrier = Mapping[Any, Any] | Iterable[tuple[Any, Any]] | str
"""Headers (a mapping in any case, pairs of an ASGI scope, a WSGI environ), cookies, a session, or a cookie's value."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What makes a journey the same one in another process."""

    name: str
    id: str
    start_us: int
    tier: str
    variant: str


def to_baggage(identity: Identity) -> dict[str, str]:
    """The baggage entries of a journey, decoded."""
    entries = {CONTEXT_KEY: f"{quote(identity.name, safe='')}:{identity.id}:{identity.start_us}"}
    if identity.tier:
        entries[JOURNEY_TIER] = identity.tier
    if identity.variant:
        entries[JOURNEY_VARIANT] = identity.variant
    return entries


def to_cookie(identity: Identity) -> str:
    """A journey as a cookie's value."""
    texts = (quote(text, safe="") for text in (identity.name, identity.tier, identity.variant))
    name, tier, variant = texts
    return f"{name}:{identity.id}:{identity.start_us}:{tier}:{variant}"


def add_to_headers(identity: Identity, headers: MutableMapping[str, str]) -> None:
    """Write a journey into the ``baggage`` header, leaving everybody else's entries as they are."""
    key = next((key for key in headers if key.lower() == "baggage"), "baggage")
    ours = [f"{name}={quote_plus(value)}" for name, value in to_baggage(identity).items()]
    header = ",".join([*ours, *_theirs(headers.get(key, ""))])
    if len(header) > LONGEST_HEADER:
        problems.noticed(problems.CARRIERS_IGNORED, "maibo: the baggage header is full, the journey does not fit in")
        return
    headers[key] = header


def without_journey(header: str) -> str:
    """A ``baggage`` header with everybody else's entries alone."""
    return ",".join(_theirs(header))


def _theirs(header: str) -> list[str]:
    entries = (entry.strip() for entry in header.split(","))
    # Decoded, as OpenTelemetry's propagator does: journey%2Ectx is ours too.
    return [entry for entry in entries if entry and unquote_plus(entry.partition("=")[0]).strip() not in BAGGAGE_KEYS]


def find(carrier: Carrier, *, now_us: int) -> tuple[Identity, str] | None:
    """The journey in a carrier, and where it was: ``baggage`` or ``cookie``; baggage first."""
    if isinstance(carrier, str):
        found = {"baggage" if f"{CONTEXT_KEY}=" in carrier else COOKIE: carrier}
    else:
        found = _ours(carrier)
    if "baggage" in found and (identity := from_baggage(found["baggage"], now_us=now_us)):
        return identity, "baggage"
    if COOKIE not in found and "cookie" in found:
        found = {COOKIE: value} if (value := _from_cookie_header(found["cookie"])) else {}
    if COOKIE in found and (identity := from_cookie(found[COOKIE], now_us=now_us)):
        return identity, "cookie"
    return None


def from_baggage(header: str, *, now_us: int) -> Identity | None:
    """The journey in a ``baggage`` header."""
    if CONTEXT_KEY not in header:
        return None
    if len(header) > LONGEST_HEADER:
        _ignored("a baggage header is too long")
        return None
    entries: dict[str, str] = {}
    for entry in header.split(","):
        key, _, value = entry.partition("=")
        if (key := key.strip()) in BAGGAGE_KEYS:
            entries[key] = unquote_plus(value.partition(";")[0].strip())
    return from_entries(entries, now_us=now_us)


def from_entries(entries: Mapping[str, object], *, now_us: int) -> Identity | None:
    """The journey in decoded baggage entries."""
    context = entries.get(CONTEXT_KEY)
    if context is None:
        return None
    identity = _parse(str(context), str(entries.get(JOURNEY_TIER, "")), str(entries.get(JOURNEY_VARIANT, "")))
    return _timely(identity, now_us)


def from_cookie(value: str, *, now_us: int) -> Identity | None:
    """The journey in a cookie's value."""
    matched = _COOKIE.fullmatch(value)
    if matched is None:
        _ignored("a journey cookie is garbled")
        return None
    return _timely(_parse(matched[1], unquote(matched[5]), unquote(matched[6])), now_us)


@lru_cache(maxsize=1024)
def _parse(context: str, tier: str, variant: str) -> Identity | None:
    matched = _CONTEXT.fullmatch(context)
    if matched is None:
        return None
    name, id_, start = matched.groups()
    name = clean(unquote(name))
    if not name or not int(id_[:16], 16) or not int(id_[16:], 16):
        return None
    return Identity(name, id_, int(start), clean(tier, LONGEST_VALUE), clean(variant, LONGEST_VALUE))


def _timely(identity: Identity | None, now_us: int) -> Identity | None:
    if identity is None:
        _ignored("a journey's baggage is garbled")
        return None
    if not now_us - OLDEST_US < identity.start_us < now_us + SKEW_US:
        _ignored("a journey's start time is more than a day old, or in the future")
        return None
    return identity


def _ignored(why: str) -> None:
    problems.noticed(problems.CARRIERS_IGNORED, f"maibo: {why}: ignored (further ones are only counted)")


def _ours(carrier: Mapping[Any, Any] | Iterable[tuple[Any, Any]]) -> dict[str, str]:
    pairs = carrier.items() if isinstance(carrier, Mapping) else carrier
    found: dict[str, str] = {}
    for key, value in pairs:
        if (name := _HEADER_NAMES.get(_text(key).lower())) is None:
            continue
        text = ",".join(map(_text, value)) if isinstance(value, (list, tuple)) else _text(value)
        joint = "; " if name == "cookie" else ","
        found[name] = f"{found[name]}{joint}{text}" if name in found else text
    return found


def _text(raw: object) -> str:
    return raw.decode("latin-1") if isinstance(raw, bytes) else str(raw)


def _from_cookie_header(header: str) -> str | None:
    for crumb in header.split(";"):
        name, _, value = crumb.partition("=")
        if name.strip() == COOKIE:
            return value.strip().strip('"')
    return None
