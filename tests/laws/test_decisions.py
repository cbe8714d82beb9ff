"""Killed between a result and the decision about it: the rerun decides the same, by whatever rule or remedy."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import pytest

from sweeper.core import events as ev
from sweeper.core.chain import fold
from sweeper.core.costs import Rate
from sweeper.core.decide import decide
from sweeper.core.model import PoolSettings, Sweep
from sweeper.core.ports import Request
from sweeper.core.prune import pruning
from sweeper.core.remedies import on_failure
from sweeper.core.search import search_for
from sweeper.core.stop import rules
from sweeper.engine.training.settings import ServiceSettings
from sweeper.run.runner import Runner
from sweeper.run.world import Logs, World
from sweeper.simulation.danger import Crash, Danger, DyingApi, DyingClock, DyingJournal
from sweeper.simulation.drawn import BATCH, SCOPE
from sweeper.simulation.heard import Listener, LogPosition, staged
from sweeper.simulation.simulation import OWNER, Simulation
from sweeper.testing.journals import MemoryJournal
from sweeper.testing.twin import Script, Twin
from tests.laws.outside import make_sweep

SEEDS = 120
OPENED = ev.Opened("d", "s", "", "sweep", "simulated")
DEADLINE = "2023-11-14T22:16:40Z"
"""200 s after the beginning of virtual time."""


def printing(last: float, seconds: float = 60.0, **more: Any) -> Script:
    """A script that prints ten values on the way to its last one."""
    points = [(seconds * n / 10, {"m": last * n / 10}) for n in range(1, 11)]
    return Script(seconds, metrics={"m": last}, points=points, **more)


def failing(error: str = "ValueError: no") -> Script:
    """A script that ends with this error."""
    return Script(30.0, 1, f"{error}\nexit code 1")


OOM, SLOW = failing("RuntimeError: CUDA out of memory."), failing("SomeError: (SlowDown): Please reduce your rate")
SILENT = Script(2000.0, metrics={"m": 0.0})
UNTIL = {"until": {"metric": "m", "op": ">=", "value": 1}}


@dataclass(frozen=True)
class Case:
    """A rule or a remedy, what the trials do, and what is decided because of it: the mark that it leaves."""

    mark: str
    scripts: tuple[Script, ...] = (printing(0.3), printing(0.2), printing(0.1))
    stop: Mapping[str, Any] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)


def remedied(mark: str, *scripts: Script, **said: Any) -> Case:
    """What to do after a failure."""
    return Case(mark, scripts, more={"on_failure": on_failure(said)})


def pruned(rule: str, *scripts: Script, **prune: Any) -> Case:
    """When a running job is hopeless."""
    return Case(f"judged prune.{rule}", scripts, more={"prune": pruning(prune)})


GOOD, BAD, BEST = printing(0.9), printing(0.1), printing(1.0)
CASES = {
    "until, after the job": Case("decision until", (BAD, Script(60.0, metrics={"m": 1.0}), BAD), UNTIL),
    "until, in-run": Case("judged until", (BAD, printing(2.0, 600.0), BAD), UNTIL),
    "until, in-run, finish": Case("judged until", (BAD, printing(2.0, 600.0), BAD), {**UNTIL}, {"on_until": "finish"}),
    "until for 2": Case("decision until", (BAD, BEST, BEST, BAD), {"until": {**UNTIL["until"], "for": 2}}),
    "max_trials": Case("decision max_trials", stop={"max_trials": 2}),
    "max_seconds": Case("decision max_seconds", stop={"max_seconds": 200}),
    "deadline": Case("decision deadline", stop={"deadline": DEADLINE}),
    "max_failures, a number": Case("decision max_failures", (failing(), GOOD, failing(), GOOD), {"max_failures": 2}),
    "max_failures, a share": Case("decision max_failures", (failing(), GOOD, failing(), GOOD), {"max_failures": 0.5}),
    "no_improvement": Case("decision no_improvement", (GOOD, BAD, BAD, BAD), {"no_improvement": {"trials": 2}}),
    "budget_usd": Case("decision budget_usd", stop={"budget_usd": 0.55}),
    "any": Case("decision max_trials", stop={"any": [{"max_failures": 1}, {"max_trials": 2}]}),
    "all": Case(
        "decision max_trials+no_improvement", stop={"all": [{"max_trials": 2}, {"no_improvement": {"trials": 1}}]}
    ),
    "continue": remedied("outcome failed", failing(), GOOD, algorithm_error="continue"),
    "stop": remedied("decision on_failure.algorithm_error", GOOD, failing(), GOOD, algorithm_error="stop"),
    "retry": remedied("intent retry 2 of 2 after algorithm_error", failing(), GOOD, algorithm_error={"retry": 2}),
    "retry later": remedied("intent retry 1 of 1 after throttling", SLOW, GOOD, throttling={"retry": 1}),
    "patch": remedied(
        "intent hyperparameters.batch 32 -> 16", OOM, GOOD, out_of_memory={"patch": {BATCH: "value // 2"}}
    ),
    "next": remedied("intent hyperparameters.batch 32 -> 8", OOM, GOOD, out_of_memory={"next": {BATCH: [32, 8]}}),
    "default": remedied("intent retry 1 of 1 after algorithm_error", failing(), GOOD, default={"retry": 1}),
    "same_error_limit": remedied("decision same_error_limit", failing(), failing(), GOOD, same_error_limit=2),
    "median": pruned("median", GOOD, GOOD, BAD, median={"after_steps": 2, "min_trials": 2}),
    "percentile": pruned("percentile", GOOD, GOOD, BAD, percentile={"keep": 50, "min_trials": 2}),
    "patience": pruned("patience", printing(-1.0, 600.0), GOOD, patience={"steps": 2}),
    "halving": pruned("halving", GOOD, GOOD, BAD, halving={"first": 2, "factor": 2}),
    "nan": pruned("nan", printing(float("nan"), 600.0), GOOD, nan=True),
    "no_metric_s": pruned("no_metric_s", SILENT, GOOD, no_metric_s=60),
    "stalled_log_s": pruned("stalled_log_s", SILENT, GOOD, stalled_log_s=60),
}


class KillingJournal(MemoryJournal):
    """A journal whose writer is killed right after its n-th result or judgement."""

    def __init__(self, danger: Danger, killed_after: int) -> None:
        super().__init__()
        self._danger, self._left = danger, killed_after

    def append(self, *events: ev.Event) -> None:
        """Durable, and then it may be over."""
        super().append(*events)
        for event in events:
            if isinstance(event, (ev.Outcome, ev.Judged)):
                self._left -= 1
                self._danger.dead |= self._left == 0


def declared(case: Case) -> Sweep:
    """The sweep of this case; its jobs keep their pool."""
    plain: dict[str, Any] = {
        "prune": pruning({}),
        "on_until": "stop",
        "rate": Rate(0.001),
        "stop": rules(case.stop),
        "pool": PoolSettings(keep_alive_s=60, last_job_releases=False),
    }
    sweep = make_sweep(len(case.scripts), **{**plain, **case.more})

    def resolve(trial: Any) -> Mapping[str, Any]:
        config = sweep.resolve(trial)
        values = {**config["hyperparameters"], "batch": trial.values.get(BATCH, 32)}
        return {**config, "hyperparameters": values}

    return replace(sweep, resolve=resolve)


def story(case: Case, killed_after: int = 0) -> tuple[list[str], bool]:
    """(what was decided and came about, in order; whether the runner died). After its death it runs again."""

    def behave(request: Request, rng: random.Random) -> Script:
        script = case.scripts[int(request["HyperParameters"]["x"])]
        return GOOD if script is OOM and int(request["HyperParameters"]["batch"]) < 16 else script

    twin = Twin(settings=ServiceSettings(cold_start_s=90.0, warm_start_s=5.0, settle_gap_s=2.0), behaviour=behave)
    danger = Danger(random.Random(0), 0.0, 0)
    journal, sweep, died = KillingJournal(danger, killed_after), declared(case), False
    while True:
        world = World(
            api=DyingApi(twin, twin, danger),
            journal=DyingJournal(journal, danger),
            clock=DyingClock(twin.clock, danger),
            progress=Listener(),
            stage=staged,
            logs=Logs(news=LogPosition(twin).news, curve=twin.printed),
        )
        runner = Runner(sweep, SCOPE, OWNER, world)
        try:
            runner.run()
            return told(mark for event in journal.durable for mark in marked(event)), died
        except Crash:
            died, danger.dead = True, False


def told(marks: Iterator[str]) -> list[str]:
    """The marks in order; that a rerun comes to the same decision once more is what it should."""
    lines: list[str] = []
    for mark in marks:
        if not mark.startswith("decision") or mark not in lines:
            lines.append(mark)
    return lines


def marked(event: ev.Event) -> list[str]:
    """What of an event a rerun must not change; when it came and the seconds in its words may differ."""
    match event:
        case ev.Intent():
            return [f"intent {event.remedy or 'first'} {event.label} {event.attempt} {sorted(event.patches.items())}"]
        case ev.Outcome():
            return [f"outcome {event.trial_status} {event.failure}"]
        case ev.Judged():
            return [f"judged {event.rule} {event.verdict}"]
        case ev.Decided():
            return [f"decision {event.rule}"]
        case _:
            return []


@pytest.mark.parametrize("name", CASES)
def test_a_run_that_is_killed_after_any_result_goes_on_as_if_nothing_had_happened(name: str) -> None:
    """Each rule and each remedy: what it decides does not depend on whether the runner lived to decide it."""
    case = CASES[name]
    whole, _ = story(case)
    assert any(line.startswith(case.mark) for line in whole), whole
    for n in count(1):
        again, died = story(case, n)
        if not died:
            break
        assert again == whole, f"killed after result {n}"
    assert n > 1


def test_the_rerun_of_a_killed_run_decides_the_same_in_every_drawn_sweep() -> None:
    """For every result and every judgement in every journal, with a rerun after it and without one."""
    met: Counter[str] = Counter()
    for seed in range(SEEDS):
        simulation = Simulation(seed, chance=0.0, chaos=seed % 2 == 1)
        simulation.run()
        sweep, journal = simulation.sweep, simulation.journal.events()
        for end, event in enumerate(journal, start=1):
            if not isinstance(event, (ev.Outcome, ev.Judged)):
                continue
            before, after = fold(journal[:end]), fold([*journal[:end], OPENED])
            if before.stopping or before.decided:
                continue  # the end was decided before this result
            now = simulation.clock.now()
            decisions = [decide(sweep, search_for(sweep, chain), chain, now) for chain in (before, after)]
            assert decisions[0] == decisions[1], f"seed {seed}, event {end}"
            met[type(decisions[0]).__name__] += 1
    assert {"Submit", "Decide", "StopJob", "Wait", "Release"} <= set(met)
