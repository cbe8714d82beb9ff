"""Rows of the fault matrix that need real processes: their streams, files, locks and signals."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Project, wait_for


def test_row_80_a_closed_stdout_and_stderr_change_nothing(project: Project) -> None:
    """With nobody to read (`| head`, a closed terminal) the sweep runs to its end and its pool is closed."""
    running = project.start("hyperparameters.x=1,2", "hyperparameters.wait=1")
    assert running.stdout is not None
    assert running.stderr is not None
    wait_for(project.begun, "the first trial trains")
    running.stdout.close()
    running.stderr.close()
    running.wait(timeout=60)
    assert running.returncode == 0
    assert [row["status"] for row in project.rows()] == ["completed", "completed"]
    assert set(project.pools()) <= {"Reused", "Terminated", ""}


def test_row_81_83_a_report_that_fails_comes_after_the_release(project: Project) -> None:
    """When the results cannot be written the pool is closed already; once they can, the same command writes them."""
    in_the_way = project.root / "runs/tiny/results.csv/occupied"
    in_the_way.mkdir(parents=True)
    ended = project.run("hyperparameters.x=1,2")
    assert (ended.code, "Traceback" in ended.err) == (2, False)
    assert set(project.pools()) <= {"Reused", "Terminated", ""}
    in_the_way.rmdir()
    in_the_way.parent.rmdir()
    assert project.run("hyperparameters.x=1,2").code == 0
    assert [row["metric.score"] for row in project.rows()] == ["10.0", "20.0"]
    assert len(project.begun()) == 2
    assert not list((project.root / "runs/tiny").glob(".results*"))


SECRET = "planted-5e3c7e7-value"


def everything_written(project: Project) -> dict[str, bytes]:
    """Every file below the project's runs and engine state and the user's state, but the secrets' own."""
    roots = [project.root / "runs", project.root / "state", project.root / ".sweeper"]
    files = [path for root in roots for path in root.rglob("*") if path.is_file()]
    return {str(path.relative_to(project.root)): path.read_bytes() for path in files}


def arguments_of_every_process(project: Project) -> bytes:
    """The command lines of all processes that work in this project, as anyone on the machine can read them."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes()
            at_home = str(project.root).encode() in line or str((folder / "cwd").readlink()).startswith(
                str(project.root)
            )
        except OSError:
            continue  # it has ended, or is not ours to look at
        if at_home:
            found.append(line)
    assert found
    return b"\n".join(found)


@pytest.mark.row(7)
def test_a_planted_secret_is_found_in_nothing_that_is_written_or_shown(project: Project) -> None:
    """In the job's environment, the credentials, `.env`; printed by the script, in its failure: it is nowhere."""
    path = project.root / "experiments/tiny.yaml"
    path.write_text(path.read_text().replace("environment: {", f'environment: {{TOKEN: "{SECRET}-job", '))
    scripts = project.root / "experiments/scripts/tiny"
    (scripts / ".env").write_text(f"KEY={SECRET}-dotenv\n")
    script = scripts / "train.py"
    told = 'print("TOKEN is", os.environ["TOKEN"], flush=True)\n'
    script.write_text(
        script.read_text()
        .replace("time.sleep", told + "time.sleep")
        .replace('does not work"', "does not work: {os.environ['TOKEN']}\"")
    )
    project.environment |= {
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": f"{SECRET}-key",
        "AWS_SESSION_TOKEN": f"{SECRET}-session",
    }
    running = project.start("hyperparameters.wait=1", "hyperparameters.fail=2")
    wait_for(project.begun, "the first trial trains")
    shown = arguments_of_every_process(project)
    ended = project.ended(running)
    assert ended.code == 1, ended.err
    outputs = [project.verb(*verb).out for verb in (["status", "tiny"], ["logs", "tiny"], ["pools", "list", "--json"])]
    told_to_us = "\n".join([ended.out, ended.err, *outputs]).encode() + shown
    assert b"TOKEN is ***" in (project.root / "runs/tiny" / "trials").rglob("log.txt").__next__().read_bytes()
    assert SECRET.encode() not in told_to_us
    kept = {name: data for name, data in everything_written(project).items() if SECRET.encode() in data}
    # The service itself has to know the environment of its jobs, as SageMaker does, and what they print.
    assert {name for name in kept if not name.startswith(".sweeper/engine/")} == set()
    assert not [name for name in kept if f"{SECRET}-dotenv".encode() in kept[name]]
    assert not [name for name in kept if f"{SECRET}-key".encode() in kept[name] or b"-session" in kept[name]]
    tags = [str(tag) for job in project.jobs() for tag in job.get("Tags", [])]
    assert not [tag for tag in tags if SECRET in tag]


DAMAGE: Mapping[str, Callable[[Path], None]] = {
    "emptied": lambda path: path.write_bytes(b"") and None,
    "altered": lambda path: alter(path),
    "removed": Path.unlink,
}


def alter(path: Path) -> None:
    """One letter of one row."""
    with sqlite3.connect(path) as db:
        db.execute("UPDATE events SET data = replace(data, 'x=1', 'x=7') WHERE kind = 'intent'")


@pytest.mark.row(26)
@pytest.mark.parametrize("damage", DAMAGE)
def test_pools_are_released_though_the_journal_is_damaged(project: Project, damage: str) -> None:
    """With the runner dead and its journal damaged, `pools release` closes the pool; no run begins anew in silence."""
    arguments = ["hyperparameters.x=1", "hyperparameters.wait=1", "pool.watchdog_grace_s=60"]
    arguments += ["pool.last_job_releases=false"]
    running = project.start(*arguments)
    wait_for(project.begun, "the trial trains")
    running.kill()
    running.communicate()
    wait_for(lambda: project.pools() == ["Available"], "the pool idles")
    journal = project.root / "runs/tiny/journal.db"
    DAMAGE[damage](journal)
    ended = project.verb("pools", "release")
    assert ended.code == 0, ended.err
    assert project.pools() == ["Terminated"]
    again = project.run(*arguments)
    if damage == "removed":
        assert (again.code, len(project.jobs())) == (0, 1)
        assert "found" in again.err
    else:
        assert again.code == 2
        assert "journal" in again.err
    assert len(project.begun()) == 1
