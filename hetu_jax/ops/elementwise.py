"""Elementwise arithmetic and functions."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from ..graph import Variable, op
from ..storage import numbers


def floats(node):
    """`node` itself where it is float, else its numbers as floats."""
    node = jnp.asarray(node)
    return node if jnp.issubdtype(node.dtype, jnp.inexact) else node.astype(jnp.result_type(float))


def constant(value, node):
    """`value` in the dtype of `node`; where integers cannot hold it, in int32 beside narrower ones, else as a float."""
    if isinstance(value, jax.Array):
        return value
    value = numbers(value, "a constant")
    return jnp.asarray(value, constant_dtype(value, jnp.asarray(node).dtype))


def constant_dtype(value, dtype):
    """The dtype of a constant, a NumPy array, beside an array of `dtype`."""
    if not jnp.issubdtype(dtype, jnp.integer):
        return dtype
    kinds = [dtype, np.dtype(np.int32)] if dtype.itemsize < 4 else [dtype]
    whole = np.all(value == np.floor(value))
    return next((kind for kind in kinds if whole and _holds(jnp.iinfo(kind), value)), jnp.result_type(float))


def _holds(info, value):
    return not value.size or info.min <= value.min() <= value.max() <= info.max


@op
def add_op(node_A, node_B):
    """A + B, with NumPy broadcasting.

    node_A, node_B: any shapes that broadcast.  Returns: their common shape and dtype.
    """
    return jnp.add(node_A, node_B)


@op
def addbyconst_op(node, const_val):
    """x + c.

    node: any shape.  const_val: number or array.  Returns: the shape and dtype of x; float where x is integer and c is
    not whole.
    """
    return node + constant(const_val, node)


@op
def minus_op(node_A, node_B):
    """A - B, with NumPy broadcasting.

    node_A, node_B: any shapes that broadcast.  Returns: their common shape and dtype.
    """
    return jnp.subtract(node_A, node_B)


@op
def minus_byconst_op(node, const_val):
    """c - x: the constant comes first, in spite of the name.

    node: any shape.  const_val: number or array.  Returns: as addbyconst_op.
    """
    return constant(const_val, node) - node


@op
def mul_op(node_A, node_B):
    """A * B, with NumPy broadcasting.

    node_A, node_B: any shapes that broadcast.  Returns: their common shape and dtype.
    """
    return jnp.multiply(node_A, node_B)


def _counter(arguments):
    if arguments.get("const_updater") is None:
        return {}
    return {"counter": Variable("mul_byconst_counter", np.zeros(1, np.int32), trainable=False, dtype=np.int32)}


@op(state=_counter, writes=("counter",))
def mul_byconst_op(node_A, const_val, const_updater=None, *, counter=None, training):
    """x * c, where c may change from step to step.

    node_A: any shape.  const_val: number or array, c of the first training step.
    const_updater: None, or a function of the number of training steps so far (1, 2, ...) that gives the next c.
    Returns: the shape and dtype of x; float where x is integer and c is not whole.
    """
    if const_updater is None:
        return node_A * constant(const_val, node_A)
    dtype = floats(node_A).dtype
    updated = _updated(const_updater, jnp.maximum(counter[0], 1), dtype)
    const = jnp.where(counter[0] == 0, jnp.asarray(const_val, dtype), updated)
    return node_A * const, counter + int(training)


def _updated(updater, steps, dtype):
    """`updater(steps)`; on the host where it is a function that JAX cannot trace."""
    try:
        return jnp.asarray(updater(steps), dtype)
    except jax.errors.JAXTypeError:
        return jax.pure_callback(
            lambda n: np.asarray(updater(int(n)), dtype),
            jax.ShapeDtypeStruct((), dtype),
            steps,
            vmap_method="sequential",
        )


@op
def div_op(node_A, node_B):
    """A / B, with NumPy broadcasting.

    node_A, node_B: any shapes that broadcast; node_B may be a number.  Returns: their common shape, float.
    """
    return jnp.divide(node_A, constant(node_B, floats(node_A)))


@op
def div_const_op(const_val, node_A):
    """c / x.

    const_val: number or array.  node_A: any shape.  Returns: the shape of x, float.
    """
    node_A = floats(node_A)
    return constant(const_val, node_A) / node_A


@op
def div_handle_zero_op(node_A, node_B):
    """A / B where B is not 0, else A.

    node_A, node_B: any shapes that broadcast.  Returns: their common shape, float; no gradient to B where B is 0.
    """
    return jnp.divide(node_A, jnp.where(node_B == 0, jnp.ones_like(node_B), node_B))


@op
def opposite_op(node):
    """-x.

    node: any shape.  Returns: the same shape and dtype.
    """
    return jnp.negative(node)


@op
def sum_op(node_list, ctx=None, sparse=False):
    """The sum of a list of arrays, with NumPy broadcasting.

    node_list: nodes of shapes that broadcast; with `sparse`, tuples (indices, ..., rows) of int indices of any shape S
        and rows S + (width,), of which negative indices count for nothing.
    ctx: the device.  sparse: whether the items are such tuples.
    Returns: the common shape; with `sparse`, the distinct indices in ascending order, padded with -1 to the number of
    all, and the sum of the rows of each.
    """
    if not node_list:
        raise ValueError("sum_op got an empty list: give it at least one node")
    return _sum_of_rows(node_list) if sparse else functools.reduce(jnp.add, node_list)


def _sum_of_rows(items):
    indices = jnp.concatenate([jnp.asarray(item[0]).reshape(-1).astype(jnp.int32) for item in items])
    rows = jnp.concatenate([item[-1].reshape(-1, item[-1].shape[-1]) for item in items])
    last = jnp.iinfo(jnp.int32).max
    indices = jnp.where(indices < 0, last, indices)
    distinct, places = jnp.unique(indices, return_inverse=True, size=indices.size, fill_value=last)
    rows = jnp.where((indices == last)[:, None], 0, rows)
    return jnp.where(distinct == last, -1, distinct), jnp.zeros_like(rows).at[places.reshape(-1)].add(rows)


@op
def matrix_dot_op(node_A, node_B, axes=0):
    """A with each row multiplied by one element of B.

    node_A: (rows, ...).  node_B: rows elements in any shape.  axes: accepted without effect, as Hetu ignores it.
    Returns: the shape of A.  Raises ValueError when B has not one element per row.
    """
    if node_B.size != node_A.shape[0]:
        raise ValueError(
            f"matrix_dot_op needs one element of node_B for each of the {node_A.shape[0]} rows of node_A "
            f"{node_A.shape}, but node_B has shape {node_B.shape}"
        )
    return node_A * node_B.reshape(-1, *[1] * (node_A.ndim - 1))


@op
def abs_op(node_A):
    """|x|; gradient 0 at 0.

    node_A: any shape.  Returns: the same shape and dtype.
    """
    return node_A * jax.lax.stop_gradient(jnp.sign(node_A))


@op
def sign_op(node):
    """-1, 0 or 1 as x is negative, zero or positive; gradient 0.

    node: any shape.  Returns: the same shape and dtype.
    """
    return jnp.sign(node)


@op
def floor_op(node):
    """The largest whole number not above x; gradient 0.

    node: any shape.  Returns: the same shape and dtype.
    """
    return jnp.floor(node)


@op
def exp_op(node):
    """e to the power x.

    node: any shape.  Returns: the same shape, float.
    """
    return jnp.exp(node)


@jax.custom_jvp
def _raised(x, least):
    """max(x, least), with gradient 1 everywhere."""
    return jnp.maximum(x, least)


_raised.defjvps(lambda tangent, value, x, least: tangent, None)


@op
def log_op(input, eps=1e-7):
    """ln(max(x, eps)); gradient 1 / max(x, eps), also where x < eps.

    input: any shape.  eps: number.  Returns: the same shape, float.
    """
    input = floats(input)
    return jnp.log(_raised(input, constant(eps, input)))


@op
def sqrt_op(node):
    """The square root of x.

    node: any shape.  Returns: the same shape, float.
    """
    return jnp.sqrt(node)


@op
def rsqrt_op(node):
    """1 / the square root of x.

    node: any shape.  Returns: the same shape, float.
    """
    return jax.lax.rsqrt(floats(node))


def _power(node, exponent):
    if isinstance(exponent, jax.Array):
        return jnp.power(floats(node), exponent)
    if np.ndim(exponent) == 0 and float(exponent).is_integer():
        return (node if exponent >= 0 else floats(node)) ** int(exponent)
    return jnp.power(floats(node), constant(exponent, floats(node)))


@op
def pow_op(node, eps):
    """x to the power p, where p is called eps.

    node: any shape.  eps: number.  Returns: the same shape and dtype; float where eps is not whole or is negative.
    """
    return _power(node, eps)


@op
def power_op(node, p):
    """x to the power p.

    node: any shape.  p: number, or a node that broadcasts.  Returns: as pow_op.
    """
    return _power(node, p)


@op
def const_pow_op(node, val):
    """c to the power x.

    node: any shape.  val: number, or an array that broadcasts.  Returns: the same shape, float.
    """
    node = floats(node)
    return jnp.power(constant(val, node), node)


@op
def sin_op(node):
    """The sine of x.

    node: any shape.  Returns: the same shape, float.
    """
    return jnp.sin(node)


@op
def cos_op(node):
    """The cosine of x.

    node: any shape.  Returns: the same shape, float.
    """
    return jnp.cos(node)


@op
def sigmoid_op(node):
    """1 / (1 + exp(-x)).

    node: any shape.  Returns: the same shape, float.
    """
    return jax.nn.sigmoid(floats(node))


@op
def tanh_op(node):
    """The hyperbolic tangent of x.

    node: any shape.  Returns: the same shape, float.
    """
    return jnp.tanh(node)


@op
def relu_op(node):
    """max(x, 0); gradient 0.5 at 0.

    node: any shape.  Returns: the same shape and dtype.
    """
    return jnp.maximum(node, 0)


@op
def leaky_relu_op(node, alpha):
    """x where x > 0, else alpha * x; gradient 1 at 0.

    node: any shape, float.  alpha: number.  Returns: the same shape and dtype.
    """
    return jnp.where(node >= 0, node, constant(alpha, node) * node)


@op
def gelu_op(node):
    """x * (1 + erf(x / sqrt(2))) / 2, the exact form.

    node: any shape.  Returns: the same shape, float.
    """
    x = floats(node)
    wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    # jax.nn.gelu's erfc is exact to the last bits far below 0, and takes XLA's CPU code four times as long.
    return (wide * (1 + jax.lax.erf(wide * math.sqrt(0.5))) / 2).astype(x.dtype)
