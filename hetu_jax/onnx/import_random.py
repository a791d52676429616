"""Import of ai.onnx: random numbers; without a seed other ones at every run, with one the same."""

import jax
import jax.numpy as jnp
import numpy as np

from .arrays import astype, device, dtype_of
from .operators import operator


def _key(seed, key):
    """The key to draw with: the run's, or one made of the seed."""
    return key if seed is None else jax.random.key(int(np.float32(seed).view(np.uint32)))


def _normal(shape, dtype, mean, scale, seed, key):
    return astype(mean + scale * jax.random.normal(_key(seed, key), shape), dtype)


def _uniform(shape, dtype, low, high, seed, key):
    return astype(jax.random.uniform(_key(seed, key), shape, minval=low, maxval=high), dtype)


@operator
def RandomNormal(*, dtype=1, mean=0.0, scale=1.0, seed=None, shape, key):
    return _normal(shape, dtype_of(dtype), mean, scale, seed, key)


@operator
def RandomNormalLike(input, *, dtype=None, mean=0.0, scale=1.0, seed=None, key):
    return _normal(input.shape, dtype_of(dtype) if dtype else input.dtype, mean, scale, seed, key)


@operator
def RandomUniform(*, dtype=1, high=1.0, low=0.0, seed=None, shape, key):
    return _uniform(shape, dtype_of(dtype), low, high, seed, key)


@operator
def RandomUniformLike(input, *, dtype=None, high=1.0, low=0.0, seed=None, key):
    return _uniform(input.shape, dtype_of(dtype) if dtype else input.dtype, low, high, seed, key)


@operator
def Bernoulli(input, *, dtype=None, seed=None, key):
    """1 with the probability that the input gives, else 0."""
    drawn = jax.random.bernoulli(_key(seed, key), device(input))
    return astype(drawn, dtype_of(dtype) if dtype else input.dtype)


@operator
def Multinomial(input, *, dtype=6, sample_size=1, seed=None, key):
    """Classes drawn by unnormalised log-probabilities, (batch, samples)."""
    drawn = jax.random.categorical(_key(seed, key), device(input)[:, None], shape=(len(input), sample_size))
    return astype(jnp.asarray(drawn), dtype_of(dtype))
