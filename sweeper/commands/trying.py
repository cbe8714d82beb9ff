"""`sweeper try`: one trial again with the source as it is now, beside its sweep, and whether that is better.

A try is a trial of a sweep of its own, `NAME.tries`: its journal, its log, its pool and whoever closes that are as
those of every sweep, and no row of the sweep that it tries something of changes.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TypedDict

from sweeper.commands import sweeps
from sweeper.commands.as_it_was import as_it_was, config_of, described, staged
from sweeper.commands.ended import undisturbed
from sweeper.commands.exit_code import exit_code
from sweeper.commands.output import tell_json
from sweeper.commands.parsing import Parser
from sweeper.commands.run import driven
from sweeper.commands.say import tell, warn_unreleased
from sweeper.commands.tried import Base, TryTold, listed, tried
from sweeper.commands.try_sweep import session, trying
from sweeper.core.model import Launch
from sweeper.errors import LockHeldError, UsageError
from sweeper.record.stored import StoredSweep
from sweeper.show import files
from sweeper.show.summary import MayBill, may_bill


class TryEnded(TryTold):
    """A try that has ended."""

    exit_code: int
    unreleased: list[MayBill]
    """What may still bill; exit code 3 then."""


class Tries(TypedDict):
    """The tries of a sweep's trials so far."""

    sweep: str
    tries: list[TryTold]


def main(arguments: Sequence[str]) -> int:
    """Try it, or tell of the tries so far; returns the exit code."""
    options = _parser().parse_args(arguments)
    stored = sweeps.find(options.name)
    if options.list:
        return _list(stored, as_json=options.json)
    history = sweeps.chosen(stored, options.trial)
    if stored.runner:
        raise LockHeldError(f"{stored.name} runs now ({stored.runner}) and has the pool: try it when that has ended")
    if not history.result.ended:
        raise UsageError(f"{history.label} of {stored.name} was cut short: run the sweep to its end first")
    was = described(stored, history.result)
    launch = Launch(config_of(stored, history.id)["job"]["launch"])
    if launch is Launch.IMAGE:
        raise UsageError(f"{stored.name}: its image brings its own code: there is no source to try")
    base = Base.of(stored, history.result)
    sweep = trying(stored, base, as_it_was(stored, history.result, was), leaves_warm=options.keep_warm)
    ending, outside, _ = driven(sweep, session(base, sweep.only, staged(history.result, was, launch)))
    with undisturbed(ending):
        table, _ = files.write_results(sweep, ending.chain, outside.folder, outside.redact)
        trial = sweep.trials.find(sweep.only, 0)
        assert trial is not None  # it is declared
        found = tried(ending.chain, trial, base, outside.folder.name, ending.kept_until)
        code = warn_unreleased(ending.unreleased) or exit_code(sweep, ending, table)
        if options.json:
            told: TryEnded = {**found.told, "exit_code": code, "unreleased": may_bill(ending.unreleased)}
            tell_json(told)
        else:
            tell(found.line)
    return code


def _list(stored: StoredSweep, *, as_json: bool) -> int:
    found = listed(stored)
    if as_json:
        told: Tries = {"sweep": stored.name, "tries": [one.told for one in found]}
        tell_json(told)
    for one in () if as_json else found:
        tell(one.line)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="sweeper try",
        description="Run a trial again with its source as it is now: the same hyperparameters, locked section, image "
        "and data. Says its objective's metric before and now, and whether that is better. It runs in a sweep of its "
        "own, NAME.tries: no row and no best trial of NAME changes, no stop rule but the budget counts, and no tracker "
        "is told.",
        epilog="Without --keep-warm the pool is released before the answer. With it the pool idles, and bills, for "
        "pool.keep_alive_s at most; a watchdog closes it then, `sweeper pools release` at once. "
        "Exit code 1: the try has failed, or lacks its metric; 0 whether it is better or not.",
    )
    parser.add_argument("name", help="a folder of runs/, or its beginning")
    parser.add_argument("trial", nargs="?", default=sweeps.BEST, help="best (default), or its number, id or name")
    parser.add_argument("--keep-warm", action="store_true", help="leave the pool to the next try, for its keep-alive")
    parser.add_argument("--list", action="store_true", help="run nothing: every try so far")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return parser
