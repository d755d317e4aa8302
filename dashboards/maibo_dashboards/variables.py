"""What a dashboard can be narrowed by, and what is marked on its charts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import grafanalib.core

from maibo_dashboards.targets import TABLE, TYPES, Promql, reference

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maibo_dashboards.targets import Source, Target

g: Any = grafanalib.core
"""Without types: what type checkers guess of it is wrong."""

Variable = Any
"""One of grafanalib's templates."""

ON_TIME_RANGE: Final = 2
"""Asked again when the time range changes."""


def datasource(source: Source = "clickhouse") -> Variable:
    """Which data source of this kind is asked: every dashboard has it, no panel names one."""
    return g.Template(name="datasource", label="Data source", type="datasource", query=TYPES[source])


def resolution(resolutions: Mapping[str, str], *, default: str) -> Variable:
    """Which tier of the cells is read; also the shortest interval that panels ask for."""
    return choice("resolution", resolutions, default=default)


def choice(name: str, options: Mapping[str, str], *, label: str = "", default: str = "") -> Variable:
    """One of some values, at first `default` or else the first; `options`: value -> what people read."""
    texts = {value: _readable(text) for value, text in options.items()}
    return g.Template(
        name=name,
        label=label or name.capitalize(),
        type="custom",
        query=", ".join(f"{text} : {value}" for value, text in texts.items()),
        options=[
            {"selected": value == (default or next(iter(texts))), "text": text, "value": value}
            for value, text in texts.items()
        ],
        sort=0,
    )


def values(name: str, target: Target, *, label: str = "", single: bool = False, every: str | None = None) -> Variable:
    """Narrow to some values; all of them at first, or, `single`, to one, the first at first.

    SQL: the first column. PromQL: ``label_values(metric, label)`` and the like. `every` is what stands for all, where a list of them would miss some:
    ``.*`` finds series without the label too.
    """
    return g.Template(
        name=name,
        label=label or name.capitalize(),
        type="query",
        query=target.expr if isinstance(target, Promql) else target.text,
        dataSource=reference(target.source),
        includeAll=not single,
        multi=not single,
        default=None if single else "$__all",
        allValue=every,
        refresh=ON_TIME_RANGE,
    )


def written(name: str, usual: str, *, label: str) -> Variable:
    """What the viewer types: an address that only they know."""
    current = {"selected": True, "text": usual, "value": usual}
    return g.Template(name=name, label=label, type="textbox", query=usual, default=usual, options=[current])


def annotation(name: str, target: Target, *, colour: str, enabled: bool = True) -> Mapping[str, object]:
    """Marks on every chart. SQL: columns ``time``, ``text``, and where there are such ``timeEnd`` (a region) and ``tags``.

    PromQL: a mark wherever there is a sample; its legend is the text, ``{{label}}`` for labels.
    """
    common = {"name": name, "enable": enabled, "iconColor": colour, "datasource": reference(target.source)}
    if isinstance(target, Promql):
        return common | {"expr": target.expr, "titleFormat": name, "textFormat": target.legend, "step": "60s"}
    return common | {
        "target": {"refId": "Anno", "editorType": "sql", "rawSql": target.text, "format": TABLE},
    }


def _readable(text: str) -> str:
    """Without what means something in a list of values: commas, colons, dollar signs."""
    return " ".join(text.replace(",", " ").replace(":", " ").replace("$", " ").replace("\\", " ").split())
