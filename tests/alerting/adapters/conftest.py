"""A vendor's service on loopback, a mail server, and alerts to send them."""

from __future__ import annotations

import json
import socketserver
import ssl
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
import trustme

from maibo_alerting.alerts import Alert
from maibo_alerting.delivery.destination import Secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

SINCE = 1_767_323_040.0  # 2026-01-02 03:04:00 UTC
KEY = "T0SECRETKEY/B0SECRETKEY"
"""In the addresses of chats."""
SECRET = "SEC-signing-secret-1"


@dataclass(frozen=True)
class Answer:
    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    hangs: bool = False


@dataclass
class Request:
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    json: Any
    raw: bytes


class Vendor:
    """Answers what it is told to, again and again, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answer = Answer()
        self.requests: list[Request] = []
        self.released = threading.Event()
        vendor = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                parts = urlsplit(self.path)
                query = {
                    name: value for name, (value,) in parse_qs(parts.query, strict_parsing=bool(parts.query)).items()
                }
                vendor.requests.append(Request(parts.path, query, dict(self.headers), json.loads(raw), raw))
                if vendor.answer.hangs:
                    vendor.released.wait(30)
                    return
                self.send_response(vendor.answer.status)
                for name, value in vendor.answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(vendor.answer.body)))
                self.end_headers()
                self.wfile.write(vendor.answer.body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    @property
    def request(self) -> Request:
        (only,) = self.requests
        return only

    def says(self, status: int = 200, said: object = None, **headers: str) -> None:
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        self.answer = Answer(status, body, {name.replace("_", "-"): value for name, value in headers.items()})

    def hangs(self) -> None:
        self.answer = Answer(hangs=True)

    def close(self) -> None:
        self.released.set()
        self.server.shutdown()
        self.thread.join(5)
        self.server.server_close()


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    vendor = Vendor()
    yield vendor
    vendor.close()


@pytest.fixture
def secrets(vendor: Vendor) -> Secrets:
    """Chats' addresses at the vendor, under the ways that they have."""
    return Secrets(
        {
            "SECRET": SECRET,
            "SLACK_URL": f"{vendor.url}/services/{KEY}",
            "FEISHU_URL": f"{vendor.url}/open-apis/bot/v2/hook/{KEY.replace('/', '-')}",
            "DINGTALK_URL": f"{vendor.url}/robot/send?access_token={KEY.replace('/', '-')}",
            "WECOM_URL": f"{vendor.url}/cgi-bin/webhook/send?key={KEY.replace('/', '-')}",
        }
    )


@pytest.fixture
def alert() -> Callable[..., Alert]:
    def make(**changed: Any) -> Alert:
        told: dict[str, Any] = {
            "name": "MaiboBudgetBurn",
            "slo": "checkout-latency",
            "objective": "99.9",
            "severity": "page",
            "starts_at": SINCE,
            "labels": {"service": "shop", "journey": "checkout"},
            "annotations": {
                "summary": "checkout (gold): the error budget burns 14.4 times as fast as the SLO allows",
                "description": "1,234 of 58,700 failed or were too slow (2.1 %)\nSince 2026-01-02 03:04 (UTC)",
                "dashboard_url": "https://grafana.example/d/checkout?var-tier=gold&from=now-6h",
                "runbook_url": "https://wiki.example/runbooks/checkout",
            },
            "link": "https://maibo.example/slos/checkout-latency",
        }
        return Alert(**{**told, **changed})

    return make


class Mailbox:
    """An SMTP server that keeps what it takes: (sender, recipients, bytes)."""

    def __init__(self, tls: ssl.SSLContext, *, starttls: bool, implicit: bool) -> None:
        self.mails: list[tuple[str, list[str], bytes]] = []
        self.refuses: dict[str, str] = {}
        """Answers by command: ``{"RCPT": "550 no such person"}``, or by command and address."""
        self.logins: list[str] = []
        self.encrypted: list[bool] = []
        mailbox = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                self.secure = implicit
                if implicit:
                    self.request = tls.wrap_socket(self.request, server_side=True)
                self.stream = self.request.makefile("rwb")
                self.say(mailbox.refuses.get("CONNECT", "220 test"))
                sender, recipients = "", list[str]()
                while line := self.stream.readline().decode().strip():
                    command = line.split(" ")[0].split(":")[0].upper()
                    refusal = mailbox.refuses.get(line.upper()) or mailbox.refuses.get(command)
                    if refusal:
                        self.say(refusal)
                    elif command == "EHLO":
                        offers = ["STARTTLS"] * (starttls and not self.secure) + ["AUTH PLAIN"] * self.secure
                        self.say(*[f"250-{offer}" for offer in ["test", *offers]], "250 SIZE 1000000")
                    elif command == "STARTTLS":
                        self.say("220 go on")
                        self.stream.close()
                        self.request = tls.wrap_socket(self.request, server_side=True)
                        self.stream, self.secure = self.request.makefile("rwb"), True
                    elif command == "AUTH":
                        mailbox.logins.append(line.split(" ")[2])
                        self.say("235 welcome")
                    elif command == "MAIL":
                        sender, recipients = line[11:-1].split(">")[0], []
                        self.say("250 ok")
                    elif command == "RCPT":
                        recipients.append(line[9:-1])
                        self.say("250 ok")
                    elif command == "DATA":
                        self.say("354 go on")
                        said = b""
                        while (part := self.stream.readline()) != b".\r\n":
                            said += part.removeprefix(b".") if part.startswith(b"..") else part
                        mailbox.mails.append((sender, recipients, said))
                        mailbox.encrypted.append(self.secure)
                        self.say("250 taken")
                    elif command == "QUIT":
                        self.say("221 bye")
                        break
                    else:
                        self.say("250 ok")
                self.stream.close()
                self.request.close()

            def say(self, *lines: str) -> None:
                self.stream.write("".join(f"{line}\r\n" for line in lines).encode())
                self.stream.flush()

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """A client that does not trust us goes away in the middle."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join(5)
        self.server.server_close()


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture
def mailbox(authority: trustme.CA) -> Iterator[Callable[..., Mailbox]]:
    made: list[Mailbox] = []

    def start(*, starttls: bool = True, implicit: bool = False) -> Mailbox:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        made.append(Mailbox(context, starttls=starttls, implicit=implicit))
        return made[-1]

    yield start
    for each in made:
        each.close()
