"""``maibo.dev/v1 Correction``: time that was not like other time, once or again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, get_args

from maibo_slo.documents.durations import whole_seconds
from maibo_slo.documents.kinds import Correction, CorrectionKind, Effect
from maibo_slo.documents.moments import UTC, elapsed_seconds, moment, zone
from maibo_slo.documents.recurrence import EXAMPLE, RecurrenceError, recurrence
from maibo_slo.documents.windows import MAX_WINDOW_DAYS

if TYPE_CHECKING:
    from datetime import datetime

    from maibo_slo.documents.document import Document, Known
    from maibo_slo.documents.fields import Fields

KINDS: Final[dict[str, CorrectionKind]] = {kind: kind for kind in get_args(CorrectionKind)}
EFFECTS: Final[dict[str, Effect]] = {effect: effect for effect in get_args(Effect)}
_WHO: Final = "name the person or team that answers for it"
_WHY: Final = "say it in a sentence: who reads the numbers asks"


def default_effect(kind: CorrectionKind) -> Effect:
    """What is planned is not counted; what happened is shown and counted as it was, unless somebody says otherwise."""
    return "exclude" if kind == "maintenance" else "annotate"


def correction(document: Document, known: Known) -> Correction | None:
    """Read the document's spec; None when it has no time, which is told."""
    spec = document.fields.mapping("spec")
    kind = KINDS.get(spec.choice("kind", KINDS, mend=f"write one of {', '.join(KINDS)}"), "other")
    effect = EFFECTS.get(spec.choice("effect", EFFECTS), "annotate") if spec.has("effect") else default_effect(kind)
    where = zone(spec, "timeZone", default=UTC)
    start = moment(spec, "start", where)
    seconds = _seconds(spec, start, where)
    rule = _rule(spec, start)
    slos = known.refer_each(spec, "slos", "SLO")
    services = known.refer_each(spec, "services", "Service")
    journeys = known.refer_each(
        spec, "journeys", "Journey", others=known.undescribed
    )  # those that an SLO counts at least
    who, why = _said(spec, "who", _WHO), _said(spec, "why", _WHY)
    spec.close()
    if start is None:
        return None
    return Correction(
        name=document.name,
        kind=kind,
        effect=effect,
        start=start,
        duration_seconds=seconds,
        zone=where,
        rrule=rule,
        slos=slos,
        services=services,
        journeys=journeys,
        who=who,
        why=why,
        origin=document.head.origin,
    )


def _seconds(spec: Fields, start: datetime | None, zone: str) -> int:
    """How long each window is; 0 when that is wrong, which is told."""
    given = spec.given("end", "duration")
    if len(given) != 1:
        spec.error("end", "give exactly one of end and duration", "such as duration: 2h")
        return 0
    if given == ["duration"]:
        return whole_seconds(spec, "duration", 0, example="2h")
    end = moment(spec, "end", zone)
    if start is None or end is None:
        return 0
    seconds = elapsed_seconds(start, end, zone)
    if seconds <= 0:
        spec.error("end", "is not after start", "swap them, or mend the date")
    elif seconds > MAX_WINDOW_DAYS * 86_400:
        mend = f"counts are kept for {MAX_WINDOW_DAYS} days: write a shorter one"
        spec.error("end", f"is {seconds // 86_400} days after start", mend)
    return seconds


def _rule(spec: Fields, start: datetime | None) -> str:
    """The rule by which it comes again, '' for once."""
    if not spec.has("rrule"):
        return ""
    rule = spec.text("rrule", mend=EXAMPLE)
    if not rule or start is None:
        return rule
    try:
        first = next(iter(recurrence(rule, start)))
    except RecurrenceError as error:
        spec.error("rrule", error.message, error.mend)
        return rule
    if first != start:
        message = f"start is none of its moments, and does not count: the first is {first}"
        spec.warning("rrule", message, f"write start: {first}, unless that is meant")
    return rule


def _said(spec: Fields, name: str, mend: str) -> str:
    text = spec.text(name, mend=mend)
    if spec.has(name) and not text.strip():
        spec.error(name, "must not be empty", mend)
    return text
