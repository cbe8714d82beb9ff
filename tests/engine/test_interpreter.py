"""Programs of ours that start beside a user's files."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import sweeper

STARTING = """\
import subprocess, sys
from sweeper.engine.interpreter import module_command
sys.exit(subprocess.call(module_command("sweeper.told", "one", "--two")))
"""


def set_traps(folder: Path) -> None:
    """Put modules into this folder that have the names of others, as a user's own may have."""
    for name in ("queue", "secrets", "runpy", "hydra", "moto"):
        (folder / f"{name}.py").write_text("raise SystemExit('a file of the user was imported')\n")


@pytest.mark.parametrize("found_by", ["folder", "PYTHONPATH"])
def test_the_package_that_runs_is_started_and_nothing_beside_it(tmp_path: Path, found_by: str) -> None:
    """Whichever way it was found, past an installed one; the folder that it is started in is not looked into."""
    package, elsewhere = tmp_path / "checkout/sweeper", tmp_path / "elsewhere"
    (package / "engine").mkdir(parents=True)
    elsewhere.mkdir()
    for name in ("__init__.py", "engine/__init__.py", "engine/interpreter.py"):
        shutil.copy(Path(sweeper.__file__).parent / name, package / name)
    (package / "told.py").write_text(
        "import json, queue, sys\nprint(json.dumps([__file__, queue.__file__, sys.argv]))\n"
    )
    cwd, environment = (
        (package.parent, {}) if found_by == "folder" else (elsewhere, {"PYTHONPATH": str(package.parent)})
    )
    set_traps(cwd)
    done = subprocess.run(
        [sys.executable, "-c", STARTING], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    file, queue, arguments = json.loads(done.stdout)
    assert (file, arguments) == (str(package / "told.py"), [file, "one", "--two"])
    assert not Path(queue).is_relative_to(tmp_path)


def test_the_command_imports_nothing_from_the_folder_that_it_is_started_in(tmp_path: Path) -> None:
    """`python -m sweeper` in a project that has modules of its own, and a folder that Hydra would take for plugins."""
    set_traps(tmp_path)
    (tmp_path / "runpy.py").unlink()  # the interpreter's own, before anybody can look
    (tmp_path / "hydra_plugins").mkdir()
    (tmp_path / "hydra_plugins/one.py").write_text("raise SystemExit('a plugin of the user was imported')\n")
    command = [sys.executable, "-m", "sweeper", "plan", "+experiment=none"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("sweeper: command line: +experiment=none: ")
