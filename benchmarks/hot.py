"""Hot starts: each kind of script as a hot and as a cold sweep on the local engine; what they print must be the same.

`python -m benchmarks.hot` measures the kinds whose packages are installed here; with --write their rows of the table in
docs/engine.md are written anew, which `make bench` does where all of them are.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sweeper.engine import launch
from sweeper.run.connect import engine_folder

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = Path(__file__).with_name("scripts")
PAGE = ROOT / "docs/engine.md"
BEGIN, END = "<!-- written by `make bench` -->\n", "<!-- until here -->\n"
SIZES = (4, 6, 8, 10, 12)
REST_S = 15  # the first trial of a hot sweep goes on for so long: an interpreter is made while it trains
SHELL = '#!/bin/sh\nset -e\nexport OMP_NUM_THREADS=1\nexec python train.py "$@"\n'


@dataclass(frozen=True)
class Kind:
    """A kind of script: the file that is its train.py, what it needs, and how it is started."""

    name: str
    script: str
    packages: Sequence[str]
    entry: str = "train.py"
    files: dict[str, str] = field(default_factory=dict)
    job: dict[str, Any] = field(default_factory=dict)

    @property
    def installed(self) -> bool:
        """Is everything here that it imports?"""
        try:
            return bool([version(package) for package in self.packages])
        except PackageNotFoundError:
            return False

    def lay_out(self, project: Path, rest_s: float) -> None:
        """Its source and its experiment, in this project; the first trial goes on for so long."""
        source = project / "source"
        source.mkdir()
        text = (SCRIPTS / f"{self.script}.py").read_text(encoding="utf-8")
        for name, content in {"train.py": text, **self.files}.items():
            (source / name).write_text(content.replace("SCRIPT", text), encoding="utf-8")
        (project / "experiments").mkdir()
        (project / "experiments/measured.yaml").write_text(json.dumps(self.experiment(rest_s)), encoding="utf-8")

    def experiment(self, rest_s: float) -> dict[str, Any]:
        """A sweep of it."""
        later = {f"size_{size}": {"hyperparameters.size": size} for size in SIZES[1:]}
        return {
            "name": "measured",
            "locked": {"role_arn": "arn:aws:iam::123456789012:role/sweeper", "instance_type": "ml.m5.large"},
            "job": {
                "image_uri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/any:1",
                "source_dir": "source",
                "entry_script": self.entry,
                "max_runtime_s": 600,
                "metrics": [{"name": "score", "regex": "score=([0-9.e+-]+)"}],
                **self.job,
            },
            "hyperparameters": {"size": SIZES[0], "rest": 0},
            "sweep": {"points": {"first": {"hyperparameters.rest": rest_s}, **later}},
            "objective": {"metric": "score", "goal": "maximize"},
        }


_FOREST = ("scikit-learn",)
_NAMED = "#!/usr/bin/env python\nSCRIPT"
KINDS = (
    Kind("RandomForest with `n_jobs`", "forest", _FOREST),
    Kind("XGBoost", "xgboost_trees", ("xgboost-cpu", "scikit-learn")),
    Kind("LightGBM", "lightgbm_trees", ("lightgbm", "scikit-learn")),
    Kind("torch with an optimizer", "torch_adamw", ("torch",)),
    Kind("torch with a DataLoader and workers", "torch_loader", ("torch",)),
    Kind("transformers", "transformers_bert", ("torch", "transformers")),
    Kind("a script without an ending", "forest", _FOREST, "train", {"train": "SCRIPT"}),
    Kind("one whose first line names `python`", "forest", _FOREST, "train", {"train": _NAMED}),
    Kind("a `.sh` that ends in `exec python`", "forest", _FOREST, "run.sh", {"run.sh": SHELL}),
    Kind("`launch: toolkit`", "forest", _FOREST, job={"launch": "toolkit"}),
    Kind(
        "a script with requirements",
        "forest",
        _FOREST,
        files={"requirements.txt": "joblib\n"},
        job={"requirements": "requirements.txt"},
    ),
)


@dataclass
class Sweep:
    """What came of one sweep: seconds of each later job from the start of its container, and what is compared."""

    jobs: list[float]
    hot: int
    logs: dict[str, bytes]  # of each trial: every number that it has printed


def sweep(kind: Kind, hot: bool) -> Sweep:
    """Run it in a project and on an engine of its own."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        kind.lay_out(project, REST_S if hot else 0)
        environment = {**os.environ, "XDG_STATE_HOME": str(project / "state")}
        command = [sys.executable, "-m", "sweeper", "+experiment=measured", f"engine.hot={str(hot).lower()}"]
        launch.ensure(engine_folder(project), {"hot": hot})
        try:
            subprocess.run(command, cwd=project, env=environment, capture_output=True, check=True)
        finally:
            launch.stop(engine_folder(project))
        with (project / "runs/measured/results.csv").open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        told = [_container(engine_folder(project) / "jobs" / row["job_name"]) for row in rows[1:]]
        trials = project / "runs/measured/trials"
        logs = {row["name"]: _printed(trials / row["trial"] / "log.txt") for row in rows}
    return Sweep([taken for taken, _ in told], sum(forked for _, forked in told), logs)


def _container(folder: Path) -> tuple[float, bool]:
    started, ended = (json.loads((folder / name).read_text()) for name in ("started.json", "exit.json"))
    return ended["ended_at"] - ended["started_at"], started["hot"]


def _printed(log: Path) -> bytes:
    """Every line of a log in which a number was measured."""
    return b"\n".join(line for line in log.read_bytes().splitlines() if b"score=" in line)


def measured(kind: Kind) -> str:
    """Both sweeps of a kind, as a row of the table."""
    cold, hot = sweep(kind, False), sweep(kind, True)
    assert all(hot.logs.values()), f"{kind.name}: {hot.logs}"
    assert hot.logs == cold.logs, f"{kind.name}: hot and cold sweeps have different results"
    ours, theirs = statistics.median(hot.jobs), statistics.median(cold.jobs)
    return f"| {kind.name} | {hot.hot} of {len(hot.jobs)} | {theirs:.2f} s | {ours:.2f} s | {ours / theirs:.2f} |"


def written(text: str, rows: Sequence[str]) -> str:
    """The text of the page with these rows of its table; those of kinds that were not measured are left."""
    before, _, rest = text.partition(BEGIN)
    table, _, after = rest.partition(END)
    known = {_name(row): row for row in [*table.splitlines()[2:], *rows]}
    heads = "| script | hot after the first | a job cold | a job hot | ratio |\n|---|---|---|---|---|\n"
    lines = "".join(f"{known[kind.name]}\n" for kind in KINDS if kind.name in known)
    return f"{before}{BEGIN}{heads}{lines}{END}{after}"


def _name(row: str) -> str:
    return row.split("|")[1].strip()


def main(arguments: Sequence[str]) -> None:
    """Measure the kinds that this environment has, and print them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hot", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the table of docs/engine.md")
    parser.add_argument("--only", default="", help="only kinds with this in their name")
    options = parser.parse_args(arguments)
    kinds = [kind for kind in KINDS if kind.installed and options.only in kind.name]
    print(
        "\nhot starts on the local engine: every later job of a pool hot or cold, what they print equal byte for byte"
    )
    print("  " + ", ".join(f"{name} {version(name)}" for name in sorted({p for kind in kinds for p in kind.packages})))
    rows = []
    for kind in kinds:
        rows.append(measured(kind))
        print(f"  {rows[-1]}", flush=True)
    if options.write:
        PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), rows), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
