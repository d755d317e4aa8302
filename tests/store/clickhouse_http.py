"""A ClickHouse server's HTTP interface in front of an embedded engine: for tests, where no server can be installed.

    python tests/store/clickhouse_http.py --path DIR --port 8123 [--user me --password secret]

It says ``listening on PORT`` when it is ready (``--port 0`` takes a free one) and ends at SIGTERM. What it speaks is what drivers of that
interface use: the statement in the URL, the form or the body; settings and ``param_NAME`` as parameters; sessions; every format
of the engine; gzip, lz4 and zstd both ways; `X-ClickHouse-Summary`, `-Format`, `-Timezone`, `-Exception-Code`; errors as text with codes.

Faults are made with ``POST /faults?readonly=1&delay_ms=200&unavailable=1&drop_answers=1`` (each as 0 or left out: none); killing the process
and starting it again on the same folder and port is a server that goes away and comes back.

It is not a ClickHouse server: there are no users but one, no quotas, no cluster, and nothing of the server's own concurrency.
"""

from __future__ import annotations

import argparse
import base64
import json
import re
import secrets
import signal
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import chdb
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterator

TRANSPORT = {
    "query",
    "user",
    "password",
    "database",
    "default_format",
    "session_id",
    "session_timeout",
    "session_check",
    "query_id",
    "quota_key",
    "role",
    "compress",
    "decompress",
    "buffer_size",
    "wait_end_of_query",
    "client_protocol_version",
    "stacktrace",
    "enable_http_compression",
    "send_progress_in_http_headers",
    "http_headers_progress_interval_ms",
}
"""Parameters that are not settings of the engine."""
INSERT = re.compile(
    rb"\A\s*(INSERT\s+INTO\s.*?)\s+FORMAT\s+(?!VALUES)(\w+)[ \t]*(?:\r?\n|\Z)", re.IGNORECASE | re.DOTALL
)
FORMAT = re.compile(rb"\bFORMAT\s+(\w+)\s*;?\s*\Z", re.IGNORECASE)
ENCODINGS = ("lz4", "zstd", "gzip")
CODE = re.compile(r"Code: (\d+)\. ")
STATUS = {516: 403, 497: 403, 164: 500, 60: 404, 81: 404, 62: 400, 47: 404, 115: 404, 373: 500, 202: 503}
"""Of some codes, as ClickHouse answers them; 500 for the others."""


class Refused(Exception):
    """An error that the engine did not raise, as the server would tell it."""


@dataclass
class Faults:
    readonly: bool = False
    """Statements that write are refused by the engine."""
    delay_ms: int = 0
    """Before each statement."""
    unavailable: bool = False
    """503, as a proxy in front of no server answers."""
    drop_answers: bool = False
    """Statements are run, and the connection is closed without an answer."""


@dataclass
class Engine:
    """Connections to the one embedded engine; one at a time each. A session keeps its own."""

    path: Path
    faults: Faults = field(default_factory=Faults)
    idle: list[Any] = field(default_factory=list)
    sessions: dict[str, Any] = field(default_factory=dict)
    busy: set[str] = field(default_factory=set)
    guard: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.temporary = self.path / "http.tmp"
        self.temporary.mkdir(parents=True, exist_ok=True)
        for left in self.temporary.iterdir():
            left.unlink()
        self.idle.append(chdb.connect(str(self.path)))
        self.timezone = self.idle[0].query("SELECT timezone()", "TabSeparated").bytes().decode().strip()

    @contextmanager
    def connection(self, session: str | None) -> Iterator[Any]:
        with self.guard:
            if session in self.busy:
                raise Refused(
                    f"Code: 373. DB::Exception: Session {session} is locked by a concurrent client. (SESSION_IS_LOCKED)"
                )
            if session is not None:
                self.busy.add(session)
            found = self.sessions.get(session) if session is not None else (self.idle.pop() if self.idle else None)
        connection = chdb.connect(str(self.path)) if found is None else found
        try:
            yield connection
        finally:
            with self.guard:
                if session is None:
                    self.idle.append(connection)
                else:
                    self.sessions[session] = connection
                    self.busy.discard(session)

    def run(self, statement: bytes, parameters: dict[str, str], form: str) -> Any:
        settings = {
            name: value for name, value in parameters.items() if name not in TRANSPORT and not name.startswith("param_")
        }
        bound = {name.removeprefix("param_"): value for name, value in parameters.items() if name.startswith("param_")}
        insert = INSERT.match(statement)
        file = None
        try:
            if insert and statement[insert.end() :]:
                with tempfile.NamedTemporaryFile(dir=self.temporary, delete=False) as file:
                    file.write(statement[insert.end() :])
                statement = b"%b FROM INFILE '%b' FORMAT %b" % (insert[1], file.name.encode(), insert[2])
            if self.faults.readonly:
                return self.run_read_only(statement, bound, form, parameters)
            with self.connection(parameters.get("session_id")) as connection:
                return self.run_on(connection, statement, bound, form, parameters, settings)
        finally:
            if file is not None:
                Path(file.name).unlink()

    def run_on(
        self, connection: Any, statement: bytes, bound: dict, form: str, parameters: dict, settings: dict
    ) -> Any:
        connection.query(f"USE {identifier(parameters.get('database') or 'default')}", "TabSeparated")
        try:
            if settings:
                told = ", ".join(f"{name} = {quoted(value)}" for name, value in settings.items())
                connection.query(f"SET {told}", "TabSeparated")
            return connection.query(statement.decode(), form, params=bound)
        finally:
            if settings:
                connection.query("SET " + ", ".join(f"{name} = DEFAULT" for name in settings), "TabSeparated")

    def run_read_only(self, statement: bytes, bound: dict, form: str, parameters: dict) -> Any:
        """On a connection that cannot be made to write again."""
        connection = chdb.connect(str(self.path))
        try:
            connection.query(f"USE {identifier(parameters.get('database') or 'default')}", "TabSeparated")
            connection.query("SET readonly = 1", "TabSeparated")
            return connection.query(statement.decode(), form, params=bound)
        finally:
            connection.close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    engine: Engine
    user: str
    password: str

    def do_GET(self) -> None:
        if urlsplit(self.path).path == "/ping":
            self.answer(200, b"Ok.\n")
        else:
            self.do_POST()

    def do_POST(self) -> None:
        url = urlsplit(self.path)
        parameters = dict(parse_qsl(url.query, keep_blank_values=True))
        body = self.body()
        if url.path == "/faults":
            faults = {name: int(value) for name, value in parameters.items()}
            self.engine.faults = Faults(**faults)  # type: ignore[arg-type]  # 0 and 1 will do for False and True
            self.answer(200, b"")
            return
        faults = self.engine.faults
        if faults.unavailable:
            self.answer(503, b"no server is available\n")
            return
        time.sleep(faults.delay_ms / 1_000)
        try:
            self.authenticate(parameters)
            fields, body = self.form(body)
            parameters |= fields
            statement = b"\n".join(filter(None, [parameters.get("query", "").encode(), body]))
            if not statement.strip():
                raise Refused("Code: 62. DB::Exception: Empty query. (SYNTAX_ERROR)")
            told = FORMAT.search(statement)
            form = (
                told[1].decode()
                if told and not INSERT.match(statement)
                else parameters.get("default_format", "TabSeparated")
            )
            result = self.engine.run(statement, parameters, form)
        except Exception as error:
            self.refuse(str(error))
            return
        if faults.drop_answers:
            self.close_connection = True
            return
        summary = {"read_rows": str(result.rows_read()), "read_bytes": str(result.bytes_read()), "elapsed_ns": "0"}
        self.answer(
            200,
            result.bytes() or b"",
            {
                "X-ClickHouse-Summary": json.dumps(
                    summary | {"written_rows": "0", "result_rows": summary["read_rows"]}
                ),
                "X-ClickHouse-Format": form,
                "X-ClickHouse-Timezone": self.engine.timezone,
                "X-ClickHouse-Query-Id": parameters.get("query_id") or secrets.token_hex(16),
            },
            compress=parameters.get("enable_http_compression") == "1",
        )

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            chunks = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            body = b"".join(chunks)
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        encoding = self.headers.get("Content-Encoding", "identity")
        return pa.input_stream(pa.py_buffer(body), compression=encoding).read() if encoding in ENCODINGS else body

    def form(self, body: bytes) -> tuple[dict[str, str], bytes]:
        """Form fields, and what is left of the body."""
        kind = self.headers.get("Content-Type", "")
        if kind.startswith("multipart/form-data"):
            message: Message = BytesParser(policy=HTTP).parsebytes(
                b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body
            )
            parts = {part.get_param("name", header="content-disposition"): part for part in message.iter_parts()}  # type: ignore[attr-defined]
            return {str(name): part.get_payload(decode=True).decode() for name, part in parts.items()}, b""
        if kind.startswith("application/x-www-form-urlencoded") and body.startswith((b"query=", b"param_")):
            return dict(parse_qsl(body.decode(), keep_blank_values=True)), b""
        return {}, body

    def authenticate(self, parameters: dict[str, str]) -> None:
        user = parameters.get("user") or self.headers.get("X-ClickHouse-User") or "default"
        password = parameters.get("password") or self.headers.get("X-ClickHouse-Key") or ""
        given = self.headers.get("Authorization", "")
        if given.startswith("Basic "):
            user, _, password = base64.b64decode(given.removeprefix("Basic ")).decode().partition(":")
        if (user, password) != (self.user, self.password):
            raise Refused(
                f"Code: 516. DB::Exception: {user}: Authentication failed: password is incorrect, or there is no user with such name. "
                "(AUTHENTICATION_FAILED)"
            )

    def refuse(self, text: str) -> None:
        said = text[text.index("Code: ") :] if "Code: " in text else f"Code: 1001. DB::Exception: {text}"
        found = CODE.match(said)
        code = int(found[1]) if found else 1001
        self.answer(
            STATUS.get(code, 500),
            f"{said.strip()} (version {chdb.engine_version})\n".encode(),
            {"X-ClickHouse-Exception-Code": str(code)},
        )

    def answer(
        self, status: int, body: bytes, headers: dict[str, str] | None = None, *, compress: bool = False
    ) -> None:
        self.send_response(status)
        if compress:
            for encoding in (each.strip() for each in self.headers.get("Accept-Encoding", "").split(",")):
                if encoding in ENCODINGS:
                    sink = pa.BufferOutputStream()
                    with pa.CompressedOutputStream(sink, encoding) as stream:
                        stream.write(body)
                    body = sink.getvalue().to_pybytes()
                    self.send_header("Content-Encoding", encoding)
                    break
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "text/plain; charset=UTF-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing: a test reads what it asks for."""


def quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def identifier(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--path", type=Path, required=True, help="the engine's folder")
    parser.add_argument("--port", type=int, default=8123)
    parser.add_argument("--user", default="default")
    parser.add_argument("--password", default="")
    told = parser.parse_args()
    Handler.engine = Engine(told.path)
    Handler.user, Handler.password = told.user, told.password
    with Server(("127.0.0.1", told.port), Handler) as server:
        signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
        print(f"listening on {server.server_port}", flush=True)
        server.serve_forever(poll_interval=0.05)
    for connection in (*Handler.engine.idle, *Handler.engine.sessions.values()):
        connection.close()


if __name__ == "__main__":
    main()
