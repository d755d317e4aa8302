"""Excluded time, against brute force."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from maibo_slo.documents import Correction
from maibo_slo.engine.corrections import Window
from maibo_slo.engine.excluded import excluded_by

if TYPE_CHECKING:
    from maibo_slo.documents.kinds import Effect

EFFECTS: list[Effect] = ["exclude", "exclude", "count_as_good", "annotate"]
WINDOWS = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20), st.sampled_from(EFFECTS)), max_size=8)


def window(begin: int, seconds: int, effect: Effect) -> Window:
    correction = Correction("deploy", "maintenance", effect, datetime.min, seconds, "UTC")  # noqa: DTZ901 -- a correction's start has no zone
    return Window(begin, begin + seconds, correction)


@given(windows=WINDOWS, begin=st.integers(0, 90), length=st.integers(0, 90))
def test_each_second_counts_once(windows: list[tuple[int, int, Effect]], begin: int, length: int) -> None:
    found = excluded_by([window(*each) for each in windows])
    out = {t for start, seconds, effect in windows if effect == "exclude" for t in range(start, start + seconds)} & set(
        range(begin, begin + length)
    )
    assert found.seconds(begin, begin + length) == len(out)
    assert found.seconds(begin, begin - 1) == 0
