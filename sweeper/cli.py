"""The command line: verbs, help, and every error mapped to one clear line and an exit code."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from sweeper.commands import VERBS
from sweeper.commands.left_open import remind
from sweeper.commands.output import PEOPLE, Output
from sweeper.commands.say import (
    READER_GONE,
    complain,
    forget_stdout,
    hide_given,
    package_version,
    trace,
    warn_unreleased,
)
from sweeper.config import project
from sweeper.config.problems import nearest
from sweeper.errors import BUG, Fault, SweeperError, UsageError

if TYPE_CHECKING:
    from sweeper.run.release import Unreleased


WAIT = "--wait"
"""Of a run: it waits for a pool that another sweep holds, and is not refused."""
_USES = (
    ("sweeper +experiment=NAME [KEY=VALUE ...]", "run the experiment, or continue where it stopped"),
    ("  [--json] [--events jsonl] [--detach]", "for programs: an object at the end, a line a thing; not waited for"),
    ("  [--wait]", "where another sweep holds its pool: wait, and take it over"),
    *((f"sweeper {verb.name} {verb.words}", verb.about) for verb in VERBS.values()),
    ("sweeper --help", "this text; `sweeper VERB --help` tells more of a verb"),
)
_LINES = "\n".join(f"  {use:<41}  {about}" for use, about in _USES)
HELP = f"""\
sweeper: sweeps of SageMaker training jobs on one warm pool that is always released

{_LINES}

NAME is a file of experiments/. KEY=VALUE changes a value, KEY=A,B,C sweeps it.
engine=local (the default) trains on this machine, engine=aws on SageMaker.

Hydra's own flags work too: --cfg job shows the composed configuration, --info searchpath where it comes from.

Exit codes: 0 done; 1 a trial failed or lacks its metric; 2 usage or configuration; 3 a pool may still bill;
4 another runner holds this sweep; 5 stopped by the budget; 70 a bug of ours; 128 + N ended by signal N, pool released.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    open_standard_streams()
    arguments = list(sys.argv[1:] if argv is None else argv)
    output = Output.meant(arguments)
    if odd := next((word for word in arguments if _undecodable(word)), None):
        return guarded(lambda: refused(f"command line: {odd!r} is not UTF-8"), output)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(HELP, end="")
        return 0
    if arguments == ["--version"]:
        print(f"sweeper {package_version('sweeper')}")
        return 0
    hide_given(arguments)
    verb = VERBS.get(arguments[0])
    if verb is None and re.fullmatch(r"[\w-]+", arguments[0]) and not arguments[0].startswith("-"):
        return guarded(lambda: refused(unknown_verb(arguments)), output)
    if verb and verb.reminds:
        remind(complain)
    return guarded(lambda: verb.main(arguments[1:]) if verb else _run(arguments), output)


def refused(message: str) -> NoReturn:
    """Nothing is done, by this word of the command line."""
    raise UsageError(message)


def _undecodable(word: str) -> bool:
    """True for bytes that Python could not read, and that nothing could write again."""
    try:
        word.encode()
    except UnicodeEncodeError:
        return True
    return False


def _run(arguments: Sequence[str]) -> int:
    """Run the experiment that the arguments declare."""
    from sweeper import config
    from sweeper.commands.parsing import of_run
    from sweeper.commands.run import run
    from sweeper.run.tenure import Turn

    output, words = of_run(arguments)
    turn = Turn.FOR_POOL if WAIT in words else Turn.AT_ONCE
    return config.run([w for w in words if w != WAIT], lambda sweep: run(sweep, output=output, turn=turn))


def unknown_verb(arguments: Sequence[str]) -> str:
    """One line for a word that is no verb: the nearest one, or the experiment of that name."""
    here = project.here() / project.EXPERIMENTS
    meant = next((word for word in arguments[:2] if project.is_file(here / f"{word}.yaml")), None)
    hint = f"; to run an experiment write +experiment={meant}" if meant else nearest(arguments[0], VERBS)
    return f"command line: there is no verb {arguments[0]!r}{hint or '; sweeper --help lists them'}"


def guarded(command: Callable[[], int], output: Output = PEOPLE) -> int:
    """Run and map every error to one clear line and its exit code; a traceback only for a bug of ours.

    Whoever asked for JSON is told in JSON too.
    """
    unreleased: Sequence[Unreleased] | None = None
    ended = 0
    try:
        ended = command()
        sys.stdout.flush()
        return ended
    except SweeperError as error:
        unreleased = _unreleased(error)
        complain(str(error))
        code, faults = error.exit_code, error.faults
        if code == BUG:
            _tell_bug(unreleased)
    except KeyboardInterrupt as error:
        unreleased = _unreleased(error)
        code, faults = 130, [Fault("interrupted", "ended by Ctrl-C")]
    except OSError as error:
        unreleased = _unreleased(error)
        forget_stdout()
        if error.errno in READER_GONE and not unreleased:
            return ended
        # A full or read-only disk, a missing permission: the world's fault, told in one line.
        complain(str(error))
        code, faults = ended or UsageError.exit_code, [Fault("system", str(error))]
    except Exception as error:  # noqa: BLE001 - the last resort: every other error is a bug, and says so
        unreleased = _unreleased(error)
        _tell_bug(unreleased)
        code, faults = BUG, [Fault("bug", f"{type(error).__name__}: {error}")]
    code = warn_unreleased(unreleased or ()) or code
    output.failed(code, faults, unreleased or ())
    return code


def _unreleased(error: BaseException) -> Sequence[Unreleased] | None:
    """What a run that ended by this error could not close; None when no run looked."""
    found: Sequence[Unreleased] | None = getattr(error, "unreleased", None)
    return found


def _tell_bug(unreleased: Sequence[Unreleased] | None) -> None:
    """The traceback, and what is known of the pools: only what was seen is said."""
    trace()
    seen = "`sweeper pools` shows what may be open" if unreleased is None else "every pool was seen closed"
    complain("this is a bug in sweeper" + ("" if unreleased else f"; {seen}"))


def open_standard_streams() -> None:
    """Where a standard stream was closed (`>&-`), open /dev/null: else the next file opened would take its place."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - as long as we live
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as stderr: a name that a terminal cannot show is no error


def script() -> NoReturn:
    """The console script."""
    sys.exit(main())
