"""The ONNX forms of JAX's products and convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from .builder import Builder, Value
from .export_jaxpr import Equation, primitive
from .export_primitives import padded, turned


@primitive("dot_general")
def _dot_general(g, e, x, y):
    (contract_x, contract_y), (batch_x, batch_y) = e.params["dimension_numbers"]
    free_x = [axis for axis in range(x.rank) if axis not in (*contract_x, *batch_x)]
    free_y = [axis for axis in range(y.rank) if axis not in (*contract_y, *batch_y)]
    if len(contract_x) != 1 or min(len(free_x), len(free_y)) > 1:
        return _einsum(g, x, y, (contract_x, contract_y), (batch_x, batch_y))
    (inner_x,), (inner_y,) = contract_x, contract_y
    if not batch_x and x.rank == y.rank == 2 and (inner_x, inner_y) != (1, 0) and jnp.issubdtype(x.dtype, jnp.floating):
        return g.Gemm(x, y, transA=int(inner_x == 0) or None, transB=int(inner_y == 1) or None)
    return _stacked(g, x, y, (batch_x, free_x, inner_x), (batch_y, free_y, inner_y))


def _stacked(g: Builder, x: Value, y: Value, of_x: tuple[Any, ...], of_y: tuple[Any, ...]) -> Value:
    """The products of stacks of matrices, or of vectors, given the batch, free and contracted axes of each factor.

    One of the two may have any number of free axes, along which MatMul then repeats the other one.
    """
    (batch_x, free_x, inner_x), (batch_y, free_y, inner_y) = of_x, of_y
    count, more = len(batch_x), len(free_x) + len(free_y)
    if len(free_y) > 1:
        product = _stacked(g, y, x, of_y, of_x)
        order = [*range(count), *range(count + len(free_y), count + more), *range(count, count + len(free_y))]
        return turned(g, product, order)
    x = turned(g, x, [*batch_x, *free_x, inner_x])
    y = turned(g, y, [*batch_y, inner_y, *free_y])
    if not count:
        return g.MatMul(x, y)
    repeated = list(range(count, count + len(free_x) - 1))
    x = x if free_x else g.Unsqueeze(x, [count])
    y = y if free_y else g.Unsqueeze(y, [count + 1])
    product = g.MatMul(x, g.Unsqueeze(y, repeated) if repeated else y)
    lacking = [] if free_x else [count]
    lacking += [] if free_y else [count + max(len(free_x), 1)]
    return g.Squeeze(product, lacking) if lacking else product


def _einsum(g: Builder, x: Value, y: Value, contract: Any, batch: Any) -> Value:
    letters = iter("abcdefghijklmnopqrstuvwxyz")
    names_x = [next(letters) for _ in range(x.rank)]
    names_y = [next(letters) for _ in range(y.rank)]
    for axis_x, axis_y in zip((*contract[0], *batch[0]), (*contract[1], *batch[1]), strict=True):
        names_y[axis_y] = names_x[axis_x]
    together = [names_x[axis] for axis in batch[0]]
    free = [name for i, name in enumerate(names_x) if i not in (*contract[0], *batch[0])]
    free += [name for i, name in enumerate(names_y) if i not in (*contract[1], *batch[1])]
    return g.Einsum(x, y, equation=f"{''.join(names_x)},{''.join(names_y)}->{''.join(together + free)}")


@primitive("conv_general_dilated")
def _conv_general_dilated(g, e, x, kernel):
    params, layout = e.params, e.params["dimension_numbers"]
    x, kernel = turned(g, x, layout.lhs_spec), turned(g, kernel, layout.rhs_spec)
    groups, spread, pads = params["feature_group_count"], params["lhs_dilation"], list(params["padding"])
    if params["batch_group_count"] > 1:
        groups = params["batch_group_count"]
        x = _batch_as_channels(g, e, x, groups)
    sides = len(spread)
    if not sides:
        x, kernel, pads = g.Unsqueeze(x, [2]), g.Unsqueeze(kernel, [2]), [(0, 0)]
    reach = (
        [(side - 1) * step for side, step in zip(kernel.shape[2:], params["rhs_dilation"], strict=True)]
        if sides
        else []
    )
    options: dict[str, Any] = {"group": groups if groups > 1 else None}
    options["dilations"] = params["rhs_dilation"] if set(params["rhs_dilation"]) - {1} else None
    if sides and max(spread) > 1 and set(params["window_strides"]) == {1}:
        if all(low <= far for (low, _), far in zip(pads, reach, strict=True)):
            result = _transposed(g, x, kernel, spread, reach, pads, options)
            return turned(g, result, np.argsort(layout.out_spec).tolist())
    if any(min(pair) < 0 for pair in pads) or any(step > 1 for step in spread):
        config = [(0, 0, 0)] * 2 + [(*pair, step - 1) for pair, step in zip(pads, spread, strict=True)]
        x, pads = padded(g, x, None, config), [(0, 0)] * sides
    pads = [low for low, _ in pads] + [high for _, high in pads]
    result = g.Conv(x, kernel, strides=params["window_strides"] or None, pads=pads, **options)
    result = result if sides else g.Squeeze(result, [2])
    return turned(g, g.shaped(result, _in_order(e.shapes[0], layout.out_spec)), np.argsort(layout.out_spec).tolist())


def _in_order(shape: Sequence[Any], order: Sequence[int]) -> tuple[Any, ...]:
    return tuple(shape[axis] for axis in order)


def _batch_as_channels(g: Builder, e: Equation, x: Value, groups: int) -> Value:
    """(groups * n, channels, ...) as (n, groups * channels, ...), which groups of channels then keep apart."""
    count, channels, *sides = x.dim(0) // groups, *x.shape[1:]
    x = e.lengths.reshape(x, (groups, count, channels, *sides))
    x = g.transpose(x, [1, 0, *range(2, x.rank)])
    symbols = e.lengths.symbols
    together = symbols.read(tuple(groups * symbols.length(channels, trial) for trial in (0, 1)))
    return e.lengths.reshape(x, (count, together, *sides))


def _transposed(
    g: Builder, x: Value, kernel: Value, spread: Any, reach: Sequence[int], pads: Any, options: dict[str, Any]
) -> Value:
    """A convolution of an image with zeros between its elements is the transpose of one that takes steps."""
    groups = options["group"] or 1
    outs, ins, *sides = kernel.shape
    axes, far = list(range(2, len(kernel.shape))), np.iinfo(np.int64).min
    if groups > 1:
        kernel = g.shaped(
            g.reshape(kernel, [groups, outs // groups, ins, *sides]), (groups, outs // groups, ins, *sides)
        )
        kernel = g.transpose(kernel, [0, 2, 1, *range(3, kernel.rank)])
        kernel = g.reshape(kernel, [groups * ins, outs // groups, *sides])
    else:
        kernel = g.transpose(kernel, [1, 0, *axes])
    kernel = g.Slice(kernel, [-1] * len(axes), [far] * len(axes), axes, [-1] * len(axes))
    lows, highs = ([far - pair[side] for pair, far in zip(pads, reach, strict=True)] for side in (0, 1))
    result = g.ConvTranspose(x, kernel, strides=spread, pads=lows + [max(high, 0) for high in highs], **options)
    short = [-min(high, 0) for high in highs]
    return padded(g, result, None, [(0, 0, 0)] * 2 + [(0, more, 0) for more in short]) if any(short) else result
