"""EndpointSlices: which pods a Service sends to, and since when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from maibo_collectors.kubernetes.scaleups.reading import each, moment, part, text
from maibo_slo.store.scaleups import Moment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maibo_collectors.kubernetes.changes import Change

_TRIGGERED: Final = "endpoints.kubernetes.io/last-change-trigger-time"


class Endpoint(NamedTuple):
    """A pod in a slice."""

    uid: str
    in_rotation: Moment | None
    """None: it is not ready, as the slice has it."""


def endpoints(change: Change) -> Iterator[Endpoint]:
    """Every pod in this slice. A slice that is deleted has none.

    Who watches sees a slice late, never early: a pod was in rotation at the latest when the slice came. The annotation tells when what the
    slice newly has began; a list does not tell what is new.
    """
    if change.type == "DELETED":
        return
    received = None if change.listed else change.received
    trigger = moment(change.object, "metadata", "annotations", _TRIGGERED, source="watch")
    begin = change.received
    if trigger is not None and not change.listed:
        begin = min(trigger.earliest, change.received)
    at = Moment(begin, change.received, received, "list" if change.listed else "watch")
    for endpoint in each(change.object, "endpoints"):
        uid = text(endpoint, "targetRef", "uid")
        if text(endpoint, "targetRef", "kind") == "Pod" and uid:
            # Nothing said is ready, by the API's definition. A Service with `publishNotReadyAddresses` has all pods as ready: of these, those
            # that serve are.
            said = [part(endpoint, "conditions", condition) for condition in ("ready", "serving")]
            yield Endpoint(uid, None if False in said else at)
