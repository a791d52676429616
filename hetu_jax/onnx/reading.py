"""Reading ONNX files: the bytes as a model, and its tensors as NumPy arrays.

Nothing is allocated by a size that a file declares: every array is made from bytes that are there.
"""

from __future__ import annotations

import mmap
import os
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, numpy_helper

from ..errors import OnnxImportError
from .arrays import dtype_of
from .stripping import stripped

LARGE = 2**20  # bytes of a file whose tensors are left in it until they are needed
MAX_FILL = 1000  # how many times as large as its elements a sparse tensor may be when it is written out
_MAGIC = {
    b"PK\x03\x04": "a zip archive, such as a PyTorch checkpoint (.pt, .pth) or a Keras model: export it to ONNX first",
    b"\x80\x02": "a Python pickle, such as an old PyTorch checkpoint: export it to ONNX first",
    b"\x80\x03": "a Python pickle: export what it holds to ONNX first",
    b"\x80\x04": "a Python pickle: export what it holds to ONNX first",
    b"\x89HDF": "an HDF5 file, such as a Keras model: convert it with tf2onnx first",
    b"\x93NUMPY": "a NumPy array",
    b"\x1f\x8b": "a gzip file: unpack it first",
    b"{": "JSON text",
    b"version https://git-lfs": "a Git LFS pointer: fetch the file itself",
}


def read_model(path: str | os.PathLike[str]) -> onnx.ModelProto:
    """The model in a file.

    Raises OnnxImportError for a file that holds none, saying what it seems to be; OSError where it cannot be read.
    """
    path = os.fspath(path)
    if not os.path.exists(path):
        raise FileNotFoundError(f"there is no file {path!r}, seen from {os.getcwd()!r}")
    with open(path, "rb") as file:
        if os.path.getsize(path) < LARGE:
            return parse(file.read(), path)
        content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    return parse(stripped(content, os.path.basename(path)) or bytes(content), path)


def parse(content: bytes, path: str) -> onnx.ModelProto:
    """The model in the bytes of a file.  Raises OnnxImportError as `read_model`."""
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except (DecodeError, ValueError) as error:
        raise OnnxImportError(
            f"{path!r} is no ONNX model: {_seems(content) or error}; give a file that was exported as ONNX"
        ) from None
    if not model.graph.output or not model.ir_version:
        raise OnnxImportError(f"{path!r} is no ONNX model: {_seems(content) or 'it has no graph with outputs'}")
    return model


def _seems(content: bytes) -> str | None:
    if not content:
        return "the file is empty"
    if content[4:8] == b"TFL3":
        return "it seems to be a TensorFlow Lite model: convert it with tf2onnx first"
    return next((f"it seems to be {what}" for magic, what in _MAGIC.items() if content.startswith(magic)), None)


class Tensors:
    """Makes arrays of the tensors of one model.

    folders: where the model's external data lies, and for a model that is a link, where the link leads, so that links
        beside it may lead there too; none for a model that came from no file.
    """

    def __init__(self, folders: Sequence[str]):
        self.folders = [os.path.abspath(folder) for folder in folders]
        self._maps: dict[str, mmap.mmap] = {}

    def array(self, tensor: TensorProto) -> np.ndarray:
        """The elements; strings as an array of objects.  Raises OnnxImportError for what makes no sense."""
        shape, dtype = _shape(tensor.dims, tensor.name), _dtype(tensor)
        if tensor.data_location == TensorProto.EXTERNAL:
            return self._outside(tensor, dtype, shape)
        return self._inside(tensor, dtype, shape)

    @staticmethod
    def _inside(tensor: TensorProto, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
        if dtype.kind == "O":
            return _reshaped(np.array([_text(item) for item in tensor.string_data], object), shape, tensor.name)
        if _size(shape) and not tensor.HasField("raw_data") and not _typed_length(tensor):
            raise OnnxImportError(f"the tensor {tensor.name!r} of shape {list(shape)} has no elements")
        try:
            array = numpy_helper.to_array(tensor)
        except (ValueError, TypeError, KeyError, IndexError) as error:
            raise OnnxImportError(f"the tensor {tensor.name!r} of shape {list(shape)}: {error}") from None
        return _reshaped(array, shape, tensor.name)

    def sparse(self, tensor: onnx.SparseTensorProto) -> np.ndarray:
        """A sparse tensor, written out."""
        name, shape = tensor.values.name, _shape(tensor.dims, tensor.values.name)
        values, places = self.array(tensor.values), self.array(tensor.indices)
        if _size(shape) > MAX_FILL * (values.size + MAX_FILL):
            raise OnnxImportError(
                f"the sparse tensor {name!r} has {values.size} elements in shape {list(shape)}, too few to write it out"
            )
        dense = np.zeros(shape, values.dtype)
        try:
            if places.ndim == 2:
                dense[tuple(places.T)] = values
            else:
                dense.reshape(-1)[places] = values
        except (IndexError, ValueError) as error:
            raise OnnxImportError(f"the sparse tensor {name!r}: {error}") from None
        return dense

    def _outside(self, tensor: TensorProto, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
        """The elements of a tensor whose bytes lie outside the model: a view of the file where that can be."""
        entries = {entry.key: entry.value for entry in tensor.external_data}
        path = self._path(entries.get("location", ""), tensor.name)
        bits = 8 * dtype.itemsize if tensor.data_type not in _PACKED else _PACKED[tensor.data_type]
        expected = (_size(shape) * bits + 7) // 8
        offset, length = _number(entries, "offset", 0), _number(entries, "length", expected)
        if length != expected or offset + length > os.path.getsize(path):
            raise OnnxImportError(
                f"the tensor {tensor.name!r} of shape {list(shape)} needs {expected} bytes from {offset} on in "
                f"{entries.get('location')!r}, which has {os.path.getsize(path)}, and declares {length}"
            )
        content = memoryview(self._mapped(path))[offset : offset + length] if length else b""
        if tensor.data_type in _PACKED or dtype.kind == "O" or sys.byteorder != "little":
            whole = TensorProto(data_type=tensor.data_type, dims=tensor.dims, raw_data=bytes(content))
            return self._inside(whole, dtype, shape)
        array = np.frombuffer(content, dtype).reshape(shape)
        return array if length >= LARGE else array.copy()

    def _mapped(self, path: str) -> mmap.mmap:
        if path not in self._maps:
            with open(path, "rb") as file:
                self._maps[path] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return self._maps[path]

    def _path(self, location: str, name: str) -> str:
        if not self.folders:
            raise OnnxImportError(f"the data of tensor {name!r} is in a file of its own: load the model from its path")
        said = os.path.normpath(os.path.join(self.folders[0], location))
        path = os.path.realpath(said)
        inside = _within(said, self.folders[0]) and any(_within(path, os.path.realpath(root)) for root in self.folders)
        if not location or not inside:
            raise OnnxImportError(
                f"the data of tensor {name!r} is said to be in {location!r}, outside the model's folder: "
                "that is not read; copy it there if you trust it"
            )
        if not os.path.isfile(path):
            raise OnnxImportError(f"the data of tensor {name!r} should be in {location!r}, and there is no such file")
        return path


def _within(path: str, folder: str) -> bool:
    return os.path.commonpath([path, folder]) == folder


_PACKED = {
    TensorProto.INT4: 4,
    TensorProto.UINT4: 4,
    TensorProto.FLOAT4E2M1: 4,
    TensorProto.INT2: 2,
    TensorProto.UINT2: 2,
}


def _number(entries: dict[str, str], key: str, default: int) -> int:
    try:
        value = int(entries.get(key) or default)
    except ValueError:
        value = -1
    if value < 0:
        raise OnnxImportError(f"external data has {key} {entries[key]!r}, which is no length")
    return value


def _dtype(tensor: TensorProto) -> np.dtype:
    try:
        return dtype_of(tensor.data_type)
    except ValueError as error:
        raise OnnxImportError(f"the tensor {tensor.name!r} has no element type that is known: {error}") from None


def _shape(dims: Any, name: str) -> tuple[int, ...]:
    if any(dim < 0 for dim in dims):
        raise OnnxImportError(f"the tensor {name!r} has the shape {list(dims)}, with a length below 0")
    return tuple(dims)


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for length in shape:
        size *= length
    return size


def _typed_length(tensor: TensorProto) -> int:
    fields = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data")
    return sum(len(getattr(tensor, field)) for field in fields)


def _reshaped(array: np.ndarray, shape: tuple[int, ...], name: str) -> np.ndarray:
    if array.size != _size(shape):
        raise OnnxImportError(f"the tensor {name!r} of shape {list(shape)} has {array.size} elements")
    return array.reshape(shape)


def _text(item: bytes) -> Any:
    """Text, or the bytes themselves where they are no UTF-8."""
    try:
        return item.decode("utf-8")
    except UnicodeDecodeError:
        return item
