"""The dashboard of maibo itself: whether what the other dashboards say is whole, and how old it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maibo_dashboards import panels
from maibo_dashboards.boards import intake
from maibo_dashboards.boards.prometheus.tables import every, joined
from maibo_dashboards.boards.scales import ALERTS_SCALE, LAG_SCALE, stale_seconds, threshold_lines
from maibo_dashboards.naming import title, uid
from maibo_dashboards.panels import Column, Panel, Series, Step
from maibo_dashboards.promql import itself as promql
from maibo_dashboards.targets import Promql

if TYPE_CHECKING:
    from maibo_slo.documents import Catalogue

WORKS: Final = {"0": panels.RED, "1": panels.GREEN}


def dashboard(catalogue: Catalogue) -> Panel:
    """Of the maibo that is scraped."""
    return panels.dashboard(
        title=title("maibo itself", "prometheus"),
        uid=uid("itself", "prometheus"),
        description="What came in and what became of it, how old counts and signals are, and whether every part works: whether the other dashboards can be believed.",
        rows=[
            [
                (5, 4, _broken()),
                (5, 4, _drain_lag()),
                (5, 4, _evaluation_age()),
                (4, 4, intake.lost(Promql(promql.lost_share()))),
                (5, 4, intake.rate(Promql(promql.events_a_second()))),
            ],
            [(12, 9, intake.fates(Promql(promql.drained(), legend="{{result}}"))), (12, 9, _losses())],
            [(12, 9, _visible()), (12, 9, _log())],
            [(12, 9, _answers()), (12, 9, _requests())],
            [(12, 9, _engine()), (12, 9, _ages())],
            [(12, 9, _signal_ages(stale_seconds(catalogue))), (12, 9, _stale())],
            [(8, 9, _parts()), (8, 9, _overflowing()), (8, 9, _trouble())],
            [(12, 8, _watches()), (12, 8, _process())],
        ],
        variables=every(),
    )


def _broken() -> Panel:
    return panels.stat(
        "Parts that do not work",
        "As /readyz has them; which, and which work, is in the table below.",
        Promql(promql.broken_parts()),
        unit=panels.COUNT,
        scale=ALERTS_SCALE,
        filled=True,
    )


def _drain_lag() -> Panel:
    return intake.age(
        "Lag of the log",
        "Age of the oldest of what was taken and is not counted yet.",
        Promql(promql.drain_lag()),
    )


def _evaluation_age() -> Panel:
    return intake.age(
        "Since the last evaluation",
        "How long ago the engine last read the ledger; over a minute, its numbers are no longer told.",
        Promql(promql.evaluation_age()),
    )


def _losses() -> Panel:
    return intake.losses(
        [
            Promql(promql.losses(), legend="{{result}}"),
            Promql(promql.overflowed(), legend="overflowed"),
            Promql(promql.duplicates(), legend="retried bodies"),
        ]
    )


def _visible() -> Panel:
    return panels.lines(
        "Until it is counted",
        "From a request's arrival to its counts being in the store, interpolated within a bucket.",
        [Promql(promql.visible_seconds(level), legend=f"P{level * 100:g}") for level in (0.5, 0.99)],
        unit=panels.SECONDS,
        scale=[Step("transparent"), *LAG_SCALE[1:]],
    )


def _log() -> Panel:
    return panels.lines(
        "The write-ahead log",
        "Bytes of what was taken and is kept, and, at the right, segments that wait to be counted.",
        [Promql(promql.log_bytes(), legend="bytes"), Promql(promql.segments_waiting(), legend="segments waiting")],
        unit=panels.BYTES,
        series=[Series("segments waiting", panels.ORANGE, unit=panels.COUNT)],
    )


def _answers() -> Panel:
    return panels.lines(
        "Answers to senders",
        "OTLP requests a second by HTTP status, or the one that gRPC's stands for: 429 and 503 are sent again by whoever keeps to the protocol.",
        Promql(promql.answers(), legend="{{code}}"),
        unit=panels.PER_SECOND,
        series=[Series("200", panels.GREEN), Series("/^[45]/", panels.RED)],
    )


def _requests() -> Panel:
    return panels.lines(
        "How long senders wait",
        "From a request's headers to its answer, interpolated within a bucket.",
        [Promql(promql.request_seconds(level), legend=f"P{level * 100:g}") for level in (0.5, 0.99)],
        unit=panels.SECONDS,
    )


def _engine() -> Panel:
    return panels.lines(
        "The engine",
        "How long ago it evaluated and how long that took; at the right, minutes that wait to be counted.",
        [
            Promql(promql.evaluation("age_seconds"), legend="age"),
            Promql(promql.evaluation("duration_seconds"), legend="duration"),
            Promql(promql.evaluation("backlog"), legend="minutes waiting"),
        ],
        unit=panels.SECONDS,
        series=[Series("minutes waiting", panels.ORANGE, unit=panels.COUNT)],
    )


def _ages() -> Panel:
    return panels.lines(
        "Newest minute judged",
        "How long the newest minute of each SLO has been over. Minutes without events are none, so a quiet journey's grows.",
        Promql(promql.ages_by_slo(), legend="{{slo}}"),
        unit=panels.SECONDS,
    )


def _signal_ages(stale: int | None) -> Panel:
    return panels.lines(
        "Age of signals",
        "How old what a scaling decision follows is; the line is the most that any target's document allows.",
        Promql(promql.signal_ages(), legend="{{target_namespace}}/{{target}}"),
        unit=panels.SECONDS,
        scale=threshold_lines(stale),
    )


def _stale() -> Panel:
    return panels.lines(
        "Without a signal",
        "1 while a target has no number, so that autoscalers keep what they have.",
        Promql(promql.stale_signals(), legend="{{target_namespace}}/{{target}}"),
        unit=panels.COUNT,
        most=1,
    )


def _parts() -> Panel:
    return joined(
        "Parts",
        "1 works, 0 does not: /readyz says why.",
        promql.parts(),
        labels={"part": "Part"},
        columns=[Column("Works", panels.COUNT, states=WORKS, width=90)],
        sort_by="Works",
    )


def _overflowing() -> Panel:
    return panels.lines(
        "Overflowing journeys",
        "Events of the last hour that were counted without their tier, variant or version, since there were too many of those.",
        Promql(promql.overflow_by_journey(), legend="{{journey}}"),
        unit=panels.COUNT,
    )


def _trouble() -> Panel:
    return panels.lines(
        "Trouble",
        "A second; any of these is worth a look into the log.",
        [
            Promql(promql.damaged(), legend="places in the log that could not be read"),
            Promql(promql.restarts(), legend="acceptors that died"),
            Promql(promql.kubernetes_lost(), legend="scale-ups and samples dropped"),
            Promql(promql.kubernetes_failed(), legend="writes of the recorder that failed"),
        ],
        unit=panels.PER_SECOND,
    )


def _watches() -> Panel:
    return panels.lines(
        "Kubernetes: last heard of",
        "Since the newest change or bookmark, by kind of object; a bookmark comes each minute or so.",
        Promql(promql.watch_ages(), legend="{{resource}}"),
        unit=panels.SECONDS,
        scale=[Step("transparent"), *LAG_SCALE[1:]],
    )


def _process() -> Panel:
    return panels.lines(
        "Memory and CPU",
        "Of the core process, which evaluates and answers; at the right, the cores that it keeps busy.",
        [Promql(promql.memory(), legend="memory"), Promql(promql.cpu(), legend="cores")],
        unit=panels.BYTES,
        series=[Series("cores", panels.ORANGE, unit=panels.COUNT)],
    )
