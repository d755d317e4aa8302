"""How a timeline is shown: a small picture and a table for people, an object for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from maibo_alerting.evaluating.state import NO_DATA
from maibo_alerting.simulating.replay import SHOWN_WINDOWS
from maibo_slo.cli.output import NOTHING, console, percent, shown, sparkline, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from maibo_alerting.evaluating.step import Change
    from maibo_alerting.simulating.replay import Moment, Timeline
    from maibo_alerting.simulating.scenario import Phase

WIDTH: Final = 72
_ENDS: Final = {"over": "resolves", "no_data": "ends: no data, nobody knows", "withdrawn": "ends: withdrawn"}
_FIRING: Final = ("page", "ticket", "no data")


class Row(NamedTuple):
    """Something that happens at the end of a minute; a phase begins at the end of the minute before."""

    minute: int
    what: str
    moment: Moment | None


def print_timeline(timeline: Timeline) -> None:
    """For people."""
    out = console()
    scenario = timeline.scenario
    out.print(f"{shown(scenario.name)}: {scenario.about}")
    out.print(
        f"target {timeline.target * 100:.10g} %, window {timeline.window_seconds / 86_400:g} days; above these burn rates it fires:"
    )
    for pair in timeline.pairs:
        out.print(f"  {pair.shape.severity:6} {pair.factor:6.4g} over {pair.shape.long} and {pair.shape.short}")
    out.print()
    for name, line in _picture(timeline.moments):
        out.print(f"{name:>10} {line}", soft_wrap=True)
    numbers = ("minute", "at", *(f"burn {name}" for name in SHOWN_WINDOWS), "budget left")
    made = table("minute", "at", "what", *numbers[2:], numbers=numbers)
    for row in rows(timeline):
        burns = ["" if row.moment is None else _number(rate) for rate in _burns(row.moment)]
        left = "" if row.moment is None else percent(row.moment.budget_left, 1)
        made.add_row(str(row.minute), _clock(row.minute), shown(row.what), *burns, left)
    out.print(made)


def as_object(timeline: Timeline) -> dict[str, Any]:
    """For programs: the same, with every change."""
    return {
        "scenario": timeline.scenario.name,
        "target": timeline.target,
        "window_seconds": timeline.window_seconds,
        "minutes": len(timeline.moments),
        "events": sum(moment.events for moment in timeline.moments),
        "bad": sum(moment.bad for moment in timeline.moments),
        "budget_left": timeline.moments[-1].budget_left,
        "pairs": [
            {
                "severity": pair.shape.severity,
                "long": pair.shape.long,
                "short": pair.shape.short,
                "factor": pair.factor,
            }
            for pair in timeline.pairs
        ],
        "changes": [
            {
                "minute": moment.minute,
                "alert": change.key.name,
                "severity": change.key.severity,
                "from": change.before,
                "to": change.after,
                "reason": change.reason,
                "held_by_seconds": list(change.held_by),
                "burn": dict(zip(SHOWN_WINDOWS, moment.burns, strict=True)),
                "budget_left": moment.budget_left,
            }
            for moment in timeline.moments
            for change in moment.changes
        ],
    }


def rows(timeline: Timeline) -> Iterator[Row]:
    """What happens, in its order: phases that begin, alerts that become pending, fire and resolve."""
    begins = {0: timeline.scenario.phases[0]}
    minute = 0
    for before, phase in zip(timeline.scenario.phases, timeline.scenario.phases[1:], strict=False):
        minute += before.minutes
        begins[minute] = phase
    for moment in timeline.moments:
        if begun := begins.get(moment.minute - 1):
            yield Row(moment.minute - 1, _title(begun), None)
        for change in moment.changes:
            if (what := _what(change, timeline)) is not None:
                yield Row(moment.minute, what, moment)


def _title(phase: Phase) -> str:
    traffic = "no events"
    if phase.per_minute:
        traffic = f"{phase.per_minute:.4g} events a minute, {percent(phase.failures)} fail"
    return f"── {phase.name}: {traffic}" if phase.name else f"── {traffic}"


def _what(change: Change, timeline: Timeline) -> str | None:
    name = "no data" if change.key.name == NO_DATA else change.key.severity
    if change.after == "inactive":
        return None
    if change.after == "pending":
        return f"{name} pending"
    if change.after == "resolved":
        return f"{name} {_ENDS[change.reason]}"
    held = [pair.shape.long for pair in timeline.pairs if pair.long_seconds in change.held_by]
    again = " again" if change.before == "resolved" else ""
    return f"{name} fires{again}" + (f" ({', '.join(held)})" if held else "")


def _picture(moments: Sequence[Moment]) -> Iterator[tuple[str, str]]:
    """Name and line: shares of failures, burn rates, and when what fires."""
    yield "failures", sparkline([one.bad / one.events if one.events else None for one in moments], most=WIDTH)
    at = list(SHOWN_WINDOWS).index("1h")
    yield "burn 1h", sparkline([one.burns[at] for one in moments], most=WIDTH)
    together = -(-len(moments) // WIDTH) or 1
    for name in _FIRING:
        fires = [name in one.firing for one in moments]
        if any(fires):
            yield name, "".join("█" if any(fires[i : i + together]) else "·" for i in range(0, len(fires), together))


def _burns(moment: Moment | None) -> Sequence[float | None]:
    return (None,) * len(SHOWN_WINDOWS) if moment is None else moment.burns


def _number(rate: float | None) -> str:
    return NOTHING if rate is None else f"{rate:.1f}"


def _clock(minute: int) -> str:
    """``1d 02:05``: from the beginning.

    >>> _clock(65), _clock(1565)
    ('1:05', '1d 2:05')
    """
    days, rest = divmod(minute, 1440)
    return (f"{days}d " if days else "") + f"{rest // 60}:{rest % 60:02d}"
