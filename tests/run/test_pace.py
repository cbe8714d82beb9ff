"""Submissions of several processes together keep to what AWS Batch takes a second."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sweeper.errors import ApiError, ApiErrorKind
from sweeper.run import pace
from sweeper.run.clock import SystemClock
from sweeper.run.pace import Pace
from sweeper.testing.clock import VirtualClock


class Noted(SystemClock):
    """A clock that knows when it was last asked for the time."""

    last = 0.0

    def now(self) -> float:
        """The time."""
        self.last = super().now()
        return self.last


def kept(times: list[float], most: int, within_s: float) -> bool:
    """No window of this length has more."""
    return all(later - first >= within_s for first, later in zip(times, times[most:], strict=False))


def test_no_second_has_more_than_five_of_several_runs(tmp_path: Path) -> None:
    """Each waits for the others, and no longer than it must; a file that was torn is none."""
    clock = VirtualClock()
    several = [Pace(tmp_path / "state" / "a.json", clock) for _ in range(3)]
    begun, times = clock.now(), []
    for number in range(23):
        several[number % 3].turn()
        times.append(clock.now())
        if number == 11:
            several[0].path.write_text("{", encoding="utf-8")
            clock.sleep(1.0)
    assert kept(times, 5, 1.0) and times[-1] - begun < 5.2


def test_processes_that_run_at_once_keep_to_it(tmp_path: Path) -> None:
    """The lock is real: three forks, each with turns of its own."""
    path, within_s = tmp_path / "a.json", 0.05
    children = []
    for number in range(3):
        if child := os.fork():
            children.append(child)
            continue
        clock = Noted()
        mine = Pace(path, clock, within_s=within_s)
        times = []
        for _ in range(6):
            mine.turn()
            times.append(clock.last)
        (tmp_path / f"{number}.txt").write_text("\n".join(map(repr, times)), encoding="ascii")
        os._exit(0)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    told = [float(line) for file in tmp_path.glob("*.txt") for line in file.read_text(encoding="ascii").split()]
    assert len(told) == 18 and kept(sorted(told), 5, within_s)


def test_it_waits_no_longer_than_it_says_and_nothing_it_cannot_write_stops_it(tmp_path: Path) -> None:
    """Without a place for so long the submission is the caller's again; without a folder the service decides."""
    clock = VirtualClock()
    full = Pace(tmp_path / "a.json", clock, most=1, within_s=2 * pace.LONGEST_S)
    full.turn()
    with pytest.raises(ApiError) as refused:
        full.turn()
    assert refused.value.kind is ApiErrorKind.THROTTLED and clock.now() == VirtualClock().now()
    (tmp_path / "file").write_text("")
    Pace(tmp_path / "file" / "a.json", clock).turn()
