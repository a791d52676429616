"""The direct kernels `gpu_links` and `cpu_links`, each against NumPy."""

import ctypes
import inspect
from typing import Any

import jax
import numpy as np
import pytest

import hetu_jax as ht
from hetu_jax import cpu_links, gpu_links, ndarray, stream

from .kernel_rows import CPU, GPU, Out, Row, Slices

pytestmark = pytest.mark.usefixtures("compile_quickly")


def _is_leaf(value: Any) -> bool:
    return value is None or isinstance(value, Out | Slices)


def _ndarray(value: Any, outs: list[Any]) -> Any:
    """What is passed to the kernel for an argument of a row; what the kernel writes goes into `outs` as well."""
    if isinstance(value, Out):
        outs.append(_ndarray(value.array, outs))
        return outs[-1]
    if isinstance(value, Slices):
        return ndarray.IndexedSlices(_ndarray(value.indices, outs), _ndarray(value.values, outs), value.dense_shape)
    if hasattr(value, "tocsr"):
        return ndarray.ND_Sparse_Array.of(value)
    return ht.array(value, ht.gpu(0), value.dtype, force32=False) if isinstance(value, np.ndarray) else value


def _wide(value: Any) -> Any:
    """What the oracle sees of an argument of a row."""
    if isinstance(value, Out):
        value = value.array
    if isinstance(value, np.ndarray):
        return value.astype(np.float32).astype(np.float64) if value.dtype.kind == "f" else value.astype(np.int64)
    return value


def _run(module: Any, row: Row) -> None:
    outs: list[Any] = []
    args, kwargs = jax.tree.map(lambda leaf: _ndarray(leaf, outs), (row.args, row.kwargs), is_leaf=_is_leaf)
    shapes = [(array.shape, array.dtype) for array in outs]
    getattr(module, row.name)(*args, **kwargs)
    assert [(array.shape, array.dtype) for array in outs] == shapes
    found = [np.asarray(array.asnumpy(), np.float64) for array in outs]
    if row.check is not None:
        row.check(*found)
        return
    wide_args, wide_kwargs = jax.tree.map(_wide, (row.args, row.kwargs), is_leaf=_is_leaf)
    expected = row.expected(*wide_args, **wide_kwargs)
    expected = expected if isinstance(expected, tuple) else (expected,)
    assert len(found) == len(expected)
    for array, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(array, np.reshape(wanted, array.shape), rtol=2e-5, atol=row.atol)


@pytest.mark.parametrize("row", GPU, ids=str)
def test_gpu_kernel(row):
    _run(gpu_links, row)


@pytest.mark.parametrize("row", CPU, ids=str)
def test_cpu_kernel(row):
    _run(cpu_links, row)


@pytest.mark.parametrize(("module", "rows"), [(gpu_links, GPU), (cpu_links, CPU)], ids=["gpu", "cpu"])
def test_every_kernel_has_a_row_and_a_docstring(module, rows):
    sizes = {"get_unique_workspace_size", "reduce_indexedslice_get_workspace_size"}
    assert set(module.__all__) - {row.name for row in rows} - sizes == set()
    for name in module.__all__:
        kernel = getattr(module, name)
        assert kernel.__doc__.split("\n")[0].endswith(".")
        assert kernel.__name__ == name


def test_memory_of_numpy_arrays_is_written():
    x, y = np.float32([[1, -2], [-3, 4]]), np.zeros((2, 2), np.float32)
    cpu_links.relu(ndarray.numpyasdlarrayhandle(x), ndarray.numpyasdlarrayhandle(y))
    np.testing.assert_array_equal(y, [[1, 0], [0, 4]])


def test_streams_are_accepted_anywhere_and_an_empty_shell_is_filled():
    handle = stream.create_stream_handle(ht.gpu(0))
    param, out = ht.array([1.0, 2.0], ht.gpu(0)), ndarray.NDArray(None)
    gpu_links.sgd_update(param, ht.array([1.0, 1.0], ht.gpu(0)), 0.5, handle)
    gpu_links.sgd_update(param, ht.array([1.0, 1.0], ht.gpu(0)), 0.5, 0.0, stream=handle)
    gpu_links.exp(param, out, handle)
    handle.sync()
    np.testing.assert_allclose(out.asnumpy(), np.exp([0.0, 1.0]))


def test_a_dropout_with_a_seed_can_be_repeated():
    ones = ht.array(np.ones((20, 20)), ht.gpu(0))
    first, second, third = (ht.empty((20, 20), ht.gpu(0)) for _ in range(3))
    gpu_links.dropout(ones, 0.5, first, 7)
    gpu_links.dropout_gradient_recompute(ones, 0.5, second, ctypes.c_ulonglong(7))
    np.testing.assert_array_equal(first.asnumpy(), second.asnumpy())
    space = ctypes.c_void_p(0)
    gpu_links.CuDNN_Dropout(ones, 0.5, first, ctypes.c_int(0), space, 1)
    gpu_links.dropout(ones, 0.5, third)
    gpu_links.CuDNN_Dropout_gradient(ones, 0.5, second, ctypes.c_int(0), space)
    np.testing.assert_array_equal(first.asnumpy(), second.asnumpy())
    assert np.any(first.asnumpy() != third.asnumpy())


def test_l2_regularisation_returns_the_dense_gradient():
    param = ht.array(np.ones((3, 2)), ht.gpu(0))
    rows = ndarray.IndexedSlices(ht.array([1]), ht.array([[2.0, 3.0]]), (3, 2))
    dense = gpu_links.add_l2_regularization(param, rows, 0.5)
    np.testing.assert_allclose(dense.asnumpy(), [[0.5, 0.5], [2.5, 3.5], [0.5, 0.5]])


def test_a_call_that_fits_no_signature_says_so():
    one = ht.array([1.0], ht.gpu(0))
    with pytest.raises(
        TypeError, match=r"relu\(in_arr, out_arr, stream=None\): missing a required argument: 'out_arr'"
    ):
        gpu_links.relu(one)
    with pytest.raises(TypeError, match="'out_arr' must be an NDArray to write into, not 3"):
        gpu_links.relu(one, 3)
    with pytest.raises(ValueError, match=r"out_arr has shape \(2,\), but the result has shape \(1,\)"):
        gpu_links.relu(one, ht.empty((2,), ht.gpu(0)))
    with pytest.raises(ValueError, match="start_pos 0 and end_pos 2"):
        matrix = ndarray.dense_to_sparse(np.eye(2))
        gpu_links.CuSparse_Csrmm(matrix, False, ht.array(np.eye(2)), False, ht.empty((2, 2)), start_pos=0, end_pos=2)


def test_signatures_and_sizes():
    assert str(inspect.signature(gpu_links.relu)) == "(in_arr, out_arr, stream=None)"
    assert str(inspect.signature(cpu_links.pad)) == "(in_arr, out_arr, paddings, mode='CONSTANT', constant_values=0)"
    assert gpu_links.get_unique_workspace_size(6) == gpu_links.reduce_indexedslice_get_workspace_size(6) > 0
    assert cpu_links.dnnl_op.relu is cpu_links.relu
