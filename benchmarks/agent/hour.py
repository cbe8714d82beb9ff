"""How many five-minute trials one machine does in an hour: the real runner against the service under a virtual clock.

Every second is simulated. How long the real service takes to start on a warm machine, and for how long a pool does not
show after a job, is not known to us: so it is told for several, beside what no runner at all could beat.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sweeper import config
from sweeper.config import project
from sweeper.core.model import Sweep
from sweeper.core.request import Staged
from sweeper.core.scope import EngineKind, Scope
from sweeper.engine.training.settings import ServiceSettings
from sweeper.record.journal import SqliteJournal
from sweeper.run.runner import Runner
from sweeper.run.world import World
from sweeper.simulation.host import Listener
from sweeper.testing.twin import Script, Twin, VirtualClock, always

TRIALS, TRAINS_S, COLD_S = 13, 300.0, 200.0
EXPERIMENT = f"""\
name: hour
locked: {{role_arn: "arn:aws:iam::123456789012:role/sweeper", instance_type: ml.m5.large}}
job:
  image_uri: "123456789012.dkr.ecr.us-east-1.amazonaws.com/train:1"
  launch: image
  max_runtime_s: 600
  metrics: [{{name: m, regex: "m=(.*)"}}]
hyperparameters: {{a: 0}}
sweep: {{grid: {{hyperparameters.a: {{range: [0, {TRIALS}, 1]}}}}}}
"""


@dataclass(frozen=True)
class Hour:
    """What came of it, with so many seconds to start on a warm machine, and so many without a pool after a job."""

    warm_s: float
    gap_s: float
    an_hour: float
    """Trials an hour, from the end of the first, which starts cold, to the end of the last."""

    @property
    def bound(self) -> float:
        """What a runner that loses nothing would come to."""
        return 3600 / (TRAINS_S + self.warm_s + self.gap_s)


def measured(warm_s: float, gap_s: float) -> Hour:
    """Run a chain of five-minute trials, looked at as on AWS."""
    ended: list[float] = []

    def drive(sweep: Sweep) -> int:
        clock = VirtualClock()
        settings = ServiceSettings(cold_start_s=COLD_S, warm_start_s=warm_s, settle_gap_s=gap_s)
        twin = Twin(clock, settings=settings, behaviour=always(Script(TRAINS_S, metrics={"m": 1.0})))
        journal = SqliteJournal(Path(sweep.project) / "runs/hour/journal.db", clock.now)
        world = World(twin, journal, clock, Listener(), lambda _: Staged("", {}, "s3://b/out"))
        ending = Runner(sweep, Scope(EngineKind.AWS, "123456789012", "us-east-1"), "bench", world).run()
        ended.extend(job.outcome.ended_at for job in ending.chain.outcomes if job.outcome and job.outcome.ended_at)
        return 0

    with _project():
        assert config.run(["+experiment=hour", "engine=aws", "engine.region=us-east-1"], drive) == 0
    assert len(ended) == TRIALS
    return Hour(warm_s, gap_s, 3600 * (TRIALS - 1) / (ended[-1] - ended[0]))


@contextmanager
def _project() -> Iterator[None]:
    """A project with the experiment, meanwhile the one that commands are about."""
    before = os.environ.get(project.VARIABLE)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "experiments").mkdir()
        (Path(folder) / "experiments/hour.yaml").write_text(EXPERIMENT)
        os.environ[project.VARIABLE] = folder
        try:
            yield
        finally:
            os.environ.pop(project.VARIABLE)
            if before is not None:
                os.environ[project.VARIABLE] = before


def told() -> str:
    """The figures, in words."""
    lines = [f"\n{TRIALS} trials of {TRAINS_S:.0f} s on one machine, looked at as on AWS; every second is simulated"]
    for warm_s, gap_s in ((0.0, 0.0), (5.0, 2.0), (20.0, 2.0), (20.0, 15.0)):
        hour = measured(warm_s, gap_s)
        lines.append(
            f"  warm start {warm_s:2.0f} s, no pool shows for {gap_s:2.0f} s: {hour.an_hour:.2f} an hour, "
            f"of {hour.bound:.2f} that there is time for"
        )
    return "\n".join(lines)
