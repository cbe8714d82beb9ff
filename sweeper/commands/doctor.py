"""`sweeper doctor`: everything that can be looked at before a run is, one by one. Only --smoke changes anything."""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TypedDict

from sweeper import config
from sweeper.commands import smoke
from sweeper.commands.output import tell_json
from sweeper.commands.parsing import Parser
from sweeper.commands.say import complain, tell
from sweeper.core.model import Sweep
from sweeper.core.verdict import Check, Verdict, failed
from sweeper.errors import ApiError, SweeperError, UsageError
from sweeper.run.checks.asked import subject_of, unanswered
from sweeper.run.clock import SystemClock
from sweeper.run.connect import Connection, aws, connect

_ACCOUNT = re.compile(r"engine=aws|engine\.(profile|region)=(.+)")


class Checked(TypedDict):
    """What was looked at before a run."""

    sweep: str | None
    """Null: an account alone."""
    checks: list[Check]


def main(arguments: Sequence[str]) -> int:
    """Check; returns 2 when something would keep a run from starting, else 0. With --smoke: ask, by a few jobs."""
    parser = Parser(
        prog="sweeper doctor",
        usage="sweeper doctor [+experiment=NAME [KEY=VALUE ...]] [--json]\n"
        "       sweeper doctor [engine.profile=NAME] [engine.region=REGION] [--json]\n"
        "       sweeper doctor --smoke +experiment=NAME [KEY=VALUE ...] [--yes] [--recording FILE] [--json]",
        description="All that is looked at before a run, one by one: who you are, the role of the jobs, whether you "
        "may release, create, stop, tag and pass it, quotas and what is in use of them, buckets, image, price, pools "
        "that idle. Each passes, warns, fails or is unknown, with what to do about it; a run that finds one failed "
        "ends before anything is created. Nothing is changed. Without an experiment: the account alone. With "
        "--smoke: sixteen questions that the documents of the service leave open are asked of the account, by some 15 "
        "jobs of one small machine, for under a dollar, with the experiment's role, image and network. It tells the "
        "worst bill and asks before; every job is owed, watched and released as those of a run are. The answers are "
        "written down, for the local engine to do the same.",
        epilog="Exit codes: 0 nothing is wrong, every question is answered; 1 a question is left open; 2 something "
        "would keep a run from starting, usage; 3 a pool may still bill; 130 Ctrl-C, everything released.",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    smoke.add_options(parser)
    options, overrides = parser.parse_known_args(arguments)
    if options.smoke:
        return _smoke(options, overrides)
    account = _account(overrides)
    if account is not None:
        return _told(None, list(_checks(lambda: aws(account, None), None)), as_json=options.json)
    return config.run(overrides, lambda sweep: _of(sweep, as_json=options.json), prog="sweeper doctor")


def _account(overrides: Sequence[str]) -> dict[str, str] | None:
    """Which account is meant, where nothing is said of an experiment; None where more is said."""
    words = [found for word in overrides if (found := _ACCOUNT.fullmatch(word))]
    return {word[1]: word[2] for word in words if word[1]} if len(words) == len(overrides) else None


def _smoke(options: argparse.Namespace, overrides: Sequence[str]) -> int:
    """Ask the sixteen questions. Raises UsageError without an experiment: its jobs have its role and its image."""
    if not overrides:
        raise UsageError("doctor --smoke: add +experiment=NAME: its role, image and network are what is asked with")
    return config.run(overrides, lambda sweep: smoke.smoke(sweep, options), prog="sweeper doctor")


def _of(sweep: Sweep, *, as_json: bool) -> int:
    for warning in sweep.warnings:
        complain(f"warning: {warning}")
    return _told(sweep, list(_checks(lambda: connect(sweep, reading=True), sweep)), as_json=as_json)


def _checks(connection: Callable[[], Connection], sweep: Sweep | None) -> Iterator[Check]:
    """Every check of the account, and of the sweep in it."""
    from sweeper.run.checks.every import checked

    if sweep and not sweep.engine.on_aws:
        found = "engine=local trains on this machine: no account is asked"
        yield Check("engine", Verdict.PASS, found, "add engine=aws to check one")
        return
    try:
        subject = subject_of(connection(), SystemClock(), sweep)
    except SweeperError as error:
        told, do = (error.told, error.do) if isinstance(error, ApiError) else (str(error), "")
        yield Check("caller", Verdict.FAIL, told, do)
        yield from (check for check in checked(unanswered(sweep)) if check.id != "caller")
        return
    yield from checked(subject)


def _told(sweep: Sweep | None, checks: Sequence[Check], *, as_json: bool) -> int:
    if as_json:
        told: Checked = {"sweep": sweep.name if sweep else None, "checks": [*checks]}
        tell_json(told)
    else:
        tell("\n".join(_lines(checks)))
    return UsageError.exit_code if failed(checks) else 0


def _lines(checks: Sequence[Check]) -> Iterator[str]:
    """A line for each check, what to do about it below, and a count."""
    width = max(len(check.id) for check in checks)
    for check in checks:
        yield f"{check.verdict.value:<7}  {check.id:<{width}}  {check.found}"
        if check.do:
            yield f"{'':<7}  {'':<{width}}  -> {check.do}"
    counts = Counter(check.verdict for check in checks)
    yield ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in Verdict if counts[verdict])
