"""Values as people read them: a dimension that nobody said, and what is counted together because there were too many to tell apart."""

from __future__ import annotations

from typing import Final

from maibo.semconv import OVERFLOW

NOT_SAID: Final = "(not said)"
NO_GROUP: Final = "(no group yet)"
OVER_THE_LIMIT: Final = "(over the limit)"
OTHER_JOURNEYS: Final = "(journeys over the limit)"
OTHER_REASONS: Final = "(other reasons)"
NO_REASON: Final = "(no reason given)"


def value(text: str) -> str:
    """A tier, version, region, step or service.

    >>> value("vip"), value(""), value("__overflow__")
    ('vip', '(not said)', '(over the limit)')
    """
    return OVER_THE_LIMIT if text == OVERFLOW else text or NOT_SAID


def journey(text: str) -> str:
    """A journey's name.

    >>> journey("checkout"), journey("__overflow__")
    ('checkout', '(journeys over the limit)')
    """
    return OTHER_JOURNEYS if text == OVERFLOW else text


def reason(text: str) -> str:
    """Why something failed.

    >>> reason("card_declined"), reason("__overflow__"), reason("")
    ('card_declined', '(other reasons)', '(no reason given)')
    """
    return OTHER_REASONS if text == OVERFLOW else text or NO_REASON
