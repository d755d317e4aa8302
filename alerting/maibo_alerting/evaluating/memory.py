"""What the evaluator remembers over a restart: the state of every alert, in one small file.

Replaced as a whole and safe on disk before an alert is told, so that a restart neither pages again nor forgets to resolve. Its first line
is a checksum of the rest. A file that is missing, damaged or of another format counts as empty: what still burns fires anew, under the same
key; what ended meanwhile is never resolved, which is why that is said in the log.
"""

from __future__ import annotations

import logging
import os
import zlib
from typing import TYPE_CHECKING, Final

import msgspec

from maibo_alerting.evaluating.state import State, States

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

FORMAT: Final = 1
log = logging.getLogger(__name__)


def recall(path: Path) -> States:
    """The states of the last `remember`."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        log.warning("alert states %s cannot be read (%s): alerts that ended are not resolved", path, error.strerror)
        return {}
    head, _, body = data.partition(b"\n")
    if head != _head(body):
        log.warning("alert states %s are damaged or of another format: alerts that ended are not resolved", path)
        return {}
    try:
        states = msgspec.json.decode(body, type=list[State])
    except msgspec.DecodeError as error:
        log.warning("alert states %s cannot be used (%s): alerts that ended are not resolved", path, error)
        return {}
    return {state.key: state for state in states}


def remember(path: Path, states: Iterable[State]) -> None:
    """Replace the file; on return it survives a loss of power. Raises OSError."""
    body = msgspec.json.encode(list(states))
    draft = path.with_suffix(".new")
    with draft.open("wb") as file:
        file.write(_head(body) + b"\n" + body)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _head(body: bytes) -> bytes:
    return f"maibo alerts {FORMAT} {zlib.crc32(body):08x}".encode()
