"""The cause of a script's end among everything it printed."""

import pytest

from sweeper.core.failures import Failure, classify, root_cause
from sweeper.driver import causes

LAUNCHER = """Traceback (most recent call last):
  File "/opt/conda/bin/torchrun", line 8, in <module>
    sys.exit(main())
  File "torch/distributed/launcher/api.py", line 264, in launch_agent
    raise ChildFailedError(
torch.distributed.elastic.multiprocessing.errors.ChildFailedError:
============================================================
train.py FAILED
------------------------------------------------------------
Failures:
[1]:
  time      : 2030-07-21_17:38:34
  rank      : 0 (local_rank: 0)
  exitcode  : -15 (pid: 1411)
------------------------------------------------------------
Root Cause (first observed failure):
[0]:
  time      : 2030-07-21_17:38:34
  host      : algo-1
  rank      : 1 (local_rank: 1)
  exitcode  : {code} (pid: 1412)
  error_file: <N/A>
  traceback : {told}
============================================================"""
WORKERS = """[rank1]: Traceback (most recent call last):
[rank0]: Traceback (most recent call last):
[rank1]:   File "/opt/ml/code/train.py", line 3, in <module>
[rank0]:   File "/opt/ml/code/train.py", line 9, in <module>
[rank1]:     raise ValueError("loss is nan")
[rank0]:     dist.barrier()
[rank1]: ValueError: loss is nan
[rank0]: RuntimeError: Connection closed by peer
E0721 17:38:34.123 1410 torch/distributed/elastic/multiprocessing/api.py:826] failed (exitcode: 1) local_rank: 1
"""
SEEN = "To enable error tracing, see the documentation"
INNER = """Traceback (most recent call last):
    File "train.py", line 14, in main
      fit()
  MyError: no recipe"""
RUN = """Traceback (most recent call last):
  File "accelerate", line 8, in <module>
    raise subprocess.CalledProcessError(returncode=1, cmd=cmd)
subprocess.CalledProcessError: Command '['python', 'train.py']' returned non-zero exit status 1."""
ENDS = {
    "the worker that failed first": (WORKERS + LAUNCHER.format(code=1, told=SEEN), "ValueError: loss is nan"),
    "a worker that was killed": (
        WORKERS + LAUNCHER.format(code=-9, told="Signal 9 (SIGKILL) received by PID 1412"),
        "killed by SIGKILL (often out of memory)",
    ),
    "a worker's own report": (LAUNCHER.format(code=1, told=INNER), "MyError: no recipe"),
    "a worker that only spoke": ("no such recipe\n" + LAUNCHER.format(code=1, told=SEEN), "no such recipe"),
    "a launcher that runs a command": (WORKERS + RUN, "RuntimeError: Connection closed by peer"),
    "a command of the script's own": (RUN, RUN.splitlines()[-1]),
    "lines of the other output": (
        'Traceback (most recent call last):\n  File "t.py", line 1, in <module>\nData directory: None\n    main()\n'
        '  File "t.py", line 9, in main\n    a.b\nown.Failure: no b',
        "own.Failure: no b",
    ),
}
INNOCENT = [
    "------------",
    "/usr/lib/x.py:15: DeprecationWarning: x is old",
    "UserWarning: x is slow",
    "2030-08-08 18:57:39 Uploading - Uploading generated training model",
    "2030-05-14 12:57:17,539 sagemaker-training-toolkit INFO     Waiting for the process to finish",
    "2030-05-14 12:57:17.539: I tensorflow/core/platform.cc:14] This binary is optimized",
    "[notice] A new release of pip is available",
    "WARNING: Running pip as the 'root' user",
    " 77%|#######   | 67255/87372 [3:48:53<1:08:41,  4.88it/s]",
    "sweeper: requirements.txt: already installed on this warm pool",
    "wandb: Synced 5 files",
    'Command "/opt/conda/bin/python train.py"',
    "ExitCode 1",
]
TELLING = [
    "Killed",
    "no data in the channel",
    "ERROR: No matching distribution found for x",
    "Error: No such option: --lrr",
    "cannot open INFO file",
    "return code 3 of nvcc",
    "train.py: error: unrecognized arguments: --lrr 0.1",
    "[FATAL tini (7)] exec train failed: Permission denied",
    "terminate called without an active exception",
]


@pytest.mark.parametrize(("text", "cause"), ENDS.values(), ids=ENDS)
def test_a_launcher_does_not_hide_what_its_script_died_of(text: str, cause: str) -> None:
    """Several processes, one launcher: the cause is that of the process which failed, in output and log alike."""
    assert causes.cause_and_detail(1, causes.plain(text), [])[0] == cause
    assert root_cause("AlgorithmError: Exit Code: 1", text) == cause


def test_a_killed_worker_is_out_of_memory() -> None:
    """What torchrun tells of a worker's signal decides as the container's own exit code does."""
    text = ENDS["a worker that was killed"][0]
    assert classify("AlgorithmError: Exit Code: 1", text) is Failure.OUT_OF_MEMORY


@pytest.mark.parametrize("line", INNOCENT)
def test_a_rule_a_warning_and_a_status_line_are_no_cause(line: str) -> None:
    """What is printed last is not what went wrong when it says nothing about it."""
    assert causes.said_last(["no data in the channel", line]) == "no data in the channel"


@pytest.mark.parametrize("line", TELLING)
def test_what_says_something_is_a_cause(line: str) -> None:
    """The last words of a shell, a parser, a runtime are told as they are."""
    assert causes.said_last(["Epoch 1 done", line, "-----"]) == line
