"""Which parts of the service work, as they report it themselves; what ``/readyz`` and ``/metrics`` show.

A part that never reported is unknown here: `expect` names those that must, so that readiness waits for them.
"""

from __future__ import annotations

import logging
import threading
from typing import NamedTuple

log = logging.getLogger(__name__)


class PartHealth(NamedTuple):
    """Whether one part of the service works, and why not."""

    part: str
    ok: bool
    detail: str


class Health:
    """Reports of every part; may be used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._parts: dict[str, PartHealth] = {}

    def expect(self, part: str) -> None:
        """Until it reports so, this part is not ready."""
        with self._lock:
            self._parts.setdefault(part, PartHealth(part, ok=False, detail="starting"))

    def report(self, part: str, error: str | None) -> None:
        """``None``: it works; a text: it does not, and why."""
        said = PartHealth(part, ok=error is None, detail=error or "")
        with self._lock:
            before = self._parts.get(part)
            self._parts[part] = said
        if before != said:
            self._tell(before, said)

    def note(self, part: str, detail: str) -> None:
        """The part works, but there is something to know."""
        with self._lock:
            self._parts[part] = PartHealth(part, ok=True, detail=detail)

    def parts(self) -> list[PartHealth]:
        """What each part said last, by name."""
        with self._lock:
            return [self._parts[name] for name in sorted(self._parts)]

    def _tell(self, before: PartHealth | None, said: PartHealth) -> None:
        if not said.ok:
            log.warning("%s: %s", said.part, said.detail)
        elif before is not None and before.detail != "starting":
            log.info("%s works again", said.part)
