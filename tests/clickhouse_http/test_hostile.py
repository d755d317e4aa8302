"""Who asks in bad faith gets nothing: no file, no other host, no write, no table that is not offered, and no more than a reader's share."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maibo_slo.clickhouse_http.engine import ReadOnlyEngine, _Session
from maibo_slo.clickhouse_http.refusal import Refusal
from maibo_slo.clickhouse_http.settings import in_force
from maibo_slo.clickhouse_http.vocabulary import HIDDEN, OFFERED
from maibo_slo.store.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maibo_slo.clickhouse_http.statement import Judge
    from maibo_slo.store import Store

SECRETS = (b"canary", b"secret-segment", b"hash-of-a-body")


def test_a_hostile_statement_gets_nothing_but_clickhouses_code(endpoint: Any, world: Any, hostile: Any) -> None:
    url = {name: world.said(value) for name, value in hostile.url.items()}
    reply = endpoint.ask(world.said(hostile.sql), **url)
    assert reply.code == hostile.code, reply.body
    assert (reply.status == 200) == (hostile.code == 0)
    assert not any(secret in reply.body for secret in SECRETS)
    assert world.untouched()


def test_after_all_that_the_store_is_as_it_was(endpoint: Any) -> None:
    assert endpoint.store.rows("SELECT sum(n) FROM cells_1m")[0][0] == sum(range(1, 5001))
    assert {row[0] for row in endpoint.store.rows("SHOW TABLES")} == {table.name for table in TABLES}
    assert {row[0] for row in endpoint.store.rows("SHOW DATABASES")} - {"INFORMATION_SCHEMA", "information_schema"} == {
        "default",
        "system",
    }
    assert endpoint.store.rows("SELECT count() FROM system.functions WHERE origin != 'System'")[0][0] == 0


def test_every_table_is_offered_or_hidden_on_purpose() -> None:
    assert {table.name for table in TABLES} == OFFERED | HIDDEN
    assert not OFFERED & HIDDEN


def test_the_documentation_tells_what_is_tried() -> None:
    groups = yaml.safe_load(Path(__file__).with_name("hostile.yaml").read_text())
    told = (Path(__file__).parents[2] / "docs" / "clickhouse-http.md").read_text()
    for group in groups:
        codes = sorted({each.get("code", group["code"]) for each in group["statements"]})
        shown = "none" if codes == [0] else ", ".join(map(str, codes))
        assert f"| {group['what']} | {len(group['statements'])} | {shown} |\n" in told


@pytest.mark.parametrize("size", [300_000, 2_000_000])
def test_a_huge_statement_is_refused(endpoint: Any, size: int) -> None:
    reply = endpoint.ask(f"SELECT '{'x' * size}'")
    assert reply.code == {300_000: 62, 2_000_000: 307}[size]


def test_a_long_statement_is_answered(endpoint: Any) -> None:
    columns = ", ".join(f"n + {number} AS c{number}" for number in range(3000))
    assert endpoint.ask(f"SELECT {columns} FROM cells_1m LIMIT 1").body.count(b"\t") == 2999


@pytest.mark.parametrize("deep", ["(" * 5000 + "1" + ")" * 5000, "-" * 400 + "1", "[" * 2000 + "]" * 2000])
def test_a_deep_statement_is_refused(endpoint: Any, deep: str) -> None:
    assert endpoint.ask(f"SELECT {deep}").code in {62, 167, 306}


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM file('{file}')",
        "SELECT * FROM '{file}'",
        "SELECT * FROM url('http://127.0.0.1:{port}/', 'CSV', 'a String')",
        "SELECT * FROM remote('127.0.0.1:{port}', system.one)",
        "SELECT * FROM executable('id', 'TSV', 'a String')",
        "INSERT INTO cells_1m (n) SELECT 1",
        "CREATE TABLE x (a UInt8) ENGINE = Memory",
        "SET readonly = 0",
        "SELECT 1 SETTINGS max_threads = 2",
    ],
)
def test_were_the_judgement_wrong_the_session_would_still_refuse(filled: Store, world: Any, sql: str) -> None:
    with contextlib.closing(_Session(filled, in_force(()))) as session, pytest.raises(Refusal) as refused:
        session.query(world.said(sql), "CSV")
    assert refused.value.code == 164
    assert world.untouched()


@pytest.fixture(scope="module")
def judge(filled: Store) -> Iterator[Judge]:
    """As a worker has it: nothing is run."""
    engine = ReadOnlyEngine(filled)
    yield engine._judge()
    engine.close()


_CALLS = (
    "file('/etc/passwd')",
    "url('http://127.0.0.1:1/', 'CSV', 'a String')",
    "s3('http://127.0.0.1:1/b/k', 'CSV', 'a String')",
    "remote('127.0.0.1:1', system.one)",
    "merge('default', 'bodies')",
    "executable('id', 'TSV', 'a String')",
    "system.processes",
    "`system` . `stack_trace`",
    "bodies",
    "default.bodies",
    "'/etc/passwd'",
    "`/etc/passwd`",
    "information_schema.tables",
)
_FUNCTIONS = (
    "file('/etc/passwd')",
    "sleep(1)",
    "dictGet('d', 'a', 1)",
    "aiGenerate('x')",
    "serverUUID()",
    "arrayMap(file, ['x'])",
)
HARMFUL = st.one_of(
    st.sampled_from(_CALLS).map("SELECT * FROM {}".format), st.sampled_from(_FUNCTIONS).map("SELECT {} AS a".format)
)
HARMLESS = st.sampled_from(
    [
        "SELECT 1 AS a",
        "SELECT n FROM cells_1m",
        "SELECT number FROM numbers(3)",
        "SELECT name FROM system.tables",
        "SELECT max(t) FROM default.flow_1m",
    ]
)
_NESTS = (
    "SELECT * FROM ({})",
    "SELECT * FROM ({}) AS x",
    "WITH c AS ({}) SELECT * FROM c",
    "WITH c AS (SELECT 1), d AS ({}) SELECT * FROM c",
    "WITH ({}) AS s SELECT s",
    "SELECT ({})",
    "SELECT 1 WHERE 1 IN ({})",
    "SELECT 1 WHERE 1 GLOBAL NOT IN ({})",
    "SELECT EXISTS({})",
    "SELECT if(1, 2, ({}))",
    "SELECT arrayMap(x -> ({}), [1])",
    "SELECT sum(number) OVER (ORDER BY ({})) FROM numbers(3)",
    "SELECT * FROM numbers(2) AS a LEFT JOIN ({}) AS b ON 1 = 1",
    "SELECT * FROM numbers(2) AS a, ({}) AS b",
    "SELECT a FROM (SELECT 1) ARRAY JOIN [({})] AS a",
    "SELECT 1 AS a UNION ALL {}",
    "{} UNION DISTINCT SELECT 1",
    "SELECT 1 AS a EXCEPT ({})",
    "SELECT * REPLACE (({}) AS number) FROM numbers(1)",
    "SELECT * APPLY(x -> ({})) FROM numbers(1)",
    "SELECT 1 AS k ORDER BY ({})",
    "SELECT 1 GROUP BY ({}) HAVING ({}) = 1",
    "SELECT number FROM numbers(1) LIMIT 1 BY ({})",
)
_DRESSES = (
    lambda sql: sql,
    lambda sql: sql.replace(" ", "\n\t"),
    lambda sql: sql.replace(" ", " /* ; -- */ "),
    lambda sql: sql.replace("SELECT", "select").replace("FROM", "fRoM"),
    lambda sql: f"{sql} -- ; DROP TABLE x",
    lambda sql: f"{sql};",
    lambda sql: f"EXPLAIN {sql}",
    lambda sql: f"DESCRIBE ({sql})",
    lambda sql: f"{sql} FORMAT JSON",
)


def nested(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """A statement somewhere inside others, dressed."""
    within = st.lists(st.sampled_from(_NESTS), max_size=4)

    def built(sql: str, nests: list[str], dress: Any) -> str:
        for nest in nests:
            sql = nest.replace("{}", sql)
        return str(dress(sql))

    return st.builds(built, inner, within, st.sampled_from(_DRESSES))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sql=nested(HARMFUL))
def test_however_deep_what_is_harmful_is_found(judge: Judge, sql: str) -> None:
    with pytest.raises(Refusal) as refused:
        judge.judge(sql, {})
    assert refused.value.code in {60, 497}, sql


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sql=nested(HARMLESS))
def test_and_what_is_harmless_is_not(judge: Judge, sql: str) -> None:
    statement = judge.judge(sql, {})
    assert "system.tables" not in statement.text or "database = 'default'" in statement.text
    assert "/*" not in statement.text
