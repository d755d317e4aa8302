"""The tables: the one place where their columns, keys and engines are spelled.

`schema` brings a store to them by migrations, `ddl` prints them, for a single server or for a cluster.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

DIMENSIONS: Final = ("journey", "step", "environment", "service", "version", "cluster", "region", "tier", "variant")

DAY: Final = 86_400
DURABLE: Final = ("fsync_after_insert = 1", "fsync_part_directory = 1")
"""A collector deletes its log's segment once it is recorded: by then the counts must survive a loss of power themselves."""
DEDUPLICATION_WINDOW: Final = 10_000
"""Inserts whose tokens a table remembers. Who inserts again what may be in already must do so before as many others: see the drain."""
DEDUPLICATED: Final = f"non_replicated_deduplication_window = {DEDUPLICATION_WINDOW}"
CLAIMS_NUMBERED: Final = "enable_block_number_column = 1"
WHOLE_PARTS: Final = "ttl_only_drop_parts = 1"
"""Whole parts are dropped when their last row is due: no rewriting, for at most one partition's length more on disk."""

_TIME: Final = "t DateTime('UTC') CODEC(DoubleDelta, ZSTD(1))"


def _text(name: str) -> str:
    return f"{name} LowCardinality(String) CODEC(ZSTD(1))"


def _count(name: str) -> str:
    return f"{name} UInt64 CODEC(T64, ZSTD(1))"


@dataclass(frozen=True, slots=True)
class Tier:
    """One resolution of the cells."""

    table: str
    seconds: int
    retention_seconds: int
    longest_window_seconds: int
    """Longer windows are read from a coarser tier."""


TIERS: Final = (
    Tier("cells_10s", 10, 3 * DAY, 6 * 3_600),
    Tier("cells_1m", 60, 35 * DAY, 35 * DAY),
    Tier("cells_1h", 3_600, 400 * DAY, 400 * DAY),
)
"""Finest first."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the MergeTree family."""

    name: str
    columns: Sequence[str]
    engine: str
    order_by: Sequence[str]
    partition_by: str = "tuple()"
    ttl: str = ""
    settings: Sequence[str] = ()
    shard_by: str = "cityHash64(journey)"
    """What decides, in a cluster, where a row is: rows that are summed or replaced together stay together."""

    def ddl(self) -> str:
        lines = [
            f"CREATE TABLE IF NOT EXISTS {self.name} ({', '.join(self.columns)})",
            f"ENGINE = {self.engine}",
            f"PARTITION BY {self.partition_by}",
            f"ORDER BY ({', '.join(self.order_by)})",
        ]
        if self.ttl:
            lines.append(f"TTL {self.ttl}")
        if self.settings:
            lines.append(f"SETTINGS {', '.join(self.settings)}")
        return "\n".join(lines)


def _cells(tier: Tier) -> Table:
    return Table(
        name=tier.table,
        columns=(
            _TIME,
            *map(_text, (*DIMENSIONS, "outcome")),
            "bin UInt16 CODEC(Delta, ZSTD(1))",
            _count("n"),
        ),
        engine="SummingMergeTree(n)",
        order_by=(*DIMENSIONS, "outcome", "t", "bin"),
        partition_by="toYYYYMM(t)" if tier.seconds == 3_600 else "toYYYYMMDD(t)",
        ttl=f"t + INTERVAL {tier.retention_seconds // DAY} DAY",
        settings=(WHOLE_PARTS, *DURABLE, DEDUPLICATED),
    )


CELLS: Final = tuple(map(_cells, TIERS))
"""Whoever inserts cells inserts them into each tier (`counts`): views would do so with every insert, and two of three inserts' cost
would be coarser tiers that nobody reads within seconds.
"""

FLOW_KEYS: Final = ("journey", "environment", "tier", "variant")
"""What is the same wherever a journey begins and ends: it may begin in one service and end in another."""
FLOW_COUNTS: Final = ("started", "succeeded", "failed", "abandoned")

FLOW: Final = Table(
    name="flow_1m",
    columns=(_TIME, *map(_text, FLOW_KEYS), *map(_count, FLOW_COUNTS)),
    engine=f"SummingMergeTree(({', '.join(FLOW_COUNTS)}))",
    order_by=(*FLOW_KEYS, "t"),
    partition_by="toYYYYMM(t)",
    ttl="t + INTERVAL 400 DAY",
    settings=(WHOLE_PARTS, *DURABLE, DEDUPLICATED),
)
"""t: the minute in which the journeys began, whenever they end."""

STARTS: Final = Table(
    name="starts_10s",
    columns=(_TIME, *map(_text, ("journey", "environment")), _count("started")),
    engine="SummingMergeTree(started)",
    # By time: the newest are asked for several times a second.
    order_by=("t", "journey", "environment"),
    partition_by="toYYYYMMDD(t)",
    ttl="t + INTERVAL 1 DAY",
    # Not durable: what is of use for two minutes need not survive a loss of power, and each batch pays for it.
    settings=(WHOLE_PARTS, DEDUPLICATED),
)
"""t: the 10 s in which the journeys began. What scaling looks at: the same in minutes is `FLOW`, for good, and some seconds later."""

REASONS: Final = Table(
    name="reasons_1m",
    columns=(
        _TIME,
        *map(_text, ("journey", "step", "environment", "service", "version", "tier", "variant", "reason")),
        _count("n"),
    ),
    engine="SummingMergeTree(n)",
    order_by=("journey", "step", "environment", "service", "version", "tier", "variant", "reason", "t"),
    partition_by="toYYYYMMDD(t)",
    ttl="t + INTERVAL 35 DAY",
    settings=(WHOLE_PARTS, *DURABLE, DEDUPLICATED),
)

EXEMPLARS: Final = Table(
    name="exemplars",
    columns=(
        _TIME,
        *map(_text, (*DIMENSIONS, "outcome")),
        "bin UInt16 CODEC(ZSTD(1))",
        "why UInt8 CODEC(ZSTD(1))",
        "duration_us UInt64 CODEC(T64, ZSTD(1))",
        "trace_id FixedString(16) CODEC(NONE)",
        "span_id FixedString(8) CODEC(NONE)",
        "at DateTime('UTC') CODEC(DoubleDelta, ZSTD(1))",
    ),
    engine="ReplacingMergeTree",
    order_by=(*DIMENSIONS, "outcome", "t", "bin"),
    partition_by="toYYYYMMDD(t)",
    ttl="t + INTERVAL 7 DAY",
    settings=(WHOLE_PARTS, *DURABLE, DEDUPLICATED),
)

SAMPLED: Final = Table(
    name="sampled_1m",
    columns=(_TIME, *map(_text, (*DIMENSIONS, "outcome")), _count("n"), _count("spans")),
    engine="SummingMergeTree((n, spans))",
    order_by=(*DIMENSIONS, "outcome", "t"),
    partition_by="toYYYYMMDD(t)",
    ttl="t + INTERVAL 35 DAY",
    settings=(WHOLE_PARTS, *DURABLE, DEDUPLICATED),
)
"""Of what came as a sample alone: how many spans stand for the n that the cells count."""

SKEWED: Final = Table(
    name="skewed_1m",
    columns=(_TIME, *map(_text, ("journey", "step", "service", "version")), _count("n")),
    engine="SummingMergeTree(n)",
    order_by=("journey", "step", "service", "version", "t"),
    partition_by="toYYYYMMDD(t)",
    ttl="t + INTERVAL 35 DAY",
    settings=(WHOLE_PARTS, *DURABLE, DEDUPLICATED),
)

SLI: Final = Table(
    name="sli",
    columns=(
        "slo LowCardinality(String)",
        "objective LowCardinality(String)",
        "grp LowCardinality(String)",
        _TIME,
        _count("good"),
        _count("bad"),
        _count("expected"),
        "source LowCardinality(String)",
        "version UInt64 CODEC(Delta, ZSTD(1))",
    ),
    engine="ReplacingMergeTree(version)",
    order_by=("slo", "objective", "grp", "t"),
    partition_by="toYYYYMM(t)",
    ttl="t + INTERVAL 400 DAY",
    # The engine remembers that a minute is counted: its row must not be lost after that.
    settings=(WHOLE_PARTS, *DURABLE),
    shard_by="cityHash64(slo)",
)

INGEST_COUNTS: Final = (
    "bodies",
    "duplicate_bodies",
    "spans",
    "counted",
    "ignored",
    "rejected",
    "skewed",
    "overflowed",
)

SEGMENTS: Final = Table(
    name="segments",
    columns=(
        "segment String CODEC(ZSTD(1))",
        "drained_at_ms UInt64 CODEC(Delta, ZSTD(1))",
        *map(_count, INGEST_COUNTS),
        "minutes Array(UInt32) CODEC(ZSTD(1))",
        # The server's clock, not a collector's, decides how long a segment is known.
        "recorded_at DateTime('UTC') DEFAULT now() CODEC(DoubleDelta, ZSTD(1))",
        # What is new is asked for several times a second, of millions of segments.
        "INDEX newest drained_at_ms TYPE minmax GRANULARITY 1",
    ),
    engine="ReplacingMergeTree(drained_at_ms)",
    order_by=("segment",),
    ttl="recorded_at + INTERVAL 35 DAY",
    settings=DURABLE,
    shard_by="cityHash64(segment)",
)

INGEST: Final = Table(
    name="ingest",
    columns=("day Date DEFAULT today()", *(f"{count} UInt64" for count in ("segments", *INGEST_COUNTS))),
    engine="SummingMergeTree",
    order_by=("day",),
    settings=(*DURABLE, DEDUPLICATED),
    # One shard has them all, so that a token is recognised whatever the day.
    shard_by="segments * 0",
)
"""Totals for ever: segments expire, and a counter that falls would be read as a restart."""

BODIES: Final = Table(
    name="bodies",
    columns=(
        "hash FixedString(16) CODEC(NONE)",
        "segment String CODEC(ZSTD(1))",
        "claimed_at DateTime('UTC') DEFAULT now() CODEC(DoubleDelta, ZSTD(1))",
        "claimed_us UInt64 DEFAULT toUnixTimestamp64Micro(now64(6)) CODEC(DoubleDelta, ZSTD(1))",
    ),
    engine="MergeTree",
    order_by=("hash",),
    partition_by="toYYYYMMDD(claimed_at)",
    ttl="claimed_at + INTERVAL 1 DAY",
    # Looked up by scattered hashes: small granules keep a lookup from reading 8192 rows for each.
    # Rows have numbers in the order in which they became visible: whose claim came first.
    settings=(WHOLE_PARTS, *DURABLE, "index_granularity = 256", CLAIMS_NUMBERED),
    shard_by="cityHash64(hash)",
)

STREAMS: Final = Table(
    name="streams",
    columns=(
        "stream FixedString(16) CODEC(NONE)",
        "state String CODEC(ZSTD(1))",
        "updated_at DateTime('UTC') DEFAULT now() CODEC(DoubleDelta, ZSTD(1))",
    ),
    engine="ReplacingMergeTree",
    order_by=("stream",),
    ttl="updated_at + INTERVAL 7 DAY",
    settings=(*DURABLE, "index_granularity = 256"),
    shard_by="cityHash64(stream)",
)

EVENTS: Final = Table(
    name="events",
    columns=(
        "id String CODEC(ZSTD(1))",
        "kind LowCardinality(String) CODEC(ZSTD(1))",
        "subject String CODEC(ZSTD(1))",
        "begin DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1))",
        "end Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1))",
        "detail String CODEC(ZSTD(1))",
        "version UInt64 CODEC(Delta, ZSTD(1))",
    ),
    engine="ReplacingMergeTree(version)",
    order_by=("kind", "id"),
    # What has no end is in force.
    ttl="toDateTime(ifNull(end, begin), 'UTC') + INTERVAL 400 DAY DELETE WHERE isNotNull(end)",
    settings=DURABLE,
    shard_by="cityHash64(id)",
)

SERVED: Final = Table(
    name="served_pods",
    columns=(
        *map(_text, ("namespace", "pod", "service")),
        "first SimpleAggregateFunction(min, DateTime64(6, 'UTC')) CODEC(ZSTD(1))",
        "last SimpleAggregateFunction(max, DateTime64(6, 'UTC')) CODEC(ZSTD(1))",
    ),
    engine="AggregatingMergeTree",
    order_by=("namespace", "pod", "service"),
    partition_by="toYYYYMM(last)",
    ttl="toDateTime(last, 'UTC') + INTERVAL 35 DAY",
    settings=DURABLE,
    shard_by="cityHash64(pod)",
)
"""When each pod's first and last journey or step that was counted ended. May be told twice: min and max do not mind."""

_WORKLOAD: Final = ("namespace", "kind", "name")

REPLICAS: Final = Table(
    name="replicas_10s",
    columns=(
        _TIME,
        *map(_text, _WORKLOAD),
        "wanted UInt32 CODEC(T64, ZSTD(1))",
        "pods UInt32 CODEC(T64, ZSTD(1))",
        "ready UInt32 CODEC(T64, ZSTD(1))",
        "ready_ms UInt64 CODEC(T64, ZSTD(1))",
        "observed_ms UInt64 CODEC(T64, ZSTD(1))",
        "templates UInt16 CODEC(T64, ZSTD(1))",
        "at DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1))",
        "version UInt64 CODEC(Delta, ZSTD(1))",
    ),
    engine="ReplacingMergeTree(version)",
    order_by=(*_WORKLOAD, "t"),
    partition_by="toYYYYMM(t)",
    ttl="t + INTERVAL 35 DAY",
    settings=(WHOLE_PARTS, *DURABLE),
    shard_by="cityHash64(name)",
)
"""What ran in 10 s: at `at`, the bucket's newest look, so many `wanted`, `pods`, `ready` ones, of so many pod `templates`; over the
`observed_ms` that were watched, `ready_ms` pod-milliseconds ready."""

SCALING: Final = Table(
    name="scaling_10s",
    columns=(
        _TIME,
        *map(_text, ("namespace", "target")),
        *(f"{name} Nullable(UInt32) CODEC(ZSTD(1))" for name in ("desired", "lower", "upper")),
        *(
            f"{name} Nullable(UInt32) CODEC(ZSTD(1))"
            for name in ("reactive", "feed_forward", "predictive", "correction", "ready", "wanted")
        ),
        *(f"{name} Nullable(Float64) CODEC(ZSTD(1))" for name in ("demand", "per_replica", "age")),
        "held_by LowCardinality(String) CODEC(ZSTD(1))",
        "reason String CODEC(ZSTD(1))",
        "version UInt64 CODEC(Delta, ZSTD(1))",
    ),
    engine="ReplacingMergeTree(version)",
    order_by=("namespace", "target", "t"),
    partition_by="toYYYYMM(t)",
    ttl="t + INTERVAL 35 DAY",
    settings=(WHOLE_PARTS, *DURABLE),
    shard_by="cityHash64(target)",
)
"""What the scaling engine last decided in 10 s, and from what. `desired` is null where there was no signal, `reason` says why."""

FORECASTS: Final = Table(
    name="forecasts",
    columns=(
        *map(_text, ("namespace", "target")),
        "made_at DateTime('UTC') CODEC(DoubleDelta, ZSTD(1))",
        "at DateTime('UTC') CODEC(DoubleDelta, ZSTD(1))",
        "model LowCardinality(String) CODEC(ZSTD(1))",
        "abstained String CODEC(ZSTD(1))",
        "expected_factor Float64 CODEC(ZSTD(1))",
        "levels Array(Float64) CODEC(ZSTD(1))",
        "quantiles Array(Float64) CODEC(ZSTD(1))",
        "came Nullable(Float64) CODEC(ZSTD(1))",
        "version UInt64 CODEC(Delta, ZSTD(1))",
    ),
    engine="ReplacingMergeTree(version)",
    order_by=("namespace", "target", "at", "made_at"),
    partition_by="toYYYYMM(at)",
    ttl="at + INTERVAL 35 DAY",
    settings=(WHOLE_PARTS, *DURABLE),
    shard_by="cityHash64(target)",
)
"""What demand was forecast to be at `at`, calls a second, and what `came`: written again when that is known."""

APPLIED: Final = Table(
    name="schema_migrations",
    columns=("version UInt32", "applied_at DateTime('UTC')"),
    engine="ReplacingMergeTree(applied_at)",
    order_by=("version",),
    shard_by="version",
)

TABLES: Final = (
    *CELLS,
    FLOW,
    STARTS,
    REASONS,
    EXEMPLARS,
    SAMPLED,
    SKEWED,
    SLI,
    SEGMENTS,
    INGEST,
    BODIES,
    STREAMS,
    EVENTS,
    SERVED,
    REPLICAS,
    SCALING,
    FORECASTS,
    APPLIED,
)
"""All, as they are at the newest version of the schema."""
