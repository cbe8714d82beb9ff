"""An agent with the commands of the skill alone: it solves its tasks, in few calls and words, and leaves no pool open.

Here it is put to a sample of them, `make bench-agent` to all.
"""

from __future__ import annotations

import re
import statistics
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from benchmarks.agent import hour
from benchmarks.agent.__main__ import another
from benchmarks.agent.bench import Score, judged
from benchmarks.agent.place import Answer, Place
from benchmarks.agent.scripted import AGENT
from benchmarks.agent.tasks import TASKS, Tier, prepare
from sweeper.config import templates
from sweeper.engine import launch
from tests.end_to_end.conftest import QUICK
from tests.forked import Forked, command, heed_signals, start_engine


def forked(words: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Answer:
    """A command as a process of its own, without a terminal."""
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = Forked(command, list(words), cwd=folder, env=environment, preexec_fn=heed_signals, **pipes)
    out, err = process.communicate(timeout=120)
    return Answer(process.returncode, out, err)


ROOT = Path(__file__).parents[1]
SKILL = "skills/sagemaker-sweeps/SKILL.md"
SAMPLE = ("best", "plan", "idle", "run", "ordered", "log", "typo", "deaf", "kept", "warm")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The project of the tasks, two of its sweeps run."""
    place = Place(tmp_path_factory.mktemp("agent"), run=forked)
    start_engine(place.root / ".sweeper/engine", QUICK)
    try:
        prepare(place, ["demo", "flaky"])
        yield place
    finally:
        launch.stop(place.root / ".sweeper/engine")


@pytest.fixture(scope="module")
def scores(place: Place) -> dict[str, Score]:
    """What the scripted agent has made of the tasks, one after another."""
    some = [task for task in TASKS if task.name in SAMPLE]
    return {task.name: judged(task, lambda task, place: AGENT[task.name](place), place) for task in some}


def test_the_scripted_agent_solves_its_tasks(scores: dict[str, Score]) -> None:
    """By files, journal and service; after none of them is a pool open; five calls are enough for most."""
    assert [task.name for task in TASKS] == list(AGENT) and len(TASKS) == 25
    assert {score.task.tier for score in scores.values()} == set(Tier)
    assert [score.line for score in scores.values() if not score.solved or score.open_pools] == []
    assert statistics.median(len(score.calls) for score in scores.values()) <= 5


def test_to_run_a_sweep_and_tell_the_best_costs_few_tokens(scores: dict[str, Score]) -> None:
    """Everything that is printed on the way, on stdout and on stderr, by four characters a token."""
    assert scores["run"].tokens < 3000, scores["run"].calls


def commands(path: str) -> list[str]:
    """What a page has its reader type."""
    return re.findall(r"`sweeper ([^`]+)`", (ROOT / path).read_text(encoding="utf-8"))


def test_the_skill_is_short() -> None:
    """At most 800 tokens, where three characters are taken for one: fewer than any tokeniser needs of English."""
    assert len((ROOT / SKILL).read_text(encoding="utf-8")) <= 3 * 800


def test_every_command_of_the_skill_runs(place: Place, scores: dict[str, Score]) -> None:
    """Each as it stands there, of sweeps that there are; its templates and what its pages link to exist."""
    meant = {"TRIAL": "1", "N": "1", "DIR": "brought", "KEY=A,B": "", "KEY=V": "", "engine=aws": ""}
    for typed in commands(SKILL):
        name = {"new": "skilled", "retry": "flaky"}.get(typed.split()[0], "demo")
        words = [meant.get(word, word.replace("NAME", name)) for word in typed.split()]
        if words[-1] == "--from":
            continue
        ended = place.sweeper(*filter(None, words))
        assert ended.code == 0, (typed, ended)
    assert place.open_pools() == []
    found = re.findall(r"^\| \"[^|]*\| (\w+) \|$", (ROOT / SKILL).read_text(), re.MULTILINE)
    assert len(found) == 6 and set(found) <= set(templates.names())
    for page in ("AGENTS.md", "llms.txt"):
        links = re.findall(r"\]\(([^)#]+)", (ROOT / page).read_text())
        assert links and [link for link in links if not (ROOT / link).exists()] == []


def test_any_other_agent_can_be_put_to_a_task(place: Place) -> None:
    """A command that reads the task and prints its answer; its calls of sweeper are counted, with what they print."""
    task = next(task for task in TASKS if task.name == "best")
    agent = 'grep -q demo && sweeper --version && echo "It is x=5, with 25.0."'
    score = judged(task, lambda task, place: another(agent, task, place), place)
    assert (score.solved, [call.what for call in score.calls]) == (True, ["sweeper --version"]), score.answer
    assert score.calls[0].characters >= len("sweeper 0.1.0\n")
    assert not judged(task, lambda task, place: another("echo x=5 with 125", task, place), place).solved


def test_five_minute_trials_lose_little_of_an_hour() -> None:
    """At least 11.5 an hour on a machine that starts warm in five seconds; else all but 1.5 % of what there is."""
    assert hour.measured(warm_s=5.0, gap_s=2.0).an_hour >= 11.5
    slow = hour.measured(warm_s=20.0, gap_s=15.0)
    assert slow.an_hour >= 0.985 * slow.bound
