"""What happened, to be marked on charts: releases, alerts, scale-ups, overrides, corrections and chaos.

Each gives `time`, `timeEnd` where it lasts (what goes on still: until the end of the time range), `text` and `tags`.
"""
# ruff: noqa: S608 -- building SQL is what this module does; nothing reaches it but documents' names, through `text`

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maibo_dashboards.sql.cells import CELLS, text

if TYPE_CHECKING:
    from collections.abc import Sequence

_DURING: Final = "begin <= $__toTime AND (end IS NULL OR end >= $__fromTime)"
_END: Final = "least(ifNull(end, toDateTime64($__toTime, 3)), toDateTime64($__toTime, 3))"


def version_changes(journey: str) -> str:
    """Releases and rollbacks: the version that serves most of a service's events has changed, forth or back."""
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


def alerts(slos: Sequence[str] | None = None) -> str:
    """From when to when alerts fired, of these SLOs, or of all: one mark for those that overlap, as several would hide what they lie on."""
    each = _events(
        "alert",
        "concat(JSONExtractString(detail, 'severity'), ': ', if(summary = '', subject, summary))",
        "subject",
        [_among(slos)],
        "JSONExtractString(detail, 'summary') AS summary",
    )
    return f"""\
SELECT
  min(time) AS time, max(timeEnd) AS timeEnd,
  arrayStringConcat(arraySort(groupUniqArray(text)), '\\n') AS text, arrayStringConcat(arraySort(groupUniqArray(tags)), ',') AS tags
FROM (
  SELECT *, sum(apart) OVER (ORDER BY time, timeEnd, text) AS run
  FROM (SELECT *, time > max(timeEnd) OVER (ORDER BY time, timeEnd, text ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS apart FROM (
{each}
  ))
)
GROUP BY run
ORDER BY time"""


def scaleups(workloads: Sequence[str] | None = None) -> str:
    """From the decision until all that were added serve; of these workloads (``namespace/Kind/name``), or of all."""
    return _events(
        "scaleup",
        "concat(subject, ': ', toString(JSONExtractInt(detail, 'before')), ' to ', toString(JSONExtractInt(detail, 'after')), ' replicas')",
        "JSONExtractString(detail, 'by')",
        [_among(workloads)],
    )


def overrides() -> str:
    """Bounds of replicas that a person set."""
    return _events("override", f"concat(subject, ': replicas ', bounds, '; {_SAID}", "subject", [], _BOUNDS)


def corrections(
    journey: str | None = None, slos: Sequence[str] = (), services: Sequence[str] = (), *, chaos: bool = False
) -> str:
    """Time that somebody said was not like other time: experiments of chaos, or all else; what concerns a journey, or everything.

    Those that were told to the service, once: where recurring ones hold, and those of documents, the engine alone knows.
    """
    kind = f"JSONExtractString(detail, 'kind') {'=' if chaos else '!='} 'chaos'"
    conditions = [kind, "NOT JSONHas(detail, 'cancelled_at')", "JSONExtractString(detail, 'rrule') = ''"]
    if journey is not None:
        lists = {"journeys": [journey], "slos": list(slos), "services": list(services)}
        named = " OR ".join(
            f"hasAny(JSONExtract(detail, '{key}', 'Array(String)'), [{', '.join(map(text, names))}])"
            for key, names in lists.items()
            if names
        )
        nobody = " AND ".join(f"empty(JSONExtract(detail, '{key}', 'Array(String)'))" for key in lists)
        conditions.append(f"({named} OR ({nobody}))")
    return _events(
        "correction",
        f"concat(id, ' ({{kind}}): {_SAID}".replace("{kind}", "', JSONExtractString(detail, 'kind'), '"),
        "JSONExtractString(detail, 'kind')",
        conditions,
    )


_SAID: Final = "', JSONExtractString(detail, 'why'), ' (', JSONExtractString(detail, 'who'), ')')"
_BOUNDS: Final = """\
arrayStringConcat(arrayFilter(bound -> bound != '', [
      ifNull(concat('at least ', toString(coalesce(JSONExtract(detail, 'min_replicas', 'Nullable(UInt64)'), JSONExtract(detail, 'least', 'Nullable(UInt64)')))), ''),
      ifNull(concat('at most ', toString(coalesce(JSONExtract(detail, 'max_replicas', 'Nullable(UInt64)'), JSONExtract(detail, 'most', 'Nullable(UInt64)')))), '')
    ]), ', ') AS bounds"""
"""Either; older rows have the second names."""


def _events(kind: str, words: str, tags: str, conditions: Sequence[str], beside: str = "") -> str:
    """Events as marks. Those of a year have gigabytes of `detail`, which FINAL reads before it looks at anything: so first who may be meant."""
    which = f"kind = '{kind}' AND {_DURING}"
    where = " AND ".join([which, f"id GLOBAL IN (SELECT id FROM events WHERE {which})", *filter(None, conditions)])
    first = f"{beside},\n    " if beside else ""
    return f"""\
SELECT time, timeEnd, text, tags FROM (
  SELECT
    {first}toDateTime64(begin, 3) AS time, {_END} AS timeEnd, {words} AS text, {tags} AS tags
  FROM events FINAL
  WHERE {where}
)
ORDER BY time"""


def _among(subjects: Sequence[str] | None) -> str:
    return "" if subjects is None else f"subject IN ({', '.join(map(text, subjects)) or 'NULL'})"
