"""All strategies by name, from what everybody has to what nobody can."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from benchmarks.autoscaling import schedules
from benchmarks.autoscaling.foreseen import Foreseen
from benchmarks.autoscaling.ours import Ours, Parts, with_target
from benchmarks.autoscaling.stock import CpuHpa, KedaRate
from benchmarks.autoscaling.world import Named, Setting, Strategy

if TYPE_CHECKING:
    from collections.abc import Mapping

ORACLE: Final = "oracle"
STOCK: Final = "hpa-65"
OURS: Final[Mapping[str, Parts]] = {
    "maibo": Parts(),
    "maibo+forecast": Parts(predictive=True),
    "maibo+fast": Parts(predictive=True, fast_lane=True),
    "maibo+pool": Parts(predictive=True, fast_lane=True, pool=True),
    "maibo+image": Parts(predictive=True, fast_lane=True, pool=True, image_ahead=True),
}
"""Each with what the one before it has."""
FULLEST: Final = "maibo+image"
PODS: Final = "maibo-pods"
"""Where the cluster has no CapacityBuffer, a balloon of so many pods."""
TIGHT: Final = "maibo-tight"
"""How much can be utilised, where every part helps."""
TIGHT_UTILISATION: Final = 0.95


def strategies(changes: Mapping[str, float] | None = None) -> dict[str, Named]:
    """`changes`: of maibo's defaults, see `ours.with_target`."""
    found = [
        Named("static", "the peak's replicas, always", schedules.static_peak),
        Named("hpa-50", "HPA on CPU, 50 %", partial(_cpu, percent=50)),
        Named(STOCK, "HPA on CPU, 65 %", partial(_cpu, percent=65)),
        Named("hpa-80", "HPA on CPU, 80 %", partial(_cpu, percent=80)),
        Named("keda", "KEDA on calls a second, 65 %", KedaRate),
        Named("cron", "each hour as a week before", schedules.cron),
        Named("day-naive", "as yesterday", schedules.day_naive),
        Named(ORACLE, "knows the future", schedules.oracle),
        *(Named(name, _summary(parts), _Maibo(parts, changes or {}).make) for name, parts in OURS.items()),
        _fullest(PODS, "the pool a number of pods", replace(OURS[FULLEST], pods_alone=True), changes or {}),
        _fullest(
            TIGHT, "nearer to the safe load", OURS[FULLEST], {**(changes or {}), "utilisation": TIGHT_UTILISATION}
        ),
    ]
    return {each.name: each for each in found}


def _fullest(name: str, but: str, parts: Parts, changes: Mapping[str, float]) -> Named:
    return Named(name, f"as {FULLEST}, {but}", _Maibo(parts, changes).make)


def _cpu(setting: Setting, *, percent: int) -> Strategy:
    return CpuHpa(setting, percent)


def _summary(parts: Parts) -> str:
    on = {
        "reactive": True,
        "predictive": parts.predictive,
        "fast lane": parts.fast_lane,
        "burst pool": parts.pool,
        "image pulled ahead": parts.image_ahead,
    }
    return ", ".join(name for name, is_on in on.items() if is_on)


class _Maibo:
    """What is foreseen of a replay is made once for all that are replayed on it in turn."""

    _foreseen: Foreseen | None = None

    def __init__(self, parts: Parts, changes: Mapping[str, float]) -> None:
        self.parts, self.changes = parts, changes

    def make(self, setting: Setting) -> Ours:
        if _Maibo._foreseen is None or _Maibo._foreseen.setting is not setting:
            _Maibo._foreseen = Foreseen(setting)
        return with_target(_Maibo._foreseen, self.parts, self.changes)
