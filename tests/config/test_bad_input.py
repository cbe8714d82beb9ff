"""Mistakes that a person makes once: each is one line with its place, what is wrong and what to do about it."""

from __future__ import annotations

import os
from typing import Any

import pytest

from sweeper.config import run
from sweeper.config.reading import MOST_BYTES, MOST_VALUES
from sweeper.errors import UsageError

LAUGHS = "vars:\n  l0: &l0 [x]\n" + "".join(f"  l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]\n" for n in range(1, 10))
A_LIST = "defaults: must be a list, such as [base, {override /backend: spot}, _self_]"
ENTRY = "defaults: holds what is no entry of it: write [base, {override /backend: spot}, _self_]"
UNREAD = "holds a ${ that cannot be read: write ${section.key} or ${oc.env:NAME,default}; for the sign itself \\${"

FILES = {
    "a key that is a truth": ("vars: {off: 1}", "13:8: vars.off: 'off' is true or false in YAML: quote it"),
    "a key that is a number": ("vars:\n  1: x", "14:3: vars.1: '1' is a number in YAML: quote it"),
    "a key inside of a value": ("vars: {a: [{on: 1}]}", "13:13: vars.a.0.on: 'on' is true or false in YAML: quote it"),
    "a key that is null": ("vars: {~: 1}", "13:8: vars.~: '~' is null in YAML: quote it"),
    "a key that is a list": ("vars: {[a]: 1}", "13:8: vars: has a list or a mapping for a key: a key is text"),
    "a sign": ("vars: {a: =}", "13:11: vars.a: '=' is a sign of its own in YAML: quote it"),
    "bytes": (
        "vars: {a: !!binary aGk=}",
        "13:11: vars.a: !!binary is not read: write text, a number, true, false, null, a list or a mapping",
    ),
    "no number": ("vars: {a: !!int ''}", "13:11: vars.a: '' is not a number"),
    "a character": ('vars: {a: "\\0"}', "13:11: vars.a: holds a character that no text has (NUL, or half of a pair)"),
    "a key twice": ("vars: {a: 1, a: 2}", "13:14: vars.a: stands twice: take one of them out"),
    "laughs": (LAUGHS, f"19:7: vars.l5: is too much: a file has at most {MOST_VALUES} values, aliases followed"),
    "an alias to itself": ("vars: &v {a: *v}", "13:7: vars.a: is an alias that leads back to itself"),
    "too deep": ("vars: " + "[" * 60 + "]" * 60, "13:47: vars.0.0.0: is nested too deep: at most 40 levels"),
    "much too deep": ("vars: " + "[" * 5000, "13:"),
    "too long": ("vars: {a: '" + "x" * MOST_BYTES + "'}", "1:1: is too long: a configuration file has at most "),
    "defaults of nothing": ("defaults:", "13:1: " + A_LIST),
    "defaults that are a word": ("defaults: base", "13:1: " + A_LIST),
    "defaults that are a mapping": ("defaults: {backend: spot}", "13:1: " + A_LIST),
    "an entry that is a number": ("defaults: [1]", "13:12: " + ENTRY),
    "an entry of two keys": ("defaults: [{a: b, c: d}]", "13:12: " + ENTRY),
    "defaults that lead back": ("defaults: [x]", "13:12: defaults: leads back to itself: x -> x"),
    "and over another file": ("defaults: [y]", "y.yaml:13:12: defaults: leads back to itself: x -> y -> x"),
    "two options for one": ("defaults: [{override /backend: [spot, batch]}]", "13:12: " + ENTRY),
    "sweeps that are none": ("hydra: {sweeper: {params: 1}}", "13:19: hydra.sweeper.params: must be a mapping: "),
    "an option and another": (
        "defaults: [{/backend: spot}, {override /backend: spot}]",
        "13:12: defaults: backend has an option already: write {override /backend: OPTION}",
    ),
    "an option twice": (
        "defaults: [{/backend: spot}, {/backend: batch}]",
        "13:12: defaults: backend has an option already: write {override /backend: OPTION}",
    ),
    "an engine by its name": (
        "engine: aws",
        "13:1: engine: is chosen by its name, not set: write engine=aws on the command line, or `defaults: "
        "[{override /engine: aws}, _self_]`",
    ),
    "a list in place of a section": ("pool: []", "13:1: pool: [] is not a mapping"),
    "a list in place of a mapping": ("stop: {until: []}", "13:8: stop.until: [] is not a mapping or null"),
    "half an interpolation": ("vars: {a: '${'}", "13:8: vars.a: " + UNREAD),
    "a name of a hyperparameter": (
        "sweep: {grid: {+hyperparameters.x=y: [1]}}",
        "13:16: hyperparameters.x=y: is not a possible name: text without blanks and =, that "
        "does not begin with -; any other is for launch: image",
    ),
}


@pytest.mark.parametrize(("more", "line"), FILES.values(), ids=FILES)
def test_in_a_file(project: Any, more: str, line: str) -> None:
    """The line, the column, the key, what is wrong and what to write: no traceback, and an end."""
    project.experiment("defaults: [x]\n", name="y")
    project.experiment(more + "\n")
    found = project.refused()
    assert found[0].startswith("experiments/" + (line if "yaml" in line else "x.yaml:" + line))
    assert len(found) == 1


MEANT = {
    "locked.instance_type=g5.xlarge": "must look like ml.g6e.2xlarge, not 'g5.xlarge'; did you mean 'ml.g5.xlarge'?",
    "job.output_path=S3://b/p": "must begin with s3://BUCKET, not 'S3://b/p'; did you mean 's3://b/p'?",
    "job.output_path=arn:aws:s3:::b/p": "not 'arn:aws:s3:::b/p'; did you mean 's3://b/p'?",
    "pool.keep_alive_s=5m": "must be 0 to 3600 seconds, or auto, not '5m'; did you mean 300?",
    "job.max_runtime_s=1h": "'1h' is not a whole number; did you mean 3600?",
    "job.max_runtime_s='600'": "is not a whole number; did you mean 600? (${oc.decode:...} turns text into a value)",
    "locked.volume_size_in_gb='30 GB'": "'30 GB' is not a whole number; did you mean 30?",
    "objective.goal=max": "'max' is not one of maximize, minimize; did you mean 'maximize'?",
    "pool.settle_debts='yes'": "'yes' is not true or false; did you mean true?",
    "+stop.until={metric:accuracy,op:'=>',value:1}": "'=>' is not one of >, >=, <, <=; did you mean '>='?",
    "locked.security_group_ids=sg-1": "'sg-1' is not a list or null; did you mean ['sg-1']?",
    "+environment={A B:1}": "is not a possible name: letters, digits and _, the first one no digit",
    "job.entry_script=/bin/sh": "'/bin/sh' leads out of source_dir: name a file in code",
    "job.entry_script=../code/train.py": "'../code/train.py' leads out of source_dir: name a file in code",
    "job.source_dir=" + "x" * 300: "job.source_dir: there is no folder 'xxx",
}


@pytest.mark.parametrize(("word", "line"), MEANT.items(), ids=list(MEANT))
def test_the_right_notation_is_offered(project: Any, word: str, line: str) -> None:
    """A value that is right in another notation is answered with the one that is meant."""
    project.experiment("objective: {metric: accuracy, goal: maximize}\n")
    (found,) = project.refused("+" + word if word.startswith("environment") else word.replace("+stop", "stop"))
    assert line in found


WORDS = {
    "~stop": "~stop: cannot be taken out: every sweep has it; set what is in it, as stop.KEY=null",
    "~locked": "~locked: cannot be taken out: every sweep has it; set what is in it, as locked.KEY=null",
    "~job.inputs": "~job.inputs: cannot be taken out: every sweep has it; set it, as job.inputs=null",
    "~experiment": "~experiment: cannot be taken out: every sweep has it; set what is in it, as experiment.KEY=null",
    "hyperparameters=y": "hyperparameters: 'y' is not a mapping",
    "hyperparameters.rank=range(1,5),8": "hyperparameters.rank=range(1,5),8: sweeps within a value: give range(...), "
    "choice(...) and the like alone, or say the values",
    "backend=${prev:accuracy}": "backend=${prev:accuracy}: '${prev:accuracy}' is no option of backend: name one",
    "engine=???": "engine=???: '???' is no option of engine: name one",
    "engine=1": "engine=1: 1 is no option of engine: name one",
    "backend=[spot,batch]": "backend=[spot,batch]: ['spot', 'batch'] is no option of backend: name one",
    "hyperparameters.rank='8": "hyperparameters.rank='8: a quote is opened and not closed",
    "hyperparameters.rank=[8": "hyperparameters.rank=[8: a bracket is opened and not closed, or closed and not opened",
    "glob(*)=8": "glob(*)=8: 'glob(*)' is no key: a key is words with dots between them",
    "hyperparameters.rank=${": "hyperparameters.rank=${: a bracket is opened and not closed, or closed and not opened",
    "++hyperparameters={1: 2}": "hyperparameters: 1 is a key that is no text: only a file can say it, in quotes",
    "hyperparameters.rank={1: 2},{a: b}": "hyperparameters.rank: 1 is a key that is no text: only a file can say it, "
    "in quotes",
    "+pool.keep_alive_s.x=1": "pool.keep_alive_s: must be 0 to 3600 seconds, or auto, not {'x': 1}",
    "hyperparameters.rank=range(0,1e9,0.5)": "hyperparameters.rank=range(0,1e9,0.5): 2000000000 values: an axis of "
    "fractions has at most 200000",
}


@pytest.mark.parametrize(("word", "line"), WORDS.items(), ids=list(WORDS))
def test_on_the_command_line(project: Any, word: str, line: str) -> None:
    """A word that cannot be read, or that would take away what every sweep has, is refused in words of ours."""
    project.experiment()
    (found,) = project.refused(word)
    assert found.removeprefix("command line: ") in (line, line.split(": ", 1)[1])


def test_a_section_that_holds_nothing_has_nothing_to_vary(project: Any) -> None:
    """A word in the place of a mapping is no base for what is swept below it."""
    project.experiment("sweep: {grid: {hyperparameters.rank: [1, 2]}}\n")
    (line,) = project.refused("hyperparameters=y")
    assert line.startswith("experiments/x.yaml:13:16: hyperparameters.rank: is not a parameter")


def test_an_experiment_is_named(project: Any) -> None:
    """No name, no text, a name that is too long for a file, a folder, a pipe, a link to nowhere: each is said."""
    root = project.root / "experiments"
    project.experiment()
    (root / "folder.yaml").mkdir()
    os.mkfifo(root / "pipe.yaml")
    (root / "link.yaml").symlink_to("nowhere")
    one = "name one experiment: +experiment=NAME, a file of experiments/"
    for word, what in {
        "null": one,
        "": one,
        "folder": "folder.yaml in experiments is a folder",
        "pipe": "pipe.yaml in experiments is no regular file",
        "link": "link.yaml in experiments is a link that leads to no file",
        "x" * 300: f"there is no experiment '{'x' * 300}' in experiments; there is x",
    }.items():
        with pytest.raises(UsageError) as error:
            run([f"+experiment={word}"], lambda sweep: 0)
        assert what in str(error.value)


@pytest.mark.parametrize("name", ["-dash", "with space", "é"])
def test_a_file_whose_stem_is_no_name(project: Any, name: str) -> None:
    """A stem that cannot name a sweep is said of that file, never of our defaults."""
    project.experiment(name=name)
    with pytest.raises(UsageError) as error:
        run([f"+experiment='{name}'"], lambda sweep: 0)
    assert str(error.value).startswith(f"experiments/{name}.yaml:1:1: name: must be letters, digits")


def test_what_the_command_line_names_is_text_of_the_file_system(project: Any) -> None:
    """A file that is no mapping, no UTF-8 or empty is said so at its first wrong character."""
    for content, line in {
        b"42": "1:1: not a mapping: write `key: value` lines",
        b"a: b\nc: \xff": "2:4: is not UTF-8: invalid start byte",
        b"- a": "1:1: not a mapping: write `key: value` lines",
    }.items():
        project.experiment()
        (project.root / "experiments/x.yaml").write_bytes(content)
        assert project.refused() == ["experiments/x.yaml:" + line]


def test_too_many_of_a_thing_are_counted_first(project: Any) -> None:
    """Trials, tries of a rule and keys that vary have an end, told before anything is tried."""
    axes = ", ".join(f"hyperparameters.{name}: {{range: [0, 100000]}}" for name in ("rank", "lr", "a"))
    project.experiment(f"sweep: {{grid: {{{axes.replace('hyperparameters.a', '+hyperparameters.a')}}}}}\n")
    assert project.refused() == ["experiments/x.yaml:13:1: sweep: declares 1e+15 trials: at most 1e+12"]
    for rule in ("when: rank > 1", "only_if: {hyperparameters.rank: lr > 1}"):
        project.experiment(f"sweep: {{grid: {{hyperparameters.rank: {{range: [0, 3000000]}}}}, {rule}}}\n")
        (told,) = project.refused()
        assert told.startswith("experiments/x.yaml:13:1: sweep: exclude, when and only_if are tried on every comb")
    many = ", ".join(f"hyperparameters.k{n}: [1]" for n in range(200))
    project.experiment(f"sweep: {{grid: {{{many}}}}}\n")
    assert project.refused()[0] == "experiments/x.yaml:13:9: sweep.grid: is too long: 200 keys; at most 100"
