"""Verbs that look at a sweep, or clean up after it, as another process runs it."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sweeper.core import events as ev
from sweeper.engine import launch
from sweeper.errors import JournalError
from sweeper.record.journal import SqliteJournal, read
from tests.end_to_end.conftest import Project, sagemaker, wait_for


@pytest.fixture
def running(project: Project) -> Iterator[subprocess.Popen[str]]:
    """A run whose second trial waits until the file `hold` is gone."""
    script = project.root / "experiments/scripts/tiny/train.py"
    held = f"while a.x == 2 and os.path.exists({str(project.root / 'hold')!r}): time.sleep(0.02)"
    script.write_text(script.read_text().replace("time.sleep(a.wait)", held))
    (project.root / "hold").touch()
    process = project.start()
    wait_for(lambda: len(project.begun()) == 2, "the second trial trains")
    yield process
    (project.root / "hold").unlink(missing_ok=True)
    project.ended(process)


def suspended(process: subprocess.Popen[str], journal: Path) -> bool:
    """Suspend it; in the middle of a write, when nobody else may read, let it go on instead."""
    process.send_signal(signal.SIGSTOP)
    wait_for(lambda: Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T", "it stops")
    try:
        read(journal, patience_s=0)
    except JournalError:
        process.send_signal(signal.SIGCONT)
        return False
    return True


@contextmanager
def frozen(process: subprocess.Popen[str], journal: Path) -> Iterator[None]:
    """Let it live and do nothing: what changes meanwhile, others change."""
    wait_for(lambda: suspended(process, journal), "it stands still between two writes")
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def store(folder: Path) -> None:
    """A folder of a sweep with one finished trial, made without running anything."""
    folder.mkdir(parents=True)
    journal = SqliteJournal(folder / "journal.db", lambda: 1.0)
    journal.append(
        ev.Opened("d", "s", "l", "tiny", "me"),
        ev.Intent("tiny-1-a01", "1" * 16, 0, "x=1", {"hyperparameters.x": 1}, 1, "me/tiny/1/1", 300, 60, ""),
        ev.Created("tiny-1-a01", "arn"),
        ev.Outcome("tiny-1-a01", "Completed", "completed", {"score": 10.0}),
        ev.PoolClosed("tiny-1-a01", "terminated"),
        ev.Finished("every trial is done"),
    )
    journal.close()


def told(project: Project, *words: str) -> Any:
    """What a verb prints with --json."""
    ended = project.verb(*words, "--json")
    assert (ended.code, ended.err) == (0, "")
    return json.loads(ended.out)


def everything(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file below a folder, but for what the running processes write."""
    files = (path for path in folder.rglob("*") if path.is_file() and "engine" not in path.parts)
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def test_reading_verbs_see_a_running_sweep_and_change_nothing(project: Project, running: subprocess.Popen[str]) -> None:
    """Status, list and logs tell of the running chain from its folder, and leave every file as it was."""
    path = project.root / "runs/tiny/results.csv"
    wait_for(lambda: "running" in path.read_text(), "the files have followed")
    with frozen(running, project.root / "runs/tiny/journal.db"):
        before = everything(project.root / "runs")
        shown = told(project, "status", "tiny")
        assert [row["status"] for row in shown["rows"]] == ["completed", "running", "planned"]
        assert (shown["state"], shown["rows"][0]["metric.score"]) == ("running", 10.0)
        assert told(project, "status")["sweep"] == told(project, "status", "ti")["sweep"] == "tiny"
        listed = told(project, "list")["sweeps"]
        assert [(s["sweep"], s["state"], s["finished"], s["trials"]) for s in listed] == [("tiny", "running", 1, 3)]
        assert told(project, "logs", "tiny", "x=1")["lines"] == ["score=10.0"]
        assert str(running.pid) in project.verb("status").out
        after = everything(project.root / "runs")
    assert not {name for name in before | after if before.get(name) != after.get(name)}
    with path.open(newline="") as file:
        assert [row["status"] for row in csv.DictReader(file)] == ["completed", "running", "planned"]


def test_what_is_running_is_not_cleaned(project: Project, running: subprocess.Popen[str]) -> None:
    """`sweeper clean --yes` keeps a running sweep and the engine it runs on, and says why."""
    items = {item["what"]: item["kept"] for item in told(project, "clean", "--yes")["items"]}
    assert "it runs" in items["sweep"]
    assert "runs 1 jobs" in items["engine"]
    (project.root / "hold").unlink()
    assert project.ended(running).code == 0


def test_clean_shows_asks_and_removes(project: Project) -> None:
    """Nothing goes without --yes or an answer; with it sweep and engine go, and the next run begins anew."""
    project.run()
    shown = told(project, "clean")
    assert (shown["removed"], [item["kept"] for item in shown["items"]]) == (False, [None, None])
    assert all(item["bytes"] > 1000 for item in shown["items"])
    refused = project.verb("clean")
    assert (refused.code, "--yes" in refused.err) == (2, True)
    assert (project.root / "runs/tiny/results.csv").exists()
    assert told(project, "clean", "--yes")["removed"] is True
    assert not (project.root / "runs/tiny").exists()
    assert not (project.root / ".sweeper/engine").exists()
    assert project.run().code == 0
    assert len(project.begun()) == 6


def shown_by(page: Path) -> dict[str, Any]:
    """The data of a report.html."""
    data: dict[str, Any] = json.loads(page.read_text().partition('id="data">')[2].partition("</script>")[0])
    return data


def test_report_writes_every_file_from_the_journal(project: Project) -> None:
    """The result files that were removed are written again, the same; the page that a run writes has every row."""
    assert "report: runs/tiny/report.html" in project.run("hyperparameters.fail=2").out
    folder = project.root / "runs/tiny"
    names = ("results.csv", "results.jsonl", "best.yaml")
    before = {name: (folder / name).read_text() for name in names}
    page = shown_by(folder / "report.html")
    shown = told(project, "report", "tiny")
    assert {name: (folder / name).read_text() for name in names} == before
    assert shown["best"]["name"] == "x=3"
    again = shown_by(folder / "report.html")
    moments = {"written", "facts"}
    assert {k: page[k] for k in page.keys() - moments} == {k: again[k] for k in again.keys() - moments}
    assert page["rows"]["name"] == ["x=1", "x=2", "x=3"]
    assert "Best: x=3 with score = 30 (maximize)." in page["summary"]
    (failure,) = page["failures"]["kinds"]
    assert failure["message"] == failure["tail"][-1] == "ValueError: x=2 does not work"
    for name in names:
        (folder / name).unlink()
    printed = project.verb("report", "tiny")
    assert "best: x=3" in printed.out
    with (folder / "results.csv").open(newline="") as file:
        assert [row["status"] for row in csv.DictReader(file)] == ["completed", "failed", "completed"]
    written = (folder / "report.html").stat().st_mtime_ns
    project.run("hyperparameters.fail=2")
    assert (folder / "report.html").stat().st_mtime_ns == written, "its rows are the same: it is not made anew"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("status", "tinny"), "did you mean 'tiny'?"),
        (("logs", "tiny", "x=9"), "no such trial"),
        (("report", "nothing"), "there is no such sweep"),
        (("engine", "serve", "--set", "no_such=1"), "unknown engine setting: no_such"),
        (("engine", "serve", "--set", "x"), "KEY=VALUE"),
        (("engine", "serve", "--port", "99999"), "0 to 65535"),
        (("engine", "serve", "--credentials", "secret-alone"), "write KEY:SECRET"),
        (("engine", "serve", "--credentials", "a/b,c:secret"), "write KEY:SECRET"),
        (("engine", "serve", "--credentials", "env"), "AWS_SECRET_ACCESS_KEY"),
        (("stat",), "did you mean 'status'?"),
        (("run", "tiny"), "write +experiment=tiny"),
    ],
)
def test_a_wrong_name_is_one_line(fresh_project: Project, words: tuple[str, ...], said: str) -> None:
    """Exit code 2, one line with what would be right, no traceback."""
    store(fresh_project.root / "runs/tiny")
    ended = fresh_project.verb(*words)
    assert (ended.code, len(ended.err.splitlines()), ended.out) == (2, 1, "")
    assert said in ended.err


def test_an_old_folder_without_result_files_is_still_told(fresh_project: Project) -> None:
    """A journal alone is enough for status, list and report."""
    store(fresh_project.root / "runs/tiny")
    assert [(r["name"], r["status"]) for r in told(fresh_project, "status", "tiny")["rows"]] == [("x=1", "completed")]
    assert told(fresh_project, "list")["sweeps"][0]["state"] == "finished"
    assert fresh_project.verb("report", "tiny").code == 0
    assert (fresh_project.root / "runs/tiny/results.csv").exists()


def test_a_damaged_journal_is_named_and_hides_nothing_else(fresh_project: Project) -> None:
    """One sweep that cannot be read is a warning in the list, and a clear refusal where it is asked for."""
    store(fresh_project.root / "runs/tiny")
    store(fresh_project.root / "runs/torn")
    (fresh_project.root / "runs/torn/journal.db").write_bytes(b"not a database, by its first bytes")
    listed = fresh_project.verb("list")
    assert (listed.code, "tiny  finished" in listed.out, "torn" in listed.err) == (0, True, True)
    asked = fresh_project.verb("status", "torn")
    assert (asked.code, len(asked.err.splitlines())) == (2, 1)


def test_an_engine_is_served_told_of_and_stopped(fresh_project: Project) -> None:
    """In the foreground it says where it answers and ends with Ctrl-C; a second one is refused with exit code 4."""
    state = fresh_project.root / ".sweeper/engine"
    command = [sys.executable, "-m", "sweeper", "engine", "serve", "--json"]
    serving = subprocess.Popen(
        command, cwd=fresh_project.root, env=fresh_project.environment, stdout=subprocess.PIPE, text=True
    )
    assert serving.stdout is not None
    said = json.loads(serving.stdout.readline())
    shown = told(fresh_project, "engine", "status")
    assert (shown["running"], shown["url"], shown["jobs_running"]) == (True, said["url"], 0)
    second = fresh_project.verb("engine", "serve")
    assert (second.code, said["url"] in second.err) == (4, True)
    serving.terminate()
    assert serving.wait(30) == 0
    serving.stdout.close()
    assert launch.status(state) is None
    assert told(fresh_project, "engine", "status")["running"] is False
    fresh_project.environment |= {"AWS_ACCESS_KEY_ID": "mine", "AWS_SECRET_ACCESS_KEY": "of:my/own"}
    detached = told(fresh_project, "engine", "serve", "--detach", "--credentials", "env")
    assert (detached["access_key"], detached["secret_key"], detached["region"]) == ("mine", "of:my/own", "us-east-1")
    assert detached["url"] == detached["environment"]["AWS_ENDPOINT_URL"]
    assert said["secret_key"] not in (detached["secret_key"], "", None)
    assert told(fresh_project, "engine", "status")["environment"] == detached["environment"]
    assert b"my/own" not in Path(f"/proc/{detached['pid']}/cmdline").read_bytes()
    assert sagemaker(launch.ensure(state)).list_training_jobs()["TrainingJobSummaries"] == []
    assert told(fresh_project, "engine", "stop")["stopped"] is True
    assert told(fresh_project, "engine", "stop")["stopped"] is False
