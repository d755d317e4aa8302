from __future__ import annotations

import json
import re

import pytest
from click.testing import CliRunner

from maibo_slo.cli.store import store as command
from maibo_slo.errors import StoreError
from maibo_slo.store import Store, ddl, open_store, schema
from maibo_slo.store.tables import TABLES


def _run(*arguments: str) -> str:
    return CliRunner().invoke(command, ["ddl", *arguments], catch_exceptions=False).stdout


@pytest.mark.parametrize("cluster", [None, "main", "{cluster}"])
def test_the_engine_can_parse_every_statement(store: Store, cluster: str | None):
    made = ddl.statements(cluster)
    assert len(made) == (1 if cluster is None else 2) * len(TABLES) + 1
    for statement in made:
        first = store.rows(f"EXPLAIN AST {statement}")[0][0]
        assert first.startswith(("CreateQuery", "InsertQuery")), statement


def test_a_database_made_by_hand_is_one_that_maibo_finds_nothing_to_do_in(store_dsn: str):
    with Store(store_dsn) as store:
        for statement in _run().split(";\n")[:-1]:
            store.execute(statement)
        assert schema.migrate(store) == []
        assert schema.version_of(store) == schema.NEWEST
    open_store(store_dsn, migrate=False).close()


def test_in_a_cluster_every_table_is_replicated_and_read_through_a_distributed_one():
    made = ddl.statements("main")
    for table in TABLES:
        (local,) = [each for each in made if each.startswith(f"CREATE TABLE IF NOT EXISTS {table.name}_local ")]
        (whole,) = [each for each in made if each.startswith(f"CREATE TABLE IF NOT EXISTS {table.name} ")]
        assert "ON CLUSTER 'main'" in local
        assert "ON CLUSTER 'main'" in whole
        family = table.engine.partition("(")[0]
        assert (
            f"ENGINE = Replicated{family}('/clickhouse/tables/{{shard}}/{{database}}/{{table}}', '{{replica}}'" in local
        )
        assert "non_replicated" not in local
        assert ("replicated_deduplication_window = 10000" in local) == ("non_replicated" in table.ddl())
        assert f"Distributed('main', currentDatabase(), '{table.name}_local', {table.shard_by})" in whole
        assert made.index(whole) > max(made.index(each) for each in made if "_local ON CLUSTER" in each)


def test_rows_that_are_summed_or_replaced_together_are_on_one_shard(store: Store):
    """The sharding key reads only columns of the sorting key, which say what is one row; and is a number."""
    for table in TABLES:
        columns = {name for (name,) in store.rows(f"SELECT name FROM system.columns WHERE table = '{table.name}'")}
        read = set(re.findall(r"\b[a-z_]+\b", table.shard_by)) & columns
        assert read <= set(table.order_by) or table.name == "ingest", table.name  # ingest: all are on the first
        ((_, kind, *_),) = store.rows(f"DESCRIBE (SELECT {table.shard_by} AS key FROM {table.name})")
        assert kind.removeprefix("LowCardinality(").startswith("UInt"), table.name


def test_ddl_goes_into_a_file_when_one_is_named(tmp_path):
    path = tmp_path / "schema.sql"
    assert _run("--cluster", "main", "-o", str(path)) == ""
    assert path.read_text() == _run("--cluster", "main")
    assert _run("--output", "json", "--out", str(path)) == ""
    assert json.loads(path.read_text()) == ddl.statements()
    refused = CliRunner().invoke(command, ["ddl", "-o", "json"])
    assert refused.exit_code == 2
    assert "--output json" in refused.stderr
    refused = CliRunner().invoke(command, ["ddl", "-o", str(tmp_path / "none" / "schema.sql")])
    assert "cannot write" in str(refused.exception)


def test_ddl_is_printed_as_sql_or_json():
    assert json.loads(_run("--cluster", "main", "--output", "json")) == ddl.statements("main")
    assert _run("--cluster", "main").count(";\n") == len(ddl.statements("main"))


@pytest.mark.parametrize("name", ["", "a b", "it's", "x'; DROP TABLE cells_10s; --", "{a b}"])
def test_a_name_that_no_cluster_has_is_refused(name: str):
    with pytest.raises(StoreError, match="a name that no cluster has"):
        ddl.statements(name)
