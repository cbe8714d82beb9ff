"""`sweeper priority`: another priority for a trial's job in an AWS Batch queue, while it waits or runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from sweeper.commands import sweeps
from sweeper.commands.output import tell_json
from sweeper.commands.parsing import Parser
from sweeper.commands.say import tell
from sweeper.core.chain import Job
from sweeper.core.model import Trial
from sweeper.errors import UsageError
from sweeper.record.stored import StoredSweep
from sweeper.run.connect import reconnect


class Prioritised(TypedDict):
    """A job that has another priority in its queue."""

    sweep: str
    trial: str
    job_name: str
    status: str
    """Where it is, in AWS Batch's words."""
    priority: int
    before: int


def main(arguments: Sequence[str]) -> int:
    """Tell the queue, and a person what it was before; returns the exit code."""
    parser = Parser(
        prog="sweeper priority",
        description="Give a trial's job another priority in its AWS Batch queue. Of the jobs of one share the higher "
        "goes first; where the share allows it, it takes the machines of a lower one. It is this job's alone: a later "
        "attempt of the trial has backend.scheduling_priority again.",
    )
    parser.add_argument("name", help="a folder of runs/, or its beginning")
    parser.add_argument("trial", help="its number, id or name")
    parser.add_argument("priority", type=int, metavar="N", help="0 to 9999; the higher goes first")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options = parser.parse_args(arguments)
    if not 0 <= options.priority <= 9999:
        raise UsageError(f"priority: must be 0 to 9999, not {options.priority}")
    sweep = sweeps.find(options.name)
    trial = sweeps.find_trial(sweep, options.trial)
    job = _queued(sweep, trial)
    before, status = _change(sweep, job, options.priority)
    if options.json:
        told: Prioritised = {
            "sweep": sweep.name,
            "trial": trial.id,
            "job_name": job.name,
            "status": status,
            "priority": options.priority,
            "before": before,
        }
        tell_json(told)
    else:
        what = f"{trial.name} of {sweep.name} has priority {options.priority} (was {before})"
        tell(f"{what} in {sweep.said.queue}: {status}")
    return 0


def _queued(sweep: StoredSweep, trial: Trial) -> Job:
    """The job of a trial that a queue has. Raises UsageError."""
    if not sweep.said.queue:
        raise UsageError(f"{sweep.name}: its jobs go through no queue; only backend=batch has priorities")
    job = next((job for job in sweep.chain.unfinished.values() if job.intent.trial == trial.id), None)
    if job is None or not job.acknowledged:
        raise UsageError(f"{trial.name} of {sweep.name}: no job of it is in the queue now")
    return job


def _change(sweep: StoredSweep, job: Job, priority: int) -> tuple[int, str]:
    """The priority that the job had before, and where it is. Raises UsageError, ApiError."""
    from sweeper.aws import queues
    from sweeper.aws.batch import calls, service_job

    call, queue = calls(reconnect(sweep.folder.absolute(), sweep.config).clients), str(sweep.said.queue)
    if not queues.has_priorities(call, queue):
        raise UsageError(f"{queue} is first in, first out: no priority changes anything there")
    told = service_job(call, queue, job.name)
    call("UpdateServiceJob", {"jobId": told["jobId"], "schedulingPriority": priority})
    return int(told.get("schedulingPriority") or 0), str(told["status"])
