"""Finished journeys and steps as OpenTelemetry spans.

Spans are built here, in the worker's thread, not where the host waits: what a step leaves behind is one small tuple. A step
without a current span of the host belongs to the journey's own trace, whose id is the journey's id, so that all services of a
journey agree on it without a word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags

from maibo import semconv

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    from maibo.runtime import Finished, Identified

_LOW_64: Final = (1 << 64) - 1
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
_UNSET: Final = Status(StatusCode.UNSET)


def as_span(finished: Finished, *, span_id: int, resource: Resource, scope: InstrumentationScope) -> ReadableSpan:
    """The span of a finished step, of a finished journey as a whole (which has no ``journey.step``), or of a journey's begin (nor an
    outcome).
    """
    whole = not finished.step and bool(finished.outcome)
    own = _own_context(finished.journey)
    parent = finished.parent or (None if whole else own)
    trace_id = own.trace_id if parent is None else parent.trace_id
    return ReadableSpan(
        name=_name(finished),
        context=SpanContext(trace_id, own.span_id if whole else span_id, is_remote=False, trace_flags=_SAMPLED),
        parent=parent,
        resource=resource,
        attributes=_attributes(finished),
        status=Status(StatusCode.ERROR, finished.reason) if finished.outcome == semconv.FAILURE else _UNSET,
        start_time=finished.start_ns,
        end_time=finished.end_ns,
        instrumentation_scope=scope,
    )


def _name(finished: Finished) -> str:
    if finished.step:
        return f"step {finished.step}"
    return f"journey {finished.journey.name}" + ("" if finished.outcome else " started")


def _own_context(journey: Identified) -> SpanContext:
    """Where the journey's whole span is, or will be."""
    id_ = int(journey.id, 16)
    parent = journey._parent  # noqa: SLF001 -- the host has no use for it
    trace_id = id_ if parent is None else parent.trace_id
    return SpanContext(trace_id, id_ & _LOW_64, is_remote=True, trace_flags=_SAMPLED)


def _attributes(finished: Finished) -> dict[str, str | int | bool]:
    journey = finished.journey
    optional: dict[str, str | bool] = {
        semconv.JOURNEY_STARTED: finished.started,
        semconv.JOURNEY_OUTCOME: finished.outcome,
        semconv.JOURNEY_STEP: finished.step,
        semconv.JOURNEY_FAILURE_REASON: finished.reason,
        semconv.JOURNEY_TIER: journey.tier,
        semconv.JOURNEY_VARIANT: journey.variant,
        semconv.USER_PSEUDO_ID: journey.user_hash,
        semconv.SESSION_ID: journey.session,
    }
    return {
        semconv.JOURNEY_NAME: journey.name,
        semconv.JOURNEY_ID: journey.id,
        semconv.JOURNEY_START_TIME: journey.start_ns // 1000,
        **{key: value for key, value in optional.items() if value},
    }
