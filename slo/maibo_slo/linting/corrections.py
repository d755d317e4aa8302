"""Rules about corrections: how much they leave to judge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maibo_slo.engine.corrections import concerns, unix_of, windows_of
from maibo_slo.linting.findings import Finding, Rule, number
from maibo_slo.linting.subject import days

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from maibo_slo.documents import Catalogue, Correction
    from maibo_slo.engine.corrections import Window
    from maibo_slo.linting.written import Library

MUCH_LEFT_OUT: Final = Rule("SLO042", "warning", "A correction leaves out much of the window")

_MUCH: Final = 0.2


def corrections(catalogue: Catalogue, library: Library) -> Iterator[Finding]:
    """Those that leave out more than a fifth of an SLO's window, told of the SLO with the shortest."""
    slos = sorted(catalogue.judged.values(), key=lambda slo: (slo.window_seconds, slo.name))
    for correction in catalogue.corrections.values():
        slo = next((slo for slo in slos if concerns(correction, slo)), None)
        if slo is None or correction.effect != "exclude":
            continue
        share = _excluded_seconds(correction, slo.window_seconds) / slo.window_seconds
        if share <= _MUCH:
            continue
        message = (
            f"correction {correction.name!r} leaves out {number(share * 100)} % of a window of {days(slo.window_seconds)} of SLO {slo.name!r}: its budget "
            f"is that of the rest, and each bad minute there weighs {_weight(share)}"
        )
        mend = "make it shorter or rarer, name the SLOs it is about, or let it annotate or count_as_good"
        at = library.written(correction.origin, correction.name).position("spec", _field(correction))
        yield Finding(MUCH_LEFT_OUT, at, correction.name, message, mend)


def _excluded_seconds(correction: Correction, seconds: int) -> int:
    """In a window of so many seconds that begins with the correction's start."""
    begin = unix_of(correction.start, correction.zone)
    return _covered(windows_of(correction, begin=begin, end=begin + seconds), begin, begin + seconds)


def _covered(windows: Sequence[Window], begin: int, end: int) -> int:
    """Seconds of [begin, end) that any of the windows takes; they are in the order of their begins."""
    covered, until = 0, begin
    for window in windows:
        first, last = max(window.begin, until), min(window.end, end)
        covered += max(0, last - first)
        until = max(until, last)
    return covered


def _weight(share: float) -> str:
    return f"{number(1 / (1 - share))} times as much" if share < 1 else "nothing, for there is none"


def _field(correction: Correction) -> str:
    return "rrule" if correction.rrule else "start"
