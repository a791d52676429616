"""What the user holds: devices, NDArray, sparse arrays and IndexedSlices."""

from __future__ import annotations

import operator
import socket
import warnings
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .errors import GraphError, hint_at_names
from .valueless import Valueless

_LOCAL_NAMES = ("localhost", "127.0.0.1", socket.gethostname())
_warned: set[str] = set()


class DLContext:
    """A device: kind, number and host.

    device_id: the number among the devices of its kind.  device_type: 1 for cpu, 2 for gpu.  hostname: its machine.
    Raises ValueError for a negative number.
    """

    def __init__(self, device_id: int, device_type: int, hostname: str = "localhost"):
        self.device_id, self.device_type = int(device_id), int(device_type)
        if self.device_id < 0:
            raise ValueError(f"devices are numbered from 0 on, so there is none with the number {device_id}")
        self.local = hostname in _LOCAL_NAMES
        self.hostname = socket.gethostname() if self.local else hostname

    @property
    def kind(self) -> str:
        """'cpu' or 'gpu'."""
        return {1: "cpu", 2: "gpu"}[self.device_type]

    def relocalize(self) -> None:
        """Decides anew whether the device is on this machine."""
        self.local = self.hostname in _LOCAL_NAMES

    def full_repr(self) -> str:
        """host:kind:number."""
        return f"{self.hostname}:{self.kind}:{self.device_id}"

    @property
    def jax_device(self) -> jax.Device:
        """The JAX device of this name; the default device, after one warning, where there is none."""
        devices = _devices(self.kind)
        if self.device_id < len(devices):
            return devices[self.device_id]
        default = jax.local_devices()[0]
        if repr(self) not in _warned:
            _warned.add(repr(self))
            warnings.warn(f"there is no {self!r} here: running on {default} instead", stacklevel=2)
        return default

    def _key(self) -> tuple[Any, ...]:
        return (self.device_type, self.device_id, None if self.local else self.hostname)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DLContext) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return ("" if self.local else f"{self.hostname}:") + f"{self.kind}({self.device_id})"


def _devices(kind: str) -> list[jax.Device]:
    try:
        if kind == "cpu":
            return jax.local_devices(backend="cpu")
    except RuntimeError:
        return []
    return [device for device in jax.local_devices() if device.platform != "cpu"]


def cpu(dev_id: int = 0) -> DLContext:
    """The CPU device `dev_id`."""
    return DLContext(dev_id, 1)


def gpu(dev_id: int = 0) -> DLContext:
    """The accelerator `dev_id`: a GPU, a TPU, or what else JAX calls its default platform."""
    return DLContext(dev_id, 2)


def rcpu(hostname: str, dev_id: int = 0) -> DLContext:
    """The CPU device `dev_id` of a host."""
    return DLContext(dev_id, 1, hostname)


def rgpu(hostname: str, dev_id: int = 0) -> DLContext:
    """The accelerator `dev_id` of a host."""
    return DLContext(dev_id, 2, hostname)


def is_gpu_ctx(ctx: DLContext | None) -> bool:
    """Whether `ctx` names an accelerator."""
    return ctx is not None and ctx.device_type == 2


class Single(np.ndarray):
    """A one-element array that also converts and formats as the number it holds.

    Hetu gives full reductions the shape (1,), and scripts pass them to float() and '%f', which NumPy 2.4 refuses.
    """

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        return operator.index(self.item())

    def __round__(self, digits: int | None = None) -> Any:
        return round(self.item(), digits)

    def __complex__(self) -> complex:
        return complex(self.item())

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else str(self)

    def __array_wrap__(self, array: np.ndarray, context: Any = None, return_scalar: bool = False) -> Any:
        if return_scalar:
            return array[()]
        return array.view(Single if array.size == 1 else np.ndarray)

    def __array_finalize__(self, source: Any) -> None:
        """Nothing to carry over."""

    def __getitem__(self, index: Any) -> Any:
        return self.view(np.ndarray)[index]

    def __reduce__(self) -> Any:
        return self.view(np.ndarray).__reduce__()  # so that a pickle is data, which any reader admits


def as_numpy(value: Any) -> np.ndarray:
    """A NumPy array that the caller may keep and change; one-element arrays with axes are `Single`."""
    array = np.array(value)
    return array.view(Single) if array.ndim and array.size == 1 else array


class NDArray:
    """A thin, lazy wrapper of a `jax.Array`.

    value: the array; nothing waits for it before `asnumpy`.
    ctx: the device by Hetu's name; found from the array when not given.
    """

    __slots__ = ("_ctx", "value")

    def __init__(self, value: Any, ctx: DLContext | None = None):
        self.value, self._ctx = value, ctx

    @property
    def ctx(self) -> DLContext:
        """The device that holds the array."""
        if self._ctx is None and isinstance(self.value, jax.Array):
            device = next(iter(self.value.devices()))
            self._ctx = DLContext(device.id, 1 if device.platform == "cpu" else 2)
        return self._ctx or cpu(0)

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the axes."""
        return tuple(self.value.shape)

    @property
    def dtype(self) -> np.dtype:
        """The dtype of the elements."""
        return np.dtype(self.value.dtype)

    @property
    def stride(self) -> tuple[int, ...]:
        """The distance between neighbours along each axis, in elements."""
        return shape_to_stride(self.shape)

    @property
    def lazy(self) -> bool:
        """Always False: no array here is a strided view."""
        return False

    @property
    def handle(self) -> NDArray:
        """The array itself: what functions take that Hetu gives the C structure behind an array."""
        return self

    def asnumpy(self) -> np.ndarray:
        """A NumPy copy; waits until the value is there."""
        return as_numpy(self.value)

    def copyto(self, target: NDArray | DLContext) -> NDArray:
        """Copies into an NDArray of the same shape, or onto a device; returns the copy."""
        if isinstance(target, DLContext):
            return NDArray(jax.device_put(self.value, target.jax_device), target)
        if not isinstance(target, NDArray):
            raise TypeError(f"copyto takes an NDArray or a device such as ht.cpu(0), not {type(target).__name__}")
        target[:] = self
        return target

    def inplace_copy(self, target: NDArray) -> None:
        """Makes `target` another name of this value."""
        target.value = self.value

    def reshape(self, shape: Sequence[int], target: NDArray) -> None:
        """Makes `target` this value in another shape."""
        target.value = jnp.reshape(self.value, tuple(shape))

    def broadcast_to(self, shape: Sequence[int], target: NDArray, add_axes: Sequence[int] | None = None) -> None:
        """Makes `target` this value broadcast to `shape`; `add_axes` are the new axes, by position in `shape`."""
        value = self.value
        if add_axes and self.shape != (1,):
            value = jnp.expand_dims(value, tuple(add_axes))
        target.value = jnp.broadcast_to(value, tuple(shape))

    def async_h2d(self, source: Any, stream: Any = None, event: Any = None) -> None:
        """Copies from the host; JAX orders it, so `stream` and `event` are only accepted."""
        self[:] = source

    def async_d2h(self, source: NDArray, stream: Any = None, event: Any = None) -> None:
        """Copies from a device; JAX orders it, so `stream` and `event` are only accepted."""
        self[:] = source

    def __setitem__(self, index: Any, value: Any) -> None:
        if index != slice(None):
            raise ValueError("an NDArray is set as a whole: write array[:] = value")
        if isinstance(value, NDArray):
            value = value.value
        if not isinstance(value, np.ndarray | np.generic | jax.Array):
            raise TypeError(f"an NDArray is set from a NumPy array or an NDArray, not from {type(value).__name__}")
        if tuple(value.shape) != self.shape:
            raise ValueError(f"the NDArray has shape {self.shape}, the value {tuple(value.shape)}")
        self.value = jax.device_put(jnp.array(value, self.dtype, copy=True), next(iter(self.value.devices())))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.value, dtype)

    def __float__(self) -> float:
        return float(self.asnumpy())

    def __int__(self) -> int:
        return int(self.asnumpy())

    def __round__(self, digits: int | None = None) -> Any:
        return round(self.asnumpy().item(), digits)

    def __format__(self, spec: str) -> str:
        return format(self.asnumpy().item(), spec) if spec else str(self)

    def _refuse(self, other: Any) -> Any:
        if isinstance(other, Valueless):
            return NotImplemented  # a node takes arrays
        raise TypeError("an NDArray may still be on the device: write .asnumpy() behind it first, then calculate")

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _refuse
    __pow__ = __rpow__ = __matmul__ = __rmatmul__ = __lt__ = __le__ = __gt__ = __ge__ = __getitem__ = _refuse

    def _repr_html_(self) -> str:
        from . import display

        return display.of_array(self)

    def __repr__(self) -> str:
        if self.value is None:
            return "array{empty}"
        return f"array{{shape={list(self.shape)}, dtype={self.dtype}, ctx={self.ctx}}}"


def as_value(value: Any) -> Any:
    """The JAX (or NumPy) value inside an NDArray, or `value` itself."""
    return value.value if isinstance(value, NDArray) else value


def convert_dtype(dtype: Any, force32: bool = True) -> np.dtype:
    """The dtype Hetu stores: ints as int32, floats as float32, unsigned as uint32.

    force32: False lets 8- and 16-bit integers stay.
    Raises TypeError for other kinds.
    """
    dtype = np.dtype(dtype)
    wide = {"i": np.int32, "u": np.uint32, "f": np.float32}
    if dtype.kind not in wide:
        raise TypeError(f"an NDArray holds floats or integers, not {dtype}")
    return dtype if not force32 and dtype.kind in "iu" and dtype.itemsize < 4 else np.dtype(wide[dtype.kind])


DataType = {
    kind: code for code, kind in enumerate((np.float32, np.int32, np.uint32, np.int8, np.uint8, np.int16, np.uint16))
}  # Hetu's numbers of the dtypes that it stores


def get_dtype(dtype: Any) -> int:
    """The number of a dtype in `DataType`."""
    return DataType[np.dtype(dtype).type]


def get_nbits(dtype: Any) -> int:
    """The width of a dtype in bits."""
    return np.dtype(dtype).itemsize * 8


def shape_to_stride(shape: Sequence[int]) -> tuple[int, ...]:
    """The strides, in elements, of a contiguous array of `shape`."""
    return tuple(int(np.prod(shape[axis + 1 :])) for axis in range(len(shape)))


def array(
    arr: Any, ctx: DLContext | None = None, dtype: Any = np.float32, force32: bool = True, *, data_type: Any = None
) -> NDArray:
    """An NDArray from an array, list or number.

    ctx: its device; None means JAX's default.  dtype: of the elements (2021 calls it `data_type`).
    force32: False lets 8- and 16-bit integers stay narrow.
    """
    dtype = convert_dtype(dtype if data_type is None else data_type, force32)
    value = jnp.array(np.array(as_value(arr), dtype=dtype), copy=True)
    return NDArray(value if ctx is None else jax.device_put(value, ctx.jax_device), ctx)


def empty(shape: Sequence[int], ctx: DLContext | None = None, dtype: Any = np.float32, force32: bool = True) -> NDArray:
    """An NDArray of `shape`; its elements are zeros, which is as good as Hetu's undefined ones."""
    return array(np.zeros(shape), ctx, dtype, force32)


def empty_like(arr: NDArray) -> NDArray:
    """An NDArray with the shape, dtype and device of another."""
    return empty(arr.shape, arr.ctx, arr.dtype, force32=False)


class HostArray(NDArray):
    """An NDArray over memory of a NumPy array: what is written to it appears there."""

    __slots__ = ("_array",)

    def __init__(self, array: np.ndarray):
        self._array, self._ctx = array, cpu(0)

    @property
    def value(self) -> np.ndarray:
        """The NumPy array."""
        return self._array

    @value.setter
    def value(self, value: Any) -> None:
        self._array[...] = np.asarray(value).reshape(self._array.shape)

    def __setitem__(self, index: Any, value: Any) -> None:
        self._array[index] = np.asarray(as_value(value))


def numpyasdlarrayhandle(data: np.ndarray) -> HostArray:
    """An NDArray over the memory of a NumPy array.  Raises TypeError for anything else."""
    if not isinstance(data, np.ndarray):
        raise TypeError(f"numpyasdlarrayhandle takes a NumPy array, not {type(data).__name__}")
    return HostArray(data)


@jax.tree_util.register_pytree_node_class
class ND_Sparse_Array:
    """A sparse matrix, in compressed rows ('csr') or coordinates ('coo').

    nrow, ncol: the shape.  data: values (nnz,), float32.  form: 'csr' or 'coo'.
    row: csr row starts (nrow + 1,) or coo row numbers (nnz,), int32.  col: column numbers (nnz,), int32.
    The 2021 order of arguments, (data, row, col, nrow, ncol), is understood as well.
    Raises ValueError for another form.
    """

    def __init__(
        self,
        nrow: Any,
        ncol: Any,
        data: Any = None,
        row: Any = None,
        col: Any = None,
        form: str = "csr",
        ctx: DLContext | None = None,
    ):
        if np.ndim(as_value(nrow)) == 1:
            data, row, col, nrow, ncol = nrow, ncol, data, row, col
        if form not in ("csr", "coo"):
            raise ValueError(f"a sparse array is 'csr' or 'coo', not {form!r}")
        self.nrow, self.ncol, self.form, self.ctx = int(nrow), int(ncol), form, ctx or cpu(0)
        parts = zip((data, row, col), (np.float32, np.int32, np.int32), strict=True)
        self.data, self.row, self.col = (None if p is None else jnp.asarray(as_value(p), d) for p, d in parts)

    shape = property(lambda self: (self.nrow, self.ncol), doc="Rows and columns.")
    dtype = property(lambda self: np.dtype(self.data.dtype), doc="The dtype of the values.")
    lazy = False

    @classmethod
    def accepts(cls, value: Any) -> bool:
        """Whether `of` can make a sparse array of `value`."""
        return isinstance(value, cls) or (hasattr(value, "tocsr") and hasattr(value, "nnz"))

    @classmethod
    def of(cls, matrix: Any) -> ND_Sparse_Array:
        """A csr array from a scipy sparse matrix; an ND_Sparse_Array is returned as it is."""
        if isinstance(matrix, cls):
            return matrix
        csr = matrix.tocsr()
        return cls(*csr.shape, csr.data.astype(np.float32), np.int32(csr.indptr), np.int32(csr.indices))

    def astype(self, dtype: Any) -> ND_Sparse_Array:
        """The same matrix with values of another dtype."""
        return type(self)(*self.shape, self.data.astype(dtype), self.row, self.col, self.form, self.ctx)

    def coordinates(self) -> tuple[jax.Array, jax.Array]:
        """Row and column numbers of the stored values, each (nnz,) int32."""
        if self.form == "coo":
            return jnp.asarray(self.row), jnp.asarray(self.col)
        counts = jnp.diff(jnp.asarray(self.row))
        return jnp.repeat(jnp.arange(self.nrow), counts, total_repeat_length=len(self.data)), jnp.asarray(self.col)

    def todense(self) -> jax.Array:
        """The dense matrix (nrow, ncol); repeated coordinates add up."""
        rows, cols = self.coordinates()
        return jnp.zeros(self.shape, self.data.dtype).at[rows, cols].add(self.data)

    def asnumpy(self) -> Any:
        """A scipy matrix of the same form."""
        scipy = _scipy()
        values = tuple(np.asarray(part) for part in (self.data, self.row, self.col))
        if self.form == "coo":
            return scipy.coo_matrix((values[0], values[1:]), shape=self.shape)
        return scipy.csr_matrix((values[0], values[2], values[1]), shape=self.shape)

    def __setitem__(self, index: Any, value: Any) -> None:
        if index != slice(None) or not self.accepts(value):
            raise ValueError("a sparse array is set as a whole, from a sparse matrix: write array[:] = matrix")
        source = value.tocoo() if self.form == "coo" and hasattr(value, "tocoo") else self.of(value)
        if tuple(source.shape) != self.shape:
            raise ValueError(f"the sparse array has shape {self.shape}, the value {tuple(source.shape)}")
        self.data, self.row, self.col = jnp.asarray(source.data), jnp.asarray(source.row), jnp.asarray(source.col)

    def tree_flatten(self) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """For JAX: the arrays, and what is static."""
        return (self.data, self.row, self.col), (self.nrow, self.ncol, self.form, self.ctx)

    @classmethod
    def tree_unflatten(cls, static: tuple[Any, ...], children: tuple[Any, ...]) -> ND_Sparse_Array:
        """For JAX: from the arrays, and what is static."""
        matrix = object.__new__(cls)
        matrix.nrow, matrix.ncol, matrix.form, matrix.ctx = static
        matrix.data, matrix.row, matrix.col = children
        return matrix

    def __repr__(self) -> str:
        return f"sparse_array{{shape={list(self.shape)}, nnz={len(self.data)}, form={self.form}}}"


def _scipy() -> Any:
    try:
        import scipy.sparse
    except ImportError:
        raise ImportError("sparse matrices on the host need SciPy: pip install scipy") from None
    return scipy.sparse


def sparse_array(
    values: Any,
    indices: tuple[Any, Any],
    shape: tuple[int, int],
    form: Any = "csr",
    ctx: DLContext | None = None,
) -> ND_Sparse_Array:
    """A sparse array from values (nnz,), their (row, column) numbers, and a shape.

    form: 'csr' (repeated coordinates add up) or 'coo' (sorted by row and column, repeated ones stay).
    2021 passes `ctx` in the place of `form`; that is understood.
    Raises ValueError for a coordinate outside the shape.
    """
    if isinstance(form, DLContext):
        form, ctx = "csr", form
    if len(indices) != 2 or len(indices[0]) != len(indices[1]) or len(shape) != 2:
        raise ValueError(f"indices must be two arrays of one length and shape a pair, not {len(indices)} and {shape}")
    rows, cols = (np.asarray(part, np.int64) for part in indices)
    values = np.asarray(values, np.float32)
    outside = np.flatnonzero((rows < 0) | (rows >= shape[0]) | (cols < 0) | (cols >= shape[1]))
    if outside.size:
        where = rows[outside[0]], cols[outside[0]]
        raise ValueError(
            f"value {outside[0]} of the sparse array stands at row {where[0]}, column {where[1]}, outside its shape "
            f"{tuple(shape)}: rows and columns count from 0"
        )
    if form == "csr":
        keys, inverse = np.unique(rows * shape[1] + cols, return_inverse=True)
        sums = np.zeros(len(keys), np.float64)
        np.add.at(sums, inverse.reshape(-1), values)
        rows, cols, values = keys // shape[1], keys % shape[1], sums
        rows = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=shape[0]))])
    else:
        order = np.lexsort((cols, rows))
        rows, cols, values = rows[order], cols[order], values[order]
    return ND_Sparse_Array(
        *shape, jnp.asarray(values, jnp.float32), jnp.asarray(rows, jnp.int32), jnp.asarray(cols, jnp.int32), form, ctx
    )


def csr_sparse_array(mat: Any, shape: tuple[int, int], ctx: DLContext | None = None) -> ND_Sparse_Array:
    """A csr array from a scipy matrix."""
    coo = mat.tocoo()
    return sparse_array(coo.data, (coo.row, coo.col), shape, "csr", ctx)


def coo_sparse_array(mat: Any, shape: tuple[int, int], ctx: DLContext | None = None) -> ND_Sparse_Array:
    """A coo array from a scipy matrix."""
    coo = mat.tocoo()
    return sparse_array(coo.data, (coo.row, coo.col), shape, "coo", ctx)


def dense_to_sparse(arr: Any, form: str = "csr") -> ND_Sparse_Array:
    """The sparse array of a dense matrix's non-zero elements."""
    dense = np.asarray(as_value(arr))
    rows, cols = np.nonzero(dense)
    return sparse_array(dense[rows, cols], (rows, cols), dense.shape, form)


class IndexedSlices:
    """Rows of a table: `values[i]` belongs to row `indices[i]`.

    indices: any shape S, int; negative ones count for nothing.  values: S + (width,).  dense_shape: (rows, width).
    """

    def __init__(self, indices: Any = None, values: Any = None, dense_shape: tuple[int, int] | None = None):
        self.update(indices, values, dense_shape)

    def update(self, indices: Any, values: Any, dense_shape: tuple[int, int] | None) -> None:
        """Replaces all three parts."""
        self.indices, self.values, self.dense_shape = indices, values, dense_shape
        self.deduplicated = False

    def get_dense_shape(self) -> tuple[int, int]:
        """Rows and width of the table."""
        if self.dense_shape is None:
            raise GraphError("these IndexedSlices were made without a dense_shape: pass it as the third argument")
        return self.dense_shape

    def get_sparse_shape(self) -> tuple[int, ...]:
        """The shape of the values."""
        return tuple(as_value(self.values).shape)

    def _parts(self) -> tuple[jax.Array, jax.Array]:
        indices = jnp.asarray(as_value(self.indices)).reshape(-1).astype(jnp.int32)
        return indices, jnp.asarray(as_value(self.values)).reshape(len(indices), -1)

    def deduplicate(self, stream: Any = None) -> None:
        """Sums the values of equal indices, in ascending order of index."""
        indices, values = (np.asarray(part) for part in self._parts())
        unique, inverse = np.unique(indices, return_inverse=True)
        sums = np.zeros((len(unique), values.shape[1]), values.dtype)
        np.add.at(sums, inverse.reshape(-1), values)
        self.indices, self.values, self.deduplicated = NDArray(jnp.asarray(unique)), NDArray(jnp.asarray(sums)), True

    cpu_deduplicate = deduplicate

    def free_deduplicate(self) -> None:
        """Nothing to free: memory is the garbage collector's."""

    free_dense = try_init_dense = free_deduplicate

    def to_dense(self, stream: Any = None) -> NDArray:
        """The dense table; repeated indices add up."""
        indices, values = self._parts()
        indices = jnp.where(indices < 0, self.get_dense_shape()[0], indices)
        return NDArray(jnp.zeros(self.get_dense_shape(), values.dtype).at[indices].add(values, mode="drop"))

    def asnumpy(self) -> tuple[np.ndarray, np.ndarray]:
        """Indices and values as NumPy arrays."""
        return np.asarray(as_value(self.indices)), np.asarray(as_value(self.values))

    def __repr__(self) -> str:
        return f"IndexedSlices{{dense_shape={self.dense_shape}, values={self.values!r}}}"


hint_at_names(__name__)
