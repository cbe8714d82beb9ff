"""Will the job queue of AWS Batch take the jobs?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from sweeper.aws import queue_state, queues
from sweeper.aws.batch import calls
from sweeper.aws.queue_state import Crowd, Environment
from sweeper.core.job import Locked
from sweeper.core.options import from_section
from sweeper.core.verdict import Check, Verdict
from sweeper.core.words import counted
from sweeper.errors import ApiError, UsageError
from sweeper.run.checks.subject import Subject
from sweeper.run.checks.unasked import unasked


def queue(subject: Subject) -> Iterator[Check]:
    """The queue of a sweep whose jobs go through one: there, for training jobs, enabled, and shared as it is said.

    And whether its environment has room for a job, and who is there already.
    """
    if subject.sweep is None or (options := subject.sweep.backend.through) is None:
        return
    subject.clients()  # without an account nothing is known of it
    call, locked = calls(subject.clients), from_section(Locked, subject.sweep.locked)
    try:
        told = queues.check(call, options, locked.instance_type or "")
    except UsageError as error:
        yield Check("queue", Verdict.FAIL, str(error))
        return
    yield Check("queue", Verdict.PASS, "; ".join([f"the job queue {options.queue} takes jobs", *told]))
    at_once = subject.sweep.backend.capacity
    yield from _tried(
        "queue.room",
        "the queue's service environment",
        "DescribeServiceEnvironments",
        lambda: _room(list(queue_state.environments(call, options)), locked, at_once),
    )
    yield from _tried(
        "queue.crowd",
        "who waits in the queue",
        "GetJobQueueSnapshot",
        lambda: [_crowd(queue_state.crowd(call, options), options.queue)],
    )


def _tried(name: str, what: str, action: str, ask: Callable[[], Iterable[Check]]) -> Iterator[Check]:
    try:
        yield from ask()
    except ApiError as error:
        yield unasked(name, what, error, f"have batch:{action} allowed: `sweeper iam` prints what is asked")


def _room(environments: Sequence[Environment], locked: Locked, in_flight: int) -> Iterator[Check]:
    """Is the environment at work, and has it machines for a job, and for as many as are in flight?"""
    for one in environments:
        stands, kind = f"the service environment {one.name}", locked.instance_type or ""
        room, needs = one.of(kind), locked.instance_count
        if one.state != "ENABLED" or one.status not in ("VALID", "UPDATING"):
            why = f" ({one.reason})" if one.reason else ""
            found = f"{stands} is {one.state} and {one.status}{why}: no job of the queue starts"
            yield Check("queue.room", Verdict.FAIL, found, "have it enabled, or name another backend.queue")
        elif not room:
            others = ", ".join(sorted(one.machines))
            found = f"locked.instance_type: {stands} has machines of {others}, and none of {kind}"
            yield Check("queue.room", Verdict.FAIL, found, "the jobs would wait for ever: take one that it has")
        elif room < needs:
            found = f"locked.instance_count: {stands} has room for {counted(room, 'machine')}, and a job needs {needs}"
            yield Check("queue.room", Verdict.FAIL, found, "the jobs would wait for ever: have maxCapacity raised")
        else:
            jobs = counted(min(in_flight, room // needs), "job")
            found = f"{stands} has room for {counted(room, 'machine')}: for {jobs} of this sweep at a time"
            yield Check("queue.room", Verdict.PASS, found)


def _crowd(there: Crowd, queue: str) -> Check:
    found = f"{counted(there.in_use, 'machine')} of {queue} {'is' if there.in_use == 1 else 'are'} in use"
    if not there.waiting:
        return Check("queue.crowd", Verdict.PASS, f"{found}, and no job waits")
    waits = f"{counted(there.waiting, 'job')} {'waits' if there.waiting == 1 else 'wait'} there already"
    return Check("queue.crowd", Verdict.WARN, f"{found}, and {waits}: the first job of this sweep waits too")
