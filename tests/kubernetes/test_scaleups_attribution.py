"""Whose pod is whose: rollouts, evictions, drains and crashes make pods too, and these are none of a scale-up's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from maibo_collectors.kubernetes.scaleups import Assembly
from maibo_slo.store.scaleups import PodState, ScaleUp, ScaleUpState, Stage

LATER = 300.0


def told(history: Any, at: float = LATER, assembly: Assembly | None = None) -> list[ScaleUp]:
    """All that is told of a history at a time, in s since its begin."""
    assembly = assembly or Assembly()
    for change in history.ordered():
        assembly.take(change)
    assert assembly.unreadable == 0
    return assembly.due(history.zero + at)


def names(scaleup: ScaleUp) -> list[str]:
    return [pod.name.removeprefix("checkout-api-") for pod in scaleup.pods]


def test_what_a_first_list_shows_is_no_scale_up(history: Any):
    h = history()
    h.begin(7)
    assembly = Assembly()
    assert told(h, assembly=assembly) == []
    assert not assembly.pods_by_cause


def test_a_new_workload_is_no_scale_up(history: Any):
    h = history()
    h.replicas = 2
    h._workload(50, type_="ADDED")
    h.replica_set("7d8f", 1, 50.1)
    h.pod("a", 50.2)
    h.pod("b", 50.2)
    assembly = Assembly()
    assert told(h, assembly=assembly) == []
    assert assembly.pods_by_cause == {"creation": 2}


def test_a_rollout_is_no_scale_up(history: Any):
    h = history()
    h.begin(3)
    h.replica_set("8e9a", 2, 100.1)
    for n in range(3):
        h.pod(f"r{n}", 100.3 + 5 * n)
        h.delete(f"checkout-api-7d8f-old{n}", 104.3 + 5 * n)
    assembly = Assembly()
    assert told(h, assembly=assembly) == []
    assert assembly.pods_by_cause == {"rollout": 3}


def test_a_scale_up_in_a_rollout_has_the_pods_beyond_the_rollout_s(history: Any):
    h = history()
    h.begin(4)
    h.replica_set("8e9a", 2, 100.1)
    h.pod("r0", 100.3)
    h.delete("checkout-api-7d8f-old0", 103)
    h.scale(6, 104.2)
    h.pod("proportional", 104.4, template="7d8f")  # the controller spreads what is added over old and new
    for n in range(1, 6):
        h.pod(f"r{n}", 104.5 + n)
    for n in range(1, 4):
        h.delete(f"checkout-api-7d8f-old{n}", 108 + n)
    h.delete("checkout-api-7d8f-proportional", 113)
    [scaleup] = told(h)
    assert names(scaleup) == ["8e9a-r4", "8e9a-r5"]
    assert scaleup.state is ScaleUpState.COMPLETE
    assert scaleup.version == "8e9a"
    assert scaleup.notes == ("meanwhile other pods were made: 4 by rollout",)


def test_a_slow_rollout_that_began_long_before_keeps_its_pods(history: Any):
    h = history()
    h.begin(4)
    h.replica_set("8e9a", 2, 10)
    h.pod("r0", 10.5)
    h.pod("r1", 10.5)
    h.delete("checkout-api-7d8f-old0", 14)
    h.delete("checkout-api-7d8f-old1", 14)
    h.scale(5, 200.2)
    for n in range(2, 5):
        h.pod(f"r{n}", 200.5 + n)
    [scaleup] = told(h)
    assert names(scaleup) == ["8e9a-r4"]


def test_template_and_replicas_in_one_write_are_a_rollout_and_a_scale_up(history: Any):
    h = history()
    h.begin(2)
    h.scale(3, 100.2, manager="argocd-controller")
    h.replica_set("8e9a", 2, 100.4)
    for n in range(3):
        h.pod(f"r{n}", 100.6 + n)
    [scaleup] = told(h)
    assert names(scaleup) == ["8e9a-r2"]


def test_a_rollout_that_takes_its_pods_away_censors_a_scale_up(history: Any):
    h = history()
    h.begin(2)
    h.scale(4, 100.2)
    h.pod("a", 100.4, ready=None)
    h.pod("b", 100.4, ready=None)
    h.replica_set("8e9a", 2, 110.1)
    for n in range(4):
        h.pod(f"r{n}", 110.3 + n)
    h.delete("checkout-api-7d8f-a", 111)
    h.delete("checkout-api-7d8f-b", 112)
    [scaleup] = told(h)
    assert (scaleup.state, scaleup.why_censored) == (
        ScaleUpState.CENSORED,
        "a rollout or a scale-down took pods of it away",
    )
    assert {pod.state for pod in scaleup.pods} == {PodState.SUPERSEDED}


def test_a_rollback_makes_an_old_template_the_current_one_again(history: Any):
    h = history()
    h.begin(2)
    h.replica_set("8e9a", 2, 50.1)
    h.pod("bad0", 50.3, ready=None)
    h.replica_set("7d8f", 3, 55)
    h.delete("checkout-api-8e9a-bad0", 55.2)
    h.scale(3, 150.2)
    h.pod("a", 150.4, template="7d8f")
    [scaleup] = told(h)
    assert names(scaleup) == ["7d8f-a"]
    assert scaleup.state is ScaleUpState.COMPLETE


@pytest.mark.parametrize(
    ("why", "cause"),
    [
        ("EvictionByEvictionAPI", "eviction"),
        ("PreemptionByScheduler", "preemption"),
        ("DeletionByTaintManager", "node"),
        ("", "deletion"),
    ],
)
def test_a_replacement_is_none_of_a_scale_up_s(history: Any, why: str, cause: str):
    h = history()
    h.begin(3)
    h.delete("checkout-api-7d8f-old1", 99.1, why=why)
    h.pod("replacement", 99.3)
    h.scale(5, 100.2)
    h.pod("a", 100.4)
    h.delete("checkout-api-7d8f-old2", 100.7, why=why)
    h.pod("b", 100.9)
    h.pod("c", 101.9)
    assembly = Assembly()
    [scaleup] = told(h, assembly=assembly)
    assert names(scaleup) == ["7d8f-a", "7d8f-b"]
    assert scaleup.state is ScaleUpState.COMPLETE
    assert assembly.pods_by_cause == {cause: 2}


def test_a_pod_that_failed_is_replaced(history: Any):
    h = history()
    h.begin(2)
    h.pods["checkout-api-7d8f-old0"]["status"] |= {"phase": "Failed", "reason": "Evicted"}
    h.tell("pods", "MODIFIED", h.pods["checkout-api-7d8f-old0"], 50)
    h.pod("replacement", 50.2)
    assembly = Assembly()
    assert told(h, assembly=assembly) == []
    assert assembly.pods_by_cause == {"node": 1}


def test_a_pod_that_replaces_one_of_its_own_before_it_served_stands_in_for_it(history: Any):
    h = history()
    h.begin(1)
    h.scale(3, 100.2)
    h.pod("a", 100.4)
    dead = h.pod("dead", 100.4, ready=None)
    h.delete(dead, 110.2, why="DeletionByTaintManager")
    h.pod("instead", 110.4)
    [scaleup] = told(h)
    assert names(scaleup) == ["7d8f-a", "7d8f-dead", "7d8f-instead"]
    assert [pod.state for pod in scaleup.pods] == [PodState.SERVING, PodState.NEVER_READY, PodState.SERVING]
    assert scaleup.state is ScaleUpState.COMPLETE
    assert scaleup.notes == ("1 of its pods stand in for ones that never served",)
    assert scaleup.ended == pytest.approx(h.zero + 113.12)


def test_an_eviction_after_it_served_leaves_a_scale_up_as_it_was(history: Any):
    h = history()
    h.begin(1)
    h.scale(3, 100.2)
    first = h.pod("a", 100.4)
    h.pod("b", 100.4, ready=60, rotated=60.2)
    h.delete(first, 120.2, why="EvictionByEvictionAPI")
    h.pod("replacement", 120.4)
    [scaleup] = told(h)
    assert names(scaleup) == ["7d8f-a", "7d8f-b"]
    assert scaleup.state is ScaleUpState.COMPLETE
    assert scaleup.ended == pytest.approx(h.zero + 160.62)


def test_a_stateful_set_s_pods_are_told_by_their_ordinals(history: Any):
    h = history(kind="StatefulSet", name="checkout-api")
    h.begin(2)
    h.scale(4, 100.2)
    h.pod("2", 100.4)
    h.delete("checkout-api-0", 102, why="EvictionByEvictionAPI")
    h.pod("0", 103.4, uid="uid-again")
    h.pod("3", 103.4)  # in order: when its predecessor is ready
    [scaleup] = told(h)
    assert names(scaleup) == ["2", "3"]
    assert scaleup.state is ScaleUpState.COMPLETE
    assert scaleup.ended == pytest.approx(h.zero + 106.12)
    assert scaleup.notes == ("meanwhile other pods were made: 1 by eviction",)


def test_an_ordinal_that_comes_again_before_it_served_stands_in_for_itself(history: Any):
    h = history(kind="StatefulSet")
    h.begin(1)
    h.scale(2, 100.2)
    h.pod("1", 100.4, ready=None)
    h.delete("checkout-api-1", 105, why="PreemptionByScheduler")
    h.pod("1", 107.4, uid="uid-again")
    [scaleup] = told(h)
    assert [pod.state for pod in scaleup.pods] == [PodState.NEVER_READY, PodState.SERVING]
    assert scaleup.state is ScaleUpState.COMPLETE


def test_a_canary_does_not_keep_a_rollout_s_scale_up_from_its_pods(history: Any):
    h = history(kind="Rollout")
    h.begin(4)
    h.replica_set("8e9a", 2, 10)
    h.pod("canary", 10.5)
    h.scale(6, 200.2)
    h.pod("stable", 200.5, template="7d8f")
    h.pod("more", 200.5, template="8e9a")
    [scaleup] = told(h)
    assert names(scaleup) == ["7d8f-stable", "8e9a-more"]
    assert scaleup.state is ScaleUpState.COMPLETE
    assert str(scaleup.workload) == "shop/Rollout/checkout-api"


def test_pods_are_joined_without_replica_sets_by_their_names(history: Any):
    h = history()
    h.begin(1)
    h.scale(2, 100.2)
    h.pod("a", 100.4)
    h.changes = [change for change in h.changes if change.resource != "replicasets"]
    [scaleup] = told(h)
    assert names(scaleup) == ["7d8f-a"]
    assert scaleup.state is ScaleUpState.COMPLETE


def test_another_kind_with_a_scale_is_a_workload_too(history: Any):
    h = history()
    h.tell(
        "games",
        "ADDED",
        {"kind": "Game", "metadata": {"name": "chess", "namespace": "shop"}, "spec": {"replicas": 1}},
        0,
        listed=True,
    )
    h.tell(
        "games",
        "MODIFIED",
        {"kind": "Game", "metadata": {"name": "chess", "namespace": "shop"}, "spec": {"replicas": 2}},
        100,
    )
    owner = [{"kind": "Game", "name": "chess", "controller": True}]
    pod = {
        "metadata": {
            "name": "chess-x",
            "namespace": "shop",
            "uid": "u",
            "creationTimestamp": "2025-10-09T08:55:00Z",
            "ownerReferences": owner,
        }
    }
    h.tell("pods", "ADDED", pod, 100.5)
    [scaleup] = told(h)
    assert str(scaleup.workload) == "shop/Game/chess"
    assert [pod.name for pod in scaleup.pods] == ["chess-x"]


def test_what_a_later_list_finds_was_decided_since_the_workload_was_last_seen(history: Any):
    h = history(events=False)
    h.begin(2)
    h.scale(2, 90)  # its status changed, say
    h.scale(4, 130, listed=True, manager="")
    h.pod("a", 101.4)
    h.pod("b", 101.4)
    [scaleup] = told(h)
    decided = scaleup.moments[Stage.DECIDED]
    assert (decided.earliest, decided.latest) == pytest.approx((h.zero + 90.02, h.zero + 130.02))
    assert (decided.received, decided.source) == (None, "list")
    assert names(scaleup) == ["7d8f-a", "7d8f-b"]
    assert scaleup.skews == 0
    assert scaleup.notes[0] == "found by a list after a gap in the watch: it may be several decisions in one"


@pytest.mark.parametrize(("writes", "interval"), [(1, (110, 111)), (3, (90.02, 111))])
def test_of_one_write_in_a_gap_the_api_server_noted_when(history: Any, writes: int, interval: tuple[float, float]):
    h = history(events=False)
    h.begin(2)
    h.scale(2, 90)
    h.scale(4, 110.4, listed=True, writes=writes)
    change = h.changes.pop()
    h.changes.append(type(change)(change.resource, change.type, change.object, h.zero + 130, listed=True))
    [scaleup] = told(h)
    decided = scaleup.moments[Stage.DECIDED]
    assert (decided.earliest - h.zero, decided.latest - h.zero) == pytest.approx(interval)


def test_a_gap_begins_when_the_watch_broke_off_however_long_nothing_had_changed(history: Any):
    h = history(events=False)
    h.begin(2)
    h.scale(4, 7200, listed=True, manager="")
    h.changes[-1] = replace(h.changes[-1], since=h.zero + 7150)
    [scaleup] = told(h, 7300)
    decided = scaleup.moments[Stage.DECIDED]
    assert (decided.earliest - h.zero, decided.latest - h.zero) == pytest.approx((7150, 7200.02))


def test_an_event_tells_when_a_gap_hid_it(history: Any):
    h = history()
    h.hpa()
    h.begin(2)
    h.rescaled(4, 110.25)
    h.scale(4, 130, listed=True, manager="")
    [scaleup] = told(h)
    decided = scaleup.moments[Stage.DECIDED]
    assert (scaleup.by, decided.source) == ("hpa", "event name")
    assert decided.earliest == decided.latest == pytest.approx(h.zero + 110.25)


def test_a_deployment_s_event_narrows_a_gap(history: Any):
    h = history()
    h.begin(2)
    h.scale(2, 90)
    h.scale(4, 130, listed=True, manager="")
    h.event(
        "Deployment", h.name, "uid", "ScalingReplicaSet", "Scaled up replica set checkout-api-7d8f from 2 to 4", 105.5
    )
    [scaleup] = told(h)
    decided = scaleup.moments[Stage.DECIDED]
    assert (decided.earliest - h.zero, decided.latest - h.zero) == pytest.approx((90.02, 105.5))


def test_a_pod_of_an_earlier_scale_up_that_goes_is_replaced_and_the_next_scale_up_has_its_own(history: Any):
    h = history()
    h.begin(1)
    h.scale(2, 100.2)
    first = h.pod("a", 100.4)
    assembly = Assembly()
    told(h, assembly=assembly)
    assembly.due(h.zero + 1000)
    h.changes.clear()
    h.delete(first, 1000.2)
    h.scale(3, 1001.2)
    h.pod("replacement", 1001.4)
    h.pod("b", 1002.4)
    [scaleup] = told(h, 1100, assembly)
    assert names(scaleup) == ["7d8f-b"]


def test_a_rollback_before_anybody_watched_is_known_by_its_revision(history: Any):
    h = history()
    h.begin(2)
    h.replica_set("8e9a", 2, -300, listed=True, seen=0)
    h.changes = [change for change in h.changes if change.object["metadata"]["name"] != "checkout-api-7d8f"]
    h.sets.pop("7d8f")
    h.replica_set("7d8f", 3, -600, listed=True, seen=0)
    h.scale(3, 150.2)
    h.pod("a", 150.4)
    [scaleup] = told(h)
    assert names(scaleup) == ["7d8f-a"]
    assert scaleup.state is ScaleUpState.COMPLETE
    assert scaleup.version == "7d8f"
