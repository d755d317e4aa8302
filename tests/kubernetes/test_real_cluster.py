"""Against a real cluster, when asked for: MAIBO_TEST_KUBERNETES=1 and KUBECONFIG. It only reads."""

from __future__ import annotations

import os
import threading

import pytest

from maibo_collectors.kubernetes.changes import Change
from maibo_collectors.kubernetes.watch import Sight, Told, Watch
from maibo_collectors.kubernetes.watched import WATCHED
from maibo_slo.kubernetes import Cluster

pytestmark = pytest.mark.skipif(
    not (os.environ.get("MAIBO_TEST_KUBERNETES") == "1" and os.environ.get("KUBECONFIG")),
    reason="MAIBO_TEST_KUBERNETES=1 and KUBECONFIG ask for it",
)


@pytest.mark.parametrize("watched", WATCHED, ids=lambda watched: watched.plural)
def test_every_kind_is_seen_as_it_is(watched: object) -> None:
    kind = next(each for each in WATCHED if each is watched)
    told: list[Told] = []
    decided = threading.Event()

    def tell(each: Told) -> None:
        told.append(each)
        if isinstance(each, Sight):
            decided.set()

    with Cluster() as cluster:
        watch = Watch(cluster, kind, "", tell, pause=lambda _: decided.set())
        thread = threading.Thread(target=watch.run, daemon=True)
        thread.start()
        assert decided.wait(30)
        watch.stop()
        thread.join(10)
    assert not thread.is_alive()
    assert watch.problem is None
    if not kind.optional:
        assert isinstance(told[-1], Sight)
    changes = [each for each in told if isinstance(each, Change)]
    assert all(each.object["metadata"]["uid"] and each.resource == kind.plural for each in changes)
    if kind.plural == "nodes":
        assert changes
