"""`sweeper clean`: removes the engine's state and the sweeps whose pools are all closed, after asking."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from sweeper.commands import sweeps
from sweeper.commands.output import tell_json
from sweeper.commands.parsing import Parser
from sweeper.commands.say import complain, relative, tell
from sweeper.config import project
from sweeper.core.words import human
from sweeper.engine import launch
from sweeper.errors import JournalError, UsageError
from sweeper.record.locks import held, holder
from sweeper.record.stored import StoredSweep, bytes_of, folders
from sweeper.run.clock import SystemClock
from sweeper.run.connect import engine_folder
from sweeper.run.registry import Registry, state_folder


@dataclass(frozen=True)
class Item:
    """Something that may be removed, or the reason why it is kept."""

    path: Path
    what: str
    bytes: int
    kept: str
    remove: Callable[[], None]


class Removable(TypedDict):
    """Something that may be removed."""

    path: str
    what: str
    """`sweep`, `engine`, or `built`: what functions of builders have made."""
    bytes: int
    kept: str | None
    """Why it is kept; null: it goes."""


class Cleaned(TypedDict):
    """What is removed, or would be with --yes."""

    removed: bool
    items: list[Removable]


def main(arguments: Sequence[str]) -> int:
    """Show what can go, ask, remove it; returns the exit code."""
    parser = Parser(
        prog="sweeper clean",
        description="Remove the local engine's state, what the functions of builders have made and every sweep whose "
        "pools are all closed. What is running or may still bill is kept. Shows all with its size and asks first.",
    )
    parser.add_argument("name", nargs="*", help="remove only these sweeps")
    parser.add_argument("--engine", action="store_true", help="remove only the engine's state")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout; removes only with --yes")
    options = parser.parse_args(arguments)
    items = list(_items(options.name, engine=options.engine))
    going = [item for item in items if not item.kept]
    if not options.json:
        _show(items)
    removed = going and (options.yes or (not options.json and _agreed()))
    for item in going if removed else ():
        item.remove()
    if options.json:
        listed: list[Removable] = [
            {"path": str(i.path), "what": i.what, "bytes": i.bytes, "kept": i.kept or None} for i in items
        ]
        told: Cleaned = {"removed": bool(removed), "items": listed}
        tell_json(told)
    elif removed:
        tell(f"removed {human(sum(item.bytes for item in going))}")
    return 0


def _items(names: Sequence[str], *, engine: bool) -> Iterator[Item]:
    if not engine:
        chosen = [sweeps.find(name).folder for name in names] if names else folders(project.here())
        for folder in chosen:
            yield _sweep(folder)
    made = project.here() / project.BUILT
    if not (engine or names) and made.exists():
        running = next((folder.name for folder in folders(project.here()) if holder(folder / ".lock")), "")
        yield Item(made, "built", bytes_of(made), f"{running} runs" if running else "", lambda: shutil.rmtree(made))
    if engine or not names:
        state = engine_folder(project.here())
        if state.exists():
            yield _engine(state)


def _sweep(folder: Path) -> Item:
    try:
        sweep = StoredSweep(folder)
        kept = f"it runs: {sweep.runner}" if sweep.runner else ""
        gone = not sweep.on_aws and not engine_folder(project.here()).exists()
        kept = kept or ("a pool was not seen closed" if sweep.chain.debts and not gone else "")
    except JournalError as error:
        kept = str(error)
    return Item(folder, "sweep", bytes_of(folder), kept, lambda: _remove_sweep(folder))


def _remove_sweep(folder: Path) -> None:
    with held(folder / ".lock", f"the sweep {folder.name}", SystemClock().now()):
        shutil.rmtree(folder)
    Registry(state_folder()).forget(str(folder))


def _engine(state: Path) -> Item:
    running = launch.status(state)
    busy = running and (running["jobs_running"] or running["pools_alive"])
    owed = [sweep for sweep in _local_sweeps() if sweep.runner or sweep.chain.debts]
    kept = (
        f"it runs {running['jobs_running']} jobs and holds {running['pools_alive']} pools" if running and busy else ""
    )
    kept = kept or (f"{owed[0].name} still needs it" if owed else "")
    kept = kept or ("its engine lives and does not answer" if running is None and launch.lives(state) else "")
    return Item(state, "engine", bytes_of(state), kept, lambda: _remove_engine(state))


def _local_sweeps() -> Iterator[StoredSweep]:
    for folder in folders(project.here()):
        try:
            sweep = StoredSweep(folder)
        except JournalError:
            continue
        if not sweep.on_aws:
            yield sweep


def _remove_engine(state: Path) -> None:
    launch.stop(state)
    shutil.rmtree(state)


def _show(found: Sequence[Item]) -> None:
    for item in found:
        kept = f"  kept: {item.kept}" if item.kept else ""
        tell(f"{human(item.bytes):>10}  {relative(item.path)}  ({item.what}){kept}")
    if all(item.kept for item in found):
        tell("nothing to remove")


def _agreed() -> bool:
    if not sys.stdin.isatty():
        raise UsageError("nobody can be asked here: say --yes to remove what is listed, or nothing to keep it")
    complain("finished trials of a removed sweep are run again by the next run unless the engine still has their jobs")
    tell("remove them? [y/N] ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
