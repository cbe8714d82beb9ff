"""TensorBoard: a run for each trial, as event files in the sweep's folder, with its parameters for the HParams tab."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from sweeper.core.options import option
from sweeper.core.tracked import Tracked, TrialEnded
from sweeper.core.words import cell
from sweeper.record.atomic import private_folder
from sweeper.tracking.attempts import RunPerTrial, Value, values

if TYPE_CHECKING:
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.proto.summary_pb2 import Summary

FOLDER = "tensorboard"
MOST_LETTERS = 100
"""Of a trial's name in that of its folder, which is what TensorBoard shows."""


@dataclass(frozen=True)
class TensorBoard(RunPerTrial):
    """Writes a run per trial that TensorBoard opens: every value of its metrics, and its parameters."""

    kind: ClassVar[str] = "tensorboard"
    needs: ClassVar[str] = "tensorboardX"
    secrets: ClassVar[tuple[str, ...]] = ()
    patience_s: ClassVar[float] = 60.0

    folder: str | None = option(
        "Where the runs are written, a folder for each sweep; default: runs/NAME/tensorboard.", default=None, low=1
    )

    def show(self, sweep: Tracked, ended: TrialEnded) -> None:
        """Write its run anew. Raises OSError."""
        _write(self.place(sweep) / folder_of(ended), ended)

    def place(self, sweep: Tracked) -> Path:
        """The folder of a sweep's runs."""
        chosen = sweep.folder.parent.parent / self.folder / sweep.folder.name if self.folder else None
        return chosen or sweep.folder / FOLDER


def folder_of(ended: TrialEnded) -> str:
    """A name that a person knows a trial by, and that no other trial has."""
    return f"{re.sub(r'[^a-zA-Z0-9_.,=+-]+', '_', ended.name)[:MOST_LETTERS].lstrip('.')}.{ended.trial[:8]}"


def _write(folder: Path, ended: TrialEnded) -> None:
    """Write it aside, then put it in the place of what is there: of another attempt, or of a killed process."""
    from tensorboardX.event_file_writer import EventsWriter

    aside = private_folder(folder.parent) / f".{folder.name}"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(mode=0o700)
    writer = EventsWriter(str(aside / "events"))
    for event in _events(ended):
        writer.write_event(event)
    writer.close()
    shutil.rmtree(folder, ignore_errors=True)
    aside.replace(folder)


def _events(ended: TrialEnded) -> Iterator[Event]:
    """The parameters first, then every value of its metrics, at its own time."""
    from tensorboardX import summary
    from tensorboardX.proto.event_pb2 import Event

    at, plain = ended.ended_at or 0.0, (bool, int, float)
    said = {key: value if isinstance(value, plain) else cell(value) for key, value in ended.values.items()}
    told = {"status": ended.status.value, "job": ended.job}
    experiment, start, end = summary.hparams({**said, **told}, {_tag(name): None for name in ended.metrics})
    for what in (experiment, start):
        yield Event(wall_time=ended.started_at or at, summary=what)
    for one in values(ended):
        yield Event(wall_time=one.at, step=one.step, summary=_scalar(one))
    yield Event(wall_time=at, summary=end)


def _scalar(one: Value) -> Summary:
    """As tensorboardX makes it, which prints a line for each NaN."""
    from tensorboardX.proto.summary_pb2 import Summary

    return Summary(value=[Summary.Value(tag=_tag(one.metric), simple_value=one.value)])


def _tag(name: str) -> str:
    """A metric's name as TensorBoard takes it, which would change it only in one of two places otherwise."""
    return re.sub(r"[^-/\w.]", "_", name).lstrip("/") or "_"
