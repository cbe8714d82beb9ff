"""How a sweep stands, or has ended, as values for programs: of a run, of `status` and `list` alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal, TypedDict

from sweeper.core.as_json import Number, number
from sweeper.core.chain import Chain
from sweeper.core.events import ASKED_TO_STOP, LEASE_LOST, Closed, TrialStatus
from sweeper.core.model import Goal, Objective, Over
from sweeper.core.results import METRIC, Results, Row, best, best_of, name_of, reuse
from sweeper.core.scope import Scope
from sweeper.errors import Fault
from sweeper.record.stored import StoredSweep
from sweeper.run.release import Unreleased
from sweeper.show.table import idle_line

By = Literal["done", "rule", "signal", "request", "lease_lost", "error", "broken_off"]


class EndedBy(TypedDict):
    """What has ended the newest invocation of a sweep."""

    by: By
    """`done`: every trial is. `request`: `sweeper stop`. `broken_off`: its runner was killed, or gave a pool up."""
    rule: str | None
    """The rule that has decided it."""
    signal: int | None
    """The number of the signal."""
    why: str


class BestTrial(TypedDict):
    """The best trial so far; with `repeat`, of the best group of trials that differ in their seed alone."""

    trial: str
    number: int | None
    """From 1; null for a trial that is not declared any more."""
    name: str
    metric: str
    goal: Goal
    value: Number
    """Of this trial."""
    values: dict[str, Any]
    """Its free parameters, by dotted key."""
    model: str | None
    """Where its model is: `sweeper pull SWEEP best` brings it."""
    group: BestGroup | None
    """What it was chosen by, where trials are repeated."""


class BestGroup(TypedDict):
    """Trials that differ in their seed alone, and what they come to together."""

    name: str
    over: Over
    value: Number
    deviation: float | None
    """The standard deviation of the sample."""
    n: int
    """How many have a value."""
    trials: list[str]


class Cost(TypedDict):
    """What the jobs that have ended have cost."""

    usd: float | None
    """Null: no price is known, or nothing has ended."""
    simulated: bool
    """True on the local engine: it is what this would cost on SageMaker, and nothing is billed."""


class Pools(TypedDict):
    """How the machines were used, and what became of each job's pool."""

    open: list[str]
    """The jobs whose pool was not seen closed, newest first."""
    closed: dict[str, int]
    """How many pools were closed how: terminated, reused_by_own, ..."""
    cold: int
    """Jobs that have started cold."""
    reused: int
    """Jobs that have taken over a warm pool."""


class MayBill(TypedDict):
    """A pool that may still bill, and the command that releases it."""

    job_name: str
    why: str
    command: str


class ResultRow(TypedDict, total=False):
    """A row of results.csv: null is not known. Each free parameter and each `metric.NAME` is a key of its own."""

    trial: str
    name: str
    index: int | None
    """Its number, from 1; null where it is not declared any more."""
    status: TrialStatus
    job_name: str | None
    attempts: int | None
    started_at: str | None
    ended_at: str | None
    train_seconds: float | None
    billable_seconds: float | None
    retained_seconds: float | None
    cost_usd: float | None
    pool: Literal["cold", "reused", "none"] | None
    failure: str | None
    message: str | None
    model: str | None
    declared: bool
    cold_because: str | None
    commit: str | None
    dirty: bool | None
    output: str | None
    checkpoints: str | None
    start_seconds: float | None
    download_seconds: float | None
    upload_seconds: float | None
    idle_seconds: float | None


OfRow = Annotated[Row, ResultRow]
Rows = list[OfRow]
"""The rows of results.csv, those of declared trials first."""


class Standing(TypedDict):
    """How a sweep stands."""

    ended_by: EndedBy | None
    """Null while it runs, and where nothing has begun."""
    nothing_trained: bool
    """Has a rule ended this invocation before it trained anything, while trials are left? Then nothing was tried."""
    counts: dict[str, int]
    """How many of the declared trials are what, by each status of results.csv."""
    best: BestTrial | None
    cost: Cost
    pools: Pools


class RunEnded(Standing):
    """A run that has ended; its trials are in `sweeper status SWEEP --json`, and in results.jsonl."""

    sweep: str
    """The folder's name: what `sweeper status`, `logs` and `report` take."""
    name: str
    folder: str
    exit_code: int
    unreleased: list[MayBill]
    """What may still bill; exit code 3 then."""


class Failed(TypedDict):
    """What is told in place of anything else by a command that an error has ended."""

    exit_code: int
    error: Fault
    """The first of them."""
    errors: list[Fault]
    """Everything that is wrong: several mistakes in a configuration are told at once."""
    unreleased: list[MayBill]
    """What may still bill; exit code 3 then."""


def failed(exit_code: int, faults: Sequence[Fault], unreleased: Iterable[Unreleased]) -> Failed:
    """What to tell of an error, one or more faults."""
    first, *_ = faults
    return {"exit_code": exit_code, "error": first, "errors": [*faults], "unreleased": may_bill(unreleased)}


def ended_by(chain: Chain, *, running: bool, why: str = "") -> EndedBy | None:
    """What has ended the newest invocation; None while it runs. `why`: why a runner gave up, where that is known."""
    if running or chain.opened is None:
        return None
    if stopping := chain.stopping:
        by: By = "signal" if stopping.signal else _REASONS.get(stopping.reason, "error")
        return {"by": by, "rule": None, "signal": stopping.signal or None, "why": stopping.reason}
    if decided := chain.decided:
        return {"by": "rule", "rule": decided.rule, "signal": None, "why": decided.why}
    if chain.finished:
        return {"by": "done", "rule": None, "signal": None, "why": chain.finished.why}
    why = why or "its runner has ended without saying so"
    return {"by": "broken_off", "rule": None, "signal": None, "why": why}


_REASONS: dict[str, By] = {ASKED_TO_STOP: "request", LEASE_LOST: "lease_lost"}


def counts(table: Results) -> dict[str, int]:
    """How many declared trials are what: every status there is, also those that none has."""
    found = Counter(row["status"] for row in table.declared)
    return {status.value: found[status.value] for status in TrialStatus}


def best_trial(table: Results, objective: Objective | None) -> BestTrial | None:
    """The best trial so far; None when there is none."""
    row = best(table, objective)
    if row is None or objective is None:
        return None
    return {
        "trial": row["trial"],
        "number": row["index"],
        "name": row["name"],
        "metric": objective.metric,
        "goal": objective.goal,
        "value": number(row[METRIC + objective.metric]),
        "values": {key: row.get(key) for key in table.parameters},
        "model": row.get("model"),
        "group": _group(table, objective) if table.seed else None,
    }


def _group(table: Results, objective: Objective) -> BestGroup | None:
    group = best_of(table, objective)
    value = group.over(objective) if group else None
    if group is None or value is None:
        return None
    return {
        "name": name_of(table, group),
        "over": objective.over,
        "value": number(value),
        "deviation": group.deviation,
        "n": group.n,
        "trials": [row["trial"] for row in group.members],
    }


def cost_of(rows: Iterable[Row], *, simulated: bool) -> Cost:
    """What these rows have cost together."""
    known = [row["cost_usd"] for row in rows if row.get("cost_usd") is not None]
    return {"usd": sum(known) if known else None, "simulated": simulated}


def pools_of(chain: Chain) -> Pools:
    """How the machines were used."""
    cold, reused = reuse(chain.jobs)
    found = Counter(Closed(job.closed).value for job in chain.jobs.values() if job.closed)
    return {
        "open": [job.name for job in chain.debts_newest_first],
        "closed": dict(found),
        "cold": cold,
        "reused": reused,
    }


def standing(
    table: Results, chain: Chain, objective: Objective | None, *, simulated: bool, running: bool, why: str = ""
) -> Standing:
    """How a sweep stands that these rows are of."""
    return {
        "ended_by": ended_by(chain, running=running, why=why),
        "nothing_trained": not running and bool(idle_line(table, chain)),
        "counts": counts(table),
        "best": best_trial(table, objective),
        "cost": cost_of(table.rows, simulated=simulated),
        "pools": pools_of(chain),
    }


def left_open(sweep: StoredSweep) -> list[Unreleased]:
    """What nobody looks after: the pools that were not seen closed, of a sweep that nobody runs."""
    owed = [] if sweep.runner else sweep.chain.debts_newest_first
    why = "it was not seen closed and nobody runs its sweep"
    return [Unreleased(job.name, why, ended=job.ended) for job in owed]


class Runner(TypedDict):
    """The process that runs a sweep, or that has died while it did."""

    pid: int
    host: str
    since: str
    alive: bool


def runner_of(sweep: StoredSweep) -> Runner | None:
    """Who runs a sweep; None when nobody does and its last runner has ended as it should."""
    who = sweep.last_runner
    return {"pid": who.pid, "host": who.host, "since": who.since, "alive": who.alive} if who else None


def stored_standing(sweep: StoredSweep) -> Standing:
    """How a sweep stands, by its folder."""
    running = sweep.runner is not None
    return standing(sweep.table, sweep.chain, sweep.objective, simulated=not sweep.on_aws, running=running)


def stored_ended(sweep: StoredSweep, exit_code: int) -> RunEnded:
    """The newest run of a sweep, by its folder."""
    return {
        "sweep": sweep.name,
        "name": str(sweep.config.get("name") or Scope.of(sweep.name)[0]),
        "folder": str(sweep.folder),
        "exit_code": exit_code,
        "unreleased": may_bill(left_open(sweep)),
        **stored_standing(sweep),
    }


def may_bill(pools: Iterable[Unreleased]) -> list[MayBill]:
    """What may still bill."""
    return [{"job_name": pool.name, "why": pool.why, "command": pool.command} for pool in pools]
