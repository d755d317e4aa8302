"""What happened, once each: alerts that fired, corrections that somebody told; who, when and why.

An event has one row, which a later version replaces: its end, or what became of it. Whoever writes that version keeps in `detail` what the
earlier ones said, so the table is an audit trail: nothing is deleted before its time. An event that has ended is kept for 400 days after its
end, one that has not for ever.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from maibo_slo.store.client import Store

IDS_BYTES: Final = 64 * 1024
"""So many of ids are sent at once: a server takes 128 KiB for a parameter."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event; times in unix s, kept to the millisecond."""

    id: str
    """Unique within its kind."""
    kind: str
    """``alert``, ``correction``, ``override``, ``rise``, ``scale_write``, ``scaleup``."""
    subject: str
    """What it is about: an SLO's name."""
    begin: float
    end: float | None
    """None: it goes on, or its end is not known."""
    detail: Mapping[str, Any]
    """Anything that is JSON."""


def append(store: Store, events: Sequence[Event], *, version: int | None = None) -> None:
    """Write them, each in the place of its earlier version; of two versions the higher wins. StoreError.

    Without `version`, these win over all that are there, even if the clock was set back.
    """
    from maibo_slo.store.columns import moments, texts

    if not events:
        return
    if version is None:
        [(newest,)] = store.rows("SELECT max(e.version) FROM events AS e")
        version = max(time.time_ns() // 1000, newest + 1)
    store.insert(
        "events",
        {
            "id": texts([each.id for each in events]),
            "kind": texts([each.kind for each in events]),
            "subject": texts([each.subject for each in events]),
            "begin": moments([each.begin for each in events]),
            "end": moments([each.end for each in events]),
            "detail": texts([_json(each.detail) for each in events]),
            "version": [version] * len(events),
        },
    )


def events(
    store: Store, kind: str, begin: float, end: float, subject: str | None = None, *, newest: int | None = None
) -> list[Event]:
    """Those that went on at some time in [begin, end), as they are known now, about `subject` if given; the oldest first, and if given, so many
    alone that began last. StoreError.
    """
    which = f"{_WITHIN}{'' if subject is None else ' AND e.subject = {subject:String}'}"
    # Rows of a year have gigabytes of `detail`, and FINAL reads it before it looks at anything: so first who may be meant, by any version.
    rows = store.rows(
        f"{_SELECT} AND {which} AND e.id GLOBAL IN (SELECT e.id FROM events AS e WHERE e.kind = {{kind:String}} AND {which}) "  # noqa: S608 -- fixed words
        f"ORDER BY e.begin DESC, e.id DESC{'' if newest is None else f' LIMIT {newest:d}'}",
        {"kind": kind, "after": _milliseconds(begin), "before": _milliseconds(end), "subject": subject or ""},
    )
    return [_event(kind, *row) for row in reversed(rows)]


@dataclass(frozen=True, slots=True)
class Brief:
    """An event without most of its detail."""

    id: str
    kind: str
    subject: str
    begin: float
    end: float | None
    detail: Mapping[str, Any]
    """The fields that were asked for, as far as it has them."""


def briefs(
    store: Store, kinds: Collection[str], begin: float, end: float, *, fields: Collection[str], newest: int
) -> list[Brief]:
    """Of each of these kinds, so many of those that began in [begin, end), or went on then, that began last; the newest first. StoreError.

    Of `detail` only these fields are read: that of a scale-up with a hundred pods is long.
    """
    there = versions(store, kinds, begin, end, newest=newest)
    found = briefs_of(store, there, fields=fields)
    return [found[each][1] for each in there if each in found]


def versions(
    store: Store, kinds: Collection[str], begin: float, end: float, subject: str | None = None, *, newest: int
) -> dict[tuple[str, str], int]:
    """The version in force of each of those, by kind and id; about `subject` if given. StoreError.

    A version never changes: whoever has read one needs not read it again.
    """
    mine = "" if subject is None else " AND e.subject = {subject:String}"
    rows = store.rows(
        f"SELECT e.kind, e.id, e.version FROM events AS e FINAL WHERE e.kind IN {{kinds:Array(String)}} AND {_WITHIN}{mine} "  # noqa: S608 -- fixed words
        f"ORDER BY e.begin DESC, e.id DESC LIMIT {newest:d} BY e.kind",
        {
            "kinds": sorted(kinds),
            "after": _milliseconds(begin),
            "before": _milliseconds(end),
            "subject": subject or "",
        },
    )
    return {(kind, id_): int(version) for kind, id_, version in rows}


def briefs_of(
    store: Store, which: Collection[tuple[str, str]], *, fields: Collection[str]
) -> dict[tuple[str, str], tuple[int, Brief]]:
    """Those of these kinds and ids as they are known now, with their versions. StoreError."""
    asked, found = set(which), {}
    for kinds, ids in batches(which):
        # Each detail is parsed once, whatever the number of fields.
        rows = store.rows(
            "SELECT e.version, e.id, e.kind, e.subject, toUnixTimestamp64Milli(e.begin), toUnixTimestamp64Milli(e.end), "
            "concat('{', arrayStringConcat(arrayMap(field -> concat(toJSONString(field.1), ':', field.2), "
            "arrayFilter(field -> has({fields:Array(String)}, field.1), JSONExtractKeysAndValuesRaw(e.detail))), ','), '}') "
            "FROM events AS e FINAL WHERE e.kind IN {kinds:Array(String)} AND e.id IN {ids:Array(String)}",
            {"kinds": kinds, "ids": ids, "fields": sorted(fields)},
        )
        for version, id_, kind, subject, first, last, detail in rows:
            if (kind, id_) in asked:  # ids are unique within their kind alone
                end = None if last is None else last / 1000
                found[kind, id_] = int(version), Brief(id_, kind, subject, first / 1000, end, json.loads(detail))
    return found


def batches(which: Iterable[tuple[str, str]]) -> Iterator[tuple[list[str], list[str]]]:
    """Kinds and ids, so many as a server takes at once."""
    kinds: set[str] = set()
    ids: list[str] = []
    room = IDS_BYTES
    for kind, id_ in which:
        size = len(id_.encode())
        if ids and size > room:
            yield sorted(kinds), ids
            kinds, ids, room = set(), [], IDS_BYTES
        kinds.add(kind)
        ids.append(id_)
        room -= size
    if ids:
        yield sorted(kinds), ids


def unended(store: Store, kind: str) -> list[Event]:
    """Those that have no end; the oldest first. StoreError."""
    rows = store.rows(f"{_SELECT} AND e.end IS NULL ORDER BY e.begin, e.id", {"kind": kind})
    return [_event(kind, *row) for row in rows]


def find(store: Store, kind: str, id_: str) -> Event | None:
    """The one of this id, as it is known now. StoreError."""
    rows = store.rows(f"{_SELECT} AND e.id = {{id:String}}", {"kind": kind, "id": id_})
    return _event(kind, *rows[0]) if rows else None


def every(store: Store, kind: str) -> list[Event]:
    """All that are kept, the oldest first. StoreError."""
    return [_event(kind, *row) for row in store.rows(f"{_SELECT} ORDER BY e.begin, e.id", {"kind": kind})]


_SELECT = (
    "SELECT e.id, e.subject, toUnixTimestamp64Milli(e.begin), toUnixTimestamp64Milli(e.end), e.detail "
    "FROM events AS e FINAL WHERE e.kind = {kind:String}"
)
_WITHIN = (
    "e.begin < fromUnixTimestamp64Milli({before:Int64}, 'UTC') "
    "AND (e.end IS NULL OR e.end > fromUnixTimestamp64Milli({after:Int64}, 'UTC') "
    "OR e.begin >= fromUnixTimestamp64Milli({after:Int64}, 'UTC'))"
)
"""Those that went on at some time in [after, before)."""


def _event(kind: str, id_: str, subject: str, begin: int, end: int | None, detail: str) -> Event:
    return Event(id_, kind, subject, begin / 1000, None if end is None else end / 1000, json.loads(detail))


def _json(detail: Mapping[str, Any]) -> str:
    return json.dumps(detail, ensure_ascii=False, allow_nan=False, sort_keys=True)


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
