"""The pages' words in the reader's language: English as written, others from `locale/`.

A page is rendered whole in one language, `speaking` it: what is made of words meanwhile, in templates or in Python, is in that language.
A message is written with named variables, ``gettext("%(count)s of them silently", count="3")``, and a percent sign is doubled; the same in
templates. What has no translation stays English, and a test finds it.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ENGLISH: Final = "en"
LANGUAGES: Final[Mapping[str, str]] = {ENGLISH: "English", "zh": "中文"}
"""What each calls itself, by the code that ?lang= and the cookie carry."""
TAGS: Final[Mapping[str, str]] = {ENGLISH: "en", "zh": "zh-Hans"}
"""As HTML's `lang` says it: it decides on glyphs and on the voice of a screen reader."""
COOKIE: Final = "maibo-lang"

_SPOKEN: ContextVar[str] = ContextVar("maibo_language", default=ENGLISH)


def chosen(asked: str | None, remembered: str | None, accepted: str) -> str:
    """What was asked for by ?lang=, else the cookie's, else the browser's favourite of those there are.

    >>> chosen(None, None, "de-DE,zh-TW;q=0.8,en;q=0.9"), chosen("zh", "en", ""), chosen("tlh", None, "*")
    ('en', 'zh', 'en')
    """
    for said in (asked, remembered):
        if said is not None and said in LANGUAGES:
            return said
    ranked = sorted(_accepted(accepted), key=lambda each: -each[1])
    return next((name for name, weight in ranked if name in LANGUAGES and weight > 0), ENGLISH)


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Within it, and in what it calls, words are in this language."""
    token = _SPOKEN.set(language)
    try:
        yield
    finally:
        _SPOKEN.reset(token)


def spoken() -> str:
    """The language that words are in now."""
    return _SPOKEN.get()


def gettext(message: str, /, **variables: object) -> str:
    """A message in the language that is spoken."""
    return translated(message) % variables


def ngettext(one: str, many: str, n: int, /, **variables: object) -> str:
    """The same for a number of things, which it calls `num` unless told otherwise."""
    return translated_plural(one, many, n) % {"num": n, **variables}


def marked(message: str) -> str:
    """A message that is translated later, where it is shown: for constants."""
    return message


def is_message(text: str) -> bool:
    """Whether it is one of ours: all have been translated."""
    return any(text in catalogue(code) for code in LANGUAGES)


def translated(message: str) -> str:
    """Without its variables: templates put them in, escaped."""
    return catalogue(_SPOKEN.get()).get(message, (message,))[0]


def translated_plural(one: str, many: str, n: int) -> str:
    """The same; languages but English have one form here."""
    language = _SPOKEN.get()
    found = catalogue(language).get(one)
    if found is None:
        return one if n == 1 else many
    return found[-1]


@cache
def catalogue(language: str) -> Mapping[str, tuple[str, ...]]:
    """Message -> its forms; nothing for English. All files of its folder are one catalogue, so that a page may have one of its own."""
    from babel.messages.pofile import read_po  # here, for it is not quick to import

    found: dict[str, tuple[str, ...]] = {}
    if language == ENGLISH:
        return found
    folder = files("maibo_slo.service") / "locale" / language / "LC_MESSAGES"
    for each in sorted(folder.iterdir(), key=lambda each: each.name):
        if each.name.endswith(".po"):
            with each.open("rb") as lines:
                for message in read_po(lines, locale=language):
                    name = message.id if isinstance(message.id, str) else message.id[0]
                    forms = (message.string,) if isinstance(message.string, str) else tuple(message.string or ("",))
                    if name and all(forms) and not message.fuzzy:
                        found[name] = forms
    return found


def _accepted(header: str) -> Iterator[tuple[str, float]]:
    for part in header.split(",")[:20]:
        tag, _, weight = part.partition(";")
        try:
            yield tag.strip().lower().partition("-")[0], float(weight.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
