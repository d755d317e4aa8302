"""`maibo serve`: store, documents, engine, plugins and HTTP in one process.

It starts from the store upwards and stops from the rim downwards: plugin tasks first (a collector drains its log), then one last
tick of the engine, then HTTP, then the store. SIGTERM and SIGINT stop it; a second one does not wait. SIGHUP reads the documents
again; documents with errors are told and not taken: those in force stay.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, ProcessCollector

from maibo_slo.addresses import Address
from maibo_slo.documents import Catalogue, DocumentsError, load
from maibo_slo.engine import loop
from maibo_slo.engine.evaluate import Engine
from maibo_slo.engine.feeding import Feeder, Source
from maibo_slo.engine.scaling.loop import ScalingLoop
from maibo_slo.engine.scaling.overrides import Overrides
from maibo_slo.engine.scaling.scaler import Scaler
from maibo_slo.engine.told import ToldCorrections
from maibo_slo.errors import MaiboError
from maibo_slo.plugins import Context, Plugin, plugins
from maibo_slo.service import burst_pools, corrections, forecasts, garbage, history, listen, overrides
from maibo_slo.service.alerts_soon import AboutToFire
from maibo_slo.service.app import OTLP_ENDPOINT, create_app
from maibo_slo.service.changes_seen import ChangesSeen
from maibo_slo.service.health import Health, PartHealth, ready
from maibo_slo.service.journey_metrics import JourneyCollector
from maibo_slo.service.metrics import ServiceCollector, SloCollector
from maibo_slo.service.questions import Questions
from maibo_slo.service.scaleup_metrics import ScaleUpCollector
from maibo_slo.service.scaling import Scaling
from maibo_slo.service.supervise import supervise
from maibo_slo.service.traces import trace_links
from maibo_slo.serving import Server
from maibo_slo.sources.prometheus import Prometheus
from maibo_slo.sources.scaleups import Scaleups
from maibo_slo.store import Store, open_store

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from fastapi import APIRouter, FastAPI

PLUGINS_STOP_SECONDS: Final = 25.0
"""At most, and more than a collector allows its last drain. What is not drained then is counted from its log at the next start."""
HTTP_STOP_SECONDS: Final = 2
ENGINE_LATE_SECONDS: Final = 60.0
OTLP: Final = "otlp-http"
"""Under this name a collector announces where it takes spans."""
UNDRAINED_METRIC: Final = "maibo_otlp_segments_waiting"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Settings:
    """What `maibo serve` was told."""

    store: str
    data_dir: Path
    documents: Sequence[str] = ()
    listen: str = "127.0.0.1:8080"
    tick_seconds: float = loop.TICK_SECONDS
    trace_url: str = ""
    """Template of an address with ``{trace_id}`` in it; '' makes no links of traces."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Values of the plugins' options by name."""


def serve(settings: Settings, *, announce: Callable[[str], None] = print) -> None:
    """Run until a signal says stop. Raises MaiboError when it cannot start, saying why."""
    where = listen.address(settings.listen)
    trace_links(settings.trace_url)  # before anything is opened: what is set up wrongly is told first
    catalogue = load(settings.documents) if settings.documents else Catalogue()
    for warning in catalogue.warnings:
        log.warning("%s", warning)
    with listen.bind(where) as listener:
        try:
            settings.data_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MaiboError(
                f"cannot make {settings.data_dir}: {error.strerror}; choose another with --data-dir"
            ) from error
        with open_store(settings.store) as store:
            store.warm_up()
            running = Runtime(store, settings, catalogue=catalogue)
            garbage.settle()
            asyncio.run(running.run(listener, announce=announce))
    log.info("stopped")


class Runtime:
    """A running service's parts, joined."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        *,
        catalogue: Catalogue,
        installed: Sequence[Plugin] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings
        self.health = Health()
        self.registry = CollectorRegistry()
        self.corrections = ToldCorrections(store)
        self.overrides = Overrides(store, now=now)
        self.engine = Engine(
            store,
            lambda: self._catalogue,
            memory_path=settings.data_dir / "engine.json",
            corrections=self.corrections,
        )
        self.scaler = Scaler(
            store,
            lambda: self._catalogue,
            corrections=self.corrections,
            overrides=self.overrides,
            data_dir=settings.data_dir,
            now=now,
        )
        self.scaling = ScalingLoop(self.scaler, tell=self._tell_of_source, overrides=self.overrides, now=now)
        about_to_fire = AboutToFire()
        self.questions = Questions(
            store,
            lambda: self._catalogue,
            self.engine,
            health=self.parts,
            undrained=self._undrained,
            traces=trace_links(settings.trace_url),
            scaling=Scaling(
                store,
                lambda: self._catalogue,
                signals=self.scaler.signals,
                overrides=self.overrides,
                answers=self.scaler.last_answers,
            ),
            changes=ChangesSeen(store, lambda: self._catalogue, self.corrections),
            about_to_fire=about_to_fire,
        )
        self.stopping = asyncio.Event()
        self._store = store
        self._catalogue = catalogue
        self._plugins = plugins() if installed is None else installed
        self.options = {option.name: option.default for plugin in self._plugins for option in plugin.options}
        self.options |= settings.options
        self._now = now
        self._engine_stopping = asyncio.Event()
        self._announced: dict[str, str] = {}
        self._context = Context(
            store=store,
            data_dir=settings.data_dir,
            catalogue=lambda: self._catalogue,
            options=self.options,
            registry=self.registry,
            report=self.health.report,
            warn=self.health.warn,
            stopping=self.stopping,
            listen=listen.listen,
            snapshot=self.engine.snapshot,
            signals=self.scaler.signals,
            served=self.scaler.served,
            counted=self.scaling.counted,
            answered=self.scaler.answered,
            last_answers=self.scaler.last_answers,
            announce=self._announced.__setitem__,
            about_to_fire=about_to_fire.tell,
        )
        self.feeder = Feeder(
            [*self._sources(), Prometheus(now=now), Scaleups(store, now=now)],
            lambda: self._catalogue,
            self.engine.offer,
            memory_path=settings.data_dir / "feeds.json",
            store=str(store),
            taken_in=lambda: self.engine.snapshot().evaluated_at,
            tell=self._tell_of_source,
            now=now,
        )
        ProcessCollector(registry=self.registry)
        self.registry.register(SloCollector(self.engine.snapshot, now=now))
        self.registry.register(
            ServiceCollector(
                self.parts,
                lambda: self.questions.ingest(now()),
                lambda: self.questions.overflowing(now()),
            )
        )
        self.registry.register(JourneyCollector(store, lambda: self._catalogue, now=now))
        self.registry.register(ScaleUpCollector(store, lambda: self._catalogue, now=now))
        self.health.report("store", None)
        self.health.report("documents", None)
        self.health.expect("engine")

    def app(self) -> FastAPI:
        """The web application over this runtime."""
        return create_app(
            self.questions,
            registry=self.registry,
            now=self._now,
            endpoint=lambda: self._announced.get(OTLP, OTLP_ENDPOINT),
            plugin_routes=[
                corrections.router(self.corrections, lambda: self._catalogue, now=self._now),
                overrides.router(self.overrides, lambda: self._catalogue, signals=self.scaler.signals, now=self._now),
                history.router(self._store, lambda: self._catalogue, corrections=self.corrections, now=self._now),
                *(
                    each.router(
                        self._store, lambda: self._catalogue, forecaster=lambda: self.scaler.forecaster, now=self._now
                    )
                    for each in (forecasts, burst_pools)
                ),
                *(routes for plugin in self._plugins for routes in self._routes(plugin)),
            ],
        )

    def parts(self) -> list[PartHealth]:
        """What each part said last; the engine is not ok either when it has not ticked for long."""
        evaluated_at = self.engine.snapshot().evaluated_at
        allowed = max(ENGINE_LATE_SECONDS, 3 * self.settings.tick_seconds)
        late = 0.0 if evaluated_at is None else self._now() - evaluated_at
        return [
            PartHealth("engine", ok=False, detail=f"no tick for {late:.0f} s")
            if said.part == "engine" and said.ok and late > allowed
            else said
            for said in self.health.parts()
        ]

    async def run(self, listener: socket.socket, *, announce: Callable[[str], None]) -> None:
        """Serve on this socket until `stopping` is set. Raises the MaiboError of a plugin that cannot start, once all has stopped."""
        server = Server(self.app(), stop_seconds=HTTP_STOP_SECONDS)  # signals are ours: it goes last but one
        self._listen_to_signals()
        http = asyncio.create_task(server.serve(sockets=[listener]))
        engine = asyncio.create_task(
            loop.run(
                self.engine,
                stopping=self._engine_stopping,
                report=self.health.report,
                tick_seconds=self.settings.tick_seconds,
                now=self._now,
                after=self.questions.prepare,
            )
        )
        self.scaling.start()
        tasks = [
            asyncio.create_task(supervise(plugin, self._context, self.health))
            for plugin in self._plugins
            if plugin.task is not None
        ]
        tasks.append(asyncio.create_task(self.feeder.run(self.stopping)))
        told = asyncio.create_task(self._announce(listener, announce))
        for needed in (http, *tasks):  # none of them ends before the service does, but by an error
            needed.add_done_callback(lambda _: self.stopping.set())
        await self.stopping.wait()
        told.cancel()
        await self._stop(tasks, engine, server, http)
        for task in tasks:
            if not task.cancelled():
                task.result()

    def reload(self) -> None:
        """Read the documents again; with errors, those in force stay."""
        try:
            self._catalogue = load(self.settings.documents)
        except (DocumentsError, OSError) as error:
            log.error("documents not reloaded, those in force stay:\n%s", error)  # noqa: TRY400 -- the text says it all
            self.health.warn("documents", f"not reloaded, those in force stay: {error}")
        else:
            log.info(
                "documents reloaded: %d journeys, %d SLOs", len(self._catalogue.journeys), len(self._catalogue.slos)
            )
            self.health.report("documents", None)

    async def _stop(
        self,
        tasks: Sequence[asyncio.Task[None]],
        engine: asyncio.Task[None],
        server: Server,
        http: asyncio.Task[None],
    ) -> None:
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=PLUGINS_STOP_SECONDS)
            for task in late:
                log.warning("a plugin's task did not stop within %g s", PLUGINS_STOP_SECONDS)
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.get_running_loop().run_in_executor(None, self.scaling.stop)
        self._engine_stopping.set()
        await engine
        server.should_exit = True
        await http

    def _listen_to_signals(self) -> None:
        running = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            running.add_signal_handler(number, self._signalled)
        running.add_signal_handler(signal.SIGHUP, lambda: running.run_in_executor(None, self.reload))

    def _signalled(self) -> None:
        if self.stopping.is_set():
            log.warning("stopped at once, on a second signal")
            os._exit(1)
        log.info("stopping: what was acknowledged is counted first")
        self.stopping.set()

    async def _announce(self, listener: socket.socket, announce: Callable[[str], None]) -> None:
        """The addresses, once every part works; and what does not, when that takes long."""
        waited = 0.0
        while not ready(self.parts()):
            await asyncio.sleep(0.05)
            waited += 0.05
            if 10.0 <= waited < 10.05:
                announce("not ready yet: " + "; ".join(f"{p.part}: {p.detail}" for p in self.parts() if not p.ok))
        announce(f"maibo is ready: http://{Address.taken_by(listener)}/ (page, API under /v1, /metrics)")
        for name, url in sorted(self._announced.items()):
            announce(f"{name}: {url}")
        announce(f"store: {self._store}")

    def _sources(self) -> Iterator[Source]:
        for plugin in self._plugins:
            if plugin.sli_source is None:
                continue
            try:
                yield plugin.sli_source(self._context)
            except Exception as error:
                log.exception("the source of plugin %s cannot be had", plugin.name)
                self.health.warn(f"{plugin.name} source", f"{type(error).__name__}: {error}")

    def _tell_of_source(self, name: str, problem: str | None) -> None:
        """What a source cannot tell is no data, and told there too: the service goes on without it."""
        if problem is None:
            self.health.report(name, None)
        else:
            self.health.warn(name, problem)

    def _routes(self, plugin: Plugin) -> Iterator[APIRouter]:
        if plugin.routes is None:
            return
        try:
            yield plugin.routes(self._context)
        except Exception as error:
            log.exception("the routes of plugin %s cannot be had", plugin.name)
            self.health.report(f"{plugin.name} routes", f"{type(error).__name__}: {error}")

    def _undrained(self) -> int | None:
        """From the collector that registered it; only that one is asked, not every collector of the registry."""
        metrics = self.registry.restricted_registry([UNDRAINED_METRIC]).collect()
        return next((int(sample.value) for metric in metrics for sample in metric.samples), None)
