"""A cluster that gets more pods, as maibo's recorder watches it."""

from __future__ import annotations

import time
from typing import Any


class Cluster:
    """An API server with a workload that has been running for long, and gets more pods."""

    def __init__(self, api: Any, builder: Any) -> None:
        self.api = api
        builder.BEGIN = float(int(time.time()))
        self._begin = builder.BEGIN
        self._history = builder.History()
        self._told = 0
        self.changed: dict[str, float] = {}
        """Resource -> when one of its objects changed last since it is watched, unix s."""
        self._history.hpa()
        self._history.node("node-a", -86_400)
        self._history.begin(3)
        self._happen(at_once=True)

    def scale(self, replicas: int) -> None:
        """What follows from it, in some two seconds."""
        history, at = self._history, time.time() - self._begin + 0.05
        before = len(history.pods)
        history.scale(replicas, at)
        name = f"checkout-api-{history.template}"
        history.sets[history.template]["spec"]["replicas"] = replicas
        history.replica_set(history.template, 1, 0, seen=at)
        said = f"Scaled up replica set {name} from {before} to {replicas}"
        history.event("Deployment", "checkout-api", "uid-checkout-api", "ScalingReplicaSet", said, at)
        for number, suffix in enumerate(["k7xq2", "m4zvd"][: replicas - before]):
            history.pod(suffix, at + 0.05 + number / 50, ready=1.2, rotated=1.3)
        self._happen()

    def _happen(self, *, at_once: bool = False) -> None:
        changes, self._told = self._history.changes[self._told :], len(self._history.changes)
        for change in sorted(changes, key=lambda each: each.received):
            time.sleep(0 if at_once else max(0.0, change.received - time.time()))
            self.api.put(change.resource, change.object)
            if not at_once:
                self.changed[change.resource] = time.time()
