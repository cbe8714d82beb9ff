"""Rows 85 to 94 of the fault matrix: what breaks beside a sweep keeps no pool open and no other sweep from running."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from sweeper.commands.left_open import settle_others
from sweeper.core import events as ev
from sweeper.core.costs import LATE_S, OVERRUN_S
from sweeper.core.events import TrialStatus
from sweeper.core.ports import TrainingApi
from sweeper.core.waits import Waits
from sweeper.engine.errors import ServiceError
from sweeper.errors import JournalError, LockHeldError
from sweeper.record.journal import SqliteJournal, read
from sweeper.record.locks import held, holder
from sweeper.run.clock import SystemClock
from sweeper.run.connect import State
from sweeper.run.debts import RegisteredJournal, close_debt
from sweeper.run.registry import Account, Debt, Registry
from sweeper.run.release import Running, Unreleased
from sweeper.run.watchdog import say
from sweeper.simulation.simulation import OWNER
from sweeper.testing.twin import Script, Twin
from tests.laws.outside import LOST, Outside, Trouble, code_of, make_sweep, scripts

Make = Callable[..., Outside]
DESCRIBE, CREATE = "DescribeTrainingJob", "CreateTrainingJob"


PATIENT = Waits(poll_s=120.0)
REACHED: dict[str, Outside] = {}


class Reached(Account):
    """An account whose service is a test's own, by the name of its profile."""

    def api(self) -> TrainingApi:
        """That service."""
        return REACHED[str(self.profile)].api


@dataclass
class Owing:
    """A sweep whose runner died, and what the registry knows of it."""

    here: Outside
    registry: Registry
    debt: Debt

    def close(self, running: Running = Running.AWAIT) -> list[Unreleased]:
        """What the watchdog does, or another who is not the runner."""
        return close_debt(
            self.debt, self.registry, self.here.clock, self.here.listener.say, closes="a test", running=running
        )

    @property
    def open(self) -> bool:
        """Does the registry still count it?"""
        return bool(list(self.registry))


def owing(here: Outside, state: Path, *, dies: type[object] = ev.Outcome, older: bool = False) -> Owing:
    """A runner that registers its debt and dies; `older`: the registry was written by a version that named no jobs."""
    registry = Registry(state)
    REACHED[str(state)] = here
    account = Reached("aws", "us-east-1", str(state))
    debt = Debt("sweep", str(here.folder), account, here.sweep.waits, OWNER)
    here.dies(after=dies)
    journal = RegisteredJournal(SqliteJournal(here.path, here.clock.now), registry, debt)
    journal.append(ev.Reopened("nothing"))
    journal.close()
    known = registry.find(debt.folder)
    assert known is not None and known.owed
    if older:
        registry.record(replace(known, owed=None))
    return Owing(here, registry, debt)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """What is left again at the end of a test."""
    with ExitStack() as stack:
        yield stack


def flip_schema(path: Path) -> None:
    """One bit of the text of a table, which SQLite puts into its error message."""
    data = bytearray(path.read_bytes())
    data[data.find(b"CREATE TABLE requests") + 10] ^= 0x80
    path.write_bytes(data)


def alter(path: Path) -> None:
    """One letter of one row."""
    with sqlite3.connect(path) as db:
        db.execute("UPDATE events SET data = replace(data, 'sweep', 'swoop') WHERE kind = 'intent'")


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a bit of the schema": flip_schema,
    "a row": alter,
    "emptied": lambda path: path.write_bytes(b""),
    "no file": Path.unlink,
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("older", [False, True], ids=["named in the registry", "asked of the service"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_row_87_90_a_pool_is_closed_whatever_became_of_its_journal(
    outside: Make, tmp_path: Path, damage: str, older: bool
) -> None:
    """Its job is known from the registry, or from the service by the sweep's mark; a running one is let finish."""
    here = outside(sweep=make_sweep(1), behaviour=scripts(x0=Script(300.0)))
    dead = owing(here, tmp_path / "state", dies=ev.Created, older=older)
    DAMAGE[damage](here.path)
    here.clock.sleep(200.0)  # the service shows its pool InUse by now
    assert dead.close() == []
    assert here.nothing_is_open() and not dead.open
    assert [job.status.value for job in here.ledger.jobs] == ["Completed"]


def test_row_90_who_cannot_stay_closes_what_idles_and_names_what_trains(outside: Make, tmp_path: Path) -> None:
    """A run that is refused does not wait for a job, nor stop it: it is named, and the debt stays."""
    here = outside(behaviour=scripts(x0=Script(3000.0)))
    dead = owing(here, tmp_path / "state", dies=ev.Created)
    (named,) = dead.close(Running.LEAVE)
    assert (named.name, "still trains" in named.why, dead.open) == (here.ledger.jobs[0].name, True, True)
    assert not here.calls("StopTrainingJob")
    here.clock.sleep(4000.0)
    assert dead.close(Running.LEAVE) == [] and not dead.open
    assert here.nothing_is_open()


def test_row_90_a_service_that_does_not_answer_soon_is_named(outside: Make, tmp_path: Path) -> None:
    """Who cannot stay does not wait out an outage either."""
    here = outside()
    dead = owing(here, tmp_path / "state")
    here.twin.troubles = [Trouble(DESCRIBE, ServiceError("ServiceUnavailable", "no", 503), times=1e9)]
    begun = here.clock.now()
    (named,) = dead.close(Running.LEAVE)
    assert ("could not be asked" in named.why, dead.open, here.clock.now() - begun < 60) == (True, True, True)


def test_row_87_any_flipped_bit_of_a_journal_is_read_past_or_refused(outside: Make) -> None:
    """Wherever the bit lies, reading gives what was written or a JournalError, and nothing else."""
    here = outside()
    here.run()
    whole, events = here.path.read_bytes(), here.journal
    for at in [*range(0, 1024, 3), *range(1024, len(whole), 211)]:
        here.path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x80]) + whole[at + 1 :])
        try:
            assert [event for _, event in read(here.path, patience_s=0.0)] == events
        except JournalError:
            continue


def test_row_85_the_watchdog_closes_though_it_can_write_nothing(outside: Make, tmp_path: Path) -> None:
    """No log, no lock's name, no registry: as on a full disk, every write of the process fails."""
    here = outside()
    dead = owing(here, tmp_path / "state")
    pid = os.fork()
    if not pid:
        code = 1
        try:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            log = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
            os.dup2(log, 2)
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
            dead.here.listener.say = say  # type: ignore[method-assign]
            code = 0 if dead.close() == [] and here.nothing_is_open() and dead.open else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert (tmp_path / "log").read_bytes() == b""


@pytest.mark.parametrize("way", ["a folder in place of the lock", "a file in place of the folder"])
def test_row_86_where_no_lock_can_be_made_the_pool_is_closed_all_the_same(
    outside: Make, tmp_path: Path, way: str
) -> None:
    """A folder that is gone, or that nobody may write, never defeats the closing."""
    here = outside()
    here.folder = tmp_path / "runs"
    here.folder.mkdir()
    dead = owing(here, tmp_path / "state")
    if way.startswith("a folder"):
        dead.debt.lock.mkdir()
    else:
        here.folder.rename(tmp_path / "away")
        here.folder.write_text("in the way")
    assert dead.close() == [] and not dead.open
    assert here.nothing_is_open()


def test_row_86_a_lock_that_cannot_be_written_still_keeps_a_second_out(
    outside: Make, tmp_path: Path, stack: ExitStack
) -> None:
    """A user who may only read the lock is kept out while a runner holds it, and closes once it is free."""
    here = outside()
    here.folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    here.folder.chmod(0o755)
    dead = owing(here, tmp_path / "state")
    with held(dead.debt.lock, "the sweep", 0.0):
        dead.debt.lock.chmod(0o444)
        pid = os.fork()
        if not pid:
            code = 1
            try:
                if os.getuid() == 0:
                    os.setuid(65534)
                dead.close()
            except LockHeldError:
                code = 0
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert dead.close() == []


def test_row_88_another_projects_bad_debt_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile that nobody knows, a damaged file of the registry: told with its name, and the sweep goes on."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    registry = Registry(tmp_path / "sweeper")
    account = Account("aws", "us-east-1", profile="nobody-has-this")
    registry.record(Debt("theirs", str(tmp_path / "other/runs/theirs"), account, Waits()))
    told: list[str] = []
    settle_others(SystemClock(), told.append, but="")
    assert any("the sweep theirs in" in line and "nobody-has-this" in line for line in told), told
    assert len(list(registry)) == 1


def test_row_89_a_runner_that_comes_back_takes_over_from_a_waiting_watchdog(outside: Make, tmp_path: Path) -> None:
    """While the watchdog waits for a job nobody holds the lock; it gives way at its next round and closes nothing."""
    here = outside(behaviour=scripts(x0=Script(3000.0)))
    dead = owing(here, tmp_path / "state", dies=ev.Created)
    sleep, taken = here.clock.sleep, []

    def comes_back(seconds: float) -> None:
        sleep(seconds)
        if len(here.calls(DESCRIBE)) > 20 and not taken:
            taken.append(held(dead.debt.lock, "the sweep", here.clock.now(), runs="the sweep in its folder"))
            taken[0].__enter__()

    here.clock.sleep = comes_back  # type: ignore[method-assign]
    with pytest.raises(LockHeldError, match="another runner holds the sweep sweep: the sweep in its folder, process"):
        dead.close()
    assert not here.ledger.jobs[0].ended and not here.calls("UpdateTrainingJob")
    taken[0].__exit__(None, None, None)


def test_row_89_who_only_closes_is_no_runner_and_is_waited_for(outside: Make, tmp_path: Path) -> None:
    """In the moment of a round the lock names what it is; a runner waits for that moment and is not refused."""
    here = outside()
    dead = owing(here, tmp_path / "state")
    seen: list[str] = []

    def look(twin: Twin, operation: str, answer: dict[str, object]) -> dict[str, object]:
        if not seen:
            assert holder(dead.debt.lock) is None
            with pytest.raises(LockHeldError) as refused, held(dead.debt.lock, "it", 0.0):
                pass
            seen.append(str(refused.value))
        return answer

    here.twin.alter = look
    assert dead.close() == []
    assert seen[0].startswith("a test is closing the pools of it: process")


@pytest.mark.parametrize("hurried", [False, True])
def test_row_91_a_create_that_arrives_minutes_later_is_waited_for_or_named(outside: Make, hurried: bool) -> None:
    """Ctrl-C while nobody knows whether the job exists: the release looks for as long as a request may still arrive."""
    here = outside(Trouble(CREATE, LOST), sweep=make_sweep(1))
    sent: list[dict[str, object]] = []
    request, sleep = here.twin.request, here.clock.sleep

    def requested(operation: str, params: dict[str, object]) -> dict[str, object]:
        if operation == CREATE and not sent:
            sent.append(dict(params))
            here.caught.extend([2, 2] if hurried else [2])
        return request(operation, params)

    def arrives(seconds: float) -> None:
        sleep(seconds)
        if len(sent) == 1 and here.clock.now() > begun + 250:
            sent.append({})
            here.twin.apply(CREATE, sent[0])

    here.twin.request = requested  # type: ignore[method-assign]
    here.clock.sleep = arrives  # type: ignore[method-assign]
    begun = here.clock.now()
    ending = here.run()
    if hurried:
        assert [pool.name for pool in ending.unreleased] == [sent[0]["TrainingJobName"]]
        assert (
            code_of(here, ending),
            "may still arrive" in ending.unreleased[0].why,
        ) == (3, True)
    else:
        assert (ending.unreleased, len(here.ledger.jobs)) == ([], 1)
        assert here.nothing_is_open()


def test_row_91_a_job_that_was_never_sent_is_not_waited_for(outside: Make) -> None:
    """A Create that the service refused cannot arrive: Ctrl-C while a quota is waited for ends soon."""
    full = ServiceError(
        "ResourceLimitExceeded",
        "The account-level service limit 'ml.m5.large for training job usage' is 1 Instances, with current utilization "
        "of 1 Instances and a request delta of 1 Instances.",
    )
    here = outside(sweep=make_sweep(1))
    here.twin.troubles = [Trouble(CREATE, full, times=1e9, when=lambda twin: here.caught.append(2) is None)]
    begun = here.clock.now()
    assert here.run().unreleased == []
    assert here.clock.now() - begun < 150


@pytest.mark.parametrize("number", [15, 2])
def test_row_92_a_service_that_falls_silent_after_a_signal_is_nagged_about_and_named(
    outside: Make, number: int
) -> None:
    """One signal and no answer any more: told again and again; past the longest life of job and pool exit code 3."""
    here = outside(behaviour=scripts(x0=Script(900.0)), sweep=make_sweep(2, waits=PATIENT))
    down = here.clock.now() + 200

    def silent(twin: Twin) -> bool:
        if twin.clock.now() > down and not here.caught:
            here.caught.append(number)
        return twin.clock.now() > down

    here.twin.troubles = [Trouble(o, LOST, times=1e9, when=silent) for o in (DESCRIBE, "StopTrainingJob")]
    ending = here.run()
    assert (
        code_of(here, ending),
        [pool.name for pool in ending.unreleased],
    ) == (3, [here.ledger.jobs[0].name])
    lived = 3600 + OVERRUN_S + LATE_S + 300 + 120
    assert lived < here.clock.now() - down < lived + 300
    assert len([line for line in here.listener.lines if line.startswith("cannot look at")]) > 20


def test_row_92_a_sweep_that_is_to_go_on_waits_for_ever_and_says_so(outside: Make) -> None:
    """A day without the network ends nothing that nobody asked to end; it is told now and then."""
    lasting = scripts(x0=Script(900.0, metrics={"m": 0.5}))
    here = outside(behaviour=lasting, sweep=make_sweep(1, waits=PATIENT))
    down = here.clock.now() + 300
    here.twin.troubles = [Trouble(DESCRIBE, LOST, times=1e9, when=lambda twin: down < twin.clock.now() < down + 86400)]
    here.run()
    assert here.statuses == [TrialStatus.COMPLETED]
    assert 10 < len([line for line in here.listener.lines if line.startswith("cannot look at")]) < 200
    assert here.whole()


def test_row_80_a_second_signal_is_answered_with_a_line(outside: Make) -> None:
    """Who presses Ctrl-C again is told, once, what that changes."""
    here = outside()
    here.after_append = lambda events: here.caught.append(2) if here.calls(CREATE) and len(here.caught) < 3 else None
    here.run()
    assert len([line for line in here.listener.lines if line.startswith("asked again to end")]) == 1


def remove_state(here: Outside) -> None:
    """What `rm -r .sweeper/engine` does: every job and pool is gone, and an engine without a past answers."""
    here.twin.begin_anew(here.twin.world.containers.behaviour)
    here.state = f"state {len(here.twin.calls)}"


@pytest.mark.parametrize("when", [CREATE, "Training", "Available"])
def test_row_94_a_sweep_goes_on_when_the_engines_state_is_removed(outside: Make, when: str) -> None:
    """Jobs and pools are gone, which fails no trial; what jobs need is put there again, and every pool is closed."""
    here, removed, renewed = outside(sweep=make_sweep(3)), list[str](), list[str]()
    here.renew = lambda: renewed.append(here.state)

    def removing(twin: Twin, operation: str, answer: dict[str, Any]) -> dict[str, Any]:
        shown = (operation, answer.get("SecondaryStatus"), answer.get("WarmPoolStatus", {}).get("Status"))
        if when in shown and not removed:
            remove_state(here)
            removed.append(here.state)
        return answer

    here.twin.alter = removing
    here.run()
    assert here.statuses == [TrialStatus.COMPLETED] * 3
    assert renewed == removed
    assert {"engine_gone"} <= set(here.pools) <= {"engine_gone", "reused_by_own", "terminated"}
    assert here.chain.opened and here.chain.opened.service == here.state
    assert here.nothing_is_open()
    assert set(here.failures) == {""}


def test_row_94_a_state_that_is_removed_bit_by_bit_fails_no_trial(outside: Make) -> None:
    """Its name goes first, the job that trains still answers then and is gone a moment later: the trial runs again."""
    here = outside(sweep=make_sweep(2))
    looks: list[str] = []

    def removing(twin: Twin, operation: str, answer: dict[str, Any]) -> dict[str, Any]:
        if answer.get("SecondaryStatus") == "Training":
            looks.append(operation)
            here.state = "the next"
            if len(looks) == 4:
                twin.begin_anew(twin.world.containers.behaviour)
        return answer

    here.twin.alter = removing
    here.run()
    assert here.statuses == [TrialStatus.COMPLETED] * 2
    assert "engine_gone" in here.pools and here.nothing_is_open()


def test_row_94_the_end_waits_for_nothing_that_went_with_the_engines_state(outside: Make) -> None:
    """Removed while the pool is released: it is gone, which is soon seen, and the end is the one that was asked for."""
    here = outside(sweep=make_sweep(2))

    def removing(twin: Twin, operation: str, answer: dict[str, Any]) -> dict[str, Any]:
        if answer.get("SecondaryStatus") == "Training" and not here.caught:
            here.caught.append(signal.SIGTERM)
        if answer.get("SecondaryStatus") == "Stopping" and not here.state:
            remove_state(here)
        return answer

    here.twin.alter = removing
    began = here.clock.now()
    ending = here.run()
    assert (ending.signal, ending.unreleased, here.pools) == (signal.SIGTERM, [], ["engine_gone"])
    assert here.clock.now() - began < 300
    assert here.statuses == [TrialStatus.INTERRUPTED, TrialStatus.PLANNED]
    here.caught.clear()
    here.twin.alter = lambda twin, operation, answer: answer
    here.run()
    assert here.statuses == [TrialStatus.COMPLETED] * 2 and here.nothing_is_open()


def test_row_94_what_went_with_the_engines_state_is_no_debt_of_the_watchdogs(tmp_path: Path) -> None:
    """Another state answers in the folder of the one that the journal names: there is nothing to wait for."""
    account = Account("local", "us-east-1", engine_folder=str(tmp_path))
    assert account.lost("one")
    assert not account.lost("")  # of a journal that named none
    (tmp_path / "identity").write_text("one")
    assert (account.lost("one"), account.lost("other")) == (False, True)
    assert not Account("aws", "us-east-1").lost("one")


def test_row_94_a_state_that_cannot_be_read_was_not_removed(tmp_path: Path) -> None:
    """Whatever keeps its name from being read: nothing is taken for gone, and nothing is written over it."""
    state = State(tmp_path, "one")
    (tmp_path / "identity").write_text("one")
    assert state() == "one"
    (tmp_path / "identity").unlink()
    (tmp_path / "identity").mkdir()
    assert state() == "one"
    assert not Account("local", "us-east-1", engine_folder=str(tmp_path)).lost("other")
    (tmp_path / "identity").rmdir()
    assert state() not in ("one", "")
