"""The tables, as numbered migrations.

A migration is applied once and never edited; every statement can be run again (``IF NOT EXISTS``), so a crash or a second
process half-way through does no harm. A store that is newer than this code is refused rather than misread.

Statements are made from `tables`. A table that an earlier version had is made as that version had it, and then altered: a new store
and an old one come to be the same.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from maibo_slo.errors import StoreSchemaError
from maibo_slo.store.tables import (
    APPLIED,
    BODIES,
    CELLS,
    CLAIMS_NUMBERED,
    DIMENSIONS,
    EVENTS,
    EXEMPLARS,
    FLOW,
    FORECASTS,
    INGEST,
    INGEST_COUNTS,
    REASONS,
    REPLICAS,
    SAMPLED,
    SCALING,
    SEGMENTS,
    SERVED,
    SKEWED,
    SLI,
    STARTS,
    STREAMS,
    Table,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maibo_slo.store.client import Store

_MERGE_BASE: Final = 64
"""Parts of one size that are merged at once, about; the engine's own is 5."""
_FIRST_COUNTS: Final = ("bodies", "duplicate_bodies", "spans", "counted", "ignored", "rejected")
"""What version 1 counted of a segment."""


_ROLLUPS: Final = (("cells_1m", "cells_1h", 3_600), ("cells_10s", "cells_1m", 60))
"""Views of versions 1 and 2, from finer cells to coarser ones of so many seconds. Targets stand before the views that fill them: nothing
falls between.
"""


def _rollup(source: str, target: str, seconds: int) -> str:
    keys = ", ".join((*DIMENSIONS, "outcome"))
    return (
        f"CREATE MATERIALIZED VIEW IF NOT EXISTS {source}_to_{target} TO {target} AS\n"
        f"SELECT toStartOfInterval({source}.t, INTERVAL {seconds} SECOND) AS t, {keys}, bin, sum(n) AS n\n"
        f"FROM {source} GROUP BY t, {keys}, bin"
    )


def _first(table: Table, *since: str) -> Table:
    """The table as version 1 had it, without the columns that came since."""
    return replace(
        table,
        columns=tuple(column for column in table.columns if not column.startswith(tuple(f"{name} " for name in since))),
    )


def _added_counts(table: Table) -> str:
    columns = {column.split()[0]: column for column in table.columns}
    added = INGEST_COUNTS[len(_FIRST_COUNTS) :]
    places = zip(added, INGEST_COUNTS[len(_FIRST_COUNTS) - 1 :], strict=False)
    return f"ALTER TABLE {table.name} " + ", ".join(
        f"ADD COLUMN IF NOT EXISTS {columns[name]} AFTER {before}" for name, before in places
    )


MIGRATIONS: Final[Sequence[tuple[int, Sequence[str]]]] = (
    (
        1,
        (
            *(table.ddl() for table in CELLS),
            *(_rollup(*tiers) for tiers in _ROLLUPS),
            SLI.ddl(),
            _first(SEGMENTS, "skewed", "overflowed", "INDEX").ddl(),
            _first(INGEST, "skewed", "overflowed").ddl(),
            replace(
                _first(BODIES, "claimed_us"), settings=[each for each in BODIES.settings if each != CLAIMS_NUMBERED]
            ).ddl(),
        ),
    ),
    (
        2,
        (
            *(table.ddl() for table in (FLOW, REASONS, EXEMPLARS, SAMPLED, SKEWED, STREAMS)),
            _added_counts(SEGMENTS),
            f"ALTER TABLE segments ADD INDEX IF NOT EXISTS {SEGMENTS.columns[-1].removeprefix('INDEX ')}",
            _added_counts(INGEST),
            f"ALTER TABLE bodies ADD COLUMN IF NOT EXISTS {BODIES.columns[-1]}",
        ),
    ),
    (
        3,
        (
            *(f"DROP VIEW IF EXISTS {source}_to_{target}" for source, target, _ in reversed(_ROLLUPS)),
            f"ALTER TABLE bodies MODIFY SETTING {CLAIMS_NUMBERED}",
        ),
    ),
    (4, (EVENTS.ddl(),)),
    (5, tuple(table.ddl() for table in (SERVED, REPLICAS, SCALING, FORECASTS))),
    (6, (STARTS.ddl(),)),
)
"""(version, statements), ascending."""

NEWEST: Final = MIGRATIONS[-1][0]


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
        store.execute(APPLIED.ddl())
    for version, statements in missing:
        for statement in statements:
            store.execute(statement)
        tune(store)
        store.insert("schema_migrations", {"version": [version], "applied_at": [int(time.time())]})
    return [version for version, _ in missing]


def tune(store: Store) -> None:
    """Let an embedded engine merge cells less eagerly: small batches are summed by the next larger merge anyway, and merges were two
    thirds of what inserting cost. A server's own settings are its operator's.
    """
    if store.embedded:
        for table in CELLS:
            store.execute(f"ALTER TABLE {table.name} MODIFY SETTING merge_selector_base = {_MERGE_BASE}")


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
