"""The loop that iterates by itself on a real engine: until a metric, past a failure, within a budget."""

from __future__ import annotations

import json

from tests.end_to_end.conftest import Project, wait_for

# One step every 0.1 s; it would go on for a minute. A batch above 16 does not fit.
TRAINING = """\
import argparse, os, pathlib, time
arguments = argparse.ArgumentParser()
for name in ("x", "wait", "fail", "batch"):
    arguments.add_argument("--" + name, type=float)
a = arguments.parse_args()
with pathlib.Path(os.environ["BEGAN"]).open("a") as file:
    file.write(f"{a.x:g} {os.getpid()}\\n")
if a.batch and a.batch > 16:
    raise RuntimeError(f"CUDA out of memory. Tried to allocate {a.batch:g} GiB")
for step in range(1, int(a.wait * 10) + 1):
    print(f"score={a.x * step}", flush=True)
    time.sleep(0.1)
if a.fail:
    time.sleep(600)  # says nothing more: only a stop ends it
print(f"score={a.x * 1000}")
"""


def write(project: Project) -> None:
    """Put the training script in place of the usual one."""
    (project.root / "experiments/scripts/tiny/train.py").write_text(TRAINING)
    path = project.root / "experiments/tiny.yaml"
    path.write_text(path.read_text().replace("fail: 0}", "fail: 0, batch: 0}"))


def test_a_job_that_shows_the_metric_is_stopped_and_counts_as_completed(project: Project) -> None:
    """`until` holds in the middle of training: the job is stopped, its last values count, the pool is closed."""
    write(project)
    ended = project.run(
        "hyperparameters.wait=0.5", "hyperparameters.fail=1", "stop.until={metric: score, op: '>=', value: 5}"
    )
    assert ended.code == 0, ended.err
    rows = project.rows()
    assert [row["status"] for row in rows] == ["completed", "planned", "planned"]
    assert rows[0]["message"].startswith("until: score = 5 >= 5 while it trained")
    assert rows[0]["metric.score"] == "5.0"
    assert [job["TrainingJobStatus"] for job in project.jobs()] == ["Stopped"]
    assert set(project.pools()) <= {"Terminated", ""}


def test_on_until_finish_lets_the_job_end_and_then_ends_the_chain(project: Project) -> None:
    """With `on_until: finish` the job runs to its end, and no other follows it."""
    write(project)
    ended = project.run(
        "hyperparameters.wait=1",
        "stop.until={metric: score, op: '==', value: 5}".replace("==", ">="),
        "stop.on_until=finish",
    )
    assert ended.code == 0, ended.err
    assert [row["status"] for row in project.rows()] == ["completed", "planned", "planned"]
    assert project.rows()[0]["metric.score"] == "1000.0"


def test_out_of_memory_ends_at_a_batch_that_fits(project: Project) -> None:
    """One command: the batch is halved until it fits, the trial stays the same one, every change is told."""
    write(project)
    ended = project.run(
        "hyperparameters.batch=64",
        "hyperparameters.x=1",
        '+on_failure.out_of_memory={patch: {hyperparameters.batch: "max(1, value // 2)"}}',
    )
    assert ended.code == 0, ended.err
    (row,) = project.rows()
    assert (row["status"], row["attempts"]) == ("completed", "3")
    assert "hyperparameters.batch=16" in row["message"]
    assert "hyperparameters.batch 64 -> 32 after out_of_memory" in ended.err
    assert set(project.pools()) <= {"Reused", "Terminated", ""}


def test_the_next_value_of_a_list_is_tried_until_one_works(project: Project) -> None:
    """`next` walks a list; when it is used up the trial has failed."""
    write(project)
    ended = project.run(
        "hyperparameters.batch=64",
        "hyperparameters.x=1",
        "+on_failure.out_of_memory={next: {hyperparameters.batch: [48, 32, 8]}}",
    )
    assert ended.code == 0, ended.err
    assert project.rows()[0]["attempts"] == "4"
    again = project.run(
        "hyperparameters.batch=65",
        "hyperparameters.x=1",
        "+on_failure.out_of_memory={next: {hyperparameters.batch: [48]}}",
    )
    assert again.code == 1
    assert (project.rows()[0]["status"], project.rows()[0]["attempts"]) == ("failed", "2")


def test_a_hopeless_job_is_pruned_and_is_no_failure(project: Project) -> None:
    """Far below the finished trials at the same step: stopped, pruned, its last metric kept, exit code 0."""
    write(project)
    ended = project.run(
        "sweep.grid={hyperparameters.x: [5, 6, 1]}",
        "hyperparameters.wait=1.5",
        "prune.median={after_steps: 3, min_trials: 2}",
    )
    assert ended.code == 0, ended.err
    rows = project.rows()
    assert [row["status"] for row in rows] == ["completed", "completed", "pruned"]
    assert 0 < float(rows[2]["metric.score"]) < 15
    assert rows[2]["message"].startswith("prune.median: score is worse at step")


def test_a_silent_job_is_stopped_as_no_output(project: Project) -> None:
    """Nothing in the log for so long: the job hangs, and is handled as that failure says."""
    ended = project.run("hyperparameters.wait=60", "hyperparameters.x=1", "prune.stalled_log_s=2")
    (row,) = project.rows()
    assert (ended.code, row["status"], row["failure"]) == (1, "failed", "no_output")


def test_a_budget_ends_the_chain_with_5_and_is_not_exceeded(project: Project) -> None:
    """No job goes out whose worst case does not fit; the sum of what was billed stays below; the pool is closed."""
    price = "prices.usd_per_hour.ml.m5.large=36"  # a cent a second
    ended = project.run(
        price, "pool.keep_alive_s=60", "stop.budget_usd=4.3", "sweep.grid={hyperparameters.x: [1, 2, 3]}"
    )
    assert ended.code == 5, ended.err
    rows = project.rows()
    assert [row["status"] for row in rows].count("planned") >= 1
    assert 0 < sum(float(row["cost_usd"]) for row in rows if row["cost_usd"]) <= 4.3
    assert set(project.pools()) <= {"Reused", "Terminated", ""}


def test_a_trial_is_skipped_and_another_added_while_the_sweep_runs(project: Project) -> None:
    """Both reach the running chain through its journal: the one is stopped, the other runs last on the same pool."""
    write(project)
    running = project.start("hyperparameters.wait=8", "sweep.grid={hyperparameters.x: [1, 2]}")
    wait_for(project.begun, "the first trial trains")
    skipped = project.verb("skip", "tiny", "x=1")
    assert (skipped.code, "the pool goes to the next trial" in skipped.out) == (0, True)
    assert project.verb("add", "tiny", "hyperparameters.x=7", "hyperparameters.wait=0").code == 0
    refused = project.verb("add", "tiny", "hyperparameters.xx=7")
    assert (refused.code, "did you mean 'hyperparameters.x'" in refused.err) == (2, True)
    wait_for(lambda: len(project.begun()) == 2, "the second trial trains")
    assert project.verb("skip", "x=2").code == 0
    ended = project.ended(running)
    assert ended.code == 0, ended.err
    rows = project.rows()
    assert [row["status"] for row in rows] == ["stopped", "stopped", "completed"]
    assert rows[2]["hyperparameters.x"] == "7"
    assert set(project.pools()) <= {"Reused", "Terminated", ""}


def test_a_rule_that_an_earlier_version_met_does_not_end_the_next_one(project: Project) -> None:
    """The script changes by a comment: every trial is another one and trains; then the same command trains nothing."""
    until = "stop.until={metric: score, op: '>=', value: 20}"
    assert project.run(until).code == 0
    assert [row["status"] for row in project.rows()] == ["completed", "completed", "planned"]
    again = project.run(until)
    assert again.out.splitlines()[-1] == "NOTHING WAS TRAINED: until had ended the sweep before; 1 trial left to run"
    assert project.verb("status", "tiny").out.splitlines()[-1] == again.out.splitlines()[-1]
    told = json.loads(project.verb("wait", "tiny", "--json").out)
    assert (told["exit_code"], told["nothing_trained"], told["ended_by"]["rule"]) == (0, True, "until")
    script = project.root / "experiments/scripts/tiny/train.py"
    script.write_text(f"{script.read_text()}# another\n")
    changed = project.run(until)
    assert (changed.code, "NOTHING WAS TRAINED" in changed.out) == (0, False)
    assert [row["status"] for row in project.rows()][:3] == ["completed", "completed", "planned"]
    assert len(project.begun()) == 4
