"""The dashboard of maibo itself: whether what the other dashboards say is whole, and how old it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maibo_dashboards import panels, variables
from maibo_dashboards.boards import intake
from maibo_dashboards.boards.prometheus import itself as on_prometheus
from maibo_dashboards.boards.scales import LAG_SCALE, LEDGER_SCALE, stale_seconds, threshold_lines
from maibo_dashboards.naming import uid
from maibo_dashboards.panels import Column, Panel, Step
from maibo_dashboards.sql import itself as sql
from maibo_dashboards.targets import Sql

if TYPE_CHECKING:
    from maibo_dashboards.targets import Source
    from maibo_slo.documents import Catalogue


def dashboard(catalogue: Catalogue, source: Source = "clickhouse") -> Panel:
    """Of everything in the store."""
    if source == "prometheus":
        return on_prometheus.dashboard(catalogue)
    return panels.dashboard(
        title="maibo itself",
        uid=uid("itself", source),
        description="What came in and what became of it, how old counts, ledger and signals are: whether the other dashboards can be believed.",
        rows=[
            [
                (5, 4, _newest_batch()),
                (5, 4, _ledger_lag()),
                (5, 4, intake.lost(Sql(sql.lost_share()))),
                (9, 4, intake.rate(Sql(sql.events_a_second()))),
            ],
            [(24, 4, _totals())],
            [
                (12, 9, intake.fates(Sql(sql.rates()), by=", by the time at which it was written to the store")),
                (12, 9, intake.losses(Sql(sql.losses()))),
            ],
            [(12, 9, _lag()), (12, 9, _batches())],
            [(12, 9, _ledger()), (12, 9, _series())],
            [(12, 9, _signal_age(stale_seconds(catalogue))), (12, 9, _refused())],
            [(12, 8, _refusals()), (12, 8, _skewed())],
            [(24, 7, _events())],
        ],
        variables=[variables.datasource(source)],
    )


def _newest_batch() -> Panel:
    return intake.age(
        "Newest batch",
        "How long before the end of the time range a collector last wrote counts to the store; without traffic it grows as well.",
        Sql(sql.newest_batch()),
    )


def _ledger_lag() -> Panel:
    return intake.age(
        "Newest minute judged",
        "How long the newest minute of any SLO of journeys in the ledger has been over; a minute is judged some seconds after its end, and one without any event is none.",
        Sql(sql.ledger_lag()),
        scale=LEDGER_SCALE,
    )


def _totals() -> Panel:
    return panels.stat(
        "What became of it",
        "Over the time range. Ignored: of no journey. Overflowed: counted, without their tier, variant or version, since there were too many of those. Retries left out: whole bodies that had been counted.",
        Sql(sql.totals()),
        unit=panels.COUNT,
    )


def _lag() -> Panel:
    return panels.lines(
        "Lag of the log",
        "How old a batch's newest and oldest event were at the least when the batch was written, the worst of each interval. Batches know their events' minutes: up to "
        "60 s more is possible. The newest tells a collector that lags, the oldest alone a sender that is late.",
        Sql(sql.lag()),
        unit=panels.SECONDS,
        scale=[Step("transparent"), *LAG_SCALE[1:]],
        colours={"newest event": panels.BLUE, "oldest event": "#8e8e8e"},
    )


def _batches() -> Panel:
    return panels.lines(
        "Batches and bodies",
        "A second: bodies are what senders post, batches what collectors write to the store at once.",
        Sql(sql.batches()),
        unit=panels.PER_SECOND,
    )


def _ledger() -> Panel:
    return panels.table(
        "The ledger",
        "The newest minute of each SLO, and how long it has been over. Minutes without events are none, so a quiet journey's grows; scale-ups are rare, and told later.",
        Sql(sql.ledger()),
        columns=[
            Column("Counted by", width=110),
            Column("Newest minute", "dateTimeAsIso", width=180),
            Column("Over for", panels.SECONDS, scale=LEDGER_SCALE, width=110),
        ],
    )


def _series() -> Panel:
    return panels.table(
        "Series",
        "Combinations of dimensions that are counted apart, by journey and service: what makes the store large, and overflows. By whole hours.",
        Sql(sql.series()),
        columns=[
            Column(name, panels.COUNT, width=90) for name in ("Series", "Versions", "Tiers", "Variants", "Events")
        ],
    )


def _signal_age(stale: int | None) -> Panel:
    return panels.lines(
        "Age of signals",
        "How old what a scaling decision followed was when it was made, the oldest of each interval; the line is the most that any target's document allows.",
        Sql(sql.signal_age()),
        unit=panels.SECONDS,
        scale=threshold_lines(stale),
        interval="10s",
    )


def _refused() -> Panel:
    return panels.lines(
        "Without a signal",
        "The share of time in which a target had no number, so that autoscalers kept what they had; why is in the table below.",
        Sql(sql.refused()),
        unit=panels.RATIO,
        most=1,
    )


def _refusals() -> Panel:
    return panels.table(
        "Refusals by reason",
        "Why there was no number, for how long altogether (in steps of 10 s), and when last; reasons that differ in numbers alone are one.",
        Sql(sql.refusals()),
        columns=[Column("For", panels.SECONDS), Column("Last", "dateTimeAsIso")],
    )


def _skewed() -> Panel:
    return panels.table(
        "Events that end before they start",
        "Whose clock does so: these are in no count.",
        Sql(sql.skewed()),
        columns=[Column("Events", panels.COUNT)],
    )


def _events() -> Panel:
    return panels.lines(
        "Events written",
        "What is on record beside counts, by when it began: alerts, corrections, overrides, rises of what was wished for, writes of the fast lane, scale-ups.",
        Sql(sql.events()),
        unit=panels.COUNT,
        stacked=True,
        bars=True,
        interval="5m",
    )
