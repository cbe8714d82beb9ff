"""One child process: a grid of N no-op trials through the whole chain on the virtual engine. Prints what it took."""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from sweeper import config
from sweeper.core.declared import ended
from sweeper.core.model import Sweep
from sweeper.core.request import Staged
from sweeper.core.scope import EngineKind, Scope
from sweeper.record.journal import SqliteJournal
from sweeper.run.runner import Runner
from sweeper.run.world import World
from sweeper.simulation.host import Listener
from sweeper.testing.twin import Script, Twin, VirtualClock, always

EXPERIMENT = """\
name: many
locked: {role_arn: "arn:aws:iam::123456789012:role/sweeper", instance_type: ml.m5.large}
job:
  image_uri: "123456789012.dkr.ecr.us-east-1.amazonaws.com/train:1"
  launch: image
  max_runtime_s: 600
  metrics: [{name: m, regex: "m=(.*)"}]
hyperparameters: {a: 0}
sweep: {grid: {hyperparameters.a: {range: [0, SIZE, 1]}}}
engine: {images: {"123456789012.dkr.ecr.us-east-1.amazonaws.com/train:1": ["true"]}}
"""


def drive(sweep: Sweep) -> int:
    """The real runner and journal, the pure core, the virtual engine."""
    clock = VirtualClock()
    twin = Twin(clock, behaviour=always(Script(0.0, metrics={"m": 1.0})))
    journal = SqliteJournal(Path(sweep.project) / "runs/many/journal.db", clock.now)
    world = World(twin, journal, clock, Listener(), lambda _: Staged("", {}, "s3://b/out"))
    scope = Scope(EngineKind.LOCAL, "123456789012", "us-east-1")
    ending = Runner(sweep, scope, "bench", world).run()
    assert len(ended(sweep, ending.chain)) == len(sweep.trials)
    return 0


def main(size: int) -> None:
    """Run it in a folder of its own."""
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        experiments = Path(folder) / "experiments"
        experiments.mkdir()
        (experiments / "many.yaml").write_text(EXPERIMENT.replace("SIZE", str(size)))
        import os

        os.environ["SWEEPER_PROJECT"] = folder
        assert config.run(["+experiment=many"], drive) == 0
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    told = {"seconds": time.perf_counter() - begun, "mb": memory, "boto3": "boto3" in sys.modules}
    print(json.dumps(told))


if __name__ == "__main__":
    main(int(sys.argv[1]))
