"""Will the job queue of AWS Batch take the jobs?"""

from __future__ import annotations

from collections.abc import Iterator

from sweeper.aws import queues
from sweeper.aws.batch import calls
from sweeper.core.job import Locked
from sweeper.core.options import from_section
from sweeper.core.verdict import Check, Verdict
from sweeper.errors import UsageError
from sweeper.run.checks.subject import Subject


def queue(subject: Subject) -> Iterator[Check]:
    """The queue of a sweep whose jobs go through one: there, for training jobs, enabled, and shared as it is said."""
    if subject.sweep is None or (options := subject.sweep.backend.through) is None:
        return
    subject.clients()  # without an account nothing is known of it
    try:
        locked = from_section(Locked, subject.sweep.locked)
        told = queues.check(calls(subject.clients), options, locked.instance_type)
    except UsageError as error:
        yield Check("queue", Verdict.FAIL, str(error))
    else:
        yield Check("queue", Verdict.PASS, "; ".join([f"the job queue {options.queue} takes jobs", *told]))
