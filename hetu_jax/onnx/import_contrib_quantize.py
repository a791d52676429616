"""Import of com.microsoft: quantised operators of ONNX Runtime."""

import jax
import jax.numpy as jnp
import numpy as np

from .arrays import astype, axis_of, device
from .import_contrib import EmbedLayerNormalization
from .import_contrib_attention import self_attended
from .import_conv import AveragePool
from .import_quantize import DequantizeLinear, DynamicQuantizeLinear, MatMulInteger, QuantizeLinear, quantised
from .import_rnn import activations_by_direction, long_short_term
from .operators import MICROSOFT, operator_of

contrib = operator_of(MICROSOFT)


def _real(x, scale, zero_point):
    """What quantised numbers stand for."""
    x = astype(device(x), np.float32)
    return (x if zero_point is None else x - astype(device(zero_point), np.float32)) * scale


def _whole(x, scale, zero_point, dtype=np.uint8):
    """Numbers quantised with one scale."""
    dtype = dtype if zero_point is None else zero_point.dtype
    return quantised(x, scale, None if zero_point is None else astype(device(zero_point), np.int32), np.dtype(dtype))


@contrib
def QuantizeLinear_1(x, y_scale, y_zero_point=None, *, axis=1):
    return QuantizeLinear.fn(x, y_scale, y_zero_point, axis=axis)


@contrib
def DequantizeLinear_1(x, x_scale, x_zero_point=None, *, axis=1):
    return DequantizeLinear.fn(x, x_scale, x_zero_point, axis=axis)


def _binary(name, function):
    """Registers an operator on two quantised arrays."""

    def compute(A, A_scale, A_zero_point, B, B_scale, B_zero_point, C_scale, C_zero_point=None):
        a, b = _real(A, A_scale, A_zero_point), _real(B, B_scale, B_zero_point)
        return _whole(function(a, b), C_scale, C_zero_point, A.dtype)

    compute.__name__ = name
    contrib(compute)


_binary("QLinearAdd", lambda a, b: a + b)
_binary("QLinearMul", lambda a, b: a * b)


@contrib
def QLinearSigmoid(X, X_scale, X_zero_point, Y_scale, Y_zero_point=None):
    return _whole(jax.nn.sigmoid(_real(X, X_scale, X_zero_point)), Y_scale, Y_zero_point, X.dtype)


@contrib
def QLinearLeakyRelu(X, X_scale, X_zero_point, Y_scale, Y_zero_point=None, *, alpha=0.01):
    real = _real(X, X_scale, X_zero_point)
    return _whole(jnp.where(real >= 0, real, alpha * real), Y_scale, Y_zero_point, X.dtype)


@contrib
def QLinearSoftmax(X, X_scale, x_zero_point, y_scale, y_zero_point, *, axis=-1, opset):
    """The softmax along an axis, or, in opsets below 13, over all axes from it on."""
    real = _real(X, X_scale, x_zero_point)
    axes = axis if opset >= 13 else tuple(range(axis_of(axis, X.ndim), X.ndim))
    return _whole(jax.nn.softmax(real, axis=axes), y_scale, y_zero_point)


@contrib
def QLinearGlobalAveragePool(X, x_scale, x_zero_point, y_scale, y_zero_point, *, channels_last=0):
    axes = tuple(range(1, X.ndim - 1)) if channels_last else tuple(range(2, X.ndim))
    return _whole(_real(X, x_scale, x_zero_point).mean(axes, keepdims=True), y_scale, y_zero_point)


@contrib
def QLinearAveragePool(
    X,
    x_scale,
    x_zero_point,
    y_scale,
    y_zero_point=None,
    *,
    auto_pad="NOTSET",
    ceil_mode=0,
    channels_last=0,
    count_include_pad=0,
    kernel_shape,
    pads=None,
    strides=None,
):
    real = _real(X, x_scale, x_zero_point)
    pooled = AveragePool.fn(
        jnp.moveaxis(real, -1, 1) if channels_last else real,
        auto_pad=auto_pad,
        ceil_mode=ceil_mode,
        count_include_pad=count_include_pad,
        kernel_shape=kernel_shape,
        pads=pads,
        strides=strides,
    )
    return _whole(jnp.moveaxis(pooled, 1, -1) if channels_last else pooled, y_scale, y_zero_point, X.dtype)


@contrib
def QLinearConcat(Y_scale, Y_zero_point, *inputs, axis):
    """Quantised arrays, each followed by its scale and zero point, one after the other."""
    parts = [_real(*inputs[i : i + 3]) for i in range(0, len(inputs), 3)]
    return _whole(jnp.concatenate(parts, axis=axis), Y_scale, Y_zero_point)


@contrib
def QLinearWhere(condition, X, x_scale, x_zero_point, Y, y_scale, y_zero_point, z_scale, z_zero_point):
    chosen = jnp.where(condition, _real(X, x_scale, x_zero_point), _real(Y, y_scale, y_zero_point))
    return _whole(chosen, z_scale, z_zero_point)


@contrib
def QGemm(
    A,
    a_scale,
    a_zero_point,
    B,
    b_scale,
    b_zero_point,
    C=None,
    y_scale=None,
    y_zero_point=None,
    *,
    alpha=1.0,
    transA=0,
    transB=0,
):
    """alpha * A @ B + C of quantised matrices, where C has the scale of the product; floats without `y_scale`."""
    a = astype(device(A.T if transA else A), np.int32) - astype(device(a_zero_point), np.int32)
    b = astype(device(B), np.int32) - astype(device(b_zero_point), np.int32).reshape(
        -1, *[1] * (transB and b_zero_point.ndim)
    )
    whole = jnp.matmul(a, b.T if transB else b)
    real = (whole if C is None else whole + C) * (alpha * a_scale * b_scale)
    return real if y_scale is None else _whole(real, y_scale, y_zero_point)


@contrib
def MatMulIntegerToFloat(A, B, a_scale, b_scale, a_zero_point=None, b_zero_point=None, bias=None):
    real = MatMulInteger.fn(A, B, a_zero_point, b_zero_point) * (device(a_scale) * b_scale)
    return real if bias is None else real + bias


@contrib
def DynamicQuantizeMatMul(A, B, b_scale, b_zero_point=None, bias=None):
    """A, quantised by its own range, times quantised B, as floats."""
    whole, scale, zero_point = DynamicQuantizeLinear.fn(A)
    return MatMulIntegerToFloat.fn(whole, B, scale, b_scale, zero_point, b_zero_point, bias)


def _rounded(x):
    """x as the uint8 that its own range asks for would have it; zeros stay."""
    whole, scale, zero_point = DynamicQuantizeLinear.fn(x)
    return jnp.where(scale > 0, (astype(whole, np.float32) - astype(zero_point, np.float32)) * scale, 0)


def _dequantised(W, scale, zero_point):
    """Weights (directions, input, gates) as floats (directions, gates, input)."""
    scale, zero_point = (device(x).reshape(x.shape[0], 1, -1) for x in (scale, zero_point))
    return ((astype(device(W), np.float32) - astype(zero_point, np.float32)) * scale).swapaxes(1, 2)


@contrib
def DynamicQuantizeLSTM(
    X,
    W,
    R,
    B=None,
    sequence_lens=None,
    initial_h=None,
    initial_c=None,
    P=None,
    W_scale=None,
    W_zero_point=None,
    R_scale=None,
    R_zero_point=None,
    *,
    activation_alpha=None,
    activation_beta=None,
    activations=None,
    clip=None,
    direction="forward",
    hidden_size=None,
    input_forget=0,
):
    """LSTM of quantised weights; what they are multiplied with is quantised by its own range at every step."""
    functions = activations_by_direction(
        activations, ["Sigmoid", "Tanh", "Tanh"], 3, activation_alpha, activation_beta, clip
    )
    weights = _dequantised(W, W_scale, W_zero_point), _dequantised(R, R_scale, R_zero_point), B, P
    initial = initial_h, initial_c
    return long_short_term(
        _rounded(X), weights, initial, sequence_lens, direction, 0, functions, input_forget, seen=_rounded
    )


@contrib
def QAttention(
    input,
    weight,
    bias,
    input_scale,
    weight_scale,
    mask_index=None,
    input_zero_point=None,
    weight_zero_point=None,
    past=None,
    *,
    do_rotary=0,
    mask_filter_value=-10000.0,
    num_heads,
    past_present_share_buffer=0,
    scale=0.0,
    unidirectional=0,
):
    """Attention whose input and projections are quantised; also the keys and values of past and present.

    Raises ValueError for rotary embeddings and shared buffers, which exist on other devices only.
    """
    if do_rotary or past_present_share_buffer:
        raise ValueError("rotary embeddings and shared buffers inside QAttention are not supported")
    projected = MatMulIntegerToFloat.fn(
        input, weight, input_scale, weight_scale, input_zero_point, weight_zero_point, bias
    )
    masks = dict(mask=mask_index, fill=mask_filter_value, unidirectional=unidirectional)
    return self_attended(projected, past, num_heads, scale=scale, **masks)


@contrib
def QEmbedLayerNormalization(
    input_ids,
    segment_ids=None,
    word_embedding_quant=None,
    position_embedding_quant=None,
    segment_embedding=None,
    gamma_quant=None,
    beta_quant=None,
    mask=None,
    word_embedding_scale=None,
    position_embedding_scale=None,
    segment_embedding_scale=None,
    gamma_scale=None,
    beta_scale=None,
    word_embedding_zero_point=None,
    position_embedding_zero_point=None,
    segment_embedding_zero_point=None,
    gamma_zero_point=None,
    beta_zero_point=None,
    *,
    epsilon=1e-12,
):
    """EmbedLayerNormalization of quantised tables."""
    tables = [
        None if table is None else _real(table, scale, zero_point)
        for table, scale, zero_point in (
            (word_embedding_quant, word_embedding_scale, word_embedding_zero_point),
            (position_embedding_quant, position_embedding_scale, position_embedding_zero_point),
            (segment_embedding, segment_embedding_scale, segment_embedding_zero_point),
            (gamma_quant, gamma_scale, gamma_zero_point),
            (beta_quant, beta_scale, beta_zero_point),
        )
    ]
    return EmbedLayerNormalization.fn(input_ids, segment_ids, *tables, mask, epsilon=epsilon)[:2]


@contrib
def QLinearReduceMean(data, data_scale, data_zero_point, reduced_scale, reduced_zero_point=None, *, axes, keepdims):
    mean = _real(data, data_scale, data_zero_point).mean(tuple(axes), keepdims=bool(keepdims))
    return _whole(mean, reduced_scale, reduced_zero_point, data.dtype)


@contrib
def ReduceSumInteger(data, *, axes, keepdims):
    return astype(device(data), np.int32).sum(tuple(axes), keepdims=bool(keepdims))


@contrib
def MulInteger(A, A_zero_point=None, B=None, B_zero_point=None):
    """The product of two quantised arrays without their zero points, as int32."""
    pairs = (A, A_zero_point), (B, B_zero_point)
    a, b = (astype(device(x), np.int32) - (0 if z is None else astype(device(z), np.int32)) for x, z in pairs)
    return a * b
