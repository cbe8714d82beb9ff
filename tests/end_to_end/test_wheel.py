"""The wheel as a user has it: in another environment, run from another folder with experiments of its own."""

from __future__ import annotations

import csv
import fcntl
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sweeper.engine import launch
from tests.end_to_end.conftest import EXPERIMENT, SCRIPT

ROOT = Path(__file__).resolve().parents[2]


def made_once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that one process of the session makes for all of them."""
    own = tmp_path_factory.getbasetemp()
    session = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    folder, made = session / name, session / f"{name}.made"
    with (session / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            make(folder)
            made.touch()
    return folder


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built without a network."""

    def build(folder: Path) -> None:
        building = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
        subprocess.run([*building, "--wheel-dir", str(folder), str(ROOT)], check=True)

    return next(made_once(tmp_path_factory, "wheel", build).glob("sweeper-*.whl"))


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the programs of an environment lie that has the wheel, and our dependencies but not this checkout."""

    def install(folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
        python = folder / "bin/python"
        asked = "import sysconfig; print(sysconfig.get_path('purelib'))"
        site = subprocess.run([python, "-c", asked], capture_output=True, text=True, check=True).stdout.strip()
        # A path in a .pth file is searched, but the .pth files there are not read: ours is installed as editable.
        (Path(site) / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
        pip = [sys.executable, "-m", "pip", "--python", str(python)]
        subprocess.run([*pip, "install", "--quiet", "--no-compile", "--no-deps", "--no-index", str(wheel)], check=True)

    return made_once(tmp_path_factory, "environment", install) / "bin"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A user's project: an experiment, its script, a group option of ours that is shadowed, and a group of its own."""
    (tmp_path / "experiments/scripts/tiny").mkdir(parents=True)
    (tmp_path / "experiments/scripts/tiny/train.py").write_text(SCRIPT)
    defaults = "defaults:\n  - /size: small\n  - override /engine: local\n  - _self_\n"
    began = f'environment: {{BEGAN: "{tmp_path}/began"}}\n'
    (tmp_path / "experiments/mine.yaml").write_text(defaults + EXPERIMENT.replace("name: tiny\n", "") + began)
    for name, text in {
        "engine/local": "kind: local\npoll_s: 0.05\nsettle_s: 10\nmetrics_wait_s: 2\nnot_found_s: 5\nidle_s: 123\n",
        "size/small": "# @package _global_\nvars: {note: a small one}\n",
        "size/large": "# @package _global_\nvars: {note: a large one}\n",
        "config": "not_ours: true\n",
    }.items():
        (tmp_path / f"conf/{name}.yaml").parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"conf/{name}.yaml").write_text(text)
    yield tmp_path
    launch.stop(tmp_path / ".sweeper/engine")


def run(programs: Path, folder: Path, project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The console script, in this folder."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "SWEEPER_", "PYTHON", "COMP_"))}
    environment = {**kept, "XDG_STATE_HOME": str(project / "state"), "PATH": f"{programs}:{kept['PATH']}"}
    return subprocess.run(
        ["sweeper", *words], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


def test_the_wheel_holds_the_package_its_groups_and_nothing_else(wheel: Path) -> None:
    """Code, typing marker, conf/ and its schemas, the templates with their scripts; no tests, no caches, no runs."""
    names = zipfile.ZipFile(wheel).namelist()
    for needed in (
        "cli.py",
        "py.typed",
        "conf/config.yaml",
        "testing/pytest_plugin.py",
        "conf/backend/spot.yaml",
        "conf/schema/experiment.json",
        "experiments/lora_ranks.yaml",
        "experiments/scripts/bump/wheels/tinymetrics-1.0-py3-none-any.whl",
    ):
        assert f"sweeper/{needed}" in names
    assert not [name for name in names if "__pycache__" in name]
    assert {name.split("/")[0] for name in names} == {
        "sweeper",
        next(n for n in names if "dist-info" in n).split("/")[0],
    }


def test_it_runs_from_another_folder_and_from_a_sub_folder(programs: Path, elsewhere: Path) -> None:
    """The user's experiment runs with the user's groups; a sub-folder finds the same project, engine and results."""
    first = run(programs, elsewhere, elsewhere, "+experiment=mine")
    assert first.returncode == 0, first.stderr
    with (elsewhere / "runs/mine/results.csv").open(newline="") as file:
        assert [row["metric.score"] for row in csv.DictReader(file)] == ["10.0", "20.0", "30.0"]
    below = elsewhere / "experiments/scripts"
    again = run(programs, below, elsewhere, "+experiment=mine")
    assert (again.returncode, again.stderr) == (0, "")
    assert len((elsewhere / "began").read_text().splitlines()) == 3
    assert run(programs, below, elsewhere, "list").stdout.startswith("mine  finished  3 of 3 trials")
    info = launch.status(elsewhere / ".sweeper/engine")
    assert info is not None
    assert info["settings"]["idle_s"] == 123, "the user's engine/local.yaml shadows ours"


def test_it_begins_a_project(programs: Path, tmp_path: Path) -> None:
    """In an empty folder the wheel makes a first experiment and one of a template, and both plan."""
    assert run(programs, tmp_path, tmp_path, "init").returncode == 0
    assert run(programs, tmp_path, tmp_path, "new", "mine", "--from", "batch_sizes").returncode == 0
    for name, trials in (("first", 4), ("mine", 11)):
        planned = run(programs, tmp_path, tmp_path, "plan", f"+experiment={name}")
        assert planned.returncode == 0, planned.stderr
        assert f"\n{trials} trials: " in planned.stdout


def test_the_users_groups_add_to_ours(programs: Path, elsewhere: Path) -> None:
    """A group of the user's own is chosen as any other; its config.yaml is another application's."""
    composed = run(programs, elsewhere, elsewhere, "+experiment=mine", "size=large", "--cfg", "job")
    assert composed.returncode == 0, composed.stderr
    assert "not_ours" not in composed.stdout
    assert "note: a large one" in composed.stdout


def test_the_console_script_and_the_module_are_the_same(programs: Path, elsewhere: Path) -> None:
    """`sweeper --help` and `python -m sweeper --help` print one text; the version is the wheel's."""
    module = subprocess.run(
        [programs / "python", "-m", "sweeper", "--help"], cwd=elsewhere, capture_output=True, text=True, check=True
    )
    assert run(programs, elsewhere, elsewhere, "--help").stdout == module.stdout
    assert run(programs, elsewhere, elsewhere, "--version").stdout.startswith("sweeper 0.")


SHELLS = {
    "bash": """\
eval "$(sweeper complete bash)"
for typed in "$@"; do
    COMP_LINE=$typed COMP_POINT=${#typed}
    _sweeper_complete
    printf '%s\\n' "${COMPREPLY[@]}"
done
""",
    "zsh": """\
zmodload zsh/zpty
zpty terminal zsh -f -i
zpty -w terminal 'PS1=; autoload -U compinit; compinit -D -u; eval "$(sweeper complete zsh)"; print rea""dy'
zpty -r terminal shown '*ready*'
zpty -w -n terminal "$1"$'\\t'
zpty -r terminal shown "*$2*"
print -r -- $2
zpty -d terminal
""",
    "fish": """\
sweeper complete fish | source
complete -C $argv[2]
""",
}
"""What completes each line given, in bash; elsewhere the first, by zsh on a terminal until the last is seen."""


@pytest.mark.parametrize(
    ("shell", "given", "offered"),
    [
        (
            "bash",
            [
                "sweeper sta",
                "sweeper +experiment=",
                "sweeper +experiment=mine hyperparameters.",
                "sweeper plan +experiment=mine engine=",
                "sweeper engine s",
                "sweeper status --j",
            ],
            ["status ", "mine", "hyperparameters.x=", "aws", "serve ", "--json "],
        ),
        ("zsh", ["sweeper +experiment=m", "sweeper +experiment=mine"], ["sweeper +experiment=mine"]),
        ("fish", ["sweeper +experiment=m"], ["+experiment=mine"]),
    ],
)
def test_tab_completes_verbs_experiments_and_keys(
    programs: Path, elsewhere: Path, shell: str, given: list[str], offered: list[str]
) -> None:
    """In each shell, with the script that `sweeper complete SHELL` prints."""
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    home = {"HOME": str(elsewhere), "TERM": "xterm", "PATH": f"{programs}:{os.environ['PATH']}"}
    environment = {**os.environ, **home}
    environment.pop("PYTHONPATH", None)
    words = [shell, *(["-f"] if shell == "zsh" else []), "-c", SHELLS[shell], shell, *given]
    done = subprocess.run(
        words, cwd=elsewhere, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert not set(offered) - set(done.stdout.splitlines()), done.stderr
