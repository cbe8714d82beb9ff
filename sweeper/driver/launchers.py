"""What starts a script as several processes, on one host or on all of them, and what those find in their environment.

Standard library only, Python 3.8 and later; staged with the driver.
"""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

NONE, TORCHRUN, MPIRUN = "none", "torchrun", "mpirun"
LAUNCHERS = (NONE, TORCHRUN, MPIRUN)

# with the Elastic Fabric Adapter, as the sagemaker-training toolkit and the SDK's drivers know them
_EFA = "g4dn.8xlarge g4dn.12xlarge g5.48xlarge p3dn.24xlarge p4d.24xlarge p4de.24xlarge p5.48xlarge p5e.48xlarge"
_WITH_EFA = frozenset("ml." + name for name in [*_EFA.split(), "trn1.32xlarge"])
_RDMA = ("ml.p4", "ml.p5", "ml.trn1")


def processes(launch: Mapping[str, Any], cluster: Mapping[str, Any]) -> int:
    """How many processes a host has: as many as was said, else one for each GPU, else one."""
    return int(launch.get("processes_per_host") or cluster["NUM_GPUS"] or 1)


def environment(cluster: Mapping[str, Any], count: int) -> dict[str, str]:
    """What processes on several hosts find each other by; `count`: processes of each host."""
    found = {
        "MASTER_ADDR": cluster["MASTER_ADDR"],
        "MASTER_PORT": str(cluster["MASTER_PORT"]),
        "NODE_RANK": str(cluster["CURRENT_HOST_RANK"]),
        "NCCL_SOCKET_IFNAME": cluster["NETWORK_INTERFACE_NAME"],
        "SM_DISTRIBUTED_CONFIG": json.dumps({"process_count_per_node": count}),
    }
    kind = cluster["CURRENT_INSTANCE_TYPE"]
    if kind in _WITH_EFA:
        found.update(FI_PROVIDER="efa", NCCL_PROTO="simple")
        if kind.startswith(_RDMA):
            found.update(FI_EFA_USE_DEVICE_RDMA="1", RDMAV_FORK_SAFE="1")
    return found


def command(launcher: str, program: Sequence[str], cluster: Mapping[str, Any], count: int) -> list[str]:
    """The command that starts `program`, which is a Python and its script, as so many processes on this host."""
    if launcher == NONE:
        return list(program)
    python, *script = program
    if launcher == MPIRUN:
        # mpi4py ends all processes when one has an error that nobody catches; the others would wait for it
        options = ["-np", str(count), "--allow-run-as-root", "--tag-output"]
        return ["mpirun", "--host", f"localhost:{count}", *options, python, "-m", "mpi4py", *script]
    hosts = cluster["HOST_COUNT"]
    nodes = ["--nnodes", str(hosts), "--nproc_per_node", str(count)]
    if hosts > 1:
        nodes += ["--master_addr", cluster["MASTER_ADDR"], "--master_port", str(cluster["MASTER_PORT"])]
        nodes += ["--node_rank", str(cluster["CURRENT_HOST_RANK"])]
    return [python, "-m", "torch.distributed.run", *nodes, *script]
