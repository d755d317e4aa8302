"""Prometheus' Alertmanager, over its API v2.

It forgets: an alert that is not told again ends at its `endsAt`. So each request says that the alerts last for `LASTING` resend intervals
more, and the sender repeats what fires every interval; when maibo is gone for longer, Alertmanager resolves them by itself.

It takes a batch in parts: with one bad alert it answers 400 and takes the good ones. So whatever an alert holds is made fit here before
it is sent: names of labels as Prometheus has them (``k8s.pod`` becomes ``k8s_pod``), and a start that is not after its end, which clocks
that step would cause.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from maibo_alerting.delivery.destination import DeliveryError, Secrets
from maibo_alerting.delivery.http import REQUEST_FIELDS, Credentials, checked_url, post_json
from maibo_alerting.delivery.settings import number, only

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maibo_alerting.alerts import Alert

PATH: Final = "/api/v2/alerts"
LASTING: Final = 4
"""Resend intervals, as Prometheus has it: three lost requests do not resolve an alert."""
RESEND_SECONDS: Final = 60.0
BATCH: Final = 64
FIELDS: Final = REQUEST_FIELDS | {"resend_seconds"}

_LATEST: Final = 253_402_300_799.0  # the end of the year 9999: RFC 3339 has four digits


@dataclass(frozen=True, slots=True)
class Alertmanager:
    """One of them; where there are several, each is told everything, and they agree among themselves."""

    name: str
    url: str
    credentials: Credentials
    resend_seconds: float = RESEND_SECONDS

    @classmethod
    def of(cls, settings: Mapping[str, object], secrets: Secrets) -> Alertmanager:
        only(settings, FIELDS | {"name"})
        credentials = Credentials(settings, secrets)
        credentials.check()
        url = checked_url(settings.get("url")).rstrip("/")
        if "?" in url or "#" in url:
            raise DeliveryError("url must be Alertmanager's --web.external-url, without ? and #", retry=False)
        resend = number(settings, "resend_seconds", RESEND_SECONDS, least=1, most=3600)
        return cls(str(settings["name"]), url.removesuffix(PATH) + PATH, credentials, resend)

    def send(self, alerts: Sequence[Alert], *, now: float) -> None:
        lasting = LASTING * self.resend_seconds
        said = [posted(alert, now=now, lasting_seconds=lasting) for alert in alerts]
        post_json(self.url, said, headers=self.credentials.headers(), tls=self.credentials.tls())


def posted(alert: Alert, *, now: float, lasting_seconds: float) -> dict[str, object]:
    """An alert as API v2 takes it, always."""
    if alert.ends_at is None:
        ends = now + lasting_seconds
        starts = min(alert.starts_at, now)
    else:
        ends = min(alert.ends_at, now)
        starts = min(alert.starts_at, ends)
    return {
        "labels": fit(alert.all_labels),
        "annotations": fit(alert.annotations),
        "startsAt": rfc3339(starts),
        "endsAt": rfc3339(ends),
        "generatorURL": _text(alert.link) if re.match(r"https?://[^\s/]", alert.link) else "",
    }


def fit(labels: Mapping[str, str]) -> dict[str, str]:
    """Names as Prometheus has them, and values that are UTF-8. Of two that become one name, the one that was right already stays.

    >>> fit({"k8s.pod": "a", "1st": "b", "empty": ""})
    {'k8s_pod': 'a', '_1st': 'b'}
    """
    made: dict[str, str] = {}
    for name, value in labels.items():
        fitting = re.sub(r"[^a-zA-Z0-9_]", "_", name) or "_"
        fitting = f"_{fitting}" if fitting[0].isdigit() else fitting
        if value and (fitting == name or fitting not in labels):
            made[fitting] = _text(value)
    return made


def rfc3339(seconds: float) -> str:
    """``2026-03-01T12:00:00.250Z``; rounded down, so that what is over is never over in the future."""
    at = datetime.fromtimestamp(math.floor(min(max(seconds, 0.0), _LATEST) * 1000) / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _text(value: str) -> str:
    return value.encode("utf-8", "replace").decode()
