"""Marks on the charts that are not simply an event each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maibo_dashboards.sql import marks
from maibo_slo.store import events

if TYPE_CHECKING:
    from collections.abc import Callable

    from maibo_slo.store import Store

BEGIN, END = 1_767_225_600, 1_767_225_600 + 3600


def test_alerts_that_overlap_are_one_mark(store: Store, grafana: Callable) -> None:
    fired = [("a", 60, 600), ("b", 120, 180), ("c", 500, 700), ("d", 900, None), ("e", 1200, 1300), ("other", 800, 820)]
    events.append(
        store,
        [
            events.Event(name, "alert", name, BEGIN + begin, None if end is None else BEGIN + end, {"severity": "page"})
            for name, begin, end in fired
        ],
    )
    rows = store.rows(grafana(BEGIN, END).expand(marks.alerts(["a", "b", "c", "d", "e"])))
    assert [(begin.timestamp() - BEGIN, end.timestamp() - BEGIN, text, tags) for begin, end, text, tags in rows] == [
        (60, 700, "page: a\npage: b\npage: c", "a,b,c"),
        (900, 3600, "page: d\npage: e", "d,e"),
    ]
