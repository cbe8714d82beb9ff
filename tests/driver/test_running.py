"""While the script runs: its output, its metrics, the signals, what it leaves behind."""

import json
import os
import signal
import time

import pytest

METRICS = [
    {"name": "acc", "regex": "acc=([-+]?(?:[0-9.]+(?:[eE][-+]?[0-9]+)?|nan|inf))"},
    {"name": "loss", "regex": "#011loss:(\\S+)"},
]


def wait_for(line, stream):
    """Read until a line comes."""
    for seen in stream:
        if seen.strip() == line:
            return
    raise AssertionError(f"{line!r} never came")


def test_output_passes_through_unchanged(make_job):
    """Every byte of stdout arrives on stdout and every byte of stderr on stderr."""
    script = "import sys\nsys.stdout.buffer.write(bytes(range(256)) * 1000)\nsys.stderr.write('warn\\n')\n"
    with make_job(script).start() as process:
        stdout, stderr = process.communicate(timeout=30)
    assert stdout == bytes(range(256)) * 1000
    assert stderr == b"warn\n"


def test_output_comes_while_the_script_runs(make_job):
    """A printed line is seen at once, and so is a prompt without an end of line."""
    script = "import time\nprint('begun')\nprint('half a line', end='')\ntime.sleep(30)\n"
    with make_job(script).start() as process:
        assert process.stdout.readline() == b"begun\n"
        assert process.stdout.read(11) == b"half a line"
        process.terminate()
        assert process.wait(timeout=20) == 128 + signal.SIGTERM


def test_two_outputs_do_not_tear_a_line(make_job):
    """In a log that both outputs share, a line that was printed piece by piece stays one line."""
    script = "import sys\nfor i in range(2000):\n    print('acc=', end='', flush=True)\n"
    script += "    sys.stderr.write('warning\\n')\n    print(i, flush=True)\n"
    job = make_job(script, metrics=METRICS)
    with job.start(text=True) as process:
        stdout, _ = process.communicate(timeout=30)
    assert stdout.split() == [f"acc={i}" for i in range(2000)]
    assert job.points == [("acc", float(i)) for i in range(2000)]


def test_every_value_of_every_metric_is_kept(make_job):
    """The metrics file has each point in order; NaN and infinity are strings, what is not a number is left out."""
    script = "print('acc=0.5 acc=7e-1')\nprint('step\\tloss:0.25')\nprint('step\\tloss:n/a')\n"
    script += "print('acc=nan')\nprint('acc=inf', end='')\n"
    job = make_job(script, metrics=METRICS)
    assert job.run().returncode == 0
    assert job.points == [("acc", 0.5), ("acc", 0.7), ("loss", 0.25), ("acc", "nan"), ("acc", "inf")]


def test_without_metrics_there_is_no_metrics_file(make_job):
    """A job that declares no metric leaves nothing in the output folder that it did not write."""
    job = make_job("print('acc=1')\n")
    assert job.run().returncode == 0
    assert list((job.root / "output" / "data").iterdir()) == []


GRACEFUL = """
import signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", '''
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print("child heard", flush=True), sys.exit(0)))
print("child ready", flush=True)
time.sleep(60)
'''])
heard = []
signal.signal(signal.SIGTERM, lambda *_: heard.append(1))
print("ready", flush=True)
child.wait()
time.sleep(0.3)
print("heard", len(heard), flush=True)
sys.exit(EXIT)
"""


@pytest.mark.parametrize("code", [0, 5])
def test_sigterm_reaches_the_whole_group_once(make_job, code):
    """SIGTERM is passed on exactly once to the script and to what it started; the exit code is the script's."""
    job = make_job(GRACEFUL.replace("EXIT", str(code)))
    with job.start(text=True) as process:
        wait_for("child ready", process.stdout)
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
        assert process.wait(timeout=20) == code
    assert rest.split("\n")[:2] == ["child heard", "heard 1"]


def test_a_script_that_closes_its_output_is_waited_for(make_job):
    """A script that closes stdout and stderr goes on running, and its exit code counts."""
    job = make_job("import os, time\nos.close(1)\nos.close(2)\ntime.sleep(0.5)\nos._exit(6)\n")
    assert job.run().returncode == 6


def test_what_the_script_leaves_running_is_not_waited_for(make_job):
    """A background process that holds the output open does not keep the job from ending."""
    script = "import subprocess\nprint(subprocess.Popen(['sleep', '60']).pid, flush=True)\n"
    began = time.monotonic()
    with make_job(script).start(text=True) as process:
        left = int(process.stdout.readline())
        assert process.wait(timeout=20) == 0
    os.kill(left, signal.SIGKILL)
    assert time.monotonic() - began < 20


def test_a_reader_that_goes_away_does_not_stop_the_training(make_job):
    """When nobody reads the log any more, the script still runs to its end."""
    job = make_job("import os\nfor _ in range(5000): print('x' * 100)\nopen(os.environ['SM_MODEL_DIR'] + '/m', 'w')\n")
    with job.start() as process:
        process.stdout.close()
        assert process.wait(timeout=30) == 0
    assert (job.root / "model" / "m").exists()


def test_hyperparameters_that_the_request_had_no_room_for_come_in_a_channel(make_job):
    """All are arguments, in the order of the file; what the request says counts; the script knows of no channel."""
    job = make_job(
        "import os, sys\nprint(sys.argv[1:], os.environ['SM_CHANNELS'], os.environ['SM_HP_Z'])\n",
        hyperparameters={"a": "2"},
        channels=["train", "sweeper_values"],
    )
    given = {"z": "3", "a": "1"}
    (job.root / "input/data/sweeper_values/values.json").write_text(json.dumps(given))
    assert job.run().stdout == "['--z', '3', '--a', '2'] [\"train\"] 3\n"
