"""ONNX: `hetu2onnx.export` writes a model, `onnx2hetu.load_onnx` reads one, `backend` runs one as onnx's backends do.

Needs the package onnx.
"""

import importlib
from types import ModuleType

try:
    import onnx  # noqa: F401, asked for first so that its absence gets a message of its own
except ImportError as error:
    raise ImportError("hetu_jax.onnx needs the package onnx: pip install 'hetu_jax[onnx]'") from error

from . import hetu2onnx

_LATER = ("backend", "onnx2hetu")

__all__ = ["backend", "hetu2onnx", "onnx2hetu"]


def __getattr__(name: str) -> ModuleType:
    if name in _LATER:
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"hetu_jax.onnx has no {name!r}")
