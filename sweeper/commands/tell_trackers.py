"""What `sweeper report --tell` does: the trackers of a stored sweep hear what they have missed."""

from __future__ import annotations

from sweeper.commands.say import complain
from sweeper.core.secrets import Redactor
from sweeper.core.tracked import Notebook, Tracked, sweep_ended
from sweeper.errors import UsageError
from sweeper.record.stored import StoredSweep
from sweeper.tracking import secrets_of
from sweeper.tracking.telling import Telling


def tell_trackers(sweep: StoredSweep) -> None:
    """Tell the sweep's trackers what they have missed. Only when asked: a stored sweep may name any program."""
    if sweep.runner:
        complain(f"{sweep.name} runs now ({sweep.runner}): its runner tells its trackers")
        return
    from sweeper.config.trackers import remembered  # what resolves a reference is slow to import

    try:
        trackers = remembered(sweep.config)
    except UsageError as error:
        complain(f"warning: the trackers of {sweep.name} are told nothing: {error}")
        return
    redact = Redactor()
    redact.learn_texts(secrets_of(trackers))

    def see(notes: Notebook) -> Tracked:
        name = str(sweep.config.get("name") or sweep.name)
        return Tracked(name, sweep.folder, sweep.config, sweep.objective, sweep.declared.trials, notes)

    chain = sweep.chain
    telling = Telling(trackers, sweep.folder, see, sweep.rate)
    telling.begin(chain)
    ended = sweep_ended(chain, sweep.table, sweep.best, chain.debts) if chain.finished else None
    telling.end(chain, ended, complain)
    for trouble in telling.troubles():
        complain(redact(trouble))
