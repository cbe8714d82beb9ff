"""Which hyperparameters a script can receive: read, never read, or not told; nobody is alarmed for nothing."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from sweeper.core.argcheck import Unread, Verdict, check
from sweeper.core.model import Launch

HEAD = "import argparse, json, os, sys\nparser = argparse.ArgumentParser()\n"
PARSED = "args = parser.parse_args()\n"
DEPTH = 'parser.add_argument("--max-depth", type=int, default=3)\n'


def judged(names: str, source: str | Mapping[str, str], launch: Launch = Launch.DRIVER, entry: str = "t.py") -> Verdict:
    """What is said of these names; a source is one script, or files by name."""
    files = {entry: source} if isinstance(source, str) else source
    return check(names.split(), launch, entry, files, files.get)


READ = {
    "argparse": HEAD + DEPTH + PARSED,
    "an abbreviation": HEAD + 'parser.add_argument("--max-depth-of-tree")\n' + PARSED,
    "a group": HEAD + 'group = parser.add_argument_group("x")\ngroup.add_argument("--max-depth")\n' + PARSED,
    "click": 'import click\n@click.command()\n@click.option("--max-depth/--no-depth", "d")\ndef main(d): pass\nmain()',
    "absl": "from absl import app, flags\nflags.DEFINE_integer('max-depth', 3, '')\napp.run(lambda _: None)",
    "TensorFlow": "import tensorflow as tf\ntf.compat.v1.flags.DEFINE_integer('max-depth', 3, '')",
    "fire": "import fire\ndef main(max_depth=3): pass\nfire.Fire(main)",
    "typer": "import typer\ndef main(max_depth: int = 3): pass\ntyper.run(main)",
    "a variable": "import os\nd = int(os.environ['SM_HP_MAX_DEPTH'])",
    "SM_HPS": "import json, os\nhps = json.loads(os.environ['SM_HPS'])\nd = hps.get('max-depth', 3)",
    "the file": "import json\nwith open('/opt/ml/input/config/hyperparameters.json') as f:\n    h = json.load(f)\n"
    "if 'max-depth' in h:\n    print(h)",
}


@pytest.mark.parametrize("kind", READ)
def test_what_a_script_reads_is_read(kind: str) -> None:
    """In each of the ways that scripts have; the name beside it, which it has not, is never read."""
    assert judged("max-depth n_estimators", READ[kind]) == Verdict(
        "t.py", ("max-depth",), (Unread("n_estimators", ""),)
    )


CLOSED = {
    "known arguments": HEAD + DEPTH + "args, _ = parser.parse_known_args()\n",
    "the first of the pair": HEAD + DEPTH + "args = parser.parse_known_args()[0]\n",
    "the rest is printed": HEAD + DEPTH + "args, rest = parser.parse_known_args()\nif rest:\n    print(f'no {rest}')\n",
    "a function that returns the pair": "import argparse\ndef parsed():\n    p = argparse.ArgumentParser()\n"
    "    p.add_argument('--max-depth')\n    return p.parse_known_args()\nargs, unknown = parsed()\n",
    "main is given the arguments": HEAD
    + DEPTH
    + "def main(argv=None):\n    parser.parse_args(argv)\nmain(sys.argv[1:])",
    "it installs a package": HEAD
    + DEPTH
    + PARSED
    + "import subprocess\nsubprocess.check_call([sys.executable, '-m', 'pip', 'install', 'x'])",
    "a variable of the environment": HEAD
    + 'parser.add_argument("--max-depth", default=os.environ.get("SM_X"))\n'
    + PARSED,
    "it shows the environment": HEAD + DEPTH + PARSED + "for k, v in os.environ.items():\n    print(k, v)",
    "it says its name": HEAD + DEPTH + PARSED + "print(sys.argv[0], len(sys.argv))",
}


@pytest.mark.parametrize("kind", CLOSED)
def test_a_name_with_the_wrong_dashes_is_never_read(kind: str) -> None:
    """`--max_depth` against `--max-depth`: told with the name that the script has."""
    assert judged("max_depth", CLOSED[kind]) == Verdict("t.py", (), (Unread("max_depth", "--max-depth"),))


OPEN = {
    "a name that is made": HEAD + "for n in ('a', 'b'):\n    parser.add_argument('--' + n)\n" + PARSED,
    "names from elsewhere": HEAD + DEPTH + "parser.add_argument(*names())\n" + PARSED,
    "the rest is used": HEAD + DEPTH + "args, rest = parser.parse_known_args()\ntrain(rest)",
    "the command line": "import sys\nfor word in sys.argv[1:]:\n    print(word)",
    "arguments that are made": HEAD + DEPTH + "parser.parse_args([a.replace('_', '-') for a in sys.argv[1:]])",
    "a function that looks at them": HEAD + DEPTH + PARSED + "def f(a):\n    return dict(a)\nf(sys.argv[1:])",
    "subcommands": HEAD + DEPTH + "parser.add_subparsers()\n" + PARSED,
    "a package adds options": HEAD + DEPTH + "import deepspeed\ndeepspeed.add_config_arguments(parser)\n" + PARSED,
    "a package's parser": "import lib\nparser = lib.parser()\nparser.add_argument('--max-depth')\nparser.parse_args()",
    "a parser of its own kind": HEAD + DEPTH + "class P(argparse.ArgumentParser): pass\n" + PARSED,
    "transformers": "from transformers import HfArgumentParser, TrainingArguments\nHfArgumentParser(TrainingArguments)",
    "hydra": "import hydra\n@hydra.main()\ndef main(cfg): pass\nmain()",
    "exec": HEAD + DEPTH + PARSED + "exec(open('more.py').read())",
    "another program": HEAD + DEPTH + PARSED + "import subprocess\nsubprocess.run(['python', 'more.py'])",
    "a module by name": HEAD + DEPTH + PARSED + "import importlib\nimportlib.import_module(args.module)",
    "variables by name": "import os\nd = os.environ['SM_HP_' + name.upper()]",
    "the whole environment": "import os\nh = {k[6:]: v for k, v in os.environ.items() if k.startswith('SM_HP')}",
    "every file of the folder": "import glob, json\nfor p in glob.glob('/opt/ml/input/config/*.json'):\n    print(p)",
    "optparse": "import optparse\np = optparse.OptionParser()\np.add_option('--max-depth')\np.parse_args()",
    "all of SM_HPS": "import json, os\nhps = json.loads(os.environ['SM_HPS'])\ntrain(**hps)",
    "the file, by another way": "import yaml\nh = yaml.safe_load(open('/opt/ml/input/config/hyperparameters.json'))",
    "a package that nobody knows": "import mystery\nmystery.train()",
    "click commands": "import click\n@click.group()\ndef main(): pass",
    "keywords of fire": "import fire\ndef main(**kwargs): pass\nfire.Fire(main)",
    "no Python of today": "print 'hello'",
}


@pytest.mark.parametrize("kind", OPEN)
def test_what_leaves_a_way_open_is_not_told(kind: str) -> None:
    """No alarm where a name may be read in a way that is not seen; there is a reason."""
    found = judged("max_depth", OPEN[kind])
    assert (found.unread, found.unknown) == ((), ("max_depth",))
    assert found.why


def test_modules_of_the_source_are_looked_into() -> None:
    """Wherever they lie in it, relative imports too; what lies in it and is not imported does not count."""
    source = {
        "src/train.py": "from pkg.options import parser\nparser.add_argument('--a')\nparser.parse_args()",
        "src/pkg/__init__.py": "",
        "src/pkg/options.py": "from .more import parser\nparser.add_argument('--b')",
        "src/pkg/more.py": "import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument('--c')",
        "src/other.py": "parser.add_argument('--d')",
    }
    found = judged("a b c d", source, entry="src/train.py")
    assert (found.read, found.unread) == (("a", "b", "c"), (Unread("d", ""),))


def test_a_script_that_reads_nothing_is_told() -> None:
    """It imports what everybody knows and looks at nothing."""
    assert judged("lr", "import numpy\nprint('accuracy=1')").unread == (Unread("lr", ""),)


def test_the_toolkit_gives_a_letter_one_dash() -> None:
    """-K is an option of one letter; our driver gives --K."""
    script = HEAD + 'parser.add_argument("-K")\n' + PARSED
    assert judged("K", script, Launch.TOOLKIT).read == ("K",)
    assert judged("K", script).unread == (Unread("K", "-K"),)


def test_what_is_not_a_python_script_is_not_told() -> None:
    """A shell script, and a package that the toolkit starts by its name."""
    assert judged("lr", "python train.py $@", entry="go.sh").unknown == ("lr",)
    files = {"t.py": HEAD + PARSED, "setup.py": ""}
    assert judged("lr", files, Launch.TOOLKIT).unknown == ("lr",)
