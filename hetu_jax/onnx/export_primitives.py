"""The ONNX forms of JAX's primitives, but for gather, scatter and convolutions."""

from __future__ import annotations

from typing import Any

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


@primitive("stop_gradient", "copy", "copy_p", "reduce_precision", "optimization_barrier")
def _identity(g, e, *operands):
    return list(operands)


@primitive("ne")
def _ne(g, e, x, y):
    return g.Not(g.Equal(x, y))


@primitive("square")
def _square(g, e, x):
    return g.Mul(x, x)


@primitive("integer_pow")
def _integer_pow(g, e, x):
    return g.Pow(x, g.constant(e.params["y"], x.dtype))


@primitive("rsqrt")
def _rsqrt(g, e, x):
    return g.Reciprocal(g.Sqrt(x))


@primitive("log1p")
def _log1p(g, e, x):
    return g.Log(g.Add(x, 1))


@primitive("expm1")
def _expm1(g, e, x):
    return g.Sub(g.Exp(x), 1)


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


@primitive("shift_left")
def _shift_left(g, e, x, places):
    return g.Mul(x, g.cast(g.Pow(g.constant(2, np.int32), places), x.dtype))


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
    return g.Mul(g.Sign(x), g.Floor(g.Add(g.Abs(x), 0.5)))  # halves go away from zero


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
        return g.Where(g.cast(which, bool), cases[1], cases[0])
    found = cases[-1]
    for place in reversed(range(len(cases) - 1)):
        found = g.Where(g.Equal(which, place), cases[place], found)
    return found


@primitive("convert_element_type")
def _convert_element_type(g, e, x):
    return g.cast(x, e.dtypes[0])


# Reductions


def _reduction(operator):
    def export(g, e, x):
        axes = list(e.params["axes"])
        if x.dtype == bool:
            return g.cast(g.reduce(operator, g.cast(x, np.int32), axes, False), bool)
        return g.reduce(operator, x, axes, False) if axes else x

    return export


for _name, _operator in {"sum": "Sum", "prod": "Prod", "max": "Max", "min": "Min", "and": "Min", "or": "Max"}.items():
    primitive(f"reduce_{_name}")(_reduction(f"Reduce{_operator}"))


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
    if e.params["num_keys"] != 1:
        g.refuse("ONNX sorts by one key")
    axis, key = e.params["dimension"], operands[0]
    values, places = g.TopK(key, g.length(key, axis), axis=axis, largest=0, outputs=2)
    return [values, *(g.GatherElements(other, places, axis=axis) for other in operands[1:])]


@primitive("top_k")
def _top_k(g, e, x):
    return g.TopK(x, [e.params["k"]], axis=x.rank - 1, outputs=2)


@primitive("dot_general")
def _dot_general(g, e, x, y):
    (contract_x, contract_y), (batch_x, batch_y) = e.params["dimension_numbers"]
    if x.rank == y.rank == 2 and (contract_x, contract_y, batch_x) == ((1,), (0,), ()):
        return g.MatMul(x, y)
    stacked = tuple(range(x.rank - 2))
    if x.rank == y.rank and (tuple(batch_x), tuple(batch_y), tuple(contract_x)) == (stacked, stacked, (x.rank - 1,)):
        if tuple(contract_y) == (y.rank - 2,):
            return g.MatMul(x, y)
    letters = iter("abcdefghijklmnopqrstuvwxyz")
    names_x = [next(letters) for _ in range(x.rank)]
    names_y = [next(letters) for _ in range(y.rank)]
    for axis_x, axis_y in zip((*contract_x, *batch_x), (*contract_y, *batch_y), strict=True):
        names_y[axis_y] = names_x[axis_x]
    batch = [names_x[axis] for axis in batch_x]
    free = [name for i, name in enumerate(names_x) if i not in (*contract_x, *batch_x)]
    free += [name for i, name in enumerate(names_y) if i not in (*contract_y, *batch_y)]
    return g.Einsum(x, y, equation=f"{''.join(names_x)},{''.join(names_y)}->{''.join(batch + free)}")


# Shapes


@primitive("reshape", "squeeze")
def _reshape(g, e, x):
    return e.lengths.reshape(x, e.shapes[0])


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


@primitive("dynamic_slice")
def _dynamic_slice(g, e, x, *starts):
    sizes = list(e.params["slice_sizes"])
    places = [g.reshape(g.cast(start, np.int64), [1]) for start in starts]
    last = [x.dim(axis) - size for axis, size in enumerate(sizes)]
    begin = g.Min(g.Max(g.Concat(*places, axis=0), np.zeros(len(sizes), np.int64)), last)
    return g.Slice(x, begin, g.Add(begin, sizes), list(range(x.rank)))


@primitive("split")
def _split(g, e, x):
    ends = np.cumsum(e.params["sizes"]).tolist()
    starts, axis = [0, *ends[:-1]], e.params["axis"]
    return [g.Slice(x, [start], [end], [axis]) for start, end in zip(starts, ends, strict=True)]


@primitive("unstack")  # of JAX 0.12, which makes it where an array is iterated over
def _unstack(g, e, x):
    axis = e.params["axis"]
    return [g.Squeeze(g.Slice(x, [i], [i + 1], [axis]), [axis]) for i in range(x.shape[axis])]


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
