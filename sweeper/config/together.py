"""What must hold of one section of a configuration with another."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sweeper.config.draft import ONE_LOCKED, Draft, there_is, told
from sweeper.config.problems import KeyPath, nearest
from sweeper.config.sweep_fields import objective_of
from sweeper.config.values import hydra_keys, prev_keys
from sweeper.core import stop
from sweeper.core.handover import why_not
from sweeper.core.identity import path_of, within
from sweeper.core.model import Launch

Sections = Mapping[str, Any]

_CALLED = {
    Launch.TOOLKIT.value: "the sagemaker-training toolkit always calls a script with --name value",
    Launch.IMAGE.value: "an image reads its hyperparameters itself",
}


def metrics_fit(draft: Draft, values: Sections) -> None:
    """Regular expressions have a group; what is decided by a metric names one that is read."""
    metrics = [metric["name"] for metric in values["job"]["metrics"]]
    for position, metric in enumerate(values["job"]["metrics"]):
        path = ("job", "metrics", position, "regex")
        try:
            if re.compile(metric["regex"]).groups < 1:
                draft.wrong(path, "has no group: put brackets around the part that is the value")
        except re.error as error:
            draft.wrong(path, f"is not a regular expression: {error}")
    for place, name in _decided_by(draft, values):
        if name not in metrics:
            hint = nearest(name, metrics) or there_is(metrics)
            draft.wrong(place, f"{name!r} is not one of job.metrics{hint}")


def _decided_by(draft: Draft, values: Sections) -> Iterator[tuple[KeyPath, str]]:
    """The metrics that something is decided by, and where they are named."""
    if draft.holds("objective") and values["objective"] is not None:
        yield ("objective", "metric"), values["objective"]["metric"]
    section = values["stop"] if isinstance(values["stop"], Mapping) else {}
    sound = {key: value for key, value in section.items() if draft.holds("stop", key)}
    for path, value in stop.written(sound):
        said = value if isinstance(value, Mapping) else {}
        for name in stop.made(str(path[-1]), value).asks:
            yield (*path, *[key for key, said_so in said.items() if said_so == name][:1]), name


def handover_fits(draft: Draft, values: Sections) -> None:
    """What `${prev:...}` names must be something that a trial hands on."""
    metrics = [metric["name"] for metric in values["job"]["metrics"]]
    for path, leaf in draft.written():
        for key in prev_keys(leaf):
            if path[0] == "locked":
                draft.wrong(path, f"may not depend on the trial before: {ONE_LOCKED}")
            elif what := why_not(key, metrics, objective_of(values)):
                draft.wrong(path, f"${{prev:{key}}}: {what}")


def arguments_fit(draft: Draft, job: Sections) -> None:
    """How a script is called is ours to say only when our driver calls it, and of hyperparameters that there are."""
    launches, every = told(draft, job, "launch"), told(draft, job, "arguments")
    if other := next((launch for launch in launches if launch in _CALLED), None) if any(every) else None:
        draft.wrong(("job", "arguments"), f"is for launch: driver; {_CALLED[other]}")
    keys = [key for axis in draft.axes for key in axis.block.keys]
    if any(map(draft.is_group, keys)):
        return  # an option may bring hyperparameters of its own
    swept = [path_of(key, within(draft.sections))[1] for key in keys if key.startswith("hyperparameters.")]
    known = [*(given if isinstance(given := draft.sections["hyperparameters"], Mapping) else ()), *swept]
    for name in dict.fromkeys(name for styles in every if isinstance(styles, Mapping) for name in styles):
        if name not in known:
            draft.wrong(("job", "arguments", name), f"is not a hyperparameter{nearest(name, known)}")


def hydra_tells(draft: Draft) -> None:
    """What `${hydra:...}` names must be there: there is no job of Hydra's, nor its number, and Hydra is silent then."""
    for path, leaf in draft.written():
        for key in hydra_keys(leaf):
            with suppress(OmegaConfBaseException, RecursionError):  # that one has been told
                if OmegaConf.select(draft.composed, f"hydra.{key}") is None:
                    draft.wrong(path, f"${{hydra:{key}}} is nothing here, where no job of Hydra's runs: leave it out")
