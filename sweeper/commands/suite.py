"""`sweeper suite`: several experiments in one command, one after another, each taking the pool over where it fits."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import ExitStack

from sweeper.commands.columns import columns
from sweeper.commands.driving import lock_folder, outside_of, run_in
from sweeper.commands.ended import told, undisturbed
from sweeper.commands.exit_code import worst
from sweeper.commands.output import PEOPLE
from sweeper.commands.parsing import Parser
from sweeper.commands.run import Driven, attended
from sweeper.commands.say import BILLING, complain, hide, tell, warn_unreleased
from sweeper.config import project
from sweeper.config.guest import Composed
from sweeper.config.suite import composed, entries
from sweeper.core import events as ev
from sweeper.core.chain import metric_of
from sweeper.core.results import reuse
from sweeper.core.rounds import best_job
from sweeper.errors import BUG, SweeperError
from sweeper.record import script
from sweeper.run.clock import SystemClock
from sweeper.run.ending import Ending
from sweeper.run.session import Session
from sweeper.run.tenure import Tenure, Turn, has_taken, ticket_of
from sweeper.run.world import Succession

HEADER = ("experiment", "trials", "best", "cold", "reused", "exit code")


def main(arguments: Sequence[str]) -> int:
    """Run them all; returns the one exit code that comes first by precedence. Raises UsageError before any is run."""
    parser = Parser(
        prog="sweeper suite",
        usage="sweeper suite EXPERIMENT ... [KEY=VALUE ...] [EXPERIMENT:KEY=VALUE ...] [--wait]",
        description="Run several experiments one after another. All are composed and checked before anything is sent. "
        "Where the pool of one fits the next, that one's first job takes it over: no release between, no second cold "
        "start; where it does not, it is closed first. KEY=VALUE is said to all of them, EXPERIMENT:KEY=VALUE to one. "
        "A file of experiments/ with `suite: [a, {experiment: b, overrides: [KEY=VALUE]}]` stands for its entries. "
        "Failed trials, and an experiment that cannot run, do not keep the next from running; Ctrl-C, and a pool that "
        "may still bill, end the suite. The same command goes on where it stopped.",
        epilog="Exit codes: the first by precedence of those of its experiments.",
    )
    parser.add_argument("--wait", action="store_true", help="wait for a pool that another sweep holds")
    options, words = parser.parse_known_args(arguments)
    root = project.here()
    made = composed(entries(words, root), root)
    with ExitStack() as stack:
        return Suite(made, Tenure(stack, Turn.FOR_POOL if options.wait else Turn.AT_ONCE)).run()


class Heir:
    """The next experiment of a suite: it takes the pool of the one before over in the same process."""

    def __init__(self, made: Composed, clock: SystemClock) -> None:
        self._context = made.context.copy()
        self.session = self._context.run(outside_of, made.sweep, Session, clock)
        self.stack = ExitStack()
        self.open = False
        """Is its folder locked, and its journal open?"""
        self._refused = False

    def awaits(self, before: Session, passed: Collection[str]) -> ev.Awaited | None:
        """It waits for the pool of that session, if it fits."""
        own, theirs = ticket_of(self.session, Turn.AT_ONCE), ticket_of(before, Turn.AT_ONCE)
        fits = own.pool == theirs.pool and self.session.sweep.backend.keeps_pool
        if self._refused or own.folder in passed or not fits:
            return None
        return ev.Awaited(own.folder, own.sweep, own.mark)

    def take(self, pool: ev.Inherited) -> None:
        """Owe the pool; where it cannot, the one before closes it."""
        try:
            if not self.open:
                self._context.run(self._open)
            self.session.ledger.inherit(pool)
        except (SweeperError, OSError):
            self._refused = True  # it tells why when its turn comes
            if not self.open:
                self.stack.close()

    def _open(self) -> None:
        lock_folder(self.session, self.stack)
        self.session.open(self.stack)
        self.open = True

    @property
    def owes(self) -> bool:
        """Has it taken a pool over?"""
        return self.open and bool(self.session.ledger.inherited_from)


class Suite:
    """Experiments that run one after another in this process."""

    def __init__(self, made: Sequence[Composed], tenure: Tenure) -> None:
        self._made, self._tenure = made, tenure
        self._next: Heir | None = None
        self._ended: dict[str, tuple[Ending | None, int]] = {}

    def run(self) -> int:
        """Run them, and print one table of all at the end; returns the exit code."""
        codes: list[int] = []
        for number, one in enumerate(self._made):
            if codes and self._is_over(codes[-1]):
                break
            codes.append(self._guarded(number, one))
        if self._next:
            self._next.stack.close()
        tell()
        tell("\n".join(columns(HEADER, map(self._row, self._made))))
        return worst(codes)

    def _is_over(self, code: int) -> bool:
        """Nothing is begun after a signal or where a pool may bill; but who took a pool over goes on to close it."""
        owes = self._next is not None and self._next.owes
        return not owes and (code in (BILLING, BUG) or bool(self._tenure.clock.caught))

    def _guarded(self, number: int, one: Composed) -> int:
        ending: Ending | None = None
        try:
            ending, code = one.context.copy().run(self._one, number)
        except SweeperError as error:
            if error.exit_code == BUG:
                raise
            complain(str(error))
            code = warn_unreleased(getattr(error, "unreleased", ())) or error.exit_code
        self._ended[one.sweep.name] = ending, code
        return code

    def _one(self, number: int) -> tuple[Ending, int]:
        sweep = self._made[number].sweep
        complain(f"{sweep.name}: experiment {number + 1} of {len(self._made)}")
        for warning in filter(None, (*sweep.warnings, script.warning(sweep))):
            complain(f"warning: {warning}")
        ending, outside, telling = attended(sweep, lambda stack: self._drive(number, stack))
        with undisturbed(ending):
            return ending, told(sweep, ending, outside, telling, PEOPLE)

    def _drive(self, number: int, stack: ExitStack) -> Driven:
        tenure, heir = self._tenure, self._next or Heir(self._made[number], self._tenure.clock)
        session, self._next = heir.session, None
        stack.enter_context(heir.stack)
        hide(session.redact)
        if not heir.open:
            lock_folder(session, stack)
        if tenure.waits and not heir.open:
            session.open(stack)
        if session.sweep.backend.finds_pool:
            tenure.take(session)
            session.succession = self._succession(number, session)
        if not (tenure.waits or heir.open):
            session.open(stack)
        return run_in(session, stack)

    def _succession(self, number: int, session: Session) -> Succession:
        """The next experiment; after the last one whoever waits in the line."""
        if number + 1 == len(self._made):
            return self._tenure.succession()
        self._next = following = Heir(self._made[number + 1], self._tenure.clock)
        return Succession(
            lambda passed: following.awaits(session, passed),
            lambda to, pool: following.take(pool),
            has_taken,
        )

    def _row(self, one: Composed) -> tuple[str, ...]:
        name = one.sweep.name
        ending, code = self._ended.get(name, (None, None))
        if ending is None:
            return (name, "not run", "", "", "", "" if code is None else str(code))
        done = sum(history.finished for history in ending.chain.trials.values())
        found, objective = best_job(one.sweep, ending.chain), one.sweep.objective
        cold, reused = reuse(ending.chain.jobs)
        best = f"{metric_of(found[0], objective.metric):g} ({found[0].intent.label})" if found and objective else ""
        return (name, str(done), best, str(cold), str(reused), str(code))
