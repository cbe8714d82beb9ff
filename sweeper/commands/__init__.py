"""The verbs of the command line, one module each. They may print; everything below them may not."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Verb:
    """A verb: all that dispatch, the help and tab completion know of it. Its module is imported when it is used."""

    name: str
    words: str
    """What may follow, as the help shows it: NAME is a sweep, TRIAL a trial of it, +experiment=NAME an experiment."""
    about: str
    """What it does, in one line."""
    module: str = ""
    """Its module in this package, where that has another name."""
    reminds: bool = True
    """Does a person hear of open pools first?"""

    def main(self, arguments: Sequence[str]) -> int:
        """Do it; returns the exit code."""
        module = importlib.import_module(f"sweeper.commands.{self.module or self.name}")
        return int(module.main(arguments))

    @property
    def composes(self) -> bool:
        """Does it take an experiment and overrides, as a run does?"""
        return "+experiment=" in self.words

    @property
    def takes_sweep(self) -> bool:
        """Is its first word a sweep?"""
        return not self.composes and re.search(r"\bNAME\b", self.words) is not None

    @property
    def takes_trial(self) -> bool:
        """Does a trial of that sweep follow?"""
        return re.search(r"\bTRIAL\b", self.words) is not None

    @property
    def takes_best(self) -> bool:
        """May `best` stand in its place?"""
        return re.search(r"\bbest\b", self.words) is not None


VERBS: Mapping[str, Verb] = {
    verb.name: verb
    for verb in (
        Verb(
            "init",
            "[DIR] [--from|--from-job X]",
            "a first experiment, or one made of another tool's file or a training job",
        ),
        Verb(
            "new", "EXPERIMENT --from TEMPLATE", "an experiment of your own that begins as a template, with its script"
        ),
        Verb(
            "plan",
            "+experiment=NAME [KEY=VALUE]",
            "everything short of spending: trials, requests, quotas, time and money",
        ),
        Verb(
            "doctor", "[+experiment=NAME]", "all that is looked at before a run: role, permissions, quotas, buckets ..."
        ),
        Verb("suite", "EXPERIMENT ... [KEY=VALUE]", "several in turn: each takes the pool over where it fits"),
        Verb("queue", "+experiment=NAME [KEY=...]", "run it after what runs now; its first job takes the pool over"),
        Verb("status", "[NAME] [--watch]", "the chain now, from the journal; works while another process runs it"),
        Verb("wait", "NAME [--timeout S]", "until a sweep that another process runs has ended; its exit code"),
        Verb("view", "[NAME] [--open]", "the page of report.html in a browser, up to date while the sweep runs"),
        Verb("list", "[--tag T]", "every sweep of this project", module="listing"),
        Verb("logs", "NAME [TRIAL] [-f]", "a trial's log, stored or live"),
        Verb("report", "NAME ... [--tell]", "write report.html and the result files anew; several: compare them"),
        Verb("note", 'NAME ["TEXT"] [--tag T]', "write a note about a sweep, or give it a tag; or read them"),
        Verb("stop", "NAME [--now]", "ask a running sweep to end after its job, or now; the pool is released"),
        Verb("skip", "[NAME] TRIAL", "leave a trial out, also while it runs; the pool goes to the next one"),
        Verb("priority", "NAME TRIAL N", "another priority for a trial's job in its AWS Batch queue"),
        Verb("add", "NAME KEY=VALUE ...", "queue another trial, also while the sweep runs"),
        Verb("pools", "[list|release]", "every pool that is or may be billing; close them", reminds=False),
        Verb("engine", "serve|status|stop", "the local engine as a server for any boto3, SDK or AWS CLI client"),
        Verb("clean", "[NAME ...]", "remove the engine's state and sweeps whose pools are closed; asks first"),
        Verb("retry", "NAME [--trial TRIAL|--all]", "open trials again; the next run takes them"),
        Verb("rerun", "NAME [best|TRIAL]", "run that trial again exactly, as its next attempt"),
        Verb("try", "NAME [best|TRIAL]", "that trial with the source as it is now, beside its sweep", module="trying"),
        Verb("pull", "NAME [best|TRIAL] [--to DIR]", "bring the model that a trial has left, proved and unpacked"),
        Verb(
            "source",
            "NAME [best|TRIAL] [--diff]",
            "the source that a trial ran with, and how it differed from its commit",
        ),
        Verb("export", "NAME [best|TRIAL] [--as X]", "its trials and points as tables; --as: a trial as an SDK script"),
        Verb("iam", "[+experiment=NAME]", "the least policy that IAM needs for it: runner, watchdog, jobs' role"),
        Verb("verify", "NAME", "check a sweep's journal against the service"),
        Verb("simulate", "[+experiment=NAME]", "a sweep, or drawn ones, under simulated faults and crashes, by seed"),
        Verb("schema", "[VERB]", "the JSON Schema of what a verb prints with --json", reminds=False),
        Verb("complete", "bash|zsh|fish", 'tab completion: eval "$(sweeper complete bash)"'),
    )
}
"""Every verb, in the order of the help."""
