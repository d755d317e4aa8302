"""Whatever goes wrong inside maibo, the host's code runs on."""

import logging

import pytest

import maibo
from maibo import blocks, carriers, journeys, names, problems, runtime, steps
from maibo.testing import capture


def broken(*_, **__):
    raise RuntimeError("ours")


class BrokenSink:
    put = staticmethod(broken)


@pytest.fixture(name="no_handlers_raise", autouse=True)
def _no_handlers_raise(monkeypatch):
    monkeypatch.setattr(logging, "raiseExceptions", False)


def the_hosts_work() -> list[str]:
    """Everything of the public interface, and what the host gets done in it."""
    done = []
    with maibo.journey("checkout", tier="vip", user="ann", session="s") as journey:
        with maibo.step("basket") as step:
            step.fail("x")
            done.append("basket")
        journey.fail("y")
        maibo.current().succeed()
        headers = maibo.inject({})
        journey.cookie()
    with maibo.resume(headers) as resumed:
        resumed.succeed()
        done.append("resumed")
    with pytest.raises(KeyError), maibo.begin("search"), maibo.step("index"):
        raise KeyError
    done.append(maibo.step("decorated")(lambda: "decorated")())
    done.append(maibo.carry(lambda: "carried")())
    maibo.flush(0.1)
    maibo.stats()
    return done


ALL = ["basket", "resumed", "decorated", "carried"]


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (names.Names, "admit"),
        (carriers, "find"),
        (carriers, "add_to_headers"),
        (carriers, "to_baggage"),
        (journeys, "find"),
        (journeys, "host_span"),
        (steps, "host_span"),
        (blocks, "_with_baggage"),
        (journeys.Journey, "_end"),
        (steps.Step, "_start"),
        (steps.Step, "_finish"),
        (runtime.Runtime, "journey_ended"),
    ],
)
def test_an_internal_error_anywhere_is_caught_counted_and_logged_once(monkeypatch, caplog, owner, name):
    with capture():
        monkeypatch.setattr(owner, name, broken)
        for _ in range(3):
            assert the_hosts_work() == ALL
    blocks.OPEN.set(None)  # a step that could not finish stays current; that is all that is left of it
    assert maibo.stats().internal_errors >= 3
    assert len({record.getMessage() for record in caplog.records}) == len(caplog.records), "each told once"


def test_a_broken_sink_a_broken_callback_and_a_broken_log_handler(monkeypatch):
    monkeypatch.setattr(problems.log, "error", broken)
    runtime.activate(runtime.Runtime(sink=BrokenSink()))
    assert the_hosts_work() == ALL
    with capture(on_journey_end=broken) as captured:
        assert the_hosts_work() == ALL
    assert len(captured.journeys) == 3
    assert maibo.stats().internal_errors > 3


def test_a_configuration_that_cannot_be_leaves_maibo_off(monkeypatch, caplog):
    monkeypatch.setenv("MAIBO_QUEUE_SIZE", "many")
    maibo.configure(service="storefront")
    assert the_hosts_work() == ALL
    assert not maibo.current()
    assert "internal error in configure" in caplog.text


@pytest.mark.parametrize("name", [None, 7, b"bytes", "", "\x00", "x" * 10_000, ["list"]])
def test_names_that_are_none_are_made_into_some(name):
    with capture() as captured, maibo.journey(name, tier=name), maibo.step(name) as step:
        step.fail(name)
    assert len(captured.journeys) == 1
    assert len(captured.steps) == 1
    assert len(captured.journeys[0].name) <= 128


def test_errors_of_the_host_pass_through_untouched():
    error = KeyboardInterrupt()
    with (
        capture() as captured,
        pytest.raises(KeyboardInterrupt) as caught,
        maibo.journey("checkout"),
        maibo.step("payment"),
    ):
        raise error
    assert caught.value is error
    assert captured.journeys[0].reason == "KeyboardInterrupt"
