"""The ONNX forms of JAX's reductions over windows and by functions, and of the gradient of max pooling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from onnx import numpy_helper

from .builder import Builder, Shape, Value
from .export_jaxpr import Equation, primitive
from .export_loops import lowest
from .export_primitives import padded, turned


class _Monoid(NamedTuple):
    """How numbers are joined: a reduction, the operator of two of them, and what joins without effect."""

    reduction: str
    operator: str
    neutral: Any


def _monoid(name: str, dtype: np.dtype) -> _Monoid | None:
    """That of a primitive of two numbers; None where it has none."""
    if dtype.kind == "b":
        name = {"and": "min", "or": "max"}.get(name, name)
        return {"min": _Monoid("ReduceMin", "Min", 1), "max": _Monoid("ReduceMax", "Max", 0)}.get(name)
    return {
        "max": _Monoid("ReduceMax", "Max", lowest(dtype)),
        "min": _Monoid("ReduceMin", "Min", lowest(dtype, -1)),
        "add": _Monoid("ReduceSum", "Add", 0),
        "mul": _Monoid("ReduceProd", "Mul", 1),
    }.get(name)


def _joiner(e: Equation) -> str:
    """The primitive that a function of two numbers is; empty where it is more."""
    jaxpr = e.both("jaxpr")[0]
    jaxpr = getattr(jaxpr, "jaxpr", jaxpr)
    one = len(jaxpr.eqns) == 1 and len(jaxpr.outvars) == 1 and set(jaxpr.eqns[0].invars) == set(jaxpr.invars)
    return jaxpr.eqns[0].primitive.name if one else ""


_NO_JOINER = "it reduces by a function that is no sum, product, minimum or maximum"


@primitive("reduce")
def _reduce(g, e, *operands):
    monoid = _monoid(_joiner(e), e.dtypes[0]) if len(operands) == 2 else None
    if monoid is None:
        g.refuse(_NO_JOINER)
    x, start = (g.cast(operand, np.int32) if operand.dtype == bool else operand for operand in operands)
    axes = list(e.params["dimensions"])
    return g.add(monoid.operator, [g.reduce(monoid.reduction, x, axes, False) if axes else x, start])


class _Windows:
    """Where windows lie: for each axis a size, a stride, pads and dilations."""

    def __init__(self, e: Equation, rank: int):
        ones = (1,) * rank
        names = ("window_dimensions", "window_strides", "window_dilation", "base_dilation")
        parameters = e.params.trials[0]
        self.sizes, self.strides, self.dilations, spread = (
            e.params[name] if name in parameters else ones for name in names
        )
        self.pads = [(*pair, between - 1) for pair, between in zip(e.params["padding"], spread, strict=True)]
        self.axes = [
            axis for axis in range(rank) if (self.sizes[axis], self.strides[axis], *self.pads[axis]) != (1, 1, 0, 0, 0)
        ]

    def of(self, numbers: Sequence[Any], axes: Sequence[int]) -> list[Any]:
        """The entries of some axes."""
        return [numbers[axis] for axis in axes]

    def is_outside(self, axes: Sequence[int]) -> bool:
        """Whether the pads of some axes are such as pooling operators do not take."""
        return any(
            min(low, high) < 0 or max(low, high) >= self.sizes[axis] or between
            for axis, (low, high, between) in ((axis, self.pads[axis]) for axis in axes)
        )

    def options(self, axes: Sequence[int], pads: bool) -> dict[str, Any]:
        """The attributes of a pooling operator over these axes."""
        dilations = self.of(self.dilations, axes)
        return {
            "kernel_shape": self.of(self.sizes, axes),
            "strides": self.of(self.strides, axes),
            "dilations": dilations if set(dilations) != {1} else None,
            "pads": [self.pads[axis][side] for side in (0, 1) for axis in axes] if pads else None,
        }


class _Planes:
    """Values with some axes behind two others, as ONNX pools them."""

    def __init__(self, g: Builder, e: Equation, rank: int, axes: Sequence[int]):
        self.g, self.lengths = g, e.lengths
        self.others = [axis for axis in range(rank) if axis not in axes]
        self.perm = [*self.others, *axes]

    def turn(self, x: Value) -> Value:
        """`x` in that form."""
        x = turned(self.g, x, self.perm)
        others, axes = x.shape[: len(self.others)], x.shape[len(self.others) :]
        if len(others) < 2:
            new = list(range(len(others), 2))
            return self.g.shaped(self.g.Unsqueeze(x, new), (*others, *(1 for _ in new), *axes))
        if len(others) == 2:
            return x
        for axis in range(1, len(others)):
            x.dim(axis)
        return self.lengths.reshape(x, (others[0], int(np.prod(others[1:])), *axes))

    def back(self, x: Value, shape: Shape) -> Value:
        """A value of that form in the old one, which has this shape."""
        if len(self.others) < 2:
            x = self.g.Squeeze(x, list(range(len(self.others), 2)))
        elif len(self.others) > 2:
            x = self.lengths.reshape(x, tuple(shape[axis] for axis in self.perm))
        return turned(self.g, x, np.argsort(self.perm).tolist())


def _pooled_axes(axes: Sequence[int], rank: int) -> list[list[int]]:
    """Axes as pooling operators take them at once: three at most, and all but the first two where that is enough."""
    if 3 <= rank <= 5 and min(axes) >= 2:
        return [list(range(2, rank))]
    return [list(axes[i : i + 3]) for i in range(0, len(axes), 3)]


@primitive("reduce_window_max", "reduce_window_min", "reduce_window_sum", "reduce_window")
def _reduce_window(g, e, x, start=None):
    joiner = {"max": "max", "min": "min", "sum": "add"}.get(e.name.rpartition("_")[2]) or _joiner(e)
    windows, monoid, boolean = _Windows(e, x.rank), _monoid(joiner, e.dtypes[0]), x.dtype == bool
    if monoid is None:
        g.refuse(_NO_JOINER)
    x = g.cast(x, np.int32) if boolean else x
    filler = g.constant(monoid.neutral, x.dtype) if start is None else g.cast(start, x.dtype)
    pools = jnp.issubdtype(x.dtype, jnp.floating) and joiner != "mul" and start is None
    pools &= joiner != "add" or g.opset >= 19 or set(windows.dilations) == {1}
    if pools:
        for axes in _pooled_axes(windows.axes, x.rank) if windows.axes else ():
            x = _pooled(g, e, x, windows, axes, joiner, filler)
        return x
    config = [windows.pads[axis] if axis in windows.axes else (0, 0, 0) for axis in range(x.rank)]
    x = padded(g, x, filler, config) if any(map(any, config)) else x
    for axis in windows.axes:
        x = g.Gather(x, _places(g, e, windows, axis), axis=axis)
        x = g.reduce(monoid.reduction, x, [axis + 1], False)
    return x if start is None else g.add(monoid.operator, [x, filler])


def _places(g: Builder, e: Equation, windows: _Windows, axis: int) -> Any:
    """The indices (windows, size) along an axis that windows cover."""
    inside = np.arange(windows.sizes[axis]) * windows.dilations[axis]
    count = e.lengths.scalar(e.shapes[0][axis])
    if isinstance(count, int):
        return np.arange(count)[:, None] * windows.strides[axis] + inside
    firsts = g.Mul(g.Range(g.constant(0), count, g.constant(1)), windows.strides[axis])
    return g.Add(g.reshape(firsts, [-1, 1]), inside)


def _pooled(
    g: Builder, e: Equation, x: Value, windows: _Windows, axes: Sequence[int], joiner: str, filler: Value
) -> Value:
    """The maximum, minimum or sum of the windows along some axes."""
    shape = tuple(e.shapes[0][axis] if axis in axes else x.shape[axis] for axis in range(x.rank))
    outside = windows.is_outside(axes)
    if outside:
        x = padded(g, x, filler, [windows.pads[axis] if axis in axes else (0, 0, 0) for axis in range(x.rank)])
    planes, options = _Planes(g, e, len(shape), axes), windows.options(axes, pads=not outside)
    x = planes.turn(x)
    if joiner == "add":
        mean = g.AveragePool(x, **options, count_include_pad=1)
        x = g.Mul(mean, float(np.prod(options["kernel_shape"])))
    else:
        x = g.MaxPool(x, **options) if joiner == "max" else g.Neg(g.MaxPool(g.Neg(x), **options))
    return g.shaped(planes.back(x, shape), shape)


@primitive("select_and_scatter_add")
def _select_and_scatter_add(g, e, source, x):
    windows, shape = _Windows(e, x.rank), x.shape
    if not windows.axes:
        return source
    groups = _pooled_axes(windows.axes, x.rank)
    if len(groups) > 1:
        g.refuse("ONNX pools three axes at most")
    (axes,) = groups
    cut, outside = [(0, 0, 0)] * x.rank, windows.is_outside(axes)
    if outside:
        cut = [(-low, -high, 0) for low, high, _ in windows.pads]
        x = padded(g, x, g.constant(lowest(x.dtype), x.dtype), windows.pads)
    if str(e.params["select_prim"]) == "le":
        x = g.shaped(g.Neg(x), x.shape)
    longer = x.shape if None not in x.shape else g.refuse("its padding reaches past an open axis")
    planes = _Planes(g, e, x.rank, axes)
    planar = planes.turn(x)
    _, places = g.MaxPool(planar, **windows.options(axes, pads=not outside), outputs=2)
    zero = numpy_helper.from_array(np.zeros(1, source.dtype))
    zeros = g.ConstantOfShape(g.reshape(g.Size(planar), [1]), value=zero)
    total = g.ScatterElements(
        zeros, g.reshape(places, [-1]), g.reshape(planes.turn(source), [-1]), axis=0, reduction="add"
    )
    total = g.shaped(planes.back(g.Reshape(total, g.shape_of(planar)), longer), longer)
    return padded(g, total, None, cut) if outside else g.shaped(total, shape)
