"""Changes that come twice, late, broken or in another order between resources; restarts; bounds."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maibo_collectors.kubernetes.changes import Change
from maibo_collectors.kubernetes.scaleups import Assembly, cluster, reading
from maibo_collectors.kubernetes.scaleups.occurrences import pull
from maibo_slo.errors import StoreError
from maibo_slo.store.scaleups import PodState, ScaleUp, ScaleUpState

LATER = 300.0


def told(history: Any, changes: list[Change], at: float = LATER, assembly: Assembly | None = None) -> list[ScaleUp]:
    assembly = assembly or Assembly()
    for change in changes:
        assembly.take(change)
    assert assembly.unreadable == 0
    return assembly.due(history.zero + at)


@pytest.fixture(scope="module")
def busy(history: Any) -> Any:
    """Steps, a rollout in between, an eviction, a node and a pull."""
    h = history()
    h.hpa()
    h.begin(3)
    h.scale(4, 100.2)
    h.rescaled(4, 100.21)
    h.pod("a", 100.4)
    h.delete("checkout-api-7d8f-old0", 101.2, why="EvictionByEvictionAPI")
    h.pod("replacement", 101.4)
    h.scale(6, 115.2)
    h.rescaled(6, 115.21)
    cold = h.pod("cold", 115.4, scheduled=None)
    h.no_room(cold, 115.5)
    h.pod("b", 115.4, pulled='Successfully pulled image "x" in 1s (2s including waiting). Image size: 9 bytes.')
    h.node("node-b", 130)
    h.schedule(cold, 140, "node-b")
    h.become_ready(cold, 145)
    h.rotate(cold, 145.1)
    h.replica_set("8e9a", 2, 150.1)
    h.scale(7, 151)
    h.rescaled(7, 151.01)
    for n in range(7):
        h.pod(f"r{n}", 151.5 + 2 * n)
        if n < 6:
            h.delete(
                ["checkout-api-7d8f-" + each for each in ("old1", "old2", "a", "b", "cold", "replacement")][n], 156 + n
            )
    return h


def test_much_at_once_is_told_apart(busy: Any):
    h = busy
    scaleups = told(h, h.ordered())
    assert [[pod.name[13:] for pod in each.pods] for each in scaleups] == [
        ["7d8f-a"],
        ["7d8f-b", "7d8f-cold"],
        ["8e9a-r6"],
    ]
    assert {each.state for each in scaleups} == {ScaleUpState.COMPLETE}
    assert [each.skews for each in scaleups] == [0, 0, 0]


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_order_between_resources_tells_the_same(busy: Any, data: st.DataObject):
    h = busy
    expected = told(h, h.ordered())
    assert told(h, mixed(h, data)) == expected


def mixed(history: Any, data: st.DataObject) -> list[Change]:
    """Each resource's changes in their order."""
    streams: dict[str, list[Change]] = {}
    for change in history.ordered():
        streams.setdefault(change.resource, []).append(change)
    left = [resource for resource, changes in streams.items() for _ in changes]
    return [streams[resource].pop(0) for resource in data.draw(st.permutations(left))]


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_looking_in_between_changes_nothing_in_any_order(busy: Any, data: st.DataObject):
    expected = {each.id: each for each in told(busy, busy.ordered())}
    changes = mixed(busy, data) if data.draw(st.booleans()) else busy.ordered()
    looks = data.draw(st.sets(st.integers(0, len(changes)), max_size=20))
    assembly, newest, now = Assembly(), {}, 0.0
    for n, change in enumerate(changes):
        assembly.take(change)
        now = max(now, change.received)
        if n in looks:
            newest |= {each.id: each for each in assembly.due(now)}
    newest |= {each.id: each for each in assembly.due(busy.zero + LATER)}
    assert newest == expected


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_changes_that_come_again_change_nothing(busy: Any, data: st.DataObject):
    """A watch that begins anew tells what it told before."""
    h = busy
    changes = h.ordered()
    again = list(changes)
    for n in sorted(data.draw(st.sets(st.integers(0, len(changes) - 1), max_size=15)), reverse=True):
        back = data.draw(st.integers(0, n))
        again[n + 1 : n + 1] = [each for each in changes[back : n + 1] if each.resource == changes[n].resource]
    assert told(h, again) == told(h, changes)


def test_an_older_object_neither_scales_down_nor_up(history: Any):
    h = history()
    h.begin(2)
    h.scale(4, 100.2)
    h.scale(8, 110.2)
    old = next(change for change in h.changes if change.resource == "deployments")
    newest = h.changes[-1]
    scaleups = told(h, [*h.ordered(), replace(old, received=h.zero + 120), replace(newest, received=h.zero + 121)])
    assert [(each.before, each.after, each.state) for each in scaleups] == [
        (2, 4, ScaleUpState.RUNNING),
        (4, 8, ScaleUpState.RUNNING),
    ]


def test_a_restarted_recorder_goes_on_with_what_was_running(history: Any):
    h = history()
    h.hpa()
    h.begin(2)
    h.scale(4, 100.2)
    h.rescaled(4, 100.21)
    h.pod("a", 100.4)
    late = h.pod("b", 100.4, ready=None)
    before = h.ordered()
    [running] = told(h, before, 120)
    assert running.state is ScaleUpState.RUNNING
    h.changes.clear()
    h._workload(200, listed=True)
    h.replica_set("7d8f", 1, -600, listed=True, seen=200)
    h.changes[-1] = replace(h.changes[-1], type="ADDED")
    for pod in h.pods.values():
        h.tell("pods", "ADDED", pod, 200, listed=True)
    h.rotate("checkout-api-7d8f-a", 200, listed=True)
    h.become_ready(late, 205.5)
    h.rotate(late, 205.7)
    [scaleup] = told(
        h, h.ordered(), assembly=Assembly(resumed=[running, replace(running, id="x", state=ScaleUpState.COMPLETE)])
    )
    assert scaleup.id == running.id
    assert scaleup.state is ScaleUpState.COMPLETE
    assert scaleup.ended == pytest.approx(h.zero + 205.72)
    assert (scaleup.by, scaleup.reason) == ("hpa", running.reason)
    assert [pod.state for pod in scaleup.pods] == [PodState.SERVING] * 2
    assert scaleup.pods[0].moments == running.pods[0].moments, "what was seen first holds"
    assert "the recorder was restarted meanwhile" in scaleup.notes


def test_a_scale_down_while_the_recorder_was_away_takes_back_what_was_running(history: Any):
    h = history()
    h.begin(2)
    h.scale(4, 100.2)
    [running] = told(h, h.ordered(), 120)
    h.changes.clear()
    h.replicas = 2
    h._workload(200, listed=True)
    [scaleup] = told(h, h.ordered(), assembly=Assembly(resumed=[running]))
    assert (scaleup.state, scaleup.why_censored) == (ScaleUpState.CENSORED, "scaled down to 2")


def test_what_was_running_is_ended_even_if_nothing_is_heard_of_it_again(history: Any):
    h = history()
    h.begin(2)
    h.scale(4, 100.2)
    [running] = told(h, h.ordered(), 120)
    assembly = Assembly(resumed=[running])
    assert assembly.due(h.zero + 7200) == [], "all has to be listed first"
    [scaleup] = assembly.due(h.zero + 7261)
    assert (scaleup.id, scaleup.state) == (running.id, ScaleUpState.CENSORED)
    assert scaleup.ended == pytest.approx(h.zero + 3600 + 101)
    assert scaleup.why_censored == "not complete within 60 min"


def test_what_rose_while_the_recorder_was_away_is_no_scale_up(history: Any):
    h = history()
    h.begin(2)
    h.scale(4, 100.2)
    [running] = told(h, h.ordered(), 120)
    h.changes.clear()
    h.replicas = 9
    h._workload(200, listed=True)
    [scaleup] = told(h, h.ordered(), assembly=Assembly(resumed=[running]))
    assert (scaleup.id, scaleup.before, scaleup.after) == (running.id, 2, 4)


def test_a_store_that_does_not_answer_is_asked_again(history: Any):
    h = history()
    h.begin(1)
    h.scale(2, 100.2)
    h.pod("a", 100.4)
    answers: list[Any] = [StoreError("away"), {"checkout-api-7d8f-a": h.zero + 103.5}]

    def served(namespace: str, pods: Any) -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assembly = Assembly(served=served)
    [first] = told(h, h.ordered(), 200, assembly)
    assert assembly.unanswered == 1
    [second] = assembly.due(h.zero + 211)
    assert len(second.moments) == len(first.moments) + 1


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True)
    | st.text(max_size=8)
    | st.just("2025-10-09T08:55:00Z"),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "uid", "kind", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_no_object_makes_it_raise(history: Any, data: st.DataObject):
    """A history of which a few fields are anything."""
    h = history()
    h.hpa()
    h.begin(1)
    h.scale(2, 100.2)
    h.pod("a", 100.4)
    h.replica_set("8e9a", 2, 110)
    assembly = Assembly()
    for change in h.ordered():
        item = copy.deepcopy(dict(change.object))
        for _ in range(data.draw(st.integers(0, 2))):
            place: Any = item
            while isinstance(place, dict) and place:
                key = data.draw(st.sampled_from(sorted(place)))
                if data.draw(st.booleans()) or not isinstance(place[key], dict | list) or not place[key]:
                    place[key] = data.draw(JSON)
                    break
                place = place[key] if isinstance(place[key], dict) else place[key][0]
        assembly.take(replace(change, object=item))
    for scaleup in assembly.due(h.zero + LATER):
        assert scaleup.after > scaleup.before


@pytest.mark.parametrize(
    ("resource", "item"),
    [
        ("pods", {}),
        ("pods", {"metadata": None}),
        (
            "pods",
            {
                "metadata": {
                    "uid": "u",
                    "name": "a",
                    "namespace": "b",
                    "ownerReferences": [{"kind": "X", "name": "x", "controller": True}],
                    "creationTimestamp": "9999-99-99T00:00:00Z",
                }
            },
        ),
        ("deployments", {"metadata": {"name": "a", "namespace": "b"}, "spec": {"replicas": "many"}}),
        ("deployments", {"metadata": {"name": "a", "namespace": "b"}, "spec": {"replicas": -3}}),
        ("deployments", {"metadata": {"name": "a", "namespace": "b"}}),
        ("events", {"reason": "Started", "involvedObject": {"kind": "Pod", "name": "a"}, "metadata": {"name": "a.1"}}),
        ("events", {"involvedObject": "none"}),
        ("horizontalpodautoscalers", {"metadata": {"name": "a", "namespace": "b"}}),
        ("nodes", {"metadata": {"name": "a", "creationTimestamp": 5}}),
        ("replicasets", {"metadata": {"ownerReferences": [{"kind": "Deployment", "name": "x", "controller": True}]}}),
    ],
    ids=range(11),
)
def test_what_is_no_such_object_is_counted(resource: str, item: Any):
    assembly = Assembly()
    assembly.take(Change(resource, "ADDED", item, 1_760_000_000.0))
    assert assembly.unreadable == 1
    assert assembly.due(1_760_000_100.0) == []


@pytest.mark.parametrize("received", [0.0, float("nan"), float("inf"), -1.0])
def test_a_change_that_came_at_no_time_is_counted(received: float):
    assembly = Assembly()
    assembly.take(
        Change("nodes", "ADDED", {"metadata": {"name": "a", "creationTimestamp": "2025-10-09T08:55:00Z"}}, received)
    )
    assert assembly.unreadable == 1


def test_what_is_held_is_bounded(history: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cluster, "MOST_PODS", 5)
    monkeypatch.setattr(cluster, "MOST_WORKLOADS", 1)
    monkeypatch.setattr(cluster, "MOST_NODES", 2)
    h = history()
    h.begin(1)
    h.scale(2, 100.2)
    for n in range(8):
        h.pod(f"n{n}", 100.4)
        h.node(f"node-{n}", 50)
    other = history(name="other")
    other.begin(1)
    assembly = Assembly()
    for change in [*h.ordered(), *other.ordered()]:
        assembly.take(change)
    assembly.due(h.zero + LATER)
    assert assembly.overflowed > 0
    assert len(assembly._cluster._pods) == 5
    assert len(assembly._cluster.scaled) == 1
    assert len(assembly._cluster.nodes) == 2


def test_replica_sets_that_come_a_while_before_their_workload_are_remembered(history: Any):
    h = history()
    h.begin(2)
    h.replica_set("8e9a", 2, 90.1)
    h.scale(3, 100.2)
    for n in range(3):
        h.pod(f"r{n}", 100.5 + n)
    first = [change for change in h.ordered() if change.resource == "replicasets"]
    assembly = Assembly()
    told(h, first, 92, assembly)
    [scaleup] = told(h, [change for change in h.ordered() if change not in first], assembly=assembly)
    assert [pod.name for pod in scaleup.pods] == ["checkout-api-8e9a-r2"]


def test_a_workload_that_is_made_anew_takes_no_pods_to_its_former_scale_up(history: Any):
    h = history()
    h.begin(1)
    h.scale(3, 100.2)
    h.pod("a", 100.4)
    h.remove(110)
    h.replicas = 2
    h._workload(120, type_="ADDED")
    h.changes[-1].object["metadata"]["uid"] = "uid-anew"
    for n in range(2):
        h.pod(f"again{n}", 120.5)
    assembly = Assembly()
    [scaleup] = told(h, h.ordered(), assembly=assembly)
    assert [pod.name[-1] for pod in scaleup.pods] == ["a"]
    assert scaleup.why_censored == "the workload was deleted"
    assert assembly.pods_by_cause == {"creation": 2}


def test_what_is_over_is_let_go_of(busy: Any):
    h = copy.deepcopy(busy)
    h.event("Pod", "stranger", "uid-stranger", "Scheduled", "assigned", 100, exact=True)
    assembly = Assembly()
    told(h, h.ordered(), assembly=assembly)
    assembly.due(h.zero + 1200)
    assembly.due(h.zero + 1300)
    left = assembly._cluster
    assert left.scaled[h.workload].decisions == []
    assert len(left.scaled[h.workload].pods) == len(left._pods) == 7, "those that run"
    assert len(left.scaled[h.workload].levels) == 1
    assert not left.awake
    assert assembly.due(h.zero + 2000) == []
    h.changes.clear()
    for pod in [name for name in h.pods if "8e9a" in name]:
        h.delete(pod, 2001)
    h.remove(2002)
    told(h, h.ordered(), 2100, assembly)
    for later in (2900, 3000, 3100):
        assembly.due(h.zero + later)
    assert not left.scaled
    assert not left._pods


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("796ms", 0.796),
        ("1m2.3s", 62.3),
        ("1h0m0.5s", 3600.5),
        ("12.5µs", 12.5e-6),
        ("0s", 0.0),
        ("", None),
        ("5", None),
        ("1s x", None),
        ("s", None),
    ],
)
def test_durations_are_read_as_go_writes_them(written: str, seconds: float | None):
    assert reading.duration_seconds(written) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("message", "found"),
    [
        (
            'Successfully pulled image "a:1" in 796ms (1.594s including waiting). Image size: 123 bytes.',
            (0.796, 0.798, 123),
        ),
        ('Successfully pulled image "a:1" in 1m2.3s (1m2.3s including waiting)', (62.3, 0, None)),
        ('Successfully pulled image "a:1" in 2s. Image size: 5 bytes.', (2, 0, 5)),
        ('Successfully pulled image "a:1" in 2.5s', (2.5, 0, None)),
        ('Container image "a:1" already present on machine and can be accessed by the pod', (0, 0, None)),
        ("Pulled somehow", None),
        ('Successfully pulled image "a:1" in ages', None),
    ],
    ids=range(7),
)
def test_what_a_kubelet_says_of_a_pull_is_understood(message: str, found: tuple[float, float, int | None] | None):
    pulled = pull(message)
    if found is None:
        assert pulled is None
        return
    assert pulled is not None
    assert (pulled.seconds, pulled.queued_seconds) == pytest.approx(found[:2])
    assert pulled.image_bytes == found[2]
