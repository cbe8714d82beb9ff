"""Does inside a container what the `train` command of an image with the sagemaker-training toolkit does.

Started as `python toolkit.py ROOT SOURCE CAPTURE`: SOURCE is a tar archive or a folder (or an s3:// address, where no
network is there to fetch it by), CAPTURE is 1 when the image's toolkit quotes the script's stderr. Standard library
only. Hyperparameters are JSON, arguments are sorted, whatever the script's exit code the container's is 1, and the
failure file has the toolkit's own form.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

CACHE = "SAGEMAKER_MANAGED_WARMPOOL_CACHE_DIRECTORY"
NOTES, STARTER = "SWEEPER_ENGINE_NOTES", "SWEEPER_ENGINE_STARTER"
"""Where a script is to note its imports (hook/sitecustomize.py), and which process starts it."""
_CAPTURED_MAX = 64 * 1024
# the toolkit's own; everything else that begins with sagemaker_ goes to SM_FRAMEWORK_PARAMS
_PREFIX = "sagemaker_"
_OWN = frozenset(
    {
        "sagemaker_program",
        "sagemaker_submit_directory",
        "sagemaker_container_log_level",
        "sagemaker_job_name",
        "sagemaker_region",
        "sagemaker_s3_output",
        "sagemaker_enable_cloudwatch_metrics",
        "_tuning_objective_metric",
    }
)


class ToolkitError(Exception):
    """A step failed; the text is what the toolkit writes into the failure file."""

    def __init__(self, kind: str, command: Sequence[str], code: int, output: str = "") -> None:
        super().__init__(f'{kind}:\nExitCode {code}\nErrorMessage "{output}"\nCommand "{" ".join(command)}"')


def decoded(value: str) -> Any:
    """A hyperparameter's value; what is no JSON is a string."""
    try:
        return json.loads(value)
    except ValueError:
        return value


def arguments(values: Mapping[str, Any]) -> list[str]:
    """`--name value`, sorted by name; one letter has one dash; a mapping is `a=1,b=2`."""
    found: list[str] = []
    for name in sorted(values):
        found += [f"--{name}" if len(name) > 1 else f"-{name}", _argument(values[name])]
    return found


def _argument(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        return ",".join(f"{k}={v}" for k, v in sorted(value.items()))
    return str(value)


def variables(values: Mapping[str, Any]) -> dict[str, str]:
    """SM_NAME for every value: strings bare, None empty, the rest compact sorted JSON."""
    return {f"SM_{name.upper()}": _variable(value) for name, value in values.items()}


def _variable(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"))


class Training:
    """One run of the toolkit below a root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.code = root / "code"
        raw = self._read("hyperparameters")
        told = {name: decoded(value) for name, value in raw.items()}
        self.program = str(told["sagemaker_program"])
        own = {name for name in told if name in _OWN or name.startswith(_PREFIX)}
        self.told = told
        self.hyperparameters = {name: value for name, value in told.items() if name not in own}
        self.framework = {name: told[name] for name in own - _OWN}
        self.python = sys.executable
        self.environment = dict(os.environ)

    def _read(self, name: str) -> dict[str, Any]:
        text = (self.root / f"input/config/{name}.json").read_text(encoding="utf-8")
        found: dict[str, Any] = json.loads(text)
        return found

    def variables(self) -> dict[str, str]:
        """The SM_* environment of the script."""
        channels = self._read("inputdataconfig")
        folders = {name: f"{self.root}/input/data/{name}" for name in channels}
        values: dict[str, Any] = {
            **self._places(),
            **_cluster(self._read("resourceconfig")),
            "hps": self.hyperparameters,
            "user_entry_point": self.program,
            "framework_params": self.framework,
            "input_data_config": channels,
            "channels": sorted(channels),
            "module_name": self.program.removesuffix(".py"),
            "log_level": self.told.get("sagemaker_container_log_level", 20),
            "framework_module": os.environ.get("SAGEMAKER_TRAINING_MODULE"),
            "module_dir": self.told.get("sagemaker_submit_directory", str(self.code)),
            "user_args": arguments(self.hyperparameters),
        }
        values["training_env"] = _training_env(values, folders, self)
        values.update({f"channel_{name}": folder for name, folder in folders.items()})
        values.update({f"hp_{name}": value for name, value in self.hyperparameters.items()})
        return variables(values)

    def _places(self) -> dict[str, str]:
        root = str(self.root)
        return {
            "input_dir": f"{root}/input",
            "input_config_dir": f"{root}/input/config",
            "model_dir": f"{root}/model",
            "output_dir": f"{root}/output",
            "output_data_dir": f"{root}/output/data",
            "output_intermediate_dir": f"{root}/output/intermediate",
        }

    def unpack(self, submitted: str) -> None:
        """Fill the code folder, unless the image has filled it."""
        if any(self.code.iterdir()):
            return
        if submitted.startswith("s3://"):
            raise ConnectionError(f'Could not connect to the endpoint URL: "{submitted}"')
        source = Path(submitted)
        if source.is_dir():
            shutil.copytree(source, self.code, dirs_exist_ok=True)
        else:
            unpack(source, self.code)

    def install(self) -> None:
        """requirements.txt beside a Python program, into an environment of its own on top of the current one."""
        wanted = self.code / "requirements.txt"
        if not self.program.endswith(".py") or not wanted.is_file():
            return
        folder = self._environment_folder(wanted)
        if not (folder / "ready").exists():
            shutil.rmtree(folder, ignore_errors=True)
            site = create_environment(folder)
            command = [str(folder / "bin/python"), "-m", "pip", "install", "-r", "requirements.txt"]
            done = subprocess.run(command, cwd=self.code, env=self.environment, check=False)
            if done.returncode:
                raise ToolkitError("InstallRequirementsError", command, done.returncode)
            (folder / "ready").write_text(site, encoding="utf-8")
        self.python = str(folder / "bin/python")
        self.environment["PATH"] = f"{folder}/bin{os.pathsep}{self.environment['PATH']}"

    def _environment_folder(self, wanted: Path) -> Path:
        """In the pool's cache where there is one: the next job finds it ready."""
        told = (wanted.read_text(encoding="utf-8", errors="replace"), sys.version, sys.executable, platform.machine())
        key = hashlib.sha256("\0".join(told).encode()).hexdigest()[:20]
        return Path(os.environ.get(CACHE) or self.root / "environment") / "toolkit" / key

    def command(self) -> list[str]:
        """How the program is started: a Python file, a package with setup.py, or anything else through the shell."""
        args = arguments(self.hyperparameters)
        if self.framework.get("sagemaker_mpi_enabled"):
            raise ValueError("MPI is not emulated: the local engine has no SSH between hosts")
        if self.framework.get("sagemaker_torch_distributed_enabled"):
            return [*torchrun(self._read("resourceconfig")), self.program, *args]
        if (self.code / "setup.py").exists():
            return [self.python, "-m", self.program.removesuffix(".py"), *args]
        if self.program.endswith(".py"):
            return [self.python, self.program, *args]
        (self.code / self.program).chmod(0o777)
        return ["/bin/sh", "-c", f"./{self.program} {' '.join(args)}"]

    def run(self, *, capture: bool, start: Any) -> None:
        """Run the script to its end; `start` starts it as Popen does."""
        self.environment.update(self.variables())
        path = [str(self.code), self.environment.get("PYTHONPATH", "")]
        self.environment["PYTHONPATH"] = os.pathsep.join(p for p in path if p)
        command = self.command()
        sys.stdout.write(f"Invoking script with the following command:\n\n{' '.join(command)}\n\n\n")
        sys.stdout.flush()
        errors = subprocess.PIPE if capture else None
        if NOTES in self.environment:
            self.environment[STARTER] = str(os.getpid())
        process = start(command, cwd=str(self.code), env=self.environment, stderr=errors)
        tail = Tail(process.stderr) if process.stderr is not None else None
        code = process.wait()
        if code:
            raise ToolkitError("ExecuteUserScriptError", command, code, tail.text() if tail else "")


def torchrun(resources: Mapping[str, Any]) -> list[str]:
    """What starts a program as several processes on each host."""
    hosts = resources["hosts"]
    nodes = ["torchrun", "--nnodes", str(len(hosts)), "--nproc_per_node", str(gpus() or 1)]
    if len(hosts) > 1:
        nodes += ["--master_addr", hosts[0], "--master_port", "7777"]
        nodes += ["--node_rank", str(hosts.index(resources["current_host"]))]
    return nodes


class Tail:
    """Passes stderr on and remembers its end."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._kept = stream, b""
        self._thread = threading.Thread(target=self._copy, daemon=True)
        self._thread.start()

    def _copy(self) -> None:
        while data := os.read(self._stream.fileno(), 65536):
            os.write(2, data)
            self._kept = (self._kept + data)[-_CAPTURED_MAX:]

    def text(self) -> str:
        """What was said last. A child that holds the stream open is not waited for."""
        self._thread.join(2.0)
        return self._kept.decode("utf-8", "replace")


def _cluster(resources: dict[str, Any]) -> dict[str, Any]:
    """The hosts of the job, their groups, and this one among them."""
    groups = {group["instance_group_name"]: group for group in resources["instance_groups"]}
    current = resources["current_group_name"]
    return {
        "resource_config": resources,
        "hosts": resources["hosts"],
        "network_interface_name": resources["network_interface_name"],
        "current_host": resources["current_host"],
        "current_instance_type": resources["current_instance_type"],
        "current_instance_group": current,
        "current_instance_group_hosts": groups[current]["hosts"],
        "instance_groups": list(groups),
        "instance_groups_dict": groups,
        "distribution_instance_groups": [],
        "is_hetero": len(groups) > 1,
        "num_cpus": os.cpu_count(),
        "num_gpus": gpus(),
    }


def _training_env(values: Mapping[str, Any], folders: Mapping[str, str], training: Training) -> dict[str, Any]:
    names = {
        "hosts", "network_interface_name", "user_entry_point", "resource_config", "input_data_config",
        "output_data_dir", "current_host", "current_instance_type", "current_instance_group",
        "current_instance_group_hosts", "instance_groups", "instance_groups_dict", "distribution_instance_groups",
        "is_hetero", "module_name", "log_level", "framework_module", "input_dir", "input_config_dir", "output_dir",
        "num_cpus", "num_gpus", "model_dir", "module_dir", "output_intermediate_dir",
    }  # fmt: skip
    host = values["current_host"]
    return {
        **{name: values[name] for name in names},
        "additional_framework_parameters": training.framework,
        "channel_input_dirs": dict(folders),
        "distribution_hosts": [],
        "hyperparameters": training.hyperparameters,
        "is_master": host == values["hosts"][0],
        "job_name": training.told.get("sagemaker_job_name", ""),
        "master_hostname": values["hosts"][0],
    }


def gpus() -> int:
    """How many GPUs nvidia-smi lists."""
    try:
        listed = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, check=False)
    except OSError:
        return 0
    return sum(line.startswith("GPU ") for line in listed.stdout.splitlines())


def create_environment(folder: Path) -> str:
    """A virtual environment that sees everything the current interpreter has; returns its site-packages."""
    import venv

    venv.EnvBuilder(symlinks=True, with_pip=False).create(folder)
    site = folder / f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    parents = [p for p in sys.path if p.endswith(("site-packages", "dist-packages"))]
    lines = [f"import site; site.addsitedir({parent!r})" for parent in parents]
    (site / "_parent.pth").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(site)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a tar archive; a member that leads out of the folder, by name or by link, is refused."""
    root = os.path.realpath(folder)
    with tarfile.open(archive) as tar:
        for member in tar:
            place = Path(root, member.name)
            targets = [place]
            if member.issym():
                targets.append(place.parent / member.linkname)
            elif member.islnk():
                targets.append(Path(root, member.linkname))
            elif not (member.isfile() or member.isdir()):
                raise ValueError(f"{archive.name}: {member.name} is neither a file nor a folder")
            # resolved, because links that are already unpacked count
            if any(os.path.commonpath([root, os.path.realpath(target)]) != root for target in targets):
                raise ValueError(f"{archive.name}: {member.name} leads out of the source folder")
            member.mode &= 0o777
            member.uid, member.gid, member.uname, member.gname = os.getuid(), os.getgid(), "", ""
            tar.extraction_filter = staticmethod(lambda found, _path: found)  # checked above, on every Python alike
            tar.extract(member, root)


def main(root: Path, source: str, capture: bool, start: Any = subprocess.Popen) -> int:
    """Prepare and run; the container's exit code. `start` starts the script as Popen does."""
    # a stop is for the script, which gets it too; the real toolkit does not forward it at all
    signal.signal(signal.SIGTERM, lambda *_: None)
    failure = root / "output/failure"
    try:
        training = Training(root)
        training.unpack(source)
        training.install()
        training.run(capture=capture, start=start)
    except ToolkitError as error:
        text = str(error)
    except (OSError, ValueError, KeyError, tarfile.TarError) as error:
        text = f"framework error: \n{type(error).__name__}: {error}"
    else:
        return 0
    sys.stderr.write(f"{text}\n")
    if not failure.exists():  # what the script itself wrote is kept
        failure.parent.mkdir(parents=True, exist_ok=True)
        failure.write_text(text, encoding="utf-8")
    return 1


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "1"))
