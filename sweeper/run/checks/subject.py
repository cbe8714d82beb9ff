"""What the checks are about, and whom they may ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

from sweeper.aws.clients import Clients
from sweeper.core import policy
from sweeper.core.model import Sweep
from sweeper.core.policy import Place, Uses
from sweeper.core.ports import Clock, Description, TrainingApi
from sweeper.core.scope import Scope
from sweeper.run import finding

LOOK_S = 3.0
"""Seconds for which an account's jobs are looked through for what runs, and for pools."""


@dataclass
class Subject:
    """An account, and a sweep that is to run in it; None: the account alone."""

    scope: Scope
    owner: str
    clients: Callable[[], Clients]
    api: TrainingApi
    """Answers for the jobs of the account, whichever way they came."""
    clock: Clock
    sweep: Sweep | None = None

    @cached_property
    def place(self) -> Place:
        """Where it is, as its ARNs tell it. Raises ApiError."""
        caller = self.clients().caller.arn
        return Place(caller.split(":")[1], self.scope.region, self.scope.account, caller)

    @cached_property
    def uses(self) -> Uses:
        """What of the account is used. Raises ApiError."""
        return policy.uses(self.sweep, self.place) if self.sweep else policy.anything(self.place)

    @cached_property
    def job(self) -> Mapping[str, Any]:
        """The `job` section of the first trial; empty where there is none."""
        first = next(islice(self.sweep.trials, 1), None) if self.sweep else None
        return self.sweep.resolve(first)["job"] if self.sweep and first else {}

    @cached_property
    def newest(self) -> finding.Newest:
        """The account's jobs, as far as there is time to look."""
        return finding.Newest(self.api, self.clock, LOOK_S)

    @cached_property
    def live(self) -> list[Description]:
        """The jobs that run or hold a pool: all of this owner, and of others those that are found in time.

        Raises ApiError.
        """
        return list(finding.live(self.newest, [f"{self.owner}/"]))
