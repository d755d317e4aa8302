"""The recorder in the core process: connects, starts a thread for each watch and one that records, and stops them in order.

Whatever becomes of the cluster, maibo goes on: what cannot be watched is told as a warning that names the mend.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import threading
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from maibo_collectors.kubernetes.metrics import RecorderMetrics
from maibo_collectors.kubernetes.recorder import Recorder
from maibo_collectors.kubernetes.sampling import Sampler
from maibo_collectors.kubernetes.scaleups.assembly import Assembly
from maibo_collectors.kubernetes.watch import Watch
from maibo_collectors.kubernetes.watched import WATCHED
from maibo_slo.documents.scaling_kinds import pool_workload
from maibo_slo.errors import MaiboError, StoreError
from maibo_slo.kubernetes import Cluster
from maibo_slo.store import replicas, rises, scaleups, served, writes

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from maibo_slo.plugins import Context
    from maibo_slo.store import Store
    from maibo_slo.store.replicas import Sample
    from maibo_slo.store.scaleups import ScaleUp
    from maibo_slo.store.workload import Workload

NAME: Final = "kubernetes"
OFF: Final = "off"
MOST_NAMESPACES: Final = 20
"""Each has a connection and a thread for every kind; who watches more may see all, and costs the API server less so."""
_LOOK_SECONDS: Final = 1.0
_STOP_SECONDS: Final = 10.0
"""For a last write; with more, a service would not wait."""
_NAMESPACE: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
log = logging.getLogger(__name__)


async def run(context: Context) -> None:
    """Records until the service stops. MaiboError when a setting is wrong."""
    settings = Settings.of(context.options)
    if settings.config == OFF:
        context.report(NAME, None)
        await context.stopping.wait()
        return
    cluster = await asyncio.to_thread(Cluster, settings.config, context=settings.context)  # imports for a second
    with cluster:
        assembly = await asyncio.to_thread(_assembly, context.store)
        recorder = Recorder(
            assembly,
            Sampler(),
            _Store(context.store),
            sampled=lambda: _sampled(context),
        )
        watches = [*_watches(cluster, settings, recorder)]
        context.registry.register(RecorderMetrics(watches, recorder, assembly))
        with _threads(watches, recorder) as stop:
            context.report(NAME, None)
            log.info("watching %s", cluster.address)
            await _follow(context, watches, recorder)
            await asyncio.to_thread(stop)


@dataclass(frozen=True, slots=True)
class Settings:
    """The plugin's options."""

    config: str
    context: str
    namespaces: Sequence[str]
    """() is all."""

    @classmethod
    def of(cls, options: Mapping[str, str]) -> Settings:
        """MaiboError, which names the option and what it may be."""
        namespaces = dict.fromkeys(
            each for said in options["kubernetes-namespaces"].split(",") if (each := said.strip())
        )
        for each in namespaces:
            if not _NAMESPACE.fullmatch(each):
                raise MaiboError(
                    f"--kubernetes-namespaces names {each!r}, which is no namespace; separate them by commas"
                )
        if len(namespaces) > MOST_NAMESPACES:
            raise MaiboError(
                f"--kubernetes-namespaces names {len(namespaces)} namespaces; beyond {MOST_NAMESPACES} watch all, without it"
            )
        return cls(options["kubernetes"] or OFF, options["kubernetes-context"], tuple(namespaces))


class _Store:
    """Where the recorder writes."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def scaleups(self, rows: Sequence[ScaleUp]) -> None:
        scaleups.append(self._store, rows)

    def samples(self, rows: Sequence[Sample]) -> None:
        replicas.insert(self._store, rows)


def _assembly(store: Store) -> Assembly:
    """One that goes on with the scale-ups that ran when the service was stopped."""
    try:
        resumed = scaleups.running(store)
    except StoreError as error:
        log.warning("scale-ups that were running are not gone on with: %s", error)
        resumed = []
    return Assembly(
        rises=partial(rises.newest, store),
        served=partial(served.first_served, store),
        resumed=resumed,
        writes=partial(writes.writes, store),
    )


def _watches(cluster: Cluster, settings: Settings, recorder: Recorder) -> Iterator[Watch]:
    for watched in WATCHED:
        for namespace in settings.namespaces if settings.namespaces and watched.resource.namespaced else ("",):
            # Who may see some namespaces may not see the cluster's own objects: then scale-ups say nothing of nodes.
            forgiven = bool(settings.namespaces) and not watched.resource.namespaced
            yield Watch(cluster, watched, namespace, recorder.tell, forgiven=forgiven)


def _sampled(context: Context) -> Collection[Workload]:
    """What targets scale, and the balloons that keep room for it: what those cost is told of them."""
    targets = context.catalogue().scaling_targets.values()
    balloons = {pool_workload(target) for target in targets if target.burst_pool}
    return balloons | {target.workload for target in targets}


@contextlib.contextmanager
def _threads(watches: Sequence[Watch], recorder: Recorder) -> Iterator[Callable[[], None]]:
    """They run within it. What it gives stops them, and waits for a last write."""
    recording = threading.Thread(target=recorder.run, name="kubernetes-recorder", daemon=True)
    watching = [
        threading.Thread(target=watch.run, name=f"kubernetes-{watch.watched.plural}", daemon=True) for watch in watches
    ]

    def stop() -> None:
        recorder.stop()
        for watch in watches:
            watch.stop()
        until = time.monotonic() + _STOP_SECONDS
        for thread in (*watching, recording):
            thread.join(max(0.0, until - time.monotonic()))

    for thread in (recording, *watching):
        thread.start()
    try:
        yield stop
    finally:
        recorder.stop()
        for watch in watches:
            watch.stop()


async def _follow(context: Context, watches: Sequence[Watch], recorder: Recorder) -> None:
    """Tells what is wrong, when that changes, until the service stops."""
    told: str | None = None
    while not context.stopping.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(context.stopping.wait(), _LOOK_SECONDS)
        problem = problems([*(watch.problem for watch in watches), recorder.problem])
        if problem == told:
            continue
        told = problem
        if problem is None:
            context.report(NAME, None)
        else:
            log.warning("%s", problem)
            context.warn(NAME, problem)


def problems(said: Iterable[str | None]) -> str | None:
    """In one line: of many, which have mostly one cause, the first two."""
    different = [*dict.fromkeys(each for each in said if each is not None)]
    if not different:
        return None
    more = f"; and {len(different) - 2} more like these" if len(different) > 2 else ""
    return "; ".join(different[:2]) + more
