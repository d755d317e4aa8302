"""HTTP as a ClickHouse server speaks it: where a statement may stand, formats, headers, errors, limits, and clients that go away."""

from __future__ import annotations

import gzip
import json
import socket
import time
import zlib
from typing import Any
from urllib.parse import quote, urlencode

import lz4.frame
import pytest

from maibo_slo.clickhouse_http import engine
from maibo_slo.clickhouse_http.vocabulary import FORMATS

SLOW = "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1"


@pytest.mark.parametrize("named", sorted(FORMATS))
def test_every_format_is_the_engines_own_bytes(endpoint: Any, named: str) -> None:
    sql = "SELECT journey, sum(n) AS n, [1, 2] AS a, toNullable(1) AS b FROM cells_1m GROUP BY journey ORDER BY journey"
    own = endpoint.store.client().raw_query(sql, fmt=named)
    for reply in (endpoint.ask(f"{sql} FORMAT {named}"), endpoint.ask(sql, default_format=named)):
        assert reply.status == 200
        assert (reply.headers["x-clickhouse-format"], reply.headers["content-type"]) == (named, FORMATS[named])
        if named in {"JSON", "JSONStrings", "JSONCompact", "JSONCompactStrings", "JSONColumnsWithMetadata"}:
            assert {**json.loads(reply.body), "statistics": 0} == {**json.loads(own), "statistics": 0}
        elif named not in {"XML", "Parquet"}:  # which tell how long it took, or have a metadata of their own
            assert reply.body == own


def test_a_statement_stands_in_the_url_the_body_or_both(endpoint: Any) -> None:
    assert endpoint.request("GET", f"/?query={quote('SELECT 1 + 1')}").body == b"2\n"
    assert endpoint.request("POST", "/", b"SELECT 1 + 1").body == b"2\n"
    assert endpoint.request("POST", f"/?query={quote('SELECT 1 +')}", b" 1").body == b"2\n"
    assert endpoint.request("HEAD", f"/?query={quote('SELECT 1 + 1')}").status == 200
    for path in ("/", "/ping", "/?query=%20"):
        assert endpoint.request("GET", path).body == b"Ok.\n"


def test_parameters_are_values_and_nothing_else(endpoint: Any) -> None:
    asked = {"param_a": "3", "param_b": "x'); DROP TABLE cells_1m; --\\t", "param_c": "['a','b']"}
    reply = endpoint.ask("SELECT {a:UInt8}, {b:String}, {c:Array(String)} FORMAT JSONCompactEachRow", **asked)
    assert json.loads(reply.body) == [3, "x'); DROP TABLE cells_1m; --\t", ["a", "b"]]
    assert endpoint.ask("SELECT {a:UInt8}").code == 456
    assert endpoint.ask("SELECT sum(n) > 0 FROM {t:Identifier}", param_t="cells_1m").body == b"1\n"


def test_answers_tell_what_a_servers_do(endpoint: Any) -> None:
    reply = endpoint.ask("SELECT sum(n) FROM cells_1m", query_id="mine-1", session_timezone="Asia/Shanghai")
    assert reply.headers["x-clickhouse-query-id"] == "mine-1"
    assert reply.headers["x-clickhouse-timezone"] == "Asia/Shanghai"
    assert reply.headers["x-clickhouse-server-display-name"] == "maibo"
    summary = json.loads(reply.headers["x-clickhouse-summary"])
    assert summary["result_rows"] == "1"
    assert int(summary["read_rows"]) > 100
    assert len(endpoint.ask("SELECT 1", query_id="a b\r\nX-Evil: 1").headers["x-clickhouse-query-id"]) == 36


@pytest.mark.parametrize(
    ("accepted", "url", "coding"),
    [
        ("gzip", {}, "gzip"),
        ("gzip, deflate", {}, "gzip"),
        ("deflate", {}, "deflate"),
        ("lz4", {}, "lz4"),
        ("gzip;q=0, deflate", {}, "deflate"),
        ("gzip", {"enable_http_compression": "0"}, None),
        ("br", {}, None),
        ("", {}, None),
    ],
)
def test_an_answer_is_compressed_as_asked(
    endpoint: Any, accepted: str, url: dict[str, str], coding: str | None
) -> None:
    reply = endpoint.ask("SELECT number FROM numbers(1000)", {"Accept-Encoding": accepted}, **url)
    assert reply.headers.get("content-encoding") == coding
    unpack = {"gzip": gzip.decompress, "deflate": zlib.decompress, "lz4": lz4.frame.decompress, None: bytes}[coding]
    assert unpack(reply.body).count(b"\n") == 1000


@pytest.mark.parametrize(
    ("sql", "url", "code", "status", "named"),
    [
        ("SELECT * FROM nothing", {}, 60, 404, "UNKNOWN_TABLE"),
        ("SELECT nothing FROM cells_1m", {}, 47, 404, "UNKNOWN_IDENTIFIER"),
        ("SELECT noSuchFunction(1)", {}, 46, 404, "UNKNOWN_FUNCTION"),
        ("SELECT (", {}, 62, 400, "SYNTAX_ERROR"),
        ("SELECT 1 FORMAT Nothing", {}, 73, 404, "UNKNOWN_FORMAT"),
        ("SELECT toUInt8('x')", {}, 6, 400, "CANNOT_PARSE_TEXT"),
        ("SELECT 1", {"database": "nothing"}, 81, 404, "UNKNOWN_DATABASE"),
        ("SELECT * FROM bodies", {}, 497, 403, "ACCESS_DENIED"),
        ("DROP TABLE cells_1m", {}, 164, 500, "READONLY"),
        ("SELECT 1", {"compress": "1"}, 48, 501, "NOT_IMPLEMENTED"),
        (SLOW, {"max_execution_time": "0.2"}, 159, 408, "TIMEOUT_EXCEEDED"),
        ("SELECT number FROM numbers(11)", {"max_result_rows": "10"}, 396, 500, "TOO_MANY_ROWS_OR_BYTES"),
        ("SELECT * FROM numbers(1000000)", {"max_result_bytes": "1000"}, 396, 500, "TOO_MANY_ROWS_OR_BYTES"),
        (
            "SELECT groupArray(number) FROM numbers(3000000)",
            {"max_memory_usage": "20000000"},
            241,
            500,
            "MEMORY_LIMIT_EXCEEDED",
        ),
        ("SELECT count() FROM cells_1m WHERE n > 1", {"max_rows_to_read": "5"}, 158, 500, "TOO_MANY_ROWS"),
        ("SELECT 1", {"max_result_rows": "many"}, 36, 400, "BAD_ARGUMENTS"),
        ("SELECT 1", {"session_timezone": "Nowhere"}, 36, 400, "BAD_ARGUMENTS"),
    ],
)
def test_errors_are_clickhouses(
    endpoint: Any, sql: str, url: dict[str, str], code: int, status: int, named: str
) -> None:
    reply = endpoint.ask(sql, query_id="q", **url)
    assert (reply.code, reply.status) == (code, status), reply.body
    assert reply.body.startswith(f"Code: {code}. DB::Exception: ".encode())
    assert f"({named}) (version 2".encode() in reply.body
    assert reply.headers["x-clickhouse-query-id"] == "q"


def test_other_paths_and_methods_are_not_answered(endpoint: Any) -> None:
    assert endpoint.request("GET", "/play").status == 404
    assert endpoint.request("DELETE", "/?query=SELECT%201").code == 48
    assert endpoint.request("POST", "/", b"\xff\xfe").code == 62
    form = b'--x\r\nContent-Disposition: form-data; name="ext"; filename="f"\r\n\r\n1\r\n--x--\r\n'
    reply = endpoint.request("POST", "/?query=SELECT%201", form, {"Content-Type": "multipart/form-data; boundary=x"})
    assert reply.code == 48


def test_without_tokens_only_this_machines_own_names_are_answered(endpoint: Any) -> None:
    for host, status in (
        ("evil.example", 421),
        ("evil.example:8123", 421),
        ("localhost:1", 200),
        ("127.0.0.1", 200),
        ("[::1]:1", 200),
    ):
        assert endpoint.request("GET", "/?query=SELECT%201", headers={"Host": host}).status == status


def _sent(endpoint: Any, sql: str) -> socket.socket:
    connection: socket.socket = socket.create_connection(endpoint.address)
    connection.sendall(f"GET /?{urlencode({'query': sql})} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return connection


def _running(endpoint: Any) -> int:
    return int(
        endpoint.store.rows(
            "SELECT countIf(query LIKE '%sipHash64%' AND query NOT LIKE '%countIf%') FROM system.processes"
        )[0][0]
    )


def _until(condition: Any) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_slow_queries_are_bounded_keep_nobody_else_and_end_with_their_clients(
    endpoint: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "QUEUE", 1)
    slow = [_sent(endpoint, SLOW) for _ in range(engine.WORKERS)]
    try:
        _until(lambda: _running(endpoint) == engine.WORKERS)
        waiting = _sent(endpoint, "SELECT 1")
        _until(lambda: endpoint.ask("SELECT 1").code == 202)
        begun = time.monotonic()
        endpoint.store.insert("skewed_1m", {"t": [int(begun)], "journey": ["a"], "n": [1]})
        assert endpoint.store.rows("SELECT sum(n) >= 0 FROM cells_1m") is not None
        assert time.monotonic() - begun < 5
    finally:
        for connection in slow:
            connection.close()
    _until(lambda: _running(endpoint) == 0)
    assert waiting.recv(100).startswith(b"HTTP/1.1 200")
    waiting.close()
    _until(lambda: endpoint.ask("SELECT 1").code == 0)
