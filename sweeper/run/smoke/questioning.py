"""All sixteen questions, one after another; what keeps one from being answered does not keep the next one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sweeper.core.smoke.questions import Answer, Question
from sweeper.errors import ApiError, UsageError
from sweeper.run.release import Unreleased
from sweeper.run.smoke import fates, refused
from sweeper.run.smoke.asking import Asking, Gone
from sweeper.run.smoke.bench import Bench, Interrupted, NotAnswered
from sweeper.run.smoke.first import first

AGAIN = 2
"""How often a question is asked whose pool went meanwhile."""
Step = tuple[Callable[[Asking], None], Sequence[Question]]
FIRST: Step = (
    first,
    (Question.COLD_STATUS, Question.GAP, Question.UPDATE_RUNNING, Question.METRICS, Question.SEARCH),
)
STEPS: Sequence[Step] = (
    (fates.failed, [Question.FAILED]),
    (fates.stopped, []),
    (fates.timed_out, [Question.TIMED_OUT]),
    (fates.unkept, [Question.UNKEPT]),
    (fates.network, [Question.NETWORK]),
    (fates.extended, [Question.EXTENSION]),
    (fates.released, [Question.RELEASE]),
    (refused.longest, [Question.LONGEST]),
    (refused.spot, [Question.SPOT]),
    (refused.absent, []),
)
"""In the order in which they are asked: each leaves a pool to the next where it can. Some answer what is told last."""


@dataclass
class Questioning:
    """The questions on one bench; `unreleased` are the jobs that could not be seen closed."""

    bench: Bench
    interrupted: bool = False
    unreleased: Sequence[Unreleased] = ()

    def __post_init__(self) -> None:
        self.asking = Asking(self.bench)

    def ask(self) -> None:
        """Ask them all, and close every job, whatever happens. What nobody answered is left open.

        Raises UsageError when nothing could be released, and when the first job is refused.
        """
        try:
            refused.missing(self.asking)
            if not all(self._step(*step) for step in (FIRST, *STEPS)):
                self._rest("a pool could not be released, and nothing more was sent")
        except Interrupted:
            self.interrupted = True
            self._rest("it was ended before that")
        finally:
            self.unreleased = self.bench.close_all()
        refused.tell_late(self.asking)
        refused.tell_stopped(self.asking)

    def _step(self, ask: Callable[[Asking], None], questions: Sequence[Question]) -> bool:
        """Ask, and close what is not needed for the next; returns whether that could be."""
        for _ in range(AGAIN):
            try:
                ask(self.asking)
                break
            except Gone as gone:
                self._leave_open(questions, str(gone))
            except NotAnswered as why:
                self._leave_open(questions, str(why))
                break
            except ApiError as error:
                if not self.bench.timelines:  # the very first job: so would be every other
                    raise UsageError(f"the first job is refused, and no other was sent: {error.message}") from error
                self._leave_open(questions, f"{error.code}: {error.message}")
                if ask is fates.released:
                    return False
                break
        for question in questions:
            if question not in self.asking.answers:
                self.asking.leave_open(question, "it was not seen in time")
        return not self.bench.close_but(self.asking.holder)

    def _leave_open(self, questions: Sequence[Question], why: str) -> None:
        for question in questions:
            self.asking.leave_open(question, why)

    def _rest(self, why: str) -> None:
        """What is left, without a line for each: nobody is to wait for that."""
        for question in Question:
            self.asking.answers.setdefault(question, Answer(question, "", self.bench.clock.now(), open=why))
