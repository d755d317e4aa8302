"""DingTalk, by a custom robot: markdown, signed in the query where the robot has a secret.

The signature is HMAC-SHA256 of the timestamp, a newline and the secret, with the secret as the key and milliseconds as the
timestamp. A failure is told by ``errcode`` in the body of a 200. A robot that is sent more than 20 messages in a minute is silent for ten.
https://open.dingtalk.com/document/orgapp/custom-robot-access
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final
from urllib.parse import urlencode

from maibo_alerting.delivery.chat import (
    ADDRESS_FIELDS,
    BUSY,
    SECRET_FIELDS,
    Chat,
    Codes,
    fitted,
    heading,
    hmac_base64,
    json_bytes,
    markdown,
    told,
)
from maibo_alerting.delivery.http import post_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maibo_alerting.alerts import Alert
    from maibo_alerting.wording import Locale, Message

BODY_BYTES: Final = 20_000
CODES: Final = Codes("errcode", "errmsg", later={BUSY: None, 130101: 600.0, 410100: 600.0})
"""130101 and 410100: too many messages."""


@dataclass(frozen=True, slots=True)
class DingTalk(Chat):
    FIELDS: ClassVar[frozenset[str]] = ADDRESS_FIELDS | SECRET_FIELDS

    def send(self, alerts: Sequence[Alert], *, now: float) -> None:
        url, key = self.address.read(), self.signing_secret
        query = signature(key, at=int(now * 1_000))
        signed = f"{url}{'&' if '?' in url else '?'}{query}" if query else url
        answer = post_json(signed, payload(alerts, self.locale), hidden=[key])
        CODES.check(answer, url, [key])


def signature(key: str, *, at: int) -> str:
    """As the query has it, `at` in milliseconds; '' without a key."""
    return urlencode({"timestamp": at, "sign": hmac_base64(key, f"{at}\n{key}")}) if key else ""


def payload(alerts: Sequence[Alert], locale: Locale) -> dict[str, object]:
    messages = told(alerts, locale)

    def said(shown: Sequence[Message]) -> dict[str, object]:
        text = "\n\n".join(markdown(message) for message in shown)
        # The title is what a locked phone shows; it is no markdown.
        return {
            "msgtype": "markdown",
            "markdown": {"title": heading(messages, locale), "text": text},
            "at": {"isAtAll": False},
        }

    return fitted(messages, locale, said, lambda body: json_bytes(body) <= BODY_BYTES)
