"""Questions about the past: who burnt a budget, what was counted or would have been, what a period came to. Routes of the API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final, Literal

from fastapi import APIRouter, HTTPException, Query
from pydantic import Field

from maibo_slo.documents import FedSlo, Objective, Slo
from maibo_slo.documents.durations import elapsed_text, elapsed_us
from maibo_slo.documents.kinds import Calendar, Method
from maibo_slo.engine.calendar import period
from maibo_slo.engine.groups import MOST_GROUPS, OVERFLOW, group_values
from maibo_slo.engine.tracks import is_whole
from maibo_slo.problems import near
from maibo_slo.reporting.blame import blame, indicator_of
from maibo_slo.reporting.collect import collect
from maibo_slo.reporting.figures import Alerts, Burnt, BurntPart, BurntStep, BurntVersion, Day, Report, Row, Trend
from maibo_slo.reporting.whatif import Changed, WhatIfError, counts
from maibo_slo.service.answers import Answer, Span
from maibo_slo.service.api import RawPathRoute
from maibo_slo.service.flows import utc
from maibo_slo.service.openapi import AWAY, WRONG, answers
from maibo_slo.service.parameters import FiltersOf, MonthOf, invalid
from maibo_slo.store import cells, past
from maibo_slo.store.cells import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from maibo_slo.documents import Catalogue, Correction
    from maibo_slo.store import Store

MOST_DAYS_OF_MINUTES: Final = 100
MOST_PERIODS: Final = 10_000
SHOWN_GROUPS: Final = 20
_DAY: Final = 86_400
_PROBLEMS: Final = {404: "Unknown name, or nothing that can be told of it", 422: WRONG, 503: AWAY}

ObjectiveText = Annotated[str, Query(description="Name of the objective; the first where not given.")]
GroupText = Annotated[
    str, Query(description="Of an SLO with a budget for each group: which one.", examples=["tier=gold,region=eu"])
]


class BurntAnswer(Answer):
    """Who burnt the budget within a window. From cells: corrections are not taken off."""

    window: Span
    burnt: Burnt


class CountsAnswer(Answer):
    """An objective's counts over time; intervals without data are absent."""

    window: Span
    slo: str
    objective: str
    group: str
    target: float
    window_seconds: int = Field(description="the SLO's own; of a calendar window nominal")
    method: Method
    slice_seconds: int = Field(description="0 where events are counted")
    threshold: str = Field(
        default="",
        description="latency of good events that these counts are by; '' where there is none",
        examples=["300ms"],
    )
    calendar: str = Field(
        default="", description="how long the calendar's windows are; '' where windows roll", examples=["1M"]
    )
    periods: list[int] = Field(
        description="begins of the calendar's windows that touch this one, and the end of the last; none where they roll"
    )
    source: Literal["ledger", "cells"]
    step: int
    t: list[int] = Field(description="begins, unix seconds")
    good: list[int]
    bad: list[int]


class ReportAnswer(Answer):
    """A period's report."""

    report: Report


_END: Final = datetime(2026, 2, 1, tzinfo=UTC)
_JANUARY: Final = Span(begin=_END - timedelta(days=31), end=_END, seconds=31 * _DAY)
_PAYMENT: Final = BurntStep(
    value="payment",
    bad=820,
    share=0.82,
    failed=820,
    slow=0,
    versions=(BurntVersion(service="payment", version="8.2.0", bad=820, share=0.82),),
)
_UNEXPLAINED: Final = BurntStep(value="", bad=180, share=0.18, failed=180, slow=0)
BURNT: Final = BurntAnswer(
    window=_JANUARY,
    burnt=Burnt(
        slo="checkout-works",
        objective="0.999",
        events=1_250_000,
        bad=1000,
        failed=1000,
        slow=0,
        abandoned=0,
        budget_spent=0.8,
        by={"tier": (BurntPart(value="gold", bad=600, share=0.6), BurntPart(value="", bad=400, share=0.4))},
        rest={"tier": 0},
        steps=(_PAYMENT, _UNEXPLAINED),
    ),
)
COUNTS: Final = CountsAnswer(
    window=_JANUARY,
    slo="checkout-works",
    objective="0.999",
    group="",
    target=0.999,
    window_seconds=28 * _DAY,
    method="Occurrences",
    slice_seconds=0,
    threshold="500ms",
    periods=[],
    source="ledger",
    step=60,
    t=[1_767_225_600, 1_767_225_660],
    good=[280, 275],
    bad=[0, 5],
)
REPORT: Final = ReportAnswer(
    report=Report(
        begin=_JANUARY.begin,
        end=_END,
        until=_END,
        over=True,
        rows=(
            Row(
                slo="checkout-works",
                display_name="Checkouts work",
                objective="0.999",
                group="",
                service="storefront",
                team="checkout",
                journey="checkout",
                target=0.999,
                unit="events",
                good=1_249_000,
                bad=1000,
                counted_events=1_250_000,
                attainment=0.9992,
                budget_spent=0.8,
                verdict="met",
                coverage=0.98,
                days=(Day(day=_END - timedelta(days=20), good=40_000, bad=820, spent=0.656),),
                before=Trend(attainment=0.9995, budget_spent=0.5),
                alerts=Alerts(pages=1, tickets=0, precise_pages=1, detect_seconds=(120.0,), spent_outside=0.18),
                steps=(_PAYMENT, _UNEXPLAINED),
                versions=_PAYMENT.versions,
            ),
        ),
        unblamed=0,
    )
)


def router(
    store: Store,
    catalogue: Callable[[], Catalogue],
    *,
    corrections: Callable[[], Sequence[Correction]] = tuple,
    now: Callable[[], float],
) -> APIRouter:
    """Routes over this store and these documents; `corrections`: those told to the running service.

    Plain functions: FastAPI runs them in worker threads.
    """
    routes = APIRouter(prefix="/v1", route_class=RawPathRoute, tags=["slos"])

    @routes.get("/slos/{name}/burnt", responses=answers(BURNT, _PROBLEMS))
    def burnt(name: str, asked: MonthOf, objective: ObjectiveText = "", group: GroupText = "") -> BurntAnswer:
        """Who burnt the budget: bad events by step, version, tier, region, variant and reason, each adding up to all of them."""
        at = int(now())
        slo = _slo(catalogue(), name)
        if isinstance(slo, FedSlo):
            raise HTTPException(
                404, f"the events of {name!r} are counted by {slo.counted_by}, which has no steps or tiers to tell"
            )
        chosen = _objective(slo, objective)
        _require_own_counts(slo, chosen)
        window = cells.covered(Window(*asked.at(at)), now=at)
        values = _group(store, slo, chosen, group, counted_again=True)
        found = blame(store, catalogue().slos.values(), slo, chosen, window, group=values, now=at)
        if not found.events:
            _require_group(store, slo, chosen, group)
        return BurntAnswer(window=_span(window, at), burnt=found)

    @routes.get("/slos/{name}/counts", responses=answers(COUNTS, _PROBLEMS))
    def counts_(
        name: str,
        asked: MonthOf,
        filters: FiltersOf,
        *,
        objective: ObjectiveText = "",
        group: GroupText = "",
        step: Annotated[
            Literal["60", "3600"], Query(description="Seconds: minutes, for 100 days at most, or hours.")
        ] = "60",
        threshold: Annotated[
            str, Query(description="Count as if this were the latency of good events.", examples=["300ms"])
        ] = "",
    ) -> CountsAnswer:
        """Good and bad of each minute or hour: from the ledger, or counted again from cells where a threshold or filter is given."""
        at, seconds = int(now()), int(step)
        slo = _slo(catalogue(), name)
        chosen = _objective(slo, objective)
        if slo.method == "Occurrences":
            _require_own_counts(slo, chosen)
        begin, end = asked.at(at)
        if seconds == 60 and end - begin > MOST_DAYS_OF_MINUTES * _DAY:
            raise invalid("step", f"minutes of more than {MOST_DAYS_OF_MINUTES} days are too many: ask for hours, 3600")
        window = Window(begin, end).widened(seconds)
        changed = Changed(_threshold(threshold), filters)
        try:
            told = counts(
                store,
                slo,
                chosen,
                window,
                step=seconds,
                group=_group(store, slo, chosen, group, counted_again=bool(changed)),
                group_name=group,
                changed=changed,
                corrections=(*catalogue().corrections.values(), *corrections()),
                now=at,
            )
        except WhatIfError as error:
            raise invalid(error.about, str(error)) from None
        if not len(told.series.t):
            _require_group(store, slo, chosen, group)
        limit = changed.threshold_us or _own_threshold_us(slo, chosen)
        return CountsAnswer(
            window=_span(window, at),
            slo=name,
            objective=chosen.name,
            group=group,
            target=chosen.target,
            window_seconds=slo.window_seconds,
            method=slo.method,
            slice_seconds=chosen.slice_seconds,
            threshold="" if limit is None else elapsed_text(limit),
            calendar="" if slo.calendar is None else f"{slo.calendar.count}{slo.calendar.unit}",
            periods=_periods(slo.calendar, window),
            source=told.source,
            step=seconds,
            t=told.series.t.tolist(),
            good=told.series.good.tolist(),
            bad=told.series.bad.tolist(),
        )

    @routes.get("/report", responses=answers(REPORT, _PROBLEMS))
    def report(asked: MonthOf) -> ReportAnswer:
        """What a period came to: attainment, budget, worst days, what burnt it, how good the alerts were, and the period before."""
        at = now()
        begin, end = asked.at(at)
        return ReportAnswer(report=collect(store, catalogue(), begin, end, now=at))

    return routes


def _slo(catalogue: Catalogue, name: str) -> Slo | FedSlo:
    found = catalogue.judged.get(name)
    if found is None:
        raise HTTPException(
            404, f"no document in force names an SLO {name!r} that is judged here{near(name, catalogue.judged)}"
        )
    return found


def _objective(slo: Slo | FedSlo, name: str) -> Objective:
    named = {objective.name: objective for objective in slo.objectives}
    if name and name not in named:
        raise invalid("objective", f"{slo.name!r} has no objective {name!r}; there are: {', '.join(named)}")
    return named[name] if name else slo.objectives[0]


def _require_own_counts(slo: Slo | FedSlo, objective: Objective) -> None:
    if is_whole(slo, objective):
        names = ", ".join(each.name for each in slo.objectives if not is_whole(slo, each))
        raise HTTPException(
            404,
            f"{objective.name!r} of {slo.name!r} counts no events itself, it is judged from its components: ask for one of these as the "
            f"objective, {names}",
        )


def _group(store: Store, slo: Slo | FedSlo, objective: Objective, group: str, *, counted_again: bool) -> dict[str, str]:
    """Dimension -> value. A group that is spelt well need not be there."""
    values = group_values(group)
    if group == OVERFLOW and slo.group_by:
        if counted_again:
            raise invalid("group", f"{OVERFLOW} is what came after {MOST_GROUPS} groups: only its ledger can be told")
        return {}
    if set(values) != set(slo.group_by):
        if not slo.group_by:
            raise invalid("group", f"{slo.name!r} has one budget for all, and no group {group!r}")
        there = _groups_there(past.groups(store, slo.name, objective.name))
        if group:
            raise invalid("group", f"{slo.name!r} has no group {group!r}; {there}")
        raise invalid("group", f"{slo.name!r} has a budget for each {' and '.join(slo.group_by)}: say which; {there}")
    return values


def _require_group(store: Store, slo: Slo | FedSlo, objective: Objective, group: str) -> None:
    """Where it has no counts now: one that never had any is misspelt."""
    if slo.group_by and group not in (there := past.groups(store, slo.name, objective.name)):
        raise invalid("group", f"{slo.name!r} has no group {group!r}; {_groups_there(there)}")


def _groups_there(groups: Sequence[str]) -> str:
    if not groups:
        return "none of its groups has been counted yet"
    more = f" and {len(groups) - SHOWN_GROUPS} more" if len(groups) > SHOWN_GROUPS else ""
    return f"there are: {', '.join(groups[:SHOWN_GROUPS])}{more}"


def _own_threshold_us(slo: Slo | FedSlo, objective: Objective) -> int | None:
    """Of the document."""
    if not isinstance(slo, Slo) or is_whole(slo, objective):
        return None
    good = indicator_of(slo, objective).good
    return None if good is None else good.max_duration_us


def _periods(calendar: Calendar | None, window: Window) -> list[int]:
    """Begins and the last end, of at most `MOST_PERIODS`, the last ones."""
    if calendar is None:
        return []
    begin, end = period(calendar, window.end - 1)
    bounds = [end, begin]
    while bounds[-1] > window.begin and len(bounds) <= MOST_PERIODS:
        bounds.append(period(calendar, bounds[-1] - 1).begin)
    return bounds[::-1]


def _threshold(text: str) -> int | None:
    try:
        return elapsed_us(text) if text else None
    except ValueError:
        raise invalid("threshold", f"{text!r} is no latency such as 300ms or 1.2s") from None


def _span(window: Window, now: int) -> Span:
    until = max(window.begin + 1, min(window.end, now + 1))
    return Span(begin=utc(window.begin), end=utc(until), seconds=until - window.begin)
