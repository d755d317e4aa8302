"""What dashboards ask, and the answers of a store; the table of all that was asked."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from maibo_slo.clickhouse_http.engine import Question, ReadOnlyEngine

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from maibo_dashboards.expansion import Grafana
    from maibo_slo.store import Store


def ask(store: Store, sql: str) -> list[dict[str, Any]]:
    """Rows by their columns' names."""
    result = store.client().query(sql)
    return [dict(zip(result.column_names, row, strict=True)) for row in result.result_rows]


def unix(time: datetime) -> int:
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp())


def close(found: Any, expected: float | None) -> None:
    """Asserts that it is the same number, or none."""
    if expected is None:
        assert found is None
    else:
        np.testing.assert_allclose(float(found), expected, rtol=1e-9, atol=1e-9)


def asked(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Title and SQL of all that a dashboard asks: panels, annotations, variables."""
    for panel in document["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["rawSql"]
    for annotation in document["annotations"]["list"]:
        yield f"annotation {annotation['name']}", annotation["target"]["rawSql"]
    for variable in document["templating"]["list"]:
        if variable["type"] == "query":
            yield f"variable {variable['name']}", variable["query"]


@dataclass
class Executed:
    """Queries of dashboards that were executed, and what their answers are held against (`checked.yaml`)."""

    checked: Mapping[str, Mapping[str, Mapping[str, str]]] = field(
        default_factory=lambda: yaml.safe_load((Path(__file__).parent / "checked.yaml").read_text())
    )
    rows: list[tuple[str, str, str, int, str]] = field(default_factory=list)
    asked = staticmethod(asked)

    def on(self, store: Store, document: Mapping[str, Any], looked: Grafana) -> Counter[str]:
        """Rows of each title, asked as Grafana asks an embedded store: through what `--clickhouse-http` lets strangers ask."""
        found: Counter[str] = Counter()

        async def ask_all() -> None:
            for title, sql in asked(document):
                answer = await endpoint.answer(Question(looked.expand(sql), "", {}, ()))
                found[title] += answer.body.count(b"\n")  # in a text, it is escaped

        endpoint = ReadOnlyEngine(store)
        try:
            asyncio.run(ask_all())
        finally:
            endpoint.close()
        self.add(document["title"], "clickhouse", found)
        return found

    def add(self, dashboard: str, source: str, found: Mapping[str, int]) -> None:
        """Rows (of Prometheus: series) of each title."""
        known = self.checked[source].get(self.called(dashboard), {})
        for title, rows in found.items():
            against = max((each for each in known if title.startswith(each)), key=len, default="")
            self.rows.append((dashboard, title, source, rows, known.get(against, "answers")))

    @staticmethod
    def called(dashboard: str) -> str:
        """Of every journey, and of either source, the same."""
        return dashboard.removesuffix(" (Prometheus)").partition(":")[0]

    def markdown(self) -> str:
        head = ["| dashboard | panel | source | rows | checked against |", "|---|---|---|---:|---|"]
        return "\n".join([*head, *(f"| {' | '.join(map(str, row))} |" for row in self.rows)]) + "\n"
