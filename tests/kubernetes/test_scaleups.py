"""Hand-worked histories of scale-ups, as Kubernetes writes them, and what is to be told of each."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from maibo_collectors.kubernetes.scaleups import Assembly
from maibo_slo.store.rises import Rise
from maibo_slo.store.scaleups import Moment, PodState, ScaleUp, ScaleUpState, Stage
from maibo_slo.store.writes import Write

LATER = 120.0


def told(history: Any, at: float = LATER, assembly: Assembly | None = None, **parts: Any) -> list[ScaleUp]:
    """All that is told of a history at a time, in s since its begin."""
    assembly = assembly or Assembly(**parts)
    for change in history.ordered():
        assembly.take(change)
    assert assembly.unreadable == 0
    return assembly.due(history.zero + at)


def seconds(history: Any, moment: Moment | None) -> tuple[float, float] | None:
    """As an interval in s since the history's begin."""
    return (
        None if moment is None else (round(moment.earliest - history.zero, 6), round(moment.latest - history.zero, 6))
    )


@pytest.fixture
def plain(history: Any) -> Any:
    """4 to 8 by the HPA: pods within a second, ready 2 s later."""
    h = history()
    h.hpa()
    h.begin(4)
    h.scale(8, 100.25)
    h.rescaled(8, 100.26)
    for n in range(4):
        h.pod(f"new{n}", 100.5 + n / 10)
    return h


def test_a_plain_scale_up_is_told_with_all_its_moments(plain: Any):
    [scaleup] = told(plain)
    assert scaleup.workload == plain.workload
    assert scaleup.id == f"shop/Deployment/checkout-api@{round((plain.zero + 100.27) * 1000)}"
    assert (scaleup.before, scaleup.after, scaleup.by) == (4, 8, "hpa")
    assert scaleup.reason == "cpu resource utilization (percentage of request) above target"
    assert scaleup.state is ScaleUpState.COMPLETE
    assert (scaleup.skews, scaleup.notes, scaleup.version) == (0, (), "7d8f")
    assert {stage: seconds(plain, at) for stage, at in scaleup.moments.items()} == {
        Stage.DECIDED: (100.26, 100.26),
        Stage.CREATED: (100, 101),
        Stage.SCHEDULED: (100.85, 100.85),
        Stage.PULLED: (101.1, 101.1),
        Stage.STARTED: (101.6, 101.6),
        Stage.READY: (103, 104),
        Stage.IN_ROTATION: (103, 103.52),
    }
    assert seconds(plain, scaleup.half) == (103, 103.32)
    assert seconds(plain, scaleup.most) == (103, 103.52)
    assert scaleup.ended == pytest.approx(plain.zero + 103.52)
    assert [pod.state for pod in scaleup.pods] == [PodState.SERVING] * 4
    assert {(pod.node, pod.pull_seconds, pod.node_provisioned) for pod in scaleup.pods} == {("node-a", 0.0, False)}
    assert scaleup.moments[Stage.DECIDED].source == "event name"
    assert scaleup.moments[Stage.SCHEDULED].source == "eventTime"
    assert scaleup.moments[Stage.CREATED].received == pytest.approx(plain.zero + 100.82)


def test_it_is_told_as_it_runs_and_only_when_it_changed(plain: Any):
    assembly, seen = Assembly(), []
    for change in plain.ordered():
        assembly.take(change)
        seen += assembly.due(change.received)
    assert len({each.id for each in seen}) == 1
    assert [each.state for each in seen].count(ScaleUpState.COMPLETE) == 1
    assert seen[0].state is ScaleUpState.RUNNING
    assert seen[0].pods == ()
    assert all(one != other for one, other in pairwise(seen))
    assert assembly.due(plain.zero + LATER) == []


def test_trigger_answer_and_first_journey_come_from_the_store(plain: Any):
    rise = Rise(
        "r", plain.workload, "checkout", plain.zero + 97.0, plain.zero + 97.4, 4, 8, "demand", plain.zero + 99.9, "keda"
    )
    asked: list[tuple[str, frozenset[str]]] = []

    def served(namespace: str, pods: Any) -> dict[str, float]:
        asked.append((namespace, frozenset(pods)))
        return {pod: plain.zero + 104.125 for pod in pods if pod.endswith(("0", "1", "2"))}

    [scaleup] = told(plain, rises=lambda workload, before, _: rise if rise.asked_at <= before else None, served=served)
    assert seconds(plain, scaleup.moments[Stage.TRIGGER]) == (97, 97)
    assert seconds(plain, scaleup.moments[Stage.SERVED]) == (99.9, 99.9)
    assert Stage.FIRST_JOURNEY not in scaleup.moments, "the fourth pod has not served yet"
    assert sum(Stage.FIRST_JOURNEY in pod.moments for pod in scaleup.pods) == 3
    assert asked == [("shop", frozenset(f"checkout-api-7d8f-new{n}" for n in range(4)))]


def test_the_last_first_journey_still_completes_it_and_is_not_waited_for_for_ever(plain: Any):
    late: dict[str, float] = {}
    assembly = Assembly(served=lambda namespace, pods: {pod: late[pod] for pod in pods if pod in late})
    [first] = told(plain, 110, assembly)
    assert first.state is ScaleUpState.COMPLETE
    late |= {pod.name: plain.zero + 140.0 for pod in first.pods}
    [again] = assembly.due(plain.zero + 150)
    assert (again.id, again.ended) == (first.id, first.ended)
    assert seconds(plain, again.moments[Stage.FIRST_JOURNEY]) == (140, 140)
    assert assembly.due(plain.zero + 900) == []
    assert not assembly._cluster.scaled[plain.workload].decisions


def test_a_rise_that_is_written_after_the_first_look_wins_over_an_older_one(plain: Any):
    def rise(asked_at: float, after: int) -> Rise:
        t = plain.zero + asked_at
        return Rise("r", plain.workload, "checkout", t - 0.4, t, 4, after, "demand", t + 0.1, "fast_lane")

    written, asked = [rise(-60, 6)], []

    def newest(workload: Any, before: float, at_least: int) -> Rise:
        asked.append(at_least)
        return written[-1]

    assembly = Assembly(rises=newest)
    [first] = told(plain, 101, assembly)
    assert seconds(plain, first.moments[Stage.TRIGGER]) == (-60.4, -60.4)
    written.append(rise(99, 8))
    [second] = assembly.due(plain.zero + 112)
    assert seconds(plain, second.moments[Stage.TRIGGER]) == (98.6, 98.6)
    assembly.due(plain.zero + 130)
    assert asked == [8, 8], "it is settled"


def a_rise(history: Any, at: float, after: int) -> Rise:
    return Rise(f"r{at}", history.workload, "checkout", history.zero + at - 0.4, history.zero + at, 1, after, "demand")


def triggers(history: Any, *rises: Rise) -> list[tuple[float, float] | None]:
    """When each decision was triggered, by the newest of these rises up to it."""

    def newest(workload: Any, before: float, at_least: int) -> Rise | None:
        asked = [rise for rise in rises if rise.asked_at <= before]
        return max([rise for rise in asked if rise.after >= at_least] or asked, key=lambda r: r.asked_at, default=None)

    return [seconds(history, each.moments.get(Stage.TRIGGER)) for each in told(history, 600, rises=newest)]


def test_a_rise_that_was_given_explains_no_later_decision(history: Any):
    h = history(events=False)
    h.begin(4)
    h.scale(8, 100.25)
    h.scale(4, 200)
    h.scale(8, 300, manager="kubectl")
    h.scale(12, 400)
    assert triggers(h, a_rise(h, 97, 8)) == [(96.6, 96.6), None, None]
    assert triggers(h, a_rise(h, 97, 8), a_rise(h, 299, 9)) == [(96.6, 96.6), (298.6, 298.6), (298.6, 298.6)]


def test_steps_of_one_rise_have_one_trigger_and_a_rise_to_what_there_was_is_none(history: Any):
    h = history(events=False)
    h.begin(4)
    h.scale(6, 100.25)
    h.scale(8, 115.25)
    assert triggers(h, a_rise(h, 97, 8)) == [(96.6, 96.6)] * 2
    assert triggers(h, a_rise(h, 97, 6)) == [(96.6, 96.6), None]
    assert triggers(h, a_rise(h, 97, 4)) == [None, None]


def test_a_rise_to_fewer_than_there_were_triggered_nothing_however_new_it_is(history: Any):
    h = history(events=False)
    h.begin(4)
    h.scale(7, 56.2)
    h.scale(9, 110.2)
    assert triggers(h, a_rise(h, 41, 3), a_rise(h, 62, 4)) == [None, None]
    assert triggers(h, a_rise(h, 41, 3), a_rise(h, 62, 8)) == [None, (61.6, 61.6)]


def test_a_rise_comes_before_we_heard_of_the_decision_whatever_clock_wrote_its_second(history: Any):
    h = history(events=False)
    h.begin(4)
    h.scale(6, 100.25)  # in [100, 101], and heard of at 100.27
    assert triggers(h, a_rise(h, 100.26, 6)) == [(99.86, 99.86)]
    assert triggers(h, a_rise(h, 100.9, 6)) == [None]
    [change] = [each for each in h.changes if each.object.get("metadata", {}).get("managedFields")]
    h.changes.remove(change)
    h.changes.append(replace(change, received=change.received + 5))  # the API server's clock is behind
    assert triggers(h, a_rise(h, 105.2, 6)) == [(104.8, 104.8)]


def test_a_service_that_publishes_pods_before_they_are_ready_does_not_make_them_serve(history: Any):
    h = history()
    h.begin(1)
    h.scale(2, 100.25)
    name = h.pod("new", 100.5, ready=None)
    h.rotate(name, 100.6)
    published = h.changes[-1].object["endpoints"][-1]
    published["conditions"] = {"ready": True, "serving": False}
    [running] = told(h, 120)
    assert (running.state, running.pods[0].state) == (ScaleUpState.RUNNING, PodState.STARTING)
    h.become_ready(name, 125.5)
    h.rotate(name, 125.7)
    [complete] = told(h, 140)
    assert seconds(h, complete.moments[Stage.IN_ROTATION]) == (125, 125.72)


def test_a_rise_of_long_ago_triggered_nothing(plain: Any):
    rise = Rise("r", plain.workload, "checkout", plain.zero - 600, plain.zero - 600, 4, 8, "demand")
    [scaleup] = told(plain, rises=lambda workload, before, _: rise)
    assert Stage.TRIGGER not in scaleup.moments


def test_throttled_steps_are_each_a_decision_with_its_own_pods(history: Any):
    h = history()
    h.hpa()
    h.begin(10)
    for at, before, after in ((100, 10, 20), (115, 20, 40)):
        h.scale(after, at + 0.1)
        h.rescaled(after, at + 0.11)
        for n in range(before, after):
            h.pod(f"n{n}", at + 0.3)
    first, second = told(h)
    assert [(each.before, each.after, len(each.pods), each.state) for each in (first, second)] == [
        (10, 20, 10, ScaleUpState.COMPLETE),
        (20, 40, 20, ScaleUpState.COMPLETE),
    ]
    assert second.notes == ("step 2 of a rise that began at 10 replicas",)
    assert {pod.name for pod in first.pods}.isdisjoint(pod.name for pod in second.pods)


def test_a_pod_that_waits_for_a_node_is_told_so(history: Any):
    h = history()
    h.begin(2)
    h.node("node-a", -1000)
    h.scale(4, 100.2, manager="kubectl")
    h.pod("warm", 100.4)
    cold = h.pod("cold", 100.4, scheduled=None)
    h.no_room(cold, 100.5)
    h.pod_event(cold, "TriggeredScaleUp", "pod triggered scale-up: [{ng 3->4 (max: 9)}]", 103)
    h.node("node-b", 140)
    h.schedule(cold, 165.4, "node-b")
    h.become_ready(cold, 170)
    h.rotate(cold, 170.2)
    [scaleup] = told(h, 200)
    assert scaleup.by == "somebody"
    assert scaleup.reason == "kubectl"
    assert {pod.name[-4:]: pod.node_provisioned for pod in scaleup.pods} == {"warm": False, "cold": True}
    [cold_times] = [pod for pod in scaleup.pods if pod.name == cold]
    assert cold_times.unschedulable == "0/3 nodes are available: 3 Insufficient cpu."
    assert seconds(h, scaleup.half) == (103, 103.12)
    assert scaleup.ended == pytest.approx(h.zero + 170.22)


def test_a_pod_that_found_room_when_another_went_needed_no_node(history: Any):
    h = history()
    h.begin(2)
    h.node("node-a", -1000)
    h.scale(3, 100.2)
    pod = h.pod("x", 100.4, scheduled=None)
    h.no_room(pod, 100.5)
    h.pod_event(pod, "TriggeredScaleUp", "pod triggered scale-up: [{ng 3->4 (max: 9)}]", 103)
    h.schedule(pod, 120, "node-a")
    [scaleup] = told(h)
    assert not any(pod.node_provisioned for pod in scaleup.pods)


def test_an_image_pull_is_told_apart_from_its_queue(history: Any):
    h = history()
    h.begin(1)
    h.scale(2, 100.2)
    h.pod(
        "x",
        100.4,
        pulled='Successfully pulled image "checkout:2" in 796ms (1m2.594s including waiting). Image size: 52428800 bytes.',
        pulled_at=63,
        started=63.5,
        ready=65,
        rotated=65.2,
    )
    [scaleup] = told(h, 200)
    [pod] = scaleup.pods
    assert (pod.pull_seconds, pod.image_bytes) == (0.796, 52_428_800)
    assert pod.pull_queued_seconds == pytest.approx(61.798)
    assert seconds(h, scaleup.moments[Stage.PULLED]) == (163.4, 163.4)


def test_init_containers_neither_start_a_pod_nor_hide_their_pulls(history: Any):
    h = history()
    h.begin(1)
    h.scale(2, 100.2)
    pod = h.pod("x", 100.4, pulled='Successfully pulled image "checkout:2" in 1s. Image size: 10 bytes.')
    h.pod_event(
        pod,
        "Pulled",
        'Successfully pulled image "migrate:1" in 2s (5s including waiting). Image size: 7 bytes.',
        100.6,
        container="spec.initContainers{migrate}",
    )
    h.pod_event(pod, "Started", "Started container migrate", 100.65, container="spec.initContainers{migrate}")
    [scaleup] = told(h)
    [times] = scaleup.pods
    assert (times.pull_seconds, times.pull_queued_seconds, times.image_bytes) == (3.0, 3.0, 17)
    assert seconds(h, times.moments[Stage.STARTED]) == (101.2, 101.2)


def test_a_pod_that_never_gets_ready_leaves_it_running_and_then_censored(history: Any):
    h = history()
    h.begin(2)
    h.scale(4, 100.2)
    h.pod("good", 100.4)
    h.pod("bad", 100.4, ready=None)
    assembly = Assembly(longest_seconds=1800)
    [running] = told(h, 120, assembly)
    assert running.state is ScaleUpState.RUNNING
    assert Stage.READY not in running.moments
    assert seconds(h, running.half) == (103, 103.12)
    [censored] = assembly.due(h.zero + 2000)
    assert (censored.state, censored.why_censored) == (ScaleUpState.CENSORED, "not complete within 30 min")
    assert censored.ended == pytest.approx(h.zero + 101 + 1800)
    assert {pod.state for pod in censored.pods} == {PodState.SERVING, PodState.STARTING}


def test_a_flap_does_not_move_the_first_time_it_was_ready(history: Any):
    h = history()
    h.begin(1)
    h.scale(2, 100.2)
    pod = h.pod("x", 100.4)
    h.become_ready(pod, 105, "False")
    h.rotate(pod, 105.1, ready=False)
    h.become_ready(pod, 110)
    h.rotate(pod, 110.1)
    [scaleup] = told(h)
    assert seconds(h, scaleup.moments[Stage.READY]) == (102, 103)
    assert seconds(h, scaleup.moments[Stage.IN_ROTATION]) == (103, 103.12)


def test_a_scale_down_takes_back_what_was_not_complete(history: Any):
    h = history()
    h.hpa()
    h.begin(2)
    h.scale(4, 100.2)
    h.rescaled(4, 100.21)
    h.pod("a", 100.4)
    slow = h.pod("b", 100.4, ready=None)
    h.scale(3, 110.5)
    h.delete(slow, 110.7)
    [scaleup] = told(h)
    assert (scaleup.state, scaleup.why_censored) == (ScaleUpState.CENSORED, "scaled down to 3")
    assert scaleup.ended == pytest.approx(h.zero + 111)
    assert {pod.name[-1]: pod.state for pod in scaleup.pods} == {"a": PodState.SERVING, "b": PodState.SUPERSEDED}


def test_a_scale_down_after_it_was_complete_changes_nothing(plain: Any):
    plain.scale(4, 115.5)
    plain.delete("checkout-api-7d8f-new3", 115.7)
    [scaleup] = told(plain)
    assert scaleup.state is ScaleUpState.COMPLETE
    assert scaleup.ended == pytest.approx(plain.zero + 103.52)


def test_a_deleted_workload_completes_nothing_more(history: Any):
    h = history()
    h.begin(2)
    h.scale(4, 100.2)
    h.pod("a", 100.4)
    h.remove(105)
    [scaleup] = told(h)
    assert (scaleup.state, scaleup.why_censored) == (ScaleUpState.CENSORED, "the workload was deleted")


def test_from_zero_it_is_keda_that_decides(history: Any):
    h = history()
    item = {"metadata": {"name": "so", "namespace": "shop"}, "spec": {"scaleTargetRef": {"name": h.name}}}
    h.tell("scaledobjects", "ADDED", item, 0, listed=True)
    h.begin(0)
    h.scale(2, 100.2, manager="")
    message = "Scaled apps/v1.Deployment shop/checkout-api from 0 to 2, triggered by maibo"
    h.event("ScaledObject", "so", "uid-so", "KEDAScaleTargetActivated", message, 100.23)
    h.pod("a", 100.4)
    h.pod("b", 100.4)
    [scaleup] = told(h)
    assert (scaleup.by, scaleup.before, scaleup.after, scaleup.reason) == ("keda", 0, 2, message)
    assert seconds(h, scaleup.moments[Stage.DECIDED]) == (100.23, 100.23)


@pytest.mark.parametrize(
    ("manager", "by"),
    [
        ("maibo", "fast_lane"),
        ("keda-operator", "keda"),
        ("kubectl-edit", "somebody"),
        ("kube-controller-manager", "hpa"),
        ("", "somebody"),
    ],
)
def test_who_decided_is_what_the_api_server_noted(history: Any, manager: str, by: str):
    h = history(events=False)
    h.begin(1)
    h.scale(2, 100.2, manager=manager)
    [scaleup] = told(h)
    assert scaleup.by == by
    moment = scaleup.moments[Stage.DECIDED]
    expected = ("managedFields", (100.0, 101.0)) if manager else ("watch", (100.22, 100.22))
    assert (moment.source, seconds(h, moment)) == expected


def test_what_the_fast_lane_wrote_is_its_own_whatever_the_api_server_noted(history: Any):
    h = history(events=False)
    h.hpa()
    h.begin(7)
    h.scale(9, 110.2)
    for after, at in ((12, 127.2), (22, 142.2), (32, 158.2)):
        h.scale(after, at, noted=110.2)
    h.scale(36, 170.2)
    written = [Write(h.zero + 142.18, 12, 22, "a crowd"), Write(h.zero + 127.25, 9, 12, "the begin of a crowd")]
    asked: list[Any] = []

    def writes(workload: Any, begin: float, end: float) -> list[Write]:
        asked.append(workload)
        return [write for write in written if begin <= write.at < end]

    assembly = Assembly(writes=writes)
    scaleups = told(h, 171, assembly)
    assert {*asked} == {h.workload}
    assert [(each.after, each.by, each.reason) for each in scaleups] == [
        (9, "hpa", ""),
        (12, "fast_lane", "the begin of a crowd"),
        (22, "fast_lane", "a crowd"),
        (32, "somebody", ""),
        (36, "hpa", ""),
    ]
    assert [seconds(h, each.moments[Stage.DECIDED]) for each in scaleups] == [
        (110, 111),
        (127.22, 127.22),
        (142.22, 142.22),
        (158.22, 158.22),
        (170, 171),
    ]
    written.append(Write(h.zero + 158.3, 22, 32, "told late"))
    [mended] = [each for each in assembly.due(h.zero + 182) if each.after == 32]
    assert (mended.by, mended.reason) == ("fast_lane", "told late")


def test_a_write_of_the_fast_lane_is_no_other_s_and_one_in_a_gap_is_known_by_its_number(history: Any):
    h = history(events=False)
    h.begin(4)
    h.scale(8, 100.2)
    h.scale(4, 200)
    h.scale(8, 300.2)
    h.scale(10, 430.2, manager="", listed=True)
    written = [Write(h.zero + 100.19, 4, 8, "first"), Write(h.zero + 400, 9, 10, "in the gap")]
    scaleups = told(h, 440, writes=lambda workload, begin, end: [write for write in written if begin <= write.at < end])
    assert [(each.after, each.by) for each in scaleups] == [(8, "fast_lane"), (8, "hpa"), (10, "fast_lane")]


def test_an_hpa_that_writes_under_another_name_says_so_in_its_event(history: Any):
    h = history()
    h.hpa()
    h.begin(1)
    h.scale(2, 100.2, manager="hpa-controller-of-a-cloud")
    h.rescaled(2, 100.21, "pods metric above target")
    h.scale(3, 200.2, manager="kubectl")
    assert [(each.by, each.reason) for each in told(h, 220)] == [
        ("hpa", "pods metric above target"),
        ("somebody", "kubectl"),
    ]


def test_without_events_and_managed_fields_the_hpa_s_status_tells_that_it_was_the_hpa(history: Any):
    h = history(events=False)
    h.hpa()
    h.begin(1)
    h.scale(2, 100.2, manager="")
    h.hpa(100.3)
    h.changes[-1].object["status"] = {"lastScaleTime": "2025-10-09T08:55:00Z", "desiredReplicas": 2}
    [scaleup] = told(h)
    assert scaleup.by == "hpa"


def test_without_events_intervals_are_coarser_and_it_is_noted(history: Any):
    h = history(events=False)
    h.begin(1)
    h.scale(2, 100.2)
    h.pod("x", 100.4)
    [scaleup] = told(h)
    assert scaleup.state is ScaleUpState.COMPLETE
    assert scaleup.notes == ("events of the pods were not seen",)
    assert Stage.PULLED not in scaleup.moments
    assert seconds(h, scaleup.moments[Stage.SCHEDULED]) == (100, 101)
    assert seconds(h, scaleup.moments[Stage.STARTED]) == (101, 102)
    assert scaleup.pods[0].pull_seconds is None


def test_a_pod_that_nobody_selects_serves_when_it_is_ready(history: Any):
    h = history(slices=False)
    h.begin(1)
    h.scale(2, 100.2)
    h.pod("x", 100.4)
    assembly = Assembly()
    [early] = told(h, 104, assembly)
    assert early.state is ScaleUpState.RUNNING, "its EndpointSlice may be on its way"
    [scaleup] = assembly.due(h.zero + 109)
    assert scaleup.state is ScaleUpState.COMPLETE
    assert Stage.IN_ROTATION not in scaleup.moments
    assert scaleup.ended == pytest.approx(h.zero + 103)


def test_a_kubelet_s_wrong_clock_is_counted_and_never_mended(history: Any):
    h = history(kubelet_ahead=-20.0)
    h.begin(1)
    h.scale(2, 100.2)
    h.pod("x", 100.4)
    [scaleup] = told(h)
    assert scaleup.skews == 1, "pulled before it was scheduled"
    assert seconds(h, scaleup.moments[Stage.STARTED]) == (81.2, 81.2)
    h = history(kubelet_ahead=20.0)
    h.begin(1)
    h.scale(2, 100.2)
    h.pod("x", 100.4)
    [scaleup] = told(h)
    assert scaleup.skews == 1, "in rotation before it was ready"


@pytest.mark.parametrize("trigger", ["2025-10-09T08:00:00Z", "", "soon"])
def test_a_slice_that_does_not_say_since_when_leaves_it_since_the_pod_was_ready(history: Any, trigger: str):
    h = history()
    h.begin(1)
    h.scale(2, 100.2)
    h.pod("x", 100.4)
    h.changes[-1].object["metadata"]["annotations"] = {"endpoints.kubernetes.io/last-change-trigger-time": trigger}
    [scaleup] = told(h)
    assert seconds(h, scaleup.moments[Stage.IN_ROTATION]) == (102, 103.12)
