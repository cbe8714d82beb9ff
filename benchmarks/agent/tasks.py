"""The tasks: what an agent is asked, and how files, journal and service tell whether it has done it.

Four tiers: read what there is, run, diagnose, iterate. A task may use what an earlier one has left.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum

from benchmarks.agent.place import Place

SCRIPT = """\
import os, sys
given = dict(zip(sys.argv[1::2], map(float, sys.argv[2::2])))
x, seed = given["--x"], given.get("--seed", 0)
if x == given.get("--fail"):
    raise ValueError(f"x={x:g} divides by nothing")
print(f"score={10 * x - x * x + seed:g}")
with open(os.path.join(os.environ["SM_MODEL_DIR"], "x.txt"), "w") as file:
    file.write(str(x))
"""
DEAF = """\
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--x", type=float)
print(f"score={parser.parse_known_args()[0].x:g}")
"""
EXPERIMENT = """\
locked:
  role_arn: "arn:aws:iam::123456789012:role/train"
  instance_type: ml.m5.large
job:
  image_uri: "123456789012.dkr.ecr.us-east-1.amazonaws.com/train:1"
  source_dir: experiments/scripts/NAME
  entry_script: train.py
  max_runtime_s: 600
  metrics: [{name: score, regex: "score=([-+]?(?:[0-9.]+(?:[eE][-+]?[0-9]+)?|nan|inf))"}]
hyperparameters: {x: 1}
objective: {metric: score, goal: maximize}
"""
GRID = "sweep: {grid: {hyperparameters.x: [%s]}}\n"
EXPERIMENTS = {
    "demo": EXPERIMENT + GRID % "1, 3, 5, 8",
    "flaky": EXPERIMENT.replace("x: 1", "x: 1, fail: 2") + GRID % "1, 2, 4",
    "mute": EXPERIMENT.replace("score=(", "scroe=(") + GRID % "1, 2",
    "half": EXPERIMENT + GRID % "1, 2, 3",
    "wide": EXPERIMENT.replace("x: 1", "x: 1, seed: 0")
    + "sweep: {grid: {hyperparameters.x: {range: [0, 40, 1]}, hyperparameters.seed: [1, 2, 3]}}\n",
    "peak": EXPERIMENT + GRID % "2, 4, 6, 7",
    "until": EXPERIMENT + GRID % "1, 2, 4, 6, 7" + 'stop: {until: {metric: score, op: ">=", value: 24}}\n',
    "seeds": EXPERIMENT.replace("x: 1", "x: 1, seed: 0")
    + "sweep: {grid: {hyperparameters.x: [2, 3]}, repeat: {times: 2, seed: hyperparameters.seed}}\n",
    "typo": EXPERIMENT.replace("goal: maximize", "goal: biggest") + GRID % "4",
    "deaf": EXPERIMENT.replace("x: 1", "x: 1, xx: 1") + "sweep: {grid: {hyperparameters.xx: [1, 2, 3]}}\n",
}
RAN = {"demo": (), "flaky": (), "mute": (), "half": ("stop.max_trials=1",)}
"""What has run before an agent comes, with these words."""


class Tier(str, Enum):
    """How much a task asks for."""

    READ = "read"
    RUN = "run"
    DIAGNOSE = "diagnose"
    ITERATE = "iterate"


Check = Callable[[Place, str], bool]


@dataclass(frozen=True)
class Task:
    """What is asked, and what tells whether it was done."""

    name: str
    tier: Tier
    text: str
    check: Check


def prepare(place: Place, ran: Iterable[str] = RAN) -> None:
    """The project as every agent finds it, with these sweeps run. What is done here is no agent's call."""
    for name, experiment in EXPERIMENTS.items():
        folder = place.root / "experiments/scripts" / name
        folder.mkdir(parents=True)
        (folder / "train.py").write_text(DEAF if name == "deaf" else SCRIPT)
        (place.root / f"experiments/{name}.yaml").write_text(experiment.replace("NAME", name))
    for name in ran:
        place.sweeper(f"+experiment={name}", *RAN[name])
    place.calls.clear()


def says(*wanted: str) -> Check:
    """The answer names all of these, each as a word of its own."""
    return lambda place, answer: all(_has(answer, word) for word in wanted)


def _has(answer: str, word: str) -> bool:
    return re.search(rf"(?<![\w.]){re.escape(word)}(?:\.0+)?(?!\w|\.\d)", answer, re.IGNORECASE) is not None


def statuses(place: Place, sweep: str) -> list[str]:
    """Of the declared trials, in their order."""
    return [row["status"] for row in place.rows(sweep) if row["declared"] == "true"]


def _peak(place: Place, answer: str) -> bool:
    return _has(answer, "x=4") and _has(answer, "24") and len(place.jobs("peak")) == 4


def _pinned(place: Place, answer: str) -> bool:
    xs = [job["HyperParameters"]["x"] for job in place.jobs("peak")]
    return _has(answer, "x=5") and xs[4:] == ["5", "9"]


def _until(place: Place, answer: str) -> bool:
    decided = place.journal("until").chain.decided
    return _has(answer, "3") and statuses(place, "until").count("completed") == 3 and decided is not None


def _rest(place: Place, answer: str) -> bool:
    return _has(answer, "x=3") and len(place.jobs("half")) == 3 and statuses(place, "half") == ["completed"] * 3


def _seeds(place: Place, answer: str) -> bool:
    return _has(answer, "x=3") and len(place.jobs("seeds")) == 4


def _events(place: Place, answer: str) -> bool:
    jobs = place.jobs("ordered")
    return "x=6" in answer and "x=7" in answer and answer.index("x=7") < answer.index("x=6") and len(jobs) == 2


def _new(place: Place, answer: str) -> bool:
    return _has(answer, "4") and "name: mine" in place.text("experiments/mine.yaml") and not place.jobs("mine")


def _typo(place: Place, answer: str) -> bool:
    return _has(answer, "24") and "goal: maximize" in place.text("experiments/typo.yaml")


def _mended(place: Place, answer: str) -> bool:
    return statuses(place, "flaky") == ["completed"] * 3


def _heard(place: Place, answer: str) -> bool:
    return _has(answer, "16") and statuses(place, "mute") == ["completed"] * 2


def _nothing_sent(sweep: str, *wanted: str) -> Check:
    return lambda place, answer: all(_has(answer, word) for word in wanted) and not place.jobs(sweep)


def _kept(place: Place, answer: str) -> bool:
    job = place.jobs("demo.tries")[0]
    return _has(answer, "better") and job["TrainingJobStatus"] == "Completed" and "12 * x" in place.text(_SCRIPT)


def _discarded(place: Place, answer: str) -> bool:
    tried = any("3 * x" in file.read_text() for file in (place.root / "discarded").glob("train.py"))
    return tried and "12 * x" in place.text(_SCRIPT)


def _warm(place: Place, answer: str) -> bool:
    taken = place.jobs("demo.tries")[-2:]
    return _has(answer, "reused") and taken[0]["WarmPoolStatus"].get("ReusedByJob") == taken[1]["TrainingJobName"]


def _released(place: Place, answer: str) -> bool:
    return place.jobs("demo.tries")[-1]["WarmPoolStatus"]["Status"] == "Terminated"


def _added(place: Place, answer: str) -> bool:
    return _has(answer, "x=6") and _has(answer, "24") and any(row["name"] == "x=6" for row in place.rows("peak"))


_SCRIPT = "experiments/scripts/demo/train.py"
READ, RUN, DIAGNOSE, ITERATE = Tier
TASKS = (
    Task("best", READ, "The sweep `demo` has run. Which trial is best, with what score?", says("x=5", "25")),
    Task("value", READ, "Which score did the trial x=3 of `demo` come to?", says("21")),
    Task("failed", READ, "How many trials of `flaky` have failed, which, and by what kind of failure?",
         says("1", "x=2", "algorithm_error")),
    Task("pools", READ, "How many jobs of `demo` have started cold, and how many on the warm pool?", says("1", "3")),
    Task("overview", READ, "Which sweep of this project has come to no best trial?", says("mute")),
    Task("plan", READ, "How many trials would the experiment `wide` run? Start nothing.", _nothing_sent("wide", "120")),
    Task("idle", READ, "May anything of this project still bill?", says("no")),
    Task("run", RUN, "Run the experiment `peak`, and say which trial is best, with what score.", _peak),
    Task("pinned", RUN, "Run `peak` with x=5 and x=9 alone, and say which of them is better.", _pinned),
    Task("until", RUN, "Run `until`, which ends when its score is good enough. How many has it trained?", _until),
    Task("rest", RUN, "`half` was ended after one trial. Train the others, none twice, and name the best.", _rest),
    Task("seeds", RUN, "Run `seeds`, with two seeds for each x. Which x has the better mean?", _seeds),
    Task("ordered", RUN, "Run `peak` under the name `ordered` with x=7,6 and follow it. In which order did they end?",
         _events),
    Task("new", RUN, "Make an experiment `mine` of the template `first`. How many trials has it? Train nothing.", _new),
    Task("typo", DIAGNOSE, "`typo` is refused. Mend its file, run it, and say the score.", _typo),
    Task("cause", DIAGNOSE, "Why did x=2 of `flaky` fail, in the words of its exception?", says("divides by nothing")),
    Task("log", DIAGNOSE, "In which file and line was it raised, by its log?", says("train.py", "5")),
    Task("mended", DIAGNOSE, "Keep its script from failing, and have x=2 of `flaky` completed as well.", _mended),
    Task("heard", DIAGNOSE, "The trials of `mute` lack their metric. Find out why, mend it, and say the best score.",
         _heard),
    Task("deaf", DIAGNOSE, "Is anything wrong with what `deaf` sweeps? Do not run it.", _nothing_sent("deaf", "xx")),
    Task("kept", ITERATE, "Change the script of `demo` to 12 * x in place of 10 * x. Is x=5 better so? Keep it if so.",
         _kept),
    Task("discarded", ITERATE, "Try 3 * x likewise. If it is worse, put the script back as it was, and bring what was "
         "tried into the folder `discarded`.", _discarded),
    Task("warm", ITERATE, "Try 11 * x, then 12 * x, on one machine with no cold start between. Was it reused?", _warm),
    Task("released", ITERATE, "Try x=3 of `demo` and leave its pool warm. Then somebody calls: see to it that nothing "
         "bills any more.", _released),
    Task("added", ITERATE, "Add x=6 to `peak`, train it alone, and say its score.", _added),
)  # fmt: skip
