"""`sweeper view`: the page of a sweep in a browser on this machine, kept up to date while the sweep runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from sweeper.commands import sweeps
from sweeper.commands.output import tell_json
from sweeper.commands.parsing import Parser
from sweeper.commands.say import complain, tell
from sweeper.errors import UsageError
from sweeper.run.clock import SystemClock

MOST_PORT = 65_535


class Viewed(TypedDict):
    """A page that is served until Ctrl-C."""

    sweep: str
    address: str


def main(arguments: Sequence[str]) -> int:
    """Serve until Ctrl-C, which is how it ends: raises KeyboardInterrupt."""
    parser = Parser(
        prog="sweeper view",
        description="Serve the page of report.html for a browser on this machine, and keep it up to date while "
        "the sweep runs. It reads what lies in the sweep's folder and changes nothing. Ctrl-C ends it.",
    )
    parser.add_argument("name", nargs="?", help="a folder of runs/, or its beginning (default: the newest sweep)")
    parser.add_argument("--port", type=int, default=0, help="the port on 127.0.0.1 (default: any that is free)")
    parser.add_argument("--open", action="store_true", help="open it in the browser")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout: the sweep and the address")
    options = parser.parse_args(arguments)
    if not 0 <= options.port <= MOST_PORT:
        raise UsageError(f"view: there is no port {options.port}; ports are 0 to {MOST_PORT}")
    sweep = sweeps.find(options.name) if options.name else sweeps.newest()
    from sweeper.show.view.feed import Feed  # what serves is loaded by who serves
    from sweeper.show.view.server import PageServer

    feed = Feed(sweep.folder, SystemClock().now)
    try:
        server = PageServer(feed, options.port)
    except OSError as error:
        raise UsageError(f"view: cannot serve on port {options.port}: {error}") from error
    if options.json:
        told: Viewed = {"sweep": sweep.name, "address": server.address}
        tell_json(told)
    else:
        tell(f"{sweep.name}: {server.address}", flush=True)
        complain("whoever has this address sees the page, from this machine alone; Ctrl-C ends it")
    with server:
        feed.start()
        try:
            if options.open:
                _open(server.address)
            server.serve_forever()
        finally:
            feed.stop()
    return 0


def _open(address: str) -> None:
    import webbrowser

    if not webbrowser.open(address):
        complain("no browser could be opened here: open the address yourself")
