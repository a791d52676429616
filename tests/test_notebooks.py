"""The notebooks run, and each is in step with its text twin."""

import sys
import time
from pathlib import Path

import nbformat
import pytest

FOLDER = Path(__file__).parents[1] / "notebooks"
sys.path.insert(0, str(FOLDER))
import build  # noqa: E402, it lies beside the notebooks

SECONDS = 120
ENGLISH = build.twins()
ALL = sorted(FOLDER.glob("[0-9]*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("path", ENGLISH, ids=lambda path: path.stem)
def test_notebook_runs(path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(FOLDER.parent))
    monkeypatch.setenv("PATH", "")  # build.run changes it
    begun = time.perf_counter()
    notebook = build.run(path)
    assert time.perf_counter() - begun < SECONDS
    assert not [
        output for cell in notebook.cells for output in cell.get("outputs", []) if output.output_type == "error"
    ]


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_notebook_is_in_step_with_its_twin(path):
    committed, twin = nbformat.read(path.with_suffix(".ipynb"), 4), build.read(path)
    remedy = f"run `python notebooks/build.py {path.name[:2]}`"
    assert [cell.source for cell in committed.cells] == [cell.source for cell in twin.cells], remedy
    nbformat.validate(committed)
    outputs = [output for cell in committed.cells for output in cell.get("outputs", [])]
    assert outputs and "/tmp/" not in str(outputs), remedy
    assert path.with_suffix(".ipynb").stat().st_size < 200 * 1024


@pytest.mark.parametrize("path", [path for path in ALL if path.stem.endswith(".zh")], ids=lambda path: path.stem)
def test_chinese_version_has_the_same_code_and_outputs(path):
    english = build.read(path.with_name(path.name.replace(".zh", "")))
    build.translated(path, english)
    code = [
        [cell for cell in nbformat.read(p, 4).cells if cell.cell_type == "code"]
        for p in (path.with_suffix(".ipynb"), path.with_name(path.name.replace(".zh.py", ".ipynb")))
    ]
    assert [cell.outputs for cell in code[0]] == [cell.outputs for cell in code[1]]


def test_every_notebook_has_a_chinese_summary():
    for path in ENGLISH:
        assert "**中文摘要**" in build.read(path).cells[0].source
