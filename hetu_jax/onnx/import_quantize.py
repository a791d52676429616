"""Import of ai.onnx: quantised numbers."""

import math

import jax.numpy as jnp
import ml_dtypes
import numpy as np

from .arrays import astype, axis_of, device, dtype_of, is_float
from .import_cast import cast
from .import_conv import ConvInteger
from .operators import operator


def _limits(dtype):
    info = ml_dtypes.iinfo(dtype)
    return int(info.min), int(info.max)


def _spread(parameter, x, axis, block_size):
    """A scale or zero point in a shape that broadcasts with x: one in all, one an axis's index, or one a block."""
    parameter = device(parameter)
    if parameter.size == 1 and parameter.ndim <= 1:
        return parameter.reshape(())
    axis = axis_of(axis, x.ndim)
    if block_size and parameter.ndim == x.ndim:
        return jnp.repeat(parameter, block_size, axis=axis)[(slice(None),) * axis + (slice(x.shape[axis]),)]
    shape = [1] * x.ndim
    shape[axis] = -1
    return parameter.reshape(shape)


def quantised(x, scale, zero_point, dtype, saturate=1):
    """round(x / scale) + zero_point, halves to even, cut to the range of the integers; floats are cast."""
    scaled = x / scale
    if jnp.issubdtype(dtype, jnp.floating):
        return cast(scaled, dtype, saturate)
    whole = jnp.round(scaled)
    if zero_point is not None:
        whole = whole + zero_point.astype(whole.dtype)
    low, high = _limits(dtype)
    return astype(astype(jnp.clip(whole, low, high), np.int32), dtype)


@operator
def QuantizeLinear(x, y_scale, y_zero_point=None, *, axis=1, block_size=0, output_dtype=0, precision=0, saturate=1):
    """x / y_scale + y_zero_point in the dtype of the zero point, `output_dtype`, or uint8."""
    dtype = y_zero_point.dtype if y_zero_point is not None else dtype_of(output_dtype or 2)
    wide = dtype_of(precision) if precision else y_scale.dtype
    wide = np.float32 if np.dtype(wide).itemsize < 4 else wide
    zero_point = None if y_zero_point is None else astype(_spread(y_zero_point, x, axis, block_size), np.int32)
    return quantised(
        astype(device(x), wide), _spread(astype(y_scale, wide), x, axis, block_size), zero_point, dtype, saturate
    )


@operator
def DequantizeLinear(x, x_scale, x_zero_point=None, *, axis=1, block_size=0, output_dtype=0):
    """(x - x_zero_point) * x_scale."""
    dtype = dtype_of(output_dtype) if output_dtype else x_scale.dtype
    wide = np.float32 if np.dtype(x_scale.dtype).itemsize < 4 else x_scale.dtype
    values = astype(device(x), wide if is_float(x) else np.int32)
    if x_zero_point is not None:
        values = values - astype(_spread(x_zero_point, x, axis, block_size), values.dtype)
    return astype(astype(values, wide) * astype(_spread(x_scale, x, axis, block_size), wide), dtype)


@operator
def DynamicQuantizeLinear(x):
    """x as uint8, with the scale and the zero point that its range asks for."""
    x = device(x)
    low, high = jnp.minimum(x.min(), 0), jnp.maximum(x.max(), 0)
    scale = (high - low) / 255
    zero_point = jnp.clip(jnp.round(-low / scale), 0, 255)
    return quantised(x, scale, zero_point, np.dtype(np.uint8)), scale, astype(zero_point, np.uint8)


def _rows(zero_point, rank):
    """A zero point per row of a matrix, as a column."""
    zero_point = astype(device(zero_point), np.int32)
    return zero_point[..., None] if zero_point.ndim == 1 and rank > 1 and zero_point.size > 1 else zero_point


@operator
def MatMulInteger(A, B, a_zero_point=None, b_zero_point=None):
    A, B = astype(device(A), np.int32), astype(device(B), np.int32)
    A = A if a_zero_point is None else A - _rows(a_zero_point, A.ndim)
    B = B if b_zero_point is None else B - astype(device(b_zero_point), np.int32)
    return jnp.matmul(A, B)


@operator
def QLinearMatMul(a, a_scale, a_zero_point, b, b_scale, b_zero_point, y_scale, y_zero_point):
    whole = MatMulInteger.fn(a, b, a_zero_point, b_zero_point)
    scale = device(a_scale).astype(jnp.float32) * b_scale / y_scale
    zero_point = astype(device(y_zero_point), np.int32)
    return quantised(whole * scale, np.float32(1), zero_point, y_zero_point.dtype)


@operator
def QLinearConv(
    x,
    x_scale,
    x_zero_point,
    w,
    w_scale,
    w_zero_point,
    y_scale,
    y_zero_point,
    B=None,
    *,
    auto_pad="NOTSET",
    dilations=None,
    group=1,
    kernel_shape=None,
    pads=None,
    strides=None,
):
    whole = ConvInteger.fn(
        x,
        w,
        x_zero_point,
        w_zero_point,
        auto_pad=auto_pad,
        dilations=dilations,
        group=group,
        pads=pads,
        strides=strides,
    )
    channel = (-1, *[1] * (whole.ndim - 2))
    whole = whole if B is None else whole + device(B).reshape(channel)
    scale = device(x_scale) * device(w_scale) / device(y_scale)
    scale = scale.reshape(channel) if math.prod(scale.shape) > 1 else scale.reshape(())
    zero_point = astype(device(y_zero_point), np.int32)
    return quantised(whole * scale, np.float32(1), zero_point.reshape(()), y_zero_point.dtype)
