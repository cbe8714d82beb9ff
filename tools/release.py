"""`make release VERSION=x.y.z`: a version from a clean tree, tried before anything is written.

The sdist and the wheel are built of a copy that has the version already, and each is installed into a fresh environment
and asked for a plan. Only then: `pyproject.toml` and `CHANGELOG.md`, a commit, a tag, the two files in dist/. Pushing
them is left to a person.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path

UNRELEASED = "## [Unreleased]"
_DECLARED = re.compile(r'^version = "([^"]+)"$', re.MULTILINE)
_FORM = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*)){2}")

Version = tuple[int, ...]


class ReleaseError(Exception):
    """This is not released, and why."""


def number(text: str) -> Version | None:
    """A version to compare by; None for what is not x.y.z."""
    return tuple(map(int, text.split("."))) if _FORM.fullmatch(text) else None


def declared(project: str) -> str:
    """The version that a pyproject.toml declares."""
    found = _DECLARED.search(project)
    if found is None:
        raise ReleaseError("pyproject.toml has no line of the form: version = ...")
    return found[1]


def with_version(project: str, version: str) -> str:
    """The pyproject.toml of this version."""
    return _DECLARED.sub(f'version = "{version}"', project, count=1)


def unreleased(changelog: str) -> str:
    """What stands under Unreleased in a changelog."""
    _, heading, after = changelog.partition(f"{UNRELEASED}\n")
    return re.split(r"^## ", after, maxsplit=1, flags=re.MULTILINE)[0] if heading else ""


def with_section(changelog: str, version: str, day: date) -> str:
    """The changelog in which what was unreleased is this version's, and nothing is unreleased."""
    return changelog.replace(f"{UNRELEASED}\n", f"{UNRELEASED}\n\n## [{version}] - {day.isoformat()}\n", 1)


def refusals(version: str, project: str, changelog: str, tags: Iterable[str], changed: str) -> Iterator[str]:
    """Why this version is not to be released; `changed`: what git says that is not committed."""
    wanted = number(version)
    if wanted is None:
        yield f"{version!r} is not a version: say VERSION=x.y.z"
    else:
        earlier = {declared(project), *(tag.removeprefix("v") for tag in tags)}
        newest = max(((made, text) for text in earlier if (made := number(text))), default=((), ""))
        if wanted <= newest[0]:
            yield f"{version} is not higher than {newest[1]}"
    if not re.search(r"^- ", unreleased(changelog), re.MULTILINE):
        yield f"CHANGELOG.md has nothing under {UNRELEASED}: what would change for anybody?"
    if changed:
        yield f"not everything is committed:\n{changed.rstrip()}"


def next_steps(version: str, branch: str) -> str:
    """What a person types now."""
    return f"""\
sweeper {version} is committed and tagged here and lies in dist/; both files were installed and tried. Yours to type:
  git push origin {branch} v{version}
  twine upload dist/sweeper-{version}.tar.gz dist/sweeper-{version}-py3-none-any.whl
or, when it is not to be after all:
  git tag -d v{version} && git reset --keep HEAD~1"""


class Tree:
    """A checkout of sweeper."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = folder / "pyproject.toml", folder / "CHANGELOG.md"

    def git(self, *words: str) -> str:
        """What git answers. Raises ReleaseError with what it says instead."""
        done = subprocess.run(["git", *words], cwd=self.folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ReleaseError(f"git {words[0]}: {done.stderr.strip()}")
        return done.stdout

    def copy(self, folder: Path) -> Tree:
        """What is committed here, in another folder."""
        self.git("clone", "--quiet", "--no-tags", str(self.folder), str(folder))
        return Tree(folder)

    def check(self, version: str) -> str:
        """The branch that a release of this version is made on. Raises ReleaseError with every reason against it."""
        branch = self.git("branch", "--show-current").strip()
        project, changelog = (file.read_text(encoding="utf-8") for file in self.files)
        self.git("var", "GIT_COMMITTER_IDENT")  # who commits is known
        tags, changed = self.git("tag", "--list", "v*").split(), self.git("status", "--porcelain")
        reasons = list(refusals(version, project, changelog, tags, changed))
        if not branch:
            reasons.append("no branch is checked out")
        if reasons:
            raise ReleaseError("\n".join(reasons))
        return branch

    def write(self, version: str, day: date) -> None:
        """Make this the tree of that version."""
        project, changelog = self.files
        project.write_text(with_version(project.read_text(encoding="utf-8"), version), encoding="utf-8")
        changelog.write_text(with_section(changelog.read_text(encoding="utf-8"), version, day), encoding="utf-8")

    def build(self, folder: Path) -> list[Path]:
        """The sdist and the wheel of this tree, without a network."""
        _run([sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-t", "wheel", "-d", str(folder)], self.folder)
        return sorted(folder.iterdir())

    def commit(self, version: str) -> None:
        """Commit and tag what was written; where that is refused (a hook), it is as if nothing had been."""
        names = [file.name for file in self.files]
        try:
            self.git("commit", "--quiet", "--message", f"Version {version}", *names)
        except ReleaseError:
            self.git("restore", "--staged", "--worktree", *names)
            raise
        self.git("tag", "--annotate", f"v{version}", "--message", f"sweeper {version}")


def tried(built: Path, version: str, experiments: Path, folder: Path, *, here: bool) -> None:
    """Install one file into a fresh environment, and plan an experiment with it elsewhere. Raises ReleaseError.

    `here`: without a network, with the dependencies of the environment that runs this.
    """
    _run([sys.executable, "-m", "venv", "--without-pip", str(folder / "environment")], folder)
    programs = folder / "environment" / ("Scripts" if sys.platform == "win32" else "bin")
    installing = [sys.executable, "-m", "pip", "--python", str(programs / "python"), "install", "--quiet"]
    if here:
        asked = "import sysconfig; print(sysconfig.get_path('purelib'))"
        site = _run([str(programs / "python"), "-c", asked], folder).strip()
        # A path in a .pth file is searched, but the .pth files there are not read: ours is installed as editable.
        (Path(site) / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
        installing += ["--no-deps", "--no-index", "--no-build-isolation", "--no-compile"]
    _run([*installing, str(built)], folder)
    shutil.copytree(experiments, folder / "project" / "experiments")
    sweeper = str(programs / "sweeper")
    told = _run([sweeper, "--version"], folder / "project").strip()
    if told != f"sweeper {version}":
        raise ReleaseError(f"{built.name} calls itself {told!r}")
    _run([sweeper, "plan", "+experiment=lora_ranks"], folder / "project")


def release(tree: Tree, version: str, day: date, *, here: bool) -> str:
    """Release a version, or leave everything as it is; returns what to type next. Raises ReleaseError."""
    branch = tree.check(version)
    with tempfile.TemporaryDirectory(prefix="sweeper-release-") as name:
        folder = Path(name)
        copy = tree.copy(folder / "tree")
        copy.write(version, day)
        files = copy.build(folder / "dist")
        for file in files:
            own = folder / file.name.replace(".", "-")
            own.mkdir()
            tried(file, version, copy.folder / "experiments", own, here=here)
        tree.write(version, day)
        tree.commit(version)
        dist = tree.folder / "dist"
        dist.mkdir(exist_ok=True)
        for file in files:
            shutil.copy(file, dist)
    return next_steps(version, branch)


def main(arguments: Sequence[str]) -> int:
    """Release what was asked for; returns the exit code."""
    parser = argparse.ArgumentParser(prog="make release", description=(__doc__ or "").partition(":")[2].strip())
    parser.add_argument("version", help="x.y.z, higher than every one before")
    parser.add_argument(
        "--here", action="store_true", help="no network: try it with the dependencies that are installed"
    )
    options = parser.parse_args(arguments)
    try:
        print(release(Tree(Path(__file__).resolve().parents[1]), options.version, date.today(), here=options.here))
    except ReleaseError as refused:
        print(f"not released: {refused}", file=sys.stderr)
        return 2
    return 0


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ReleaseError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}".rstrip())
    return done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
