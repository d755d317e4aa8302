"""Values as people read them: a dimension that nobody said, and what is counted together because there were too many to tell apart."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from maibo.semconv import ABANDONED, FAILURE, OVERFLOW, SUCCESS
from maibo_slo.service.pages.language import gettext, marked

if TYPE_CHECKING:
    from collections.abc import Iterable

NOT_SAID: Final = marked("(not said)")
NO_GROUP: Final = marked("(no group yet)")
OVER_THE_LIMIT: Final = marked("(over the limit)")
OTHER_JOURNEYS: Final = marked("(journeys over the limit)")
OTHER_REASONS: Final = marked("(other reasons)")
NO_REASON: Final = marked("(no reason given)")
SLOW: Final = marked("(slow)")
"""A step or reason of what was bad for its duration alone, and nobody knows where: see `maibo_slo.reporting.blame`."""
OUTCOMES: Final = {SUCCESS: marked("success"), FAILURE: marked("failure"), ABANDONED: marked("abandoned")}
DIMENSIONS: Final = {
    "step": marked("step"),
    "version": marked("version"),
    "tier": marked("tier"),
    "region": marked("region"),
    "reason": marked("reason"),
    "service": marked("service"),
    "environment": marked("environment"),
}
CORRECTIONS: Final = {
    "maintenance": marked("maintenance"),
    "chaos": marked("chaos"),
    "incident": marked("incident"),
    "other": marked("other"),
    "exclude": marked("exclude"),
    "count_as_good": marked("count as good"),
    "annotate": marked("annotate"),
}
"""Kinds of corrections, and their effects."""
SEVERITIES: Final = {"page": marked("page"), "ticket": marked("ticket")}
_BOUNDS: Final = re.compile(r"(at least |at most |exactly |)(\d+)(?: to (\d+))?")


def value(text: str) -> str:
    """A tier, version, region, step or service.

    >>> value("vip"), value(""), value("__overflow__")
    ('vip', '(not said)', '(over the limit)')
    """
    if text == OVERFLOW:
        return gettext(OVER_THE_LIMIT)
    return gettext(text or NOT_SAID) if text in {"", SLOW} else text


def journey(text: str) -> str:
    """A journey's name.

    >>> journey("checkout"), journey("__overflow__")
    ('checkout', '(journeys over the limit)')
    """
    return gettext(OTHER_JOURNEYS) if text == OVERFLOW else text


def reason(text: str) -> str:
    """Why something failed.

    >>> reason("card_declined"), reason("__overflow__"), reason("")
    ('card_declined', '(other reasons)', '(no reason given)')
    """
    return gettext(OTHER_REASONS) if text == OVERFLOW else text or gettext(NO_REASON)


def outcome(text: str) -> str:
    """How a journey ended.

    >>> outcome("success"), outcome("under-way")
    ('success', 'under-way')
    """
    return gettext(OUTCOMES[text]) if text in OUTCOMES else text


def dimension(name: str) -> str:
    """What events are told apart by.

    >>> dimension("tier"), dimension("customer")
    ('tier', 'customer')
    """
    return gettext(DIMENSIONS[name]) if name in DIMENSIONS else name


def every(names: Iterable[str]) -> str:
    """Several of them: ``tier and region``."""
    return gettext(" and ").join(map(dimension, names))


def correction(word: str) -> str:
    """A correction's kind or effect.

    >>> correction("maintenance"), correction("count_as_good")
    ('maintenance', 'count as good')
    """
    return gettext(CORRECTIONS[word]) if word in CORRECTIONS else word


def severity(text: str) -> str:
    """Of an alert.

    >>> severity("page"), severity("S1")
    ('page', 'S1')
    """
    return gettext(SEVERITIES[text]) if text in SEVERITIES else text


def bounds(least: int | None, most: int | None) -> str:
    """What an override says.

    >>> bounds(40, None), bounds(None, 5), bounds(12, 30), bounds(8, 8)
    ('at least 40', 'at most 5', '12 to 30', 'exactly 8')
    """
    if least is None:
        return gettext("at most %(most)s", most=most)
    if most is None:
        return gettext("at least %(least)s", least=least)
    if least == most:
        return gettext("exactly %(replicas)s", replicas=least)
    return gettext("%(begin)s to %(end)s", begin=least, end=most)


def bounds_again(said: str) -> str:
    """The same of what was said in English already, as the API tells it.

    >>> [bounds_again(said) for said in ("at least 40", "12 to 30", "as many as it takes")]
    ['at least 40', '12 to 30', 'as many as it takes']
    """
    found = _BOUNDS.fullmatch(said)
    if found is None:
        return said
    word, number, end = found[1].strip(), int(found[2]), found[3]
    if end:
        return bounds(number, int(end))
    return bounds(None if word == "at most" else number, None if word == "at least" else number)
