"""Which commit of git a source is of, and what was changed since. git is asked, and nothing of it changed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Container, Iterator
from difflib import unified_diff
from pathlib import Path

from sweeper.core.request import Revision
from sweeper.core.words import counted
from sweeper.record.source import keeps_secrets

ANSWER_S = 10.0
"""Seconds that git is waited for: a repository on a slow disk is no reason to keep a machine idle."""
MOST_FILES = 200
"""Files of which a diff tells."""
MOST_DIFF = 1_000_000
"""Characters of a diff; what is longer is cut, and says so."""


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
    return Revision(commit, changed or any(name in sent for name in _unknown(folder)))


def diff(folder: Path, sent: Container[str]) -> str:
    """How what is sent of a folder differs from its commit, as `git apply` takes it; empty: not known.

    Nothing is told of files that are not sent, nor of one that is gone whose name says that it held secrets.
    """
    changed = _names(folder, "diff", "HEAD", "--relative", "--name-only", "--no-renames", "-z")
    told = [name for name in changed if name in sent or _gone(folder, name)]
    new = [name for name in _unknown(folder) if name in sent]
    words = ("diff", "HEAD", "--no-renames", "--no-color", "--no-ext-diff", "--no-textconv", "--")
    known = _git(folder, "--literal-pathspecs", *words, *told[:MOST_FILES]) if told else ""
    new_told = new[: MOST_FILES - len(told[:MOST_FILES])]
    prefix = (_git(folder, "rev-parse", "--show-prefix") or "").strip() if new_told else ""
    text = (known or "") + "".join(_added(folder, name, prefix) for name in new_told)
    if (left := len(told) + len(new) - MOST_FILES) > 0:
        text += f"# and {counted(left, 'more file')} that changed\n"
    if len(text) > MOST_DIFF:
        text = f"{text[:MOST_DIFF]}\n# cut here, of {len(text):,} characters\n"
    return text


def _gone(folder: Path, name: str) -> bool:
    return not (folder / name).exists() and not any(keeps_secrets(part) for part in Path(name).parts)


def _added(folder: Path, name: str, prefix: str) -> str:
    """A file that git does not know, as a diff. `prefix`: of the folder in its repository."""
    try:
        lines = (folder / name).read_text(encoding="utf-8").splitlines(keepends=True)
    except (OSError, UnicodeDecodeError):
        return f"# {name}: new, and no text\n"
    body = "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
        for line in unified_diff([], lines, "/dev/null", f"b/{prefix}{name}")
    )
    return f"diff --git a/{prefix}{name} b/{prefix}{name}\nnew file mode 100644\n{body}"


def _unknown(folder: Path) -> Iterator[str]:
    """The files of a folder that git does not know, ignored ones too."""
    return _names(folder, "ls-files", "-z", "--others", "--", ".")


def _names(folder: Path, *words: str) -> Iterator[str]:
    return filter(None, (_git(folder, *words) or "").split("\0"))


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
