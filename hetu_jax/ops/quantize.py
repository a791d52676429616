"""Numbers on a grid: quantised arrays, and embedding tables stored in 8 or 16 bits.

A code q stands for q * scale + origin.  Codes are rounded at random, so that they stand for the number on average.
A table's float values become codes when an Executor is built over a lookup of it.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import GraphError
from ..graph import Variable, op
from .embedding import mark_table, put_rows, rows
from .index import cast_ids

_DTYPES = {8: (np.uint8, np.int8), 16: (np.uint16, np.int16)}


def code_dtype(digit, signed=False):
    """The integer dtype of codes of `digit` bits.  Raises ValueError unless there are 8 or 16."""
    if digit not in _DTYPES:
        raise ValueError(f"digit is the number of bits, 8 or 16, not {digit!r}")
    return np.dtype(_DTYPES[digit][signed])


def encode(x, scale, origin, dtype, draw):
    """The codes of `x` in the range of an integer `dtype`, still as floats; `draw` in (0, 1] decides the rounding."""
    limits = jnp.iinfo(dtype)
    return jnp.floor(jnp.clip((x - origin) / jnp.where(scale == 0, 1, scale) + draw, limits.min, limits.max))


def _draw(key, shape, dtype):
    return 1 - jax.random.uniform(key, shape, dtype)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _quantise(digit, x, scale, minele, draw):
    return encode(x, scale, minele, code_dtype(digit), draw)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _dequantise(digit, x, scale, minele, draw):
    return x * scale + minele


def _keep_grid(function):
    return lambda digit, x, *grid: (function(digit, x, *grid), grid)


# Each is the other's backward pass, as in Hetu: what goes back is quantised just as what came forward.
_quantise.defvjp(_keep_grid(_quantise), lambda digit, grid, g: (_dequantise(digit, g, *grid), None, None, None))
_dequantise.defvjp(_keep_grid(_dequantise), lambda digit, grid, g: (_quantise(digit, g, *grid), None, None, None))


def _on_grid(function, node, digit, scale, minele, key):
    x = jnp.asarray(node)
    x = x if jnp.issubdtype(x.dtype, jnp.floating) else x.astype(jnp.float32)
    scale, minele = jnp.asarray(scale, x.dtype), jnp.asarray(minele, x.dtype)
    code_dtype(digit)
    return function(digit, x, scale, minele, _draw(key, x.shape, x.dtype))


@op
def quantize_op(node, digit, scale, minele, *, key):
    """floor((x - minele) / scale + u) within [0, 2**digit - 1], for u random in (0, 1]: x in whole steps.

    node: any shape, float.  digit: 8 or 16.  scale, minele: numbers.  Returns: the same shape and dtype, whole numbers.
    The gradient is dequantize_op of the one that arrives.
    """
    return _on_grid(_quantise, node, digit, scale, minele, key)


@op
def dequantize_op(node, digit, scale, minele, *, key):
    """q * scale + minele.

    node: any shape, whole numbers.  digit: 8 or 16.  scale, minele: numbers.  Returns: the same shape; float32 of ints.
    The gradient is quantize_op of the one that arrives, and so rounded at random.
    """
    return _on_grid(_dequantise, node, digit, scale, minele, key)


def _unified_grid(ids, scale, zero_point, digit):
    return scale, zero_point - 2 ** (digit - 1) * scale


def _row_grid(ids, qparams, digit):
    own = jax.lax.stop_gradient(rows(qparams, ids))
    return own[..., :1], own[..., 1:]


def _alpt_grid(ids, scale, zero_point, digit):
    return jax.lax.stop_gradient(rows(scale, ids)), zero_point


def _looked_up(embed, ids, grid):
    """The numbers behind the rows of codes; zeros for an id outside the table."""
    inside = ((ids >= 0) & (ids < len(embed)))[..., None]
    scale, origin = grid
    codes = rows(embed, ids).astype(getattr(scale, "dtype", jnp.float32))
    return jnp.where(inside, codes * scale + origin, 0)


def write_rows(lookup, values, numbers, new, key):
    """The table behind a quantised lookup with other rows, rounded at random by one draw a row.

    lookup: the lookup's op.  values: its arguments by name, as arrays, among them the table `embed`.
    numbers: row numbers (n,); those outside the table are left out.  new: (n, width), float.
    """
    others = {name: value for name, value in values.items() if name not in ("embed", "indices")}
    scale, origin = GRIDS[lookup.__name__](numbers, **others)
    return _encoded_rows(values["embed"], numbers, new, scale, origin, key)


def _encoded_rows(embed, ids, new, scale, origin, key):
    ids, new = ids.reshape(-1), new.reshape(ids.size, -1)
    return put_rows(embed, ids, encode(new, scale, origin, embed.dtype, _draw(key, (len(ids), 1), new.dtype)))


def _record(signed, own=None):
    """What marks the table of a quantised lookup when a call is recorded.

    own: the name of the argument that must be a Variable, as it holds the rows' own grids.
    """

    def check(arguments):
        code_dtype(arguments["digit"], signed)
        if own and not isinstance(arguments[own], Variable):
            raise TypeError(f"{own} must be a Variable with a value or initializer, not {arguments[own]!r}")
        mark_table("embed")(arguments)

    return check


def _turned(arguments, signed, codes):
    """Makes the float values of the table codes, which `codes(values, dtype)` gives, unless they are already."""
    embed, dtype = arguments["embed"], code_dtype(arguments["digit"], signed)
    # A lookup built before, by this Executor or another, has done it.
    if not isinstance(embed, Variable) or embed.dtype == dtype:
        return
    if not jnp.issubdtype(embed.dtype, jnp.floating):
        raise GraphError(
            f"{embed.describe()} holds {embed.dtype}, but a lookup of it wants {dtype}: use one digit for it"
        )
    embed.become(codes(embed.value, dtype).astype(dtype))


def _build_unified(arguments, key):
    grid = _unified_grid(None, *(arguments[name] for name in ("scale", "zero_point", "digit")))
    _turned(arguments, False, lambda x, dtype: encode(x, *grid, dtype, _draw(key, x.shape, x.dtype)))


def _build_rows(arguments, key):
    qparams = arguments["qparams"]

    def codes(x, dtype):
        low = x.min(1, keepdims=True)
        scale = (x.max(1, keepdims=True) - low) / jnp.iinfo(dtype).max
        qparams.become(jnp.concatenate([scale, low], 1).astype(qparams.dtype))
        return encode(x, scale, low, dtype, _draw(key, (len(x), 1), x.dtype))

    _turned(arguments, False, codes)


def _build_alpt(arguments, key):
    middle, scale = arguments["zero_point"], arguments["scale"]
    _turned(arguments, True, lambda x, dtype: encode(x, scale.value, middle, dtype, _draw(key, (len(x), 1), x.dtype)))


@op(on_record=_record(signed=False), on_build=_build_unified)
def unified_quantized_embedding_lookup_op(embed, indices, scale, zero_point, digit):
    """The rows of a table stored in codes of one grid: q * scale + zero_point - 2**(digit - 1) * scale.

    embed: Variable (rows, width), float or uint8 / uint16 codes.  indices: row numbers of any shape S; those outside
    the table give zeros.  scale, zero_point: numbers.  digit: 8 or 16.  Returns: S + (width,), float32.
    """
    ids = cast_ids(indices)
    return _looked_up(embed, ids, _unified_grid(ids, scale, zero_point, digit))


@op(on_record=_record(signed=False, own="qparams"), on_build=_build_rows)
def quantized_embedding_lookup_op(embed, indices, qparams, digit):
    """The rows of a table stored in codes, each row on a grid of its own: q * scale + min.

    embed: Variable (rows, width), float or uint8 / uint16 codes.  indices: row numbers of any shape S; those outside
    the table give zeros.  qparams: Variable (rows, 2), the scale and min of each row; overwritten from the rows when
    a float table becomes codes.  digit: 8 or 16.  Returns: S + (width,), in the dtype of qparams.
    """
    ids = cast_ids(indices)
    return _looked_up(embed, ids, _row_grid(ids, qparams, digit))


@op(on_record=_record(signed=True, own="scale"), on_build=_build_alpt)
def alpt_embedding_lookup_op(embed, indices, scale, zero_point, digit):
    """The rows of a table stored in signed codes, each row with a scale of its own: q * scale + zero_point.

    embed: Variable (rows, width), float or int8 / int16 codes.  indices: row numbers of any shape S; those outside the
    table give zeros.  scale: Variable (rows, 1), to which no gradient flows.  zero_point: number.  digit: 8 or 16.
    Returns: S + (width,), in the dtype of scale.
    """
    ids = cast_ids(indices)
    return _looked_up(embed, ids, _alpt_grid(ids, scale, zero_point, digit))


GRIDS = {
    "unified_quantized_embedding_lookup_op": _unified_grid,
    "quantized_embedding_lookup_op": _row_grid,
    "alpt_embedding_lookup_op": _alpt_grid,
}


def _check_grid(arguments):
    given = {name for name in ("scale", "minele", "middle", "qparam") if arguments.get(name) is not None}
    if given not in ({"qparam"}, {"scale", "minele"}, {"scale", "middle"}):
        raise ValueError(
            "assign_quantized_embedding_op takes qparam, or scale with minele or middle, "
            f"not {', '.join(sorted(given)) or 'none of them'}"
        )
    code_dtype(arguments["digit"])


@op(writes=("embed",), on_record=_check_grid)
def assign_quantized_embedding_op(
    embed, unique, newparam, digit, scale=None, minele=None, middle=None, qparam=None, *, key
):
    """In place: embed[unique[i]] = the codes of newparam[i], rounded at random by one draw a row.

    embed: Variable (rows, width) of codes.  unique: ids of any shape S, those outside the table are left out.
    newparam: S + (width,), float.  digit: 8 or 16.  The grid is `qparam` (rows, 2), each row's scale and min; or
    `scale`, a number or (rows, 1), with `minele`, the least number, or `middle`, that half the codes lie below.
    Returns: nothing.  Raises ValueError for another choice, TypeError for a table of another dtype.
    """
    if embed.dtype not in (code_dtype(digit), code_dtype(digit, signed=True)):
        raise TypeError(f"the table holds {embed.dtype}, not codes of {digit} bits: look it up by a quantised lookup")
    ids = cast_ids(unique).reshape(-1)
    if qparam is not None:
        scale, minele = _row_grid(ids, qparam, digit)
    elif jnp.size(scale) > 1:
        scale = rows(scale, ids)
    below = (
        -int(jnp.iinfo(embed.dtype).min) if middle is None else -(2 ** (digit - 1)) - int(jnp.iinfo(embed.dtype).min)
    )
    origin = (minele if middle is None else middle) + below * scale
    return None, _encoded_rows(embed, ids, newparam, scale, origin, key)


def _slope(lookup, digit):
    """d code / d scale * scale of x / scale rounded to a signed code: LSQ's, the rounding itself taken as constant."""
    limits = jnp.iinfo(code_dtype(digit, signed=True))
    inside = jnp.floor(lookup + 0.5) - lookup
    return jnp.where(lookup >= limits.max, limits.max, jnp.where(lookup <= limits.min, limits.min, inside))


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _rounded(digit, lookup, scale, middle):
    limits = jnp.iinfo(code_dtype(digit, signed=True))
    return jnp.clip(jnp.floor(lookup + 0.5), limits.min, limits.max) * scale + middle


def _rounded_backward(digit, lookup, g):
    return None, jnp.sum(g * _slope(lookup, digit), -1, keepdims=True), None


_rounded.defvjp(lambda digit, lookup, *grid: (_rounded(digit, lookup, *grid), lookup), _rounded_backward)


@op
def alpt_rounding_op(lookup, scale, middle, digit):
    """round(v) within the signed codes, times scale, plus middle.

    lookup: v = x / scale, S + (width,), float.  scale: one number a row, in any shape.  middle: number.
    digit: 8 or 16.  Returns: S + (width,).  The gradient goes to `scale` only: the sum over a row of the one that
    arrives times alpt_scale_gradient_op.
    """
    scale = scale.reshape(*lookup.shape[:-1], 1).astype(lookup.dtype)
    return _rounded(digit, lookup, scale, jnp.asarray(middle, lookup.dtype))


@op
def alpt_scale_gradient_op(lookup, digit):
    """How a rounded number moves with its scale: round(v) - v inside the signed codes, else the code at the end.

    lookup: v = x / scale, any shape, float.  digit: 8 or 16.  Returns: the same shape and dtype.
    """
    return _slope(lookup, digit)
