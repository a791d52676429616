"""Writes the stubs of hetu_jax and hetu_jax.gpu_ops: `python docs/build_stubs.py`; a test fails when they are stale.

Ops are objects that a decorator makes; the stubs show editors and type checkers a function with its words for each.
"""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import hetu_jax
from hetu_jax import gpu_ops
from hetu_jax.graph import OPS, Op


class _Text(str):
    """An annotation or a default that is written as it is."""

    __repr__ = str.__str__


def parameter(shown: inspect.Parameter) -> inspect.Parameter:
    """The parameter with a type: a name is text, and what a node may stand for is anything."""
    kind = "str | None" if shown.name == "name" else "Any"
    plain = shown.default is shown.empty or isinstance(shown.default, int | float | str | bool | None)
    return shown.replace(annotation=_Text(kind), default=shown.default if plain else _Text("..."))


def function(op: Op) -> str:
    """One op as a function without a body."""
    parameters = [parameter(p) for p in op.signature.parameters.values()]
    signature = inspect.Signature(parameters, return_annotation=_Text("Node"))
    words = textwrap.indent(inspect.getdoc(op) or "", "    ").strip()
    end = "\n    " if "\n" in words else ""
    return f'def {op.__name__}{signature}:\n    """{words}{end}"""\n'


def gpu_ops_stub() -> Iterator[str]:
    """The ops as functions, and what is beside them."""
    yield '"""Hetu\'s name for the ops, the Executor and what goes with them; written by docs/build_stubs.py."""\n'
    yield "from typing import Any\n\nfrom hetu_jax.graph import Node"
    for name in gpu_ops.__all__:
        if name not in OPS:
            yield f"from {getattr(gpu_ops, name).__module__} import {name} as {name}"
    yield from (function(op) for _, op in sorted(OPS.items()))


def package_stub() -> Iterator[str]:
    """What `import hetu_jax as ht` gives: the imports of the package, each as one that passes the name on."""
    yield '"""Hetu\'s define-then-run deep learning on JAX; written by docs/build_stubs.py."""\n'
    aliases = []
    for line in ast.parse(Path(hetu_jax.__file__).read_text(encoding="utf-8")).body:
        if isinstance(line, ast.ImportFrom) and line.level:
            module = ".".join(filter(None, ["hetu_jax", line.module]))
            for item in line.names:
                yield f"from {module} import {item.name}" + (
                    "  # noqa: F403" if item.name == "*" else f" as {item.name}"
                )
                aliases += [f"{item.asname} = {item.name}"] if item.asname else []
    yield from [*aliases, "__version__: str"]


def formatted(lines: Iterator[str], path: Path) -> str:
    """The text of a stub, as ruff wants it."""
    text = "\n".join(lines) + "\n"
    for command in (["check", "--fix", "--quiet", "--select", "I"], ["format", "--quiet"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(path), "-"]
        text = subprocess.run(ruff, input=text, capture_output=True, text=True, check=True).stdout
    return text


def stubs() -> dict[Path, str]:
    """The text of each stub by its path."""
    made = {hetu_jax: package_stub(), gpu_ops: gpu_ops_stub()}
    paths = {Path(module.__file__ or "").with_suffix(".pyi"): lines for module, lines in made.items()}
    return {path: formatted(lines, path) for path, lines in paths.items()}


if __name__ == "__main__":
    for path, text in stubs().items():
        path.write_text(text, encoding="utf-8")
