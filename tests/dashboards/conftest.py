"""What Grafana and its ClickHouse data source do to a query before it is sent, and documents to make dashboards of."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from maibo_slo.documents import Catalogue, CellSelector, Journey, Objective, Origin, Sli, Slo

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HERE = Origin("examples.yaml", 1)
CONDITIONAL = re.compile(r"\$__conditionalAll\(((?:[^()]|\([^()]*\))*), \$(\w+)\)")


@dataclass(frozen=True)
class Grafana:
    """A dashboard's time range, interval and chosen variables; macros as in the plugin's pkg/macros/macros.go."""

    begin: int
    end: int
    interval: int = 60
    resolution: str = "1m"
    chosen: Mapping[str, list[str]] = field(default_factory=dict)

    def expand(self, sql: str) -> str:
        sql = CONDITIONAL.sub(lambda found: found[1] if found[2] in self.chosen else "1=1", sql)
        for name, values in self.chosen.items():
            sql = sql.replace(f"${{{name}:singlequote}}", ",".join(f"'{value}'" for value in values))
        sql = sql.replace("${resolution}", self.resolution)
        begin, end = f"toDateTime({self.begin})", f"toDateTime({self.end})"
        sql = sql.replace("$__timeFilter(t)", f"t >= {begin} AND t <= {end}")
        sql = sql.replace("$__timeInterval(t)", f"toStartOfInterval(toDateTime(t), INTERVAL {self.interval} second)")
        sql = sql.replace("$__fromTime", begin).replace("$__toTime", end).replace("$__interval_s", str(self.interval))
        assert "$" not in sql, f"Grafana would not know this: {sql[sql.index('$') :][:60]}"
        return sql


@pytest.fixture
def grafana() -> Callable[..., Grafana]:
    return Grafana


@pytest.fixture
def catalogue() -> Catalogue:
    """Two journeys, one with a threshold and an SLO of two objectives; names as awkward as documents allow."""
    return Catalogue(
        journeys={
            "checkout": _journey("checkout", "Checkout", threshold_us=500_000),
            "search": _journey("search", "Search, or: 'find' $5 \\ things", threshold_us=None),
        },
        slos={"checkout-fast": _slo("checkout-fast", "checkout")},
    )


def _journey(name: str, title: str, *, threshold_us: int | None) -> Journey:
    return Journey(
        name=name,
        display_name=title,
        description="",
        service="shop",
        steps=(),
        timeout_seconds=900,
        threshold_us=threshold_us,
        labels={},
        origin=HERE,
    )


def _slo(name: str, journey: str) -> Slo:
    return Slo(
        name=name,
        display_name="Checkout is fast",
        description="",
        service="shop",
        indicator=Sli(
            name=name,
            total=CellSelector(journey),
            good=CellSelector(journey, outcomes=frozenset({"success"}), max_duration_us=500_000),
        ),
        objectives=(Objective("0.99", 0.99), Objective("it's $99.9 %", 0.999)),
        window_seconds=7 * 86_400,
        labels={},
        origin=HERE,
    )
