"""What dashboards know of burn rates and calendars besides the engine is what the engine knows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maibo_dashboards.burning import error_budget, pairs
from maibo_dashboards.sql.windows import begins, ends, longest_seconds
from maibo_slo.documents import Calendar, Catalogue, Objective
from maibo_slo.engine import budget
from maibo_slo.engine.burn import BURN_WINDOWS, alerted_pairs
from maibo_slo.engine.calendar import longest_seconds as longest_of
from maibo_slo.engine.calendar import period

if TYPE_CHECKING:
    from maibo_slo.documents import Slo
    from maibo_slo.store import Store

DAY = 86_400


@pytest.fixture
def slo(catalogue: Catalogue) -> Slo:
    return catalogue.slos["checkout-fast"]


@given(days=st.integers(1, 400), target=st.sampled_from([0.5, 0.9, 0.931, 0.99, 0.999, 0.99999]))
def test_thresholds_are_those_that_alerts_go_by(days: int, target: float) -> None:
    window, objective = days * DAY, Objective("one", target)
    expected = alerted_pairs(window, target=target)
    found = pairs(window, objective)
    assert [(each.long_seconds, each.short_seconds, each.factor) for each in found] == [
        (each.long_seconds, each.short_seconds, each.factor) for each in expected.values()
    ]
    assert [each.long_seconds for each in found] == [BURN_WINDOWS[name] for name in expected]
    assert error_budget(objective) == budget.error_budget(target)


CALENDARS = [
    Calendar(1, "M", datetime(2026, 1, 1), "Europe/Berlin"),  # noqa: DTZ001 -- as documents have it
    Calendar(1, "M", datetime(2025, 1, 31, 12), "UTC"),  # noqa: DTZ001 -- the same
    Calendar(1, "Q", datetime(2024, 2, 29), "America/New_York"),  # noqa: DTZ001 -- the same
    Calendar(2, "w", datetime(2026, 3, 2, 6), "Asia/Shanghai"),  # noqa: DTZ001 -- the same
    Calendar(1, "d", datetime(2026, 3, 1, 9, 30), "Europe/Berlin"),  # noqa: DTZ001 -- the same
    Calendar(6, "h", datetime(2026, 1, 1, 1), "Asia/Kolkata"),  # noqa: DTZ001 -- the same
    Calendar(1, "Y", datetime(2030, 4, 1), "Asia/Tokyo"),  # noqa: DTZ001 -- the same
]


def test_a_calendars_windows_are_the_engines(store: Store, slo: Slo) -> None:
    first = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
    for calendar in CALENDARS:
        judged = [replace(slo, calendar=calendar)]
        rows = store.rows(
            f"SELECT at, {begins(judged, 'at')}, {ends(judged, 'at')} FROM (SELECT '{slo.name}' AS slo, "
            f"toInt64({slo.window_seconds}) AS window_seconds, toInt64({first} + number * 25260) AS at FROM numbers(1500))"
        )
        assert len(rows) == 1500
        for at, *edges in rows:
            assert tuple(edges) == period(calendar, at), (calendar, datetime.fromtimestamp(at, UTC))


def test_no_window_is_longer_than_what_is_read(slo: Slo) -> None:
    nominal = {"h": 3600, "d": DAY, "w": 7 * DAY, "M": 30 * DAY, "Q": 90 * DAY, "Y": 365 * DAY}
    for calendar in CALENDARS:
        judged = replace(slo, calendar=calendar, window_seconds=calendar.count * nominal[calendar.unit])
        assert longest_seconds(judged) >= longest_of(calendar) - 3600
    assert longest_seconds(slo) == slo.window_seconds
