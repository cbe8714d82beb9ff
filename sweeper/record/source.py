"""Which files of a folder count: the same for a trial's identity and for what is staged; and their digest.

Left out are caches, what editors and tools leave, files whose names say that they hold secrets, and what ignore files
name. `.sweeperignore` has the last word: `!NAME` in it takes a file in again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweeper.record.parcel import digest

if TYPE_CHECKING:
    from pathspec import PathSpec

OURS, GITS = ".sweeperignore", ".gitignore"
CLUTTER = (
    *("__pycache__", ".git", ".venv", ".ipynb_checkpoints", ".mypy_cache", ".ruff_cache", ".pytest_cache"),
    *("*.pyc", "*.pyo", ".DS_Store", "Thumbs.db", "*.swp", "*.swo", "*~", ".#*", "#*#", OURS),
)
OUTPUTS = ("runs", "wandb", "node_modules", ".sweeper")
"""Folders that programs write: no part of a source. In data they may be the data, but for the project's own."""
SECRETS = (
    *(".env*", "*.env", ".netrc", "_netrc", ".git-credentials", ".npmrc", ".pypirc", ".aws*", ".ssh", ".gnupg"),
    *("id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", "*.pem", "*.key", "*.p12", "*.pfx", "*.ppk"),
    *("*.jks", "*.keystore", "*.kdbx", ".pgpass", ".my.cnf", ".htpasswd", ".boto", ".s3cfg", ".databrickscfg"),
    *(".vault-token", ".terraformrc", ".dockercfg", ".kube", "kubeconfig", "kaggle.json", "aws_credentials"),
    *("*credentials.json", "credentials.yaml", "credentials.yml", "credentials.csv", "rootkey.csv", "*accesskeys.csv"),
    *("secret.json", "secret.yaml", "secret.yml", "secrets.json", "secrets.yaml", "secrets.yml", "secrets.toml"),
    *("secrets.ini", "client_secret*.json", "service-account*.json", "service_account*.json"),
)
"""Where people keep secrets, in small letters: never staged unless asked for."""


MB = 1_000_000
MOST_NAMED = 5
"""Files that are named of a folder that is too large."""


class SourceError(ValueError):
    """The folder holds something that cannot be staged."""


@dataclass
class Folder:
    """A folder whose files a job gets. `data`: an input, in which `.gitignore` says nothing.

    What git does not keep is just where data lies; of a source it is what is not to be sent.
    """

    path: Path
    project: Path | None = None
    """The folder from which on ignore files count when there is no repository around it."""
    data: bool = False
    most_mb: float | None = None
    """The most that it may hold to be sent, in MB of 1,000,000 bytes."""
    secrets: list[str] = field(default_factory=list)
    """What was left out because of its name, by the last walk, where no ignore file said so."""

    @property
    def outside(self) -> bool:
        """Does it lie outside of its project, or hold it?"""
        return self.project is not None and not self.path.resolve().is_relative_to(self.project.resolve())

    def files(self) -> Iterator[tuple[str, Path]]:
        """Every file that counts: its relative name with `/`, and where it lies; sorted by name. Raises SourceError."""
        self.secrets.clear()
        root = self.path.resolve()
        yield from sorted(self._walk(root, root, "", self._around(root)))

    def digest(self) -> str:
        """sha256 over names and contents. Permissions and times do not count. Raises SourceError, OSError."""
        self.check_size()
        hashed = hashlib.sha256()
        for name, path in self.files():
            hashed.update(f"{len(name)}:{name}:{digest(path)}\n".encode())
        return hashed.hexdigest()

    def check_size(self) -> None:
        """Raises SourceError, with the biggest files, when it holds more than may be sent."""
        sizes = sorted(((path.stat().st_size, name) for name, path in self.files()), reverse=True)
        total = sum(size for size, _ in sizes)
        if self.most_mb is not None and total > self.most_mb * MB:
            biggest = ", ".join(f"{name} ({size / MB:,.1f} MB)" for size, name in sizes[:MOST_NAMED])
            more = ", ..." if len(sizes) > MOST_NAMED else ""
            allow = f"name in {OURS} what is not needed, or set job.{'max_input_mb' if self.data else 'max_source_mb'}"
            held = f"holds {total / MB:,.1f} MB, and at most {self.most_mb:,g} MB are sent"
            raise SourceError(f"{held}: {biggest}{more}; {allow}")

    def _walk(self, root: Path, folder: Path, prefix: str, rules: Rules) -> Iterator[tuple[str, Path]]:
        rules = rules.within(folder, data=self.data)
        for entry in folder.iterdir():
            name = prefix + entry.name
            if self._left_out(entry, name, rules):
                continue
            if entry.is_symlink() and root not in entry.resolve().parents:
                raise SourceError(f"{name} is a link out of the folder: copy the file in")
            if entry.is_dir():
                if entry.is_symlink():
                    raise SourceError(f"{name} is a link to a folder: copy it in")
                yield from self._walk(root, entry, name + "/", rules)
            elif entry.is_file():
                yield name, entry

    def _left_out(self, entry: Path, name: str, rules: Rules) -> bool:
        asked = rules.ours.says(entry)
        if asked is not None:
            return asked
        if _matches(entry.name, CLUTTER) or self._is_output(entry) or rules.gits.says(entry):
            return True
        if keeps_secrets(entry.name):
            self.secrets.append(name)
            return True
        return False

    def _is_output(self, entry: Path) -> bool:
        own = self.project is not None and entry.parent == self.project.resolve()
        return entry.name in OUTPUTS and (own or not self.data) and entry.is_dir()

    def _around(self, root: Path) -> Rules:
        """The rules of the folders around this one: of its repository, else of its project."""
        parents = list(root.parents)
        top = next((parent for parent in parents if (parent / ".git").exists()), self.project)
        top = top.resolve() if top else root
        rules = Rules()
        for parent in reversed(parents[: parents.index(top) + 1] if top in parents else []):
            rules = rules.within(parent, data=self.data, chosen=root)
        return rules


@dataclass(frozen=True)
class Level:
    """The ignore files of one name, the outermost first."""

    specs: tuple[tuple[Path, PathSpec[Any]], ...] = ()

    def within(self, file: Path, chosen: Path | None = None) -> Level:
        """With this file, when there is one; without its patterns for the folder that was chosen all the same."""
        if not file.is_file():
            return self
        import pathspec  # most folders hold no such file

        spec = pathspec.GitIgnoreSpec.from_lines(file.read_text(encoding="utf-8", errors="replace").splitlines())
        if chosen is not None:
            within = chosen.relative_to(file.parent).as_posix() + "/"
            kept = [pattern for pattern in spec.patterns if not pattern.match_file(within)]
            spec = pathspec.GitIgnoreSpec(kept)
        return Level((*self.specs, (file.parent, spec)))

    def says(self, entry: Path) -> bool | None:
        """True: left out, False: taken in, None: nothing. The innermost file that says anything counts."""
        for base, spec in reversed(self.specs):
            name = entry.relative_to(base).as_posix() + ("/" if entry.is_dir() and not entry.is_symlink() else "")
            included: bool | None = spec.check_file(name).include
            if included is not None:
                return included
        return None


@dataclass(frozen=True)
class Rules:
    """What ignore files say."""

    ours: Level = Level()
    gits: Level = Level()

    def within(self, folder: Path, *, data: bool, chosen: Path | None = None) -> Rules:
        """The rules that hold in this folder too."""
        gits = self.gits if data else self.gits.within(folder / GITS, chosen)
        return Rules(self.ours.within(folder / OURS, chosen), gits)


def keeps_secrets(name: str) -> bool:
    """Does the name of a file or folder say that people keep secrets in it?"""
    return _matches(name.lower(), SECRETS)


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
