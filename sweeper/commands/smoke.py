"""`sweeper doctor --smoke`: asks a real account what nobody knows of the service, and writes down what it did."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from sweeper.commands.output import tell_json
from sweeper.commands.own_folders import own_folders
from sweeper.commands.say import complain, package_version, relative, tell, warn_unreleased
from sweeper.core.model import Sweep
from sweeper.core.smoke.budget import Budget
from sweeper.core.smoke.jobs import INSTANCE_TYPE
from sweeper.core.smoke.questions import Account, Answer, Question, Recording, open_of, recording
from sweeper.core.words import span
from sweeper.errors import UsageError
from sweeper.record.atomic import write_atomically
from sweeper.run.clock import SystemClock
from sweeper.run.connect import connect
from sweeper.run.smoke.bed import usd_per_second
from sweeper.run.smoke.questioning import Questioning
from sweeper.run.smoke.session import SmokeSession

OPEN = 1


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `sweeper doctor` that are about it."""
    parser.add_argument(
        "--smoke",
        action="store_true",
        help="run a few cheap jobs that settle what nobody knows of the service; asks first, releases always",
    )
    parser.add_argument("--yes", action="store_true", help="--smoke: do not ask")
    parser.add_argument(
        "--recording",
        type=Path,
        metavar="FILE",
        help="--smoke: where to write the answers, for engine.recorded (default: smoke-ACCOUNT.REGION.json)",
    )


def smoke(sweep: Sweep, options: argparse.Namespace) -> int:
    """Ask, release, write and tell; returns the exit code: 0, or 1 when questions are left open."""
    clock = SystemClock()
    session = SmokeSession(sweep, connect(sweep), clock, complain)
    path = options.recording or Path(f"smoke-{_where(session)}.json")
    if sweep.engine.on_aws and not _agreed(session, yes=options.yes):
        return 0
    with clock.listening():
        with suppress(OSError):  # they are a convenience: what has to be written says so itself
            own_folders(Path(sweep.project))
        if earlier := session.close_earlier():
            return warn_unreleased(earlier)
        asked = session.ask()
        try:
            told = _recording(asked, session)
            if options.json:
                tell_json(told)
            else:
                tell("\n".join(_lines(asked, path)), flush=True)
            write_atomically(path, json.dumps(told, indent=2) + "\n")
        except BaseException as error:
            error.unreleased = list(asked.unreleased)  # type: ignore[attr-defined]
            raise
        return warn_unreleased(asked.unreleased) or _code(asked, clock)


def _recording(asked: Questioning, session: SmokeSession) -> Recording:
    scope, answers = session.connection.scope, asked.asking.answers
    account = Account(scope.account, scope.region, INSTANCE_TYPE)
    return recording(answers, account, package_version("sweeper"), session.clock.now())


def _code(asked: Questioning, clock: SystemClock) -> int:
    if clock.caught:
        return 128 + clock.caught[0]
    return OPEN if open_of(asked.asking.answers) else 0


def _where(session: SmokeSession) -> str:
    scope = session.connection.scope
    return f"{scope.account}.{scope.region}" if scope.engine.on_aws else "local"


def _agreed(session: SmokeSession, *, yes: bool) -> bool:
    """Say what it comes to at most, and ask. Raises UsageError where nobody can be asked."""
    complain(
        f"sixteen questions on account {session.connection.scope.account}, {session.connection.scope.region}: about "
        f"15 jobs of {INSTANCE_TYPE}, one at a time, for an hour or less; {_bill(session)}"
    )
    if yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError("nobody can be asked here: say --yes to spend it")
    complain("ask them? [y/N]")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _bill(session: SmokeSession) -> str:
    price = usd_per_second(session.sweep, session.connection)
    most_s = Budget.of(price).most_s
    if price is None:
        return f"at most {span(most_s)} of that machine are billed, at a price that is not known here"
    return f"the worst bill is {most_s * price:.2f} USD, should nothing release what they keep"


def _lines(asked: Questioning, path: Path) -> Iterator[str]:
    """A line for each question, then what is open."""
    answers = asked.asking.answers
    for question in Question:
        known = answers.get(question)
        yield f"{question.id:<4} {question.value}: {_words(known) if known else 'not asked'}"
    still = open_of(answers)
    file = relative(path.absolute())
    yield f"{len(Question) - len(still)} of {len(Question)} questions are answered; recorded in {file}"
    yield f"the local engine does the same with engine.recorded={file}"


def _words(answer: Answer) -> str:
    return "; ".join(filter(None, (answer.words, answer.open and f"not answered: {answer.open}")))
