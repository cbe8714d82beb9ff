"""Why a script ended, read from what it printed. Pure, standard library only, Python 3.8 and later.

The driver reads a script's own output with it, and sweeper the log and the FailureReason of a job that another launcher
started: the same text has the same cause.
"""

from __future__ import annotations

import re
import signal

TYPE_CHECKING = False  # every job pays for what is imported here
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DETAIL_LINES = 10
_BANNER = "ChildFailedError:"

_HEADER = re.compile(r"^(.*?)(?:Exception Group )?Traceback \(most recent call last\):$")
_FRAME = re.compile(r'\s*File "(?P<file>[^"]*)", line (?P<line>\d+)')
_ASIDE = ("Exception ignored in", "--- Logging error ---")  # what Python reports and goes on
_NAMED = re.compile(r"[A-Za-z_][\w.<>]*(?:$|:$|: )")
_EXCEPTION = re.compile(
    r"^\W*((?:[A-Za-z_]\w*\.)*_?(?:[A-Z]\w*)?"
    r"(?:Error|Exception|Interrupt|Exit|Iteration|Timeout|NotFound|Conflict))(?:: (.*?))?\W*$"
)
_TOOLKIT = ("ExecuteUserScriptError", "InstallRequirementsError", "InstallModuleError")
_WRAPPERS = ("ChildFailedError", "CalledProcessError", *_TOOLKIT)
"""What a launcher raises because its script has failed."""

_NO_CAUSE = re.compile(
    r"^[\W_]*$|\d+%\|"  # a rule, a progress bar
    r"|^\S*:? ?\w*Warning(?:: |$)|^\W*(?:WARNING|WARN|INFO|DEBUG|NOTE|notice)\b"
    r"|^\W?\d\S* (?:\S+ ){0,4}(?:WARNING|INFO|DEBUG)\b|^[\d.:, -]+: [IW] |^[IW]\d{4} [\d:.]+ "  # a logger's line
    r"|^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [A-Z][a-z]+ - "  # the service's own
    r"|\bsagemaker-(?:containers|training-toolkit) (?:INFO|ERROR)\b|^Reporting training |^Invoking script with "
    r"|^(?:ExecuteUserScript|InstallRequirements|InstallModule)Error:?(?: (?:ExitCode|Command) .*)?$"
    r"|^(?i:framework error):|^See job logs\b"
    r'|^ErrorMessage "?"?$|^Command "|^(?i:(?:encountered )?,? ?exit[ _]?code:?) -?\d+$'
    r"|\btorch[./]distributed[./]elastic\b|^(?:wandb|sweeper): "
)
_CODE = re.compile(r"Traceback \(most recent call last\):|^File \"|^frame #\d+: |^(?:raise|return) [\w.]+\(")
_ESCAPES = re.compile(r"(?:\x1b|#033)\[[0-9;?]*[A-Za-z]")
_RETURNS = re.compile(r"\r|#015")


def plain(text: str) -> list[str]:
    """The lines of an output or of its log, as a terminal would show them, without empty ones."""
    found = []
    for line in _ESCAPES.sub("", text).split("\n"):
        shown = [piece.rstrip() for piece in _RETURNS.split(line) if piece.strip()]
        found += shown[-1:]
    return found


def cause_and_detail(code: int, stderr: Sequence[str], stdout: Sequence[str]) -> list[str]:
    """Why a script ended with this code: one line, then what stands around it. Negative: the signal that ended it."""
    killed = killer(code, stderr)
    found = exception_and_detail(stderr) or exception_and_detail(stdout)
    if killed and (code < 0 or not found):
        return [killed, *stderr[-DETAIL_LINES:]]
    if found:
        return found
    if last := said_last(stderr):
        return [last, *stderr[-15:]]
    return [f"the script ended with exit code {code} and gave no reason", *(stderr or stdout)[-15:]]


def said_last(lines: Sequence[str]) -> str:
    """The last line that may be a cause; empty when there is none."""
    return next((line.strip() for line in reversed(lines) if is_cause(line)), "")


def is_cause(line: str) -> bool:
    """May this line say what went wrong? Rules, warnings, status lines and a launcher's own words do not."""
    return not is_code(line) and _NO_CAUSE.search(line.strip()) is None


def is_code(line: str) -> bool:
    """Is this a piece of a traceback? It tells where, and is better than nothing."""
    return _CODE.search(line.strip()) is not None


# --- exceptions -------------------------------------------------------------------------------------------------------


class Raised:
    """An exception with its traceback."""

    def __init__(self, at: int, mark: str, lines: Sequence[str], end: int) -> None:
        self.at = at  # where its traceback begins
        self.mark = mark  # what a launcher puts before every line of a process
        self.cause = _with_message(lines, end)
        self.name = lines[end].partition(":")[0].strip()
        self.detail = list(lines[: end + 1 + DETAIL_LINES])

    @property
    def wraps(self) -> bool:
        """Does it only tell that something else has failed?"""
        return self.name.rpartition(".")[2] in _WRAPPERS


def exception_and_detail(lines: Sequence[str]) -> list[str]:
    """The exception that ended a script, first in its one line, then with its traceback; empty when there is none."""
    found = [raised for raised in (_raised(lines, at) for at in tracebacks(lines)) if raised]
    banner = next((at for at in reversed(range(len(lines))) if lines[at].endswith(_BANNER)), len(lines))
    if banner < len(lines) and not (found and found[-1].at > banner):
        own = max(tracebacks(lines[:banner]), default=banner)
        return _worker(lines[:own], lines[banner:], [raised for raised in found if not raised.wraps])
    if not found:
        return []
    inner = [raised for raised in found if not raised.wraps]
    last = inner[-1] if found[-1].wraps and inner else found[-1]
    return [last.cause, *last.detail]


def _worker(before: Sequence[str], banner: Sequence[str], found: Sequence[Raised]) -> list[str]:
    """Why the first of torchrun's processes failed; what it writes below its own traceback tells which that is."""
    told = dict(re.findall(r"^ *(rank|exitcode) *: (-?\d+)", "\n".join(banner), re.MULTILINE))
    code = int(told.get("exitcode", "0"))
    if code < 0 and (killed := killer(code, before)):
        return [killed, *banner]
    first = [raised for raised in found if re.search(rf"\D{told.get('rank')}\]", raised.mark)]
    for raised in [*first[-1:], *found[-1:]]:
        return [raised.cause, *raised.detail]
    return [said_last(before) or banner[0].strip(), *banner]


def named_exception(lines: Sequence[str], but: Sequence[str] = ()) -> str:
    """The last line that begins with the name of an exception, with its message; empty when there is none."""
    for at in reversed(range(len(lines))):
        match = _EXCEPTION.match(lines[at])
        if match and match.group(1) not in but and match.group(1).rpartition(".")[2] not in _WRAPPERS:
            return _with_message([line.strip(' "') for line in lines], at)
    return ""


def tracebacks(lines: Sequence[str]) -> Iterator[int]:
    """Where in these lines a traceback begins."""
    for at, line in enumerate(lines):
        aside = at and lines[at - 1].startswith(_ASIDE)
        if not aside and line.endswith("(most recent call last):") and _HEADER.match(line):
            yield at


def _raised(lines: Sequence[str], at: int) -> Raised | None:
    """The traceback that begins here. A launcher marks every line, say with `[rank0]: `, and mixes several."""
    header = _HEADER.match(lines[at])
    mark = header.group(1) if header else ""
    marks = (mark, mark.replace("+", "|"))  # an exception group draws a tree before its lines
    rest = lines[at + 1 :]
    if mark and any(line.startswith(marks) for line in rest):
        rest = [line[len(mark) :] for line in rest if line.startswith(marks)]
    body = rest[: next(tracebacks(rest), len(rest))]
    margin = _indent(body[0]) - 2 if body and _FRAME.match(body[0]) else 0
    ends = [at for at, line in enumerate(body) if _indent(line) <= margin]
    # Other lines may come between: what else the process prints, in a log of both its outputs.
    end = next((at for at in ends if _NAMED.match(body[at].strip())), ends[0] if ends else None)
    return None if end is None else Raised(at, mark, body, end)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _with_message(lines: Sequence[str], at: int) -> str:
    """An exception in one line: its message may begin on the next one, and where it has none its source line tells."""
    line = lines[at].strip()
    after = lines[at + 1] if at + 1 < len(lines) else ""
    if after.strip() and is_cause(after) and (line.endswith(":") or _indent(after) > _indent(lines[at])):
        return f"{line} {after.strip()}"
    frames = [n for n in range(at - 1) if _FRAME.match(lines[n]) and not _FRAME.match(lines[n + 1])]
    frame = _FRAME.match(lines[frames[-1]]) if frames else None
    if frame and re.fullmatch(r"[\w.<>]+", line):
        name = frame.group("file").rpartition("/")[2]
        return f"{line}: {lines[frames[-1] + 1].strip()} ({name}, line {frame.group('line')})"
    return line


# --- signals ----------------------------------------------------------------------------------------------------------


def killer(code: int, lines: Sequence[str] = ()) -> str:
    """The signal that ended the script or, as a shell tells it, something in it; empty when it ended by itself.

    A program that aborts itself says why before, in these lines.
    """
    name = signal_name(-code if code < 0 else code - 128)
    if name == "SIGABRT":
        what = [line.strip() for line in lines if line.lstrip().startswith("what():")]
        told = what[-1] if what else said_last(lines)
        return f"killed by {name}" + (told and f": {told}")
    return name and f"killed by {name}" + (" (often out of memory)" if name == "SIGKILL" else "")


def signal_name(number: int) -> str:
    """SIGKILL for 9; empty when there is no such signal."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return ""
