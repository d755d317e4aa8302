"""Who can tell the counts of SLOs, what it may say, and where that goes."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, Final, Protocol

from maibo_slo.engine.inbox import MOST_EVENTS
from maibo_slo.errors import MaiboError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maibo_slo.documents import FedSlo, Slo
    from maibo_slo.engine.counts import GoodBad
    from maibo_slo.engine.spans import Span

MINUTE: Final = 60


class SourceError(MaiboError):
    """A source cannot tell an SLO's counts; the text says why, and the mend. It is asked again later, ever more seldom."""


class SourceUnreachable(SourceError):  # noqa: N818 -- the name says what is so
    """Nobody answers there: other SLOs of the same place need not be asked in this round."""


class Source(Protocol):
    """Who can tell the good and bad events of SLOs' minutes."""

    @property
    def name(self) -> str:
        """What `/readyz` calls it."""
        ...

    def serves(self, slo: Slo | FedSlo, /) -> bool:
        """Whether it counts this SLO's events; must not block."""
        ...

    def settle_seconds(self, slo: Slo | FedSlo, /) -> float:
        """How long after a minute's end its counts are complete; must not block."""
        ...

    def source_of(self, slo: Slo | FedSlo, /) -> str:
        """What is asked for, as a short text (``NAME:HASH``): when that changes, everything is asked for anew. Must not block."""
        ...

    def counts(self, slo: Slo | FedSlo, begin: int, end: int, /) -> Mapping[int, GoodBad]:
        """By begin of minute (unix s), in [begin, end), all closed; minutes without events or data are absent.

        May block for some seconds: it runs in a thread, for several SLOs perhaps at once. Raises SourceError.
        """
        ...


class Offer(Protocol):
    """`maibo_slo.engine.evaluate.Engine.offer`."""

    def __call__(self, slo: str, counts: Mapping[int, GoodBad], /, *, source: str) -> None: ...


def checked(counts: Mapping[int, GoodBad], span: Span) -> Mapping[int, GoodBad]:
    """As it may go into the ledger; ValueError when a source told what was not asked, SourceError when more than can be."""
    for t, (good, bad) in counts.items():
        if t % MINUTE or not span.begin <= t < span.end:
            raise ValueError(f"counts at {t}, which is not the begin of a minute in [{span.begin}, {span.end})")
        if not all(isinstance(each, Integral) and each >= 0 for each in (good, bad)):
            raise ValueError(f"not whole counts from 0 at {t}: {good} good, {bad} bad")
        if max(good, bad) > MOST_EVENTS:
            raise SourceError(
                f"{good} good and {bad} bad in the minute at {t}, and at most {MOST_EVENTS} can be; "
                "tell each minute's own events, not those since the start"
            )
    return counts
