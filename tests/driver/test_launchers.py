"""Scripts that are several processes: what starts them, and what they find each other by."""

import importlib.util
import json
import shutil

import pytest

from sweeper.driver import driver, launchers

HOSTS = ["algo-1", "algo-2"]
PYTHON = ["/usr/bin/python3", "train.py"]


def cluster(host="algo-1", hosts=HOSTS, kind="ml.m5.large", gpus=0):
    """A host as resourceconfig.json tells of it."""
    told = {"hosts": hosts, "current_host": host, "current_instance_type": kind, "network_interface_name": "eth0"}
    return {**driver.cluster(told), "NUM_GPUS": gpus}


def test_torchrun_joins_the_processes_of_all_hosts():
    """Each host names the first one, and its own rank; a single host meets nobody."""
    made = launchers.command(launchers.TORCHRUN, PYTHON, cluster("algo-2"), 4)
    assert made[:3] == ["/usr/bin/python3", "-m", "torch.distributed.run"]
    nodes = "--nnodes 2 --nproc_per_node 4 --master_addr algo-1 --master_port 7777 --node_rank 1 train.py"
    assert made[3:] == nodes.split()
    alone = launchers.command(launchers.TORCHRUN, PYTHON, cluster(hosts=["algo-1"]), 1)
    assert alone[3:] == ["--nnodes", "1", "--nproc_per_node", "1", "train.py"]


def test_mpirun_starts_the_processes_of_one_host():
    """By mpi4py, so that an error of one ends them all."""
    made = launchers.command(launchers.MPIRUN, PYTHON, cluster(hosts=["algo-1"]), 2)
    assert made[:5] == ["mpirun", "--host", "localhost:2", "-np", "2"]
    assert made[-4:] == ["/usr/bin/python3", "-m", "mpi4py", "train.py"]


@pytest.mark.parametrize(("said", "gpus", "count"), [({"processes_per_host": 3}, 8, 3), ({}, 8, 8), ({}, 0, 1)])
def test_a_host_has_as_many_processes_as_was_said_else_one_for_each_gpu(said, gpus, count):
    """And one where there is none."""
    assert launchers.processes(said, cluster(gpus=gpus)) == count


def test_the_environment_of_the_processes_is_the_toolkits():
    """Where the first host is, which network connects them, and the fabric adapter of the types that have one."""
    found = launchers.environment(cluster("algo-2"), 4)
    assert found == {
        "MASTER_ADDR": "algo-1",
        "MASTER_PORT": "7777",
        "NODE_RANK": "1",
        "NCCL_SOCKET_IFNAME": "eth0",
        "SM_DISTRIBUTED_CONFIG": '{"process_count_per_node": 4}',
    }
    told = {kind: launchers.environment(cluster(kind=kind), 1) for kind in ("ml.g5.48xlarge", "ml.p4d.24xlarge")}
    assert [found.get("FI_PROVIDER") for found in told.values()] == ["efa", "efa"]
    assert [found.get("FI_EFA_USE_DEVICE_RDMA") for found in told.values()] == [None, "1"]


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="there is a torch here")
def test_an_image_without_torch_is_told_as_the_cause(make_job):
    """The failure file begins with what is missing."""
    job = make_job("print('never')", launcher="torchrun")
    assert job.run().returncode == 1
    assert "No module named 'torch'" in job.failure[0]


@pytest.mark.skipif(shutil.which("mpirun") is not None, reason="there is an mpirun here")
def test_an_image_without_mpirun_is_told_as_the_cause(make_job):
    """The failure file begins with what is missing."""
    job = make_job("print('never')", launcher="mpirun")
    assert job.run().returncode == 1
    assert "mpirun" in job.failure[0]


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="there is no torch here")
def test_torchrun_itself_starts_the_script_as_processes_that_know_their_rank(make_job):
    """The real one: two processes, each with its rank, and the arguments of the trial."""
    script = "import os, sys; print(os.environ['RANK'], os.environ['WORLD_SIZE'], sys.argv[1:])"
    job = make_job(script, launcher="torchrun", processes_per_host=2, hyperparameters={"lr": "1"})
    done = job.run()
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == [f"{rank} 2 {['--lr', '1']}" for rank in (0, 1)]


def test_a_host_that_is_not_the_first_keeps_no_metrics(make_job):
    """A job's metrics are its first host's, and so is the file of them in what all hosts leave together."""
    job = make_job("print('m=1')", metrics=[{"name": "m", "regex": "m=([0-9]+)"}])
    config = job.root / "input/config/resourceconfig.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "hosts": HOSTS, "current_host": "algo-2"}))
    assert job.run().returncode == 0
    assert not (job.root / "output/data/sweeper_metrics.jsonl").exists()
