"""The digits script: its gradients are right, and checkpointing changes the memory, never the result."""

import runpy
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / "experiments" / "scripts" / "digits" / "train.py"


@pytest.fixture(scope="module")
def script():
    """The script's names."""
    return runpy.run_path(str(SCRIPT))


def network(script, depth=5):
    """A small network."""
    return script["Network"](7, depth, np.random.default_rng(1))


def data():
    """A batch."""
    rng = np.random.default_rng(2)
    return rng.normal(size=(6, 64)), rng.integers(0, 10, 6)


@pytest.mark.parametrize("every", [0, 2, 3, 5])
def test_gradients_agree_with_finite_differences(script, every):
    """The hand-written gradient of every weight is the derivative of the loss, with and without checkpointing."""
    model, (x, labels) = network(script), data()
    _, gradients = model.loss_and_gradients(x, labels, every)
    for weight, gradient in zip(model.weights, gradients, strict=True):
        for index in [(0, 0), (3, 2)]:
            kept = weight[index]
            weight[index] = kept + 1e-6
            above, _ = model.loss_and_gradients(x, labels, every)
            weight[index] = kept - 1e-6
            below, _ = model.loss_and_gradients(x, labels, every)
            weight[index] = kept
            assert gradient[index] == pytest.approx((above - below) / 2e-6, abs=1e-6)


def test_checkpointing_saves_memory_and_nothing_else(script):
    """Recomputed activations give the same gradients, bit for bit, and fewer of them are kept at once."""
    x, labels = data()
    full, thrifty = network(script, 12), network(script, 12)
    (loss, gradients), (other, others) = full.loss_and_gradients(x, labels), thrifty.loss_and_gradients(x, labels, 3)
    assert loss == other
    assert all((a == b).all() for a, b in zip(gradients, others, strict=True))
    assert thrifty.peak <= full.peak * 0.6


def run(folder, *arguments):
    """One job whose model folder is `folder`; returns what it printed."""
    command = [sys.executable, str(SCRIPT), "--model-dir", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def test_a_later_job_goes_on_from_an_earlier_one(tmp_path):
    """Weights come from another job's model.tar.gz, and the epochs are counted on."""
    assert "epochs_before=0 " in run(tmp_path / "model", "--epochs", "1")
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as tar:
        for file in (tmp_path / "model").iterdir():
            tar.add(file, file.name)
    out = run(tmp_path / "model", "--epochs", "1", "--previous", str(tmp_path))
    assert "epochs_before=1 " in out
    assert "epoch=2 " in out


def test_a_rate_that_is_too_high_is_a_result(tmp_path):
    """Training that leaves the numbers ends early and says nan; it is no error."""
    assert "eval_loss=nan eval_accuracy=0.0000" in run(tmp_path, "--lr", "100", "--epochs", "5")
