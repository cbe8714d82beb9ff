"""CloudWatch series of the jobs' metrics: read from the logs when somebody asks, kept by moto for this process."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from sweeper.engine.around.metrics import Scanner

_AT_ONCE = 1000
NAMESPACE = "/aws/sagemaker/TrainingJobs"


class Series:
    """Every point of every metric, under the dimension TrainingJobName."""

    def __init__(self, account: str, region: str) -> None:
        self._account, self._region = account, region
        self._lock = threading.Lock()
        self._scanners: dict[str, tuple[Scanner, int]] = {}

    def publish(self, name: str, definitions: Sequence[Mapping[str, Any]], log: Path) -> None:
        """Hand over what this job's log has gained."""
        with self._lock:
            scanner, offset = self._scanners.get(name) or (Scanner(definitions), 0)
            points: list[dict[str, Any]] = []
            for at, line, end in lines(log, offset):
                points += [_datum(name, metric, value, at) for metric, value in scanner.feed(line, at)]
                offset = end
                if len(points) >= _AT_ONCE:
                    self._put(points)
                    points = []
            self._scanners[name] = (scanner, offset)
            if points:
                self._put(points)

    def _put(self, points: list[dict[str, Any]]) -> None:
        from moto.cloudwatch.models import cloudwatch_backends  # half a second that most sessions never need

        cloudwatch_backends[self._account][self._region].put_metric_data(NAMESPACE, points)


def lines(log: Path, offset: int) -> Iterator[tuple[float, str, int]]:
    """Whole lines from an offset on: when they came, what they say, where they end."""
    try:
        file = log.open("rb")
    except FileNotFoundError:
        return
    with file:
        file.seek(offset)
        for raw in file:
            if not raw.endswith(b"\n"):
                return  # still being written
            offset += len(raw)
            stamp, _, line = raw[:-1].decode("utf-8", "replace").partition(" ")
            yield (int(stamp) / 1000 if re.fullmatch("[0-9]{1,15}", stamp) else 0.0), line, offset


def _datum(name: str, metric: str, value: float, at: float) -> dict[str, Any]:
    return {
        "MetricName": metric,
        "Value": value,
        "Timestamp": datetime.fromtimestamp(at, timezone.utc).replace(tzinfo=None),  # as moto keeps them
        "Dimensions": [{"Name": "TrainingJobName", "Value": name}],
    }
