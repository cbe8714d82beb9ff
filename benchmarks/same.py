"""One child process: a Hydra app and nothing else, which composes the configuration that `sweeper plan` composes."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import hydra
from omegaconf import DictConfig

ROOT = Path(__file__).resolve().parent.parent


def main(experiment: str) -> None:
    """Compose it, with our groups and this experiment as a plain config group of Hydra's."""
    with tempfile.TemporaryDirectory() as folder:
        conf = Path(folder) / "conf"
        shutil.copytree(ROOT / "conf", conf)
        primary = (conf / "config.yaml").read_text(encoding="utf-8")
        (conf / "config.yaml").write_text(primary.replace("  - override hydra/sweeper: chain\n", ""), encoding="utf-8")
        (conf / "experiment").mkdir()
        declared = (ROOT / f"experiments/{experiment}.yaml").read_text(encoding="utf-8")
        (conf / f"experiment/{experiment}.yaml").write_text(f"# @package _global_\n{declared}", encoding="utf-8")
        given = {"version_base": "1.3"} if hydra.__version__.startswith("1.3") else {}

        @hydra.main(config_path=str(conf), config_name="config", **given)
        def task(config: DictConfig) -> None:
            """Nothing."""

        os.chdir(folder)
        sys.argv = ["same", f"+experiment={experiment}", "hydra.output_subdir=null"]
        task()
        os.chdir("/")


if __name__ == "__main__":
    main(sys.argv[1])
