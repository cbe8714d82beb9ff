"""What every command says to a person, and how: no secret, and nothing that a terminal obeys. Cheap to import."""

from __future__ import annotations

import errno
import os
import re
import shutil
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from sweeper.core.text import harmless_lines

if TYPE_CHECKING:
    from sweeper.run.release import Unreleased

BILLING = 3
READER_GONE = (errno.EPIPE, errno.EIO)
"""What writing to a pipe without a reader, and to a terminal that was closed, ends with."""


_GIVEN = re.compile(r"[+~]*(?:environment|trackers)\.?([^=]*)=(.*)", re.DOTALL)
_hidden: ContextVar[Callable[[str], str] | None] = ContextVar("hidden", default=None)


def hide(redact: Callable[[str], str]) -> None:
    """From now on this masks the secrets in whatever is said to be wrong."""
    _hidden.set(redact)


def hide_given(words: Sequence[str]) -> None:
    """What a command line gives the environment is not repeated where something is wrong with it.

    A shell has put the values in, and what is said of them may stand in the log of a build. A reference is no value.
    """
    given = {found[1]: found[2] for word in words if (found := _GIVEN.fullmatch(word)) and "${" not in word}
    if given:
        from sweeper.core.secrets import Redactor  # most commands need not load it

        redact = Redactor(given)
        for key, value in given.items():
            for part in re.split(r"[,\[\]{}]", value):
                redact.learn({key: part.rpartition(":")[2].strip(" '\"")})
        hide(redact.cut)


def tell(text: str = "", *, end: str = "\n", flush: bool = False, file: TextIO | None = None) -> None:
    """Print what was asked for, on stdout. Names and values are told as they are: they decide."""
    print(harmless_lines(text), end=end, flush=flush, file=file)


def tell_words(text: str) -> None:
    """Print a sentence on stdout; on a terminal its lines are broken between words."""
    if sys.stdout.isatty():
        from sweeper.show.cells import wrapped  # what measures text is loaded where a terminal shows it

        text = wrapped(text, shutil.get_terminal_size().columns)
    tell(text)


def complain(text: str) -> None:
    """Tell a person what is wrong, on stderr; without a reader there nobody can be told."""
    _complain_as_is(without_secrets(text))


def _complain_as_is(text: str) -> None:
    with suppress(OSError):
        for line in harmless_lines(text).splitlines():
            print(f"sweeper: {line}", file=sys.stderr)


def trace() -> None:
    """The traceback of the exception that is being handled, on stderr."""
    with suppress(OSError):
        sys.stderr.write(harmless_lines(without_secrets(traceback.format_exc())))


def without_secrets(text: str) -> str:
    """What is said to be wrong, without the secrets that are known by now."""
    redact = _hidden.get()
    return redact(text) if redact else text


def warn_unreleased(unreleased: Sequence[Unreleased]) -> int:
    """Say last, and clearly, what may still cost money; returns exit code 3 then, else 0.

    The command is to be pasted: no part of a job's name is masked, though the environment may hold it too.
    """
    for pool in unreleased:
        _complain_as_is(f"THE POOL OF {pool.name} MAY STILL BILL: {without_secrets(pool.why)}")
        _complain_as_is(f"release it with: {pool.command}")
    return BILLING if unreleased else 0


def forget_stdout() -> None:
    """The reader (head) has gone: nothing more is told, and Python does not complain once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def relative(path: Path) -> Path:
    """A path as a person here would type it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def package_version(package: str) -> str:
    """The installed version of a package."""
    from importlib.metadata import PackageNotFoundError, version  # some 10 ms that most commands need not pay

    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
