"""Which tool a file was written for, and the file as an experiment."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sweeper.config.foreign import hydra_params, ray_tune, sdk_script, tuning_job, wandb
from sweeper.config.foreign.converted import Converted
from sweeper.config.problems import KeyPath, Problem, dotted, refuse, shown
from sweeper.config.reading import MOST_BYTES, load, marks
from sweeper.config.templates import script_folder
from sweeper.config.values import plain
from sweeper.errors import UsageError

KNOWN = (
    "a W&B sweep, Hydra's hydra.sweeper, an AMT request, or a Python script or notebook with a ModelTrainer, an "
    "Estimator or a Ray Tuner"
)
_CONVERTERS: tuple[tuple[Callable[[Mapping[str, Any]], bool], Callable[[Mapping[str, Any]], Converted]], ...] = (
    (tuning_job.looks_like, tuning_job.convert),
    (hydra_params.looks_like, hydra_params.convert),
    (wandb.looks_like, wandb.convert),
)
_SCRIPTS: tuple[tuple[Callable[[str], bool], Callable[[str], Converted]], ...] = (
    (sdk_script.looks_like, sdk_script.convert),
    (ray_tune.looks_like, ray_tune.convert),
)
_HYDRA_MAIN = re.compile(r"\bhydra\.main\b|from hydra import .*\bmain\b")
_MAGIC = re.compile(r"\s*[%!?]|.*\?\s*$")
MOST_SCRIPTS = 100


def converted(file: Path) -> Converted:
    """The file as an experiment. Raises UsageError with the place of what cannot be read or converted."""
    try:
        raw = file.read_bytes()
        text = raw.decode()
    except OSError as error:
        raise UsageError(f"{shown(file)}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{shown(file)}: is not text in UTF-8") from None
    if len(raw) > MOST_BYTES:
        raise UsageError(f"{shown(file)}: has more than {MOST_BYTES:,} bytes")
    readers = {".py": _of_script, ".ipynb": _of_notebook}
    found = readers.get(file.suffix, _of_mapping)(file, text)
    refuse([Problem(_place(file, path), dotted(path), what) for path, what in found.problems])
    return found


def _of_script(file: Path, text: str) -> Converted:
    for looks_like, convert in _SCRIPTS:
        if looks_like(text):
            return convert(text)
    raise UsageError(f"{shown(file)}: is not {KNOWN}")


def _of_notebook(file: Path, text: str) -> Converted:
    """The cells of code, one after another; what IPython alone understands (`%pip`, `!ls`, `??`) is left out."""
    cells = _json(file, text).get("cells")
    lines: list[str] = []
    for cell in cells if isinstance(cells, list) else []:
        if isinstance(cell, dict) and cell.get("cell_type") == "code":
            source = cell.get("source") or ""
            code = source if isinstance(source, str) else "".join(map(str, source))
            lines += [] if code.lstrip().startswith("%%") else code.splitlines()
    return _of_script(file, "\n".join("" if _MAGIC.match(line) else line for line in lines))


def _of_mapping(file: Path, text: str) -> Converted:
    said = _json(file, text) if file.suffix == ".json" else plain(load(file))
    for looks_like, convert in _CONVERTERS:
        if looks_like(said):
            return convert(said)
    raise UsageError(f"{shown(file)}: is not {KNOWN}")


def _json(file: Path, text: str) -> dict[str, Any]:
    try:
        said = json.loads(text)
    except json.JSONDecodeError as error:
        raise UsageError(f"{shown(file)}:{error.lineno}:{error.colno}: not valid JSON: {error.msg}") from None
    except RecursionError:
        raise UsageError(f"{shown(file)}: is nested too deeply") from None
    if not isinstance(said, dict):
        raise UsageError(f"{shown(file)}:1:1: not a mapping")
    return said


def _place(file: Path, path: KeyPath) -> str:
    """Where a key stands, or what it stands in."""
    found = marks(file)
    line, column = next((found[path[:end]] for end in range(len(path), 0, -1) if path[:end] in found), (1, 1))
    return f"{shown(file)}:{line}:{column}"


def place_script(found: Converted, file: Path, root: Path, name: str) -> None:
    """Say where the script lies in the project: as the file says, else beside the file, else in a place of its own."""
    _look_for(found, file, root, name)
    if found.section("job").get("source_dir") == ".":
        found.note(
            "job", "source_dir is all of the project, and any change to it makes new trials: better a folder of its own"
        )


def _look_for(found: Converted, file: Path, root: Path, name: str) -> None:
    job = found.section("job")
    script, source = job.get("entry_script"), job.get("source_dir")
    if job.get("launch") == "image" or source == "???":
        return None
    if script is None:
        beside = list(_hydra_scripts(file, root)) if found.sections["job"].get("arguments") == "hydra" else []
        if len(beside) == 1:
            return found.script(beside[0].relative_to(root).as_posix())
        found.script((script_folder(name) / "train.py").as_posix())
        return found.note("job", f"put the script there, as train.py{_several(beside, root)}")
    if isinstance(source, str) and not (root / source / script).is_file():
        other = file.resolve().parent / source / script
        if other.is_file() and other.is_relative_to(root):
            return found.script(other.relative_to(root).as_posix())
        return found.note("job", f"there is no {Path(source) / script} yet")
    return None


def _several(beside: list[Path], root: Path) -> str:
    return f"; it may be one of {', '.join(str(path.relative_to(root)) for path in beside)}" if beside else ""


def _hydra_scripts(file: Path, root: Path) -> Iterator[Path]:
    """The scripts with Hydra's decorator that lie nearest to a configuration: beside it, or in a folder above."""
    folder = file.resolve().parent
    for above in (folder, *folder.parents):
        if not above.is_relative_to(root):
            return
        scripts = [path for path in sorted(above.glob("*.py"))[:MOST_SCRIPTS] if _is_of_hydra(path)]
        if scripts:
            yield from scripts
            return


def _is_of_hydra(path: Path) -> bool:
    try:
        return bool(_HYDRA_MAIN.search(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError):
        return False
