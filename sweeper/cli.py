"""The command line: the verbs, the one place that prints a result or sets an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sweeper import config
from sweeper.backends import BACKENDS
from sweeper.clock import SystemClock
from sweeper.connect import Connection, connect
from sweeper.core import results as tables
from sweeper.core.chain import Chain, Job
from sweeper.core.events import TrialStatus
from sweeper.core.model import EngineKind, Sweep
from sweeper.core.request import locked_key
from sweeper.core.secrets import Redactor, redacted
from sweeper.errors import SweeperError
from sweeper.journal import SqliteJournal
from sweeper.locks import held
from sweeper.progress import PlainProgress
from sweeper.release import Unreleased
from sweeper.runner import Ending, Runner, World
from sweeper.tracking import files, table

HELP = """\
sweeper: sweeps of SageMaker training jobs on one warm pool that is always released

  sweeper +experiment=NAME [KEY=VALUE ...]   run the experiment, or continue where it stopped
  sweeper --help                             this text

NAME is a file of experiments/. KEY=VALUE changes a value, KEY=A,B,C sweeps it.
engine=local (the default) trains on this machine, engine=aws on SageMaker.

Hydra's own flags work too: --cfg job shows the composed configuration, --info searchpath where it comes from.

Exit codes: 0 done; 1 a trial failed or lacks its metric; 2 usage or configuration; 3 a pool may still bill;
4 another runner holds this sweep; 5 stopped by the budget; 70 a bug of ours; 128 + N ended by signal N, pool released.
"""

BILLING, BUG = 3, 70


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(HELP, end="")
        return 0
    if arguments == ["--version"]:
        print(f"sweeper {_version('sweeper')}")
        return 0
    return guarded(arguments)


def guarded(arguments: Sequence[str]) -> int:
    """Run and map every error to one clear line and its exit code; a traceback only for a bug of ours."""
    unreleased: Sequence[Unreleased] = ()
    try:
        return config.run(arguments, run)
    except SweeperError as error:
        unreleased = getattr(error, "unreleased", ())
        _complain(str(error))
        code = error.exit_code
        if code == BUG:
            traceback.print_exc()
    except KeyboardInterrupt:
        code = 130
    except Exception as error:  # noqa: BLE001 - the last resort: every other error is a bug, and says so
        unreleased = getattr(error, "unreleased", ())
        traceback.print_exc()
        _complain("this is a bug in sweeper; the pool was released unless a line below says otherwise")
        code = BUG
    return _warn_unreleased(unreleased) or code


def _complain(text: str) -> None:
    for line in text.splitlines():
        print(f"sweeper: {line}", file=sys.stderr)


def _warn_unreleased(unreleased: Sequence[Unreleased]) -> int:
    """Say last, and clearly, what may still cost money; returns exit code 3 then, else 0."""
    for pool in unreleased:
        _complain(f"THE POOL OF {pool.name} MAY STILL BILL: {pool.why}")
        _complain(f"release it with: {pool.command}")
    return BILLING if unreleased else 0


# -- run ----------------------------------------------------------------------------------------------------------


def run(sweep: Sweep) -> int:
    """Run a sweep, or continue it; returns the exit code."""
    clock = SystemClock()
    with ExitStack() as stack:
        stack.enter_context(clock.listening())
        connection = connect(sweep)
        folder = Path(sweep.project) / "runs" / connection.scope.folder(sweep.name)
        stack.enter_context(held(folder / ".lock", f"the sweep {sweep.name}", clock.now()))
        stack.enter_context(held(_pool_lock(sweep, connection), "the pool this sweep would use", clock.now()))
        redact = Redactor(_secrets(sweep))
        files.write_atomically(folder / "config.yaml", _as_yaml(redacted(sweep.composed, redact)))
        journal = SqliteJournal(folder / "journal.db", clock.now, redact)
        stack.callback(journal.close)
        progress = PlainProgress(sys.stderr, clock.now, len(sweep.trials), redact)
        ending = Runner(
            sweep,
            connection.scope,
            connection.owner,
            _world(sweep, connection, folder, journal, clock, progress, redact),
        ).run()
    # The pool comes first, the report second.
    _report(sweep, ending.chain, folder, redact)
    return _exit_code(sweep, ending)


def _world(
    sweep: Sweep,
    connection: Connection,
    folder: Path,
    journal: SqliteJournal,
    clock: SystemClock,
    progress: PlainProgress,
    redact: Redactor,
) -> World:
    from sweeper.aws import logs
    from sweeper.aws.clients import SageMakerApi
    from sweeper.aws.staging import Staging

    def log_metrics(name: str) -> Mapping[str, float]:
        return logs.last_values(logs.points(logs.lines(connection.clients(), name), sweep.metrics))

    def keep(job: Job) -> None:
        keep_log(sweep, connection, folder / "trials" / job.intent.trial, job, progress, redact)

    return World(
        api=SageMakerApi(connection.clients),
        journal=journal,
        clock=clock,
        backend=BACKENDS[sweep.backend](),
        progress=progress,
        stage=Staging(connection.clients, connection.scope, sweep.name, Path(sweep.project)),
        caught=clock.caught,
        log_metrics=log_metrics,
        keep=keep,
        versions={name: _version(name) for name in ("sweeper", "boto3", "hydra-core")},
    )


def keep_log(
    sweep: Sweep, connection: Connection, folder: Path, job: Job, progress: PlainProgress, redact: Redactor
) -> None:
    """Store a job's configuration, log and metric points below trials/ID. A log that cannot be had is said, no more."""
    from sweeper.aws import logs

    trial = sweep.trials.find(job.intent.trial, job.intent.index)
    try:
        if trial:
            files.write_atomically(folder / "config.yaml", _as_yaml(redacted(sweep.resolve(trial), redact)))
        log = list(logs.lines(connection.clients(), job.name))
        files.write_atomically(folder / "log.txt", redact("".join(f"{line}\n" for _, line in log)))
        found = logs.points(iter(log), sweep.metrics)
        rows = "".join(f"{tables.utc(when / 1000)},{name},{value}\n" for when, name, value in found)
        files.write_atomically(folder / "metrics.csv", "time,metric,value\n" + rows)
    except (SweeperError, OSError) as error:
        progress.say(f"warning: the log of {job.intent.label} was not stored: {error}")


def _report(sweep: Sweep, chain: Chain, folder: Path, redact: Redactor) -> None:
    found = tables.results(sweep, chain)
    for row in found.rows:
        row.update({key: redacted(row[key], redact) for key in ("message", *sweep.trials.keys)})
    chosen = tables.best(found, sweep.objective)
    trial = sweep.trials.find(chosen["trial"], chosen["index"]) if chosen else None
    files.write_all(folder, sweep.name, found, (chosen, trial.values) if chosen and trial else None, sweep.objective)
    try:
        table.print_table(sys.stdout, found, sweep.trials.keys, chosen, sweep.objective)
        print(table.pool_line(chain))
        print(f"results: {_relative(folder)}/results.csv", flush=True)
    except BrokenPipeError:
        # The reader (head) has gone; Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _exit_code(sweep: Sweep, ending: Ending) -> int:
    if ending.unreleased:
        return _warn_unreleased(ending.unreleased)
    if ending.signal:
        return 128 + ending.signal
    bad = {TrialStatus.FAILED.value, TrialStatus.METRIC_MISSING.value}
    failed = any(row["status"] in bad for row in tables.results(sweep, ending.chain).rows)
    ended_by_failures = ending.chain.decided is not None and ending.chain.decided.rule in FAILING_RULES
    return 1 if failed or ended_by_failures else 0


FAILING_RULES = frozenset({"max_failures", "same_error_limit"})


def _pool_lock(sweep: Sweep, connection: Connection) -> Path:
    scope = connection.scope
    name = f"{scope.account}.{scope.region}.{locked_key(sweep.locked).short}.lock"
    local = scope.engine is EngineKind.LOCAL
    return (Path(sweep.project) / ".sweeper" if local else state_folder()) / "locks" / name


def state_folder() -> Path:
    """Where sweeper keeps what belongs to the user and not to a project."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "sweeper"


def _secrets(sweep: Sweep) -> list[str]:
    """Values that must never be written: the jobs' environment and the caller's credentials."""
    environment = [str(value) for value in (sweep.composed.get("environment") or {}).values()]
    credentials = (os.environ.get(name, "") for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"))
    return [*environment, *credentials]


def _as_yaml(value: Any) -> str:
    import yaml

    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True)


def _relative(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
