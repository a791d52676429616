"""Runs the notebooks: `python notebooks/build.py [01 02 ...]` writes each .ipynb from its twin, the .py beside it.

The twins are jupytext's percent format and are what people edit. A Chinese version, `<name>.zh.py`, has the code of the
English one cell by cell, and so takes over its outputs. Needs jupytext, nbclient, ipykernel and matplotlib.
"""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent
SECONDS = 240  # for one cell, on a busy machine
CELL = re.compile(r"[^\s'\"<>]*ipykernel_\d+/\d+\.py")  # the file in which a kernel keeps a cell's code
KERNEL = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}


def twins(names: list[str] | None = None) -> list[Path]:
    """The English twins whose names start with one of `names`; by default all."""
    found = sorted(path for path in HERE.glob("[0-9]*.py") if not path.stem.endswith(".zh"))
    return [path for path in found if not names or any(path.name.startswith(name) for name in names)]


def read(path: Path) -> nbformat.NotebookNode:
    """The notebook that a twin describes, without outputs."""
    notebook = jupytext.read(path)
    notebook.metadata = nbformat.from_dict(KERNEL)
    for number, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"cell{number}", nbformat.from_dict({})
    return notebook


def run(path: Path) -> nbformat.NotebookNode:
    """The notebook with its outputs; an error in a cell is raised."""
    os.environ["PATH"] = str(Path(sys.executable).parent)  # pictures are ours, whatever else can draw here
    os.environ.setdefault("HETU_JAX_CACHE", "0")
    notebook = read(path)
    NotebookClient(
        notebook, timeout=SECONDS, coalesce_streams=True, resources={"metadata": {"path": str(HERE)}}
    ).execute()
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({})
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
            for output in cell.outputs:
                _clean(output)
    return notebook


def _clean(output: nbformat.NotebookNode) -> None:
    """Takes the names of the kernel's files out of what a cell gave."""
    if "text" in output:
        output.text = CELL.sub("cell", output.text)
    for kind in ("text/plain", "text/html"):
        if kind in output.get("data", {}):
            output.data[kind] = CELL.sub("cell", output.data[kind])


def translated(path: Path, source: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The Chinese version, with the outputs of the English one."""
    notebook = read(path)
    code = [cell for cell in source.cells if cell.cell_type == "code"]
    for cell, original in zip((c for c in notebook.cells if c.cell_type == "code"), code, strict=True):
        if cell.source != original.source:
            raise ValueError(f"{path.name} has other code than {path.name.replace('.zh', '')}:\n{cell.source}")
        cell.outputs, cell.execution_count = original.outputs, original.execution_count
    return notebook


def main(names: list[str]) -> None:
    """Builds the notebooks named."""
    for path in twins(names):
        begun = time.perf_counter()
        notebook = run(path)
        nbformat.write(notebook, path.with_suffix(".ipynb"))
        chinese = path.with_suffix(".zh.py")
        if chinese.exists():
            nbformat.write(translated(chinese, notebook), chinese.with_suffix(".ipynb"))
        size = path.with_suffix(".ipynb").stat().st_size / 1024
        print(f"{path.stem}: {time.perf_counter() - begun:.0f} s, {size:.0f} KiB", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
