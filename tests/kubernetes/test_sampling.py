"""From changes to rows of replicas."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from maibo_collectors.kubernetes.changes import Change
from maibo_collectors.kubernetes.sampling import MOST, Sampler
from maibo_collectors.kubernetes.watch import Sight
from maibo_slo.store.replicas import Sample
from maibo_slo.store.workload import Workload

T = 1_800_000_000.0
CHECKOUT = Workload("shop", "Deployment", "checkout")


def owned(name: str, owner: str = "", **metadata: Any) -> dict[str, Any]:
    kind, _, owner_name = owner.partition("/")
    owners = [{"kind": kind, "name": owner_name, "controller": True}] if owner else []
    return {"name": name, "namespace": "shop", "ownerReferences": owners, **metadata}


class Cluster:
    """What happens, in one line each."""

    def __init__(self, *, seen: bool = True) -> None:
        self.sampler = Sampler()
        if seen:
            for resource in ("deployments", "replicasets", "pods"):
                self.sees(resource, T)

    def sees(self, resource: str, at: float, seen: bool = True) -> None:
        self.sampler.sight(Sight(resource, "", seen, at))

    def change(self, resource: str, at: float, object_: dict[str, Any], type_: Any = "MODIFIED") -> None:
        self.sampler.take(Change(resource, type_, object_, at))

    def workload(self, at: float, replicas: int | None = None, *, resource: str = "deployments", **more: Any) -> None:
        spec = {} if replicas is None else {"replicas": replicas}
        self.change(resource, at, {"metadata": owned("checkout"), "spec": spec}, **more)

    def set(self, at: float, hash_: str = "a", **more: Any) -> None:
        self.change("replicasets", at, {"metadata": owned(f"checkout-{hash_}", "Deployment/checkout")}, **more)

    def pod(
        self, at: float, name: str, *, ready: bool, hash_: str = "a", phase: str = "Running", deleted: bool = False
    ) -> None:
        metadata = owned(name, f"ReplicaSet/checkout-{hash_}", labels={"pod-template-hash": hash_})
        if deleted:
            metadata["deletionTimestamp"] = "2027-01-15T08:00:00Z"
        conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
        self.change("pods", at, {"metadata": metadata, "status": {"phase": phase, "conditions": conditions}})

    def due(self, at: float, *chosen: Workload) -> list[Sample]:
        return self.sampler.due(at, chosen)


def row(t: float, **fields: Any) -> Sample:
    usual = {"wanted": 2, "pods": 1, "ready": 1, "ready_ms": 10_000, "observed_ms": 10_000, "templates": 1}
    return Sample(CHECKOUT, t=int(t), **(usual | {"at": t + 10} | fields))


def test_ready_pods_are_integrated_over_the_bucket() -> None:
    cluster = Cluster()
    cluster.workload(T, 2)
    cluster.set(T)
    cluster.pod(T, "one", ready=True)
    cluster.pod(T + 2.5, "two", ready=False)
    cluster.pod(T + 7.25, "two", ready=True)
    assert cluster.due(T + 10) == [row(T, pods=2, ready=2, ready_ms=12_750)]


def test_a_running_bucket_is_told_when_it_changed_and_once_at_its_end() -> None:
    cluster = Cluster()
    cluster.workload(T, 2)
    cluster.set(T)
    cluster.pod(T, "one", ready=True)
    assert cluster.due(T + 1) == [row(T, ready_ms=1_000, observed_ms=1_000, at=T + 1)]
    assert cluster.due(T + 2) == []
    cluster.workload(T + 2.5, 5)
    assert cluster.due(T + 3) == [row(T, wanted=5, ready_ms=3_000, observed_ms=3_000, at=T + 3)]
    ended, running = cluster.due(T + 11)
    assert ended == row(T, wanted=5)
    assert running == row(T + 10, wanted=5, ready_ms=1_000, observed_ms=1_000, at=T + 11)


def test_pods_are_found_whatever_comes_first() -> None:
    orders = (
        ["workload", "set", "pod"],
        ["pod", "set", "workload"],
        ["set", "pod", "workload"],
        ["pod", "workload", "set"],
    )
    for order in orders:
        cluster = Cluster()
        for each in order:
            match each:
                case "workload":
                    cluster.workload(T, 2)
                case "set":
                    cluster.set(T)
                case _:
                    cluster.pod(T, "one", ready=True)
        assert cluster.due(T + 10) == [row(T)], order


def test_pods_that_have_ended_or_are_being_deleted_are_none() -> None:
    cluster = Cluster()
    cluster.workload(T)
    cluster.set(T)
    cluster.pod(T, "one", ready=True)
    cluster.pod(T, "two", ready=True)
    cluster.pod(T, "three", ready=True)
    cluster.pod(T + 5, "one", ready=True, deleted=True)
    cluster.pod(T + 5, "two", ready=False, phase="Failed")
    assert cluster.due(T + 10) == [row(T, wanted=1, ready_ms=20_000)]


def test_two_templates_are_a_rollout() -> None:
    cluster = Cluster()
    cluster.workload(T, 2)
    cluster.set(T)
    cluster.set(T, "b")
    cluster.pod(T, "one", ready=True)
    cluster.pod(T, "two", ready=False, hash_="b")
    assert cluster.due(T + 10) == [row(T, pods=2, templates=2)]
    cluster.pod(T + 15, "one", ready=True, deleted=True)
    assert cluster.due(T + 20) == [row(T + 10, ready=0, ready_ms=5_000)]


def test_what_nobody_watched_is_neither_ready_nor_not() -> None:
    cluster = Cluster(seen=False)
    cluster.workload(T, 2)
    cluster.set(T)
    cluster.pod(T, "one", ready=True)
    assert cluster.due(T + 1) == []
    cluster.sees("deployments", T + 2)
    assert cluster.due(T + 3) == []
    cluster.sees("pods", T + 3)
    assert cluster.due(T + 3.5) == [], "whose pods they are is not seen: of none, nobody knows"
    cluster.sees("replicasets", T + 4)
    cluster.sees("pods", T + 6, seen=False)
    assert cluster.due(T + 10) == [row(T, ready_ms=2_000, observed_ms=2_000)]
    assert cluster.due(T + 30) == []
    cluster.sees("pods", T + 39)
    assert cluster.due(T + 40) == [row(T + 30, ready_ms=1_000, observed_ms=1_000)]


def test_one_namespace_may_be_seen_and_another_not() -> None:
    sampler = Sampler()
    for resource in ("deployments", "replicasets", "pods"):
        sampler.sight(Sight(resource, "shop", seen=True, at=T))
    for namespace in ("shop", "bank"):
        metadata = {"name": "checkout", "namespace": namespace}
        sampler.take(Change("deployments", "ADDED", {"metadata": metadata, "spec": {"replicas": 1}}, T))
    assert [sample.workload.namespace for sample in sampler.due(T + 5)] == ["shop"]


def test_stateful_sets_and_rollouts_are_workloads_too() -> None:
    sampler = Sampler()
    for resource, kind in (("statefulsets", "StatefulSet"), ("rollouts", "Rollout")):
        sampler.sight(Sight(resource, "", seen=True, at=T))
        sampler.take(Change(resource, "ADDED", {"metadata": owned(kind), "spec": {"replicas": 3}}, T))
    for resource in ("replicasets", "pods"):
        sampler.sight(Sight(resource, "", seen=True, at=T))
    sampler.take(Change("replicasets", "ADDED", {"metadata": owned("r-1", "Rollout/Rollout")}, T))
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    for name, owner in (
        ("s-0", "StatefulSet/StatefulSet"),
        ("r-1-x", "ReplicaSet/r-1"),
        ("job-x", "Job/job"),
        ("alone", ""),
    ):
        sampler.take(Change("pods", "ADDED", {"metadata": owned(name, owner), "status": status}, T))
    found = {sample.workload.kind: (sample.wanted, sample.ready) for sample in sampler.due(T + 1)}
    assert found == {"StatefulSet": (3, 1), "Rollout": (3, 1)}


def test_a_workload_that_goes_has_its_last_word_and_no_more() -> None:
    cluster = Cluster()
    cluster.workload(T, 2)
    cluster.set(T)
    cluster.pod(T, "one", ready=True)
    cluster.workload(T + 4, 2, type_="DELETED")
    assert cluster.due(T + 5) == [row(T, ready_ms=4_000, observed_ms=4_000, at=T + 4)]
    cluster.pod(T + 5, "one", ready=False)
    assert cluster.due(T + 20) == []


def test_a_new_workload_looks_at_its_own_pods_alone_and_what_goes_leaves_nothing() -> None:
    cluster = Cluster()
    for n in range(20):
        cluster.pod(T, f"other-{n}", ready=True, hash_="other")
    cluster.pod(T, "one", ready=True)
    cluster.set(T)
    looked: list[Any] = []

    class Pods(dict[Any, Any]):
        def __getitem__(self, name: Any) -> Any:
            looked.append(name)
            return super().__getitem__(name)

        def values(self) -> Any:
            raise AssertionError("it looks at all")

    sampler: Any = cluster.sampler
    sampler._pods = Pods(sampler._pods)
    cluster.workload(T, 2)
    assert looked == [("shop", "one")]
    assert cluster.due(T + 10) == [row(T)]
    for name, hash_ in (("one", "a"), *((f"other-{n}", "other") for n in range(20))):
        cluster.pod(T + 11, name, ready=True, hash_=hash_, phase="Succeeded")
    cluster.set(T + 11, type_="DELETED")
    cluster.workload(T + 11, 2, type_="DELETED")
    kept = sampler._pods, sampler._of, sampler._sets, sampler._owners, sampler._tallies
    assert [len(each) for each in kept] == [0] * 5


def test_only_the_chosen_are_sampled_and_without_any_so_many() -> None:
    sampler = Sampler()
    for resource in ("deployments", "replicasets", "pods"):
        sampler.sight(Sight(resource, "", seen=True, at=T))
    for number in range(MOST + 5):
        metadata = {"name": f"d{number:04}", "namespace": "shop"}
        sampler.take(Change("deployments", "ADDED", {"metadata": metadata, "spec": {"replicas": 1}}, T))
    assert len(sampler.due(T + 1)) == MOST
    assert sampler.not_sampled == 5
    last = Workload("shop", "Deployment", f"d{MOST + 4:04}")
    assert {sample.workload for sample in sampler.due(T + 20, {last})} == {last}


def test_a_clock_that_leaps_is_not_made_up_for() -> None:
    cluster = Cluster()
    cluster.workload(T, 2)
    cluster.set(T)
    cluster.pod(T, "one", ready=True)
    cluster.due(T + 10)
    assert cluster.due(T + 3_602) == []
    assert cluster.due(T + 3_607) == [row(T + 3_600, ready_ms=5_000, observed_ms=5_000, at=T + 3_607)]
    assert cluster.due(T) == []


EVENTS = st.lists(
    st.tuples(
        st.integers(0, 45_000),
        st.sampled_from(["one", "two", "three"]),
        st.sampled_from(["ready", "starting", "gone"]),
    ),
    max_size=12,
)


@settings(max_examples=80, deadline=None)
@given(events=EVENTS, looks=st.sets(st.integers(0, 50_000), max_size=8))
def test_ready_time_is_what_summing_it_millisecond_by_millisecond_gives(
    events: list[tuple[int, str, str]], looks: set[int]
) -> None:
    events = sorted(events, key=lambda event: event[0])
    cluster = Cluster()
    cluster.workload(T, 2)
    cluster.set(T)
    rows: dict[int, Sample] = {}
    moments = sorted(
        [*((at, 1, event) for at, *event in events), *((at, 0, None) for at in looks | {50_000})],
        key=lambda each: each[:2],
    )
    for at, _, event in moments:
        if event is None:
            rows |= {sample.t: sample for sample in cluster.due(T + at / 1000)}
        else:
            name, state = event
            cluster.pod(T + at / 1000, name, ready=state == "ready", deleted=state == "gone")
    for bucket in range(5):
        begin, end = bucket * 10_000, (bucket + 1) * 10_000
        expected = 0
        for name in ("one", "two", "three"):
            marks = [(at, state == "ready") for at, who, state in events if who == name]
            spans = zip([(0, False), *marks], [*marks, (50_000, False)], strict=True)
            expected += sum(
                max(0, min(end, until) - max(begin, since)) for (since, ready), (until, _) in spans if ready
            )
        sample = rows[int(T) + bucket * 10]
        assert (sample.ready_ms, sample.observed_ms) == (expected, 10_000)
