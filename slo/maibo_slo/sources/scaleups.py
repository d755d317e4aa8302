"""Scale-ups as a source of counts: an SLO of ``type: scaleup`` is fed from what the recorder of Kubernetes wrote into our own store.

* A scale-up counts once, in the minute of its decision, however long it took.
* Good: as many pods as were added had got so far in time, even at the longest that the resolution of its moments allows. A second that
  Kubernetes did not write never makes an SLO look better.
* Bad: it took longer, or was censored, or still runs when its time is over. Not before that: until then it is no data.
* A minute of an SLO is told when its last scale-up must have been over by what that SLO allows, and a minute later; what the recorder finds
  out within the feeder's look-back after that is counted again.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from maibo_slo.documents import ScaleupSlo
from maibo_slo.engine.counts import GoodBad
from maibo_slo.engine.feeding import SourceError
from maibo_slo.engine.lifetimes import began, latency
from maibo_slo.errors import StoreError
from maibo_slo.store import scaleups as stored
from maibo_slo.store.scaleups import Stage
from maibo_slo.store.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from maibo_slo.documents import FedSlo, Slo
    from maibo_slo.documents.kinds import ScaleupSli
    from maibo_slo.store import Store
    from maibo_slo.store.scaleups import ScaleUp

MINUTE: Final = 60
SETTLE_SECONDS: Final = 60.0
"""After the time that a scale-up may take: moments reach the recorder some seconds late, and its own writing takes a few."""

_PATTERN: Final = re.compile(r"[*?\[]")


class Scaleups:
    """The SLOs that are counted from scale-ups. A `maibo_slo.engine.feeding.Source`."""

    name: str = "scaleups"

    def __init__(self, store: Store, *, now: Callable[[], float] = time.time) -> None:
        self._store = store
        self._now = now

    def serves(self, slo: Slo | FedSlo, /) -> bool:
        """Whether its events are scale-ups."""
        return isinstance(slo, ScaleupSlo)

    def settle_seconds(self, slo: Slo | FedSlo, /) -> float:
        """The time that it allows, and a minute."""
        return SETTLE_SECONDS + _indicator(slo).within_seconds

    def source_of(self, slo: Slo | FedSlo, /) -> str:
        """``scaleup:HASH``: of the workloads, the time allowed, and from when until when it goes."""
        sli = _indicator(slo)
        meaning = json.dumps([sorted(sli.workloads), sli.within_seconds, sli.begin, sli.until])
        return f"scaleup:{hashlib.blake2b(meaning.encode(), digest_size=8).hexdigest()}"

    def counts(self, slo: Slo | FedSlo, begin: int, end: int, /) -> Mapping[int, GoodBad]:
        """Its scale-ups by the minute of their decision, in [begin, end). Raises SourceError."""
        sli, now = _indicator(slo), self._now()
        try:
            found = stored.scaleups(self._store, begin, end, _only(sli))
        except StoreError as error:
            raise SourceError(f"scale-ups cannot be read: {error}") from error
        counted: defaultdict[int, list[bool]] = defaultdict(list)
        for each in found:
            minute = int(each.moments[Stage.DECIDED].earliest) // MINUTE * MINUTE
            if (
                begin <= minute < end
                and sli.counts(each.workload)
                and (good := is_good(each, sli, now=now)) is not None
            ):
                counted[minute].append(good)
        return {minute: GoodBad(sum(of), len(of) - sum(of)) for minute, of in counted.items()}


def is_good(scaleup: ScaleUp, sli: ScaleupSli, *, now: float) -> bool | None:
    """Whether it was done in time; None: its time is not over yet."""
    took = latency(scaleup, since=sli.begin, until=sli.until, now=now)
    if took.observed:
        return took.upper <= sli.within_seconds
    is_due = now >= began(scaleup, sli.begin).latest + sli.within_seconds
    return False if is_due else None


def _only(sli: ScaleupSli) -> Workload | None:
    """The workload, where it counts those of one alone: others' need not be read."""
    [first, *more] = sli.workloads
    return None if more or _PATTERN.search(first) else Workload.of(first)


def _indicator(slo: Slo | FedSlo) -> ScaleupSli:
    if not isinstance(slo, ScaleupSlo):
        raise ValueError(f"SLO {slo.name} is not counted from scale-ups")  # noqa: TRY004 -- as every other source has it
    return slo.indicator
