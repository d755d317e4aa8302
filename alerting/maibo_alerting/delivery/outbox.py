"""Alerts on their way, in a file that survives kill -9 and loss of power: what waits, what each destination last took, what was given up.

Guarantees, for each destination and each alert's key:

* **At least once.** What `put` returned from is sent until it is taken, given up (then it is in `dead`), or overtaken by a later transition.
  An attempt is written down before it is made; whoever dies between sending and writing down that it was taken sends it again
  after the restart, under the same key: a destination that knows the key (Alertmanager, PagerDuty, a webhook by its ``Idempotency-Key``)
  does not page again. One that knows no keys (a chat) may show that one message twice. Nothing else repeats.
* **In order.** One transition waits at most; a later one takes its place. A fire that was never attempted and is over by now is dropped with its
  resolve. A fire that was attempted may have been taken though its answer was lost: its resolve is sent.
* **Told once.** `put` of what is waiting, taken or given up already changes nothing but what people read. So whoever evaluates may put
  everything that fires again and again, after a restart too. Only what was given up before a restart, and still fires, is tried again.

One process has the file at a time. Clocks may step: a wait longer than any that is ever ordered is void.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sqlite3
import threading
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Final, Self

from maibo_alerting.alerts import Alert
from maibo_alerting.delivery.http import LONGEST_RETRY_AFTER_SECONDS
from maibo_slo.errors import MaiboError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

logger = logging.getLogger(__name__)

FORMAT: Final = 1
CAPACITY: Final = 20_000
"""Transitions that may wait, for all destinations together."""
MOST_DEAD: Final = 10_000
"""The oldest of more are forgotten."""
REMEMBERED_SECONDS: Final = 30 * 86_400.0
"""How long a destination's resolved alerts are known."""
_MINUTE: Final = 60.0

_TABLES: Final = """
CREATE TABLE waiting (
    id INTEGER PRIMARY KEY AUTOINCREMENT, destination TEXT NOT NULL, key TEXT NOT NULL, alert TEXT NOT NULL,
    firing INTEGER NOT NULL, page INTEGER NOT NULL, starts_at REAL NOT NULL, queued_at REAL NOT NULL, due_at REAL NOT NULL,
    version INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0, tried INTEGER NOT NULL DEFAULT 0,
    UNIQUE (destination, key)
);
CREATE TABLE held (
    destination TEXT NOT NULL, key TEXT NOT NULL, alert TEXT NOT NULL, firing INTEGER NOT NULL, starts_at REAL NOT NULL, at REAL NOT NULL,
    PRIMARY KEY (destination, key)
) WITHOUT ROWID;
CREATE TABLE dead (
    id INTEGER PRIMARY KEY AUTOINCREMENT, destination TEXT NOT NULL, key TEXT NOT NULL, alert TEXT NOT NULL, firing INTEGER NOT NULL,
    starts_at REAL NOT NULL, queued_at REAL NOT NULL, died_at REAL NOT NULL, attempts INTEGER NOT NULL, reason TEXT NOT NULL
);
CREATE INDEX dead_key ON dead (destination, key);
CREATE TABLE requests (destination TEXT NOT NULL, at REAL NOT NULL);
"""


class OutboxError(MaiboError):
    """The outbox is full, cannot be written, or another process has it; nothing of the call was done."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a destination took last of an alert."""

    destination: str
    key: str
    firing: bool
    starts_at: float
    at: float
    """When; where it is told again and again, the last time."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A transition for one destination, as `claim` gave it out."""

    id: int
    """0: not waiting; a repetition of what the destination has taken already."""
    version: int
    destination: str
    alert: Alert
    attempts: int
    """This one included."""
    queued_at: float


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What was given up, and why."""

    id: int
    destination: str
    alert: Alert
    queued_at: float
    died_at: float
    attempts: int
    reason: str


@dataclass(frozen=True, slots=True)
class Pending:
    """What waits for one destination."""

    count: int
    oldest_queued_at: float


class Outbox:
    """Of any threads; each call is one transaction, on disk when it returns. OutboxError from every one of them."""

    def __init__(self, path: Path, *, capacity: int = CAPACITY) -> None:
        self._path = path
        self._capacity = capacity
        self._lock = threading.RLock()
        self._connection = self._opened()
        (self._dead_before,) = self._connection.execute("SELECT coalesce(max(id), 0) FROM dead").fetchone()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    # --- who evaluates

    def put(self, alerts: Sequence[Alert], destinations: Collection[str], *, now: float) -> None:
        """Have these destinations told of these alerts as they are now; all or, when the outbox is full, none."""
        with self._transaction() as run:
            before = _count(run)
            for alert in alerts:
                for destination in destinations:
                    _put(run, alert, destination, now, self._dead_before)
            if before < (waiting := _count(run)) and waiting > self._capacity:
                raise OutboxError(
                    f"the outbox {self._path} is full: more than {self._capacity:,} transitions wait; see which destination takes none"
                )

    def end_others(self, told: Mapping[str, Collection[str]], *, now: float) -> None:
        """Resolve what a destination of `told` takes for firing and is not among its keys there: its end was missed."""
        with self._transaction() as run:
            fires = run.execute(
                "SELECT destination, key, alert FROM held WHERE firing AND NOT EXISTS"
                " (SELECT 1 FROM waiting WHERE waiting.destination = held.destination AND waiting.key = held.key)"
                " UNION ALL SELECT destination, key, alert FROM waiting WHERE firing"
            ).fetchall()
            for destination, key, text in fires:
                if destination in told and key not in told[destination]:
                    _put(
                        run, replace(_alert(text), ends_at=now, reason="withdrawn"), destination, now, self._dead_before
                    )

    # --- who sends

    def claim(self, destination: str, *, now: float, most: int, per_minute: int) -> tuple[Letter, ...]:
        """What to send in one request now, pages first, then by age; the attempt is written down."""
        with self._transaction() as run:
            rows = run.execute(
                "SELECT id, version, alert, attempts + 1, queued_at FROM waiting WHERE destination = ? AND (due_at <= ? OR due_at > ?)"
                " ORDER BY page DESC, due_at, id LIMIT ?",
                (destination, now, now + LONGEST_RETRY_AFTER_SECONDS, most),
            ).fetchall()
            if not rows or not _admitted(run, destination, now, per_minute):
                return ()
            run.executemany(
                "UPDATE waiting SET attempts = attempts + 1, tried = 1 WHERE id = ?", [(row[0],) for row in rows]
            )
            return tuple(Letter(row[0], row[1], destination, _alert(row[2]), row[3], row[4]) for row in rows)

    def repeat(self, destination: str, *, now: float, every: float, most: int, per_minute: int) -> tuple[Letter, ...]:
        """What this destination took as firing longer than `every` ago: to be sent again, unless something newer waits."""
        with self._transaction() as run:
            rows = run.execute(
                "SELECT alert, at FROM held WHERE destination = ?1 AND firing AND (at <= ?2 OR at > ?3)"
                " AND NOT EXISTS (SELECT 1 FROM waiting WHERE destination = ?1 AND key = held.key) ORDER BY at LIMIT ?4",
                (destination, now - every, now, most),
            ).fetchall()
            if not rows or not _admitted(run, destination, now, per_minute):
                return ()
            return tuple(Letter(0, 0, destination, _alert(row[0]), 1, row[1]) for row in rows)

    def taken(self, letters: Sequence[Letter], *, now: float) -> None:
        """The destination has these."""
        with self._transaction() as run:
            for letter in letters:
                alert, where = letter.alert, (letter.destination, letter.alert.key)
                if letter.id:
                    run.execute("DELETE FROM waiting WHERE id = ? AND version = ?", (letter.id, letter.version))
                    _hold(run, alert, letter.destination, now)
                else:
                    run.execute("UPDATE held SET at = ? WHERE destination = ? AND key = ? AND firing", (now, *where))

    def held(self, keys: Collection[str]) -> tuple[Taken, ...]:
        """Of these alerts, what each destination took last."""
        with self._transaction() as run:
            rows = [
                row
                for key in keys
                for row in run.execute("SELECT destination, key, firing, starts_at, at FROM held WHERE key = ?", (key,))
            ]
        return tuple(Taken(destination, key, bool(firing), starts, at) for destination, key, firing, starts, at in rows)

    def later(self, letters: Sequence[Letter], *, due_at: float, every: float | None = None) -> None:
        """The destination did not take these; try again then. `every`: of `repeat`, for those that came from it."""
        with self._transaction() as run:
            for letter in letters:
                if letter.id:
                    run.execute(
                        "UPDATE waiting SET due_at = ? WHERE id = ? AND version = ?",
                        (due_at, letter.id, letter.version),
                    )
                elif every is not None:
                    run.execute(
                        "UPDATE held SET at = ? WHERE destination = ? AND key = ?",
                        (due_at - every, letter.destination, letter.alert.key),
                    )

    def bury(self, letters: Sequence[Letter], reason: str, *, now: float) -> None:
        """Give these up."""
        with self._transaction() as run:
            for letter in letters:
                run.execute("DELETE FROM waiting WHERE id = ? AND version = ?", (letter.id, letter.version))
                _bury(run, letter, reason, now)

    def retain(self, destinations: Collection[str], *, now: float) -> None:
        """Only these are configured: give up what waits for others, and forget what is long over."""
        marks = ", ".join("?" * len(destinations))
        with self._transaction() as run:
            rows = run.execute(
                "SELECT id, version, destination, alert, attempts, queued_at FROM waiting"  # noqa: S608 -- question marks only
                f" WHERE destination NOT IN ({marks})",
                tuple(destinations),
            ).fetchall()
            for row in rows:
                letter = Letter(row[0], row[1], row[2], _alert(row[3]), row[4], row[5])
                run.execute("DELETE FROM waiting WHERE id = ?", (letter.id,))
                _bury(run, letter, f"no destination is called {letter.destination} any more", now)
            run.execute(
                f"DELETE FROM held WHERE at < ? AND (NOT firing OR destination NOT IN ({marks}))",  # noqa: S608 -- the same
                (now - REMEMBERED_SECONDS, *destinations),
            )

    # --- who watches

    def pending(self) -> dict[str, Pending]:
        """By destination; only those for which something waits."""
        with self._transaction() as run:
            rows = run.execute(
                "SELECT destination, count(*), min(queued_at) FROM waiting GROUP BY destination"
            ).fetchall()
            return {destination: Pending(count, oldest) for destination, count, oldest in rows}

    def dead_counts(self) -> dict[str, int]:
        """By destination, those that have any."""
        with self._transaction() as run:
            return dict(run.execute("SELECT destination, count(*) FROM dead GROUP BY destination").fetchall())

    def dead(self, *, most: int = MOST_DEAD) -> tuple[DeadLetter, ...]:
        """What was given up, the newest first."""
        with self._transaction() as run:
            rows = run.execute(
                "SELECT id, destination, alert, queued_at, died_at, attempts, reason FROM dead ORDER BY id DESC LIMIT ?",
                (most,),
            ).fetchall()
            return tuple(DeadLetter(row[0], row[1], _alert(row[2]), *row[3:]) for row in rows)

    def replay(self, dead_id: int, *, now: float) -> bool:
        """Send a dead letter after all; it is dead no more. False when there is none of this id, or something newer was told since."""
        with self._transaction() as run:
            row = run.execute("SELECT destination, alert FROM dead WHERE id = ?", (dead_id,)).fetchone()
            if row is None:
                return False
            run.execute("DELETE FROM dead WHERE id = ?", (dead_id,))
            destination, alert = row[0], _alert(row[1])
            newer = run.execute(
                "SELECT 1 FROM waiting WHERE destination = ?1 AND key = ?2 AND (starts_at > ?3 OR NOT firing)"
                " UNION SELECT 1 FROM held WHERE destination = ?1 AND key = ?2 AND (starts_at > ?3 OR starts_at = ?3 AND NOT firing)",
                (destination, alert.key, alert.starts_at),
            ).fetchone()
            if newer is not None:
                return False
            _put(run, alert, destination, now, self._dead_before)
            return True

    def discard(self, dead_id: int) -> bool:
        """Forget a dead letter. False when there is none of this id."""
        with self._transaction() as run:
            return run.execute("DELETE FROM dead WHERE id = ?", (dead_id,)).rowcount == 1

    # --- the file

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                with self._connection as run:  # commits, or rolls back what an exception leaves
                    run.execute("BEGIN IMMEDIATE")
                    yield run
            except sqlite3.Error as error:
                raise OutboxError(f"cannot use the outbox {self._path}: {error}; is the disk full?") from error

    def _opened(self) -> sqlite3.Connection:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))  # what alerts tell is not for every user
            return _connected(self._path)
        except OSError as error:
            raise OutboxError(f"cannot open the outbox {self._path}: {error.strerror}") from error
        except sqlite3.OperationalError as error:
            raise OutboxError(f"cannot open the outbox {self._path}: {error}; does another process have it?") from error
        except sqlite3.DatabaseError as error:
            aside = self._path.with_name(f"{self._path.name}.damaged")
            logger.warning(
                "the outbox %s is damaged (%s): set aside as %s, and begun anew", self._path, error, aside.name
            )
            self._path.replace(aside)
            for suffix in ("-wal", "-shm"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
            return _connected(self._path)


def _connected(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=5.0, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version not in (0, FORMAT):
            raise OutboxError(  # noqa: TRY301 -- the connection is closed in one place
                f"the outbox {path} has format {version}, and this maibo knows {FORMAT}; use the newer maibo"
            )
        if version == 0:
            connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {FORMAT}; COMMIT;")
        (state,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if state != "ok":
            raise sqlite3.DatabaseError(state)  # noqa: TRY301 -- the same
    except BaseException:
        connection.close()
        raise
    return connection


def _count(run: sqlite3.Connection) -> int:
    (count,) = run.execute("SELECT count(*) FROM waiting").fetchone()
    return int(count)


def _put(run: sqlite3.Connection, alert: Alert, destination: str, now: float, dead_before: int) -> None:
    """`dead_before`: what died up to this id is tried again: a restart is how a configuration is mended."""
    key, firing, starts = alert.key, alert.ends_at is None, alert.starts_at
    text = json.dumps(asdict(alert))
    where = (destination, key)
    held = run.execute("SELECT firing, starts_at FROM held WHERE destination = ? AND key = ?", where).fetchone()
    waiting = run.execute(
        "SELECT firing, starts_at, tried FROM waiting WHERE destination = ? AND key = ?", where
    ).fetchone()
    if waiting is None:
        if held == (firing, starts):
            run.execute(
                "UPDATE held SET alert = ?1 WHERE destination = ?2 AND key = ?3 AND alert <> ?1", (text, *where)
            )
        elif not _is_dead(run, where, starts, dead_before, firing=firing):
            run.execute(
                "DELETE FROM dead WHERE destination = ? AND key = ? AND firing = ? AND starts_at = ?",
                (*where, firing, starts),
            )
            run.execute(
                "INSERT INTO waiting (destination, key, alert, firing, page, starts_at, queued_at, due_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (*where, text, firing, alert.severity == "page", starts, now, now),
            )
        return
    was_firing, was_start, tried = waiting
    if (was_firing, was_start) == (firing, starts):
        run.execute("UPDATE waiting SET alert = ?1 WHERE destination = ?2 AND key = ?3 AND alert <> ?1", (text, *where))
    elif not tried and _nothing_changed(held, firing=firing, starts=starts):
        run.execute("DELETE FROM waiting WHERE destination = ? AND key = ?", where)
        _hold(run, alert, destination, now)
    else:
        run.execute(
            "UPDATE waiting SET alert = ?, firing = ?, starts_at = ?, queued_at = ?, attempts = 0, version = version + 1"
            " WHERE destination = ? AND key = ?",
            (text, firing, starts, now, *where),
        )


def _nothing_changed(held: tuple[int, float] | None, *, firing: bool, starts: float) -> bool:
    """Without what waited, which was never attempted, the destination knows this already."""
    if firing:
        return held == (True, starts)
    return held is None or not held[0]


def _is_dead(run: sqlite3.Connection, where: tuple[str, str], starts: float, dead_before: int, *, firing: bool) -> bool:
    found = run.execute(
        "SELECT 1 FROM dead WHERE destination = ? AND key = ? AND firing = ? AND starts_at = ? AND id > ?",
        (*where, firing, starts, dead_before),
    )
    return found.fetchone() is not None


def _hold(run: sqlite3.Connection, alert: Alert, destination: str, now: float) -> None:
    run.execute(
        "INSERT OR REPLACE INTO held VALUES (?, ?, ?, ?, ?, ?)",
        (destination, alert.key, json.dumps(asdict(alert)), alert.ends_at is None, alert.starts_at, now),
    )


def _bury(run: sqlite3.Connection, letter: Letter, reason: str, now: float) -> None:
    alert = letter.alert
    run.execute(
        "INSERT INTO dead (destination, key, alert, firing, starts_at, queued_at, died_at, attempts, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            letter.destination,
            alert.key,
            json.dumps(asdict(alert)),
            alert.ends_at is None,
            alert.starts_at,
            letter.queued_at,
            now,
            letter.attempts,
            reason,
        ),
    )
    run.execute("DELETE FROM dead WHERE id <= (SELECT max(id) FROM dead) - ?", (MOST_DEAD,))


def _admitted(run: sqlite3.Connection, destination: str, now: float, per_minute: int) -> bool:
    """Whether one request more fits into these 60 s; if so, it is counted. Written down, so that a restart is no way around it."""
    run.execute("DELETE FROM requests WHERE at <= ? OR at > ?", (now - _MINUTE, now))
    (made,) = run.execute("SELECT count(*) FROM requests WHERE destination = ?", (destination,)).fetchone()
    if made >= per_minute:
        return False
    run.execute("INSERT INTO requests VALUES (?, ?)", (destination, now))
    return True


def _alert(text: str) -> Alert:
    return Alert(**json.loads(text))
