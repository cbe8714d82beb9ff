"""A page server in this process, which leaves nothing when it ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sweeper.show.view.feed import Feed
from sweeper.show.view.server import PageServer


@contextmanager
def served(folder: Path) -> Iterator[PageServer]:
    """The server of a sweep's folder."""
    feed = Feed(folder, time.time)
    with PageServer(feed) as server:
        feed.start()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()
        feed.stop()


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The address of its page."""
    with served(folder) as server:
        yield server.address
