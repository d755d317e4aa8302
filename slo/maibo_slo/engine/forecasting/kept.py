"""What was chosen and fitted, in a small file, so that a restart forecasts with its first round."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from maibo_slo.engine.forecasting.gate import Gate, Score
from maibo_slo.engine.forecasting.models import Fitted
from maibo_slo.engine.forecasting.series import lead_minutes
from maibo_slo.files import replace_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from maibo_slo.engine.forecasting.forecaster import Asked

FORMAT: Final = 1
log = logging.getLogger(__name__)

Key = tuple[str, str]
"""(namespace of the workload, name of the ScalingTarget)."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A gate, and what it is of."""

    gate: Gate
    quantile: float
    fitted_at: float

    def fits(self, asked: Asked) -> bool:
        """Whether it is of this lead time and these levels."""
        fitted = self.gate.fitted
        return (fitted.minutes, fitted.levels, self.quantile) == (
            lead_minutes(asked.ahead_seconds),
            asked.levels,
            asked.target.forecast.quantile,
        )


def recall(path: Path) -> dict[Key, Kept]:
    """What the file remembers; nothing when it is missing, damaged or of another format."""
    try:
        said = json.loads(path.read_text())
        if said["format"] != FORMAT:
            return {}
        return {(one["namespace"], one["target"]): _kept(one) for one in said["gates"]}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}  # they are fitted again


def remember(path: Path, gates: Mapping[Key, Kept]) -> None:
    """Replace the file as a whole."""
    said = {
        "format": FORMAT,
        "gates": [
            {"namespace": namespace, "target": target, **asdict(kept)} for (namespace, target), kept in gates.items()
        ],
    }
    try:
        replace_file(path, json.dumps(said))
    except OSError as error:
        log.warning("what was fitted cannot be remembered in %s: %s", path, error.strerror)


def _kept(said: Mapping[str, Any]) -> Kept:
    gate, fitted = said["gate"], said["gate"]["fitted"]
    return Kept(
        Gate(
            Fitted(
                fitted["model"],
                int(fitted["minutes"]),
                tuple(map(float, fitted["levels"])),
                offset=float(fitted["offset"]),
                **{name: tuple(map(float, fitted[name])) for name in ("coefficients", "level_edges", "slope_edges")},
                spreads=tuple(tuple(map(float, each)) for each in fitted["spreads"]),
            ),
            str(gate["abstained"]),
            tuple(_score(each) for each in gate["scores"]),
        ),
        float(said["quantile"]),
        float(said["fitted_at"]),
    )


def _score(said: Mapping[str, Any]) -> Score:
    # The keys of JSON's objects are texts.
    coverage = {float(level): float(share) for level, share in said["coverage"].items()}
    return Score(said["model"], float(said["pinball"]), coverage, int(said["minutes"]), int(said["won"]))
