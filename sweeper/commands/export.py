"""`sweeper export`: a sweep as tables, or one of its trials in the words of another tool."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sweeper.commands import as_script, sweeps
from sweeper.commands.parsing import Parser
from sweeper.commands.say import complain, relative, tell
from sweeper.core.words import counted
from sweeper.errors import UsageError
from sweeper.record.atomic import write_atomically
from sweeper.record.stored import StoredSweep
from sweeper.show import exported

Export = Callable[[StoredSweep, str], tuple[str, list[str]]]
FORMS: Mapping[str, Export] = {"model_trainer": as_script.model_trainer}
"""What a trial may be written as: each gives the text of a file for a sweep and a trial, and what it could not say."""
FOLDER = "export"
"""Where the tables lie in the folder of their sweep."""


def main(arguments: Sequence[str]) -> int:
    """Write it; returns the exit code."""
    parser = Parser(
        prog="sweeper export",
        description="Write a sweep as two tables, trials and points: a row per trial, and one per value of a metric. "
        "Works while another process runs the sweep. With --as, write one trial for another tool. model_trainer: a "
        "Python script that runs it again with version 3 of SageMaker's SDK alone, with the code and data where the "
        "job read them.",
    )
    parser.add_argument("name", help="a folder of runs/, or its beginning")
    parser.add_argument("trial", nargs="?", help="with --as: best (default), or its number, id or name")
    parser.add_argument("--as", dest="form", choices=list(FORMS), help="write a trial, as this")
    parser.add_argument("--format", choices=list(exported.FORMATS), help="of the tables; default: csv")
    to = "of the tables the folder (default: runs/NAME/export), of a trial the file (default: print it)"
    parser.add_argument("--to", type=Path, metavar="PATH", help=to)
    options = parser.parse_args(arguments)
    if options.form and options.format:
        raise UsageError(f"--format is one of the tables: --as {options.form} writes a trial")
    if options.trial and not options.form:
        raise UsageError(f"the tables hold every trial: to write {options.trial} alone say --as {'|'.join(FORMS)}")
    sweep = sweeps.find(options.name)
    if options.form:
        return _trial(sweep, options.trial or sweeps.BEST, options.form, options.to)
    return _tables(sweep, options.format or next(iter(exported.FORMATS)), options.to)


def _trial(sweep: StoredSweep, word: str, form: str, to: Path | None) -> int:
    if to:
        _is_free(to)
    text, left = FORMS[form](sweep, word)
    for line in left:
        complain(f"warning: {line}")
    if to:
        write_atomically(to.absolute(), text)
        tell(f"wrote {relative(to.absolute())}")
    else:
        tell(text, end="")
    return 0


def _tables(sweep: StoredSweep, form: str, to: Path | None) -> int:
    """Write them, anew in the sweep's own folder."""
    folder = to or sweep.folder / FOLDER
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is no folder, and the tables are two files")
    for name in (exported.TRIALS, exported.POINTS) if to else ():
        _is_free(folder / f"{name}.{form}")
    for path, rows in exported.write(sweep, folder.absolute(), form).items():
        tell(f"wrote {relative(path)}: {counted(rows, 'row')}")
    return 0


def _is_free(path: Path) -> None:
    """Raises UsageError where a file is there."""
    if path.exists():
        raise UsageError(f"{path} is there already, and nothing is overwritten")
