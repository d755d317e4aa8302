"""Where it listens and who may ask: off by default, tokens beyond loopback, the embedded store alone; and with the whole service around it."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import clickhouse_connect
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from maibo_slo import tokens
from maibo_slo.clickhouse_http.listener import run
from maibo_slo.clickhouse_http.plugin import plugin
from maibo_slo.errors import MaiboError
from maibo_slo.tokens import Scope

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from maibo_slo.store import Store

NOW = datetime(2026, 11, 23, tzinfo=UTC)


class Server:
    """A store that is a ClickHouse server."""

    embedded = False

    def __str__(self) -> str:
        return "clickhouse://default@db:8123/maibo"


@pytest.mark.parametrize(
    ("address", "token_file", "embedded", "told"),
    [
        ("off", "tokens.json", True, "needs --clickhouse-http"),
        (
            "0.0.0.0:0",
            "",
            True,
            "can be reached by others, .* --scope read` and give its file as --clickhouse-http-tokens",
        ),
        ("127.0.0.1", "", True, "is no address"),
        ("127.0.0.1:0", "none.json", True, "no token file .*`maibo token add NAME --scope read --file"),
        ("127.0.0.1:0", "", False, "ask the ClickHouse server of clickhouse://default@db:8123/maibo itself"),
    ],
)
def test_what_cannot_be_is_told_at_the_start(
    filled: Store,
    tmp_path: Path,
    make_context: Callable[..., Any],
    address: str,
    token_file: str,
    embedded: bool,
    told: str,
) -> None:
    options = {"clickhouse-http": address, "clickhouse-http-tokens": token_file and str(tmp_path / token_file)}
    opened = filled if embedded else cast("Store", Server())
    with pytest.raises(MaiboError, match=told):
        asyncio.run(run(make_context(opened, tmp_path, options, {})))


def test_it_is_off_unless_asked_for() -> None:
    assert {option.name: option.default for option in plugin().options} == {
        "clickhouse-http": "off",
        "clickhouse-http-tokens": "",
    }


def test_a_token_that_may_read_is_the_password(filled: Store, tmp_path: Path, serving: Callable[..., Any]) -> None:
    file = tmp_path / "tokens.json"
    reader = tokens.add(file, "grafana", Scope.READ, now=NOW)
    sender = tokens.add(file, "shop", Scope.INGEST, now=NOW)
    with serving(filled, tmp_path, tokens=str(file)) as endpoint:

        def status(headers: dict[str, str] | None = None, **url: str) -> tuple[int, int]:
            reply = endpoint.ask("SELECT 1", headers, **url)
            return reply.status, reply.code

        def basic(secret: str) -> dict[str, str]:
            return {"Authorization": f"Basic {base64.b64encode(f'anyone:{secret}'.encode()).decode()}"}

        for shown in (
            {"X-ClickHouse-User": "anyone", "X-ClickHouse-Key": reader},
            basic(reader),
            {"Authorization": f"Bearer {reader}"},
        ):
            assert status(shown) == (200, 0)
        assert status(user="anyone", password=reader) == (200, 0)
        for shown in ({"X-ClickHouse-Key": sender}, basic("wrong"), {"Authorization": f"Bearer {sender}"}):
            assert status(shown) == (403, 516)
        for shown in ({}, basic(""), {"Authorization": "Basic !"}, {"X-ClickHouse-User": "anyone"}):
            assert status(shown) == (401, 516)
        assert endpoint.ask("SELECT 1").headers["www-authenticate"].startswith("Basic ")
        assert status({**basic(reader), "Host": "maibo.example:8123"}) == (200, 0)
        assert endpoint.request("GET", "/ping").status == 200
        host, port = endpoint.address
        with clickhouse_connect.get_client(host=host, port=port, username="anyone", password=reader) as client:
            assert client.command("SELECT 1") == 1
        with pytest.raises(DatabaseError, match="AUTHENTICATION_FAILED"):
            clickhouse_connect.get_client(host=host, port=port, username="anyone", password="wrong")


def test_the_whole_service_serves_it(tmp_path: Path) -> None:
    """`maibo serve`, asked by clickhouse-connect; in a process of its own, as the engine wants it."""
    command = [sys.executable, "-m", "maibo_slo.cli", "serve", "--data-dir", str(tmp_path), "--listen", "127.0.0.1:0"]
    options = [
        "--otlp-http",
        "127.0.0.1:0",
        "--otlp-grpc",
        "off",
        "--acceptors",
        "1",
        "--clickhouse-http",
        "127.0.0.1:0",
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAIBO_")}
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True, env=environment) as service:
        try:
            assert service.stdout is not None
            told = {}
            for line in service.stdout:
                name, _, where = line.partition(": ")
                told[name] = where.strip()
                if name == "store":
                    break
            port = int(told["clickhouse-http"].rsplit(":", 1)[1])
            with clickhouse_connect.get_client(host="127.0.0.1", port=port) as client:
                assert client.query("SELECT sum(bodies) FROM ingest").result_rows == [(0,)]
        finally:
            service.send_signal(signal.SIGTERM)
    assert service.returncode == 0
