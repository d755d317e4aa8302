"""Where the service may listen."""

import socket

import pytest

from maibo_slo.errors import ServiceError
from maibo_slo.service.listen import address, bind


@pytest.mark.parametrize("text", ["127.0.0.1:8080", "127.0.0.7:0", "[::1]:8080", "localhost:65535"])
def test_loopback_is_allowed(text: str) -> None:
    assert str(address(text)) == text


@pytest.mark.parametrize("text", ["0.0.0.0:8080", "[::]:8080", "10.1.2.3:8080", "example.org:8080"])
def test_what_others_can_reach_is_refused_with_the_reason(text: str) -> None:
    with pytest.raises(ServiceError, match="can be reached by others"):
        address(text)


@pytest.mark.parametrize("text", ["8080", "", ":8080", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:70000"])
def test_what_is_no_address_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(ServiceError, match=r"127\.0\.0\.1:8080"):
        address(text)


def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ServiceError, match="choose another"):
        bind(address(f"127.0.0.1:{taken.getsockname()[1]}"))
