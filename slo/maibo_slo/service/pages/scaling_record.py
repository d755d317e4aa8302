"""The pages of scaling at a moment of the past: what is on record of it, and no number of now.

Not on record, so not shown: the arithmetic of a wish, what burnt its SLOs, and what each face answered. Bounds are those of the document in force now, and
say so.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from maibo_slo.service.flows import utc
from maibo_slo.service.pages import units
from maibo_slo.service.pages.language import gettext, marked
from maibo_slo.service.pages.scaling import (
    FRESH,
    REFUSED,
    STALE,
    Badge,
    ScalingPage,
    TargetRow,
    of_rows,
    override_row,
    row_of,
    seconds,
)
from maibo_slo.service.pages.target import WISHES, FactRow, TargetPage, WishRow, between, held, over_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maibo_slo.service.scaling import ScalingRecord, TargetPast, TargetRecord
    from maibo_slo.store.scaling import Decided

UNRECORDED: Final = Badge(marked("not on record"), "", "none")


def scaling_then(found: ScalingRecord, *, now: float, base: str, carried: Mapping[str, str]) -> ScalingPage:
    """The list."""
    rows = [_row(each, at=found.at, now=now, base=base, carried=carried) for each in found.targets]
    return of_rows(rows, then=units.moment(utc(found.at), now=utc(now)))


def target_then(found: TargetPast, *, now: float, base: str, carried: Mapping[str, str]) -> TargetPage:
    """One target."""
    record, at = found.record, found.at
    target, decided = record.target, record.decided
    row = _row(record, at=at, now=now, base=base, carried=carried)
    page = replace(
        over_time(target, row, found.history, found.trail, base=base, now=now, at=at),
        recorded=decided is not None,
        bounds=gettext(
            "%(least)s to %(most)s replicas by the document in force now", least=target.least, most=target.most
        ),
    )
    if decided is None:
        return page
    return replace(
        page,
        between=between(decided.lower, decided.upper),
        reason="" if decided.desired is None else decided.reason,
        held="" if decided.desired is None else held(decided.held_by),
        wishes=() if decided.desired is None else _wishes(decided),
        facts=(
            FactRow(gettext("Demand"), _rate(decided.demand), ""),
            FactRow(gettext("A replica carries"), _rate(decided.per_replica), ""),
        ),
    )


def _row(of: TargetRecord, *, at: float, now: float, base: str, carried: Mapping[str, str]) -> TargetRow:
    decided, badge = of.decided, _badge(of)
    return row_of(
        of.target,
        badge,
        desired=None if decided is None else decided.desired,
        ready=None if decided is None else decided.ready,
        wanted=None if decided is None else decided.wanted,
        age=None if decided is None else decided.age,
        why=_why(of, badge),
        override=None if of.override is None else override_row(of.override, now=now, at=at),
        base=base,
        carried=carried,
    )


def _badge(of: TargetRecord) -> Badge:
    decided = of.decided
    if decided is None:
        return UNRECORDED
    if decided.desired is None:
        return REFUSED
    return STALE if decided.age is not None and decided.age > of.target.max_age_seconds else FRESH


def _why(of: TargetRecord, badge: Badge) -> str:
    if of.decided is None:
        return gettext("no decision of that moment is on record")
    if badge is STALE:
        return gettext(
            "what it followed was %(age)s old, over the %(limit)s of the document in force now",
            age=seconds(of.decided.age or 0.0),
            limit=seconds(of.target.max_age_seconds),
        )
    return of.decided.reason


def _wishes(of: Decided) -> tuple[WishRow, ...]:
    by_kind = {
        "reactive": of.reactive,
        "feed_forward": of.feed_forward,
        "predictive": of.predictive,
        "correction": of.correction,
    }
    highest = max((each or 0 for each in by_kind.values()), default=0)
    return tuple(
        WishRow(gettext(name), gettext(meaning), by_kind[kind], "", by_kind[kind] == highest)
        for kind, (name, meaning) in WISHES.items()
    )


def _rate(per_second: float | None) -> str:
    return "" if per_second is None else units.rate(per_second, "s")
