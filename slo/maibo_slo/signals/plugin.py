"""How scaling signals leave a service. Imports nothing heavy: every command of the command line loads this."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maibo_slo.plugins import Artefact, Context, Generator, Option, Plugin
from maibo_slo.signals import pool
from maibo_slo.signals.behavior import TOLERANCE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fastapi import APIRouter

    from maibo_slo.documents import Catalogue


def plugin() -> Plugin:
    """The entry point ``signals`` of the group ``maibo.plugins``."""
    return Plugin(
        name="signals",
        summary="desired replicas for KEDA (gRPC and JSON), Prometheus and people",
        options=(
            Option(
                "keda",
                "127.0.0.1:6000",
                "address for KEDA's external scaler, HOST:PORT, taken once documents have a ScalingTarget; beyond loopback it needs client "
                "certificates; port 0 takes a free one; 'off' does without",
            ),
            Option(
                "keda-tls-cert", "", "certificate chain for TLS, PEM; read again when it changes, like the next two"
            ),
            Option("keda-tls-key", "", "its private key, PEM"),
            Option("keda-client-ca", "", "KEDA must have a certificate of this authority, PEM"),
        ),
        task=_answer,
        routes=_routes,
        generators=(
            Generator(
                "keda",
                "a ScaledObject for each ScalingTarget, with the TriggerAuthentication that it needs",
                _scaled_objects,
                options=(
                    Option(
                        "trigger",
                        "external",
                        "How KEDA asks: over gRPC, polled or told at once when to wake from 0; as JSON; or a Prometheus that scrapes maibo.",
                        choices=("external", "external-push", "metrics-api", "prometheus"),
                    ),
                    Option(
                        "address",
                        "",
                        "Where KEDA asks: HOST:PORT of maibo's gRPC, or the URL of maibo or of a Prometheus. "
                        "[default: maibo or prometheus in the namespace monitoring]",
                    ),
                    TOLERANCE,
                ),
            ),
            pool.generator(),
        ),
    )


async def _answer(context: Context) -> None:
    from maibo_slo.signals.supervisor import run

    await run(context)


def _routes(context: Context) -> APIRouter:
    from maibo_slo.signals.plain import router
    from maibo_slo.signals.reading import Reader

    # People and their scripts ask here too: that is no scaler that was told.
    return router(
        Reader(context.signals),
        lambda namespace, target, replicas, face: context.answered(namespace, target, replicas, "", face),
        answered=context.answered,
        last_answers=context.last_answers,
    )


def _scaled_objects(catalogue: Catalogue, *, trigger: str, address: str, tolerance: str) -> Iterable[Artefact]:
    from maibo_slo.signals.scaled_object import scaled_objects

    return scaled_objects(catalogue, trigger=trigger, address=address, tolerance=tolerance)
