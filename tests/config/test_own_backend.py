"""A backend of a user's own: found when it is named, checked as ours are, refused in one line if it cannot be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sweeper import backends
from sweeper.errors import UsageError
from tests import own_backend

PLAN = f"+backend.training_plan_arn={own_backend.ARN}"
MINE = "backend.kind=reserved"


@pytest.fixture(autouse=True)
def plain(project: Any) -> None:
    """There is an experiment."""
    project.experiment()


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package is there."""
    own_backend.install(monkeypatch, tmp_path / "installed")


@pytest.mark.usefixtures("installed")
def test_a_backend_of_ones_own_is_used_by_its_name(project: Any) -> None:
    """Said as a kind, or by a file in the project's conf/backend, which holds its options."""
    said = project.sweep(MINE, PLAN).backend
    assert (said.kind, said.training_plan_arn, said.wait_s) == ("reserved", own_backend.ARN, "long")
    project.write("conf/backend/mine.yaml", f"kind: reserved\ntraining_plan_arn: {own_backend.ARN}\nwait_s: short\n")
    assert project.sweep("backend=mine").backend.wait_s == "short"


def test_a_package_that_was_installed_for_a_test_is_gone_with_it(tmp_path: Path) -> None:
    """Another one of the same name is another one: what the first has left imported is not taken for it."""
    for number, name in enumerate(("long", "short")):
        with pytest.MonkeyPatch.context() as patching:
            text = own_backend.MODULE.replace('default="long"', f'default="{name}"')
            own_backend.install(patching, tmp_path / str(number), text=text)
            assert backends.made({"kind": "reserved", "training_plan_arn": own_backend.ARN}).wait_s == name


@pytest.mark.usefixtures("installed")
def test_its_options_are_checked_by_its_own_fields(project: Any) -> None:
    """What is missing, does not fit, is nobody's or is another backend's: a line each, where it stands."""
    assert project.refused(MINE) == ["experiments/x.yaml:1:1: backend.training_plan_arn: is missing"]
    assert project.refused(MINE, "+backend.training_plan_arn=x") == [
        "command line: backend.training_plan_arn: 'x' does not look like ^arn:aws:sagemaker:"
    ]
    assert project.refused(MINE, PLAN, "+backend.wait_s=soon") == [
        "command line: backend.wait_s: 'soon' is not one of long, short"
    ]
    assert project.refused(MINE, PLAN, "+backend.queue=q") == [
        "command line: backend.queue: is for backend=batch, not reserved"
    ]
    assert project.refused(MINE, PLAN, "locked.instance_count=2") == [
        "command line: locked.instance_count: a plan has one machine: set locked.instance_count=1"
    ]
    project.experiment(f"backend:\n  kind: reserved\n  training_plan_arn: {own_backend.ARN}\n  plan: x\n")
    (line,) = project.refused()
    assert line.startswith("experiments/x.yaml:16:3: backend.plan: is not a field of backend")


def test_an_option_of_another_kind_is_one_line_at_its_place(project: Any) -> None:
    """Even when it says nothing: a backend is made of its own options only."""
    project.experiment("backend: {share_identifier: null, training_plan_arn: x}\n")
    (line,) = project.refused()
    assert line.startswith("experiments/x.yaml:13:35: backend.training_plan_arn: is not a field of backend")
    project.experiment("backend: {share_identifier: null}\n")
    assert project.refused() == [
        "experiments/x.yaml:13:11: backend.share_identifier: is for backend=batch, not warm_pool"
    ]


def test_a_kind_that_there_is_not_is_told_with_those_there_are(project: Any) -> None:
    """Ours, and those that are installed."""
    there = "warm_pool, on_demand, spot, batch"
    assert project.refused("backend.kind=nope") == [f"command line: backend.kind: 'nope' is not one of {there}"]


@pytest.mark.usefixtures("installed")
def test_what_is_installed_is_told_too(project: Any) -> None:
    """The names are those that may be said here."""
    assert project.refused("backend.kind=nope")[0].endswith("spot, batch, reserved")


BROKEN = {
    "raises": ("import nothing_of_the_kind\n", "Reserved", "cannot be used: ModuleNotFoundError: No module named"),
    "silent": ("class Reserved:\n    capacity = 1\n", "Reserved", "is no backend: it does not say kind, keeps_pool,"),
    "elsewhere": ("", "Reserved", "cannot be used: AttributeError"),
    "plain": (own_backend.MODULE.replace("@dataclass(frozen=True)\n", ""), "Reserved", "dataclass"),
    "lies": (own_backend.MODULE.replace("keeps_pool: ClassVar[bool] = True", "keeps_pool: ClassVar[bool] = False"),
        "Reserved", "says that it keeps no pool and does send KeepAlivePeriodInSeconds"),
    "typed": (own_backend.MODULE.replace("training_plan_arn: str", "training_plan_arn: set[str]"),
        "Reserved", "training_plan_arn: an option is text, a number, true or false"),
}  # fmt: skip


@pytest.mark.parametrize("how", BROKEN)
def test_one_that_cannot_be_used_is_one_line(
    project: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Whatever its module does, or says of its pool: the place, the package and what is wrong, and nothing is sent."""
    text, found, what = BROKEN[how]
    own_backend.install(monkeypatch, tmp_path / "installed", text=text, module=f"machines_{how}", found=found)
    (line,) = project.refused(MINE, PLAN)
    assert line.startswith("command line: backend") and what in line


@pytest.mark.usefixtures("installed")
def test_a_stored_kind_that_is_gone_is_no_trouble_for_who_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table of an old run is told without the package; a run is not."""
    assert not backends.interrupts("reserved")
    monkeypatch.undo()
    assert not backends.interrupts("reserved")
    with pytest.raises(UsageError, match="'reserved' is not one of"):
        backends.made({"kind": "reserved"})
