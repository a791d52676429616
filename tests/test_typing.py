"""What editors and type checkers see: `mypy --strict` passes a user's script, every op has a signature and words."""

import importlib.util
import inspect
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import hetu_jax as ht
from hetu_jax.graph import OPS

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "tests" / "data" / "typed_script.py"
WRONG = """
import hetu_jax as ht
x = ht.Variable("x")
ht.conv2d(x, x)
ht.conv2d_op(x, x, pading=1)
ht.relu_op()
y: int = ht.relu_op(x)
ht.optim.SGDOptimizer(lr=0.1)
"""


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def mypy(cache: Path, *paths: Path) -> list[str]:
    """What mypy says about files of a user, of which the package is no part."""
    options = ["--strict", "--follow-imports=silent", "--cache-dir", str(cache), "--no-error-summary"]
    command = [sys.executable, "-m", "mypy", *options, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert not done.stderr, done.stderr
    return done.stdout.splitlines()


def test_a_users_script_passes_mypy_and_wrong_ones_do_not(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text(WRONG, encoding="utf-8")
    said = mypy(tmp_path / "cache", SCRIPT, wrong)
    assert not [line for line in said if SCRIPT.name in line]
    for line, part in {
        4: 'Module has no attribute "conv2d"',
        5: 'Unexpected keyword argument "pading" for "conv2d_op"',
        6: 'Missing positional argument "node" in call to "relu_op"',
        7: 'expression has type "Node", variable has type "int"',
    }.items():
        assert any(f"wrong.py:{line}: error: {part}" in text or part in text for text in said), (line, part, said)


def test_the_script_runs(tmp_path: Path) -> None:
    loss, scores = load(SCRIPT).main(str(tmp_path / "model.onnx"))
    assert loss < 0.1
    assert np.argmax(scores, 1).tolist() == [0, 1, 2]


def test_the_stubs_are_up_to_date() -> None:
    for path, text in load(ROOT / "docs" / "build_stubs.py").stubs().items():
        assert path.read_text(encoding="utf-8") == text, "run: python docs/build_stubs.py"


@pytest.mark.parametrize("name", sorted(OPS))
def test_every_op_shows_its_signature_and_its_words(name: str) -> None:
    op = getattr(ht, name)
    signature = inspect.signature(op)
    assert "name" in signature.parameters and "training" not in signature.parameters
    assert op.__name__ == op.__qualname__ == name
    assert inspect.getdoc(op)
