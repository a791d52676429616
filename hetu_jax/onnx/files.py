"""Writing an ONNX model: whole or not at all, with its parameters inside or beside it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import IO

import numpy as np
import onnx
from onnx import helper, numpy_helper

from ..checkpoint import atomic_write
from ..errors import OnnxExportError

MAX_BYTES = 2**31 - 2**20  # what protobuf holds, less some room for the graph
_SMALL = 1024
_ALIGNMENT = 4096


def outside(array: np.ndarray, name: str) -> onnx.TensorProto:
    """A tensor without its elements, which `save` puts beside the model."""
    kind = helper.np_dtype_to_tensor_dtype(array.dtype)
    return onnx.TensorProto(name=name, data_type=kind, dims=array.shape, data_location=onnx.TensorProto.EXTERNAL)


def save(model: onnx.ModelProto, path: str, beside: Mapping[str, np.ndarray] | None) -> None:
    """Writes `model` to `path`.

    beside: the elements of its tensors by name; the large ones then go to `<path>.data`.
    Tensors made by `outside` say from then on where their elements are; those of others stay in the model in memory.

    Raises OnnxExportError for a folder, OSError where the file cannot be written.
    """
    if os.path.isdir(path):
        raise OnnxExportError(f"{path!r} is a folder: give the name of the file to write")
    if beside is not None:
        _save_beside(model, path, beside)
    else:
        with atomic_write(path) as file:
            file.write(model.SerializeToString())


def _save_beside(model: onnx.ModelProto, path: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Both files are complete before the first takes its place, which is the data."""
    large = [tensor for tensor in model.graph.initializer if _is_large(tensor, arrays[tensor.name])]
    held = [(tensor, tensor.raw_data) for tensor in large if tensor.raw_data]
    data = f"{path}.data"
    try:
        with atomic_write(path) as file, atomic_write(data) as beside:
            for tensor in large:
                _write(tensor, arrays[tensor.name], beside, os.path.basename(data))
            file.write(model.SerializeToString())
    finally:
        for tensor, raw in held:
            tensor.raw_data = raw
            tensor.ClearField("external_data")
            tensor.ClearField("data_location")


def _is_large(tensor: onnx.TensorProto, array: np.ndarray) -> bool:
    return tensor.data_location == onnx.TensorProto.EXTERNAL or (array.nbytes >= _SMALL and array.dtype.kind != "O")


def _write(tensor: onnx.TensorProto, array: np.ndarray, file: IO[bytes], location: str) -> None:
    """Puts the elements of a tensor at the end of a file, and the place into the tensor."""
    file.write(b"\0" * (-file.tell() % _ALIGNMENT))
    start = file.tell()
    narrow = array.dtype.kind == "V" and array.dtype.itemsize == 1  # perhaps two numbers a byte
    file.write(numpy_helper.from_array(array).raw_data if narrow else np.ascontiguousarray(array).view(np.uint8))
    for key, value in (("location", location), ("offset", start), ("length", file.tell() - start)):
        tensor.external_data.add(key=key, value=str(value))
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.ClearField("raw_data")
