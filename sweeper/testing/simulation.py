"""The real runner, journal and release against the virtual twin: one seed is one sweep with its faults and crashes.

First chaos, in which calls fail and the runner dies and comes back; then quiet, in which the sweep must finish and
release. Nothing here reads a clock, sleeps or draws a number that does not come from the seed.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sweeper.backends.warm_pool import WarmPool
from sweeper.core import events as ev
from sweeper.core.chain import Chain, fold
from sweeper.core.costs import Rate
from sweeper.core.model import (
    EngineKind,
    EngineSettings,
    Goal,
    MetricDefinition,
    Objective,
    PoolSettings,
    Scope,
    Sweep,
    Trial,
)
from sweeper.core.request import Staged, build, digest, fingerprint, job_name
from sweeper.core.stop import rules
from sweeper.core.watch import News
from sweeper.debts import Closer
from sweeper.errors import ApiError, SweeperError
from sweeper.ports import Description, Journal, Request
from sweeper.runner import Ending, Runner, World
from sweeper.testing.invariants import Ledger, check
from sweeper.testing.journals import MemoryJournal
from sweeper.testing.twin import Faults, Script, Twin, VirtualClock

OWNER, NAME = "simulated", "sweep"
SCOPE = Scope(EngineKind.LOCAL, "123456789012", "us-east-1")
LOCKED = {
    "role_arn": "arn:aws:iam::123456789012:role/sweeper",
    "instance_type": "ml.m5.large",
    "instance_count": 1,
    "volume_size_in_gb": 30,
}
SECRET = "planted-secret-value"
MOST_RUNS = 12
"""Invocations after which the world goes quiet, whatever the seed still had in mind."""
MOST_TOUCHES = 20_000
"""Touches of the outside in which every sweep must have ended; a long one takes about three thousand."""
LONGEST_S = 40 * 86400.0
"""Virtual seconds in which every sweep must have ended."""


class Crash(BaseException):
    """The runner dies here, as by SIGKILL."""


class NoProgress(BaseException):
    """The runner goes round in circles."""


class ListedTrials:
    """Trials with one free value each."""

    keys = ("hyperparameters.x",)

    def __init__(self, n: int) -> None:
        self._trials = [Trial(i, digest(["x", i])[:16], f"x={i}", {"hyperparameters.x": i}) for i in range(n)]

    def __len__(self) -> int:
        return len(self._trials)

    def __getitem__(self, index: int) -> Trial:
        return self._trials[index]

    def __iter__(self) -> Iterator[Trial]:
        return iter(self._trials)

    def find(self, id: str, index: int) -> Trial | None:  # noqa: A002
        """The trial with this id."""
        return next((trial for trial in self._trials if trial.id == id), None)


FITS = 16
"""The largest batch that fits into a simulated machine."""
THROTTLED = 0.93
"""A job whose metric would be above this is throttled by what it reads from: a failure that is a matter of time."""
USD_PER_HOUR = 3.6


def metric_of(name: str) -> float:
    """The value that the job of this name prints: its own, so that a mixed-up result is noticed."""
    return int(digest(name)[:8], 16) / 2**32


def behaviour(request: Request, rng: random.Random) -> Script:
    """What a simulated container does."""
    last = metric_of(str(request["TrainingJobName"]))
    metrics = {"m": last}
    seconds = rng.choice((30.0, 120.0, 900.0))
    stops_in = rng.choice((1.0, 30.0, 200.0))
    if float(request.get("HyperParameters", {}).get("batch", 1)) > FITS:
        return Script(seconds / 10, 1, "RuntimeError: CUDA out of memory.\nexit code 1", stops_in=stops_in)
    if last > THROTTLED:
        return Script(seconds / 10, 1, "SomeError: (SlowDown): Please reduce your request rate\nexit code 1")
    if rng.random() < 0.1:
        return Script(seconds, 1, "ValueError: no\nexit code 1", stops_in=stops_in)
    # Ten values on the way to the last one; some jobs are better for a while than they are in the end.
    high = rng.choice((1.0, 1.0, 1.3))
    points = [(seconds * n / 10, {"m": last * high * n / 9}) for n in range(10)] if rng.random() < 0.5 else []
    return Script(seconds, 0, "", metrics, points, stops_in=stops_in)


def draw_sweep(rng: random.Random) -> Sweep:
    """A sweep of one to five trials with some of what an experiment file may ask for."""
    trials = ListedTrials(rng.choice((1, 2, 3, 5)))
    base = {
        "locked": LOCKED,
        "job": {"launch": "image", "image_uri": "repo/train:1", "max_runtime_s": 3600},
        "environment": {"TOKEN": SECRET},
    }
    declared: list[Mapping[str, Any]] = [
        {},
        {},
        {"max_trials": 2},
        {"until": {"metric": "m", "op": ">=", "value": 0.8}},
        {"until": {"metric": "m", "op": ">=", "value": 0.3, "for": 2}},
        {"max_seconds": rng.choice((300, 3000))},
        {"max_failures": rng.choice((1, 2, 0.5))},
        {"no_improvement": {"trials": 1}},
        {"all": [{"max_trials": 1}, {"no_improvement": {"trials": 1}}]},
        {"budget_usd": rng.choice((0.75, 1.6, 4.0))},
        {"budget_usd": 2.5, "until": {"metric": "m", "op": ">=", "value": 0.9}},
    ]
    failures: list[Mapping[str, Any]] = [
        {},
        {"internal_error": {"retry": 2}, "capacity": {"retry": 1}, "throttling": {"retry": 3}},
        {"algorithm_error": "stop"},
        {"same_error_limit": 2},
        {"out_of_memory": {"patch": {"hyperparameters.batch": "max(1, value // 2)"}}},
        {"out_of_memory": {"next": {"hyperparameters.batch": [32, 8]}}, "internal_error": {"retry": 1}},
    ]
    prunes: list[Mapping[str, Any]] = [
        {},
        {},
        {"median": {"after_steps": 2, "min_trials": 1}},
        {"patience": {"steps": 3}, "nan": True},
        {"halving": {"first": 2, "factor": 2}},
        {"no_metric_s": 60, "stalled_log_s": 300},
    ]
    batch = rng.choice((1, 1, 1, 64))
    return Sweep(
        name=NAME,
        locked=LOCKED,
        locked_digest=digest(LOCKED),
        digest="d",
        source_digest="s",
        trials=trials,
        resolve=lambda trial: {
            **base,
            "hyperparameters": {
                "x": trial.values["hyperparameters.x"],
                "batch": trial.values.get("hyperparameters.batch", batch),
            },
        },
        engine_settings=EngineSettings(poll_s=rng.choice((5.0, 10.0, 30.0))),
        metrics=(MetricDefinition("m", "m=(.*)"),),
        objective=Objective("m", Goal.MAXIMIZE),
        stop=rules(rng.choice(declared)),
        on_until=rng.choice(("stop", "stop", "finish")),
        prune=rng.choice(prunes),
        rate=Rate(USD_PER_HOUR / 3600),
        max_runtime_s=3600,
        pool=PoolSettings(keep_alive_s=rng.choice((60, 300, 900, 3600, "auto")), last_job_releases=rng.random() < 0.5),
        on_failure=rng.choice(failures),
    )


@dataclass
class Danger:
    """Where the runner dies and when a signal comes: a chance at every touch of the outside, so often at most."""

    rng: random.Random
    chance: float
    deaths_left: int
    signal_chance: float = 0.0
    caught: list[int] = field(default_factory=list)
    deaths: int = 0
    touches: int = 0
    die_at: int | None = None
    dead: bool = False

    def touch(self) -> None:
        """The runner may die here; a dead one touches nothing any more, whatever its handlers try."""
        if self.dead:
            raise Crash
        self.touches += 1
        if self.touches > MOST_TOUCHES:
            raise NoProgress
        due = self.die_at is not None and self.touches == self.die_at
        if due or (self.deaths_left > 0 and self.rng.random() < self.chance):
            self.deaths_left -= 1
            self.deaths += 1
            self.dead = True
            raise Crash

    def tempt(self) -> None:
        """A person may press Ctrl-C here."""
        if self.rng.random() < self.signal_chance:
            self.caught.append(2)

    def none(self) -> None:
        """No more danger."""
        self.chance = self.signal_chance = 0.0
        self.deaths_left = 0


class DyingApi:
    """The TrainingApi port with a chance to die before and after every call."""

    def __init__(self, twin: Twin, danger: Danger) -> None:
        self._twin, self._danger = twin, danger

    def create_training_job(self, request: Request) -> str:
        """CreateTrainingJob."""
        return str(self._call(lambda: self._twin.create_training_job(request)))

    def describe_training_job(self, name: str) -> Description:
        """DescribeTrainingJob."""
        return dict(self._call(lambda: self._twin.describe_training_job(name)))

    def stop_training_job(self, name: str) -> None:
        """StopTrainingJob."""
        self._call(lambda: self._twin.stop_training_job(name))

    def update_training_job(self, name: str, keep_alive_s: int) -> None:
        """UpdateTrainingJob."""
        self._call(lambda: self._twin.update_training_job(name, keep_alive_s))

    def list_training_jobs(self, **filters: Any) -> list[Description]:
        """ListTrainingJobs."""
        return list(self._call(lambda: list(self._twin.list_training_jobs(**filters))))

    def _call(self, call: Callable[[], Any]) -> Any:
        self._danger.touch()
        try:
            answer = call()
        except ApiError:
            self._danger.touch()
            raise
        self._danger.touch()
        return answer


class DyingClock(VirtualClock):
    """Virtual time in which the runner may die while it sleeps; it belongs to one invocation."""

    def __init__(self, world: VirtualClock, danger: Danger) -> None:
        self._world, self._danger = world, danger

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._world.now()

    def monotonic(self) -> float:
        """The same."""
        return self._world.monotonic()

    def sleep(self, seconds: float) -> None:
        """Let time pass, dangerously."""
        self._danger.touch()
        # A loop that never waits would hang the simulation: time always moves.
        self._world.sleep(max(seconds, 0.001))
        self._danger.tempt()
        self._danger.touch()


class DyingJournal:
    """A journal that may die before the append is durable, or right after."""

    def __init__(self, journal: Journal, danger: Danger) -> None:
        self._journal, self._danger = journal, danger

    def append(self, *events: ev.Event) -> None:
        """Append, dangerously."""
        self._danger.touch()
        self._journal.append(*events)
        self._danger.touch()

    def events(self) -> Sequence[ev.Event]:
        """Every event."""
        return self._journal.events()


class Listener:
    """The Progress port: keeps what was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def event(self, event: ev.Event, chain: Chain) -> None:
        """An event, as text."""
        self.lines.append(repr(event))

    def watching(self, name: str, description: Mapping[str, Any]) -> None:
        """Nothing."""

    def say(self, line: str) -> None:
        """A line."""
        self.lines.append(line)


class LogPosition:
    """The log of a simulated job, read on from where it was left by this invocation."""

    def __init__(self, twin: Twin) -> None:
        self._twin = twin
        self._read: dict[str, int] = {}

    def news(self, name: str) -> News:
        """The points that were printed since the last look."""
        points = self._twin.printed_by(name)[self._read.get(name, 0) :]
        self._read[name] = self._read.get(name, 0) + len(points)
        return News(len(points), points)


@dataclass
class Result:
    """What one seed came to."""

    seed: int
    violations: list[str]
    runs: int
    deaths: int
    jobs: int
    calls: int
    trace: list[str]


@dataclass
class Simulation:
    """One seed."""

    seed: int
    runner: type[Runner] = Runner
    chance: float = 0.01
    most_deaths: int = 3
    chaos: bool = True
    die_at: int | None = None
    journal: Journal = field(default_factory=MemoryJournal)
    api_of: Callable[[Twin], Any] = lambda twin: twin
    squatted: bool = False
    runs: int = 0

    def run(self) -> Result:
        """Run the sweep to its end, through every crash, and check the invariants."""
        try:
            return self._run()
        except NoProgress:
            return self._result(["liveness: the sweep goes round in circles"])

    def _run(self) -> Result:
        rng = random.Random(f"simulation {self.seed}")
        self._make_world(rng)
        abandoned = self.chaos and rng.random() < 0.15
        begun, quiet = self.clock.now(), False
        while True:
            self.runs += 1
            if quiet:
                self.twin.quiet()
                self.danger.none()
            ending = self._invoke()
            if self._over(ending, abandoned):
                break
            quiet = quiet or self.danger.deaths_left <= 0 or ending is not None
            self._between(rng, ending)
        violations = self._checked(None if self.squatted else ending)
        if ending is None:
            violations += self._abandon()
        elif (ending.unreleased or ending.signal) and not self.squatted:
            violations.append("liveness: the sweep did not finish in the quiet phase")
        if self.clock.now() - begun > LONGEST_S:
            violations.append("liveness: the sweep took more than forty days of virtual time")
        return self._result(violations)

    def _make_world(self, rng: random.Random) -> None:
        self.sweep = draw_sweep(rng)
        self.clock = VirtualClock()
        self.twin = Twin.drawn(self.seed, self.clock, behaviour)
        if not self.chaos:
            self.twin.faults = Faults()
        self.ledger = Ledger(self.twin, fingerprint(OWNER, NAME, "", 0).removesuffix("/0"))
        self.squatted = self.chaos and rng.random() < 0.03
        if self.squatted:
            self._squat()
        deaths = rng.choice(range(self.most_deaths + 1))
        signals = rng.choice((0.0, 0.002, 0.03)) if self.chaos else 0.0
        self.danger = Danger(rng, self.chance, deaths, signals, die_at=self.die_at)
        self.listener = Listener()

    def _squat(self) -> None:
        """Someone else has a job of the name that ours would get."""
        trial = self.sweep.trials[0]
        request = build(
            {**self.sweep.resolve(trial), "environment": {}},
            name=job_name(OWNER, SCOPE, NAME, trial.id, 1),
            mark="someone/else/entirely/1",
            sweep="theirs",
            max_runtime_s=3600,
            staged=Staged("", {}, "s3://bucket/out"),
            region=SCOPE.region,
        )
        self.twin.apply("CreateTrainingJob", request)

    def _over(self, ending: Ending | None, abandoned: bool) -> bool:
        """Done, left for ever, refused by a foreign name, or tried often enough."""
        if ending is None:
            return abandoned
        return self.squatted or not (ending.signal or ending.unreleased) or self.runs > MOST_RUNS

    def _checked(self, ending: Ending | None) -> list[str]:
        return check(self.ledger, self.sweep, self.journal.events(), ending, SECRET, self.listener.lines)

    def _result(self, violations: list[str]) -> Result:
        calls, jobs = len(self.twin.calls), len(self.ledger.jobs)
        return Result(self.seed, violations, self.runs, self.danger.deaths, jobs, calls, self._trace())

    def _invoke(self) -> Ending | None:
        """One invocation: None when it died, or ended by an error that its command line would tell."""
        self.danger.caught.clear()
        self.danger.dead = False
        world = World(
            api=DyingApi(self.api_of(self.twin), self.danger),
            journal=DyingJournal(self.journal, self.danger),
            clock=DyingClock(self.clock, self.danger),
            backend=WarmPool(),
            progress=self.listener,
            stage=lambda config: Staged("", {}, "s3://bucket/out"),
            caught=self.danger.caught,
            read_log=LogPosition(self.twin).news,
            curve=self.twin.printed,
        )
        try:
            runner = self.runner(self.sweep, SCOPE, OWNER, world)
            ending = runner.run()
        except Crash:
            return None
        except SweeperError as error:
            # The command line would tell it and exit; the pools are closed or named.
            self.listener.say(f"error: {error}")
            named = list(getattr(error, "unreleased", []))
            return Ending("error", fold(self.journal.events()), 2, named)
        self.ledger.compare_replay(runner.chain, fold(self.journal.events()))
        if not ending.unreleased:
            self.ledger.nothing_open()
        return ending

    def _between(self, rng: random.Random, ending: Ending | None) -> None:
        """Time passes until someone runs it again; the watchdog acts when that takes longer than its grace."""
        self.clock.sleep(rng.choice((1.0, 30.0, 600.0, 7200.0)))
        if ending is None and rng.random() < 0.5:
            closer = Closer(self.twin, self.sweep.engine_settings, self.clock, self.listener.say)
            closer.close_all(fold(self.journal.events()), stop_running=False)
        self.twin.advance(self.clock.now())

    def _abandon(self) -> list[str]:
        """Nobody ever comes back: the keep-alive is the bound."""
        self.twin.quiet()
        self.clock.sleep(10 * 3600.0)
        self.twin.advance(self.clock.now())
        alive = self.ledger.open_pools()
        return [f"I4: a pool lives ten hours after everyone left: {alive}"] if alive else []

    def _trace(self) -> list[str]:
        return [f"{c.at - 1_700_000_000:10.2f} {c.operation:22} {c.name:40} {c.result}" for c in self.twin.calls]


def simulate(seeds: Sequence[int], **options: Any) -> Iterator[Result]:
    """One result a seed."""
    for seed in seeds:
        yield Simulation(seed, **options).run()
