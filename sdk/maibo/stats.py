"""What became of everything that maibo was given in this process: the answer of `maibo.stats()`."""

from __future__ import annotations

from dataclasses import dataclass

from maibo import problems


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts since the process began (a forked child begins at 0)."""

    exported: int = 0
    """Spans that the collector acknowledged."""
    rejected: int = 0
    """Spans that the collector took and refused (OTLP partial success)."""
    queued: int = 0
    """Spans waiting or on the wire."""
    lost: int = 0
    """Spans that will never arrive: queue full, refused for good, or not delivered in time at the stop."""
    steps_outside: int = 0
    """Steps dropped because no journey was under way."""
    carriers_ignored: int = 0
    """Garbled, outdated or oversized journeys that came in."""
    skewed: int = 0
    """Journeys that ended before they began, by the clocks of two hosts; a collector keeps them out of its latencies."""
    names_replaced: int = 0
    """Times a name was too many or undeclared."""
    documents_ignored: int = 0
    """Journey documents that a middleware could not read."""
    internal_errors: int = 0
    """Errors of maibo's own, caught; and those raised by `on_journey_end`."""

    @staticmethod
    def of_problems() -> Stats:
        """Those that do not depend on a pipeline."""
        return Stats(
            steps_outside=problems.counted(problems.STEPS_OUTSIDE),
            carriers_ignored=problems.counted(problems.CARRIERS_IGNORED),
            skewed=problems.counted(problems.SKEWED),
            names_replaced=problems.counted(problems.NAMES_REPLACED),
            documents_ignored=problems.counted(problems.DOCUMENTS_IGNORED),
            internal_errors=problems.counted(problems.INTERNAL),
        )
