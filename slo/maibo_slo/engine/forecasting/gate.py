"""Whether a forecast may be acted upon: only where, on what came lately, it beat persistence.

Rolling origin: the newest part of the history is cut into folds; for each, models learn from what was before it alone and forecast every minute
in it. A forecast is judged by the pinball loss of the quantile that is acted upon (Koenker and Bassett 1978), against persistence
with an empirical spread of its own. It abstains otherwise, and says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from maibo_slo.engine.forecasting.models import NEEDS_MINUTES, Fitted, ModelName, fit_model
from maibo_slo.engine.forecasting.series import DAY_MINUTES, STALE_MINUTES, Logs, offset_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

MARGIN: Final = 0.03
"""By this share a model must beat persistence, in all; less is chance."""
FOLDS: Final = 4
LEAST_WON: Final = 3
"""Folds in which it must be better, so that no single good hour decides."""
SIMPLER: Final = 0.01
"""A model with more columns must be better than one with fewer by this share."""
LEAST_KNOWN: Final = 0.8
"""Of the last day's minutes, and of the whole history's."""
_TESTED: Final = 1 / 3
_MOST_TESTED_MINUTES: Final = 4 * DAY_MINUTES
_LEAST_TESTED: Final = 60
"""Minutes in a fold."""
LEARNED_MINUTES: Final = 15 * DAY_MINUTES
"""Of history; what is older is not looked at."""
_THIN: Final = "its history is too thin to try a model on"


@dataclass(frozen=True, slots=True)
class Score:
    """How a model did on what came."""

    model: ModelName
    pinball: float
    """Mean pinball loss of the quantile that is acted upon, calls a second."""
    coverage: Mapping[float, float]
    """Level -> share of minutes that came to no more than its quantile."""
    minutes: int
    """Forecasts that were judged."""
    won: int
    """Folds in which it beat persistence."""


@dataclass(frozen=True, slots=True)
class Gate:
    """The model to ask, and whether to act on what it says."""

    fitted: Fitted
    abstained: str
    """Why not to, by the history that it was fitted on; '' to act."""
    scores: tuple[Score, ...] = ()
    """Of every model that could be tried, persistence first; () where there was too little history to try any."""

    @property
    def model(self) -> ModelName:
        """That is asked: persistence where the gate abstains."""
        return self.fitted.model

    def score(self, model: ModelName) -> Score | None:
        return next((score for score in self.scores if score.model == model), None)


def fit(rates: NDArray[np.float64], *, minutes: int, levels: Sequence[float], quantile: float = 0.9) -> Gate:
    """Choose and fit a model for so many minutes ahead, from rates by the minute without known events (NaN: not known).

    `levels` ascending, in (0, 1); `quantile`: the level that is acted upon. Where nothing can be learned, the gate's model is persistence
    without a spread.
    """
    rates = rates[-LEARNED_MINUTES:]
    logs = Logs.of(rates, offset_of(rates))
    known = ~np.isnan(logs.values)
    rows = _rows(known, minutes)
    refusal = history_refusal(known) or short(known, minutes)
    if len(rows) < NEEDS_MINUTES["persistence"]:
        return Gate(_flat(logs, minutes, levels), refusal or _THIN)
    persistence = fit_model("persistence", logs, rows, minutes, levels)
    if refusal:
        return Gate(persistence, refusal)
    scores = _backtest(logs, rows, minutes, levels, quantile)
    if len(scores) < 2:
        return Gate(persistence, _THIN, tuple(scores))
    best = scores[1]
    for score in scores[2:]:
        if score.pinball < best.pinball * (1 - SIMPLER):
            best = score
    why = _judge(best, scores[0], quantile)
    return Gate(persistence if why else fit_model(best.model, logs, rows, minutes, levels), why, tuple(scores))


def history_refusal(known: NDArray[np.bool_]) -> str:
    """Why this history, True where a minute is known, is nothing to forecast from; '' when it is."""
    return stale(known) or gaps(known)


def stale(known: NDArray[np.bool_]) -> str:
    """Why there is no minute to go on from; '' when there is."""
    if not known.any():
        return "no demand is known yet"
    age = int(np.argmax(known[::-1]))
    return f"its history is stale: the newest known minute is {age} minutes old" if age > STALE_MINUTES else ""


def gaps(known: NDArray[np.bool_]) -> str:
    """Why too much of this history is missing, which has a known minute; '' when it is not."""
    first = int(np.argmax(known))
    for name, part in (("last day", known[max(first, len(known) - DAY_MINUTES) :]), ("history", known[first:])):
        if part.mean() < LEAST_KNOWN:
            return f"its history has gaps: only {part.mean():.0%} of the {name} is known"
    return ""


def short(known: NDArray[np.bool_], minutes: int) -> str:
    """Why this history is too short to learn growth over so many minutes, and to see whether that was worth anything; '' when it is not."""
    tested = max(FOLDS * _LEAST_TESTED / _TESTED, (NEEDS_MINUTES["trend"] + minutes) / (1 - _TESTED))
    if known.sum() >= tested + minutes:
        return ""
    return f"its history is short: {known.sum() / 60:.1f} h are known, {(tested + minutes) / 60:.0f} h are needed"


def pinball(came: NDArray[np.float64], quantile: NDArray[np.float64], level: float) -> NDArray[np.float64]:
    """Loss of saying `quantile` where that came: level times what was missing, or 1 - level times what was too much."""
    missing = came - quantile
    return np.maximum(level * missing, (level - 1) * missing)


def _rows(known: NDArray[np.bool_], minutes: int) -> NDArray[np.int64]:
    """Minutes that are known with what came after them."""
    return np.flatnonzero(known[: max(len(known) - minutes, 0)] & known[minutes:])


def _flat(logs: Logs, minutes: int, levels: Sequence[float]) -> Fitted:
    spread = (0.0,) * len(levels)
    return Fitted("persistence", minutes, tuple(levels), logs.offset, (), (), (), (spread,))


def _backtest(
    logs: Logs, rows: NDArray[np.int64], minutes: int, levels: Sequence[float], quantile: float
) -> list[Score]:
    """Of every model that can learn before the first fold; persistence first."""
    first, end = int(rows[0]), int(rows[-1]) + 1
    tested = min(int((end - first) * _TESTED), _MOST_TESTED_MINUTES)
    begin = end - tested
    if tested < FOLDS * _LEAST_TESTED:
        return []
    edges = np.linspace(begin, end, FOLDS + 1).astype(int)
    losses: dict[ModelName, list[float]] = {}
    coverage: dict[ModelName, list[NDArray[np.bool_]]] = {}
    judged = (*levels, quantile)
    for name, needs in NEEDS_MINUTES.items():
        if begin - minutes - first < needs:
            continue
        for low, high in pairwise(edges):
            # What came after the fold's begin was not known there: origins end so early that their end is before it.
            learned, asked = rows[rows < low - minutes], rows[(rows >= low) & (rows < high)]
            if len(learned) < NEEDS_MINUTES["persistence"] or not len(asked):
                continue
            fitted = fit_model(name, logs, learned, minutes, judged)
            said = fitted.quantiles(logs, asked)
            came = np.exp(logs.values[asked + minutes]) - logs.offset
            losses.setdefault(name, []).append(float(pinball(came, said[:, -1], quantile).sum()))
            coverage.setdefault(name, []).append(came[:, None] <= said[:, :-1] * (1 + 1e-9) + 1e-9)
    return [_score(name, losses[name], losses["persistence"], coverage[name], levels) for name in losses]


def _score(
    name: ModelName,
    losses: Sequence[float],
    persistence: Sequence[float],
    coverage: Sequence[NDArray[np.bool_]],
    levels: Sequence[float],
) -> Score:
    covered = np.concatenate(coverage)
    return Score(
        name,
        sum(losses) / len(covered),
        dict(zip(levels, map(float, covered.mean(axis=0)), strict=True)),
        len(covered),
        sum(mine < other for mine, other in zip(losses, persistence, strict=True)),
    )


def _judge(best: Score, persistence: Score, quantile: float) -> str:
    """Why to abstain; '' where the model is really better."""
    if not persistence.pinball:
        return "nothing ever changed: there is nothing to forecast"
    gain = 1 - best.pinball / persistence.pinball
    if gain < MARGIN:
        how = f"better than persistence by {gain:.1%} only" if gain >= 0 else f"worse than persistence by {-gain:.1%}"
        return f"{best.model} is {how} (pinball loss at {quantile:g}, {best.minutes} forecasts of late); {MARGIN:.0%} are needed"
    if best.won < LEAST_WON:
        return f"{best.model} beat persistence in {best.won} of {FOLDS} stretches of late only; {LEAST_WON} are needed"
    return ""
