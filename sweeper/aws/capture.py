"""A process of its own that runs a user's function and keeps the CreateTrainingJob it would send: nothing leaves.

`python -m sweeper.aws.capture MODULE:FUNCTION PROJECT FOLDER`. Every call of every botocore client in the process is
answered here, before it is signed: no credentials are needed. What would be uploaded lies in FOLDER afterwards, and
what is to be known of it all is one JSON object on stdout; what the function prints goes to stderr.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import shutil
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import botocore
from botocore.session import Session

from sweeper.core.scope import NO_ACCOUNT

EXTRA = "pip install 'sweeper[sagemaker]'"
MOST_WORDS = 300
"""Letters of an error that are repeated."""
SDKS = ("sagemaker", "sagemaker-train")
_PARAMETERS = "sweeper_parameters"
_OK = SimpleNamespace(status_code=200, headers={})


class CapturedError(BaseException):
    """The request is there: whatever sends it need not go on."""


class RefusedError(Exception):
    """A call that would have to leave this machine."""


def _uploaded(capture: Capture, said: Mapping[str, Any]) -> dict[str, Any]:
    with capture.file(f"s3://{said['Bucket']}/{said['Key']}").open("wb") as file:
        _write(said.get("Body", b""), file)
    return {"ETag": '"0"'}


def _part(capture: Capture, said: Mapping[str, Any]) -> dict[str, Any]:
    with capture.part(said["UploadId"], said["PartNumber"]).open("wb") as file:
        _write(said["Body"], file)
    return {"ETag": '"0"'}


def _completed(capture: Capture, said: Mapping[str, Any]) -> dict[str, Any]:
    with capture.file(f"s3://{said['Bucket']}/{said['Key']}").open("wb") as file:
        for one in said["MultipartUpload"]["Parts"]:
            part = capture.part(said["UploadId"], one["PartNumber"])
            with part.open("rb") as written:
                shutil.copyfileobj(written, file)
            part.unlink()
    return {"ETag": '"0"', "Bucket": said["Bucket"], "Key": said["Key"]}


def _created(capture: Capture, said: Mapping[str, Any]) -> dict[str, Any]:
    capture.request = capture.request or dict(said)
    raise CapturedError


def _allowed(capture: Capture, said: Mapping[str, Any]) -> dict[str, Any]:
    return {"EvaluationResults": [{"EvalActionName": a, "EvalDecision": "allowed"} for a in said["ActionNames"]]}


_CALLER = {"Account": NO_ACCOUNT, "Arn": f"arn:aws:iam::{NO_ACCOUNT}:user/nobody", "UserId": "nobody"}
Answer = Callable[["Capture", Mapping[str, Any]], dict[str, Any]]
ANSWERS: Mapping[str, Answer] = {
    "sagemaker.CreateTrainingJob": _created,
    "s3.PutObject": _uploaded,
    "s3.CreateMultipartUpload": lambda capture, said: {
        "UploadId": capture.file(f"s3://{said['Bucket']}/{said['Key']}").name
    },
    "s3.UploadPart": _part,
    "s3.CompleteMultipartUpload": _completed,
    "s3.HeadBucket": lambda _, said: {},
    "s3.CreateBucket": lambda _, said: {},
    "s3.ListBuckets": lambda _, said: {"Buckets": []},
    "sts.GetCallerIdentity": lambda _, said: dict(_CALLER),
    "iam.SimulatePrincipalPolicy": _allowed,
}
"""What the SDK asks on its way to a request; any other call is refused."""


@dataclass
class Capture:
    """What a function would have sent."""

    folder: Path
    request: dict[str, Any] | None = None
    uploads: dict[str, str] = field(default_factory=dict)
    """The file of each object, by its URI."""

    def watch(self, session: Session) -> None:
        """Answer whatever clients of this session ask."""
        session.register("provide-client-params", self._remember)
        session.register("before-call", self._answer)

    def file(self, uri: str) -> Path:
        """Where an object lies that would be in S3 now."""
        return self.folder / self.uploads.setdefault(uri, str(len(self.uploads)))

    def part(self, upload: str, number: int) -> Path:
        """Where a part of one lies until it is whole."""
        return self.folder / f"{upload}.{number}"

    def _remember(self, **event: Any) -> None:
        event["context"][_PARAMETERS] = event["params"]

    def _answer(self, **event: Any) -> Any:
        name = f"{event['model'].service_model.service_name}.{event['model'].name}"
        if name not in ANSWERS:
            raise RefusedError(f"it asks {name}, and nothing leaves this machine while a request is built")
        answer = ANSWERS[name](self, event["context"][_PARAMETERS])
        return _OK, {**answer, "ResponseMetadata": {"HTTPStatusCode": 200, "HTTPHeaders": {}}}


def _write(body: Any, file: IO[bytes]) -> None:
    if hasattr(body, "read"):
        shutil.copyfileobj(body, file)
    else:
        file.write(body.encode() if isinstance(body, str) else body)


def stay_here(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook by which no connection is made but within this machine: the SDK reports what it is used for."""
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if host not in (None, "", "localhost", "::1") and not str(host).startswith("127."):
        raise ConnectionRefusedError(f"no connection to {host} while a request is built")


def captured(target: str, capture: Capture) -> dict[str, Any]:
    """What there is to tell: the request, the objects and the SDK; or why there is no request."""
    try:
        made = _function(target)()
        if capture.request is None:
            _train(made)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the user's own program may raise anything
        if capture.request is None:
            return {"failed": _why(error, target)}
    except CapturedError:
        pass
    if capture.request is None:
        return {"failed": "sends no CreateTrainingJob: return the ModelTrainer or the Estimator that would"}
    return {"request": capture.request, "uploads": capture.uploads, "sdk": _sdk()}


def _function(target: str) -> Callable[[], Any]:
    module, _, name = target.partition(":")
    function = getattr(importlib.import_module(module), name)
    inspect.signature(function).bind()  # a TypeError names what it needs
    found: Callable[[], Any] = function
    return found


def _train(made: Any) -> None:
    """Have it send what it would, as its user does, and wait for nothing."""
    method = getattr(made, "train", None) or getattr(made, "fit", None)
    if method is not None:
        takes = inspect.signature(method).parameters
        method(**{name: False for name in ("wait", "logs") if name in takes})


def _why(error: BaseException, target: str) -> str:
    module, _, name = target.partition(":")
    if isinstance(error, ModuleNotFoundError) and error.name:
        if error.name.partition(".")[0] == "sagemaker":
            return _without_sdk(error.name)
        if module == error.name or module.startswith(f"{error.name}."):
            return f"there is no module {error.name}: it is looked for in the project's folder and where Python looks"
    if isinstance(error, AttributeError) and error.name == name and not _own_frames(error):
        return f"there is no {name} in {module}"
    if isinstance(error, TypeError) and not _own_frames(error):
        return f"is called with nothing: {error}"
    line = " ".join(str(error).split())[:MOST_WORDS] or "no words"
    frames = _own_frames(error)
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {line}{where}"


def _without_sdk(name: str) -> str:
    if sdk := _sdk():
        return f"needs {name}, which {sdk} has not: its version 2 has sagemaker.estimator, version 3 sagemaker.train"
    return f"needs SageMaker's SDK, which is not installed: {EXTRA}"


def _own_frames(error: BaseException) -> list[traceback.FrameSummary]:
    """Where in the user's own files it was raised."""
    here = str(Path.cwd())
    return [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith(here)]


def _sdk() -> str:
    """The SDK that is installed, with its version; empty when none is."""
    for name in SDKS:
        try:
            return f"{name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            continue
    return ""


def main(target: str, project: str, folder: str) -> None:
    """Run the function in its project and tell what came of it."""
    capture = Capture(Path(folder))
    os.chdir(project)
    sys.path[0] = project
    botocore.register_initializer(capture.watch)
    sys.addaudithook(stay_here)
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        os.dup2(2, 1)
        json.dump(captured(target, capture), out)
    sys.stderr.flush()
    os._exit(0)  # all is told: threads of the function's, and of the SDK's, are not waited for


if __name__ == "__main__":
    main(*sys.argv[1:])
