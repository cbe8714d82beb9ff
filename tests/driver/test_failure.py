"""What a failed script leaves: its exit code, and a failure file that begins with the cause."""

import sys

import pytest

CHAINED = """
try:
    {}["missing"]
except KeyError as error:
    raise RuntimeError("no such recipe") from error
"""
NOISY_END = """
import sys
class Noisy:
    def __del__(self):
        raise OSError("at the end")
kept = Noisy()
raise ValueError("the cause")
"""
RANKS = """
import sys, traceback
try:
    raise ValueError("rank diverged")
except ValueError:
    for line in traceback.format_exc().splitlines():
        print("[rank0]: " + line, file=sys.stderr)
sys.exit(1)
"""
ABORTS = """
import os, sys
print("terminate called after throwing an instance of 'std::bad_alloc'", file=sys.stderr)
print("  what():  std::bad_alloc", "frame #0: c10::Error", sep="\\n", file=sys.stderr, flush=True)
os.abort()
"""
CASES = {
    "uncaught": ("import nowhere_to_be_found\n", 1, "ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
    "chained": (CHAINED, 1, "RuntimeError: no such recipe"),
    "syntax": ("x = = 1\n", 1, "SyntaxError: invalid syntax"),
    "message": ("import sys\nsys.exit('no data in the channel')\n", 1, "no data in the channel"),
    "argparse": (
        "import argparse\nargparse.ArgumentParser(prog='t').parse_args(['--x'])\n",
        2,
        "t: error: unrecognized arguments: --x",
    ),
    "custom": ("class Diverged(Exception): pass\nraise Diverged('loss is nan')\n", 1, "Diverged: loss is nan"),
    "silent": ("raise SystemExit(3)\n", 3, "the script ended with exit code 3 and gave no reason"),
    "noise at exit": (NOISY_END, 1, "ValueError: the cause"),
    "marked lines": (RANKS, 1, "ValueError: rank diverged"),
    "many lines": (
        "raise RuntimeError('state_dict:' + '\\n\\tmissing' * 500)\n",
        1,
        "RuntimeError: state_dict: missing",
    ),
    "bare": ("loss = 3\nassert loss < 2\n", 1, "AssertionError: assert loss < 2 (train.py, line 2)"),
    "aborted": (ABORTS, 134, "killed by SIGABRT: what():  std::bad_alloc"),
    "long line": ("raise RuntimeError('x' * 5000)\n", 1, "RuntimeError: " + "x" * 486),
    "long output": ("print('x' * 3_000_000)\nraise KeyError('rank')\n", 1, "KeyError: 'rank'"),
    "printed": (
        "import traceback\ntry: 1/0\nexcept Exception: print(traceback.format_exc())\nraise SystemExit(4)",
        4,
        "ZeroDivisionError: division by zero",
    ),
    "killed": ("import os\nos.kill(os.getpid(), 9)\n", 137, "killed by SIGKILL (often out of memory)"),
    "crashed": ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n", 139, "killed by SIGSEGV"),
}


@pytest.mark.parametrize(("script", "code", "cause"), CASES.values(), ids=CASES.keys())
def test_the_first_line_is_the_cause(make_job, script, code, cause):
    """Whatever ended the script, the failure file says it first, then the code, in 1024 characters."""
    job = make_job(script)
    done = job.run()
    assert done.returncode == code, done.stderr
    assert job.failure[:2] == [cause, f"exit code {code}"]
    assert len("\n".join(job.failure)) <= 1024


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exception groups exist from Python 3.11 on")
def test_an_exception_group_names_its_last_exception(make_job):
    """Of a group of exceptions the failure names one that says what happened."""
    script = "import asyncio\nasync def f(): raise ValueError('inner')\nasync def g():\n"
    script += "    async with asyncio.TaskGroup() as t: t.create_task(f())\nasyncio.run(g())\n"
    job = make_job(script)
    assert job.run().returncode == 1
    assert job.failure[0] == "ValueError: inner"


def test_a_process_killed_below_a_shell_is_named(make_job):
    """A shell that reports its child's death by 128 + signal tells the signal."""
    job = make_job("sh -c 'kill -9 $$'\nexit $?\n", entry="train.sh")
    assert job.run().returncode == 137
    assert job.failure[0] == "killed by SIGKILL (often out of memory)"


def test_the_failure_shows_where_it_happened(make_job):
    """The tail of the traceback is in the failure file, so that FailureReason names file and line."""
    job = make_job("def deep():\n    raise ValueError('bad')\ndeep()\n")
    job.run()
    assert any('train.py", line 2, in deep' in line for line in job.failure)


def test_a_failure_file_of_the_script_is_kept(make_job):
    """What the script itself says about its failure is not replaced."""
    script = (
        "import os\nopen(os.environ['SM_OUTPUT_DIR'] + '/failure', 'w').write('my own words')\nraise SystemExit(9)\n"
    )
    job = make_job(script)
    assert job.run().returncode == 9
    assert job.failure == ["my own words"]


def test_success_leaves_no_failure_file(make_job):
    """A script that ends with 0 leaves no failure file, whatever it wrote to stderr."""
    job = make_job("import sys\nprint('Traceback (most recent call last):', file=sys.stderr)\n")
    assert job.run().returncode == 0
    assert not (job.root / "output" / "failure").exists()


def test_a_broken_stage_is_a_clear_failure(make_job):
    """A damaged archive ends the job with 1 and a sentence, not with a traceback of ours."""
    job = make_job("")
    (job.root / "input" / "data" / "sweeper" / "source.tar.gz").write_bytes(b"not an archive")
    done = job.run()
    assert done.returncode == 1
    assert job.failure[0].startswith("ReadError: ")
    assert "Traceback" not in done.stderr
