"""Questions that are asked meanwhile."""

from __future__ import annotations

import threading
import weakref
from contextvars import ContextVar
from typing import TYPE_CHECKING

import pytest

from maibo_slo.service.meanwhile import MOST, Meanwhile

if TYPE_CHECKING:
    from collections.abc import Callable

SPOKEN: ContextVar[str] = ContextVar("SPOKEN", default="")


def test_another_thread_asks_in_the_language_of_this_one() -> None:
    SPOKEN.set("zh")
    begun = threading.Event()

    def ask() -> tuple[str, threading.Thread]:
        begun.set()
        return SPOKEN.get(), threading.current_thread()

    asked = Meanwhile(ask)
    assert begun.wait(60)
    language, thread = asked.answer()
    assert language == "zh"
    assert thread is not threading.current_thread()


def test_what_no_thread_was_free_for_is_asked_here() -> None:
    busy = threading.Event()
    waiting = [Meanwhile(busy.wait) for _ in range(8)]
    try:
        assert Meanwhile(threading.current_thread).answer() is threading.current_thread()
    finally:
        busy.set()
    assert all(each.answer() for each in waiting)


def test_what_goes_wrong_is_raised_where_the_answer_is_wanted() -> None:
    def wrong() -> None:
        raise ValueError("wrong")

    asked = Meanwhile(wrong)
    with pytest.raises(ValueError, match="wrong"):
        asked.answer()


def test_what_nobody_wants_any_more_is_never_asked(no_thread_free: Callable[[], None]) -> None:
    asked: list[str] = []
    with (
        pytest.raises(LookupError),
        Meanwhile(lambda: asked.append("first")),
        Meanwhile(lambda: asked.append("second")),
    ):
        raise LookupError
    no_thread_free()
    assert asked == []


class Question:
    def __call__(self) -> Question:
        return self


def test_however_many_ask_only_so_many_wait(no_thread_free: Callable[[], None]) -> None:
    def ask() -> weakref.ref[Question]:
        question = Question()
        with Meanwhile(question) as asked:
            assert asked.answer() is question
        return weakref.ref(question)

    known = [ask() for _ in range(3 * MOST)]
    assert 0 < sum(each() is not None for each in known) <= MOST
