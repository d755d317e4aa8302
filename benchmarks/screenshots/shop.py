"""A day of the demo's shop. Who comes when is the demo's schedule, each visit standing for ten; what the services would have told of them is counted straight into a store."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from maibo_slo.demo.schedule import BROWSE, CHECKOUT, Intent, Phase, Visit, visits
from maibo_slo.documents import Correction
from maibo_slo.engine.scaling.inputs import Override
from maibo_slo.store import cells, counts, events, segments
from maibo_slo.store.cells import CellKey
from maibo_slo.store.histogram import bin_of
from maibo_slo.store.segments import SegmentRecord

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maibo_slo.service.questions import Questions
    from maibo_slo.service.runtime import Runtime
    from maibo_slo.store import Store

HOUR = 3600
SEED = 7
EACH = 10
"""A visit of the schedule stands for so many."""


@dataclass(frozen=True, slots=True)
class Day:
    """When what happened, unix s."""

    now: int

    @property
    def begin(self) -> int:
        return self.now - 30 * HOUR

    def phases(self) -> tuple[Phase, ...]:
        """The demo's story over a day, in seconds since its begin."""
        marks = (self.begin, self.sale, self.sale + 40 * 60, self.release, self.rolled_back, self.now)
        named = (
            ("ordinary traffic", 1.0),
            ("flash sale", 5.0),
            ("ordinary traffic", 1.0),
            ("bad release", 1.0),
            ("rolled back", 1.0),
        )
        return tuple(
            Phase(name, begin - self.begin, end - self.begin, factor, name == "bad release")
            for (name, factor), begin, end in zip(named, marks[:-1], marks[1:], strict=True)
        )

    @property
    def sale(self) -> int:
        return self.now - 4 * HOUR - 600

    @property
    def release(self) -> int:
        return self.now - 52 * 60

    @property
    def rolled_back(self) -> int:
        return self.now - 4 * 60


def customers(store: Store, day: Day) -> Counter[int]:
    """Everybody who came; the storefront's calls by the 10 s that they ended in."""
    dice, counted, calls = Random(SEED), Counter[CellKey](), Counter[int]()
    begun: Counter[tuple[int, str]] = Counter()
    for visit in visits(day.phases(), rate=0.6, seed=SEED):
        at = day.begin + visit.at
        begun[int(at) // 60 * 60, visit.journey] += EACH
        for key in told(visit, int(at) // 10 * 10, dice, bad=day.release <= at < day.rolled_back):
            counted[key] += EACH
            calls[key.t] += EACH * bool(key.step and key.service == "storefront")
    rows = list(counted.items())
    for number in range(0, len(rows), 100_000):
        part = dict(rows[number : number + 100_000])
        token = f"cells {number}"
        cells.insert_cells(store, part, token=token)
        minutes = tuple(sorted({key.t // 60 * 60 for key in part}))
        events_of = sum(part.values())
        segments.record(store, SegmentRecord(token, day.now * 1000, 1, 0, events_of, events_of, 0, 0, minutes))
    causes(store, day, begun, counted)
    return calls


def told(visit: Visit, t: int, dice: Random, *, bad: bool) -> Iterator[CellKey]:
    """What the services counted of a visit."""

    def cell(step: str, service: str, ms: float, outcome: str = "success", version: str = "1.0.0") -> CellKey:
        duration = bin_of(int(ms * 1e6 * dice.lognormvariate(0, 0.35)))
        return CellKey(
            t, visit.journey, step, "", service, version, "", visit.region, visit.tier, "", outcome, int(duration)
        )

    if visit.journey == BROWSE:
        yield cell("search", "storefront", 28)
        yield cell("", "storefront", 28)
        return
    slow = bad and dice.random() < 0.8
    failed = (slow and dice.random() < 0.25) or visit.intent is Intent.CARD_IS_DECLINED or dice.random() < 0.0015
    outcome = "abandoned" if visit.intent is Intent.CANCELS else "failure" if failed else "success"
    yield cell("basket", "storefront", 42)
    yield cell("reserve", "cart", 20)
    yield cell("address", "storefront", 18)
    if visit.intent is Intent.CANCELS:
        yield cell("cancel", "storefront", 12)
    else:
        version = "1.1.0" if bad else "1.0.0"
        yield cell("charge", "payment", 700 if slow else 60, "failure" if failed else "success", version)
        yield cell("payment", "storefront", 730 if slow else 80, "failure" if failed else "success")
    yield cell("", "storefront", 850 if slow else 190, outcome)


def causes(store: Store, day: Day, begun: Counter[tuple[int, str]], counted: Counter[CellKey]) -> None:
    """Who began, why it failed, and traces to look at."""

    def series(journey: str, step: str = "", service: str = "storefront", outcome: str = "failure") -> counts.SeriesKey:
        version = "1.1.0" if service == "payment" else "1.0.0"
        return (journey, step, "", service, version, "", "eu-central", "standard", "", outcome)

    ends = [(journey, outcome) for journey in (CHECKOUT, BROWSE) for outcome in ("success", "failure", "abandoned")]
    known = [*(series(journey, outcome=outcome) for journey, outcome in ends), series(CHECKOUT, "charge", "payment")]
    charge = len(known) - 1
    ended: Counter[tuple[int, str, str]] = Counter()
    failed: Counter[int] = Counter()
    for key, number in counted.items():
        minute = key.t // 60 * 60
        if not key.step:
            ended[minute, key.journey, key.outcome] += number
        if key.step == "charge" and key.outcome == "failure":
            failed[minute] += number
    flow = [
        (minute, ends.index((journey, outcome)), number * (outcome == "success"), ended[minute, journey, outcome])
        for (minute, journey), number in begun.items()
        for outcome in ("success", "failure", "abandoned")
    ]
    reasons = [
        counts.ReasonCount(minute, charge, reason, max(1, round(number * share)))
        for minute, number in failed.items()
        for reason, share in (("gateway_timeout", 0.8), ("card_declined", 0.2))
    ]
    traces = [
        (
            (day.now - 60 * minute) * 10**9,
            which,
            900,
            number % 2 * 2,
            10**8 * (7 + number),
            Random(number).randbytes(16),
            b"s" * 8,
        )
        for number, (minute, which) in enumerate([(6, charge), (9, charge), (15, 1), (22, charge), (31, 0), (40, 0)])
    ]
    batch = counts.Counts(
        series=known,
        cells=np.array([], counts.CELL),
        flow=np.array(flow, counts.FLOW),
        reasons=reasons,
        exemplars=np.array(traces, counts.EXEMPLAR),
        skewed=np.array([], counts.SKEWED),
        sampled=np.array([], counts.SAMPLED),
    )
    counts.insert(store, batch, token="causes")


def people(runtime: Runtime, day: Day) -> None:
    """What was said by hand: bounds before the sale, and a rehearsal."""
    said = Override("sale@1", "storefront", 6, None, day.sale + HOUR, "ana", "flash sale at noon", day.sale - 900)
    runtime.overrides.say(said)
    begin = datetime.fromtimestamp(day.now - 9000, UTC).replace(tzinfo=None)
    drill = Correction(
        "node-drill", "chaos", "annotate", begin, 600, "UTC", journeys=(BROWSE,), who="ben", why="a node is taken away"
    )
    runtime.corrections.add(drill, at=day.now - 9600)


def alerted(store: Store, questions: Questions, day: Day) -> str:
    """The pages and tickets that the bad release made, by the ledger's counts; the id of the first page."""
    found, story = [], ""
    for slo, objective in (("checkout-fast", "0.99"), ("checkout-available", "0.995"), ("checkout-vip-fast", "0.995")):
        for severity, name in (("page", "fast"), ("ticket", "slowly")):
            above = [
                minute
                for minute in range(day.release, day.now, 60)
                if any(
                    each.above and each.severity == severity
                    for each in questions.burning_at(slo, objective, "", minute)
                )
            ]
            if not above:
                continue
            begin, goes_on = above[0] + 63.5, above[-1] >= day.now - 180
            end = None if goes_on else above[-1] + 62.0
            key = f"{slo}-{severity}@{begin:.3f}"
            notices = [
                {"destination": "pagerduty" if severity == "page" else "slack", "status": "firing", "at": begin + 2.1}
            ]
            if end is not None:
                notices.append({**notices[0], "status": "resolved", "at": end + 1.4})
            detail = {"name": "MaiboBudgetBurn", "objective": objective, "group": "", "severity": severity, "notices": notices,
                      "summary": f"{slo} spends its error budget {name}", **({"reason": "over"} if end else {})}  # fmt: skip
            found.append(events.Event(key, "alert", slo, begin, end, detail))
            story = story or key
    events.append(store, found)
    return story
