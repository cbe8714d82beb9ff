"""`sweeper simulate +experiment=NAME`: a declared sweep under faults, crashes and rivals."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from shutil import copytree

import pytest

from sweeper.commands import simulate
from sweeper.errors import UsageError
from tests.laws.mutants import MUTANTS

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
SHIPPED = sorted(path.stem for path in EXPERIMENTS.glob("*.yaml"))
SEEDS = 4


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_experiment_keeps_every_invariant(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Composed as `plan` composes it and driven to its end; no file is written and nothing is asked of anyone."""
    copytree(EXPERIMENTS, tmp_path / "experiments")
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.chdir(tmp_path)
    assert simulate.main([f"+experiment={name}", "--seeds", str(SEEDS), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["sweep"], told["seeds"], told["violations"]) == (name, SEEDS, [])
    assert told["jobs"] >= SEEDS and sum(told["ended"].values()) == SEEDS
    assert sorted(tmp_path.rglob("*")) == before


def test_the_declared_rules_end_a_simulated_sweep(capsys: pytest.CaptureFixture[str]) -> None:
    """Calm, `until` on the declared metric ends every seed before its last trial, and a budget those that it stops."""
    assert simulate.main(["+experiment=until_accuracy", "--calm", "--seeds", "3", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["ended"], told["deaths"]) == ({"until": 3}, 0)
    assert told["jobs"] < 30
    words = ["+experiment=learning_rates", "prices.usd_per_hour={ml.g6e.2xlarge: 3.6}", "stop.budget_usd=1.5"]
    assert simulate.main([*words, "--calm", "--seeds", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ended"] == {"budget_usd": 2}


def test_a_search_that_learns_proposes_the_same_after_every_death(capsys: pytest.CaptureFixture[str]) -> None:
    """Optuna's ask and tell, replayed from the journal by each invocation."""
    pytest.importorskip("optuna")
    optuna = "+sweep.optuna={count: 3, seed: 1, startup: 1, of: {hyperparameters.rank: {int: [1, 32]}}}"
    assert simulate.main(["+experiment=lora_ranks", "sweep.grid=null", optuna, "--seeds", "6", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["trials"], told["violations"]) == (3, [])
    assert told["deaths"] > 0


def test_a_broken_invariant_is_told_with_its_trace_and_what_replays_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1; the command that is told breaks the same invariant again, with every call of it."""
    broken = MUTANTS["no wait for WarmPoolStatus at release"]
    words = ["+experiment=lora_ranks", "pool.last_job_releases=false", "--seeds", "5"]
    assert simulate.main(words, runner=broken) == 1
    told, errors = capsys.readouterr()
    assert "0 broken" not in told
    first = next(line for line in errors.splitlines() if ": I4: " in line).removeprefix("sweeper: ")
    assert "CreateTrainingJob" in errors.partition(first)[0]
    replay = next(line for line in errors.splitlines() if "replay it with: " in line).partition("with: ")[2]
    assert simulate.main(shlex.split(replay)[2:], runner=broken) == 1
    trace, again = capsys.readouterr()
    assert first in again
    assert "DescribeTrainingJob" in trace


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["+experiment=lora_ranks", "hyperparameters.seed=range(0,500)"], "3000 trials, and at most 2000"),
        (["--seeds", "0"], "at least one"),
        (["+experiment=lora_rank"], "lora_rank"),
    ],
)
def test_what_cannot_be_simulated_is_refused_in_one_line(words: list[str], why: str) -> None:
    """Too large, none at all, not there."""
    with pytest.raises(UsageError, match=why):
        simulate.main(words)
