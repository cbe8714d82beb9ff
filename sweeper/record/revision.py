"""Which commit of git a source is of, and whether it was changed since. git is asked, and nothing of it changed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Container
from pathlib import Path

from sweeper.core.request import Revision

ANSWER_S = 10.0
"""Seconds that git is waited for: a repository on a slow disk is no reason to keep a machine idle."""


def of(folder: Path, sent: Container[str]) -> Revision:
    """The commit that a folder is of; none outside of a repository, before its first commit, or without git.

    Dirty: a file of the repository differs from the commit, or git does not know one of those that are sent of the
    folder.
    """
    told = _git(folder, "status", "--porcelain=v2", "--branch", "--untracked-files=no")
    lines = told.splitlines() if told is not None else []
    commit = next((line.removeprefix("# branch.oid ") for line in lines if line.startswith("# branch.oid ")), "")
    if not commit or commit == "(initial)":
        return Revision()
    changed = any(not line.startswith("#") for line in lines)
    unknown = (_git(folder, "ls-files", "-z", "--others", "--", ".") or "").split("\0")
    return Revision(commit, changed or any(name in sent for name in unknown))


def _git(folder: Path, *words: str) -> str | None:
    # no hook of the repository's is run, and nothing is written, not even its index
    command = ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", "-C", str(folder), *words]
    # where we run in a hook of another repository, variables name that one
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, timeout=ANSWER_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None
