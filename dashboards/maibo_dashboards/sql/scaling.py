"""Scale-ups and scaling decisions: how long more replicas took and where the time went, what was decided and from what, how forecasts did.

A latency is what `maibo_slo.engine.lifetimes` says: from the trigger, where it is known, else the decision, until as many pods as were added are in
rotation (ready, where nobody selects them). Who never got there took longer than it lasted, and counts: quantiles are those of the Kaplan-Meier
estimate. What is known to the second is taken at its longest, unless said otherwise. One that runs counts for as long as it has, at the end of the
time range.
"""
# ruff: noqa: S608 -- building SQL is what this module does; nothing reaches it but words of this module

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maibo_dashboards.sql.cells import FILL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PHASES: Final[Mapping[str, str]] = {
    "served": "signal",
    "decided": "decision",
    "created": "pods created",
    "scheduled": "scheduling",
    "pulled": "image pull",
    "started": "start",
    "ready": "readiness",
    "in_rotation": "rotation",
}
"""Stage that ends it -> the phase, in order. What comes after, until the first journey, is no part of the latency."""
LEVELS: Final = (0.5, 0.9, 0.99)
WISHES: Final[Mapping[str, str]] = {
    "reactive": "reactive",
    "feed_forward": "feed-forward",
    "predictive": "predictive",
    "correction": "correction",
}
"""Column -> word."""
HOLDS: Final[Mapping[str, str]] = {
    "": "the wish itself",
    "warming": "warming",
    "dead_band": "dead band",
    "scale_down": "scale-down",
    "least": "min",
    "most": "max",
    "override": "override",
    "no_data": "no signal",
}
"""What made a decision another than its highest wish."""

_STAGES: Final = ", ".join(f"'{stage}'" for stage in ("trigger", *PHASES))
_MOMENTS: Final = "Map(String, Tuple(Float64, Float64))"
_TOLD: Final = (
    f"Tuple(state String, before Int64, after Int64, by String, reason String, ended Nullable(Float64), moments {_MOMENTS}, "
    f"pods Array(Tuple(node_provisioned Bool, unschedulable String, moments {_MOMENTS})))"
)
"""Of ``detail``: parsed once, for it may have the moments of a thousand pods."""
_CHOSEN: Final = (
    "$__conditionalAll(splitByChar('/', subject)[1] IN (${namespace:singlequote}), $namespace) "
    "AND $__conditionalAll(subject IN (${workload:singlequote}), $workload)"
)
_TARGET: Final = (
    "namespace = splitByChar('/', ${target:singlequote})[1] AND target = splitByChar('/', ${target:singlequote})[2]"
)


def _scaleups(which: str = _CHOSEN) -> str:
    """A table expression `scaleups`: those that were decided within the time range.

    By their ids first, for FINAL reads all of ``detail`` before it looks at anything else.
    """
    return f"""\
scaleups AS (
  SELECT
    id, subject AS workload, t, told.state AS state, told.before AS before, told.after AS after, told.by AS by, told.reason AS reason,
    told.moments AS moments,
    if(mapContains(moments, 'trigger'), moments['trigger'], moments['decided']) AS began,
    mapContains(moments, 'in_rotation') OR (state = 'complete' AND mapContains(moments, 'ready')) AS observed,
    toFloat64(if(state = 'censored', ifNull(told.ended, toUnixTimestamp($__toTime)), toUnixTimestamp($__toTime))) AS known_until,
    multiIf(
      mapContains(moments, 'in_rotation'), moments['in_rotation'], observed, moments['ready'], (known_until, known_until)
    ) AS got_there,
    greatest(0., got_there.1 - began.2) AS shortest,
    greatest(0., got_there.2 - began.1) AS longest,
    arrayExists(p -> p.1 OR (p.2 != '' AND NOT mapContains(p.3, 'scheduled')), told.pods) AS waited,
    arrayFilter(s -> mapContains(moments, s), [{_STAGES}]) AS stages,
    arrayMap(s -> (moments[s].1 + moments[s].2) / 2, stages) AS middles,
    arrayMap((s, upto, since) -> (s, greatest(0., upto - since)),
      arrayPopFront(stages), arrayPopFront(middles), arrayPopBack(middles)) AS phases,
    arrayReverseSort(p -> p.2, phases)[1] AS slowest
  FROM (
    SELECT id, subject, begin AS t, JSONExtract(detail, '{_TOLD}') AS told
    FROM events FINAL
    WHERE kind = 'scaleup' AND {which} AND id IN (
      SELECT id FROM (SELECT id, begin AS t FROM events WHERE kind = 'scaleup') WHERE $__timeFilter(t)
    )
  )
  WHERE $__timeFilter(t)
)"""


def _quantiles(key: str, levels: Sequence[float] = LEVELS) -> str:
    """A table expression on top of `scaleups`: `quantiles`, one row a `key`, with ``P50`` and so on; NULL where too many are censored to tell.

    The product limit: at each time at which any were over, the share that takes longer falls by the share of those still at risk; those censored
    then still are. Durations that are intervals give two curves, of which the later quantile is told.
    """
    each = ",\n    ".join(
        f"if(countIf(falls_{number} IS NULL) > 0, NULL, max(falls_{number})) AS {_level(level)}"
        for number, level in enumerate(levels)
    )
    falls = ", ".join(
        f"minOrNullIf(seconds, surviving <= {round(1 - level, 6)} + 1e-9) AS falls_{number}"
        for number, level in enumerate(levels)
    )
    return f"""\
quantiles AS (
  SELECT
    key,
    {each}
  FROM (
    SELECT key, known, {falls}
    FROM (
      SELECT key, known, seconds, ended, exp(sum(log(1 - ended / at_risk)) OVER (PARTITION BY key, known ORDER BY seconds)) AS surviving
      FROM (
        SELECT key, known, seconds, countIf(observed) AS ended, sum(count()) OVER (PARTITION BY key, known ORDER BY seconds DESC) AS at_risk
        FROM (
          SELECT {key} AS key, observed, arrayJoin([('at least', shortest), ('at most', longest)]) AS one, one.1 AS known, one.2 AS seconds
          FROM scaleups
        )
        GROUP BY key, known, seconds
      )
    )
    WHERE ended > 0
    GROUP BY key, known
  )
  GROUP BY key
)"""


def _level(level: float) -> str:
    return f"P{level * 100:g}".replace(".", "_")


def latency_quantiles() -> str:
    """One row: the quantiles of all that are chosen."""
    return f"WITH\n{_scaleups()},\n{_quantiles('1')}\nSELECT {', '.join(map(_level, LEVELS))} FROM quantiles"


def latency_quantile(level: float) -> str:
    """One number, of every workload whatever is chosen."""
    return f"WITH\n{_scaleups('1')},\n{_quantiles('1', [level])}\nSELECT {_level(level)} AS latency FROM quantiles"


def latency_quantile_by_day(level: float) -> str:
    """The same of each day's."""
    return f"""\
WITH
{_scaleups("1")},
{_quantiles("toStartOfDay(t)", [level])}
SELECT toDateTime(key) AS time, {_level(level)} AS `P{level * 100:g}` FROM quantiles ORDER BY time"""


def counts() -> str:
    """One row: what became of them."""
    return f"""\
WITH
{_scaleups()}
SELECT
  count() AS `All`,
  countIf(state = 'complete') AS `Complete`,
  countIf(state = 'censored') AS `Never got there`,
  countIf(state = 'running') AS `Running`
FROM scaleups
HAVING count() > 0"""


def shares() -> str:
    """One row: the share that was served warm, of those that ended; and that counts from its trigger, of all."""
    return f"""\
WITH
{_scaleups()}
SELECT
  countIf(NOT waited AND state != 'running') / nullIf(countIf(state != 'running'), 0) AS `Served warm`,
  countIf(mapContains(moments, 'trigger')) / nullIf(count(), 0) AS `From the trigger`
FROM scaleups"""


def phases_over_time() -> str:
    """Means of each phase over those that are complete, which add up to the mean of the whole; at the middle of what is known."""
    columns = ",\n".join(
        f"  sum(arraySum(p -> p.2, arrayFilter(p -> p.1 = '{stage}', phases))) / count() AS `{label}`"
        for stage, label in PHASES.items()
    )
    return f"""\
WITH
{_scaleups()}
SELECT
  $__timeInterval(t) AS time,
{columns}
FROM scaleups
WHERE state = 'complete'
GROUP BY time
ORDER BY time"""


def p90_over_time() -> str:
    """Of all in each interval, the censored ones included."""
    return f"""\
WITH
{_scaleups()},
{_quantiles("$__timeInterval(t)", [0.9])}
SELECT key AS time, P90 AS `P90, censored included` FROM quantiles ORDER BY time"""


def states_over_time() -> str:
    return f"""\
WITH
{_scaleups()}
SELECT
  $__timeInterval(t) AS time,
  countIf(state = 'complete') AS `complete`,
  countIf(state = 'censored') AS `never got there`,
  countIf(state = 'running') AS `running`
FROM scaleups
GROUP BY time
ORDER BY time"""


def by_workload() -> str:
    return f"""\
WITH
{_scaleups()},
{_quantiles("workload")}
SELECT
  c.workload AS `Workload`, c.scaleups AS `Scale-ups`, c.censored AS `Never got there`, c.running AS `Running`,
  q.P50 AS `P50`, q.P90 AS `P90`, q.P99 AS `P99`, c.warm AS `Served warm`
FROM (
  SELECT
    workload, count() AS scaleups, countIf(state = 'censored') AS censored, countIf(state = 'running') AS running,
    countIf(NOT waited AND state != 'running') / nullIf(countIf(state != 'running'), 0) AS warm
  FROM scaleups
  GROUP BY workload
) AS c
LEFT JOIN (SELECT key, P50, P90, P99 FROM quantiles) AS q ON q.key = c.workload
ORDER BY `Scale-ups` DESC, `Workload`
SETTINGS join_use_nulls = 1"""


def newest(limit: int = 100) -> str:
    """One row each: who decided what, how long it took and what of it most."""
    stages, labels = (", ".join(f"'{each}'" for each in words) for words in (PHASES.keys(), PHASES.values()))
    return f"""\
WITH
{_scaleups()}
SELECT
  t AS `Decided`,
  workload AS `Workload`,
  before AS `From`,
  after AS `To`,
  by AS `By`,
  multiIf(state = 'censored', 'never got there', state) AS `State`,
  longest AS `Took at most`,
  if(mapContains(moments, 'trigger'), 'trigger', 'decision') AS `Since`,
  if(empty(phases), '', concat(toString(round(slowest.2, 1)), ' s: ', transform(slowest.1, [{stages}], [{labels}], ''))) AS `Most of it`,
  reason AS `Reason`,
  id AS `Details`
FROM scaleups
ORDER BY t DESC, id
LIMIT {limit}"""


def namespaces() -> str:
    return """\
SELECT DISTINCT namespace FROM (
  SELECT toString(namespace) AS namespace FROM scaling_10s WHERE $__timeFilter(t)
  UNION ALL
  SELECT splitByChar('/', subject)[1] AS namespace FROM (SELECT subject, begin AS t FROM events WHERE kind = 'scaleup') WHERE $__timeFilter(t)
)
ORDER BY namespace"""


def workloads() -> str:
    chosen = "$__conditionalAll(splitByChar('/', subject)[1] IN (${namespace:singlequote}), $namespace)"
    return f"SELECT DISTINCT subject FROM (SELECT subject, begin AS t FROM events WHERE kind = 'scaleup') WHERE $__timeFilter(t) AND {chosen} ORDER BY subject"


def targets() -> str:
    chosen = "$__conditionalAll(namespace IN (${namespace:singlequote}), $namespace)"
    return f"SELECT DISTINCT concat(namespace, '/', target) AS name FROM scaling_10s WHERE $__timeFilter(t) AND {chosen} ORDER BY name"


def replicas() -> str:
    """The newest of each interval."""
    columns = ("desired", "upper", "lower", "ready", "wanted")
    newest_ = ",\n".join(f"  argMax(tuple({name}), t).1 AS `{name}`" for name in columns)
    return _decided(newest_)


def wishes() -> str:
    """The newest of each interval."""
    newest_ = ",\n".join(f"  argMax(tuple({name}), t).1 AS `{word}`" for name, word in WISHES.items())
    return _decided(f"{newest_},\n  argMax(tuple(desired), t).1 AS `decided`")


def demand() -> str:
    """Means of each interval: calls a second, and what the ready replicas carry, as it is planned with."""
    return _decided("  avg(demand) AS `demand`,\n  avg(ready * per_replica) AS `capacity of what is ready`")


def _decided(columns: str) -> str:
    return f"""\
SELECT
  $__timeInterval(t) AS time,
{columns}
FROM (SELECT * FROM scaling_10s FINAL WHERE {_TARGET} AND $__timeFilter(t))
GROUP BY time
ORDER BY time {FILL}"""


def forecast() -> str:
    """What the minute was forecast to be when it was a lead time ahead: the mean over the interval of the median, and of a band that holds 8 of 10."""
    levels = {0.9: "P90", 0.5: "median", 0.1: "P10"}
    columns = ",\n".join(
        f"  avg(if(has(levels, {level}), quantiles[indexOf(levels, {level})], NULL)) AS `{name}`"
        for level, name in levels.items()
    )
    return f"""\
SELECT
  $__timeInterval(t) AS time,
{columns}
FROM (SELECT at AS t, levels, quantiles FROM forecasts FINAL WHERE {_TARGET})
WHERE $__timeFilter(t)
GROUP BY time
ORDER BY time {FILL}"""


def deciders() -> str:
    """A row for each interval with the words of two lanes: which wish was the highest at its end, and what made another number of it."""
    told = f"arrayFilter(w -> w.2 IS NOT NULL, [{', '.join(f'({chr(39)}{word}{chr(39)}, {name})' for name, word in WISHES.items())}])"
    words, holds = ", ".join(f"'{word}'" for word in HOLDS.values()), ", ".join(f"'{each}'" for each in HOLDS)
    return f"""\
SELECT
  $__timeInterval(t) AS time,
  toNullable(argMax(wish, t)) AS `Highest wish`,
  toNullable(argMax(held, t)) AS `Held by`
FROM (
  SELECT
    t,
    {told} AS wishes,
    multiIf(desired IS NULL, 'no signal', empty(wishes), 'override', arrayFirst(w -> w.2 = arrayMax(v -> assumeNotNull(v.2), wishes), wishes).1) AS wish,
    transform(toString(held_by), [{holds}], [{words}], toString(held_by)) AS held
  FROM scaling_10s FINAL
  WHERE {_TARGET} AND $__timeFilter(t)
)
GROUP BY time
ORDER BY time {FILL}"""


def accuracy() -> str:
    """One row a level: as `maibo_slo.store.forecasts.accuracy` has it. Levels are those of the newest forecast that what came is known of."""
    return f"""\
WITH judged AS (
  SELECT * FROM (SELECT at AS t, made_at, levels, quantiles, came FROM forecasts FINAL WHERE {_TARGET})
  WHERE $__timeFilter(t) AND came IS NOT NULL
)
SELECT
  level AS `Level`,
  count() AS `Forecasts`,
  avg(came <= said * (1 + 1e-9) + 1e-9) AS `Coverage`,
  avg(greatest(level * (came - said), (level - 1) * (came - said))) AS `Pinball loss`,
  sum(greatest(came - said, 0)) / nullIf(sum(came), 0) AS `Calls beyond`
FROM (
  SELECT assumeNotNull(came) AS came, arrayJoin(arrayZip(levels, quantiles)) AS pair, pair.1 AS level, pair.2 AS said
  FROM judged
  WHERE levels = (SELECT argMax(levels, made_at) FROM judged)
)
GROUP BY level
ORDER BY level"""


def coverage_over_time() -> str:
    """How often no more came than the median and the P90 said."""
    return _judged({level: f"avg(came <= {_said(level)} * (1 + 1e-9) + 1e-9)" for level in (0.5, 0.9)})


def loss_over_time() -> str:
    return _judged(
        {
            level: f"avg(greatest({level} * (came - {_said(level)}), {round(level - 1, 6)} * (came - {_said(level)})))"
            for level in (0.5, 0.9)
        }
    )


def _said(level: float) -> str:
    return f"if(has(levels, {level}), quantiles[indexOf(levels, {level})], NULL)"


def _judged(columns: Mapping[float, str]) -> str:
    told = ",\n".join(f"  {value} AS `P{level * 100:g}`" for level, value in columns.items())
    return f"""\
SELECT
  $__timeInterval(t) AS time,
{told}
FROM (SELECT at AS t, levels, quantiles, came FROM forecasts FINAL WHERE {_TARGET})
WHERE $__timeFilter(t) AND came IS NOT NULL
GROUP BY time
ORDER BY time {FILL}"""


def scale_writes() -> str:
    """Marks: replicas that the fast lane itself set."""
    return f"""\
SELECT
  toDateTime64(t, 3) AS time,
  concat(subject, ': fast lane, ', toString(JSONExtractInt(detail, 'before')), ' to ', toString(JSONExtractInt(detail, 'after')), ' replicas') AS text,
  'fast lane' AS tags
FROM (SELECT subject, detail, begin AS t FROM events FINAL WHERE kind = 'scale_write' AND {_CHOSEN})
WHERE $__timeFilter(t)
ORDER BY time"""
