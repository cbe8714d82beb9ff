"""docs/notebook.ipynb with its outputs anew: `make notebook` runs it in a real kernel, in a new project."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

PAGE = Path(__file__).resolve().parent.parent / "docs/notebook.ipynb"
TIMEOUT_S = 300


def executed(page: Path, project: Path) -> Any:
    """The notebook, run in a kernel of this Python in this folder. Raises CellExecutionError."""
    notebook = nbformat.read(page, as_version=4)
    resources = {"metadata": {"path": str(project)}}
    NotebookClient(notebook, timeout=TIMEOUT_S, kernel_name="python3", resources=resources).execute()
    return notebook


def main() -> None:
    """Run it where `sweeper init` has been, and write what came of it."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "sweeper", "init"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        try:
            notebook = executed(PAGE, Path(folder))
        finally:
            subprocess.run([sys.executable, "-m", "sweeper", "engine", "stop"], cwd=folder, check=False)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # when it was
    notebook.metadata = {"kernelspec": notebook.metadata.kernelspec, "language_info": {"name": "python"}}
    nbformat.write(notebook, PAGE)


if __name__ == "__main__":
    main()
