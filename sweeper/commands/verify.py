"""`sweeper verify`: re-derives a sweep from its journal and compares it with what the service says. Changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from sweeper.commands import sweeps
from sweeper.commands.output import tell_json
from sweeper.commands.parsing import Parser
from sweeper.commands.say import complain, tell
from sweeper.core.ports import TrainingApi
from sweeper.core.verify import compare, verify
from sweeper.errors import ApiError, ApiErrorKind
from sweeper.record.stored import StoredSweep
from sweeper.run.registry import Debt, Registry, state_folder


class Verified(TypedDict):
    """A journal, held against its own rules and the service."""

    sweep: str
    events: int
    checked: str
    violations: list[str]
    """Exit code 1, where there is one."""


def main(arguments: Sequence[str]) -> int:
    """Check a sweep; returns 0 when every invariant holds, else 1."""
    parser = Parser(
        prog="sweeper verify",
        description="Prove a journal unaltered, fold it again, and check the invariants on it and on what the service "
        "says of its jobs. Changes nothing and starts nothing.",
    )
    parser.add_argument("name", help="a folder of runs/, or its beginning")
    parser.add_argument("--offline", action="store_true", help="the journal alone, without asking the service")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options = parser.parse_args(arguments)
    sweep = sweeps.find(options.name)
    violations = verify([event for _, event in sweep.events])
    api = None if options.offline else _service(sweep)
    if api is not None:
        for job in (*sweep.chain.jobs.values(), *sweep.chain.inherited.values()):
            violations += compare(job, _described(api, job.name))
    asked = "the journal and the service" if api is not None else "the journal"
    if options.json:
        answer: Verified = {
            "sweep": sweep.name,
            "events": len(sweep.events),
            "checked": asked,
            "violations": violations,
        }
        tell_json(answer)
    else:
        for broken in violations:
            complain(broken)
        held = "every invariant holds" if not violations else f"{len(violations)} broken invariants"
        tell(f"{sweep.name}: {len(sweep.events)} events, {len(sweep.chain.jobs)} jobs: {held} ({asked})")
    return 1 if violations else 0


def _service(sweep: StoredSweep) -> TrainingApi | None:
    """What answers for this sweep's jobs; None when nobody does, which is said."""
    debt: Debt | None = Registry(state_folder()).find(str(sweep.folder.absolute()))
    if debt is None:
        complain("warning: this user's registry does not know the sweep's service; checking the journal alone")
        return None
    api = debt.account.running_api()
    if api is None:
        complain("warning: the local engine does not run; checking the journal alone")
    return api


def _described(api: TrainingApi, name: str) -> dict[str, object] | None:
    try:
        return api.describe_training_job(name)
    except ApiError as error:
        if error.kind is not ApiErrorKind.NOT_FOUND:
            raise
        return None
