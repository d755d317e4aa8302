"""clickhouse-connect's own HTTP client, and requests as Grafana's driver (clickhouse-go) makes them, get what the store itself answers."""

from __future__ import annotations

import gzip
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import clickhouse_connect
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clickhouse_connect.driver.client import Client

BY_OUTCOME = "SELECT outcome, sum(n) AS n, max(t) AS newest FROM cells_1m WHERE journey = {j:String} GROUP BY outcome ORDER BY outcome"


@pytest.fixture(
    scope="module",
    params=[{}, {"compress": "gzip"}, {"compress": "zstd"}, {"compress": False}, {"form_encode_query_params": True}],
    ids=["lz4", "gzip", "zstd", "plain", "form"],
)
def client(endpoint: Any, request: pytest.FixtureRequest) -> Iterator[Client]:
    host, port = endpoint.address
    opened = clickhouse_connect.get_client(host=host, port=port, database="default", **request.param)
    yield opened
    opened.close()


def test_a_query_with_parameters_gets_the_stores_own_rows(endpoint: Any, client: Client) -> None:
    asked = {"j": "search ☃"}
    assert client.query(BY_OUTCOME, parameters=asked).result_rows == list(
        map(tuple, endpoint.store.rows(BY_OUTCOME, asked))
    )


def test_frames_and_arrow_are_the_stores_own(endpoint: Any, client: Client) -> None:
    sql = "SELECT t, journey, bin, n, toFloat64(n) / 3 AS third FROM cells_1m ORDER BY ALL"
    assert client.query_arrow(sql, use_strings=True).equals(endpoint.store.arrow(sql))
    assert client.query_df(sql).equals(endpoint.store.client().query_df(sql))


def test_commands_schema_and_settings(client: Client) -> None:
    assert client.ping()
    assert client.command("SELECT count() > 0 FROM cells_1m") == 1
    assert "cells_1m" in str(client.command("SHOW TABLES LIKE 'cells%'"))
    assert client.query("DESCRIBE TABLE cells_1m").result_rows[0][:2] == ("t", "DateTime('UTC')")
    assert client.query("SELECT journey, n FROM cells_1m LIMIT 0").column_names == ("journey", "n")
    lowered = {"max_execution_time": 7, "max_threads": 8}
    assert client.command("SELECT getSetting('max_execution_time')", settings=lowered) == 7
    assert client.command("SELECT getSetting('max_threads')", settings=lowered) == 1
    assert client.server_settings["readonly"].value == "1"


def test_streams_and_raw_formats(client: Client) -> None:
    with client.query_row_block_stream("SELECT number FROM numbers(200000)") as blocks:
        assert sum(len(block) for block in blocks) == 200_000
    assert client.raw_query("SELECT 1 AS a, 'x' AS b", fmt="CSVWithNames") == b'"a","b"\n1,"x"\n'


def test_errors_come_with_their_codes(client: Client) -> None:
    for sql, code in (("SELECT * FROM url('http://x')", 497), ("SELECT nothing", 47), ("SELEC 1", 62)):
        with pytest.raises(DatabaseError) as failed:
            client.query(sql)
        assert failed.value.code == code
    with pytest.raises(DatabaseError, match="READONLY"):
        client.insert("cells_1m", [[1]], column_names=["n"])


# --- Grafana: the ClickHouse data source over clickhouse-go v2


@dataclass
class Reader:
    """Native as clickhouse-go reads it (lib/proto/block.go, ch-go's columns), for the types that dashboards ask for."""

    data: bytes
    at: int = 0

    def take(self, size: int) -> bytes:
        self.at += size
        assert self.at <= len(self.data)
        return self.data[self.at - size : self.at]

    def uvarint(self) -> int:
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def text(self) -> str:
        return self.take(self.uvarint()).decode()

    def numbers(self, code: str, count: int) -> list[Any]:
        return list(struct.unpack(f"<{count}{code}", self.take(struct.calcsize(code) * count)))

    def column(self, kind: str, rows: int) -> list[Any]:
        name, _, inside = kind.partition("(")
        inside = inside[:-1]
        codes = {"UInt8": "B", "UInt16": "H", "UInt32": "I", "UInt64": "Q", "Int32": "i", "Int64": "q", "Float64": "d"}
        if name in codes or name in {"DateTime", "Bool"}:
            return self.numbers(codes.get(name, {"DateTime": "I", "Bool": "B"}.get(name, "")), rows)
        if name == "DateTime64":
            return self.numbers("q", rows)
        if name == "String":
            return [self.text() for _ in range(rows)]
        if name == "Nullable":
            nulls = self.numbers("B", rows)
            return [None if null else value for null, value in zip(nulls, self.column(inside, rows), strict=True)]
        if name == "Array":
            ends = self.numbers("Q", rows)
            values = self.column(inside, ends[-1] if ends else 0)
            return [values[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]
        if name == "LowCardinality":
            assert self.numbers("Q", 1) == [1]
            (flags,) = self.numbers("Q", 1)
            keys = self.column(inside, self.numbers("Q", 1)[0])
            assert self.numbers("Q", 1) == [rows]
            return [keys[place] for place in self.numbers("BHIQ"[flags & 0xF], rows)]
        raise AssertionError(kind)

    def blocks(self, revision: int) -> Iterator[tuple[list[str], list[str], list[tuple[Any, ...]]]]:
        while self.at < len(self.data):
            if revision > 0:
                assert (self.uvarint(), self.take(1), self.uvarint(), self.take(4), self.uvarint()) == (
                    1,
                    b"\0",
                    2,
                    b"\xff" * 4,
                    0,
                )
            columns, rows = self.uvarint(), self.uvarint()
            names, kinds, values = [], [], []
            for _ in range(columns):
                names.append(self.text())
                kinds.append(self.text())
                if revision >= 54454:
                    assert self.take(1) == b"\0", "custom serialization is not supported by clickhouse-go"
                values.append(self.column(kinds[-1], rows))
            yield names, kinds, list(zip(*values, strict=True))


GO_PROTOCOL = 54459


@pytest.fixture
def grafana(endpoint: Any) -> Callable[..., list[tuple[Any, ...]]]:
    """``grafana("SELECT 1")``: by POST with user and password in the URL, settings in its query, gzip."""

    def asked(sql: str, revision: int = GO_PROTOCOL, **settings: str) -> list[tuple[Any, ...]]:
        url = {
            "database": "default",
            "default_format": "Native",
            "client_protocol_version": str(GO_PROTOCOL),
            "limit": "1000000",
            **settings,
        }
        headers = {
            "Authorization": "Basic ZGVmYXVsdDo=",
            "User-Agent": "grafana/13.1.0 clickhouse-datasource/4.20.0 clickhouse-go/2.40.3 (lv:go/1.25; os:linux)",
            "Accept-Encoding": "gzip",
        }
        reply = endpoint.request("POST", f"/?{urlencode(url)}", sql.encode(), headers)
        assert reply.status == 200, reply.body
        assert reply.headers["content-encoding"] == "gzip"
        assert reply.headers["x-clickhouse-format"] == "Native"
        return [row for _, _, rows in Reader(gzip.decompress(reply.body)).blocks(revision) for row in rows]

    return asked


def test_grafana_connects_and_its_health_check_passes(grafana: Callable[..., list[tuple[Any, ...]]]) -> None:
    ((name, version, revision, timezone),) = grafana("SELECT displayName(), version(), revision(), timezone()")
    assert (name, timezone) == ("maibo", "UTC")
    assert int(version.split(".")[0]) >= 25
    assert revision >= GO_PROTOCOL
    assert grafana("SELECT 1", revision) == [(1,)]
    assert grafana("SELECT version()", revision) == [(version,)]


def test_grafanas_editor_sees_the_tables_offered(endpoint: Any, grafana: Callable[..., list[tuple[Any, ...]]]) -> None:
    assert grafana("SHOW DATABASES") == [("default",)]
    tables = [name for (name,) in grafana('SHOW TABLES FROM "default"')]
    assert "cells_1m" in tables
    assert "bodies" not in tables
    assert grafana("SELECT database, name FROM system.tables ORDER BY database, name") == [
        ("default", name) for name in tables
    ]
    described = grafana('DESC TABLE "default"."cells_1m"')
    assert [column[0] for column in described[:2]] == ["t", "journey"]
    columns = grafana(
        "SELECT database, table, name, type, comment FROM system.columns WHERE (database, table) IN (('default', 'cells_1m')) "
        "ORDER BY database, table, position"
    )
    assert [column[2] for column in columns] == [column[0] for column in described]
    assert {
        row[0] for row in grafana("SELECT DISTINCT journey FROM default.cells_1m SETTINGS max_execution_time=10")
    } == {
        "place-order",
        "search ☃",
    }
    assert grafana(
        "SELECT name, type, table FROM system.columns WHERE database IN ('bodies')  OR table = 'bodies' UNION ALL SELECT '', '', ''"
    ) == [("", "", "")]


def test_a_panel_gets_the_stores_own_rows(endpoint: Any, grafana: Callable[..., list[tuple[Any, ...]]]) -> None:
    sql = (
        "SELECT toStartOfInterval(toDateTime(t), INTERVAL 300 second) AS time, journey, sumIf(n, outcome = 'success') / nullIf(sum(n), 0) AS sli, "
        "groupUniqArray(outcome) AS outcomes FROM cells_1m WHERE t >= toDateTime(1) AND journey IN ('place-order','search ☃') "
        "GROUP BY time, journey ORDER BY time, journey"
    )
    rows = grafana(sql)
    own = [(int(time.timestamp()), *rest) for time, *rest in endpoint.store.rows(sql)]
    assert len(own) > 40
    assert [(time, journey, sli, sorted(outcomes)) for time, journey, sli, outcomes in rows] == [
        (time, journey, sli, sorted(outcomes)) for time, journey, sli, outcomes in own
    ]


def test_grafanas_row_limit_holds(grafana: Callable[..., list[tuple[Any, ...]]]) -> None:
    assert len(grafana("SELECT number FROM numbers(50)", limit="7")) == 7
