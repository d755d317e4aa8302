"""Demand: calls that services get, by the 10 s for what is now, by the minute for what was, and what came of them.

One call is one event of a step of a journey in a service. Where a journey never has a step in a service, its ends there are its calls. Journeys that
their customers left are none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from maibo.semconv import ABANDONED
from maibo_slo.store.selection import require_dimensions

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray

    from maibo_slo.store.client import Store

MINUTE = 60
Begun = tuple[str, str]
"""Environment and journey."""


class CallsKey(NamedTuple):
    """Where calls were counted."""

    environment: str
    service: str
    journey: str
    is_step: bool
    """Else the journey's ends."""


@dataclass(frozen=True, slots=True)
class Calls:
    """Which cells are one workload's demand."""

    services: tuple[str, ...]
    journeys: tuple[str, ...] = ()
    """() all."""
    environments: tuple[str, ...] = ()
    """() all."""
    stepping: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Service -> the journeys that have steps there: of these, ends are no calls."""

    def concerns(self, key: CallsKey) -> bool:
        """Whether these are of its services, journeys and environments, be they calls or ends beside them."""
        return (
            key.service in self.services
            and (not self.journeys or key.journey in self.journeys)
            and (not self.environments or key.environment in self.environments)
        )

    def has(self, key: CallsKey) -> bool:
        """Whether these are calls of the workload."""
        return self.concerns(key) and (key.is_step or key.journey not in self.stepping.get(key.service, frozenset()))

    def condition(self) -> tuple[str, dict[str, Any]]:
        """The same as SQL on a table called ``c``, and the values of the parameters in it."""
        ways: list[str] = []
        parameters: dict[str, Any] = {"abandoned": ABANDONED}
        for place, service in enumerate(self.services):
            parameters |= {f"service{place}": service, f"steps{place}": sorted(self.stepping.get(service, ()))}
            ways.append(
                f"(c.service = {{service{place}:String}} AND (c.step != '' OR c.journey NOT IN {{steps{place}:Array(String)}}))"
            )
        conditions = [f"({' OR '.join(ways) or '0'})", "c.outcome != {abandoned:String}"]
        for name, values in (("journey", self.journeys), ("environment", self.environments)):
            if values:
                conditions.append(f"c.{name} IN {{{name}s:Array(String)}}")
                parameters[f"{name}s"] = list(values)
        return " AND ".join(conditions), parameters


def recent(store: Store, begin: int) -> dict[CallsKey, dict[int, int]]:
    """Of every service: begin of a 10 s bucket from `begin` on (unix s) -> calls or ends in it. StoreError."""
    table = store.arrow(
        "SELECT toInt64(toUnixTimestamp(c.t)) AS at, environment, service, journey, step != '' AS is_step, toInt64(sum(n)) AS calls "
        "FROM cells_10s AS c WHERE c.t >= toDateTime({begin:UInt32}, 'UTC') AND outcome != {abandoned:String} "
        "GROUP BY at, environment, service, journey, is_step",
        {"begin": begin, "abandoned": ABANDONED},
    )
    found: dict[CallsKey, dict[int, int]] = {}
    columns = ("at", "environment", "service", "journey", "is_step", "calls")
    for t, environment, service, journey, is_step, n in zip(
        *(table[name].to_pylist() for name in columns), strict=True
    ):
        found.setdefault(CallsKey(environment, service, journey, bool(is_step)), {})[t] = n
    return found


def stepping(store: Store, begin: int) -> dict[str, frozenset[str]]:
    """Service -> journeys that had a step there since `begin` (unix s), to the hour. StoreError."""
    rows = store.rows(
        "SELECT service, groupUniqArray(journey) FROM cells_1h WHERE t >= toDateTime({begin:UInt32}, 'UTC') AND step != '' "
        "GROUP BY service",
        {"begin": begin // 3_600 * 3_600},
    )
    return {service: frozenset(journeys) for service, journeys in rows}


def weights(store: Store, begin: int) -> dict[str, float]:
    """Service -> events that one span of it stood for since `begin` (unix s), to the minute; 1 where absent. StoreError."""
    rows = store.rows(
        "SELECT s.service, a.events, s.events, s.spans FROM (SELECT service, sum(n) AS events, sum(spans) AS spans FROM sampled_1m "
        "WHERE t >= toDateTime({begin:UInt32}, 'UTC') GROUP BY service) AS s INNER JOIN (SELECT service, sum(n) AS events FROM cells_1m "
        "WHERE t >= toDateTime({begin:UInt32}, 'UTC') GROUP BY service) AS a ON a.service = s.service",
        {"begin": begin // MINUTE * MINUTE},
    )
    return {
        service: max(1.0, int(events) / max(1, int(events) - int(sampled) + int(spans)))
        for service, events, sampled, spans in rows
    }


def starts(store: Store, begin: int) -> dict[Begun, dict[int, int]]:
    """Begin of a 10 s bucket from `begin` on (unix s) -> journeys that began in it. StoreError."""
    rows = store.rows(
        "SELECT environment, journey, toUnixTimestamp(s.t) AS at, sum(s.started) FROM starts_10s AS s "
        "WHERE s.t >= toDateTime({begin:UInt32}, 'UTC') GROUP BY environment, journey, at",
        {"begin": begin},
    )
    found: dict[Begun, dict[int, int]] = {}
    for environment, journey, t, begun in rows:
        found.setdefault((environment, journey), {})[int(t)] = int(begun)
    return found


def begun_between(store: Store, begin: int, end: int) -> dict[Begun, int]:
    """Journeys that began in [begin, end), unix s, widened to minutes: to be held against `calls_between`, as it is counted with these. StoreError."""
    rows = store.rows(
        "SELECT environment, journey, sum(started) AS begun FROM flow_1m AS f WHERE f.t >= toDateTime({begin:UInt32}, 'UTC') "
        "AND f.t < toDateTime({end:UInt32}, 'UTC') GROUP BY environment, journey HAVING begun > 0",
        {"begin": begin // MINUTE * MINUTE, "end": -(-end // MINUTE) * MINUTE},
    )
    return {(environment, journey): int(begun) for environment, journey, begun in rows}


def calls_between(store: Store, begin: int, end: int) -> dict[CallsKey, int]:
    """Of every service in [begin, end), unix s, widened to minutes. StoreError."""
    rows = store.rows(
        "SELECT environment, service, journey, step != '' AS is_step, sum(n) FROM cells_1m AS c WHERE c.t >= toDateTime({begin:UInt32}, 'UTC') "
        "AND c.t < toDateTime({end:UInt32}, 'UTC') AND outcome != {abandoned:String} GROUP BY environment, service, journey, is_step",
        {"begin": begin // MINUTE * MINUTE, "end": -(-end // MINUTE) * MINUTE, "abandoned": ABANDONED},
    )
    return {
        CallsKey(environment, service, journey, bool(is_step)): int(n)
        for environment, service, journey, is_step, n in rows
    }


def history(store: Store, which: Calls, begin: int, end: int) -> NDArray[np.float64]:
    """Calls a second in each minute of [begin, end), multiples of 60: a minute in which no service sent anything is NaN, one in which others did
    0. Minutes are kept for 35 days. StoreError.
    """
    if begin % MINUTE or end % MINUTE or end <= begin:
        raise ValueError(f"minutes begin and end with one, not from {begin} to {end}")
    condition, parameters = which.condition()
    within = "c.t >= toDateTime({begin:UInt32}, 'UTC') AND c.t < toDateTime({end:UInt32}, 'UTC')"
    span = {"begin": begin, "end": end}
    rates = np.full((end - begin) // MINUTE, np.nan)
    heard = store.rows(f"SELECT DISTINCT toUnixTimestamp(c.t) FROM cells_1m AS c WHERE {within}", span)  # noqa: S608 -- fixed names
    rates[[(int(t) - begin) // MINUTE for (t,) in heard]] = 0.0
    rows = store.rows(
        f"SELECT toUnixTimestamp(c.t), sum(c.n) FROM cells_1m AS c WHERE {within} AND {condition} GROUP BY c.t",  # noqa: S608 -- fixed names
        {**parameters, **span},
    )
    for t, n in rows:
        rates[(int(t) - begin) // MINUTE] = int(n) / MINUTE
    return rates


def calls_by_minute(store: Store, which: Calls, begin: int, end: int) -> dict[int, int]:
    """Minute of [begin, end) (unix s) -> calls; minutes without are absent. StoreError."""
    condition, parameters = which.condition()
    rows = store.rows(
        f"SELECT toUnixTimestamp(c.t), sum(c.n) FROM cells_1m AS c WHERE c.t >= toDateTime({{begin:UInt32}}, 'UTC') "  # noqa: S608 -- fixed names
        f"AND c.t < toDateTime({{end:UInt32}}, 'UTC') AND {condition} GROUP BY c.t",
        {**parameters, "begin": begin, "end": end},
    )
    return {int(t): int(n) for t, n in rows}


@dataclass(frozen=True, slots=True)
class Events:
    """Which cells an SLI counts."""

    journey: str
    step: str
    outcomes: tuple[str, ...]
    last_bin: int | None = None
    """Of the bins that count: durations up to a threshold; None all."""
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Dimension -> values."""

    def condition(self, name: str) -> tuple[str, dict[str, Any]]:
        """On a table called ``c``, and the values of the parameters in it, whose names begin with `name`."""
        require_dimensions(list(self.where))
        conditions = [
            f"c.journey = {{{name}_journey:String}}",
            f"c.step = {{{name}_step:String}}",
            f"c.outcome IN {{{name}_outcomes:Array(String)}}",
            *(f"c.{dimension} IN {{{name}_{dimension}s:Array(String)}}" for dimension in self.where),
        ]
        parameters: dict[str, Any] = {
            f"{name}_journey": self.journey,
            f"{name}_step": self.step,
            f"{name}_outcomes": list(self.outcomes),
            **{f"{name}_{dimension}s": list(values) for dimension, values in self.where.items()},
        }
        if self.last_bin is not None:
            conditions.append(f"c.bin <= {{{name}_bin:UInt16}}")
            parameters[f"{name}_bin"] = self.last_bin
        return f"({' AND '.join(conditions)})", parameters


class Judged(NamedTuple):
    """What came of events in a minute of a version."""

    t: int
    """Unix s."""
    version: str
    good: int
    bad: int


def judged_by_minute(
    store: Store,
    total: Events,
    chosen: Events,
    begin: int,
    end: int,
    *,
    are_good: bool = True,
    services: Collection[str] = (),
) -> list[Judged]:
    """Events by minute of [begin, end) (unix s) and version, the oldest first: the chosen among the total are the good ones, or the bad ones.

    Of these `services`, where any of the events are theirs; else of all: a journey's SLO may be counted in another service than the one that is slow.
    StoreError.
    """
    all_, parameters = total.condition("total")
    those_, others = chosen.condition("chosen")
    rows = store.rows(
        f"SELECT toUnixTimestamp(c.t), c.version, c.service IN {{services:Array(String)}} AS own, sum(n), sumIf(n, {those_}) "  # noqa: S608 -- fixed names
        "FROM cells_1m AS c WHERE c.t >= toDateTime({begin:UInt32}, 'UTC') AND c.t < toDateTime({end:UInt32}, 'UTC') "
        f"AND {all_} GROUP BY c.t, c.version, own ORDER BY c.t, c.version",
        {**parameters, **others, "begin": begin, "end": end, "services": sorted(services)},
    )
    own = [row for row in rows if row[2]]
    sums: dict[tuple[int, str], list[int]] = {}
    for t, version, _, events, those in own or rows:
        found = sums.setdefault((int(t), version), [0, 0])
        found[not are_good] += int(those)
        found[are_good] += int(events) - int(those)
    return [Judged(t, version, right, wrong) for (t, version), (right, wrong) in sorted(sums.items())]
