"""What MLflow, W&B and TensorBoard have of a sweep, as their own packages read it."""

from __future__ import annotations

import importlib
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BLOCK, HEAD, BEGINS = 32768, 7, 7
"""A file of W&B: its first bytes, then records in blocks, each piece of one behind a head (checksum, size, kind)."""


@dataclass
class Told:
    """A run as one of them has it."""

    name: str
    values: dict[str, Any] = field(default_factory=dict)
    """Parameters and whatever else stands beside them."""
    points: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    """By metric (step, value)."""
    summary: dict[str, Any] = field(default_factory=dict)


def of_mlflow(uri: str) -> list[Told]:
    """Every run that is not deleted, oldest first; the parameters with the tags."""
    client = importlib.import_module("mlflow").MlflowClient(uri)
    told = []
    for run in client.search_runs([e.experiment_id for e in client.search_experiments()], order_by=["start_time ASC"]):
        history = {name: client.get_metric_history(run.info.run_id, name) for name in run.data.metrics}
        points = {name: [(one.step, one.value) for one in found] for name, found in history.items()}
        values = {**run.data.params, **run.data.tags, "run_id": run.info.run_id, "status": run.info.status}
        told.append(Told(run.info.run_name, values, points, dict(run.data.metrics)))
    return told


def of_wandb(folder: Path) -> list[Told]:
    """The runs that `wandb sync` would send of a sweep's folder, oldest first."""
    messages = importlib.import_module("wandb.proto.wandb_internal_pb2")
    told = []
    for file in sorted(folder.glob("wandb/offline-run-*/run-*.wandb"), key=lambda path: path.stat().st_mtime):
        run = Told("")
        for data in _records(file.read_bytes()):
            record = messages.Record.FromString(data)
            kind = record.WhichOneof("record_type")
            if kind == "run":
                run.name = record.run.display_name or run.name
                run.values |= {item.key: json.loads(item.value_json) for item in record.run.config.update}
                run.values["id"] = record.run.run_id
            elif kind == "history":
                items = {item.key or item.nested_key[0]: json.loads(item.value_json) for item in record.history.item}
                for name in (name for name in items if not name.startswith("_")):
                    run.points.setdefault(name, []).append((items["_step"], items[name]))
            elif kind == "summary":
                run.summary |= {
                    i.key or ".".join(i.nested_key): json.loads(i.value_json) for i in record.summary.update
                }
        told.append(run)
    return told


def _records(data: bytes) -> Iterator[bytes]:
    """The records of a file; a torn end is none."""
    at, piece = BEGINS, b""
    while at + HEAD <= len(data):
        if BLOCK - at % BLOCK < HEAD:
            at += BLOCK - at % BLOCK
            continue
        _, size, kind = struct.unpack("<IHB", data[at : at + HEAD])
        piece += data[at + HEAD : at + HEAD + size]
        at += HEAD + size
        if kind in (1, 4):  # whole, or the last piece
            yield piece
            piece = b""


def of_tensorboard(folder: Path) -> list[Told]:
    """The runs that TensorBoard finds below a folder, by their folders' names."""
    reader = importlib.import_module("tensorboard.backend.event_processing.event_accumulator")
    hparams = importlib.import_module("tensorboard.plugins.hparams.plugin_data_pb2").HParamsPluginData
    told = []
    for run in sorted({file.parent for file in folder.rglob("events.out.tfevents.*")}):
        read = reader.EventAccumulator(str(run), {reader.SCALARS: 0})
        read.Reload()
        data = {tag: hparams.FromString(content) for tag, content in read.PluginTagToContent("hparams").items()}
        start = data["_hparams_/session_start_info"].session_start_info.hparams
        values = {key: getattr(value, value.WhichOneof("kind")) for key, value in start.items()}
        points = {tag: [(e.step, e.value) for e in read.Scalars(tag)] for tag in read.Tags()["scalars"]}
        metrics = data["_hparams_/experiment"].experiment.metric_infos
        told.append(
            Told(run.name, values, points, {metric.name.tag: points[metric.name.tag][-1][1] for metric in metrics})
        )
    return told
