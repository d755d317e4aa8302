"""What the demo's processes write down, in one folder: the account that does not pass through maibo.

``customers.jsonl`` one line a visit; ``requests-<process>.jsonl`` one line a request that the process answered, by its own clock;
``journeys-<process>.jsonl`` one line a journey that its SDK ended; ``spans-<process>.json`` what its SDK says of its spans when it
has stopped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from maibo_slo.demo.evidence import Request, SdkCounts, Written
from maibo_slo.demo.load import Seen

RATE_OVER_SECONDS = 5.0
RATE_AFTER_SECONDS = 2.0
"""Of a phase: before that, too few of its customers have left."""
ORDER = re.compile(r"(?<=/)[0-9a-f]{32}(?=/|$)")


@dataclass(slots=True)
class Notebook:
    """Reads the notes; `seen` grows as customers leave."""

    folder: Path
    seen: list[Seen] = field(default_factory=list)
    _read: int = 0

    @property
    def customers(self) -> Path:
        """Where customers write."""
        return self.folder / "customers.jsonl"

    def read_seen(self) -> Sequence[Seen]:
        """Every visit so far; only what was added since the last time is read."""
        if not self.customers.exists():
            return self.seen
        with self.customers.open("rb") as lines:
            lines.seek(self._read)
            for line in lines:
                if not line.endswith(b"\n"):
                    break  # half written; it is read when it is whole
                self._read += len(line)
                noted = json.loads(line)
                self.seen.append(Seen(**{**noted, "requests": tuple(noted["requests"])}))
        return self.seen

    def requests(self) -> list[Request]:
        """Every request that a service answered; an order's number is told as ``{order}``."""
        return [
            Request(**{**noted, "route": ORDER.sub("{order}", noted["route"])}) for noted in self._lines("requests")
        ]

    def written(self) -> list[Written]:
        """Every journey that a service's SDK ended."""
        return [Written(**noted) for noted in self._lines("journeys")]

    def spans(self, process: str) -> SdkCounts | None:
        """What a process said of its spans when it stopped; None when it has not."""
        path = self.folder / f"spans-{process}.json"
        return SdkCounts.of(json.loads(path.read_text())) if path.exists() else None

    def _lines(self, what: str) -> Iterator[dict[str, Any]]:
        for path in sorted(self.folder.glob(f"{what}-*.jsonl")):
            for line in path.read_text().splitlines():
                yield json.loads(line)


def requests_per_second(seen: Iterable[Seen], *, begin: float, now: float) -> float | None:
    """Over the last few seconds, of those who came since `begin` (as `now`, unix s); None when that is too short ago to tell."""
    since = max(begin, now - RATE_OVER_SECONDS)
    if now - begin < RATE_AFTER_SECONDS:
        return None
    counted = sum(len(each.requests) for each in seen if each.began_ns / 1e9 >= begin and each.ended_at > since)
    return counted / (now - since)
