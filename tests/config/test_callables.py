"""No file and no word of a command line can make Hydra call anything: composing only reads."""

from __future__ import annotations

from typing import Any

import pytest
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper

from sweeper.config import run
from sweeper.config.app import ChainSweeper
from sweeper.errors import UsageError

CALLBACK = "{touch: {_target_: pathlib.Path.touch, self: MARKER}}"
LOGGER = "{version: 1, root: {}, handlers: {h: {'()': pathlib.Path.touch, self: MARKER}}}"
ONLY = "cannot be set in a file: of hydra only sweeper.params is read; remove the line"
CHAIN = "cannot be set in an experiment: it is always run as a chain; remove the line"
PART = "cannot be changed: it is Hydra's own part, which no file may set; remove the line"
MAPPING = "must be a mapping: of hydra only sweeper.params is read"

FILES = {
    "callbacks": (f"hydra: {{callbacks: {CALLBACK}}}", "13:9: hydra.callbacks: " + ONLY),
    "logging": (f"hydra: {{hydra_logging: {LOGGER}}}", "13:9: hydra.hydra_logging: " + ONLY),
    "job logging": (f"hydra: {{job_logging: {LOGGER}}}", "13:9: hydra.job_logging: " + ONLY),
    "launcher": (f"hydra: {{launcher: {CALLBACK}}}", "13:9: hydra.launcher: " + CHAIN),
    "sweeper": ("hydra: {sweeper: {_target_: pathlib.Path.touch}}", "13:19: hydra.sweeper._target_: " + CHAIN),
    "anything else": ("hydra: {verbose: true}", "13:9: hydra.verbose: " + ONLY),
    "merged": ("vars: &v {callbacks: {}}\nhydra: {<<: *v}", "14:9: hydra.<<: " + ONLY),
    "nothing": ("hydra: null", "13:1: hydra: " + MAPPING),
    "a list": ("hydra: []", "13:1: hydra: " + MAPPING),
    "a sweeper of a word": ("hydra: {sweeper: basic}", "13:9: hydra.sweeper: " + MAPPING),
    "sweeps in a list": ("hydra: {sweeper: {params: [a]}}", "13:19: hydra.sweeper.params: " + MAPPING),
    "a group": ("defaults: [{/evil@hydra.callbacks: one}]", "13:12: /evil@hydra.callbacks: " + PART),
    "a group of Hydra's": ("defaults: [{override /hydra/callbacks: x}]", "13:12: override /hydra/callbacks: " + PART),
}


@pytest.mark.parametrize(("more", "line"), FILES.values(), ids=FILES)
def test_a_file_cannot_name_a_callable(project: Any, more: str, line: str) -> None:
    """Of Hydra's own part only `hydra.sweeper.params` is read; another key is refused where it stands."""
    marker = project.root / "marker"
    project.write("conf/evil/one.yaml", f"touch: {{_target_: pathlib.Path.touch, self: {marker}}}\n")
    project.experiment(more.replace("MARKER", str(marker)) + "\n")
    assert project.refused() == [f"experiments/x.yaml:{line}"]
    for flags in (["--help"], ["--cfg", "hydra"], ["--info", "all"]):
        with pytest.raises(UsageError):
            run([*flags, "+experiment=x"], lambda sweep: 0)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("hydra.searchpath", "[pkg://marking.conf]"),
        ("hydra/callbacks", "evil"),
        ("+evil@hydra.callbacks", "one"),
        ("hydra.launcher._target_", "pathlib.Path.touch"),
    ],
)
def test_neither_can_the_sweeps_of_a_file(project: Any, monkeypatch: pytest.MonkeyPatch, key: str, value: str) -> None:
    """What stands under `hydra.sweeper.params` may say what a word of the command line may: no package is imported."""
    marker = project.root / "marker"
    project.write("marking/__init__.py", f"open({str(marker)!r}, 'w')\n")
    project.write("marking/conf/__init__.py", "")
    monkeypatch.syspath_prepend(project.root)
    project.experiment(f"hydra: {{sweeper: {{params: {{{key}: '{value}'}}}}}}\n")
    (line,) = project.refused()
    assert line.startswith(f"experiments/x.yaml:13:28: hydra.sweeper.params.{key}: cannot be set: ")
    assert not marker.exists()


@pytest.mark.parametrize(
    "text",
    [
        f"# @package _global_\nhydra: {{callbacks: {CALLBACK}}}\n",
        "# @package hydra.callbacks\ntouch: {_target_: pathlib.Path.touch, self: MARKER}\n",
        f"# @package _global_.hydra.hydra_logging\n{LOGGER}\n",
    ],
    ids=["a key", "a package", "a global package"],
)
def test_a_group_of_the_project_cannot_name_a_callable(project: Any, text: str) -> None:
    """Nor can an option of a group, by its keys or by the package that its first line names."""
    marker = project.root / "marker"
    project.write("conf/evil/one.yaml", text.replace("MARKER", str(marker)))
    project.experiment()
    for words in ([], ["--help"], ["--hydra-help"]):
        with pytest.raises(UsageError) as error:
            run([*words, "+experiment=x", "+evil=one"], lambda sweep: 0)
        assert str(error.value).startswith("conf/evil/one.yaml:")
    assert not marker.exists()


def test_what_a_project_keeps_for_hydra_is_another_applications(project: Any) -> None:
    """A `conf/hydra/` of the project, which belongs to its own Hydra application, is not read."""
    project.write("conf/hydra/hydra_logging/none.yaml", LOGGER.replace("MARKER", str(project.root / "marker")))
    project.write("conf/hydra/sweeper/chain.yaml", "params: {hyperparameters.rank: '1,2'}\n")
    project.experiment()
    assert len(project.sweep().trials) == 1
    assert run(["--help", "+experiment=x"], lambda sweep: 0) == 0
    assert not (project.root / "marker").exists()


@pytest.mark.parametrize(
    "word",
    [
        "+hydra.callbacks.touch={_target_:pathlib.Path.touch,self:MARKER}",
        "hydra.hydra_logging={version:1,root:{},handlers:{h:{_target_:pathlib.Path.touch}}}",
        "+evil@hydra.callbacks=one",
        "hydra={callbacks:{}}",
        "hydra/job_logging=colorlog",
        "hydra.launcher._target_=pathlib.Path.touch",
    ],
)
def test_neither_can_the_command_line(project: Any, word: str) -> None:
    """An override of Hydra's own part is refused, its sweeps aside."""
    marker = project.root / "marker"
    project.write("conf/evil/one.yaml", f"touch: {{_target_: pathlib.Path.touch, self: {marker}}}\n")
    project.experiment()
    (line,) = project.refused(word.replace("MARKER", str(marker)))
    assert line.startswith("command line: ") and "cannot be set: " in line
    assert not marker.exists()


def test_the_sweep_plugin_is_one_of_hydras_kind(project: Any) -> None:
    """Hydra knows it among its plugins; it expands the grid itself."""
    project.experiment("sweep: {grid: {hyperparameters.rank: [1, 2]}}\n")
    assert len(project.sweep().trials) == 2
    assert ChainSweeper in Plugins.instance().discover(Sweeper)
