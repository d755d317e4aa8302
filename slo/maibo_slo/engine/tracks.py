"""How each SLO is counted: what a tick would else work out anew for each of ten thousand.

An SLO counts *directly* when its rows are the counts of its cells' minutes. Its rows *follow* from raw ones when they are slices, or when the
minutes come from elsewhere: then these are beside them, and can be judged again.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from maibo_slo.documents import FedSlo, PromSlo, ScaleupSlo, Sli, Slo
from maibo_slo.engine.burn import BURN_WINDOWS
from maibo_slo.engine.calendar import longest_seconds
from maibo_slo.engine.slices import Slicing, slicing_of
from maibo_slo.store import ledger

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from maibo_slo.documents import CellSelector, Objective


class Stream(NamedTuple):
    """An indicator, and the objectives that its counts are for."""

    sli: Sli
    objectives: tuple[Objective, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """How one SLO is counted."""

    slo: Slo | FedSlo
    streams: tuple[Stream, ...]
    """Of cells; none where counts are offered."""
    follows: bool
    """Whether its rows follow from raw ones."""
    slicings: Mapping[str, Slicing]
    """Objective -> how its time is cut; only where rows follow."""
    sources: Mapping[str, str]
    """Objective with rows in the ledger, or raw name -> where these rows come from. Who offers counts names their raw rows' source himself."""
    own_seconds: int
    """The length of its window; of a calendar's, the longest."""
    reach_seconds: int
    """How far back its numbers look: its window, or the longest burn window if that is longer."""

    @property
    def is_offered(self) -> bool:
        """Whether its counts come from elsewhere than cells."""
        return not self.streams

    @property
    def components(self) -> tuple[Objective, ...]:
        """What is counted: of a composite, all but the objective that judges the whole."""
        return tuple(objective for objective in self.slo.objectives if not is_whole(self.slo, objective))

    @property
    def with_rows(self) -> tuple[Objective, ...]:
        """A composite by Occurrences is judged by its parts, and has no rows itself."""
        return tuple(objective for objective in self.slo.objectives if objective.name in self.sources)


@dataclass(frozen=True, slots=True, eq=False)
class Tracks:
    """All of them, by the SLO's name."""

    by_slo: Mapping[str, Track] = field(default_factory=dict)
    reach_seconds: int = 0
    """The longest."""

    def following(self, slos: Iterable[Slo | FedSlo]) -> Tracks:
        """These SLOs' tracks; those of SLOs that are the same object as before are kept."""
        tracks = {
            slo.name: known if (known := self.by_slo.get(slo.name)) is not None and known.slo is slo else track_of(slo)
            for slo in slos
        }
        return Tracks(tracks, max((track.reach_seconds for track in tracks.values()), default=0))


def track_of(slo: Slo | FedSlo) -> Track:
    """How this SLO is counted."""
    follows = slo.method != "Occurrences" or isinstance(slo, FedSlo)
    rows = [each for each in slo.objectives if slo.method != "Occurrences" or not is_whole(slo, each)]
    sources = {each.name: source_of(slo, each) for each in rows}
    if follows and isinstance(slo, Slo):
        sources |= {raw_name(each): raw_source_of(slo, each) for each in rows if not is_whole(slo, each)}
    own = slo.window_seconds if slo.calendar is None else longest_seconds(slo.calendar)
    return Track(
        slo=slo,
        streams=_streams(slo),
        follows=follows,
        slicings={each.name: slicing_of(slo, each) for each in rows} if follows else {},
        sources=sources,
        own_seconds=own,
        reach_seconds=max(own, *BURN_WINDOWS.values()),
    )


def raw_name(objective: Objective) -> str:
    """Under which name its raw rows are."""
    return ledger.RAW + objective.name


def is_whole(slo: Slo | FedSlo, objective: Objective) -> bool:
    """Whether it judges a composite as a whole."""
    return slo.is_composite and objective.indicator is None


def source_of(slo: Slo | FedSlo, objective: Objective) -> str:
    """``journey:HASH``, where an objective's counts come from; if it were counted in another way, it would be another one, whatever its name."""
    meaning = _meaning(slo, objective)
    if slo.method != "Occurrences":
        meaning = [meaning, slo.method, *slicing_of(slo, objective)[:1], objective.slice_target, repr(slo.calendar)]
    if is_whole(slo, objective):
        parts = [each for each in slo.objectives if not is_whole(slo, each)]
        meaning = [meaning, [[_meaning(slo, each), each.weight, each.slice_target] for each in parts]]
    return f"{slo.source}:{_hashed(meaning)}"


def raw_source_of(slo: Slo, objective: Objective) -> str:
    """Where its raw rows come from."""
    return f"journey:{_hashed(_meaning(slo, objective))}"


def _streams(slo: Slo | FedSlo) -> tuple[Stream, ...]:
    if isinstance(slo, FedSlo):
        return ()
    if not slo.is_composite:
        return (Stream(slo.indicator, slo.objectives),)
    return tuple(Stream(each.indicator, (each,)) for each in slo.objectives if isinstance(each.indicator, Sli))


def _meaning(slo: Slo | FedSlo, objective: Objective) -> list[object]:
    """What is counted."""
    if isinstance(slo, PromSlo):
        return [None if query is None else query.query for query in (slo.total, slo.good, slo.bad)]
    if isinstance(slo, ScaleupSlo):
        counted = slo.indicator
        return [*sorted(counted.workloads), counted.within_seconds, counted.begin, counted.until]
    if not isinstance(slo, Slo):
        raise TypeError(f"nothing is known of what SLO {slo.name!r} counts")
    own = objective.indicator
    sli = own if isinstance(own, Sli) else slo.indicator
    selectors: list[object] = [_plain(each) for each in (sli.total, sli.good, sli.bad)]
    return [*selectors, list(slo.group_by)] if slo.group_by else selectors


def _plain(selector: CellSelector | None) -> dict[str, object] | None:
    if selector is None:
        return None
    where = {dimension: sorted(values) for dimension, values in selector.where.items()}
    return {
        "journey": selector.journey,
        "step": selector.step,
        "outcomes": sorted(selector.outcomes),
        "max_duration_us": selector.max_duration_us,
        "where": where,
    }


def _hashed(meaning: list[object]) -> str:
    return hashlib.blake2b(json.dumps(meaning, sort_keys=True).encode(), digest_size=8).hexdigest()
