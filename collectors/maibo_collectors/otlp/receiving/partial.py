"""What a sender is told of a request that was taken but not counted as it stands: OTLP's partial success."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol

    from maibo_collectors.otlp.decoding.rules import Rules

    class Counted(Protocol):
        """A `Tally`, or anything that was counted like one."""

        @property
        def rejected(self) -> Mapping[str, int]: ...
        @property
        def overflowed(self) -> Mapping[str, int]: ...


NAMED: Final = 5
"""Journeys that a message names; the others are told as a number."""
REASONS: Final = 10
"""Reasons that a message names: there is one for each outcome that is none."""


def message(tally: Counted, limits: Rules, *, unit: str = "span") -> str:
    """``3 spans rejected: 2 unknown outcome 'great', 1 …; 7 spans of checkout counted without …``; '' if there is nothing to tell."""
    parts = [_rejections(tally.rejected, unit)] if tally.rejected else []
    if tally.overflowed:
        parts.append(_overflow(tally.overflowed, limits, unit))
    return "; ".join(parts)


def _rejections(rejected: Mapping[str, int], unit: str) -> str:
    most = sorted(rejected.items(), key=lambda each: (-each[1], each[0]))
    reasons = [f"{count} {reason}" for reason, count in sorted(most[:REASONS])]
    if others := sum(count for _, count in most[REASONS:]):
        reasons.append(f"{others} for other reasons")
    return f"{_number(sum(rejected.values()), unit)} rejected: {', '.join(reasons)}"


def _overflow(overflowed: Mapping[str, int], limits: Rules, unit: str) -> str:
    most = sorted(overflowed.items(), key=lambda each: (-each[1], each[0]))
    named = ", ".join(f"{_number(count, unit)} of {journey}" for journey, count in most[:NAMED])
    rest = f" and {_number(len(most) - NAMED, 'other journey')}" if len(most) > NAMED else ""
    return (
        f"counted without dimensions: {named}{rest}; a journey may have {limits.series_limit} series a day, and there may be "
        f"{limits.journey_limit} journeys"
    )


def _number(count: int, unit: str) -> str:
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
