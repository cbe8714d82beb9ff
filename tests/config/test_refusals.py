"""Everything wrong with a declaration is one line with its place, all lines at once, and nothing is called."""

from __future__ import annotations

from typing import Any

import pytest

from sweeper.config import run
from sweeper.core.space.declared import AXIS
from sweeper.errors import UsageError

LOCKED = "is locked and cannot be swept: every job of a sweep shares one locked section; "
CHAIN = "cannot be set: an experiment is always run as a chain, so that its pool is always released"
LOCKED += "give it one value, or write one experiment for each"


def refused_words(*words: str) -> list[str]:
    """The lines with which this command line is refused."""
    with pytest.raises(UsageError) as error:
        run(list(words), lambda sweep: 0)
    return str(error.value).splitlines()


MISTAKES = {
    "job.launch=drivr": "job.launch: 'drivr' is not one of driver, toolkit, image; did you mean 'driver'?",
    "locked.instance_type=g5": "locked.instance_type: must look like ml.g6e.2xlarge, not 'g5'",
    "pool.keep_alive_s=99999": "pool.keep_alive_s: must be 0 to 3600 seconds, or auto, not 99999",
    "hyperparameters.lr=${hyperparameters.rnk}": "hyperparameters.lr: there is no 'hyperparameters.rnk' to "
    "interpolate; did you mean 'hyperparameters.rank'?",
    "hydra.mode=RUN": "hydra.mode=RUN: " + CHAIN,
    "hydra/sweeper=basic": "hydra/sweeper=basic: " + CHAIN,
    "rank": "rank: is not KEY=VALUE",
    "backend=nope": "backend=nope: there is no option 'nope' of backend; there is batch, on_demand, spot, warm_pool",
    "hyperparameters.rnk=1": "hyperparameters.rnk: is not in the configuration; did you mean 'hyperparameters.rank'?; "
    "to add it write +hyperparameters.rnk=1",
}
MORE_MISTAKES = {
    "job.entry_script=trian.py": "job.entry_script: there is no file 'trian.py' in code; did you mean 'train.py'?",
    "job.max_runtime_s=1,2": "job.max_runtime_s: cannot be swept: it changes no result, "
    "so all its trials would be one and the same",
    "locked.instance_type=ml.g5.xlarge,ml.g5.2xlarge": "locked.instance_type: " + LOCKED,
    "+locked.new=1,2": "locked.new: " + LOCKED,
    "pool.keep_alive_s=1,2": "pool.keep_alive_s: cannot be swept: it is one for the whole sweep",
    "backend=warm_pool,on_demand": "backend: cannot be swept: it is one for the whole sweep",
    "hyperparameters.rnk=1,2": "hyperparameters.rnk: is not a parameter; did you mean 'hyperparameters.rank'?; "
    "to add it write +hyperparameters.rnk",
    "hyperparameters.lr=interval(0,1)": "hyperparameters.lr=interval(0,1): has no finite number of values; "
    "give a list, range(...) or choice(...)",
    "+job.inputs.train=dta": "job.inputs.train: there is no folder 'dta'",
}
AND_MORE = {
    "job.source_dir=cod": "job.source_dir: there is no folder 'cod'; did you mean 'code'?",
    "locked={instance_count:1},{instance_count:2}": "locked: " + LOCKED,
    "hyperparameters.lr=${oc.env:SWEEPER_TEST_UNSET}": "hyperparameters.lr: environment variable 'SWEEPER_TEST_UNSET' "
    "is not set: set it, or give a default: ${oc.env:SWEEPER_TEST_UNSET,default}",
    "+job.instance_type=ml.g5.xlarge": "job.instance_type: is not a field of job; it belongs under locked",
    "+instance_type=ml.g5.xlarge": "instance_type: is not a section; it belongs under locked",
}


@pytest.mark.parametrize("mistakes", [MISTAKES, MORE_MISTAKES, AND_MORE], ids=["one", "two", "three"])
def test_on_the_command_line(project: Any, mistakes: dict[str, str]) -> None:
    """Every mistake on the command line is placed there, in a line of its own, all of them at once."""
    project.experiment()
    assert project.refused(*mistakes) == sorted("command line: " + line for line in mistakes.values())


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("--run", "--run: an experiment is always run as a chain; leave it out"),
        ("--cfgg", "unrecognized arguments: --cfgg"),
    ],
)
def test_flags_that_there_are_not(project: Any, word: str, line: str) -> None:
    """A flag that nobody knows, or that would leave the chain, is refused before anything is composed."""
    project.experiment()
    assert project.refused(word) == ["command line: " + line]


@pytest.mark.parametrize(
    ("more", "lines"),
    [
        ("sweep: {grid: {locked.instance_type: [ml.g5.xlarge]}}", ["13:16: locked.instance_type: " + LOCKED]),
        ("sweep:\n  grid:\n    locked: [{instance_count: 2}]", ["15:5: locked: " + LOCKED]),
        (
            "sweep: {grid: {hyperparameters.rnk: [1]}}",
            [
                "13:16: hyperparameters.rnk: is not a parameter; did you mean 'hyperparameters.rank'?; "
                "to add it write +hyperparameters.rnk"
            ],
        ),
        (
            "sweep: {grid: {hyperparameters.rank: []}}",
            ["13:16: sweep.grid.hyperparameters.rank: " + str(AXIS.says) + ", not []"],
        ),
        ("sweep: {gird: {a: [1]}}", ["13:9: sweep.gird: is not a field of sweep; did you mean 'grid'?"]),
        (
            "sweep: {grid: {hyperparameters.lr: {logspace: [0, 1, 3]}}}",
            ["13:16: sweep.grid.hyperparameters.lr: both ends must be greater than 0"],
        ),
        ("pool: {keep_alive_s: 99999}", ["13:8: pool.keep_alive_s: must be 0 to 3600 seconds, or auto, not 99999"]),
        ("pool: {keepalive_s: 9}", ["13:8: pool.keepalive_s: is not a field of pool; did you mean 'keep_alive_s'?"]),
        ("hyperparameter: {rank: 1}", ["13:1: hyperparameter: is not a section; did you mean 'hyperparameters'?"]),
        ("experiment: x", ["13:1: experiment: is not a section; to start from an experiment list it under defaults"]),
        (
            "hydra: {mode: RUN}",
            ["13:9: hydra.mode: cannot be set in an experiment: it is always run as a chain; remove the line"],
        ),
        (
            "objective: {metric: acuracy, goal: maximize}",
            ["13:13: objective.metric: 'acuracy' is not one of job.metrics; did you mean 'accuracy'?"],
        ),
        (
            "stop: {until: {metric: acc, op: '==', value: x}}",
            [
                "13:29: stop.until.op: '==' is not one of >, >=, <, <=; did you mean '>='?",
                "13:39: stop.until.value: 'x' is not a number",
            ],
        ),
        (
            "on_failure: {algorithm_eror: stop}",
            ["13:14: on_failure.algorithm_eror: is not a field of on_failure; did you mean 'algorithm_error'?"],
        ),
        (
            "vars: {a: '${vars.b}', b: '${vars.a}'}",
            [
                "13:8: vars.a: the interpolation leads back to itself",
                "13:24: vars.b: the interpolation leads back to itself",
            ],
        ),
        ("vars:\n  a: ???", ["14:3: vars.a: is missing: it has no default"]),
        ("stop: [1]\nstop: {}", ["14:1: stop: stands twice: take one of them out"]),
        (
            "pool: {a",
            ["14:1: not valid YAML: while parsing a flow mapping ..."],
        ),
        (
            "pool: {keep_alive_s: no}\nstop: {max_trials: 0}\nname: a b",
            [
                "13:8: pool.keep_alive_s: must be 0 to 3600 seconds, or auto, not False",
                "14:8: stop.max_trials: 0 is too small: at least 1",
                "15:1: name: must be letters, digits, '.', '_' or '-', and begin with a letter or digit, not 'a b'; "
                "did you mean 'a-b'?",
            ],
        ),
    ],
)
def test_in_a_file(project: Any, more: str, lines: list[str]) -> None:
    """A mistake in a file is placed at the line and column of its key; all mistakes are told at once."""
    project.experiment(more + "\n")
    found = project.refused()
    for line, wanted in zip(found, lines, strict=True):
        if wanted.endswith("..."):  # the two YAML readers have their own words
            assert line.startswith("experiments/x.yaml:" + wanted[:-3])
        else:
            assert line == "experiments/x.yaml:" + wanted


def test_what_is_missing_is_placed_in_the_users_file(project: Any) -> None:
    """A mandatory value that nobody gave is placed in the experiment, at the nearest section of it."""
    project.write("experiments/x.yaml", "locked: {instance_type: ml.g5.xlarge}\n")
    assert project.refused() == [
        "experiments/x.yaml:1:1: job.image_uri: is missing: it has no default",
        "experiments/x.yaml:1:1: job.max_runtime_s: is missing: it has no default",
        "experiments/x.yaml:1:1: job.source_dir: is missing: launch driver starts a script",
        "experiments/x.yaml:1:1: locked.role_arn: is missing: it has no default",
    ]


def test_files_and_command_line_at_once(project: Any) -> None:
    """Mistakes of files come first, those of the command line after them, in one refusal."""
    project.experiment("pool: {keep_alive_s: -1}\n")
    assert project.refused("hyperparameters.rnk=1", "lr", "hyperparameters.lrr=1,2", "backend=cold") == [
        "experiments/x.yaml:13:8: pool.keep_alive_s: must be 0 to 3600 seconds, or auto, not -1",
        "command line: backend=cold: there is no option 'cold' of backend; there is batch, on_demand, spot, warm_pool",
        "command line: hyperparameters.lrr: is not a parameter; did you mean 'hyperparameters.lr'?; "
        "to add it write +hyperparameters.lrr",
        "command line: hyperparameters.rnk: is not in the configuration; did you mean 'hyperparameters.rank'?; "
        "to add it write +hyperparameters.rnk=1",
        "command line: lr: is not KEY=VALUE",
    ]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["+experiment=y"], "+experiment=y: there is no experiment 'y' in experiments; there is x"),
        (["+experiment=xx"], "+experiment=xx: there is no experiment 'xx' in experiments; did you mean 'x'?"),
        (["experiment=x"], "experiment=x: write +experiment=x"),
        (["+experiment=x,y"], "+experiment=x,y: one sweep is one experiment: run them one after another"),
        ([], "no experiment given: add +experiment=NAME; there is x"),
        (["+experiment=old"], "+experiment=old: experiments/old.yml must be named yaml: rename it to old.yaml"),
    ],
)
def test_which_experiment(project: Any, words: list[str], line: str) -> None:
    """An experiment that cannot be found is refused with what there is."""
    project.experiment()
    project.write("experiments/old.yml", "name: old\n")
    assert refused_words(*words) == ["command line: " + line]


def test_without_a_project(project: Any) -> None:
    """Outside of any project the missing folder is named, and nothing else runs in its place."""
    (line,) = refused_words("+experiment=x")
    assert line.startswith(
        "command line: +experiment=x: there is no folder experiments: run sweeper inside your project"
    )


def test_a_group_option_may_not_change_the_locked_section(project: Any) -> None:
    """A swept config group whose option changes what is locked is refused at the axis."""
    project.write("conf/size/big.yaml", "# @package _global_\nlocked: {instance_type: ml.p4d.24xlarge}\n")
    project.write("conf/size/same.yaml", "# @package _global_\nhyperparameters: {rank: 1}\n")
    project.experiment("sweep: {grid: {size: [same, big]}}\n")
    assert project.refused() == [
        "experiments/x.yaml:13:16: size: option big changes locked.instance_type (ml.g5.xlarge -> ml.p4d.24xlarge): "
        "that is one for the whole sweep; write one experiment for each"
    ]
    project.experiment()
    assert project.refused("+size=same,big")[0].startswith("command line: size: option big changes locked.")
    assert project.refused("+size=same,bag") == ["command line: size: there is no option 'bag'; did you mean 'big'?"]


def test_a_locked_value_may_not_follow_a_swept_one(project: Any) -> None:
    """A locked field that is interpolated from a swept key would vary with it."""
    project.experiment("sweep: {grid: {vars.size: [30, 30.0, 40]}}\nvars: {size: 30}\n")
    assert project.refused("locked.volume_size_in_gb=${vars.size}") == [
        "command line: locked.volume_size_in_gb: changes with vars.size, which is swept: "
        "it is one for the whole sweep; give it one value"
    ]


def test_a_scalar_on_the_command_line_changes_the_base(project: Any) -> None:
    """One value for a locked field is a base override, and another locked digest."""
    project.experiment()
    other = project.sweep("locked.instance_type=ml.g5.2xlarge")
    assert other.locked["instance_type"] == "ml.g5.2xlarge"
    assert other.locked_digest != project.sweep().locked_digest


def test_links_out_of_the_source_are_refused(project: Any) -> None:
    """What is staged lies in the source folder: a link out of it would stage something else tomorrow."""
    project.experiment()
    project.write("secret.txt", "s")
    (project.root / "code" / "link.txt").symlink_to(project.root / "secret.txt")
    assert project.refused() == [
        "experiments/x.yaml:6:3: job.source_dir: link.txt is a link out of the folder: copy the file in"
    ]


def test_values_of_environment_are_never_shown(project: Any) -> None:
    """A refusal names a key of `environment`, never its value."""
    project.experiment()
    (line,) = project.refused("+environment.TOKEN=[hunter2hunter2]")
    assert "hunter2" not in line
    assert line.startswith("command line: environment.TOKEN: must be text, a number or true/false")


def test_broken_yaml_in_the_projects_conf(project: Any) -> None:
    """A file of the project's `conf/` that does not parse is named with its place."""
    project.experiment("defaults: [{/recipe: bad}]\n")
    project.write("conf/recipe/bad.yaml", "a: [1\n")
    (line,) = project.refused()
    assert line.startswith("conf/recipe/bad.yaml:2:1: not valid YAML: ")


def test_a_group_that_a_file_misspells(project: Any) -> None:
    """An option that a defaults list names and that does not exist is placed there."""
    project.experiment("defaults: [{override /backend: worm_pool}]\n")
    assert project.refused() == [
        "experiments/x.yaml:13:12: defaults: there is no option 'worm_pool' of backend; did you mean 'warm_pool'?"
    ]


@pytest.mark.parametrize("where", ["..", "/", "${oc.env:HOME}", "code/../.."])
@pytest.mark.parametrize("key", ["job.source_dir", "+job.inputs.train"])
def test_a_folder_outside_of_the_project_is_sent_only_when_asked(
    project: Any, monkeypatch: pytest.MonkeyPatch, key: str, where: str
) -> None:
    """Whatever leads out of the project is refused: nobody means to send a home folder."""
    monkeypatch.setenv("HOME", str(project.root.parent))
    project.experiment()
    (line,) = project.refused(f"{key}={where}", "job.launch=image", "job.entry_script=null")
    assert line.startswith(f"command line: {key.lstrip('+')}: ")
    assert line.endswith("all of it would be sent; move it in, or set job.allow_outside_project=true")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["+job.inputs.a=code,cod"], "job.inputs.a: cod: job.inputs.a cannot be sent: there is no folder 'cod'; did"),
        (["+job.inputs.a=code,/"], "job.inputs.a: /: job.inputs.a cannot be sent: '/' lies outside of the project"),
        (["job.entry_script=train.py,trian.py"], "job.entry_script: trian.py: job.entry_script is no file in code"),
        (
            ["+job.inputs.a=code/${hyperparameters.rank}", "hyperparameters.rank=.,nowhere"],
            "hyperparameters.rank: nowhere: job.inputs.a cannot be sent: there is no folder 'code/nowhere'",
        ),
    ],
)
def test_what_a_later_trial_reads_is_looked_for_before_the_first_one(project: Any, words: list[str], line: str) -> None:
    """The third trial of a night must not find out that its folder was never there."""
    project.experiment()
    (told,) = project.refused(*words)
    assert told.startswith(f"command line: {line}"), told


def test_a_folder_outside_of_the_project_can_be_asked_for(
    project: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Data lies where it lies; that it may be sent is no part of what a trial is."""
    data = tmp_path_factory.mktemp("data")
    (data / "train.csv").write_text("1")
    project.experiment()
    plain, asked = project.sweep(), project.sweep("job.allow_outside_project=true")
    assert plain.trials[0].id == asked.trials[0].id
    assert project.sweep(f"+job.inputs.train={data}", "job.allow_outside_project=true").warnings == ()


def test_what_is_left_out_of_a_source_is_told(project: Any) -> None:
    """The names of files that look secret; a script or requirements that would not be sent are refused."""
    project.experiment()
    before = project.sweep().trials[0].id
    project.write("code/prod.env", "A=b")
    project.write("code/deep/.netrc", "x")
    sweep = project.sweep()
    said = "job.source_dir: not sent, as the names say that they are secret: deep/.netrc, prod.env"
    assert (sweep.warnings, sweep.trials[0].id) == ((said,), before)
    project.write("code/.gitignore", "prod.env\n.netrc\ntrain.py\n")
    assert project.refused() == [
        "experiments/x.yaml:7:3: job.entry_script: 'train.py' is not sent: an ignore file or its name leaves it out; "
        "write !train.py into .sweeperignore"
    ]
    project.write(".sweeperignore", "!train.py\n")
    assert project.sweep().warnings == ()


def test_a_short_keep_alive_is_a_warning(project: Any) -> None:
    """Under a minute a pool may be gone before its successor comes: allowed, and said."""
    project.experiment()
    assert project.sweep("pool.keep_alive_s=30").warnings == (
        "pool.keep_alive_s is 30: a pool may be gone before the next job reaches it",
    )
    assert project.sweep("pool.keep_alive_s=60").warnings == ()


def test_what_a_backend_cannot_do_without_is_told_at_once(project: Any) -> None:
    """Spot needs a place for checkpoints, Batch a queue; neither keeps a pool, and their options are their own."""
    project.experiment("pool: {keep_alive_s: 300}\n")
    assert project.refused("backend=spot") == [
        "experiments/x.yaml:4:1: job.checkpoint_s3_uri: is missing: backend=spot needs a place for checkpoints, "
        "s3://BUCKET/PREFIX; each trial gets its own below; or set backend.allow_restart: true, and "
        "an interrupted job begins anew",
        "experiments/x.yaml:13:8: pool.keep_alive_s: a spot job leaves no warm pool: leave it out, or set "
        "pool.keep_alive_s=0",
    ]
    assert project.sweep("backend=spot", "backend.allow_restart=true", "pool.keep_alive_s=0").backend.kind == "spot"
    assert project.refused("backend=batch", "backend.queue=q") == [
        "experiments/x.yaml:13:8: pool.keep_alive_s: a job of a queue leaves no warm pool: leave it out, or set "
        "pool.keep_alive_s=0"
    ]
    assert project.refused("backend=batch", "pool.keep_alive_s=0") == [
        "command line: backend.queue: is missing: it has no default"
    ]
    assert project.refused("backend.queue=q") == ["command line: backend.queue: is for backend=batch, not warm_pool"]
    assert project.refused("+backend.queue=q") == ["command line: backend.queue: is for backend=batch, not warm_pool"]
    assert project.refused("+backend.wait_s=5") == ["command line: backend.wait_s: is for backend=spot, not warm_pool"]


def test_a_pool_has_room_for_one_job(project: Any) -> None:
    """More than one at a time on a warm pool is refused where it is said, and why; elsewhere it is taken."""
    project.experiment("backend:\n  max_in_flight: 4\n")
    why = (
        "backend.max_in_flight: one warm pool has one set of machines, and a second job beside the first would start "
        "cold: leave it out, or choose backend=batch, backend=spot or backend=on_demand"
    )
    assert project.refused() == [f"experiments/x.yaml:14:3: {why}"]
    assert project.refused("backend.max_in_flight=2") == [f"command line: {why}"]
    assert project.sweep("backend.max_in_flight=1").in_flight == 1
    assert project.sweep("backend=on_demand").in_flight == 4


MIXED = """\
defaults: [{override /backend: batch}, _self_]
backend:
  queue: team
  quota_share: vision
  share_identifier: ann
  attempts: 3
  attempt_duration_s: 600
  wait_s: 60
pool: {keep_alive_s: 300}
on_failure: {internal_error: {retry: 2}}
stop: {budget_usd: 5}
prices: {usd_per_hour: {ml.g5.xlarge: 1.0}}
"""
ALONE = """\
defaults: [{override /backend: batch}, _self_]
backend: {queue: team, preemption_retries: 2, retry_on: [ClientError]}
"""


def test_what_cannot_be_mixed_with_a_queue_is_one_sentence_at_its_place(project: Any) -> None:
    """Each pair of options says what the two would do to each other, where that is written, and what to do instead."""
    project.experiment(MIXED)
    assert project.refused() == [
        f"experiments/x.yaml:{line}"
        for line in (
            "16:3: backend.quota_share: and backend.share_identifier are of two kinds of queues: keep the one that the "
            "queue's policy has",
            "19:3: backend.attempt_duration_s: would end a job, as a failure, before job.max_runtime_s (600) does: set "
            "more, or leave it out",
            "20:3: backend.wait_s: is for backend=spot, not batch",
            "21:8: pool.keep_alive_s: a job of a queue leaves no warm pool: leave it out, or set pool.keep_alive_s=0",
            "22:14: on_failure.internal_error: the sweep would try again what Batch has tried backend.attempts times: "
            "say one of the two",
            "23:8: stop.budget_usd: a job of a quota share is started again after each preemption, and without "
            "backend.preemption_retries what it costs at worst has no bound: say how often, or leave the budget out",
        )
    ]
    project.experiment(ALONE)
    assert project.refused("backend.attempts=1") == [
        "experiments/x.yaml:14:24: backend.preemption_retries: only jobs of a quota share are preempted: set "
        "backend.quota_share, or leave it out",
        "experiments/x.yaml:14:47: backend.retry_on: says when to try again, and backend.attempts is 1: set more, or "
        "leave it out",
    ]
    assert project.refused("backend.attempts=2", "backend.quota_share=v", "+job.max_retry_attempts=3") == [
        "command line: job.max_retry_attempts: SageMaker would try each of the backend.attempts again: say one of "
        "the two"
    ]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--resolve"], "--resolve: goes with --cfg job"),
        (["--cfg", "job", "--info"], "--cfg and --info: one at a time"),
        (
            ["--config-name", "x"],
            "--config-name: the base is always sweeper's own: put yours under conf/, or give --con",
        ),
        (["--experimental-rerun", "x"], "--experimental-rerun: the base is always sweeper's own: "),
        (["--config-dir", "nowhere"], "--config-dir: there is no folder 'nowhere'"),
        (["--config-dir", "x" * 300], "--config-dir: there is no folder 'xxx"),
        (["-sc", "query=bash"], "-sc: is what a shell calls while it completes a line: see `sweeper complete --help`"),
    ],
)
def test_flags_of_hydra_that_go_nowhere(project: Any, words: list[str], line: str) -> None:
    """A flag of Hydra's that means nothing here, or nothing without another, is refused with what to do."""
    project.experiment()
    (found,) = project.refused(*words)
    assert found.startswith("command line: " + line)


def test_a_folder_of_the_command_line_adds_groups(project: Any) -> None:
    """`--config-dir` names a folder whose groups are found after the project's own."""
    project.write("more/size/big.yaml", "# @package _global_\nhyperparameters: {rank: 64}\n")
    project.experiment()
    (trial,) = (sweep := project.sweep("--config-dir", "more", "+size=big")).trials
    assert sweep.resolve(trial)["hyperparameters"]["rank"] == 64


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["job.arguments=flag"], "must be options, flags or hydra, or a mapping of hyperparameters to one of them"),
        (["job.arguments={rnk: flags}"], "job.arguments.rnk: is not a hyperparameter; did you mean 'rank'?"),
        (["job.arguments={rank: flag}"], "job.arguments.rank: 'flag' is not one of options, flags, hydra"),
        (["job.arguments=flags", "job.launch=toolkit"], "job.arguments: is for launch: driver; the sagemaker-training"),
        (["job.arguments=flags,hydra", "job.launch=toolkit"], "job.arguments: is for launch: driver; the sagemaker"),
        (["job.arguments=flags", "job.launch=driver,image"], "job.arguments: is for launch: driver; an image reads"),
        (["job.launcher=torchrun", "job.launch=image", "engine=aws"], "job.launcher: is for launch: driver or toolkit"),
        (["job.launcher=mpirun", "locked.instance_count=2"], "job.launcher: mpirun reaches other machines by SSH"),
        (
            ["job.launcher=torchrun", "job.entry_script=a.sh"],
            "starts Python files (.py) alone, and entry_script is a.sh",
        ),
        (["job.processes_per_host=2"], "job.processes_per_host: is for job.launcher: torchrun or mpirun"),
        (["job.launcher=torchrun", "job.launch=toolkit", "job.processes_per_host=2"], "starts a process for each GPU"),
    ],
)
def test_a_way_to_start_a_script_that_nobody_goes_is_refused(project: Any, words: list[str], told: str) -> None:
    """Arguments in a style that there is not, or which our driver does not make; processes that nobody can start."""
    project.experiment()
    project.write("code/a.sh", "true")
    assert any(told in line for line in project.refused(*words)), project.refused(*words)


def test_a_style_of_a_hyperparameter_that_is_only_swept(project: Any) -> None:
    """A hyperparameter that an axis adds has a style as well."""
    project.experiment()
    assert len(project.sweep("job.arguments={new: flags}", "+hyperparameters.new=true,false").trials) == 2


IMAGE = ("job.launch=image", "job.source_dir=null", "job.entry_script=null")


def test_the_local_engine_runs_no_image(project: Any) -> None:
    """Before anything starts, with what to do: a command that stands for the image, or the service."""
    project.experiment()
    (told,) = project.refused(*IMAGE)
    assert told == (
        "command line: job.launch: image: the local engine runs no image: write what it is to run instead, "
        "engine: {images: {'repository/train:1': [COMMAND]}}, or take engine=aws"
    )
    assert len(project.sweep(*IMAGE, "engine=aws").trials) == 1
    project.experiment("engine: {images: {'*/train:1': [python, own.py]}}\n")
    assert len(project.sweep(*IMAGE).trials) == 1
    (told,) = project.refused("job.launch=driver,image", "job.image_uri=a:1,b/train:1")
    assert "{images: {'a:1': [COMMAND]}}" in told


def test_the_local_engine_mounts_no_file_system(project: Any) -> None:
    """Before anything starts: a folder of the project has to stand for each, and has to be there."""
    network = ("locked.subnets=[subnet-1]", "locked.security_group_ids=[sg-1]")
    shared = "+job.inputs.shared={efs: {id: fs-01234567, path: /data}}"
    project.experiment()
    (told,) = project.refused(shared, *network)
    assert told == (
        "command line: job.inputs.shared: the local engine mounts no file system: write which folder stands for it, "
        "engine: {file_systems: {fs-01234567: FOLDER}}, or take engine=aws"
    )
    assert len(project.sweep(shared, *network, "engine=aws").trials) == 1
    (told,) = project.refused(shared, *network, "+engine.file_systems={fs-01234567: cod}")
    assert told == "command line: engine.file_systems.fs-01234567: there is no folder 'cod'"
    assert len(project.sweep(shared, *network, "+engine.file_systems={fs-01234567: code}").trials) == 1


def test_every_override_of_nothing_is_told_where_it_stands(project: Any) -> None:
    """A file that was made for another application's defaults overrides groups that this one has not: all at once."""
    project.write("conf/data/mnist.yaml", "name: mnist\n")
    project.experiment()
    text = (project.root / "experiments/x.yaml").read_text(encoding="utf-8")
    entries = "[/data: mnist, override /model: net, override /data: mnist, override /engine: aws]"
    project.write("experiments/x.yaml", f"# @package _global_\ndefaults: {entries}\n" + text)
    what = "was chosen before: leave out the word override"
    told = f"defaults: override /model: no option of 'model' {what}"
    assert project.refused() == [f"experiments/x.yaml:2:26: {told}"]
    project.write("experiments/x.yaml", "defaults: [override /data: mnist, override /model: net]\n" + text)
    assert project.refused() == [
        f"experiments/x.yaml:1:12: defaults: override /data: no option of 'data' {what}",
        f"experiments/x.yaml:1:35: {told}",
    ]
    project.write("experiments/x.yaml", "defaults: [override /engine: aws, /data: mnist]\n" + text)
    (told,) = project.refused()
    assert told.startswith("experiments/x.yaml:1:1: defaults: override 'engine : aws' is defined before 'data: mnist'")
