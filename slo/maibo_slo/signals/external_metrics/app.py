"""The aggregated API over HTTP: who asks is checked, and every answer is JSON, whatever is preferred.

A controller prefers protobuf and takes JSON; a 406 would break it. Nothing here asks the store: values are from memory.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route, Router

from maibo_slo.engine.scaling.signal import NoSignal, UnknownTarget
from maibo_slo.kubernetes import KubernetesError
from maibo_slo.signals.external_metrics import answers, selectors
from maibo_slo.signals.external_metrics.answers import GROUP, METRIC, VERSION
from maibo_slo.signals.https import PEER, Peer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.requests import Request

    from maibo_slo.engine.scaling.signal import ScalingSignal
    from maibo_slo.signals.external_metrics.requestheader import Gatekeeper, Identity
    from maibo_slo.signals.reading import Reader

FACE: Final = "external_metrics"
_ROOT: Final = f"/apis/{GROUP}"
log = logging.getLogger(__name__)


class _Refused(Exception):  # noqa: N818 -- it is an answer
    """An answer other than the one asked for."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class ExternalMetrics:
    """What answers below ``/apis``."""

    def __init__(
        self,
        reader: Reader,
        gatekeeper: Gatekeeper,
        *,
        served: Callable[[str, str, int, str], None],
        answered: Callable[[str, str, int | None, str, str], None] = lambda *_: None,
    ) -> None:
        self._reader = reader
        self._gatekeeper = gatekeeper
        self._served = served
        self._answered = answered

    def routes(self) -> list[Route]:
        """To be put beside others."""
        return [
            Route("/apis", self._told(answers.groups)),
            Route(_ROOT, self._told(answers.group)),
            Route(f"{_ROOT}/{VERSION}", self._told(answers.resources)),
            Route(f"{_ROOT}/{VERSION}/namespaces/{{namespace}}/{{metric}}", self._values),
            *(Route(path, _healthy) for path in ("/healthz", "/readyz", "/livez")),
        ]

    def _told(self, what: Callable[[], dict[str, Any]]) -> Callable[[Request], Any]:
        async def tell(request: Request) -> JSONResponse:
            try:
                self._identity(request)
            except _Refused as refused:
                return failure(refused.code, str(refused))
            return JSONResponse(what())

        return tell

    async def _values(self, request: Request) -> JSONResponse:
        namespace, metric = request.path_params["namespace"], request.path_params["metric"]
        try:
            await self._authorise(self._identity(request), namespace, metric)
            found = self._selected(namespace, metric, request.query_params.get("labelSelector", ""))
        except _Refused as refused:
            return failure(refused.code, str(refused))
        self._served(namespace, found.target, found.desired_replicas, FACE)
        return JSONResponse(answers.values([found]))

    def _identity(self, request: Request) -> Identity:
        header = self._gatekeeper.header
        if header is None:
            raise _Refused(
                503, "maibo cannot read the cluster's requestheader CA, so it cannot know who asks; see its /readyz"
            )
        peer: Peer | None = request.scope.get("extensions", {}).get(PEER)
        identity = header.identity(peer, request.headers.items())
        if identity is None:
            raise _Refused(401, "ask through the cluster's API server: nobody else's word for who asks is taken")
        return identity

    async def _authorise(self, identity: Identity, namespace: str, metric: str) -> None:
        allowed = self._gatekeeper.known(identity, namespace, metric)
        try:
            if allowed is None:
                allowed = await asyncio.to_thread(self._gatekeeper.may, identity, namespace, metric)
        except KubernetesError as error:
            raise _Refused(503, f"cannot ask whether {identity.user} may read {metric}: {error}") from error
        if not allowed:
            raise _Refused(403, f"{identity.user} may not list {metric}.{GROUP} in namespace {namespace}")

    def _selected(self, namespace: str, metric: str, selector: str) -> ScalingSignal:
        """The one signal that is asked for. An HPA adds several values up, so several are an error."""
        try:
            wanted = selectors.parse(selector)
        except selectors.SelectorError as error:
            raise _Refused(400, str(error)) from error
        if metric != METRIC:
            raise _Refused(
                404, f"there is no metric {metric!r}, only {METRIC!r}: name the target in its selector, target=NAME"
            )
        there = {
            each.target: {"target": each.target, "workload": each.found.workload.name, "kind": each.found.workload.kind}
            for each in self._reader.standings()
            if each.namespace == namespace
        }
        names = sorted(name for name, labels in there.items() if selectors.matches(wanted, labels))
        if len(names) > 1:
            raise _Refused(
                400,
                f"{selector!r} selects {len(names)} targets ({', '.join(names[:5])}), which an HPA would add up: select target=NAME",
            )
        try:
            # Before the first decision no target is known, and that is not "not found"; no target is called ''.
            return self._reader.get(namespace, names[0] if names else "")
        except UnknownTarget as error:
            unknown = f"no ScalingTarget of namespace {namespace!r} is selected by {selector!r}"
            raise _Refused(404, f"{unknown}; there are: {', '.join(sorted(there)[:10]) or 'none'}") from error
        except NoSignal as error:
            if names:
                self._answered(namespace, names[0], None, str(error), FACE)
            raise _Refused(503, str(error)) from error


def failure(code: int, message: str) -> JSONResponse:
    """A ``metav1.Status``."""
    return JSONResponse(answers.status(code, message), status_code=code)


async def _healthy(_: Request) -> JSONResponse:
    return JSONResponse("ok")


def router(routes: Sequence[BaseRoute]) -> Router:
    """Of these; anything else is a ``Status`` of 404."""

    async def unknown(scope: Any, receive: Any, send: Any) -> None:
        await failure(404, f"there is nothing at {scope['path']!r}")(scope, receive, send)

    return Router(routes=routes, default=unknown, redirect_slashes=False)
