"""A real server of MLflow, and projects whose sweeps tell it; in the environment that `make test-trackers` makes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tests.end_to_end.conftest import fresh_project, project, wait_for

__all__ = ["fresh_project", "project"]


@pytest.fixture(scope="session", autouse=True)
def installed() -> None:
    """MLflow, W&B and TensorBoard are there."""
    if not os.environ.get("SWEEPER_TRACKERS"):
        pytest.skip("needs MLflow's server, W&B and TensorBoard: make test-trackers installs them and runs this")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address, without a user; its store is SQLite, its artifacts come through it."""
    folder: Path = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    stores = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "kept")]
    with (folder / "server.log").open("w") as log:
        started = subprocess.Popen([*command, *stores], stdout=log, stderr=log, start_new_session=True)
    try:
        wait_for(lambda: _answers(port), f"MLflow's server answers; see {folder}/server.log", timeout_s=180)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(started.pid, 15)
        started.wait(60)


def _answers(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False
