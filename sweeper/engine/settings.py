"""What may be set on the engine: defaults suit a laptop, the facts' full ranges are drawn by seed in the twin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from sweeper.engine.wire.faults import Faults

ACCOUNT = "123456789012"
REGION = "us-east-1"


@dataclass(frozen=True)
class ServiceSettings:
    """How the simulated service behaves; every latency is simulated and labelled so wherever it is shown."""

    account: str = ACCOUNT
    region: str = REGION
    pending_s: float = 0.0  # a job without a pool waits for capacity for so long, unbilled
    cold_start_s: float = 0.0
    warm_start_s: float = 0.0
    stopping_s: float = 0.0  # from the end of the container to the terminal status, for a stopped job
    settle_gap_s: float = 0.2  # a terminal job shows no WarmPoolStatus for so long
    gap_shows_in_use: bool = False  # in that gap a reusing job may still show InUse
    cold_shows_in_use: bool = True  # unknown of the real service: does a first, cold job show InUse while it runs?
    release_lag_s: float = 0.1  # from Update(0), where billing stops, to Terminated
    describe_lag_s: float = 0.0  # NotFound for so long after Create
    stop_retains_pool: bool = True
    timeout_retains_pool: bool = True
    update_from_now: bool = True  # a longer keep-alive counts from the update; else from the end of the job
    network_order_matters: bool = False  # are Subnets and SecurityGroupIds compared as lists?
    list_order: str = "Ascending"  # of ListTrainingJobs when the request says none: as documented
    retained_shown_while_available: bool = False
    stop_grace_s: float = 120.0
    max_runtime_late_s: float = 0.0  # a job that runs too long is stopped so much later; of the real one 290 s are seen
    pool_max_age_s: float = 28 * 86400.0
    pool_patch_rate: float = 0.0  # chance that an idle pool is ended early by a patch update
    max_keep_alive_s: int = 21600
    # instances per type; "*" stands for every other type
    training_quota: Mapping[str, int] = field(default_factory=lambda: {"*": 100})
    warm_pool_quota: Mapping[str, int] = field(default_factory=lambda: {"*": 100})
    spot_quota: Mapping[str, int] = field(default_factory=lambda: {"*": 100})
    # managed spot training: seconds of training after which the machine is taken, by seed or exactly so
    spot_interruption_mean_s: float = 0.0  # 0: never
    spot_interruptions: Sequence[float] = ()  # of each attempt in turn; those after the last are left alone
    spot_wait_s: float = 0.5  # from an interruption until another machine is had
    spot_discount: float = 0.7  # how much less than on demand the seconds of a spot job cost
    # what is denied to every caller, as actions of IAM with wildcards: "sagemaker:UpdateTrainingJob", "logs:*"
    deny: Sequence[str] = ()
    keep_alive_below_s: int | None = None  # a condition on sagemaker:KeepAlivePeriod: a longer one is denied
    search_lag_s: float = 0.0  # a change is found by Search so much later
    # AWS Batch
    batch_lag_s: float = 0.0  # from SubmitServiceJob until the scheduler looks at the job
    batch_capacity_pause_s: float = 60.0  # until a job that found no capacity is sent again
    batch_submit_rate: int = 0  # SubmitServiceJob calls a second; 0: any number
    batch_rejects_replay: bool = True  # the same request with the same clientToken; else it gets the same answer
    batch_token_kept_s: float = 0.0  # after which the same clientToken makes another job; 0: never
    batch_list_lag_s: float = 0.0  # a job is listed so long after its submission
    batch_reason_space: bool = True  # a blank after "Received status from SageMaker:"

    @property
    def arn_prefix(self) -> str:
        """What every ARN of this account and Region begins with."""
        return f"arn:aws:sagemaker:{self.region}:{self.account}"


@dataclass(frozen=True)
class EngineSettings:
    """The settings of one engine process."""

    service: ServiceSettings = field(default_factory=ServiceSettings)
    port: int = 0  # 0: the kernel's choice
    idle_s: float = 300.0  # stop after so long without a running job, a live pool or a request
    seed: int = 0
    faults: Faults = field(default_factory=Faults)  # what goes wrong on the wire
    disk_cap_bytes: int = 10 << 30  # above it what the oldest ended jobs left is removed
    private_opt_ml: bool = True  # a private /opt/ml by namespaces where the kernel allows it
    hot: bool = True  # a pool's later jobs start in forks of an interpreter that has imported their packages
    # what to run for an image (a pattern) whose request names no entrypoint; `train` is added, as to a container
    images: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> EngineSettings:
        """Build from one flat mapping; a name nobody knows or a value of another kind raises ValueError."""
        own = {f.name: str(f.type) for f in fields(cls) if f.name != "service"}
        values = {**values, "faults": Faults(**values["faults"])} if isinstance(values.get("faults"), dict) else values
        service = {f.name: str(f.type) for f in fields(ServiceSettings)}
        declared = {**own, **service}
        if unknown := sorted(set(values) - set(declared)):
            raise ValueError(f"unknown engine setting: {', '.join(unknown)}")
        if isinstance(values.get("deny"), str):
            values = {**values, "deny": [values["deny"]]}
        for name, value in values.items():
            if not _fits(declared[name], value):
                raise ValueError(f"{name}: {value!r} is no {declared[name]}")
            if what := _out_of_bounds(name, value):
                raise ValueError(f"{name}: {what}")
        if values.get("deny"):
            from sweeper.engine.wire import permissions  # it reads botocore's models

            if wrong := permissions.unknown(values["deny"]):
                raise ValueError(f"deny: no action that the engine can deny: {', '.join(wrong)}")
        return cls(
            service=ServiceSettings(**{k: v for k, v in values.items() if k in service}),
            **{k: v for k, v in values.items() if k in own},
        )

    def to_mapping(self) -> dict[str, Any]:
        """The flat mapping `from_mapping` reads."""
        flat = asdict(self)
        return {**flat.pop("service"), **flat}


MOST_PORT = 65535
MOST_S = 10**9
"""A moment much later is none that the system can wait for."""
MOST = 2**63 - 1
_KINDS: Mapping[str, type | tuple[type, ...]] = {
    "bool": bool,
    "int": (int, float),
    "float": (int, float),
    "str": str,
    "Mapping": Mapping,
    "Sequence": (list, tuple),
    "Faults": Faults,
}


def _fits(declared: str, value: object) -> bool:
    """Is this a value of the declared type?"""
    kind, *others = (word.partition("[")[0] for word in declared.split(" | "))
    if value is None:
        return "None" in others
    if not isinstance(value, _KINDS[kind]) or isinstance(value, bool) is not (kind == "bool"):
        return False
    inside = declared.partition("[")[2].removesuffix("]")
    if isinstance(value, Mapping):
        return all(_fits("str", key) and _fits(inside.partition(", ")[2], below) for key, below in value.items())
    if isinstance(value, (list, tuple)):
        return all(_fits(inside, item) for item in value)
    return kind != "int" or not isinstance(value, float) or value.is_integer()


def _out_of_bounds(name: str, value: object) -> str:
    """Why a number is none of this setting: it is less than 0, or more than there can be."""
    numbers = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else [value]
    seconds = name.endswith("_s") or name == "spot_interruptions"
    for number in numbers:
        if not isinstance(number, (int, float)):
            continue
        if name != "seed" and not number >= 0:
            return f"{number!r} is less than 0"
        if name == "port" and number > MOST_PORT:
            return f"{number!r} is no port: 0 to {MOST_PORT}"
        if abs(number) > (MOST_S if seconds else MOST):
            return f"it is more than {MOST_S} seconds" if seconds else f"it is more than {MOST}"
    return ""
