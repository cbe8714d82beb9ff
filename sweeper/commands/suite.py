"""`sweeper suite`: several experiments in one command, one after another, each taking the pool over where it fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import TypedDict

from sweeper.commands.columns import columns
from sweeper.commands.exit_code import worst
from sweeper.commands.in_turn import Ran, Suite
from sweeper.commands.output import tell_json
from sweeper.commands.parsing import Parser
from sweeper.commands.say import tell
from sweeper.config import project
from sweeper.config.guest import Composed
from sweeper.config.suite import composed, entries
from sweeper.core.chain import metric_of
from sweeper.core.results import reuse
from sweeper.core.rounds import best_job
from sweeper.errors import Fault
from sweeper.run.tenure import Tenure, Turn
from sweeper.show.summary import MayBill, RunEnded, may_bill

HEADER = ("experiment", "trials", "best", "cold", "reused", "exit code")


class Experiment(TypedDict):
    """What became of one experiment of a suite. All null: it was not begun."""

    name: str
    exit_code: int | None
    ended: RunEnded | None
    """Null where it could not run."""
    errors: list[Fault]
    """What kept it from running, or from being told."""


class SuiteEnded(TypedDict):
    """A suite that has ended."""

    experiments: list[Experiment]
    """In their order."""
    exit_code: int
    """Of those of its experiments the first by precedence."""
    unreleased: list[MayBill]
    """What may still bill; exit code 3 then."""


def main(arguments: Sequence[str]) -> int:
    """Run them all; returns the one exit code that comes first by precedence. Raises UsageError before any is run."""
    parser = _parser()
    options, words = parser.parse_known_args(arguments)
    if flags := [word for word in words if word.startswith("-")]:
        parser.error(f"unrecognized arguments: {' '.join(flags)}")
    root = project.here()
    made = composed(entries(words, root), root)
    with ExitStack() as stack:
        tenure = Tenure(stack, Turn.FOR_POOL if options.wait else Turn.AT_ONCE)
        ran = Suite(made, tenure, quiet=options.json).run()
    code = worst(one.exit_code for one in ran.values())
    if options.json:
        tell_json(_told(made, ran, code))
    else:
        tell()
        tell("\n".join(columns(HEADER, (_row(one, ran.get(one.sweep.name)) for one in made))))
    return code


def _parser() -> Parser:
    parser = Parser(
        prog="sweeper suite",
        usage="sweeper suite EXPERIMENT ... [KEY=VALUE ...] [EXPERIMENT:KEY=VALUE ...] [--wait] [--json]",
        description="Run several experiments one after another. All are composed and checked before anything is sent. "
        "Where the pool of one fits the next, that one's first job takes it over: no release between, no second cold "
        "start; where it does not, it is closed first. KEY=VALUE is said to all of them, EXPERIMENT:KEY=VALUE to one. "
        "A file of experiments/ with `suite: [a, {experiment: b, overrides: [KEY=VALUE]}]` stands for its entries. "
        "Failed trials, and an experiment that cannot run, do not keep the next from running; Ctrl-C, and a pool that "
        "may still bill, end the suite. The same command goes on where it stopped.",
        epilog="Exit codes: the first by precedence of those of its experiments.",
    )
    parser.add_argument("--wait", action="store_true", help="wait for a pool that another sweep holds")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout, at the end")
    return parser


def _told(made: Sequence[Composed], ran: Mapping[str, Ran], code: int) -> SuiteEnded:
    owed = [pool for one in ran.values() for pool in one.unreleased]
    return {
        "experiments": [_experiment(one.sweep.name, ran.get(one.sweep.name)) for one in made],
        "exit_code": code,
        "unreleased": may_bill(owed),
    }


def _experiment(name: str, ran: Ran | None) -> Experiment:
    if ran is None:
        return {"name": name, "exit_code": None, "ended": None, "errors": []}
    return {"name": name, "exit_code": ran.exit_code, "ended": ran.told, "errors": [*ran.faults]}


def _row(one: Composed, ran: Ran | None) -> tuple[str, ...]:
    name, ending = one.sweep.name, ran.ending if ran else None
    if ran is None or ending is None:
        return (name, "not run", "", "", "", str(ran.exit_code) if ran else "")
    done = sum(history.finished for history in ending.chain.trials.values())
    found, objective = best_job(one.sweep, ending.chain), one.sweep.objective
    cold, reused = reuse(ending.chain.jobs)
    best = f"{metric_of(found[0], objective.metric):g} ({found[0].intent.label})" if found and objective else ""
    return (name, str(done), best, str(cold), str(reused), str(ran.exit_code))
