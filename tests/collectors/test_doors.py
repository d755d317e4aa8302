"""Addresses are taken before anything is started, or refused with the option to change."""

import socket
from datetime import UTC, datetime
from functools import partial

import pytest

from maibo_collectors.errors import CollectorError
from maibo_collectors.otlp.doors import open_doors
from maibo_slo.errors import MaiboError
from maibo_slo.service.listen import listen
from maibo_slo.tokens import Scope, add

pytestmark = pytest.mark.anyio

UNGUARDED = dict.fromkeys(("otlp-tokens", "otlp-tls-cert", "otlp-tls-key", "otlp-tls-client-ca"), "")
impatiently = partial(listen, patience=0.0)


def opened(told=None, **options):
    named = UNGUARDED | {"otlp-http": "127.0.0.1:0", "otlp-grpc": "127.0.0.1:0"}
    named |= {name.replace("_", "-"): value for name, value in options.items()}
    return open_doors(named, impatiently, ({} if told is None else told).__setitem__)


async def test_both_addresses_are_announced_as_they_came_to_be():
    told = {}
    async with opened(told) as doors:
        assert told == {
            "otlp-http": f"http://127.0.0.1:{doors.http.getsockname()[1]}",
            "otlp-grpc": f"http://{doors.grpc}",
        }


@pytest.mark.parametrize("text", ["banana", "4318", ":4318", "127.0.0.1:", "127.0.0.1:70000", ""])
@pytest.mark.parametrize(
    ("option", "example"), [("otlp_http", r"127\.0\.0\.1:4318"), ("otlp_grpc", r"127\.0\.0\.1:4317, or 'off'")]
)
async def test_what_is_no_address_is_refused_with_one_of_this_options(text, option, example):
    with pytest.raises(CollectorError, match=f"'{text}' is no address; write it as {example}$"):
        async with opened(**{option: text}):
            pass


async def test_grpc_can_be_off():
    told = {}
    async with opened(told, otlp_grpc="off") as doors:
        assert doors.grpc == ""
    assert list(told) == ["otlp-http"]


@pytest.mark.parametrize("option", ["otlp_http", "otlp_grpc"])
@pytest.mark.parametrize("shared", [False, True])
async def test_a_port_that_somebody_has_is_refused_even_one_that_is_shared(option, shared):
    with socket.create_server(("127.0.0.1", 0), reuse_port=shared) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(MaiboError, match=f"choose another with --{option.replace('_', '-')}"):
            async with opened(**{option: address}):
                pass


async def test_a_reserved_port_is_nobody_elses_until_it_is_let_go():
    async with opened() as doors:
        with pytest.raises(MaiboError, match="choose another with --otlp-grpc"):
            async with opened(otlp_grpc=doors.grpc):
                pass
        address = doors.grpc
    async with opened(otlp_grpc=address) as doors:
        assert doors.grpc == address


async def test_a_reserved_port_takes_no_connections_itself():
    async with opened() as doors:
        host, _, port = doors.grpc.rpartition(":")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, int(port)), timeout=5)


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "192.0.2.1:4318", "some.example:4318"])
@pytest.mark.parametrize("option", ["otlp_http", "otlp_grpc"])
async def test_an_address_that_others_can_reach_needs_tokens_or_certificates(tmp_path, option, address):
    with pytest.raises(CollectorError, match="maibo token add NAME --scope ingest"):
        async with opened(**{option: address}):
            pass


async def test_with_tokens_any_address_will_do(tmp_path, caplog):
    add(tmp_path / "tokens.json", "shop", Scope.INGEST, now=datetime.now(UTC))
    guarded = {"otlp_tokens": str(tmp_path / "tokens.json")}
    async with opened(otlp_http="0.0.0.0:0", otlp_grpc="0.0.0.0:0", **guarded) as doors:
        assert doors.http.getsockname()[0] == "0.0.0.0"
        assert doors.grpc.startswith("0.0.0.0:")
    assert "unencrypted" in caplog.text
