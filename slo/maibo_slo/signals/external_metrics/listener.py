"""The listener over HTTPS: what answers on it, and the certificates, tokens and CAs that are looked at while it runs."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from maibo_slo.addresses import Address
from maibo_slo.kubernetes import AUTO, Cluster
from maibo_slo.plugins import OFF
from maibo_slo.signals.external_metrics.app import ExternalMetrics, router
from maibo_slo.signals.external_metrics.plugin import ADDRESS, CERT, CLUSTER, EXTERNAL_METRICS, KEY, TOKENS
from maibo_slo.signals.external_metrics.requestheader import Gatekeeper
from maibo_slo.signals.guarded import mount
from maibo_slo.signals.https import CertificateError, Certificates, HttpsServer
from maibo_slo.signals.reading import Reader
from maibo_slo.tokens import Scope, TokenFile

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

    from maibo_slo.plugins import Context

PART: Final = "signals-https"
API: Final = "external metrics"
LOOK_SECONDS: Final = 5.0


async def run(context: Context) -> None:
    """Until `Context.stopping`. MaiboError when it cannot start."""
    options = context.options
    certificates = Certificates(Path(options[CERT]), Path(options[KEY]))
    reader = Reader(context.signals)
    routes: list[BaseRoute] = []
    gatekeeper = None
    if options[EXTERNAL_METRICS] == "on":
        cluster = Cluster(_cluster(options.get(CLUSTER, AUTO)), context=options.get("kubernetes-context", ""))
        gatekeeper = Gatekeeper(cluster, report=partial(_tell, context, API))
        routes += ExternalMetrics(reader, gatekeeper, served=context.served, answered=context.answered).routes()
    if options[TOKENS]:  # the last, for it takes whatever is left
        routes.append(
            mount(
                reader,
                TokenFile(Path(options[TOKENS]), now=time.monotonic(), scope=Scope.READ),
                served=context.served,
                answered=context.answered,
            )
        )
    listener = await context.listen(options[ADDRESS], f"--{ADDRESS}", guarded=True)
    context.announce(PART, f"https://{Address.taken_by(listener)}")
    context.report(PART, None)
    async with asyncio.TaskGroup() as group:  # without a look at what changes outside nothing is served for long
        watching = group.create_task(_watch(context, certificates, gatekeeper))
        await HttpsServer(router(routes), certificates).serve_until(context.stopping, listener)
        watching.cancel()


async def _watch(context: Context, certificates: Certificates, gatekeeper: Gatekeeper | None) -> None:
    """What changes outside: files, and the cluster's ConfigMap."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    while not context.stopping.is_set():
        problem = None
        try:
            certificates.look()
            if gatekeeper is not None and loop.time() >= due:
                due = loop.time() + await asyncio.to_thread(gatekeeper.look)
                if gatekeeper.header is not None:
                    certificates.trust(gatekeeper.header.ca_pem)
        except CertificateError as error:
            problem = f"{error}; those in use stay"
        _tell(context, PART, problem)
        await asyncio.sleep(LOOK_SECONDS)


def _tell(context: Context, part: str, problem: str | None) -> None:
    """What does not work here leaves everything else ready."""
    if problem is None:
        context.report(part, None)
    else:
        context.warn(part, problem)


def _cluster(said: str) -> str:
    return AUTO if said in OFF else said
