"""Hot starts: one experiment as a hot and as a cold sweep on the local engine; the results must be the same."""

from __future__ import annotations

import csv
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from sweeper.engine import launch
from sweeper.run.connect import engine_folder

EXPERIMENT = "lora_ranks"
ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Sweep:
    """What one sweep took, and what came out of it."""

    seconds: float  # the whole command
    jobs: list[float]  # seconds from the start of each later job's container to its end
    hot: int
    logs: dict[str, bytes]  # of each trial: every number that it has printed


def sweep(hot: bool) -> Sweep:
    """Run the experiment in a project and on an engine of its own."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        shutil.copytree(ROOT / "experiments", project / "experiments")
        environment = {**os.environ, "XDG_STATE_HOME": str(project / "state")}
        command = [sys.executable, "-m", "sweeper", f"+experiment={EXPERIMENT}", f"engine.hot={str(hot).lower()}"]
        launch.ensure(engine_folder(project), {"hot": hot})
        try:
            begun = time.perf_counter()
            subprocess.run(command, cwd=project, env=environment, capture_output=True, check=True)
            seconds = time.perf_counter() - begun
        finally:
            launch.stop(engine_folder(project))
        with (project / "runs" / EXPERIMENT / "results.csv").open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        told = [_container(engine_folder(project) / "jobs" / row["job_name"]) for row in rows[1:]]
        trials = project / "runs" / EXPERIMENT / "trials"
        logs = {row["name"]: (trials / row["trial"] / "log.txt").read_bytes() for row in rows}
    return Sweep(seconds, [taken for taken, _ in told], sum(forked for _, forked in told), logs)


def _container(folder: Path) -> tuple[float, bool]:
    started, ended = (json.loads((folder / name).read_text()) for name in ("started.json", "exit.json"))
    return ended["ended_at"] - ended["started_at"], started["hot"]


def main() -> None:
    """Alternate the two, twice, and print the ratio."""
    hot, cold = [], []
    for _ in range(2):
        cold.append(sweep(False))
        hot.append(sweep(True))
    assert all(one.logs == cold[0].logs for one in [*cold, *hot]), "hot and cold sweeps have different results"
    print(f"\n{EXPERIMENT} on the local engine, every later job of the pool hot or cold; logs equal byte for byte")
    print("  " + ", ".join(f"{name} {version(name)}" for name in ("numpy", "scikit-learn")))
    job, chain = [], []
    for name, runs in (("hot", hot), ("cold", cold)):
        job.append(statistics.median(taken for run in runs for taken in run.jobs))
        chain.append(statistics.median(run.seconds for run in runs))
        forked = f"{runs[0].hot} of {len(runs[0].jobs)} forked"
        print(f"  {name:4}  a job {job[-1]:5.2f} s, the sweep {chain[-1]:5.2f} s ({forked})")
    print(f"  ratio of a job {job[0] / job[1]:.2f}, of the sweep {chain[0] / chain[1]:.2f}")


if __name__ == "__main__":
    main()
