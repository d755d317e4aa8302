"""An example of every answer, for OpenAPI. They are real answer models, so an example that no longer fits cannot be written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from maibo_slo.service.answers import (
    Bar,
    BurnRate,
    BurnRule,
    CorrectedAnswer,
    Evidence,
    Exemplar,
    ExemplarsAnswer,
    HistogramAnswer,
    IngestAnswer,
    JourneyFlow,
    JourneysAnswer,
    ObjectiveAnswer,
    OneJourneyAnswer,
    Overflow,
    Part,
    Point,
    PolicyAnswer,
    ReasonCount,
    ScorecardAnswer,
    ScorecardRow,
    Skew,
    SloAnswer,
    SlosAnswer,
    Span,
    StepPart,
)
from maibo_slo.service.causes import OVERFLOW_MEND
from maibo_slo.service.scaleup_answers import (
    Between,
    Durations,
    MomentAnswer,
    OneScaleUpAnswer,
    PhaseAnswer,
    PhaseSummary,
    PodAnswer,
    QuantileAnswer,
    ScaleUpAnswer,
    ScaleUpsAnswer,
    ScaleUpSummaryAnswer,
    WorkloadScaleUps,
)
from maibo_slo.store.scaleups import PodState, ScaleUpState, Stage

_NOW: Final = datetime(2026, 1, 31, 12, 0, 4, tzinfo=UTC)
_WINDOW: Final = Span(begin=_NOW - timedelta(seconds=304), end=_NOW, seconds=304)

JOURNEY: Final = OneJourneyAnswer(
    now=_NOW,
    window=_WINDOW,
    name="checkout",
    display_name="Checkout",
    declared=True,
    threshold_us=500_000,
    within_threshold=2_986,
    count=3_042,
    rate_per_second=10.0066,
    outcomes={"abandoned": 31, "failure": 6, "success": 3_005},
    success_ratio=0.998007,
    p50_us=86_994.7,
    p90_us=212_469.1,
    p99_us=467_474.7,
    last_event_at=_NOW,
    age_seconds=0.0,
    steps=[
        StepPart(
            value="payment",
            services=["payment"],
            count=3_011,
            rate_per_second=9.9046,
            outcomes={"failure": 6, "success": 3_005},
            success_ratio=0.998007,
            p50_us=40_987.3,
            p90_us=94_497.4,
            p99_us=227_472.5,
            versions=[
                Part(
                    value="1.4.2",
                    count=2_711,
                    rate_per_second=8.9178,
                    outcomes={"success": 2_711},
                    success_ratio=1.0,
                    p50_us=40_497.5,
                    p90_us=91_497.3,
                    p99_us=151_993.4,
                ),
                Part(
                    value="1.5.0",
                    count=300,
                    rate_per_second=0.9868,
                    outcomes={"failure": 6, "success": 294},
                    success_ratio=0.98,
                    p50_us=91_497.3,
                    p90_us=207_469.9,
                    p99_us=312_480.0,
                ),
            ],
        )
    ],
    by={
        "tier": [
            Part(
                value="vip",
                count=301,
                rate_per_second=0.9901,
                outcomes={"success": 301},
                success_ratio=1.0,
                p50_us=71_994.2,
                p90_us=152_980.4,
                p99_us=312_480.0,
            )
        ]
    },
    series=[
        Point(
            at=_NOW - timedelta(seconds=14),
            count=101,
            rate_per_second=10.1,
            outcomes={"abandoned": 1, "success": 100},
            p99_us=457_471.0,
            silent=2,
        )
    ],
    flow=JourneyFlow(
        begin=_NOW - timedelta(seconds=364),
        end=_NOW + timedelta(seconds=56),
        started=4_311,
        succeeded=3_790,
        failed=9,
        abandoned=95,
        silent=57,
        in_progress=417,
        timeout_seconds=120,
    ),
    reasons=[
        ReasonCount(step="", reason="card_declined", count=5),
        ReasonCount(step="payment", reason="card_declined", count=5),
        ReasonCount(step="payment", reason="TimeoutError", count=1),
    ],
    skewed=4,
    skewed_by=[Skew(step="", service="storefront", count=4)],
    overflow=Overflow(count=12, mend=OVERFLOW_MEND),
    sampled=Evidence(spans=2_742, count=3_042),
)
EXEMPLARS: Final = ExemplarsAnswer(
    now=_NOW,
    window=_WINDOW,
    journey="checkout",
    step="payment",
    exemplars=[
        Exemplar(
            at=_NOW - timedelta(seconds=14),
            why="failed",
            step="payment",
            outcome="failure",
            version="1.5.0",
            service="payment",
            tier="standard",
            region="eu-1",
            duration_us=311_907,
            trace_id="5b8efff798038103d269b633813fc60c",
            span_id="eee19b7ec3c1b174",
            trace_url="https://jaeger.example/trace/5b8efff798038103d269b633813fc60c",
        )
    ],
)
JOURNEYS: Final = JourneysAnswer(
    now=_NOW,
    window=_WINDOW,
    journeys=[JOURNEY.model_copy(update={"steps": [], "by": {}, "series": [], "reasons": [], "skewed_by": []})],
    omitted=0,
)
HISTOGRAM: Final = HistogramAnswer(
    now=_NOW,
    window=_WINDOW,
    journey="checkout",
    step="",
    threshold_us=500_000,
    within_threshold=112,
    count=118,
    p50_us=86_994.7,
    p90_us=86_994.7,
    p99_us=507_475.0,
    bars=[
        Bar(lower_us=86_000, upper_us=87_000, outcomes={"success": 112}),
        Bar(lower_us=500_000, upper_us=510_000, outcomes={"failure": 1, "success": 5}),
    ],
)
SLO: Final = SloAnswer(
    name="checkout-fast",
    display_name="Checkout is fast",
    description="Customers get their order within half a second.",
    service="shop",
    journey="checkout",
    window="28d",
    window_seconds=28 * 86_400,
    threshold_us=500_000,
    objectives=[
        ObjectiveAnswer(
            name="0.99",
            target=0.99,
            good=1_197_000,
            bad=3_000,
            attainment=0.9975,
            budget_events=12_000.0,
            budget_remaining=0.75,
            budget_remaining_projected=0.75,
            burn_rates=[
                BurnRate(
                    window="1h",
                    window_seconds=3_600,
                    good=35_100,
                    bad=900,
                    burn_rate=2.5,
                    coverage=1.0,
                    lower=2.34,
                    upper=2.66,
                )
            ],
            state="burning",
            first_burning_at=_NOW - timedelta(minutes=7),
            coverage=0.998,
            age_seconds=0.0,
            observed_minutes=40_119,
            no_data_minutes=81,
            excluded_minutes=120,
            rules=[
                BurnRule(
                    state="burning", long_window="6h", short_window="30m", factor=1.0, reached=True, held_back=False
                )
            ],
            policy=PolicyAnswer(name="default", state="healthy", since=_NOW - timedelta(days=9)),
        )
    ],
    evaluated_at=_NOW - timedelta(seconds=3),
    corrections=[
        CorrectedAnswer(
            begin=_NOW - timedelta(days=2),
            end=_NOW - timedelta(days=2) + timedelta(hours=2),
            name="database-upgrade",
            kind="maintenance",
            effect="exclude",
            who="ann@shop.example",
            why="The database gets new disks.",
        )
    ],
)
SLOS: Final = SlosAnswer(now=_NOW, slos=[SLO])
SCORECARD: Final = ScorecardAnswer(
    now=_NOW,
    window=Span(begin=_NOW - timedelta(days=1), end=_NOW, seconds=86_400),
    rows=[
        ScorecardRow(
            service="shop",
            journeys=2,
            slos=3,
            objectives_met=3,
            objectives_missed=1,
            objectives_without_data=0,
            worst_budget_remaining=-0.25,
            count=864_112,
            p99_us=467_474.7,
            score=0.75,
        )
    ],
)
INGEST: Final = IngestAnswer(
    now=_NOW,
    bodies=48_112,
    duplicate_bodies=3,
    spans=962_240,
    counted=961_012,
    ignored=1_216,
    rejected=7,
    skewed=5,
    overflowed=112,
    undrained_segments=1,
)
_WAITED: Final = PhaseAnswer(
    stage=Stage.SCHEDULED,
    after=Stage.CREATED,
    label="scheduling",
    doing="waiting for a node",
    begin=Between(earliest=3.0, latest=4.0),
    end=Between(earliest=65.2, latest=65.2),
    seconds=Between(earliest=61.2, latest=62.2),
    over=True,
)
_SCALEUP: Final = ScaleUpAnswer(
    id="shop/Deployment/checkout-api@1769860626000",
    workload="shop/Deployment/checkout-api",
    before=10,
    after=40,
    by="hpa",
    reason="New size: 40; reason: external metric s0-maibo above target",
    state=ScaleUpState.COMPLETE,
    why_censored="",
    began_at=_NOW - timedelta(seconds=180),
    decided_at=_NOW - timedelta(seconds=178),
    since=Stage.TRIGGER,
    latency=Between(earliest=73.0, latest=75.0),
    censored=False,
    half=Between(earliest=22.0, latest=23.0),
    most=Between(earliest=70.0, latest=72.0),
    warm=False,
    where="62 of 74 s: waiting for a node",
    phases=[_WAITED],
    pods={PodState.SERVING: 30},
    skews=0,
    notes=[],
    version="6d5f9c",
)
_POD: Final = PodAnswer(
    name="checkout-api-6d5f9c-x2lqp",
    node="node-7",
    state=PodState.SERVING,
    phases=[_WAITED],
    seconds=Between(earliest=73.0, latest=75.0),
    serving=True,
    ended=None,
    image_bytes=94_371_840,
    pull_seconds=3.2,
    pull_queued_seconds=0.4,
    node_provisioned=True,
    unschedulable="0/6 nodes are available: 6 Insufficient cpu.",
    moments={
        Stage.CREATED: MomentAnswer(
            earliest=_NOW - timedelta(seconds=177),
            latest=_NOW - timedelta(seconds=176),
            received=_NOW - timedelta(seconds=176),
            source="creationTimestamp",
        )
    },
)
_DURATIONS: Final = Durations(
    count=14,
    censored=1,
    longest=120.0,
    p50=QuantileAnswer(earliest=11.0, latest=12.0),
    p90=QuantileAnswer(earliest=73.0, latest=75.0),
    p99=None,
)
_DAY: Final = Span(begin=_NOW - timedelta(days=1), end=_NOW, seconds=86_400)
SCALEUPS: Final = ScaleUpsAnswer(now=_NOW, window=_DAY, scaleups=[_SCALEUP], omitted=0, cut=False)
SCALEUP: Final = OneScaleUpAnswer(**dict(_SCALEUP), now=_NOW, moments=_POD.moments, added_pods=[_POD])
SCALEUP_SUMMARY: Final = ScaleUpSummaryAnswer(
    now=_NOW,
    window=_DAY,
    workloads=[
        WorkloadScaleUps(
            workload="shop/Deployment/checkout-api",
            count=14,
            complete=13,
            censored=1,
            running=0,
            triggered=14,
            warm=11,
            warm_share=11 / 14,
            latency=_DURATIONS,
            phases=[PhaseSummary(**dict(_DURATIONS), stage=Stage.SCHEDULED, label="scheduling")],
        )
    ],
    cut=False,
)
