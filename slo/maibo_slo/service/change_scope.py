"""Which changes may matter to what was asked about: a service, a journey or an SLO; and which services each is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maibo_slo.engine.corrections import concerns, journeys
from maibo_slo.service.changes import Kind

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from maibo_slo.documents import Catalogue, FedSlo, Slo
    from maibo_slo.documents.scaling_kinds import ScalingTarget
    from maibo_slo.service.changes import About


class Scope:
    """Of one question."""

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

    def concerned(self, kind: Kind, subject: str, services: Collection[str]) -> bool:
        """Whether a change of this kind, about this subject and these services, is what was asked about."""
        about = self._about
        if about.service and about.service not in services:
            return False
        if about.slo and kind is Kind.ALERT:
            return subject == about.slo
        if about.slo and kind is Kind.CORRECTION:
            return self._slo is not None and self._corrects(subject, services, [self._slo])
        if self._journey:
            return self._on_journey(kind, subject, services)
        return not about.slo or (self._slo is not None and self._slo.service in services)

    def _on_journey(self, kind: Kind, subject: str, services: Collection[str]) -> bool:
        if kind is Kind.VERSION:
            return True  # asked of this journey alone
        if kind is Kind.ALERT:
            return subject in self._names
        if kind is Kind.CORRECTION:
            return self._corrects(subject, services, self._over)
        targets = self.targets(kind, subject)
        if any(target.journeys for target in targets):
            return any(self._journey in target.journeys for target in targets)
        own = self._catalogue.journeys.get(self._journey)
        return not (self._seen | ({own.service} if own else set())).isdisjoint(services)

    def _corrects(self, name: str, services: Collection[str], slos: Collection[Slo | FedSlo]) -> bool:
        correction = self._catalogue.corrections.get(name)
        if correction is not None:
            return any(concerns(correction, slo) for slo in slos)
        return any(slo.service in services for slo in slos)
