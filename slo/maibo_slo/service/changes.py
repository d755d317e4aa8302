"""What may have changed: versions, overrides, corrections, scale-ups, rises, writes of the fast lane and alerts, all as one kind of thing.

Somebody who looks at a chart asks what happened just before; so whatever may have moved it is told in one list, and everything that draws it asks for
that.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MOST: Final = 500
"""Of a kind, and of all."""


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
