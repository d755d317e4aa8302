"""What scale-ups and their pods went through, as answers: phases, moments, and in words where the time went."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from maibo_slo.engine import lifetimes
from maibo_slo.service.flows import utc
from maibo_slo.service.scaleup_answers import Between, MomentAnswer, PhaseAnswer
from maibo_slo.store.scaleups import Moment, Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maibo_slo.engine.lifetimes import Lasted, Phase

LABELS: Final[Mapping[Stage, str]] = {
    Stage.TRIGGER: "trigger",
    Stage.SERVED: "signal",
    Stage.DECIDED: "decision",
    Stage.CREATED: "pods created",
    Stage.SCHEDULED: "scheduling",
    Stage.PULLED: "image pull",
    Stage.STARTED: "start",
    Stage.READY: "readiness",
    Stage.IN_ROTATION: "rotation",
    Stage.FIRST_JOURNEY: "first journey",
}
"""What a phase is called, by the stage that ends it."""
DOING: Final[Mapping[Stage, str]] = {
    Stage.SERVED: "until the signal was served",
    Stage.DECIDED: "until it was decided",
    Stage.CREATED: "creating pods",
    Stage.SCHEDULED: "scheduling",
    Stage.PULLED: "pulling images",
    Stage.STARTED: "starting containers",
    Stage.READY: "becoming ready",
    Stage.IN_ROTATION: "getting into rotation",
    Stage.FIRST_JOURNEY: "until the first journey",
}
"""What a phase is about, by the same."""
WAITING: Final = "waiting for a node"
PULL_AND_START: Final = "pulling images and starting containers"
"""Where nobody told when the images were there."""
_MAIN: Final = 0.5
"""Share of the time that one phase must have to be told alone."""


def phase(of: Phase, begin: Moment, *, waited: bool) -> PhaseAnswer:
    """On the scale that begins with `begin`. `waited`: for a node, before it was scheduled."""
    doing = DOING[of.stage]
    if of.stage is Stage.SCHEDULED and waited:
        doing = WAITING
    elif of.stage is Stage.STARTED and of.after is Stage.SCHEDULED:
        doing = PULL_AND_START
    return PhaseAnswer(
        stage=of.stage,
        after=of.after,
        label=LABELS[of.stage],
        doing=doing,
        begin=since(begin, of.begin),
        end=since(begin, of.end),
        seconds=between(of.lasted),
        over=of.over,
    )


def where(phases: Sequence[PhaseAnswer], took: Lasted) -> str:
    """``62 of 74 s: waiting for a node``: the phase that took most, or the two that did."""
    total = (took.lower + took.upper) / 2
    first, *second = took_most(phases, total) or [("", "")]
    if not first[1]:
        return ""
    said = f"{first[0]} of {brief_seconds(total)} s: {first[1]}"
    return said if not second else f"{said}; {second[0][0]} s: {second[0][1]}"


def took_most(phases: Sequence[PhaseAnswer], total: float) -> list[tuple[str, str]]:
    """Of so many seconds: the phase that took most, or the two that did; how long each took, and what it was about."""
    until = [each for each in phases if each.stage is not Stage.FIRST_JOURNEY]
    longest = sorted(until, key=lambda each: -_middle(each.seconds))[:2]
    if not longest or total <= 0:
        return []
    if len(longest) == 1 or _middle(longest[0].seconds) >= _MAIN * total:
        longest = longest[:1]
    return [(brief_seconds(_middle(each.seconds)), each.doing) for each in longest]


def moments(of: Mapping[Stage, Moment]) -> dict[Stage, MomentAnswer]:
    """In the order of their stages."""
    return {
        stage: MomentAnswer(
            earliest=utc(of[stage].earliest),
            latest=utc(of[stage].latest),
            received=None if (received := of[stage].received) is None else utc(received),
            source=of[stage].source,
        )
        for stage in lifetimes.ORDER
        if stage in of
    }


def since(begin: Moment, at: Moment) -> Between:
    """On the scale that begins when the scale-up did at the earliest."""
    return Between(earliest=ms(max(0.0, at.earliest - begin.earliest)), latest=ms(max(0.0, at.latest - begin.earliest)))


def between(took: Lasted) -> Between:
    """How long."""
    return Between(earliest=ms(took.lower), latest=ms(took.upper))


def ms(seconds: float) -> float:
    """Without the dust of floats."""
    return round(seconds, 3)


def brief_seconds(of: float) -> str:
    """Whole ones, or with a tenth where there are few."""
    return f"{of:.0f}" if of >= 9.95 else f"{of:.1f}"


def _middle(of: Between) -> float:
    return (of.earliest + of.latest) / 2
