"""One child process: plan a grid of ten million trials, every identity included. Prints what it took."""

from __future__ import annotations

import json
import os
import resource
import tempfile
import time
from pathlib import Path

from sweeper import config
from sweeper.core.model import Sweep

AXES = "".join(f"    hyperparameters.a{n}: {{range: [0, 10, 1]}}\n" for n in range(7))
EXPERIMENT = f"""\
name: millions
locked: {{role_arn: "arn:aws:iam::123456789012:role/sweeper", instance_type: ml.m5.large}}
job: {{image_uri: "123456789012.dkr.ecr.us-east-1.amazonaws.com/train:1", launch: image, max_runtime_s: 600}}
engine: {{images: {{"123456789012.dkr.ecr.us-east-1.amazonaws.com/train:1": ["true"]}}}}
hyperparameters: {{a0: 0, a1: 0, a2: 0, a3: 0, a4: 0, a5: 0, a6: 0}}
sweep:
  grid:
{AXES}"""


def walk(sweep: Sweep) -> int:
    """Every identity, and the last trial."""
    assert sum(1 for _ in sweep.trials.ids()) == len(sweep.trials) == 10_000_000  # type: ignore[attr-defined]
    assert sweep.trials[9_999_999].values["hyperparameters.a0"] == 9
    return 0


def main() -> None:
    """Run it in a folder of its own."""
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "experiments").mkdir()
        (Path(folder) / "experiments/millions.yaml").write_text(EXPERIMENT)
        os.environ["SWEEPER_PROJECT"] = folder
        assert config.run(["+experiment=millions"], walk) == 0
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": time.perf_counter() - begun, "mb": memory}))


if __name__ == "__main__":
    main()
