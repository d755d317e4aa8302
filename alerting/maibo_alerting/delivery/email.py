"""E-mail, by any SMTP server, over TLS: one message a request, as plain text and as HTML.

Nothing of an alert is ever an address or a header's name, and headers are built by the standard library from one line each, so no text can
add a header or a recipient. A message's id follows from what it tells: one that is sent twice is the same message to a mailbox, and the end
of an alert is a reply to its begin.
"""

from __future__ import annotations

import hashlib
import html
import logging
import re
import smtplib
import ssl
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import TYPE_CHECKING, Final, Literal, cast

from maibo_alerting.delivery.chat import colour, heading, locale_of, secret, told
from maibo_alerting.delivery.destination import DeliveryError, Secrets
from maibo_alerting.delivery.masking import masked
from maibo_alerting.delivery.settings import number, only
from maibo_alerting.wording.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from maibo_alerting.alerts import Alert
    from maibo_alerting.wording import Locale, Message

log = logging.getLogger(__name__)

Security = Literal["starttls", "tls", "none"]
PORTS: Final[Mapping[Security, int]] = {"starttls": 587, "tls": 465, "none": 25}
TIMEOUT_SECONDS: Final = 10.0
"""For each word to the server and its answer."""
FIELDS: Final = frozenset(
    {"name", "host", "port", "tls", "ca_file", "from", "to", "username", "password_file", "password_env", "locale"}
)

# Narrower than RFC 5322: no quoting, no comments, nothing that a header could be ended with.
_ADDRESS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]{1,253}")
_HOST: Final = re.compile(r"[A-Za-z0-9.:-]{1,253}")


@dataclass(frozen=True, slots=True)
class Email:
    name: str
    host: str
    port: int
    tls: Security
    sender: str
    recipients: tuple[str, ...]
    settings: Mapping[str, object] = field(repr=False)
    secrets: Secrets = field(repr=False)
    locale: Locale = "en"

    @classmethod
    def of(cls, settings: Mapping[str, object], secrets: Secrets) -> Email:
        only(settings, FIELDS)
        host, tls = settings.get("host"), settings.get("tls", "starttls")
        if not isinstance(host, str) or not _HOST.fullmatch(host):
            raise DeliveryError("host is needed: the name of an SMTP server, its port apart", retry=False)
        if tls not in PORTS:
            raise DeliveryError(f"tls must be one of {', '.join(PORTS)}, not {tls!r}", retry=False)
        security = cast("Security", tls)
        if settings.get("username") and security == "none":
            raise DeliveryError("a password is not sent without TLS: tls must be starttls or tls", retry=False)
        if bool(settings.get("username")) != bool(secrets.read(settings, "password")):
            raise DeliveryError("username and password_file (or password_env) go together", retry=False)
        made = cls(
            str(settings["name"]),
            host,
            int(number(settings, "port", PORTS[security], least=1, most=65_535)),
            security,
            _address("from", settings.get("from")),
            _recipients(settings.get("to")),
            settings,
            secrets,
            locale_of(settings),
        )
        made._context()
        return made

    def send(self, alerts: Sequence[Alert], *, now: float) -> None:
        message = mail(alerts, self.locale, sender=self.sender, recipients=self.recipients, now=now)
        password = secret(self.settings, self.secrets, "password")
        with _told_apart(self.host, password), self._server() as server:
            if password:
                server.login(str(self.settings["username"]), password)
            refused = server.send_message(message, self.sender, self.recipients)
        for address, (code, _) in refused.items():
            log.warning("%s: %s does not take mail for %s (%d); others have it", self.name, self.host, address, code)

    @contextmanager
    def _server(self) -> Iterator[smtplib.SMTP]:
        if self.tls == "tls":
            with smtplib.SMTP_SSL(self.host, self.port, timeout=TIMEOUT_SECONDS, context=self._context()) as server:
                yield server
            return
        with smtplib.SMTP(self.host, self.port, timeout=TIMEOUT_SECONDS) as server:
            if self.tls == "starttls":
                server.starttls(context=self._context())
            yield server

    def _context(self) -> ssl.SSLContext:
        file = self.settings.get("ca_file")
        try:
            return ssl.create_default_context(cafile=str(file) if file else None)
        except (OSError, ssl.SSLError) as error:
            raise DeliveryError(f"ca_file {file}: not usable for TLS ({type(error).__name__})", retry=True) from None


def mail(
    alerts: Sequence[Alert], locale: Locale, *, sender: str, recipients: Sequence[str], now: float
) -> EmailMessage:
    messages = told(alerts, locale)
    made = EmailMessage()
    made["Subject"] = plain(heading(messages, locale), 200)
    made["From"], made["To"] = sender, ", ".join(recipients)
    made["Date"] = format_datetime(datetime.fromtimestamp(now, UTC))
    domain = sender.rpartition("@")[2]
    begin = _id([f"{alert.key} {alert.starts_at!r} firing" for alert in alerts], domain)
    made["Message-ID"] = _id([_transition(alert) for alert in alerts], domain)
    if not any(_is_begin(alert) for alert in alerts):
        made["In-Reply-To"] = made["References"] = begin
    made["Auto-Submitted"] = "auto-generated"  # RFC 3834: no absence notes in return
    made.set_content("\n\n".join(_text(message) for message in messages))
    made.add_alternative(_page(messages, locale, colour(alerts)), subtype="html")
    return made


def _transition(alert: Alert) -> str:
    """Which change of which alert is told. An alert that fires again, soon after its end, is the same one and another message."""
    told = f"{alert.key} {alert.starts_at!r} {alert.status}"
    return told if _is_begin(alert) or not alert.changed_at else f"{told} {alert.changed_at!r}"


def _is_begin(alert: Alert) -> bool:
    return alert.status == "firing" and alert.changed_at <= alert.starts_at


def _id(told: Sequence[str], domain: str) -> str:
    digest = hashlib.sha256("\0".join(told).encode()).hexdigest()
    return f"<{digest[:40]}@{domain}>"


def _text(message: Message) -> str:
    links = [f"{link.label}: {link.url}" for link in message.links]
    return "\n".join([message.title, "", *message.lines, "", *links]).strip()


def _page(messages: Sequence[Message], locale: Locale, tone: str) -> str:
    told = "".join(
        f'<h2 style="border-left:6px solid {tone};padding-left:8px">{html.escape(message.title)}</h2>'
        f"<p>{'<br>'.join(map(html.escape, message.lines))}</p><p>"
        + " · ".join(f'<a href="{html.escape(link.url)}">{html.escape(link.label)}</a>' for link in message.links)
        + "</p>"
        for message in messages
    )
    return f'<!doctype html><html lang="{locale}"><body style="font-family:sans-serif">{told}</body></html>'


@contextmanager
def _told_apart(host: str, password: str) -> Iterator[None]:
    """What a server refused for good (5xx), what passes (4xx, no answer), and neither with the password in it."""
    try:
        yield
    except smtplib.SMTPRecipientsRefused as error:
        codes = sorted({code for code, _ in error.recipients.values()})
        raise DeliveryError(
            f"{host} refused every recipient ({', '.join(map(str, codes))})", retry=any(code < 500 for code in codes)
        ) from None
    except smtplib.SMTPResponseException as error:
        said = error.smtp_error.decode("utf-8", "replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
        reason = plain(masked(said, [password]), 200)
        raise DeliveryError(f"{host} answered {error.smtp_code}: {reason}", retry=error.smtp_code < 500) from None
    except smtplib.SMTPNotSupportedError:
        raise DeliveryError(
            f"{host} offers no STARTTLS, or no login that is known; nothing was sent", retry=False
        ) from None
    except ssl.SSLError as error:
        raise DeliveryError(f"{host}: TLS failed: {error.reason or type(error).__name__}", retry=True) from None
    except TimeoutError:
        raise DeliveryError(f"{host} did not answer within {TIMEOUT_SECONDS:g} s", retry=True) from None
    except smtplib.SMTPServerDisconnected:  # smtplib says the same of a timeout in the middle
        raise DeliveryError(f"{host} hung up, or did not answer within {TIMEOUT_SECONDS:g} s", retry=True) from None
    except (smtplib.SMTPException, OSError) as error:
        cause = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        raise DeliveryError(f"{host} cannot be reached: {cause}", retry=True) from None


def _recipients(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, (list, tuple)) or not value:
        raise DeliveryError("to is needed: a list of addresses", retry=False)
    return tuple(_address("to", each) for each in cast("list[object]", value))


def _address(name: str, value: object) -> str:
    if not isinstance(value, str) or not _ADDRESS.fullmatch(value):
        raise DeliveryError(f"{name} must be an address as ops@example.com, not {value!r}", retry=False)
    return value
