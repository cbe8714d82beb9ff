"""The outside of one test: the service in process with the faults that the test asks for, real botocore, real SQLite.

Everything between is the product: the runner, the release, the journal and the mapping of botocore's errors.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sweeper.commands.exit_code import exit_code
from sweeper.commands.say import warn_unreleased
from sweeper.core import events as ev
from sweeper.core.chain import Chain, Job, fold
from sweeper.core.events import TrialStatus
from sweeper.core.measured import Readings
from sweeper.core.model import OnFailure, PoolSettings, Pruning, Sweep
from sweeper.core.ports import Journal, Request, TrainingApi
from sweeper.core.request import Staged, fingerprint
from sweeper.core.results import results
from sweeper.core.waits import Waits
from sweeper.engine.errors import ServiceError
from sweeper.engine.training.settings import ServiceSettings
from sweeper.engine.wire.faults import Loss, WireError
from sweeper.record.journal import SqliteJournal, read
from sweeper.run.debts import Closer
from sweeper.run.ending import Ending
from sweeper.run.release import Running
from sweeper.run.runner import Runner
from sweeper.run.world import Archive, Guard, Inbox, Logs, Place, World
from sweeper.simulation.danger import Crash, NoProgress
from sweeper.simulation.drawn import NAME, SCOPE, SECRET, ListedTrials, draw_sweep, metric_of
from sweeper.simulation.heard import Listener
from sweeper.simulation.invariants import Ledger, check
from sweeper.simulation.simulation import OWNER
from sweeper.testing.hook import Wire
from sweeper.testing.twin import Behaviour, Call, Faults, Script, Twin, VirtualClock

WIRE = Wire()
"""One set of boto3 clients for every test: making them takes longer than a sweep."""
CRASH = Crash()
MOST_CALLS = 5000
"""Calls in which every sweep of a test must have ended."""
Happens = Callable[[Sequence[ev.Event]], None]
STAGED = Staged("", {}, "s3://bucket/out")
LOST, GONE = WireError(Loss.REQUEST), WireError(Loss.ANSWER)


def denied(operation: str = "sagemaker:UpdateTrainingJob") -> ServiceError:
    """What IAM answers."""
    return ServiceError("AccessDeniedException", f"User: arn:aws:sts::1:x is not authorized to perform: {operation}")


def invalid(message: str) -> ServiceError:
    """A ValidationException with this text."""
    return ServiceError("ValidationException", message)


@dataclass
class Trouble:
    """What an operation meets, so often, instead of its answer; `applied`: the service did it all the same."""

    operation: str
    error: BaseException
    times: float = 1
    applied: bool = False
    when: Callable[[Twin], bool] = lambda twin: True

    def meets(self, twin: Twin, operation: str) -> bool:
        """True when it befalls this call."""
        if self.operation != operation or self.times <= 0 or not self.when(twin):
            return False
        self.times -= 1
        return True


class Troubled(Twin):
    """The twin on a wire on which the test's own troubles happen, and whose answers may be altered."""

    troubles: Sequence[Trouble] = ()
    dead = False
    alter: Callable[[Twin, str, dict[str, Any]], dict[str, Any]] = staticmethod(lambda twin, operation, answer: answer)

    def request(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """One call."""
        if self.dead:
            raise CRASH
        if len(self.calls) > MOST_CALLS:
            raise NoProgress
        trouble = next((t for t in self.troubles if t.meets(self, operation)), None)
        if trouble is None:
            return self.alter(self, operation, super().request(operation, params))
        if trouble.applied:
            self.apply(operation, params)
        what = str(getattr(trouble.error, "code", trouble.error))
        self.calls.append(Call(self.clock.now(), operation, str(params.get("TrainingJobName", "")), what))
        raise self.die() if trouble.error is CRASH else trouble.error

    def die(self) -> Crash:
        """From here on the runner touches nothing any more, whatever its handlers try."""
        self.dead = True
        return CRASH


def scripts(**of_trial: Script) -> Behaviour:
    """What each trial's container does (`x0=...`); the others print their metric after a minute."""

    def behave(request: Request, rng: random.Random) -> Script:
        found = of_trial.get(f"x{request['HyperParameters']['x']}")
        return found or Script(60.0, metrics={"m": metric_of(str(request["TrainingJobName"]))})

    return behave


def make_sweep(trials: int | Sequence[Mapping[str, Any]] = 2, **changes: Any) -> Sweep:
    """A plain sweep of so many trials, or of these, that keeps its pool for 300 s."""
    plain: dict[str, Any] = {
        "trials": ListedTrials(trials),
        "waits": Waits(poll_s=5.0),
        "stop": (),
        "pool": PoolSettings(keep_alive_s=300, last_job_releases=False),
        "on_failure": OnFailure(),
        "prune": Pruning(),
    }
    return replace(draw_sweep(random.Random(0)), **{**plain, **changes})


class Journaled:
    """A journal with which something happens before and after each append."""

    def __init__(self, journal: Journal, before: Happens, after: Happens) -> None:
        self._journal, self._before, self._after = journal, before, after

    def append(self, *events: ev.Event) -> None:
        """Append, unless `before` objects."""
        self._before(events)
        self._journal.append(*events)
        self._after(events)

    def events(self) -> Sequence[ev.Event]:
        """Every event."""
        return self._journal.events()


@dataclass
class Outside:
    """One service, one journal file, one virtual clock, and as many invocations of the runner as the test wants."""

    folder: Path
    sweep: Sweep
    twin: Troubled
    clock: VirtualClock
    listener: Listener = field(default_factory=Listener)
    caught: list[int] = field(default_factory=list)
    stage: Callable[[Mapping[str, Any]], Staged] = lambda config: STAGED
    before_append: Happens = lambda events: None
    after_append: Happens = lambda events: None
    keep: Callable[[Job], Iterator[None]] = lambda job: iter(())
    kept: Callable[[Job], bool] = lambda job: True
    log_metrics: Callable[[Job], Readings] = lambda job: Readings({})
    warm_pool_quota: Callable[[], float | None] = lambda: None
    lease_held: Callable[[], bool] = lambda: True
    state: str = ""
    renew: Callable[[], None] = lambda: None
    ending: Ending | None = None

    @property
    def path(self) -> Path:
        """The journal."""
        return self.folder / "journal.db"

    @property
    def api(self) -> TrainingApi:
        """The service through real botocore."""
        return WIRE.to(self.twin)

    def run(self) -> Ending:
        """One invocation, to its end."""
        self.listener.told.clear()
        journal = SqliteJournal(self.path, self.clock.now)
        try:
            self.ending = Runner(self.sweep, SCOPE, OWNER, self._world(journal)).run()
        finally:
            journal.close()
        return self.ending

    def _world(self, journal: Journal) -> World:
        return World(
            api=self.api,
            journal=Journaled(journal, self.before_append, self.after_append),
            clock=self.clock,
            progress=self.listener,
            stage=self.stage,
            logs=Logs(metrics=self.log_metrics),
            archive=Archive(self.keep, self.kept),
            inbox=Inbox(self.caught),
            guard=Guard(holds=self.lease_held),
            place=Place(lambda: self.state, renew=self.renew),
            warm_pool_quota=self.warm_pool_quota,
        )

    def dies(self, *, before: type[Any] | None = None, after: type[Any] | None = None) -> None:
        """One invocation that is killed just before or after it writes an event of this kind, or by a `CRASH`."""

        def objecting(events: Sequence[ev.Event]) -> None:
            if self.twin.dead or any(isinstance(event, before or ()) for event in events):
                raise self.twin.die()

        def noted(events: Sequence[ev.Event]) -> None:
            if any(isinstance(event, after or ()) for event in events):
                raise self.twin.die()

        earlier, self.before_append, self.after_append = self.before_append, objecting, noted
        try:
            self.run()
        except Crash:
            self.twin.dead = False
        else:
            raise AssertionError("it did not die")
        finally:
            self.before_append, self.after_append = earlier, lambda events: None

    def watchdog(self) -> None:
        """What the watchdog does once the runner is dead."""
        closer = Closer(self.api, self.sweep.waits, self.clock, self.listener.say)
        closer.close_all(self.chain, running=Running.AWAIT)

    @property
    def said(self) -> str:
        """Every line that a person was told, and every event."""
        return "\n".join(self.listener.lines)

    @property
    def journal(self) -> list[ev.Event]:
        """What is durable."""
        return [event for _, event in read(self.path)]

    @property
    def chain(self) -> Chain:
        """What the journal tells."""
        return fold(self.journal)

    @property
    def statuses(self) -> list[TrialStatus]:
        """The status of each declared trial, in order."""
        known = self.chain.trials
        return [known[t.id].status if t.id in known else TrialStatus.PLANNED for t in self.sweep.trials]

    @property
    def failures(self) -> list[str]:
        """The failure of each job with an outcome, in order."""
        return [job.outcome.failure for job in self.chain.outcomes if job.outcome]

    @property
    def pools(self) -> list[str]:
        """How each job's pool was seen closed, in order; empty while it was not."""
        return [job.closed.value if job.closed else "" for job in self.chain.jobs.values()]

    @property
    def warmth(self) -> list[str]:
        """cold, reused or none, for each job in order."""
        return [job.pool_word for job in self.chain.jobs.values()]

    @property
    def ledger(self) -> Ledger:
        """What the service knows of us."""
        return Ledger(self.twin, fingerprint(OWNER, NAME, "", 0).removesuffix("/0"))

    def calls(self, operation: str) -> list[Call]:
        """Every call of this operation."""
        return [call for call in self.twin.calls if call.operation == operation]

    def nothing_is_open(self) -> bool:
        """No pool of ours lives and no job of ours runs."""
        self.twin.advance(self.clock.now())
        return not self.ledger.open_pools() and all(job.ended is not None for job in self.ledger.jobs)

    def whole(self) -> bool:
        """Every invariant holds, and nothing is open."""
        broken = check(self.ledger, self.sweep, self.journal, self.ending, SECRET, self.listener.lines)
        assert broken == []
        return self.nothing_is_open()


def code_of(here: Outside, ending: Ending) -> int:
    """The exit code that a command line would end with; what may still bill is told."""
    return warn_unreleased(ending.unreleased) or exit_code(here.sweep, ending, results(here.sweep, ending.chain))


def make_outside(
    folder: Path,
    *troubles: Trouble,
    sweep: Sweep | None = None,
    settings: ServiceSettings | None = None,
    faults: Faults | None = None,
    behaviour: Behaviour | None = None,
    clock: VirtualClock | None = None,
) -> Outside:
    """A service like the documented one, with 2 s between the end of a job and its pool's status."""
    clock = clock or VirtualClock()
    chosen = settings or ServiceSettings(cold_start_s=90.0, warm_start_s=5.0, settle_gap_s=2.0)
    twin = Troubled(clock, settings=chosen, faults=faults or Faults(), behaviour=behaviour or scripts())
    twin.troubles = troubles
    return Outside(folder, sweep or make_sweep(), twin, clock)
