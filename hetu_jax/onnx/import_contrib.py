"""Import of com.microsoft: what ONNX Runtime's optimizer makes of activations, products, convolutions and norms."""

import jax
import jax.numpy as jnp
import numpy as np

from .arrays import astype, axis_of, device, wide, xp
from .import_attention import LinearAttention
from .import_conv import Conv
from .import_math import Gemm
from .import_nn import Dropout, LayerNormalization, RMSNormalization
from .import_reduce import _moments
from .operators import MICROSOFT, operator, operator_of

contrib = operator_of(MICROSOFT)


@contrib
def Gelu(X):
    return jax.nn.gelu(device(X), approximate=False)


@contrib
def BiasGelu(A, B):
    return jax.nn.gelu(device(A) + B, approximate=False)


@contrib
def FastGelu(X, bias=None):
    X = device(X)
    return jax.nn.gelu(X if bias is None else X + bias, approximate=True)


@contrib
def QuickGelu(X, *, alpha=1.702):
    X = device(X)
    return X * jax.nn.sigmoid(alpha * X)


def _first_turned(x, batch):
    """x with its first axis next to the last, where `batch` is set: matrices whose rows come before the batch."""
    return jnp.moveaxis(x, 0, -2) if batch else x


@contrib
def FusedMatMul(A, B, *, alpha=1.0, transA=0, transB=0, transBatchA=0, transBatchB=0):
    A, B = _first_turned(device(A), transBatchA), _first_turned(device(B), transBatchB)
    A = jnp.swapaxes(A, -1, -2) if transA and A.ndim > 1 else A
    B = jnp.swapaxes(B, -1, -2) if transB and B.ndim > 1 else B
    return jnp.matmul(A, B) * np.asarray(alpha, A.dtype)


@contrib
def TransposeMatMul(A, B, *, alpha=1.0, transA=0, transB=0):
    return FusedMatMul.fn(A, B, alpha=alpha, transA=transA, transB=transB)


def activated(x, activation, params):
    """x through the activation that a fused operator names."""
    first, second = (*(value for value in params if value is not None), None, None)[:2]
    functions = {
        "": lambda: x,
        "Relu": lambda: jnp.maximum(x, 0),
        "Sigmoid": lambda: jax.nn.sigmoid(x),
        "Tanh": lambda: jnp.tanh(x),
        "LeakyRelu": lambda: jnp.where(x >= 0, x, x * (0.01 if first is None else first)),
        "Clip": lambda: jnp.clip(x, first, second),
        "HardSigmoid": lambda: jnp.clip(
            (0.2 if first is None else first) * x + (0.5 if second is None else second), 0, 1
        ),
    }
    if activation not in functions:
        raise ValueError(f"the activation {activation!r} is none of {', '.join(functions)}")
    return functions[activation]()


@contrib
def FusedConv(
    X,
    W,
    B=None,
    Z=None,
    *,
    activation="",
    activation_params=(),
    auto_pad="NOTSET",
    dilations=None,
    group=1,
    kernel_shape=None,
    pads=None,
    strides=None,
    channel_axis=1,
):
    """A convolution, to which Z is added, through an activation."""
    windows = dict(auto_pad=auto_pad, dilations=dilations, pads=pads, strides=strides)
    Y = Conv.fn(X, W, B, group=group, channel_axis=channel_axis, **windows)
    return activated(Y if Z is None else Y + Z, activation, activation_params)


@contrib
def FusedGemm(
    A,
    B,
    C=None,
    *,
    activation="",
    activation_alpha=None,
    activation_beta=None,
    activation_gamma=None,
    alpha=1.0,
    beta=1.0,
    transA=0,
    transB=0,
):
    params = activation_alpha, activation_beta, activation_gamma
    return activated(device(Gemm.fn(A, B, C, alpha=alpha, beta=beta, transA=transA, transB=transB)), activation, params)


@operator
def SimplifiedLayerNormalization(X, scale, *, axis=-1, epsilon=1e-5, stash_type=1):
    """RMSNormalization by ONNX Runtime's older name; also 1 / the root of the mean square."""
    axes = tuple(range(axis_of(axis, X.ndim), X.ndim))
    mean = xp.mean(xp.square(wide(X)), axis=axes, keepdims=True)
    return RMSNormalization.fn(X, scale, axis=axis, epsilon=epsilon), 1 / xp.sqrt(mean + epsilon)


@contrib
def SkipLayerNormalization(input, skip, gamma, beta=None, bias=None, *, epsilon=1e-12):
    """The layer normalisation of input + skip + bias; also its mean, 1 / deviation, and the sum itself."""
    total = input + skip if bias is None else input + skip + bias
    return *LayerNormalization.fn(total, gamma, beta, epsilon=epsilon), total


@contrib
def SkipSimplifiedLayerNormalization(input, skip, gamma, bias=None, *, epsilon=1e-12):
    total = input + skip if bias is None else input + skip + bias
    Y, inverse = SimplifiedLayerNormalization.fn(total, gamma, epsilon=epsilon)
    return Y, xp.zeros_like(inverse), inverse, total


@contrib
def EmbedLayerNormalization(
    input_ids,
    segment_ids=None,
    word_embedding=None,
    position_embedding=None,
    segment_embedding=None,
    gamma=None,
    beta=None,
    mask=None,
    position_ids=None,
    *,
    epsilon=1e-12,
    mask_index_type=0,
):
    """The layer normalisation of the sum of a word's, its place's and its segment's embedding.

    Also the number of words that the mask lets through, and the sum.
    """
    ids = device(input_ids)
    places = np.arange(ids.shape[1]) if position_ids is None else device(position_ids)
    total = device(word_embedding)[ids] + device(position_embedding)[places]
    if segment_ids is not None:
        total = total + device(segment_embedding)[device(segment_ids)]
    counts = jnp.zeros(ids.shape[0], jnp.int32) if mask is None else device(mask).sum(1).astype(jnp.int32)
    return LayerNormalization.fn(total, gamma, beta, epsilon=epsilon)[0], counts, total


@contrib
def BiasAdd(X, bias, skip):
    return X + bias + skip


@contrib
def BiasSplitGelu(X, bias):
    """The first half of the channels times the GELU of the second."""
    first, gate = jnp.split(device(X) + bias, 2, axis=-1)
    return first * jax.nn.gelu(gate, approximate=False)


@contrib
def GroupNorm(X, gamma, beta, *, activation, channels_last=1, epsilon=1e-5, groups):
    """Normalisation over groups of channels, through x * sigmoid(x) where `activation` is 1."""
    X = device(X)
    first = jnp.moveaxis(X, -1, 1) if channels_last else X
    grouped = wide(first).reshape(X.shape[0], groups, -1, *first.shape[2:])
    mean, variance = _moments(grouped, tuple(range(2, grouped.ndim)))
    normal = ((grouped - mean) / jnp.sqrt(variance + epsilon)).reshape(first.shape)
    normal = jnp.moveaxis(normal, 1, -1) * gamma + beta
    normal = jax.nn.silu(normal) if activation == 1 else normal
    return astype(normal if channels_last else jnp.moveaxis(normal, -1, 1), X.dtype)


@contrib
def SkipGroupNorm(X, gamma, beta, skip, bias=None, *, activation, channels_last=1, epsilon=1e-5, groups):
    """GroupNorm of X + skip + bias, where skip may be one number a channel; also the sum."""
    skip = device(skip).reshape(X.shape[0], *[1] * (X.ndim - 2), -1) if skip.ndim == 2 else skip
    total = device(X) + skip if bias is None else device(X) + skip + bias
    options = dict(activation=activation, channels_last=channels_last, epsilon=epsilon, groups=groups)
    return GroupNorm.fn(total, gamma, beta, **options), total


@contrib
def GatedRMSNorm(X, scale, gate, *, activation="silu", epsilon=1e-5):
    """RMS normalisation of each run of as many elements as the scale has, times an activated gate."""
    runs = wide(device(X)).reshape(*X.shape[:-1], -1, scale.shape[-1])
    normal = runs / jnp.sqrt(jnp.square(runs).mean(-1, keepdims=True) + epsilon) * wide(device(scale))
    gate = wide(device(gate))
    active = jax.nn.sigmoid(gate) if activation == "sigmoid" else jax.nn.silu(gate)
    return astype(normal.reshape(X.shape) * active, X.dtype)


@contrib
def GatedAdd(X, Y, gate, gate_weight=None):
    """X + Y * gate, or, with `gate_weight`, X + Y * sigmoid(gate @ gate_weight)."""
    gate = device(gate)
    return X + Y * (gate if gate_weight is None else jax.nn.sigmoid(gate @ gate_weight))


@contrib
def ScaledSiLU(X, scale=None, *, alpha=1.0):
    X = device(X)
    return jax.nn.silu(X * np.asarray(alpha, X.dtype) if scale is None else X * device(scale).astype(X.dtype))


@contrib
def SwiGLU_1(gate, up=None, *, activation_alpha=1.0, activation_beta=0.0, limit=0.0, round_activation=0):
    """gate * sigmoid(alpha * gate) * (up + beta), of the two halves of the last axis where `up` is left out.

    limit: cuts both, where it is above 0.  round_activation: in float32, accepted without effect.
    """
    first, second = jnp.split(device(gate), 2, axis=-1) if up is None else (device(gate), device(up))
    if limit > 0:
        first, second = jnp.minimum(first, limit), jnp.clip(second, -limit, limit)
    return first * jax.nn.sigmoid(activation_alpha * first) * (second + activation_beta)


@contrib
def BiasSoftmax(data, bias, *, axis=1, is_inner_broadcast):
    """The softmax of data + bias over all axes from `axis` on.

    is_inner_broadcast: whether the bias lacks the axes right before `axis`, which it has as ones, or the first axes.
    """
    data, bias = device(data), device(bias)
    axis = axis_of(axis, data.ndim)
    if is_inner_broadcast and bias.ndim < data.ndim:
        kept = bias.ndim - (data.ndim - axis)
        bias = bias.reshape(*bias.shape[:kept], *[1] * (data.ndim - bias.ndim), *data.shape[axis:])
    return jax.nn.softmax(data + bias, axis=tuple(range(axis, data.ndim)))


@contrib
def BiasDropout(data, bias, residual=None, ratio=0.5, training_mode=False, *, seed=None, key):
    """The dropout of data + bias, to which the residual is added; also which elements were kept."""
    dropped, kept = Dropout.fn(device(data) + bias, ratio, training_mode, seed=seed, key=key)
    return dropped if residual is None else dropped + residual, kept


@contrib
def GemmFastGelu(X, W, bias=None):
    return FastGelu.fn(jnp.matmul(device(X), W), bias)


@contrib
def FusedMatMulActivation(
    A,
    B,
    *,
    activation,
    activation_alpha=None,
    activation_axis=None,
    activation_beta=None,
    activation_gamma=None,
    alpha=1.0,
    transA=0,
    transB=0,
    transBatchA=0,
    transBatchB=0,
):
    """FusedMatMul through an activation; activation_axis is that of a softmax."""
    batches = dict(transBatchA=transBatchA, transBatchB=transBatchB)
    product = FusedMatMul.fn(A, B, alpha=alpha, transA=transA, transB=transB, **batches)
    if activation == "Softmax":
        return jax.nn.softmax(product, axis=-1 if activation_axis is None else activation_axis)
    return activated(product, activation, (activation_alpha, activation_beta, activation_gamma))


@contrib
def LinearAttention_1(
    query,
    key,
    value,
    past_state=None,
    decay=None,
    beta=None,
    *,
    chunk_size=64,
    kv_num_heads,
    q_num_heads,
    scale=0.0,
    state_window=0,
    update_rule="gated_delta",
):
    """The standard's LinearAttention.  Raises ValueError for a window of states and for more key than query heads."""
    if state_window or kv_num_heads > q_num_heads:
        raise ValueError("windows of states, and more key heads than query heads, are not supported")
    rule = dict(chunk_size=chunk_size, scale=scale, update_rule=update_rule)
    return LinearAttention.fn(
        query, key, value, past_state, decay, beta, kv_num_heads=kv_num_heads, q_num_heads=q_num_heads, **rule
    )


@contrib
def Inverse(X):
    return jnp.linalg.inv(device(X))
