"""What a process of the shop writes down beside the pipeline: every journey that it ended, and what became of its spans."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Self

import maibo


class Notes:
    """Appends to ``journeys-NAME.jsonl`` while it is open, and writes ``spans-NAME.json`` when it is closed."""

    def __init__(self, folder: Path, name: str) -> None:
        self.lines = (folder / f"journeys-{name}.jsonl").open("a", buffering=1)
        self.spans_path = folder / f"spans-{name}.json"

    def journey_ended(self, journey: maibo.FinishedJourney) -> None:
        """One line, in the words of `maibo_slo.demo.account.Written`."""
        noted = {
            "journey": journey.name,
            "id": journey.id,
            "tier": journey.tier,
            "outcome": journey.outcome,
            "duration_ns": journey.duration_ns,
            "ended_at_ns": journey.start_ns + journey.duration_ns,
        }
        self.lines.write(json.dumps(noted) + "\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        maibo.flush()
        self.spans_path.write_text(json.dumps(spans_now()))
        self.lines.close()


def spans_now() -> dict[str, int]:
    """What the SDK says of this process's spans, in the words of `maibo_slo.demo.notebook.ProcessSpans`."""
    stats = maibo.stats()
    return {"exported": stats.exported, "rejected": stats.rejected, "queued": stats.queued, "lost": stats.lost}
