"""How the faces over HTTPS join a service: the aggregated API, and the plain JSON for those who have a token.

Imports nothing heavy: every command of the command line loads this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maibo_slo.errors import MaiboError
from maibo_slo.plugins import OFF, Artefact, Context, Generator, Option, Plugin
from maibo_slo.signals.behavior import TOLERANCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from maibo_slo.documents import Catalogue

ADDRESS: Final = "signals-https"
CERT: Final = "signals-https-cert"
KEY: Final = "signals-https-key"
TOKENS: Final = "signals-https-tokens"
EXTERNAL_METRICS: Final = "external-metrics"
CLUSTER: Final = "kubernetes"
"""The option of the recorder's plugin: which cluster."""


def plugin() -> Plugin:
    """The entry point ``signals_https`` of the group ``maibo.plugins``."""
    return Plugin(
        name="signals-https",
        summary="answers scalers over HTTPS: external.metrics.k8s.io, and JSON for holders of tokens",
        options=(
            Option(
                ADDRESS,
                "",
                "address where scalers are answered over HTTPS, HOST:PORT such as 0.0.0.0:6443; '' does without",
            ),
            Option(CERT, "", "its certificate chain, PEM; read again when it changes"),
            Option(KEY, "", "its private key, PEM"),
            Option(
                TOKENS, "", "file of tokens with which /v1/scaling is answered there (maibo token add --scope read)"
            ),
            Option(
                EXTERNAL_METRICS,
                "off",
                "whether the cluster's API server may aggregate external.metrics.k8s.io from there: not beside KEDA, which has that API",
                choices=("off", "on"),
            ),
        ),
        task=_serve,
        generators=(
            Generator(
                "external-metrics",
                "an HPA for each ScalingTarget, and what a cluster needs to aggregate external.metrics.k8s.io from maibo",
                _manifests,
                options=(
                    Option("namespace", "monitoring", "Where maibo runs."),
                    Option("service", "maibo-signals", "Name of the Service before --signals-https."),
                    Option("service-account", "maibo", "Under which maibo runs there."),
                    Option(
                        "ca", "", "File with the authority of its certificate, PEM: else cert-manager is to put it in."
                    ),
                    TOLERANCE,
                ),
            ),
        ),
    )


def wanted(options: Mapping[str, str]) -> bool:
    """Whether there is anything to do. MaiboError for settings that do not fit together."""
    given = options[ADDRESS] not in OFF
    aggregated, tokens = options[EXTERNAL_METRICS] == "on", bool(options[TOKENS])
    if not given:
        if aggregated or tokens:
            name = EXTERNAL_METRICS if aggregated else TOKENS
            raise MaiboError(f"--{name} needs --{ADDRESS}, where it is answered, such as 0.0.0.0:6443")
        return False
    for name in (CERT, KEY):
        if not options[name]:
            raise MaiboError(f"--{ADDRESS} needs --{CERT} and --{KEY}")
    if not aggregated and not tokens:
        raise MaiboError(f"nobody could ask at --{ADDRESS}: give --{EXTERNAL_METRICS} on, --{TOKENS} or both")
    return True


def _manifests(
    catalogue: Catalogue, *, namespace: str, service: str, service_account: str, ca: str, tolerance: str
) -> Iterable[Artefact]:
    from maibo_slo.signals.external_metrics.manifests import manifests

    return manifests(
        catalogue, namespace=namespace, service=service, service_account=service_account, ca=ca, tolerance=tolerance
    )


async def _serve(context: Context) -> None:
    if not wanted(context.options):
        context.report(ADDRESS, None)
        await context.stopping.wait()
        return
    from maibo_slo.signals.external_metrics.listener import run

    await run(context)
