"""Which parts of the service work, as they report it themselves; what ``/readyz`` and ``/metrics`` show.

A part that never reported is unknown here: `expect` names those that must, so that readiness waits for them.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

log = logging.getLogger(__name__)


class PartHealth(NamedTuple):
    """Whether one part of the service works, and why not."""

    part: str
    ok: bool
    detail: str
    needed: bool = True
    """Whether the service is not ready without it."""


class Health:
    """Reports of every part; may be used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._parts: dict[str, PartHealth] = {}
        self._worked: set[str] = set()

    def expect(self, part: str) -> None:
        """Until it reports so, this part is not ready."""
        with self._lock:
            self._parts.setdefault(part, PartHealth(part, ok=False, detail="starting"))

    def report(self, part: str, error: str | None) -> None:
        """``None``: it works; a text: it does not, and why."""
        said = PartHealth(part, ok=error is None, detail=error or "")
        with self._lock:
            news = self._parts.get(part) != said
            worked = part in self._worked
            self._parts[part] = said
            if said.ok:
                self._worked.add(part)
        if news and worked:
            self._tell(said)
        elif news and not said.ok:
            log.debug("%s is starting: %s", part, said.detail)

    def warn(self, part: str, why: str) -> None:
        """The part does not do what it was told to, but goes on as before: the service stays ready."""
        with self._lock:
            self._parts[part] = PartHealth(part, ok=False, detail=why, needed=False)

    def parts(self) -> list[PartHealth]:
        """What each part said last, by name."""
        with self._lock:
            return [self._parts[name] for name in sorted(self._parts)]

    def _tell(self, said: PartHealth) -> None:
        if said.ok:
            log.info("%s works again", said.part)
        else:
            log.warning("%s: %s", said.part, said.detail)


def ready(parts: Iterable[PartHealth]) -> bool:
    """Whether every part works that the service needs."""
    return all(part.ok or not part.needed for part in parts)
