"""A sweep whose jobs use several hosts, and what becomes of their logs, metrics and models."""

from __future__ import annotations

import socket

from tests.end_to_end.conftest import Project

# It finds the others as any script does that starts its processes itself.
SCRIPT = """\
import json, os, socket, sys, time
x = float(dict(zip(sys.argv[1::2], sys.argv[2::2]))["--x"])
me, hosts, master = os.environ["SM_CURRENT_HOST"], json.loads(os.environ["SM_HOSTS"]), os.environ["SM_MASTER_ADDR"]
port = int(os.environ["PORT"])
if me == master:
    parts = [x]
    with socket.create_server((me, port)) as server:
        for _ in hosts[1:]:
            parts.append(float(server.accept()[0].makefile().read()))
    print(f"score={sum(parts)}")
else:
    while True:
        try:
            link = socket.create_connection((master, port))
            break
        except ConnectionRefusedError:
            time.sleep(0.01)
    with link:
        link.sendall(str(10 * x).encode())
    print("score=-1")
with open(f"{os.environ['SM_MODEL_DIR']}/{me}", "w") as model:
    model.write(str(x))
"""


def test_two_hosts_train_one_trial(project: Project) -> None:
    """One log of both, each line with its host; the first one's metric counts; one model of both; one warm pool."""
    (project.root / "experiments/scripts/tiny/train.py").write_text(SCRIPT)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    ended = project.run("locked.instance_count=2", "hyperparameters.x=1,2", f"+environment.PORT={port}")
    assert ended.code == 0, ended.err
    assert [(row["status"], row["metric.score"], row["pool"]) for row in project.rows()] == [
        ("completed", "11.0", "cold"),
        ("completed", "22.0", "reused"),
    ]
    told = sorted(project.verb("logs", "tiny", "1").out.splitlines())
    assert told == ["algo-1 | score=11.0", "algo-2 | score=-1"]
    (log,) = {
        path.read_text() for path in project.root.glob("runs/tiny/trials/*/log.txt") if "22.0" in path.read_text()
    }
    assert sorted(log.splitlines()) == ["algo-1 | score=22.0", "algo-2 | score=-1"]
    assert project.verb("pull", "tiny", "1", "--to", "pulled").code == 0
    assert sorted(path.name for path in (project.root / "pulled").rglob("algo-*")) == ["algo-1", "algo-2"]
