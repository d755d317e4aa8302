"""The tables, as numbered migrations.

A migration is applied once and never edited; every statement can be run again (``IF NOT EXISTS``), so a crash or a second
process half-way through does no harm. A store that is newer than this code is refused rather than misread.

Statements are made from `Table`, the one place where a table's engine is spelled: a replicated variant changes `Table.ddl`
and nothing else.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from maibo_slo.errors import StoreSchemaError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maibo_slo.store.client import Store

DIMENSIONS: Final = ("journey", "step", "environment", "service", "version", "cluster", "region", "tier", "variant")

DAY: Final = 86_400
DURABLE: Final = ("fsync_after_insert = 1", "fsync_part_directory = 1")
"""A collector deletes its log's segment once it is recorded: by then the counts must survive a loss of power themselves."""
DEDUPLICATION_WINDOW: Final = 10_000
"""Inserts whose tokens a table remembers: 2.7 hours of one segment a second. A replay runs before anything new."""


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
            "t DateTime('UTC') CODEC(DoubleDelta, ZSTD(1))",
            *(f"{dimension} LowCardinality(String) CODEC(ZSTD(1))" for dimension in DIMENSIONS),
            "outcome LowCardinality(String) CODEC(ZSTD(1))",
            "bin UInt16 CODEC(Delta, ZSTD(1))",
            "n UInt64 CODEC(T64, ZSTD(1))",
        ),
        engine="SummingMergeTree(n)",
        order_by=(*DIMENSIONS, "outcome", "t", "bin"),
        partition_by="toYYYYMM(t)" if tier.seconds == 3_600 else "toYYYYMMDD(t)",
        ttl=f"t + INTERVAL {tier.retention_seconds // DAY} DAY",
        # Whole parts are dropped when their last row is due: no rewriting, for at most one partition's length more on disk.
        settings=("ttl_only_drop_parts = 1", *DURABLE, f"non_replicated_deduplication_window = {DEDUPLICATION_WINDOW}"),
    )


def _cascade(source: Tier, target: Tier) -> str:
    keys = ", ".join((*DIMENSIONS, "outcome"))
    return (
        f"CREATE MATERIALIZED VIEW IF NOT EXISTS {source.table}_to_{target.table} TO {target.table} AS\n"
        f"SELECT toStartOfInterval({source.table}.t, INTERVAL {target.seconds} SECOND) AS t, {keys}, bin, sum(n) AS n\n"
        f"FROM {source.table} GROUP BY t, {keys}, bin"
    )


SLI: Final = Table(
    name="sli",
    columns=(
        "slo LowCardinality(String)",
        "objective LowCardinality(String)",
        "grp LowCardinality(String)",
        "t DateTime('UTC') CODEC(DoubleDelta, ZSTD(1))",
        "good UInt64 CODEC(T64, ZSTD(1))",
        "bad UInt64 CODEC(T64, ZSTD(1))",
        "expected UInt64 CODEC(T64, ZSTD(1))",
        "source LowCardinality(String)",
        "version UInt64 CODEC(Delta, ZSTD(1))",
    ),
    engine="ReplacingMergeTree(version)",
    order_by=("slo", "objective", "grp", "t"),
    partition_by="toYYYYMM(t)",
    ttl="t + INTERVAL 400 DAY",
    # The engine remembers that a minute is counted: its row must not be lost after that.
    settings=("ttl_only_drop_parts = 1", *DURABLE),
)

INGEST_COUNTS: Final = ("bodies", "duplicate_bodies", "spans", "counted", "ignored", "rejected")

SEGMENTS: Final = Table(
    name="segments",
    columns=(
        "segment String CODEC(ZSTD(1))",
        "drained_at_ms UInt64 CODEC(Delta, ZSTD(1))",
        *(f"{count} UInt64 CODEC(T64, ZSTD(1))" for count in INGEST_COUNTS),
        "minutes Array(UInt32) CODEC(ZSTD(1))",
        # The server's clock, not a collector's, decides how long a segment is known.
        "recorded_at DateTime('UTC') DEFAULT now() CODEC(DoubleDelta, ZSTD(1))",
    ),
    engine="ReplacingMergeTree(drained_at_ms)",
    order_by=("segment",),
    ttl="recorded_at + INTERVAL 35 DAY",
    settings=DURABLE,
)

INGEST: Final = Table(
    name="ingest",
    columns=("day Date DEFAULT today()", *(f"{count} UInt64" for count in ("segments", *INGEST_COUNTS))),
    engine="SummingMergeTree",
    order_by=("day",),
    settings=(*DURABLE, f"non_replicated_deduplication_window = {DEDUPLICATION_WINDOW}"),
)
"""Totals for ever: segments expire, and a counter that falls would be read as a restart."""

BODIES: Final = Table(
    name="bodies",
    columns=(
        "hash FixedString(16) CODEC(NONE)",
        "segment String CODEC(ZSTD(1))",
        "claimed_at DateTime('UTC') DEFAULT now() CODEC(DoubleDelta, ZSTD(1))",
    ),
    engine="MergeTree",
    order_by=("hash",),
    partition_by="toYYYYMMDD(claimed_at)",
    ttl="claimed_at + INTERVAL 1 DAY",
    # Looked up by scattered hashes: small granules keep a lookup from reading 8192 rows for each.
    settings=("ttl_only_drop_parts = 1", *DURABLE, "index_granularity = 256"),
)

MIGRATIONS: Final[Sequence[tuple[int, Sequence[str]]]] = (
    (
        1,
        (
            *(_cells(tier).ddl() for tier in TIERS),
            # Targets stand before the views that fill them: nothing falls between.
            _cascade(TIERS[1], TIERS[2]),
            _cascade(TIERS[0], TIERS[1]),
            SLI.ddl(),
            SEGMENTS.ddl(),
            INGEST.ddl(),
            BODIES.ddl(),
        ),
    ),
)
"""(version, statements), ascending."""

NEWEST: Final = MIGRATIONS[-1][0]

_APPLIED: Final = Table(
    name="schema_migrations",
    columns=("version UInt32", "applied_at DateTime('UTC')"),
    engine="ReplacingMergeTree(applied_at)",
    order_by=("version",),
)


def version_of(store: Store) -> int:
    """The newest migration that this store has; 0 for an empty one."""
    if not store.rows("EXISTS TABLE schema_migrations")[0][0]:
        return 0
    return int(store.rows("SELECT max(version) FROM schema_migrations")[0][0])


def migrate(store: Store) -> list[int]:
    """Bring the store up to this code; returns the versions applied now. StoreSchemaError if the store is newer."""
    present = version_of(store)
    _refuse_newer(store, present)
    missing = [migration for migration in MIGRATIONS if migration[0] > present]
    if missing:
        store.execute(_APPLIED.ddl())
    for version, statements in missing:
        for statement in statements:
            store.execute(statement)
        store.insert("schema_migrations", {"version": [version], "applied_at": [int(time.time())]})
    return [version for version, _ in missing]


def check(store: Store) -> None:
    """StoreSchemaError unless the store's schema is exactly this code's."""
    present = version_of(store)
    _refuse_newer(store, present)
    if present < NEWEST:
        raise StoreSchemaError(
            f"the store {store} has schema {present}, this maibo needs {NEWEST}: run `maibo store migrate` with it first"
        )


def _refuse_newer(store: Store, present: int) -> None:
    if present > NEWEST:
        raise StoreSchemaError(
            f"the store {store} has schema {present}, but this maibo knows only up to {NEWEST}: "
            "use the newer maibo that migrated it, or another store"
        )


@dataclass(frozen=True, slots=True)
class TableSize:
    """What one table holds now."""

    table: str
    rows: int
    parts: int
    bytes_on_disk: int
    bytes_uncompressed: int


@dataclass(frozen=True, slots=True)
class StoreInfo:
    """For `maibo store info`."""

    dsn: str
    schema: int
    engine_version: str
    tables: tuple[TableSize, ...]


def info(store: Store) -> StoreInfo:
    """Schema version and sizes. Rows are those stored, before rows of one cell are summed by a merge."""
    tables = store.rows(
        "SELECT t.name, sum(p.rows), countIf(p.name != ''), sum(p.bytes_on_disk), sum(p.data_uncompressed_bytes) "
        "FROM system.tables AS t LEFT JOIN ("
        "SELECT table, name, rows, bytes_on_disk, data_uncompressed_bytes FROM system.parts "
        "WHERE active AND database = currentDatabase()) AS p ON p.table = t.name "
        "WHERE t.database = currentDatabase() AND t.engine LIKE '%MergeTree' GROUP BY t.name ORDER BY t.name"
    )
    return StoreInfo(
        dsn=str(store),
        schema=version_of(store),
        engine_version=str(store.rows("SELECT version()")[0][0]),
        tables=tuple(TableSize(str(name), *map(int, sizes)) for name, *sizes in tables),
    )
