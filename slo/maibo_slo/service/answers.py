"""What the API answers: one model an answer. The pages and the command line show these and nothing else.

Times are RFC 3339 in UTC, durations carry their unit in the name, a quantity without data is ``null`` (never NaN, never 0).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from pydantic import BaseModel, ConfigDict, Field


class Answer(BaseModel):
    """Strict JSON: no NaN or infinity leaves the service."""

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="null", allow_inf_nan=False)


class Span(Answer):
    """The window that an answer really covers (asked for, widened to the store's grid)."""

    begin: datetime
    end: datetime
    seconds: int


class Flow(Answer):
    """Counts and latency of a set of events. Latency is over successes and failures; abandoned ones have no end to time."""

    count: int = Field(description="events of any outcome")
    rate_per_second: float
    outcomes: dict[str, int]
    success_ratio: float | None = Field(description="success / (success + failure); null without data")
    p50_us: float | None
    p90_us: float | None
    p99_us: float | None


class Part(Flow):
    """The flow of one value of a dimension: a tier, a version, a region."""

    value: str


class StepPart(Part):
    """The flow of one step, with the services it ran in and each of their versions: a bad release beside a good one."""

    services: list[str]
    versions: list[Part] = Field(description="every version seen for this step, the busiest first")
    declared: bool = Field(
        default=False, description="whether the journey's document names it: such steps come first, in its order"
    )


class Point(Answer):
    """One slice of a series."""

    at: datetime
    count: int
    rate_per_second: float
    outcomes: dict[str, int]
    p99_us: float | None
    p50_us: float | None = None
    silent: int | None = Field(
        default=None, description="began in this slice and were left without a word; null: not known, or not yet"
    )


class JourneyFlow(Answer):
    """What became of the journeys that began within the window: counts of begin minutes, where `outcomes` goes by ends."""

    begin: datetime
    end: datetime = Field(description="the window, widened to whole minutes")
    started: int
    succeeded: int
    failed: int
    abandoned: int | None = Field(
        description="of minutes older than the timeout, those that neither succeeded nor failed; null: starts are not told"
    )
    silent: int | None = Field(
        description="those of `abandoned` that nobody told of: they are in no `outcomes`; null: starts are not told"
    )
    in_progress: int | None = Field(description="not ended, and younger than the timeout; null: starts are not told")
    timeout_seconds: int = Field(description="who has not ended after so long has abandoned the journey")


class ReasonCount(Answer):
    """So many of a journey, or of one of its steps, failed for this reason."""

    step: str = Field(description="'': the journey as a whole")
    reason: str
    count: int


class Skew(Answer):
    """Events that ended before they started: the clocks of two services disagree. They are in `flow`, and in no other count."""

    step: str
    service: str
    count: int


class Overflow(Answer):
    """Events that are counted under `__overflow__` instead of their own dimensions: whole journeys stay exact."""

    count: int
    mend: str


class Evidence(Answer):
    """Counts are estimated: so many spans were received (`spans`), which stand for so many events (`count`)."""

    spans: int
    count: int


class JourneyAnswer(Flow):
    """One journey over a window, or one step of it."""

    name: str
    display_name: str
    step: str = Field(
        default="", description="the step that the numbers, `by` and `series` are about; '': the whole journey"
    )
    declared: bool = Field(description="whether a Journey document names it")
    threshold_us: int | None = Field(description="of the whole journey; null for a step")
    within_threshold: int | None = Field(description="successes and failures at or under the threshold; exact")
    last_event_at: datetime | None
    age_seconds: float | None = Field(
        description="since the 10 s in which the newest event ended were over; null: never any"
    )
    steps: list[StepPart] = Field(default=[], description="every step, whichever one is asked for")
    by: dict[str, list[Part]] = Field(default={}, description="tier, version, region -> parts")
    series: list[Point] = []
    flow: JourneyFlow | None = Field(
        default=None,
        description="of the whole journey, by environment, tier and variant at most; null: of a step, or by anything else",
    )
    reasons: list[ReasonCount] = Field(default=[], description="why it failed, and its steps: the most frequent")
    skewed: int = Field(default=0, description="events that ended before they started, of the journey and its steps")
    skewed_by: list[Skew] = []
    overflow: Overflow | None = Field(default=None, description="null: every event is under its own dimensions")
    sampled: Evidence | None = Field(default=None, description="null: every event was one span")


class OneJourneyAnswer(JourneyAnswer):
    """GET /v1/journeys/{name}"""

    now: datetime
    window: Span


class JourneysAnswer(Answer):
    """GET /v1/journeys"""

    now: datetime
    window: Span
    journeys: list[JourneyAnswer] = Field(description="the busiest, and every declared one; by name")
    omitted: int = Field(description="further journeys with events in the window; `limit` sets how many are shown")


class Bar(Answer):
    """One bin with data: events in (lower_us, upper_us], by outcome."""

    lower_us: float
    upper_us: float
    outcomes: dict[str, int]


class HistogramAnswer(Answer):
    """GET /v1/journeys/{name}/histogram"""

    now: datetime
    window: Span
    journey: str
    step: str
    threshold_us: int | None = Field(description="of the whole journey; null for a step")
    within_threshold: int | None = Field(description="successes and failures at or under the threshold; exact")
    count: int
    p50_us: float | None
    p90_us: float | None
    p99_us: float | None
    bars: list[Bar]


class Exemplar(Answer):
    """One trace worth looking at."""

    at: datetime = Field(description="the second in which its span ended")
    why: str = Field(description="failed | over_threshold | slowest (of its kind in its minute)", examples=["failed"])
    step: str = Field(description="'': the journey as a whole")
    outcome: str
    version: str
    service: str
    tier: str
    region: str
    duration_us: int
    trace_id: str = Field(description="32 hex digits")
    span_id: str = Field(description="16 hex digits")
    trace_url: str | None = Field(description="by the template of `maibo serve --trace-url`")


class ExemplarsAnswer(Answer):
    """GET /v1/journeys/{name}/exemplars"""

    now: datetime
    window: Span
    journey: str
    step: str | None = Field(description="null: the journey as a whole and every step")
    exemplars: list[Exemplar] = Field(description="the newest first, of one moment the slowest; `limit` of each kind")


class BurnRate(Answer):
    """How fast the budget burns over one window: bad share / (1 - target). 1 spends exactly the budget over the SLO's window."""

    window: str = Field(examples=["5m", "1h"])
    window_seconds: int
    good: int | float
    bad: int | float
    burn_rate: float | None = Field(description="null: no data")
    coverage: float
    lower: float | None = Field(
        default=None,
        description="the true burn rate lies between `lower` and `upper` with a probability of 95 % (Jeffreys)",
    )
    upper: float | None = None


HELD_BACK: Final[Mapping[str, str]] = {
    "too_few": "too few bad events to judge",
    "too_soon": "too soon after the first event to judge",
    "not_whole": "too little of the longer window has been observed yet",
    "chance": "no more than chance explains, by so few events",
}
"""What `BurnRule.held_back_by` means, in words."""


class BurnRule(Answer):
    """A pair of windows that a state goes by: both burn above the factor, and there is enough of it to be sure."""

    state: str = Field(description="burning | burning_fast", examples=["burning_fast"])
    long_window: str = Field(examples=["1h"])
    short_window: str = Field(examples=["5m"])
    factor: float
    reached: bool
    held_back: bool = Field(
        description="both burn above the factor, and yet it means nothing: `held_back_by` tells why"
    )
    held_back_by: str = Field(
        default="",
        description="too_few | too_soon | not_whole | chance; '': it is not held back. too_few: fewer than three bad events in the long window; "
        "too_soon: less than a tenth of it has passed since the first event; not_whole: not enough for all of the long window, once its minutes "
        "without data are filled in; chance: the burn rate's credible interval reaches below the factor",
        examples=["not_whole"],
    )


class PolicyAnswer(Answer):
    """Where the objective stands in its error-budget policy."""

    name: str
    state: str = Field(examples=["healthy", "slow", "frozen"])
    since: datetime


class CompositePart(Answer):
    """One component of a composite SLO."""

    name: str
    weight: float
    spent: float | None = Field(description="share of its own budget that is spent; null: no data")
    share: float | None = Field(description="of what the composite has spent; null: nothing is spent")


class ObjectiveAnswer(Answer):
    """One objective of one SLO, of one group where it has groups."""

    name: str
    target: float
    good: int | float = Field(description="events, or slices: see `unit`")
    bad: int | float
    attainment: float | None = Field(description="good / (good + bad) over what was observed; null: no data")
    budget_events: float = Field(description="bad events that the observed events allow: (1 - target) x (good + bad)")
    budget_remaining: float | None = Field(
        description="observed: 1 - bad / budget_events, over the events so far; may be negative"
    )
    budget_remaining_projected: float | None = Field(
        description="projected: the same, if the rest of the window brings events at the observed rate and no bad ones; what the "
        "page and the command line call budget left, and the state goes by"
    )
    burn_rates: list[BurnRate]
    state: str = Field(description="ok | burning | burning_fast | exhausted | no_data | stale", examples=["ok"])
    first_burning_at: datetime | None = Field(
        default=None, description="when the burn that is under way now was first seen"
    )
    coverage: float = Field(
        description="observed minutes / minutes of the window that have passed and are not excluded, 0 to 1"
    )
    age_seconds: float | None = Field(
        description="since the newest minute with events that it counts ended, 0 while it runs; null: never any"
    )
    group: str = Field(
        default="",
        description="'': the SLO has one budget, or none of its groups has been counted yet",
        examples=["tier=gold,region=eu"],
    )
    group_values: dict[str, str] = Field(default={}, description="dimension -> value, of the group")
    unit: str = Field(
        default="events", description="events | slices: what good and bad count; a slice may be good in part"
    )
    observed_minutes: int = Field(default=0, description="minutes of the window with data")
    no_data_minutes: int = Field(default=0, description="neither good nor bad, and not excluded")
    excluded_minutes: int = Field(default=0, description="by corrections")
    rules: list[BurnRule] = Field(default=[], description="what `burning_fast` and `burning` go by, the worst first")
    policy: PolicyAnswer | None = Field(default=None, description="null: before the first evaluation")
    parts: list[CompositePart] = Field(
        default=[], description="of a composite by occurrences, whose own good and bad are 0: it is made of these"
    )


class PeriodAnswer(Answer):
    """A window of a calendar."""

    begin: datetime
    end: datetime


class CorrectedAnswer(Answer):
    """A window of a correction, as far as it lies in the SLO's window."""

    begin: datetime
    end: datetime
    name: str
    kind: str = Field(examples=["maintenance", "chaos", "incident", "other"])
    effect: str = Field(
        description="exclude: no data; count_as_good; annotate: counted as it was",
        examples=["exclude", "count_as_good"],
    )
    who: str = ""
    why: str = ""


class SloAnswer(Answer):
    """GET /v1/slos/{name}"""

    name: str
    display_name: str
    description: str
    service: str
    journey: str = Field(description="'' when its events are not counted from cells")
    window: str = Field(examples=["28d"])
    window_seconds: int = Field(description="of a calendar's window nominal: a month is 30 days")
    threshold_us: int | None
    objectives: list[ObjectiveAnswer] = Field(description="as the document orders them; of each, its groups by name")
    evaluated_at: datetime | None
    source: str = Field(default="journey", description="journey | prometheus | scaleup: who counts")
    method: str = Field(default="Occurrences", description="Occurrences | Timeslices | RatioTimeslices")
    composite: bool = Field(default=False, description="objectives have indicators of their own")
    group_by: list[str] = []
    window_kind: str = Field(default="rolling", description="rolling | calendar")
    zone: str | None = Field(default=None, description="of the calendar", examples=["Europe/Berlin"])
    period: PeriodAnswer | None = Field(default=None, description="the calendar's present window")
    corrections: list[CorrectedAnswer] = Field(
        default=[], description="the newest 20, newest first: `excluded_minutes` has all"
    )
    corrections_omitted: int = Field(default=0, description="older ones in the window, beyond those 20")


class SlosAnswer(Answer):
    """GET /v1/slos"""

    now: datetime
    slos: list[SloAnswer]


class ScorecardRow(Answer):
    """One service on the scorecard."""

    service: str
    journeys: int
    slos: int
    objectives_met: int
    objectives_missed: int
    objectives_without_data: int
    worst_budget_remaining: float | None = Field(
        description="the lowest `budget_remaining` (observed) of its objectives"
    )
    count: int
    p99_us: float | None
    score: float | None = Field(description="objectives met / objectives with data; null: none has data")


class ScorecardAnswer(Answer):
    """GET /v1/scorecard"""

    now: datetime
    window: Span
    rows: list[ScorecardRow]


class IngestAnswer(Answer):
    """GET /v1/ingest: what came in since the store was made. `spans` are spans, log records and data points together."""

    now: datetime
    bodies: int
    duplicate_bodies: int
    spans: int = Field(description="spans, log records and data points; the counts below are of the same")
    counted: int
    ignored: int
    rejected: int
    skewed: int = Field(
        default=0, description="ended before they started; spans = counted + ignored + rejected + skewed"
    )
    overflowed: int = Field(default=0, description="of those counted, under `__overflow__`")
    undrained_segments: int | None = Field(default=None, description="null: no collector runs in this process")
