"""What the panels ask ClickHouse.

Tables and columns are the store's (`maibo_slo.store.tables`); macros and variables are those of Grafana's ClickHouse data source.
Names that come from documents are quoted by `text`. Counts are summed before anything is divided; what has no data is NULL.
"""
# ruff: noqa: S608 -- building SQL is what this module does; nothing reaches it but documents' names, through `text` and `name`

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from maibo_dashboards.latency import BINS_PER_BAR, FUNCTIONS, quantile_us, within

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maibo_slo.documents import Objective, Slo

CELLS: Final = "cells_${resolution}"
RESOLUTIONS: Final[Mapping[str, str]] = {"10s": "10 s (3 days)", "1m": "1 min (35 days)", "1h": "1 h (400 days)"}
"""The tiers of the store: what is in ``cells_KEY``, and how long it is kept."""
FILTERS: Final = ("environment", "region", "tier")
"""Dimensions that a journey's dashboard can be narrowed by."""

_FILL: Final = "WITH FILL STEP toIntervalSecond($__interval_s)"
"""A slice without data becomes NULL, so that no line is drawn across it."""
_SECONDS: Final = "greatest(1, toUnixTimestamp($__toTime) - toUnixTimestamp($__fromTime))"
_FINISHED: Final = "sumIf(n, outcome IN ('success', 'failure'))"
_SUCCESS_RATIO: Final = f"sumIf(n, outcome = 'success') / nullIf({_FINISHED}, 0)"


def text(value: str) -> str:
    """A string literal. A dollar sign is split off, for Grafana would read a variable."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    parts = [f"'{part}'" for part in escaped.split("$")]
    return parts[0] if len(parts) == 1 else f"concat({', char(36), '.join(parts)})"


def name(value: str) -> str:
    """A column's name."""
    return "`" + value.replace("\\", "\\\\").replace("`", "\\`").replace("$", "") + "`"


def of_journey(journey: str, *, step: str | None = "") -> str:
    """A condition: cells of this journey as a whole, or of a step, narrowed by the dashboard's variables."""
    filters = [
        f"$__conditionalAll({dimension} IN (${{{dimension}:singlequote}}), ${dimension})" for dimension in FILTERS
    ]
    steps = ["step != ''"] if step is None else [f"step = {text(step)}"]
    return " AND ".join([f"journey = {text(journey)}", *steps, *filters, "$__timeFilter(t)"])


def values_of(dimension: str, journey: str) -> str:
    return f"SELECT DISTINCT {dimension} FROM {CELLS} WHERE journey = {text(journey)} AND {dimension} != '' AND $__timeFilter(t) ORDER BY 1"


def journeys(dashboards: Mapping[str, str]) -> str:
    """One row a journey; `dashboards` gives the uid of those that have one of their own."""
    known, uids = (", ".join(map(text, part)) for part in (dashboards.keys(), dashboards.values()))
    details = f"transform(toString(journey), [{known}], [{uids}], '')" if dashboards else "''"
    return f"""\
WITH
{FUNCTIONS}
SELECT
  journey AS `Journey`,
  sum(n) AS `Count`,
  sum(n) / {_SECONDS} AS `Rate`,
  {_SUCCESS_RATIO} AS `Success`,
  {quantile_us(0.5)} AS `P50`,
  {quantile_us(0.99)} AS `P99`,
  max(t) AS `Newest`,
  {details} AS `Details`
FROM {CELLS}
WHERE step = '' AND $__timeFilter(t)
GROUP BY journey
ORDER BY journey"""


def rate_by_journey() -> str:
    return f"""\
SELECT $__timeInterval(t) AS time, toString(journey) AS name, sum(n) / $__interval_s AS rate
FROM {CELLS}
WHERE step = '' AND $__timeFilter(t)
GROUP BY time, name
ORDER BY time, name"""


def p99_by_journey() -> str:
    return f"""\
WITH
{FUNCTIONS}
SELECT $__timeInterval(t) AS time, toString(journey) AS name, {quantile_us(0.99)} AS p99
FROM {CELLS}
WHERE step = '' AND $__timeFilter(t)
GROUP BY time, name
ORDER BY time, name"""


def summary(journey: str, *, threshold_us: int | None) -> Mapping[str, str]:
    """Single numbers over the time range: rate, success, p99 and, with a threshold, the share within it."""
    numbers = {"rate": f"sum(n) / {_SECONDS}", "success": _SUCCESS_RATIO, "p99": quantile_us(0.99)}
    if threshold_us is not None:
        good = f"sumIf(n, outcome IN ('success', 'failure') AND {within(threshold_us)})"
        numbers["within"] = f"{good} / nullIf({_FINISHED}, 0)"
    where = of_journey(journey)
    return {
        key: f"WITH\n{FUNCTIONS}\nSELECT {number} AS {key}\nFROM {CELLS}\nWHERE {where}"
        for key, number in numbers.items()
    }


def rate_by_outcome(journey: str) -> str:
    outcomes = ",\n".join(
        f"  toNullable(sumIf(n, outcome = '{outcome}') / $__interval_s) AS {outcome}"
        for outcome in ("success", "failure", "abandoned")
    )
    return f"""\
SELECT
  $__timeInterval(t) AS time,
{outcomes}
FROM {CELLS}
WHERE {of_journey(journey)}
GROUP BY time
ORDER BY time {_FILL}"""


def latency(journey: str) -> str:
    return f"""\
WITH
{FUNCTIONS}
SELECT
  $__timeInterval(t) AS time,
  {quantile_us(0.5)} AS P50,
  {quantile_us(0.9)} AS P90,
  {quantile_us(0.99)} AS P99
FROM {CELLS}
WHERE {of_journey(journey)}
GROUP BY time
ORDER BY time {_FILL}"""


def distribution(journey: str) -> str:
    """Bars from the fastest to the slowest with data, empty ones between them too; each is named by its upper edge."""
    return f"""\
WITH
{FUNCTIONS}
SELECT
  multiIf(
    edge < 1e6, concat(toString(edge / 1e3), ' µs'),
    edge < 1e9, concat(toString(edge / 1e6), ' ms'),
    concat(toString(edge / 1e9), ' s')
  ) AS `at most`,
  success, failure
FROM (
  SELECT bar, edge_ns(least(bar * {BINS_PER_BAR}, 1920)) AS edge, success, failure FROM (
    SELECT
      toInt32(intDiv(bin + {BINS_PER_BAR - 1}, {BINS_PER_BAR})) AS bar,
      sumIf(n, outcome = 'success') AS success,
      sumIf(n, outcome = 'failure') AS failure
    FROM {CELLS}
    WHERE {of_journey(journey)} AND outcome != 'abandoned'
    GROUP BY bar
    ORDER BY bar WITH FILL
  )
)
ORDER BY bar"""


def by_version(journey: str, *, value: str) -> str:
    """A series for each version that served the journey's end; `value` is an aggregate."""
    return f"""\
WITH
{FUNCTIONS}
SELECT
  $__timeInterval(t) AS time,
  concat(service, ' ', if(version = '', 'without version', version)) AS name,
  {value} AS value
FROM {CELLS}
WHERE {of_journey(journey)}
GROUP BY time, name
ORDER BY time, name"""


def version_rate(journey: str) -> str:
    return by_version(journey, value="sum(n) / $__interval_s")


def version_p99(journey: str) -> str:
    return by_version(journey, value=quantile_us(0.99))


def steps(journey: str) -> str:
    return f"""\
WITH
{FUNCTIONS}
SELECT
  step AS `Step`,
  sum(n) AS `Count`,
  {_SUCCESS_RATIO} AS `Success`,
  {quantile_us(0.5)} AS `P50`,
  {quantile_us(0.99)} AS `P99`
FROM {CELLS}
WHERE {of_journey(journey, step=None)}
GROUP BY step
ORDER BY step"""


def version_changes(journey: str) -> str:
    """Annotations: the version that serves most of a service's events has changed, forth or back."""
    return f"""\
SELECT time, concat(service, ': ', previous, ' to ', version) AS text, service AS tags
FROM (
  SELECT time, service, version, lagInFrame(version) OVER (PARTITION BY service ORDER BY time) AS previous
  FROM (
    SELECT time, service, toString(argMax(version, (events, version))) AS version
    FROM (
      SELECT toStartOfMinute(t) AS time, toString(service) AS service, version, sum(n) AS events
      FROM {CELLS}
      WHERE journey = {text(journey)} AND version != '' AND $__timeFilter(t)
      GROUP BY time, service, version
    )
    GROUP BY time, service
  )
)
WHERE previous != '' AND previous != version
ORDER BY time"""


def budgets(slos: Sequence[Slo]) -> str:
    """One row an objective: attainment and budget over the SLO's own window that ends with the dashboard's time range."""
    rows = ",\n      ".join(
        f"({text(slo.name)}, {text(objective.name)}, {objective.target!r}, {_budget(objective)!r}, {slo.window_seconds})"
        for slo in slos
        for objective in slo.objectives
    )
    longest = max((slo.window_seconds for slo in slos), default=60)
    return f"""\
SELECT
  slo AS `SLO`,
  objective AS `Objective`,
  target AS `Target`,
  window_seconds AS `Window`,
  sumIf(good, inside) / nullIf(sumIf(good + bad, inside), 0) AS `Attainment`,
  1 - sumIf(bad, inside) / nullIf(sumIf(good + bad, inside), 0) / budget AS `Budget left, observed`,
  countIf(inside AND good + bad > 0) / (window_seconds / 60) AS `Coverage`
FROM (
  SELECT
    d.slo AS slo, d.objective AS objective, target, budget, window_seconds, good, bad,
    l.t > toStartOfMinute($__toTime) - window_seconds AS inside
  FROM (
    SELECT o.1 AS slo, o.2 AS objective, o.3 AS target, o.4 AS budget, o.5 AS window_seconds
    FROM (SELECT arrayJoin([
      {rows}
    ]) AS o)
  ) AS d
  LEFT JOIN (
    SELECT toString(slo) AS slo, toString(objective) AS objective, t, good, bad FROM sli FINAL
    WHERE grp = '' AND t > toStartOfMinute($__toTime) - {longest} AND t <= $__toTime
  ) AS l ON l.slo = d.slo AND l.objective = d.objective
)
GROUP BY slo, objective, target, budget, window_seconds
ORDER BY slo, objective"""


def budget_left(slo: Slo, objective: Objective) -> str:
    """The budget left of the window that ends at each minute; 1 = untouched, 0 = spent, below 0 = overspent."""
    return _over_time(slo, objective, window_seconds=slo.window_seconds, value="1 - bad / (good + bad) / budget")


def burn_rate(slo: Slo, objective: Objective, *, window_seconds: int) -> str:
    """How fast the budget burns, over the window that ends at each minute."""
    return _over_time(slo, objective, window_seconds=window_seconds, value="bad / (good + bad) / budget")


def _over_time(slo: Slo, objective: Objective, *, window_seconds: int, value: str) -> str:
    """Sums over a sliding window, as differences of running sums: linear in the minutes, where window frames are quadratic."""
    return f"""\
WITH
  {_budget(objective)!r} AS budget,
  running AS (
    SELECT 1 AS one, t, sum(good) OVER upto AS good, sum(bad) OVER upto AS bad
    FROM (
      SELECT t, good, bad FROM sli FINAL
      WHERE slo = {text(slo.name)} AND objective = {text(objective.name)} AND grp = ''
        AND t > toStartOfMinute($__fromTime) - {window_seconds} AND t <= $__toTime
    )
    WINDOW upto AS (ORDER BY t ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
  )
SELECT $__timeInterval(t) AS time, argMax(value, t) AS {name(f"{slo.name} {objective.name}")}
FROM (
  SELECT t, if(good + bad = 0, NULL, {value}) AS value
  FROM (
    SELECT l.t AS t, l.good - before.good AS good, l.bad - before.bad AS bad
    FROM running AS l
    ASOF LEFT JOIN (SELECT one, t + {window_seconds} AS ends, good, bad FROM running) AS before
      ON l.one = before.one AND l.t >= before.ends
  )
  WHERE $__timeFilter(t)
)
GROUP BY time
ORDER BY time {_FILL}"""


def _budget(objective: Objective) -> float:
    """The share of events that may be bad, exact in decimal: 0.001 for 0.999, where floats say 0.0010000000000000009."""
    return float(1 - Decimal(repr(objective.target)))
