"""The `trackers` section: whom an experiment names, and its secrets, which it only names."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweeper.config.trackers import remembered
from sweeper.core.secrets import Redactor, masked
from sweeper.errors import UsageError
from sweeper.show.plain import as_yaml
from sweeper.tracking import Command, Webhook, made, secrets_of
from tests import own_tracker
from tests.config.conftest import Project

ADDRESS = "https://hooks.test/t0k3n"
WEBHOOK = 'trackers: {webhook: {url: "${oc.env:HOOK}"}}\n'


@pytest.fixture(autouse=True)
def hook(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable is set."""
    monkeypatch.setenv("HOOK", ADDRESS)


def test_a_secret_is_read_and_remembered_by_its_name(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tracker has it, the stored configuration has its name, from which it is read anew; nothing told has it."""
    project.experiment("vars: {program: ./tell.sh}\n" + WEBHOOK)
    sweep = project.sweep("+trackers.command.run='${vars.program} now'")
    assert sweep.trackers == (Webhook(ADDRESS), Command("./tell.sh now"))
    redact = Redactor()
    redact.learn_texts(sweep.secrets)
    assert redact(f"{ADDRESS} or /t0k3n") == "*** or /***"
    stored = masked(sweep.composed, redact)
    assert stored["trackers"] == {"webhook": {"url": "${oc.env:HOOK}"}, "command": {"run": "${vars.program} now"}}
    assert remembered(stored) == sweep.trackers
    monkeypatch.delenv("HOOK")
    with pytest.raises(UsageError, match=r"trackers\.webhook\.url: environment variable 'HOOK' is not set"):
        remembered(stored)


def test_one_that_is_inherited_is_taken_away_by_null(project: Project) -> None:
    """`trackers.webhook=null`, or the whole section: nobody is told then, as where nothing is said."""
    project.experiment(WEBHOOK)
    without = project.sweep("trackers=null")
    assert project.sweep("trackers.webhook=null").trackers == without.trackers == ()
    assert as_yaml({"trackers": without.composed["trackers"]}) == "trackers: null\n"
    project.experiment()
    assert project.sweep().trackers == ()


@pytest.mark.parametrize(
    "written", [ADDRESS, "${oc.env:HOOK,https://hooks.test/t0k3n}", "${vars.hook}"], ids=["plain", "default", "vars"]
)
def test_a_secret_that_is_written_is_refused(project: Project, written: str) -> None:
    """As it is, as the default of a variable, or under another key: in one line, which does not repeat it."""
    project.experiment(f'vars: {{hook: "{ADDRESS}"}}\ntrackers: {{webhook: {{url: "{written}"}}}}\n')
    assert project.refused() == [
        "experiments/x.yaml:14:22: trackers.webhook.url: is a secret: write ${oc.env:NAME} and set that variable, "
        "so that no file and no command line holds it"
    ]


def test_what_is_wrong_is_told_where_it_stands(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tracker and an option that there are not, a value that does not fit, which is not repeated."""
    project.experiment(WEBHOOK)
    assert project.refused("+trackers.webhok.url=1") == [
        "command line: trackers.webhok: is not a field of trackers; did you mean 'webhook'?"
    ]
    assert project.refused("+trackers.webhook.timeout=1") == [
        "command line: trackers.webhook.timeout: is not a field of trackers.webhook; did you mean 'timeout_s'?"
    ]
    assert project.refused("trackers.webhook.timeout_s=1,2") == [
        "command line: trackers.webhook.timeout_s: cannot be swept: it is one for the whole sweep"
    ]
    monkeypatch.setenv("HOOK", "t0k3n")
    assert project.refused() == ["experiments/x.yaml:13:22: trackers.webhook.url: must begin with https://, not this"]


def test_one_whose_package_is_not_installed_is_refused_where_it_is_named(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line that says what to install, before anything is sent; not where it is taken away."""
    text = own_tracker.MODULE.replace("    kind:", '    needs: ClassVar[str] = "no_such_package"\n    kind:')
    own_tracker.install(monkeypatch, tmp_path / "installed", text=text, module="needing_listener")
    project.experiment('trackers:\n  listener: {file: x, token: "${oc.env:HOOK}"}\n')
    assert project.refused() == [
        "experiments/x.yaml:14:3: trackers.listener: needs a package that is not installed: "
        "pip install 'no_such_package'"
    ]
    assert project.sweep("trackers.listener=null").trackers == ()


def test_what_a_package_reads_from_the_environment_is_masked(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow's server with a password, its token, W&B's key: none is told. Written into a file it is refused unseen."""
    with pytest.raises(UsageError, match=r"it does not say where: uri, or the variable MLFLOW_TRACKING_URI"):
        made({"trackers": {"mlflow": {}}})
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:p4ssw0rd@mlflow.test/at?token=qu3ry")
    monkeypatch.setenv("WANDB_API_KEY", "w4ndb-k3y")
    redact = Redactor()
    redact.learn_texts(secrets_of(made({"trackers": {"mlflow": {}, "wandb": {}}})))
    told = "https://me:p4ssw0rd@mlflow.test/at p4ssw0rd w4ndb-k3y token=qu3ry"
    assert redact(told) == "https://***@mlflow.test/at *** *** ***"
    project.experiment('trackers: {mlflow: {uri: "https://me:p4ssw0rd@mlflow.test"}}\n')
    assert project.refused() == [
        "experiments/x.yaml:13:21: trackers.mlflow.uri: must be an address without user, password and token "
        "(the variable MLFLOW_TRACKING_URI may hold one with them), not this"
    ]


def test_a_tracker_of_ones_own_is_used_by_its_name(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its options are checked by its own fields, its secrets too."""
    own_tracker.install(monkeypatch, tmp_path / "installed")
    project.experiment('trackers: {listener: {file: x, token: "${oc.env:HOOK}"}}\n')
    (tracker,) = project.sweep().trackers
    assert (tracker.kind, project.sweep().secrets[0]) == ("listener", ADDRESS)
    project.experiment("trackers: {listener: {token: plain}}\n")
    assert [line.partition(": trackers.")[2] for line in project.refused()] == ["listener.file: is missing"]
