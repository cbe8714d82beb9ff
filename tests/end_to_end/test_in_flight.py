"""Several jobs at once as a user runs them: real processes, a real engine."""

from __future__ import annotations

import signal

from .conftest import Project, wait_for

TWO = ("backend=on_demand", "backend.max_in_flight=2", "hyperparameters.wait=3")


def test_a_killed_runs_jobs_are_all_adopted_and_their_logs_followed_together(project: Project) -> None:
    """Two run at once; the next run sends neither again; each line that is followed says whose it is."""
    killed = project.start(*TWO, "pool.watchdog_grace_s=600")
    wait_for(lambda: len(project.begun()) == 2, "two scripts")
    killed.send_signal(signal.SIGKILL)
    project.ended(killed)
    again = project.start(*TWO)
    wait_for(lambda: "running" in project.verb("status", "tiny").out, "a run")
    followed = project.background("logs", "tiny", "-f")
    done = project.ended(again)
    assert done.code == 0 and "2  still running, adopted: x=1, x=2" in " ".join(done.err.split(" "))
    assert sorted(project.ended(followed).out.splitlines()) == [f"x={n} | score={n}0.0" for n in (1, 2, 3)]
    assert [(row["metric.score"], row["attempts"], row["pool"]) for row in project.rows()] == [
        (f"{n}0.0", "1", "cold") for n in (1, 2, 3)
    ]
    assert len(project.begun()) == len(project.jobs()) == 3
    assert "every invariant holds" in project.verb("verify", "tiny").out
