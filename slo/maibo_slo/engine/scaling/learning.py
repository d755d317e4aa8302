"""What is known of targets beyond the moment, each at its own pace: capacity, how SLOs burn, lead times, calls per start of a journey.

All of it is read from the store and may take seconds. Whoever decides reads what was last found, from memory; what could not be found again is kept,
but for burn rates, which are of the last minutes or of nothing.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, ParamSpec

from maibo_slo.documents.scaling_kinds import CapacitySpec
from maibo_slo.engine import lifetimes
from maibo_slo.engine.scaling import capacity as capacities
from maibo_slo.engine.scaling.inputs import BurnSplit, Capacity, Lead
from maibo_slo.engine.scaling.minutes import Minutes
from maibo_slo.engine.scaling.starts import MEASURED_SECONDS, calls_per_start
from maibo_slo.errors import MaiboError
from maibo_slo.store import demand, scaleups
from maibo_slo.store.demand import Calls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from maibo_slo.documents import Catalogue, Correction
    from maibo_slo.documents.scaling_kinds import ScalingTarget
    from maibo_slo.engine.scaling.memories import TargetName
    from maibo_slo.store import Store
    from maibo_slo.store.demand import Begun
    from maibo_slo.store.scaleups import ScaleUp

BURN_EVERY: Final = 30.0
SHARED_EVERY: Final = 60.0
CAPACITY_EVERY: Final = 300.0
LEAD_EVERY: Final = 300.0
BURN_OLD_SECONDS: Final = 180.0
"""A split of what burnt that is older is of no use."""
ASSUMED_LEAD_SECONDS: Final = 90.0
LEAD_HISTORY_SECONDS: Final = 14 * 86_400
FEWEST_SCALEUPS: Final = 5
MOST_SCALEUPS: Final = 200
"""The newest: as many as a P90 needs, and no more than some tenths of a second to read."""
STEPPING_SECONDS: Final = 7 * 86_400
P = ParamSpec("P")
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Learned:
    """Of one target."""

    capacity: Capacity | None = None
    splits: tuple[BurnSplit, ...] = ()
    splits_at: float = 0.0
    lead: Lead = field(default=Lead(ASSUMED_LEAD_SECONDS, "assumed"))
    refill: Lead = field(default=Lead(ASSUMED_LEAD_SECONDS, "assumed"))
    per_start: Mapping[Begun, float] = field(default_factory=dict)

    def splits_of(self, now: float) -> tuple[BurnSplit, ...]:
        """Those that are still true."""
        return self.splits if now - self.splits_at <= BURN_OLD_SECONDS else ()


class Learner:
    """`refresh` finds what is due, in one thread; the others answer from memory, from any."""

    def __init__(
        self,
        store: Store,
        catalogue: Callable[[], Catalogue],
        corrections: Callable[[], Iterable[Correction]],
        *,
        capacities: Mapping[TargetName, Capacity] | None = None,
    ) -> None:
        """`capacities`: as they were remembered."""
        self._store = store
        self._catalogue = catalogue
        self._corrections = corrections
        self._learned = {name: Learned(capacity=each) for name, each in (capacities or {}).items()}
        self._minutes = Minutes(store)
        self._due: dict[tuple[str, TargetName], float] = {}
        self._stepping: Mapping[str, frozenset[str]] | None = None
        self.weights: Mapping[str, float] = {}
        """Service -> events that one span stands for."""

    def of(self, name: TargetName) -> Learned:
        """What is known of a target; of one that nothing is known of, too."""
        return self._learned.get(name, _NOTHING)

    def capacity(self, target: ScalingTarget) -> Capacity | None:
        """As learned last, or as its document says now."""
        spec, known = target.capacity, self.of(name_of(target)).capacity
        is_floor = known is not None and not known.learned and known.why != "fixed" and known.per_replica == spec.floor
        return known if is_floor and spec.fixed is None else capacities.learn((), spec, known)

    def lead(self, target: ScalingTarget) -> Lead:
        """As its document says, or as measured."""
        if target.forecast.lead_seconds is not None:
            return Lead(float(target.forecast.lead_seconds), "said")
        return self.of(name_of(target)).lead

    def refill(self, target: ScalingTarget) -> Lead:
        """How long room that a scale-up took from a burst pool takes to be there again: as its document says, or as measured."""
        said = target.forecast.lead_seconds is not None
        return self.lead(target) if said else self.of(name_of(target)).refill

    def calls(self, target: ScalingTarget) -> Calls:
        """Which cells are its demand."""
        known = self._stepping or {}
        stepping = {service: known.get(service, frozenset()) for service in target.services}
        return Calls(target.services, target.journeys, target.environments, stepping)

    def prepare(self, now: float) -> None:
        """Find what demand cannot be told without, if it was not found yet. StoreError."""
        if self._stepping is None:
            self._stepping = demand.stepping(self._store, int(now - STEPPING_SECONDS))

    def refresh(self, now: float) -> None:
        """Find what is due. What fails is told in the log and tried again when it is due again."""
        targets = {name_of(each): each for each in self._catalogue().scaling_targets.values()}
        self._learned = {name: each for name, each in self._learned.items() if name in targets}
        self._due = {key: at for key, at in self._due.items() if key[1] in targets or key[1] == _SHARED}
        self._minutes.keep(targets)
        if targets and self._is_due("shared", _SHARED, SHARED_EVERY, now):
            self._guarded(self._share, targets, now)
        if self._stepping is None:
            self._due = {}  # which cells are calls is not known: whatever would be counted, would be counted twice
            return
        for name, target in targets.items():
            if self._is_due("burn", name, BURN_EVERY, now):
                self._guarded(self._burn, name, target, now)
            if self._is_due("capacity", name, CAPACITY_EVERY, now):
                self._guarded(self._capacity, name, target)
            if self._is_due("lead", name, LEAD_EVERY, now):
                self._guarded(self._lead, name, target, now)

    def _is_due(self, what: str, name: TargetName, every: float, now: float) -> bool:
        before = self._due.get((what, name))
        if before is not None and 0 <= now - before < every:
            return False
        self._due[what, name] = now
        return True

    @staticmethod
    def _guarded(work: Callable[P, None], *args: P.args, **keywords: P.kwargs) -> None:
        try:
            work(*args, **keywords)
        except MaiboError as error:
            log.warning("what scaling goes by is not found anew: %s", error)

    def _share(self, targets: Mapping[TargetName, ScalingTarget], now: float) -> None:
        """What is asked once for all targets."""
        self._stepping = demand.stepping(self._store, int(now - STEPPING_SECONDS))
        self.weights = demand.weights(self._store, int(now - 300))
        end = int(now) // demand.MINUTE * demand.MINUTE
        begin = end - MEASURED_SECONDS
        calls = demand.calls_between(self._store, begin, end)
        begun = demand.begun_between(self._store, begin, end)
        for name, target in targets.items():
            self._put(name, per_start=calls_per_start(self.calls(target), calls, begun))

    def _burn(self, name: TargetName, target: ScalingTarget, now: float) -> None:
        slos = [slo for each in target.slos if (slo := self._catalogue().slos.get(each)) is not None]
        self._minutes.read(name, target, self.calls(target), slos, list(self._corrections()), now)
        splits = self._minutes.splits(name, slos, self.capacity(target), now)
        self._put(name, splits=splits, splits_at=now)

    def _capacity(self, name: TargetName, target: ScalingTarget) -> None:
        """Kept as it was learned: a floor or ceiling that was wrong, and is mended, must not outlive that as a belief. `capacity` applies them."""
        observations, spec, before = self._minutes.observations(name), target.capacity, self.of(name).capacity
        learned = None if spec.fixed is not None else capacities.learn(observations, CapacitySpec(), before)
        self._put(name, capacity=learned or capacities.learn(observations, spec, before))

    def _lead(self, name: TargetName, target: ScalingTarget, now: float) -> None:
        begin = now - LEAD_HISTORY_SECONDS
        measured = scaleups.scaleups(self._store, begin, now, target.workload, newest=MOST_SCALEUPS)
        if (found := refill(measured)) is not None:
            self._put(name, refill=found)
        if len(measured) < FEWEST_SCALEUPS:
            return
        seconds = lifetimes.lead_time(measured)
        if seconds is not None:
            self._put(name, lead=Lead(seconds, f"P90 of {len(measured)} scale-ups"))
        else:
            least = max(ASSUMED_LEAD_SECONDS, lifetimes.least_lead(measured))
            self._put(name, lead=Lead(least, f"at least: too many of {len(measured)} scale-ups never ended"))

    def _put(self, name: TargetName, **changed: object) -> None:
        self._learned = {**self._learned, name: replace(self.of(name), **changed)}  # type: ignore[arg-type]


def refill(measured: Iterable[ScaleUp]) -> Lead | None:
    """The P90 of scale-ups that waited for a node, `ASSUMED_LEAD_SECONDS` at least; None where too few did, as when a pool works: what was found before holds.

    Not of all of them: a pool that works makes them take seconds, and a pool for the growth of seconds does not work. And where there is a pool, those that wait
    do so for a node that is on its way already, and tell less than a node takes.
    """
    cold = [each for each in measured if not lifetimes.is_warm(each)]
    if len(cold) < FEWEST_SCALEUPS:
        return None
    seconds = lifetimes.lead_time(cold)
    if seconds is None:
        least = max(ASSUMED_LEAD_SECONDS, lifetimes.least_lead(cold))
        return Lead(least, f"at least: too many of {len(cold)} scale-ups that waited for a node never ended")
    if seconds < ASSUMED_LEAD_SECONDS:
        return Lead(
            ASSUMED_LEAD_SECONDS, f"assumed; P90 of {len(cold)} scale-ups that waited for a node: {seconds:.0f} s"
        )
    return Lead(seconds, f"P90 of {len(cold)} scale-ups that waited for a node")


def name_of(target: ScalingTarget) -> TargetName:
    """What a signal is asked for by."""
    return target.workload.namespace, target.name


_NOTHING: Final = Learned()
_SHARED: Final = ("", "")
