"""What is wrong with documents, told so that it can be mended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from maibo_slo.errors import MaiboError


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One problem: where (file, line and column from 1, path such as ``spec.objectives[0].target``), what, and the mend."""

    file: str
    line: int
    column: int
    path: str
    message: str
    mend: str = ""
    severity: str = "error"
    """``error`` or ``warning``"""

    def __str__(self) -> str:
        mend = f" ({self.mend})" if self.mend else ""
        return f"{self.file}:{self.line}:{self.column}: {self.severity}: {self.path}: {self.message}{mend}"


class DocumentsError(MaiboError):
    """Documents that cannot be used; `problems` holds every problem found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(map(str, self.problems)))
