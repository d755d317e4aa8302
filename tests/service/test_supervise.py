"""Plugin tasks: one that dies is reported and started again."""

import asyncio
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter

from maibo_slo.documents import Catalogue
from maibo_slo.errors import MaiboError
from maibo_slo.plugins import Context, Plugin
from maibo_slo.service.health import Health
from maibo_slo.service.listen import listen
from maibo_slo.service.supervise import supervise


def context(stopping: asyncio.Event, health: Health) -> Context:
    return Context(
        None,  # type: ignore[arg-type]  # no task here asks the store
        Path(),
        Catalogue,
        {},
        CollectorRegistry(),
        health.report,
        stopping,
        listen,
        {}.__setitem__,
    )


def test_a_task_that_dies_is_reported_and_started_again() -> None:
    async def scenario() -> None:
        stopping, health, starts, seen = asyncio.Event(), Health(), [], []

        async def task(own: Context) -> None:
            starts.append(1)
            if len(starts) < 3:
                raise RuntimeError("the port is taken")
            seen.extend(health.parts())
            own.report("probe", None)
            own.report("probe http", None)
            stopping.set()
            await own.stopping.wait()

        plugin = Plugin("probe", task=task)
        await asyncio.wait_for(supervise(plugin, context(stopping, health), health, first_delay=0.01), 10)
        assert len(starts) == 3
        (told,) = seen
        assert not told.ok
        assert "RuntimeError: the port is taken" in told.detail
        assert [part.ok for part in health.parts()] == [True, True]

    asyncio.run(scenario())


def test_until_it_reports_a_task_is_starting() -> None:
    async def scenario() -> None:
        stopping, health = asyncio.Event(), Health()

        async def task(own: Context) -> None:
            await own.stopping.wait()

        running = asyncio.create_task(supervise(Plugin("slow", task=task), context(stopping, health), health))
        await asyncio.sleep(0)
        assert [(part.part, part.ok, part.detail) for part in health.parts()] == [("slow", False, "starting")]
        stopping.set()
        await asyncio.wait_for(running, 5)

    asyncio.run(scenario())


def test_good_news_about_any_part_means_that_the_plugin_has_started() -> None:
    async def scenario() -> None:
        stopping, health = asyncio.Event(), Health()

        async def task(own: Context) -> None:
            own.report("otlp", None)
            stopping.set()

        await asyncio.wait_for(supervise(Plugin("collectors", task=task), context(stopping, health), health), 5)
        assert {part.part: part.ok for part in health.parts()} == {"collectors": True, "otlp": True}

    asyncio.run(scenario())


def test_an_error_told_before_a_task_ever_worked_ends_its_supervision() -> None:
    async def scenario() -> None:
        stopping, health = asyncio.Event(), Health()

        async def task(own: Context) -> None:
            own.report("probe", "not yet")
            raise MaiboError("--acceptors is 'many'")

        with pytest.raises(MaiboError, match="--acceptors is 'many'"):
            await asyncio.wait_for(supervise(Plugin("probe", task=task), context(stopping, health), health), 5)

    asyncio.run(scenario())


def test_an_error_told_by_a_task_that_had_worked_starts_it_again() -> None:
    async def scenario() -> None:
        stopping, health, starts = asyncio.Event(), Health(), []

        async def task(own: Context) -> None:
            starts.append(1)
            if len(starts) == 1:
                own.report("probe", None)
            elif len(starts) == 3:
                stopping.set()
            raise MaiboError("the disk is away")

        plugin = Plugin("probe", task=task)
        await asyncio.wait_for(supervise(plugin, context(stopping, health), health, first_delay=0.01), 5)
        assert len(starts) == 3
        assert "the disk is away" in health.parts()[0].detail

    asyncio.run(scenario())


def test_a_task_that_died_registers_its_metrics_again_and_they_are_the_new_ones() -> None:
    async def scenario() -> None:
        stopping, health, seen = asyncio.Event(), Health(), []
        lent = context(stopping, health)

        async def task(own: Context) -> None:
            Counter("probe_seen", "What it saw.", registry=own.registry).inc()
            seen.append(lent.registry.get_sample_value("probe_seen_total"))
            if len(seen) < 3:
                raise RuntimeError("the port is taken")
            stopping.set()

        await asyncio.wait_for(supervise(Plugin("probe", task=task), lent, health, first_delay=0.01), 5)
        assert seen == [1, 1, 1]
        assert lent.registry.get_sample_value("probe_seen_total") is None

    asyncio.run(scenario())


def test_a_part_that_starts_is_no_warning_and_one_that_works_again_is_told(caplog: pytest.LogCaptureFixture) -> None:
    health = Health()
    with caplog.at_level("INFO", logger="maibo_slo"):
        health.expect("otlp")
        for said in ("acceptors are starting", None):
            health.report("otlp", said)
        assert not caplog.records
        for said in ("an acceptor died", None):
            health.report("otlp", said)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "otlp: an acceptor died"),
        ("INFO", "otlp works again"),
    ]
