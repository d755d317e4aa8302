"""ClickHouse's HTTP interface, as far as it reads: requests taken apart, answers and errors as a server writes them.

A statement comes in the URL's ``query``, in the body of a POST, or as both, one after the other; or as a field of a form. Parameters come as
``param_NAME``; settings as themselves. Who asks shows a token as the password, in whichever of ClickHouse's four places; its user name says nothing.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import json
import re
import time
import uuid
from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import HTTP
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.responses import Response

from maibo_slo.clickhouse_http.compression import compressed, wanted
from maibo_slo.clickhouse_http.engine import Answer, Question, ReadOnlyEngine
from maibo_slo.clickhouse_http.refusal import Refusal
from maibo_slo.clickhouse_http.settings import SESSION
from maibo_slo.clickhouse_http.vocabulary import DISPLAY_NAME, FORMATS
from maibo_slo.errors import StoreError
from maibo_slo.loopback import is_loopback
from maibo_slo.tokens import Scope, TokenFile

if TYPE_CHECKING:
    from starlette.types import Receive, Send
    from starlette.types import Scope as Connection

BODY_BYTES: Final = 2**20
BODY_SECONDS: Final = 10.0
PARAMETER: Final = "param_"
_INTERFACE: Final = SESSION | {
    "query",
    "database",
    "default_format",
    "query_id",
    "user",
    "password",
    "role",
    "client_protocol_version",
    "compress",
    "decompress",
}
"""Parts of the interface: every other parameter of a URL is a setting."""
_QUERY_ID: Final = re.compile(r"[\x21-\x7e]{1,200}")
_CHALLENGE: Final = {"WWW-Authenticate": 'Basic realm="maibo: a token of the scope read is the password"'}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, read whole."""

    headers: Headers
    fields: tuple[tuple[str, str], ...] = ()
    """Of the URL, then of the form."""
    body: str = ""

    def get(self, name: str) -> str:
        """A field, the last of that name; '' without one."""
        return next((value for key, value in reversed(self.fields) if key == name), "")

    def question(self, database: str) -> Question:
        """Refusal for what is not served."""
        wanted_database = self.get("database") or self.headers.get("x-clickhouse-database", "")
        if wanted_database not in {"", database}:
            raise Refusal(81, f"Database {wanted_database} does not exist; there is {database}")
        for name in ("compress", "decompress"):
            if self.get(name) not in {"", "0", "false"}:
                raise Refusal(
                    48,
                    f"{name}: blocks compressed by ClickHouse's own means are not answered; ask for gzip, lz4 or zstd by Accept-Encoding",
                )
        revision = self.get("client_protocol_version")
        return Question(
            text="\n".join(filter(None, (self.get("query"), self.body))),
            id=self.id(),
            parameters={
                name.removeprefix(PARAMETER): value for name, value in self.fields if name.startswith(PARAMETER)
            },
            settings=[
                (name, value)
                for name, value in self.fields
                if name not in _INTERFACE and not name.startswith(PARAMETER)
            ],
            default_format=self.get("default_format") or self.headers.get("x-clickhouse-format") or "TabSeparated",
            revision=int(revision) if revision.isdecimal() and len(revision) < 10 else 0,
        )

    def id(self) -> str:
        """The query's: its client's own, if it can stand in a header."""
        given = self.get("query_id")
        return given if _QUERY_ID.fullmatch(given) else str(uuid.uuid4())

    def secret(self) -> str | None:
        """What is shown as the password; None: nothing is."""
        scheme, _, credentials = self.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return credentials.strip()
        if scheme.lower() == "basic":
            with contextlib.suppress(binascii.Error):
                return base64.b64decode(credentials, validate=True).decode(errors="replace").partition(":")[2] or None
        return self.headers.get("x-clickhouse-key") or self.get("password") or None


@dataclass(frozen=True, slots=True)
class ClickHouseHttp:
    """The application."""

    engine: ReadOnlyEngine
    tokens: TokenFile | None
    """None: anybody may ask, on this machine under its own name."""

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Of HTTP requests; there is nothing else here."""
        given = Headers(scope=scope)
        asked = Asked(given)
        try:
            self._require_local_name(given)
            if scope["path"] == "/ping":
                await Response("Ok.\n", media_type="text/plain")(scope, receive, send)
                return
            _require_answered(scope)
            # Who asks is known before anything of the body is read.
            asked = Asked(given, _fields(scope))
            self._require_token(asked, form=given.get("content-type", "").startswith("multipart/form-data"))
            asked = await _read(asked, receive)
            question = asked.question(self.engine.database)
            if not question.text.strip():
                await Response("Ok.\n", media_type="text/plain")(scope, receive, send)
                return
            response = await self._answered(asked, question, receive)
        except Refusal as refusal:
            response = self._refused(refusal, asked)
        except StoreError as error:  # closing
            response = self._refused(Refusal(209, str(error), status=503), asked)
        if response is not None:
            await response(scope, receive, send)

    async def _answered(self, asked: Asked, question: Question, receive: Receive) -> Response | None:
        """None: the client went away."""
        working = asyncio.create_task(self.engine.answer(question))
        leaving = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                return None
            answer = working.result()
            headers = _headers(question, answer)
            encoding = wanted(asked.headers.get("accept-encoding", ""), asked.get("enable_http_compression"))
            body = answer.body
            if encoding is not None and body:
                body = await asyncio.to_thread(compressed, body, encoding)
                headers["Content-Encoding"] = encoding
            return Response(body, headers=headers)
        finally:
            for task in (working, leaving):
                task.cancel()
            await asyncio.gather(working, leaving, return_exceptions=True)

    def _require_local_name(self, headers: Headers) -> None:
        """A page of a browser whose name was re-pointed here says its own name, and is none of ours to answer."""
        host = headers.get("host", "").lower()
        name = host[: host.rfind("]") + 1] if host.startswith("[") else host.partition(":")[0]
        if self.tokens is None and not is_loopback(name.removeprefix("[").removesuffix("]")):
            raise Refusal(516, f"Without tokens, this answers to localhost alone, not to {name!r}", status=421)

    def _require_token(self, asked: Asked, *, form: bool) -> None:
        if self.tokens is None:
            return
        secret = asked.secret()
        if secret is None:
            told = " (in a header, where the rest is a form)" if form else ""
            raise Refusal(
                516, f"Authentication failed: show a token of the scope read as the password{told}", status=401
            )
        if not self.tokens.owner(secret, Scope.READ, now=time.monotonic()):
            raise Refusal(516, "Authentication failed: password is incorrect, or it is no token of the scope read")

    def _refused(self, refusal: Refusal, asked: Asked) -> Response:
        headers = {
            "X-ClickHouse-Exception-Code": str(refusal.code),
            "X-ClickHouse-Query-Id": asked.id(),
            "X-ClickHouse-Server-Display-Name": DISPLAY_NAME,
            **(_CHALLENGE if refusal.status == 401 else {}),
        }
        return Response(
            refusal.text(self.engine.version), refusal.status, headers=headers, media_type="text/plain; charset=UTF-8"
        )


def _require_answered(scope: Connection) -> None:
    if scope["path"] != "/":
        raise Refusal(36, f"There is no handle {scope['path']}; use /ping or / (with query)", status=404)
    if scope["method"] not in {"GET", "POST", "HEAD"}:
        raise Refusal(48, f"Method {scope['method']} is not answered")


def _fields(scope: Connection) -> tuple[tuple[str, str], ...]:
    try:
        return tuple(parse_qsl(scope["query_string"].decode("ascii"), keep_blank_values=True, max_num_fields=500))
    except ValueError:
        raise Refusal(36, "The URL's query cannot be read") from None


async def _read(asked: Asked, receive: Receive) -> Asked:
    """With its body."""
    if asked.headers.get("content-encoding", "identity") != "identity":
        raise Refusal(164, "Cannot execute query in readonly mode: a compressed body is data to insert")
    try:
        body = await asyncio.wait_for(_body(receive), BODY_SECONDS)
    except TimeoutError:
        raise Refusal(209, "The body did not come in time. (SOCKET_TIMEOUT)") from None
    kind = asked.headers.get("content-type", "")
    if kind.startswith("multipart/form-data"):
        return Asked(asked.headers, (*asked.fields, *_form(kind, body)))
    try:
        return Asked(asked.headers, asked.fields, body.decode())
    except UnicodeDecodeError:
        raise Refusal(62, "Syntax error: the statement is not UTF-8. (SYNTAX_ERROR)") from None


async def _body(receive: Receive) -> bytes:
    read: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refusal(210, "The client went away. (NETWORK_ERROR)")
        read.append(message.get("body", b""))
        size += len(read[-1])
        if size > BODY_BYTES:
            raise Refusal(307, f"Limit for a request's body exceeded: {BODY_BYTES} bytes", status=413)
        if not message.get("more_body", False):
            return b"".join(read)


def _form(kind: str, body: bytes) -> tuple[tuple[str, str], ...]:
    """Fields of a form. Files are external tables, and refused."""
    form = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + kind.encode("latin-1") + b"\r\n\r\n" + body)
    found: list[tuple[str, str]] = []
    for part in form.iter_parts():
        name = part.get_param("name", header="content-disposition")
        if not isinstance(name, str) or (name != "query" and not name.startswith(PARAMETER)):
            raise Refusal(48, "External data is not taken: nothing is written here")
        content = part.get_payload(decode=True)
        found.append((name, content.decode(errors="replace") if isinstance(content, bytes) else ""))
    return tuple(found)


async def _left(receive: Receive) -> None:
    """Until the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _headers(question: Question, answer: Answer) -> dict[str, str]:
    summary = {
        "read_rows": answer.rows_read,
        "read_bytes": answer.bytes_read,
        "written_rows": 0,
        "written_bytes": 0,
        "total_rows_to_read": answer.rows_read,
        "result_rows": answer.rows,
        "result_bytes": len(answer.body),
        "elapsed_ns": round(answer.seconds * 1e9),
    }
    return {
        "Content-Type": FORMATS[answer.format],
        "X-ClickHouse-Query-Id": question.id,
        "X-ClickHouse-Format": answer.format,
        "X-ClickHouse-Timezone": answer.timezone,
        "X-ClickHouse-Server-Display-Name": DISPLAY_NAME,
        "X-ClickHouse-Summary": json.dumps(
            {name: str(value) for name, value in summary.items()}, separators=(",", ":")
        ),
    }
