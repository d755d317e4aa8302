"""Kubernetes' Events: what somebody said happened, to the nanosecond where they let us see it.

Events are lost (after an hour, to a filter of spam, to a full queue), so all that they tell only refines what objects tell. client-go names
an event after its object and the hexadecimal UnixNano of its making (``checkout-api-x2x.17a3c5…``), where its fields have seconds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from maibo_collectors.kubernetes.scaleups.reading import duration_seconds, moment, required, sane, text, whole
from maibo_slo.store.scaleups import Moment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maibo_collectors.kubernetes.changes import Change

_NANOSECONDS: Final = re.compile(r"\.([0-9a-f]{15,16})$")
_CONTAINER: Final = re.compile(r"^spec\.(initContainers|containers|ephemeralContainers)\{(.{1,100})\}$")
_PULLED: Final = re.compile(
    r'^Successfully pulled image ".*" in ((?:[\d.]+[a-zµμ]+){1,8})'
    r"(?: \(((?:[\d.]+[a-zµμ]+){1,8}) including waiting\))?(?:\. Image size: (\d{1,15}) bytes\.)?"
)
_PRESENT: Final = "already present on machine"
_APART_SECONDS: Final = 1.0
"""By how much an event's name and its fields, one clock's both, may differ."""


@dataclass(frozen=True, slots=True)
class Occurrence:
    """What an event told of once."""

    namespace: str
    kind: str
    name: str
    uid: str
    container: str
    """``main`` for ``spec.containers{main}``; empty if it is about none, or not about an ordinary one."""
    initial: bool
    """It is about an init container."""
    reason: str
    message: str
    moment: Moment


@dataclass(frozen=True, slots=True)
class Pull:
    """What the kubelet said of one image."""

    seconds: float
    queued_seconds: float
    image_bytes: int | None


def occurrence(change: Change) -> Occurrence:
    """What this event tells, of either API group. ValueError for what is none."""
    event = change.object
    about: Mapping[str, Any] = event.get("involvedObject") or event.get("regarding") or {}
    when = _when(event, None if change.listed else change.received)
    if when is None:
        raise ValueError("no time")
    place = _CONTAINER.match(text(about, "fieldPath"))
    return Occurrence(
        namespace=text(about, "namespace") or text(event, "metadata", "namespace"),
        kind=required(about, "kind"),
        name=required(about, "name"),
        uid=text(about, "uid"),
        container=place[2] if place and place[1] == "containers" else "",
        initial=place is not None and place[1] == "initContainers",
        reason=required(event, "reason"),
        message=text(event, "message") or text(event, "note"),
        moment=when,
    )


def _when(event: Mapping[str, Any], received: float | None) -> Moment | None:
    """Its newest occurrence: one that is repeated keeps its name and first time."""

    def at(*path: str) -> Moment | None:
        return moment(event, *path, source=path[-1], received=received)

    repeated = (whole(event, "count") or whole(event, "series", "count") or whole(event, "deprecatedCount") or 1) > 1
    if repeated:
        last = at("series", "lastObservedTime") or at("lastTimestamp") or at("deprecatedLastTimestamp")
        if last is not None:
            return last
    exact = at("eventTime")
    if exact is not None:
        return exact
    first = at("firstTimestamp") or at("deprecatedFirstTimestamp") or at("metadata", "creationTimestamp")
    named = _named(text(event, "metadata", "name"))
    if named is not None and (
        first is None or first.earliest - _APART_SECONDS <= named <= first.latest + _APART_SECONDS
    ):
        return Moment(named, named, received, "event name")
    return first


def _named(name: str) -> float | None:
    found = _NANOSECONDS.search(name)
    seconds = int(found[1], 16) / 1e9 if found else 0.0
    return seconds if sane(seconds) else None


def pull(message: str) -> Pull | None:
    """What a kubelet's ``Pulled`` says; None where it is in other words."""
    found = _PULLED.match(message)
    if found is None:
        return Pull(0.0, 0.0, None) if _PRESENT in message else None
    seconds = duration_seconds(found[1])
    waited = duration_seconds(found[2]) if found[2] else seconds
    if seconds is None or waited is None:
        return None
    return Pull(seconds, max(0.0, waited - seconds), int(found[3]) if found[3] else None)
