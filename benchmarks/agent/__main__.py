"""`python -m benchmarks.agent`: the scripted agent on every task; `--agent COMMAND` puts another one in its place."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.agent import hour
from benchmarks.agent.bench import judged, summary
from benchmarks.agent.place import Call, Place
from benchmarks.agent.scripted import AGENT
from benchmarks.agent.tasks import TASKS, Task, prepare
from sweeper.engine import launch

SHIM = """\
#!{python}
import json, subprocess, sys
command = [{python!r}, "-m", "sweeper", *sys.argv[1:]]
done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
with open({calls!r}, "a") as file:
    file.write(json.dumps([" ".join(["sweeper", *sys.argv[1:]]), len(done.stdout) + len(done.stderr)]) + "\\n")
sys.stdout.write(done.stdout)
sys.stderr.write(done.stderr)
sys.exit(done.returncode)
"""


def scripted(task: Task, place: Place) -> str:
    """The agent that is a script."""
    return AGENT[task.name](place)


def another(command: str, task: Task, place: Place) -> str:
    """Any other agent: a shell command that reads the task from stdin, in the project's folder.

    `sweeper` is on its PATH, and every call of it is counted. The last line that it prints is its answer.
    """
    tools, calls = place.root / "state/bin", place.root / "state/calls.jsonl"
    tools.mkdir(parents=True, exist_ok=True)
    (tools / "sweeper").write_text(SHIM.format(python=sys.executable, calls=str(calls)))
    (tools / "sweeper").chmod(0o755)
    calls.write_text("")
    environment = {**place.environment, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        command, shell=True, cwd=place.root, env=environment, input=task.text, stdout=subprocess.PIPE, text=True
    )
    place.calls.extend(Call(*json.loads(line)) for line in calls.read_text().splitlines())
    return (done.stdout.strip().splitlines() or [""])[-1]


def main() -> int:
    """Put the agent to the tasks; returns 1 when it has not solved them all, or has left a pool open."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.agent", description=__doc__)
    parser.add_argument("--agent", metavar="COMMAND", help="a shell command: the task on stdin, its answer on stdout")
    parser.add_argument("--task", action="append", help="only these, by name")
    options = parser.parse_args()
    agent = (lambda task, place: another(options.agent, task, place)) if options.agent else scripted
    scores = []
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder))
        try:
            prepare(place)
            for task in TASKS:
                if not options.task or task.name in options.task:
                    scores.append(judged(task, agent, place))
                    print(scores[-1].line, flush=True)
        finally:
            launch.stop(place.root / ".sweeper/engine")
    print(f"\n{summary(scores)}; a token is taken for four characters")
    print(hour.told())
    return int(not all(score.solved and not score.open_pools for score in scores))


if __name__ == "__main__":
    sys.exit(main())
