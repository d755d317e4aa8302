"""Everything else, by Apprise (``pip install 'maibo-alerting[apprise]'``): Teams, Telegram, Discord, ntfy and a hundred more.

It only knows "sent" and "not sent", so whatever fails is tried again. Its addresses hold keys and come from ``url_file`` or ``url_env``, one a
line. Imported when it is first needed: it takes 0.3 s and 9 MB.
"""

from __future__ import annotations

import importlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from maibo_alerting.delivery.chat import ADDRESS_FIELDS, heading, locale_of, secret, told
from maibo_alerting.delivery.destination import DeliveryError, Secrets
from maibo_alerting.delivery.settings import only

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maibo_alerting.alerts import Alert
    from maibo_alerting.wording import Locale, Message


@dataclass(frozen=True, slots=True)
class Apprise:
    name: str
    addresses: _Addresses
    locale: Locale = "en"

    @classmethod
    def of(cls, settings: Mapping[str, object], secrets: Secrets) -> Apprise:
        only(settings, ADDRESS_FIELDS)
        if not secrets.read(settings, "url"):
            raise DeliveryError("url_file or url_env is needed: Apprise's addresses, one a line", retry=False)
        addresses = _Addresses(settings, secrets)
        addresses.notifier()
        return cls(str(settings["name"]), addresses, locale_of(settings))

    def send(self, alerts: Sequence[Alert], *, now: float) -> None:  # noqa: ARG002 -- Apprise has its own clock
        messages = told(alerts, self.locale)
        body = "\n\n".join(_text(message, alone=len(messages) == 1) for message in messages)
        if not self.addresses.notifier().notify(
            title=heading(messages, self.locale), body=body or messages[0].title, body_format="text"
        ):
            raise DeliveryError("Apprise could not send it; it does not say why", retry=True)


class _Addresses:
    """Keeps them out of every repr."""

    def __init__(self, settings: Mapping[str, object], secrets: Secrets) -> None:
        self._settings, self._secrets = settings, secrets

    def notifier(self) -> Any:
        """Apprise's, with these addresses. DeliveryError when one is none of its."""
        try:
            apprise = importlib.import_module("apprise")
        except ImportError:
            raise DeliveryError(
                "Apprise is not installed: pip install 'maibo-alerting[apprise]'", retry=False
            ) from None
        for library in ("apprise", "urllib3"):  # what they log holds addresses with their keys
            logging.getLogger(library).setLevel(logging.CRITICAL)
        made = apprise.Apprise()
        for number, address in enumerate(secret(self._settings, self._secrets, "url").split(), start=1):
            if not made.add(address):
                raise DeliveryError(f"address {number} of url is none that Apprise knows", retry=False)
        for service in made:
            service.request_rate_per_sec = 0  # it would sleep up to 5.5 s; the outbox keeps the rate
        return made


def _text(message: Message, *, alone: bool) -> str:
    links = [f"{link.label}: {link.url}" for link in message.links]
    return "\n".join([*([] if alone else [message.title]), *message.lines, *links])
