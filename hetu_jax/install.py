"""Scripts written for Hetu on this package: `import hetu` is hetu_jax, and what else old scripts take for granted.

Everything that `install` does is a row of one of three tables: `MODULES`, `FALLBACKS` and `ATTRIBUTES`.
"""

from __future__ import annotations

import collections.abc
import importlib
import importlib.util
import sys
import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

PACKAGE = __package__

# Hetu's module names that differ from the ones here.  Every other `hetu.x` is `hetu_jax.x`.
MODULES = {
    "hetu": PACKAGE,
    "hetu.optim": f"{PACKAGE}.optimizer",
    "hetu.lr": f"{PACKAGE}.lr_scheduler",
    "hetu.init": f"{PACKAGE}.initializers",
    "hetu.dist": f"{PACKAGE}.distributed_strategies",
    **{
        f"hetu.layers.{theirs}": f"{PACKAGE}.layers.{ours}"
        for ours, names in {
            "activation": "dropout gelu identity mish relu",
            "conv": "pooling",
            "gates": "BalanceGate HashGate KTop1Gate SAMGate TopGate",
            "moe": "hash_layer ktop1_layer moe_layer sam_layer",
            "norm": "normalization",
            "structure": "batch_split_layer concatenate reshape sequence slice sum",
        }.items()
        for theirs in names.split()
    },
    **{
        f"hetu.distributed_strategies.{name}": f"{PACKAGE}.distributed_strategies"
        for name in "base flexflow gpipe optcnn pipedream pipeopt simple".split()
    },
}

# Modules of Hetu's that nothing here takes the place of.
GONE = {
    **{
        f"hetu.onnx.{name}": "ONNX goes out by hetu.onnx.hetu2onnx.export and comes in by hetu.onnx.onnx2hetu.load_onnx"
        for name in "X2hetu constants graph handler onnx_opset util".split()
    },
    **{
        f"hetu.layers.gates.{name}": "its gates could not be made in Hetu either: use hetu.layers.TopKGate"
        for name in "base_gate gshard_gate naive_gate".split()
    },
}

# Modules that Hetu's scripts import from beside themselves or beside Hetu, used where no such module can be imported.
FALLBACKS = {
    "models": f"{PACKAGE}.models",
    "models.load_data": f"{PACKAGE}.models.load_data",
    "graphboard": f"{PACKAGE}.graphboard",
    "graphboard.graph2fig": f"{PACKAGE}.graphboard.graph2fig",
}


class Attribute(NamedTuple):
    """A name that a module once had: put back where it is missing."""

    module: str
    name: str
    value: Any
    gone: str


ATTRIBUTES = [
    *(Attribute("numpy", t.__name__, t, "NumPy 1.24") for t in (float, int, bool, complex, object, str)),
    Attribute("numpy", "long", int, "NumPy 1.24"),
    Attribute("numpy", "unicode", str, "NumPy 1.24"),
    Attribute("numpy", "float_", np.float64, "NumPy 2.0"),
    Attribute("numpy", "complex_", np.complex128, "NumPy 2.0"),
    Attribute("numpy", "unicode_", np.str_, "NumPy 2.0"),
    Attribute("numpy", "string_", np.bytes_, "NumPy 2.0"),
    *(Attribute("numpy", name, np.inf, "NumPy 2.0") for name in ("Inf", "Infinity", "PINF", "infty")),
    Attribute("numpy", "NINF", -np.inf, "NumPy 2.0"),
    *(Attribute("numpy", name, np.nan, "NumPy 2.0") for name in ("NaN", "NAN")),
    Attribute("numpy", "product", np.prod, "NumPy 2.0"),
    Attribute("numpy", "cumproduct", np.cumprod, "NumPy 2.0"),
    Attribute("numpy", "sometrue", np.any, "NumPy 2.0"),
    Attribute("numpy", "alltrue", np.all, "NumPy 2.0"),
    Attribute("numpy", "round_", np.round, "NumPy 2.0"),
    *(
        Attribute("collections", name, getattr(collections.abc, name), "Python 3.10")
        for name in collections.abc.__all__
        if name != "Buffer"  # newer than the move
    ),
]


class _Alias(MetaPathFinder, Loader):
    """Finds Hetu's module names and hands out the modules of this package themselves, never copies."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a name of Hetu's, or None where this package has no such module.

        Raises ModuleNotFoundError that says what to use for one that is gone.
        """
        theirs = "hetu" + name.removeprefix(PACKAGE) if name.startswith(f"{PACKAGE}.") else name
        if theirs in GONE:  # `from hetu.x import y` asks for it by the name here, and passes over an error of that name
            raise ModuleNotFoundError(f"hetu_jax has no module {theirs!r}: {GONE[theirs]}", name=theirs)
        real = self.real_name(name)
        if real is None or importlib.util.find_spec(real) is None:
            return None
        return importlib.util.spec_from_loader(name, self)

    def real_name(self, name: str) -> str | None:
        """The module of this package behind one of Hetu's names, or behind a submodule of a module handed out."""
        parent, _, child = name.rpartition(".")
        above = getattr(sys.modules.get(parent), "__name__", parent)
        aliased = above != parent and above.partition(".")[0] == PACKAGE
        return MODULES.get(name) or (f"{above}.{child}" if aliased else None)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module itself, imported under its own name."""
        module = importlib.import_module(self.real_name(spec.name))
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Puts back the module's own spec: the import system has just replaced it by the alias's."""
        module.__spec__ = module.__spec__.loader_state


class _Fallback(_Alias):
    """The same for modules of Hetu's examples; stands last among the finders, so that a script's own come first."""

    def real_name(self, name: str) -> str | None:
        """The module of this package behind a module of the examples."""
        return FALLBACKS.get(name)


_ALIAS, _FALLBACK = _Alias(), _Fallback()
_undo = ExitStack()


def install() -> None:
    """Makes `import hetu` mean hetu_jax in this process, and restores what old scripts expect of NumPy and Python.

    May be called any number of times.  `python -m hetu_jax --shims` lists what it does.
    Raises ImportError when another `hetu` is already imported; warns when it hides one that is installed.
    """
    if _ALIAS in sys.meta_path:
        return
    _refuse_or_warn()
    for finder, place in ((_ALIAS, 0), (_FALLBACK, len(sys.meta_path) + 1)):
        sys.meta_path.insert(place, finder)
        _undo.callback(sys.meta_path.remove, finder)
    _undo.callback(_forget_modules)
    _name_loaded_modules()
    for row in missing_attributes():
        module = importlib.import_module(row.module)
        setattr(module, row.name, row.value)
        _undo.callback(delattr, module, row.name)


def uninstall() -> None:
    """Undoes `install`."""
    _undo.close()


def missing_attributes() -> list[Attribute]:
    """The rows of `ATTRIBUTES` that this Python and this NumPy lack."""
    return [row for row in ATTRIBUTES if row.name not in vars(importlib.import_module(row.module))]


def _refuse_or_warn() -> None:
    present = sys.modules.get("hetu")
    if present not in (None, sys.modules[PACKAGE]):
        raise ImportError(
            f"another hetu is already imported, from {getattr(present, '__file__', None)}: "
            "call hetu_jax.install() before the first `import hetu`"
        )
    spec = importlib.util.find_spec("hetu")
    if spec is not None and spec.origin is not None:
        warnings.warn(f"`import hetu` now means hetu_jax, not the package at {spec.origin}", stacklevel=3)


def _name_loaded_modules() -> None:
    """Enters modules already imported under Hetu's names too.

    Importing them through the finder would bind them on the package, over functions of the same name: `hetu.context`
    must stay the function, while `from hetu.context import DeviceGroup` takes from the module.
    """
    for name, module in list(sys.modules.items()):
        if name == PACKAGE or name.startswith(PACKAGE + "."):
            sys.modules["hetu" + name[len(PACKAGE) :]] = module
    for alias, name in MODULES.items():
        if name in sys.modules:
            sys.modules[alias] = sys.modules[name]
            parent, _, child = alias.rpartition(".")
            if parent and child not in vars(sys.modules[parent]):  # `import hetu.layers.mish as mish` reads it there
                setattr(sys.modules[parent], child, sys.modules[name])
                _undo.callback(delattr, sys.modules[parent], child)


def _forget_modules() -> None:
    ours = [n for n in sys.modules if n.partition(".")[0] == "hetu"]
    ours += [n for n, real in FALLBACKS.items() if n in sys.modules and sys.modules[n] is sys.modules.get(real)]
    for name in ours:
        del sys.modules[name]


def shims() -> str:
    """What `install` does, as a Markdown table of one row a shim."""
    rows = [("import hetu.x", f"{PACKAGE}.x", "for every module x of the package: the same object, not a copy")]
    rows += [(f"import {alias}", name, "the same object, not a copy") for alias, name in MODULES.items()]
    rows += [(f"import {alias}", name, "where no such module can be imported") for alias, name in FALLBACKS.items()]
    rows += [
        (f"{row.module}.{row.name}", _text(row.value), f"where missing; removed in {row.gone}") for row in ATTRIBUTES
    ]
    lines = [f"| `{written}` | `{meant}` | {note} |" for written, meant, note in rows]
    return "\n".join(["| written | meant | note |", "| --- | --- | --- |", *lines])


def _text(value: Any) -> str:
    if isinstance(value, float):
        return str(value)
    return value.__name__ if value.__module__ == "builtins" else f"{value.__module__}.{value.__name__}"
