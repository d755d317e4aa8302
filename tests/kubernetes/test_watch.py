"""A watch against a real HTTP server, and all that goes wrong there."""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from maibo_collectors.kubernetes.changes import Change
from maibo_collectors.kubernetes.mirror import Mirror
from maibo_collectors.kubernetes.watch import Sight, Watch
from maibo_collectors.kubernetes.watched import WATCHED, Watched, trimmed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from maibo_slo.kubernetes import Cluster

OF = {each.plural: each for each in WATCHED}
NOW = 1_800_000_000.0


class Watching:
    """A watch in its thread, and what it told."""

    def __init__(self, cluster: Cluster, watched: Watched, namespace: str = "", **options: Any) -> None:
        self.told: list[Change | Sight] = []
        self.pauses: list[float] = []
        self.paused = threading.Semaphore(0)
        """One more with each pause that begins."""
        self.go_on = threading.Semaphore(0)
        """Pauses end when a test says so."""
        self._news = threading.Condition()
        self.watch = Watch(
            cluster,
            watched,
            namespace,
            self._tell,
            clock=lambda: NOW,
            pause=self._pause,
            chance=lambda: 0.5,
            **options,
        )
        self.thread = threading.Thread(target=self.watch.run, daemon=True)
        self.thread.start()

    def _tell(self, told: Change | Sight) -> None:
        with self._news:
            self.told.append(told)
            self._news.notify_all()

    def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.paused.release()
        assert self.go_on.acquire(timeout=10)

    def until_paused(self) -> float:
        assert self.paused.acquire(timeout=10)
        return self.pauses[-1]

    def resume(self) -> None:
        self.go_on.release()

    def hears(self, count: int) -> list[tuple[str, ...]]:
        """The first so many, once they are told: changes as (type, name, listed), sights as (seen,)."""
        with self._news:
            assert self._news.wait_for(lambda: len(self.told) >= count, 10), self.told
            return [*map(briefly, self.told[:count])]

    def stop(self) -> None:
        self.watch.stop()
        self.go_on.release(100)
        self.thread.join(5)
        assert not self.thread.is_alive()


def briefly(told: Change | Sight) -> tuple[str, ...]:
    if isinstance(told, Sight):
        return ("seen" if told.seen else "not seen",)
    assert told.received == NOW
    return (told.type, told.object["metadata"]["name"], *(("listed",) if told.listed else ()))


@pytest.fixture
def begin(cluster: Cluster) -> Iterator[Callable[..., Watching]]:
    begun: list[Watching] = []

    def make(watched: Watched, namespace: str = "", **options: Any) -> Watching:
        begun.append(Watching(cluster, watched, namespace, **options))
        return begun[-1]

    yield make
    for each in begun:
        each.stop()


def pod(name: str, **fields: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, **fields}


def test_what_is_there_is_listed_and_what_changes_is_told(api: Any, begin: Any) -> None:
    api.put("pods", pod("a"))
    watching = begin(OF["pods"])
    assert watching.hears(2) == [("ADDED", "a", "listed"), ("seen",)]
    api.put("pods", pod("b"))
    api.change("pods", "a", status={"phase": "Running"})
    api.delete("pods", "a")
    assert watching.hears(5)[2:] == [("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "a")]
    assert len(watching.watch) == 1
    assert (watching.watch.problem, watching.watch.seen) == (None, True)


def test_when_its_time_is_over_it_goes_on_where_it_was(api: Any, begin: Any) -> None:
    watching = begin(OF["pods"])
    api.watching("pods")
    made = api.put("pods", pod("a"))
    watching.hears(2)
    api.end("pods")
    _, again = api.asked("watch", "pods", 2)
    assert again.query["resourceVersion"] == made["metadata"]["resourceVersion"]
    api.put("pods", pod("b"))
    assert watching.hears(3) == [("seen",), ("ADDED", "a"), ("ADDED", "b")]
    assert len(api.asked("list", "pods")) == 1
    assert watching.pauses == []


def test_a_bookmark_moves_it_on_without_a_change(api: Any, begin: Any) -> None:
    watching = begin(OF["pods"])
    api.watching("pods")
    moved = api.put("configmaps", {"metadata": {"name": "elsewhere"}})
    api.bookmark("pods")
    api.end("pods")
    _, again = api.asked("watch", "pods", 2)
    assert again.query["resourceVersion"] == moved["metadata"]["resourceVersion"]
    assert watching.watch.figures.last_heard == NOW


@pytest.mark.parametrize("after", [b"", b'{"type": "ADD'], ids=["between lines", "within a line"])
def test_a_connection_that_breaks_off_is_taken_up_again_and_nothing_is_lost(api: Any, begin: Any, after: bytes) -> None:
    watching = begin(OF["pods"])
    api.watching("pods")
    api.put("pods", pod("a"))
    watching.hears(2)
    api.cut("pods", after=after)
    assert watching.until_paused() == pytest.approx(0.25)
    api.put("pods", pod("b"))
    watching.resume()
    assert watching.hears(3) == [("seen",), ("ADDED", "a"), ("ADDED", "b")]
    assert len(api.asked("list", "pods")) == 1
    assert watching.watch.problem is None
    assert watching.watch.figures.restarts == 1


@pytest.mark.parametrize("told_as", ["event", "status"])
def test_after_a_gap_that_nobody_knows_all_is_listed_and_what_differs_is_told(
    api: Any, begin: Any, told_as: str
) -> None:
    for name in ("stays", "changes", "goes", "is another"):
        api.put("pods", pod(name))
    watching = begin(OF["pods"])
    watching.hears(5)
    api.watching("pods")
    cut = api.refuse("pods", "watch", status=500, reason="InternalError", times=1)
    api.cut("pods")
    watching.until_paused()
    cut.times = 0
    api.delete("pods", "goes")
    api.delete("pods", "is another")
    api.put("pods", pod("is another"))
    api.change("pods", "changes", status={"phase": "Running"})
    api.put("pods", pod("comes"))
    api.forget()
    api.gone_as = told_as
    watching.resume()
    told = watching.hears(12)[5:]
    assert told[0] == ("not seen",)
    assert sorted(told[1:3]) == [("DELETED", "goes", "listed"), ("DELETED", "is another", "listed")]
    assert sorted(told[3:6]) == [
        ("ADDED", "comes", "listed"),
        ("ADDED", "is another", "listed"),
        ("MODIFIED", "changes", "listed"),
    ]
    assert told[6] == ("seen",)
    assert [each.since for each in watching.told if isinstance(each, Change) and each.listed] == [None] * 4 + [NOW] * 5
    assert watching.watch.figures.relists == 1
    assert len(watching.pauses) == 1


def test_a_running_watch_that_is_told_of_its_expiry_lists_anew(api: Any, begin: Any) -> None:
    watching = begin(OF["pods"])
    api.watching("pods")
    api.put("pods", pod("a"))
    watching.hears(2)
    api.gone("pods")
    assert watching.hears(4)[2:] == [("not seen",), ("seen",)]
    assert len(api.asked("list", "pods", 2)) == 2


def test_a_large_list_comes_in_pages_and_begins_anew_when_its_continuation_expires(api: Any, begin: Any) -> None:
    for number in range(1200):
        api.put("pods", pod(f"p{number:04}"))
    api.refuse("pods", "list", status=410, reason="Expired", after=1, times=1)
    watching = begin(OF["pods"])
    told = watching.hears(1201)
    assert told[-1] == ("seen",)
    assert len({name for _, name, _ in told[:-1]}) == 1200
    assert len(watching.watch) == 1200
    assert [bool(each.query.get("continue")) for each in api.asked("list", "pods")] == [False, True, False, True, True]


def test_what_is_no_change_is_counted_and_all_is_asked_for_again(api: Any, begin: Any) -> None:
    watching = begin(OF["pods"])
    garbage = [
        b"<html>busy</html>\n",
        b'{"type":"PUSHED","object":{}}\n',
        b'{"type":"ADDED","object":{"metadata":{}}}\n',
        b"\xff\xfe\n",
    ]
    for number, sent in enumerate(garbage, 1):
        api.watching("pods", number)
        api.inject("pods", sent)
        watching.until_paused()
        assert watching.watch.figures.malformed == number
        api.put("pods", pod(f"meanwhile-{number}"))
        watching.resume()
    told = watching.hears(1 + 3 * len(garbage))
    assert [each for each in told if len(each) > 1] == [
        ("ADDED", f"meanwhile-{number}", "listed") for number in (1, 2, 3, 4)
    ]


def test_each_failure_makes_the_pause_longer_and_success_makes_it_short_again(api: Any, begin: Any) -> None:
    busy = api.refuse("pods", status=500, reason="InternalError", message="etcd is away")
    watching = begin(OF["pods"])
    for _ in range(9):
        watching.until_paused()
        watching.resume()
    last = watching.until_paused()
    assert watching.pauses[:4] == [0.25, 0.5, 1.0, 2.0]
    assert last == 15.0
    assert "etcd is away" in watching.watch.problem
    busy.times = 0
    watching.resume()
    assert watching.hears(1) == [("seen",)]
    assert watching.watch.problem is None
    api.put("pods", pod("a"))
    watching.hears(2)
    api.cut("pods")
    assert watching.until_paused() == pytest.approx(0.25)
    assert watching.watch.problem is None


def test_a_server_that_asks_for_time_gets_it(api: Any, begin: Any) -> None:
    api.refuse("pods", status=429, reason="TooManyRequests", headers={"Retry-After": "9"}, times=1)
    watching = begin(OF["pods"])
    assert watching.until_paused() == pytest.approx(9.25)


def test_a_server_that_ends_every_watch_at_once_is_not_asked_without_pause(api: Any, begin: Any) -> None:
    watching = begin(OF["pods"])
    api.watching("pods")
    api.end("pods")
    watching.until_paused()
    watching.resume()
    api.watching("pods", 2)
    api.end("pods")
    watching.until_paused()
    assert "ends each watch of pods at once" in watching.watch.problem


def test_what_rbac_does_not_allow_is_told_at_once_and_tried_again(api: Any, begin: Any) -> None:
    denied = api.refuse("pods", "watch")
    watching = begin(OF["pods"], "shop")
    assert watching.until_paused() > 15
    assert "a Role bound to this account must allow the verb 'watch' on 'pods'" in watching.watch.problem
    assert watching.told == []
    denied.times = 0
    watching.resume()
    assert watching.hears(1) == [("seen",)]
    assert watching.watch.problem is None


def test_what_one_may_not_see_can_be_forgiven(api: Any, begin: Any) -> None:
    api.refuse("nodes")
    watching = begin(OF["nodes"], "shop", forgiven=True)
    assert watching.until_paused() >= 150
    assert watching.watch.problem is None


def test_a_kind_that_is_not_installed_is_looked_for_now_and_then(api: Any, begin: Any) -> None:
    watching = begin(OF["rollouts"])
    assert watching.until_paused() >= 150
    assert watching.watch.problem is None
    assert {each.verb for each in api.requests} == {"get"}
    api.install("rollouts")
    api.put("rollouts", pod("checkout"))
    watching.resume()
    assert watching.hears(2) == [("ADDED", "checkout", "listed"), ("seen",)]
    api.watching("rollouts")


def until_absent(watching: Watching) -> float:
    """The pause when it has seen that a kind is not served; before that, its connection ended at once."""
    while (pause := watching.until_paused()) < 1:
        watching.resume()
    return pause


def test_a_kind_that_is_not_served_for_a_while_has_lost_nothing(
    api: Any, begin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.install("rollouts")
    api.put("rollouts", pod("checkout"))
    watching = begin(OF["rollouts"])
    assert watching.hears(2) == [("ADDED", "checkout", "listed"), ("seen",)]
    api.watching("rollouts")
    kept = api.object("rollouts", "checkout")
    api.uninstall("rollouts")
    assert until_absent(watching) <= 30
    assert "does not serve rollouts any more" in watching.watch.problem
    api.install("rollouts")
    api.put("rollouts", kept | {"spec": {"replicas": 2}})
    watching.resume()
    assert watching.hears(5)[2:] == [("not seen",), ("MODIFIED", "checkout", "listed"), ("seen",)]
    assert watching.watch.problem is None
    api.watching("rollouts", 2)
    monkeypatch.setattr("maibo_collectors.kubernetes.watch.GONE_SECONDS", 0.0)
    api.uninstall("rollouts")
    assert until_absent(watching) >= 150
    assert watching.hears(7)[5:] == [("not seen",), ("DELETED", "checkout", "listed")]
    assert watching.watch.problem is None


def test_events_are_told_once_and_not_kept(api: Any, begin: Any) -> None:
    api.put("events", pod("scheduled"))
    watching = begin(OF["events"])
    assert watching.hears(2) == [("ADDED", "scheduled", "listed"), ("seen",)]
    api.delete("events", "scheduled")
    api.put("events", pod("pulled"))
    assert watching.hears(3)[2:] == [("ADDED", "pulled")]
    api.gone("events")
    api.watching("events", 2)
    api.put("events", pod("started"))
    assert watching.hears(6)[3:] == [("not seen",), ("seen",), ("ADDED", "started")]
    assert len(watching.watch) == 0


@pytest.mark.parametrize("seed", range(3))
def test_whatever_goes_wrong_what_is_told_adds_up_to_what_is_there(api: Any, cluster: Cluster, seed: int) -> None:
    chance = random.Random(seed)
    told: list[Change | Sight] = []
    watch = Watch(cluster, OF["pods"], "", told.append, pause=lambda _: None)
    thread = threading.Thread(target=watch.run, daemon=True)
    thread.start()
    names = [f"p{number}" for number in range(8)]
    there: set[str] = set()
    api.watching("pods")
    for _ in range(150):
        name, begun = chance.choice(names), api.begun("pods")
        match chance.randrange(12):
            case 0 | 1 | 2 | 3 | 4:
                api.put("pods", pod(name, status={"count": chance.random()}))
                there.add(name)
            case 5 | 6 if name in there:
                api.delete("pods", name)
                there.discard(name)
            case 7:
                refused = chance.choice(["list", "watch"])
                api.refuse("pods", refused, status=chance.choice([410, 429, 500, 504]), times=2)
                api.gone_as = chance.choice(["event", "status"])
            case 8:
                api.cut("pods", after=chance.choice([b"", b'{"type":', b"}\n"]))
                api.watching("pods", begun + 1)
            case 9:
                api.forget()
                api.end("pods")
                api.watching("pods", begun + 1)
            case 10:
                api.gone("pods")
                api.watching("pods", begun + 1)
            case 11:
                api.inject("pods", b"garbage\n")
                api.watching("pods", begun + 1)
            case _:
                api.bookmark()
    last = api.put("pods", pod("last"))

    def replayed() -> dict[str, str]:
        known: dict[str, str] = {}
        for each in told:
            if isinstance(each, Change):
                metadata = each.object["metadata"]
                assert (metadata["uid"] in known) == (each.type != "ADDED"), (
                    "nothing comes twice, nor goes before it came"
                )
                known[metadata["uid"]] = metadata["resourceVersion"]
                if each.type == "DELETED":
                    del known[metadata["uid"]]
        return known

    end = time.monotonic() + 20
    while not (last["metadata"]["uid"] in replayed() and watch.seen) and time.monotonic() < end:
        time.sleep(0.01)
    watch.stop()
    thread.join(5)
    expected = [api.object("pods", name)["metadata"] for name in (*there, "last")]
    assert replayed() == {each["uid"]: each["resourceVersion"] for each in expected}
    assert len(watch) == len(expected)
    sights = [each.seen for each in told if isinstance(each, Sight)]
    assert sights == [not number % 2 for number in range(len(sights))]
    assert sights[-1]


def test_it_stops_while_it_waits_for_the_server(api: Any, begin: Any) -> None:
    watching = begin(OF["pods"])
    api.watching("pods")
    watching.stop()


def test_of_objects_only_what_is_read_is_kept() -> None:
    container = {"name": "c", "image": "i:1", "env": [{"name": "PASSWORD", "value": "geheim"}], "command": ["x"]}
    spec = {"nodeName": "n", "containers": [container], "initContainers": [container], "volumes": [{"secret": {}}]}
    last_applied = {"kubectl.kubernetes.io/last-applied-configuration": "geheim", "other": "stays"}
    metadata = {"name": "a", "managedFields": [{"manager": "kubectl"}], "annotations": last_applied}
    running = {"name": "c", "ready": True, "volumeMounts": [1]}
    status = {"phase": "Running", "containerStatuses": [running]}
    kept = trimmed("pods", {"metadata": metadata, "spec": spec, "status": status})
    bare = {"name": "c", "image": "i:1"}
    assert kept == {
        "metadata": {"name": "a"},
        "spec": {"nodeName": "n", "containers": [bare], "initContainers": [bare]},
        "status": {"phase": "Running", "containerStatuses": [{"name": "c", "ready": True}]},
    }
    assert trimmed("services", {"metadata": metadata})["metadata"]["annotations"] == {"other": "stays"}
    assert metadata["managedFields"], "what came is as it was"
    template = {"metadata": {"labels": {"app": "a"}}, "spec": spec}
    scaled = {"manager": "hpa", "fieldsV1": {"f:spec": {"f:replicas": {}, "f:paused": {}}, "f:metadata": {}}}
    written = {"name": "a", "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:metadata": {}}}, scaled, {}, None]}
    workload = trimmed("deployments", {"metadata": written, "spec": {"replicas": 3, "template": template}})
    assert "geheim" not in repr(workload)
    assert workload["metadata"]["managedFields"] == [{"manager": "hpa", "fieldsV1": {"f:spec": {"f:replicas": {}}}}]
    assert workload["spec"]["replicas"] == 3
    assert workload["spec"]["template"]["metadata"] == template["metadata"]
    triggers = [{"type": "postgresql", "metadata": {"connection": "postgres://a:geheim@b"}}]
    target = {"scaleTargetRef": {"name": "checkout"}}
    assert trimmed("scaledobjects", {"metadata": {}, "spec": {**target, "triggers": triggers}})["spec"] == target
    node = trimmed("nodes", {"metadata": {}, "spec": {"unschedulable": True}, "status": {"images": [1], "phase": "x"}})
    assert node["spec"] == {"unschedulable": True}
    assert node["status"] == {"phase": "x"}


def test_a_mirror_forgets_the_oldest_of_what_it_does_not_keep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maibo_collectors.kubernetes.mirror.KNOWN", 2)
    mirror = Mirror(kept=False)

    def event(uid: str, version: str = "1") -> dict[str, Any]:
        return {"metadata": {"uid": uid, "resourceVersion": version}}

    assert [mirror.heard("ADDED", event(uid)) for uid in "abc"] == ["ADDED"] * 3
    assert mirror.listed([event("b"), event("c"), event("d")]) == [("ADDED", event("d"))]
    assert mirror.heard("ADDED", event("c")) is None
    assert mirror.heard("MODIFIED", event("c", "2")) == "MODIFIED"
