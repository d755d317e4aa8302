from __future__ import annotations

import pytest

from maibo_slo.errors import StoreSchemaError
from maibo_slo.store import Store, open_store, schema


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
        assert all("IF NOT EXISTS" in statement for statement in statements)


def test_the_tables_are_those_of_the_design(store: Store):
    tables = _tables(store)
    for tier in schema.TIERS:
        ddl = tables[tier.table]
        assert "SummingMergeTree(n)" in ddl
        assert f"toIntervalDay({tier.retention_seconds // 86_400})" in ddl
        assert (
            "ORDER BY (journey, step, environment, service, version, cluster, region, tier, variant, outcome, t, bin)"
            in ddl
        )
        assert "non_replicated_deduplication_window = 10000" in ddl
    assert [(tier.seconds, tier.retention_seconds // 86_400) for tier in schema.TIERS] == [
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
    assert set(sizes) == {
        "bodies",
        "cells_10s",
        "cells_1h",
        "cells_1m",
        "ingest",
        "schema_migrations",
        "segments",
        "sli",
    }
    assert sizes["cells_10s"] == schema.TableSize("cells_10s", 0, 0, 0, 0)
    assert sizes["schema_migrations"].rows >= 1
    assert sizes["schema_migrations"].bytes_on_disk > 0
