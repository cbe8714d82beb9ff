"""The log of a running job as its runner stores it, read on as it grows: by whoever watches from beside."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sweeper.core import measured
from sweeper.driver.matches import Metrics

ENOUGH = 1 << 16
"""Bytes of a log's end that are read at first; what is older tells nothing of how the job stands now."""
MOST = 1 << 20
"""Bytes that are read at a time; of more only the end."""


class LogTail:
    """A position in the log.txt of one attempt at a trial, which began then (UTC seconds since the epoch).

    `first`: how many bytes of what there is already are read.
    """

    def __init__(self, trial: Path, begun: float, metrics: Metrics, hosts: int, first: int = ENOUGH) -> None:
        self._path = trial / measured.LOG
        self._begun, self._metrics, self._hosts, self._first = begun, metrics, hosts, first
        self._at: int | None = None
        self._count = 0

    def new(self) -> measured.Part:
        """The whole lines that have come since the last look, and what is found in them; none of an earlier attempt."""
        return measured.part(self._lines(), self._metrics)

    def _lines(self) -> Iterator[measured.Line]:
        for line in self._read().decode("utf-8", "replace").splitlines():
            self._count += 1
            yield measured.stored(line, self._count, self._hosts)

    def _read(self) -> bytes:
        """What has come, to the end of its last line."""
        try:
            told = self._path.stat()
            if told.st_mtime < self._begun or told.st_size == self._at:
                return b""
            begin = 0 if self._at is None or told.st_size < self._at else self._at
            skip = max(begin, told.st_size - (self._first if self._at is None else MOST))
            with self._path.open("rb") as file:
                file.seek(skip)
                come = file.read(told.st_size - skip)
        except OSError:
            return b""
        whole = come[: come.rfind(b"\n") + 1]
        self._at = skip + len(whole)
        return whole if skip == begin else whole.partition(b"\n")[2]
