"""Where the service and its plugins may listen."""

import asyncio
import socket

import pytest

from maibo_slo.errors import ServiceError
from maibo_slo.service.listen import address, bind, listen


@pytest.mark.parametrize("text", ["127.0.0.1:8080", "127.0.0.7:0", "[::1]:8080", "localhost:65535"])
def test_loopback_is_allowed(text: str) -> None:
    assert str(address(text)) == text


@pytest.mark.parametrize("text", ["0.0.0.0:8080", "[::]:8080", "10.1.2.3:8080", "example.org:8080"])
def test_what_others_can_reach_is_refused_with_the_reason(text: str) -> None:
    with pytest.raises(ServiceError, match="can be reached by others, and nothing there asks for tokens: listen on"):
        address(text)


@pytest.mark.parametrize("text", ["8080", "", ":8080", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:70000"])
def test_what_is_no_address_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(ServiceError, match=r"127\.0\.0\.1:8080"):
        address(text)


def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ServiceError, match="choose another"):
        bind(address(f"127.0.0.1:{taken.getsockname()[1]}"))


@pytest.mark.parametrize("text", ["0.0.0.0:4318", "4318"])
def test_a_plugin_is_refused_by_the_name_of_its_own_setting(text: str) -> None:
    with pytest.raises(ServiceError, match=f"^--otlp-http {text!r}"):
        asyncio.run(listen(text, "--otlp-http"))


def test_a_plugin_gets_a_listening_socket_that_does_not_block() -> None:
    with asyncio.run(listen("localhost:0", "--otlp-http")) as listener:
        where = listener.getsockname()
        assert where[0] == "127.0.0.1"
        assert not listener.getblocking()
        socket.create_connection(where).close()


def test_an_address_in_use_is_waited_for_and_then_told_with_the_mend() -> None:
    async def scenario(*, freed: bool) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            where = f"127.0.0.1:{other.getsockname()[1]}"
            if freed:
                asyncio.get_running_loop().call_later(0.1, other.close)
            (await listen(where, "--otlp-http", patience=5 if freed else 0.1)).close()

    asyncio.run(scenario(freed=True))
    with pytest.raises(ServiceError, match="in use; choose another with --otlp-http"):
        asyncio.run(scenario(freed=False))
