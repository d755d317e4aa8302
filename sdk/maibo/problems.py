"""What went wrong inside maibo: caught, counted, and logged once; the host never sees it.

Every public entry catches what is raised inside it and hands it to `caught`. Counts are exact; a log line is written the first
time each kind of problem turns up in a process, never per request.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import Counter

log = logging.getLogger("maibo")

INTERNAL = "internal_errors"
STEPS_OUTSIDE = "steps_outside"
CARRIERS_IGNORED = "carriers_ignored"
SKEWED = "skewed"
NAMES_REPLACED = "names_replaced"
DOCUMENTS_IGNORED = "documents_ignored"

_lock = threading.RLock()  # re-entrant: a signal handler of the host may run in the middle of a count
_counts: Counter[str] = Counter()
_told: set[str] = set()


def caught(where: str, error: BaseException) -> None:
    """An error of ours in `where`: count it; log it with its traceback the first time."""
    try:
        count(INTERNAL)
        if _first(f"{where}:{type(error).__name__}"):
            log.error("maibo: internal error in %s (further ones are only counted)", where, exc_info=error)
    except Exception:  # noqa: BLE001, S110 -- the last line of defence of the host: a logging handler may raise too
        pass


def noticed(kind: str, message: str, *arguments: object) -> None:
    """Something of the host's that cannot be used: count it under `kind`; say so the first time."""
    count(kind)
    tell(message, *arguments)


def tell(message: str, *arguments: object) -> None:
    """Log a warning, once a process for each message text."""
    if _first(message):
        log.warning(message, *arguments)


def count(kind: str, number: int = 1) -> None:
    """Add to the count of `kind`."""
    with _lock:
        _counts[kind] += number


def counted(kind: str) -> int:
    """How often `kind` was counted in this process."""
    return _counts[kind]


def _first(key: str) -> bool:
    with _lock:
        if key in _told or len(_told) > 1000:
            return False
        _told.add(key)
        return True


def forget() -> None:
    """Begin anew: in a forked child, and between tests."""
    global _lock  # noqa: PLW0603 -- the parent's other threads may have held it at the fork
    _lock = threading.RLock()
    _counts.clear()
    _told.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget)
