"""The ONNX forms of JAX's primitives on elements, along axes and on shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from .builder import Builder, Value
from .export_jaxpr import FUNCTIONS, primitive

_SAME = {
    "add": "Add",
    "add_any": "Add",
    "sub": "Sub",
    "mul": "Mul",
    "div": "Div",
    "max": "Max",
    "min": "Min",
    "pow": "Pow",
    "neg": "Neg",
    "abs": "Abs",
    "sign": "Sign",
    "floor": "Floor",
    "ceil": "Ceil",
    "exp": "Exp",
    "log": "Log",
    "sqrt": "Sqrt",
    "tanh": "Tanh",
    "logistic": "Sigmoid",
    "sin": "Sin",
    "cos": "Cos",
    "tan": "Tan",
    "asin": "Asin",
    "acos": "Acos",
    "atan": "Atan",
    "sinh": "Sinh",
    "cosh": "Cosh",
    "asinh": "Asinh",
    "acosh": "Acosh",
    "atanh": "Atanh",
    "erf": "Erf",
    "eq": "Equal",
    "lt": "Less",
    "gt": "Greater",
    "le": "LessOrEqual",
    "ge": "GreaterOrEqual",
}


def _one_node(operator: str) -> Any:
    return lambda g, e, *operands: g.add(operator, operands)


for _name, _operator in _SAME.items():
    primitive(_name)(_one_node(_operator))


@primitive("stop_gradient", "copy", "copy_p", "optimization_barrier")
def _identity(g, e, *operands):
    return list(operands)


@primitive("reduce_precision")
def _reduce_precision(g, e, x):
    kept = e.params["exponent_bits"], e.params["mantissa_bits"]
    dtype = {(8, 7): np.dtype(jnp.bfloat16), (5, 10): np.dtype(np.float16), (8, 23): np.dtype(np.float32)}.get(kept)
    if dtype is None:
        g.refuse("it rounds to {} bits of exponent and {} of mantissa, which no dtype has".format(*kept))
    return g.cast(x, dtype) if dtype.itemsize < x.dtype.itemsize else x


@primitive("ne")
def _ne(g, e, x, y):
    return g.Not(g.Equal(x, y))


def _with_nan(operator):
    """Comparisons in the order that sorts NaN behind everything; JAX has made all zeros equal before."""

    def export(g, e, x, y):
        found = g.add(operator, [x, y])
        if not jnp.issubdtype(x.dtype, jnp.floating):
            return found
        lost = g.IsNaN(y)
        if operator != "LessOrEqual":
            nan = g.IsNaN(x)
            lost = g.And(lost, nan if operator == "Equal" else g.Not(nan))
        return g.Or(found, lost)

    return export


for _name, _operator in {"lt_to": "Less", "le_to": "LessOrEqual", "eq_to": "Equal"}.items():
    primitive(_name)(_with_nan(_operator))


@primitive("square")
def _square(g, e, x):
    return g.Mul(x, x)


@primitive("one_minus_square")
def _one_minus_square(g, e, x):
    return g.Mul(g.Add(x, 1), g.Sub(1, x))


@primitive("log2")
def _log2(g, e, x):
    return g.Mul(g.Log(x), float(1 / np.log(2)))


@primitive("integer_pow")
def _integer_pow(g, e, x):
    return g.Pow(x, g.constant(e.params["y"], x.dtype))


@primitive("rsqrt")
def _rsqrt(g, e, x):
    return g.Reciprocal(g.Sqrt(x))


@primitive("exp2")
def _exp2(g, e, x):
    return g.Pow(g.constant(2, x.dtype), x)


@primitive("erfc")
def _erfc(g, e, x):
    return g.Sub(1, g.Erf(x))


@primitive("cbrt")
def _cbrt(g, e, x):
    return g.Mul(g.Sign(x), g.Pow(g.Abs(x), 1 / 3))


@primitive("atan2")
def _atan2(g, e, y, x):
    turn = g.Where(g.Less(y, 0), g.constant(-np.pi, x.dtype), g.constant(np.pi, x.dtype))
    angle = g.Atan(g.Div(y, x))
    upright = g.Where(g.Equal(y, 0), 0, g.Mul(turn, 0.5))
    return g.Where(g.Equal(x, 0), upright, g.Where(g.Less(x, 0), g.Add(angle, turn), angle))


def _exp_neg_sq(g, e, x):
    return g.Exp(g.Neg(g.Mul(x, x)))


FUNCTIONS["exp_neg_sq"] = _exp_neg_sq


@primitive("rem")
def _rem(g, e, x, y):
    return g.Mod(x, y, fmod=1)


@primitive("is_finite")
def _is_finite(g, e, x):
    return g.Not(g.Or(g.IsInf(x), g.IsNaN(x)))


@primitive("round")
def _round(g, e, x):
    if int(e.params["rounding_method"]) == 1:
        return g.Round(x)
    size = g.Abs(x)
    low = g.Floor(size)
    return g.Mul(g.Sign(x), g.Where(g.Less(g.Sub(size, low), 0.5), low, g.Ceil(size)))  # halves go away from zero


def _logical(operator):
    def export(g, e, *operands):
        if operands[0].dtype == bool:
            return g.add(operator, operands)
        return g.add(f"Bitwise{operator}", operands)

    return export


for _name in ("and", "or", "xor", "not"):
    primitive(_name)(_logical(_name.capitalize()))


@primitive("clamp")
def _clamp(g, e, low, x, high):
    return g.Min(g.Max(x, low), high)


@primitive("select_n")
def _select_n(g, e, which, *cases):
    if len(cases) == 2:
        return where(g, g.cast(which, bool), cases[1], cases[0])
    found = cases[-1]
    for place in reversed(range(len(cases) - 1)):
        found = where(g, g.Equal(which, place), cases[place], found)
    return found


def where(g: Builder, chosen: Value, x: Value, y: Value) -> Value:
    """Where, which ONNX Runtime does not know for truth values."""
    if x.dtype != bool:
        return g.Where(chosen, x, y)
    return g.Or(g.And(chosen, x), g.And(g.Not(chosen), y))


@primitive("convert_element_type")
def _convert_element_type(g, e, x):
    return g.cast(x, e.dtypes[0])


# Reductions


def _reduction(operator):
    def export(g, e, x):
        axes = list(e.params["axes"])
        if not axes:
            return x
        return g.reduce(operator, g.cast(x, np.int32) if x.dtype == bool else x, axes, False)

    return export


for _name in ("sum", "prod", "max", "min"):
    primitive(f"reduce_{_name}")(_reduction(f"Reduce{_name.capitalize()}"))


@primitive("argmax", "argmin")
def _arg(g, e, x):
    (axis,) = e.params["axes"]
    operator = "ArgMax" if "max" in e.name else "ArgMin"
    return g.add(operator, [x], axis=int(axis), keepdims=0)


@primitive("cumsum")
def _cumsum(g, e, x):
    return g.CumSum(x, g.constant(e.params["axis"]), reverse=int(e.params["reverse"]) or None)


@primitive("sort")
def _sort(g, e, *operands):
    axis, keys = e.params["dimension"], e.params["num_keys"]
    if keys == 1:
        values, order = _sorted(g, operands[0], axis)
        return [values, *(g.GatherElements(other, order, axis=axis) for other in operands[1:])]
    order = None
    for key in operands[keys - 1 :: -1]:  # each sort keeps the order of the one before among equals
        _, places = _sorted(g, key if order is None else g.GatherElements(key, order, axis=axis), axis)
        order = places if order is None else g.GatherElements(order, places, axis=axis)
    return [g.GatherElements(operand, order, axis=axis) for operand in operands]


def _sorted(g: Builder, x: Value, axis: int) -> list[Value]:
    """A key in its order, and that order; among equals TopK takes the first one first."""
    x = g.cast(x, np.int32) if x.dtype == bool else x
    values, order = g.TopK(x, g.length(x, axis), axis=axis, largest=0, outputs=2)
    return [g.shaped(values, x.shape), g.shaped(order, x.shape)]


@primitive("top_k")
def _top_k(g, e, x):
    axis = e.params["axis"] if "axis" in e.params else x.rank - 1
    return g.TopK(x, [e.params["k"]], axis=axis, outputs=2)


# Shapes


@primitive("reshape", "squeeze")
def _reshape(g, e, x):
    if e.name == "reshape" and e.params["dimensions"] is not None:
        x = turned(g, x, e.params["dimensions"])
    return e.lengths.reshape(x, e.shapes[0])


def turned(g: Builder, x: Value, order: Sequence[int]) -> Value:
    """`x` with its axes in another order; itself where it is the same."""
    return x if list(order) == sorted(order) else g.transpose(x, order)


@primitive("transpose")
def _transpose(g, e, x):
    return g.transpose(x, e.params["permutation"])


@primitive("broadcast_in_dim")
def _broadcast_in_dim(g, e, x, *_):
    shape, axes = e.shapes[0], e.params["broadcast_dimensions"]
    new = [axis for axis in range(len(shape)) if axis not in axes]
    target = [1 if axis in axes and x.shape[axes.index(axis)] == dim else dim for axis, dim in enumerate(shape)]
    x = g.Unsqueeze(x, new) if new and axes else x
    return x if all(dim == 1 for dim in target) and axes else g.Expand(x, e.lengths.vector(target))


@primitive("concatenate")
def _concatenate(g, e, *operands):
    return g.Concat(*operands, axis=e.params["dimension"])


@primitive("stack")
def _stack(g, e, *operands):
    axis = e.params["axis"]
    return g.Concat(*(g.Unsqueeze(operand, [axis]) for operand in operands), axis=axis)


@primitive("rev")
def _rev(g, e, x):
    axes, far = list(e.params["dimensions"]), np.iinfo(np.int64).min
    return g.Slice(x, [-1] * len(axes), [far] * len(axes), axes, [-1] * len(axes))


@primitive("slice")
def _slice(g, e, x):
    steps = e.params["strides"] or [1] * x.rank
    cuts = zip(range(x.rank), e.dims("start_indices"), e.dims("limit_indices"), steps, x.shape, strict=True)
    cuts = [(axis, start, end, step) for axis, start, end, step, dim in cuts if (start, end, step) != (0, dim, 1)]
    if not cuts:
        return x
    axes, starts, ends, steps = zip(*cuts, strict=True)
    return g.Slice(x, e.lengths.vector(starts), e.lengths.vector(ends), axes, steps)


@primitive("split")
def _split(g, e, x):
    ends = np.cumsum(e.params["sizes"]).tolist()
    starts, axis = [0, *ends[:-1]], e.params["axis"]
    return [g.Slice(x, [start], [end], [axis]) for start, end in zip(starts, ends, strict=True)]


@primitive("unstack")  # of JAX 0.12, which makes it where an array is iterated over
def _unstack(g, e, x):
    axis, count = e.params["axis"], len(e.shapes)
    return [g.Gather(x, g.constant(place), axis=axis) for place in range(count)]


@primitive("tile")
def _tile(g, e, x):
    return g.Tile(x, list(e.params["reps"]))


@primitive("pad")
def _pad(g, e, x, filler):
    return padded(g, x, filler, e.params["padding_config"])


def padded(g: Builder, x: Value, filler: Value | None, config: Any) -> Value:
    """`x` with (before, after, between) elements added along each axis, or taken away where negative; none: zeros."""
    for axis, (_, _, between) in enumerate(config):
        x = _spread(g, x, filler, axis, between) if between else x
    before, after = ([max(pair[side], 0) for pair in config] for side in (0, 1))
    if any(before + after):
        x = g.Pad(x, before + after, filler)
    cropped = [(axis, max(-low, 0), -high) for axis, (low, high, _) in enumerate(config) if min(low, high) < 0]
    if cropped:
        axes, starts, cuts = zip(*cropped, strict=True)
        x = g.Slice(x, starts, [-cut if cut > 0 else np.iinfo(np.int64).max for cut in cuts], axes)
    return x


def _spread(g: Builder, x: Value, filler: Value | None, axis: int, between: int) -> Value:
    """`x` with elements between those along an axis."""
    shape = list(x.shape)
    column = g.Unsqueeze(x, [axis + 1])
    column = g.Pad(
        column, [0] * (2 * len(shape) + 2 - len(shape) + axis) + [between] + [0] * (len(shape) - 1 - axis), filler
    )
    merged = g.Reshape(column, [0] * axis + [-1] + [x.dim(i) for i in range(axis + 1, len(shape))])
    shape[axis] = x.dim(axis) * (between + 1) - between
    return g.shaped(g.Slice(merged, [0], [shape[axis]], [axis]), tuple(shape))


@primitive("iota")
def _iota(g, e):
    (shape,), axis = e.shapes, e.params["dimension"]
    length = e.lengths.scalar(shape[axis])
    if isinstance(length, int):
        numbers = g.constant(np.arange(length), e.dtypes[0], hint="iota")
    else:
        numbers = g.cast(g.Range(g.constant(0), length, g.constant(1)), e.dtypes[0])
    target = [1 if i == axis else dim for i, dim in enumerate(shape)]
    numbers = g.reshape(numbers, [-1 if i == axis else 1 for i in range(len(shape))]) if len(shape) > 1 else numbers
    return numbers if all(dim == 1 for dim in target) else g.Expand(numbers, e.lengths.vector(target))
