"""PagerDuty, by its Events API v2: an alert triggers an incident under its own key, and resolves it.

A repetition under the same ``dedup_key`` changes the incident and pages nobody again. One event an alert; when one of several is refused, those
before it are told again, which is harmless for the same reason. https://developer.pagerduty.com/docs/events-api-v2/overview/
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from maibo_alerting.delivery.chat import SECRET_FIELDS, locale_of, secret
from maibo_alerting.delivery.destination import DeliveryError, Secrets
from maibo_alerting.delivery.http import checked_url, post_json
from maibo_alerting.delivery.settings import only
from maibo_alerting.wording import message_of, summary_of
from maibo_alerting.wording.text import plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maibo_alerting.alerts import Alert
    from maibo_alerting.wording import Locale

URL: Final = "https://events.pagerduty.com/v2/enqueue"
SUMMARY: Final = 1_024
LABELS: Final = 64
"""Of an alert, at most; with their lengths they keep an event far below the 512,000 bytes that PagerDuty takes."""


@dataclass(frozen=True, slots=True)
class PagerDuty:
    name: str
    settings: Mapping[str, object] = field(repr=False)
    secrets: Secrets = field(repr=False)
    url: str = URL
    locale: Locale = "en"

    @classmethod
    def of(cls, settings: Mapping[str, object], secrets: Secrets) -> PagerDuty:
        only(settings, SECRET_FIELDS | {"name", "url", "locale"})
        if not secrets.read(settings):
            raise DeliveryError("secret_file or secret_env is needed: the integration's routing key", retry=False)
        return cls(str(settings["name"]), settings, secrets, checked_url(settings.get("url", URL)), locale_of(settings))

    def send(self, alerts: Sequence[Alert], *, now: float) -> None:  # noqa: ARG002 -- an event has the alert's own time
        key = secret(self.settings, self.secrets)
        for alert in alerts:
            post_json(self.url, {"routing_key": key} | event(alert, self.locale), hidden=[key])


def event(alert: Alert, locale: Locale) -> dict[str, object]:
    """Without the routing key. A resolve says no more than which incident is over."""
    if alert.status == "resolved":
        return {"event_action": "resolve", "dedup_key": alert.key}
    message = message_of(alert, locale)
    said: dict[str, object] = {
        "event_action": "trigger",
        "dedup_key": alert.key,
        "payload": _payload(alert, summary_of(alert, locale), "\n".join(message.lines)),
        "links": [{"href": link.url, "text": link.label} for link in message.links],
        "client": "maibo",
    }
    page = [link.url for link in message.links if link.kind == "page"]
    return said | ({"client_url": page[0]} if page else {})


def _payload(alert: Alert, summary: str, description: str) -> dict[str, object]:
    labels = {plain(name, 100): plain(value) for name, value in sorted(alert.all_labels.items())[:LABELS]}
    said: dict[str, object] = {
        "summary": plain(summary, SUMMARY),
        "source": plain(alert.labels.get("service", "")) or plain(alert.slo) or "maibo",
        "severity": "info" if alert.test else "critical" if alert.severity == "page" else "warning",
        "timestamp": datetime.fromtimestamp(alert.starts_at, UTC).isoformat(timespec="milliseconds"),
        "class": plain(alert.name),
        "custom_details": {"description": description, **labels},
    }
    known = {"component": plain(alert.labels.get("journey", "")), "group": plain(alert.group)}
    return said | {name: value for name, value in known.items() if value}
