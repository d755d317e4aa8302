"""Templates and static files, read once at start: jinja2 with autoescape, and filters that draw an en dash where there is no data."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import jinja2
from markupsafe import Markup, escape

from maibo_slo.engine.burn import MIN_BAD_EVENTS
from maibo_slo.service.pages import charts, language, scaleup_words, shapes, units, words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DASH: Final = Markup('<span class="none" role="img" aria-label="%(said)s" title="%(said)s">\u2013</span>')
MESSAGES_KEPT: Final = 4096
"""Far more than there are: but a state of another engine's, say, is looked up as a message too."""
MEDIA_TYPES: Final = {"page.css": "text/css", "page.js": "text/javascript", "maibo.svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    """A static file: its bytes, and the tag in its address that changes when they do."""

    body: bytes
    media_type: str
    tag: str


def assets() -> Mapping[str, Asset]:
    """The static files by name; no other file can be asked for."""
    found = {}
    for name, media_type in MEDIA_TYPES.items():
        body = (files("maibo_slo.service") / "static" / name).read_bytes()
        found[name] = Asset(body, media_type, hashlib.sha256(body).hexdigest()[:12])
    return found


def environment(static: Mapping[str, Asset]) -> jinja2.Environment:
    """Templates compiled once; a name that is missing is an error, not an empty text."""
    pages = jinja2.Environment(
        loader=jinja2.PackageLoader("maibo_slo.service"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    pages.policies["ext.i18n.trimmed"] = True
    pages.newstyle_gettext = True  # type: ignore[attr-defined]  # the extension adds it
    pages.globals.update(_=_gettext, gettext=_gettext, ngettext=_ngettext)
    filters: Mapping[str, Callable[..., str]] = {
        "duration": units.duration,
        "limit": units.limit,
        "count": units.count,
        "amount": units.amount,
        "rate": units.rate,
        "share": units.share,
        "allowance": units.allowance,
        "coverage": units.coverage,
        "part": units.part,
        "target": units.target,
        "budget": units.budget,
        "burn": units.burn,
        "period": units.period,
    }
    pages.filters.update({name: _or_dash(said) for name, said in filters.items()})
    pages.filters["said"] = words.value
    pages.globals.update(
        units=units,
        charts=charts,
        shapes=shapes,
        words=words,
        quantile=scaleup_words.quantile,
        min_bad_events=MIN_BAD_EVENTS,
        tags={name: asset.tag for name, asset in static.items()},
    )
    return pages


def _gettext(message: str, /, **variables: object) -> Markup:
    """As the extension's own would be, which makes a context for each message in a loop: a fifth of a page's time."""
    return _filled(language.translated(message), variables) if variables else _said(language.spoken(), message)


def _ngettext(one: str, many: str, n: int, /, **variables: object) -> Markup:
    return _filled(language.translated_plural(one, many, n), {"num": n, **variables})


@lru_cache(MESSAGES_KEPT)
def _said(_: str, message: str) -> Markup:
    """In the language that is spoken, which is named for the cache. What is none of our messages is told as it is."""
    return _filled(language.translated(message), {}) if language.is_message(message) else escape(message)


def _filled(message: str, variables: Mapping[str, object]) -> Markup:
    """Our own words are markup, and what is told in them is not."""
    return Markup(message % {name: escape(said) for name, said in variables.items()})  # noqa: S704 -- escaped


def _or_dash(said: Callable[..., str]) -> Callable[..., str]:
    @jinja2.pass_context  # else a constant is filtered once for all languages, when its template is compiled
    def or_dash(_: jinja2.runtime.Context, value: object, *how: object) -> str:
        return _dash(language.gettext("no data")) if value is None else said(value, *how)

    return or_dash


@cache
def _dash(said: str) -> Markup:
    return DASH % {"said": said}
