"""A job folder under SageMaker's container contract, with the driver staged in it as in a real job."""

import gzip
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from sweeper import driver

DRIVER = Path(driver.__file__).parent


@dataclass
class Job:
    """One job folder."""

    root: Path
    env: dict[str, str]

    @property
    def failure(self):
        """The lines of the failure file."""
        return (self.root / "output" / "failure").read_text().splitlines()

    @property
    def points(self):
        """The values in the metrics file."""
        lines = (self.root / "output" / "data" / "sweeper_metrics.jsonl").read_text().splitlines()
        return [(point["name"], point["value"]) for point in map(json.loads, lines)]

    def start(self, **kwargs):
        """The driver as a process."""
        command = [sys.executable, str(self.root / "input" / "data" / "sweeper" / "driver.py")]
        return subprocess.Popen(command, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kwargs)

    def run(self):
        """The driver from start to end."""
        process = self.start(text=True)
        stdout, stderr = process.communicate(timeout=60)
        return subprocess.CompletedProcess([], process.returncode, stdout, stderr)


def archive(path, files):
    """A source.tar.gz of these files, the same bytes every time as staging makes it."""
    with gzip.GzipFile(path, "wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as tar:
        for name, content in files.items():
            data = content if isinstance(content, bytes) else content.encode()
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))


def wheel(name="tiny", version="1.0"):
    """The bytes of a wheel with one module that knows its version."""
    info = f"{name}-{version}.dist-info"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        zipped.writestr(f"{name}.py", f"VERSION = {version!r}\n")
        zipped.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        zipped.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        zipped.writestr(f"{info}/RECORD", "")
    return buffer.getvalue()


@pytest.fixture
def make_job(tmp_path):
    """A function that makes a job folder from source files."""

    def make(files, *, folder="job", entry="train.py", hyperparameters=None, channels=(), cache=None, **launch):
        root = tmp_path / folder
        staged = root / "input" / "data" / "sweeper"
        config = root / "input" / "config"
        staged.mkdir(parents=True)
        config.mkdir()
        for name in driver.FILES:
            shutil.copy(DRIVER / name, staged)
        (staged / "launch.json").write_text(json.dumps({"entry_script": entry, "requirements": None, **launch}))
        archive(staged / "source.tar.gz", {entry: files} if isinstance(files, str) else files)
        channel = {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None"}
        (config / "hyperparameters.json").write_text(json.dumps(hyperparameters or {}))
        (config / "inputdataconfig.json").write_text(json.dumps(dict.fromkeys([*channels, "sweeper"], channel)))
        for name in channels:
            (root / "input" / "data" / name).mkdir()
        resources = {"current_host": "algo-1", "hosts": ["algo-1"], "current_instance_type": "ml.m5.large"}
        resources["network_interface_name"] = "eth0"
        (config / "resourceconfig.json").write_text(json.dumps(resources))
        env = {"PATH": os.environ["PATH"], "PIP_NO_INDEX": "1", "HOME": str(tmp_path)}
        if cache is not None:
            cache.mkdir(exist_ok=True)
            env["SAGEMAKER_MANAGED_WARMPOOL_CACHE_DIRECTORY"] = str(cache)
        return Job(root, env)

    return make
