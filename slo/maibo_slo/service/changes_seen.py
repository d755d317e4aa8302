"""What changed in a stretch of time, gathered from where each kind is: cells, the table of events, documents and what people told the service.

Each kind is bounded: of more than `MOST` the newest are told, and that there are others.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from maibo_slo.engine.corrections import concerns, windows_of
from maibo_slo.service.change_scope import Scope
from maibo_slo.service.changes import MOST, About, Change, Changed, Kind
from maibo_slo.service.events_seen import EventsSeen
from maibo_slo.service.versions import VersionChange, VersionsSeen, version_changes
from maibo_slo.store import events

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from maibo_slo.documents import Catalogue, Correction
    from maibo_slo.store import Store
    from maibo_slo.store.events import Brief

KEPT: Final = 8 * MOST
"""1 kB each."""
_FIELDS: Final = (
    "before", "after", "by", "reason", "target", "served_at", "served_by", "min_replicas", "max_replicas", "least", "most", "who", "why",
    "name", "objective", "group", "severity", "summary",
)  # fmt: skip
_EVENTS: Final = {
    "alert": Kind.ALERT,
    "override": Kind.OVERRIDE,
    "scaleup": Kind.SCALEUP,
    "rise": Kind.RISE,
    "scale_write": Kind.WRITE,
}


class ChangesSeen:
    """Of one store. `corrections`: those that were told to the running service. Safe to ask from several threads."""

    def __init__(
        self, store: Store, catalogue: Callable[[], Catalogue], corrections: Callable[[], Iterable[Correction]] = tuple
    ) -> None:
        self._store = store
        self._catalogue = catalogue
        self._told = corrections
        self._versions = VersionsSeen(store)
        self._events = EventsSeen(partial(events.briefs_of, store, fields=_FIELDS), KEPT)

    def between(self, begin: float, end: float, about: About = About(), *, now: float, most: int = MOST) -> Changed:  # noqa: B008 -- frozen
        """Those that happened in [begin, end), or went on then; of a stretch of the past as they stood at its end. StoreError."""
        catalogue = self._catalogue()
        slo = catalogue.judged.get(about.slo)
        journey = about.journey or (slo.journey if slo else "")
        of_versions, seen = (
            self._versions_of(begin, end, journey, now) if Kind.VERSION in about.kinds or journey else ((), frozenset())
        )
        scope = Scope(catalogue, about, journey, slo, seen)
        happened = self._happened(begin, end, about.kinds, most + 1)
        cut = max(Counter(each.kind for each in happened).values(), default=0) > most
        found: list[Change | Brief] = [
            *(map(_version, of_versions) if Kind.VERSION in about.kinds else ()),
            *happened,
            *(self._corrections(catalogue, begin, end) if Kind.CORRECTION in about.kinds else ()),
        ]
        services: set[str] = set()
        kept: list[Change | Brief] = []
        for each in found:
            kind, mine = _about(each, scope)
            services.update(mine)
            if scope.concerned(kind, each.subject, mine):
                kept.append(each)
        kept.sort(key=lambda each: each.at if isinstance(each, Change) else each.begin, reverse=True)
        # An event is put into words when it is told: of thousands most are not.
        until = end if end < now else math.inf
        told = tuple(
            _as_of(each if isinstance(each, Change) else _change(each, scope, until), until) for each in kept[:most]
        )
        return Changed(begin, end, told, cut or len(kept) > most, tuple(sorted(services)))

    def _versions_of(
        self, begin: float, end: float, journey: str, now: float
    ) -> tuple[tuple[VersionChange, ...], frozenset[str]]:
        """Their changes, and the services that have any."""
        rows = self._versions.between(begin, end, journey, past=end < now)
        # Versions are read to the end of the running minute or hour.
        told = tuple(change for change in version_changes(rows, begin) if change.at < end)
        return told, frozenset(one.service for one in rows)

    def _happened(self, begin: float, end: float, kinds: Collection[Kind], newest: int) -> list[Brief]:
        """So many events of each kind, the newest first."""
        wanted = [name for name, kind in _EVENTS.items() if kind in kinds]
        return self._events.events(events.versions(self._store, wanted, begin, end, newest=newest)) if wanted else []

    def _corrections(self, catalogue: Catalogue, begin: float, end: float) -> Iterator[Change]:
        for correction in (*catalogue.corrections.values(), *self._told()):
            windows = windows_of(correction, begin=int(begin), end=int(end) + 1)
            if not windows:
                continue
            concerned = {slo.service for slo in catalogue.judged.values() if concerns(correction, slo)}
            for window in windows[-MOST:]:
                yield Change(
                    Kind.CORRECTION,
                    window.begin,
                    correction.name,
                    f"{correction.kind} ({correction.effect})",
                    end=window.end,
                    who=correction.who,
                    why=correction.why,
                    id=correction.name,
                    services=tuple(sorted({*concerned, *correction.services})),
                )


def _about(one: Change | Brief, scope: Scope) -> tuple[Kind, tuple[str, ...]]:
    """Of which kind it is, and about which services."""
    if isinstance(one, Change):
        return one.kind, one.services
    kind = _EVENTS[one.kind]
    return kind, scope.services(kind, one.subject)


def _version(of: VersionChange) -> Change:
    return Change(
        Kind.VERSION,
        of.at,
        of.service,
        f"{of.before} → {of.version}" if of.before else of.version,
        services=(of.service,),
        rollback=of.rollback,
    )


def _as_of(change: Change, until: float) -> Change:
    """What ended later than `until` goes on."""
    return replace(change, end=None, goes_on=True) if change.end is not None and change.end > until else change


def _change(event: Brief, scope: Scope, until: float) -> Change:
    """Of one event, without a face that answered later than `until`. Fields that an older writer did not know are not there."""
    kind, said = _EVENTS[event.kind], event.detail
    lasts = kind in {Kind.ALERT, Kind.OVERRIDE, Kind.SCALEUP}
    served_by = "" if (said.get("served_at") or 0.0) > until else _text(said, "served_by")
    return Change(
        kind,
        event.begin,
        event.subject,
        _what(kind, said),
        end=event.end if lasts else None,
        goes_on=lasts and event.end is None,
        who=_text(said, "who") or _text(said, "by") or served_by,
        why=_text(said, "why") or _text(said, "summary") or ("" if kind is Kind.ALERT else _text(said, "reason")),
        id=event.id,
        services=scope.services(kind, event.subject),
        objective=_text(said, "objective"),
        group=_text(said, "group"),
        severity=_text(said, "severity"),
        target=scope.target(kind, event.subject, _text(said, "target")),
    )


def _what(kind: Kind, said: Any) -> str:
    if kind is Kind.ALERT:
        return _text(said, "severity") or _text(said, "name")
    if kind is Kind.OVERRIDE:
        # Rows of older writers have the shorter names.
        least, most = said.get("min_replicas", said.get("least")), said.get("max_replicas", said.get("most"))
        if least is None:
            return f"at most {most}"
        return f"at least {least}" if most is None else f"exactly {least}" if least == most else f"{least} to {most}"
    return f"{said.get('before', '?')} → {said.get('after', '?')}"


def _text(said: Any, name: str) -> str:
    found = said.get(name)
    return found if isinstance(found, str) else ""
