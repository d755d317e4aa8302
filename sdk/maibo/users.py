"""User ids become pseudonyms before anything else happens to them.

A plain hash of an id can be reversed by hashing every id there is; so it is keyed. With ``MAIBO_USER_HASH_KEY`` set to the same
secret everywhere, a user has one pseudonym in all services; without it each process draws a key of its own, and pseudonyms
compare only within that process.
"""

from __future__ import annotations

import hashlib
import os

from maibo import problems


def pseudonym(user: str, key: bytes) -> str:
    """32 hex digits that stand for `user` under `key`."""
    return hashlib.blake2b(user.encode("utf-8", "replace"), key=key, digest_size=16, person=b"maibo-user").hexdigest()


def key_from(text: str | None) -> bytes:
    """A hashing key from the configured secret, or a random one."""
    if text:
        return hashlib.blake2b(text.encode(), digest_size=64).digest()
    return os.urandom(64)


def note_random_key() -> None:
    """Say once that pseudonyms will not compare across processes."""
    problems.tell("maibo: MAIBO_USER_HASH_KEY is not set: pseudonyms of users compare only within one process")
