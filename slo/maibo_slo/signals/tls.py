"""Who may ask over gRPC: on loopback anybody, beyond it those with a certificate of the authority that was named.

Neither tokens nor passwords: KEDA sends none to an external scaler. Files that change are read again at the next handshake, so
certificates are rotated without a restart; what does not fit together meanwhile is not taken, and the old ones stay.
"""

from __future__ import annotations

import logging
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from maibo_slo.addresses import Address
from maibo_slo.errors import MaiboError
from maibo_slo.loopback import is_loopback
from maibo_slo.plugins import OFF

if TYPE_CHECKING:
    from collections.abc import Mapping

    import grpc

ADDRESS: Final = "keda"
CERTIFICATE: Final = "keda-tls-cert"
KEY: Final = "keda-tls-key"
CLIENT_CA: Final = "keda-client-ca"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Door:
    """Where KEDA is answered, and who may ask."""

    address: str
    """``HOST:PORT``."""
    certificate: str = ""
    key: str = ""
    client_ca: str = ""
    """Files; '' is none."""

    @property
    def guarded(self) -> bool:
        """Whether whoever asks must show a certificate."""
        return bool(self.client_ca)


def door(options: Mapping[str, str]) -> Door | None:
    """From the plugin's options; None: there is none. MaiboError for what cannot be, naming the setting."""
    address = options[ADDRESS]
    if address in OFF:
        return None
    where = Address.of(address)
    if where is None:
        raise MaiboError(f"--{ADDRESS} {address!r} is no address; write it as 127.0.0.1:6000, or 'off'")
    certificate, key, client_ca = (options[name] for name in (CERTIFICATE, KEY, CLIENT_CA))
    if bool(certificate) != bool(key):
        given, missing = (CERTIFICATE, KEY) if certificate else (KEY, CERTIFICATE)
        raise MaiboError(f"--{given} needs --{missing}")
    if client_ca and not certificate:
        raise MaiboError(f"--{CLIENT_CA} needs --{CERTIFICATE} and --{KEY}: certificates are asked for over TLS")
    if not client_ca and not is_loopback(where.host):
        raise MaiboError(
            f"--{ADDRESS} {address!r} can be reached by others, who must show a certificate: give --{CERTIFICATE}, --{KEY} and "
            f"--{CLIENT_CA}; or listen on 127.0.0.1"
        )
    made = Door(address, certificate, key, client_ca)
    if certificate:
        _read(made)
    return made


def credentials(made: Door) -> grpc.ServerCredentials | None:
    """That follow their files; None without TLS. MaiboError when they cannot be used."""
    import grpc

    if not made.certificate:
        return None
    files = _Files(made)
    return grpc.dynamic_ssl_server_credentials(
        files.read(),
        files.changed,  # pyright: ignore[reportArgumentType] -- gRPC takes None for no change; its types do not know
        require_client_authentication=made.guarded,
    )


class _Files:
    """What was read last. gRPC asks from threads of its own, one handshake at a time or several: the same answer then."""

    def __init__(self, made: Door) -> None:
        self._door = made
        self._seen = self._state()

    def read(self) -> grpc.ServerCertificateConfiguration:
        import grpc

        certificate, key, client_ca = _read(self._door)
        return grpc.ssl_server_certificate_configuration([(key, certificate)], root_certificates=client_ca)

    def changed(self) -> grpc.ServerCertificateConfiguration | None:
        """None: nothing to take."""
        try:
            state = self._state()
            if state == self._seen:
                return None
            configuration = self.read()
        except (MaiboError, OSError) as error:
            log.warning("changed certificates are not taken, those in use stay: %s", error)
            return None
        self._seen = state
        log.info("certificates read again")
        return configuration

    def _state(self) -> tuple[tuple[int, int, int], ...]:
        told = (Path(name).stat() for name in (self._door.certificate, self._door.key, self._door.client_ca) if name)
        return tuple((each.st_ino, each.st_size, each.st_mtime_ns) for each in told)


def _read(made: Door) -> tuple[bytes, bytes, bytes | None]:
    """Certificate, key, authority; checked by OpenSSL, for gRPC tells what is wrong only when somebody connects."""
    found = tuple(
        _bytes(option, name)
        for option, name in ((CERTIFICATE, made.certificate), (KEY, made.key), (CLIENT_CA, made.client_ca))
    )
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(made.certificate, made.key, password="")
    except (ssl.SSLError, OSError, ValueError) as error:
        raise MaiboError(f"--{CERTIFICATE} {made.certificate} and --{KEY} {made.key} make no TLS: {error}") from error
    if made.client_ca:
        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=made.client_ca)
        except (ssl.SSLError, OSError) as error:
            raise MaiboError(f"--{CLIENT_CA} {made.client_ca} holds no certificate (PEM): {error}") from error
    return found[0], found[1], found[2] or None


def _bytes(option: str, name: str) -> bytes:
    if not name:
        return b""
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise MaiboError(f"cannot read --{option} {name}: {error.strerror}") from error
