"""Bearer tokens in a file: who may send, read or act.

A token is a random secret of 256 bits with a name and a scope. The file keeps its SHA-256 alone (a secret of that size needs no
slow hash), so whoever reads the file learns nothing to send with. A name has one token; rotation is: add one under a new name, let the sender
use it, revoke the old one. Those who check tokens look at the file once a second (`TokenFile`), so nothing needs to be restarted.

Acceptor processes load this: it imports nothing but the standard library.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import hmac
import json
import logging
import os
import re
import secrets
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from maibo_slo.errors import TokensError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["Scope", "Token", "TokenFile", "add", "read", "revoke"]

SECRET_BYTES: Final = 32
LOOK_SECONDS: Final = 1.0
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")

log = logging.getLogger(__name__)


class Scope(StrEnum):
    """What a token allows."""

    INGEST = "ingest"
    """Sending telemetry."""
    READ = "read"
    """Asking the API."""
    ACT = "act"
    """Changing what the service does."""


@dataclass(frozen=True, slots=True)
class Token:
    """One token as the file has it."""

    name: str
    scope: Scope
    sha256: str
    """Of the secret, in hexadecimal."""
    created: str
    """RFC 3339, UTC."""


def read(path: Path, *, scope: Scope = Scope.INGEST) -> tuple[Token, ...]:
    """The tokens in a file. TokensError when there is no such file, telling how to make one of this scope, or it is none of ours."""
    try:
        return _parse(path.read_bytes())
    except FileNotFoundError:
        raise TokensError(
            f"there is no token file {path}; make one with `maibo token add NAME --scope {scope} --file {path}`"
        ) from None
    except (OSError, ValueError) as error:
        told = error.strerror if isinstance(error, OSError) else error
        mend = (
            "let this user read it"
            if isinstance(error, OSError)
            else "put back a copy of it, or move it away and make new tokens with `maibo token add NAME`"
        )
        raise TokensError(f"token file {path} cannot be read: {told}; {mend}") from None


def add(path: Path, name: str, scope: Scope, *, now: datetime) -> str:
    """Adds a token, making the file if need be. Returns its secret, which nothing else keeps."""
    if not _NAME.fullmatch(name):
        raise TokensError(
            f"{name!r} is no name for a token; use up to 63 letters, digits, dots, dashes and underscores, such as shop-2"
        )
    secret = f"maibo_{scope}_{secrets.token_urlsafe(SECRET_BYTES)}"
    with _changing(path) as folder:
        tokens = read(path) if path.exists() else ()
        if any(token.name == name for token in tokens):
            raise TokensError(
                f"{path} has a token named {name!r} already; to replace it, add one under a new name and revoke this one "
                "when its sender has switched"
            )
        created = now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        _write(path, (*tokens, Token(name, scope, _sha256(secret), created)), folder)
    return secret


def revoke(path: Path, name: str) -> Token:
    """Takes a token away. TokensError when there is none of that name."""
    with _changing(path) as folder:
        tokens = read(path)
        gone = next((token for token in tokens if token.name == name), None)
        if gone is None:
            known = ", ".join(sorted(token.name for token in tokens)) or "none"
            raise TokensError(f"{path} has no token named {name!r}; it has: {known}")
        _write(path, [token for token in tokens if token is not gone], folder)
    return gone


def owner(tokens: Sequence[Token], secret: str, scope: Scope) -> str | None:
    """The name of whom a secret belongs to; None: it is nobody's, or not for this scope.

    Compares with every token, each in constant time, so that the time taken tells nothing about any of them.
    """
    presented = _sha256(secret)
    found: str | None = None
    for token in tokens:
        same = hmac.compare_digest(presented, token.sha256)
        if same and token.scope is scope:
            found = token.name
    return found


class TokenFile:
    """The tokens of a file, as it is now: it is looked at once a second at most.

    When it cannot be read, the tokens read last stay in force, and the log says so once.
    """

    def __init__(self, path: Path, *, now: float, scope: Scope = Scope.INGEST) -> None:
        """Raises TokensError when the file cannot be used; `scope` as of `read`. `now` in monotonic seconds, here and below."""
        self._path = path
        self._seen = _signature(path)
        self._scope = scope
        self._tokens = read(path, scope=scope)
        self._look_at = now + LOOK_SECONDS

    def owner(self, secret: str, scope: Scope, *, now: float) -> str | None:
        """As `owner` of the module."""
        if now >= self._look_at:
            self._look_at = now + LOOK_SECONDS
            self._look()
        return owner(self._tokens, secret, scope)

    def _look(self) -> None:
        # The signature first: a file replaced in between is then read twice, never missed.
        signature = _signature(self._path)
        if signature == self._seen:
            return
        self._seen = signature
        try:
            self._tokens = read(self._path, scope=self._scope)
        except TokensError as error:
            log.error("%s; the tokens read before stay in force", error)  # noqa: TRY400 -- the text says it all
        else:
            log.info("token file %s was read again: %d tokens", self._path, len(self._tokens))


def _signature(path: Path) -> tuple[int, int, int] | None:
    """Changes when the file does."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_ino, stat.st_size


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def _parse(text: bytes) -> tuple[Token, ...]:
    """ValueError when it is not what `_write` writes."""
    said = json.loads(text)
    rows = said.get("tokens") if isinstance(said, dict) else None
    if not isinstance(rows, list):
        raise ValueError("it has no list of tokens")  # noqa: TRY004 -- told as every other problem of the file
    tokens = tuple(_token(row) for row in rows)
    if len({token.name for token in tokens}) != len(tokens):
        raise ValueError("two tokens have one name")
    return tokens


def _token(row: object) -> Token:
    if not isinstance(row, dict):
        raise ValueError("a token is no object")  # noqa: TRY004 -- as above
    texts = {key: value for key, value in row.items() if isinstance(key, str) and isinstance(value, str)}
    name, scope, sha256 = texts.get("name", ""), texts.get("scope", ""), texts.get("sha256", "")
    if not _NAME.fullmatch(name) or scope not in tuple(Scope) or not _SHA256.fullmatch(sha256):
        raise ValueError(f"the token named {name!r} needs a name, a scope ({', '.join(Scope)}) and a sha256")
    return Token(name, Scope(scope), sha256, texts.get("created", ""))


@contextlib.contextmanager
def _changing(path: Path) -> Iterator[int]:
    """One at a time: the folder is locked, since the file itself is replaced. The folder, open."""
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise TokensError(f"the folder of {path} cannot be used: {error.strerror}") from None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield folder
    except OSError as error:
        raise TokensError(f"token file {path} cannot be written: {error.strerror}") from None
    finally:
        os.close(folder)


def _write(path: Path, tokens: Sequence[Token], folder: int) -> None:
    """Whole or not at all, readable for its owner alone, and safe on return: no loss of power brings a revoked token back."""
    text = json.dumps({"tokens": [asdict(token) for token in tokens]}, indent=2) + "\n"
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)
        os.fsync(folder)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise
