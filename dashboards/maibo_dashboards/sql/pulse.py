"""The business pulse: customers' P99, deployments, utilisation and lost orders, over the time range and by day (UTC).

Counted by whole hours (orders by the minute in which they began), so that a month is read within a second. Counts are summed before anything is
divided.
"""
# ruff: noqa: S608 -- building SQL is what this module does; nothing reaches it but documents' names, through `text`

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maibo_dashboards.latency import FUNCTIONS, quantile_us
from maibo_dashboards.sql.cells import text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maibo_slo.documents import Pulse

DAY: Final = 86_400
LOOK_BACK: Final = 30 * DAY
"""A version that served within so long before the time range is no new one."""


def p99(pulse: Pulse) -> str:
    """One number, us."""
    return f"WITH\n{FUNCTIONS}\nSELECT {quantile_us(0.99)} AS p99\n{_journeys(pulse)}"


def p99_by_day(pulse: Pulse) -> str:
    return f"WITH\n{FUNCTIONS}\nSELECT toStartOfDay(t) AS time, {quantile_us(0.99)} AS `P99`\n{_journeys(pulse)}\nGROUP BY time\nORDER BY time"


def _journeys(pulse: Pulse) -> str:
    return f"FROM cells_1h\nWHERE step = '' AND $__timeFilter(t){_among(pulse)}"


def deployments(pulse: Pulse) -> str:
    """One number: new versions a day, of the days that were observed, of which the first may have begun before; NULL where nothing was."""
    return f"""\
WITH
{_changes(pulse)}
SELECT (SELECT count() FROM changes WHERE NOT is_return) / days AS deployments
FROM (
  SELECT greatest(1, (toUnixTimestamp($__toTime) - toUnixTimestamp(min(t))) / {DAY}) AS days, count() AS hours
  FROM cells_1h
  WHERE $__timeFilter(t){_among(pulse)}
)
WHERE hours > 0"""


def deployments_by_day(pulse: Pulse) -> str:
    """Days without any are 0 where something was counted, and absent where nothing was."""
    return f"""\
WITH
{_changes(pulse)}
SELECT
  d.time AS time,
  countIf(c.service != '' AND NOT c.is_return) AS `new versions`,
  countIf(c.service != '' AND c.is_return) AS `rollbacks`
FROM (SELECT DISTINCT toStartOfDay(t) AS time FROM cells_1h WHERE $__timeFilter(t){_among(pulse)}) AS d
LEFT JOIN (SELECT toStartOfDay(t) AS day, service, is_return FROM changes) AS c ON c.day = d.time
GROUP BY time
ORDER BY time
SETTINGS join_use_nulls = 0"""


def newest_deployments(pulse: Pulse, limit: int = 50) -> str:
    return f"""\
WITH
{_changes(pulse)}
SELECT t AS `Hour`, service AS `Service`, previous AS `From`, version AS `To`, if(is_return, 'rollback', 'new version') AS `What`
FROM changes
ORDER BY t DESC, service
LIMIT {limit}"""


def _changes(pulse: Pulse) -> str:
    """A table expression `changes`: another version than before serves a service, two thirds of its events of an hour at least.

    A canary in between changes nothing, however its share goes up and down. `is_return`: that version had served before.
    """
    return f"""\
changes AS (
  SELECT t, service, previous, version, is_return
  FROM (
    SELECT
      t, service, version,
      lagInFrame(version) OVER (PARTITION BY service ORDER BY t ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS previous,
      t > min(t) OVER (PARTITION BY service, version) AS is_return
    FROM (
      SELECT t, service, argMax(version, events) AS version
      FROM (
        SELECT t, toString(service) AS service, toString(version) AS version, sum(n) AS events
        FROM cells_1h
        WHERE version != '' AND t >= $__fromTime - {LOOK_BACK} AND t <= $__toTime{_among(pulse)}
        GROUP BY t, service, version
      )
      GROUP BY t, service
      HAVING 3 * max(events) >= 2 * sum(events)
    )
  )
  WHERE previous != '' AND previous != version AND $__timeFilter(t)
)"""


def utilisation() -> str:
    """One number: of all scaling targets and moments of which both sides are known."""
    return f"SELECT {_UTILISATION} AS utilisation\n{_DECIDED}"


def utilisation_by_day() -> str:
    return f"SELECT toStartOfDay(t) AS time, {_UTILISATION} AS `utilisation`\n{_DECIDED}\nGROUP BY time\nORDER BY time"


_UTILISATION: Final = "sum(demand) / nullIf(sum(ready * per_replica), 0)"
_DECIDED: Final = """\
FROM scaling_10s FINAL
WHERE $__timeFilter(t) AND demand IS NOT NULL AND ready IS NOT NULL AND per_replica IS NOT NULL"""


def lost(pulse: Pulse, timeouts: Mapping[str, int], usual_timeout: int) -> str:
    """One row: orders that were lost, of these those that failed and that were left. As `maibo_slo.store.flow.abandoned` counts them.

    `timeouts`: journey -> seconds after which one that has not ended was left; `usual_timeout` of the others.
    """
    return f"SELECT {_LOST} AS `Lost`, sum(bad) AS `Failed`, {_LEFT} AS `Left`\nFROM (\n{_flow(pulse, timeouts, usual_timeout)}\n)\nHAVING count() > 0"


def lost_share(pulse: Pulse, timeouts: Mapping[str, int], usual_timeout: int) -> str:
    """One number: lost, of all that are over."""
    over = "sum(if(due, begun, good + bad + said))"
    return f"SELECT {_LOST} / nullIf({over}, 0) AS share\nFROM (\n{_flow(pulse, timeouts, usual_timeout)}\n)"


def lost_by_day(pulse: Pulse, timeouts: Mapping[str, int], usual_timeout: int) -> str:
    return f"""\
SELECT toStartOfDay(minute) AS time, sum(bad) AS `failed`, {_LEFT} AS `left`
FROM (
{_flow(pulse, timeouts, usual_timeout)}
)
GROUP BY time
ORDER BY time"""


_LEFT: Final = "if(countIf(due AND begun < good + bad + said) > 0, NULL, sum(if(due, begun - good - bad, said)))"
"""NULL where starts are not told."""
_LOST: Final = f"({_LEFT} + sum(bad))"


def _flow(pulse: Pulse, timeouts: Mapping[str, int], usual_timeout: int) -> str:
    names, seconds = ", ".join(map(text, timeouts)), ", ".join(map(str, timeouts.values()))
    timeout = f"transform(journey, [{names}], [{seconds}], {usual_timeout})" if timeouts else str(usual_timeout)
    return f"""\
  SELECT
    toString(journey) AS journey, t AS minute, toInt64(sum(started)) AS begun, toInt64(sum(succeeded)) AS good,
    toInt64(sum(failed)) AS bad, toInt64(sum(abandoned)) AS said,
    toUnixTimestamp(t) + 60 + {timeout} <= toUnixTimestamp($__toTime) AS due
  FROM flow_1m
  WHERE $__timeFilter(t){_among(pulse, pulse.orders or pulse.journeys)}
  GROUP BY journey, t"""


def _among(pulse: Pulse, journeys: Sequence[str] | None = None) -> str:
    """Further conditions: of these journeys, or the pulse's own, and of its environments."""
    wanted = {"journey": pulse.journeys if journeys is None else journeys, "environment": pulse.environments}
    return "".join(f" AND {name} IN ({', '.join(map(text, values))})" for name, values in wanted.items() if values)
