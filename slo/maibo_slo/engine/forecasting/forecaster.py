"""Forecasts of every target, made anew each minute beside the service's work, and kept with what came.

The histories are held in memory and grown by what is new; models are chosen and fitted anew each hour, a few seconds of work in a round at most,
the longest waiting first. What was chosen is kept in a small file, so that a restart forecasts with its first round; losing it
costs fitting again, never an answer: a gate is a function of the history. A target whose history cannot be read, or whose forecast fails, keeps what it had, which abstains when it is
old; the others go on.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from math import ceil
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from maibo_slo.engine.forecasting.forecast import LEVELS, forecast, gate_of
from maibo_slo.engine.forecasting.gate import LEARNED_MINUTES
from maibo_slo.engine.forecasting.kept import Kept, Key, recall, remember
from maibo_slo.engine.forecasting.series import MINUTE, MOST_LEAD_SECONDS
from maibo_slo.engine.scaling.inputs import Lead
from maibo_slo.errors import StoreError
from maibo_slo.store import forecasts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from maibo_slo.documents.scaling_kinds import ScalingTarget
    from maibo_slo.engine.forecasting.gate import Gate
    from maibo_slo.engine.scaling.inputs import Forecast
    from maibo_slo.store.client import Store

IN_USE_SECONDS: Final = 70
"""After the minute that a forecast is made from, until the next one takes its place."""
LOOK_BACK_MINUTES: Final = 10
"""How much of a history is read again in each round, for what came late."""
REFIT_SECONDS: Final = 3600
RETRY_SECONDS: Final = 300
"""Until a history that was refused, for being short, stale or full of gaps, is looked at again."""
FIT_SECONDS: Final = 5.0
"""Of a round, for fitting; one that was begun is finished."""
OLD_SECONDS: Final = 300
"""A forecast that could not be made again for so long is not acted upon."""
FILL_AFTER_SECONDS: Final = 120
"""After a minute's end, before it is written beside its forecasts: it is never written again."""
FILL_SECONDS: Final = 1800
FIRST_FILL_SECONDS: Final = 86_400
log = logging.getLogger(__name__)


class History(Protocol):
    """Where demand of the past is from."""

    def __call__(self, target: ScalingTarget, begin: int, end: int, /) -> NDArray[np.float64]:
        """Calls a second of each minute in [begin, end), which are unix s on the minute; NaN is not known. It may raise anything."""
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """A target, and how long a scale-up of it takes."""

    target: ScalingTarget
    lead_seconds: float
    lead_why: str = ""
    """Where that is from, as of `Lead`."""
    refill: Lead | None = None
    """How long a burst pool's room takes to be there again; None: as long as a scale-up."""

    @property
    def lead(self) -> Lead:
        return Lead(self.lead_seconds, self.lead_why)

    @property
    def ahead_seconds(self) -> float:
        """How far its forecast sees, 12 h at most: what is decided at the end of the time that it is used for is ready a lead time later."""
        return min(self.lead_seconds + IN_USE_SECONDS, MOST_LEAD_SECONDS)

    @property
    def key(self) -> Key:
        return self.target.workload.namespace, self.target.name

    @property
    def levels(self) -> tuple[float, ...]:
        """The usual ones, with the one that the target is made ready for."""
        return tuple(sorted({*LEVELS, self.target.forecast.quantile}))


class Forecaster:
    """`refresh` makes them, in one thread; the rest answers from memory, in any."""

    def __init__(
        self,
        history: History,
        *,
        store: Store | None = None,
        path: Path | None = None,
        work_seconds: float = FIT_SECONDS,
    ) -> None:
        """`store`: where forecasts are kept beside what came. `path`: the file that remembers gates over a restart."""
        self._history = history
        self._store = store
        self._path = path
        self._work_seconds = work_seconds
        self._gates: dict[Key, Kept] = recall(path) if path else {}
        self._rates: dict[Key, tuple[int, NDArray[np.float64]]] = {}
        self._of: dict[Key, tuple[tuple[str, ...], ...]] = {}
        """Whose calls the histories are of."""
        self._leads: Mapping[Key, Lead] = {}
        self._refills: Mapping[Key, Lead] = {}
        self._made: Mapping[Key, Forecast] = {}
        self._failed: dict[Key, str] = {}
        self._filled = False

    def forecast(self, namespace: str, target: str, *, now: float) -> Forecast | None:
        """The newest; None before the first. One that could not be made again for `OLD_SECONDS` abstains."""
        made = self._made.get((namespace, target))
        if made is None or now - made.made_at <= OLD_SECONDS or made.abstained:
            return made
        why = self._failed.get((namespace, target), "nothing has made it again")
        return replace(made, abstained=f"it is {now - made.made_at:.0f} s old: {why}")

    def gate(self, namespace: str, target: str) -> Gate | None:
        """What model was chosen and how each did in the backtest; None before it was."""
        kept = self._gates.get((namespace, target))
        return kept.gate if kept else None

    def history(self, namespace: str, target: str) -> NDArray[np.float64] | None:
        """Calls a second by the minute, up to the last refresh that could read them, known events and all; None before the first."""
        known = self._rates.get((namespace, target))
        return known[1] if known else None

    def lead(self, namespace: str, target: str) -> Lead | None:
        """That the last refresh was asked for."""
        return self._leads.get((namespace, target))

    def refill(self, namespace: str, target: str) -> Lead | None:
        """The same, of a burst pool's room."""
        return self._refills.get((namespace, target))

    def refresh(self, asked: Sequence[Asked], *, now: float) -> Mapping[Key, Forecast]:
        """Make all forecasts anew, from the last whole minute before `now`; those of targets that are no longer asked for are forgotten.

        Never raises for one target: what fails is told in the log, once, and in the forecast when it gets old.
        """
        end = int(now) // MINUTE * MINUTE
        self._leads = {each.key: each.lead for each in asked}
        self._refills = {each.key: each.refill or each.lead for each in asked}
        made = {key: each for key, each in self._made.items() if key in self._leads}
        self._forget(asked)
        fitted = self._fit([each for each in asked if each.target.forecast.enabled], end)
        new: list[forecasts.Forecasted] = []
        for each in asked:
            found = self._one(each, end) if each.target.forecast.enabled else None
            if found is not None:
                made[each.key] = found
                if found.quantiles:
                    new.append(_row(each, found))
            elif not each.target.forecast.enabled:
                made.pop(each.key, None)
        self._made = made
        if fitted and self._path is not None:
            remember(self._path, self._gates)
        if self._store is not None:
            self._write(self._store, new, end)
        return made

    def _forget(self, asked: Sequence[Asked]) -> None:
        """What is of targets that are not asked for, or is of other calls than theirs are now."""
        for each in asked:
            of = each.target.services, each.target.journeys, each.target.environments
            if self._of.setdefault(each.key, of) != of:
                self._of[each.key] = of
                self._gates.pop(each.key, None)
                self._rates.pop(each.key, None)
        for kept in (self._gates, self._rates, self._failed, self._of):
            for key in [key for key in kept if key not in self._leads]:
                del kept[key]

    def _fit(self, asked: Sequence[Asked], end: int) -> bool:
        """Choose and fit models where there is none that fits, or it is old; whether any was."""
        began = time.monotonic()
        due: list[tuple[float, Asked]] = []
        for each in asked:
            kept = self._gates.get(each.key)
            if kept is None or not kept.fits(each):
                due.append((0.0, each))
            elif not 0 <= end - kept.fitted_at < (REFIT_SECONDS if kept.gate.scores else RETRY_SECONDS):
                due.append((kept.fitted_at, each))
        done = False
        for _, each in sorted(due, key=lambda one: one[0]):
            if done and time.monotonic() - began > self._work_seconds:
                break
            done = self._fit_one(each, end) or done
        return done

    def _fit_one(self, asked: Asked, end: int) -> bool:
        """From the whole history, read anew: what came very late is in it too."""
        self._rates.pop(asked.key, None)
        rates = self._read(asked, end)
        if rates is None:
            return False
        try:
            quantile = asked.target.forecast.quantile
            gate = gate_of(
                rates,
                now=end,
                lead_seconds=asked.ahead_seconds,
                levels=asked.levels,
                expected=asked.target.expected,
                quantile=quantile,
            )
        except (ValueError, ArithmeticError) as error:
            self._fail(asked.key, f"no model could be fitted: {error}")
            return False
        self._gates[asked.key] = Kept(gate, quantile, end)
        return True

    def _one(self, asked: Asked, end: int) -> Forecast | None:
        kept = self._gates.get(asked.key)
        if kept is None or not kept.fits(asked):
            return None
        rates = self._read(asked, end)
        if rates is None:
            return None
        try:
            made = forecast(
                rates,
                now=end,
                lead_seconds=asked.ahead_seconds,
                levels=asked.levels,
                expected=asked.target.expected,
                quantile=kept.quantile,
                gate=kept.gate,
            )
        except (ValueError, ArithmeticError) as error:
            self._fail(asked.key, f"no forecast could be made: {error}")
            return None
        self._failed.pop(asked.key, None)
        return made

    def _read(self, asked: Asked, end: int) -> NDArray[np.float64] | None:
        """The history that ends with the last whole minute; None where it cannot be read, which is told."""
        known_to, rates = self._rates.get(asked.key, (0, np.zeros(0)))
        if known_to == end:
            return rates
        grown = (end - known_to) // MINUTE
        whole = not len(rates) or not 0 < grown < LEARNED_MINUTES - LOOK_BACK_MINUTES
        minutes = LEARNED_MINUTES if whole else grown + LOOK_BACK_MINUTES
        try:
            new = np.asarray(self._history(asked.target, end - minutes * MINUTE, end), dtype=np.float64)
        except Exception as error:  # noqa: BLE001 -- whatever it is, it is this target's alone; the others' forecasts go on
            self._fail(asked.key, f"its history cannot be read: {error}")
            return None
        if len(new) != minutes:
            self._fail(asked.key, f"its history has {len(new)} minutes where {minutes} were asked for")
            return None
        rates = new if whole else np.concatenate((rates[: len(rates) - LOOK_BACK_MINUTES], new))[-LEARNED_MINUTES:]
        self._rates[asked.key] = (end, rates)
        return rates

    def _fail(self, key: Key, why: str) -> None:
        if self._failed.get(key) != why:
            log.warning("forecast of %s/%s: %s", *key, why)
        self._failed[key] = why

    def _write(self, store: Store, new: Sequence[forecasts.Forecasted], end: int) -> None:
        """A store that fails now is written to with the next round; the forecasts in memory are as good without it."""
        back = FILL_SECONDS if self._filled else FIRST_FILL_SECONDS
        try:
            forecasts.insert(store, new)
            forecasts.fill(store, self._came(back), begin=end - back, end=end - FILL_AFTER_SECONDS + 1)
            self._filled = True
        except StoreError as error:
            log.warning("forecasts could not be kept: %s", error)

    def _came(self, seconds: int) -> dict[Key, dict[int, float]]:
        """Minutes of the histories in memory that are known, so far back."""
        found: dict[Key, dict[int, float]] = {}
        for key, (end, rates) in self._rates.items():
            last = rates[-(seconds // MINUTE) - 1 :]
            begin = end - len(last) * MINUTE
            found[key] = {begin + MINUTE * int(at): float(last[at]) for at in np.flatnonzero(~np.isnan(last))}
        return found


def _row(asked: Asked, made: Forecast) -> forecasts.Forecasted:
    return forecasts.Forecasted(
        *asked.key,
        made_at=int(made.made_at),
        at=ceil(made.at),
        model=made.model,
        abstained=made.abstained,
        expected_factor=made.expected_factor,
        quantiles=made.quantiles,
    )
