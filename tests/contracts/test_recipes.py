"""The recipes of docs/contributing, followed to the letter in a copy of the code: what they promise is so."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent, indent

ROOT = Path(__file__).parents[2]
SCHEMA = ("sweeper.config.schema", "conf/schema")
DERIVED = (
    SCHEMA,
    ("sweeper.config.defaults", "conf"),
    ("sweeper.config.reference", "docs/experiment-file.md"),
)
"""What `make docs` writes anew of the code: modules with their arguments."""


def written(*modules: tuple[str, ...]) -> str:
    """The code that runs these modules as `python -m` does, one after another: they and a suite share one process."""
    lines = [f"sys.argv = {list(words)}; runpy.run_module({words[0]!r}, run_name='__main__')" for words in modules]
    return "\n".join(["import runpy, sys", *lines])


def blocks(recipe: str, language: str) -> list[str]:
    """The code of a recipe, a block each."""
    page = (ROOT / "docs/contributing" / recipe).read_text(encoding="utf-8")
    return [dedent(code) for code in re.findall(rf"^ *```{language}\n(.*?)^ *```", page, re.MULTILINE | re.DOTALL)]


def copied(copy: Path, *names: str) -> None:
    """Put these files and folders into the copy, with the code and its defaults."""
    for name in ("sweeper", "conf", "pyproject.toml", *names):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            # with what Python has compiled, which fits files of the same age; not with what it is compiling now
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("*.pyc.*"))
        else:
            shutil.copy2(ROOT / name, copy / name)


def insert(file: Path, before: str, text: str) -> None:
    """Put a text before another, which stands there once."""
    content = file.read_text(encoding="utf-8")
    assert content.count(before) == 1
    file.write_text(content.replace(before, text + before), encoding="utf-8")


def passed(copy: Path, kind: str, suite: str, first: str = "") -> int:
    """How many tests of a suite have this kind in their name; all of them pass. `first`: what is run before them."""
    words = ["-q", "--noconftest", "-p", "no:cacheprovider", "-k", kind, suite]
    said = run(copy, "-c", f"{first}\nimport sys, pytest\nsys.exit(pytest.main({words}))")
    found = re.search(r"^(\d+) passed", said, re.MULTILINE)
    assert found, said
    return int(found[1])


def run(copy: Path, *words: str) -> str:
    """What Python says with the copy as its sweeper; it ends well."""
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    ended = subprocess.run([sys.executable, *words], cwd=copy, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_a_backend_is_two_files_and_a_line(tmp_path: Path) -> None:
    """The recipe's own backend is in the schema, and holds the contract."""
    copied(tmp_path, "tests/contracts", "tests/core", "tests/laws", "tests/own_backend.py")
    module, line = blocks("backend.md", "python")
    (defaults,) = blocks("backend.md", "yaml")
    (tmp_path / "sweeper/backends/training_plan.py").write_text(module)
    (tmp_path / "conf/backend/training_plan.yaml").write_text(defaults)
    registry = tmp_path / "sweeper/backends/__init__.py"
    insert(registry, "from sweeper.backends.warm_pool", "from sweeper.backends.training_plan import TrainingPlan\n")
    registry.write_text(re.sub(r"^KINDS: .*\n", line, registry.read_text(), flags=re.MULTILINE))

    assert passed(tmp_path, "training_plan", "tests/contracts/test_backends.py", first=written(SCHEMA)) >= 10
    schema = json.loads((tmp_path / "conf/schema/experiment.json").read_text())
    assert "training_plan" in json.dumps(schema["properties"]["backend"]["properties"]["kind"])


def test_a_stop_rule_is_a_file_and_a_line(tmp_path: Path) -> None:
    """The recipe's own rule is in the schema, the defaults and the reference, and holds the contract."""
    copied(tmp_path, "docs/experiment-file.md", "tests/contracts", "tests/own_stop_rule.py", "tests/own_backend.py")
    module, line = blocks("stop-rule.md", "python")
    (tmp_path / "sweeper/core/stop/max_wasted_s.py").write_text(module)
    registry = tmp_path / "sweeper/core/stop/__init__.py"
    insert(registry, "from sweeper.core.stop.no_improve", "from sweeper.core.stop.max_wasted_s import MaxWasted\n")
    registry.write_text(re.sub(r"^KINDS: .*?^}\n", line, registry.read_text(), flags=re.MULTILINE | re.DOTALL))

    assert passed(tmp_path, "max_wasted_s", "tests/contracts/test_stop_rules.py", first=written(*DERIVED)) >= 7
    schema = json.loads((tmp_path / "conf/schema/experiment.json").read_text())
    assert "max_wasted_s" in schema["properties"]["stop"]["properties"]
    assert "\n| `max_wasted_s` | number" in (tmp_path / "docs/experiment-file.md").read_text()
    assert "\n  max_wasted_s: null # End when trials" in (tmp_path / "conf/config.yaml").read_text()


def test_a_tracker_is_a_file_and_a_line(tmp_path: Path) -> None:
    """The recipe's own tracker holds the contract: its options are in the schema, it is told each trial once."""
    copied(tmp_path, "tests/contracts", "tests/laws", "tests/own_backend.py", "tests/own_tracker.py")
    module, line, row = blocks("tracker.md", "python")
    (tmp_path / "sweeper/tracking/csv_lines.py").write_text(module)
    registry = tmp_path / "sweeper/tracking/__init__.py"
    own = "from sweeper.tracking.csv_lines import CsvLines\n"
    insert(registry, "from sweeper.tracking.optuna_journal import", own)
    registry.write_text(re.sub(r"^OURS: .*\n", line, registry.read_text(), flags=re.MULTILINE))
    insert(tmp_path / "tests/contracts/test_trackers.py", "    found = kinds[request.param]\n", indent(row, "    "))

    assert passed(tmp_path, "csv_lines", "tests/contracts/test_trackers.py") >= 2


def test_a_failure_class_is_a_row(tmp_path: Path) -> None:
    """The recipe's own class is in the schema, which grows by its words alone, and in the reference, and holds."""
    copied(tmp_path, "docs/experiment-file.md", "tests/contracts", "tests/core", "tests/laws")
    (row,) = blocks("failure-class.md", "python")
    insert(tmp_path / "sweeper/core/failures.py", "    THROTTLING = Row(", indent(row, "    "))

    before = (tmp_path / "conf/schema/experiment.json").read_text().count("\n")
    assert passed(tmp_path, "collective_timeout", "tests/contracts/test_failures.py", first=written(*DERIVED)) >= 8
    schema = (tmp_path / "conf/schema/experiment.json").read_text()
    assert "collective_timeout" in json.loads(schema)["properties"]["on_failure"]["properties"]
    assert schema.count("\n") <= before + 5
    assert "| `collective_timeout` |" in (tmp_path / "docs/experiment-file.md").read_text()


def test_a_verb_is_a_file_and_a_line(tmp_path: Path) -> None:
    """The recipe's own verb is in the help, on the page, and takes what its line says."""
    copied(tmp_path, "docs/command-line.md", "tests/documented.py", "tests/test_command_line.py", "tests/config")
    module, line = blocks("verb.md", "python")
    (page,) = blocks("verb.md", "markdown")
    (tmp_path / "sweeper/commands/best.py").write_text(module)
    insert(tmp_path / "sweeper/commands/__init__.py", '        Verb("retry",', f"        {line.strip()},\n")
    insert(tmp_path / "docs/command-line.md", "## Exit codes\n", page.replace("~~~", "```") + "\n")

    documented = written(("tests.documented",))
    assert passed(tmp_path, "best", "tests/test_command_line.py", first=documented) >= 4
