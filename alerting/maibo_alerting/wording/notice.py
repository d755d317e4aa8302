"""Between words and alerts: words as an alert's annotations, and an alert as the words that a destination shows."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Final

from maibo_alerting.wording import figures
from maibo_alerting.wording.facts import Link, Message
from maibo_alerting.wording.phrases import phrases
from maibo_alerting.wording.text import link, plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from maibo_alerting.alerts import Alert
    from maibo_alerting.wording.facts import LinkKind
    from maibo_alerting.wording.phrases import Locale, Phrases

TITLE: Final = 300
LINE: Final = 500
LINES: Final = 30


def as_annotations(message: Message) -> dict[str, str]:
    """``summary``, ``description``, and ``dashboard_url``, ``runbook_url``: the names that Prometheus' world has. The page is `Alert.link`."""
    urls = {f"{link.kind}_url": link.url for link in message.links if link.kind != "page"}
    return {"summary": message.title, "description": "\n".join(message.lines), **urls}


def message_of(alert: Alert, locale: Locale = "en") -> Message:
    """What to show of it: how urgent it is, or that it is over, before its summary. Plain, whatever its annotations hold."""
    say = phrases(locale)
    description = _annotations(alert, locale).get("description") or _when(alert, say)
    lines = [say.test_line] if alert.test else []
    lines += [text for line in description.split("\n", LINES)[:LINES] if (text := plain(line, LINE))]
    urgency = say.page if alert.severity == "page" else say.ticket
    ended = say.closed if alert.is_unhealed else say.resolved
    status = ended if alert.status == "resolved" else urgency
    return Message(
        plain(f"{status}{say.separator}{summary_of(alert, locale)}", TITLE), tuple(lines), tuple(_links(alert, say))
    )


def summary_of(alert: Alert, locale: Locale = "en") -> str:
    """What it is about, on one line, marked where it is a test."""
    say = phrases(locale)
    about = " ".join(name for name in (alert.slo, alert.objective, alert.group) if name)
    summary = plain(_annotations(alert, locale).get("summary", ""), TITLE) or f"{about}{say.separator}{alert.name}"
    return plain(f"{say.test}{say.separator}{summary}" if alert.test else summary, TITLE)


def _annotations(alert: Alert, locale: Locale) -> Mapping[str, str]:
    """In this language, where it was told in it."""
    return alert.translations.get(locale, alert.annotations)


def _when(alert: Alert, say: Phrases) -> str:
    since = figures.moment(alert.starts_at, UTC)
    if alert.ends_at is None:
        return say.since.format(since=since)
    until = figures.moment(alert.ends_at, UTC)
    lasted = figures.duration(alert.ends_at - alert.starts_at, say)
    return say.from_until.format(since=since, until=until, duration=lasted)


def _links(alert: Alert, say: Phrases) -> Iterator[Link]:
    addresses: dict[LinkKind, str] = {
        "page": alert.link,
        "dashboard": alert.annotations.get("dashboard_url", ""),
        "runbook": alert.annotations.get("runbook_url", ""),
    }
    for kind, address in addresses.items():
        if url := link(address):
            yield Link(kind, say.links[kind], url)
