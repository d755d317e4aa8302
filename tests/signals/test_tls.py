"""Who may ask over gRPC, and certificates that change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import pytest
import trustme

from maibo_slo.errors import MaiboError
from maibo_slo.signals import proto, tls
from maibo_slo.signals.plugin import plugin

if TYPE_CHECKING:
    from pathlib import Path

NONE = {option.name: option.default for option in plugin().options}
IS_ACTIVE = f"/{proto.SERVICE}/IsActive"


class Authority:
    """Certificates of one authority, as files."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name, self.of = folder, name, trustme.CA()
        self.pem = folder / f"{name}.pem"
        self.of.cert_pem.write_to_path(self.pem)

    def issue(self, name: str, *to: str) -> tuple[Path, Path]:
        leaf = self.of.issue_cert(*to)
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}-key.pem"
        for path, data in (
            (certificate, b"".join(blob.bytes() for blob in leaf.cert_chain_pems)),
            (key, leaf.private_key_pem.bytes()),
        ):
            path.with_suffix(".new").write_bytes(data)
            path.with_suffix(".new").replace(path)  # as a mounted Secret: at once
        return certificate, key


@pytest.fixture
def of_servers(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ca")


@pytest.fixture
def of_clients(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "client-ca")


@pytest.fixture
def options(of_servers: Authority, of_clients: Authority) -> dict[str, str]:
    certificate, key = of_servers.issue("server", "localhost")
    return NONE | {
        tls.ADDRESS: "0.0.0.0:6000",
        tls.CERTIFICATE: str(certificate),
        tls.KEY: str(key),
        tls.CLIENT_CA: str(of_clients.pem),
    }


def ask(port: int, trusted: Path, request: bytes, client: tuple[Path, Path] | None = None) -> bytes:
    """On a connection of its own. RpcError when it is not let in."""
    certificate, key = (path.read_bytes() for path in client) if client else (None, None)
    credentials = grpc.ssl_channel_credentials(trusted.read_bytes(), key, certificate)
    lonely = (("grpc.use_local_subchannel_pool", 1),)
    with grpc.secure_channel(f"localhost:{port}", credentials, options=lonely) as channel:
        answer: bytes = channel.unary_unary(IS_ACTIVE)(request, timeout=10)
        return answer


def test_keda_is_let_in_by_its_certificate_and_others_are_not(
    options, of_servers, of_clients, board, keda_server, make_signal, make_signals, keda_ref, tmp_path
) -> None:
    made = tls.door(options)
    assert made is not None
    stranger = Authority(tmp_path, "stranger")
    with keda_server(board, tls.credentials(made)) as face:
        face.put(make_signals(make_signal(12)))
        active = proto.is_active(True)
        assert ask(face.port, of_servers.pem, keda_ref(), of_clients.issue("keda", "keda.example")) == active
        for client in (None, stranger.issue("mallory", "keda.example")):
            with pytest.raises(grpc.RpcError) as error:
                ask(face.port, of_servers.pem, keda_ref(), client)
            assert error.value.code() is grpc.StatusCode.UNAVAILABLE
        with pytest.raises(grpc.RpcError):  # who speaks plainly is not understood
            face.call("IsActive", keda_ref(), timeout=5)


def test_without_an_authority_tls_alone_is_spoken_on_loopback(
    options, of_servers, board, keda_server, make_signal, make_signals, keda_ref
) -> None:
    made = tls.door(options | {tls.ADDRESS: "127.0.0.1:0", tls.CLIENT_CA: ""})
    assert made is not None
    with keda_server(board, tls.credentials(made)) as face:
        face.put(make_signals(make_signal(0)))
        assert ask(face.port, of_servers.pem, keda_ref()) == proto.is_active(False)


def test_changed_certificates_are_taken_and_broken_ones_are_not(
    options, of_servers, of_clients, board, keda_server, make_signal, make_signals, keda_ref, tmp_path
) -> None:
    made = tls.door(options)
    assert made is not None
    client = of_clients.issue("keda", "keda.example")
    with keda_server(board, tls.credentials(made)) as face:
        face.put(make_signals(make_signal(12)))
        active = proto.is_active(True)
        assert ask(face.port, of_servers.pem, keda_ref(), client) == active
        key = (tmp_path / "server-key.pem").read_bytes()
        (tmp_path / "server-key.pem").write_text("half a key")
        assert ask(face.port, of_servers.pem, keda_ref(), client) == active
        (tmp_path / "server-key.pem").write_bytes(key)
        anew = Authority(tmp_path, "new-ca")
        anew.issue("server", "localhost")
        with pytest.raises(grpc.RpcError):
            ask(face.port, of_servers.pem, keda_ref(), client)
        assert ask(face.port, anew.pem, keda_ref(), client) == active
        others = Authority(tmp_path, "client-ca")  # the file of the clients' authority, written anew
        with pytest.raises(grpc.RpcError):
            ask(face.port, anew.pem, keda_ref(), client)
        assert ask(face.port, anew.pem, keda_ref(), others.issue("keda-2", "keda.example")) == active


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({tls.ADDRESS: "0.0.0.0:6000"}, "--keda '0.0.0.0:6000' can be reached by others, who must show a certificate"),
        ({tls.ADDRESS: "[::]:6000"}, "can be reached by others"),
        ({tls.ADDRESS: "6000"}, "--keda '6000' is no address; write it as 127.0.0.1:6000, or 'off'"),
        ({tls.ADDRESS: "127.0.0.1:70000"}, "is no address"),
        ({tls.CERTIFICATE: "a.pem"}, "--keda-tls-cert needs --keda-tls-key"),
        ({tls.KEY: "a.pem"}, "--keda-tls-key needs --keda-tls-cert"),
        ({tls.CLIENT_CA: "a.pem"}, "--keda-client-ca needs --keda-tls-cert and --keda-tls-key"),
        ({tls.CERTIFICATE: "no.pem", tls.KEY: "no.pem"}, "cannot read --keda-tls-cert no.pem: No such file"),
    ],
)
def test_settings_that_do_not_fit_are_told_by_name(told, words) -> None:
    with pytest.raises(MaiboError) as error:
        tls.door(NONE | told)
    assert words in str(error.value)


@pytest.mark.parametrize("option", [tls.CERTIFICATE, tls.KEY, tls.CLIENT_CA])
def test_a_file_that_holds_nothing_of_use_is_told_at_the_start(options, option, tmp_path) -> None:
    (tmp_path / "broken.pem").write_text("nothing")
    with pytest.raises(MaiboError, match=f"--{option}"):
        tls.door(options | {option: str(tmp_path / "broken.pem")})


def test_off_is_none() -> None:
    assert tls.door(NONE | {tls.ADDRESS: "off"}) is None
    assert tls.door(NONE | {tls.ADDRESS: ""}) is None
    assert tls.door(NONE) == tls.Door("127.0.0.1:6000")
