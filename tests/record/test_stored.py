"""A sweep as its folder tells it, folders of earlier versions included."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from sweeper.commands import listing, note, report, status, sweeps
from sweeper.core import events as ev
from sweeper.core.model import Trial
from sweeper.core.scope import EngineKind, Scope
from sweeper.errors import UsageError
from sweeper.record import past
from sweeper.record.journal import SqliteJournal, ask
from sweeper.record.remarks import notes_of
from sweeper.record.stored import StoredSweep
from tests.core.test_decide import OPENED, done, intent

KEYS = ("trial", "name", "index", "status", "x", "metric.m", "job_name")


def folder(tmp_path: Path, *, first: int, **more: Any) -> Path:
    """The folder of two trials, the first of which has completed; its rows are numbered from `first`."""
    path = tmp_path / "runs/s"
    journal = SqliteJournal(path / "journal.db", lambda: 0.0)
    journal.append(
        OPENED, *done(0, metrics={"m": 1.0}), ev.PoolClosed(intent(0).name, "terminated"), ev.Finished("done")
    )
    journal.close()
    rows = [{"trial": f"{i:016x}", "name": f"x={i}", "index": i + first, "x": i, **more} for i in range(2)]
    (path / "results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (path / "results.csv").write_text(",".join((*KEYS, *more)) + "\n")
    (path / "config.yaml").write_text("name: s\nobjective: {metric: m, goal: maximize}\n")
    return path


@pytest.mark.parametrize(("first", "more"), [(0, {}), (1, {"model": None, "declared": True})])
def test_a_folder_of_an_earlier_version_has_the_same_numbers(first: int, more: dict[str, Any], tmp_path: Path) -> None:
    """Its rows began at 0: they are read as what they are, and told from 1."""
    sweep = StoredSweep(folder(tmp_path, first=first, **more))
    assert [(row["index"], row["name"], row["status"]) for row in sweep.table.rows] == [
        (1, "x=0", "completed"),
        (2, "x=1", "planned"),
    ]
    assert sweep.best is not None and sweep.best["index"] == 1


def test_what_is_asked_for_is_seen_before_anyone_takes_it(tmp_path: Path) -> None:
    """A skip, a retry and a queued trial are in the table that is read, and nothing of them is in the journal."""
    path = folder(tmp_path, first=1, model=None, declared=True)
    before = len(StoredSweep(path).events)
    ask(path / "journal.db", 0.0, "skip", trial=f"{1:016x}", label="x=1")
    ask(path / "journal.db", 0.0, "retry", trials=[f"{0:016x}"])
    ask(path / "journal.db", 0.0, "add", values={"hyperparameters.x": 9})
    sweep = StoredSweep(path)
    assert [(row["index"], row["name"], row["status"]) for row in sweep.table.rows] == [
        (1, "x=0", "completed"),
        (2, "x=1", "stopped"),
        (3, "x=9", "planned"),
    ]
    assert sweeps.progress_of(sweep) == (0, 3)
    assert len(sweep.events) == before


class Named(StoredSweep):
    """A sweep of these trials."""

    def __init__(self, *trials: Trial) -> None:
        self.folder = Path("s")
        self.__dict__["trials"] = list(trials)


@pytest.mark.parametrize(
    ("word", "number"),
    [("2", 2), ("lr=10", 2), ("lr=1e1", 2), ("hyperparameters.lr=1", 1), ("higher", 3), ("abcd", 3), ("abcdabcd", 3)],
)
def test_a_word_names_a_trial(word: str, number: int) -> None:
    """A number, a value as a number, a dotted key, a part of a name, the beginning of an id."""
    key = "hyperparameters.lr"
    sweep = Named(
        Trial(0, "2222000000000000", "lr=1.0", {key: 1.0}),
        Trial(1, "9900000000000000", "lr=10.0", {key: 10.0}),
        Trial(2, "abcdabcd00000000", "higher_lr", {key: 3}),
    )
    assert sweeps.find_trial(sweep, word).number == number


def test_a_word_that_names_several_or_none_is_refused() -> None:
    """Several are listed with their numbers; for none the nearest is offered."""
    sweep = Named(*(Trial(i, f"{i:016x}", f"a=1,b={i}", {"a": 1, "b": i}) for i in range(7)))
    with pytest.raises(UsageError, match=r"7 trials of s: a=1,b=0 \(number 1\), .*, and 2 more"):
        sweeps.find_trial(sweep, "a=1")
    for number in ("8", "0", "1000"):
        with pytest.raises(UsageError, match="no such trial"):
            sweeps.find_trial(sweep, number)


def test_a_number_that_there_is_not_means_no_trial_with_such_a_digit() -> None:
    """`5` of two trials is not the one whose lr is 0.5: a number from a longer table leaves out nothing else."""
    sweep = Named(Trial(0, "a" * 16, "lr=0.5", {"lr": 0.5}), Trial(1, "b" * 16, "lr=0.1", {"lr": 0.1}))
    with pytest.raises(UsageError, match="no such trial"):
        sweeps.find_trial(sweep, "5")


def test_a_name_means_the_trial_that_is_declared_now() -> None:
    """What an earlier version of the script has left under the same name makes no name ambiguous; its id names it."""
    now, before = Trial(0, "a" * 16, "lr=0.1", {"lr": 0.1}), Trial(-1, "b" * 16, "lr=0.1", {"lr": 0.1})
    sweep = Named(now, before)
    assert [sweeps.find_trial(sweep, word) for word in ("lr=0.1", "lr=.1", "0.1")] == [now, now, now]
    assert sweeps.find_trial(sweep, "bbbb") == before


def test_what_a_running_trial_has_shown_is_told(tmp_path: Path) -> None:
    """The last value of each metric in the log of this attempt, NaN by its name; nothing of an earlier attempt."""
    path = folder(tmp_path, first=1, model=None, declared=True)
    (path / "config.yaml").write_text("job: {metrics: [{name: m, regex: 'm=(\\S+)'}, {name: n, regex: 'n=(\\S+)'}]}\n")
    journal = SqliteJournal(path / "journal.db", lambda: 1000.0)
    journal.append(OPENED, intent(1), ev.Created(intent(1).name, "arn"))
    journal.close()
    log = path / "trials" / intent(1).trial / "log.txt"
    log.parent.mkdir(parents=True)
    log.write_text("m=0.1 n=nan\nm=0.5\n")
    (running,) = status.as_json(StoredSweep(path))["running"]
    assert (running["job_name"], running["metrics"]) == (intent(1).name, {"m": 0.5, "n": "NaN"})
    os.utime(log, (999.0, 999.0))
    (running,) = status.as_json(StoredSweep(path))["running"]
    assert running["metrics"] == {}


@pytest.mark.parametrize("name", ["config.yaml", "results.csv", "results.jsonl"])
@pytest.mark.parametrize("bad", [b"\xcc\x80\xff", b"\x00", b"[1, 2]\n{}\n", b"{"], ids=repr)
def test_a_damaged_file_beside_the_journal_stops_nobody(tmp_path: Path, name: str, bad: bytes) -> None:
    """The journal is the record: a result file or a configuration that cannot be read only tells less."""
    path = folder(tmp_path, first=1)
    (path / name).write_bytes(bad)
    sweep = StoredSweep(path)
    assert len(sweep.chain.outcomes) == 1
    assert (sweep.state, len(sweep.table.rows) >= 1) == ("finished", True)
    assert sweep.objective is None or name != "config.yaml"


def test_past_sweeps_in_an_account_tell_what_their_jobs_took(tmp_path: Path) -> None:
    """Those of this Region, spot machines and queues apart; what the local engine has simulated tells nothing."""
    backends = {
        "pool@1.us-east-1": "warm_pool",
        "spot@1.us-east-1": "spot",
        "queued@1.us-east-1": "batch, queue: q",
        "far@1.eu-west-1": "warm_pool",
        "here": "warm_pool",
    }
    for name, backend in backends.items():
        path = tmp_path / "runs" / name
        journal = SqliteJournal(path / "journal.db", lambda: 7.0)
        journal.append(OPENED, *done(0))
        journal.close()
        (path / "config.yaml").write_text(f"locked: {{instance_type: ml.a.x}}\nbackend: {{kind: {backend}}}\n")
    there = Scope(EngineKind.AWS, "1", "us-east-1")
    found = list(past.seen(tmp_path, there, "pool"))
    assert {(one.instance_type, one.interrupts, bool(one.sent_at), one.own) for one in found} == {
        ("ml.a.x", False, False, True),
        ("ml.a.x", True, False, False),
        ("ml.a.x", False, True, False),
    }
    assert [dict(one.sent_at) for one in found if one.sent_at] == [{intent(0).name: 7.0}]
    assert len(list(past.seen(tmp_path, Scope(EngineKind.LOCAL, "1", "us-east-1"), "here"))) == 4


def test_notes_and_tags_are_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those of the experiment and of people, a line that was cut short passed over; the journal holds none of it."""
    path = folder(tmp_path, first=1, model=None, declared=True)
    before = (path / "journal.db").read_bytes()
    (path / "config.yaml").write_text("name: s\ntags: [lora, old]\n")
    (path / "notes.jsonl").write_text('{"at": 1.0, "te')
    monkeypatch.setenv("SWEEPER_PROJECT", str(tmp_path))
    assert note.main(["s", "the second seed\n is odd", "--tag", "paper", "--untag", "old"]) == 0
    assert note.main(["s", "and the third", "--tag", "odd"]) == 0
    sweep = StoredSweep(path)
    assert (sweep.tags, [one.text for one in notes_of(sweep.remarks)]) == (
        ["lora", "paper", "odd"],
        ["the second seed\n is odd", "and the third"],
    )
    capsys.readouterr()
    for tags, found in ((["--tag", "paper", "--tag", "lora"], True), (["--tag", "old"], False)):
        assert listing.main([*tags, "--json"]) == 0
        assert bool(json.loads(capsys.readouterr().out)["sweeps"]) == found
    assert status.as_json(sweep)["notes"][1]["text"] == "and the third"
    assert (path / "journal.db").read_bytes() == before
    with pytest.raises(UsageError, match="--tag a b: must be letters"):
        note.main(["s", "--tag", "a b"])


def test_several_sweeps_are_compared_and_none_is_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Tables, one JSON object, a page; the same sweep twice is refused, and so is what is said of one sweep alone."""
    first = folder(tmp_path, first=1, model=None, declared=True)
    shutil.copytree(first, first.with_name("t"))
    (first.with_name("t") / "config.yaml").write_text("name: t\nowner: me\nobjective: {metric: m, goal: maximize}\n")
    monkeypatch.setenv("SWEEPER_PROJECT", str(tmp_path))
    before = {path: path.read_bytes() for path in first.parent.rglob("*") if path.is_file()}
    assert report.main(["s", "t"]) == 0
    told = capsys.readouterr().out
    assert [line.split() for line in told.splitlines() if line.startswith(("owner", "0 "))] == [
        ["owner", "me"],
        ["0", "1", "1"],
    ]
    assert "m of t is +0 against s in 1 matched trial (maximize): better in 0, worse in 0, the same in 1" in told
    assert report.main(["s", "t", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["differs"] == {"owner": [None, "me"]}
    assert [match["metric"] for match in found["matched"]] == [[1.0, 1.0], [None, None]]
    page = Path(found["file"])
    assert {path: path.read_bytes() for path in first.parent.rglob("*") if path.is_file() and path != page} == before
    for words in (["s", "s"], ["s", "t", "--tell"], ["s", "--to", str(page)]):
        with pytest.raises(UsageError):
            report.main(words)
