"""Which files of a folder are sent: no secret, no clutter, nothing that an ignore file names; and what a digest is."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import pytest

from sweeper.record.source import Folder, SourceError

SECRET = [
    ".env",
    ".env.local",
    "prod.env",
    ".envrc",
    ".netrc",
    ".git-credentials",
    ".npmrc",
    ".pypirc",
    ".aws_credentials",
    ".aws/credentials",
    "id_rsa",
    "id_ed25519.pub",
    "server.pem",
    "tls.key",
    "credentials.json",
    "deep/secrets.yaml",
    "Local.ENV",
    "Server.PEM",
    "GCP_Credentials.JSON",
    "me_accessKeys.csv",
    "service-account-of-me.json",
    ".pgpass",
    "my.keystore",
]
CLUTTER = [
    ".train.py.swp",
    "train.py~",
    ".DS_Store",
    "wandb/run.log",
    "node_modules/x/index.js",
    "runs/tiny/results.csv",
    ".sweeper/engine.json",
    "__pycache__/train.pyc",
    "deep/.#train.py",
    ".sweeperignore",
]


def made(root: Path, files: Mapping[str, str]) -> Path:
    """A folder of these files."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def names(folder: Folder) -> list[str]:
    """The files that count."""
    return [name for name, _ in folder.files()]


@pytest.mark.parametrize("data", [False, True])
def test_secrets_are_never_sent_and_told_by_name(tmp_path: Path, data: bool) -> None:
    """Of a source and of data alike, at any depth; what is told are the names, for a folder its own."""
    folder = Folder(made(tmp_path, dict.fromkeys([*SECRET, "train.py", "environment.py", "keys.py"], "")), data=data)
    assert names(folder) == ["environment.py", "keys.py", "train.py"]
    assert sorted(folder.secrets) == sorted(name.replace(".aws/credentials", ".aws") for name in SECRET)


def test_clutter_is_not_sent_and_not_told(tmp_path: Path) -> None:
    """What editors, tools and runs leave behind."""
    folder = Folder(made(tmp_path, dict.fromkeys([*CLUTTER, "wandb.py", "runs.txt", "train.py"], "")))
    assert names(folder) == ["runs.txt", "train.py", "wandb.py"]
    assert folder.secrets == []


def test_data_may_lie_in_folders_that_have_the_names_of_outputs(tmp_path: Path) -> None:
    """`runs/` is an output of a source and may be the data of an input; the project's own never is."""
    made(tmp_path, {"runs/1.csv": "", "data/runs/1.csv": ""})
    assert names(Folder(tmp_path, tmp_path, data=True)) == ["data/runs/1.csv"]
    assert names(Folder(tmp_path, tmp_path)) == []


def test_ignore_files_count_from_the_project_down_to_each_folder(tmp_path: Path) -> None:
    """The innermost that says anything wins, `!` takes in again, and `.sweeperignore` is stronger than `.gitignore`."""
    made(
        tmp_path,
        {
            ".gitignore": "*.log\n/src/private.txt\n",
            ".sweeperignore": "big/\n",
            "src/.gitignore": "!keep.log\nmade.py\n",
            "src/.sweeperignore": "!made.py\n!ca.pem\n",
            **{
                f"src/{name}": "" for name in ("a.log", "keep.log", "private.txt", "big/x", "made.py", "ca.pem", "b.py")
            },
            "src/deep/.gitignore": "b.py\n",
            "src/deep/b.py": "",
        },
    )
    folder = Folder(tmp_path / "src", tmp_path)
    assert names(folder) == [".gitignore", "b.py", "ca.pem", "deep/.gitignore", "keep.log", "made.py"]


def test_ignore_files_of_the_repository_around_the_project_count(tmp_path: Path) -> None:
    """Up to the folder that holds `.git`, and not above it."""
    made(tmp_path, {".gitignore": "*.py", "repo/.git/HEAD": "", "repo/.gitignore": "*.log", "repo/p/src/a.log": ""})
    made(tmp_path, {"repo/p/src/a.py": ""})
    assert names(Folder(tmp_path / "repo/p/src", tmp_path / "repo/p")) == ["a.py"]


def test_a_folder_that_is_named_is_sent_though_git_ignores_it(tmp_path: Path) -> None:
    """`scratch/` in `.gitignore` and `source_dir: scratch/x`: it was asked for; other patterns still count."""
    made(tmp_path, {".gitignore": "scratch/\n*.log\n", "scratch/x/a.py": "", "scratch/x/a.log": ""})
    assert names(Folder(tmp_path / "scratch/x", tmp_path)) == ["a.py"]


def test_git_does_not_say_which_data_is_sent(tmp_path: Path) -> None:
    """Data is what people keep out of git: only `.sweeperignore` leaves some of it out."""
    made(tmp_path, {"data/.gitignore": "/train.csv\n", "data/train.csv": "", "data/old.csv": ""})
    made(tmp_path, {"data/.sweeperignore": "old.csv\n"})
    assert names(Folder(tmp_path / "data", tmp_path, data=True)) == [".gitignore", "train.csv"]


def test_what_is_not_sent_makes_no_trial_new(tmp_path: Path) -> None:
    """A digest is that of the files that are sent, as it has always been."""
    files = {"train.py": "print()", "deep/x.txt": "y", ".gitignore": "*.log\n"}
    told = "".join(f"{len(n)}:{n}:{hashlib.sha256(files[n].encode()).hexdigest()}\n" for n in sorted(files))
    before = Folder(made(tmp_path, files)).digest()
    assert before == hashlib.sha256(told.encode()).hexdigest()
    made(tmp_path, {**dict.fromkeys((*SECRET, *CLUTTER), "x"), "a.log": "x", ".sweeperignore": "*.bin\n", "x.bin": ""})
    assert Folder(tmp_path).digest() == before


@pytest.mark.parametrize("data", [False, True])
def test_what_is_too_large_is_told_by_its_biggest_files(tmp_path: Path, data: bool) -> None:
    """Before a byte of it is read, what is left out apart; exactly the limit is taken."""
    made(tmp_path, {".sweeperignore": "old.bin\n", **{f"{n}.bin": "x" * 1000 * n for n in range(1, 8)}, "old.bin": "x"})
    Folder(tmp_path, data=data, most_mb=0.028).check_size()
    with pytest.raises(SourceError) as error:
        Folder(tmp_path, data=data, most_mb=0.0279).digest()
    told = "7.bin (0.0 MB), 6.bin (0.0 MB), 5.bin (0.0 MB), 4.bin (0.0 MB), 3.bin (0.0 MB), ...; "
    option = "max_input_mb" if data else "max_source_mb"
    assert f"at most 0.0279 MB are sent: {told}" in str(error.value)
    assert str(error.value).endswith(f"name in .sweeperignore what is not needed, or set job.{option}")
