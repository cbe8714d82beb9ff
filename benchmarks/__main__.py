"""`make bench`: every budget against what it is measured against, in one run. Prints figures; judges nothing."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks import idle, looks, pending, talk, wire

MEMORY = Path("/dev/shm")


def child(module: str, *arguments: object, folder: str | None = None) -> dict[str, Any]:
    """Run one measurement in a process of its own."""
    environment = {**os.environ, **({"TMPDIR": folder} if folder else {})}
    command = [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def wall(command: list[str], cwd: str, times: int = 5) -> float:
    """The median seconds of a whole command."""
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        subprocess.run(command, cwd=cwd, capture_output=True, check=True)
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--trials", type=int, default=1000, help="no-op trials of the whole chain (default 1000)")
    size = parser.parse_args().trials
    packages = ("sweeper", "hydra-core", "omegaconf", "moto", "boto3")
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(", ".join(f"{name} {version(name)}" for name in packages))
    whole_chain(size)
    millions()
    start()
    simulated()
    wire.main()
    idle.main()
    looks.main()
    talk.main()
    pending.main()


def whole_chain(size: int) -> None:
    """The whole chain against Hydra's BasicSweeper. The journal is on a memory file system where there is one."""
    folder = str(MEMORY) if MEMORY.is_dir() else None
    ours, basic = child("chain", size, folder=folder), child("basic", size, folder=folder)
    print(f"\n{size} no-op trials, whole chain on the virtual engine (journal {'in memory' if folder else 'on disk'})")
    print(f"  sweeper       {ours['seconds']:8.2f} s {ours['mb']:6.0f} MB   boto3 imported: {ours['boto3']}")
    print(f"  BasicSweeper  {basic['seconds']:8.2f} s {basic['mb']:6.0f} MB")
    print(f"  ratio of time 1/{basic['seconds'] / ours['seconds']:.1f}, of memory {ours['mb'] / basic['mb']:.2f}")


def millions() -> None:
    """A plan of ten million trials."""
    told = child("millions")
    print(f"\nplan of 10,000,000 trials with every identity: {told['seconds']:.2f} s, {told['mb']:.0f} MB")


def start() -> None:
    """`sweeper plan` of a small experiment against a Hydra app that does nothing, whole processes."""
    root = str(Path(__file__).resolve().parent.parent)
    ours = wall([sys.executable, "-m", "sweeper", "plan", "+experiment=lora_ranks"], root)
    same = wall([sys.executable, "-m", "benchmarks.same", "lora_ranks"], root)
    bare = wall([sys.executable, "-m", "benchmarks.basic", "0"], root)
    print(f"\nsweeper plan of six trials {ours:.2f} s")
    print(f"  against a Hydra app that composes the same configuration ({same:.2f} s): ratio {ours / same:.2f}")
    print(f"  against one that composes five lines ({bare:.2f} s): ratio {ours / bare:.2f}")


def simulated() -> None:
    """Simulated sweeps with faults and crashes a second: on one core, and how much sooner all of them are done."""
    told, alone_s = seeds(1)
    _, together_s = seeds(os.cpu_count() or 1)
    print(f"\n{told['seeds']} simulated sweeps with faults: {told['sweeps_per_second']:.0f} a second on one core")
    print(f"  on all {os.cpu_count()} cores: ratio of time {together_s / alone_s:.2f}")


def seeds(jobs: int) -> tuple[dict[str, Any], float]:
    """What a thousand seeds by so many processes tell, and the seconds that they take."""
    command = [sys.executable, "-m", "sweeper", "simulate", "--seeds", "1000", "--jobs", str(jobs), "--json"]
    begun = time.perf_counter()
    told: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return told, time.perf_counter() - begun


if __name__ == "__main__":
    main()
