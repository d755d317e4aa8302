"""What faces said last: kept by face and target, bounded, and told by every face, also when it refuses."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette.testclient import TestClient

from maibo_slo import problems
from maibo_slo.engine.scaling.answered import MOST, Answered, LastAnswers
from maibo_slo.signals import plain
from maibo_slo.signals.answerer import TELL_AGAIN_SECONDS, Served
from maibo_slo.signals.prometheus import ScalingCollector
from maibo_slo.signals.reading import Reader

if TYPE_CHECKING:
    from collections.abc import Callable

    from maibo_slo.engine.scaling.signal import Signals

NOW = 1_767_000_000.0


def test_the_last_answer_of_each_face_is_kept() -> None:
    last = LastAnswers()
    last.answered("shop", "api", "keda", replicas=3, refused="", at=1.0)
    last.answered("shop", "api", "json", replicas=None, refused="x" * 1000, at=2.0)
    last.answered("shop", "api", "keda", replicas=4, refused="", at=3.0)
    last.answered("shop", "other", "keda", replicas=9, refused="", at=3.0)
    assert last.of("shop", "api") == (Answered("json", 2.0, None, "x" * 400), Answered("keda", 3.0, 4))
    last.retain({("shop", "other")})
    assert last.of("shop", "api") == ()
    assert len(last.of("shop", "other")) == 1


def test_they_are_bounded() -> None:
    last = LastAnswers()
    for number in range(MOST + 10):
        last.answered("shop", f"t{number}", "keda", replicas=1, refused="", at=0.0)
    assert last.of("shop", f"t{MOST + 5}") == ()
    last.answered("shop", "t1", "keda", replicas=2, refused="", at=0.0)
    assert last.of("shop", "t1")[0].replicas == 2


def test_a_refusal_is_told_once_every_ten_seconds_and_a_number_after_it_at_once() -> None:
    now, told = [0.0], list[tuple[Any, ...]]()
    served = Served(
        lambda *what: told.append((now[0], *what)),
        lambda: now[0],
        tell_refused=lambda *what: told.append((now[0], *what)),
    )
    for at in (0.0, 1.0, TELL_AGAIN_SECONDS):
        now[0] = at
        served.refused("shop", "api", f"{at:g} s old")
    served("shop", "api", 3)
    assert [(at, said) for at, _, _, said in told] == [(0.0, "0 s old"), (10.0, "10 s old"), (10.0, 3)]


def reader(signals: Signals) -> Reader:
    return Reader(lambda: signals, now=lambda: NOW)


def test_a_scrape_is_an_answer_too(make_signal: Callable[..., Any], make_signals: Callable[..., Signals]) -> None:
    told: list[tuple[Any, ...]] = []
    signals = make_signals(make_signal(12, at=NOW, target="a"), at=NOW, refused="no demand")
    registry = CollectorRegistry()
    registry.register(ScalingCollector(reader(signals), lambda *said: told.append(said)))
    assert told == [], "it was not scraped yet"
    list(registry.collect())
    assert ("shop", "a", 12, "", "prometheus") in told
    [refused] = [said for said in told if said[1] == "checkout-api"]
    assert refused[2] is None
    assert "no demand" in refused[3]


def test_json_tells_its_refusals_and_the_list_tells_all_faces(make_signals: Callable[..., Signals]) -> None:
    told: list[tuple[Any, ...]] = []
    app = FastAPI()
    problems.install(app)
    app.include_router(
        plain.router(
            reader(make_signals(at=NOW, refused="no demand")),
            lambda *_: None,
            answered=lambda *said: told.append(said),
            last_answers=lambda *_: (Answered("keda", NOW - 2, None, "no demand"),),
        )
    )
    asking = TestClient(app)
    assert asking.get("/v1/scaling/shop/checkout-api").status_code == 503
    assert asking.get("/v1/scaling/shop/nobody").status_code == 404
    [(_, target, replicas, words, face)] = told
    assert (target, replicas, face) == ("checkout-api", None, "json")
    assert "no demand" in words
    [standing] = asking.get("/v1/scaling").json()["targets"]
    assert [(each["face"], each["replicas"], each["refused"]) for each in standing["faces"]] == [
        ("keda", None, "no demand")
    ]


def test_keda_tells_its_refusals(make_signals: Callable[..., Signals]) -> None:
    from maibo_slo.signals import keda
    from maibo_slo.signals.reading import Latest

    told: list[tuple[Any, ...]] = []

    class Aborted(Exception):
        pass

    class Call:
        async def abort(self, code: object, details: str) -> Any:
            raise Aborted(details)

    async def scenario() -> None:
        latest = Latest()
        latest.put(make_signals(at=NOW, refused="no demand"))
        scaler = keda.ExternalScaler(
            latest, Reader(latest, now=lambda: NOW), lambda *_: None, lambda *said: told.append(said)
        )
        for target in ("checkout-api", "nobody"):
            try:
                await scaler.get_metrics(_asked("shop", target), Call())  # type: ignore[arg-type]  # what it uses of one
            except Aborted:
                continue
            raise AssertionError("it was to refuse")

    asyncio.run(scenario())
    [(namespace, target, words)] = told
    assert (namespace, target) == ("shop", "checkout-api")
    assert "no demand" in words


def _asked(namespace: str, target: str) -> bytes:
    """A GetMetricsRequest."""

    def field(number: int, body: bytes) -> bytes:
        return bytes([number << 3 | 2, len(body)]) + body

    entry = field(3, field(1, b"target") + field(2, target.encode()))
    reference = field(1, b"x") + field(2, namespace.encode()) + entry
    return field(1, reference)
