"""Whom Grafana tells: contact points, and the notification policy that sends pages to one and tickets to the other.

For rules that Grafana evaluates, such as those of `maibo generate rules` brought into it; their label ``severity`` is ``page`` or ``ticket``.
What alerting itself sends goes where its destinations say.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from maibo_dashboards.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Mapping

_SECRET: Final[Mapping[str, str]] = {
    "webhook": "url",
    "slack": "url",
    "teams": "url",
    "dingding": "url",
    "wecom": "url",
    "pagerduty": "integrationKey",
}
"""Kinds of contact points whose one setting is a secret, and what Grafana calls it."""
KINDS: Final = ("email", *_SECRET)
_VARIABLE: Final = re.compile(r"[A-Z_][A-Z0-9_]*")
_MAIL: Final = re.compile(r"[^\s@;,$]+@[^\s@;,$]+")


def alerting(page_to: str, ticket_to: str) -> dict[str, Any]:
    """What an alerting file of Grafana says; {} when nobody was named. Whoever alone was named is told everything."""
    points = []
    if page_to:
        points.append(_point("maibo-pages", "--page-to", page_to))
    if ticket_to:
        points.append(_point("maibo-tickets", "--ticket-to", ticket_to))
    if not points:
        return {}
    policy: dict[str, Any] = {"receiver": points[-1]["name"], "group_by": ["grafana_folder", "alertname"]}
    if len(points) == 2:
        policy["routes"] = [{"receiver": points[0]["name"], "object_matchers": [["severity", "=", "page"]]}]
    return {"contactPoints": points, "policies": [policy]}


def _point(name: str, option: str, told: str) -> dict[str, Any]:
    kind, _, where = told.partition(":")
    if kind == "email":
        settings = {"addresses": _addresses(option, where)}
    elif kind in _SECRET:
        settings = {_SECRET[kind]: f"${{{_variable(option, kind, where)}}}"}
    else:
        raise OutputError(
            f"{option} begins with {kind!r}, and should with one of {', '.join(KINDS)}, such as email:a@example.com"
        )
    return {"name": name, "receivers": [{"uid": name, "type": kind, "settings": settings}]}


def _addresses(option: str, text: str) -> str:
    addresses = re.split(r"[;,]", text)
    if not all(_MAIL.fullmatch(each) for each in addresses):
        raise OutputError(f"{option} should be like email:a@example.com;b@example.com")
    return ";".join(addresses)


def _variable(option: str, kind: str, text: str) -> str:
    if not _VARIABLE.fullmatch(text):
        # Not shown: it may be the secret.
        raise OutputError(
            f"{option}: the {_SECRET[kind]} of {kind} is secret and stands in no file; put it into the environment of Grafana, "
            f"and name the variable: {kind}:ON_CALL_{kind.upper()}"
        )
    return text
