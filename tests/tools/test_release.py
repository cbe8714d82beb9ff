"""A release: refused for every reason at once, or tried, committed and tagged."""

from __future__ import annotations

import shutil
import tarfile
from datetime import date
from pathlib import Path

import pytest

from tools.release import (
    UNRELEASED,
    ReleaseError,
    Tree,
    declared,
    number,
    refusals,
    release,
    unreleased,
    with_section,
    with_version,
)

ROOT = Path(__file__).resolve().parents[2]
PROJECT = '[project]\nname = "sweeper"\nversion = "0.9.1"\n\n[tool.x]\nversion = "7"\n'
CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- `sweeper new`.\n\n## [0.9.1] - 2030-01-01\n\n- Old.\n"
DAY = date(2031, 2, 3)


@pytest.mark.parametrize(
    ("version", "changelog", "tags", "changed", "reasons"),
    [
        ("0.9.2", CHANGELOG, ["v0.9.1", "nightly"], "", []),
        ("0.10.0", CHANGELOG, ["v0.9.1"], "", []),
        ("0.9.1", CHANGELOG, [], "", ["0.9.1 is not higher than 0.9.1"]),
        ("0.9.2", CHANGELOG, ["v0.10.0"], "", ["0.9.2 is not higher than 0.10.0"]),
        ("", CHANGELOG, [], "", ["'' is not a version: say VERSION=x.y.z"]),
        ("v1.0.0", CHANGELOG, [], "", ["'v1.0.0' is not a version: say VERSION=x.y.z"]),
        (
            "1.0.0",
            "# Changelog\n\n## [Unreleased]\n\n### Added\n\n## [0.9.1] - 2030-01-01\n\n- Old.\n",
            [],
            " M sweeper/cli.py\n",
            [
                "CHANGELOG.md has nothing under ## [Unreleased]: what would change for anybody?",
                "not everything is committed:\n M sweeper/cli.py",
            ],
        ),
    ],
)
def test_what_is_not_released(version: str, changelog: str, tags: list[str], changed: str, reasons: list[str]) -> None:
    """A version that is not higher than every one before, nothing to tell, a tree with changes: each reason is said."""
    assert list(refusals(version, PROJECT, changelog, tags, changed)) == reasons


def test_what_a_release_writes() -> None:
    """The project's version and no other; what was unreleased under the version and its day; a new empty heading."""
    assert with_version(PROJECT, "0.10.0") == PROJECT.replace('"0.9.1"', '"0.10.0"')
    written = with_section(CHANGELOG, "0.10.0", DAY)
    assert written == CHANGELOG.replace("[Unreleased]\n", "[Unreleased]\n\n## [0.10.0] - 2031-02-03\n")
    assert unreleased(written).strip() == ""
    assert f"{UNRELEASED}\n" in (ROOT / "CHANGELOG.md").read_text()
    assert number(declared((ROOT / "pyproject.toml").read_text()))


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """A checkout of a project without its package, everything committed."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, folder)
    (folder / "CHANGELOG.md").write_text(CHANGELOG)
    made = Tree(folder)
    made.git("init", "--quiet", "--initial-branch", "main")
    for key, value in {"user.name": "Tester", "user.email": "tester@example.com", "commit.gpgsign": "false"}.items():
        made.git("config", key, value)
    commit(made)
    return made


def commit(tree: Tree) -> None:
    """Commit everything."""
    tree.git("add", "--all")
    tree.git("commit", "--quiet", "--message", "All")


def test_a_release_is_tried_and_then_written(tree: Tree) -> None:
    """Both files are of the tagged commit and were installed and run; nothing is left to commit."""
    for name in ("sweeper", "conf", "experiments"):
        shutil.copytree(ROOT / name, tree.folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    commit(tree)
    told = release(tree, "99.0.0", DAY, here=True)
    assert "git push origin main v99.0.0" in told
    assert tree.git("describe", "--exact-match").strip() == "v99.0.0"
    assert tree.git("log", "-1", "--format=%s", "--stat").split("\n")[0] == "Version 99.0.0"
    assert tree.git("status", "--porcelain") == ""
    assert "## [99.0.0] - 2031-02-03\n\n### Added\n\n- `sweeper new`.\n" in (tree.folder / "CHANGELOG.md").read_text()
    names = sorted(path.name for path in (tree.folder / "dist").iterdir())
    assert names == ["sweeper-99.0.0-py3-none-any.whl", "sweeper-99.0.0.tar.gz"]
    with tarfile.open(tree.folder / "dist" / names[1]) as sdist:
        inside = sdist.extractfile("sweeper-99.0.0/pyproject.toml")
        assert inside is not None and inside.read() == (tree.folder / "pyproject.toml").read_bytes()
    with pytest.raises(ReleaseError, match=r"99.0.0 is not higher than 99.0.0"):
        release(tree, "99.0.0", DAY, here=True)


def test_a_release_that_cannot_be_built_changes_nothing(tree: Tree) -> None:
    """What fails when it is tried is said, and the tree is as it was."""
    before = tree.git("log", "-1", "--format=%H")
    with pytest.raises(ReleaseError, match="hatchling build"):
        release(tree, "99.0.0", DAY, here=True)
    assert (tree.git("log", "-1", "--format=%H"), tree.git("status", "--porcelain")) == (before, "")
    assert tree.git("tag") == ""
    assert not (tree.folder / "dist").exists()


def test_a_commit_that_a_hook_refuses_changes_nothing(tree: Tree) -> None:
    """What was written for it is taken back."""
    hook = tree.folder / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho not today >&2\nexit 1\n")
    hook.chmod(0o755)
    tree.write("99.0.0", DAY)
    with pytest.raises(ReleaseError, match="not today"):
        tree.commit("99.0.0")
    assert tree.git("status", "--porcelain") == ""
