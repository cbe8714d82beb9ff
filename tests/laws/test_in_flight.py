"""Several jobs at once through the real runner: as fast as there is room, none lost, none doubled, none left."""

from __future__ import annotations

import os
import random
from collections import Counter
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest

from sweeper.aws.batch import BatchApi
from sweeper.backends.batch import Batch
from sweeper.backends.on_demand import OnDemand
from sweeper.backends.spot import Spot
from sweeper.core import events as ev
from sweeper.core.chain import fold
from sweeper.core.events import Closed, TrialStatus
from sweeper.core.model import OnFailure, Pruning, Sweep
from sweeper.core.ports import TrainingApi
from sweeper.core.scope import EngineKind
from sweeper.core.stop import rules
from sweeper.core.verify import verify
from sweeper.engine.training.job import milliseconds
from sweeper.engine.training.settings import ServiceSettings
from sweeper.simulation.drawn import ListedTrials, draw_sweep
from sweeper.simulation.queued import open_queue
from sweeper.simulation.simulation import Rivals, Simulation
from sweeper.testing.twin import Behaviour, Faults, Script, VirtualClock
from tests.laws.outside import Outside, Troubled, make_sweep, scripts

MINUTES = 60.0


class Queued(Outside):
    """The outside of a sweep that goes by way of its backend's queue."""

    @property
    def api(self) -> TrainingApi:
        """Batch and SageMaker, as the port puts them together."""
        through = self.sweep.backend.through
        return BatchApi(self.twin.ask, self.twin, through) if through else self.twin


def outside(folder: Path, sweep: Sweep, behaviour: Behaviour | None = None, room: int = 4, **service: Any) -> Queued:
    """A service without faults, and a queue with room for so many jobs."""
    clock = VirtualClock()
    settings = ServiceSettings(cold_start_s=200.0, **service)
    long = scripts(**{f"x{n}": Script(10 * MINUTES, metrics={"m": n / 100}) for n in range(len(sweep.trials))})
    twin = Troubled(clock, settings=settings, faults=Faults(), behaviour=behaviour or long)
    open_queue(twin, "q", room)
    return Queued(folder, sweep, twin, clock)


def seconds(folder: Path, most: int) -> float:
    """What twelve trials take on a queue of four when so many may be in flight."""
    here = outside(folder / str(most), make_sweep(12, backend=Batch("q", max_in_flight=most)))
    here.folder.mkdir()
    begun = here.clock.now()
    here.run()
    assert here.statuses == [TrialStatus.COMPLETED] * 12
    return here.clock.now() - begun


def test_four_at_once_on_a_queue_of_four_take_less_than_two_fifths_of_the_time(tmp_path: Path) -> None:
    """Cold starts of 200 s and ten minutes of training, simulated."""
    assert seconds(tmp_path, 4) < 0.4 * seconds(tmp_path, 1)


def many(trials: int, backend: Any) -> Sweep:
    """A long sweep with nothing but its trials."""
    drawn = draw_sweep(random.Random(0))
    return replace(
        drawn,
        trials=ListedTrials(trials),
        search=None,
        stop=(),
        backend=backend,
        on_failure=OnFailure(),
        prune=Pruning(),
    )


@pytest.mark.parametrize(
    "backend", [Batch("q", max_in_flight=4), Spot(max_in_flight=4), OnDemand(4)], ids=["batch", "spot", "on demand"]
)
def test_a_long_sweep_under_faults_deaths_and_other_peoples_jobs_loses_and_doubles_nothing(backend: Any) -> None:
    """Many trials, four at a time: every invariant, and after every death the next runner adopts all that run."""
    simulation = Simulation(1, declared=many(24, backend), chance=0.004, most_deaths=3, rivals=Rivals.NOBODY)
    result = simulation.run()
    assert result.violations == [] and result.deaths > 0
    host = simulation.hosts[0]
    assert verify(host.journal.events()) == []
    jobs = host.ledger.jobs
    most = max(sum(1 for other in jobs if other.created <= job.created < (other.ended or 0.0)) for job in jobs)
    assert most == 4


def crowded(seed: int, trials: int) -> list[str]:
    """What is broken after so many trials on a queue of four: calls fail, the runner dies, others submit jobs too."""
    sweep = many(trials, Batch("q", max_in_flight=4))
    chance = 0.0001  # at some twenty thousand touches: everything goes wrong until the last death, which comes late
    simulation = Simulation(
        seed, declared=sweep, chance=chance, rivals=Rivals.NOBODY, poll_s=120.0, room=4, crowded=True
    )
    broken = simulation.run().violations
    host, twin = simulation.hosts[0], simulation.twin
    if not host.abandoned:
        done = [trial for trial in fold(host.journal.events()).trials.values() if trial.finished]
        broken += [] if len(done) == trials else [f"{trials - len(done)} trials were lost"]
    broken += verify(host.journal.events())
    at_work = [(job.created, 1) for job in twin.service.jobs.values()]
    at_work += [(milliseconds(job.ended), -1) for job in twin.service.jobs.values() if job.ended is not None]
    most = max(accumulate(change for _, change in sorted(at_work)))
    broken += [f"{most} machines of four were used at once"] if most > 4 or (most < 4 and not host.abandoned) else []
    sent = [call.at for call in twin.calls if call.operation == "SubmitServiceJob"]
    fast = [at for at, sixth in zip(sent, sent[5:], strict=False) if sixth - at < 1.0]
    return broken + [f"six submissions in the second after {at}" for at in fast]


SEEDS = int(os.environ.get("SWEEPER_TEST_QUEUES", "1"))


def test_five_hundred_trials_on_a_crowded_queue_lose_and_double_nothing() -> None:
    """Every invariant under faults, deaths and a second user's jobs; capacity and rate are never exceeded."""
    assert {seed: found for seed in range(SEEDS) if (found := crowded(seed, 500))} == {}


def test_the_invariants_notice_one_job_too_many(tmp_path: Path) -> None:
    """A sweep that may have three in flight, judged as one that may have two."""
    simulation = Simulation(0, declared=many(6, OnDemand(3)), chaos=False, most_deaths=0)
    simulation.run()
    host = simulation.hosts[0]
    host.sweep = replace(host.sweep, backend=OnDemand(2))
    assert {broken[:3] for broken in host.check(left=False)} == {"I3:"}


@pytest.mark.parametrize("backend", [Batch("q", max_in_flight=3), OnDemand(3)], ids=["batch", "on demand"])
def test_a_signal_ends_all_that_is_in_flight(tmp_path: Path, backend: Any) -> None:
    """Each job is asked to stop once, all are seen ended, and the next run takes the same trials again."""
    here = outside(tmp_path, make_sweep(5, backend=backend), stopping_s=60.0)
    sent: list[ev.Created] = []

    def press(events: Any) -> None:
        sent.extend(event for event in events if isinstance(event, ev.Created))
        here.caught.extend([2] if len(sent) == 3 and not here.caught else [])

    here.after_append = press
    ending = here.run()
    assert ending.signal == 2 and not ending.unreleased
    stopped = [job for job in here.chain.jobs.values() if job.stop_reason]
    assert len(stopped) == 3 and all(job.closed is Closed.NEVER_HAD_POOL for job in here.chain.jobs.values())
    assert len([*here.calls("StopTrainingJob"), *here.calls("TerminateServiceJob")]) == 3
    here.caught.clear()
    here.after_append = lambda events: None
    here.run()
    assert here.statuses == [TrialStatus.COMPLETED] * 5 and here.nothing_is_open()


def test_the_goal_ends_what_runs_beside_it(tmp_path: Path) -> None:
    """The first trial that is good enough: the others in flight are stopped, and nothing else is sent."""
    sweep = make_sweep(6, backend=OnDemand(3), stop=rules({"until": {"metric": "m", "op": ">=", "value": 0.5}}))
    slow = {f"x{n}": Script(1000.0 + n, metrics={"m": 0.1}) for n in range(6)}
    here = outside(tmp_path, sweep, scripts(**{**slow, "x1": Script(100.0, metrics={"m": 0.9})}))
    here.run()
    statuses = Counter(here.statuses)
    assert (statuses[TrialStatus.COMPLETED], statuses[TrialStatus.INTERRUPTED]) == (1, 2)
    assert here.nothing_is_open()


def test_a_dead_runners_jobs_are_all_adopted(tmp_path: Path) -> None:
    """Killed with three in flight: its successor sends none of them again and waits for all."""
    here = outside(tmp_path, make_sweep(3, backend=Batch("q", max_in_flight=3)))
    here.dies(before=ev.Outcome)
    assert len(here.chain.unfinished) == 3
    here.run()
    assert here.statuses == [TrialStatus.COMPLETED] * 3 and len(here.calls("SubmitServiceJob")) == 3


def test_a_queue_is_asked_once_for_all_that_wait_and_no_look_crowds_an_account(tmp_path: Path) -> None:
    """On AWS: fewer questions than one by one, never a list of training jobs, never more in a second than it bears."""
    few = outside(tmp_path, replace(make_sweep(8, backend=Batch("q", max_in_flight=8)), engine=EngineKind.AWS), room=1)
    few.run()
    assert few.statuses == [TrialStatus.COMPLETED] * 8
    assert few.calls("ListTrainingJobs") == []
    lists, described = len(few.calls("ListServiceJobs")), len(few.calls("DescribeServiceJob"))
    assert described < lists * 8 / 2  # each list stands for eight of them
    looks = [call.at for call in few.twin.calls if call.operation.startswith(("Describe", "List"))]
    assert max(Counter(int(at) for at in looks).values()) <= 15


def test_a_quota_smaller_than_what_may_be_in_flight_is_waited_for(tmp_path: Path) -> None:
    """Two machines and four jobs: the others are sent again when one has ended, and none has failed for that."""
    here = outside(tmp_path, make_sweep(6, backend=OnDemand(4)), training_quota={"*": 2})
    begun = here.clock.now()
    here.run()
    assert here.statuses == [TrialStatus.COMPLETED] * 6 and set(here.failures) == {""}
    assert here.clock.now() - begun < 3 * 1.2 * (200 + 10 * MINUTES)  # three rounds of two
