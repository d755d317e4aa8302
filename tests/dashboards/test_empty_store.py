"""A new store has nothing to say, and no query minds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maibo_dashboards.sql import budgets, journeys, marks
from maibo_dashboards.sql.budgets import judged

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from maibo_slo.documents import Catalogue
    from maibo_slo.store import Store

BEGIN = 1_767_225_600
END = BEGIN + 1800


def test_every_query_answers_an_empty_store_without_an_error(
    store: Store, grafana: Callable, catalogue: Catalogue
) -> None:
    slo = catalogue.slos["checkout-fast"]
    every = judged([slo])
    asked: Sequence[str] = [
        journeys.journeys({}, {}),
        journeys.journeys({}, {"checkout": [slo]}),
        journeys.rate_by_journey(),
        journeys.p99_by_journey(),
        journeys.failures_by_journey(),
        *journeys.summary("checkout", threshold_us=500_000).values(),
        journeys.rate_by_outcome("checkout"),
        journeys.latency("checkout"),
        journeys.distribution("checkout"),
        journeys.heatmap("checkout", threshold_us=None),
        journeys.rate_by("tier", "checkout"),
        journeys.failures_by("region", "checkout"),
        journeys.p99_by("version", "checkout"),
        journeys.worst_steps("checkout"),
        journeys.reasons("checkout"),
        marks.version_changes("checkout"),
        marks.alerts(),
        marks.scaleups(["shop/Deployment/checkout-api"]),
        marks.scaleups([]),
        marks.overrides(),
        marks.corrections(),
        marks.corrections("checkout", ["checkout-fast"], [], chaos=True),
        budgets.budget_left(every),
        budgets.burn_rates(every),
        budgets.events(every),
        budgets.groups([slo]),
    ]
    for sql in asked:
        numbers = [value for row in store.rows(grafana(BEGIN, END).expand(sql)) for value in row if value is not None]
        assert numbers in ([], [0.0])
