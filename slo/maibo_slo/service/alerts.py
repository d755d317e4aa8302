"""Alerts as the store has them on record, and of one its story: why it fired, what its budget did, what had changed.

Whoever judges alerts and tells people of them is a plugin; here is read what it put on record. Fields that an older record lacks are empty. What the
burn rates were when it fired is counted from the ledger, so it is known of every alert, as it is known now.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from maibo_slo.engine.burn import BURN_WINDOWS, FAST, alerted_pairs, burn_rate
from maibo_slo.engine.burning import ABOVE
from maibo_slo.engine.state import MILLIONTHS
from maibo_slo.store import events, past

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maibo_slo.documents import FedSlo, Objective, Slo
    from maibo_slo.engine.burn import Pair
    from maibo_slo.service.alerts_soon import Soon
    from maibo_slo.store import Store

KIND: Final = "alert"
MOST: Final = 1_000
MINUTE: Final = 60
PAGED: Final = frozenset(share.long for share in FAST)
"""Long windows of pairs whose alerts are pages; of the others they are tickets."""
_FIELDS: Final = ("name", "objective", "group", "severity", "reason", "summary", "notices")


@dataclass(frozen=True, slots=True)
class Notice:
    """A destination took it."""

    destination: str
    status: str
    """``firing`` or ``resolved``."""
    at: float


@dataclass(frozen=True, slots=True)
class Alert:
    """One fire. Times are unix s."""

    id: str
    name: str
    slo: str
    objective: str
    group: str
    severity: str
    begin: float
    end: float | None
    """None: it fires."""
    reason: str = ""
    """Why it ended: ``over``, ``no_data``, ``withdrawn``."""
    summary: str = ""
    notices: tuple[Notice, ...] | None = None
    """None: it is not on record who was told."""


@dataclass(frozen=True, slots=True)
class Alerts:
    """Those that fired at some time in a stretch, the newest first."""

    alerts: tuple[Alert, ...]
    cut: bool
    """There were more."""
    until: float = 0.0
    """End of the stretch."""
    soon: tuple[Soon, ...] | None = None
    """What is about to fire now, whatever the stretch; None: nobody has judged."""


@dataclass(frozen=True, slots=True)
class Burning:
    """A pair of windows at a moment."""

    long: str
    short: str
    threshold: float
    long_burn: float | None
    short_burn: float | None
    long_bad: float
    long_events: float
    severity: str

    @property
    def above(self) -> bool:
        """Both windows."""
        rates = (self.long_burn, self.short_burn)
        return all(rate is not None and rate > self.threshold * ABOVE for rate in rates)


def alerts(store: Store, begin: float, end: float, *, soon: tuple[Soon, ...] | None = None, most: int = MOST) -> Alerts:
    """Those that fired at some time in [begin, end), unix s, as they stood at its end; beside what is about to fire now. StoreError."""
    found = events.briefs(store, (KIND,), begin, end, fields=_FIELDS, newest=most + 1)
    told = [_as_of(_alert(each.id, each.subject, each.begin, each.end, each.detail), end) for each in found]
    return Alerts(tuple(told[:most]), len(told) > most, end, soon)


def find(store: Store, id_: str) -> Alert | None:
    """The one of this id. StoreError."""
    found = events.find(store, KIND, id_)
    return None if found is None else _alert(found.id, found.subject, found.begin, found.end, found.detail)


def burning_at(store: Store, slo: Slo | FedSlo, objective: Objective, group: str, at: float) -> tuple[Burning, ...]:
    """Every pair that alerts go by, as its windows that ended with the minute of `at` have it. StoreError."""
    pairs = alerted_pairs(slo.window_seconds, target=objective.target)
    end = int(at) // MINUTE * MINUTE + MINUTE
    reach = max((pair.long_seconds for pair in pairs.values()), default=MINUTE)
    counted = past.series(store, slo.name, objective.name, group, max(0, end - reach), end)
    divisor = MILLIONTHS if slo.method == "RatioTimeslices" else 1

    def counts(seconds: int) -> tuple[float, float]:
        within = counted.t >= end - seconds
        return float(counted.good[within].sum()) / divisor, float(counted.bad[within].sum()) / divisor

    return tuple(
        _burning(long, pair, counts(pair.long_seconds), counts(pair.short_seconds), objective.target)
        for long, pair in pairs.items()
    )


def _burning(
    long: str, pair: Pair, in_long: tuple[float, float], in_short: tuple[float, float], target: float
) -> Burning:
    return Burning(
        long,
        _name(pair.short_seconds),
        pair.factor,
        burn_rate(*in_long, target=target),
        burn_rate(*in_short, target=target),
        in_long[1],
        sum(in_long),
        _severity(long),
    )


def _severity(long: str) -> str:
    return "page" if long in PAGED else "ticket"


def _name(seconds: int) -> str:
    return next(name for name, length in BURN_WINDOWS.items() if length == seconds)


def _alert(id_: str, slo: str, begin: float, end: float | None, said: Mapping[str, Any]) -> Alert:
    words = {name: said[name] if isinstance(said.get(name), str) else "" for name in _FIELDS if name != "notices"}
    notices = said.get("notices")
    return Alert(
        id=id_,
        slo=slo,
        begin=begin,
        end=end,
        notices=tuple(map(_notice, notices)) if isinstance(notices, list) else None,
        **words,
    )


def _as_of(alert: Alert, at: float) -> Alert:
    """Without what came after a moment: one that ended later fires."""
    notices = alert.notices and tuple(each for each in alert.notices if each.at <= at)
    if alert.end is not None and alert.end > at:
        return replace(alert, end=None, reason="", notices=notices)
    return alert if notices == alert.notices else replace(alert, notices=notices)


def _notice(said: Mapping[str, Any]) -> Notice:
    return Notice(str(said.get("destination", "")), str(said.get("status", "")), float(said.get("at", 0.0)))
