"""States of an objective as the pages show them: word, icon, colour, and how bad. The engine's rules decide which it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from maibo_slo.service.pages.language import marked

if TYPE_CHECKING:
    from collections.abc import Mapping

POLICY_TONES: Mapping[str, str] = {"healthy": "good", "slow": "warn", "frozen": "bad"}


@dataclass(frozen=True, slots=True)
class State:
    """What a state of an objective is called, which icon and colour it has, and how bad it is."""

    word: str
    icon: str
    tone: str
    rank: int
    meaning: str


STATES: Mapping[str, State] = {
    "exhausted": State(marked("Exhausted"), "cross", "bad", 0, marked("the error budget is spent")),
    "burning_fast": State(
        marked("Burning fast"),
        "fast",
        "bad",
        1,
        marked("the error budget is being spent so fast that someone should act now"),
    ),
    "burning": State(
        marked("Burning"), "up", "warn", 2, marked("the error budget is being spent faster than it lasts")
    ),
    "stale": State(marked("Stale"), "clock", "warn", 3, marked("there was data, but none of late")),
    "no_data": State(
        marked("No data"), "none", "quiet", 4, marked("nothing has been observed yet: neither good nor bad")
    ),
    "ok": State(marked("OK"), "check", "good", 5, marked("the error budget lasts")),
}

RANKS: Mapping[str, int] = {name: state.rank for name, state in STATES.items()}


def state_of(name: str) -> State:
    """The one of this name; a new one of the engine's is told by its name."""
    return STATES.get(name) or State(name, "none", "quiet", 6, name)
