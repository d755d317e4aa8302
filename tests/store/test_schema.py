from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from maibo_slo.errors import StoreSchemaError
from maibo_slo.store import Store, open_store, schema
from maibo_slo.store.cells import insert_cells
from maibo_slo.store.segments import SegmentRecord, SegmentTotals, changed_minutes, claim, is_drained, record, totals
from maibo_slo.store.tables import APPLIED, TABLES, TIERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from maibo_slo.store.cells import CellKey


def _tables(store: Store) -> dict[str, str]:
    return dict(store.rows("SELECT name, create_table_query FROM system.tables WHERE database = currentDatabase()"))


def test_migrating_again_changes_nothing(store: Store):
    before = _tables(store)
    assert schema.migrate(store) == []
    assert schema.version_of(store) == schema.NEWEST
    assert _tables(store) == before


def test_a_migration_that_died_half_way_is_finished_by_the_next(store_dsn: str):
    with Store(store_dsn) as store:
        for statement in schema.MIGRATIONS[0][1][:3]:
            store.execute(statement)
        assert schema.version_of(store) == 0
        assert schema.migrate(store) == [version for version, _ in schema.MIGRATIONS]
        assert {"cells_10s", "cells_1m", "cells_1h", "sli", "segments", "bodies"} <= _tables(store).keys()


@pytest.fixture
def first_version(store_dsn: str) -> str:
    """A store as version 1 made it, with data in it."""
    with Store(store_dsn) as store:
        version, statements = schema.MIGRATIONS[0]
        for statement in (*statements, APPLIED.ddl()):
            store.execute(statement)
        store.insert("schema_migrations", {"version": [version], "applied_at": [0]})
        store.execute("INSERT INTO cells_10s (t, journey, bin, n) SELECT now(), 'checkout', 7, 40")
        store.execute(
            "INSERT INTO segments (segment, drained_at_ms, bodies, spans, counted, minutes) VALUES ('old', 5, 2, 40, 40, [60])"
        )
        store.execute("INSERT INTO ingest (segments, bodies, spans, counted) VALUES (1, 2, 40, 40)")
        store.execute(f"INSERT INTO bodies (hash, segment) SELECT unhex('{'ab' * 16}'), 'old'")
        return store_dsn


def test_a_store_of_the_first_version_keeps_its_numbers_and_goes_on_counting(
    first_version: str, present: int, key: Callable[..., CellKey]
):
    with open_store(first_version) as store:
        assert schema.version_of(store) == schema.NEWEST
        assert store.rows("SELECT sum(n) FROM cells_1h") == [(40,)]
        assert totals(store) == SegmentTotals(1, 2, 0, 40, 40, 0, 0, 0, 0)
        assert is_drained(store, ["old", "new"]) == {"old"}
        assert changed_minutes(store, 0) == ({60}, 5)
        assert claim(store, "new", [b"\xab" * 16, b"\xcd" * 16]) == {b"\xcd" * 16}
        assert claim(store, "old", [b"\xab" * 16, b"\xcd" * 16]) == {b"\xab" * 16}
        insert_cells(store, {key(present): 2}, token="new")
        record(store, SegmentRecord("new", 1, 1, 0, 5, 2, 0, 0, (present,), skewed=3, overflowed=1))
        assert totals(store) == SegmentTotals(2, 3, 0, 45, 42, 0, 0, 3, 1)
        assert store.rows("SELECT sum(n) FROM cells_1h") == [(42,)]


def test_a_migrated_store_and_a_new_one_and_the_tables_as_they_are_spelled_are_the_same(first_version: str):
    with open_store(first_version) as migrated, Store(f"{first_version}?database=spelled") as spelled:
        for table in TABLES:
            spelled.execute(table.ddl())
        schema.tune(spelled)
        with open_store(f"{first_version}?database=new") as new:
            assert set(_tables(new)) == {each.name for each in TABLES}
            tables = [
                {name: ddl.replace(f"{database}.", "") for name, ddl in _tables(store).items()}
                for store, database in ((migrated, "default"), (new, "new"), (spelled, "spelled"))
            ]
        assert tables[0] == tables[1] == tables[2]


def test_a_migration_that_is_applied_by_two_at_once_is_the_same(store: Store):
    before = _tables(store)
    for _, statements in schema.MIGRATIONS:
        for statement in statements:
            store.execute(statement)
    assert _tables(store) == before


def test_a_store_newer_than_the_code_is_refused(store: Store):
    store.insert("schema_migrations", {"version": [schema.NEWEST + 1], "applied_at": [0]})
    with pytest.raises(StoreSchemaError, match="use the newer maibo"):
        open_store(str(store))


def test_without_migrate_an_older_store_is_refused_and_left_as_it_was(store_dsn: str):
    with pytest.raises(StoreSchemaError, match="maibo store migrate"):
        open_store(store_dsn, migrate=False)
    with Store(store_dsn) as store:
        assert _tables(store) == {}
    open_store(store_dsn).close()
    open_store(store_dsn, migrate=False).close()


def test_versions_rise_and_every_statement_may_be_repeated():
    versions = [version for version, _ in schema.MIGRATIONS]
    assert versions == sorted(set(versions))
    for _, statements in schema.MIGRATIONS:
        assert all(
            "IF NOT EXISTS" in statement or "IF EXISTS" in statement or "MODIFY SETTING" in statement
            for statement in statements
        )


def test_the_tables_are_those_of_the_design(store: Store):
    tables = _tables(store)
    for tier in TIERS:
        ddl = tables[tier.table]
        assert "SummingMergeTree(n)" in ddl
        assert f"toIntervalDay({tier.retention_seconds // 86_400})" in ddl
        assert (
            "ORDER BY (journey, step, environment, service, version, cluster, region, tier, variant, outcome, t, bin)"
            in ddl
        )
        assert "non_replicated_deduplication_window = 10000" in ddl
    assert [(tier.seconds, tier.retention_seconds // 86_400) for tier in TIERS] == [
        (10, 3),
        (60, 35),
        (3_600, 400),
    ]


def test_info_tells_every_table_with_its_size(store: Store):
    store.insert("schema_migrations", {"version": [1], "applied_at": [0]})
    told = schema.info(store)
    sizes = {size.table: size for size in told.tables}
    assert told.schema == schema.NEWEST
    assert told.dsn == str(store)
    assert set(sizes) == {table.name for table in TABLES}
    assert sizes["cells_10s"] == schema.TableSize("cells_10s", 0, 0, 0, 0)
    assert sizes["schema_migrations"].rows >= 1
    assert sizes["schema_migrations"].bytes_on_disk > 0
