"""What is wrong with documents, told so that it can be mended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from maibo_slo.errors import MaiboError

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_PROBLEMS: Final = 1000
MAX_TEXT: Final = 500
"""Characters of a message, its mend and its path."""


class Position(NamedTuple):
    """A place in a file; line and column count from 1, in characters."""

    file: str
    line: int
    column: int


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
        path = f"{self.path}: " if self.path else ""
        mend = f" ({self.mend})" if self.mend else ""
        return f"{self.file}:{self.line}:{self.column}: {self.severity}: {path}{self.message}{mend}"


class DocumentsError(MaiboError):
    """Documents that cannot be used; `problems` holds every problem found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(map(str, self.problems)))


class TooManyProblems(Exception):  # noqa: N818 -- not an error of the program; ends the reading, never leaves the package
    """The report is full."""


class Report:
    """Collects problems while documents are read: reading goes on after an error, so that all are told at once.

    At most `MAX_PROBLEMS` of them: then the last says so and `TooManyProblems` ends the reading, so that a hostile file costs
    bounded time. Texts are bounded too, and whatever would move a terminal's cursor is escaped.

    It knows what is asked of the documents: `strict`, that OpenSLO's own validator accept them; `standard`, that they be OpenSLO,
    whether this version can judge them or not.
    """

    def __init__(self, *, strict: bool = False, standard: bool = False) -> None:
        self.strict, self.standard = strict, standard
        self._problems: set[Problem] = set()  # the same place read twice (an alias) is one problem
        self.errors = 0

    def error(self, at: Position, path: str, message: str, mend: str = "") -> None:
        self.errors += 1
        self._add(Problem(*at, _clean(path), _clean(message), _clean(mend)))

    def warning(self, at: Position, path: str, message: str, mend: str = "") -> None:
        self._add(Problem(*at, _clean(path), _clean(message), _clean(mend), severity="warning"))

    def deviation(self, at: Position, path: str, message: str, mend: str = "") -> None:
        """What people write, is understood, and OpenSLO's validator refuses."""
        tell = self.error if self.strict else self.warning
        tell(at, path, f"{message}; OpenSLO's validator refuses it", mend)

    def unjudged(self, at: Position, path: str, what: str, mend: str = "") -> None:
        """What is valid and cannot be judged: an error, since an objective that silently is not judged is worse than none."""
        if not self.standard:
            self.error(at, path, f"{what} is valid OpenSLO, but this version does not judge it", mend)

    def problems(self) -> tuple[Problem, ...]:
        """Every problem so far, in the order of file and line."""
        return tuple(sorted(self._problems))

    def _add(self, problem: Problem) -> None:
        self._problems.add(problem)
        if len(self._problems) >= MAX_PROBLEMS:
            self.errors += 1
            message = f"{MAX_PROBLEMS:,} problems; reading stopped here"
            self._problems.add(Problem(problem.file, problem.line, problem.column, "", message, "mend these first"))
            raise TooManyProblems


def _clean(text: str) -> str:
    if len(text) > MAX_TEXT:
        text = f"{text[:MAX_TEXT]}…"
    return text if text.isprintable() else "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
