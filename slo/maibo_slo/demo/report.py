"""What the demo found, as one value: `show` prints it, ``--json`` writes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from maibo_slo.demo.judgement import Judgement
from maibo_slo.demo.watch import Burnt, quantile

Json: TypeAlias = "str | int | float | bool | Sequence[Json] | Mapping[str, Json] | None"


@dataclass(frozen=True, slots=True)
class Report:
    """The end of a demo."""

    judgement: Judgement
    freshness_seconds: Sequence[float]
    """From the end of a customer's last request until the journey was counted in ``/v1/journeys``."""
    burnt: Sequence[Burnt]
    released_at: float
    """When the bad release got its traffic, unix s."""
    seconds: float
    """How long customers came."""
    seed: int
    address: str

    def as_json(self) -> dict[str, Json]:
        """One object; a quantity without data is null."""
        judged = self.judgement
        return {
            "agree": judged.agree,
            "requests": judged.requests,
            "counted": judged.counted,
            "lost": judged.spans.lost,
            "duplicated": judged.spans.duplicated,
            "p99_error_max": judged.p99_error_max,
            "freshness_p50_s": quantile(self.freshness_seconds, 0.5),
            "freshness_p99_s": quantile(self.freshness_seconds, 0.99),
            "spans": {
                "expected": judged.spans.expected,
                "ended": judged.spans.ended,
                "accepted": judged.spans.accepted,
                "counted": judged.spans.counted,
                "rejected": judged.spans.rejected,
            },
            "journeys": [
                {
                    "journey": row.journey,
                    "tier": row.tier,
                    "requests": row.requests_seen,
                    "counted": row.requests_told,
                    "customers": dict(row.seen),
                    "maibo": dict(row.told),
                    "p99_exact_us": row.p99.nearest_us,
                    "p99_maibo_us": row.p99.told_us,
                    "p99_error": row.p99.error,
                }
                for row in judged.rows
            ],
            "steps": [
                {
                    "service": step.service,
                    "version": step.version,
                    "journey": step.journey,
                    "step": step.step,
                    "services": dict(step.written),
                    "maibo": dict(step.told),
                    "p99_exact_between_us": None if step.p99.exact_us is None else list(step.p99.exact_us),
                    "p99_maibo_us": step.p99.told_us,
                }
                for step in judged.steps
            ],
            "slos_burnt": [
                {
                    "slo": each.slo,
                    "objective": each.objective,
                    "state": each.state,
                    "held_back": each.held_back,
                    "seen_after_release_s": each.first_seen_at - self.released_at,
                }
                for each in self.burnt
            ],
            "disagreements": list(judged.disagreements),
            "seconds": self.seconds,
            "seed": self.seed,
        }
