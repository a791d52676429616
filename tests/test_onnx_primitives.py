"""A user's own op exports by way of its jaxpr, over `primitive_rows`; what cannot is refused by name."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import onnx.reference
import onnxruntime
import pytest
from jax import lax

import hetu_jax as ht
from hetu_jax.errors import OnnxExportError
from hetu_jax.onnx import export_jaxpr, hetu2onnx

from .primitive_rows import ROWS, Row, draw

pytestmark = pytest.mark.usefixtures("compile_quickly")


def check(results, expected, tol):
    for result, wanted in zip(results, expected, strict=True):
        result = np.asarray(result)
        assert (result.dtype, result.shape) == (wanted.dtype, wanted.shape)
        result, wanted = result.astype(np.float64), wanted.astype(np.float64)
        scale = max(1.0, np.max(np.abs(wanted), initial=0, where=np.isfinite(wanted)))
        np.testing.assert_allclose(result, wanted, tol, atol=tol / 10 * scale)


def exported(row, name="own", **options):
    """The row's Executor and its model, whose batch is open where the row has one."""
    outputs = row.outputs(name)
    executor = ht.Executor(outputs)
    executor.run(feed_dict=dict(zip(row.nodes, row.arrays, strict=True)))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = hetu2onnx.export(executor, row.nodes, outputs, dynamic_batch=False, dynamic_axes=row.axes, **options)
    assert not caught, caught[0].message
    return executor, model


def session_of(model):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def feeds_of(row, model, values):
    names = {value.name for value in model.graph.input}
    return {node.name: value for node, value in zip(row.nodes, values, strict=True) if node.name in names}


@pytest.mark.parametrize("name", ROWS)
def test_primitives(name):
    """The checker, the reference and the runtime agree with the executor, also on a larger batch."""
    row = ROWS[name]
    executor, model = exported(row, name)
    onnx.checker.check_model(model, full_check=True)
    onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    session = session_of(model)
    for times in (1, 2) if row.axes else (1,):
        values = row.values(times)
        expected = executor.run(feed_dict=dict(zip(row.nodes, values, strict=True)), convert_to_numpy_ret_vals=True)
        feeds = feeds_of(row, model, values)
        check(session.run(None, feeds), expected, row.tol)
        if times == 1 and row.wrong is None:
            with np.errstate(all="ignore"):
                check(onnx.reference.ReferenceEvaluator(model).run(None, feeds), expected, row.tol)


@pytest.mark.parametrize("name", list(ROWS)[::3])
def test_older_opsets(name):
    """At opset 18 a row exports and computes the same, or the error names the opset that it needs."""
    row = ROWS[name]
    try:
        executor, model = exported(row, name, opset=18)
    except OnnxExportError as error:
        assert "export with opset=" in str(error)
        return
    onnx.checker.check_model(model, full_check=True)
    expected = executor.run(feed_dict=dict(zip(row.nodes, row.arrays, strict=True)), convert_to_numpy_ret_vals=True)
    check(session_of(model).run(None, feeds_of(row, model, row.arrays)), expected, row.tol)


def conv_spread(x, w):
    return lax.conv_general_dilated(x, w, (1, 1), ((0, 1), (1, 0)), lhs_dilation=(2, 2))


X, STACK, IMAGE = draw(4, 3), draw(4, 3, 3), draw(2, 3, 8, 8)


@pytest.mark.parametrize(
    "function, arrays, wanted",
    [
        (lambda x, w: jnp.einsum("ij,kj->ik", x, w), (X, draw(5, 3)), ["Gemm"]),
        (lambda x, w: x @ w, (X, draw(3, 5)), ["MatMul"]),
        (lambda x, y: jnp.einsum("bij,bkj->bik", x, y), (STACK, STACK), ["Transpose", "MatMul"]),
        (lambda x, y: jnp.einsum("bqhd,bkhd->bhqk", x, y), (IMAGE, IMAGE), ["Transpose", "Transpose", "MatMul"]),
        (lambda x, w: x @ w, (STACK, draw(3, 5)), ["MatMul"]),
        (lambda x, y: jnp.einsum("bijk,bkl->bijl", x, y), (draw(4, 2, 3, 5), draw(4, 5, 2)), ["Unsqueeze", "MatMul"]),
        (conv_spread, (IMAGE, draw(5, 3, 3, 3)), ["Transpose", "Slice", "ConvTranspose"]),
        (lambda x: lax.reduce_window(x, -np.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID"), (IMAGE,), ["MaxPool"]),
        (lambda x: lax.scan(lambda c, r: (c + r, c), jnp.zeros(3), x), (X,), ["Scan"]),
    ],
)
def test_the_operators_that_runtimes_are_fast_at(function, arrays, wanted):
    _, model = exported(Row(function, *arrays))
    assert [node.op_type for node in model.graph.node] == wanted


def test_a_transposed_weight_is_stored_transposed():
    x, w = ht.placeholder_op("x"), ht.Variable("w", draw(2, 5, 3))
    y = Row(lambda x, w: jnp.einsum("bij,bkj->bik", x, w), draw(2, 4, 3), draw(2, 5, 3)).outputs("own")[0].op(x, w)
    executor = ht.Executor([y])
    executor.run(feed_dict={x: draw(2, 4, 3)})
    model = hetu2onnx.export(executor, [x], [y], dynamic_batch=False)
    assert [node.op_type for node in model.graph.node] == ["MatMul"]
    assert list(model.graph.initializer[0].dims) == [2, 3, 5]


@pytest.mark.parametrize(
    "function, arrays, message",
    [
        (lambda x: jax.scipy.special.gammainc(x, x), (X,), "with igamma, a special function that ONNX has not"),
        (lambda x: jnp.linalg.inv(x), (STACK,), "with lu, and ONNX solves no equations"),
        (lambda x: jnp.abs(jnp.fft.fft(x)), (X,), "and ONNX has no complex numbers"),
        (lambda x: x + jax.random.normal(jax.random.key(0), x.shape), (X,), "which draws new random numbers"),
        (lambda x: lax.bitcast_convert_type(x, jnp.int8), (X,), "takes the bits of float32 as int8"),
        (lambda x: x.at[0].apply(jnp.sin), (X,), "applies a function to what it finds"),
        (lambda x: lax.reduce(x, 1.0, lambda a, b: a * b + a, (1,)), (X,), "no sum, product, minimum or maximum"),
        (lambda x: lax.reduce_precision(x, 4, 3), (X,), "4 bits of exponent and 3 of mantissa"),
    ],
)
def test_what_is_refused(function, arrays, message):
    """The message names the op, the user's line, the primitive and the reason."""
    with pytest.raises(OnnxExportError, match=f"strange_op .*primitive_rows.py.*cannot be exported: .*{message}"):
        exported(Row(function, *arrays), "strange")


def test_a_primitive_exports_or_has_a_reason():
    assert not export_jaxpr.REFUSED.keys() & export_jaxpr.PRIMITIVES.keys()
