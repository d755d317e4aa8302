"""A maibo and the Prometheus that scrapes it, asked as Grafana asks."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from functools import wraps
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import httpx2
    from tests.dashboards.promql.cluster import Cluster
    from tests.dashboards.promql.customers import Customers

    from maibo_slo.documents import Catalogue

JOB = "maibo"
RANGE_SECONDS = 180
"""That the dashboards look back, beyond the start of everything."""
SERIES_LIMIT = 3
"""Of a journey: what is over loses its dimensions."""
VARIABLES = {
    "job": JOB,
    "workload": ".*",
    "namespace": "shop",
    "target": "checkout-api",
    "slo": "checkout-by-tier",
    "objective": "0.9",
    "group": ".*",
}


@dataclass
class Watched:
    """What runs, and who came."""

    maibo: httpx2.Client
    prometheus: httpx2.Client
    catalogue: Catalogue
    customers: Customers
    cluster: Cluster
    process: int
    data: Path
    end: float = 0.0
    desired: int | None = None
    """Replicas, as the API answered at the end."""
    counted_seconds: float = 0.0
    """From the first request until Prometheus knew of all that came."""
    cpu_seconds: float = 0.0
    """That the process had used at the end."""
    stretched: float = 1.0
    """How much Prometheus makes of what was counted since the first scrape: it extrapolates to the edges of the range, all counters alike that began at 0."""

    job = JOB
    range_seconds = RANGE_SECONDS

    def used(self) -> float:
        """Seconds of CPU that the process had until now."""
        ticks = Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()[11:13]
        return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")

    def expanded(self, expr: str, **chosen: str) -> str:
        """As Grafana sends it."""
        return expanded(expr, **chosen)

    def get(self, path: str, **parameters: str) -> Any:
        return self.maibo.get(path, params=parameters).raise_for_status().json()

    def came(self, journey: str) -> dict[str, int]:
        """Who took it, by outcome."""
        return {outcome: number for (name, outcome), number in self.customers.told.items() if name == journey}

    def number(self, expr: str, at: float | None = None) -> float | None:
        """The one sample; None: there is none."""
        found = self.vector(expr, at)
        assert len(found) <= 1, found
        return float(found[0]["value"][1]) if found else None

    def vector(self, expr: str, at: float | None = None) -> list[Any]:
        parameters = {"query": expanded(expr), **({} if at is None else {"time": str(at)})}
        return self._asked("/api/v1/query", parameters)["result"]  # type: ignore[no-any-return]

    def by(self, label: str, expr: str, at: float | None = None) -> dict[str, float]:
        """The samples, by what this label of theirs says; '' where they have none."""
        return {one["metric"].get(label, ""): float(one["value"][1]) for one in self.vector(expr, at)}

    def rows(self, panel: Mapping[str, Any], label: str) -> dict[str, dict[str, float]]:
        """A table's, by what this label says and the names of columns."""
        columns = panel["transformations"][1]["options"]["renameByName"]
        found: dict[str, dict[str, float]] = {}
        for target in panel["targets"]:
            for name, value in self.by(label, target["expr"], self.end).items():
                found.setdefault(name, {})[columns[f"Value #{target['refId']}"]] = value
        return found

    def added(self, label: str, expr: str) -> dict[str, float]:
        """What a panel of rates tells, seen from so far that they are of the whole time: as counts."""
        whole = expr.replace("$__rate_interval", "$__range")
        rates = self.by(label, whole, self.end)
        return {name: rate * RANGE_SECONDS / self.stretched for name, rate in rates.items()}

    def matrix(self, expr: str) -> list[Any]:
        """At every second second of the time range, as a subquery looks too."""
        begin = int(self.end - RANGE_SECONDS) // 2 * 2 + 2
        parameters = {"query": expanded(expr), "start": str(begin), "end": str(self.end), "step": "2"}
        return self._asked("/api/v1/query_range", parameters)["result"]  # type: ignore[no-any-return]

    def values(self, query: str) -> list[str]:
        """Of a variable: ``label_values(metric, label)``."""
        found = re.fullmatch(r"label_values\((.*), (\w+)\)", query)
        assert found, query
        said = self.prometheus.get(f"/api/v1/label/{found[2]}/values", params={"match[]": expanded(found[1])})
        return said.raise_for_status().json()["data"]  # type: ignore[no-any-return]

    def _asked(self, path: str, parameters: Mapping[str, str]) -> Any:
        said = self.prometheus.get(path, params=dict(parameters)).json()
        assert said["status"] == "success", (said, parameters["query"])
        assert "warnings" not in said, said
        return said["data"]


def expanded(expr: str, **chosen: str) -> str:
    for name, value in {
        "$__rate_interval": "20s",
        "$__range_s": str(RANGE_SECONDS),
        "$__range": f"{RANGE_SECONDS}s",
        **{f"${name}": value for name, value in {**VARIABLES, **chosen}.items()},
    }.items():
        expr = expr.replace(name, value)
    assert "$" not in expr, f"Grafana would not know this: {expr}"
    # Here a month is three minutes.
    return expr.replace(":5m]", ":2s]")


def samples(watched: Watched, target: Mapping[str, Any]) -> int:
    """How many series answer."""
    if target["instant"]:
        found = watched.vector(target["expr"], watched.end)
        numbers = [float(one["value"][1]) for one in found]
    else:
        found = watched.matrix(target["expr"])
        numbers = [float(value) for one in found for _, value in one["values"]]
    assert all(number == number for number in numbers), f"not a number: {target['expr']}"
    return len(found)


def panel_of(document: Mapping[str, Any], title: str) -> Mapping[str, Any]:
    """That is called so, or begins so."""
    named = {panel["title"]: panel for panel in document["panels"]}
    (found,) = [title] if title in named else [each for each in named if each.startswith(title)]
    return named[found]  # type: ignore[no-any-return]


def exprs(document: Mapping[str, Any], title: str) -> list[str]:
    """What this panel asks."""
    return [target["expr"] for target in panel_of(document, title)["targets"]]


def marks_of(document: Mapping[str, Any]) -> dict[str, str]:
    """What annotations ask."""
    return {each["name"]: each["expr"] for each in document["annotations"]["list"]}


def within(seconds: float, ask: Callable[[], Any], wanted: Callable[[Any], object] = bool) -> Any:
    """What it says, once that is what is wanted; an assertion error after so many seconds."""
    until = time.monotonic() + seconds
    while not wanted(said := ask()):
        assert time.monotonic() < until, said
        time.sleep(0.2)
    return said


def at_last(check: Callable[..., None]) -> Callable[..., None]:
    """Prometheus and maibo are asked one after the other, and a minute may end in between, or a scrape be late: then again."""

    @wraps(check)
    def again(**fixtures: Any) -> None:
        until = time.monotonic() + 20
        while True:
            try:
                return check(**fixtures)
            except AssertionError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.5)

    return again


def same_bucket(found: float, expected: float, edges: tuple[float, ...]) -> bool:
    """Interpolated within the bucket of the one that is expected; the nearest rank may be in the next."""
    for (below, edge), (_, following) in pairwise(pairwise((0.0, *edges))):
        if below < expected <= edge:
            return below <= found <= following
    return False
