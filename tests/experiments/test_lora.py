"""The LoRA script: its gradients are right, and it is an ordinary SageMaker script."""

import json
import os
import re
import runpy
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / "experiments" / "scripts" / "lora" / "train.py"
METRIC = r"eval_accuracy=([-+]?(?:[0-9.]+(?:[eE][-+]?[0-9]+)?|nan|inf))"


CHANNEL = "train"


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A folder that the runs of this module share: a pool's cache, and the packaged digits as a channel beside it.

    With the channel a run does not import scikit-learn, which takes longer than all else that it does.
    """
    from sklearn.datasets import load_digits

    folder = tmp_path_factory.mktemp("cache")
    (folder / CHANNEL).mkdir()
    pixels, labels = load_digits(return_X_y=True)
    np.savetxt(folder / CHANNEL / "digits.csv", np.column_stack([pixels, labels]), delimiter=",", fmt="%d")
    return folder


def environment(cache, job):
    """What SageMaker sets for a job whose folder is `job`."""
    cleared = {name: value for name, value in os.environ.items() if not name.startswith("SM_")}
    return cleared | {
        "SM_CHANNEL_TRAIN": str(cache / CHANNEL),
        "SM_MODEL_DIR": str(job / "model"),
        "SM_OUTPUT_DATA_DIR": str(job / "output"),
        "SAGEMAKER_MANAGED_WARMPOOL_CACHE_DIRECTORY": str(cache),
    }


def run(cache, job, *arguments):
    """One job of two epochs unless told otherwise."""
    command = [sys.executable, str(SCRIPT), "--epochs", "2", *arguments]
    return subprocess.run(command, env=environment(cache, job), capture_output=True, text=True, timeout=60)


def numerical(value_of, tensor, index, step=1e-6):
    """The central difference of `value_of()` for one element of a tensor."""
    kept = tensor[index]
    tensor[index] = kept + step
    above = value_of()
    tensor[index] = kept - step
    below = value_of()
    tensor[index] = kept
    return (above - below) / (2 * step)


def test_every_gradient_agrees_with_finite_differences():
    """The hand-written gradient of every tensor is the derivative of the loss."""
    script = runpy.run_path(str(SCRIPT))
    rng = np.random.default_rng(3)
    x, labels = rng.normal(size=(5, 64)), rng.integers(0, 10, 5)
    base = {layer: rng.normal(0, shape[0] ** -0.5, shape) for layer, shape in script["LAYERS"].items()}
    base |= {layer + ".bias": rng.normal(0, 0.1, shape[1]) for layer, shape in script["LAYERS"].items()}
    adapter = script["LowRank"](base, ["hidden1", "hidden2", "head"], rank=3, alpha=4.0, rng=rng)
    for name in adapter.tensors:
        adapter.tensors[name] = rng.normal(0, 0.2, adapter.tensors[name].shape)  # B = 0 would hide half of the rule

    def full():
        return script["loss_and_gradients"](base, x, labels)

    def adapted():
        return adapter.loss_and_gradients(x, labels)

    for loss_and_gradients, tensors in ((full, base), (adapted, adapter.tensors)):
        _, gradients = loss_and_gradients()
        for name, tensor in tensors.items():
            for _ in range(6):
                index = tuple(rng.integers(0, tensor.shape))
                expected = numerical(lambda call=loss_and_gradients: call()[0], tensor, index)
                assert gradients[name][index] == pytest.approx(expected, rel=1e-4, abs=1e-8), name


def test_adapters_change_nothing_before_they_are_trained():
    """With B = 0 the adapted model is the base model."""
    script = runpy.run_path(str(SCRIPT))
    rng = np.random.default_rng(0)
    base = {layer: rng.normal(size=shape) for layer, shape in script["LAYERS"].items()}
    adapter = script["LowRank"](base, ["hidden1"], rank=2, alpha=1.0, rng=rng)
    assert all(np.array_equal(tensor, base[name]) for name, tensor in adapter.merged().items())


def test_a_job_prints_its_metric_and_leaves_its_adapter(cache, tmp_path):
    """A run prints the metric last and writes the adapter and the curve where SageMaker collects them."""
    done = run(cache, tmp_path, "--rank", "4")
    assert done.returncode == 0, done.stderr
    history = json.loads((tmp_path / "output" / "history.json").read_text())
    assert [point["epoch"] for point in history] == [1, 2]
    assert done.stdout.splitlines()[-1] == f"eval_accuracy={history[-1]['eval_accuracy']:.4f}"
    assert len(re.findall(METRIC, done.stdout)) == 3
    with np.load(tmp_path / "model" / "adapter.npz") as adapter:
        assert adapter["hidden1.A"].shape == (64, 4)
        assert adapter["hidden2.B"].shape == (4, 128)


def test_the_seed_decides(cache, tmp_path):
    """The same seed gives the same output, another seed another one."""
    outputs = [run(cache, tmp_path, "--seed", seed).stdout.split("trainable_parameters")[1] for seed in ("1", "1", "2")]
    assert outputs[0] == outputs[1] != outputs[2]


def test_the_base_model_is_trained_once_per_pool(tmp_path):
    """The second job on a pool finds the base model of the first in the persistent cache."""
    outputs = [run(tmp_path, tmp_path, "--epochs", "1").stdout for _ in range(2)]
    assert "cached=False" in outputs[0]
    assert "cached=True" in outputs[1]
    assert outputs[0].splitlines()[1:] == outputs[1].splitlines()[1:]


@pytest.mark.parametrize("arguments", [("--ranks", "4"), ("--targets", "hidden3"), ("--task", "upside-down")])
def test_what_the_script_does_not_know_is_an_error(cache, tmp_path, arguments):
    """An argument or value that is not understood ends the job with argparse's 2 instead of being ignored."""
    done = run(cache, tmp_path, *arguments)
    assert done.returncode == 2
    assert "error:" in done.stderr


def test_sigterm_saves_and_ends_well(cache, tmp_path):
    """StopTrainingJob's SIGTERM ends the training after the current epoch, with the adapter saved and exit code 0."""
    command = [sys.executable, str(SCRIPT), "--epochs", "100000"]
    with subprocess.Popen(command, env=environment(cache, tmp_path), stdout=subprocess.PIPE, text=True) as job:
        for line in job.stdout:
            if line.startswith("epoch=2 "):
                job.send_signal(signal.SIGTERM)
            last = line
        assert job.wait(timeout=30) == 0
    assert last.startswith("eval_accuracy=")
    assert (tmp_path / "model" / "adapter.npz").exists()


def test_data_may_come_from_the_train_channel(cache, tmp_path):
    """A digits.csv in the train channel takes the place of the packaged data."""
    packaged = run(cache, tmp_path, "--epochs", "1", "--train", "")
    channel = run(cache, tmp_path, "--epochs", "1")
    assert channel.stdout.splitlines()[1:] == packaged.stdout.splitlines()[1:] != []
    rows = (cache / CHANNEL / "digits.csv").read_text().splitlines(keepends=True)
    (tmp_path / "digits.csv").write_text("".join(reversed(rows)))
    other = run(cache, tmp_path, "--epochs", "1", "--train", str(tmp_path))
    assert other.stdout.splitlines()[-1] != channel.stdout.splitlines()[-1]
