"""Writing an ONNX model: whole or not at all, with its parameters inside or beside it."""

from __future__ import annotations

import os

import onnx

from ..checkpoint import atomic_write
from ..errors import OnnxExportError

MAX_BYTES = 2**31 - 2**20  # what protobuf holds, less some room for the graph
_SMALL = 1024
_ALIGNMENT = 4096


def save(model: onnx.ModelProto, path: str, external: bool) -> None:
    """Writes `model` to `path`; with `external`, its large tensors to `<path>.data`.

    Raises OnnxExportError for a model too large for one file, OSError where the file cannot be written.
    """
    if os.path.isdir(path):
        raise OnnxExportError(f"{path!r} is a folder: give the name of the file to write")
    if external:
        _save_beside(model, path)
        return
    if sum(len(tensor.raw_data) for tensor in model.graph.initializer) > MAX_BYTES:
        raise OnnxExportError("the model is larger than the 2 GB that one ONNX file holds: pass external_data=True")
    _write(model, path)


def _write(model: onnx.ModelProto, path: str) -> None:
    with atomic_write(path) as file:
        file.write(model.SerializeToString())


def _save_beside(model: onnx.ModelProto, path: str) -> None:
    """The data file first, so that a model never points at data that is not there yet."""
    large = [tensor for tensor in model.graph.initializer if len(tensor.raw_data) >= _SMALL]
    held = [tensor.raw_data for tensor in large]
    data = f"{path}.data"
    try:
        with atomic_write(data) as file:
            for tensor in large:
                file.write(b"\0" * (-file.tell() % _ALIGNMENT))
                _point(tensor, os.path.basename(data), file.tell())
                file.write(tensor.raw_data)
        for tensor in large:
            tensor.ClearField("raw_data")
        _write(model, path)
    finally:
        for tensor, raw in zip(large, held, strict=True):
            tensor.raw_data = raw
            tensor.ClearField("external_data")
            tensor.ClearField("data_location")


def _point(tensor: onnx.TensorProto, location: str, offset: int) -> None:
    for key, value in (("location", location), ("offset", offset), ("length", len(tensor.raw_data))):
        tensor.external_data.add(key=key, value=str(value))
    tensor.data_location = onnx.TensorProto.EXTERNAL
