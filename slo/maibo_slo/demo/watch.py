"""What maibo says, asked over its API: while the demo runs (for freshness and the live table), and for the account at its end."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import httpx2
import numpy as np

from maibo_slo.demo.children import DemoError
from maibo_slo.demo.evidence import Bar, Flow, Ingest, Tag, Told
from maibo_slo.documents import Catalogue
from maibo_slo.engine.burn import MIN_BAD_EVENTS

POLL_SECONDS = 0.1
"""Between an answer and the next question: what freshness is measured with, hence its resolution."""
SLO_POLL_SECONDS = 1.0
PARAMETER = re.compile(r"\{[^/]*\}")
SEVERITY = ("burning", "burning_fast", "exhausted")
"""States of an objective that burns, the worst last."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """How many journeys had ended by maibo's answer that arrived at `at` (unix s), by (journey, region)."""

    at: float
    counts: Mapping[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class Burnt:
    """An objective that burned, and when that was first seen (unix s)."""

    slo: str
    objective: str
    first_seen_at: float
    state: str
    """The worst so far, in the order of `SEVERITY`."""
    held_back: bool = False
    """maibo itself said OK when it was in that state: too soon after the first event to judge."""


@dataclass(slots=True)
class Watch:
    """Polls a running service; what it has seen so far is always readable."""

    client: httpx2.AsyncClient
    begin: int
    """Events before this time (unix s) are not of this run."""
    regions: Sequence[str]
    sightings: list[Sighting] = field(default_factory=list)
    burnt: dict[tuple[str, str], Burnt] = field(default_factory=dict)
    states: dict[tuple[str, str], str] = field(default_factory=dict)
    """(slo, objective) -> its state now."""
    p99_us: dict[str, float | None] = field(default_factory=dict)
    """journey -> P99 since the begin."""

    @property
    def counted(self) -> int:
        """Journeys that had ended by the newest answers."""
        return sum(self.sightings[-1].counts.values()) if self.sightings else 0

    async def journeys(self) -> None:
        """Ask how many journeys have ended, again and again; cancel to end."""
        while True:
            counts = dict(self.sightings[-1].counts) if self.sightings else {}
            for region in self.regions:
                answer = await self._ask("/v1/journeys", region=region)
                for journey in answer["journeys"]:
                    counts[journey["name"], region] = journey["count"]
                self.sightings.append(Sighting(time.time(), dict(counts)))
            await asyncio.sleep(POLL_SECONDS)

    async def slos(self) -> None:
        """Ask for the state of every objective, and the P99 of every journey, once a second; cancel to end."""
        while True:
            answer = await self._ask("/v1/slos")
            for slo in answer["slos"]:
                for objective in slo["objectives"]:
                    state = burn_of(objective)
                    held_back = state != objective["state"]
                    self.note(slo["name"], objective["name"], state, now=time.time(), held_back=held_back)
            for journey in (await self._ask("/v1/journeys"))["journeys"]:
                self.p99_us[journey["name"]] = journey["p99_us"]
            await asyncio.sleep(SLO_POLL_SECONDS)

    def note(self, slo: str, objective: str, state: str, *, now: float, held_back: bool = False) -> None:
        """What state an objective is in now; the first and the worst sight of a burn stay."""
        self.states[slo, objective] = state
        if state not in SEVERITY:
            return
        known = self.burnt.get((slo, objective))
        if known is None:
            self.burnt[slo, objective] = Burnt(slo, objective, now, state, held_back)
        elif SEVERITY.index(state) > SEVERITY.index(known.state):
            self.burnt[slo, objective] = replace(known, state=state, held_back=held_back)

    async def told(self, journey: str, tier: str) -> Told:
        """One journey and tier: its outcomes, P99 and distribution."""
        answer = await self._ask(f"/v1/journeys/{journey}/histogram", tier=tier)
        bars = [Bar(each["lower_us"], each["upper_us"], each["outcomes"]) for each in answer["bars"]]
        outcomes: Counter[str] = Counter()
        for bar in bars:
            outcomes.update(bar.outcomes)
        return Told(dict(outcomes), answer["p99_us"], bars)

    async def journey_names(self) -> list[str]:
        """Every journey that is declared, or has events."""
        return [journey["name"] for journey in (await self._ask("/v1/journeys"))["journeys"]]

    async def flows(self, journey: str, **where: str) -> dict[str, Flow]:
        """The events of a journey's steps, and under '' its own; those that have any."""
        answer = await self._ask(f"/v1/journeys/{journey}", series="false", **where)
        told = {"": answer, **{step["value"]: step for step in answer["steps"]}}
        return {step: Flow(each["outcomes"], each["p99_us"]) for step, each in told.items() if each["count"]}

    async def begun(self, journey: str, tier: str) -> int:
        """How many journeys began."""
        answer = await self._ask(f"/v1/journeys/{journey}", series="false", tier=tier)
        return int(answer["flow"]["started"] or 0) if answer["flow"] else 0

    async def ingest(self) -> Ingest:
        """Spans since the store was made."""
        told = await self._ask("/v1/ingest")
        return Ingest(accepted=told["spans"], counted=told["counted"], rejected=told["rejected"])

    async def _ask(self, path: str, **where: str) -> Any:
        asked = (
            where
            if path in ("/v1/slos", "/v1/ingest")
            else {"begin": str(self.begin), "end": str(self._end()), **where}
        )
        try:
            answer = await self.client.get(path, params=asked)
        except httpx2.TransportError as error:
            raise DemoError(f"maibo did not answer {path}: {type(error).__name__}: {error}") from error
        if answer.status_code != 200:
            raise DemoError(f"maibo answered {path} with {answer.status_code}: {answer.text[:500]}")
        return answer.json()

    def _end(self) -> int:
        return int(time.time()) + 1


def burn_of(objective: Mapping[str, Any]) -> str:
    """The state of an objective of ``/v1/slos``; where that is held back for being too soon after the first event, what it would be.

    maibo calls no service burning that it has known for less than six minutes, and the demo is over by then.
    """
    if objective["state"] in SEVERITY or objective["bad"] < MIN_BAD_EVENTS:
        return str(objective["state"])
    return next((str(rule["state"]) for rule in objective["rules"] if rule["held_back"]), str(objective["state"]))


def freshness_seconds(ended: Mapping[tuple[str, str], Sequence[float]], sightings: Sequence[Sighting]) -> list[float]:
    """How long after its end each journey was visible, for those that were.

    `ended`: (journey, region) -> unix seconds at which customers had their last answers. The journeys of one storefront are exported
    in the order of their ends, so the k-th of them is visible in the first answer that counts k or more.
    """
    delays = []
    for place, times in ended.items():
        ordered = sorted(times)
        visible = 0
        for sighting in sightings:
            count = min(sighting.counts.get(place, 0), len(ordered))
            delays += [sighting.at - at for at in ordered[visible:count]]
            visible = max(visible, count)
    return delays


def quantile(values: Sequence[float], q: float) -> float | None:
    """By nearest rank; None without data."""
    return float(np.quantile(values, q, method="inverted_cdf")) if values else None


def tags(catalogue: Catalogue) -> dict[str, Tag]:
    """``METHOD /path/{order}`` -> the step that it is; every path parameter is told as ``{order}``."""
    return {
        PARAMETER.sub("{order}", route): Tag(journey.name, step.name, ends=step.ends)
        for journey in catalogue.journeys.values()
        for step in journey.steps
        for route in step.routes
    }
