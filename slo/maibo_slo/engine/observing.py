"""What the ledger says of each objective and group at one moment, as the snapshot has it: counts of its windows, since when it burns, where its
policy stands, and what was corrected.

What does not change from tick to tick (who is asked about, and how far back) is kept until an SLO, a group or a calendar's period changes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from maibo_slo.engine.burn import BURN_WINDOWS, Counts
from maibo_slo.engine.calendar import Period, period
from maibo_slo.engine.policy import BURN_SECONDS, policy_of, step
from maibo_slo.engine.state import Observed, is_burning, left_and_burn
from maibo_slo.engine.sums import Name, Reach
from maibo_slo.engine.tracks import is_whole, raw_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from maibo_slo.documents import Calendar, Catalogue, ErrorBudgetPolicy, Objective
    from maibo_slo.engine.correcting import Corrections
    from maibo_slo.engine.memory import Memory
    from maibo_slo.engine.state import PolicyNow
    from maibo_slo.engine.sums import Found, Sums
    from maibo_slo.engine.tracks import Track, Tracks

_LONGEST_BURN: Final = Reach(max(BURN_WINDOWS.values()))


@dataclass(frozen=True, slots=True)
class Known:
    """An SLO, and which of its groups there are."""

    track: Track
    groups: tuple[str, ...]
    """At least one: '' where there are no groups, or none is known yet."""


class Judged(NamedTuple):
    """What was observed, and what of it is remembered."""

    observed: tuple[Observed, ...]
    burning_since: dict[Name, float]
    policies: dict[Name, PolicyNow]
    silent: dict[str, list[str]]
    """SLO -> groups that had no event in all that it looks back at."""


class Observer:
    """Asks for every window of every objective and group."""

    def __init__(self, sums: Sums, raw_sums: Sums, corrections: Corrections) -> None:
        self._sums = sums
        self._raw_sums = raw_sums
        self._corrections = corrections
        self._known: tuple[Known, ...] = ()
        self._policies: dict[str, ErrorBudgetPolicy] = {}
        self._periods: dict[Calendar, Period] = {}
        self._asked: dict[Name, Reach] | None = None
        self._raw_asked: dict[Name, Reach] = {}

    def about(self, catalogue: Catalogue, tracks: Tracks, memory: Memory) -> None:
        """Be about these SLOs, and the groups that are remembered: whenever either changes."""
        self._known = tuple(Known(track, _groups(track, memory)) for track in tracks.by_slo.values())
        self._policies = {name: policy_of(catalogue.policies, track.slo) for name, track in tracks.by_slo.items()}
        self._asked = None
        self._raw_asked = {
            Name(known.track.slo.name, raw_name(objective), group): _LONGEST_BURN
            for known in self._known
            if known.track.slo.method != "Occurrences"
            for group in known.groups
            for objective in known.track.components
        }

    def observe(self, memory: Memory, *, now: float, settled: bool = True) -> Judged:
        """Everything at `now` (unix s). `settled`: no older minutes are still being counted. Raises StoreError."""
        found = self._sums.at(int(now), self._reaches(now)) | self._raw_sums.at(int(now), self._raw_asked)
        judged = Judged((), {}, {}, {})
        observed = [
            one for known in self._known for one in self._of_slo(known, found, memory, judged, now, settled=settled)
        ]
        return judged._replace(observed=tuple(observed))

    def _reaches(self, now: float) -> dict[Name, Reach]:
        calendars = {known.track.slo.calendar for known in self._known}
        periods = {calendar: period(calendar, now) for calendar in calendars if calendar is not None}
        if self._asked is None or periods != self._periods:
            self._periods = periods
            self._asked = {
                Name(known.track.slo.name, objective.name, group): reach
                for known in self._known
                for reach in [self._reach(known.track)]
                for group in known.groups
                for objective in known.track.with_rows
            }
        return self._asked

    def _reach(self, track: Track) -> Reach:
        calendar = track.slo.calendar
        return Reach(track.own_seconds, None if calendar is None else self._periods[calendar].begin)

    def _of_slo(
        self, known: Known, found: Mapping[Name, Found], memory: Memory, judged: Judged, now: float, *, settled: bool
    ) -> Iterator[Observed]:
        slo = known.track.slo
        corrected_until = self._corrections.changed_until(slo.name, now=now) if slo.method != "Occurrences" else 0.0
        span = None if slo.calendar is None else self._periods[slo.calendar]
        begin = int(now) - slo.window_seconds if span is None else span.begin
        corrected = self._corrections.shown(slo.name, begin=begin, now=now)
        unshown = self._corrections.unshown(slo.name, begin=begin, now=now)
        excluded = self._corrections.excluded(slo.name)
        for group in known.groups:
            parts: list[Observed] = []
            for objective in slo.objectives:
                name = Name(slo.name, objective.name, group)
                one = found.get(name)
                counted = memory.counted.get(f"{slo.name}/{objective.name}")
                parted = tuple(parts) if one is None and is_whole(slo, objective) else ()
                observed = Observed(
                    slo,
                    objective,
                    {} if one is None else one.counts,
                    Counts(0, 0, 0) if one is None else one.own,
                    first_t=None if counted is None else counted.first_t.get(group),
                    last_t=None if one is None else one.last_t,
                    group=group,
                    period=span,
                    parts=parted,
                    corrected=corrected,
                    corrected_unshown=unshown,
                    excluded=excluded,
                    events=_events(known.track, objective, group, found, since=corrected_until - now),
                )
                if parted:
                    observed = replace(observed, first_t=_oldest(parted), last_t=_newest(parted))
                observed = self._judged(observed, name, memory, judged, now, settled=settled)
                parts.append(observed)
                yield observed
            if group and all(one.last_t is None for one in parts):
                judged.silent.setdefault(slo.name, []).append(group)

    def _judged(
        self, observed: Observed, name: Name, memory: Memory, judged: Judged, now: float, *, settled: bool
    ) -> Observed:
        """With the time at which a burn that is under way was first seen (one that is over is forgotten), and its policy.

        While older minutes are being counted, a budget lacks what it spent: nobody's releases are to be let go by that.
        """
        since = None
        # Rules look back 6 h at most; most SLOs had nothing bad in them, and need not be asked.
        recent = observed.counts.get(BURN_SECONDS)
        if (observed.parts or (recent is not None and recent.bad)) and is_burning(observed, now=now):
            since = judged.burning_since[name] = memory.burning_since.get(name, now)
        left, burn = left_and_burn(observed, BURN_SECONDS, now=now)
        policy = self._policies[observed.slo.name]
        stands = memory.policies.get(name)
        if settled or stands is None or stands.policy != policy.name:
            stands = step(stands, policy, remaining=left, burn=burn, now=now)
        judged.policies[name] = stands
        return replace(observed, first_burning_at=since, policy=stands)


def _groups(track: Track, memory: Memory) -> tuple[str, ...]:
    if not track.slo.group_by:
        return ("",)
    return tuple(sorted(groups_of(track, memory))) or ("",)


def groups_of(track: Track, memory: Memory) -> set[str]:
    """The groups of an SLO that are known."""
    counted = (memory.counted.get(f"{track.slo.name}/{objective.name}") for objective in track.with_rows)
    return {group for each in counted if each is not None for group in each.first_t}


def _events(
    track: Track, objective: Objective, group: str, found: Mapping[Name, Found], *, since: float
) -> Mapping[int, Counts]:
    """What slices are made of, by burn window; of a composite, all components' together. Empty where events are what is judged.

    `since`: seconds from now, negative, of the last time that was corrected; windows that reach back to it are left out, as raw rows are not corrected.
    """
    if track.slo.method == "Occurrences":
        return {}
    own = track.components if is_whole(track.slo, objective) else (objective,)
    told = [found[name].counts for each in own if (name := Name(track.slo.name, raw_name(each), group)) in found]
    return (
        {
            seconds: _together([counts[seconds] for counts in told])
            for seconds in BURN_WINDOWS.values()
            if seconds < -since
        }
        if told
        else {}
    )


def _together(parts: Sequence[Counts]) -> Counts:
    return Counts(
        sum(each.good for each in parts), sum(each.bad for each in parts), max(each.observed_minutes for each in parts)
    )


def _oldest(parts: tuple[Observed, ...]) -> int | None:
    return min((each.first_t for each in parts if each.first_t is not None), default=None)


def _newest(parts: tuple[Observed, ...]) -> int | None:
    return max((each.last_t for each in parts if each.last_t is not None), default=None)
