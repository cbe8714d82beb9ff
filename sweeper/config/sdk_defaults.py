"""The defaults file of SageMaker's Python SDK: what it says of a training job counts where an experiment says nothing.

The SDK need not be installed. Of the administrator's file and the user's the latter has the last word, as there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import environ
from pathlib import Path
from typing import Any

from sweeper.config import layers
from sweeper.config.layers import Layer, Place
from sweeper.config.problems import KeyPath, brief, shown
from sweeper.core.job import Job, Locked
from sweeper.core.members import members
from sweeper.errors import UsageError

ADMIN, USER = "SAGEMAKER_ADMIN_CONFIG_OVERRIDE", "SAGEMAKER_USER_CONFIG_OVERRIDE"
FILE = Path("sagemaker", "config.yaml")
VERSION = "1.0"
"""The one SchemaVersion that there is."""
_JOB = ("SageMaker", "TrainingJob")
_SESSION = ("SageMaker", "PythonSDK", "Modules", "Session")
_BUCKET, _PREFIX = (*_SESSION, "DefaultS3Bucket"), (*_SESSION, "DefaultS3ObjectKeyPrefix")
_TELEMETRY = ("SageMaker", "PythonSDK", "Modules", "TelemetryOptOut")
_USUAL_BUCKET = re.compile(r"sagemaker-[a-z0-9-]+-\d{12}")
"""The bucket of an account and Region that both the SDK and we take where nobody says one: to name it says nothing."""
_OF_JOB = ("OutputDataConfig.KmsKeyId", "OutputDataConfig.S3OutputPath")
"""What is read of it beside what is locked."""


@contextmanager
def beneath() -> Iterator[list[str]]:
    """While it lasts experiments are composed upon what the files say; gives what is worth a word.

    Raises UsageError for one that is named and not there, or that cannot be read.
    """
    found: list[Layer] = []
    words: list[str] = []
    for where, named in _places():
        if where.startswith("s3://"):
            words.append(f"{named} is {where}: the SDK's defaults are read of files of this machine alone")
            continue
        file = Path(where)
        file = file / FILE.name if file.is_dir() else file
        if file.is_file():
            found += _layer(file)
        elif named:
            raise UsageError(f"{named}: there is no file {shown(file)}")
    with layers.beneath(*found):
        yield words


def _places() -> Iterator[tuple[str, str]]:
    """Where the SDK looks for its files, and the variable that says so."""
    system = environ.get("XDG_CONFIG_DIRS", "").split(":")[0] or "/etc/xdg"
    own = environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    for variable, usual in ((ADMIN, system), (USER, own)):
        said = environ.get(variable)
        yield (said, variable) if said else (str(Path(usual) / FILE), "")


def _layer(file: Path) -> list[Layer]:
    """One file as a layer; none when it says nothing of training jobs."""
    from sweeper.config.reading import load, marks  # most machines have no such file
    from sweeper.config.values import plain
    from sweeper.config.writing import escaped

    content: Mapping[str, Any] = plain(load(file))
    where = marks(file)
    if (version := content.get("SchemaVersion")) != VERSION:
        line, column = where.get(("SchemaVersion",), (1, 1))
        place = f"{shown(file)}:{line}:{column}"
        raise UsageError(f"{place}: SchemaVersion: {brief(version)} is not read: the SDK's defaults have '{VERSION}'")
    sections: dict[str, Any] = {}
    places: dict[KeyPath, Place | None] = {}
    for (section, key), path, value in _said(content):
        sections.setdefault(section, {})[key] = escaped(value)
        places[(section, key)] = (file, *where.get(path, (1, 1)))
    return [Layer(sections, places)] if sections else []


def _said(content: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], tuple[str, ...], Any]]:
    """Each of our keys that a file says, with the key of the file and the value."""
    from sweeper.config.writing import Reference

    known = [(member, ("locked", name)) for member, name in members(Locked)]
    known += [(member, ("job", name)) for member, name in members(Job) if member in _OF_JOB]
    bucket, prefix = _at(content, _BUCKET), _at(content, _PREFIX)
    if bucket is not None and (prefix or not _USUAL_BUCKET.fullmatch(str(bucket))):
        below = "/".join(part for part in (str(bucket), str(prefix or "").strip("/"), "sweeper") if part)
        yield ("job", "output_path"), _BUCKET, Reference(f"s3://{below}/${{name}}")
    for member, key in known:
        path = (*_JOB, *member.split("."))
        if (value := _at(content, path)) is not None:
            yield key, path, value


def _at(content: Any, path: Sequence[str]) -> Any:
    """What stands there; None where nothing does."""
    for name in path:
        content = content.get(name) if isinstance(content, Mapping) else None
    return content


def without_telemetry() -> str:
    """The user's file as it is, but that the SDK reports nothing to anybody."""
    import yaml

    where, _ = [*_places()][-1]
    file = Path(where) / FILE.name if Path(where).is_dir() else Path(where)
    content: dict[str, Any] = (yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else None) or {}
    content.setdefault("SchemaVersion", VERSION)
    *above, last = _TELEMETRY
    inner = content
    for name in above:
        inner = inner.setdefault(name, {})
    inner[last] = True
    return str(yaml.safe_dump(content))
