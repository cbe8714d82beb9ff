"""`sweeper simulate --jobs N`: the same report by however many processes, none of which outlives it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from sweeper.commands import simulate
from sweeper.errors import SweeperError
from sweeper.simulation.parallel import by_seed
from tests.forked import Forked, command, heed_signals
from tests.laws.mutants import MUTANTS

SECONDS = 30.0


def test_however_many_processes_tell_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    """Seeds, sums and what is broken first, in one order; only the processor time is another."""
    told = []
    for jobs in (1, 3):
        code = simulate.main(
            ["--seeds", "40", "--jobs", str(jobs)], runner=MUTANTS["no wait for WarmPoolStatus at release"]
        )
        out, errors = capsys.readouterr()
        told.append((code, out.rpartition(" (")[0], errors))
    assert told[0] == told[1]
    assert told[0][0] == 1 and told[0][2].count("the end of seed") == 1


def test_ctrl_c_ends_every_process_and_tells_what_is_known(tmp_path: Path) -> None:
    """As a terminal sends it, to all of them: exit code 130, the sums so far, no process and no folder left."""
    running = Forked(
        command,
        ["simulate", "--seeds", "1000000", "--jobs", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        preexec_fn=heed_signals,
        start_new_session=True,
    )
    children, until = Path(f"/proc/{running.pid}/task/{running.pid}/children"), time.monotonic() + SECONDS
    while len(children.read_text().split()) < 2:
        assert time.monotonic() < until, "it forks"
        os.sched_yield()
    os.killpg(running.pid, signal.SIGINT)
    out, errors = running.communicate(timeout=SECONDS)
    assert (running.returncode, errors) == (130, "") and " simulated sweeps, " in out
    with pytest.raises(ProcessLookupError):
        os.killpg(running.pid, 0)
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_is_killed_is_told() -> None:
    """Its seed is named, once those before it are answered; the others end too."""
    came = by_seed(lambda seed: os._exit(9) if seed == 3 else seed, range(8), 2)
    assert [next(came) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(SweeperError, match="seed 3 was ended"):
        next(came)
