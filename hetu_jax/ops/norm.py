"""Normalisation, dropout and softmax."""

import math
import warnings

import jax
import jax.numpy as jnp
import numpy as np

from ..graph import Variable, op
from .conv import need_rank


def _wide(*arrays):
    """The dtype of the result, and that in which its statistics are taken: at least float32."""
    dtype = jnp.result_type(*arrays, float)
    return dtype, jnp.promote_types(dtype, jnp.float32)


def _standardised(x, axes, eps):
    """(x - mean) / sqrt(biased variance + eps) over `axes`."""
    mean, variance = _moments(x, axes)
    return (x - mean) * jax.lax.rsqrt(variance + eps)


def _moments(x, axes):
    """Mean and biased variance over `axes`, which stay as ones."""
    mean = x.mean(axes, keepdims=True)
    return mean, jnp.square(x - mean).mean(axes, keepdims=True)


_ONE_VALUE = (
    "{} trains on {}, one value for each channel: less its own mean that is 0, so the output is the bias whatever the "
    "input is; take batches of two samples or more"
)
_NO_VALUE = "{} trains on {}, which has no samples: the running statistics stay as they are; leave empty batches out"


def _running_statistics(arguments):
    """The Variables of one batch normalisation, named after its scale; of one element while its shape is not known."""
    scale = arguments["bn_scale"]
    count, name = 1 if scale.shape is None else int(np.prod(scale.shape)), getattr(scale, "name", "batchnorm")
    return {
        "running_mean": Variable(f"{name}_running_mean", np.zeros(count), trainable=False),
        "running_var": Variable(f"{name}_running_var", np.ones(count), trainable=False),
    }


@op(state=_running_statistics, writes=("running_mean", "running_var"))
def batch_normalization_op(
    node_in,
    bn_scale,
    bn_bias,
    momentum=0.1,
    eps=1e-5,
    *,
    running_mean,
    running_var,
    training,
    channel_axis=1,
    site="batch normalisation",
):
    """scale * (x - mean) / sqrt(var + eps) + bias for each channel, axis 1, over all other axes.

    node_in: (N, C) or (N, C, ...), float.  bn_scale, bn_bias: C elements in any shape.
    momentum: the weight of the NEW statistic: running = (1 - momentum) * running + momentum * of the batch.
    eps: keeps the root from 0.
    In training mean and (biased) variance are the batch's, and the running ones, which the node owns and checkpoints
    keep, move (the variance by the unbiased one); in inference they are the running ones, which start as 0 and 1.
    Returns: the shape of node_in, in the widest of the dtypes.
    """
    shape = _channel_shape(node_in, bn_scale, bn_bias, channel_axis)
    dtype, wide = _wide(node_in, bn_scale, bn_bias)
    x, running = node_in.astype(wide), (running_mean, running_var)
    axes = tuple(axis for axis in range(x.ndim) if axis != channel_axis % x.ndim)
    count = math.prod(x.shape[axis] for axis in axes)
    if training and count <= 1:
        warnings.warn((_ONE_VALUE if count else _NO_VALUE).format(site, node_in.shape), stacklevel=2)
    if training and count:
        mean, variance = _moments(x, axes)
        batch = mean, variance * (count / max(count - 1, 1))
        running = [_moved(old, new, momentum) for old, new in zip(running, batch, strict=True)]
    else:
        mean, variance = (jnp.broadcast_to(old, math.prod(shape)).reshape(shape) for old in running)
    factor = jax.lax.rsqrt(variance + eps) * bn_scale.reshape(shape)
    return ((x - mean) * factor + bn_bias.reshape(shape)).astype(dtype), *running


def _channel_shape(node_in, bn_scale, bn_bias, channel_axis):
    """The shape in which one number per channel broadcasts."""
    if node_in.ndim < 2:
        raise ValueError(f"batch normalisation needs at least the axes (N, C), not shape {node_in.shape}")
    channels = node_in.shape[channel_axis]
    if bn_scale.size != channels or bn_bias.size != channels:
        raise ValueError(
            f"the input {node_in.shape} has {channels} channels; "
            f"scale {bn_scale.shape} and bias {bn_bias.shape} must have as many elements"
        )
    return tuple(channels if axis == channel_axis % node_in.ndim else 1 for axis in range(node_in.ndim))


def _moved(old, batch, momentum):
    """The running statistic after a batch, in its own dtype, with an element for each channel."""
    return ((1 - momentum) * old + momentum * batch.reshape(-1)).astype(old.dtype)


@op
def layer_normalization_op(node_in, ln_scale, ln_bias, eps=0.01):
    """scale * (x - mean) / sqrt(var + eps) + bias over the last axis, with the biased variance.

    node_in: (..., n), float.  ln_scale, ln_bias: (n,).  eps: keeps the root from 0; Hetu's default is large.
    Returns: the shape of node_in, in the widest of the dtypes.
    """
    if not ln_scale.shape == ln_bias.shape == node_in.shape[-1:]:
        raise ValueError(
            f"scale {ln_scale.shape} and bias {ln_bias.shape} must have shape {node_in.shape[-1:]}, "
            f"the last axis of the input {node_in.shape}"
        )
    dtype, wide = _wide(node_in, ln_scale, ln_bias)
    return (_standardised(node_in.astype(wide), -1, eps) * ln_scale + ln_bias).astype(dtype)


@op
def instance_normalization2d_op(node_in, eps=0.01):
    """(x - mean) / sqrt(var + eps) over the rows and columns of each image and channel, with the biased variance.

    node_in: (N, C, H, W), float.  eps: keeps the root from 0; Hetu's default is large.
    Returns: same shape and dtype.
    """
    need_rank(node_in, 4, "the input (N, C, H, W)")
    dtype, wide = _wide(node_in)
    return _standardised(node_in.astype(wide), (2, 3), eps).astype(dtype)


def _dropped(x, keep_prob, mask_shape, key, training):
    if not 0 < keep_prob <= 1:
        raise ValueError(f"keep_prob is the probability to KEEP an element, in (0, 1], not {keep_prob!r}")
    if not training or keep_prob == 1:
        return x
    return jnp.where(jax.random.bernoulli(key, keep_prob, mask_shape), x / keep_prob, 0)


@op
def dropout_op(node_in, keep_prob, recompute=True, inplace=False, *, key, training):
    """x / keep_prob with probability keep_prob, else 0, for each element by itself; x in inference.

    node_in: any shape, float.  keep_prob: the probability to KEEP, in (0, 1].
    recompute, inplace: accepted without effect; XLA decides what it stores and where.
    Returns: same shape and dtype.
    """
    return _dropped(node_in, keep_prob, node_in.shape, key, training)


@op
def dropout2d_op(node_in, keep_prob, *, key, training):
    """x / keep_prob with probability keep_prob, else 0, for each channel of each image as a whole; x in inference.

    node_in: (N, C, H, W), float.  keep_prob: the probability to KEEP, in (0, 1].
    Returns: same shape and dtype.
    """
    need_rank(node_in, 4, "the input (N, C, H, W)")
    return _dropped(node_in, keep_prob, (*node_in.shape[:2], 1, 1), key, training)


@op
def softmax_op(node):
    """exp(x) / sum of exp(x) over the last axis, computed without overflow.

    node: (..., n), float.
    Returns: same shape and dtype.
    """
    return jax.nn.softmax(node)


def softmax_func(y):
    """The softmax of a NumPy array over its last axis, as an array: for the host's side of a script."""
    y = np.asarray(y)
    e = np.exp(y - y.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@op
def log_softmax_op(node):
    """x - ln(sum of exp(x)) over the last axis, computed without overflow.

    node: (..., n), float.
    Returns: same shape and dtype.
    """
    return jax.nn.log_softmax(node)
