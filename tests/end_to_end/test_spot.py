"""backend=spot from the command line to the script: machines are taken away, and the trial ends all the same."""

from __future__ import annotations

import pytest

from tests.end_to_end.conftest import Project

TRAINS = """\
import json, os, pathlib, signal, sys, time
place, asked = pathlib.Path(os.environ["SM_INPUT_DIR"]).parent / "checkpoints/state.json", []
signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
epoch = json.loads(place.read_text()) if place.exists() else 0
print("begins with", epoch, flush=True)
while epoch < 80 and not asked:
    time.sleep(0.02)
    epoch += 1
    place.with_suffix(".tmp").write_text(json.dumps(epoch))
    place.with_suffix(".tmp").replace(place)
print(f"score={epoch}")
sys.exit(1 if asked else 0)
"""


def test_a_trial_whose_machine_is_taken_three_times_is_completed(fresh_project: Project) -> None:
    """One job, four attempts, each from the checkpoint of the one before; the savings follow SageMaker's formula."""
    (fresh_project.root / "experiments/scripts/tiny/train.py").write_text(TRAINS)
    taken = "+engine.spot_interruptions=[0.6,0.2,0.2]"
    done = fresh_project.run(
        "hyperparameters.x=1", "backend=spot", "job.checkpoint_s3_uri=s3://mine/ck", "pool.keep_alive_s=0", taken
    )
    assert done.code == 0, done.err
    assert ": Interrupted" in done.err and "saved % is simulated" in done.out
    (row,) = fresh_project.rows()
    assert (row["status"], row["metric.score"], row["attempts"]) == ("completed", "80.0", "1")
    seconds, billed = float(row["train_seconds"]), float(row["billable_seconds"])
    assert float(row["savings_percent"]) == pytest.approx((1 - billed / seconds) * 100, abs=0.01)
    (job,) = fresh_project.jobs()
    shown = [transition["Status"] for transition in job["SecondaryStatusTransitions"]]
    assert (shown.count("Interrupted"), shown.count("Training"), shown[-1]) == (3, 4, "Completed")
    log = (fresh_project.root / f"runs/tiny/trials/{row['trial']}/log.txt").read_text()
    begins = [int(line.split()[-1]) for line in log.splitlines() if "begins with" in line]
    # a machine may be taken before its script has come to say anything
    assert len(begins) <= 4 and begins[0] == 0 < begins[-1] and begins == sorted(begins)
