"""The journal: an append-only SQLite event store, its rows chained by hash. The chain's only state.

Only the runner writes events. Readers fetch everything and close, because an open cursor blocks the writer's commit.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sweeper.core.asked import Asked
from sweeper.core.events import Event, from_dict, to_dict
from sweeper.errors import JournalError, JournalWriteError
from sweeper.record.atomic import private_folder

FORMAT = 1
_BUSY_S = 10.0
_MOMENT_S = 1.0
_UNREADABLE = (sqlite3.Error, OSError, ValueError, TypeError, OverflowError, MemoryError)
"""What SQLite, Python's module for it and the file system raise at a damaged file; a flipped bit may be any of them."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    seq  INTEGER PRIMARY KEY,
    time REAL NOT NULL,
    kind TEXT NOT NULL,
    data TEXT NOT NULL,
    hash TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS requests (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    time REAL NOT NULL,
    kind TEXT NOT NULL,
    data TEXT NOT NULL
);
"""


def row_hash(previous: str, seq: int, time: float, kind: str, data: str) -> str:
    """The hash that chains a row to the one before it."""
    return hashlib.sha256(f"{previous}\n{seq}\n{time!r}\n{kind}\n{data}".encode()).hexdigest()


class SqliteJournal:
    """The journal of one sweep in a file that only its owner can read. What it is given is what it gives back."""

    def __init__(self, path: Path, now: Callable[[], float]) -> None:
        self.path = path
        self._now = now
        with self._mapped("open"):
            if not path.exists():
                _create(path)
            self._db = _connect(path)
        read(path)  # proves it before anything is built on it
        with self._mapped("open"):
            self._seq, self._hash = self._tail()

    def append(self, *events: Event) -> None:
        """Make these events durable, all or none. Raises JournalError, and then nothing of them was written."""
        seq, last = self._seq, self._hash
        rows = []
        for event in events:
            seq, time = seq + 1, self._now()
            data = json.dumps(to_dict(event), sort_keys=True)
            last = row_hash(last, seq, time, event.kind, data)
            rows.append((seq, time, event.kind, data, last))
        with self._mapped("write"):
            if not self.path.exists():
                raise JournalWriteError(f"{self.path}: the journal was deleted while the sweep was running")
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                if self._tail() != (self._seq, self._hash):
                    raise JournalWriteError(f"{self.path}: someone else wrote to this journal while the sweep ran")
                self._db.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?)", rows)
        self._seq, self._hash = seq, last

    def events(self) -> Sequence[Event]:
        """Every event, oldest first, proved unaltered."""
        return [event for _, event in read(self.path)]

    def requests(self) -> Sequence[Asked]:
        """What other commands have asked for and nobody has answered yet, oldest first; none while it is busy."""
        try:
            return _asked(self._db)
        except _UNREADABLE:
            return ()

    def answered(self, asked: Asked) -> None:
        """This request was taken: its effect is durable, or there is none."""
        with self._mapped("write"):
            self._db.execute("DELETE FROM requests WHERE id = ?", (asked.id,))

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @property
    def head(self) -> str:
        """The hash of the newest row, empty for a new journal."""
        return self._hash

    def _tail(self) -> tuple[int, str]:
        row = self._db.execute("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1").fetchone()
        return (int(row[0]), str(row[1])) if row else (0, "")

    @contextmanager
    def _mapped(self, doing: str) -> Iterator[None]:
        try:
            yield
        except _UNREADABLE as error:
            kind = JournalWriteError if doing == "write" else JournalError
            raise kind(f"{self.path}: cannot {doing} the journal: {error}") from error


def _create(path: Path) -> None:
    """Make the file aside and move it into place: one that is empty or half made is never taken for a new journal."""
    private_folder(path.parent)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".journal.")
    os.close(handle)
    aside = Path(name)
    try:
        with closing(_connect(aside)) as db:
            db.executescript(_SCHEMA)
            db.execute(f"PRAGMA user_version = {FORMAT}")
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
    db.execute("PRAGMA journal_mode = DELETE")
    db.execute("PRAGMA synchronous = FULL")
    return db


def read(path: Path, patience_s: float = _BUSY_S) -> list[tuple[float, Event]]:
    """Every (time, event) of a journal, proved by its hashes. Changes nothing that was durable.

    A runner that is writing is waited for, `patience_s` seconds at most. Raises JournalError for a file that is
    missing, empty, altered, locked or from a newer version.
    """
    return list(_proved(path, _rows(path, patience_s)))


def hashes(path: Path) -> set[str]:
    """The hash of every row: what the journal has been. Raises JournalError when it cannot be read."""
    rows = _rows(path, _BUSY_S)
    list(_proved(path, rows))
    return {str(row[4]) for row in rows}


def _rows(path: Path, patience_s: float) -> list[tuple[Any, ...]]:
    """The rows of a file that is a journal of ours. Raises JournalError."""
    try:
        if not path.exists():
            raise JournalError(f"{path}: there is no journal")
        version, rows = _fetched(path, patience_s)
    except _UNREADABLE as error:
        if _is_locked(error):
            raise JournalError(
                f"{path}: locked by a process that stands still (suspended by Ctrl-Z?): let it go on and try again"
            ) from error
        raise JournalError(
            f"{path}: the journal is damaged ({error}); `sweeper pools release` still works without it"
        ) from error
    if version < FORMAT:
        raise JournalError(f"{path}: this is no journal of sweeper, or it was emptied; it is not taken for a new one")
    if version > FORMAT:
        raise JournalError(f"{path}: written by a newer version of sweeper (format {version}); upgrade sweeper")
    return rows


def _fetched(path: Path, patience_s: float) -> tuple[int, list[tuple[Any, ...]]]:
    """The format and every row. An append that its writer's death cut short is rolled back first."""
    try:
        return _fetched_by(path, "ro", patience_s)
    except sqlite3.OperationalError as error:
        # Only who may write can roll back; with a live writer there is nothing to roll back.
        if _is_locked(error) or not path.with_name(f"{path.name}-journal").exists():
            raise
        return _fetched_by(path, "rw", patience_s)


def _is_locked(error: Exception) -> bool:
    return str(error) == "database is locked"  # its number is known from Python 3.11 on


def _fetched_by(path: Path, mode: str, patience_s: float) -> tuple[int, list[tuple[Any, ...]]]:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=patience_s)) as db:
        version = int(db.execute("PRAGMA user_version").fetchone()[0])
        return version, db.execute("SELECT seq, time, kind, data, hash FROM events ORDER BY seq").fetchall()


def _proved(path: Path, rows: list[tuple[Any, ...]]) -> Iterator[tuple[float, Event]]:
    last = ""
    for position, (seq, time, kind, data, digest) in enumerate(rows, start=1):
        last = row_hash(last, seq, time, kind, data)
        if seq != position or digest != last:
            raise JournalError(
                f"{path}: row {position} was altered; the journal is refused as a whole. "
                "`sweeper pools release` still works without it"
            )
        try:
            yield time, from_dict(kind, json.loads(data))
        except (KeyError, TypeError, ValueError) as error:
            raise JournalError(
                f"{path}: row {position} ({kind}) is not one of this version's events: {error}"
            ) from error


# -- requests of other commands to a running chain ---------------------------------------------------------------


def pending(path: Path) -> list[Asked]:
    """What other commands have asked for and no runner has taken yet, oldest first; none while it cannot be read."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_MOMENT_S)) as db:
            return _asked(db)
    except _UNREADABLE:
        return []


def _asked(db: sqlite3.Connection) -> list[Asked]:
    rows = db.execute("SELECT id, time, kind, data FROM requests ORDER BY id").fetchall()
    return [Asked(int(row[0]), float(row[1]), str(row[2]), json.loads(row[3])) for row in rows]


def ask(path: Path, now: float, kind: str, /, **data: Any) -> None:
    """Leave a request for the runner of this sweep (`stop`, `retry`, ...)."""
    if not path.exists():
        raise JournalError(f"{path}: there is no journal")
    try:
        with closing(_connect(path)) as db, db:
            db.execute("INSERT INTO requests (time, kind, data) VALUES (?, ?, ?)", (now, kind, json.dumps(data)))
    except _UNREADABLE as error:
        raise JournalError(f"{path}: cannot write the request: {error}") from error
