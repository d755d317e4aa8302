"""One forecast: quantiles of demand at now + lead time, from history alone. Pure, so that a service and a simulation say the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from maibo_slo.engine.forecasting.gate import LEARNED_MINUTES, Gate, fit, gaps, history_refusal, short, stale
from maibo_slo.engine.forecasting.series import (
    DAY_MINUTES,
    STALE_MINUTES,
    Logs,
    factor_at,
    lead_minutes,
    without_expected,
)
from maibo_slo.engine.scaling.inputs import Forecast

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from maibo_slo.documents.scaling_kinds import ExpectedLoad

LEVELS: Final = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
MOST_TIMES: Final = 3.0
"""Of the highest minute that the history has: what a model makes of more is its own invention."""
ASKED_MINUTES: Final = 8 * DAY_MINUTES + 60
"""Of the history's end are looked at when a model is asked; fitting one looks at `gate.LEARNED_MINUTES`."""


def forecast(
    history: NDArray[np.float64],
    *,
    now: float,
    lead_seconds: float,
    levels: Sequence[float] = LEVELS,
    expected: Sequence[ExpectedLoad] = (),
    quantile: float = 0.9,
    gate: Gate | None = None,
) -> Forecast:
    """Quantiles of the demand in the minute that holds now + `lead_seconds`.

    `history`: calls a second, minute by minute, the last one ending at `now`; NaN is not known. `levels` ascending in (0, 1). `expected`: known
    events, past ones too; the answer has the factor of the one at now + lead in it. `quantile`: the level that will be acted upon, by which models are judged. `gate`: from an
    earlier `gate_of`, made some hours ago at most, with the same lead time and levels, which makes this a matter of a millisecond;
    without one the model is chosen and fitted here (some 0.1 s for two weeks).

    Never raises for what the history holds: `Forecast.abstained` says what is wrong with it, and `quantiles` are {} where there is not
    even persistence to tell, for want of a fresh minute or of the hour that its spread is from; unless a known event acts on what is there. ValueError for a lead time under 0 s or over 12 h,
    and for a gate of another lead time or other levels.
    """
    minutes = lead_minutes(lead_seconds)
    if gate is None:
        gate = gate_of(history, now=now, lead_seconds=lead_seconds, levels=levels, expected=expected, quantile=quantile)
    elif (gate.fitted.minutes, gate.fitted.levels) != (minutes, tuple(levels)):
        raise ValueError(f"the gate is of {gate.fitted.minutes} minutes ahead and levels {gate.fitted.levels}")
    factor = factor_at(expected, now + lead_seconds)
    rates = _clean(history[-ASKED_MINUTES:], now=now, expected=expected)
    known = ~np.isnan(rates)
    abstained = history_refusal(known) or (gate.abstained if gate.scores else _untried(~np.isnan(history), minutes))
    told = factor != 1 or (gate.fitted.has_spread and not stale(known))
    found = _quantiles(rates, gate) if told else ()
    return Forecast(
        made_at=now,
        at=now + lead_seconds,
        quantiles={level: float(value) * factor for level, value in zip(levels, found, strict=False)},
        model=gate.model,
        abstained=abstained,
        expected_factor=factor,
    )


def gate_of(
    history: NDArray[np.float64],
    *,
    now: float,
    lead_seconds: float,
    levels: Sequence[float] = LEVELS,
    expected: Sequence[ExpectedLoad] = (),
    quantile: float = 0.9,
) -> Gate:
    """The model for this history and lead time, and whether to act on it: for `forecast`, asked now and then. Arguments as there."""
    rates = _clean(history, now=now, expected=expected)
    return fit(rates, minutes=lead_minutes(lead_seconds), levels=levels, quantile=quantile)


def _clean(history: NDArray[np.float64], *, now: float, expected: Sequence[ExpectedLoad]) -> NDArray[np.float64]:
    """Without known events; what cannot be a rate is not known."""
    rates = np.where(np.isfinite(history) & (history >= 0), history, np.nan)
    return without_expected(rates, now=now, expected=expected)


def _untried(known: NDArray[np.bool_], minutes: int) -> str:
    """Why to abstain where no model could be tried when the gate was made, by what is known since."""
    known = known[-LEARNED_MINUTES:]
    return (
        short(known, minutes)
        or gaps(known)
        or "no model was tried yet: its history has only now become fit to learn from"
    )


def _quantiles(rates: NDArray[np.float64], gate: Gate) -> NDArray[np.float64]:
    """From the newest minute that is known; zeros where none is."""
    known = np.flatnonzero(~np.isnan(rates))
    if not len(known):
        return np.zeros(len(gate.fitted.levels))
    newest = int(known[-1])
    if len(rates) - 1 - newest <= STALE_MINUTES:
        rates = rates.copy()
        rates[newest:] = rates[newest]
        newest = len(rates) - 1
    found = gate.fitted.quantiles(Logs.of(rates, gate.fitted.offset), np.array([newest]))
    return np.minimum(np.asarray(found[0], dtype=np.float64), MOST_TIMES * float(np.nanmax(rates)))
