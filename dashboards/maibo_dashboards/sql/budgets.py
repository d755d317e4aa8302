"""What is left of the error budgets, and how fast they burn: from the ledger, for each group of an SLO that has some.

Counts are summed over a window before anything is divided. A composite by Occurrences has no counts of its own: what it spent is what its
components spent, each by its weight.
"""
# ruff: noqa: S608 -- building SQL is what this module does; nothing reaches it but documents' names, through `text` and `name`

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from maibo_dashboards.burning import error_budget, pairs, spoken
from maibo_dashboards.sql.cells import text
from maibo_dashboards.sql.windows import begins, ends, longest_seconds
from maibo_slo.documents import COMPOSITE, ScaleupSlo

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from maibo_slo.documents import FedSlo, Objective, Slo

HOUR: Final = 3600
STALE_SECONDS: Final = 600
"""Newer data than this is expected of every SLO but those of scale-ups, which are rare."""
_PLAIN: Final = re.compile("[^0-9A-Za-z.-]")
STATES: Final = ("ok", "alerting", "stale", "exhausted", "no data")
_NEVER: Final = 10**9


@dataclass(frozen=True, slots=True)
class Judged:
    """One objective of one SLO, as a dashboard names it."""

    slo: Slo | FedSlo
    objective: Objective

    @property
    def name(self) -> str:
        """For people; unique."""
        return f"{self.slo.name} {self.objective.name}" if len(self.slo.objectives) > 1 else self.slo.name

    @property
    def key(self) -> str:
        """For a variable's value: unique, and the same for as long as its name is. Objectives may be called anything."""
        return f"{self.slo.name}/{_PLAIN.sub('_', self.objective.name)}"

    @property
    def parts(self) -> tuple[Objective, ...]:
        """Whose rows in the ledger it is judged by: its own, but those of its components where it has none."""
        if self.slo.is_composite and self.objective.name == COMPOSITE and self.slo.method == "Occurrences":
            return tuple(each for each in self.slo.objectives if each.name != COMPOSITE)
        return (self.objective,)


def judged(slos: Sequence[Slo | FedSlo]) -> list[Judged]:
    """Every objective of these SLOs."""
    return [Judged(slo, objective) for slo in slos for objective in slo.objectives]


def budgets(slos: Sequence[Slo | FedSlo], dashboards: Mapping[str, str]) -> str:
    """One row an objective (and group): attainment, budget and burn over the windows that end with the dashboard's time range.

    `dashboards`: SLO -> uid of the dashboard that tells more.
    """
    known, uids = (", ".join(map(text, part)) for part in (dashboards.keys(), dashboards.values()))
    details = f"transform(slo, [{known}], [{uids}], '')" if dashboards else "''"
    return f"""\
SELECT
  slo AS `SLO`,
  objective AS `Objective`,
  grp AS `Group`,
  state AS `State`,
  target AS `Target`,
  window_seconds AS `Window`,
  attainment AS `Attainment`,
  budget_left AS `Budget left`,
  burn_1h AS `Burn 1 h`,
  burn_6h AS `Burn 6 h`,
  coverage AS `Coverage`,
  alerts AS `Open alerts`,
  age AS `Data age`,
  {details} AS `Details`
FROM (
{standings(judged(slos))}
)
ORDER BY slo, objective, grp"""


def standings(objectives: Sequence[Judged], *, chosen: str = "") -> str:
    """One row an objective and group, as of the end of the time range; `chosen` is a condition on `slo`, `objective` and `grp`.

    Slices are counted in their last minute, so when there was data first is known from the raw rows beside them.

    `budget_left` is of what was observed; `projected` of a whole window, as if the part of it that came before the first event had been as busy
    and flawless. `exhausted_in`: seconds for which the projected budget lasts if it burns on as over the last 6 h; NULL while it burns slower
    than a whole window's budget lasts.
    """
    slos = _slos(objectives)
    longest = max((longest_seconds(slo) for slo in slos), default=HOUR)
    now = "toInt64(toUnixTimestamp($__toTime))"
    return f"""\
SELECT
  slo, objective, grp, any(target) AS target, any(window_seconds) AS window_seconds,
  sum(weight * spent) AS spent_all,
  if(any(composite), greatest(0, 1 - any(allowed) * spent_all), any(ratio)) AS attainment,
  1 - spent_all AS budget_left,
  1 - sum(weight * spent * elapsed) AS projected,
  sum(weight * b1h) AS burn_1h,
  sum(weight * b6h) AS burn_6h,
  min(covered) AS coverage,
  max(last) AS newest,
  if(newest IS NULL, NULL, greatest(0, {now} - (newest + 60))) AS age,
  any(open) AS alerts,
  if(burn_6h > 1 AND projected > 0, projected * window_seconds / burn_6h, NULL) AS exhausted_in,
  multiIf(
    isNull(spent_all), 'no data',
    projected <= 0, 'exhausted',
    age > any(stale_seconds), 'stale',
    alerts > 0, 'alerting',
    'ok'
  ) AS state
FROM (
  SELECT
    d.slo AS slo, d.objective AS objective, d.composite AS composite, d.weight AS weight, d.target AS target, d.allowed AS allowed,
    d.window_seconds AS window_seconds, d.stale_seconds AS stale_seconds, l.grp AS grp, ifNull(a.open, 0) AS open,
    l.good / nullIf(l.good + l.bad, 0) AS ratio,
    l.bad / nullIf(l.good + l.bad, 0) / d.budget AS spent,
    l.bad_1h / nullIf(l.good_1h + l.bad_1h, 0) / d.budget AS b1h,
    l.bad_6h / nullIf(l.good_6h + l.bad_6h, 0) / d.budget AS b6h,
    if(d.rare, 1, least(1, greatest(60, {now} - greatest(l.first, l.since)) / greatest(60, l.length))) AS elapsed,
    nullIf(l.last, 0) AS last,
    least(1, l.observed * d.grain_seconds / greatest(60, l.passed)) AS covered
  FROM (
{_definitions(objectives)}
  ) AS d
  LEFT JOIN (
    SELECT
      slo, objective, grp,
      sumIf(g, t >= begins) AS good, sumIf(b, t >= begins) AS bad,
      sumIf(g, t > ends - {HOUR}) AS good_1h, sumIf(b, t > ends - {HOUR}) AS bad_1h,
      sumIf(g, t > ends - {6 * HOUR}) AS good_6h, sumIf(b, t > ends - {6 * HOUR}) AS bad_6h,
      minIf(seen, seen > 0) AS first, maxIf(t, g + b > 0 AND t >= begins) AS last,
      countIf(g + b > 0 AND t >= begins) AS observed,
      any(over - begins) AS length, any(passed_seconds) AS passed, any(begins) AS since
    FROM (
      SELECT
        toString(s.slo) AS slo, toString(s.grp) AS grp, startsWith(s.objective, '~') AS raw,
        if(raw, substring(s.objective, 2), toString(s.objective)) AS objective,
        toInt64(toUnixTimestamp(s.t)) AS t, if(raw, 0, s.good) AS g, if(raw, 0, s.bad) AS b, if(s.good + s.bad > 0, t, 0) AS seen,
        toInt64(toUnixTimestamp(toStartOfMinute($__toTime))) AS ends,
        {_window_seconds(slos)} AS window_seconds,
        {begins(slos, "ends")} AS begins,
        {ends(slos, "ends")} AS over,
        if(over = ends + 60, window_seconds, intDiv({now} - begins, 60) * 60) AS passed_seconds
      FROM sli AS s FINAL
      WHERE s.slo IN ({_names(slos)}) AND s.t > toStartOfMinute($__toTime) - {longest} AND s.t <= $__toTime
    )
    GROUP BY slo, objective, grp
  ) AS l ON l.slo = d.slo AND l.objective = d.part
  LEFT JOIN (
    SELECT subject, JSONExtractString(detail, 'objective') AS objective, JSONExtractString(detail, 'group') AS grp, count() AS open
    FROM ({OPEN_ALERTS})
    GROUP BY subject, objective, grp
  ) AS a ON a.subject = d.slo AND a.objective = d.objective AND a.grp = l.grp
)
{f"WHERE {chosen}" if chosen else ""}
GROUP BY slo, objective, grp"""


def standing(objectives: Sequence[Judged], column: str, *, chosen: str = "1") -> str:
    """One number of `standings`, of the group with the least budget left."""
    return f"SELECT {column} FROM (\n{standings(objectives, chosen=chosen)}\n)\nORDER BY budget_left NULLS LAST LIMIT 1"


def groups(slos: Sequence[Slo | FedSlo]) -> str:
    """The groups that had events within the time range."""
    return f"SELECT DISTINCT grp FROM sli WHERE {_of(slos)} AND grp != '' AND $__timeFilter(t) ORDER BY 1"


OPEN_ALERTS: Final = """\
SELECT id, subject, detail, begin FROM events FINAL
      WHERE kind = 'alert' AND begin <= $__toTime AND (end IS NULL OR end > $__toTime)"""
"""Alerts that fire at the end of the time range."""


def budget_left(objectives: Sequence[Judged], *, chosen: str = "1") -> str:
    """The budget left of the window that ends at each moment; 1 = untouched, 0 = spent, below 0 = overspent."""
    return over_time(
        objectives, windows=(0,), value="1 - spent", label="if(series = '', 'budget left', series)", chosen=chosen
    )


def burn_rates(objectives: Sequence[Judged], *, chosen: str = "1") -> str:
    """How fast the budget burns over each of the windows that alerts go by."""
    windows = sorted(
        {
            seconds
            for each in objectives
            for pair in pairs(each.slo.window_seconds, each.objective)
            for seconds in (pair.long_seconds, pair.short_seconds)
        }
    )
    label = f"concat({_spoken('window', windows)}, if(series = '', '', ' '), series)"
    return over_time(objectives, windows=windows or (HOUR,), value="spent", label=label, chosen=chosen)


def thresholds(objectives: Sequence[Judged], *, chosen: str = "1") -> str:
    """The factor above which the burn over a pair's windows alerts, as a line for each pair; named by its long window."""
    rows = [
        f"({text(each.slo.name)}, {text(each.objective.name)}, {text(f'{pair.severity} above, {spoken(pair.long_seconds)}')}, {pair.factor!r})"
        for each in objectives
        for pair in pairs(each.slo.window_seconds, each.objective)
    ]
    return f"""\
SELECT time, name, Value FROM (
  SELECT o.1 AS slo, o.2 AS objective, o.3 AS name, o.4 AS Value, arrayJoin([$__fromTime, $__toTime]) AS time
  FROM (SELECT arrayJoin([{", ".join(rows)}]) AS o)
)
WHERE {chosen}
ORDER BY time, name"""


def attainment(objectives: Sequence[Judged], *, chosen: str = "1") -> str:
    """What share was good in each slice of time: the SLI, beside its objective; from the SLO's own rows."""
    own = [each for each in objectives if each.parts == (each.objective,)]
    return f"""\
SELECT time, name, Value FROM (
  SELECT time, name, Value FROM (
    SELECT $__timeInterval(t) AS time, {_SERIES} AS name, sum(good) / nullIf(sum(good + bad), 0) AS Value
    FROM (
      SELECT toString(l.slo) AS slo, toString(l.objective) AS objective, toString(l.grp) AS grp, l.t AS t, good, bad FROM sli AS l FINAL
      WHERE {_of(_slos(own))} AND $__timeFilter(t)
    )
    WHERE {chosen}
    GROUP BY time, name
    ORDER BY name, time {{fill}}
  )
  UNION ALL
  SELECT time, 'objective' AS name, target AS Value FROM (
    SELECT slo, objective, '' AS grp, target, arrayJoin([$__fromTime, $__toTime]) AS time FROM (
{_definitions(own)}
    )
  )
  WHERE {chosen.replace(GROUP_CHOSEN, "1")}
)
ORDER BY time, name""".replace("{fill}", "WITH FILL STEP toIntervalSecond($__interval_s)")


def events(objectives: Sequence[Judged], *, chosen: str = "1") -> str:
    """Good and bad events a second, of each slice of time: whether a burn is of many or of few."""
    return f"""\
SELECT $__timeInterval(t) AS time,
  toNullable(sum(good) / $__interval_s) AS good,
  toNullable(sum(bad) / $__interval_s) AS bad
FROM (
  SELECT toString(l.slo) AS slo, toString(l.objective) AS objective, toString(l.grp) AS grp, l.t AS t, good, bad FROM sli AS l FINAL
  WHERE {_of(_slos(objectives))} AND $__timeFilter(t)
)
WHERE {chosen}
GROUP BY time
ORDER BY time WITH FILL STEP toIntervalSecond($__interval_s)"""


OBJECTIVE_CHOSEN: Final = (
    "concat(slo, '/', replaceRegexpAll(objective, '[^0-9A-Za-z.-]', '_')) = ${objective:singlequote}"
)
GROUP_CHOSEN: Final = "$__conditionalAll(grp IN (${group:singlequote}), $group)"

_SERIES: Final = "if(grp = '', 'SLI', grp)"


def over_time(
    objectives: Sequence[Judged], *, windows: Sequence[int], value: str, label: str, chosen: str = "1"
) -> str:
    """A number of each objective and group, of the window that ends at each moment; a window of 0 is the SLO's own.

    Sums over a sliding window are differences of running sums: linear in the minutes, where window frames are quadratic. Each moment looks up
    the running sum at its own minute (+) and at the one before its window begins (-), whether or not these minutes have data.
    """
    slos = _slos(objectives)
    longest = max(longest_seconds(slo) for slo in slos)
    lengths = ", ".join(map(str, windows))
    own_begin = begins(slos, "ends")
    return f"""\
WITH
  definitions AS (
{_definitions(objectives)}
  ),
  running AS (
    SELECT slo, objective, grp, t, sum(good) OVER upto AS good, sum(bad) OVER upto AS bad
    FROM (
      SELECT toString(s.slo) AS slo, toString(s.objective) AS objective, toString(s.grp) AS grp, toInt64(toUnixTimestamp(s.t)) AS t, good, bad
      FROM sli AS s FINAL
      WHERE {_of(slos)} AND s.t > toStartOfMinute($__fromTime) - {longest} AND s.t <= $__toTime
    )
    WINDOW upto AS (PARTITION BY slo, objective, grp ORDER BY t ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
  ),
  moments AS (
    SELECT $__timeInterval(t) AS time, toInt64(toUnixTimestamp(max(t))) AS ends
    FROM (
      SELECT toStartOfMinute($__fromTime) + toIntervalSecond(60 * number) AS t
      FROM numbers(toUInt64(intDiv(toUnixTimestamp($__toTime) - toUnixTimestamp(toStartOfMinute($__fromTime)), 60) + 1))
    )
    GROUP BY time
  )
SELECT time, name, Value FROM (
  SELECT time, {label} AS name, {value} AS Value FROM (
    SELECT time, slo, objective, grp AS series, window, sum(weight * bad / nullIf(good + bad, 0) / budget) AS spent
    FROM (
      SELECT time, slo, objective, part, grp, window, weight, budget, sum(sign * found_good) AS good, sum(sign * found_bad) AS bad
      FROM (
        SELECT k.time AS time, k.slo AS slo, k.objective AS objective, k.part AS part, k.grp AS grp, k.window AS window, k.weight AS weight,
          k.budget AS budget, k.sign AS sign, toInt64(r.good) AS found_good, toInt64(r.bad) AS found_bad
        FROM (
          SELECT time, slo, objective, part, grp, window, weight, budget, edge.1 AS sign, toInt64(edge.2) AS at FROM (
            SELECT m.time AS time, d.slo AS slo, d.objective AS objective, d.part AS part, d.grp AS grp, window, d.weight AS weight,
              d.budget AS budget, d.window_seconds AS window_seconds, m.ends AS ends,
              arrayJoin([(toInt8(1), ends), (toInt8(-1), if(window = 0, toInt64({own_begin}), ends + 60 - window) - 60)]) AS edge
            FROM moments AS m
            CROSS JOIN (
              SELECT slo, objective, part, grp, weight, budget, window_seconds, arrayJoin([{lengths}]) AS window
              FROM definitions AS e
              INNER JOIN (SELECT DISTINCT slo AS of, objective AS by, grp FROM running) AS g ON g.of = e.slo AND g.by = e.part
              WHERE {chosen}
            ) AS d
          )
        ) AS k
        ASOF LEFT JOIN running AS r ON r.slo = k.slo AND r.objective = k.part AND r.grp = k.grp AND k.at >= r.t
      )
      GROUP BY time, slo, objective, part, grp, window, weight, budget
    )
    GROUP BY time, slo, objective, grp, window
  )
)
ORDER BY time, name"""


def _definitions(objectives: Sequence[Judged]) -> str:
    """A row for each objective and each part that it is judged by."""
    rows = ",\n      ".join(_rows(objectives))
    return f"""\
    SELECT o.1 AS slo, o.2 AS objective, o.3 AS part, o.4 AS composite, o.5 AS weight, o.6 AS target, o.7 AS allowed, o.8 AS budget,
      o.9 AS window_seconds, o.10 AS grain_seconds, o.11 AS stale_seconds, o.12 AS rare
    FROM (SELECT arrayJoin([
      {rows}
    ]) AS o)"""


def _rows(objectives: Sequence[Judged]) -> Iterator[str]:
    for each in objectives:
        composite = each.parts != (each.objective,)
        rare = isinstance(each.slo, ScaleupSlo)
        for part in each.parts:
            grain = part.slice_seconds or 60
            fields = (
                text(each.slo.name),
                text(each.objective.name),
                text(part.name),
                str(int(composite)),
                repr(float(part.weight if composite else 1.0)),
                repr(each.objective.target),
                repr(error_budget(each.objective)),
                repr(error_budget(part)),
                f"toInt64({each.slo.window_seconds})",
                f"toInt64({grain})",
                f"toInt64({_NEVER if rare else STALE_SECONDS + grain - 60})",
                str(int(rare)),
            )
            yield f"({', '.join(fields)})"


def _slos(objectives: Sequence[Judged]) -> list[Slo | FedSlo]:
    return list({each.slo.name: each.slo for each in objectives}.values())


def _of(slos: Sequence[Slo | FedSlo]) -> str:
    """A condition: rows of these SLOs, but not raw ones."""
    return f"slo IN ({_names(slos)}) AND NOT startsWith(objective, '~')"


def _names(slos: Sequence[Slo | FedSlo]) -> str:
    return ", ".join(text(slo.name) for slo in slos)


def _window_seconds(slos: Sequence[Slo | FedSlo]) -> str:
    lengths = ", ".join(f"toInt64({slo.window_seconds})" for slo in slos)
    return f"transform(slo, [{_names(slos)}], [{lengths}], toInt64(0))"


def _spoken(column: str, windows: Sequence[int]) -> str:
    """The windows' names."""
    lengths, names = ", ".join(map(str, windows)), ", ".join(text(spoken(seconds)) for seconds in windows)
    return f"transform({column}, [{lengths}], [{names}], '')"
