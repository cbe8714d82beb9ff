"""One child process: the same grid of N no-op trials under Hydra's own BasicSweeper. Prints what it took."""

from __future__ import annotations

import json
import logging
import os
import resource
import sys
import tempfile
import time

import hydra
from omegaconf import DictConfig

CONFIG = """\
defaults: [_self_, {override hydra/hydra_logging: none}, {override hydra/job_logging: none}]
locked: {role_arn: "arn:aws:iam::123456789012:role/sweeper", instance_type: ml.m5.large}
job: {image_uri: "123456789012.dkr.ecr.us-east-1.amazonaws.com/train:1", max_runtime_s: 600}
hyperparameters: {a: 0}
hydra: {output_subdir: null, sweep: {dir: out, subdir: "."}}
"""


def main(size: int) -> None:
    """Run it in a folder of its own."""
    logging.disable(logging.CRITICAL)
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        with open("config.yaml", "w") as file:  # noqa: PTH123
            file.write(CONFIG)
        old = hydra.__version__.startswith("1.3")
        given = {"version_base": "1.3"} if old else {}

        @hydra.main(config_path=folder, config_name="config", **given)
        def task(config: DictConfig) -> None:
            """Nothing."""

        sys.argv = ["basic", "-m", f"hyperparameters.a=range({size})"] if size else ["basic"]
        task()
        os.chdir("/")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": time.perf_counter() - begun, "mb": memory}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
