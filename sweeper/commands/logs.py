"""`sweeper logs`: a trial's log, as it was stored or as its job writes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypedDict

from sweeper.aws.clients import Clients
from sweeper.aws.logs import Tail
from sweeper.commands import sweeps
from sweeper.commands.output import tell_json
from sweeper.commands.parsing import Parser
from sweeper.commands.say import complain, tell
from sweeper.core.chain import Job
from sweeper.core.events import JobStatus
from sweeper.core.model import machines
from sweeper.core.outcome import environment_of
from sweeper.core.ports import TrainingApi
from sweeper.core.secrets import Redactor
from sweeper.errors import ApiError, UsageError
from sweeper.record.stored import StoredSweep
from sweeper.run.clock import SystemClock
from sweeper.run.connect import account_of
from sweeper.run.registry import Account

LOCAL_S, AWS_S = 0.2, 5.0
"""Seconds between two looks at a log that is being followed."""
GAP_S = 0.5
"""The same where several are: an account answers so many questions a second."""


class Logged(TypedDict):
    """The log of a job."""

    sweep: str
    trial: str
    job_name: str
    lines: list[str]
    """Those that were asked for; of a long log the last ones alone."""
    omitted: int
    """How many lines before these there was no room for."""


class LogLine(TypedDict):
    """With -f: a line of a log, as it comes."""

    sweep: str
    trial: str
    job_name: str
    at: str | None
    """When it was written; null of a stored log, which does not tell."""
    line: str


def main(arguments: Sequence[str]) -> int:
    """Print a log; returns the exit code."""
    parser = Parser(
        prog="sweeper logs", description="The log of a trial's last job: the stored one, or the live one while it runs."
    )
    parser.add_argument("name", help="a folder of runs/, or its beginning")
    parser.add_argument("trial", nargs="?", help="its number, id or name (default: the one that runs, else the last)")
    parser.add_argument(
        "-f", "--follow", action="store_true", help="go on until the job has ended; without TRIAL, until the sweep has"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options = parser.parse_args(arguments)
    if options.follow and options.json:
        raise UsageError("logs: --json is one object; it cannot be followed")
    sweep = sweeps.find(options.name)
    if options.follow:
        _follow(sweep, options.trial)
        return 0
    job, lines = log_of(sweep, options.trial)
    if options.json:
        answer: Logged = {
            "sweep": sweep.name,
            "trial": job.intent.trial,
            "job_name": job.name,
            "lines": lines,
            "omitted": 0,
        }
        tell_json(answer)
    else:
        tell("".join(f"{line}\n" for line in lines), end="")
    return 0


def log_of(sweep: StoredSweep, trial: str | None) -> tuple[Job, list[str]]:
    """The last job of a trial, by default of the one that runs, else ran last; and the lines of its log so far.

    Raises UsageError, and ApiError where a running job's log cannot be had.
    """
    job = _job(sweep, trial)
    lines = _stored(sweep, job)
    if lines is None:
        account, clients = _service(sweep)
        hidden = _hidden(sweep, account.through(clients, sweep.said.queue), clients(), job.name)
        text = "\n".join(line.shown for line in Tail(clients().client("logs"), job.name, _hosts(sweep)).new())
        lines = hidden.log(text).split("\n") if text else []
    return job, lines


def _job(sweep: StoredSweep, trial: str | None) -> Job:
    """The last job of the trial that was asked for."""
    chosen = sweeps.find_trial(sweep, trial) if trial else sweeps.running_trial(sweep)
    history = sweep.chain.trials.get(chosen.id) if chosen else None
    if chosen is None or history is None or not history.jobs:
        raise UsageError(f"{trial or sweep.name}: no job has begun yet")
    return history.last


def _stored(sweep: StoredSweep, job: Job) -> list[str] | None:
    """The log that the runner stored when the job had ended; None when there is none."""
    path = sweep.folder / "trials" / job.intent.trial / "log.txt"
    if not job.ended or not path.exists():
        return None
    return path.read_text(encoding="utf-8", errors="replace").splitlines()


def _hosts(sweep: StoredSweep) -> int:
    return machines(sweep.config.get("locked") or {})


def _service(sweep: StoredSweep) -> tuple[Account, Callable[[], Clients]]:
    """The service that this sweep runs on. The local engine is not started for a look."""
    account = account_of(sweep.folder, sweep.config.get("engine") or {})
    running = account.running()
    if running is None:
        raise UsageError(f"{sweep.name}: this log was not stored, and the local engine that has it does not run")
    return account, running


def _hidden(sweep: StoredSweep, api: TrainingApi, clients: Clients, name: str) -> Redactor:
    """What a job's log may hold that is not to be shown: the service knows its environment.

    Raises ApiError, or UsageError when it does not tell: a log that may hold secrets is not shown with them.
    """
    try:
        environment = environment_of(api.describe_training_job(name))
    except ApiError as error:
        if error.kind.passing:
            raise
        if sweep.config.get("environment"):
            silent = f"{name}: the service does not tell its environment, so that its log cannot be shown without it"
            raise UsageError(f"{silent}: {error}") from None
        environment = {}
    redact = Redactor(environment)
    redact.learn_credentials(clients.secrets())
    return redact


def _follow(sweep: StoredSweep, trial: str | None) -> None:
    """Print jobs' lines as they come; without a trial those of all that run, and of the next while the sweep runs.

    Where several may run each line says whose it is.
    """
    clock, pause = SystemClock(), AWS_S if sweep.on_aws else LOCAL_S
    several = trial is None and sweep.chain.opened is not None and sweep.chain.opened.in_flight > 1
    running = list(sweep.chain.unfinished.values()) if several else []
    following = [_Followed(sweep, job, several=several) for job in running or [_job(sweep, trial)]]
    last = following[-1].job
    while True:
        following = [one for one in following if not one.look()]
        if following and not several:
            clock.sleep(pause)
            continue
        later = [] if trial else _later(sweep.folder, last, clock, wait=0.0 if following else pause)
        if not following and not later:
            return
        for job in later if several else later[:1]:
            following.append(_Followed(sweep, job, several=several))
            last = job
        clock.sleep(max(pause, GAP_S * len(following)) if several else 0.0)


class _Followed:
    """A job whose log is printed as it comes."""

    def __init__(self, sweep: StoredSweep, job: Job, *, several: bool) -> None:
        self.job = job
        self._prefix = f"{job.intent.label} | " if several else ""
        self._said = ""
        complain(f"{job.intent.label}: {job.name}")
        self._stored = _stored(sweep, job)
        if self._stored is None:
            account, self._clients = _service(sweep)
            self._tail = Tail(self._clients().client("logs"), job.name, _hosts(sweep))
            self._api = account.through(self._clients, sweep.said.queue)
            self._hidden = _hidden(sweep, self._api, self._clients(), job.name)

    def look(self) -> bool:
        """Print what has come; has the job ended?"""
        if self._stored is not None:
            self._print("".join(f"{line}\n" for line in self._stored))
            return True
        ended, why = _ended(self._api, self.job.name)  # before the look: what it wrote until then is seen by it
        if why not in ("", self._said):
            self._said = why
            complain(f"waiting for new credentials: {why}")
        self._tail = self._tail.through(self._clients().client("logs"))  # those that have run out are read again
        self._print(self._hidden.log("".join(f"{line}\n" for line in _looked(self._tail))))
        return ended

    def _print(self, text: str) -> None:
        lines = text.splitlines(keepends=True) if self._prefix else [text]
        tell("".join(f"{self._prefix}{line}" for line in lines), end="", flush=True)


def _looked(tail: Tail) -> Iterator[str]:
    try:
        yield from (line.shown for line in tail.new())
    except ApiError as error:
        if not error.kind.passing:
            raise


def _ended(api: TrainingApi, name: str) -> tuple[bool, str]:
    """Whether a job has ended, and why nobody could be asked without new credentials."""
    try:
        status = api.describe_training_job(name)["TrainingJobStatus"]
    except ApiError as error:
        # deleted, or we may not look: it will not be followed any further
        return not error.kind.passing, error.message if error.kind.wants_credentials else ""
    return JobStatus.of(status).terminal, ""


def _later(folder: Path, last: Job, clock: SystemClock, wait: float) -> list[Job]:
    """The jobs after this one; none when nobody runs the sweep any more. `wait`: seconds between two looks for one."""
    while True:
        sweep = StoredSweep(folder)
        names = list(sweep.chain.jobs)
        later = names[names.index(last.name) + 1 :]
        if later or sweep.runner is None or not wait:
            return [sweep.chain.jobs[name] for name in later]
        clock.sleep(wait)
