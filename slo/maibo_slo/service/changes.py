"""What changed: versions, overrides, corrections, scale-ups, rises, writes of the fast lane and alerts of a stretch of time, in one list.

Somebody who looks at a chart asks what happened just before; so whatever may have moved it is gathered here, each with its moment, and everything that
draws it asks here. Each kind is bounded: of more than `MOST` the newest are told, and that there are others.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from maibo_slo.engine.corrections import concerns, journeys, windows_of
from maibo_slo.service.versions import VersionChange, VersionsSeen, version_changes
from maibo_slo.store import events

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from maibo_slo.documents import Catalogue, Correction, FedSlo, Slo
    from maibo_slo.documents.scaling_kinds import ScalingTarget
    from maibo_slo.store import Store
    from maibo_slo.store.events import Brief

MOST: Final = 500
_FIELDS: Final = (
    "before", "after", "by", "reason", "state", "why_censored", "target", "served_by", "min_replicas", "max_replicas", "least", "most", "until", "who", "why",
    "ended_at", "ended_by", "ended_why", "name", "objective", "group", "severity", "summary",
)  # fmt: skip


class Kind(StrEnum):
    """What kind of change it is."""

    VERSION = "version"
    """Another version of a service has events: a deployment or a rollback."""
    ALERT = "alert"
    OVERRIDE = "override"
    """Bounds for a target that a person said."""
    CORRECTION = "correction"
    SCALEUP = "scaleup"
    RISE = "rise"
    """The scaling engine wished for more replicas."""
    WRITE = "write"
    """The fast lane set replicas."""


_EVENTS: Final = {
    "alert": Kind.ALERT,
    "override": Kind.OVERRIDE,
    "scaleup": Kind.SCALEUP,
    "rise": Kind.RISE,
    "scale_write": Kind.WRITE,
}


@dataclass(frozen=True, slots=True)
class Change:
    """One of them. Times are unix s."""

    kind: Kind
    at: float
    subject: str
    """The service, SLO, target, workload or correction that it is about."""
    what: str
    """``v1 → v2``, ``10 → 40``, ``at least 40``, ``page``."""
    end: float | None = None
    """When it was over, of what lasts; None of a moment, or where `goes_on`."""
    goes_on: bool = False
    who: str = ""
    why: str = ""
    id: str = ""
    """Of its event, in the table of its kind."""
    services: tuple[str, ...] = ()
    objective: str = ""
    group: str = ""
    severity: str = ""
    rollback: bool = False
    """Of a version: it had gone, and came back."""
    target: tuple[str, str] | None = None
    """Namespace and name of the ScalingTarget, of what is about one that there is."""


@dataclass(frozen=True, slots=True)
class About:
    """What changes are asked for: everything, or what may matter to a service, a journey or an SLO."""

    service: str = ""
    journey: str = ""
    slo: str = ""
    kinds: frozenset[Kind] = frozenset(Kind)


@dataclass(frozen=True, slots=True)
class Changed:
    """The answer."""

    begin: float
    end: float
    changes: tuple[Change, ...]
    """The newest first."""
    cut: bool = False
    """There were more: the newest are told."""
    services: tuple[str, ...] = ()
    """That something of this time is about."""


@dataclass(slots=True)
class Changes:
    """Of one store. `corrections`: those that were told to the running service. Safe to ask from several threads."""

    store: Store
    catalogue: Callable[[], Catalogue]
    corrections: Callable[[], Iterable[Correction]] = tuple
    _versions: VersionsSeen = field(init=False)

    def __post_init__(self) -> None:
        self._versions = VersionsSeen(self.store)

    def between(self, begin: float, end: float, about: About = About(), *, most: int = MOST) -> Changed:
        """Those that happened in [begin, end), or went on then. StoreError."""
        catalogue = self.catalogue()
        slo = catalogue.judged.get(about.slo)
        journey = about.journey or (slo.journey if slo else "")
        of_versions, seen = (
            self._versions_of(begin, end, journey) if Kind.VERSION in about.kinds or journey else ((), frozenset())
        )
        mine = _Mine(catalogue, about, journey, slo, seen)
        found: list[Change] = []
        if Kind.VERSION in about.kinds:
            found += [_version(each) for each in of_versions]
        wanted = [name for name, kind in _EVENTS.items() if kind in about.kinds]
        told = events.briefs(self.store, wanted, begin, end, fields=_FIELDS, newest=most + 1) if wanted else []
        cut = any(sum(each.kind == name for each in told) > most for name in wanted)
        found += [_change(each, mine) for each in told]
        if Kind.CORRECTION in about.kinds:
            found += self._corrections(catalogue, begin, end)
        kept = sorted((each for each in found if mine.concerned(each)), key=lambda each: each.at, reverse=True)
        return Changed(
            begin,
            end,
            tuple(kept[:most]),
            cut or len(kept) > most,
            tuple(sorted({service for each in found for service in each.services})),
        )

    def _versions_of(self, begin: float, end: float, journey: str) -> tuple[tuple[VersionChange, ...], frozenset[str]]:
        """Their changes, and the services that have any."""
        rows = self._versions.between(begin, end, journey)
        # Versions are read to the end of the running minute or hour.
        told = tuple(change for change in version_changes(rows, begin) if change.at < end)
        return told, frozenset(one.service for one in rows)

    def _corrections(self, catalogue: Catalogue, begin: float, end: float) -> Iterator[Change]:
        for correction in (*catalogue.corrections.values(), *self.corrections()):
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


class _Mine:
    """Which changes may matter to what was asked about."""

    def __init__(
        self, catalogue: Catalogue, about: About, journey: str, slo: Slo | FedSlo | None, seen: frozenset[str]
    ) -> None:
        self._catalogue = catalogue
        self._about = about
        self._journey = journey
        self._slo = slo
        self._seen = seen
        """Services that the journey's versions are of."""
        self._over = [each for each in catalogue.judged.values() if journey in journeys(each)] if journey else []
        """SLOs over the journey."""
        self._names = {each.name for each in self._over}
        self._known: dict[tuple[Kind, str], tuple[str, ...]] = {}
        """Services by what was asked of them: of thousands of events a few dozen."""
        self._by_workload: dict[str, list[ScalingTarget]] = {}
        for target in catalogue.scaling_targets.values():
            self._by_workload.setdefault(str(target.workload), []).append(target)

    def services(self, kind: Kind, subject: str) -> tuple[str, ...]:
        """That it is about."""
        if (kind, subject) not in self._known:
            self._known[kind, subject] = self._services(kind, subject)
        return self._known[kind, subject]

    def _services(self, kind: Kind, subject: str) -> tuple[str, ...]:
        if kind is Kind.ALERT:
            slo = self._catalogue.judged.get(subject)
            return (slo.service,) if slo is not None and slo.service else ()
        targets = self.targets(kind, subject)
        if not targets and kind is not Kind.OVERRIDE:
            return (subject.rpartition("/")[2],)
        return tuple(sorted({service for target in targets for service in target.services}))

    def targets(self, kind: Kind, subject: str) -> Sequence[ScalingTarget]:
        """Of an override or a workload."""
        if kind is Kind.OVERRIDE:
            found = self._catalogue.scaling_targets.get(subject)
            return [] if found is None else [found]
        return self._by_workload.get(subject, [])

    def target(self, kind: Kind, subject: str, named: str) -> tuple[str, str] | None:
        """The one that it is about; of several of one workload the one that it names, else the first."""
        there = {} if kind is Kind.ALERT else {target.name: target for target in self.targets(kind, subject)}
        found = there.get(named) or next(iter(there.values()), None)
        return None if found is None else (found.workload.namespace, found.name)

    def concerned(self, change: Change) -> bool:
        """Whether it is what was asked about."""
        about = self._about
        if about.service and about.service not in change.services:
            return False
        if about.slo and change.kind is Kind.ALERT:
            return change.subject == about.slo
        if about.slo and change.kind is Kind.CORRECTION:
            return self._slo is not None and self._corrects(change, [self._slo])
        if self._journey:
            return self._on_journey(change)
        return not about.slo or (self._slo is not None and self._slo.service in change.services)

    def _on_journey(self, change: Change) -> bool:
        if change.kind is Kind.VERSION:
            return True  # asked of this journey alone
        if change.kind is Kind.ALERT:
            return change.subject in self._names
        if change.kind is Kind.CORRECTION:
            return self._corrects(change, self._over)
        targets = self.targets(change.kind, change.subject)
        if any(target.journeys for target in targets):
            return any(self._journey in target.journeys for target in targets)
        own = self._catalogue.journeys.get(self._journey)
        return not (self._seen | ({own.service} if own else set())).isdisjoint(change.services)

    def _corrects(self, change: Change, slos: Collection[Slo | FedSlo]) -> bool:
        correction = self._catalogue.corrections.get(change.subject)
        if correction is not None:
            return any(concerns(correction, slo) for slo in slos)
        return any(slo.service in change.services for slo in slos)


def _version(of: VersionChange) -> Change:
    return Change(
        Kind.VERSION,
        of.at,
        of.service,
        f"{of.before} → {of.version}" if of.before else of.version,
        services=(of.service,),
        rollback=of.rollback,
    )


def _change(event: Brief, mine: _Mine) -> Change:
    """Of one event. Fields that an older writer did not know are not there."""
    kind, said = _EVENTS[event.kind], event.detail
    lasts = kind in {Kind.ALERT, Kind.OVERRIDE, Kind.SCALEUP}
    return Change(
        kind,
        event.begin,
        event.subject,
        _what(kind, said),
        end=event.end if lasts else None,
        goes_on=lasts and event.end is None,
        who=_text(said, "who") or _text(said, "by") or _text(said, "served_by"),
        why=_text(said, "why") or _text(said, "summary") or ("" if kind is Kind.ALERT else _text(said, "reason")),
        id=event.id,
        services=mine.services(kind, event.subject),
        objective=_text(said, "objective"),
        group=_text(said, "group"),
        severity=_text(said, "severity"),
        target=mine.target(kind, event.subject, _text(said, "target")),
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
