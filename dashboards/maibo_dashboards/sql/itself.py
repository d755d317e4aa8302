"""maibo itself: what came in and became of it, how old the counts, the ledger and the signals are, and what is kept apart."""
# ruff: noqa: S608 -- building SQL is what this module does; nothing reaches it but words of this module

from __future__ import annotations

from typing import Final

from maibo_dashboards.sql.cells import FILL, SECONDS

FATES: Final = ("counted", "ignored", "rejected", "skewed")
"""What becomes of a span, log record or data point: one of these."""
EVENTS: Final = ("alert", "correction", "override", "rise", "scale_write", "scaleup")
"""Kinds that are written."""
SERIES: Final = "uniqExact(journey, step, environment, service, version, cluster, region, tier, variant, outcome)"

_BATCHES: Final = """\
(
  SELECT
    fromUnixTimestamp64Milli(toInt64(drained_at_ms), 'UTC') AS t, drained_at_ms / 1000 AS drained_at,
    bodies, duplicate_bodies, spans, counted, ignored, rejected, skewed, overflowed, minutes
  FROM segments
  WHERE drained_at_ms >= 1000 * toUnixTimestamp($__fromTime) AND drained_at_ms < 1000 * (toUnixTimestamp($__toTime) + 1)
  ORDER BY drained_at_ms DESC
  LIMIT 1 BY segment
)"""
"""Each batch once: one that was drained again after a crash is in twice until its parts are merged. Not FINAL, which knows no index of times."""


def totals() -> str:
    """One row: what became of what came in within the time range."""
    sums = ",\n".join(f"  sum({name}) AS `{name.capitalize()}`" for name in FATES)
    return f"SELECT\n{sums},\n  sum(overflowed) AS `Overflowed`,\n  sum(duplicate_bodies) AS `Retries left out`\nFROM {_BATCHES}\nHAVING count() > 0"


def lost_share() -> str:
    """One number: rejected or skewed, of all that belonged to a journey."""
    return f"SELECT sum(rejected + skewed) / nullIf(sum(counted + rejected + skewed), 0) AS share\nFROM {_BATCHES}"


def rates() -> str:
    """A second, by what became of it."""
    return _over_time(",\n".join(f"  toNullable(sum({name}) / $__interval_s) AS `{name}`" for name in FATES))


def losses() -> str:
    """A second: what is in no cell, or in one without its dimensions, and what came again."""
    names = {
        "rejected": "rejected",
        "skewed": "skewed",
        "overflowed": "overflowed",
        "duplicate_bodies": "retried bodies",
    }
    return _over_time(
        ",\n".join(f"  toNullable(sum({name}) / $__interval_s) AS `{said}`" for name, said in names.items())
    )


def batches() -> str:
    return _over_time(
        "  toNullable(count() / $__interval_s) AS `batches`,\n  toNullable(sum(bodies) / $__interval_s) AS `bodies`"
    )


def lag() -> str:
    """The least that is certain, since batches know the minutes of their events alone: how old a batch's newest event was, and its oldest."""
    since = {"newest event": "arrayMax(minutes)", "oldest event": "arrayMin(minutes)"}
    columns = ",\n".join(
        f"  max(if(notEmpty(minutes), greatest(0, drained_at - 60 - {which}), NULL)) AS `{name}`"
        for name, which in since.items()
    )
    return _over_time(columns)


def newest_batch() -> str:
    """One number: s before the end of the time range."""
    return (
        f"SELECT greatest(0, toUnixTimestamp($__toTime) - max(drained_at)) AS age\nFROM {_BATCHES}\nHAVING count() > 0"
    )


def _over_time(columns: str) -> str:
    return f"SELECT\n  $__timeInterval(t) AS time,\n{columns}\nFROM {_BATCHES}\nGROUP BY time\nORDER BY time {FILL}"


def ledger() -> str:
    """One row an SLO: its newest minute, and how long that has been over."""
    return f"""\
SELECT toString(slo) AS `SLO`, {_SOURCE} AS `Counted by`, max(t) AS `Newest minute`, {_OVER} AS `Over for`
FROM sli
WHERE $__timeFilter(t)
GROUP BY slo, `Counted by`
ORDER BY `Over for` DESC, `SLO`"""


def ledger_lag() -> str:
    """One number, s: of the SLO of journeys that has the newest minute."""
    return f"SELECT {_OVER} AS lag\nFROM sli\nWHERE {_SOURCE} = 'journey' AND $__timeFilter(t)\nHAVING count() > 0"


_SOURCE: Final = "splitByChar(':', toString(source))[1]"
"""Which kind: the rest is a hash of what is counted."""
_OVER: Final = "greatest(0, toInt64(toUnixTimestamp($__toTime)) - toInt64(toUnixTimestamp(max(t))) - 60)"


def signal_age() -> str:
    """The oldest of each interval, by target."""
    return _by_target("max(age)")


def refused() -> str:
    """The share of 10 s that ended without a number, by target."""
    return _by_target("countIf(desired IS NULL) / count()")


def _by_target(value: str) -> str:
    return f"""\
SELECT $__timeInterval(t) AS time, concat(namespace, '/', target) AS name, {value} AS Value
FROM (SELECT t, namespace, target, age, desired FROM scaling_10s FINAL WHERE $__timeFilter(t))
GROUP BY time, name
ORDER BY time, name"""


def refusals() -> str:
    """One row a target and reason, numbers in it left out, so that the same reason is one."""
    return """\
SELECT
  concat(namespace, '/', target) AS `Target`,
  argMax(reason, t) AS `Reason, newest`,
  10 * count() AS `For`,
  max(t) AS `Last`
FROM (SELECT t, namespace, target, reason FROM scaling_10s FINAL WHERE desired IS NULL AND $__timeFilter(t))
GROUP BY `Target`, replaceRegexpAll(reason, '[0-9.]+', '')
ORDER BY `For` DESC, `Target`
LIMIT 50"""


def events() -> str:
    """By when they began, by kind."""
    columns = ",\n".join(f"  uniqExactIf(id, kind = '{kind}') AS `{kind.replace('_', ' ')}`" for kind in EVENTS)
    return f"""\
SELECT
  $__timeInterval(t) AS time,
{columns}
FROM (SELECT id, kind, begin AS t FROM events FINAL)
WHERE $__timeFilter(t)
GROUP BY time
ORDER BY time"""


def skewed() -> str:
    """One row for each that sends events which end before they start."""
    return """\
SELECT
  journey AS `Journey`, step AS `Step`, service AS `Service`, version AS `Version`, sum(n) AS `Events`
FROM skewed_1m
WHERE $__timeFilter(t)
GROUP BY journey, step, service, version
ORDER BY `Events` DESC, `Journey`, `Step`, `Service`, `Version`
LIMIT 50"""


def series() -> str:
    """One row a journey and service: what is kept apart, by whole hours."""
    return f"""\
SELECT
  journey AS `Journey`, service AS `Service`, {SERIES} AS `Series`, uniqExact(version) AS `Versions`, uniqExact(tier) AS `Tiers`,
  uniqExact(variant) AS `Variants`, sum(n) AS `Events`
FROM cells_1h
WHERE t >= toStartOfHour($__fromTime) AND t <= $__toTime
GROUP BY journey, service
ORDER BY `Series` DESC, `Journey`, `Service`
LIMIT 50"""


def events_a_second() -> str:
    """One number: spans, log records and data points that came in, whatever became of them."""
    return f"SELECT sum(spans) / {SECONDS} AS rate\nFROM {_BATCHES}\nHAVING count() > 0"
