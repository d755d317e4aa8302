"""Answers that are kept for whoever asks the same again: several readers ask every 5 seconds.

The rule is one for all. An answer is told again as long as what it was made of is the very same (a document, the engine's last tick), and no longer than
the seconds that its asker says. Of more than there is room for, the oldest go.
"""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Q = TypeVar("Q")
A = TypeVar("A")


class _Answer(NamedTuple, Generic[A]):
    at: float
    of: tuple[object, ...]
    answer: A


class Kept(Generic[Q, A]):
    """By question. Thread-safe; times are of one clock, in seconds."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._answers: dict[Q, _Answer[A]] = {}
        self._lock = threading.Lock()

    def get(self, question: Q, *, of: tuple[object, ...] = (), now: float = 0.0, seconds: float = math.inf) -> A | None:
        """What was answered less than so many seconds ago, and was made of these very things; None where nothing was."""
        with self._lock:
            found = self._answers.get(question)
        if found is None or not 0 <= now - found.at < seconds or len(of) != len(found.of):
            return None
        return found.answer if all(a is b for a, b in zip(of, found.of, strict=True)) else None

    def put(self, question: Q, answer: A, *, of: tuple[object, ...] = (), now: float = 0.0) -> A:
        """Keep it, and hand it back."""
        with self._lock:
            self._answers.pop(question, None)
            while len(self._answers) >= self._most:
                del self._answers[next(iter(self._answers))]
            self._answers[question] = _Answer(now, of, answer)
        return answer

    def forget(self, which: Callable[[Q], bool] = lambda _: True) -> None:
        """The answers to these questions, or to all."""
        with self._lock:
            self._answers = {question: kept for question, kept in self._answers.items() if not which(question)}
