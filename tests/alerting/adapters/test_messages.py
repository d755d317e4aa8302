"""docs/on-call.md shows one alert as it arrives in each destination: what the adapters send, and nothing else.

When adapters or words change, ``.venv/bin/python tests/alerting/adapters/test_messages.py`` writes the page's part anew.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from maibo_alerting.alerts import Alert
from maibo_alerting.delivery import alertmanager, dingtalk, email, feishu, pagerduty, slack, wecom
from maibo_alerting.delivery.destination import Secrets
from maibo_alerting.delivery.webhook import Webhook
from maibo_alerting.wording import Change, Facts, as_annotations, message_of, tell

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE: Final = Path(__file__).parents[3] / "docs" / "on-call.md"
SINCE: Final = 1_767_323_040.0  # 2026-01-02 03:04:00 UTC
NOW: Final = SINCE + 1_200
FACTS: Final = Facts(
    now=NOW,
    slo="checkout-latency",
    objective="99.9",
    target=0.999,
    window_seconds=30 * 86_400,
    journey="checkout",
    step="pay",
    tier="gold",
    since=SINCE,
    over_seconds=3_600,
    total=587_000,
    bad=8_453,
    p99_seconds=1.8437,
    threshold_seconds=0.5,
    burn_rate=14.4,
    budget_remaining=0.43,
    changes=[Change(SINCE - 240, "version", "payment", "1.4.1", "1.4.2")],
    page="https://maibo.example/slos/checkout-latency",
    dashboard="https://grafana.example/d/checkout",
    runbook="https://wiki.example/checkout",
)
ALERT: Final = Alert(
    name="MaiboBudgetBurn",
    slo="checkout-latency",
    objective="99.9",
    severity="page",
    starts_at=SINCE + 60,
    changed_at=SINCE + 60,
    labels={"service": "shop", "journey": "checkout", "team": "pay"},
    annotations=as_annotations(tell(FACTS)),
    translations={"zh": as_annotations(tell(FACTS, "zh"))},
    link=FACTS.page,
)


def blocks() -> Iterator[tuple[str, str, str]]:
    """Name, kind of block, and text, in the page's order."""
    lasting = alertmanager.LASTING * alertmanager.RESEND_SECONDS
    yield "Alertmanager", "json", shown([alertmanager.posted(ALERT, now=NOW, lasting_seconds=lasting)])
    hook = Webhook.of({"name": "robots", "url": "https://robots.example.com/maibo"}, Secrets({}))
    yield "Webhook", "json", shown(hook.payload(ALERT))
    yield "PagerDuty", "json", shown({"routing_key": "…"} | pagerduty.event(ALERT, "en"))
    yield "Slack", "json", shown(slack.payload([ALERT], "en"))
    signed = {"timestamp": str(int(NOW)), "sign": "…"}
    yield "Feishu and Lark, with `locale: zh`", "json", shown(signed | feishu.payload([ALERT], "zh"))
    yield "DingTalk, with `locale: zh`", "json", shown(dingtalk.payload([ALERT], "zh"))
    yield "WeCom, with `locale: zh`", "json", shown(wecom.payload([ALERT], "zh"))
    yield "E-mail", "text", mail()


def shown(said: object) -> str:
    return json.dumps(said, ensure_ascii=False, indent=2)


def mail() -> str:
    """Its headers and the plain text; the HTML says the same."""
    made = email.mail([ALERT], "en", sender="maibo@example.com", recipients=["sre@example.com"], now=NOW)
    told = made.get_body(("plain",))
    assert told is not None
    kept = ("Subject", "From", "To", "Date", "Message-ID", "Auto-Submitted")
    return "\n".join([*(f"{name}: {made[name]}" for name in kept), "", str(told.get_content()).rstrip()])


def quote() -> str:
    """As people read it."""
    message = message_of(ALERT)
    links = " · ".join(link.label for link in message.links)
    return "\\\n".join(f"> {line}" for line in (f"**{message.title}**", *message.lines, links))


def section() -> str:
    return "".join(f"### {name}\n\n```{kind}\n{text}\n```\n\n" for name, kind, text in blocks()).rstrip() + "\n"


@pytest.mark.parametrize(("name", "kind", "text"), list(blocks()), ids=lambda each: each if len(each) < 40 else "")
def test_the_page_shows_what_arrives(name: str, kind: str, text: str) -> None:
    assert f"### {name}\n\n```{kind}\n{text}\n```\n" in PAGE.read_text(), "write it anew: see this module's docstring"


def test_the_page_says_what_is_said() -> None:
    assert f"\n{quote()}\n" in PAGE.read_text()


def write() -> None:
    """The page's parts, anew."""
    page = PAGE.read_text()
    page = re.sub(r"(?m)^> \*\*Page: (?:.|\n)*?\n\n", lambda _: f"{quote()}\n\n", page, count=1)
    begin = re.search(r"(?m)^### Alertmanager\n", page)
    assert begin is not None
    after = re.search(r"(?m)^## ", page[begin.start() :])
    rest = "" if after is None else "\n" + page[begin.start() + after.start() :]
    PAGE.write_text(page[: begin.start()] + section() + rest)


if __name__ == "__main__":
    write()
