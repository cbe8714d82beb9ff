"""What the documentation says of the experiment file is what sweeper does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sweeper.config.reference import replaced

PAGE = Path(__file__).parents[2] / "docs" / "experiment-file.md"
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_the_reference_is_current() -> None:
    """The reference is what `python -m sweeper.config.reference docs/experiment-file.md` writes."""
    page = PAGE.read_text(encoding="utf-8")
    assert page == replaced(page)


def test_the_first_example_is_an_experiment(project: Any) -> None:
    """The page's first example runs as it stands."""
    project.write("experiments/x.yaml", BLOCKS[0])
    project.write("experiments/scripts/lora/train.py", "")
    assert len(project.sweep("locked.role_arn=arn:aws:iam::123456789012:role/sweeper").trials) == 4


def test_every_form_is_right_the_first_time(project: Any) -> None:
    """Each form, copied from the page, declares trials in an experiment that has the keys it names."""
    project.write("conf/recipe/lora.yaml", "# @package _global_\nhyperparameters: {alpha: 1}\n")
    project.write("conf/recipe/full.yaml", "# @package _global_\nhyperparameters: {alpha: 2}\n")
    base = "hyperparameters: {rank: 8, lr: 0.01, epochs: 5, targets: [q], batch_size: 8, accumulate: 1, alpha: 0, "
    base += "dropout: 0, noise: 0, optimizer: adam, momentum: null, nesterov: null}\n"
    goal = "objective: {metric: accuracy, goal: maximize}\n"
    rules = (
        "  grid: {hyperparameters.rank: [8, 16], hyperparameters.lr: [0.001, 0.1], hyperparameters.batch_size: [8, 64],"
    )
    rules += " hyperparameters.accumulate: [1, 4]}\n"
    numbers = []
    for block in BLOCKS[1:]:
        project.experiment("")
        text = (project.root / "experiments/x.yaml").read_text().replace("hyperparameters: {rank: 8, lr: 0.01}\n", base)
        if "exclude:" in block:
            block = block.replace("sweep:\n", "sweep:\n" + rules)
        text += block if "objective:" in block else block + goal
        project.write("experiments/x.yaml", text.replace("eval_accuracy", "accuracy"))
        numbers.append(len(project.sweep().trials))
    assert numbers == [3 * 4 * 3 * 2 * 2 * 2, 3, 3, 20, 30, 4, 9, 5]
