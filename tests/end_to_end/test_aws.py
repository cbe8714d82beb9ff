"""`engine=aws` in its plain form: boto3's own configuration, pointed at a served engine by AWS_ENDPOINT_URL."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest

from sweeper import driver
from sweeper.core.results import PHASES
from sweeper.engine import launch
from tests.end_to_end.conftest import Ended, Project, wait_for
from tests.end_to_end.recording import Recording
from tests.forked import start_engine

VARIES = {"cost_usd", "started_at", "ended_at", "train_seconds", "billable_seconds", "retained_seconds", *PHASES}
QUICK = ["engine=aws", "engine.poll_s=0.1", "engine.settle_s=10", "engine.metrics_wait_s=2", "engine.not_found_s=5"]


def rows(path: Path) -> list[dict[str, str]]:
    """The rows of a results.csv without the times."""
    with path.open(newline="") as file:
        return [{k: v for k, v in row.items() if k not in VARIES} for row in csv.DictReader(file)]


class Served:
    """An engine that someone has started by `sweeper engine serve`, and what points a client at it."""

    def __init__(self, project: Project, *settings: str, state: Path | None = None) -> None:
        self.state = state or project.root / "served"
        self._project = project
        words = [word for setting in settings for word in ("--set", setting)]
        self._serving = project.background("engine", "serve", "--json", "--state-dir", str(self.state), *words)
        assert self._serving.stdout is not None
        self.told: dict[str, Any] = json.loads(self._serving.stdout.readline())
        project.environment.update(self.told["environment"])

    def run(self, *arguments: str) -> Ended:
        """Run `tiny` on it as on AWS."""
        return self._project.run(*QUICK, *arguments)

    def client(self, service: str) -> Any:
        """A client as anyone would make it."""
        told: Mapping[str, str] = self.told["environment"]
        return boto3.client(
            service,
            endpoint_url=told["AWS_ENDPOINT_URL"],
            region_name=told["AWS_REGION"],
            aws_access_key_id=told["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=told["AWS_SECRET_ACCESS_KEY"],
        )

    def stop(self) -> None:
        """End it, if it has not been ended."""
        if self._serving.returncode is None:
            launch.stop(self.state)
            assert self._project.ended(self._serving).code == 0


@pytest.fixture
def served(fresh_project: Project) -> Iterator[Served]:
    """A served engine."""
    engine = Served(fresh_project)
    yield engine
    engine.stop()


def test_the_same_rows_and_the_same_requests_as_on_the_local_engine(fresh_project: Project) -> None:
    """From empty folders: equal rows but for times, and CreateTrainingJob bodies equal byte for byte."""
    state = fresh_project.root / ".sweeper/engine"
    start_engine(state)
    known = json.loads((state / "engine.json").read_text())
    local = Recording(known["url"])
    (state / "engine.json").write_text(json.dumps({**known, "url": local.url}))
    assert fresh_project.run().code == 0
    served = Served(fresh_project)
    remote = Recording(served.told["url"])
    fresh_project.environment["AWS_ENDPOINT_URL"] = remote.url
    assert served.run().code == 0
    served.stop()
    runs = fresh_project.root / "runs"
    assert rows(runs / "tiny/results.csv") == rows(runs / "tiny@123456789012.us-east-1/results.csv")
    assert len(local.creates()) == 3
    assert local.creates() == remote.creates()
    (state / "engine.json").write_text(json.dumps(known))


def test_source_is_staged_once_per_content(fresh_project: Project, served: Served) -> None:
    """A second sweep of the same source uploads nothing; a changed script is one more upload."""
    s3 = served.client("s3")

    def staged() -> dict[str, Any]:
        listed = s3.list_objects_v2(Bucket="sagemaker-us-east-1-123456789012", Prefix="sweeper/_sources/")
        return {item["Key"]: item["LastModified"] for item in listed["Contents"]}

    served.run("sweep.grid={hyperparameters.x: [1]}")
    first = staged()
    sent = [
        key.rpartition("/")[2] for key in first if key.count("/") == 3
    ]  # beside them lies a note that they are there
    assert sorted(sent) == sorted([*driver.FILES, "launch.json", "source.tar.gz"])
    served.run("name=another", "sweep.grid={hyperparameters.x: [1, 2]}")
    assert staged() == first
    script = fresh_project.root / "experiments/scripts/tiny/train.py"
    script.write_text(script.read_text() + "# changed\n")
    served.run("sweep.grid={hyperparameters.x: [1]}")
    assert len(staged()) == 2 * len(first)


def test_toolkit_launch(fresh_project: Project, served: Served) -> None:
    """`job.launch=toolkit`: the image's own toolkit starts the script, one letter behind one dash; same rows."""
    script = fresh_project.root / "experiments/scripts/tiny/train.py"
    script.write_text(script.read_text().replace('"--x"', '"-x"'))
    assert served.run("job.launch=toolkit").code == 0
    found = rows(fresh_project.root / "runs/tiny@123456789012.us-east-1/results.csv")
    assert [(row["status"], row["metric.score"]) for row in found] == [
        ("completed", "10.0"),
        ("completed", "20.0"),
        ("completed", "30.0"),
    ]


def test_image_launch(fresh_project: Project) -> None:
    """`job.launch=image`: the image brings its own code; hyperparameters reach it by file alone."""
    own = fresh_project.root / "own.py"
    own.write_text(
        "import json\n"
        "given = json.load(open('/opt/ml/input/config/hyperparameters.json'))\n"
        "print(f\"score={float(given['x']) * 7}\")\n"
    )
    images = json.dumps({"*/train:1": [sys.executable, str(own)]})
    served = Served(fresh_project, f"images={images}")
    try:
        ended = served.run("job.launch=image", "job.source_dir=null", "job.entry_script=null")
        assert ended.code == 0, ended.err
    finally:
        served.stop()
    found = rows(fresh_project.root / "runs/tiny@123456789012.us-east-1/results.csv")
    assert [row["metric.score"] for row in found] == ["7.0", "14.0", "21.0"]


def test_another_account_and_region_are_another_scope(fresh_project: Project) -> None:
    """The folder names both; status finds it by the sweep's name; every ARN is of the region's partition."""
    served = Served(fresh_project, "account=210987654321", "region=cn-northwest-1")
    try:
        own = [
            "locked.role_arn=arn:aws-cn:iam::210987654321:role/sweeper-local",
            "job.image_uri=210987654321.dkr.ecr.cn-northwest-1.amazonaws.com.cn/train:1",
            "prices.region=null",
        ]
        ended = served.run("sweep.grid={hyperparameters.x: [1]}", *own)
        assert (ended.code, "warning" in ended.err) == (0, False), ended.err
        assert (fresh_project.root / "runs/tiny@210987654321.cn-northwest-1/results.csv").exists()
        shown = json.loads(fresh_project.verb("status", "tiny", "--json").out)
        assert (shown["sweep"], len(shown["rows"])) == ("tiny@210987654321.cn-northwest-1", 1)
        (job,) = served.client("sagemaker").list_training_jobs()["TrainingJobSummaries"]
        assert job["TrainingJobArn"].startswith("arn:aws-cn:sagemaker:cn-northwest-1:210987654321:training-job/")
    finally:
        served.stop()


def test_logs_are_followed_by_position(fresh_project: Project, served: Served) -> None:
    """`sweeper logs -f` prints each line once as it comes, from the service alone, and ends with the job."""
    script = fresh_project.root / "experiments/scripts/tiny/train.py"
    steps = "[(print(f'step {n}', flush=True), time.sleep(0.1)) for n in range(20)]\n"
    script.write_text(script.read_text().replace("time.sleep(a.wait)\n", steps))
    running = fresh_project.start(*QUICK, "sweep.grid={hyperparameters.x: [1]}")
    wait_for(fresh_project.begun, "the trial trains")
    followed = fresh_project.verb("logs", "tiny", "-f")
    assert fresh_project.ended(running).code == 0
    assert followed.out.splitlines() == [*(f"step {n}" for n in range(20)), "score=10.0"]
    stored = fresh_project.root / "runs/tiny@123456789012.us-east-1/trials"
    assert [path.read_text() for path in stored.glob("*/log.txt")] == [followed.out]
    served.stop()
    assert fresh_project.verb("logs", "tiny", "x=1").out == followed.out


def test_without_credentials_nothing_starts(fresh_project: Project) -> None:
    """engine=aws with no region or no credentials is one line and exit code 2; no folder is made."""
    for extra in ({}, {"AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}):
        fresh_project.environment.update(extra, HOME=str(fresh_project.root))
        ended = fresh_project.run("engine=aws")
        assert (ended.code, len(ended.err.splitlines())) == (2, 1), ended.err
        assert not (fresh_project.root / "runs").exists()
