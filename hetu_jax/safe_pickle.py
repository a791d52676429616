"""Pickles from outside, read as data: numbers, strings, containers and NumPy arrays, and nothing that runs."""

from __future__ import annotations

import io
import math
import os
import pickle
import re
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO

import numpy as np
from ml_dtypes import bfloat16, float8_e4m3fn, float8_e5m2

from .errors import CheckpointError, UnsafeFileError

_PLAIN_DTYPE = re.compile(r"[<>=|]?(b1|[iu][1248]|f(2|4|8|16)|c(8|16|32)|[SU]\d{1,9})")


class _Name:
    """A global that a pickle may mention and hand on, but not call."""

    def __init__(self, value: Any):
        self.value = value


_NDARRAY = _Name(np.ndarray)


def _refuse(message: str) -> Any:
    raise UnsafeFileError(message)


def _reconstruct(kind: Any, shape: Any, typecode: Any) -> np.ndarray:
    """An empty array, which the state that follows fills; the shape given here is never allocated."""
    return np.empty(0, np.int8) if kind is _NDARRAY else _refuse("holds an array of a class that is not numpy.ndarray")


def _dtype(spec: Any, align: Any = False, copy: Any = True) -> np.dtype:
    if isinstance(spec, _Name) and spec is not _NDARRAY:
        return np.dtype(spec.value)
    if not isinstance(spec, str) or not _PLAIN_DTYPE.fullmatch(spec):
        _refuse(f"holds the dtype {spec!r}: only arrays of numbers, bools and fixed-length strings are read")
    return np.dtype(spec, copy=True)


def _elements(raw: Any, dtype: Any, shape: Any) -> bytes | bytearray:
    """The bytes of an array, checked against its dtype and shape before anything is allocated."""
    raw = raw.encode("latin1") if isinstance(raw, str) else raw  # how Python 2 wrote bytes
    if not isinstance(dtype, np.dtype) or not isinstance(raw, bytes | bytearray):
        _refuse("holds an array whose elements are objects: only arrays of numbers and strings are read")
    # NumPy itself takes more axes from a pickle than an array may have.
    if not isinstance(shape, tuple) or len(shape) > 32 or not all(isinstance(n, int) and n >= 0 for n in shape):
        raise ValueError(f"an array has the shape {shape!r}")
    if math.prod(shape) * dtype.itemsize != len(raw):
        raise ValueError(f"an array of {dtype}{list(shape)} comes with {len(raw)} bytes")
    return raw


def _scalar(dtype: Any, raw: Any) -> np.generic:
    return np.frombuffer(_elements(raw, dtype, ()), dtype)[0]


def _frombuffer(raw: Any, dtype: Any, shape: Any, order: Any, axis_order: Any = None) -> np.ndarray:
    elements = np.frombuffer(_elements(raw, dtype, shape), dtype)
    if axis_order is not None:  # how NumPy 2.4 writes an array whose axes are out of order
        return elements.reshape(shape).transpose(axis_order).copy(order="K")
    return elements.reshape(shape, order=order).copy(order="K")


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    """How bytes are written in the protocols before 3."""
    return str.encode(text, "latin1") if encoding == "latin1" else _refuse(f"holds text to encode as {encoding!r}")


def _bytes(*empty: Any) -> bytes:
    return _refuse("makes bytes from arguments") if empty else b""


def _bytearray(content: Any = b"", encoding: Any = "latin-1") -> bytearray:
    if isinstance(content, str):
        content = _encode(content, encoding.replace("-", ""))
    return bytearray(content) if isinstance(content, bytes) else _refuse("makes a bytearray from no bytes")


def _set(items: Any = ()) -> set[Any]:
    _check_keys(items)
    return set(items)


def _frozenset(items: Any = ()) -> frozenset[Any]:
    return frozenset(_set(items))


def _ordered(items: Any = ()) -> dict[Any, Any]:
    _check_keys(key for key, _ in items)
    return {key: value for key, value in items}


def _complex(real: Any, imaginary: Any = 0.0) -> complex:
    return complex(real, imaginary)


def _check_keys(keys: Iterable[Any]) -> None:
    """Keys nest one tuple deep at most: hashing a tuple of shared tuples takes time exponential in its depth."""
    for key in keys:
        if isinstance(key, tuple) and any(isinstance(part, tuple | frozenset) for part in key):
            _refuse("holds a dict or set with nested tuples as keys")


def _admitted() -> dict[tuple[str, str], Any]:
    """What a pickle may mention, by module and name."""
    table: dict[tuple[str, str], Any] = {
        ("numpy", "ndarray"): _NDARRAY,
        ("numpy", "dtype"): _dtype,
        ("collections", "OrderedDict"): _ordered,
        ("_codecs", "encode"): _encode,
    }
    for core in ("numpy.core", "numpy._core"):
        table[f"{core}.multiarray", "_reconstruct"] = _reconstruct
        table[f"{core}.multiarray", "scalar"] = _scalar
        table[f"{core}.numeric", "_frombuffer"] = _frombuffer
    for builtins in ("builtins", "__builtin__"):
        for name, make in (("set", _set), ("frozenset", _frozenset), ("complex", _complex)):
            table[builtins, name] = make
        table[builtins, "bytearray"], table[builtins, "bytes"] = _bytearray, _bytes
    table.update((("ml_dtypes", kind.__name__), _Name(kind)) for kind in (bfloat16, float8_e4m3fn, float8_e5m2))
    return table


_ADMITTED = _admitted()


def _fill(array: np.ndarray, version: Any, shape: Any, dtype: Any, fortran: Any, raw: Any) -> None:
    if array.shape != (0,) or array.dtype != np.int8:
        _refuse("fills an array twice")
    array.__setstate__((1, shape, dtype, bool(fortran), bytes(_elements(raw, dtype, shape))))


def _set_order(dtype: np.dtype, version: Any, order: Any, subarray: Any, names: Any, fields: Any, *sizes: Any) -> None:
    if (subarray, names, fields) != (None, None, None):
        _refuse("holds a structured array: only arrays of numbers and strings are read")
    if order not in ("<", ">", "=", "|"):
        raise ValueError(f"a dtype has the byte order {order!r}")
    if dtype is not np.dtype(dtype.type):  # the dtypes of ml_dtypes cannot be copied, and have one byte order
        size, alignment = (dtype.itemsize, dtype.alignment) if dtype.kind in "SU" else (-1, -1)
        dtype.__setstate__((3, order, None, None, None, size, alignment, 0))


class _Unpickler(pickle._Unpickler):  # the C one cannot be told what BUILD and REDUCE may touch
    dispatch = dict(pickle._Unpickler.dispatch)

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ADMITTED:
            _refuse(f"asks for {module}.{name}, which is not data")
        return _ADMITTED[module, name]

    def get_extension(self, code: int) -> Any:
        _refuse(f"asks for the registered class number {code}, which is not data")

    def persistent_load(self, pid: Any) -> Any:
        _refuse(f"asks for the external object {pid!r}, which is not data")

    def load_build(self) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        fill = _fill if type(target) is np.ndarray else _set_order if isinstance(target, np.dtype) else None
        if fill is None:
            _refuse(f"sets the attributes of a {type(target).__name__}")
        fill(target, *state)

    def load_bytearray8(self) -> None:
        size = int.from_bytes(self.read(8), "little")
        self.append(bytearray(self.read(size)))  # what is there, instead of what is declared

    dispatch[pickle.BUILD[0]] = load_build
    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8


def _checking(load: Callable[[Any], None], keys: slice) -> Callable[[Any], None]:
    def checked(self: _Unpickler) -> None:
        _check_keys(self.stack[keys])
        load(self)

    return checked


for _code, _keys in (
    (pickle.SETITEM, slice(-2, -1)),
    (pickle.SETITEMS, slice(None, None, 2)),
    (pickle.DICT, slice(None, None, 2)),
    (pickle.ADDITEMS, slice(None)),
    (pickle.FROZENSET, slice(None)),
):
    _Unpickler.dispatch[_code[0]] = _checking(_Unpickler.dispatch[_code[0]], _keys)


def loads(data: bytes, where: str = "the pickle") -> Any:
    """The object in a pickle: numbers, strings, bytes, containers, NumPy arrays, scalars and dtypes.

    data: a pickle of any protocol; strings that Python 2 wrote are read as latin1.  where: names it in messages.
    Raises UnsafeFileError, which names what else the pickle asks for; CheckpointError when it is damaged.
    """
    try:
        return _Unpickler(io.BytesIO(data), encoding="latin1").load()
    except UnsafeFileError as error:
        raise UnsafeFileError(f"{where} {error}: it is refused, and nothing in it was run") from None
    except EOFError:
        raise CheckpointError(f"{where} ends too early after {len(data)} bytes: get the file again") from None
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise CheckpointError(f"{where} is no pickle, or a damaged one: {reason}") from None


def load(source: str | os.PathLike[str] | bytes | BinaryIO) -> Any:
    """The object in a pickle file; see `loads`.

    source: a path, a file opened for reading bytes, or the bytes.
    Raises what `loads` raises, and OSError when the file cannot be read.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return loads(bytes(source))
    if hasattr(source, "read"):
        return loads(source.read(), str(getattr(source, "name", "the file")))
    with open(source, "rb") as file:
        return loads(file.read(), os.fspath(source))
