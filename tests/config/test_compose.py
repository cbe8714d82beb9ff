"""An experiment file composed over our defaults becomes a Sweep, and nothing is left behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sweeper.backends.batch import Batch
from sweeper.backends.on_demand import OnDemand
from sweeper.backends.spot import Spot
from sweeper.config import run
from sweeper.config.project import packaged_conf
from sweeper.config.schema import files, text
from sweeper.core.model import Goal
from sweeper.core.remedies import Retry, Stop
from sweeper.core.scope import EngineKind
from sweeper.errors import UsageError


def test_grid_of_the_file(project: Any) -> None:
    """A grid in the file becomes the product of its axes, the last one turning fastest."""
    project.experiment("sweep: {grid: {hyperparameters.rank: [1, 2], hyperparameters.lr: [0.1, 0.2]}}\n")
    sweep = project.sweep()
    assert [tuple(trial.values.values()) for trial in sweep.trials] == [(1, 0.1), (1, 0.2), (2, 0.1), (2, 0.2)]
    assert [trial.name for trial in sweep.trials] == [
        "rank=1,lr=0.1",
        "rank=1,lr=0.2",
        "rank=2,lr=0.1",
        "rank=2,lr=0.2",
    ]
    assert sweep.trials.keys == ("hyperparameters.rank", "hyperparameters.lr")


def test_no_sweep_is_one_trial(project: Any) -> None:
    """Without a sweep there is one trial, the configuration itself."""
    project.experiment()
    (trial,) = project.sweep().trials
    assert (trial.index, trial.name, trial.values) == (0, "base", {})


def test_command_line_replaces_adds_and_pins(project: Any) -> None:
    """On the command line `key=a,b` replaces an axis in its place or adds one after the others; `key=v` pins it."""
    project.experiment("sweep: {grid: {hyperparameters.rank: [1, 2], hyperparameters.lr: [0.1, 0.2]}}\n")
    replaced = project.sweep("hyperparameters.rank=4,5,6")
    assert replaced.trials.keys == ("hyperparameters.rank", "hyperparameters.lr")
    assert len(replaced.trials) == 6
    added = project.sweep("environment.MODE=slow,fast")
    assert added.trials.keys[-1] == "environment.MODE"
    assert len(added.trials) == 8
    pinned = project.sweep("hyperparameters.rank=7")
    assert [trial.values["hyperparameters.rank"] for trial in pinned.trials] == [7, 7]


def test_the_multirun_flag_changes_nothing(project: Any) -> None:
    """`-m` is accepted wherever it stands and changes nothing, and overrides may follow a flag."""
    project.experiment()
    plain = [trial.id for trial in project.sweep("hyperparameters.rank=1,2").trials]
    assert [trial.id for trial in project.sweep("-m", "hyperparameters.rank=1,2").trials] == plain
    assert [trial.id for trial in project.sweep("hyperparameters.rank=1,2", "--multirun").trials] == plain


def test_axes_as_functions_and_expressions(project: Any) -> None:
    """An axis may be a range without its end, an even or logarithmic spacing with both ends, or Hydra's grammar."""
    project.write(
        "experiments/y.yaml",
        "defaults: [x]\n"
        "hyperparameters: {batch: 0, wide: 0}\n"
        "sweep:\n  grid:\n"
        "    hyperparameters.rank: {range: [1, 7, 2]}\n"
        "    hyperparameters.lr: {logspace: [1e-5, 1e-3, 3]}\n"
        "    hyperparameters.batch: {linspace: [0, 1, 5]}\n"
        "    hyperparameters.wide: true,null,text,'1'\n",
    )
    project.experiment()
    space = project.sweep(name="y").trials
    columns = {key: list(dict.fromkeys(map(repr, (t.values[key] for t in space)))) for key in space.keys}
    assert columns == {
        "hyperparameters.rank": ["1", "3", "5"],
        "hyperparameters.lr": ["1e-05", "0.0001", "0.001"],
        "hyperparameters.batch": ["0.0", "0.25", "0.5", "0.75", "1.0"],
        "hyperparameters.wide": ["True", "None", "'text'", "'1'"],
    }


def test_values_may_be_lists_and_mappings(project: Any) -> None:
    """A value of an axis may be a list, which replaces, or a mapping, which is merged."""
    project.experiment("sweep: {grid: {hyperparameters.rank: [[1, 2], [3]], hyperparameters: [{lr: 1}, {new: x}]}}\n")
    assert "set the same thing" in project.refused()[0]
    project.experiment("sweep: {grid: {hyperparameters: [{rank: [1, 2]}, {new: x}]}}\n")
    sweep = project.sweep()
    assert [sweep.resolve(trial)["hyperparameters"] for trial in sweep.trials] == [
        {"rank": [1, 2], "lr": 0.01},
        {"rank": 8, "lr": 0.01, "new": "x"},
    ]


def test_resolve_gives_plain_values(project: Any) -> None:
    """A resolved trial has every interpolation replaced, and environment values are text."""
    project.experiment("vars: {size: 3}\nsweep: {grid: {hyperparameters.rank: [1, 2]}}\n")
    sweep = project.sweep(
        "+hyperparameters.alpha=${hyperparameters.rank}", "+environment.N=${vars.size}", "+environment.B=true"
    )
    last = sweep.resolve(sweep.trials[1])
    assert last["hyperparameters"] == {"rank": 2, "lr": 0.01, "alpha": 2}
    assert last["environment"] == {"MODE": "fast", "N": "3", "B": "true"}
    assert last["locked"] == sweep.locked


def test_what_is_set_reaches_the_sweep(project: Any) -> None:
    """Every section arrives as the value that the rest of sweeper works with."""
    project.experiment(
        "objective: {metric: accuracy, goal: maximize}\n"
        "stop: {until: {metric: accuracy, op: '>=', value: 1}, max_trials: 3}\n"
        "pool: {keep_alive_s: 120}\n"
        "on_failure: {algorithm_error: stop, internal_error: {retry: 2}}\n"
    )
    sweep = project.sweep("backend=on_demand", "engine=aws", "owner=me", "engine.poll_s=3")
    assert sweep.objective is not None
    assert (sweep.objective.metric, sweep.objective.goal) == ("accuracy", Goal.MAXIMIZE)
    assert (sweep.engine, sweep.backend, sweep.owner) == (EngineKind.AWS, OnDemand(), "me")
    assert (sweep.waits.poll_s, sweep.waits.settle_s) == (3, 120)
    assert sweep.pool.keep_alive_s == 120
    assert sweep.on_failure.actions == {"algorithm_error": Stop(), "internal_error": Retry(2)}
    assert len(sweep.stop) == 2
    assert sweep.project == str(project.root)
    assert sweep.composed["job"]["image_uri"] == "repository/train:1"


def test_a_sweep_on_spot_machines_keeps_no_pool(project: Any) -> None:
    """The backend's own file says so; how long to wait for machines is an option of the backend."""
    project.experiment()
    sweep = project.sweep("backend=spot", "job.checkpoint_s3_uri=s3://b/c", "backend.wait_s=60")
    assert (sweep.backend, sweep.pool.keep_alive_s) == (Spot(wait_s=60), 0)


def test_a_sweep_through_a_queue_keeps_no_pool(project: Any) -> None:
    """The same of AWS Batch."""
    project.experiment()
    sweep = project.sweep("backend=batch", "backend.queue=q", "backend.share_identifier=ann")
    assert (sweep.backend, sweep.pool.keep_alive_s) == (Batch("q", share_identifier="ann"), 0)


def test_what_is_composed_is_the_base(project: Any) -> None:
    """The composed configuration shows the base's values, not those of some trial."""
    project.experiment("sweep: {grid: {hyperparameters.rank: [1, 2]}}\n")
    assert project.sweep().composed["hyperparameters"] == {"rank": 8, "lr": 0.01}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["locked.instance_type=ml.g6e.3xlarge"], "is not a training instance type known here; did you mean"),
        (["+hyperparameters.api_key=x"], "hyperparameters.api_key looks like a secret: put it under environment"),
        (["+hyperparameters.max_tokens=5"], ""),
    ],
)
def test_what_is_worth_a_word(project: Any, words: list[str], said: str) -> None:
    """What is allowed and probably not meant is a warning."""
    project.experiment()
    assert all(said in line for line in project.sweep(*words).warnings) if said else not project.sweep(*words).warnings
    assert len(project.sweep(*words).warnings) == bool(said)


def test_name_is_the_stem_and_never_inherited(project: Any) -> None:
    """An experiment without a name is called like its file, also when it starts from one that has a name."""
    project.experiment("name: first\n")
    project.write("experiments/deep/second.yaml", "defaults: [/experiment/x]\n")
    project.write("experiments/third.yaml", "defaults: [_self_, x]\n")
    assert project.sweep().name == "first"
    assert project.sweep(name="deep/second").name == "second"
    assert project.sweep(name="third").name == "third"
    assert project.sweep("name=mine", name="third").name == "mine"


def test_an_experiment_may_start_from_another(project: Any) -> None:
    """Grid axes of an inherited experiment are merged key by key, in the order of first appearance."""
    project.experiment("sweep: {grid: {hyperparameters.rank: [1, 2]}}\n")
    project.write("experiments/y.yaml", "defaults: [x]\nsweep: {grid: {hyperparameters.lr: [3]}}\n")
    assert project.sweep(name="y").trials.keys == ("hyperparameters.rank", "hyperparameters.lr")


def test_groups_of_the_user(project: Any) -> None:
    """A config group of the project may add to the configuration, and may be an axis."""
    project.write("conf/recipe/small.yaml", "# @package _global_\nhyperparameters: {rank: 2}\n")
    project.write("conf/recipe/large.yaml", "# @package _global_\nhyperparameters: {rank: 64, warmup: 5}\n")
    project.experiment("sweep: {grid: {recipe: [small, large], hyperparameters.lr: [0.1, 0.2]}}\n")
    sweep = project.sweep()
    got = [sweep.resolve(trial)["hyperparameters"] for trial in sweep.trials]
    assert got == [
        {"rank": 2, "lr": 0.1},
        {"rank": 2, "lr": 0.2},
        {"rank": 64, "lr": 0.1, "warmup": 5},
        {"rank": 64, "lr": 0.2, "warmup": 5},
    ]
    assert len(set(sweep.trials.ids())) == 4
    assert [trial.id for trial in sweep.trials] == list(sweep.trials.ids())
    pinned = project.sweep("+recipe=small")
    assert [pinned.resolve(trial)["hyperparameters"]["rank"] for trial in pinned.trials] == [2, 2]
    assert [trial.id for trial in pinned.trials] == [trial.id for trial in sweep.trials][:2]


def test_a_group_put_elsewhere_is_an_axis(project: Any) -> None:
    """`data@hyperparameters.data` is swept in the file and on the command line, as it is chosen."""
    for name in ("mnist", "cifar"):
        project.write(f"conf/data/{name}.yaml", f"name: {name}\n")
    grid = "sweep: {grid: {data@hyperparameters.data: [mnist, cifar]}}\n"
    for more, words in ((grid, ()), ("", ("data@hyperparameters.data=mnist,cifar",))):
        project.experiment(more)
        text = (project.root / "experiments/x.yaml").read_text(encoding="utf-8")
        project.write("experiments/x.yaml", "defaults: [/data@hyperparameters.data: mnist]\n" + text)
        sweep = project.sweep(*words)
        assert [sweep.resolve(trial)["hyperparameters"]["data"]["name"] for trial in sweep.trials] == ["mnist", "cifar"]
        assert len(set(sweep.trials.ids())) == 2
        assert [trial.name for trial in sweep.trials] == ["data=mnist", "data=cifar"]
        (pinned,) = project.sweep("data@hyperparameters.data=cifar", *(["sweep.grid=null"] if more else [])).trials
        assert pinned.id == sweep.trials[1].id


def test_a_group_put_into_the_locked_section_is_no_axis(project: Any) -> None:
    """What it changes there is one for the whole sweep, wherever its options lie."""
    project.write("conf/machine/small.yaml", "volume_size_in_gb: 30\n")
    project.write("conf/machine/large.yaml", "volume_size_in_gb: 300\n")
    project.experiment()
    (told,) = project.refused("+machine@locked=small,large")
    assert told.startswith("command line: machine@locked: ")
    assert "volume_size_in_gb" in told


def test_another_applications_primary_config_is_left_alone(project: Any) -> None:
    """A `conf/config.yaml` of the project belongs to the user's own Hydra application: it is not read."""
    project.write("conf/config.yaml", "model: transformer\npool: {keep_alive_s: 77}\n")
    project.experiment()
    assert project.sweep().pool.keep_alive_s == 300


def test_hydras_own_sweep_parameters_come_first(project: Any) -> None:
    """Sweeps under `hydra.sweeper.params` are understood, and the command line wins over them."""
    project.experiment("hydra: {sweeper: {params: {hyperparameters.rank: '1,2', hyperparameters.lr: 5}}}\n")
    sweep = project.sweep()
    assert [trial.values for trial in sweep.trials] == [{"hyperparameters.rank": 1}, {"hyperparameters.rank": 2}]
    assert sweep.resolve(sweep.trials[0])["hyperparameters"]["lr"] == 5
    assert len(project.sweep("hyperparameters.rank=1,2,3").trials) == 3


def test_exceptions_of_the_caller_pass_through(project: Any) -> None:
    """What `then` raises reaches the caller of `run` unchanged, and its exit code is returned."""
    project.experiment()

    class OwnError(Exception):
        pass

    def fails(sweep: object) -> int:
        raise OwnError("as it is")

    with pytest.raises(OwnError, match="as it is"):
        run(["+experiment=x"], fails)
    with pytest.raises(KeyboardInterrupt):
        run(["+experiment=x"], lambda sweep: (_ for _ in ()).throw(KeyboardInterrupt()))
    assert run(["+experiment=x"], lambda sweep: 5) == 5


def test_nothing_is_left_behind(project: Any) -> None:
    """Composing writes no file and no folder."""
    project.experiment("sweep: {grid: {hyperparameters.rank: [1, 2]}}\n")
    before = sorted(project.root.rglob("*"))
    project.sweep()
    assert sorted(project.root.rglob("*")) == before


def test_from_a_folder_below_the_project(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The project is the nearest parent with `experiments/`; SWEEPER_PROJECT overrides that."""
    project.experiment()
    below = project.root / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert project.sweep().project == str(project.root)
    monkeypatch.chdir("/")
    monkeypatch.setenv("SWEEPER_PROJECT", str(project.root))
    assert project.sweep().project == str(project.root)


def test_flags_of_hydra_print_and_end(project: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """`--cfg` and `--info` print what Hydra prints and do not call the caller."""
    project.experiment()

    def never(sweep: object) -> int:
        raise AssertionError("called")

    assert run(["+experiment=x", "--cfg", "job", "hyperparameters.lr=3"], never) == 0
    assert "lr: 3" in capsys.readouterr().out
    assert run(["+experiment=x", "--cfg", "job", "hyperparameters.lr=3,4"], never) == 0
    assert "lr: 0.01" in capsys.readouterr().out
    assert run(["--info", "+experiment=x"], never) == 0
    assert "Defaults List" in capsys.readouterr().out
    assert run(["--info", "searchpath", "+experiment=x"], never) == 0
    assert "experiments" in capsys.readouterr().out


def test_published_schemas_are_current() -> None:
    """The schema files are what the module that validates would write."""
    folder = packaged_conf() / "schema"
    assert {file.name: file.read_text(encoding="utf-8") for file in folder.glob("*.json")} == {
        name: text(schema) for name, schema in files().items()
    }


def test_importing_is_cheap() -> None:
    """Composing needs neither boto3 nor jsonschema at import."""
    code = "import sys, sweeper.config; print([m for m in ('boto3', 'jsonschema', 'moto', 'rich') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert done.stdout.strip() == "[]"


def test_usage_errors_are_the_only_refusal(project: Any) -> None:
    """A refusal is a UsageError and nothing else."""
    project.experiment()
    with pytest.raises(UsageError):
        run(["+experiment=y"], lambda sweep: 0)


@pytest.mark.parametrize("partition", ["aws-cn", "aws-us-gov"])
def test_a_role_of_any_partition_is_taken(project: Any, partition: str) -> None:
    """With its path, as Studio and SSO make them."""
    project.experiment()
    role = f"arn:{partition}:iam::123456789012:role/service-role/jobs"
    assert project.sweep(f"locked.role_arn={role}").locked["role_arn"] == role
