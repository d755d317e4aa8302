"""What customers did: journeys and their steps, from cells."""
# ruff: noqa: S608 -- building SQL is what this module does; nothing reaches it but documents' names, through `text` and `name`

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maibo_dashboards.latency import BINS_PER_BAR, FUNCTIONS, quantile_us, within
from maibo_dashboards.sql.budgets import judged, standings
from maibo_dashboards.sql.cells import (
    ANY,
    BUCKET_SECONDS,
    CELLS,
    FILL,
    FINISHED,
    SECONDS,
    SUCCESS_RATIO,
    conditional,
    of_flow,
    of_journey,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maibo_slo.documents import Journey, Slo


_AGE: Final = (
    "if(sum(n) = 0, NULL, greatest(0, toInt64(toUnixTimestamp($__toTime)) - "
    f"toInt64(toUnixTimestamp(max(t))) - {BUCKET_SECONDS}))"
)
"""Seconds from the end of the newest bucket with events to the end of the time range."""


def journeys(dashboards: Mapping[str, str], slos: Mapping[str, Sequence[Slo]]) -> str:
    """One row a journey: what happened in the time range, and how its objective with the least budget left stands.

    `dashboards` gives the uid of those that have one of their own: they are listed even when nothing happened. `slos`: those of each journey.
    """
    known, uids = (", ".join(map(text, part)) for part in (dashboards.keys(), dashboards.values()))
    details = f"transform(journey, [{known}], [{uids}], '')" if dashboards else "''"
    silent = f"""
    UNION ALL
    SELECT arrayJoin([{known}]) AS journey, NULL AS t, 'success' AS outcome, toUInt16(0) AS bin, toUInt64(0) AS n"""
    numbers = ("attainment", "budget_left", "burn_1h", "burn_6h", "alerts")
    standing = (
        _standing(slos) if slos else f"SELECT '' AS journey, {', '.join(f'NULL AS {each}' for each in numbers)} WHERE 0"
    )
    return f"""\
WITH
{FUNCTIONS}
SELECT
  c.journey AS `Journey`, `Count`, `Rate`, `Success`, `P50`, `P99`,
  {_or_null("s.attainment")} AS `Attainment`,
  {_or_null("s.budget_left")} AS `Budget left`,
  {_or_null("s.burn_1h")} AS `Burn 1 h`,
  {_or_null("s.burn_6h")} AS `Burn 6 h`,
  {_or_null("s.alerts")} AS `Open alerts`,
  `Data age`, `Details`
FROM (
  SELECT
    journey,
    sum(n) AS `Count`,
    sum(n) / {SECONDS} AS `Rate`,
    {SUCCESS_RATIO} AS `Success`,
    {quantile_us(0.5)} AS `P50`,
    {quantile_us(0.99)} AS `P99`,
    {_AGE} AS `Data age`,
    {details} AS `Details`
  FROM (
    SELECT toString(journey) AS journey, toNullable(t) AS t, toString(outcome) AS outcome, bin, n
    FROM {CELLS} AS c
    WHERE step = '' AND $__timeFilter(t){silent if dashboards else ""}
  )
  GROUP BY journey
) AS c
LEFT JOIN (
{standing}
) AS s ON s.journey = c.journey
ORDER BY `Journey`"""


def _standing(slos: Mapping[str, Sequence[Slo]]) -> str:
    """Of each journey, its objective with the least budget left; burns and alerts are the worst of any."""
    pairs = ", ".join(f"({text(journey)}, {text(slo.name)})" for journey, several in slos.items() for slo in several)
    every = {slo.name: slo for several in slos.values() for slo in several}
    return f"""\
  SELECT journey,
    argMin(b.attainment, b.budget_left) AS attainment, min(b.budget_left) AS budget_left,
    max(b.burn_1h) AS burn_1h, max(b.burn_6h) AS burn_6h, toNullable(sum(b.alerts)) AS alerts
  FROM (SELECT o.1 AS journey, o.2 AS slo FROM (SELECT arrayJoin([{pairs}]) AS o)) AS j
  INNER JOIN (
{standings(judged(list(every.values())))}
  ) AS b ON b.slo = j.slo
  GROUP BY journey"""


def _or_null(column: str) -> str:
    """Of a journey that no SLO is about."""
    return f"if(s.journey = '', NULL, {column})"


def rate_by_journey() -> str:
    return _by_journey("toNullable(sum(n) / $__interval_s)")


def p99_by_journey() -> str:
    return _by_journey(quantile_us(0.99))


def failures_by_journey() -> str:
    """Failure / (success + failure)."""
    return _by_journey(f"sumIf(n, outcome = 'failure') / nullIf({FINISHED}, 0)")


def _by_journey(value: str) -> str:
    return _series("toString(journey)", value, "step = '' AND $__timeFilter(t)")


def _series(name: str, value: str, where: str) -> str:
    """A series for each name, NULL where it has no data; `value` is an aggregate over cells."""
    return f"""\
WITH
{FUNCTIONS}
SELECT time, name, Value FROM (
  SELECT $__timeInterval(t) AS time, {name} AS name, {value} AS Value
  FROM {CELLS}
  WHERE {where}
  GROUP BY time, name
  ORDER BY name, time {FILL}
)
ORDER BY time, name"""


def summary(journey: str, *, threshold_us: int | None) -> Mapping[str, str]:
    """Single numbers over the time range: rate, success, p99, age of the data and, with a threshold, the share within it."""
    numbers = {"rate": f"sum(n) / {SECONDS}", "success": SUCCESS_RATIO, "p99": quantile_us(0.99), "age": _AGE}
    if threshold_us is not None:
        good = f"sumIf(n, outcome IN ('success', 'failure') AND {within(threshold_us)})"
        numbers["within"] = f"{good} / nullIf({FINISHED}, 0)"
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
ORDER BY time {FILL}"""


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
ORDER BY time {FILL}"""


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


def by(dimension: str, journey: str, *, value: str) -> str:
    """A series for each value of a dimension of the journeys' ends; `value` is an aggregate. A version is told with its service."""
    name = f"if({dimension} = '', 'without {dimension}', toString({dimension}))"
    if dimension == "version":
        name = f"concat(service, ' ', {name})"
    return _series(name, value, of_journey(journey))


def rate_by(dimension: str, journey: str) -> str:
    return by(dimension, journey, value="toNullable(sum(n) / $__interval_s)")


def p99_by(dimension: str, journey: str) -> str:
    return by(dimension, journey, value=quantile_us(0.99))


def failures_by(dimension: str, journey: str) -> str:
    """Failure / (success + failure)."""
    return by(dimension, journey, value=f"sumIf(n, outcome = 'failure') / nullIf({FINISHED}, 0)")


def heatmap(journey: str, *, threshold_us: int | None) -> str:
    """A column for each bucket, named by its upper edge in seconds: how many successes and failures took so long.

    Ten buckets a decade on edges of the store's histogram, hence exact; two decades below what customers call fast and one above, the
    ends of the scale taking what lies beyond.
    """
    middle_us = threshold_us or 500_000
    edges = [edge for edge in _EDGES_US if middle_us / 150 < edge <= middle_us * 15]
    columns = [
        f"  sumIf(n, {_between(below, edge)}) AS `{edge / 1e6:g}`"
        for below, edge in zip([None, *edges], [*edges, None], strict=True)
        if edge is not None
    ]
    columns.append(f"  sumIf(n, {_between(edges[-1], None)}) AS `+Inf`")
    return f"""\
WITH
{FUNCTIONS}
SELECT
  $__timeInterval(t) AS time,
{_lines(columns)}
FROM {CELLS}
WHERE {of_journey(journey)} AND outcome != 'abandoned'
GROUP BY time
ORDER BY time"""


_EDGES_US: Final = tuple(
    step * 10**decade // 10 for decade in range(2, 10) for step in (10, 12, 15, 20, 25, 30, 40, 50, 60, 80)
)
"""From 100 us to half an hour: on the histogram's grid, for every multiple of 0.02 up to 2 is, of 0.05 up to 5, of 0.1 up to 10."""


def _between(below: int | None, edge: int | None) -> str:
    above = [] if below is None else [f"edge_ns(bin) > {below * 1000}"]
    return " AND ".join([*above, *([] if edge is None else [f"edge_ns(bin) <= {edge * 1000}"])])


def _lines(columns: Sequence[str]) -> str:
    return ",\n".join(columns)


def funnel(journey: Journey) -> str:
    """One row a step, in the order of the document, and last the journey as a whole: how many came, and what became of them.

    `Reached` is of the events of the step that has most: who came no further than one step shows in all that follow, and a step that only some need says no more of itself.
    A declared step to which nobody came is told so; steps that no document names come after.
    """
    names = [step.name for step in journey.steps]
    titles = [step.display_name or step.name for step in journey.steps]
    known, shown = (", ".join(map(text, part)) for part in (names, titles))
    title = f"transform(step, [{known}], [{shown}], step)" if names else "step"
    place = f"if(step = '', 0, indexOf([{known}], step))" if names else "0"
    nobody = (
        f"""
    UNION ALL
    SELECT arrayJoin([{known}]) AS step, 'success' AS outcome, toUInt16(0) AS bin, toUInt64(0) AS n"""
        if names
        else ""
    )
    return f"""\
WITH
{FUNCTIONS}
SELECT
  `Step`, `Count`, `Success`, `Failed`, `Abandoned`,
  `Count` / nullIf(max(`Count`) OVER (), 0) AS `Reached`,
  `Failure share`, `P50`, `P99`
FROM (
  SELECT
    step,
    if(step = '', {text(f"{journey.display_name or journey.name}, as a whole")}, {title}) AS `Step`,
    {place} AS place,
    sum(n) AS `Count`,
    sumIf(n, outcome = 'success') AS `Success`,
    sumIf(n, outcome = 'failure') AS `Failed`,
    sumIf(n, outcome = 'abandoned') AS `Abandoned`,
    `Failed` / nullIf(`Success` + `Failed`, 0) AS `Failure share`,
    {quantile_us(0.5)} AS `P50`,
    {quantile_us(0.99)} AS `P99`
  FROM (
    SELECT toString(step) AS step, toString(outcome) AS outcome, bin, n FROM {CELLS} WHERE {of_journey(journey.name, step=ANY)}{nobody}
  )
  GROUP BY step
)
ORDER BY step = '', place = 0, place, step"""


def leaving(journey: Journey) -> str:
    """A bar for each step, in the order of the document: what became of those who came."""
    return f"SELECT `Step`, `Success` AS success, `Failed` AS failure, `Abandoned` AS abandoned FROM (\n{funnel(journey)}\n)"


def became(journey: Journey) -> str:
    """What became of the journeys that began in the time range, by the minute of their begin.

    Abandoned are those that said so, and those that are older than the journey's timeout and never ended. Where fewer began than ended, begins
    were not told, and neither number is known.
    """
    # A minute's youngest journey began just before its end.
    due = f"toUnixTimestamp(t) + 60 + {journey.timeout_seconds} <= toUnixTimestamp($__toTime)"
    return f"""\
SELECT
  sum(begun) AS `Began`,
  sum(good) AS `Succeeded`,
  sum(bad) AS `Failed`,
  if(minIf(silent, due) < 0, NULL, sumIf(silent, due) + sum(said)) AS `Abandoned`,
  if(minIf(silent, NOT due) < 0, NULL, sumIf(silent, NOT due)) AS `Under way`
FROM (
  SELECT
    toInt64(sum(started)) AS begun, toInt64(sum(succeeded)) AS good, toInt64(sum(failed)) AS bad, toInt64(sum(abandoned)) AS said,
    begun - good - bad - said AS silent, {due} AS due
  FROM flow_1m
  WHERE {of_flow(journey.name)}
  GROUP BY t
)"""


def worst_steps(journey: str) -> str:
    """Who fails most: steps by service, version and region."""
    return f"""\
WITH
{FUNCTIONS}
SELECT
  step AS `Step`, service AS `Service`, version AS `Version`, region AS `Region`,
  sum(n) AS `Count`,
  sumIf(n, outcome = 'failure') AS `Failed`,
  `Failed` / nullIf({FINISHED}, 0) AS `Failure share`,
  {quantile_us(0.99)} AS `P99`
FROM {CELLS}
WHERE {of_journey(journey, step=None)}
GROUP BY step, service, version, region
ORDER BY `Failed` DESC, `P99` DESC
LIMIT 20"""


def reasons(journey: str) -> str:
    """Why it failed, as services say."""
    return f"""\
SELECT
  reason AS `Reason`,
  if(step = '', 'as a whole', toString(step)) AS `Step`,
  service AS `Service`, version AS `Version`,
  sum(n) AS `Count`
FROM reasons_1m
WHERE journey = {text(journey)} AND {conditional("environment")} AND {conditional("tier")} AND $__timeFilter(t)
GROUP BY reason, step, service, version
ORDER BY `Count` DESC, reason, step, service, version
LIMIT 20"""
