"""Import of ai.onnx: reductions."""

import jax
import numpy as np

from .arrays import astype, device, ints, is_float, traced, wide, xp
from .operators import operator


def _reduction(name, function):
    """Registers a reduction: `function` of an array, a tuple of axes and whether they stay."""

    def compute(data, axes=None, *, keepdims=1, noop_with_empty_axes=0):
        axes = [] if axes is None else ints(axes, "the axes")
        if not axes and not noop_with_empty_axes:
            axes = range(data.ndim)
        return astype(function(wide(data), tuple(axes), bool(keepdims)), data.dtype)

    compute.__name__ = name
    operator(compute)


def _sum(x, axes, keep):
    return xp.sum(x, axis=axes, keepdims=keep, dtype=x.dtype)


def _mean(x, axes, keep):
    return xp.mean(x, axis=axes, keepdims=keep)


def _log_sum_exp(x, axes, keep):
    if traced(x):
        return jax.scipy.special.logsumexp(astype(x, np.result_type(x.dtype, np.float32)), axis=axes, keepdims=keep)
    return np.log(np.sum(np.exp(x), axis=axes, keepdims=keep))


def _extreme(function, least):
    """A maximum or minimum, which of no elements is the least there is."""

    def compute(x, axes, keep):
        if x.dtype == bool:
            return function(x, axis=axes, keepdims=keep, initial=least > 0)
        if is_float(x):
            return function(x, axis=axes, keepdims=keep, initial=least * np.inf)
        limits = np.iinfo(x.dtype)
        return function(x, axis=axes, keepdims=keep, initial=limits.max if least > 0 else limits.min)

    return compute


_REDUCTIONS = {
    "L1": lambda x, axes, keep: _sum(xp.abs(x), axes, keep),
    "L2": lambda x, axes, keep: xp.sqrt(_sum(xp.square(x), axes, keep)),
    "LogSum": lambda x, axes, keep: xp.log(_sum(x, axes, keep)),
    "LogSumExp": _log_sum_exp,
    "Max": _extreme(xp.max, -1),
    "Mean": _mean,
    "Min": _extreme(xp.min, 1),
    "Prod": lambda x, axes, keep: xp.prod(x, axis=axes, keepdims=keep, dtype=x.dtype),
    "Sum": _sum,
    "SumSquare": lambda x, axes, keep: _sum(xp.square(x), axes, keep),
}
for _name, _function in _REDUCTIONS.items():
    _reduction(f"Reduce{_name}", _function)


def _moments(X, axes):
    mean = xp.mean(X, axis=axes, keepdims=True)
    return mean, xp.mean(xp.square(X - mean), axis=axes, keepdims=True)


@operator
def MeanVarianceNormalization(X, *, axes=(0, 2, 3)):
    mean, variance = _moments(X, tuple(axes))
    return (X - mean) / (xp.sqrt(variance) + 1e-9)


@operator
def LpNormalization(input, *, axis=-1, p=2):
    """The vectors along an axis divided by their p-norm; zeros stay zeros."""
    norm = xp.sum(xp.abs(input), axis=axis, keepdims=True) if p == 1 else _norm2(input, axis)
    return xp.where(norm == 0, xp.zeros_like(input), input / xp.where(norm == 0, xp.ones_like(norm), norm))


def _norm2(x, axis):
    return xp.sqrt(xp.sum(xp.square(x), axis=axis, keepdims=True))


@operator
def GlobalAveragePool(X, *, channel_axis=1):
    return xp.mean(X, axis=_spatial(X, channel_axis), keepdims=True)


@operator
def GlobalMaxPool(X, *, channel_axis=1):
    return xp.max(device(X), axis=_spatial(X, channel_axis), keepdims=True)


@operator
def GlobalLpPool(X, *, p=2):
    total = xp.sum(xp.abs(X) ** p, axis=_spatial(X, 1), keepdims=True)
    return total ** (1 / p)


def _spatial(X, channel_axis):
    return tuple(axis for axis in range(X.ndim) if axis not in (0, channel_axis % X.ndim))
