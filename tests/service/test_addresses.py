"""Addresses as they are written and told."""

from __future__ import annotations

import doctest
import socket

import pytest

from maibo_slo import addresses
from maibo_slo.addresses import Address


def test_the_examples_in_the_module_hold() -> None:
    assert doctest.testmod(addresses).failed == 0


@pytest.mark.parametrize("text", ["127.0.0.1:0", "[::1]:8080", "localhost:65535", "[::]:1"])
def test_an_address_is_told_as_it_was_written(text: str) -> None:
    assert str(Address.of(text)) == text


@pytest.mark.parametrize("text", ["", ":1", "8080", "host", "host:", "host:http", "host:70000", "[]:1"])
def test_what_is_no_address_is_none(text: str) -> None:
    assert Address.of(text) is None


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_where_a_socket_listens_can_be_asked_there(family: socket.AddressFamily, host: str) -> None:
    try:
        listener = socket.create_server((host, 0), family=family)
    except OSError:
        pytest.skip(f"{host} is not to be had here")
    with listener:
        where = Address.of(str(Address.taken_by(listener)))
        assert where is not None
        socket.create_connection(where, timeout=5).close()
