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

    Raises OnnxExportError for a folder, OSError where the file cannot be written.
    """
    if os.path.isdir(path):
        raise OnnxExportError(f"{path!r} is a folder: give the name of the file to write")
    if external:
        _save_beside(model, path)
    else:
        with atomic_write(path) as file:
            file.write(model.SerializeToString())


def _save_beside(model: onnx.ModelProto, path: str) -> None:
    """Both files are complete before the first takes its place, which is the data."""
    large = [tensor for tensor in model.graph.initializer if len(tensor.raw_data) >= _SMALL]
    held = [tensor.raw_data for tensor in large]
    data = f"{path}.data"
    try:
        with atomic_write(path) as file, atomic_write(data) as beside:
            for tensor in large:
                beside.write(b"\0" * (-beside.tell() % _ALIGNMENT))
                _point(tensor, os.path.basename(data), beside.tell())
                beside.write(tensor.raw_data)
                tensor.ClearField("raw_data")
            file.write(model.SerializeToString())
    finally:
        for tensor, raw in zip(large, held, strict=True):
            tensor.raw_data = raw
            tensor.ClearField("external_data")
            tensor.ClearField("data_location")


def _point(tensor: onnx.TensorProto, location: str, offset: int) -> None:
    for key, value in (("location", location), ("offset", offset), ("length", len(tensor.raw_data))):
        tensor.external_data.add(key=key, value=str(value))
    tensor.data_location = onnx.TensorProto.EXTERNAL
