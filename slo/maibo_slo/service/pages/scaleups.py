"""The page at /scaleups: what scale-ups took by workload and phase, and the newest. No numbers are made here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from maibo_slo.service.pages import units
from maibo_slo.service.pages.language import gettext, marked
from maibo_slo.service.pages.links import with_query
from maibo_slo.service.pages.scaleup_words import changed, counted_from, quantile, seconds, where
from maibo_slo.service.pages.shapes import hundredths
from maibo_slo.store.scaleups import ScaleUpState, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from maibo_slo.service.answers import Span
    from maibo_slo.service.scaleup_answers import (
        PhaseSummary,
        ScaleUpAnswer,
        ScaleUpsAnswer,
        ScaleUpSummaryAnswer,
        WorkloadScaleUps,
    )

DEFAULT_WINDOW: Final = "7d"
_TONES: Final[Mapping[ScaleUpState, tuple[str, str]]] = {
    ScaleUpState.COMPLETE: ("good", "check"),
    ScaleUpState.RUNNING: ("warn", "clock"),
    ScaleUpState.CENSORED: ("bad", "cross"),
}
_STATES: Final[Mapping[ScaleUpState, str]] = {
    ScaleUpState.COMPLETE: marked("complete"),
    ScaleUpState.RUNNING: marked("running"),
    ScaleUpState.CENSORED: marked("censored"),
}


@dataclass(frozen=True, slots=True)
class StackPart:
    """One phase of a workload's stacked bar."""

    kind: str
    label: str
    x: float
    width: float
    words: str


@dataclass(frozen=True, slots=True)
class WorkloadRow:
    """One workload of the list."""

    answer: WorkloadScaleUps
    href: str
    p50: str
    p90: str
    p99: str
    since: str
    """What their latency is counted from."""
    stack: tuple[StackPart, ...]
    words: str


@dataclass(frozen=True, slots=True)
class ScaleUpRow:
    """One scale-up of the list."""

    answer: ScaleUpAnswer
    href: str
    when: str
    changed: str
    latency: str
    state: str
    where: str
    """Where the time went."""
    tone: str
    icon: str


@dataclass(frozen=True, slots=True)
class ScaleUpsPage:
    """The page at /scaleups."""

    now: datetime
    window: Span
    workload: str
    workloads: tuple[WorkloadRow, ...]
    scaleups: tuple[ScaleUpRow, ...]
    omitted: int
    kinds: tuple[tuple[str, str], ...]
    """Phases that are drawn: kind and label."""
    clear_href: str
    cut: bool


def scaleups_page(
    found: ScaleUpsAnswer, summary: ScaleUpSummaryAnswer, *, base: str, carried: Mapping[str, str], workload: str
) -> ScaleUpsPage:
    """Workloads with their phases, and the newest scale-ups."""
    highest = max((_length(each) for each in summary.workloads), default=0.0)
    kinds = {
        phase.stage: gettext(phase.label)
        for each in summary.workloads
        for phase in each.phases
        if _p50(phase) is not None
    }
    return ScaleUpsPage(
        now=found.now,
        window=found.window,
        workload=workload,
        workloads=tuple(_workload(each, highest, base=base, carried=carried) for each in summary.workloads),
        scaleups=tuple(row_of(each, now=found.now, base=base) for each in found.scaleups),
        omitted=found.omitted,
        kinds=tuple(
            (stage.value, kinds[stage]) for stage in Stage if stage in kinds and stage is not Stage.FIRST_JOURNEY
        ),
        clear_href=list_href(base=base, carried=carried),
        cut=summary.cut,
    )


def row_of(of: ScaleUpAnswer, *, now: datetime, base: str) -> ScaleUpRow:
    """One in words."""
    tone, icon = _TONES[of.state]
    return ScaleUpRow(
        answer=of,
        href=scaleup_href(of.id, base=base),
        when=units.moment(of.decided_at, now=now),
        changed=changed(of),
        latency=seconds(of.latency, longer=of.censored),
        state=gettext(_STATES[of.state]),
        where=where(of),
        tone=tone,
        icon=icon,
    )


def scaleup_href(scaleup_id: str, *, base: str) -> str:
    """Where the page of one is: its id is three segments of the path."""
    return f"{base}/scaleups/{quote(scaleup_id, safe='/@', errors='replace')}"


def list_href(*, base: str, carried: Mapping[str, str], workload: str = "") -> str:
    """Where the list is."""
    return with_query(f"{base}/scaleups", {**carried, **({"workload": workload} if workload else {})})


def is_workload(text: str) -> bool:
    """Whether it can be asked for: NAMESPACE/KIND/NAME, or NAME alone."""
    return bool(text) and (text.count("/") == 0 or (text.count("/") == 2 and all(text.split("/"))))


def _workload(of: WorkloadScaleUps, highest: float, *, base: str, carried: Mapping[str, str]) -> WorkloadRow:
    parts: list[StackPart] = []
    x = 0.0
    for phase in of.phases:
        middle = _p50(phase)
        if middle is None or phase.stage is Stage.FIRST_JOURNEY or not highest:
            continue
        width = middle / highest * 100
        label = gettext(phase.label)
        said = gettext(
            "%(phase)s: P50 %(half)s, P90 %(most)s",
            phase=label,
            half=quantile(phase.p50, phase.longest),
            most=quantile(phase.p90, phase.longest),
        )
        parts.append(StackPart(phase.stage.value, label, hundredths(x), hundredths(width), said))
        x += width
    return WorkloadRow(
        answer=of,
        href=list_href(base=base, carried=carried, workload=of.workload),
        p50=quantile(of.latency.p50, of.latency.longest),
        p90=quantile(of.latency.p90, of.latency.longest),
        p99=quantile(of.latency.p99, of.latency.longest),
        since=counted_from(of),
        stack=tuple(parts),
        words=gettext("; ").join(part.words for part in parts) or gettext("no phase has ended"),
    )


def _length(of: WorkloadScaleUps) -> float:
    return sum(_p50(phase) or 0.0 for phase in of.phases if phase.stage is not Stage.FIRST_JOURNEY)


def _p50(phase: PhaseSummary) -> float | None:
    found = phase.p50
    return None if found is None or found.latest is None else (found.earliest + found.latest) / 2
