"""A metricSource's spec into a selector of cells. The type ``journey`` is built in; others may be handed to `load`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from maibo import semconv
from maibo_slo.documents.document import Known, choose
from maibo_slo.documents.durations import elapsed_text, latency_us
from maibo_slo.documents.fields import Fields, meant
from maibo_slo.documents.kinds import CellSelector

SELECTABLE: Final = ("tier", "region", "version", "service", "environment", "cluster", "variant")
"""Dimensions of cells that a metricSource may restrict; journey and step have fields of their own."""

MetricType = Callable[[Fields, frozenset[str], Known], CellSelector]
"""Reads ``metricSource.spec``; the second argument is the outcomes to count where the spec names none."""


def journey_selector(spec: Fields, outcomes: frozenset[str], known: Known) -> CellSelector:
    """``{journey, step?, outcome?, maxDuration?, tier?, region?, ...}``."""
    journey = spec.text("journey", mend="name the journey that is counted")
    step = spec.text("step", default="")
    _check_described(spec, journey, step, known)
    named = spec.texts("outcome")
    for outcome in named:
        if outcome.value not in semconv.OUTCOMES:
            message = f"{outcome.value!r} is not one of {', '.join(semconv.OUTCOMES)}"
            spec.report.error(outcome.at, outcome.path, message, meant(outcome.value, semconv.OUTCOMES))
    selector = CellSelector(
        journey=journey,
        step=step,
        outcomes=frozenset(outcome.value for outcome in named) or outcomes,
        max_duration_us=latency_us(spec, "maxDuration"),
        where={
            name: tuple(dict.fromkeys(text.value for text in spec.texts(name))) for name in SELECTABLE if spec.has(name)
        },
    )
    spec.close()
    return selector


def _check_described(spec: Fields, journey: str, step: str, known: Known) -> None:
    if not journey:
        return
    if not known.names("Journey"):
        if journey not in known.undescribed:
            spec.warning("journey", f"no document describes the journey {journey!r}", "add a document of kind Journey")
        known.undescribed.add(journey)
    elif journey not in known.names("Journey"):
        spec.error("journey", f"there is no Journey named {journey!r}", choose(journey, known.names("Journey"), ""))
    elif step and journey in known.journeys:
        steps = {each.name: each for each in known.journeys[journey].steps}
        if step not in steps:
            spec.error("step", f"the journey {journey!r} has no step named {step!r}", choose(step, steps, ""))


def beyond(part: CellSelector, whole: CellSelector) -> str:
    """What `part` counts and `whole` does not; empty when every event of `part` is one of `whole`."""
    longest = whole.max_duration_us
    if part.journey != whole.journey:
        return f"journey {part.journey!r}, not {whole.journey!r}"
    if part.step != whole.step:
        return f"{_step(part)}, not {_step(whole)}"
    if surplus := part.outcomes - whole.outcomes:
        return f"outcome {', '.join(sorted(surplus))}"
    if longest is not None and (part.max_duration_us is None or part.max_duration_us > longest):
        return f"events that took longer than {elapsed_text(longest)}"
    return next(filter(None, (_beyond_values(name, part, allowed) for name, allowed in whole.where.items())), "")


def _beyond_values(name: str, part: CellSelector, allowed: tuple[str, ...]) -> str:
    if name not in part.where:
        return f"any {name}, not {', '.join(allowed)} alone"
    others = [value for value in part.where[name] if value not in allowed]
    return f"{name} {', '.join(others)}" if others else ""


def _step(selector: CellSelector) -> str:
    return f"step {selector.step!r}" if selector.step else "the journey as a whole"


BUILT_IN: Final[Mapping[str, MetricType]] = {"journey": journey_selector}
