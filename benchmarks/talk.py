"""How long the pool idles between two jobs when each has printed 64 MB, and when it has printed one line."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.idle import between, described
from sweeper.engine import launch
from sweeper.run.connect import engine_folder

JOBS = 4
MEGABYTES = 64
SCRIPT = """\
import sys
for _ in range(10_000 * int(sys.argv[2])):
    print("step 12345 of the training: the loss goes down, and nobody has looked at any of these lines " + "." * 12)
print("score=1")
"""
EXPERIMENT = f"""\
locked: {{role_arn: "arn:aws:iam::123456789012:role/mine", instance_type: ml.m5.xlarge}}
job:
  image_uri: "123456789012.dkr.ecr.us-east-1.amazonaws.com/train:1"
  source_dir: source
  entry_script: train.py
  max_runtime_s: 600
  metrics: [{{name: score, regex: "score=([-+]?(?:[0-9.]+(?:[eE][-+]?[0-9]+)?|nan|inf))"}}]
hyperparameters: {{megabytes: 0, x: 0}}
sweep: {{grid: {{hyperparameters.x: {{range: [0, {JOBS}, 1]}}}}}}
"""


def main() -> None:
    """Measure both on one engine and print them."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        for name in ("source", "experiments"):
            (project / name).mkdir()
        (project / "source/train.py").write_text(SCRIPT)
        (project / "experiments/talk.yaml").write_text(EXPERIMENT)
        state = engine_folder(project)
        serving = [sys.executable, "-m", "sweeper", "engine", "serve", "--detach", "--json", "--state-dir", str(state)]
        served = json.loads(subprocess.run(serving, capture_output=True, text=True, check=True).stdout)
        kept = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        own = {**kept, "XDG_STATE_HOME": str(project / "state"), "SWEEPER_OWNER": "bench"}
        try:
            for megabytes in (0, MEGABYTES):
                words = ["+experiment=talk", f"name=talk-{megabytes}", f"hyperparameters.megabytes={megabytes}"]
                chain = [sys.executable, "-m", "sweeper", *words]
                subprocess.run(chain, cwd=project, env=own, capture_output=True, check=True)
            jobs = described(served["environment"])
        finally:
            launch.stop(state)
    gaps = {MEGABYTES: between(jobs[JOBS:]), 0: between(jobs[:JOBS])}
    print(f"\npool idle between two of {JOBS} jobs, by what each has printed")
    for megabytes, found in gaps.items():
        told = f"median {statistics.median(found):.2f} s, {min(found):.2f} to {max(found):.2f}"
        print(f"  {megabytes or 'less than one':>13} MB  {told}")


if __name__ == "__main__":
    main()
