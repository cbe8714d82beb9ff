"""What people and machines write by mistake, drawn by number: files of a project, and command lines.

The same number is the same input on every machine. Nothing here knows what sweeper makes of it.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from sweeper.config.schema import ENGINES, SECTIONS
from sweeper.engine.settings import EngineSettings

BASE: Mapping[str, Any] = {
    "locked": {"role_arn": "arn:aws:iam::123456789012:role/sweeper", "instance_type": "ml.g5.xlarge"},
    "job": {
        "image_uri": "repository/train:1",
        "source_dir": "code",
        "entry_script": "train.py",
        "max_runtime_s": 600,
        "metrics": [{"name": "accuracy", "regex": "accuracy=(.+)"}],
    },
    "hyperparameters": {"rank": 8, "lr": 0.01, "seed": 1},
    "environment": {"MODE": "fast"},
    "sweep": {"grid": {"hyperparameters.rank": [1, 2, 4]}},
    "objective": {"metric": "accuracy", "goal": "maximize"},
}
"""An experiment with which nothing is wrong."""


def listed(text: str) -> list[str]:
    """The words of a text."""
    return text.split()


class Raw(str):
    """A piece of YAML as it stands."""


def yaml_of(value: Any) -> str:
    """A value as YAML in one line."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, Mapping):
        return (
            "{"
            + ", ".join(f"{key if isinstance(key, Raw) else text(key)}: {yaml_of(v)}" for key, v in value.items())
            + "}"
        )
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(yaml_of, value)) + "]"
    return text(value) if isinstance(value, str) else json.dumps(value)


def text(value: str) -> str:
    """Text in quotes."""
    return "'" + value.replace("'", "''") + "'"


WORDS = listed(
    r"""
    null ~ yes no on off y n true FALSE 1 -1 0 1.5 1e3 1e400 -1e400 .inf -.inf .nan 0x1F 0o17 0b1 017 08 1_000 12:30
    190:20:30 2001-01-01 2001-12-14t21:59:43.10-05:00 = << [] {} [[]] [null] [1,a,{}] {a:1} {a:{b:{c:1}}} '' "" ' '
    "\0" "\n" "\u202e" "\ud800" !!binary;aGk= !!set;{a} !!omap;[a:1] !!python/object/apply:os.getcwd;[] !!int;x
    !!int;'' !!float;y !!str;5 !!null;x !!bool;maybe !!timestamp;2001-01-01 !foo;bar !;x ${ ${} ${x} ${vars.} ${.}
    ${..} ${oc.env:NOPE} ${oc.env:HOME} ${oc.decode:"{"} ${now:} ${now:%Y} ${hydra:job.num} ${prev:x}
    ${prev:accuracy} ${prev:} ${a:b} ${a:${b}} ${oc.create:{a:1}} ${oc.dict.keys:locked} ${oc.select:x,1}
    ${hyperparameters.rank} ${hyperparameters} ${job} ${sweep} ${locked.instance_type} ??? é 日本 🎉 &a;x *a @x `x %x !
    & * > | # ? - ] } , : "\x1b[31m" +1 -0 . .. ../.. / /dev/zero /dev/null /bin/sh ../code/train.py code code/
    train.py C:\x s3:// s3:/// S3://b/p s3://b s3://b/p file:///etc http://x arn:aws:s3:::b g5.xlarge ml.
    ML.G5.XLARGE us-east-1 5m 1h max min maximise >= == TRUE Null NULL A,B 1,2 range(1,5) range(1,1e9)
    range(0,1e9,0.5) range(5,1) range(1,5,0) choice(a,b) interval(0,1) glob(*) sort(1,2) shuffle(1,2) tag(a,1)
    int(x) float(1,2) json_str(a) {range:[0,1e9,1]} {range:[0,1e9,0.1]} {range:[0,1,0]} {range:[0,.inf,1]}
    {linspace:[0,1,1]} {linspace:[0,1,1e9]} {linspace:[0,1,.nan]} {logspace:[0,1,3]} {logspace:[1,1e300,3]}
    {quniform:[0,1e308,1e-308]} {qnormal:[0,1,0]} {lognormal:[800,9]} {normal:[0,-1]} {qlograndint:[1,8,9]}
    {uniform:[0,1]} {loguniform:[0,1]} {int:[1,0]} {choice:[]} {int:[0,1e400]} {uniform:[a,b]} {on:1} {1:x} {null:1}
    {[a]:1} {?:1} {"":1} {a.b:1} {a..b:1} {.:1} {"a=b":1} {"a b":1} {é:1}
"""
)
"""Words that mean something else than they look like, or nothing; `;` stands for a blank."""

LONG: Sequence[Raw] = [
    Raw("x" * 300),
    Raw("x" * 100_000),
    Raw("'" + "a b " * 20_000 + "'"),
    Raw("9" * 30),
    Raw("9" * 400),
    Raw("9" * 5_000),
    Raw("0." + "3" * 5_000),
    Raw("[" * 30 + "]" * 30),
    Raw("[" * 900 + "]" * 900),
    Raw("{a: " * 60 + "1" + "}" * 60),
    Raw("[" + "1, " * 5_000 + "2]"),
    Raw("[" + "1, " * 60_000 + "2]"),
    Raw("{" + ", ".join(f"k{i}: {i}" for i in range(1_000)) + "}"),
    Raw("{" + ", ".join(f"k{i}: {i}" for i in range(30_000)) + "}"),
    Raw("[" + "{a: 1}, " * 3_000 + "2]"),
]


def word(draw: random.Random) -> Raw:
    """An odd value."""
    return (
        draw.choice(LONG) if draw.random() < 0.08 else Raw(draw.choice(WORDS).replace(";", " ").replace(":", ": ", 0))
    )


def deep(draw: random.Random, depth: int = 0) -> Any:
    """An odd value, or a list or a mapping of some."""
    kind = draw.random()
    if kind < 0.7 or depth > 2:
        return word(draw)
    if kind < 0.85:
        return [deep(draw, depth + 1) for _ in range(draw.randrange(4))]
    return {(word(draw) if draw.random() < 0.5 else f"k{i}"): deep(draw, depth + 1) for i in range(draw.randrange(4))}


# -- keys ---------------------------------------------------------------------------------------------------------


def keys_of(schema: Mapping[str, Any], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every key that a schema knows."""
    found = [path] if path else []
    for name, part in schema.get("properties", {}).items():
        found += keys_of(part, (*path, name))
    for option in schema.get("anyOf", []):
        found += [key for key in keys_of(option, path) if key != path]
    return list(dict.fromkeys(found))


KEYS = [
    *(key for name, schema in SECTIONS.items() for key in keys_of(schema, (name,))),
    *(key for schema in ENGINES.values() for key in keys_of(schema, ("engine",))),
    *((name,) for name in ("engine", "backend", "defaults", "hydra", "experiment", "vars", "sweeper", "<<")),
    *(("hyperparameters", name) for name in ("rank", "x=y", "on", "1", "a.b", "-x", " ", "model")),
    *(("environment", name) for name in ("MODE", "A B", "1", "PATH", "x=y")),
    *(("dependencies", name) for name in ("six", "a/b", "")),
    *(("job", "inputs", name) for name in ("train", "a b")),
    *(("hydra", *rest.split(".")) for rest in ("sweeper", "sweeper.params", "callbacks", "job.name", "searchpath")),
    *(("sweep", form, "hyperparameters.lr") for form in ("grid", "zip")),
    *(("sweep", form, "of", "hyperparameters.lr") for form in ("random", "optuna")),
    ("sweep", "points", "a"),
    ("sweep", "points", "a", "hyperparameters.lr"),
    ("on_failure", "out_of_memory", "patch", "hyperparameters.rank"),
    ("on_failure", "dependency", "next", "dependencies.six"),
]
NEEDS: Mapping[tuple[str, ...], Any] = {
    ("sweep", "random"): {"count": 3, "of": {"hyperparameters.lr": [1, 2]}},
    ("sweep", "optuna"): {"count": 3, "of": {"hyperparameters.lr": {"uniform": [0, 1]}}},
    ("stop", "until"): {"metric": "accuracy", "op": ">=", "value": 1},
}
"""What stands beside a key, so that a mistake in one of them is the only one."""


def put(tree: Mapping[str, Any], path: Sequence[str], value: Any) -> dict[str, Any]:
    """The tree with this value at this path; what stood in its way is replaced."""
    found = dict(tree)
    head, *rest = path
    below = found.get(head)
    found[head] = put(below if isinstance(below, Mapping) else {}, rest, value) if rest else value
    return found


def written(tree: Any) -> str:
    """The file: a section a line."""
    if not isinstance(tree, Mapping):
        return yaml_of(tree)
    return "".join(f"{key}: {yaml_of(value)}\n" for key, value in tree.items())


# -- files --------------------------------------------------------------------------------------------------------


def a_key(draw: random.Random) -> str:
    """One key, or a few, with an odd value."""
    tree: Mapping[str, Any] = BASE
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        path = draw.choice(KEYS)
        for needed, beside in NEEDS.items():
            if path[: len(needed)] == needed and path != needed:
                tree = put(put(tree, ("sweep", "grid"), Raw("null")) if "optuna" in path else tree, needed, beside)
        tree = put(tree, path, deep(draw))
    return written(tree)


def a_section(draw: random.Random) -> str:
    """A section that is something else, stands twice, or is none."""
    name = draw.choice([*SECTIONS, "engine", "defaults", "hydra", "<<", *draw.sample(WORDS, 3)])
    return written(BASE) + f"{name}: {yaml_of(deep(draw))}\n"


def a_whole_file(draw: random.Random) -> str:
    """No mapping at all."""
    return yaml_of(deep(draw))


def a_torn_file(draw: random.Random) -> str:
    """Cut, doubled, or with letters that somebody's elbow has typed."""
    good = written(BASE)
    at, way = draw.randrange(len(good)), draw.randrange(6)
    signs = "".join(draw.choice("{}[]:,'\"#&*!|>%@`\t\n -?=\0\x1b\ufeff${") for _ in range(draw.randrange(1, 4)))
    return (
        good[:at],
        good[:at] + signs + good[at:],
        good[:at] + good[at + draw.randrange(1, 9) :],
        good + "---\n" + good,
        good.replace("\n", "\r\n").replace(" ", "\t", draw.randrange(3)),
        "\ufeff" + good[:at] + good[:at] + good[at:],
    )[way]


def an_alias(draw: random.Random) -> str:
    """Aliases that multiply, that lead back, that are merged."""
    levels, times = draw.randrange(1, 12), draw.randrange(1, 12)
    lines = ["  l0: &l0 [x]" if draw.random() < 0.5 else "  l0: &l0 {x: 1}"]
    for level in range(1, levels):
        few = ", ".join([f"*l{level - 1}"] * times)
        own = ", ".join(f"k{i}: *l{level - 1}" for i in range(times))
        lines.append(f"  l{level}: &l{level} " + draw.choice([f"[{few}]", f"{{{own}}}", f"{{<<: [{few}]}}"]))
    last = draw.choice([f"*l{levels - 1}", "&c [*c]", "&c {a: *c}", "&c {<<: *c}", "*nowhere"])
    where = draw.choice(("vars", "hyperparameters", "environment", "anchors", "sweep"))
    return (
        written(BASE) + f"{where}2: 1\n" * (draw.random() < 0.1) + "vars:\n" + "\n".join(lines) + f"\n  last: {last}\n"
    )


ENTRIES = listed(
    r"""
    x _self_ other nope ../x /x /backend {backend:spot} {/backend:spot} {override/backend:spot}
    {override;/backend:spot} {override;/backend:[spot,batch]} {optional;nope:x} {backend:null} {backend@x:spot}
    {/engine:aws} {a:1,b:2} {experiment:x} {/experiment:x} {override;/experiment:x} {hydra/launcher:basic}
    {/hydra/callbacks:x} {/evil@hydra.callbacks:x} ${vars.x} {backend:${vars.x}} 1 null [x] {1:2} {} '' {size:big}
    {size:[big,small]} {/size:nope}
"""
)


def defaults(draw: random.Random) -> str:
    """A defaults list that leads nowhere, back, or elsewhere."""
    entries = [Raw(entry) for entry in ENTRIES]
    several = [Raw(draw.choice(entries).replace(";", " ").replace(":", ": ")) for _ in range(draw.randrange(1, 4))]
    value: Any = several if draw.random() < 0.8 else deep(draw)
    return f"defaults: {yaml_of(value)}\n" + written(BASE)


def many(draw: random.Random) -> str:
    """A great deal of something."""
    count = draw.choice((200, 5_000, 100_000))
    forms: Sequence[Callable[[], str]] = (
        lambda: "sweep: {points: {" + ", ".join(f"p{i}: {{hyperparameters.rank: {i}}}" for i in range(count)) + "}}\n",
        lambda: "sweep: {grid: {hyperparameters.rank: [" + ", ".join(map(str, range(count))) + "]}}\n",
        lambda: f"sweep: {{grid: {{hyperparameters.rank: {{range: [0, {count}0000]}}}}}}\n",
        lambda: (
            "sweep: {grid: {"
            + ", ".join(f"hyperparameters.{k}: {{range: [0, {count}]}}" for k in ("rank", "lr", "seed"))
            + "}}\n"
        ),
        lambda: (
            "sweep: {grid: {" + ", ".join(f"+hyperparameters.k{i}: [1, 2]" for i in range(min(count, 5000))) + "}}\n"
        ),
        lambda: "vars: {" + ", ".join(f"k{i}: {i}" for i in range(count)) + "}\n",
        lambda: "vars: {a: '" + "x" * count * 20 + "'}\n",
        lambda: "vars: {a: " + "[" * min(count, 900) + "]" * min(count, 900) + "}\n",
        lambda: "vars:\n" + "".join("  " * i + f"k{i}:\n" for i in range(1, min(count, 600))),
        lambda: f"sweep: {{random: {{count: {count}0, of: {{hyperparameters.lr: {{uniform: [0, 1]}}}}}}}}\n",
        lambda: (
            f"sweep: {{grid: {{hyperparameters.rank: {{range: [0, {count}]}}}}, when: 'rank % 7 == 3', "
            f"repeat: {min(count, 9999)}}}\n"
        ),
        lambda: "sweep: {exclude: [" + ", ".join(f"{{hyperparameters.rank: {i}}}" for i in range(count)) + "]}\n",
        lambda: (
            "sweep: {concat: [" + ", ".join(f"{{grid: {{hyperparameters.rank: [{i}]}}}}" for i in range(count)) + "]}\n"
        ),
        lambda: (
            "sweep: {when: '"
            + draw.choice(("(" * count, "not " * 300 + "1", "1+" * 400 + "1", "rank" + ".x" * 400))
            + "'}\n"
        ),
        lambda: "job: {metrics: [" + ", ".join(f"{{name: m{i}, regex: '(x)'}}" for i in range(count)) + "]}\n",
        lambda: "\n" * count + "#" * count,
    )
    sections = {key: value for key, value in BASE.items() if key not in ("sweep", "job")}
    job = written({"job": BASE["job"]})
    made = draw.choice(forms)()
    return written(sections) + (made if made.startswith("job") else job + made)


FORMS = listed(
    r"""
    grid:{hyperparameters.lr:WORD} grid:{WORD:[1]} grid:{+hyperparameters.new:WORD}
    zip:{hyperparameters.lr:WORD,hyperparameters.rank:WORD} zip:[{hyperparameters.lr:WORD}]
    points:{WORD:{hyperparameters.lr:1}} points:{a:{WORD:1}} points:{a:WORD}
    random:{count:WORD,of:{hyperparameters.lr:[1]}} random:{count:3,of:{hyperparameters.lr:WORD}}
    random:{count:3,seed:WORD,of:{WORD:[1]}} exclude:[WORD] exclude:WORD when:WORD when:[WORD,WORD]
    exclude:[{WORD:1}] exclude:[{hyperparameters.rank:WORD}] concat:[WORD] concat:[{grid:WORD}] first:[WORD]
    first:[{WORD:1}] first:[{hyperparameters.lr:WORD}] repeat:WORD repeat:{times:WORD} repeat:{times:2,seed:WORD}
    cumulative:WORD optuna:{count:WORD,of:{hyperparameters.lr:[1]}} optuna:{count:3,of:{hyperparameters.lr:WORD}}
    optuna:{count:3,sampler:WORD,of:{hyperparameters.lr:[1]}} WORD:1 WORD:WORD
"""
)
RULES = (
    """
rank>8|rank=8|rank|1|''|rank>|(rank|rank>'a'|lr in [1]|rank in rank|__import__('os')|rank.x|x.y.z
lambda: 1|rank if 1 else 2|9**9**9|9*9|1/0|rank/0>1|rank%0|-rank|not|[i for i in rank]|rank[0]
f'{rank}'|min()|max(rank,'a')|int('x')|round(1e400)|abs(rank)|'a'*9|rank and lr or|é>1
hyperparameters.rank>1|vars.x>1|locked.instance_type=='a'|MODE=='fast'|job.metrics|1<2<3|rank is 1
rank:=1|*rank|...|b'x'|1j|1e400>rank|None|True
""".replace("\n", "|")
    .strip("|")
    .split("|")
)


def a_form(draw: random.Random) -> str:
    """A form of the sweep with odd words in it."""
    sweep = [draw.choice(FORMS) for _ in range(draw.choice((1, 1, 2)))]
    said = ", ".join(form.replace(":", ": ").replace("WORD", "\0") for form in sweep)
    while "\0" in said:
        odd = text(draw.choice(RULES)) if draw.random() < 0.3 else yaml_of(deep(draw))
        said = said.replace("\0", odd.replace("\0", ""), 1)
    return written({key: value for key, value in BASE.items() if key != "sweep"}) + "sweep: {" + said + "}\n"


FILES: Sequence[Callable[[random.Random], str]] = (
    a_key,
    a_key,
    a_key,
    a_key,
    a_section,
    a_whole_file,
    a_torn_file,
    an_alias,
    defaults,
    many,
    a_form,
    a_form,
)


def no_file(draw: random.Random, path: Path) -> None:
    """Something in the place of a file: a folder, a pipe, a link to nowhere, to itself, or to what never ends."""
    way = draw.randrange(7)
    if way == 0:
        path.mkdir()
    elif way == 1:
        os.mkfifo(path)
    elif way == 2:
        path.write_bytes(bytes(draw.randrange(256) for _ in range(draw.randrange(1, 400))))
    elif way == 3:
        path.write_bytes(b"a: " + b"x" * draw.choice((10, 20_000_000)))
    else:
        path.symlink_to(("nowhere", path.name, "/dev/zero", "/dev/null")[way - 4 if way < 7 else 3])


def project(number: int, root: Path) -> Sequence[str]:
    """Write bad file number so and so into a project; returns the words with which it is asked for."""
    draw = random.Random(f"file {number}")
    (root / "code").mkdir(parents=True)
    (root / "code/train.py").write_text("print('accuracy=1')\n")
    (root / "experiments").mkdir()
    (root / "conf/size").mkdir(parents=True)
    (root / "conf/size/small.yaml").write_text("# @package _global_\nhyperparameters: {rank: 1}\n")
    big = root / "conf/size/big.yaml"
    file = root / "experiments/x.yaml"
    (root / "experiments/other.yaml").write_text("defaults: [x, _self_]\n")
    big.write_text("# @package _global_\nhyperparameters: {rank: 64}\n")
    if draw.random() < 0.04:
        no_file(draw, file)
    else:
        made = draw.choice(FILES)(draw)
        if draw.random() < 0.12:
            big.write_bytes(
                (draw.choice(("# @package _global_\n", "", "# @package hydra\n", "# @package\n")) + made).encode(
                    "utf-8", "replace"
                )
            )
            file.write_text(written(BASE))
            return ["+experiment=x", "+size=big"]
        file.write_bytes(made.encode("utf-8", "replace"))
    return ["+experiment=x", *(["-m"] if draw.random() < 0.1 else [])]


# -- command lines ------------------------------------------------------------------------------------------------

ODD = listed(
    r"""
    x y nope 0 -1 1e9 9999999999999999999999 1.5 nan '' . .. / ../.. * ~ % + = == =x x= +x +x= ++x=1 ~x ~x=1 @ x@y=1
    a/b a\b x,y [ ] { } [1 {a:1} true null None on é 日本 🎉 BYTES - -- --- -x -h --help --json --all --requests --nope
    --cfg --cfg=job --info --resolve -c -m -r --multirun --package -p --version --shell-completion --hydra-help
    --experimental-rerun=x --config-dir=. --config-dir --config-name=x +experiment=x +experiment=y +experiment=null
    +experiment= experiment=x +experiment=x,y +experiment=../x +experiment=[x] ~experiment +experiment=x.yaml
"""
)
OVERRIDES = listed(
    r"""
    KEY=WORD +KEY=WORD ++KEY=WORD ~KEY ~KEY=WORD KEY=WORD,WORD KEY=[WORD,WORD] KEY={a:WORD} KEY={WORD:1} KEY="WORD"
    KEY='WORD' KEY=\WORD KEY.x=WORD KEY.0=WORD SECTION=WORD +SECTION=WORD ~SECTION SECTION={WORD:WORD}
    SECTION/x=WORD +SECTION@x=WORD SECTION@WORD=x WORD=WORD +WORD=WORD ~WORD hydra.WORD=1
    +hydra.sweeper.params.x=WORD hydra/WORD=x backend=WORD engine=WORD prices=WORD +size=WORD size=WORD
    backend=spot,batch ~backend ~engine KEY=range(WORD,WORD) KEY=choice(WORD) KEY=glob(WORD) KEY=sort(WORD,WORD)
    KEY=interval(0,1) KEY=int(WORD) KEY=tag(WORD,1) KEY=${WORD}
"""
)
VERBS = [
    *listed(
        "status list logs report stop skip add add pools engine engine clean retry verify simulate complete help nope"
    ),
    *["plan"] * 6,
    "x" * 300,
    "",
]


def an_override(draw: random.Random) -> str:
    """A word that may be `KEY=VALUE`."""
    form = draw.choice(OVERRIDES)
    for name in ("KEY", "SECTION", "WORD"):
        while name in form:
            odd = draw.choice(WORDS).replace(";", " ") if draw.random() < 0.97 else "x" * draw.choice((300, 120_000))
            section = draw.choice([*SECTIONS, "engine", "experiment"])
            value = {"KEY": ".".join(draw.choice(KEYS)), "SECTION": section, "WORD": odd}[name]
            form = form.replace(name, value.replace("WORD", "word"), 1)
    return form


def a_setting(draw: random.Random) -> list[str]:
    """`engine serve` that cannot serve, whatever its settings: its folder is a file."""
    key = draw.choice([*(field.name for field in fields(EngineSettings)), "nope", ""])
    value = draw.choice([*ODD, "{}", "[]", "-1e400", "65536", '"x"', "[1,-1]", '{"ml.x": -1}', '{"x": "y"}'])
    more = draw.choice(([], ["--detach"], ["--port", value]))
    return ["serve", "--state-dir", "code/train.py", "--set", f"{key}={value}", *more]


def command_line(number: int, root: Path) -> list[str]:
    """Write a good project, and return command line number so and so for it; no word of it runs an experiment."""
    draw = random.Random(f"words {number}")
    if not (root / "code").exists():
        (root / "code").mkdir(parents=True)
        (root / "code/train.py").write_text("print('accuracy=1')\n")
        (root / "experiments").mkdir()
        (root / "conf/size").mkdir(parents=True)
        (root / "conf/size/small.yaml").write_text("# @package _global_\nhyperparameters: {rank: 1}\n")
        (root / "conf/size/odd.yaml").write_text("[")
        (root / "experiments/x.yaml").write_text(written(BASE))
    verb = draw.choice(VERBS)
    few = draw.randrange(4)
    if verb == "engine" and draw.random() < 0.7:
        return ["engine", *a_setting(draw)]
    words = [draw.choice(ODD) if draw.random() < 0.7 else an_override(draw) for _ in range(few)]
    if verb in ("plan", "simulate"):
        overrides = [an_override(draw) for _ in range(draw.randrange(1, 4))]
        words = ["+experiment=x", *overrides, *words[: few if draw.random() < 0.3 else 0]]
        words += ["--seeds", draw.choice(("1", "1", "2", "x", "-1", "0"))] if verb == "simulate" else []
    elif verb in ("add", "skip", "logs", "retry", "status"):
        words = [draw.choice(("done", "done", "don", "x")), *words]
    return [verb, *(word.replace("BYTES", "\udcff") for word in words if "serve" not in word)]
