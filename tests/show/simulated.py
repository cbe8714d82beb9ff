"""The folder of a sweep of 24 trials in virtual time: two seeds each, failures, a pruned trial, a hostile name."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sweeper.core import prune
from sweeper.core.chain import Job
from sweeper.core.costs import Rate
from sweeper.core.measured import Line, part, reading
from sweeper.core.model import MetricDefinition, OnFailure, PoolSettings, Trial
from sweeper.core.ports import Request
from sweeper.core.secrets import Redactor
from sweeper.core.waits import Waits
from sweeper.engine.training.settings import ServiceSettings
from sweeper.record.journal import SqliteJournal
from sweeper.record.stored import StoredSweep
from sweeper.run.runner import Runner
from sweeper.run.trial_log import TrialLog
from sweeper.run.world import Archive, Logs, World
from sweeper.show.files import write_results
from sweeper.show.plain import as_yaml
from sweeper.simulation.drawn import LOCKED, SCOPE, ListedTrials, draw_sweep
from sweeper.simulation.heard import Listener, LogPosition, staged
from sweeper.testing.twin import Script, Twin, VirtualClock

LR, KIND, SEED = "hyperparameters.lr", "hyperparameters.kind", "hyperparameters.seed"
HOSTILE = "</script>%{x}<script>document.title='owned'</script><b>&amp;"
RATES, KINDS = (0.001, 0.01, 0.1, 1.0), ("sgd", "adam", HOSTILE)
STEPS, STEP_S = 20, 12.0
METRICS = (MetricDefinition("epoch", "epoch=(.*?) "), MetricDefinition("m", "m=(.*)"))
CONFIG: Mapping[str, Any] = {
    "name": "sweep",
    "locked": LOCKED,
    "engine": {"kind": "local", "cold_start_s": 90.0},
    "backend": {"kind": "warm_pool"},
    "prices": {"as_of": "2025-11", "usd_per_hour": {"ml.m5.large": 3.6}},
    "sweep": {"grid": {LR: list(RATES), KIND: list(KINDS)}, "repeat": 2},
    "objective": {"metric": "m", "goal": "maximize"},
}


class Grid(ListedTrials):
    """Every combination, twice."""

    keys = (LR, KIND, SEED)


def resolve(trial: Trial) -> Mapping[str, Any]:
    """The configuration of a trial."""
    values = {key.rpartition(".")[2]: value for key, value in trial.values.items()}
    job = {"launch": "image", "image_uri": "repo/train:1", "max_runtime_s": 3600}
    return {"locked": LOCKED, "job": job, "environment": {}, "hyperparameters": values}


def curve(lr: float, kind: str, seed: int) -> list[float]:
    """What a trial comes to, step by step; one of them runs away."""
    top = 0.9 - 0.1 * abs(math.log10(lr) + 1) - 0.05 * KINDS.index(kind) + 0.011 * seed
    values = [top * (1 - math.exp(-4 * step / STEPS)) for step in range(1, STEPS + 1)]
    return [*values[:8], math.nan] if (lr, kind) == (1.0, "adam") and not seed else values


def points(values: Mapping[str, Any]) -> list[tuple[float, Mapping[str, float]]]:
    """(seconds into the training, metrics)"""
    told = enumerate(curve(float(values["lr"]), str(values["kind"]), int(values["seed"])), 1)
    return [(step * STEP_S, {"epoch": float(step), "m": value}) for step, value in told]


def behave(request: Request, rng: random.Random) -> Script:
    """A container trains, fails at once, or prints NaN until it is stopped."""
    values = request["HyperParameters"]
    if (values["lr"], values["kind"]) == ("1.0", "sgd"):
        return Script(30.0, 1, "RuntimeError: CUDA out of memory.\nexit code 1")
    printed = points(values)
    return Script(STEPS * STEP_S + 5, 0, "", printed[-1][1], printed)


def run(project: Path) -> StoredSweep:
    """Run it, and write the files that a run leaves."""
    folder = project / "runs/sweep"
    folder.mkdir(parents=True)
    rows = [{LR: lr, KIND: kind, SEED: seed} for lr in RATES for kind in KINDS for seed in (0, 1)]
    sweep = replace(
        draw_sweep(random.Random(0)),
        trials=Grid(rows),
        resolve=lambda trial, *_: resolve(trial),
        metrics=METRICS,
        rate=Rate(0.001),
        composed=CONFIG,
        seed=SEED,
        prune=prune.pruning({"nan": True}),
        stop=(),
        on_failure=OnFailure(),
        pool=PoolSettings(keep_alive_s=300, last_job_releases=False),
        waits=Waits(poll_s=20.0),
    )
    clock = VirtualClock()
    settings = ServiceSettings(cold_start_s=90.0, warm_start_s=5.0, settle_gap_s=2.0)
    twin = Twin(clock, settings=settings, behaviour=behave)

    def keep(job: Job) -> Iterator[None]:
        values = {key.rpartition(".")[2]: value for key, value in job.intent.values.items()}
        begun = 1000 * (job.begun_at or 0)
        told = [(begun, f"training with {values}")]
        told += [(begun + 1000 * at, f"epoch={v['epoch']} m={v['m']}") for at, v in points(values)]
        failed = job.outcome and job.outcome.failure
        lines = [Line(int(at), text) for at, text in (told[:1] if failed else told)]
        log = TrialLog(folder / "trials" / job.intent.trial, Redactor())
        yield from log.whole([part(lines, reading(METRICS))])

    journal = SqliteJournal(folder / "journal.db", clock.now)
    news, archive = Logs(news=LogPosition(twin).news), Archive(keep, lambda job: False)
    Runner(sweep, SCOPE, "me", World(twin, journal, clock, Listener(), staged, logs=news, archive=archive)).run()
    journal.close()
    (folder / "config.yaml").write_text(as_yaml(dict(CONFIG)))
    stored = StoredSweep(folder)
    write_results(replace(sweep, composed=CONFIG), stored.chain, folder, Redactor())
    return stored
