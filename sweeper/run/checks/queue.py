"""Will the job queue of AWS Batch take the jobs?"""

from __future__ import annotations

from collections.abc import Iterator

from sweeper.aws import queues
from sweeper.aws.batch import calls
from sweeper.core.verdict import Check, Verdict
from sweeper.errors import UsageError
from sweeper.run.checks.subject import Subject


def queue(subject: Subject) -> Iterator[Check]:
    """The queue of a sweep whose jobs go through one: there, for training jobs, enabled, and shared as it is said."""
    if subject.sweep is None or (options := subject.sweep.backend.through) is None:
        return
    subject.clients()  # without an account nothing is known of it
    try:
        queues.check(calls(subject.clients), options)
    except UsageError as error:
        yield Check("queue", Verdict.FAIL, str(error))
    else:
        yield Check("queue", Verdict.PASS, f"the job queue {options.queue} takes jobs")
