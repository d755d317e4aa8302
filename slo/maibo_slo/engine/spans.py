"""Which times have been asked about: spans side by side, and what is missing between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class Span(NamedTuple):
    """[begin, end), unix s."""

    begin: int
    end: int


def joined(spans: Iterable[Span], *, since: int) -> tuple[Span, ...]:
    """The same times in as few spans as possible, oldest first; what lies before `since` is left out.

    >>> joined([Span(60, 120), Span(240, 300), Span(0, 90)], since=30)
    (Span(begin=30, end=120), Span(begin=240, end=300))
    """
    merged: list[Span] = []
    for span in sorted(Span(max(begin, since), end) for begin, end in spans):
        if span.begin >= span.end:
            continue
        if merged and span.begin <= merged[-1].end:
            merged[-1] = Span(merged[-1].begin, max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return tuple(merged)


def newest_gap(wanted: Span, asked: Iterable[Span]) -> Span | None:
    """The last part of `wanted` that is in none of the spans; None when all of it is.

    >>> newest_gap(Span(0, 300), [Span(60, 120), Span(240, 300)])
    Span(begin=120, end=240)
    """
    end = wanted.end
    for span in reversed(joined(asked, since=wanted.begin)):
        if span.begin >= end:
            continue
        if span.end < end:
            return Span(span.end, end)
        end = span.begin
    return Span(wanted.begin, end) if wanted.begin < end else None
