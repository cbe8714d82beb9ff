"""The recipes of docs/contributing, followed to the letter in a copy of the code: what they promise is so."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[2]
COPIED = ("sweeper", "conf", "tests/contracts", "tests/core", "tests/laws", "tests/own_backend.py", "pyproject.toml")


def blocks(recipe: str, language: str) -> list[str]:
    """The code of a recipe, a block each."""
    page = (ROOT / "docs/contributing" / recipe).read_text(encoding="utf-8")
    return [dedent(code) for code in re.findall(rf"^ *```{language}\n(.*?)^ *```", page, re.MULTILINE | re.DOTALL)]


def run(copy: Path, *words: str) -> str:
    """What Python says with the copy as its sweeper; it ends well."""
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    ended = subprocess.run([sys.executable, *words], cwd=copy, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_a_backend_is_two_files_and_a_line(tmp_path: Path) -> None:
    """The recipe's own backend is in the schema, and holds the contract."""
    for name in COPIED:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, tmp_path / name)
    module, line = blocks("backend.md", "python")
    (defaults,) = blocks("backend.md", "yaml")
    (tmp_path / "sweeper/backends/training_plan.py").write_text(module)
    (tmp_path / "conf/backend/training_plan.yaml").write_text(defaults)
    registry = tmp_path / "sweeper/backends/__init__.py"
    own = "from sweeper.backends.training_plan import TrainingPlan\nfrom sweeper.backends.warm_pool"
    text = registry.read_text().replace("from sweeper.backends.warm_pool", own)
    registry.write_text(re.sub(r"^KINDS: .*\n", line, text, flags=re.MULTILINE))

    run(tmp_path, "-m", "sweeper.config.schema", "conf/schema")
    schema = json.loads((tmp_path / "conf/schema/experiment.json").read_text())
    assert "training_plan" in json.dumps(schema["properties"]["backend"]["properties"]["kind"])
    plain = ("-q", "--noconftest", "-p", "no:cacheprovider", "-k", "training_plan")
    assert re.search(
        r"^\d\d passed", run(tmp_path, "-m", "pytest", *plain, "tests/contracts/test_backends.py"), re.MULTILINE
    )
