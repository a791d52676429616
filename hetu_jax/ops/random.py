"""Random numbers: new ones at every run."""

import numbers

import jax
import jax.numpy as jnp
import numpy as np

from ..graph import op


def _shape(shape, name):
    sizes = tuple(shape) if isinstance(shape, list | tuple | np.ndarray) else (shape,)
    if not all(isinstance(size, numbers.Integral) and size >= 0 for size in sizes):
        raise ValueError(f"{name} needs a shape of integers >= 0, not {shape!r}")
    return sizes


@op
def uniform_sample_op(shape, low, high, *, key):
    """Numbers uniform in [low, high).

    shape: tuple, or int.  low, high: numbers.  Returns: `shape`, float32.
    """
    return jax.random.uniform(key, _shape(shape, "uniform_sample_op"), jnp.float32, low, high)


@op
def normal_sample_op(shape, mean, stddev, *, key):
    """Numbers from the normal distribution with the given mean and standard deviation.

    shape: tuple, or int.  mean, stddev: numbers.  Returns: `shape`, float32.
    """
    return mean + stddev * jax.random.normal(key, _shape(shape, "normal_sample_op"), jnp.float32)


@op
def truncated_normal_sample_op(shape, mean, stddev, *, key):
    """Numbers from the normal distribution, cut off two standard deviations from the mean.

    shape: tuple, or int.  mean, stddev: numbers; `stddev` is that before the cut.  Returns: `shape`, float32.
    """
    return mean + stddev * jax.random.truncated_normal(
        key, -2.0, 2.0, _shape(shape, "truncated_normal_sample_op"), jnp.float32
    )


@op
def gumbel_sample_op(shape, *, key):
    """Numbers from the standard Gumbel distribution, -log(-log(u)) for uniform u.

    shape: tuple, or int.  Returns: `shape`, float32.
    """
    return jax.random.gumbel(key, _shape(shape, "gumbel_sample_op"), jnp.float32)


def _check_range(arguments):
    low, high = arguments["low"], arguments["high"]
    if isinstance(low, numbers.Real) and isinstance(high, numbers.Real) and low >= high:
        raise ValueError(
            f"randint_sample_op draws from low to high - 1, so low must be below high, not {low} and {high}"
        )


@op(on_record=_check_range)
def randint_sample_op(shape, low, high, *, key):
    """Whole numbers uniform in [low, high).

    shape: tuple, or int.  low, high: int, low < high.  Returns: `shape`, int32.
    Raises ValueError when low is not below high.
    """
    return jax.random.randint(key, _shape(shape, "randint_sample_op"), low, high, jnp.int32)


@op
def rand_op(size, *, key):
    """Numbers uniform in [0, 1).

    size: shape as a tuple, or int.  Returns: `size`, float32.
    """
    return jax.random.uniform(key, _shape(size, "rand_op"), jnp.float32)
