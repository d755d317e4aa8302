"""Which rule files there are.

``maibo.rules.yaml`` has the journeys' alerts, on maibo's own metrics. Each SLO whose events a Prometheus counts has a file of its own under
``slos/``: in one file, every SLO without data in a test would fire there too. Promtool's tests stand beside them. The operator's objects have
the same rules, and no tests: promtool does not read them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from maibo_alerting.pairs import SHAPES
from maibo_alerting.prometheus import counted, journeys, sloth
from maibo_alerting.prometheus.journeys_trial import journeys_trial
from maibo_alerting.prometheus.rulefile import rule_file
from maibo_alerting.prometheus.trial import trial
from maibo_alerting.prometheus.windows import read_windows
from maibo_slo.plugins import Artefact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maibo_alerting.prometheus.rulefile import Format
    from maibo_alerting.prometheus.windows import Windows
    from maibo_slo.documents import Catalogue, PromSlo

Dialect = Literal["maibo", "sloth"]


def files(catalogue: Catalogue, *, url: str, dialect: Dialect, form: Format, windows: str) -> Iterator[Artefact]:
    """Raises MaiboError when the windows, a file, make no sense."""
    chosen = read_windows(windows) if windows else None
    yield from _journeys(catalogue, url=url, dialect=dialect, form=form)
    for _, slo in sorted(catalogue.prom_slos.items()):
        yield from _counted(slo, dialect=dialect, form=form, windows=chosen)


def _journeys(catalogue: Catalogue, *, url: str, dialect: Dialect, form: Format) -> Iterator[Artefact]:
    """Nothing where maibo counts nothing: no one may run it there, and its absence would page."""
    if catalogue.prom_slos and not (catalogue.slos or catalogue.scaleup_slos):
        return
    comments = [
        f"{name}: its events are scale-ups, which maibo's own alerts judge; no rules are made for it"
        for name in sorted(catalogue.scaleup_slos)
    ]
    if dialect == "sloth":
        comments += [
            f"{name}: maibo counts its events itself, and sloth's dialect needs a Prometheus that does; see --dialect maibo"
            for name in sorted(catalogue.slos)
        ]
        yield Artefact(_path("maibo", form), rule_file([], comments=comments, form=form, name="maibo"), comments)
        return
    made = journeys.groups(catalogue, url=url)
    yield Artefact(_path("maibo", form), rule_file(made, comments=comments, form=form, name="maibo"), comments)
    if form == "prometheus":
        yield Artefact("prometheus/maibo_test.yaml", journeys_trial(catalogue, made))


def _counted(slo: PromSlo, *, dialect: Dialect, form: Format, windows: Windows | None) -> Iterator[Artefact]:
    shapes = SHAPES if windows is None else windows.shapes_of(slo)
    made = (sloth if dialect == "sloth" else counted).groups(slo, shapes)
    comments = []
    if windows is not None and slo.window_seconds != windows.period_seconds:
        comments.append(f"{slo.name}: not over the sloPeriod of the windows that were given, so it has the usual ones")
    test = ""
    if form == "prometheus":
        told = sloth.told if dialect == "sloth" else counted.told
        test = trial(slo, shapes, made, [told(slo, one) for one in slo.objectives])
        if not test:
            comments.append(f"{slo.name}: no tests, since its queries are not plain selectors of counters")
    rules = rule_file(made, comments=comments, form=form, name=f"maibo-{slo.name}")
    yield Artefact(_path(f"slos/{slo.name}", form), rules, comments)
    if test:
        yield Artefact(f"prometheus/slos/{slo.name}_test.yaml", test)


def _path(name: str, form: Format) -> str:
    return f"prometheus/{name}.rules.yaml" if form == "prometheus" else f"operator/{name}.prometheusrule.yaml"
