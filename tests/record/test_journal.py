"""The journal: what append returned from is there, and nothing altered is ever taken for the truth."""

import os
import resource
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from sweeper.core import events as ev
from sweeper.core.chain import fold
from sweeper.errors import JournalError
from sweeper.record.journal import SqliteJournal, read


def some_events() -> list[ev.Event]:
    """A short life of one job."""
    intent = ev.Intent(
        "job-1", "t" * 16, 0, "rank=1", {"hyperparameters.rank": 1}, 1, "me/s/t/1", 300, 3600, "s3://b/x"
    )
    return [
        ev.Opened("d", "s", "l", "lora", "me"),
        intent,
        ev.Created("job-1", "arn"),
        ev.Outcome("job-1", "Completed", "completed", {"acc": 0.5}),
        ev.PoolClosed("job-1", "terminated", retained_s=3.0),
        ev.Finished("done"),
    ]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal with some events."""
    path = tmp_path / "journal.db"
    journal = SqliteJournal(path, lambda: 1.0)
    for event in some_events():
        journal.append(event)
    journal.close()
    return path


def test_what_was_appended_is_read_back(path: Path) -> None:
    """Events come back equal and in order, and fold to the same chain."""
    found = [event for _, event in read(path)]
    assert some_events() == found
    assert fold(found).finished == ev.Finished("done")


def test_a_new_runner_goes_on_where_the_last_one_stopped(path: Path) -> None:
    """Opening again continues the hash chain."""
    journal = SqliteJournal(path, lambda: 2.0)
    journal.append(ev.Finished("again"))
    assert ev.Finished("again") == journal.events()[-1]


def test_every_flipped_byte_of_a_row_is_noticed(path: Path) -> None:
    """A changed byte anywhere in any column is refused, never read."""
    rows = sqlite3.connect(path).execute("SELECT seq, data, kind FROM events").fetchall()
    for seq, data, kind in rows:
        for column, text in (("data", data), ("kind", kind)):
            for position in range(0, len(text), 7):
                changed = text[:position] + ("X" if text[position] != "X" else "Y") + text[position + 1 :]
                with sqlite3.connect(path) as db:
                    db.execute(f"UPDATE events SET {column} = ? WHERE seq = ?", (changed, seq))
                with pytest.raises(JournalError, match=f"row {seq} was altered"):
                    read(path)
                with sqlite3.connect(path) as db:
                    db.execute(f"UPDATE events SET {column} = ? WHERE seq = ?", (text, seq))


def test_a_removed_row_is_noticed(path: Path) -> None:
    """A row taken out of the middle is refused."""
    with sqlite3.connect(path) as db:
        db.execute("DELETE FROM events WHERE seq = 3")
    with pytest.raises(JournalError, match="row 3 was altered"):
        read(path)


def test_a_truncated_file_is_an_older_state_or_refused(path: Path, tmp_path: Path) -> None:
    """Cut at any length, the journal is refused, unless only unused pages are gone; it is never a fresh one."""
    whole = path.read_bytes()
    for length in range(0, len(whole), 97):
        cut = tmp_path / "cut.db"
        cut.write_bytes(whole[:length])
        try:
            found = [event for _, event in read(cut)]
        except JournalError:
            with pytest.raises(JournalError):
                SqliteJournal(cut, lambda: 1.0)
        else:
            assert some_events() == found


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """Garbage is a clear refusal for readers and for the runner."""
    garbage = tmp_path / "journal.db"
    garbage.write_bytes(os.urandom(4096))
    with pytest.raises(JournalError):
        read(garbage)
    with pytest.raises(JournalError):
        SqliteJournal(garbage, lambda: 1.0)


def test_a_second_writer_is_noticed(path: Path) -> None:
    """When someone else has appended, the runner's next append is refused and changes nothing."""
    first, second = SqliteJournal(path, lambda: 1.0), SqliteJournal(path, lambda: 1.0)
    second.append(ev.Finished("second"))
    with pytest.raises(JournalError, match="someone else"):
        first.append(ev.Finished("first"))
    assert ev.Finished("second") == second.events()[-1]


def test_a_journal_that_is_locked_is_not_called_damaged(path: Path) -> None:
    """A writer that stands still in the middle of a commit is named as the reason; when it goes on all is there."""
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")
    with pytest.raises(JournalError, match="locked by a process that stands still"):
        read(path, patience_s=0.1)
    writer.execute("COMMIT")
    assert some_events() == [event for _, event in read(path)]


def test_a_deleted_journal_is_noticed_at_the_next_append(path: Path) -> None:
    """Deleting the file under a running sweep ends it; nothing is appended to a ghost."""
    journal = SqliteJournal(path, lambda: 1.0)
    path.unlink()
    with pytest.raises(JournalError, match="deleted"):
        journal.append(ev.Finished("x"))


def test_the_journal_is_private(path: Path) -> None:
    """Only its owner may read the file."""
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_full_disk_is_an_error_and_leaves_an_older_consistent_state(path: Path) -> None:
    """When the disk is full the append fails clearly, and the journal still reads as it was before."""
    program = f"""
import resource, signal, sys
from pathlib import Path
from sweeper.core import events as ev
from sweeper.errors import JournalError
from sweeper.record.journal import SqliteJournal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
journal = SqliteJournal(Path({str(path)!r}), lambda: 1.0)
size = Path({str(path)!r}).stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
try:
    for n in range(1000):
        journal.append(ev.Finished("x" * 500))
except JournalError as error:
    sys.exit(7)
"""
    assert resource.RLIMIT_FSIZE is not None
    ended = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (7, "")
    assert some_events() == [event for _, event in read(path)][: len(some_events())]
