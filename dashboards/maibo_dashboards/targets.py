"""What a panel asks, of which kind of data source.

A target names no data source, only its kind: the dashboard's variable `datasource` says which of that kind is meant.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Source = Literal["clickhouse", "prometheus"]

TYPES: Final[Mapping[Source, str]] = {"clickhouse": "grafana-clickhouse-datasource", "prometheus": "prometheus"}
"""Ids of Grafana's plugins."""

TIME_SERIES: Final = 0
TABLE: Final = 1


def reference(source: Source) -> dict[str, str]:
    """The data source that the dashboard's variable chooses."""
    return {"type": TYPES[source], "uid": "${datasource}"}


@dataclass(frozen=True, slots=True)
class Sql:
    """A query of ClickHouse; grafanalib asks for its JSON."""

    source: ClassVar[Source] = "clickhouse"
    text: str
    ref: str = "A"
    """Unique within its panel; panels number those that were not named."""
    as_table: bool = False
    """Rows as they are, instead of series over the column `time`. Panels that are no charts over time set it themselves."""

    def to_json_data(self) -> dict[str, object]:
        return {
            "refId": self.ref,
            "datasource": reference(self.source),
            "editorType": "sql",
            "rawSql": self.text,
            "format": TABLE if self.as_table else TIME_SERIES,
        }


@dataclass(frozen=True, slots=True)
class Promql:
    """A query of Prometheus."""

    source: ClassVar[Source] = "prometheus"
    expr: str
    ref: str = "A"
    """Unique within its panel; panels number those that were not named."""
    legend: str = ""
    """``{{journey}}``; '' lets Grafana choose."""
    instant: bool = False
    """Now alone: as a table, or, with a legend, a series each. Panels that show one moment set it themselves."""
    as_heatmap: bool = False
    """Cumulative buckets (``sum by (le) (rate(..._bucket[$__rate_interval]))``) as the rows of a heatmap."""

    def to_json_data(self) -> dict[str, object]:
        return {
            "refId": self.ref,
            "datasource": reference(self.source),
            "editorMode": "code",
            "expr": self.expr,
            "legendFormat": self.legend or "__auto",
            "instant": self.instant,
            "range": not self.instant,
            "format": "heatmap" if self.as_heatmap else "table" if self.instant and not self.legend else "time_series",
        }


Target: TypeAlias = Sql | Promql
Targets: TypeAlias = "Target | Sequence[Target]"
"""One or several, all of one kind of data source."""
