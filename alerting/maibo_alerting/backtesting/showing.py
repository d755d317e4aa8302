"""How a backtest is shown: side by side for people, an object for programs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from maibo_slo.cli.output import NOTHING, console, shown, sparkline, table
from maibo_slo.reporting.wording import percent, spent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from maibo_alerting.backtesting.replay import Alarm, Outcome
    from maibo_slo.service.history import CountsAnswer

DAY: Final = 86_400
UNITS: Final = {"m": "minute", "h": "hour", "d": "day", "w": "week", "M": "month", "Q": "quarter", "Y": "year"}
"""Of OpenSLO's windows."""


def as_objects(documented: Outcome, changed: Outcome | None) -> dict[str, Any]:
    return {
        "begin": _iso(documented.begin),
        "end": _iso(documented.end),
        "documented": _as_object(documented),
        "changed": None if changed is None else _as_object(changed),
    }


def _as_object(told: Outcome) -> dict[str, Any]:
    return {
        "target": told.target,
        "window_seconds": told.window_seconds,
        "window_kind": "rolling" if told.rolls else "calendar",
        "good": told.good,
        "bad": told.bad,
        "budget_remaining": told.budget_left,
        "budget_remaining_projected": told.projected,
        "pages": told.count("page"),
        "tickets": told.count("ticket"),
        "alerts": [
            {
                "severity": alarm.severity,
                "begin": _iso(alarm.begin),
                "end": None if alarm.end is None else _iso(alarm.end),
                "burn_began": None if alarm.burn_began is None else _iso(alarm.burn_began),
                "budget_spent": alarm.budget_spent,
            }
            for alarm in told.alarms
        ],
        "days": [{"day": _iso(day)[:10], "budget_spent": share} for day, share in told.days],
    }


def print_outcomes(
    told: CountsAnswer, counted: CountsAnswer, documented: Outcome, changed: Outcome | None, *, threshold: str | None
) -> None:
    """`told`: what the document's side is made of; `counted`: what the other side is."""
    out = console()
    out.print(
        shown(f"{told.slo} {told.objective} {told.group}".rstrip())
        + f": {_clock(documented.begin)} to {_clock(documented.end)} UTC"
    )
    if told.t and told.t[0] > documented.begin:
        out.print(f"counts begin at {_clock(told.t[0])}: before that nothing is known")
    if counted.t and told.t and counted.t[0] > told.t[0]:
        out.print(f"those at {threshold} begin at {_clock(counted.t[0])}")
    first = int(told.window.begin.timestamp())
    if _own_begin(told, documented) < first:
        out.print(f"the SLO's window reaches back beyond {_clock(first)}: of what was before nothing is known")
    columns = {"as documented": documented, **({} if changed is None else {"as asked": changed})}
    made = table("", *columns, numbers=tuple(columns))
    rows = {
        "target": [percent(one.target, 5) for one in columns.values()],
        "window": [_window(told, one) for one in columns.values()],
        **({"threshold": [told.threshold or NOTHING, threshold]} if threshold else {}),
        "good": [_number(one.good) for one in columns.values()],
        "bad": [_number(one.bad) for one in columns.values()],
        "pages": [str(one.count("page")) for one in columns.values()],
        "tickets": [str(one.count("ticket")) for one in columns.values()],
        "budget left at the end": [_left(one.projected) for one in columns.values()],
        "worst day": [_worst(one) for one in columns.values()],
    }
    for title, values in rows.items():
        made.add_row(title, *map(str, values))
    out.print(made)
    if changed is not None and changed.rolls and not documented.rolls:
        out.print(
            "As documented, the budget begins anew with each of the calendar's windows; as asked, the window rolls."
        )
    for title, one in columns.items():
        out.print(f"{title:>14} {sparkline([share for _, share in one.days])}  budget spent by day", soft_wrap=True)
    for title, one in columns.items():
        if one.alarms:
            out.print()
            out.print(_alarms(title, one.alarms))


def _alarms(title: str, alarms: Sequence[Alarm]) -> Table:
    made = table(title, "from", "to", "detected after", "budget spent", numbers=("detected after", "budget spent"))
    for alarm in alarms:
        made.add_row(
            alarm.severity,
            _clock(alarm.begin),
            "fires still" if alarm.end is None else _clock(alarm.end),
            NOTHING if alarm.burn_began is None else f"{(alarm.begin - alarm.burn_began) / 60:.0f} min",
            spent(alarm.budget_spent),
        )
    return made


def _own_begin(told: CountsAnswer, documented: Outcome) -> int:
    """Where the SLO's own window begins: a calendar's that the replay begins in, or the rolling one that ends with it."""
    if told.periods:
        return max((begin for begin in told.periods if begin <= documented.begin), default=documented.begin)
    return documented.end - told.window_seconds


def _window(told: CountsAnswer, one: Outcome) -> str:
    """A rolling one in days; a calendar's by its own units."""
    if one.rolls:
        return f"{one.window_seconds / DAY:g} d, rolling"
    count, unit = told.calendar[:-1], UNITS.get(told.calendar[-1:], "")
    return f"{count} {unit}{'s' if count != '1' else ''} of the calendar" if unit else "of the calendar"


def _number(counted: float) -> str:
    return f"{counted:,}" if isinstance(counted, int) else f"{counted:,.1f}"


def _left(share: float | None) -> str:
    return percent(share, 1)


def _worst(told: Outcome) -> str:
    return NOTHING if told.worst_day is None else f"{_iso(told.worst_day[0])[:10]} ({spent(told.worst_day[1])})"


def _clock(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M}"


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")
