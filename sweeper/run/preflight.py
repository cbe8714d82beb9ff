"""Before anything is spent: may we release what we keep, is there a quota, does a pool idle? It changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sweeper.aws.quotas import Quotas
from sweeper.core.costs import keeps
from sweeper.core.events import PoolStatus
from sweeper.core.job import Locked
from sweeper.core.model import Sweep
from sweeper.core.options import from_section
from sweeper.core.outcome import fingerprint_of
from sweeper.core.ports import Clock, TrainingApi
from sweeper.core.request import PoolKey, fingerprint, locked_key
from sweeper.errors import ApiError, ApiErrorKind, UsageError
from sweeper.run import finding

LOOK_S = 3.0
"""Seconds for which an account's jobs are looked through for a pool of somebody else that this sweep could take."""
May = Callable[[str, int], "bool | None"]


@dataclass(frozen=True)
class Preflight:
    """The checks of one sweep. `quotas` and `may` (see aws.permissions) raise ApiError when they cannot be asked.

    `nobody` is a name that no job of this sweep ever has.
    """

    sweep: Sweep
    owner: str
    api: TrainingApi
    quotas: Callable[[], Quotas]
    may: May
    nobody: str
    clock: Clock

    def warnings(self) -> list[str]:
        """What a person should know. Raises UsageError for what would waste money or leave a pool open."""
        found: list[str] = []
        for what, check in {
            "quotas": self._quotas,
            "permissions": self._permissions,
            "idle pools": self._idle_pools,
        }.items():
            try:
                found += check()
            except ApiError as error:
                found.append(f"the {what} could not be checked: {error.message}")
        return found

    @property
    def _keep_alive_s(self) -> int:
        """The longest that a job of this sweep may ask for."""
        return keeps(self.sweep)

    def _quotas(self) -> Iterator[str]:
        locked = from_section(Locked, self.sweep.locked)
        kind, wanted = locked.instance_type, locked.instance_count
        quotas = self.quotas()
        usage = self.sweep.backend.usage
        granted = quotas.granted(usage)
        if granted is not None and granted < wanted:
            raise UsageError(
                f"locked.instance_type: the quota '{kind} for {usage.value} job usage' is {granted:.0f} and "
                f"{wanted} needed; ask for more under Service Quotas, or take another type"
            )
        if self._keep_alive_s and quotas.warm_pool is not None and quotas.warm_pool < wanted:
            short = f"the quota '{kind} for training warm pool usage' is {quotas.warm_pool:.0f}"
            if self.sweep.pool.on_no_quota == "fail":
                raise UsageError(f"pool.on_no_quota: fail: {short}; ask for more under Service Quotas")
            yield f"{short}: every job will start cold"

    def _permissions(self) -> Iterator[str]:
        if not self._keep_alive_s:
            return
        release, keep = self._may_release(), self._keep_alive_s
        if release is False:
            raise UsageError(
                "you may not release a pool: your policy denies sagemaker:UpdateTrainingJob with "
                "KeepAlivePeriodInSeconds 0; have it allowed, or run with backend=on_demand"
            )
        if self.may("sagemaker:CreateTrainingJob", keep) is False:
            if self.may("sagemaker:CreateTrainingJob", 0) is not False:
                raise UsageError(
                    f"pool.keep_alive_s: your policy's condition on sagemaker:KeepAlivePeriod does not allow {keep}; "
                    "set a value that it allows, or run with backend=on_demand"
                )
            raise UsageError("your policy denies sagemaker:CreateTrainingJob")
        if release is None:
            yield "whether you may release a pool depends on conditions that could not be checked"

    def _may_release(self) -> bool | None:
        """What IAM says; who may not ask it asks the service to release the pool of a job that never was."""
        try:
            return self.may("sagemaker:UpdateTrainingJob", 0)
        except ApiError as error:
            if error.kind is not ApiErrorKind.DENIED:
                raise
        try:
            self.api.update_training_job(self.nobody, 0)
        except ApiError as answer:
            if answer.kind is ApiErrorKind.DENIED:
                return False
            if answer.kind is ApiErrorKind.NOT_FOUND:
                return True
            raise
        return None

    def _idle_pools(self) -> Iterator[str]:
        ours, key = f"{self.owner}/", locked_key(self.sweep.locked, self.sweep.backend)
        this = fingerprint(self.owner, self.sweep.name, "", 0).removesuffix("/0")
        for description in finding.pools(finding.Newest(self.api, self.clock, LOOK_S), [ours]):
            if PoolStatus.of(description["WarmPoolStatus"]["Status"]) is not PoolStatus.AVAILABLE:
                continue
            name = str(description["TrainingJobName"])
            mark, same = fingerprint_of(description), key.may_match(PoolKey.of(description))
            if mark.startswith(this):
                continue  # the runner finds it by name
            if mark.startswith(ours):
                then = "the first job takes it over" if same else f"release it with: sweeper pools release {name}"
                yield f"your own pool of {name} idles and bills; {then}"
            elif same:
                yield f"the pool of {name}, which is not yours, matches this sweep: its machine may be taken over"
