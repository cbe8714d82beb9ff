"""What is masked in everything that an invocation tells: the jobs' environment, and the credentials in use."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from sweeper.core.model import Sweep
from sweeper.core.secrets import Redactor
from sweeper.engine.credentials import kept
from sweeper.errors import SweeperError
from sweeper.run.connect import Connection, engine_folder


def redactor(sweep: Sweep, connection: Connection) -> Redactor:
    """Masks what the sweep and the one who runs it must not tell."""
    redact = Redactor(sweep.composed.get("environment"))
    redact.learn_credentials(os.environ.get(name) for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"))
    redact.learn_texts(sweep.secrets)
    if connection.scope.engine.on_aws:
        learn_credentials(connection, redact)
    else:
        with suppress(OSError):  # its folder cannot be written: then no engine and no job will have them
            redact.learn_credentials([kept(engine_folder(Path(sweep.project))).secret_key])
    return redact


def learn_credentials(connection: Connection, redact: Redactor) -> None:
    """Those that are in use now: a profile's are renewed, and the local engine may have been given others."""
    with suppress(SweeperError):  # without credentials there is nothing to hide
        redact.learn_credentials(connection.clients().secrets())
