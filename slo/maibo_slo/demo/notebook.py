"""What the demo's processes write down, in one folder: the account that does not pass through maibo.

``customers.jsonl`` one line a visit; ``journeys-<process>.jsonl`` one line a journey that the process ended; ``spans-<process>.json``
what its SDK says of its spans when it has stopped.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from maibo_slo.demo.account import Written
from maibo_slo.demo.load import Seen


@dataclass(frozen=True, slots=True)
class ProcessSpans:
    """What one process's SDK says of its spans."""

    exported: int
    rejected: int
    queued: int
    lost: int


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

    def written(self) -> list[Written]:
        """Every journey that a service ended."""
        return [
            Written(**json.loads(line))
            for path in sorted(self.folder.glob("journeys-*.jsonl"))
            for line in path.read_text().splitlines()
        ]

    def spans(self, process: str) -> ProcessSpans | None:
        """What a process said of its spans when it stopped; None when it has not."""
        path = self.folder / f"spans-{process}.json"
        return ProcessSpans(**json.loads(path.read_text())) if path.exists() else None
