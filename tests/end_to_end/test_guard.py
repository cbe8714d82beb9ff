"""Somebody else's code alters a request in the middle of a sweep: nothing leaves the pool, and the pool is released."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests import own_backend
from tests.end_to_end.conftest import Ended, Project
from tests.forked import heed_signals

BACKEND = '''
from dataclasses import dataclass
from typing import ClassVar

from sweeper.backends.warm_pool import WarmPool


@dataclass(frozen=True)
class Reserved(WarmPool):
    """Sends jobs as the warm pool does, but for what a test adds."""

    kind: ClassVar[str] = "reserved"
'''
BY_ITS_BACKEND = f"""{BACKEND}
    def shape(self, request, keep_alive_s):
        size = 31 if request.get("HyperParameters", {{}}).get("x") == "2" else 30
        resources = {{**request["ResourceConfig"], "VolumeSizeInGB": size}}
        return super().shape({{**request, "ResourceConfig": resources}}, 60)
"""
BY_A_HOOK = f"""{BACKEND}

def enlarge(params, **_):
    if params["HyperParameters"]["x"] == "2":
        params["ResourceConfig"] = {{**params["ResourceConfig"], "VolumeSizeInGB": 31}}


from botocore import handlers

handlers.BUILTIN_HANDLERS.append(("provide-client-params.sagemaker.CreateTrainingJob", enlarge))
"""


def run(project: Project, folder: Path) -> Ended:
    """Run `tiny` on the backend that is installed there."""

    def before() -> None:
        heed_signals()
        sys.path.insert(0, str(folder))

    return project.ended(project.start("backend.kind=reserved", "locked.volume_size_in_gb=30", before=before))


@pytest.mark.parametrize("text", [BY_ITS_BACKEND, BY_A_HOOK], ids=["backend", "hook"])
def test_an_altered_request_is_never_sent_and_the_pool_is_released(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """One line with the field, exit 2, one job on the wire, its pool closed; the trial is to be run again."""
    own_backend.install(monkeypatch, folder := tmp_path / "installed", text=text)
    ended = run(project, folder)
    assert ended.code == 2, ended.err
    assert "ResourceConfig.VolumeSizeInGB is 31 and not 30" in ended.err.splitlines()[-1]
    assert "Traceback" not in ended.err
    assert project.pools() == ["Terminated"]
    assert [row["status"] for row in project.rows()][1] in ("planned", "interrupted")
