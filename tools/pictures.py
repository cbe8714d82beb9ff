"""`make pictures`: docs/pictures/ from a sweep that really runs: the live table on a terminal, the page in a browser.

The sweep is one that ships, in a project of its own that is removed afterwards. Starts of machines are simulated, so
that the timeline has some; the pictures say so themselves.
"""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

COLUMNS, ROWS = 100, 24
SWEEPER = [sys.executable, "-m", "sweeper"]
EXPERIMENT = ["+experiment=lora_ranks", "hyperparameters.lr=0.003,0.01", "hyperparameters.epochs=60"]
SIMULATED = ["engine.cold_start_s=12", "engine.warm_start_s=0.4"]
FRAME = re.compile(r"^▸ .* Training .*\b(?:[6-9]|10) of 12 done", re.MULTILINE | re.DOTALL)
"""What the last frame says that becomes the picture."""
TIMELINE = "#figure-timeline"
TIMEOUT_S = 600.0
MOST_BYTES = 300_000
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_COLOURS = {"brown": "yellow"}
"""What pyte calls otherwise than rich."""


class PictureError(Exception):
    """There is no picture, and why."""


def run(project: Path) -> Any:
    """Run the sweep on a terminal of its own; returns the screen with the frame to show."""
    import pyte

    screen, shown = pyte.Screen(COLUMNS, ROWS), None
    stream = pyte.ByteStream(screen)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "XDG_STATE_HOME": str(project / "state")}
    environment.pop("NO_COLOR", None)
    command = [*SWEEPER, *EXPERIMENT, *SIMULATED]
    sweep = subprocess.Popen(
        command,
        cwd=project,
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=_controlling,
    )
    os.close(theirs)
    for data in _read(ours, sweep):
        stream.feed(data)
        if FRAME.search("\n".join(screen.display)):
            shown = [{column: screen.buffer[row][column] for column in range(COLUMNS)} for row in range(ROWS)]
    if sweep.wait():
        raise PictureError(f"the sweep ended with {sweep.returncode}:\n" + "\n".join(screen.display))
    if shown is None:
        raise PictureError(f"no frame says {FRAME.pattern}")
    return shown


def _controlling() -> None:
    """The terminal becomes that of the new session: a table is drawn only where it is in the foreground."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _read(terminal: int, sweep: subprocess.Popen[bytes]) -> Iterator[bytes]:
    """What is written to the terminal, until the sweep has ended."""
    until = time.monotonic() + TIMEOUT_S
    while True:
        if time.monotonic() > until:
            sweep.terminate()
            raise PictureError(f"the sweep has not ended after {TIMEOUT_S:.0f} s")
        if not select.select([terminal], [], [], 0.2)[0]:
            if sweep.poll() is None:
                continue
            return
        try:
            data = os.read(terminal, 1 << 16)
        except OSError:  # the other end is closed
            return
        if not data:
            return
        yield data


def to_svg(screen: Any) -> str:
    """A screen as a picture that asks no other place for a font."""
    from rich._export_format import CONSOLE_SVG_FORMAT
    from rich.console import Console

    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    lines = [_line(row) for row in screen]
    while lines and not lines[-1].plain.strip():
        lines.pop()
    for line in lines:
        line.rstrip()
        console.print(line, no_wrap=True, overflow="crop")
    without_fonts = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    title = f"python -m sweeper {' '.join(EXPERIMENT)}"
    svg = console.export_svg(title=title, code_format=without_fonts.replace("Fira Code", "ui-monospace"))
    return "".join(f"{line.rstrip()}\n" for line in svg.splitlines())


def _line(row: Any) -> Any:
    from rich.style import Style
    from rich.text import Text

    line = Text()
    for column in range(COLUMNS):
        cell = row[column]
        colour = None if cell.fg == "default" else _COLOURS.get(cell.fg, cell.fg)
        line.append(cell.data, Style(color=colour, bold=cell.bold))
    return line


def shoot(page: Path, folder: Path) -> None:
    """The page's head and the chain's timeline, light and dark."""
    from playwright.sync_api import sync_playwright

    browser_of = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser_of is None:
        raise PictureError(f"no browser was found: {', '.join(BROWSERS)}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_of, args=["--no-sandbox"])
        for scheme in ("light", "dark"):
            shown = browser.new_page(viewport={"width": 1180, "height": 1130}, color_scheme=scheme)
            shown.goto(page.as_uri())
            shown.evaluate("sweeper.ready")
            shown.evaluate("sweeper.figures.forEach((figure) => figure.draw())")
            shown.screenshot(path=folder / f"report-{scheme}.png")
            shown.locator(TIMELINE).screenshot(path=folder / f"timeline-{scheme}.png")
        browser.close()


def main() -> int:
    """Make every picture; returns the exit code."""
    root = Path(__file__).resolve().parent.parent
    folder = root / "docs/pictures"
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="sweeper-pictures-") as place:
        project = Path(place)
        shutil.copytree(root / "experiments", project / "experiments")
        try:
            screen = run(project)
            (folder / "live.svg").write_text(to_svg(screen), encoding="utf-8")
            shoot(project / "runs/lora_ranks/report.html", folder)
        except PictureError as error:
            print(f"pictures: {error}", file=sys.stderr)
            return 1
        finally:
            subprocess.run([*SWEEPER, "engine", "stop"], cwd=project, check=False, stdout=subprocess.DEVNULL)
    for picture in sorted(folder.iterdir()):
        size = picture.stat().st_size
        print(f"{picture.relative_to(root)}: {size} bytes")
        if size > MOST_BYTES:
            print(f"pictures: {picture.name} has more than {MOST_BYTES} bytes", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
