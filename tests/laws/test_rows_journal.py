"""Rows 23 to 30 of the fault matrix: the journal and the staging, when the disk or the process gives up."""

from __future__ import annotations

import os
import signal
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from sweeper.aws.clients import Clients, Endpoint
from sweeper.aws.staging import Staging
from sweeper.core import events as ev
from sweeper.core.events import TrialStatus
from sweeper.core.request import Revision, Staged
from sweeper.core.results import results
from sweeper.engine.training.states import JobStatus as ServiceStatus
from sweeper.errors import ApiError, ApiErrorKind, JournalError, JournalWriteError
from sweeper.record.journal import SqliteJournal, read
from sweeper.run.registry import Account, Debt, verify_head
from sweeper.simulation.drawn import SCOPE
from tests.laws.outside import CRASH, STAGED, Happens, Outside, Trouble

Make = Callable[..., Outside]
DONE = [TrialStatus.COMPLETED, TrialStatus.COMPLETED]


def fails(from_: int, to: float) -> Happens:
    """An objection to the appends of these numbers."""
    number = count(1)

    def objecting(events: Sequence[ev.Event]) -> None:
        if from_ <= next(number) <= to:
            raise JournalWriteError("cannot write the journal: disk I/O error")

    return objecting


def attempt(here: Outside) -> JournalError | None:
    """One run; returns the journal's error that ended it."""
    try:
        here.run()
    except JournalError as error:
        assert error.unreleased == []  # type: ignore[attr-defined]
        return error
    return None


@pytest.mark.parametrize("lasting", [False, True])
def test_row_23_24_an_error_at_any_append_closes_every_pool(outside: Make, tmp_path: Path, lasting: bool) -> None:
    """For every n: the n-th append fails (and all after it): pools are closed, exit code 2, the next run is whole."""
    for n in count(1):
        folder = tmp_path / str(n)
        folder.mkdir()
        here = outside()
        here.folder = folder
        here.before_append = fails(n, float("inf") if lasting else n)
        error = attempt(here)
        assert here.nothing_is_open(), f"append {n}"
        here.before_append = lambda events: None
        if error is None:
            break
        assert error.exit_code == 2
        sent = len(here.ledger.jobs)
        here.run()
        # Nothing could tell the next run that it was us who stopped the job: it says so, `sweeper retry` runs it again.
        stopped = [job for job in here.ledger.jobs[:sent] if job.status is ServiceStatus.STOPPED] if lasting else []
        assert [status for status in here.statuses if status is not TrialStatus.COMPLETED] == [
            TrialStatus.STOPPED for _ in stopped
        ]
        assert here.whole()
    assert n > 8


def test_row_23_a_disk_that_is_full_at_the_intent_sends_no_job(outside: Make) -> None:
    """Without a durable intent nothing is created; the pool of the job before is closed."""
    here = outside()

    def full(events: Sequence[ev.Event]) -> None:
        if any(isinstance(event, ev.Intent) and event.index == 1 for event in events):
            raise JournalWriteError("cannot write the journal: database or disk is full")

    here.before_append = full
    with pytest.raises(JournalError):
        here.run()
    assert len(here.calls("CreateTrainingJob")) == 1
    assert here.nothing_is_open()


def test_row_24_pools_of_a_run_before_are_closed_though_nothing_can_be_written(outside: Make) -> None:
    """A run that cannot even note that it begins closes what the killed one before left open."""
    here = outside()
    here.dies(after=ev.Outcome)
    here.before_append = fails(1, float("inf"))
    assert isinstance(attempt(here), JournalWriteError)
    assert here.nothing_is_open()


def die_in_the_middle_of_an_append(path: Path) -> None:
    """A process that is killed once SQLite has begun to change the file and before the commit."""
    pid = os.fork()
    if pid == 0:
        db = sqlite3.connect(path, isolation_level=None)
        db.execute("PRAGMA cache_size = 1")
        db.execute("BEGIN IMMEDIATE")
        for n in range(1000, 1200):
            db.execute("INSERT INTO events VALUES (?, 1.0, 'finished', ?, 'torn')", (n, "x" * 3000))
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    assert path.with_name("journal.db-journal").exists()


def test_row_25_an_append_that_a_death_cut_short_never_happened(outside: Make) -> None:
    """Readers, the watchdog and the next run find the journal as it was before the torn append."""
    here = outside()
    here.dies(after=ev.Outcome)
    before = here.journal
    die_in_the_middle_of_an_append(here.path)
    assert [event for _, event in read(here.path)] == before
    die_in_the_middle_of_an_append(here.path)
    here.run()
    assert here.statuses == DONE
    assert here.whole()


def test_row_26_one_flipped_bit_in_any_row_is_refused_by_readers_and_the_runner(outside: Make) -> None:
    """A journal with one bit changed in any column of any row is refused with a hint, and sends nothing."""
    here = outside()
    here.run()
    asked = len(here.twin.calls)
    for seq, *texts in sqlite3.connect(here.path).execute("SELECT seq, kind, data, hash FROM events").fetchall():
        for column, text in zip(("kind", "data", "hash"), texts, strict=True):
            middle = len(text) // 2
            flipped = text[:middle] + chr(ord(text[middle]) ^ 1) + text[middle + 1 :]
            with rewritten(here.path, seq, column, flipped, text):
                with pytest.raises(JournalError, match=r"row \d+ was altered.*pools release"):
                    read(here.path)
                with pytest.raises(JournalError):
                    here.run()
    assert len(here.twin.calls) == asked


class rewritten:  # noqa: N801 - reads as what it does
    """A column of a row holds another text meanwhile."""

    def __init__(self, path: Path, seq: int, column: str, text: str, before: str) -> None:
        self._path, self._seq, self._column, self._text, self._before = path, seq, column, text, before

    def __enter__(self) -> None:
        self._write(self._text)

    def __exit__(self, *_: object) -> None:
        self._write(self._before)

    def _write(self, text: str) -> None:
        with sqlite3.connect(self._path) as db:
            db.execute("PRAGMA synchronous = OFF")
            db.execute(f"UPDATE events SET {self._column} = ? WHERE seq = ?", (text, self._seq))


def test_row_26_an_emptied_or_older_journal_is_refused(outside: Make, tmp_path: Path) -> None:
    """A file of no bytes, a database without rows, an older copy: none is taken for a fresh sweep."""
    here = outside()
    here.dies(after=ev.Created)
    older = here.path.read_bytes()
    here.run()
    journal = SqliteJournal(here.path, here.clock.now)
    journal.close()
    account = Account("local", "us-east-1", engine_folder=str(tmp_path))
    debt = Debt("sweep", str(here.folder), account, here.sweep.waits, head=journal.head)
    verify_head(debt, here.path)
    here.path.write_bytes(older)
    with pytest.raises(JournalError, match="rows are missing"):
        verify_head(debt, here.path)
    with sqlite3.connect(here.path) as db:
        db.execute("DELETE FROM events")
    with pytest.raises(JournalError, match="rows are missing"):
        verify_head(debt, here.path)
    here.path.write_bytes(b"")
    for refused in (lambda: verify_head(debt, here.path), here.run):
        with pytest.raises(JournalError):
            refused()


def test_row_27_a_journal_that_is_deleted_under_the_runner_ends_it_and_the_jobs_are_found_again(outside: Make) -> None:
    """The next append notices; pools are closed; a run with a new journal adopts the finished jobs by name."""
    here = outside()
    here.after_append = lambda events: (
        here.path.unlink() if any(isinstance(event, ev.Outcome) for event in events) else None
    )
    with pytest.raises(JournalError, match="deleted"):
        here.run()
    assert here.nothing_is_open()
    here.after_append = lambda events: None
    here.run()
    assert here.statuses == DONE
    assert len(here.ledger.jobs) == 2
    assert any(isinstance(event, ev.Adopted) for event in here.journal)
    assert here.whole()


def test_row_24_a_folder_that_is_read_only_is_refused_before_anything_is_sent(outside: Make, tmp_path: Path) -> None:
    """Where no journal can be made nothing is created."""
    here = outside()
    here.folder = tmp_path / "file"
    here.folder.write_text("in the way")  # root may write everywhere: a file in place of the folder stops it too
    with pytest.raises(JournalError, match="cannot open"):
        here.run()
    assert here.twin.calls == []


NOBODY = 65534


def as_somebody(act: Callable[[], None]) -> int:
    """Do this in a process of a user whom file permissions bind, and return its exit code: 0 for a JournalError."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    code = 1
    try:
        if os.getuid() == 0:
            os.setuid(NOBODY)
        act()
    except JournalError:
        code = 0
    finally:
        os._exit(code)


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_row_24_a_folder_that_becomes_read_only_is_an_error_and_loses_nothing(when: str) -> None:
    """Where nothing can be written the journal says so, at its opening or at the next append; what it held is there."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)

        def act() -> None:
            if when == "before":
                SqliteJournal(folder / "journal.db", lambda: 1.0)
            else:
                journal = SqliteJournal(folder / "sub/journal.db", lambda: 1.0)
                journal.append(ev.Finished("held"))
                (folder / "sub").chmod(0o555)
                journal.append(ev.Finished("refused"))

        if when == "before":
            folder.chmod(0o555)
        assert as_somebody(act) == 0
        if when == "meanwhile":
            assert [event for _, event in read(folder / "sub/journal.db")] == [ev.Finished("held")]
            (folder / "sub").chmod(0o777)
        folder.chmod(0o777)


# -- staging ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [ApiErrorKind.DENIED, ApiErrorKind.UNAVAILABLE])
@pytest.mark.parametrize("before", [0, 1])
def test_row_28_a_failed_upload_sends_no_job_and_closes_the_pool(
    outside: Make, kind: ApiErrorKind, before: int
) -> None:
    """When the source cannot be staged no Create follows; the pool of the job before is closed."""
    here = outside()

    def stage(config: Mapping[str, Any]) -> Staged:
        if config["hyperparameters"]["x"] == before:
            raise ApiError(kind, "PutObject", "Refused", "no")
        return STAGED

    here.stage = stage
    with pytest.raises(ApiError, match="PutObject"):
        here.run()
    assert len(here.calls("CreateTrainingJob")) == before
    assert here.nothing_is_open()


def test_the_commit_of_a_job_is_the_one_that_its_source_was_staged_at(outside: Make) -> None:
    """In its intent, its tags and its row; what is sent again after a crash is told as what it was, not what is now."""
    here = outside(Trouble("CreateTrainingJob", CRASH))
    here.stage = lambda config: replace(STAGED, revision=Revision("a" * 40, dirty=True))
    here.dies()
    here.stage = lambda config: replace(STAGED, revision=Revision("b" * 40))
    here.run()
    told = [("a" * 40, True), ("b" * 40, False)]
    assert [(job.intent.commit, job.intent.dirty) for job in here.chain.jobs.values()] == told
    listed = [here.twin.request("ListTags", {"ResourceArn": job.arn})["Tags"] for job in here.ledger.jobs]
    tags = [{tag["Key"]: tag["Value"] for tag in found} for found in listed]
    assert [(tag["sweeper:commit"], tag["sweeper:dirty"]) for tag in tags] == [("a" * 40, "true"), ("b" * 40, "false")]
    table = results(here.sweep, here.chain)
    assert [(row["commit"], row["dirty"]) for row in table.rows] == told
    assert table.columns[table.columns.index("dirty") - 1 :][:2] == ("commit", "dirty")


@pytest.fixture
def staging(tmp_path: Path) -> Iterator[Callable[[], Staging]]:
    """Makes a new invocation's staging of one project, over an S3 in memory."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code/train.py").write_text("print('m=1')\n")
    with mock_aws():
        clients = Clients(Endpoint(region="us-east-1", access_key="x", secret_key="x"))
        yield lambda: Staging(lambda: clients, SCOPE, "sweep", tmp_path)


JOB = {"job": {"launch": "driver", "source_dir": "code", "entry_script": "train.py"}}


def keys() -> dict[str, str]:
    """Every object and when it was written."""
    s3 = boto3.client("s3", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    found = s3.list_objects_v2(Bucket="sagemaker-us-east-1-123456789012").get("Contents", [])
    return {item["Key"]: str(item["LastModified"]) for item in found}


def test_row_29_a_second_invocation_stages_the_same_content_under_the_same_key(
    staging: Callable[[], Staging], tmp_path: Path
) -> None:
    """Killed between the upload and the intent: the next run finds the content where it lies, or puts it there."""
    first = staging()(JOB)
    before = keys()
    assert staging()(JOB) == first
    assert keys() == before


def test_row_30_source_that_changes_between_two_trials_is_pinned_for_the_invocation(
    staging: Callable[[], Staging], tmp_path: Path
) -> None:
    """Every trial of one invocation trains the same code; the next invocation takes the new one."""
    running = staging()
    first = running(JOB)
    (tmp_path / "code/train.py").write_text("print('m=2')\n")
    assert running(JOB) == first
    assert staging()(JOB).source != first.source
