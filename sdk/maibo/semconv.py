"""The names that maibo's spans and baggage carry: the only place where they are spelled.

Names that OpenTelemetry already has are OpenTelemetry's (semantic conventions 1.44); the ``journey.*`` namespace is ours,
since the conventions have none.
"""

from typing import Final

JOURNEY_NAME: Final = "journey.name"
JOURNEY_ID: Final = "journey.id"
JOURNEY_STEP: Final = "journey.step"
"""Absent on the span that stands for the journey as a whole."""
JOURNEY_START_TIME: Final = "journey.start_time"
"""Unix time of the journey's begin, in microseconds."""
JOURNEY_STARTED: Final = "journey.started"
"""True on the one span that tells of a journey's begin: on its end, where it began in the same process, else on a span of its own
that has neither step nor outcome. So starts can be counted, and what never ended was abandoned."""
JOURNEY_OUTCOME: Final = "journey.outcome"
JOURNEY_FAILURE_REASON: Final = "journey.failure_reason"
JOURNEY_TIER: Final = "journey.tier"
JOURNEY_VARIANT: Final = "journey.variant"

SUCCESS: Final = "success"
FAILURE: Final = "failure"
ABANDONED: Final = "abandoned"
OUTCOMES: Final = (SUCCESS, FAILURE, ABANDONED)

OVERFLOW: Final = "__overflow__"
"""Stands for a journey, reason or dimension that was lost to the collector's cap."""

SERVICE_NAME: Final = "service.name"
SERVICE_VERSION: Final = "service.version"
ENVIRONMENT: Final = "deployment.environment.name"
CLUSTER: Final = "k8s.cluster.name"
NAMESPACE: Final = "k8s.namespace.name"
POD_NAME: Final = "k8s.pod.name"
POD_UID: Final = "k8s.pod.uid"
NODE_NAME: Final = "k8s.node.name"
REGION: Final = "cloud.region"
SESSION_ID: Final = "session.id"
USER_PSEUDO_ID: Final = "enduser.pseudo.id"
"""A keyed hash; never a raw user id."""

BAGGAGE_KEYS: Final = ("journey.ctx", JOURNEY_TIER, JOURNEY_VARIANT)
"""All that maibo puts into W3C baggage: ``journey.ctx`` is ``name:id:start_time``, so that the three cannot come apart."""
