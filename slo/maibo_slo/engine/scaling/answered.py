"""What each face answered last, of each target: so that whoever asks why nothing scales sees whether anybody asks, and what they were told.

In memory alone, one answer a face and target: a restart forgets it. Faces tell from their own threads, thousands of times a second: what is done there
is one write into a dictionary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

    from maibo_slo.engine.scaling.memories import TargetName

MOST: Final = 10_000
"""Of faces and targets: documents come and go, and none of a target that is gone is looked at."""
WORDS: Final = 400
"""Characters of a refusal."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A face's last answer about one target."""

    face: str
    """``keda``, ``json``, ``external_metrics``, ``prometheus``, ``fast_lane``."""
    at: float
    """Unix s."""
    replicas: int | None
    """None: it refused."""
    refused: str = ""
    """In which words."""


class LastAnswers:
    """Of every face and target."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str], Answered] = {}

    def answered(
        self, namespace: str, target: str, face: str, *, replicas: int | None, refused: str, at: float
    ) -> None:
        """A face answered so. Does not block."""
        key = (namespace, target, face)
        if key in self._found or len(self._found) < MOST:
            self._found[key] = Answered(face, at, replicas, refused[:WORDS])

    def of(self, namespace: str, target: str) -> tuple[Answered, ...]:
        """By face; none of one that nobody has asked since the start."""
        there = [one for key, one in list(self._found.items()) if key[:2] == (namespace, target)]
        return tuple(sorted(there, key=lambda one: one.face))

    def retain(self, targets: Collection[TargetName]) -> None:
        """Forget all but these."""
        for key in list(self._found):
            if key[:2] not in targets:
                self._found.pop(key, None)
