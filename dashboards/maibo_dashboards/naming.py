"""Names that Grafana keeps for ever: a dashboard's uid is its address, so the same dashboard always has the same one.

Titles are unique too, of both data sources together: where two dashboards of a folder share one, Grafana's provisioning brings in neither.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from maibo_dashboards.targets import Source
    from maibo_slo.documents import Journey

_LONGEST: Final = 40
"""Characters that Grafana allows a uid."""
_SUFFIXES: Final = {"clickhouse": "", "prometheus": "-prom"}
_TITLED: Final = {"clickhouse": "", "prometheus": " (Prometheus)"}


def uid(board: str, source: Source = "clickhouse") -> str:
    """Of a dashboard that there is once: ``journeys``, ``scaling``, ``pulse``, ``itself``.

    >>> uid("journeys"), uid("journeys", "prometheus")
    ('maibo-journeys', 'maibo-journeys-prom')
    """
    return f"maibo-{board}{_SUFFIXES[source]}"


def journey_uid(journey: str, source: Source = "clickhouse") -> str:
    """The journey's name where it fits, else its beginning and a hash."""
    whole = f"maibo-journey-{journey}"
    suffix = _SUFFIXES[source]
    if len(whole) + len(suffix) <= _LONGEST:
        return f"{whole}{suffix}"
    digest = sha256(journey.encode()).hexdigest()[:8]
    return f"{whole[: _LONGEST - 9 - len(suffix)]}-{digest}{suffix}"


def title(board: str, source: Source = "clickhouse") -> str:
    """What people read.

    >>> title("Journeys"), title("Journeys", "prometheus")
    ('Journeys', 'Journeys (Prometheus)')
    """
    return f"{board}{_TITLED[source]}"


def journey_title(journey: Journey, every: Iterable[Journey], source: Source = "clickhouse") -> str:
    """With its name where another journey is called the same."""
    is_alone = all(other.display_name != journey.display_name for other in every if other.name != journey.name)
    return title(f"Journey: {journey.display_name}" + ("" if is_alone else f", {journey.name}"), source)
