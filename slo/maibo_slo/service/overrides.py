"""``/v1/overrides``: bounds of a target's replicas that a person set, until they expire.

Nothing asks who is there (as nowhere on this port: loopback is the lock), so ``who`` is what they say.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, HTTPException, Query
from pydantic import AfterValidator, Field, StringConstraints, model_validator

from maibo_slo.documents import Catalogue
from maibo_slo.engine.scaling.inputs import Override
from maibo_slo.engine.scaling.overrides import LONGEST_SECONDS, Overrides, Said
from maibo_slo.engine.scaling.remembered import bounds
from maibo_slo.engine.scaling.signal import NoSignal, Signals, UnknownTarget
from maibo_slo.problems import near
from maibo_slo.service.answers import Answer
from maibo_slo.service.api import RawPathRoute
from maibo_slo.service.changing import ChangingRoute
from maibo_slo.service.corrections import Person, Reason
from maibo_slo.service.corrections import Said as Body
from maibo_slo.service.flows import utc
from maibo_slo.service.openapi import AWAY, answers
from maibo_slo.service.parameters import LONGEST_WINDOW_SECONDS, invalid, unix_seconds

if TYPE_CHECKING:
    from maibo_slo.documents.scaling_kinds import ScalingTarget

MOST_REPLICAS: Final = 100_000
DAY: Final = 86_400
log = logging.getLogger(__name__)
_Replicas = Annotated[int | None, Field(None, ge=0, le=MOST_REPLICAS, strict=True)]


def _one_line(said: str) -> str:
    if not said.isprintable():
        raise ValueError("has control characters in it")
    return said


_Who = Annotated[Person, AfterValidator(_one_line)]
_Why = Annotated[Reason, AfterValidator(_one_line)]
"""They go into logs and into what every face tells."""


class OverrideSaid(Body):
    """Bounds for a target, from now on."""

    target: Annotated[str, StringConstraints(min_length=1, max_length=317)] = Field(
        description="its name, or namespace/name", examples=["checkout-api", "shop/checkout-api"]
    )
    min_replicas: _Replicas = Field(None, description="replicas at least", examples=[40])
    max_replicas: _Replicas = Field(None, description="replicas at most")
    for_seconds: int = Field(ge=60, le=LONGEST_SECONDS, strict=True, description="when it expires", examples=[7200])
    who: _Who
    why: _Why

    @model_validator(mode="after")
    def bounds(self) -> OverrideSaid:
        """At least one of them, in order."""
        if self.min_replicas is None and self.max_replicas is None:
            raise ValueError("give min_replicas, max_replicas or both")
        if self.min_replicas is not None and self.max_replicas is not None and self.min_replicas > self.max_replicas:
            raise ValueError("min_replicas is more than max_replicas")
        return self


class EndSaid(Body):
    """Who ends an override, and why."""

    who: _Who
    why: _Why


class EndedAnswer(Answer):
    """By whom an override was ended, or replaced."""

    at: datetime
    who: str
    why: str


class OverrideAnswer(Answer):
    """One override, with its trail."""

    id: str
    namespace: str = Field("", description="of its workload; '' where no document in force has the target any more")
    target: str
    min_replicas: int | None = None
    max_replicas: int | None = None
    said_at: datetime
    until: datetime
    who: str
    why: str
    in_force: bool
    ended: EndedAnswer | None = None
    recorded: bool = Field(description="false: in force, but the store could not be written yet")
    notes: list[str] = Field(description="what whoever set it should know")


class OverridesAnswer(Answer):
    """Those that were in force at some time in [begin, end), the newest first."""

    begin: datetime
    end: datetime
    overrides: list[OverrideAnswer]


def router(
    overrides: Overrides,
    catalogue: Callable[[], Catalogue],
    *,
    signals: Callable[[], Signals],
    now: Callable[[], float],
) -> APIRouter:
    """Routes over one store's overrides. `signals`: what scalers are told now."""
    routes = APIRouter(prefix="/v1", route_class=RawPathRoute, tags=["scaling"])
    changing = APIRouter(prefix="/v1", route_class=ChangingRoute, tags=["scaling"])

    @routes.get("/overrides", responses=_answers(EXAMPLES, 503))
    def listed(
        begin: Annotated[
            str | None, Query(alias="from", description="RFC 3339 with zone, or unix seconds; 30 days ago.")
        ] = None,
        end: Annotated[str | None, Query(alias="to", description="Now, where not given.")] = None,
    ) -> OverridesAnswer:
        """Overrides that were in force between `from` and `to`, expired and ended ones too."""
        at = now()
        first, last = unix_seconds("from", begin), unix_seconds("to", end)
        last = int(at) + 1 if last is None else last
        first = last - 30 * DAY if first is None else first
        if not 0 < last - first <= LONGEST_WINDOW_SECONDS:
            raise invalid("from", "from must be before to, by 400 days at most")
        there = overrides.trail(first, last)
        return OverridesAnswer(
            begin=utc(first), end=utc(last), overrides=[_answer(each, catalogue(), now=at) for each in there]
        )

    @changing.post("/overrides", status_code=201, responses=_answers(EXAMPLE, 403, 404, 413, 415, status=201))
    def say(said: OverrideSaid) -> OverrideAnswer:
        """Set bounds for a target from now on, in the place of those that another override gave it."""
        documents, at = catalogue(), now()
        target = _named(said.target, documents)
        wanted = Override(
            id=f"{target}@{round(at * 1000)}",
            target=target,
            least=said.min_replicas,
            most=said.max_replicas,
            until=at + said.for_seconds,
            who=said.who,
            why=said.why,
            said_at=at,
        )
        log.info("override of %s said by %s: %s", target, said.who, said.why)
        notes = [_replacing(each) for each in overrides() if each.target == target]
        notes += _refused(wanted, documents.scaling_targets[target], signals(), now=at)
        answer = _answer(overrides.say(wanted), documents, now=at)
        return answer.model_copy(update={"notes": [*notes, *answer.notes]})

    @changing.post("/overrides/{id}/end", responses=_answers(ENDED_EXAMPLE, 403, 404, 413, 415))
    def end(id: str, said: EndSaid) -> OverrideAnswer:  # noqa: A002 -- the path's name
        """End an override before it expires."""
        at = now()
        try:
            ended = overrides.end(id, who=said.who, why=said.why, at=at)
        except KeyError as error:
            there = {each.id for each in overrides()}
            raise HTTPException(404, f"no override {id!r} is in force{near(id, there)}") from error
        log.info("override %s ended by %s: %s", id, said.who, said.why)
        return _answer(ended, catalogue(), now=at)

    both = APIRouter()
    both.include_router(routes)
    both.include_router(changing)
    return both


def _named(said: str, documents: Catalogue) -> str:
    """The name of the target that is meant by its name, or by its namespace and name."""
    targets = documents.scaling_targets
    _, slash, name = said.rpartition("/")
    known = {_full(each): each.name for each in targets.values()} if slash else {each: each for each in targets}
    if said in known:
        return known[said]
    # Of the right name in another namespace, that one is meant.
    hint = near(said, [_full(targets[name])] if slash and name in targets else known)
    raise HTTPException(
        404,
        f"no ScalingTarget {said!r} is in force{hint if targets else '; no document of kind ScalingTarget is in force'}",
    )


def _full(target: ScalingTarget) -> str:
    return f"{target.workload.namespace}/{target.name}"


def _answer(said: Said, catalogue: Catalogue, *, now: float) -> OverrideAnswer:
    override, ended = said.override, said.ended
    target = catalogue.scaling_targets.get(override.target)
    return OverrideAnswer(
        id=override.id,
        namespace=target.workload.namespace if target else "",
        target=override.target,
        min_replicas=override.least,
        max_replicas=override.most,
        said_at=utc(override.said_at),
        until=utc(override.until),
        who=override.who,
        why=override.why,
        in_force=said.in_force(now),
        ended=None if ended is None else EndedAnswer(at=utc(ended.at), who=ended.who, why=ended.why),
        recorded=said.recorded,
        notes=_notes(said, catalogue),
    )


def _replacing(before: Override) -> str:
    limits = [
        f"{name} {value}" for name, value in (("at least", before.least), ("at most", before.most)) if value is not None
    ]
    return f"it replaces {before.who}'s of {utc(before.said_at):%Y-%m-%d %H:%M} UTC ({', '.join(limits)}): {before.why}"


def _refused(override: Override, target: ScalingTarget, signals: Signals, *, now: float) -> list[str]:
    """That nothing follows an override while what it bounds is not known."""
    least, most = bounds(target, override)
    if least == most:  # told whatever is known
        return []
    try:
        found = signals.get(target.workload.namespace, target.name, now=now)
    except UnknownTarget:  # before the first tick
        return []
    except NoSignal as error:
        why = str(error)
    else:
        # One that an override fixes is fresh whatever is known of demand.
        demand = found.inputs.demand
        if demand is not None and now - demand.observed_at <= found.max_age_seconds:
            return []
        why = f"signal {_full(target)} is stale but for the override before"
    one = most if override.least is None else least
    return [
        f"{why}; until it is back scalers are refused: say at least {one} and at most {one} to have {one} told whatever happens"
    ]


def _notes(said: Said, catalogue: Catalogue) -> list[str]:
    override, target = said.override, catalogue.scaling_targets.get(said.override.target)
    notes = []
    if not said.recorded:
        notes.append(
            "the store could not be written: it is recorded as soon as that works, and lost should maibo stop before"
        )
    if target is None:
        notes.append("no document in force has this target any more")
    elif override.least is not None and override.least > target.most:
        notes.append(
            f"{override.least} is more than the document's {target.most}: where an HPA or a ScaledObject has that as its own limit, raise it there too"
        )
    elif override.most is not None and override.most < target.least:
        notes.append(
            f"{override.most} is less than the document's {target.least}: an HPA or a ScaledObject keeps its own least"
        )
    return notes


EXAMPLE: Final = OverrideAnswer(
    id="checkout-api@1795000000000",
    namespace="shop",
    target="checkout-api",
    min_replicas=40,
    max_replicas=None,
    said_at=utc(1_795_000_000),
    until=utc(1_795_007_200),
    who="ana",
    why="sale at noon",
    in_force=True,
    ended=None,
    recorded=True,
    notes=[],
)
ENDED_EXAMPLE: Final = EXAMPLE.model_copy(
    update={"in_force": False, "ended": EndedAnswer(at=utc(1_795_003_600), who="ben", why="sale is over")}
)
EXAMPLES: Final = OverridesAnswer(begin=utc(1_792_500_000), end=utc(1_795_000_001), overrides=[EXAMPLE])
_PROBLEMS: Final = {
    403: "Another site's page sent it",
    404: "Unknown target, or no such override is in force",
    413: "Too long",
    415: "Not JSON",
    422: "Something said is wrong",
    503: AWAY,
}


def _answers(example: Answer, *also: int, status: int = 200) -> dict[int | str, dict[str, Any]]:
    return answers(example, {each: _PROBLEMS[each] for each in (*also, 422)}, status=status)
