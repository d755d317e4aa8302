"""The store's connection: an embedded engine (chDB) or a ClickHouse server, through one driver.

* ``chdb:///abs/path`` or ``chdb://relative/path`` — embedded; the folder is made when it is not there.
* ``clickhouse://user:password@host:8123/database`` — a server's HTTP interface; ``?secure=1`` for HTTPS.

Either takes ``?database=name``; the database is made when it is not there, unless the store is opened only to look.

What the embedded engine asks of us, and what is done about it:

* One process owns a folder. A lock of our own says who, before the engine would (`StoreInUse`).
* One folder a process. Several stores (databases) may be open on it at once.
* A forked child hangs for ever on its first query. Using a store in a child raises `StoreError` at once instead.
* One client serialises its threads, so every thread has its own.
* Each insert goes through a file in the process's temporary folder, which a ``kill -9`` leaves behind. While an embedded store
  is open, `tempfile.tempdir` of the process is a folder of the store's own (which also makes a read-only root file system
  do); it is emptied at the next start.
* The first insert costs 2 s of lazy imports: `Store.warm_up`.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import threading
import weakref
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from maibo_slo.errors import StoreError, StoreInUse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import TextIO

    import pyarrow as pa
    from clickhouse_connect.driver.client import Client

SETTINGS: Final[Mapping[str, str | int]] = {
    "insert_deduplicate": 1,
    "deduplicate_blocks_in_dependent_materialized_views": 1,  # 0 by default before ClickHouse 26
    "async_insert": 0,  # a token must be decided when the insert returns
    "distributed_foreground_insert": 1,  # the same through a cluster's Distributed tables
    "max_threads": 2,
    "max_memory_usage": 1_500_000_000,
    "max_bytes_before_external_group_by": 500_000_000,
}
_MERGE_NICE: Final = 10
"""Behind the acceptors too, yet not so far that they never end under load."""
_M_ARENA_MAX: Final = -8
_M_MMAP_THRESHOLD: Final = -3
_UNKNOWN_DATABASE: Final = 81
_MEND: Final = (
    "is the server running, and are these the host and port of its HTTP interface (8123, or 8443 with ?secure=1)?"
)
_WRONG_USER: Final = (192, 193, 194, 516)
LOCK_FILE: Final = "maibo.lock"
TEMPORARY_FOLDER: Final = "maibo.tmp"


def open_store(dsn: str, *, migrate: bool = True) -> Store:
    """Open the store and, unless told otherwise, bring its schema up to date; without `migrate`, nothing is made.

    Raises StoreInUse (another process owns the embedded store), StoreSchemaError (newer than this code; or older, without
    `migrate`), StoreError (wrong DSN, no connection).
    """
    from maibo_slo.store import schema

    store = Store(dsn, create=migrate)
    try:
        if migrate:
            schema.migrate(store)
        else:
            schema.check(store)
    except BaseException:
        store.close()
        raise
    return store


class Store:
    """An open store. Threads may share it; a forked child may not. Close it, or use it as a context manager."""

    def __init__(self, dsn: str, *, create: bool = True) -> None:
        """`create`: make the database when the engine has none of this name; else that is a StoreError."""
        self._address = _Address.of(dsn)
        self.embedded = self._address.embedded
        self.lock = threading.RLock()
        """Held by functions that read, decide and write: one process' threads take turns at that."""
        self._pid = os.getpid()
        self._closed = False
        self._engine = _Engine.acquire(self._address.path) if self.embedded else None
        self._local = threading.local()
        self._clients: weakref.WeakSet[Client] = weakref.WeakSet()
        try:
            self._require_database(create=create)
        except BaseException:
            self.close()
            raise

    def __str__(self) -> str:
        """The DSN without its password."""
        return self._address.shown

    def __repr__(self) -> str:
        return f"<Store {self}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every thread's client; with an embedded store, give its folder up. Closing again does nothing."""
        if self._closed or os.getpid() != self._pid:
            return
        self._closed = True
        for client in list(self._clients):
            client.close()
        self._clients.clear()
        self._local = threading.local()
        if self._engine is not None:
            self._engine.release()

    def client(self) -> Client:
        """The driver's client of the calling thread. StoreError in a forked child, after `close`, without a connection."""
        if os.getpid() != self._pid:
            raise StoreError(
                f"the store {self} was opened by process {self._pid} and cannot be used in its forked child {os.getpid()}: "
                "start children with the multiprocessing method 'spawn'"
            )
        if self._closed:
            raise StoreError(f"the store {self} is closed")
        client: Client | None = getattr(self._local, "client", None)
        if client is None:
            with _driver_errors(self, "connecting"):
                client = self._local.client = self._address.connect(self._address.database)
            self._clients.add(client)
        return client

    def connection(self) -> Any:
        """A chDB connection of the caller's own, which it closes: answers in any format, as bytes. StoreError without an embedded engine."""
        if not self.embedded:
            raise StoreError(f"the store {self} is a server, and answers over its own interfaces")
        self.client()  # raises in a forked child, and after `close`
        import chdb
        from clickhouse_connect.driver.binding import quote_identifier

        connection = chdb.connect(str(self._address.path))
        if self._address.database != "default":
            connection.query(f"USE {quote_identifier(self._address.database)}")
        return connection

    def warm_up(self) -> None:
        """Have everything imported and compiled that the first insert and the first query would otherwise wait for (2 s)."""
        self.execute(
            "CREATE TEMPORARY TABLE IF NOT EXISTS warm_up (t DateTime('UTC'), k LowCardinality(String), n UInt64)"
        )
        self.insert("warm_up", {"t": [0], "k": dictionary(["warm"]), "n": [1]})
        self.arrow("SELECT k, groupArray(n) AS n FROM warm_up WHERE k = {k:String} GROUP BY k", {"k": "warm"})
        self.execute("DROP TABLE warm_up")
        _put_merges_last()

    def execute(self, sql: str, parameters: Mapping[str, Any] | None = None) -> None:
        """Run a statement that answers nothing. StoreError if it fails."""
        client = self.client()
        with _driver_errors(self, sql):
            client.command(sql, parameters=dict(parameters or {}))

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Sequence[Sequence[Any]]:
        """A query's rows; ``{name:Type}`` in it stands for a parameter, which the server substitutes. StoreError if it fails."""
        client = self.client()
        with _driver_errors(self, sql):
            return client.query(sql, parameters=dict(parameters or {})).result_rows

    def arrow(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """A query's answer as columns: the quick way for thousands of rows. StoreError if it fails."""
        client = self.client()
        with _driver_errors(self, sql):
            return client.query_arrow(sql, parameters=dict(parameters or {}), use_strings=True)

    def insert(
        self, table: str, columns: Mapping[str, Any], *, settings: Mapping[str, str | int] | None = None
    ) -> None:
        """Insert columns (arrow arrays, numpy arrays or lists) of one length in one statement. StoreError if it fails."""
        import pyarrow as pa

        from maibo_slo.store.columns import column

        client = self.client()
        sent = pa.Table.from_arrays([column(each) for each in columns.values()], names=list(columns))
        with _driver_errors(self, f"inserting into {table}"):
            client.insert_arrow(table, sent, settings=dict(settings or {}))

    def _require_database(self, *, create: bool) -> None:
        """Connect; make the database when the engine says that there is none."""
        try:
            self.client()
        except StoreError as error:
            if getattr(error.__cause__, "code", None) != _UNKNOWN_DATABASE:
                raise
            if not create:
                raise StoreError(
                    f"the store {self} has no database {self._address.database!r}: `maibo store migrate` makes one"
                ) from error
            self._make_database()
            self.client()

    def _make_database(self) -> None:
        from clickhouse_connect.driver.binding import quote_identifier

        with _driver_errors(self, "creating the database"):
            client = self._address.connect("default")
            try:
                client.command(f"CREATE DATABASE IF NOT EXISTS {quote_identifier(self._address.database)}")
            finally:
                client.close()


def dictionary(values: Sequence[str]) -> pa.Array:
    """A column of few distinct strings, as `Store.insert` takes it fastest."""
    from maibo_slo.store.columns import texts

    return texts(values).dictionary_encode()


def _spare_memory() -> None:
    """Have Python and arrow give back what a large batch needed. By default each of the engine's threads comes to an arena of its own in
    glibc's allocator, and arrow to an allocator of its own, which keep it: some 70 MB in all.
    """
    import ctypes

    import pyarrow as pa

    pa.set_memory_pool(pa.system_memory_pool())
    with suppress(AttributeError):  # not glibc
        tune = ctypes.CDLL(None).mallopt
        tune(_M_ARENA_MAX, 1)
        tune(_M_MMAP_THRESHOLD, 2**20)


def _put_merges_last() -> None:
    """Have an embedded engine's merges take what processor is left. Nobody waits for one, and a large one takes seconds, in which
    batches came in half as quickly.
    """
    for thread in Path("/proc/self/task").glob("[0-9]*"):  # Linux alone has them, and a priority for each
        with suppress(OSError):  # it has ended
            if thread.joinpath("comm").read_text().strip() == "MergeMutate":
                os.setpriority(os.PRIO_PROCESS, int(thread.name), _MERGE_NICE)


@contextmanager
def _driver_errors(store: Store, doing: str) -> Iterator[None]:
    from clickhouse_connect.driver.exceptions import ClickHouseError

    try:
        yield
    except ClickHouseError as error:
        raise StoreError(_told(store, doing, error)) from error


def _told(store: Store, doing: str, error: BaseException) -> str:
    """In one line: the driver's own words on a connection are ten, with its address, attempts and ids."""
    if getattr(error, "code", None) in _WRONG_USER:
        return f"the store {store} does not let this user in: there is no such user, or the password is wrong"
    from urllib3.exceptions import HTTPError

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError):
            told = f"the store {store} cannot be reached ({cause.strerror or cause}), or went away"
            return told if store.embedded else f"{told}; {_MEND}"
        cause = cause.__cause__ or (cause.__context__ if isinstance(cause, HTTPError) else None)
    return f"the store {store} failed ({doing.strip()[:200]}): {error}"


@dataclass(frozen=True, slots=True)
class _Address:
    """A DSN, taken apart."""

    embedded: bool
    shown: str
    database: str
    path: Path = field(default_factory=Path)
    server: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, dsn: str) -> _Address:
        try:
            parts = urlsplit(dsn)
            _ = parts.port
        except ValueError:
            # The parser's own words hold what it took for host or port: a password with a / in it, say.
            raise StoreError(
                "the store's DSN has a wrong host or port; it should be like clickhouse://user:password@host:8123/database, "
                "with every /, :, @, ?, # and [ of the password written as %2F, %3A, %40, %3F, %23 and %5B"
            ) from None
        options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        unknown = options.keys() - {"database", "secure"}
        if unknown:
            # What looks like a server's option may be a part of a password with a ? in it: not to be shown.
            named = f" {min(unknown)!r}" if parts.scheme == "chdb" else ""
            raise StoreError(f"the store's DSN has an unknown option{named}; there are: database, secure")
        match parts.scheme:
            case "chdb":
                return cls._embedded(parts, options)
            case "clickhouse":
                return cls._server(parts, options)
            case _:
                raise StoreError(
                    f"the store's DSN begins with {parts.scheme + '://'!r}, but should be like "
                    "chdb:///var/lib/maibo or clickhouse://user:password@host:8123/database"
                )

    @classmethod
    def _embedded(cls, parts: SplitResult, options: Mapping[str, str]) -> _Address:
        folder = unquote(parts.netloc + parts.path)
        if not folder.strip("/"):
            raise StoreError("the store's DSN names no folder; it should be like chdb:///var/lib/maibo")
        path = Path(folder).resolve()
        database = options.get("database", "default")
        return cls(
            True, f"chdb://{path}" + (f"?database={database}" if database != "default" else ""), database, path=path
        )

    @classmethod
    def _server(cls, parts: SplitResult, options: Mapping[str, str]) -> _Address:
        secure = options.get("secure", "0").lower() in {"1", "true", "yes"}
        database = options.get("database") or unquote(parts.path.strip("/")) or "default"
        user = unquote(parts.username or "default")
        host = parts.hostname or "localhost"
        server = {
            "interface": "https" if secure else "http",
            "host": host,
            "port": parts.port or (8443 if secure else 8123),
            "username": user,
            "password": unquote(parts.password or ""),
            "form_encode_query_params": True,  # parameters may be longer than a URL
        }
        return cls(False, f"clickhouse://{user}@{host}:{server['port']}/{database}", database, server=server)

    def connect(self, database: str) -> Client:
        import clickhouse_connect

        target = {"interface": "chdb", "path": str(self.path)} if self.embedded else self.server
        return clickhouse_connect.get_client(database=database, settings=dict(SETTINGS), **target)


class _Engine:
    """A folder that this process owns, counted: the first store takes its lock, the last gives it back."""

    _open: ClassVar[dict[Path, _Engine]] = {}
    _guard: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stores = 0
        self._lock = _take(folder)
        _spare_memory()
        self._former_tempdir = tempfile.tempdir
        temporary = folder / TEMPORARY_FOLDER
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        tempfile.tempdir = str(temporary)

    @classmethod
    def acquire(cls, folder: Path) -> _Engine:
        """One more store on this folder."""
        with cls._guard:
            for other in cls._open.keys() - {folder}:
                raise StoreError(
                    f"opening the embedded store {folder}: this process has {other} open already, and the engine serves one "
                    "folder a process; close that one first, or use a database of it (?database=name)"
                )
            engine = cls._open.get(folder) or cls(folder)
            cls._open[folder] = engine
            engine.stores += 1
            return engine

    def release(self) -> None:
        with self._guard:
            self.stores -= 1
            if self.stores:
                return
            del self._open[self.folder]
            tempfile.tempdir = self._former_tempdir
            shutil.rmtree(self.folder / TEMPORARY_FOLDER, ignore_errors=True)
            self._lock.close()


def _take(folder: Path) -> TextIO:
    """The lock of a folder, held while the file is open. It is freed by the system however the process ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / LOCK_FILE).open("a+", encoding="utf-8")
    except OSError as error:
        raise StoreError(
            f"opening the embedded store {folder}: {error.strerror}; give a folder this user may write"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.seek(0)
        owner = lock.read().strip()
        lock.close()
        raise StoreInUse(
            f"the embedded store {folder} is in use by {f'process {owner}' if owner else 'another process'}, and has one owner: "
            "ask the running service (`maibo slo`, `maibo journey`), or stop it first"
        ) from error
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock
