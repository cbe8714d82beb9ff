"""What is allowed and probably not meant: warnings, each with its place."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from sweeper.config import exposed
from sweeper.config.draft import Draft
from sweeper.config.instances import unknown_types
from sweeper.config.problems import COMMAND_LINE, Problem, dotted, shown
from sweeper.config.reading import Word, document
from sweeper.config.resolve import Resolve
from sweeper.config.schema import SECTIONS
from sweeper.config.sources import composed
from sweeper.config.values import COSMETIC, hydra_keys, plain
from sweeper.core.identity import canonical, path_of, within
from sweeper.core.model import Trial
from sweeper.core.remedies import on_failure
from sweeper.core.space.trials import Space
from sweeper.driver.matches import NUMBER
from sweeper.errors import UsageError

Sections = Mapping[str, Any]

TYPED = {"defaults", "hydra", "engine", *SECTIONS} - {"hyperparameters", "environment", "vars", "sweep"}
"""The sections whose values have a type: what YAML makes of a word there is seen by their schema."""
_WORD = re.compile(r"[-+.\w:]+")
_OCTAL = re.compile(r"[-+]?0[0-7_]+")
_PARTS = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?P<\w+>|\(\?|\(|\)")
"""What matters of a regular expression for finding its groups: escapes and classes are stepped over."""
MOST_TRIED = 20
"""Values of an axis that are compared; a choice that makes no difference makes none at once."""
_NOW = re.compile(r"\$\{\s*now\s*:")
SAMPLES = ("1.2e-05", "-0.5", "nan")
"""Numbers as Python prints them, which a metric's group should take whole."""


def doubts(draft: Draft, values: Sections, space: Space, resolve: Resolve) -> Iterator[str]:
    """Every warning of a declaration, one line each."""
    yield from (f"{line}: only the first counts" for line in space.duplicates)
    yield from (f"{dotted(rule.place)}: {rule.text} matches nothing" for rule, count in space.excluded if count == 0)
    yield from (f"{dotted(one.place)}: {one.text} is true of no trial: {one.key} does not vary" for one in space.unmet)
    keep_alive = values["pool"]["keep_alive_s"]
    if keep_alive != "auto" and 0 < keep_alive < 60:
        yield f"pool.keep_alive_s is {keep_alive}: a pool may be gone before the next job reaches it"
    again = on_failure(values["on_failure"]).tries_again
    if again and keep_alive and values["pool"]["last_job_releases"]:
        why = f"after {', '.join(again)} the last trial may run again, and its pool is kept until the sweep ends"
        yield f"pool.last_job_releases: does nothing here: {why}; say `last_job_releases: false` to be rid of this line"
    yield from (f"locked.instance_type: {what}" for what in unknown_types(values["locked"]))
    yield from _new_mappings(draft)
    yield from map(str, exposed.warnings(draft, values))
    yield from draft.warnings
    yield from map(str, (*_cut_numbers(draft, values), *_every_run_anew(draft), *_words(draft), *_idle(draft, resolve)))


def one_by_one(values: Sections, prev: Sequence[str]) -> Iterator[str]:
    """Several jobs at once, where each trial needs the one before it."""
    most = values["backend"].get("max_in_flight") or 1
    if prev and most > 1:
        why = "${prev:...} takes over from the trial before, so that one job is in flight at a time"
        yield f"backend.max_in_flight: is {most}, and {why}; set it to 1 to be rid of this line"


def _new_mappings(draft: Draft) -> Iterator[str]:
    """What `+hyperparameters.a.b` does where there is no `a`: probably one called `a.b` was meant."""
    holds = within(draft.sections)
    for axis in draft.axes:
        for key in sorted(key for key in axis.added if key.startswith("hyperparameters.")):
            section, name, *rest = path_of(key, holds)
            if rest and not holds((section, name)):
                whole = ".".join((name, *rest))
                told = f"{axis.where(draft.origin, key)}: {key}: is sent as one hyperparameter {name!r}, a mapping; "
                yield f"{told}for one called {whole!r} write `{whole}: null` under {section}"


# -- metrics ----------------------------------------------------------------------------------------------------


def _cut_numbers(draft: Draft, values: Sections) -> Iterator[Problem]:
    """A group that takes 0.5 is meant for a number: it should take every number, and all of it."""
    for position, metric in enumerate(values["job"]["metrics"]):
        group = _first_group(metric["regex"])
        if group is None or not group.fullmatch("0.5"):
            continue
        if lost := [number for number in SAMPLES if not group.fullmatch(number)]:
            what = (
                f"its group does not take {', '.join(lost)} as a whole, so that a wrong value may count: {NUMBER} does"
            )
            yield draft.origin.problem(("job", "metrics", position, "regex"), what)


def _first_group(regex: str) -> re.Pattern[str] | None:
    """The first group of a regular expression by itself; None when it cannot stand by itself."""
    depth = inside = start = 0
    for found in _PARTS.finditer(regex):
        token = found.group()
        if token.startswith("("):
            depth += 1
            if not inside and (token == "(" or token.startswith("(?P<")):
                inside, start = depth, found.end()
        elif token == ")":
            if depth == inside:
                break
            depth -= 1
    else:
        return None
    try:
        return re.compile(regex[start : found.start()])
    except re.error:
        return None  # it refers to another group


# -- what is another value in every run ----------------------------------------------------------------------------


def _every_run_anew(draft: Draft) -> Iterator[Problem]:
    """`${now:...}` where it makes a trial what it is: nothing that was trained is ever known again."""
    what = "is another value in every run (${now:...}), so that every run trains its trials anew: give it a fixed value"
    for path, value in draft.written():
        counts = path[0] != "environment" and not (path[0] == "job" and path[1:2] and path[1] in COSMETIC)
        if counts and _tells_time(draft, value):
            yield draft.problem(path, what)


def _tells_time(draft: Draft, value: Any) -> bool:
    """True when the value names the time, by itself or by way of Hydra's own folders, which bear it."""
    texts = [str(value)]
    for key in hydra_keys(value):
        texts.append(str(reduce(lambda node, part: node.get(part, {}), key.split("."), plain(draft.composed["hydra"]))))
    return any(_NOW.search(text) for text in texts)


def _idle(draft: Draft, resolve: Resolve) -> Iterator[Problem]:
    """Swept options and values of one's own that nothing follows: trials that are equal for every job."""
    for axis in draft.axes:
        for key in (key for key in axis.block.keys if key.startswith("vars.") or draft.is_group(key)):
            values = {canonical(row[key]): row[key] for row in axis.block.rows[:MOST_TRIED] if key in row}
            try:
                jobs = {canonical(resolve(Trial(0, "", str(value), {key: value}))) for value in values.values()}
            except UsageError:
                continue  # it needs what another axis sets; told when its trial comes
            if len(values) > 1 and len(jobs) == 1:
                what = "is swept, and no job differs by it: let a hyperparameter follow it (${...}), or take it out"
                yield Problem(axis.where(draft.origin, key), key, what)


# -- words of YAML -------------------------------------------------------------------------------------------------


def _words(draft: Draft) -> Iterator[Problem]:
    """Words that become another value than a reader would think."""
    for file in composed():
        for word in document(file).words:
            line, column = word.mark
            if word.path and word.path[0] not in TYPED:
                yield from _word(word, f"{shown(file)}:{line}:{column}")
    for override in draft.line:
        key, _, text = (override.input_line or "").partition("=")
        if override.key_or_group.split(".")[0] in SECTIONS.keys() - TYPED:
            for written in filter(_WORD.fullmatch, map(str.strip, text.split(","))):
                yield from _word(Word((key.lstrip("+"),), (0, 0), written, _on_the_command_line(written)), COMMAND_LINE)


def _word(word: Word, where: str) -> Iterator[Problem]:
    if any(str(part).split(".")[0] == "environment" for part in word.path):
        if not isinstance(word.value, str) and canonical(word.value) != word.written:
            # without the value, which may be a secret
            what = "is read as a number or a truth value, and the job would get another text than this: quote it"
            yield Problem(where, dotted(word.path), what)
    elif _surprising(word.written, word.value):
        yield Problem(where, dotted(word.path), f"{word.written} means {word.value!r} here: quote it if it is text")


def _surprising(written: str, value: Any) -> bool:
    """True for yes, no, on and off, a number in base 60 (12:30) or 8 (010), and one that is too large (7e50123)."""
    if isinstance(value, bool):
        return written.lower() not in ("true", "false")
    if isinstance(value, float) and not math.isfinite(value):
        return not written.lower().endswith(("inf", "nan"))
    return isinstance(value, (int, float)) and (":" in written or _OCTAL.fullmatch(written) is not None)


def _on_the_command_line(word: str) -> Any:
    try:
        return OverridesParser.create().parse_override(f"word={word}").value()
    except HydraException:
        return word
