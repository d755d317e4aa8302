"""``maibo.dev/v1 Journey``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from maibo_slo.documents.document import description
from maibo_slo.documents.durations import elapsed_text, latency_us, whole_seconds
from maibo_slo.documents.fields import Fields, Text, at_most, dns_label
from maibo_slo.documents.kinds import Journey, Step
from maibo_slo.documents.signals import SIGNALS, signals

if TYPE_CHECKING:
    from maibo_slo.documents.document import Document, Known

DEFAULT_TIMEOUT_SECONDS: Final = 1800
MAX_STEPS: Final = 50
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_ROUTE: Final = re.compile(rf"({'|'.join(_METHODS)}) (/(?:[^\s?#{{}}]|\{{[^\s{{}}]+\}})*)")
_PARAMETER: Final = re.compile(r"\{[^}]*\}|<[^>]*>")


def journey(document: Document, known: Known) -> Journey:
    """Read the document's spec."""
    spec = document.fields.mapping("spec")
    result = Journey(
        name=document.name,
        display_name=document.head.display_name,
        description=description(spec),
        service=known.refer(spec, "service", "Service") if spec.has("service") else "",
        timeout_seconds=whole_seconds(spec, "timeout", DEFAULT_TIMEOUT_SECONDS, example="30m"),
        threshold_us=latency_us(spec, "threshold"),
        steps=_steps(spec, document.name, known),
        labels=document.head.labels,
        origin=document.head.origin,
        signals=signals(spec, document.name, known),
    )
    if result.threshold_us is not None and result.threshold_us > result.timeout_seconds * 1_000_000:
        timeout = elapsed_text(result.timeout_seconds * 1_000_000)
        spec.error(
            "threshold",
            f"is longer than the timeout of {timeout}, after which a journey is abandoned",
            "lower it, or raise the timeout",
        )
    _check_begins(spec, result, known)
    _check_whole(spec, result)
    spec.close()
    return result


def _steps(spec: Fields, journey: str, known: Known) -> tuple[Step, ...]:
    """At least one, unless signals are the journey as a whole."""
    if not spec.has("steps") and any(map(spec.has, SIGNALS)):
        return ()
    steps: list[Step] = []
    routes: dict[str, str] = {}
    items = spec.mappings("steps", mend="add steps: [{name: pay}]")
    if len(items) > MAX_STEPS:
        spec.error(
            "steps",
            f"has {len(items)} steps, at most {MAX_STEPS} are allowed",
            "a step is what customers would call one",
        )
    for item in items:
        step = _step(item, routes, journey, known)
        if step.name and step.name in {other.name for other in steps}:
            item.error("name", f"a second step named {step.name!r}", "rename one of them")
        steps.append(step)
    if routes and not any(step.begins for step in steps):
        spec.warning(
            "steps", "no route begins this journey", "set begins: true on the first step, unless code calls maibo.begin"
        )
    return tuple(steps)


def _check_whole(spec: Fields, journey: Journey) -> None:
    """Steps alone do not make a journey: something must say when one is done."""
    if (
        any(step.signals for step in journey.steps)
        and not journey.signals
        and not any(step.routes for step in journey.steps)
    ):
        mend = "give the journey rules of its own beside steps, unless code calls maibo.journey"
        spec.warning("steps", "steps are counted from signals, and nothing is the journey as a whole", mend)


def _check_begins(spec: Fields, journey: Journey, known: Known) -> None:
    """One request cannot begin two journeys; which of them it begins would be left to chance."""
    for route in (route for step in journey.steps if step.begins for route in step.routes):
        first = known.begun_by.setdefault((journey.service, _PARAMETER.sub("{}", route)), journey.name)
        if first != journey.name:
            spec.warning("steps", f"{route!r} begins the journey {first!r} too", "let it begin one of them")


def _step(item: Fields, routes: dict[str, str], journey: str, known: Known) -> Step:
    name = item.text("name", rule=dns_label)
    texts = item.texts("routes")
    for text in texts:
        _check_route(item, text, name, routes)
    step = Step(
        name=name,
        display_name=item.text("displayName", default="", rule=at_most(63)) or name,
        routes=tuple(text.value for text in texts),
        begins=item.flag("begins"),
        ends=item.flag("ends"),
        signals=signals(item, f"{journey}/{name}", known),
    )
    for name, given in (("begins", step.begins), ("ends", step.ends)):
        if given and not texts:
            item.error(
                name, f"{name} is about the requests of this step's routes, and it has none", "add routes, or remove it"
            )
    item.close()
    return step


def _check_route(item: Fields, route: Text, step: str, routes: dict[str, str]) -> None:
    if not _ROUTE.fullmatch(route.value):
        mend = f"write it as 'POST /orders/{{id}}'; methods are {', '.join(_METHODS)}"
        item.report.error(route.at, route.path, f"{route.value!r} is not a route", mend)
        return
    same = _PARAMETER.sub("{}", route.value)  # /orders/{id} and /orders/{order} are the same requests
    if same in routes:
        item.report.error(
            route.at, route.path, f"{route.value!r} is a route of step {routes[same]!r} already", "keep it in one step"
        )
    routes.setdefault(same, step)
