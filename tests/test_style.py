"""Rules of the house that a machine can check."""

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import hetu_jax

ROOT = Path(hetu_jax.__file__).parent
MODULES = sorted(
    name for _, name, _ in pkgutil.walk_packages([str(ROOT)], "hetu_jax.") if not name.endswith("__main__")
)


def public_members(module):
    """Classes and functions that the module defines, and the methods of the classes."""
    for name, member in vars(module).items():
        if name.startswith("_") or getattr(member, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(member):
            yield name, member
            for key, value in vars(member).items():
                if not key.startswith("_") and (inspect.isfunction(value) or isinstance(value, property)):
                    yield f"{name}.{key}", getattr(member, key)
        elif inspect.isfunction(member) or type(member).__name__ == "Op":
            yield name, member


@pytest.mark.parametrize("name", MODULES)
def test_every_public_name_is_documented(name):
    module = importlib.import_module(name)
    assert module.__doc__ and module.__doc__.strip().endswith(".")
    mappings = name.startswith(("hetu_jax.onnx.export_", "hetu_jax.onnx.import_", "hetu_jax.onnx.familiar"))
    # Mappings are named as the op or operator, which has the words.
    undocumented = [] if mappings else [n for n, m in public_members(module) if not inspect.getdoc(m)]
    assert not undocumented


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_library_modules_keep_their_size(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 600
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Raise) and node.exc is not None:
            assert "NotImplementedError" not in ast.unparse(node.exc)


def test_the_core_is_typed():
    untyped = []
    for name in (
        "graph",
        "gradients",
        "trace",
        "executor",
        "config",
        "checkpoint",
        "optimizer",
        "dataloader",
        "ndarray",
    ):
        for node in ast.walk(ast.parse((ROOT / f"{name}.py").read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and node.returns is None:
                untyped.append(f"{name}.{node.name}")
    # Functions inside functions are the business of the function around them.
    assert set(untyped) == {"optimizer.init", "optimizer.update", "optimizer.step"}


def test_importing_the_package_loads_neither_onnx_nor_plots():
    watched = ("onnx", "onnxruntime", "matplotlib", "rich", "torch")
    code = f"import sys, hetu_jax; print([m for m in {watched} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ast.literal_eval(done.stdout) == []


def test_ops_do_not_know_of_onnx():
    for path in [*ROOT.glob("*.py"), *ROOT.glob("ops/*.py")]:
        if path.name in ("quickstart.py", "install.py"):
            continue
        imports = [n for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(n, ast.ImportFrom)]
        assert not [n for n in imports if n.module and n.module.split(".")[0] == "onnx"], path


def test_every_switch_is_listed():
    listed = (ROOT.parent / "docs" / "switches.md").read_text(encoding="utf-8")
    code = "".join(path.read_text(encoding="utf-8") for path in ROOT.rglob("*.py"))
    used = set(re.findall(r"\bHETU_[A-Z_]+\b", code))
    assert used == set(re.findall(r"^\| `(HETU_[A-Z_]+)`", listed, re.MULTILINE))
