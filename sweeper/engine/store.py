"""Job and pool records on disk: what a call changed is written before it is answered."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from sweeper.engine.training.job import Job, Retention
from sweeper.engine.training.pool import Pool, PoolState
from sweeper.engine.training.states import JobStatus, PoolStatus, Secondary

_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (number INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, record TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS pools (id TEXT PRIMARY KEY, record TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS batch (
    number INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL, record TEXT NOT NULL, UNIQUE (kind, key)
);
CREATE TABLE IF NOT EXISTS containers (
    name TEXT PRIMARY KEY, pid INTEGER, supervisor_pid INTEGER, started_at REAL, ended_at REAL, exit_code INTEGER
);
"""


class Store:
    """One SQLite file. Its writes survive a killed engine; callers hold the engine's lock."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)

    def save(
        self,
        jobs: Mapping[str, Job | None],
        pools: Mapping[str, Pool | None],
        batch: Mapping[tuple[str, str], Mapping[str, Any] | None] | None = None,
    ) -> None:
        """Write these records, all or none; None removes one. Those of Batch go by kind and key."""
        if not jobs and not pools and not batch:
            return
        with self._db:
            self._db.execute("BEGIN")
            for name, job in jobs.items():
                if job is None:
                    self._db.execute("DELETE FROM jobs WHERE name=?", (name,))
                    self._db.execute("DELETE FROM containers WHERE name=?", (name,))
                else:
                    self._db.execute(
                        "INSERT INTO jobs (name, record) VALUES (?, ?) "
                        "ON CONFLICT (name) DO UPDATE SET record=excluded.record",
                        (name, json.dumps(asdict(job))),
                    )
            for key, pool in pools.items():
                if pool is None:
                    self._db.execute("DELETE FROM pools WHERE id=?", (key,))
                else:
                    self._db.execute("INSERT OR REPLACE INTO pools VALUES (?, ?)", (key, json.dumps(asdict(pool))))
            for (kind, key), record in (batch or {}).items():
                if record is None:
                    self._db.execute("DELETE FROM batch WHERE kind=? AND key=?", (kind, key))
                else:
                    self._db.execute(
                        "INSERT INTO batch (kind, key, record) VALUES (?, ?, ?) "
                        "ON CONFLICT (kind, key) DO UPDATE SET record=excluded.record",
                        (kind, key, json.dumps(record)),
                    )

    def load(self) -> tuple[list[Job], list[Pool]]:
        """Every job in the order of creation, and every pool."""
        jobs = [_job(json.loads(row["record"])) for row in self._db.execute("SELECT record FROM jobs ORDER BY number")]
        return jobs, [_pool(json.loads(row["record"])) for row in self._db.execute("SELECT record FROM pools")]

    def load_batch(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Kind, key and record of everything Batch knows, in the order of creation."""
        rows = self._db.execute("SELECT kind, key, record FROM batch ORDER BY number")
        return [(row["kind"], row["key"], json.loads(row["record"])) for row in rows]

    def note_container(self, name: str, facts: Mapping[str, Any]) -> None:
        """Remember the process of a job: the engine's own record, which the service knows nothing of."""
        columns = ("pid", "supervisor_pid", "started_at", "ended_at", "exit_code")
        known = {k: facts[k] for k in columns if k in facts}
        self._db.execute("INSERT OR IGNORE INTO containers (name) VALUES (?)", (name,))
        assignments = ", ".join(f"{k}=?" for k in known)
        self._db.execute(f"UPDATE containers SET {assignments} WHERE name=?", (*known.values(), name))

    def containers(self) -> Iterable[dict[str, Any]]:
        """Every process the engine ever ran for a job it still knows."""
        return [dict(row) for row in self._db.execute("SELECT * FROM containers ORDER BY rowid")]

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def _job(record: dict[str, Any]) -> Job:
    kept = record.pop("retention")
    why = record.pop("stop_why")
    record["status"], record["secondary"] = JobStatus(record["status"]), Secondary(record["secondary"])
    record["metrics"] = {name: (value, at) for name, (value, at) in record["metrics"].items()}
    job = Job(**_known(Job, record))
    job.stop_why = Secondary(why) if why else None
    job.retention = Retention(**{**kept, "status": PoolStatus(kept["status"])}) if kept else None
    return job


def _pool(record: dict[str, Any]) -> Pool:
    return Pool(**_known(Pool, {**record, "state": PoolState(record["state"])}))


def _known(kind: type[Job] | type[Pool], record: dict[str, Any]) -> dict[str, Any]:
    """The members that this version knows: another one may have written the record."""
    names = {f.name for f in fields(kind)}
    return {name: value for name, value in record.items() if name in names}
