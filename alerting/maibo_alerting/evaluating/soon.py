"""What is about to fire, with what it lacks: what the page and ``/v1/alerts`` list in one order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maibo_alerting.evaluating.known import held_back_by, waiting_pair
from maibo_slo.engine.burn import burn_rate
from maibo_slo.service.alerts_soon import Soon, in_order

if TYPE_CHECKING:
    from collections.abc import Iterable

    from maibo_alerting.evaluating.reading import Reading
    from maibo_alerting.evaluating.state import State


def soon(states: Iterable[State], readings: Iterable[Reading], *, now: float) -> tuple[Soon, ...]:
    """Of every pending state, in order. `readings`: those of the last step."""
    of = {(each.slo, each.objective, each.group): each for each in readings}
    return in_order(
        _soon(state, of.get((state.key.slo, state.key.objective, state.key.group)), now=now)
        for state in states
        if state.phase == "pending"
    )


def _soon(state: State, reading: Reading | None, *, now: float) -> Soon:
    key = state.key
    pair = None if reading is None else waiting_pair(state, reading)
    if reading is None or pair is None:
        return Soon(**key._asdict(), since=state.since)
    short, long = reading.of(pair.short_seconds), reading.of(pair.long_seconds)
    return Soon(
        **key._asdict(),
        since=state.since,
        long=pair.shape.long,
        short=pair.shape.short,
        threshold=pair.factor,
        burn=burn_rate(short.good, short.bad, target=reading.target),
        slower=burn_rate(long.good, long.bad, target=reading.target),
        held_back_by=held_back_by(pair, reading, now=now) or "",
    )
