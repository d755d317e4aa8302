"""A webhook in the shape of Alertmanager's, version 4: whatever takes alerts from Alertmanager takes them from maibo.

One alert a request, whose `groupKey` is the alert's own key: receivers that group by it (Grafana OnCall) open one incident an alert, and
another routing does not orphan it. A request is signed where there is a secret, over its time and body, so that a receiver can
refuse forgeries and old copies; ``Idempotency-Key`` stays the same when a transition is sent again.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from maibo_alerting.delivery.alertmanager import fit, rfc3339
from maibo_alerting.delivery.destination import DeliveryError, Secrets
from maibo_alerting.delivery.http import REQUEST_FIELDS, Credentials, checked_url, post
from maibo_alerting.delivery.settings import only

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maibo_alerting.alerts import Alert

FIELDS: Final = REQUEST_FIELDS | {"secret_file", "secret_env", "external_url"}
SIGNATURE: Final = "Maibo-Signature"
NEVER: Final = "0001-01-01T00:00:00Z"
"""As `endsAt` of what still fires."""


@dataclass(frozen=True, slots=True)
class Webhook:
    name: str
    url: str = field(repr=False)
    credentials: Credentials
    external_url: str = ""

    @classmethod
    def of(cls, settings: Mapping[str, object], secrets: Secrets) -> Webhook:
        only(settings, FIELDS | {"name"})
        credentials = Credentials(settings, secrets)
        credentials.check()
        secrets.read(settings)
        external = settings.get("external_url", "")
        return cls(
            str(settings["name"]),
            checked_url(settings.get("url")),
            credentials,
            checked_url(external) if external else "",
        )

    def send(self, alerts: Sequence[Alert], *, now: float) -> None:
        for alert in alerts:
            body = json.dumps(self.payload(alert), ensure_ascii=False).encode("utf-8", "replace")
            headers = {
                "Content-Type": "application/json",
                "Idempotency-Key": transition(alert),
                **self.credentials.headers(),
                **self._signature(body, now),
            }
            post(self.url, body, headers=headers, tls=self.credentials.tls())

    def payload(self, alert: Alert) -> dict[str, object]:
        labels, annotations = fit(alert.all_labels), fit(alert.annotations)
        told = {
            "status": alert.status,
            "labels": labels,
            "annotations": annotations,
            "startsAt": rfc3339(alert.starts_at),
            "endsAt": NEVER if alert.ends_at is None else rfc3339(alert.ends_at),
            "generatorURL": alert.link,
            "fingerprint": alert.key[:16],
        }
        return {
            "receiver": self.name,
            "status": alert.status,
            "alerts": [told],
            "groupLabels": labels,
            "commonLabels": labels,
            "commonAnnotations": annotations,
            "externalURL": self.external_url,
            "version": "4",
            "groupKey": alert.key,
            "truncatedAlerts": 0,
        }

    def _signature(self, body: bytes, now: float) -> dict[str, str]:
        try:
            secret = self.credentials.secrets.read(self.credentials.settings)
        except DeliveryError as error:
            raise DeliveryError(str(error), retry=True) from None  # it could be read at the start, and may be again
        return {SIGNATURE: signature(secret, body, at=int(now))} if secret else {}


def transition(alert: Alert) -> str:
    """Which change of which alert this tells; the same however often it is sent."""
    return hashlib.sha256(
        f"{alert.key}\0{alert.status}\0{alert.starts_at!r}\0{alert.changed_at!r}".encode()
    ).hexdigest()[:32]


def signature(secret: str, body: bytes, *, at: int) -> str:
    """``t=1700000000,v1=…``: v1 is the hexadecimal HMAC-SHA256, by the secret, of ``1700000000.`` and the body."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"
