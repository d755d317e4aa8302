"""Feishu and Lark, by a custom bot of version 2: an interactive card, signed where the bot has a secret.

The signature is HMAC-SHA256 of nothing, and its key is the timestamp, a newline and the secret; a bot takes it for an hour. A
failure is told by ``code`` in the body of a 200. https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from maibo_alerting.delivery.chat import (
    ADDRESS_FIELDS,
    SECRET_FIELDS,
    Chat,
    Codes,
    colour,
    fitted,
    heading,
    hmac_base64,
    json_bytes,
    told,
)
from maibo_alerting.delivery.http import post_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from maibo_alerting.alerts import Alert
    from maibo_alerting.wording import Locale, Message

BODY_BYTES: Final = 20_000 - 200
"""20 KB, less timestamp and signature."""
CODES: Final = Codes("code", "msg", later={11232: 60.0})
"""11232: too many messages."""


@dataclass(frozen=True, slots=True)
class Feishu(Chat):
    FIELDS: ClassVar[frozenset[str]] = ADDRESS_FIELDS | SECRET_FIELDS

    def send(self, alerts: Sequence[Alert], *, now: float) -> None:
        url, key = self.address.read(), self.signing_secret
        answer = post_json(url, signature(key, at=int(now)) | payload(alerts, self.locale), hidden=[key])
        CODES.check(answer, url, [key])


def signature(key: str, *, at: int) -> dict[str, object]:
    return {"timestamp": str(at), "sign": hmac_base64(f"{at}\n{key}", "")} if key else {}


def payload(alerts: Sequence[Alert], locale: Locale) -> dict[str, object]:
    messages = told(alerts, locale)

    def card(shown: Sequence[Message]) -> dict[str, object]:
        header = {"title": _plain(heading(messages, locale)), "template": colour(alerts)}
        body = {"config": {"wide_screen_mode": True}, "header": header, "elements": list(_elements(shown))}
        return {"msg_type": "interactive", "card": body}

    return fitted(messages, locale, card, lambda said: json_bytes(said) <= BODY_BYTES)


def _elements(messages: Sequence[Message]) -> Iterator[dict[str, object]]:
    """The card's header already says the title of one alone."""
    for place, message in enumerate(messages):
        if place:
            yield {"tag": "hr"}
        lines = message.lines if len(messages) == 1 and message.lines else (message.title, *message.lines)
        yield {"tag": "div", "text": _plain("\n".join(lines))}
        if message.links:
            buttons = [{"tag": "button", "text": _plain(link.label), "url": link.url} for link in message.links]
            yield {"tag": "action", "actions": buttons}


def _plain(text: str) -> dict[str, str]:
    """No markdown, no mentions: those are ``lark_md``'s."""
    return {"tag": "plain_text", "content": text}
