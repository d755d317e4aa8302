"""WeCom, by a group robot: markdown of at most 4096 bytes, nothing signed, the key in the address.

A failure is told by ``errcode`` in the body of a 200. https://developer.work.weixin.qq.com/document/path/91770
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from maibo_alerting.delivery.chat import (
    ADDRESS_FIELDS,
    BUSY,
    Address,
    Codes,
    fitted,
    locale_of,
    markdown,
    post_secretly,
    told,
)
from maibo_alerting.delivery.settings import only
from maibo_alerting.wording.text import in_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maibo_alerting.alerts import Alert
    from maibo_alerting.delivery.destination import Secrets
    from maibo_alerting.wording import Locale, Message

CONTENT_BYTES: Final = 4_096
CODES: Final = Codes("errcode", "errmsg", later={BUSY: None, 45009: 60.0})
"""45009: too many messages."""


@dataclass(frozen=True, slots=True)
class WeCom:
    name: str
    address: Address
    locale: Locale = "en"

    @classmethod
    def of(cls, settings: Mapping[str, object], secrets: Secrets) -> WeCom:
        address = Address(settings, secrets)
        address.check()
        only(settings, ADDRESS_FIELDS)
        return cls(str(settings["name"]), address, locale_of(settings))

    def send(self, alerts: Sequence[Alert], *, now: float) -> None:  # noqa: ARG002 -- WeCom signs nothing by time
        url = self.address.read()
        CODES.check(post_secretly(url, payload(alerts, self.locale)), url)


def payload(alerts: Sequence[Alert], locale: Locale) -> dict[str, object]:
    def content(shown: Sequence[Message]) -> str:
        return "\n\n".join(markdown(message) for message in shown)

    text = fitted(told(alerts, locale), locale, content, lambda said: in_bytes(said) <= CONTENT_BYTES)
    return {"msgtype": "markdown", "markdown": {"content": text}}
