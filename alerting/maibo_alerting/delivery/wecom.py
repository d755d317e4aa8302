"""WeCom, by a group robot: markdown of at most 4096 bytes, nothing signed, the key in the address.

A failure is told by ``errcode`` in the body of a 200. https://developer.work.weixin.qq.com/document/path/91770
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from maibo_alerting.delivery.chat import (
    BUSY,
    Chat,
    Codes,
    fitted,
    markdown,
    told,
)
from maibo_alerting.delivery.http import post_json
from maibo_alerting.wording.text import in_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maibo_alerting.alerts import Alert
    from maibo_alerting.wording import Locale, Message

CONTENT_BYTES: Final = 4_096
CODES: Final = Codes("errcode", "errmsg", later={BUSY: None, 45009: 60.0})
"""45009: too many messages."""


@dataclass(frozen=True, slots=True)
class WeCom(Chat):
    def send(self, alerts: Sequence[Alert], *, now: float) -> None:  # noqa: ARG002 -- WeCom signs nothing by time
        url = self.address.read()
        CODES.check(post_json(url, payload(alerts, self.locale)), url)


def payload(alerts: Sequence[Alert], locale: Locale) -> dict[str, object]:
    def content(shown: Sequence[Message]) -> str:
        return "\n\n".join(markdown(message) for message in shown)

    text = fitted(told(alerts, locale), locale, content, lambda said: in_bytes(said) <= CONTENT_BYTES)
    return {"msgtype": "markdown", "markdown": {"content": text}}
