"""ONNX: `hetu2onnx.export` writes a model, `onnx2hetu.load_onnx` reads one.  Needs the package onnx."""

try:
    import onnx  # noqa: F401, asked for first so that its absence gets a message of its own
except ImportError as error:
    raise ImportError("hetu_jax.onnx needs the package onnx: pip install 'hetu_jax[onnx]'") from error

from . import hetu2onnx

__all__ = ["hetu2onnx"]
