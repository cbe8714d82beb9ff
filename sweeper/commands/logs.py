"""`sweeper logs`: a trial's log, as it was stored or as its job writes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypedDict

from sweeper.aws.clients import Clients
from sweeper.aws.logs import Tail
from sweeper.commands import sweeps
from sweeper.commands.log_lines import MOST_LINES, End, Told, Wanted, wanted
from sweeper.commands.output import tell_json
from sweeper.commands.parsing import Parser
from sweeper.commands.say import complain, tell
from sweeper.core.as_json import moment
from sweeper.core.chain import Job
from sweeper.core.events import JobStatus
from sweeper.core.measured import Line
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
    options = _parser().parse_args(arguments)
    of = wanted(options.tail, options.since, options.grep, SystemClock().now())
    sweep = sweeps.find(options.name)
    if options.follow:
        _follow(sweep, options.trial, of, as_json=options.json)
        return 0
    job = _job(sweep, options.trial)
    lines = of.last_of(_lines(sweep, job, of.since), bounded=options.json)
    if options.json:
        answer: Logged = {
            "sweep": sweep.name,
            "trial": job.intent.trial,
            "job_name": job.name,
            "lines": [line.text for line in lines],
            "omitted": lines.omitted if isinstance(lines, End) else 0,
        }
        tell_json(answer)
    else:
        for line in lines:
            tell(line.text)
    return 0


def _parser() -> Parser:
    parser = Parser(
        prog="sweeper logs", description="The log of a trial's last job: the stored one, or the live one while it runs."
    )
    parser.add_argument("name", help="a folder of runs/, or its beginning")
    parser.add_argument(
        "trial", nargs="?", help="best, its number, id or name (default: the one that runs, or the last)"
    )
    parser.add_argument(
        "-f", "--follow", action="store_true", help="go on until the job has ended; without TRIAL, until the sweep has"
    )
    parser.add_argument("--tail", type=int, metavar="N", help="the last N lines; with -f, of what there is so far")
    parser.add_argument("--since", metavar="WHEN", help="lines from then on: 90s, 10m, 2h or 1d ago, or a time in UTC")
    parser.add_argument("--grep", metavar="REGEX", help="lines in which this is found")
    parser.add_argument(
        "--json",
        action="store_true",
        help=f"one JSON object on stdout, of the last {MOST_LINES} lines or --tail; with -f an object for each line",
    )
    return parser


def log_of(sweep: StoredSweep, trial: str | None) -> tuple[Job, list[str]]:
    """The last job of a trial, by default of the one that runs, else ran last; and the lines of its log so far.

    Raises UsageError, and ApiError where a running job's log cannot be had.
    """
    job = _job(sweep, trial)
    return job, [line.text for line in _lines(sweep, job)]


def _lines(sweep: StoredSweep, job: Job, since: float | None = None) -> Iterator[Told]:
    """The log so far: the stored one, unless the times of its lines are asked for."""
    stored = _stored(sweep, job, since)
    if stored is not None:
        yield from stored
        return
    account, clients = _service(sweep)
    hidden = _hidden(sweep, account.through(clients, sweep.said.queue), clients(), job.name)
    for page in Tail(clients().client("logs"), job.name, _hosts(sweep)).pages():
        yield from _masked(page, hidden)


def _masked(page: Sequence[Line], hidden: Redactor) -> Iterator[Told]:
    """The lines of a page; together, because a secret may be broken over several, which are one then."""
    if not page:
        return
    text = hidden.log("".join(f"{line.shown}\n" for line in page))
    times = [line.at / 1000 for line in page]
    for number, shown in enumerate(text.removesuffix("\n").split("\n")):
        yield Told(times[min(number, len(times) - 1)], shown)


def _job(sweep: StoredSweep, trial: str | None) -> Job:
    """The last job of the trial that was asked for."""
    if trial:
        return sweeps.chosen(sweep, trial).last
    chosen = sweeps.running_trial(sweep)
    history = sweep.chain.trials.get(chosen.id) if chosen else None
    if chosen is None or history is None or not history.jobs:
        raise UsageError(f"{sweep.name}: no job has begun yet")
    return history.last


def _stored(sweep: StoredSweep, job: Job, since: float | None = None) -> Iterator[Told] | None:
    """The log that the runner stored when the job had ended; None when there is none, or it does not tell enough.

    It has no times: where some of its lines may be older than `since` the service is asked.
    """
    path = sweep.folder / "trials" / job.intent.trial / "log.txt"
    outcome = job.outcome
    if outcome is None or not path.exists():
        return None
    if since is None or (job.begun_at is not None and job.begun_at >= since):
        return _read(path)
    return iter(()) if outcome.ended_at is not None and outcome.ended_at < since else None


def _read(path: Path) -> Iterator[Told]:
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            yield Told(None, line.removesuffix("\n"))


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


def _follow(sweep: StoredSweep, trial: str | None, of: Wanted, *, as_json: bool) -> None:
    """Print jobs' lines as they come; without a trial those of all that run, and of the next while the sweep runs.

    Where several may run each line says whose it is.
    """
    clock, pause = SystemClock(), AWS_S if sweep.on_aws else LOCAL_S
    several = trial is None and sweep.chain.opened is not None and sweep.chain.opened.in_flight > 1
    running = list(sweep.chain.unfinished.values()) if several else []

    def followed(job: Job) -> _Followed:
        return _Followed(sweep, job, of, _printing(sweep.name, job, several=several, as_json=as_json))

    following = [followed(job) for job in running or [_job(sweep, trial)]]
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
            following.append(followed(job))
            last = job
        clock.sleep(max(pause, GAP_S * len(following)) if several else 0.0)


def _printing(sweep: str, job: Job, *, several: bool, as_json: bool) -> Callable[[Iterable[Told]], None]:
    """What prints lines of a job: to programs an object each; to people with whose it is, where there are several."""
    complain(f"{job.intent.label}: {job.name}")

    def objects(lines: Iterable[Told]) -> None:
        for line in lines:
            told: LogLine = {
                "sweep": sweep,
                "trial": job.intent.trial,
                "job_name": job.name,
                "at": None if line.at is None else moment(line.at),
                "line": line.text,
            }
            tell_json(told)

    def texts(lines: Iterable[Told]) -> None:
        prefix = f"{job.intent.label} | " if several else ""
        for line in lines:
            tell(f"{prefix}{line.text}")
        tell(end="", flush=True)

    return objects if as_json else texts


class _Followed:
    """A job whose log is printed as it comes."""

    def __init__(self, sweep: StoredSweep, job: Job, of: Wanted, show: Callable[[Iterable[Told]], None]) -> None:
        self.job = job
        self._of, self._show, self._said = of, show, ""
        self._stored = _stored(sweep, job, of.since)
        if self._stored is None:
            account, self._clients = _service(sweep)
            self._tail = Tail(self._clients().client("logs"), job.name, _hosts(sweep))
            self._api = account.through(self._clients, sweep.said.queue)
            self._hidden = _hidden(sweep, self._api, self._clients(), job.name)

    def look(self) -> bool:
        """Print what has come; has the job ended?"""
        if self._stored is not None:
            self._show(self._of.last_of(self._stored))
            return True
        ended, why = _ended(self._api, self.job.name)  # before the look: what it wrote until then is seen by it
        if why not in ("", self._said):
            self._said = why
            complain(f"waiting for new credentials: {why}")
        self._tail = self._tail.through(self._clients().client("logs"))  # those that have run out are read again
        self._show(self._of.last_of(self._come()))
        self._of = replace(self._of, tail=None)  # what comes from now on is new
        return ended

    def _come(self) -> Iterator[Told]:
        try:
            for page in self._tail.pages():
                yield from _masked(page, self._hidden)
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
