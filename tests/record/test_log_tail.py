"""The log of a running job, read on from beside while its runner writes it."""

from __future__ import annotations

import os
from pathlib import Path

from sweeper.core import measured
from sweeper.core.model import MetricDefinition
from sweeper.record.log_tail import LogTail

METRICS = measured.reading([MetricDefinition("m", r"m=(\S+)")])


def test_a_log_is_read_on_by_whole_lines(tmp_path: Path) -> None:
    """Each line once, when it is whole; of a long one its end; one that was begun anew from its beginning."""
    log = tmp_path / measured.LOG
    tail = LogTail(tmp_path, 0.0, METRICS, 1, first=20)
    assert tail.new().lines == ()
    log.write_bytes(b"m=1\n" * 10 + b"m=")
    assert [value for _, _, value in tail.new().points] == [1.0] * 4
    assert tail.new().lines == ()
    with log.open("ab") as file:
        file.write(b"2 \xff\nm=3\n")
    assert [(line.text, line.at) for line in tail.new().lines] == [("m=2 \ufffd", 5), ("m=3", 6)]
    log.write_bytes(b"m=4\n")
    assert measured.last_values(tail.new().points) == {"m": 4.0}


def test_what_an_earlier_attempt_has_printed_is_not_read(tmp_path: Path) -> None:
    """A log that was written last before this attempt began is another's; of several hosts the first one's counts."""
    log = tmp_path / measured.LOG
    log.write_text("algo-1 | m=1\nalgo-2 | m=2\n")
    os.utime(log, (999.0, 999.0))
    tail = LogTail(tmp_path, 1000.0, METRICS, 2)
    assert tail.new().lines == ()
    os.utime(log, (1001.0, 1001.0))
    assert measured.last_values(tail.new().points) == {"m": 1.0}
