"""What the page says in words: the summary, its tiles, what is assumed, and where everything comes from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sweeper.core import machines
from sweeper.core.costs import unpriced
from sweeper.core.events import TrialStatus
from sweeper.core.results import best_of, reuse
from sweeper.core.scope import Scope
from sweeper.core.words import counted, span, utc
from sweeper.show.best import best_line, group_tile
from sweeper.show.report.subject import Subject
from sweeper.show.table import ending_lines, idle_line, pool_line, time_line

Jobs = Sequence[Mapping[str, Any]]
TOLD = (
    TrialStatus.COMPLETED,
    TrialStatus.PRUNED,
    TrialStatus.STOPPED,
    TrialStatus.FAILED,
    TrialStatus.METRIC_MISSING,
    TrialStatus.RUNNING,
    TrialStatus.INTERRUPTED,
    TrialStatus.PLANNED,
)
"""In which order they are counted up."""
_BAD = (TrialStatus.FAILED.value, TrialStatus.METRIC_MISSING.value)
SIMULATED = ("cold_start_s", "warm_start_s", "pending_s", "release_lag_s", "spot_wait_s", "spot_discount")
"""Settings of the local engine that make up seconds and money."""


def summary(subject: Subject, jobs: Jobs) -> Iterator[str]:
    """The sweep in a few sentences."""
    lasted = busy_seconds(jobs)
    yield f"{_counts(subject)}{f', {span(lasted)} of jobs and pools' if lasted else ''}."
    if subject.best is not None and subject.objective is not None:
        yield _best(subject)
    elif trouble := _trouble(subject):
        yield trouble
    if subject.running:
        yield f"It runs: this is how it stood at {utc(subject.now)}."
    if idle := idle_line(subject.table, subject.chain):
        yield f"{idle}."
    for line in (
        *ending_lines(subject.table, subject.chain, simulated=False),
        pool_line(subject.chain, running=subject.running),
        time_line(subject.chain),
    ):
        if line:
            yield f"{line[0].upper()}{line[1:]}."
    if gone := len(subject.table.rows) - len(subject.table.declared):
        yield f"{counted(gone, 'trial')} of earlier declarations: not declared any more, their results are kept."


def _counts(subject: Subject) -> str:
    rows = subject.table.declared
    found = Counter(str(row["status"]) for row in rows)
    order = sorted(found, key=lambda status: TOLD.index(TrialStatus(status)))
    told = ", ".join(f"{found[status]} {status.replace('_', ' ')}" for status in order)
    return f"{counted(len(rows), 'trial')}: {told}" if rows else "No trial is declared"


def _trouble(subject: Subject) -> str:
    """What most trials failed of, where none completed."""
    failed = Counter(
        ": ".join(filter(None, ((row.get("failure") or row["status"]).replace("_", " "), row.get("message"))))
        for row in subject.table.declared
        if row["status"] in _BAD
    )
    if not failed or any(row["status"] == TrialStatus.COMPLETED.value for row in subject.table.declared):
        return ""
    (words, number), *others = failed.most_common()
    of = f"{number} of {failed.total()} failures" if others else counted(number, "failure")
    return f"No trial completed. {of[0].upper()}{of[1:]}: {words}."


def _best(subject: Subject) -> str:
    assert subject.best is not None
    assert subject.objective is not None
    return f"Best: {best_line(subject.table, subject.best, subject.objective, ' with ')}."


def busy_seconds(jobs: Jobs) -> float:
    """Seconds in which a job ran or a pool was kept; what lay between two invocations is none of it."""
    begun = sorted((job for job in jobs if job["begun"] is not None), key=lambda job: float(job["begun"]))
    busy, until = 0.0, float("-inf")
    for job in begun:
        ends = max((job["begun"] + at + lasts for _, at, lasts in job["spans"]), default=job["begun"])
        busy += max(0.0, ends - max(job["begun"], until))
        until = max(until, ends)
    return busy


def tiles(subject: Subject, jobs: Jobs) -> Iterator[dict[str, str]]:
    """A few numbers at a glance: what, how much, and a note."""
    rows = subject.table.declared
    finished = sum(TrialStatus(row["status"]).finished for row in rows)
    bad = sum(row["status"] in _BAD for row in rows)
    yield {"what": "Trials", "much": f"{finished} of {len(rows)}", "note": f"{bad} failed" if bad else "finished"}
    group = best_of(subject.table, subject.objective)
    if group is not None and subject.objective is not None:
        much, name = group_tile(subject.table, group, subject.objective)
        yield {"what": f"Best {subject.objective.metric}", "much": much, "note": name}
    if lasted := busy_seconds(jobs):
        yield {"what": "Time", "much": span(lasted), "note": _share_of_training(jobs)}
    cold, reused = reuse(subject.chain.jobs)
    if reused or (cold and subject.keeps_pool):
        of = counted(cold + reused, "job")
        yield {"what": "Warm starts", "much": f"{reused} of {of}", "note": counted(cold, "cold start")}
    elif cold:
        yield {"what": "Jobs", "much": str(cold), "note": f"{counted(cold, 'cold start')}: no pool is kept"}
    costs = [row["cost_usd"] for row in subject.table.rows if row.get("cost_usd") is not None]
    if costs:
        told = "provisional" if subject.receipt.provisional else "as the service has told"
        note = "simulated: nobody is billed" if subject.simulated else told
        yield {"what": "Cost", "much": money(sum(costs)), "note": note}


def money(usd: float) -> str:
    """Dollars, with digits enough to see small sums."""
    return f"${usd:,.2f}" if usd >= 1 or usd == 0 else f"${usd:.2g}"


def _share_of_training(jobs: Jobs) -> str:
    spent = Counter[str]()
    for job in jobs:
        for phase, _, seconds in job["spans"]:
            spent[phase] += seconds
    total = sum(spent.values())
    return f"{100 * spent['train'] / total:.0f} % of it in training" if spent["train"] else ""


def assumptions(subject: Subject) -> Iterator[str]:
    """What the page's seconds and dollars stand on."""
    if subject.simulated:
        engine = subject.config.get("engine") or {}
        said = ", ".join(f"{key} {engine[key]}" for key in SIMULATED if engine.get(key))
        yield (
            "Simulated: this sweep ran on the local engine. Its scripts ran for real; starts, pools and money are what "
            f"the engine makes of them{f' ({said})' if said else ''}. Nobody is billed."
        )
    locked = subject.config.get("locked") or {}
    asked = machines.words(locked) if locked else "a machine"
    if subject.rate is None:
        of = (locked and unpriced(subject.config.get("prices"), locked)) or asked
        yield f"The price of {of} is not known (prices in the experiment): what it cost is unknown, not zero."
    else:
        of = f", prices of {subject.rate.as_of}" if subject.rate.as_of else ""
        most = "at most " if subject.rate.by_type else ""
        price = f"{most}${subject.rate.usd_per_second * 3600:.4g} an hour{of}"
        yield f"USD are billable and retained seconds times {asked} at {price}."
    bill = subject.receipt
    yield from (f"Provisional: {why}, and what comes of it is not in the sum." for why in bill.provisional)
    if bill.nothing_because:
        yield f"What other ways would have cost is not told: {bill.nothing_because}."
    if bill.assuming:
        yield f"Other ways are counted by: {bill.assuming}. The start of a machine counts as billed: the upper end."


def facts(subject: Subject) -> Iterator[tuple[str, str]]:
    """Where everything comes from."""
    chain, config = subject.chain, subject.config
    _, scope = Scope.of(subject.name)
    job, locked = config.get("job") or {}, config.get("locked") or {}
    yield "Sweep", subject.name
    aws = f"AWS, account {scope.account} in {scope.region}"
    yield "Engine", aws if scope.engine.on_aws else "local, on this machine"
    yield "Backend", str((config.get("backend") or {}).get("kind") or "")
    yield "Machines", machines.words(locked) if locked else ""
    yield "Image", str(job.get("image_uri") or job.get("algorithm_name") or "")
    yield "Source", str(job.get("source_dir") or "")
    yield "Git commit", "; ".join(_commits(subject))
    if chain.opened:
        yield "Declaration", chain.opened.digest
        yield "Source digest", chain.opened.source_digest
        yield "Versions", ", ".join(f"{name} {version}" for name, version in chain.opened.versions.items())
        yield "Newest run began", utc(chain.opened.at) or ""
    yield "Page written", utc(subject.now) or ""


def _commits(subject: Subject) -> Iterator[str]:
    found = Counter((row.get("commit"), bool(row.get("dirty"))) for row in subject.table.rows if row.get("commit"))
    for (commit, dirty), number in found.items():
        yield f"{commit}{' and changes since' if dirty else ''} ({counted(number, 'trial')})"
