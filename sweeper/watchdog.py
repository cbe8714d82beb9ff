"""The watchdog: a small child that outlives a killed runner and closes its pools (R14).

Dormant it is this file alone, run as a script without site packages: it sleeps on the read end of a pipe whose only
writer is the runner. End of file without `clean` means that the runner died. After a grace, which lets a restarted
runner win, it becomes `python -m sweeper.watchdog --act`, takes the sweep's lock, lets a running job finish, closes
every pool of the journal and verifies it. It writes no events: the next run reads what happened from the service.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time

# Only what a dormant process needs is imported above; everything else is imported when it acts.


def main() -> int:
    """The dormant half; returns only when there is nothing to do."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGTSTP", "SIGPIPE"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    python, grace_s, *acting = sys.argv[1:]
    os.write(1, b"ready\n")
    told = b""
    while chunk := os.read(0, 4096):
        told = (told + chunk)[-16:]
    if told.endswith(b"clean\n"):
        return 0
    time.sleep(float(grace_s))  # not a wait for a condition: the time a restart has to win
    os.execv(python, [python, "-m", "sweeper.watchdog", "--act", *acting])


def act(told: str) -> int:
    """Close every pool of the sweep that `told` (JSON) describes; returns the exit code."""
    from pathlib import Path

    from sweeper.clock import SystemClock
    from sweeper.core import events as ev
    from sweeper.core.chain import apply, fold
    from sweeper.core.model import EngineSettings
    from sweeper.errors import LockHeldError, SweeperError
    from sweeper.journal import read
    from sweeper.locks import held
    from sweeper.release import Releaser

    spec = json.loads(told)
    folder = Path(spec["folder"])
    clock = SystemClock()

    def say(line: str) -> None:
        print(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {line}", flush=True)  # noqa: T201 - its own log

    try:
        with held(folder / ".lock", "the sweep", clock.now()):
            chain = fold(event for _, event in read(folder / "journal.db"))
            say(f"the runner died; closing {len(chain.debts)} jobs")
            releaser = Releaser(
                api=_api(spec),
                clock=clock,
                settings=EngineSettings(**spec["settings"]),
                note=lambda event: (apply(chain, event), say(f"{event.kind} {getattr(event, 'name', '')}"))[1],
                say=say,
                harvest=lambda job, description: ev.Outcome(job.name, description["TrainingJobStatus"], "interrupted"),
                is_own=chain.jobs.__contains__,
                stop_running=False,
            )
            failed = [found for job in chain.debts_newest_first if (found := releaser.close(job))]
    except LockHeldError as error:
        say(f"nothing to do: {error}")
        return 0
    except SweeperError as error:
        say(f"gave up: {error}")
        return 3
    for pool in failed:
        say(f"THE POOL OF {pool.name} MAY STILL BILL: {pool.why}; release it with: {pool.command}")
    say("done" if not failed else "gave up")
    return 3 if failed else 0


def _api(spec: dict[str, object]):  # type: ignore[no-untyped-def] # its type would import boto3's edge at start
    from pathlib import Path

    from sweeper.aws.clients import Clients, Endpoint, SageMakerApi
    from sweeper.engine import launch

    if spec["engine"] == "local":
        info = launch.ensure(Path(str(spec["engine_folder"])), dict(spec["engine_options"]))  # type: ignore[call-overload]
        return SageMakerApi(lambda: Clients(Endpoint.local(info.url, info.region)))
    region, profile = spec.get("region"), spec.get("profile")
    endpoint = Endpoint(region=str(region) if region else None, profile=str(profile) if profile else None)
    return SageMakerApi(lambda: Clients(endpoint))


if __name__ == "__main__":
    sys.exit(act(sys.argv[2]) if sys.argv[1:2] == ["--act"] else main())
