"""How the fast lane joins a service. Imports nothing heavy: every command of the command line loads this."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maibo_slo.plugins import Artefact, Context, Generator, Option, Plugin

if TYPE_CHECKING:
    from collections.abc import Iterable

    from maibo_slo.documents import Catalogue

OPTION: Final = "fast-lane"


def plugin() -> Plugin:
    """The entry point ``fast_lane`` of the group ``maibo.plugins``."""
    return Plugin(
        name="fast-lane",
        summary="raises replicas at once, instead of at the HPA's next look",
        options=(
            Option(
                OPTION,
                "off",
                "whether to write /scale of those workloads whose ScalingTarget has a fastLane, upwards alone, in the cluster of --kubernetes",
                choices=("off", "on"),
            ),
        ),
        task=_run,
        generators=(
            Generator(
                "fast-lane",
                "the Roles with which maibo may raise the replicas of exactly those workloads that have a fastLane",
                _roles,
                options=(
                    Option("namespace", "monitoring", "Where maibo runs."),
                    Option("service-account", "maibo", "Under which it runs there."),
                ),
            ),
        ),
    )


async def _run(context: Context) -> None:
    if context.options[OPTION] != "on":
        context.report("fast-lane", None)
        await context.stopping.wait()
        return
    from maibo_slo.signals.fast_lane.loop import run

    await run(context)


def _roles(catalogue: Catalogue, *, namespace: str, service_account: str) -> Iterable[Artefact]:
    from maibo_slo.signals.fast_lane.roles import roles

    return roles(catalogue, namespace=namespace, service_account=service_account)
