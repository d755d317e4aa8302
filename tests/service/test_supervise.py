"""Plugin tasks: one that dies is reported and started again."""

import asyncio
from pathlib import Path

from prometheus_client import CollectorRegistry

from maibo_slo.documents import Catalogue
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
