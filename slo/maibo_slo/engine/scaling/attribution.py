"""What part of an SLO's burn more replicas would mend, and what part they would only make dearer.

* **By version**: what one version does worse than the others in the same minutes. They share load, dependencies and customers, so the difference is the
  version's; the rollout answers for it.
* **By capacity**: what is left, as far as load explains it: at so many calls a pod it was as bad before, or so many were never seen and it was good
  with fewer, or it is more than a replica's known capacity.
* **Unexplained**: the rest. It was good at this load before, so it is something else: a dependency, customers, the network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from maibo_slo.engine.scaling.inputs import BurnSplit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maibo_slo.engine.scaling.capacity import Observation
    from maibo_slo.engine.scaling.inputs import Capacity

FEWEST_EVENTS: Final = 50
"""Of a version and of the others together, to be compared."""
SURE_Z: Final = 3.0
SIMILAR: Final = 0.9
"""From this share of the load on, it is as much."""
LOWER: Final = 0.75
"""Up to this share of the load, it is less."""
FEWEST_MINUTES: Final = 5
"""With such a load, to know what it does."""


class Outcome(NamedTuple):
    """Good and bad events."""

    good: int
    bad: int

    @property
    def events(self) -> int:
        return self.good + self.bad

    @property
    def share(self) -> float:
        """Of bad ones."""
        return self.bad / self.events if self.events else 0.0


def split(
    slo: str,
    objective: float,
    lately: Mapping[str, Outcome],
    load: float | None,
    history: Sequence[Observation],
    capacity: Capacity | None = None,
) -> BurnSplit | None:
    """Of the events that were `lately` counted by version, at a `load` of so many calls a second and pod (None: not known). `history`: former minutes
    of this SLO. None without events.
    """
    events = sum(each.events for each in lately.values())
    if not events:
        return None
    allowed = events * (1 - objective)
    odd, excess = _of_versions(lately)
    rest = sum(each.bad for each in lately.values()) - excess
    by_load, why = _of_load(rest / events, load, history, capacity)
    by_capacity = rest * by_load
    if odd and excess >= by_capacity:
        worst = max(odd, key=lambda version: lately[version].bad)
        why = f"version {worst} fails {lately[worst].share:.1%}, the others {_rest(lately, odd).share:.1%}"
    return BurnSplit(
        slo,
        burn=(rest + excess) / allowed,
        by_capacity=by_capacity / allowed,
        by_version=excess / allowed,
        unexplained=(rest - by_capacity) / allowed,
        why=why,
        load_known=rest <= 0 or load is not None,
    )


def odd_versions(outcomes: Mapping[str, Outcome]) -> list[str]:
    """Versions that surely fail more than the others do in the same minutes."""
    return _of_versions(outcomes)[0]


def _of_versions(outcomes: Mapping[str, Outcome]) -> tuple[list[str], float]:
    """The odd ones, and their bad events beyond what the others' share would make."""
    odd: list[str] = []
    for version in sorted(outcomes, key=lambda each: -outcomes[each].share):
        rest = _rest(outcomes, [*odd, version])
        if not _surely_worse(outcomes[version], rest):
            break
        odd.append(version)
    usual = _rest(outcomes, odd).share
    return odd, sum(outcomes[version].bad - usual * outcomes[version].events for version in odd)


def _rest(outcomes: Mapping[str, Outcome], without: Sequence[str]) -> Outcome:
    others = [outcome for version, outcome in outcomes.items() if version not in without]
    return Outcome(sum(each.good for each in others), sum(each.bad for each in others))


def _surely_worse(one: Outcome, rest: Outcome) -> bool:
    """By the pooled test of two shares."""
    if min(one.events, rest.events) < FEWEST_EVENTS or one.share <= rest.share:
        return False
    pooled = (one.bad + rest.bad) / (one.events + rest.events)
    variance = pooled * (1 - pooled) * (1 / one.events + 1 / rest.events)
    return (one.share - rest.share) ** 2 > SURE_Z**2 * variance


def _of_load(
    share: float, load: float | None, history: Sequence[Observation], capacity: Capacity | None
) -> tuple[float, str]:
    """The part of this share of bad events that load explains, and why."""
    if share <= 0 or load is None:
        return 0.0, "nothing else is bad" if share <= 0 else "how many calls a pod gets is not known"
    clean = [each for each in history if each.teaches]
    similar = [each for each in clean if each.load >= SIMILAR * load]
    lower = [each for each in clean if each.load <= LOWER * load]
    usual = _share(lower) if len(lower) >= FEWEST_MINUTES else None
    before = _share(similar) if len(similar) >= FEWEST_MINUTES else None
    at = f"{load:.3g} calls/s a pod"
    if before is not None and usual is not None:
        explained = max(0.0, min(1.0, (before - usual) / share))
        if explained < 0.5:
            return explained, f"at {at} it was good before: it is something else"
        return explained, f"at {at} it was {before:.1%} bad before, with fewer {usual:.1%}"
    if capacity is not None and load >= capacity.per_replica:
        return 1.0, f"{at} are over its capacity of {capacity.per_replica:.3g}"
    if before is None and usual is not None and (capacity is None or capacity.learned):
        explained = max(0.0, min(1.0, (share - usual) / share))
        return explained, f"{at} were never seen, and with fewer it was {usual:.1%} bad"
    return 0.0, f"nothing tells that another load than {at} would mend it"


def _share(minutes: Sequence[Observation]) -> float:
    """Of bad events, of the median minute: incidents that nobody told of are few."""
    shares = sorted(each.bad / (each.good + each.bad) for each in minutes)
    return shares[len(shares) // 2]
