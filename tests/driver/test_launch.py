"""What a script is given: its files, its arguments, its environment."""

import ast
import io
import json
import sys
import tarfile
from pathlib import Path

import pytest

from sweeper.driver import FILES

from .conftest import DRIVER

SHOW = "import json, os, sys\nprint(json.dumps({'argv': sys.argv[1:], 'env': dict(os.environ), 'cwd': os.getcwd()}))\n"


def shown(job):
    """What a script that prints what it was given has printed."""
    done = job.run()
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", FILES)
def test_the_driver_needs_nothing_but_python_3_8(name):
    """What is staged imports the standard library and itself alone, and parses as Python 3.8."""
    tree = ast.parse((DRIVER / name).read_text(), feature_version=(3, 8))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    own = {"sweeper.driver", *(Path(file).stem for file in FILES)}
    assert {name.split(".")[0] for name in imported - own} <= set(sys.stdlib_module_names)


def test_the_driver_finds_its_files_and_leaves_no_others(make_job):
    """Where Python is told not to look beside a script too; the channel is read, never written."""
    job = make_job("")
    job.env["PYTHONSAFEPATH"] = "1"
    staged = job.root / "input" / "data" / "sweeper"
    before = sorted(staged.iterdir())
    assert job.run().returncode == 0
    assert sorted(staged.iterdir()) == before


def test_arguments_come_in_order_and_verbatim(make_job):
    """Every hyperparameter becomes --name value, in the file's order, with not a character changed."""
    given = {
        "lr": "1.10",
        "flag": "true",
        "b": "-0.5",
        "a": 'it\'s $HOME; `id` "q" \\ \u00e4',
        "empty": "",
        "list": "[1, 2]",
    }
    argv = shown(make_job(SHOW, hyperparameters=given))["argv"]
    assert argv == [part for name, value in given.items() for part in (f"--{name}", value)]


def test_the_environment_is_sagemakers(make_job):
    """A script finds the folders, hosts and hyperparameters where the SageMaker toolkit puts them."""
    given = {"lr": "0.01", "learning-rate": "1.10", "deep.key": "[1, 2]", "on": "true"}
    job = make_job(SHOW, hyperparameters=given, channels=["train", "my-data"])
    env = shown(job)["env"]
    root = str(job.root)
    assert env["SM_MODEL_DIR"] == f"{root}/model"
    assert env["SM_OUTPUT_DIR"] == f"{root}/output"
    assert env["SM_OUTPUT_DATA_DIR"] == f"{root}/output/data"
    assert env["SM_INPUT_DIR"] == f"{root}/input"
    assert env["SM_INPUT_CONFIG_DIR"] == f"{root}/input/config"
    assert env["SM_CHANNEL_TRAIN"] == f"{root}/input/data/train"
    assert env["SM_CHANNEL_MY_DATA"] == env["SM_CHANNEL_MY-DATA"] == f"{root}/input/data/my-data"
    assert json.loads(env["SM_CHANNELS"]) == ["my-data", "train"]
    assert json.loads(env["SM_HPS"]) == {"lr": 0.01, "learning-rate": "1.10", "deep.key": [1, 2], "on": True}
    assert env["SM_HP_LEARNING-RATE"] == env["SM_HP_LEARNING_RATE"] == "1.10"
    assert json.loads(env["SM_HOSTS"]) == ["algo-1"]
    assert (env["SM_CURRENT_HOST"], env["SM_NETWORK_INTERFACE_NAME"]) == ("algo-1", "eth0")
    assert int(env["SM_NUM_CPUS"]) >= 1
    assert int(env["SM_NUM_GPUS"]) >= 0
    assert json.loads(env["SM_USER_ARGS"])[:2] == ["--lr", "0.01"]
    whole = json.loads(env["SM_TRAINING_ENV"])
    assert whole["hyperparameters"]["lr"] == 0.01
    assert whole["channel_input_dirs"]["train"] == env["SM_CHANNEL_TRAIN"]
    assert whole["model_dir"] == env["SM_MODEL_DIR"]


def test_our_own_channel_is_not_the_users(make_job):
    """The channel that carries the driver shows up nowhere in what the script is told."""
    env = shown(make_job(SHOW, channels=["train"]))["env"]
    told = {name: value for name, value in env.items() if name.startswith("SM_")}
    assert "SM_CHANNEL_SWEEPER" not in told
    assert not any("input/data/sweeper" in value for value in told.values())


def test_the_environment_of_the_request_reaches_the_script_and_never_its_arguments(make_job):
    """A variable of the request is in the environment and in no argument."""
    job = make_job(SHOW, hyperparameters={"a": "1"})
    job.env["API_TOKEN"] = "s3cret"
    seen = shown(job)
    assert seen["env"]["API_TOKEN"] == "s3cret"
    assert seen["argv"] == ["--a", "1"]


def test_the_script_runs_where_its_source_is(make_job):
    """The working directory is ROOT/code and modules beside the script can be imported, from a sub-folder too."""
    files = {"src/train.py": "import os, beside, below\nprint(os.getcwd())\n", "below.py": "", "src/beside.py": ""}
    job = make_job(files, entry="src/train.py")
    done = job.run()
    assert (done.returncode, done.stdout.strip()) == (0, str(job.root / "code")), done.stderr


def test_a_shell_script_is_run_by_the_shell(make_job):
    """An entry that ends in .sh gets the same arguments and its exit code is the job's."""
    done = make_job('echo "$1=$2"\nexit 7\n', entry="train.sh", hyperparameters={"rank": "4"}).run()
    assert (done.returncode, done.stdout.strip()) == (7, "--rank=4")


@pytest.mark.parametrize("entry", ["train.sh", "train", "bin/train.bash"])
def test_a_script_is_run_by_what_its_first_line_names(make_job, entry):
    """A first line `#!/bin/bash` makes it bash's, with or without an ending, as the SageMaker toolkit does."""
    script = '#!/bin/bash\nwords=(a "b c")\n[[ -x $0 ]] && echo "${words[1]} $0 $1=$2"\nexit 7\n'
    done = make_job({entry: script}, entry=entry, hyperparameters={"rank": "4"}).run()
    assert (done.returncode, done.stdout.strip()) == (7, f"b c ./{entry} --rank=4"), done.stderr


def test_a_first_line_may_name_the_environments_python(make_job):
    """`#!/usr/bin/env` looks where the job looks."""
    done = make_job({"train": "#!/usr/bin/env python3\nprint('python')\n"}, entry="train").run()
    assert done.stdout.strip() == "python", done.stderr


@pytest.mark.parametrize(
    ("first", "told"),
    [
        ("#!/bin/bash\r\n", "train.sh: its first line ends with a carriage return: save it with the line ends of Unix"),
        ("#!/no/such/shell\n", "train.sh: there is no /no/such/shell here, which its first line names"),
    ],
)
def test_a_first_line_that_leads_nowhere_is_the_cause(make_job, first, told):
    """Not "no such file" of a script that is there."""
    job = make_job(first + "echo\n", entry="train.sh")
    assert job.run().returncode == 1
    assert job.failure[0] == told


def test_a_name_that_no_variable_can_have_is_an_argument_alone(make_job):
    """A hyperparameter called `x=y` does not stop the job."""
    seen = shown(make_job(SHOW, hyperparameters={"x=y": "1"}))
    assert seen["argv"] == ["--x=y", "1"]
    assert seen["env"]["SM_HP_X_Y"] == "1"


def test_arguments_in_the_style_of_the_script(make_job):
    """What launch.json says of arguments holds for the script and for what it is told of them."""
    seen = shown(make_job(SHOW, hyperparameters={"on": "true", "lr": "0.1"}, arguments={"on": "flags"}))
    assert seen["argv"] == json.loads(seen["env"]["SM_USER_ARGS"]) == ["--on", "--lr", "0.1"]


def test_without_a_pool_cache_no_cache_variable_is_set(make_job, tmp_path):
    """HF_HOME, TORCH_HOME and PIP_CACHE_DIR point into the warm-pool cache exactly when there is one."""
    names = ("HF_HOME", "TORCH_HOME", "PIP_CACHE_DIR")
    cold = shown(make_job(SHOW, folder="cold"))["env"]
    warm = shown(make_job(SHOW, folder="warm", cache=tmp_path / "cache"))["env"]
    gone = make_job(SHOW, folder="gone")
    gone.env["SAGEMAKER_MANAGED_WARMPOOL_CACHE_DIRECTORY"] = str(tmp_path / "nowhere")
    assert not set(names) & set(cold)
    assert not set(names) & set(shown(gone)["env"])
    assert all(warm[name].startswith(str(tmp_path / "cache")) for name in names)


def test_a_missing_entry_script_is_named(make_job):
    """When the source lacks the entry script the failure says so and what there is instead."""
    job = make_job({"trian.py": ""}, entry="train.py")
    assert job.run().returncode == 1
    assert job.failure[0] == "train.py: the source has no such file; it has trian.py"


def link(name, target, kind=tarfile.SYMTYPE):
    """A link in an archive."""
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


HOSTILE = {
    "absolute": [tarfile.TarInfo("/tmp/evil")],
    "parent": [tarfile.TarInfo("../evil")],
    "link out": [link("out", "../.."), tarfile.TarInfo("out/evil")],
    "hard link out": [link("passwd", "../../../etc/passwd", tarfile.LNKTYPE)],
    "links that meet": [
        link("l2", "d/e/l1/../.."),
        link("d/e/l1", "../../"),
        tarfile.TarInfo("l2/evil"),
    ],
    "device": [link("null", "", tarfile.CHRTYPE)],
}


@pytest.mark.parametrize("members", HOSTILE.values(), ids=HOSTILE.keys())
def test_no_archive_writes_outside_the_source_folder(make_job, members):
    """Absolute names, parents, links that lead out and devices are refused before anything is run."""
    job = make_job("print('ran')\n")
    with tarfile.open(job.root / "input" / "data" / "sweeper" / "source.tar.gz", "w:gz") as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(b""))
    done = job.run()
    assert done.returncode == 1
    assert "source.tar.gz" in job.failure[0]
    assert "ran" not in done.stdout
    assert not list(job.root.parent.rglob("evil"))


def test_links_inside_the_source_are_kept(make_job):
    """A link from one file of the source to another is unpacked as it is."""
    job = make_job("")
    with tarfile.open(job.root / "input" / "data" / "sweeper" / "source.tar.gz", "w:gz") as tar:
        script = b"import data; print(data.VALUE)"
        member = tarfile.TarInfo("train.py")
        member.size = len(script)
        tar.addfile(member, io.BytesIO(script))
        member = tarfile.TarInfo("real/data.py")
        member.size = 9
        tar.addfile(member, io.BytesIO(b"VALUE = 5"))
        tar.addfile(link("data.py", "real/data.py"))
    done = job.run()
    assert done.stdout.strip() == "5", done.stderr
    assert (job.root / "code" / "data.py").readlink() == Path("real/data.py")
