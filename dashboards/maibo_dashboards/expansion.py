"""What Grafana and its ClickHouse data source do to a query before it is sent; for whoever asks a dashboard's queries without them.

Macros are as in the plugin's ``pkg/macros/macros.go``, variables as Grafana's ``singlequote`` format writes them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_CONDITIONAL: Final = re.compile(r"\$__conditionalAll\(((?:[^()]|\([^()]*\))*), \$(\w+)\)")


@dataclass(frozen=True)
class Grafana:
    """A dashboard's time range (unix s), interval (s) and chosen variables; one that is not chosen is at "All"."""

    begin: int
    end: int
    interval: int = 60
    resolution: str = "1m"
    chosen: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def expand(self, sql: str) -> str:
        """What the data source sends. ValueError for what Grafana would not know."""
        sql = _CONDITIONAL.sub(lambda found: found[1] if found[2] in self.chosen else "1=1", sql)
        for name, values in self.chosen.items():
            sql = sql.replace(f"${{{name}:singlequote}}", ",".join(f"'{value}'" for value in values))
        sql = sql.replace("${resolution}", self.resolution)
        begin, end = f"toDateTime({self.begin})", f"toDateTime({self.end})"
        sql = sql.replace("$__timeFilter(t)", f"t >= {begin} AND t <= {end}")
        sql = sql.replace("$__timeInterval(t)", f"toStartOfInterval(toDateTime(t), INTERVAL {self.interval} second)")
        sql = sql.replace("$__fromTime", begin).replace("$__toTime", end).replace("$__interval_s", str(self.interval))
        if "$" in sql:
            raise ValueError(f"Grafana would not know this: {sql[sql.index('$') :][:60]}")
        return sql
