"""The dashboards, one module each: what is on them and why; what they ask is in `sql` and `promql`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maibo_dashboards.boards import itself, journey, journeys, pulse, scaling

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maibo_dashboards.panels import Panel
    from maibo_dashboards.targets import Source
    from maibo_slo.documents import Catalogue


def every(catalogue: Catalogue, source: Source = "clickhouse") -> Iterator[tuple[str, Panel]]:
    """Each dashboard that there is for this kind of data source, and its file's name without ``.json``."""
    yield "journeys", journeys.dashboard(catalogue, source)
    for name in sorted(catalogue.journeys):
        yield f"journey-{name}", journey.dashboard(catalogue, catalogue.journeys[name], source)
    yield "scaling", scaling.dashboard(catalogue, source)
    yield "pulse", pulse.dashboard(catalogue, source)
    yield "itself", itself.dashboard(catalogue, source)
