"""Documents are what people write: OpenSLO v1 kinds and maibo.dev/v1 kinds, in multi-document YAML or JSON."""

from maibo_slo.documents.catalogue import Catalogue, check, load
from maibo_slo.documents.kinds import (
    AlertCondition,
    AlertNotificationTarget,
    AlertPolicy,
    CellSelector,
    Condition,
    DataSource,
    Journey,
    Objective,
    Origin,
    PromQuery,
    PromSlo,
    Service,
    SignalRule,
    Sli,
    Slo,
    Step,
)
from maibo_slo.documents.problems import DocumentsError, Problem

__all__ = [
    "AlertCondition",
    "AlertNotificationTarget",
    "AlertPolicy",
    "Catalogue",
    "CellSelector",
    "Condition",
    "DataSource",
    "DocumentsError",
    "Journey",
    "Objective",
    "Origin",
    "Problem",
    "PromQuery",
    "PromSlo",
    "Service",
    "SignalRule",
    "Sli",
    "Slo",
    "Step",
    "check",
    "load",
]
