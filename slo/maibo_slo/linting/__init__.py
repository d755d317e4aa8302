"""Whether a valid document does what its author believes: rules with ids, each with a page that explains it."""

from maibo_slo.linting.findings import Finding, Rule, Severity
from maibo_slo.linting.lint import Linted, Traffic, lint
from maibo_slo.linting.rules import RULES, explanation

__all__ = ["RULES", "Finding", "Linted", "Rule", "Severity", "Traffic", "explanation", "lint"]
