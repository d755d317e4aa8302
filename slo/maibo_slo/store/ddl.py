"""The schema as SQL, for those who make tables by hand: for a single server, or for a cluster.

In a cluster every table is a replicated one, ``NAME_local``, on every server, and a ``Distributed`` one, ``NAME``, through which maibo
reads and writes. Rows that are summed or replaced together are on one shard. The servers' macros ``{shard}`` and ``{replica}`` say where a table belongs.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from maibo_slo.errors import StoreError
from maibo_slo.store.schema import MIGRATIONS
from maibo_slo.store.tables import APPLIED, DAY, DEDUPLICATED, DEDUPLICATION_WINDOW, TABLES

if TYPE_CHECKING:
    from maibo_slo.store.tables import Table

_CLUSTER: Final = re.compile(r"[A-Za-z0-9_.-]+|\{[A-Za-z0-9_]+\}")
_TOKENS: Final = (
    f"replicated_deduplication_window = {DEDUPLICATION_WINDOW}",
    # Tokens are forgotten by age too, and a collector may be without its store for days.
    f"replicated_deduplication_window_seconds = {7 * DAY}",
)


def statements(cluster: str | None = None) -> list[str]:
    """What makes an empty database the newest schema's, in order; the last notes that it is, so that maibo has nothing to migrate.

    `cluster`: as ``system.clusters`` has it, or a macro like ``{cluster}``. StoreError for a name that is neither.
    """
    if cluster is None:
        made = [table.ddl() for table in TABLES]
    elif _CLUSTER.fullmatch(cluster):
        locals_ = [_local(table, cluster) for table in TABLES]
        # Last those that maibo writes to: nothing comes in before it can go on.
        made = [*locals_, *(_distributed(table, cluster) for table in TABLES)]
    else:
        raise StoreError(
            f"the cluster {cluster!r} has a name that no cluster has: give it as system.clusters shows it, or a macro: {{cluster}}"
        )
    versions = ", ".join(f"({version}, now())" for version, _ in MIGRATIONS)
    return [*made, f"INSERT INTO {APPLIED.name} (version, applied_at) VALUES {versions}"]  # noqa: S608 -- numbers


def _local(table: Table, cluster: str) -> str:
    family, _, arguments = table.engine.partition("(")
    told = ", ".join(
        ["'/clickhouse/tables/{shard}/{database}/{table}'", "'{replica}'", *filter(None, [arguments.removesuffix(")")])]
    )
    settings: list[str] = []
    for setting in table.settings:
        settings += _TOKENS if setting == DEDUPLICATED else (setting,)
    local = replace(
        table,
        name=f"{table.name}_local ON CLUSTER '{cluster}'",
        engine=f"Replicated{family}({told})",
        settings=settings,
    )
    return local.ddl()


def _distributed(table: Table, cluster: str) -> str:
    return (
        f"CREATE TABLE IF NOT EXISTS {table.name} ON CLUSTER '{cluster}' AS {table.name}_local\n"
        f"ENGINE = Distributed('{cluster}', currentDatabase(), '{table.name}_local', {table.shard_by})"
    )
