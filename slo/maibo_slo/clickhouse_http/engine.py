"""Runs what strangers ask of the embedded engine, within bounds, beside everything else that uses it.

* At most `WORKERS` statements run at once, each in a thread, a session and a single thread of the engine of its own; `QUEUE` more wait. Whoever comes then is told so at
  once. The service's own queries and inserts have threads of their own and never wait here.
* A session is made for one statement: time, rows, bytes and memory are bounded, and it may read alone (``readonly = 1``), which also keeps
  the engine from files and other hosts should `statement` ever err.
* A client that goes away takes its query with it, and so does the service when it stops.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from maibo_slo.clickhouse_http.native import with_revision
from maibo_slo.clickhouse_http.refusal import Refusal
from maibo_slo.clickhouse_http.settings import clause, in_force, quoted
from maibo_slo.clickhouse_http.statement import Judge, Node, Statement
from maibo_slo.clickhouse_http.vocabulary import FORMATS, FUNCTIONS_QUERY, Functions
from maibo_slo.errors import MaiboError, StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maibo_slo.store import Store

WORKERS: Final = 2
QUEUE: Final = 30
"""A dashboard asks for all its panels at once."""
ANSWER_BYTES: Final = 128 * 2**20
"""An answer is whole in memory before its first byte is sent: so an error is always told as one."""
STATEMENT_BYTES: Final = 256 * 2**10
_JUDGING: Final = {
    "max_threads": "1",
    "max_execution_time": "5",
    "max_query_size": str(64 * STATEMENT_BYTES),  # of trees, which are larger than the statements they are of
    "max_ast_depth": "300",
    "max_ast_elements": "20000",
    "max_parser_depth": "300",
    "max_parser_backtracks": "100000",
}
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Question:
    """What a client asks."""

    text: str
    id: str
    parameters: Mapping[str, str]
    settings: Sequence[tuple[str, str]]
    default_format: str = "TabSeparated"
    revision: int = 0
    """Of Native, that the client speaks."""


@dataclass(frozen=True, slots=True)
class Answer:
    """And what it gets."""

    body: bytes
    format: str
    timezone: str
    rows: int
    rows_read: int
    bytes_read: int
    seconds: float


class ReadOnlyEngine:
    """The embedded engine of a store, for strangers' statements."""

    def __init__(self, store: Store) -> None:
        """StoreError for a store that is a server, which has an interface of its own, and for an engine too old to be asked for syntax trees."""
        self._store = store
        self._running: set[str] = set()
        self._left: set[str] = set()
        self._waiting = 0
        self._threads = ThreadPoolExecutor(WORKERS, thread_name_prefix="clickhouse-http")
        self._local = threading.local()
        self._parsing: list[_Session] = []
        with contextlib.closing(_Session(store, _JUDGING)) as session:
            self.version = session.ask("SELECT version()").strip()
            self.database = session.ask("SELECT currentDatabase()").strip()
            rows = json.loads(session.ask(FUNCTIONS_QUERY, "JSONCompact"))["data"]
            _require_trees(_Parser(session), self.version)
        self._functions = Functions.of(tuple(row) for row in rows)

    async def answer(self, question: Question) -> Answer:
        """Refusal when there is none. When this is cancelled, the query is, too."""
        if self._waiting >= WORKERS + QUEUE:
            raise Refusal(202, f"Too many simultaneous queries. Maximum: {WORKERS + QUEUE}")
        tag = uuid.uuid4().hex
        self._waiting += 1
        work = self._threads.submit(self._work, question, tag)
        loop = asyncio.get_running_loop()
        work.add_done_callback(lambda _: loop.call_soon_threadsafe(self._done))
        try:
            return await asyncio.wrap_future(work)
        except asyncio.CancelledError:
            if not work.cancel():
                self._left.add(tag)
                await asyncio.shield(asyncio.to_thread(self._kill, tag))
            raise

    def close(self) -> None:
        """Ends what runs, and everything with it."""
        for tag in tuple(self._running):
            self._left.add(tag)
            self._kill(tag)
        self._threads.shutdown(cancel_futures=True)
        for session in self._parsing:  # a connection left open keeps the engine's folder
            session.close()

    def _done(self) -> None:
        self._waiting -= 1

    def _work(self, question: Question, tag: str) -> Answer:
        self._running.add(tag)
        try:
            return self._answer(question, tag)
        except MaiboError:
            raise
        except Exception as error:
            log.exception("a statement could not be answered")
            raise Refusal(
                49, "The statement could not be answered; the service's log says why. (LOGICAL_ERROR)"
            ) from error
        finally:
            self._running.discard(tag)
            self._left.discard(tag)

    def _answer(self, question: Question, tag: str) -> Answer:
        statement = self._judged(question)
        settings = in_force((*question.settings, *statement.settings))
        named = statement.format or question.default_format
        if named not in FORMATS:
            raise Refusal(73, f"Unknown format {named}")
        with contextlib.closing(_Session(self._store, settings | {"log_comment": tag})) as session:
            if tag in self._left:  # meanwhile: there was nothing to end yet
                raise Refusal(394, "The client went away")
            result = session.query(statement.text, named, question.parameters)
            if result.size() > ANSWER_BYTES:
                raise Refusal(396, f"Limit for result exceeded, max bytes: {ANSWER_BYTES}. (TOO_MANY_ROWS_OR_BYTES)")
            body = bytes(result.bytes())
            return Answer(
                with_revision(body, question.revision) if named == "Native" else body,
                named,
                settings["session_timezone"],
                result.rows_read(),
                result.storage_rows_read(),
                result.storage_bytes_read(),
                result.elapsed(),
            )

    def _judged(self, question: Question) -> Statement:
        if len(question.text.encode()) > STATEMENT_BYTES:
            raise Refusal(62, f"Max query size exceeded: {STATEMENT_BYTES} bytes. (SYNTAX_ERROR)")
        try:
            return self._judge().judge(question.text, question.parameters)
        except RecursionError:
            raise Refusal(167, "AST is too deep. (TOO_DEEP_AST)") from None

    def _judge(self) -> Judge:
        """Of the calling thread: a session serves one at a time."""
        judge: Judge | None = getattr(self._local, "judge", None)
        if judge is None:
            session = _Session(self._store, _JUDGING)
            self._parsing.append(session)
            judge = self._local.judge = Judge(_Parser(session), self._functions, self.database)
        return judge

    def _kill(self, tag: str) -> None:
        try:
            self._store.rows(f"KILL QUERY WHERE Settings['log_comment'] = {quoted(tag)} ASYNC")
        except StoreError as error:  # it ends by its own bounds
            log.warning("a query whose client went away could not be ended: %s", error)


class _Session:
    """A connection of its own to the engine, that may read alone."""

    def __init__(self, store: Store, settings: Mapping[str, str]) -> None:
        self._connection = store.connection()
        try:
            self.query(clause(settings), "Null")
        except BaseException:
            self.close()
            raise

    def ask(self, sql: str, fmt: str = "TabSeparatedRaw", parameters: Mapping[str, str] | None = None) -> str:
        """For a query of our own."""
        return bytes(self.query(sql, fmt, parameters).bytes()).decode()

    def query(self, sql: str, fmt: str, parameters: Mapping[str, str] | None = None) -> Any:
        """The engine's own result: its bytes in this format, and what it cost. Refusal with what the engine says."""
        try:
            return self._connection.query(sql, fmt, params=dict(parameters or {}))
        except RuntimeError as error:
            raise Refusal.of_engine(error) from error

    def close(self) -> None:
        self._connection.close()


@dataclass(frozen=True, slots=True)
class _Parser:
    """`Grammar`, by functions of the engine that take a text as a value."""

    session: _Session

    def tree(self, text: str) -> Node:
        found: Node = json.loads(self._told("SELECT parseQueryToJSON({text:String})", text))
        return found

    def text(self, tree: Node) -> str:
        return self._told("SELECT formatQueryFromJSON({text:String})", json.dumps(tree))

    def canonical(self, text: str) -> str:
        return self._told("SELECT formatQuerySingleLine({text:String})", text)

    def _told(self, sql: str, text: str) -> str:
        try:
            return self.session.ask(sql, parameters={"text": _as_value(text)}).removesuffix("\n")
        except Refusal as refusal:
            # Where our own query was at fault, in its own eyes, is nothing to the client.
            raise Refusal(
                refusal.code, refusal.reason.split(": In scope SELECT ")[0].rstrip(". ") + _suffix(refusal.reason)
            ) from refusal


def _require_trees(parser: _Parser, version: str) -> None:
    try:
        parser.text(parser.tree("SELECT 1"))
    except Refusal as refusal:
        raise StoreError(
            f"the embedded engine is ClickHouse {version}, and statements can be judged from 26.8 on: upgrade chdb to 4.4"
        ) from refusal


def _suffix(reason: str) -> str:
    """The name of the error at the end."""
    return f". ({reason.rsplit('(', 1)[-1]}" if ": In scope SELECT " in reason and reason.endswith(")") else ""


def _as_value(text: str) -> str:
    """As the engine takes a parameter's value."""
    escapes = {"\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0", "\b": "\\b", "\f": "\\f"}
    return "".join(escapes.get(sign, sign) for sign in text)
