"""Import of ai.onnx: activations, normalisation and dropout."""

import jax
import jax.numpy as jnp
import numpy as np

from .arrays import astype, axis_of, device, number, wide, xp
from .import_reduce import _moments
from .import_shape import Flatten
from .operators import operator


@operator
def Relu(X):
    return xp.maximum(X, np.zeros((), X.dtype))


@operator
def LeakyRelu(X, *, alpha=0.01):
    return xp.where(X >= 0, X, X * alpha)


@operator
def PRelu(X, slope):
    """X where it is not negative, else slope * X, where the slopes of a vector are those of the channels."""
    return PRelu_7.fn(X, xp.reshape(slope, (-1,) + (1,) * (X.ndim - 2)) if slope.ndim == 1 and X.ndim > 2 else slope)


@operator
def PRelu_7(X, slope):
    """X where it is not negative, else slope * X."""
    return xp.where(X >= 0, X, X * slope)


@operator
def ThresholdedRelu(X, *, alpha=1.0):
    return xp.where(X > alpha, X, xp.zeros_like(X))


@operator
def Elu(X, *, alpha=1.0):
    return jax.nn.elu(device(X), alpha)


@operator
def Celu(X, *, alpha=1.0):
    X = device(X)
    return jax.nn.celu(wide(X), alpha).astype(X.dtype)


@operator
def Selu(X, *, alpha=1.67326319217681884765625, gamma=1.05070102214813232421875):
    return gamma * jax.nn.elu(device(X), alpha)


@operator
def HardSigmoid(X, *, alpha=0.2, beta=0.5):
    return xp.clip(X * alpha + beta, 0, 1)


@operator
def HardSwish(X):
    return X * xp.clip(X / 6 + 0.5, 0, 1)


@operator
def Softplus(X):
    return jax.nn.softplus(device(X))


@operator
def Softsign(input):
    return input / (1 + xp.abs(input))


@operator
def Mish(X):
    X = device(X)
    return X * jnp.tanh(jax.nn.softplus(X))


@operator
def Gelu(X, *, approximate="none"):
    return jax.nn.gelu(device(X), approximate=approximate == "tanh")


@operator
def Swish(X, *, alpha=1.0):
    X = device(X)
    return X * jax.nn.sigmoid(alpha * X)


@operator
def SwiGLU(A, B, *, alpha=1.0):
    return Swish.fn(A, alpha=alpha) * B


@operator
def Shrink(input, *, bias=0.0, lambd=0.5):
    dtype, zero = input.dtype, xp.zeros_like(input)
    shrunk = xp.where(input < -lambd, input + bias, xp.where(input > lambd, input - bias, zero))
    return astype(shrunk, dtype)


def _of_rows(function, input, axis):
    """`function` of the rows of the matrix in which axes from `axis` on are one: softmax in opsets below 13."""
    rows = device(Flatten.fn(input, axis=axis))
    return function(rows, axis=-1).reshape(input.shape)


@operator
def Softmax(input, *, axis=1):
    return _of_rows(_softmax, input, axis)


def _softmax(rows, axis):
    """The softmax, also of numbers so large that the rounding of their differences matters.

    XLA may join the multiplication that made a row with the subtraction of its maximum, not rounding in between; the
    difference is then not 0 where the two are equal, and its exponential infinite.
    """
    highest = jnp.max(rows, axis=axis, keepdims=True)
    differences = rows - jax.lax.stop_gradient(highest)
    excess = jax.lax.stop_gradient(jnp.where(rows == highest, differences, 0))
    powers = jnp.exp(differences - excess)
    return powers / powers.sum(axis=axis, keepdims=True)


@operator
def Softmax_13(input, *, axis=-1):
    return jax.nn.softmax(device(input), axis=axis)


@operator
def LogSoftmax(input, *, axis=1):
    return _of_rows(jax.nn.log_softmax, input, axis)


@operator
def LogSoftmax_13(input, *, axis=-1):
    return jax.nn.log_softmax(device(input), axis=axis)


@operator
def Dropout(data, ratio=0.5, training_mode=False, *, seed=None, key):
    """`data`; in training mode zeros in some places, and the rest scaled up.  Also which elements were kept.

    seed: gives the mask that the reference implementation draws; without one, each run draws another.
    """
    ratio = number(ratio, "the ratio")
    if not number(training_mode, "the training mode") or ratio == 0:
        return data, xp.ones_like(data, dtype=bool)
    if seed is not None:
        kept = np.random.RandomState(int(seed)).uniform(0, 1, data.shape) >= ratio
    else:
        kept = jax.random.bernoulli(key, 1 - ratio, data.shape)
    return astype(xp.where(kept, data / (1 - ratio), 0), data.dtype), kept


def _per_channel(vector, X, channel_axis=1):
    shape = [1] * X.ndim
    shape[channel_axis] = -1
    return xp.reshape(vector, shape)


@operator
def BatchNormalization(
    X,
    scale,
    B,
    input_mean,
    input_var,
    *,
    epsilon=1e-5,
    momentum=0.9,
    training_mode=0,
    spatial=1,
    outputs,
    channel_axis=1,
):
    """(X - mean) / sqrt(var + epsilon) * scale + B for each channel.

    In training mode, which more than one output means in old opsets, the statistics are the batch's, and the further
    outputs are the running ones moved towards them.  spatial: 0 means statistics for each element of a channel.
    """
    mean, variance = input_mean, input_var
    shaped = (lambda v: v) if not spatial else (lambda v: _per_channel(v, X, channel_axis))
    if training_mode or outputs > 1:
        axes = tuple(axis for axis in range(X.ndim) if axis != channel_axis % X.ndim) if spatial else (0,)
        batch = [xp.reshape(moment, input_mean.shape) for moment in _moments(wide(X), axes)]
        mean, variance = batch
        moved = [
            astype(old * momentum + new * (1 - momentum), old.dtype)
            for old, new in zip((input_mean, input_var), batch, strict=True)
        ]
    normal = (wide(X) - shaped(mean)) / xp.sqrt(shaped(variance) + epsilon)
    Y = astype(normal * shaped(scale) + shaped(B), X.dtype)
    return (Y, *moved, *batch) if training_mode or outputs > 1 else Y


@operator
def InstanceNormalization(input, scale, B, *, epsilon=1e-5, channel_axis=1):
    axes = tuple(axis for axis in range(1, input.ndim) if axis != channel_axis % input.ndim)
    mean, variance = _moments(wide(input), axes)
    normal = (wide(input) - mean) / xp.sqrt(variance + epsilon)
    scaled = normal * _per_channel(scale, input, channel_axis) + _per_channel(B, input, channel_axis)
    return astype(scaled, input.dtype)


@operator
def LayerNormalization(X, Scale, B=None, *, axis=-1, epsilon=1e-5, stash_type=1):
    """(X - mean) / sqrt(var + epsilon) * Scale + B over the axes from `axis` on; also mean and 1 / deviation.

    stash_type: the statistics are taken in float32 at least, whatever it says.
    """
    axes = tuple(range(axis_of(axis, X.ndim), X.ndim))
    mean, variance = _moments(wide(X), axes)
    inverse = 1 / xp.sqrt(variance + epsilon)
    Y = astype((wide(X) - mean) * inverse, X.dtype) * Scale
    return astype(Y if B is None else Y + B, X.dtype), mean, inverse


@operator
def RMSNormalization(X, scale, *, axis=-1, epsilon=1e-5, stash_type=1):
    """X / sqrt(mean of X^2 + epsilon) * scale over the axes from `axis` on; `stash_type` as in LayerNormalization."""
    axes = tuple(range(axis_of(axis, X.ndim), X.ndim))
    mean = xp.mean(xp.square(wide(X)), axis=axes, keepdims=True)
    return astype(wide(X) / xp.sqrt(mean + epsilon), X.dtype) * scale


def _grouped(X, num_groups, epsilon):
    """X normalised over groups of channels, (N, groups, channels of a group, ...)."""
    grouped = xp.reshape(wide(X), (X.shape[0], num_groups, -1, *X.shape[2:]))
    mean, variance = _moments(grouped, tuple(range(2, grouped.ndim)))
    return (grouped - mean) / xp.sqrt(variance + epsilon)


@operator
def GroupNormalization(X, scale, bias, *, num_groups, epsilon=1e-5):
    """Normalises over groups of channels; scale and bias are one number a group."""
    normal = _grouped(X, num_groups, epsilon)
    return astype(xp.reshape(normal * _per_channel(scale, normal) + _per_channel(bias, normal), X.shape), X.dtype)


@operator
def GroupNormalization_21(X, scale, bias, *, num_groups, epsilon=1e-5, stash_type=1):
    """Normalises over groups of channels; scale and bias are one number a channel."""
    normal = astype(xp.reshape(_grouped(X, num_groups, epsilon), X.shape), X.dtype)
    return astype(normal * _per_channel(scale, X) + _per_channel(bias, X), X.dtype)


@operator
def LRN(X, *, alpha=1e-4, beta=0.75, bias=1.0, size, channel_axis=1):
    """X divided by (bias + alpha / size * the sum of squares over `size` channels around) to the power beta."""
    X = device(X)
    window, pads = [1] * X.ndim, [(0, 0)] * X.ndim
    window[channel_axis], pads[channel_axis] = size, ((size - 1) // 2, size // 2)
    squares = jax.lax.reduce_window(jnp.square(X), np.zeros((), X.dtype), jax.lax.add, window, [1] * X.ndim, pads)
    return X / (bias + alpha / size * squares) ** beta
