"""An alert: one objective that is in trouble, of one severity, from when it fired until it is over.

Its key is its identity everywhere (Alertmanager's labels, PagerDuty's dedup key, the outbox): made of what is in trouble, never of how it
is routed, so that another routing tree neither pages again nor leaves an incident open.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Severity = Literal["page", "ticket"]
Reason = Literal["", "over", "no_data", "withdrawn"]
"""Why an alert ended: the trouble is over; nobody knows, for lack of data; nobody judges it any more."""


@dataclass(frozen=True, slots=True)
class Alert:
    """Times are unix seconds; `ends_at` None while it fires."""

    name: str
    """What kind of trouble: ``MaiboBudgetBurn``, ``MaiboNoData``, ``MaiboNotEvaluating``."""
    slo: str
    objective: str
    severity: Severity
    starts_at: float
    ends_at: float | None = None
    group: str = ""
    """Of an SLO with a budget for each group; '' without."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Beside those that every alert has; they route, and are part of Alertmanager's identity, so they must not change while it fires."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    """What people read, in the service's language; may change while it fires."""
    translations: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The same in other languages, by locale, for destinations that have their own."""
    link: str = ""
    """The page about it."""
    changed_at: float = 0.0
    """When it came into its present state: tells its second fire from its first."""
    test: bool = False
    """Sent to try the way out, not because of trouble."""
    reason: Reason = ""
    """Why it ended; '' while it fires, and of tests."""

    @property
    def key(self) -> str:
        """64 hexadecimal digits."""
        return key_of(self.name, self.slo, self.objective, self.group, self.severity, test=self.test)

    @property
    def status(self) -> Literal["firing", "resolved"]:
        return "firing" if self.ends_at is None else "resolved"

    @property
    def is_unhealed(self) -> bool:
        """Whether it ended for another reason than that the trouble is over."""
        return self.ends_at is not None and self.reason in ("no_data", "withdrawn")

    @property
    def all_labels(self) -> dict[str, str]:
        """Its own names win over `labels`."""
        own = {"alertname": self.name, "slo": self.slo, "objective": self.objective, "severity": self.severity}
        if self.group:
            own["group"] = self.group
        if self.test:
            own["test"] = "true"
        return {**self.labels, **own}


def key_of(name: str, slo: str, objective: str, group: str, severity: Severity, *, test: bool = False) -> str:
    """The key of alerts about this."""
    parts = (name, slo, objective, group, severity, "test" if test else "")
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
