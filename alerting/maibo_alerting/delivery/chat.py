"""What the chat services have in common: an address that is a secret, an answer whose body tells failure, and little room.

Several alerts become one message, so that a storm neither exceeds a service's rate limit nor buries what was said before it. Where a message
is too long, every alert first loses lines, then links, and only then are alerts counted instead of named; pages are named first.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Final, Self, TypeVar, cast

from maibo_alerting.delivery.destination import DeliveryError, Secrets
from maibo_alerting.delivery.http import checked_url, shown_url
from maibo_alerting.delivery.masking import keys_of, masked
from maibo_alerting.delivery.settings import only
from maibo_alerting.wording import LOCALES, Locale, Message, message_of, phrases
from maibo_alerting.wording.text import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from maibo_alerting.alerts import Alert
    from maibo_alerting.delivery.http import Answer

T = TypeVar("T")

ADDRESS_FIELDS: Final = frozenset({"name", "url_file", "url_env", "locale"})
SECRET_FIELDS: Final = frozenset({"secret_file", "secret_env"})
BUSY: Final = -1
"""DingTalk and WeCom: the system is busy."""

_LOOK_ALIKE: Final = str.maketrans({mark: chr(ord(mark) + 0xFEE0) for mark in "*[]<>#~`|!\\&"})
"""Full-width forms: how a vendor's markdown escapes is told nowhere, and these mean nothing to any."""


@dataclass(frozen=True, slots=True)
class Address:
    """An address that holds a key, from ``url_file`` or ``url_env``. Read anew for each message: what was rotated is used at once."""

    settings: Mapping[str, object] = field(repr=False)
    secrets: Secrets = field(repr=False)

    def check(self) -> None:
        """DeliveryError when there is none."""
        if self.settings.get("url"):
            raise DeliveryError("url holds a key here: write it to a file, and give url_file (or url_env)", retry=False)
        if not (address := self.secrets.read(self.settings, "url")):
            raise DeliveryError(
                "url_file or url_env is needed: the webhook's address, which holds its key", retry=False
            )
        checked_url(address)

    def read(self) -> str:
        return checked_url(secret(self.settings, self.secrets, "url"))


@dataclass(frozen=True, slots=True)
class Chat:
    """A chat's bot. Each service has its own `send`."""

    name: str
    address: Address
    locale: Locale = "en"

    FIELDS: ClassVar[frozenset[str]] = ADDRESS_FIELDS

    @classmethod
    def of(cls, settings: Mapping[str, object], secrets: Secrets) -> Self:
        address = Address(settings, secrets)
        address.check()
        only(settings, cls.FIELDS)
        secrets.read(settings)
        return cls(str(settings["name"]), address, locale_of(settings))

    @property
    def signing_secret(self) -> str:
        """'' where the bot has none."""
        return secret(self.address.settings, self.address.secrets)


def secret(settings: Mapping[str, object], secrets: Secrets, name: str = "secret") -> str:
    """A secret that could be read at the start: when it cannot be now, it may be later."""
    try:
        return secrets.read(settings, name)
    except DeliveryError as error:
        raise DeliveryError(str(error), retry=True) from None


def locale_of(settings: Mapping[str, object]) -> Locale:
    locale = settings.get("locale", "en")
    if locale not in LOCALES:
        raise DeliveryError(f"locale must be one of {', '.join(LOCALES)}, not {locale!r}", retry=False)
    return cast("Locale", locale)


def told(alerts: Sequence[Alert], locale: Locale) -> list[Message]:
    """Pages first, what fires before what is over."""
    ranked = sorted(alerts, key=lambda alert: (alert.severity != "page", alert.status != "firing"))
    return [message_of(alert, locale) for alert in ranked]


def fitted(
    messages: Sequence[Message], locale: Locale, render: Callable[[Sequence[Message]], T], fits: Callable[[T], bool]
) -> T:
    """The longest rendering that fits."""
    for shorter in _ever_shorter(messages, locale):
        if fits(rendered := render(shorter)):
            return rendered
    raise DeliveryError("an alert's title alone is too long for this destination", retry=False)


def heading(messages: Sequence[Message], locale: Locale) -> str:
    """One line for all of them."""
    count = str(len(messages))
    return messages[0].title if len(messages) == 1 else phrases(locale).several.of(count).format(n=count)


def colour(alerts: Sequence[Alert]) -> str:
    """Of the most urgent: red for a page, orange for a ticket, green when all is over, grey when nobody knows; blue for tests."""
    if all(alert.test for alert in alerts):
        return "blue"
    firing = {alert.severity for alert in alerts if alert.status == "firing"}
    if firing:
        return "red" if "page" in firing else "orange"
    return "grey" if any(alert.is_unhealed for alert in alerts) else "green"


def markdown(message: Message) -> str:
    """For DingTalk and WeCom: lines that end in two spaces break in both."""
    title = f"**{harmless(message.title)}**"
    links = " · ".join(f"[{harmless(link.label)}]({link.url})" for link in message.links)
    return "  \n".join(filter(None, [title, *map(harmless, message.lines), links]))


def harmless(text: str) -> str:
    """Without markdown, whatever dialect: `[free](http://evil)` reads as it is, and is no link."""
    return text.translate(_LOOK_ALIKE)


def json_bytes(said: object) -> int:
    """As it is sent."""
    return len(json.dumps(said, ensure_ascii=False).encode())


def hmac_base64(key: str, text: str) -> str:
    return base64.b64encode(hmac.new(key.encode(), text.encode(), hashlib.sha256).digest()).decode()


@dataclass(frozen=True, slots=True)
class Codes:
    """How a service tells failure in the body of a 200."""

    code: str
    reason: str
    later: Mapping[int, float | None]
    """Codes that pass, and after how many seconds."""

    def check(self, answer: Answer, url: str, hidden: Sequence[str] = ()) -> None:
        """DeliveryError unless it says 0."""
        where = shown_url(url)
        try:
            body = json.loads(answer.body)
        except ValueError:
            body = None
        code = body.get(self.code) if isinstance(body, dict) else None
        if not isinstance(body, dict) or not isinstance(code, int):
            raise DeliveryError(f"{where} answered {answer.status} without {self.code}: is it the webhook?", retry=True)
        if code != 0:
            reason = plain(masked(str(body.get(self.reason, "")), [*keys_of(url), *hidden]), 200)
            raise DeliveryError(
                f"{where} refused: {self.code} {code} {reason}".rstrip(),
                retry=code in self.later,
                retry_after_seconds=self.later.get(code),
            )


def _ever_shorter(messages: Sequence[Message], locale: Locale) -> Iterator[Sequence[Message]]:
    yield messages
    for lines in (8, 4, 2):
        yield [_with_lines(message, lines) for message in messages]
    yield [replace(message, lines=(), links=message.links[:1]) for message in messages]
    titles = [Message(message.title) for message in messages]
    named = len(titles)
    while named:
        more = str(len(titles) - named)
        rest = [Message(phrases(locale).more.of(more).format(n=more))] if named < len(titles) else []
        yield [*titles[:named], *rest]
        named //= 2


def _with_lines(message: Message, lines: int) -> Message:
    return replace(message, lines=(*message.lines[:lines], "…")) if len(message.lines) > lines else message
