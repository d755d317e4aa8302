"""Scenarios: phases of steady traffic with a steady share of failures; built in, or from a file::

- {minutes: 60, per_minute: 1000, failures: 0}
- {minutes: 10, per_minute: 1000, failures: 0.15, name: bad release}
- {minutes: 60, per_minute: 1000}
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import yaml
from msgspec import Meta

from maibo_slo.errors import MaiboError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

HOUR: Final = 60
DAY: Final = 24 * HOUR
MOST_MINUTES: Final = 90 * DAY


class ScenarioError(MaiboError):
    """A scenario that cannot be replayed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """`minutes` of one kind of traffic."""

    minutes: Annotated[int, Meta(ge=1, le=MOST_MINUTES)]
    per_minute: Annotated[float, Meta(ge=0, le=1e9)]
    """Events; 0 is no data."""
    failures: Annotated[float, Meta(ge=0, le=1)] = 0.0
    """Share of the events that are bad."""
    name: Annotated[str, Meta(max_length=80)] = ""


@dataclass(frozen=True, slots=True)
class Scenario:
    """Phases after a flawless past, as long as the SLO's window; or after none, of a service that is new."""

    name: str
    about: str
    phases: tuple[Phase, ...]
    is_new: bool = False


def built_in(name: str, *, rate: float | None) -> Scenario:
    """A scenario of `SCENARIOS`, with `rate` events a minute instead of its own."""
    about, usual, is_new, rows = SCENARIOS[name]
    at = usual if rate is None else rate
    phases = tuple(
        Phase(minutes=minutes, per_minute=at * traffic, failures=failures, name=title)
        for title, minutes, traffic, failures in rows
    )
    return Scenario(name, about, phases, is_new)


def read(path: Path) -> Scenario:
    """Phases from a YAML or JSON file. Raises ScenarioError."""
    try:
        said: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ScenarioError(f"scenario {path} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise ScenarioError(f"scenario {path} is neither YAML nor JSON: {' '.join(str(error).split())}") from None
    try:
        phases = msgspec.convert(said, tuple[_StrictPhase, ...], strict=False)
    except msgspec.ValidationError as error:
        raise ScenarioError(
            f"scenario {path}: {error}; write a list such as [{{minutes: 60, per_minute: 1000, failures: 0.001}}]"
        ) from None
    if not phases:
        raise ScenarioError(f"scenario {path} has no phases")
    if sum(phase.minutes for phase in phases) > MOST_MINUTES:
        raise ScenarioError(f"scenario {path} is longer than {MOST_MINUTES} minutes ({MOST_MINUTES // DAY} days)")
    return Scenario(path.name, "from a file", tuple(phase.phase() for phase in phases))


class _StrictPhase(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A `Phase` of a file: a misspelled field is an error."""

    minutes: Annotated[int, Meta(ge=1, le=MOST_MINUTES)]
    per_minute: Annotated[float, Meta(ge=0, le=1e9)]
    failures: Annotated[float, Meta(ge=0, le=1)] = 0.0
    name: Annotated[str, Meta(max_length=80)] = ""

    def phase(self) -> Phase:
        return Phase(minutes=self.minutes, per_minute=self.per_minute, failures=self.failures, name=self.name)


_Row = tuple[str, int, float, float]
"""Name, minutes, traffic (1: the rate), share of failures."""

_FLAPPING: Final[Sequence[_Row]] = [
    row for _ in range(8) for row in (("failing", 5, 1.0, 0.3), ("healthy", 10, 1.0, 0.0))
]

SCENARIOS: Final[Mapping[str, tuple[str, float, bool, Sequence[_Row]]]] = {
    "outage": (
        "everything fails for 10 minutes",
        1000,
        False,
        [("healthy", 30, 1, 0), ("outage", 10, 1, 1), ("healthy", 120, 1, 0)],
    ),
    "bad-release": (
        "15 % fail for 10 minutes",
        1000,
        False,
        [("healthy", 30, 1, 0), ("bad release", 10, 1, 0.15), ("healthy", 120, 1, 0)],
    ),
    "degraded": (
        "2 % fail for 3 hours",
        1000,
        False,
        [("healthy", 30, 1, 0), ("degraded", 3 * HOUR, 1, 0.02), ("healthy", 4 * HOUR, 1, 0)],
    ),
    "slow-burn": (
        "0.5 % fail for 2 days",
        1000,
        False,
        [("healthy", 60, 1, 0), ("slow burn", 2 * DAY, 1, 0.005), ("healthy", DAY, 1, 0)],
    ),
    "blip": (
        "0.3 % fail for 15 minutes, which is nobody's business",
        1000,
        False,
        [("healthy", 30, 1, 0), ("blip", 15, 1, 0.003), ("healthy", 60, 1, 0)],
    ),
    "flapping": (
        "30 % fail for 5 minutes of every 15, for 2 hours",
        1000,
        False,
        [("healthy", 30, 1, 0), *_FLAPPING, ("healthy", 60, 1, 0)],
    ),
    "low-traffic": (
        "10 events an hour; one fails, then half of them",
        1 / 6,
        False,
        [
            ("healthy", 60, 1, 0),
            ("one fails", 6, 1, 1),
            ("healthy", 6 * HOUR, 1, 0),
            ("half fail", 2 * HOUR, 1, 0.5),
            ("healthy", 8 * HOUR, 1, 0),
        ],
    ),
    "recovery": (
        "an outage that is mended by and by",
        1000,
        False,
        [
            ("healthy", 30, 1, 0),
            ("outage", 5, 1, 1),
            ("half mended", 10, 1, 0.3),
            ("nearly mended", 20, 1, 0.03),
            ("healthy", 2 * HOUR, 1, 0),
        ],
    ),
    "silence": (
        "an outage, and then no telemetry for 3 hours",
        1000,
        False,
        [("healthy", 30, 1, 0), ("outage", 5, 1, 1), ("no data", 3 * HOUR, 0, 0), ("healthy", 60, 1, 0)],
    ),
    "cold-start": (
        "a new service, of whose first 5 minutes 2 % fail",
        1000,
        True,
        [("new", 5, 1, 0.02), ("healthy", 3 * HOUR, 1, 0)],
    ),
}
"""name -> what happens, events a minute, whether the service is new, phases."""
