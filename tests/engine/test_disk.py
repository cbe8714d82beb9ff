"""What the engine keeps is bounded."""

from __future__ import annotations

import subprocess
from pathlib import Path

from sweeper.engine import launch
from sweeper.engine.machine import disk
from tests.forked import start_engine

from .conftest import FAST, Clients, wait_for


def test_what_is_told_of_the_disk_is_what_du_tells(tmp_path: Path) -> None:
    """Small files take whole blocks, and folders take some: that is what a person has to find room for."""
    for number in range(20):
        (tmp_path / f"job-{number}/deep").mkdir(parents=True)
        (tmp_path / f"job-{number}/deep/log").write_text("a line\n")
    (tmp_path / "large").write_bytes(b"x" * 300_000)
    (tmp_path / "link").symlink_to(tmp_path / "large")
    told = subprocess.run(["du", "-sk", tmp_path], capture_output=True, text=True, check=True).stdout
    assert disk.used(tmp_path) // 1024 == int(told.split()[0])


def test_above_the_cap_the_oldest_ended_jobs_lose_what_they_left(tmp_path: Path) -> None:
    """Folders and outputs go, oldest first; records, inputs and running jobs stay."""
    script = (
        "import os, pathlib, sys\n"
        "root = pathlib.Path(__file__).resolve().parents[3]\n"
        "(root / 'model/weights').write_bytes(os.urandom(1 << 20))\n"
    )
    info = start_engine(tmp_path, FAST)
    clients = Clients(info, tmp_path)
    clients.s3.create_bucket(Bucket="bucket")
    for name in ("old", "new"):
        clients.run(name, script)
        clients.ended(name)
    launch.stop(tmp_path)
    cap = disk.used(tmp_path) - 1000
    info = start_engine(tmp_path, {**FAST, "disk_cap_bytes": cap})
    clients = Clients(info, tmp_path)
    try:
        wait_for(lambda: "outputs of old" in (tmp_path / "engine.log").read_text())
        assert [path.name for path in (tmp_path / "jobs").iterdir()] == ["new"]
        keys = [item["Key"] for item in clients.s3.list_objects_v2(Bucket="bucket")["Contents"]]
        assert keys == ["code/new/train.py", "code/old/train.py", "out/new/output/model.tar.gz"]
        assert clients.describe("old")["TrainingJobStatus"] == "Completed"
        assert disk.used(tmp_path) < cap
    finally:
        launch.stop(tmp_path)
