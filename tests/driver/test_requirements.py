"""A requirements file: installed once per warm pool, on top of the image, and clear when it cannot be."""

import signal
import sys

from .conftest import wheel

USE = "import sys, tiny\nprint('tiny', tiny.VERSION)\nprint('prefix', sys.prefix)\n"
SOURCE = {"train.py": USE, "requirements.txt": "./tiny-1.0-py3-none-any.whl\n", "tiny-1.0-py3-none-any.whl": wheel()}


def test_the_next_job_on_the_pool_installs_nothing_but_what_is_half_made(make_job, tmp_path):
    """The second job with the same requirements uses the first one's environment; the image stays as it was.

    An environment without its mark of completion is made anew.
    """
    cache = tmp_path / "cache"
    first = make_job(SOURCE, folder="first", cache=cache, requirements="requirements.txt").run()
    second = make_job(SOURCE, folder="second", cache=cache, requirements="requirements.txt").run()
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert "requirements.txt: installed in" in first.stdout
    assert "already installed on this warm pool" in second.stdout
    assert "tiny 1.0" in second.stdout
    assert f"prefix {sys.prefix}\n" not in first.stdout
    (ready,) = cache.rglob(".ready")
    ready.unlink()
    next(cache.rglob("site-packages/tiny.py")).unlink()
    again = make_job(SOURCE, folder="again", cache=cache, requirements="requirements.txt").run()
    assert again.returncode == 0, again.stderr
    assert "installed in" in again.stdout


def test_other_requirements_get_another_environment(make_job, tmp_path):
    """Two requirement files never share an environment, even where only a file they name has changed."""
    cache = tmp_path / "cache"
    newer = {"train.py": USE, "requirements.txt": "-r more.txt\n", "t/tiny-2.0-py3-none-any.whl": wheel(version="2.0")}
    newer["more.txt"] = "./t/tiny-2.0-py3-none-any.whl\n"
    older = {**newer, "more.txt": "./t/tiny-1.0-py3-none-any.whl\n", "t/tiny-1.0-py3-none-any.whl": wheel()}
    outputs = [
        make_job(files, folder=name, cache=cache, requirements="requirements.txt").run().stdout
        for name, files in (("older", older), ("newer", newer))
    ]
    assert "tiny 1.0" in outputs[0]
    assert "tiny 2.0" in outputs[1]


def test_a_shell_script_without_a_pool_sees_the_images_packages_too(make_job):
    """Without a warm pool the environment lies in the job's folder, and what the image has can be imported in it.

    `python` in a shell script is the interpreter that has it.
    """
    files = {
        **SOURCE,
        "train.py": "import pytest, tiny\nprint(pytest.__name__, tiny.VERSION)\n",
        "train.sh": "python train.py\n",
    }
    done = make_job(files, entry="train.sh", requirements="requirements.txt").run()
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "pytest 1.0"


def test_a_requirement_that_cannot_be_had_is_named(make_job, tmp_path):
    """When pip fails the failure names the requirement, and no environment is left to be mistaken for a good one.

    A file of the source that is named like a standard module is no concern of pip's.
    """
    files = {"train.py": "print('ran')\n", "requirements.txt": "no-such-thing-at-all==9.9\n"}
    files["logging.py"] = "raise SystemExit('shadowed')\n"
    job = make_job(files, cache=tmp_path / "cache", requirements="requirements.txt")
    done = job.run()
    assert done.returncode == 1
    cause = "pip could not install requirements.txt: No matching distribution found for no-such-thing-at-all==9.9"
    assert job.failure[:2] == [cause, "exit code 1"]
    assert "ran" not in done.stdout
    assert "shadowed" not in done.stderr
    assert not list((tmp_path / "cache" / "sweeper" / "venvs").iterdir())


def test_a_requirements_file_that_is_not_there_is_named(make_job):
    """A requirements file that the source lacks ends the job with a sentence."""
    job = make_job("", requirements="requirements.txt")
    assert job.run().returncode == 1
    assert job.failure[0] == "requirements.txt: the source has no such requirements file"


def test_where_no_environment_can_be_made_the_image_is_used(make_job, tmp_path):
    """Where the cache cannot hold an environment, pip installs into the interpreter and the log says so."""
    cache = tmp_path / "cache"
    files = {"train.py": "import pytest\n", "requirements.txt": "pytest\n"}
    job = make_job(files, cache=cache, requirements="requirements.txt")
    (cache / "sweeper").write_text("a file where a folder should be")
    done = job.run()
    assert done.returncode == 0, done.stderr
    assert f"into {sys.prefix}" in done.stdout


def test_sigterm_during_the_installation_ends_the_job(make_job, tmp_path):
    """A stop while pip runs ends pip and the job, the script is not started, the environment is not kept."""
    blocker = "import os, time\nos.write(2, b'building\\n')\ntime.sleep(60)\n"
    files = {
        "train.py": "print('ran')\n",
        "requirements.txt": "./slow\n",
        "slow/pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "slow"\nbackend-path = ["."]\n',
        "slow/slow.py": blocker,
    }
    job = make_job(files, cache=tmp_path / "cache", requirements="requirements.txt")
    with job.start(text=True) as process:
        for line in process.stdout:
            if "Processing" in line:
                break
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
        assert process.wait(timeout=30) == 128 + signal.SIGTERM
    assert "ran" not in rest
    assert not list((tmp_path / "cache" / "sweeper" / "venvs").iterdir())
