"""Who may send: everybody on this machine, or whoever has a token or a certificate.

An address that others can reach needs one of the two. On loopback there need be none, and then a website must not get in through the
browser of somebody on this machine: `require_local` refuses what names another host (DNS rebinding; a page's own requests are of a
form's type, which is refused anyway, or preceded by the browser's question, OPTIONS, which is refused too).
"""

from __future__ import annotations

import re
import ssl
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from maibo_collectors.errors import CollectorError
from maibo_collectors.otlp.receiving.answers import Code, Refused, throttled, unauthenticated
from maibo_collectors.otlp.receiving.refusals import Refusals
from maibo_slo.errors import TokensError
from maibo_slo.tokens import Scope, TokenFile, read

if TYPE_CHECKING:
    from collections.abc import Mapping

_LOCAL_HOST: Final = re.compile(rb"(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]*)?", re.IGNORECASE)
"""As the service's other port has it; what is missing is no local name either."""
_BEARER: Final = re.compile(r"bearer +(\S+) *", re.IGNORECASE)
_SENDERS: Final = 1000
"""Whose quotas are remembered."""


@dataclass(frozen=True, slots=True)
class Access:
    """How an address is guarded. Files are read when acceptors start; tokens also when they change."""

    tokens: Path | None = None
    certificate: Path | None = None
    """Chain of the server, PEM."""
    key: Path | None = None
    client_ca: Path | None = None
    """Whose certificates senders must have."""

    @property
    def guarded(self) -> bool:
        """Whether strangers are kept out, so that others may reach the address."""
        return self.tokens is not None or self.client_ca is not None

    def check(self) -> None:
        """CollectorError, with its mend, when it cannot work."""
        try:
            if self.tokens is not None:
                read(self.tokens)
        except TokensError as error:
            raise CollectorError(f"--otlp-tokens: {error}") from None
        if (self.certificate is None) != (self.key is None):
            raise CollectorError("--otlp-tls-cert and --otlp-tls-key go together: give both or neither")
        if self.client_ca is not None and self.certificate is None:
            raise CollectorError(
                "--otlp-tls-client-ca asks senders for certificates, which needs TLS: give --otlp-tls-cert and --otlp-tls-key"
            )
        self._check_tls()

    def _check_tls(self) -> None:
        if self.certificate is None or self.key is None:
            return
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        for option, path in (("cert", self.certificate), ("key", self.key), ("client-ca", self.client_ca)):
            if path is not None and not path.is_file():
                raise CollectorError(f"--otlp-tls-{option}: there is no file {path}")
        try:
            context.load_cert_chain(self.certificate, self.key, password=_no_password)
        except (OSError, ValueError) as error:
            raise CollectorError(
                f"--otlp-tls-cert {self.certificate} and --otlp-tls-key {self.key} do not work together: {error}"
            ) from None
        try:
            if self.client_ca is not None:
                context.load_verify_locations(self.client_ca)
        except OSError as error:
            raise CollectorError(
                f"--otlp-tls-client-ca {self.client_ca} holds no certificate in PEM: {error}"
            ) from None


OPEN: Final = Access()
"""To everybody on this machine."""


def access(options: Mapping[str, str]) -> Access:
    """From the plugin's options; '' is none. Raises CollectorError."""
    tokens, certificate, key, client_ca = (
        Path(options[name]) if options[name] else None
        for name in ("otlp-tokens", "otlp-tls-cert", "otlp-tls-key", "otlp-tls-client-ca")
    )
    made = Access(tokens, certificate, key, client_ca)
    made.check()
    return made


def _no_password() -> str:
    raise ValueError("the key has a password, which is not supported")


class Door:
    """Lets senders in, one request at a time; each with a token has a quota of its own."""

    def __init__(self, guard: Access, *, bytes_per_second: int = 0, now: float) -> None:
        """`bytes_per_second` of each token, unpacked; 0: as much as they like. `now` in monotonic seconds, here and below."""
        self._guarded = guard.guarded
        self._tokens = TokenFile(guard.tokens, now=now) if guard.tokens is not None else None
        self._bytes_per_second = bytes_per_second
        self._quotas: OrderedDict[str, Quota] = OrderedDict()
        self.refusals: Final = Refusals(now=now)

    def require_local(self, host: bytes) -> None:
        """Where nobody is asked who they are, the request must name this machine. Refused when it does not."""
        if not self._guarded and not _LOCAL_HOST.fullmatch(host):
            told = host.decode("latin-1")
            raise Refused(
                421,
                Code.PERMISSION_DENIED,
                f"telemetry is taken at 127.0.0.1, [::1] and localhost only, not at {told!r}",
            )

    def enter(self, authorization: str, *, peer: str, now: float) -> str:
        """The sender's name; '' where no token is asked for. Refused when the token is wrong, or its quota is used up.

        `peer` is the sender's address, for the log.
        """
        if self._tokens is None:
            return ""
        if not authorization:
            self.refusals.tell(peer, "it showed no token", now=now)
            raise unauthenticated("a token is needed: send the header Authorization: Bearer …")
        told = _BEARER.fullmatch(authorization)
        sender = self._tokens.owner(told[1], Scope.INGEST, now=now) if told else None
        if sender is None:
            self.refusals.tell(peer, _wrong(self._tokens, told[1] if told else "", now), now=now)
            raise unauthenticated("this token may not send telemetry: it is unknown, revoked, or of another scope")
        quota = self._quotas.get(sender)
        if quota is not None and (seconds := quota.wait(now)) > 0:
            raise throttled(
                f"{sender} sends more than {self._bytes_per_second / 2**20:g} MiB a second", retry_after=seconds
            )
        return sender

    def took(self, sender: str, size: int, *, now: float) -> None:
        """So many bytes, unpacked, came from that sender."""
        if not self._bytes_per_second or not sender:
            return
        quota = self._quotas.setdefault(sender, Quota(self._bytes_per_second, now))
        quota.take(size, now)
        self._quotas.move_to_end(sender)
        if len(self._quotas) > _SENDERS:
            self._quotas.popitem(last=False)


def _wrong(tokens: TokenFile, secret: str, now: float) -> str:
    """For the log: senders are not told which it is."""
    if not secret:
        return "what it showed is no bearer token"
    for scope in Scope:
        name = tokens.owner(secret, scope, now=now)
        if name is not None:
            return f"its token {name!r} is for {scope}, not for {Scope.INGEST}"
    return "its token is unknown or revoked"


class Quota:
    """So many bytes a second, a second's worth at once. What comes while anything is left is taken whole, and paid for afterwards:
    how large a body is shows only when it is unpacked, and large ones must not be refused for ever.
    """

    def __init__(self, bytes_per_second: int, now: float) -> None:
        self._rate = bytes_per_second
        self._left = float(bytes_per_second)
        self._at = now

    def take(self, size: int, now: float) -> None:
        """Uses so many bytes up."""
        self._left, self._at = self._left_at(now) - size, max(self._at, now)

    def wait(self, now: float) -> int:
        """Whole seconds until something is left; 0: it is."""
        left = self._left_at(now)
        return 0 if left > 0 else int(-left // self._rate) + 1

    def _left_at(self, now: float) -> float:
        return min(float(self._rate), self._left + max(0.0, now - self._at) * self._rate)
