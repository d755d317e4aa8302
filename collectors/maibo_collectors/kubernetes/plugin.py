"""How the recorder joins a service. Imports nothing heavy: every command of the command line loads this."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maibo_slo.plugins import Option, Plugin

if TYPE_CHECKING:
    from maibo_slo.plugins import Context


def plugin() -> Plugin:
    """The entry point ``kubernetes`` of the group ``maibo.plugins``."""
    return Plugin(
        name="kubernetes",
        summary="watches a cluster: how long scale-ups take, and how many pods run",
        options=(
            Option(
                "kubernetes",
                "off",
                "the cluster to watch: 'auto' (KUBECONFIG, else the pod's own account, else ~/.kube/config), a kubeconfig's path, or 'off'",
            ),
            Option("kubernetes-context", "", "context of the kubeconfig, if not its current one"),
            Option(
                "kubernetes-namespaces",
                "",
                "namespaces to watch, comma-separated, for an account that may not see all; without it, all",
            ),
        ),
        task=_record,
    )


async def _record(context: Context) -> None:
    from maibo_collectors.kubernetes.recording import run

    await run(context)
