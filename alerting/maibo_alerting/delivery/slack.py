"""Slack, by an incoming webhook: blocks, and a text for notifications and screen readers.

Slack reads ``& < >`` in every text; they are escaped as its rule says. Titles and lines are ``plain_text``, which has no mentions, links nor
formatting, so that nothing in a name can call a channel or hide an address. https://docs.slack.dev/messaging/formatting-message-text
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from maibo_alerting.delivery.chat import Chat, fitted, heading, told
from maibo_alerting.delivery.http import post_json
from maibo_alerting.wording.text import cut

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from maibo_alerting.alerts import Alert
    from maibo_alerting.wording import Locale, Message

HEADER: Final = 150
TEXT: Final = 3_000
BLOCKS: Final = 50


@dataclass(frozen=True, slots=True)
class Slack(Chat):
    def send(self, alerts: Sequence[Alert], *, now: float) -> None:  # noqa: ARG002 -- Slack signs nothing by time
        post_json(self.address.read(), payload(alerts, self.locale))


def payload(alerts: Sequence[Alert], locale: Locale) -> dict[str, object]:
    messages = told(alerts, locale)
    return {
        "text": escape(heading(messages, locale)),
        "blocks": fitted(messages, locale, _blocks, lambda blocks: len(blocks) <= BLOCKS),
        "unfurl_links": False,
        "unfurl_media": False,
    }


def escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _blocks(messages: Sequence[Message]) -> list[dict[str, object]]:
    return [block for message in messages for block in _told(message)]


def _told(message: Message) -> Iterator[dict[str, object]]:
    yield {"type": "header", "text": _plain(message.title, HEADER)}
    if message.lines:
        yield {"type": "section", "text": _plain("\n".join(message.lines), TEXT)}
    links = " · ".join(f"<{escape(link.url)}|{escape(link.label)}>" for link in message.links)
    if links:
        yield {"type": "context", "elements": [{"type": "mrkdwn", "text": links, "verbatim": True}]}


def _plain(text: str, limit: int) -> dict[str, object]:
    return {"type": "plain_text", "text": escape(cut(text, limit, lambda kept: len(escape(kept)))), "emoji": False}
