"""Weights & Biases: a run for each trial, by default into files beside the sweep that `wandb sync` sends later."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from sweeper.core.options import option
from sweeper.core.tracked import BAD, Tracked, TrialEnded
from sweeper.record.atomic import private_folder
from sweeper.tracking.attempts import RunPerTrial, identity, values

FOLDER = "wandb"
_CHILD = "from sweeper.tracking.wandb import write_run; write_run()"
_QUIET = {"WANDB_ERROR_REPORTING": "false", "WANDB_SILENT": "true"}
"""How its package behaves where the user has not said otherwise."""


@dataclass(frozen=True)
class Wandb(RunPerTrial):
    """Keeps a run of Weights & Biases per trial, all of them in one group: in files, or at its server."""

    kind: ClassVar[str] = "wandb"
    needs: ClassVar[str] = "wandb"
    secrets: ClassVar[tuple[str, ...]] = ()
    variables: ClassVar[tuple[str, ...]] = ("WANDB_API_KEY",)

    mode: Literal["offline", "online"] = option(
        "offline: into runs/NAME/wandb, for `wandb sync`; online: to the server.", default="offline"
    )
    project: str | None = option("W&B's project; default: the sweep's name.", default=None, low=1)
    entity: str | None = option("Whose project; default: W&B's own.", default=None, low=1)
    timeout_s: float = option("The longest that a trial's run may take, in seconds.", default=120.0, low=1, high=3600)

    @property
    def patience_s(self) -> float:
        """One run, and what it takes to begin it."""
        return self.timeout_s + 1

    def show(self, sweep: Tracked, ended: TrialEnded) -> None:
        """Write the trial's run, or send it, by a process of its own. Raises OSError.

        The package starts others, and nothing of it holds up our end.
        That process outlives us when we are killed. So it writes aside, and what is whole is put in its place by us.
        """
        place = private_folder(sweep.folder.absolute() / FOLDER)
        name = identity(sweep.notes)[:8] + ended.trial
        for left in place.glob(f".{ended.trial}.*"):
            shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=place, prefix=f".{ended.trial}.") as aside:
            with tempfile.TemporaryFile("w+", encoding="utf-8") as told:
                told.write(json.dumps(self._run(sweep, ended, name, aside), default=str) + "\n")
                for row in rows(ended):
                    told.write(json.dumps(row) + "\n")
                told.seek(0)
                self._told(told.fileno(), aside)
            for before in place.glob(f"*run-*-{name}*"):  # another attempt's
                shutil.rmtree(before, ignore_errors=True)
            for run in Path(aside, FOLDER).glob(f"*run-*-{name}*"):
                run.replace(place / run.name)

    def _run(self, sweep: Tracked, ended: TrialEnded, name: str, aside: str) -> Mapping[str, Any]:
        """What W&B is asked to begin, and what stands in the end."""
        again = f" (attempt {ended.attempt})" if ended.attempt > 1 else ""
        known = ("train_seconds", "billable_seconds", "cost_usd", "failure", "message", "model")
        told = {f"sweeper.{key}": value for key in known if (value := getattr(ended, key)) not in ("", None)}
        log = sweep.folder.absolute() / "trials" / ended.trial / "log.txt"
        return {
            "init": {
                "id": name + (f"-{ended.attempt}" if again else ""),
                "name": ended.name + again,
                "project": self.project or sweep.name,
                "entity": self.entity,
                "group": sweep.name,
                "job_type": "trial",
                "mode": self.mode,
                "dir": aside,
                "config": {**ended.values, "sweeper.trial": ended.trial, "sweeper.job": ended.job},
                **({"resume": "allow"} if self.mode == "online" else {}),
            },
            "summary": {**ended.metrics, **told, "sweeper.status": ended.status.value},
            "log": str(log) if log.is_file() else None,
            "exit_code": int(ended.status in BAD),
        }

    def _told(self, told: int, aside: str) -> None:
        command = [sys.executable, "-c", _CHILD]
        try:
            done = subprocess.run(
                command,
                stdin=told,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=aside,
                env={**_QUIET, **os.environ},
                start_new_session=True,  # Ctrl-C is for the sweep
                timeout=self.timeout_s,
                text=True,
                errors="replace",
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise OSError(f"killed, as it had not ended after {self.timeout_s:g} s") from None
        if done.returncode:
            raise OSError(done.stdout.strip().rpartition("\n")[2] or f"it ended with {done.returncode}")


def rows(ended: TrialEnded) -> Iterator[dict[str, float]]:
    """The values of its metrics as W&B has them, a row a step: those of one moment are a row."""
    row, at = dict[str, float](), None
    for one in values(ended):
        if row and (one.metric in row or one.at != at):
            yield row
            row = {}
        row[one.metric], at = one.value, one.at
    if row:
        yield row


def write_run() -> None:
    """What the process does: a run as the first line of stdin asks for it, with the rows of the others."""
    import wandb

    asked = json.loads(sys.stdin.readline())
    # what it would tell of this machine, which has trained nothing; not every version asks for all of it
    off = {f"x_disable_{what}": True for what in ("meta", "stats", "machine_info")} | {"x_save_requirements": False}
    known = {name: value for name, value in off.items() if name in wandb.Settings.model_fields}
    settings = wandb.Settings(console="off", silent=True, disable_git=True, save_code=False, **known)
    with wandb.init(**asked["init"], settings=settings) as run:
        for step, line in enumerate(sys.stdin):
            run.log(json.loads(line), step=step)
        run.summary.update(asked["summary"])
        if asked["log"]:
            with suppress(OSError):
                run.save(asked["log"], base_path=str(Path(asked["log"]).parent), policy="now")
        run.finish(exit_code=asked["exit_code"])
