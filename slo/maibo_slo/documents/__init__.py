"""Documents are what people write: OpenSLO v1 kinds and maibo.dev/v1 kinds, in multi-document YAML or JSON."""

from maibo_slo.documents.catalogue import Catalogue, check, load
from maibo_slo.documents.kinds import (
    CellSelector,
    Condition,
    Journey,
    Objective,
    Origin,
    Service,
    SignalRule,
    Sli,
    Slo,
    Step,
)
from maibo_slo.documents.problems import DocumentsError, Problem

__all__ = [
    "Catalogue",
    "CellSelector",
    "Condition",
    "DocumentsError",
    "Journey",
    "Objective",
    "Origin",
    "Problem",
    "Service",
    "SignalRule",
    "Sli",
    "Slo",
    "Step",
    "check",
    "load",
]
