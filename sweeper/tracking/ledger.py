"""What each tracker was told of a sweep and what it has noted, so that no process tells what another has told."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sweeper.record.atomic import private_folder

NAME = "trackers.db"
_BUSY_S = 10.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS told (tracker TEXT, fact TEXT, done INTEGER NOT NULL, PRIMARY KEY (tracker, fact));
CREATE TABLE IF NOT EXISTS notes (tracker TEXT, key TEXT, value TEXT NOT NULL, PRIMARY KEY (tracker, key));
"""


@dataclass(frozen=True)
class Ledger:
    """One tracker's part of the file in a sweep's folder. Every method raises OSError when the file cannot be used."""

    folder: Path
    tracker: str

    def first(self) -> bool:
        """Is this the first process that tells this tracker of the sweep? From now on it is not."""
        with self._open() as db:
            return db.execute("INSERT OR IGNORE INTO told VALUES (?, '', 1)", (self.tracker,)).rowcount > 0

    def told(self) -> set[str]:
        """Every fact that it was told."""
        with self._open() as db:
            rows = db.execute("SELECT fact FROM told WHERE tracker = ? AND done", (self.tracker,)).fetchall()
            return {str(row[0]) for row in rows}

    def begin(self, fact: str, *, again: bool = False, anew: bool = False) -> bool:
        """Claim to tell it now, durably. False when somebody had begun to (unless `again`), or has told it (`anew`)."""
        with self._open() as db:
            found = db.execute("SELECT done FROM told WHERE tracker = ? AND fact = ?", (self.tracker, fact)).fetchone()
            if found is not None and not (anew if found[0] else again):
                return False
            db.execute("INSERT OR REPLACE INTO told VALUES (?, ?, 0)", (self.tracker, fact))
            return True

    def done(self, fact: str) -> None:
        """It was told."""
        with self._open() as db:
            db.execute("UPDATE told SET done = 1 WHERE tracker = ? AND fact = ?", (self.tracker, fact))

    def undo(self, fact: str) -> None:
        """It could not be told: whoever comes to it next tells it."""
        with self._open() as db:
            db.execute("DELETE FROM told WHERE tracker = ? AND fact = ?", (self.tracker, fact))

    def get(self, key: str) -> str | None:
        """What the tracker noted; None when nothing was."""
        with self._open() as db:
            row = db.execute("SELECT value FROM notes WHERE tracker = ? AND key = ?", (self.tracker, key)).fetchone()
            return str(row[0]) if row else None

    def put(self, key: str, value: str) -> None:
        """Note it, durably."""
        with self._open() as db:
            db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?, ?)", (self.tracker, key, value))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """One transaction: a thread's own connection, as SQLite wants it."""
        path = private_folder(self.folder) / NAME
        try:
            if not path.exists():
                path.touch(mode=0o600)
            with closing(sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)) as db:
                db.executescript(_SCHEMA)
                db.execute("BEGIN IMMEDIATE")
                yield db
                db.execute("COMMIT")
        except sqlite3.Error as error:
            raise OSError(f"{path}: {error}") from error
