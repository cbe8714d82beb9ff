"""How the service behaves: defaults suit a laptop, the facts' full ranges are drawn by seed in the twin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from sweeper.core.options import Bounds, option

ACCOUNT = "123456789012"
REGION = "us-east-1"
_PARTITIONS = {
    "cn-": "aws-cn",
    "us-gov-": "aws-us-gov",
    "eusc-": "aws-eusc",
    "us-iso-": "aws-iso",
    "us-isob-": "aws-iso-b",
    "us-isof-": "aws-iso-f",
    "eu-isoe-": "aws-iso-e",
}
"""By what the names of their Regions begin with; every other Region is of `aws`."""

Seconds = Annotated[float, Bounds(low=0)]
Machines = Annotated[int, Bounds(low=0)]
_QUOTA = "instances per type; `*` stands for every other type."


@dataclass(frozen=True)
class ServiceSettings:
    """How the simulated service behaves; every latency is simulated and labelled so wherever it is shown.

    What is an `option` may stand in an experiment too.
    """

    account: str = ACCOUNT
    region: str = REGION
    pending_s: float = option(  # unbilled
        "Simulated seconds in which a job without a pool waits for capacity.", default=0.0, low=0
    )
    no_capacity: Sequence[str] = option(
        "Simulated: instance types that there is no capacity for. A job that prefers others too gets one of those.",
        default=(),
        high=100,
    )
    cold_start_s: float = option("Simulated seconds to start a machine.", default=0.0, low=0)
    warm_start_s: float = option("Simulated seconds to start on a warm machine.", default=0.0, low=0)
    stopping_s: float = 0.0  # from the end of the container to the terminal status, for a stopped job
    settle_gap_s: float = option("Simulated seconds without a pool status after a job.", default=0.2, low=0)
    gap_shows_in_use: bool = False  # in that gap a reusing job may still show InUse
    cold_shows_in_use: bool = True  # unknown of the real service: does a first, cold job show InUse while it runs?
    release_lag_s: float = option(  # billing stops at the release
        "Simulated seconds from a release to Terminated.", default=0.1, low=0
    )
    describe_lag_s: float = 0.0  # NotFound for so long after Create
    stop_retains_pool: bool = True
    timeout_retains_pool: bool = True
    failure_retains_pool: bool = True  # of a job whose algorithm failed
    early_stop_shows_terminated: bool = False  # does a job stopped before it had a machine show a pool at all?
    unkept_takes_pool: bool = True  # does a job without keep-alive start on a pool that matches?
    unkept_ends_pool: bool = True  # a job without keep-alive ends the pool it took; else its period is the last one's
    update_from_now: bool = True  # a longer keep-alive counts from the update; else from the end of the job
    network_order_matters: bool = False  # are Subnets and SecurityGroupIds compared as lists?
    list_order: str = "Ascending"  # of ListTrainingJobs when the request says none: as documented
    retained_shown_while_available: bool = False
    stop_grace_s: float = option("Seconds between SIGTERM and SIGKILL.", default=120.0, low=0)
    max_runtime_late_s: float = 0.0  # a job that runs too long is stopped so much later; of the real one 290 s are seen
    release_bills_lag: bool = False  # is a released pool billed until it is Terminated? Else until the release
    pool_max_age_s: float = 28 * 86400.0
    pool_patch_rate: float = 0.0  # chance that an idle pool is ended early by a patch update
    max_keep_alive_s: int = 21600
    refusals: Mapping[str, str] = field(default_factory=dict)  # by what is refused: `CODE: text`; empty: it is not
    training_quota: Mapping[str, Machines] = option(f"For training jobs: {_QUOTA}", default={"*": 100})
    warm_pool_quota: Mapping[str, Machines] = option(f"For warm pools: {_QUOTA}", default={"*": 100})
    training_plans: Mapping[str, Machines] = option(
        "Machines that a training plan has reserved, by its name; `*` stands for every other plan.", default={"*": 100}
    )
    spot_quota: Mapping[str, Machines] = option(f"For spot training jobs: {_QUOTA}", default={"*": 100})
    spot_interruption_mean_s: float = option(
        "Simulated: a spot machine is taken after so long on average; 0: never.", default=0.0, low=0
    )
    spot_interruptions: Sequence[Seconds] = option(  # those after the last are left alone
        "Simulated: seconds of training after which each attempt's machine is taken.", default=(), high=100
    )
    spot_wait_s: float = option("Simulated seconds from an interruption to another machine.", default=0.5, low=0)
    spot_discount: float = option(
        "Simulated: how much less a second on a spot machine costs.", default=0.7, low=0, high=1
    )
    # who may sign in by single sign-on, each with the permission set that they have: {"alice@example.com": "Research"}
    sso_users: Mapping[str, str] = field(default_factory=dict)
    sso_session_s: float = 3600.0  # so long the temporary credentials of a permission set are good
    # an identity-based policy as IAM takes it: what every caller is allowed; empty: everything
    policy: Mapping[str, Any] = field(default_factory=dict)
    # what is denied to every caller, as actions of IAM with wildcards: "sagemaker:UpdateTrainingJob", "logs:*"
    deny: Sequence[str] = ()
    keep_alive_below_s: int | None = None  # a condition on sagemaker:KeepAlivePeriod: a longer one is denied
    any_role: bool = True  # a role of IAM that nobody has made is there, with the path /
    any_image: bool = True  # and so is an image in a repository of ECR that nobody has made
    # the accounts of those buckets that are not the engine's own
    bucket_owners: Mapping[str, str] = field(default_factory=dict)
    metrics_lag_s: float = 0.0  # FinalMetricDataList is shown so long after the end; 0: also while the job runs
    search_lag_s: float = 0.0  # a change is found by Search so much later
    list_rate: int = 0  # ListTrainingJobs calls a second (the real quota is 2); 0: any number
    # AWS Batch
    batch_lag_s: float = 0.0  # from SubmitServiceJob until the scheduler looks at the job
    batch_capacity_pause_s: float = 60.0  # until a job that found no capacity is sent again
    batch_submit_rate: int = 0  # SubmitServiceJob calls a second; 0: any number
    batch_rejects_replay: bool = True  # the same request with the same clientToken; else it gets the same answer
    batch_token_kept_s: float = 0.0  # after which the same clientToken makes another job; 0: never
    batch_list_lag_s: float = 0.0  # a job is listed so long after its submission
    batch_reason_space: bool = True  # a blank after "Received status from SageMaker:"
    batch_preempts_youngest: bool = True  # of equal priority; else the job that has run longest makes room
    batch_preemption_counts: bool = False  # does a preempted attempt count among those of the retry strategy?

    @property
    def partition(self) -> str:
        """The part of AWS that the Region is of: every ARN names it."""
        return next((name for start, name in _PARTITIONS.items() if self.region.startswith(start)), "aws")

    @property
    def arn_prefix(self) -> str:
        """What every ARN of a training job begins with."""
        return self.prefix_of("sagemaker")

    def prefix_of(self, service: str) -> str:
        """What every ARN of a service of this account and Region begins with."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}"
