"""Bounds, comparisons, masks and steps."""

import jax
import jax.numpy as jnp

from ..graph import op
from .elementwise import constant, floats


@op
def clamp_op(node_A, min_mat=None, max_mat=None, min=None, max=None):
    """min(max(x, lower), upper); gradient 0.5 at a bound.

    node_A: any shape.  min_mat, max_mat: bounds as arrays that broadcast.  min, max: bounds as numbers.
    Any of them may be None.  Where lower > upper the value is upper.
    Returns: the shape and dtype of x; float where x is integer and a bound is not whole.
    Raises ValueError when arrays and numbers are mixed.
    """
    if (min_mat is not None or max_mat is not None) and (min is not None or max is not None):
        raise ValueError(f"clamp_op takes bounds as arrays or as numbers, not both; it got min={min}, max={max}")
    bounds = [bound if mat is None else mat for mat, bound in ((min_mat, min), (max_mat, max))]
    return jnp.clip(node_A, *[None if bound is None else constant(bound, node_A) for bound in bounds])


_COMPARISONS = (
    lambda difference: jnp.abs(difference) < 1e-6,
    lambda difference: difference < -1e-6,
    lambda difference: difference > 1e-6,
    lambda difference: difference < 1e-6,
    lambda difference: difference > -1e-6,
)


@op
def bool_op(node, input=None, val=None, cond=0):
    """1 where a comparison holds, else 0, with a tolerance of 1e-6; no gradient.

    node: any shape.  input: what to compare with, a shape that broadcasts; or val: a number.
    cond: 0 equal, 1 less, 2 greater, 3 less or equal, 4 greater or equal; without input and val the test is x > 0,
    whatever cond says.
    Returns: the common shape, float.  Raises ValueError when input and val are both given, or for another cond.
    """
    if input is not None and val is not None:
        raise ValueError(f"bool_op compares with input or with val, not both; it got val={val}")
    if cond not in range(5):
        raise ValueError(f"bool_op has cond 0 (==), 1 (<), 2 (>), 3 (<=) and 4 (>=), not {cond!r}")
    if input is None and val is None:
        return jnp.asarray(node > 0, floats(node).dtype)
    difference = floats(node) - constant(val if input is None else input, floats(node))
    return _COMPARISONS[cond](difference).astype(difference.dtype)


@op
def where_op(cond, node_A, node_B):
    """A where cond is not 0, else B.

    cond, node_A, node_B: shapes that broadcast.  Returns: their common shape, the dtype of A and B.
    """
    return jnp.where(cond != 0, node_A, node_B)


@op
def where_const_op(cond, node_A, const_attr):
    """A where cond is not 0, else a constant.

    cond, node_A: shapes that broadcast.  const_attr: number.
    Returns: their common shape, the dtype of A; float where A is integer and const_attr is not whole.
    """
    return jnp.where(cond != 0, node_A, constant(const_attr, node_A))


@op
def mask_op(input, mask):
    """x where mask is not 0, else 0.

    input: any shape.  mask: a shape that broadcasts to it, or any with as many elements.
    Returns: the shape and dtype of x.
    """
    if mask.size == input.size:
        mask = mask.reshape(input.shape)
    return jnp.where(mask != 0, input, jnp.zeros_like(input))


@op
def masked_fill_op(input, mask, val):
    """val where mask is exactly 1, else x.

    input, mask: shapes that broadcast.  val: number.
    Returns: their common shape, the dtype of x; float where x is integer and val is not whole.
    """
    return jnp.where(mask == 1, constant(val, input), input)


@op
def stop_gradient_op(node):
    """x, with gradient 0.

    node: any shape.  Returns: the same shape and dtype.
    """
    return jax.lax.stop_gradient(node)


@jax.custom_jvp
def _step(x):
    return (x > 0).astype(x.dtype)


def binary_step_slope(x):
    """The surrogate slope of the step: 2 - 4|x| up to 0.4, 0.4 up to 1, 0 beyond."""
    size = jnp.abs(x)
    return jnp.where(size <= 0.4, 2 - 4 * size, jnp.where(size <= 1, 0.4, 0.0)).astype(x.dtype)


_step.defjvps(lambda tangent, value, x: tangent * binary_step_slope(x))


@op
def binary_step_op(node):
    """1 where x > 0, else 0; for the gradient, slope 2 - 4|x| up to 0.4, 0.4 up to 1, 0 beyond.

    node: any shape.  Returns: the same shape, float.
    """
    return _step(floats(node))


@op(writes=("param",))
def param_clip_op(param, control, min_value, max_value):
    """Clips the value of a Variable to [min_value, max_value], in place.

    param: Variable of any shape.  control: what must happen before, such as the optimizer's node, or None.
    min_value, max_value: numbers.  Returns: None; `param` has its new value when the step ends.
    """
    return None, jnp.clip(param, constant(min_value, param), constant(max_value, param)).astype(param.dtype)
