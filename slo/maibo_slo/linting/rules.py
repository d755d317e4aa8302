"""Every rule, and the page that explains it."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Final

from maibo_slo.linting import budgets, conditions, corrections, indicators, queries, refusals, scaling, windows
from maibo_slo.linting.findings import Rule
from maibo_slo.linting.written import IGNORE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

_MODULES: Final = (refusals, windows, budgets, indicators, conditions, queries, corrections, scaling)
_REFUSED: Final = "Validation refuses such a document, so this rule cannot be silenced."


def _rules(module: ModuleType) -> Iterator[Rule]:
    return (value for value in vars(module).values() if isinstance(value, Rule))


RULES: Final = {
    rule.id: rule for rule in sorted({each for one in _MODULES for each in _rules(one)}, key=lambda rule: rule.id)
}
"""By id."""


def explanation(rule: Rule) -> str:
    """The rule's page, in Markdown: what, why with a worked number, how to mend, how to silence."""
    page = files("maibo_slo.linting").joinpath("explanations", f"{rule.id}.md").read_text(encoding="utf-8")
    return f"# {rule.id}: {rule.title}\n\nSeverity: {rule.severity}.\n\n{page.strip()}\n\n## Silence it\n\n{_silencing(rule)}\n"


def _silencing(rule: Rule) -> str:
    if rule in _rules(refusals):
        return _REFUSED
    return (
        f"In the document, with why as a comment:\n\n    metadata:\n      annotations:\n        {IGNORE}: {rule.id}\n\n"
        f"or for a whole run: `maibo lint --ignore {rule.id} ...`."
    )
