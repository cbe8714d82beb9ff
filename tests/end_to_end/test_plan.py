"""`sweeper plan`: everything short of spending, and nothing else."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sweeper.commands.comparing import types_of
from sweeper.engine import launch
from sweeper.errors import UsageError
from tests.end_to_end.conftest import Project


@contextmanager
def recorded(url: str) -> Iterator[tuple[str, list[str]]]:
    """A proxy before an engine: its address, and the list of what was asked, as it grows."""
    asked: list[str] = []
    host = url.removeprefix("http://")

    class Proxy(BaseHTTPRequestHandler):
        def do_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            target = self.headers.get("X-Amz-Target") or body.decode()[:60]
            asked.append(f"{self.command} {self.path} {target}")
            connection = http.client.HTTPConnection(host)
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            data = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = do_any  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()


def test_dry_run_2759_writes_nothing_and_starts_nothing(fresh_project: Project) -> None:
    """After a plan the project's folder is what it was before."""
    before = sorted(fresh_project.root.rglob("*"))
    told = fresh_project.verb("plan", "+experiment=tiny")
    assert (told.code, "3 trials: 0 done, 3 to run" in told.out) == (0, True)
    assert before == sorted(fresh_project.root.rglob("*"))


def test_a_plan_on_aws_only_asks(project: Project) -> None:
    """Not one call of a plan changes anything: who am I, and what may I use."""
    info = launch.ensure(project.root / ".sweeper/engine")
    with recorded(info.url) as (url, asked):
        project.environment |= {**info.environment, "AWS_ENDPOINT_URL": url}
        told = project.verb("plan", "+experiment=tiny", "engine=aws", "--json", "--requests")
    assert told.code == 0, told.err
    plan = json.loads(told.out)
    assert (plan["trials"], len(plan["requests"])) == (3, 3)
    assert "for training" in plan["quota"]
    assert asked
    assert all("GetCallerIdentity" in call or "Quotas" in call for call in asked), asked


def test_a_comparison_has_the_numbers_of_the_plan(fresh_project: Project) -> None:
    """Every backend on every machine, the own one first; what cannot be has its reason, and nothing fails."""
    plain = json.loads(fresh_project.verb("plan", "+experiment=tiny", "--json").out)["estimates"]
    words = ("plan", "+experiment=tiny", "--compare", "--on", "ml.g5.xlarge=60,ml.nope.large")
    told = json.loads(fresh_project.verb(*words, "--json").out)
    rows = {(row["backend"], row["instance_type"]): row for row in told["rows"]}
    own = told["rows"][0]["instance_type"]
    assert [key[0] for key in rows][:4] == ["warm_pool", "on_demand", "spot", "batch"]
    assert len(rows) == 12
    assert [(rows[kind, own]["wall_s"], rows[kind, own]["usd"]) for kind in ("warm_pool", "on_demand")] == [
        (way["seconds"], way["usd"]) for way in plain
    ]
    assert rows["on_demand", "ml.g5.xlarge"]["run_s"] == 180
    assert rows["warm_pool", "ml.nope.large"]["usd"] is None
    assert "job.checkpoint_s3_uri is missing" in rows["spot", own]["reasons"][0]
    assert rows["batch", own]["reasons"] == ["backend.queue is missing"]
    shown = fresh_project.verb(*words).out.splitlines()
    assert shown[-1] == told["sentence"]
    assert f"batch: {rows['batch', own]['reasons'][0]}" in shown
    assert "ml.nope.large: the price of ml.nope.large is unknown: set prices.usd_per_hour.ml.nope.large" in shown
    with pytest.raises(UsageError, match="--on: 'g5' is no instance type"):
        types_of(["ml.g5.xlarge,g5"])


def test_a_plan_knows_what_is_done(project: Project) -> None:
    """Trials of an earlier run are told as completed and are not planned again; their requests are left out."""
    project.run("hyperparameters.x=1,2")
    told = project.verb("plan", "+experiment=tiny", "--json", "--requests")
    plan = json.loads(told.out)
    assert (plan["done"], plan["left"], len(plan["requests"])) == (2, 1, 1)
    assert [row["status"] for row in plan["order"]] == ["completed", "completed", "planned"]


def test_the_planned_request_is_the_one_that_is_sent(project: Project) -> None:
    """Names, hyperparameters and places of a plan are those of the jobs that a run then makes."""
    told = project.verb("plan", "+experiment=tiny", "--json", "--requests")
    project.run()
    planned = {
        r["TrainingJobName"]: (r["HyperParameters"], r["InputDataConfig"]) for r in json.loads(told.out)["requests"]
    }
    sent = {job["TrainingJobName"]: (job["HyperParameters"], job["InputDataConfig"]) for job in project.jobs()}
    assert planned.keys() == sent.keys()
    assert [p[0] for p in planned.values()] == [s[0] for s in sent.values()]


def test_a_hyperparameter_that_the_script_never_reads_is_told(project: Project) -> None:
    """In a line of the plan and in its JSON; before a run as a warning, which stops nothing."""
    path = project.root / "experiments/scripts/tiny/train.py"
    path.write_text("import os\nprint('score=' + os.environ['SM_HP_X'])\n")
    swept = ("hyperparameters.x=1", "+hyperparameters.xs=1,2")
    assert "arguments: train.py never reads xs" in project.verb("plan", "+experiment=tiny", *swept).out
    told = json.loads(project.verb("plan", "+experiment=tiny", *swept, "--json").out)
    assert told["arguments"]["unread"] == [{"name": "xs", "near": ""}]
    ran = project.run(*swept)
    assert "warning: hyperparameters: train.py never reads xs" in ran.err
    assert ran.code == 0
