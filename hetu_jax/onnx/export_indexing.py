"""The ONNX forms of JAX's gather, scatter and convolution primitives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .builder import Builder, Value
from .export_jaxpr import Equation, primitive
from .export_primitives import padded


class _Rows:
    """An operand whose indexed axes are one, in front: index vectors become row numbers.

    batch, indexed: the operand's axes that go along with axes of the indices, and that an index vector points into.
    along: the axes of the indices that `batch` goes along with.
    """

    def __init__(
        self, g: Builder, e: Equation, operand: Value, batch: Sequence[int], indexed: Sequence[int], along: Any
    ):
        self.g, self.e, self.operand, self.along = g, e, operand, along
        self.rest = [axis for axis in range(operand.rank) if axis not in (*batch, *indexed)]
        self.perm = [*batch, *indexed, *self.rest]
        self.front = [operand.shape[axis] for axis in (*batch, *indexed)]
        self.window = tuple(operand.shape[axis] for axis in self.rest)
        self.count = len(indexed)

    def flat(self) -> Value:
        """(rows, ...): the operand with the indexed axes in front, as one."""
        turned = self.operand if self.perm == sorted(self.perm) else self.g.transpose(self.operand, self.perm)
        if len(self.front) == 1:
            return turned
        rows = int(np.prod(self.front)) if all(isinstance(dim, int) for dim in self.front) else None
        if any(not isinstance(dim, int) for dim in self.window):
            self.operand.dim(self.rest[0])
        target = [-1 if rows is None or 0 not in (rows, *self.window) else rows, *self.window]
        return self.g.shaped(self.g.reshape(turned, target), (rows, *self.window))

    def unflat(self, rows: Value) -> Value:
        """The inverse of `flat`."""
        turned = self.e.lengths.reshape(rows, (*self.front, *self.window))
        order = np.argsort(self.perm).tolist()
        return turned if order == sorted(order) else self.g.transpose(turned, order)

    def numbers(self, indices: Value, clip: bool) -> tuple[Value, Value | None]:
        """Row numbers, and which of them are inside (None where all are, since `clip` moves them there)."""
        g, valid, total = self.g, None, None
        for place, dim in enumerate(self.front[len(self.front) - self.count :]):
            part = g.Gather(g.cast(indices, np.int64), g.constant(place), axis=indices.rank - 1)
            length = self.e.lengths.scalar(dim)
            last = length - 1 if isinstance(length, int) else g.Sub(length, 1)
            inside = g.Clip(part, g.constant(0), g.constant(last) if isinstance(last, int) else last)
            if not clip:
                hit = g.Equal(part, inside)
                valid = hit if valid is None else g.And(valid, hit)
            total = inside if total is None else g.Add(g.Mul(total, length), inside)
        return self._with_batch(total, indices.rank - 1), valid

    def _with_batch(self, numbers: Value | None, rank: int) -> Value:
        """The row numbers plus what the batch axes add to them."""
        g, lengths = self.g, [self.e.lengths.scalar(dim) for dim in self.front]
        for place, axis in enumerate(self.along):
            step = g.constant(1)
            for length in lengths[place + 1 :]:
                step = g.Mul(step, length)
            length = lengths[place]
            iota = g.Range(g.constant(0), g.constant(length) if isinstance(length, int) else length, g.constant(1))
            iota = g.Mul(g.reshape(iota, [-1 if i == axis else 1 for i in range(rank)]), step)
            numbers = iota if numbers is None else g.Add(numbers, iota)
        return numbers


def _check_window(g: Builder, operand: Value, axes: Sequence[int], sizes: Sequence[Any]) -> None:
    if any(operand.shape[axis] != size for axis, size in zip(axes, sizes, strict=True)):
        g.refuse("it indexes windows that are neither one element nor a whole axis")


@primitive("gather")
def _gather(g, e, operand, indices):
    numbers = e.params["dimension_numbers"]
    rows = _Rows(
        g, e, operand, numbers.operand_batching_dims, numbers.start_index_map, numbers.start_indices_batching_dims
    )
    sizes = e.dims("slice_sizes")
    _check_window(g, operand, rows.rest, [sizes[axis] for axis in rows.rest])
    if any(sizes[axis] != 1 for axis in numbers.start_index_map):
        g.refuse("it gathers windows of more than one element")
    mode = str(e.params["mode"])
    places, valid = rows.numbers(indices, clip="FILL" not in mode)
    found = g.Gather(rows.flat(), places, axis=0)
    batch = indices.rank - 1
    if valid is not None:
        valid = g.Unsqueeze(valid, list(range(batch, batch + len(rows.rest)))) if rows.rest else valid
        found = g.Where(valid, found, g.constant(_fill(e, operand.dtype), operand.dtype))
    collapsed = {*numbers.collapsed_slice_dims, *numbers.operand_batching_dims}
    kept = [axis for axis in range(operand.rank) if axis not in collapsed]
    single = [batch + i for i, axis in enumerate(kept) if axis in numbers.start_index_map]
    found = g.Unsqueeze(found, single) if single else found
    return _placed(g, found, batch, list(numbers.offset_dims))


def _fill(e: Equation, dtype: np.dtype) -> Any:
    value = e.params["fill_value"]
    if value is not None:
        return value
    return np.nan if np.issubdtype(dtype, np.inexact) else np.iinfo(dtype).min


def _placed(g: Builder, value: Value, batch: int, window: list[int]) -> Value:
    """Batch axes, then window axes, in the order in which the window axes are at the places `window`."""
    rank = batch + len(window)
    order: list[int] = []
    batches, windows = iter(range(batch)), iter(range(batch, rank))
    for place in range(rank):
        order.append(next(windows) if place in window else next(batches))
    return value if order == sorted(order) else g.Transpose(value, perm=order)


_REDUCTIONS = {"scatter": None, "scatter-add": "add", "scatter-mul": "mul", "scatter-min": "min", "scatter-max": "max"}


@primitive(*_REDUCTIONS)
def _scatter(g, e, operand, indices, updates):
    reduction = _REDUCTIONS[e.name]
    g.need({None: 13, "add": 16, "mul": 16}.get(reduction, 18), f"a scatter that takes {reduction}")
    numbers = e.params["dimension_numbers"]
    indexed, batch = numbers.scatter_dims_to_operand_dims, indices.rank - 1
    rows = _Rows(g, e, operand, numbers.operand_batching_dims, indexed, numbers.scatter_indices_batching_dims)
    gone = {*numbers.inserted_window_dims, *numbers.operand_batching_dims}
    kept = [axis for axis in range(operand.rank) if axis not in gone]
    sizes = {axis: updates.shape[place] for axis, place in zip(kept, numbers.update_window_dims, strict=True)}
    _check_window(g, operand, rows.rest, [sizes[axis] for axis in rows.rest])
    if any(sizes.get(axis, 1) != 1 for axis in indexed):
        g.refuse("it scatters windows of more than one element")
    window = list(numbers.update_window_dims)
    order = [axis for axis in range(updates.rank) if axis not in window] + window
    updates = updates if order == sorted(order) else g.transpose(updates, order)
    single = [batch + i for i, axis in enumerate(kept) if axis in indexed]
    updates = g.Squeeze(updates, single) if single else updates
    places, valid = rows.numbers(indices, clip="CLIP" in str(e.params["mode"]))
    return rows.unflat(_scattered(g, rows.flat(), places, valid, updates, reduction))


def _scattered(
    g: Builder, flat: Value, places: Value, valid: Value | None, updates: Value, reduction: str | None
) -> Value:
    """The rows after the updates; what is outside goes to a further row, which is then cut off."""
    if valid is None:
        return g.shaped(g.ScatterND(flat, g.Unsqueeze(places, [-1]), updates, reduction=reduction), flat.shape)
    longer = g.Pad(flat, [0] * flat.rank + [1] + [0] * (flat.rank - 1))
    places = g.Where(valid, places, g.length(flat, 0, scalar=True))
    written = g.ScatterND(longer, g.Unsqueeze(places, [-1]), updates, reduction=reduction)
    return g.shaped(g.Slice(written, [0], g.length(flat, 0), [0]), flat.shape)


@primitive("conv_general_dilated")
def _conv_general_dilated(g, e, x, kernel):
    params = e.params
    if params["batch_group_count"] != 1:
        g.refuse("it is a convolution with batch groups")
    layout = params["dimension_numbers"]
    x, kernel = (_turned(g, value, list(spec)) for value, spec in ((x, layout.lhs_spec), (kernel, layout.rhs_spec)))
    spread = [(0, 0, 0), (0, 0, 0), *((0, 0, step - 1) for step in params["lhs_dilation"])]
    pads = list(params["padding"])
    if min(min(pair) for pair in pads) < 0 or any(between for _, _, between in spread):
        spread[2:] = [(*pair, between) for pair, (_, _, between) in zip(pads, spread[2:], strict=True)]
        x, pads = padded(g, x, None, spread), [(0, 0)] * len(pads)
    result = g.Conv(
        x,
        kernel,
        strides=params["window_strides"],
        dilations=params["rhs_dilation"],
        group=params["feature_group_count"],
        pads=[low for low, _ in pads] + [high for _, high in pads],
    )
    order = np.argsort(layout.out_spec).tolist()
    return result if order == sorted(order) else g.Transpose(result, perm=order)


def _turned(g: Builder, value: Value, order: list[int]) -> Value:
    return value if order == sorted(order) else g.transpose(value, order)


@primitive("reduce_window_max", "reduce_window_sum")
def _reduce_window(g, e, x):
    window, strides = (e.params[name] for name in ("window_dimensions", "window_strides"))
    dilated = {*e.params["base_dilation"], *e.params["window_dilation"]} != {1}
    if x.rank < 3 or window[:2] != (1, 1) or strides[:2] != (1, 1) or dilated:
        g.refuse("ONNX pools the axes after the first two only")
    pads = e.params["padding"][2:]
    options = {
        "kernel_shape": window[2:],
        "strides": strides[2:],
        "pads": [low for low, _ in pads] + [high for _, high in pads],
    }
    if e.name == "reduce_window_max":
        return g.MaxPool(x, **options)
    return g.Mul(g.AveragePool(x, **options, count_include_pad=1), float(np.prod(window)))
