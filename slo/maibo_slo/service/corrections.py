"""``/v1/corrections``: which time was not like other time, who says so and why; to be told and to be cancelled.

Nothing asks who is there (as nowhere on this port: loopback is the lock), so ``who`` is what they say.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo, available_timezones

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from maibo_slo.documents import Catalogue, Correction, FedSlo, Slo
from maibo_slo.documents.corrections import default_effect
from maibo_slo.documents.moments import FIRST_YEAR, LAST_YEAR, zone_meant
from maibo_slo.documents.recurrence import RecurrenceError, recurrence
from maibo_slo.engine.corrections import concerns, journeys, unix_of, windows_of
from maibo_slo.engine.told import CorrectionRefused, Told, ToldCorrections
from maibo_slo.problems import near
from maibo_slo.service.answers import Answer
from maibo_slo.service.api import RawPathRoute
from maibo_slo.service.changing import ChangingRoute
from maibo_slo.service.flows import utc
from maibo_slo.service.openapi import AWAY, answers
from maibo_slo.service.parameters import LONGEST_WINDOW_SECONDS, invalid, unix_seconds

NAME: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
WINDOWS: Final = 100
HINTS: Final = 10
NAMED: Final = 100
"""SLOs that are named of those that a correction concerns."""
DAY: Final = 86_400
log = logging.getLogger(__name__)

Person = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
Names = Annotated[list[Annotated[str, StringConstraints(min_length=1, max_length=200)]], Field(max_length=100)]


class Said(BaseModel):
    """What comes from outside: nothing that is not known."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CorrectionSaid(Said):
    """A correction to be in force from now on."""

    name: str = Field(pattern=NAME, max_length=63, examples=["db-upgrade"])
    kind: Literal["maintenance", "chaos", "incident", "other"]
    effect: Literal["exclude", "count_as_good", "annotate"] | None = Field(
        None, description="maintenance is excluded where nothing is said, all else annotated"
    )
    start: str = Field(
        max_length=40,
        examples=["2026-11-23 02:00"],
        description="of the first window, as the clocks of `zone` show it; or RFC 3339 with an offset",
    )
    duration_seconds: int = Field(ge=60, le=LONGEST_WINDOW_SECONDS, strict=True)
    zone: str = Field("UTC", max_length=80, examples=["Europe/Berlin"])
    rrule: str = Field(
        "", max_length=500, examples=["FREQ=WEEKLY;BYDAY=SU"], description="RFC 5545; once where not given"
    )
    slos: Names = []
    services: Names = []
    journeys: Names = []
    every_slo: bool = Field(default=False, strict=True, description="needed where none of the three is given")
    who: Person
    why: Reason


class CancelSaid(Said):
    """Who takes a correction out of force, and why."""

    who: Person
    why: Reason


class WindowAnswer(Answer):
    """Whole minutes; `end` is not in it."""

    begin: datetime
    end: datetime


class CancelledAnswer(Answer):
    """By whom a correction was cancelled."""

    at: datetime
    who: str
    why: str


class CorrectionAnswer(Answer):
    """One correction, with its trail. `start` is local time of `zone`; all else is UTC."""

    name: str
    kind: Literal["maintenance", "chaos", "incident", "other"]
    effect: Literal["exclude", "count_as_good", "annotate"]
    in_force: bool
    origin: Literal["document", "told"]
    place: str = Field(description="file and line of a document", examples=["slos/maintenance.yaml:3"])
    start: str
    duration_seconds: int
    zone: str
    rrule: str
    slos: list[str]
    services: list[str]
    journeys: list[str]
    who: str
    why: str
    told_at: datetime | None = Field(None, description="null of one in a document")
    cancelled: CancelledAnswer | None = None
    windows: list[WindowAnswer] = Field(
        description=f"that overlap what was asked for, the newest {WINDOWS} at most, oldest first"
    )
    windows_count: int
    concerned: list[str] = Field(description=f"SLOs that it concerns, {NAMED} at most")
    concerned_count: int


class CorrectionsAnswer(Answer):
    """Those with a window in [begin, end), those that begin last first."""

    begin: datetime
    end: datetime
    corrections: list[CorrectionAnswer]


@dataclass(frozen=True, slots=True)
class Asked:
    """A stretch of time, unix s."""

    begin: int
    end: int


def router(told: ToldCorrections, catalogue: Callable[[], Catalogue], *, now: Callable[[], float]) -> APIRouter:
    """Routes over told corrections and those of the documents in force."""
    routes = APIRouter(prefix="/v1", route_class=RawPathRoute, tags=["corrections"])
    changing = APIRouter(prefix="/v1", route_class=_CorrectionRoute, tags=["corrections"])

    @routes.get("/corrections", responses=_answers(EXAMPLES))
    def corrections(
        begin: Annotated[
            str | None, Query(alias="from", description="RFC 3339 with zone, or unix seconds; 30 days ago.")
        ] = None,
        end: Annotated[str | None, Query(alias="to", description="In 30 days, where not given.")] = None,
    ) -> CorrectionsAnswer:
        """Corrections of documents and told ones, cancelled ones too, that have a window between `from` and `to`."""
        asked = _asked(begin, end, now=now())
        return CorrectionsAnswer(
            begin=utc(asked.begin), end=utc(asked.end), corrections=_between(told, catalogue(), asked)
        )

    @routes.get("/corrections/{name}", responses=_answers(EXAMPLE, 404))
    def correction(name: str) -> CorrectionAnswer:
        """One correction, with its windows from 30 days ago until in 30 days."""
        asked, known = _asked(None, None, now=now()), _every(told, catalogue())
        if name not in known:
            raise HTTPException(404, f"no correction {name!r} is in a document or was told{near(name, known)}")
        return _answer(known[name], catalogue(), asked)

    @changing.post("/corrections", status_code=201, responses=_answers(EXAMPLE, 403, 409, 413, 415, status=201))
    def add(said: CorrectionSaid) -> CorrectionAnswer:
        """Have a correction in force from now on; the next tick counts anew what it concerns."""
        at, documents = now(), catalogue()
        asked_for = _correction(said, documents, now=at)
        if asked_for.name in documents.corrections:
            raise HTTPException(409, f"a document has a correction {asked_for.name!r}: choose another name")
        added = told.add(asked_for, at=at)
        log.info("correction %s told by %s: %s", said.name, said.who, said.why)
        return _answer(added, documents, _asked(None, None, now=at))

    @changing.post("/corrections/{name}/cancel", responses=_answers(CANCELLED_EXAMPLE, 403, 404, 409, 413, 415))
    def cancel(name: str, said: CancelSaid) -> CorrectionAnswer:
        """Take a told correction out of force, for all time: what it corrected counts again as it was."""
        at, documents = now(), catalogue()
        try:
            cancelled = told.cancel(name, who=said.who, why=said.why, at=at)
        except KeyError as error:
            if name in documents.corrections:
                place = _place(documents.corrections[name])
                raise HTTPException(
                    409, f"the correction {name!r} is in a document: remove it there, {place}"
                ) from error
            known = [each.correction.name for each in told.trail()]
            raise HTTPException(404, f"no correction {name!r} was told{near(name, known)}") from error
        log.info("correction %s cancelled by %s: %s", name, said.who, said.why)
        return _answer(cancelled, documents, _asked(None, None, now=at))

    both = APIRouter()
    both.include_router(routes)
    both.include_router(changing)
    return both


class _CorrectionRoute(ChangingRoute):
    """What is refused by the corrections told before is a problem like any other."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()

        async def answer_refused(request: Request) -> Response:
            try:
                return await answer(request)
            except CorrectionRefused as error:
                raise HTTPException(409, str(error)) from error

        return answer_refused


def _correction(said: CorrectionSaid, catalogue: Catalogue, *, now: float) -> Correction:
    """RequestValidationError with everything that is wrong."""
    wrong: list[tuple[str, str]] = []
    if said.zone not in available_timezones():
        wrong.append(("zone", "; ".join(filter(None, (f"there is no time zone {said.zone!r}", zone_meant(said.zone))))))
    start: datetime | None = None
    if not wrong:
        try:
            start = _start(said.start, said.zone)
        except ValueError as error:
            wrong.append(("start", str(error)))
    oldest = now - LONGEST_WINDOW_SECONDS
    if start is not None and not said.rrule and unix_of(start, said.zone) + said.duration_seconds < oldest:
        wrong.append(("start", "is longer ago than the 400 days for which counts are kept"))
    if start is not None and said.rrule:
        try:
            recurrence(said.rrule, start)
        except RecurrenceError as error:
            wrong.append(("rrule", str(error)))
    wrong += _unknown_names(said, catalogue)
    wrong += [
        (name, "has control characters in it") for name in ("who", "why") if not getattr(said, name).isprintable()
    ]
    if start is None or wrong:
        raise RequestValidationError(
            [{"loc": ("body", name), "msg": text, "type": "value_error"} for name, text in wrong]
        )
    return Correction(
        name=said.name,
        kind=said.kind,
        effect=said.effect or default_effect(said.kind),
        start=start,
        duration_seconds=said.duration_seconds,
        zone=said.zone,
        rrule=said.rrule,
        slos=tuple(dict.fromkeys(said.slos)),
        services=tuple(dict.fromkeys(said.services)),
        journeys=tuple(dict.fromkeys(said.journeys)),
        who=said.who,
        why=said.why,
    )


def _start(text: str, zone: str) -> datetime:
    """Local time of the zone, without it. ValueError for what is none, and for the second of two moments that the clocks show alike."""
    wrong = ValueError(f"{text!r} is no time such as 2026-11-23 02:00, from {FIRST_YEAR} to {LAST_YEAR}")
    try:
        said = datetime.fromisoformat(text)
        start = said if said.tzinfo is None else said.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)
    except (ValueError, OverflowError):
        raise wrong from None
    if not FIRST_YEAR <= start.year <= LAST_YEAR:
        raise wrong
    if said.tzinfo is not None and unix_of(start, zone) != int(said.timestamp()):
        raise ValueError(f"clocks of {zone} show {start:%H:%M} twice, and {text} is the second time: leave zone out")
    return start


def _unknown_names(said: CorrectionSaid, catalogue: Catalogue) -> list[tuple[str, str]]:
    """A correction of a name that nothing has would correct nothing, and nobody would know."""
    judged = catalogue.judged
    known: dict[str, tuple[Sequence[str], set[str]]] = {
        "slos": (said.slos, set(judged)),
        "services": (said.services, {slo.service for slo in judged.values()}),
        "journeys": (said.journeys, {journey for slo in judged.values() for journey in journeys(slo)}),
    }
    wrong: list[tuple[str, str]] = []
    for field, (names, there) in known.items():
        unknown = [name for name in names if name not in there]
        says = "is named" if field == "slos" else f"has the {field[:-1]}"
        wrong += [
            # To find what is near takes milliseconds a name.
            (field, f"no SLO in force {says} {name!r}{near(name, there) if number < HINTS else ''}")
            for number, name in enumerate(unknown)
        ]
    named = any(names for names, _ in known.values())
    if not named and not said.every_slo:
        wrong.append(("slos", "name SLOs, services or journeys, or say `every_slo: true`"))
    elif named and said.every_slo:
        wrong.append(("every_slo", "leave it out where SLOs, services or journeys are named"))
    return wrong


def _asked(begin: str | None, end: str | None, *, now: float) -> Asked:
    first, last = unix_seconds("from", begin), unix_seconds("to", end)
    first = int(now) - 30 * DAY if first is None else first
    last = max(int(now), first) + 30 * DAY if last is None else last
    if not 0 < last - first <= LONGEST_WINDOW_SECONDS:
        raise invalid("from", "from must be before to, by 400 days at most")
    return Asked(first, last)


def _every(told: ToldCorrections, catalogue: Catalogue) -> dict[str, Told | Correction]:
    """By name; a document's wins, should it have come after one that was told."""
    return {**{each.correction.name: each for each in told.trail()}, **catalogue.corrections}


def _between(told: ToldCorrections, catalogue: Catalogue, asked: Asked) -> list[CorrectionAnswer]:
    every: list[Told | Correction] = [*told.trail(), *catalogue.corrections.values()]
    there = [one for one in every if windows_of(_correction_of(one), begin=asked.begin, end=asked.end)]
    answers = [_answer(each, catalogue, asked) for each in there]
    return sorted(answers, key=lambda each: (each.windows[0].begin, each.name), reverse=True)


def _correction_of(one: Told | Correction) -> Correction:
    return one.correction if isinstance(one, Told) else one


def _answer(one: Told | Correction, catalogue: Catalogue, asked: Asked) -> CorrectionAnswer:
    told = one if isinstance(one, Told) else None
    correction = _correction_of(one)
    windows = windows_of(correction, begin=asked.begin, end=asked.end)
    judged: Mapping[str, Slo | FedSlo] = catalogue.judged
    concerned = sorted(name for name, slo in judged.items() if concerns(correction, slo))
    cancelled = told.cancelled if told is not None else None
    return CorrectionAnswer(
        name=correction.name,
        kind=correction.kind,
        effect=correction.effect,
        in_force=cancelled is None,
        origin="document" if told is None else "told",
        place=_place(correction),
        start=f"{correction.start:%Y-%m-%d %H:%M:%S}",
        duration_seconds=correction.duration_seconds,
        zone=correction.zone,
        rrule=correction.rrule,
        slos=list(correction.slos),
        services=list(correction.services),
        journeys=list(correction.journeys),
        who=correction.who,
        why=correction.why,
        told_at=None if told is None else utc(told.at),
        cancelled=None
        if cancelled is None
        else CancelledAnswer(at=utc(cancelled.at), who=cancelled.who, why=cancelled.why),
        windows=[WindowAnswer(begin=utc(each.begin), end=utc(each.end)) for each in windows[-WINDOWS:]],
        windows_count=len(windows),
        concerned=concerned[:NAMED],
        concerned_count=len(concerned),
    )


def _place(correction: Correction) -> str:
    origin = correction.origin
    return f"{origin.file}:{origin.line}" if origin.file else ""


EXAMPLE: Final = CorrectionAnswer(
    name="db-upgrade",
    kind="maintenance",
    effect="exclude",
    in_force=True,
    origin="told",
    place="",
    start="2026-11-23 02:00:00",
    duration_seconds=7200,
    zone="Europe/Berlin",
    rrule="",
    slos=["checkout-fast"],
    services=[],
    journeys=[],
    who="ana",
    why="PostgreSQL 18",
    told_at=utc(1_795_000_000),
    cancelled=None,
    windows=[WindowAnswer(begin=utc(1_795_395_600), end=utc(1_795_402_800))],
    windows_count=1,
    concerned=["checkout-fast"],
    concerned_count=1,
)
CANCELLED_EXAMPLE: Final = EXAMPLE.model_copy(
    update={"in_force": False, "cancelled": CancelledAnswer(at=utc(1_795_100_000), who="ben", why="postponed")}
)
EXAMPLES: Final = CorrectionsAnswer(begin=utc(1_792_500_000), end=utc(1_797_700_000), corrections=[EXAMPLE])
_PROBLEMS: Final = {
    403: "Another site's page sent it",
    404: "Unknown name",
    409: "The name is taken, or the correction is cancelled already",
    413: "Too long",
    415: "Not JSON",
    422: "Something said is wrong",
    503: AWAY,
}


def _answers(example: Answer, *also: int, status: int = 200) -> dict[int | str, dict[str, Any]]:
    return answers(example, {each: _PROBLEMS[each] for each in (*also, 422, 503)}, status=status)
