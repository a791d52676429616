"""The ONNX forms of JAX's gather, scatter and dynamic slices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .builder import Builder, Dim, Value
from .export_jaxpr import Equation, primitive
from .export_primitives import turned


class _Rows:
    """An operand whose indexed axes are one, in front: index vectors become row numbers.

    batch, indexed: the operand's axes that go along with axes of the indices, and that an index vector points into.
    along: the axes of the indices that `batch` goes along with.
    sizes: how many elements along each axis an index vector selects.
    Of an axis that is neither, but is not selected as a whole, the first elements are.
    """

    def __init__(
        self,
        g: Builder,
        e: Equation,
        operand: Value,
        batch: Sequence[int],
        indexed: Sequence[int],
        along: Any,
        sizes: Mapping[int, Dim],
    ):
        self.g, self.e, self.operand, self.batch, self.along, self.sizes = g, e, operand, batch, along, sizes
        others = [axis for axis in range(operand.rank) if axis not in (*batch, *indexed)]
        self.pointed = len(indexed)
        self.indexed = [*indexed, *(axis for axis in others if sizes[axis] != operand.shape[axis])]
        self.wide = [axis for axis in self.indexed if sizes[axis] != 1]
        self.rest = [axis for axis in others if axis not in self.indexed]
        self.perm = [*batch, *self.indexed, *self.rest]
        self.front = [operand.shape[axis] for axis in (*batch, *self.indexed)]
        self.window = tuple(operand.shape[axis] for axis in self.rest)

    def flat(self) -> Value:
        """(rows, ...): the operand with the indexed axes in front, as one."""
        front = turned(self.g, self.operand, self.perm)
        if len(self.front) == 1:
            return front
        rows = int(np.prod(self.front)) if all(isinstance(dim, int) for dim in self.front) else None
        if rows is not None:
            return self.e.lengths.reshape(front, (rows, *self.window))
        target = self.g.Concat([-1], self.e.lengths.vector(self.window), axis=0) if self.window else [-1]
        return self.g.shaped(self.g.Reshape(front, target), (rows, *self.window))

    def unflat(self, rows: Value) -> Value:
        """The inverse of `flat`."""
        front = self.e.lengths.reshape(rows, (*self.front, *self.window))
        return turned(self.g, front, np.argsort(self.perm).tolist())

    def numbers(self, indices: Value, clip: bool) -> tuple[Value, Value | None]:
        """Row numbers, and which index vectors are inside (None where all are, since `clip` moves them there).

        The numbers have the axes of the indices and one for each of `wide`.
        """
        g, valid, total, batch = self.g, None, None, indices.rank - 1
        for place, axis in enumerate(self.indexed):
            part, length = None, self.e.lengths.scalar(self.operand.shape[axis])
            if place < self.pointed:
                part = g.Gather(g.cast(indices, np.int64), g.constant(place), axis=batch)
                last = _difference(g, length, self.e.lengths.scalar(self.sizes[axis]))
                inside = g.Clip(part, g.constant(0), g.constant(last) if isinstance(last, int) else last)
                if not clip:
                    hit = g.Equal(part, inside)
                    valid = hit if valid is None else g.And(valid, hit)
                part = g.Unsqueeze(inside, self._behind(batch)) if self.wide else inside
            if axis in self.wide:
                steps = self._steps(self.sizes[axis], batch + self.wide.index(axis), batch)
                part = steps if part is None else g.Add(part, steps)
            if total is None or part is None:
                total = part if total is None else g.Mul(total, length)
            else:
                total = g.Add(g.Mul(total, length), part)
        return self._with_batch(total, batch), valid

    def _behind(self, batch: int) -> list[int]:
        """The axes of the row numbers that the indices lack."""
        return list(range(batch, batch + len(self.wide)))

    def _steps(self, length: Dim, place: int, batch: int) -> Value:
        """0, 1, 2, ... along an axis of the row numbers."""
        length = self.e.lengths.scalar(length)
        rank = batch + len(self.wide)
        if isinstance(length, int):
            return self.g.constant(np.arange(length).reshape([-1 if i == place else 1 for i in range(rank)]))
        steps = self.g.Range(self.g.constant(0), length, self.g.constant(1))
        return self.g.reshape(steps, [-1 if i == place else 1 for i in range(rank)])

    def _with_batch(self, numbers: Value | None, batch: int) -> Value:
        """The row numbers plus what the batch axes add to them."""
        g, lengths = self.g, [self.e.lengths.scalar(dim) for dim in self.front]
        for place, axis in enumerate(self.along):
            step = g.constant(1)
            for length in lengths[place + 1 :]:
                step = g.Mul(step, length)
            iota = g.Mul(self._steps(self.front[place], axis, batch), step)
            numbers = iota if numbers is None else g.Add(numbers, iota)
        return numbers


def _difference(g: Builder, length: Any, size: Any) -> Any:
    """A length less another one, as a number where both are."""
    return length - size if isinstance(length, int) and isinstance(size, int) else g.Sub(length, size)


Label = tuple[str, int]  # ("n", an axis of the indices), or ("o", an axis of the operand)


def _labels(rank: int, window: Sequence[int], kept: Sequence[int]) -> list[Label]:
    """What each axis of gathered or scattered values is, those at the places `window` being axes of the operand."""
    batches, windows = iter(range(rank)), iter(kept)
    return [("o", next(windows)) if place in window else ("n", next(batches)) for place in range(rank)]


@primitive("gather")
def _gather(g, e, operand, indices):
    numbers = e.params["dimension_numbers"]
    indexed, batched = list(numbers.start_index_map), list(numbers.operand_batching_dims)
    sizes = dict(enumerate(e.dims("slice_sizes")))
    rows = _Rows(g, e, operand, batched, indexed, numbers.start_indices_batching_dims, sizes)
    places, valid = rows.numbers(indices, clip="FILL" not in str(e.params["mode"]))
    made: list[Label] = [("n", axis) for axis in range(indices.rank - 1)] + [("o", axis) for axis in rows.wide]
    if not batched and len(rows.indexed) == 1:
        (axis,) = rows.indexed
        found = g.Gather(operand, places, axis=axis)
        before = [("o", i) for i in range(axis)]
        made = before + made + [("o", i) for i in range(axis + 1, operand.rank)]
    else:
        found = g.Gather(rows.flat(), places, axis=0)
        made += [("o", axis) for axis in rows.rest]
    gone = {*numbers.collapsed_slice_dims, *batched}
    kept = [axis for axis in range(operand.rank) if axis not in gone]
    wanted = _labels(len(e.shapes[0]), numbers.offset_dims, kept)
    order = [made.index(label) for label in wanted if label in made]
    found = turned(g, found, order)
    single = [place for place, label in enumerate(wanted) if label not in made]
    found = g.Unsqueeze(found, single) if single else found
    if valid is None:
        return found
    valid = g.Unsqueeze(valid, list(numbers.offset_dims)) if numbers.offset_dims else valid
    return g.Where(valid, found, g.constant(_fill(e, operand.dtype), operand.dtype))


def _fill(e: Equation, dtype: np.dtype) -> Any:
    value = e.params["fill_value"]
    if value is not None:
        return value
    if dtype.kind == "b":
        return True
    if np.issubdtype(dtype, np.signedinteger):
        return np.iinfo(dtype).min
    return np.iinfo(dtype).max if np.issubdtype(dtype, np.unsignedinteger) else np.nan


_REDUCTIONS = {
    "scatter": None,
    "scatter-add": "add",
    "scatter-sub": "add",
    "scatter-mul": "mul",
    "scatter-min": "min",
    "scatter-max": "max",
}


@primitive(*_REDUCTIONS)
def _scatter(g, e, operand, indices, updates):
    reduction = _REDUCTIONS[e.name]
    if reduction is None and not _overwrites(e):
        g.refuse("it applies a function to what it finds at the indices")
    g.need({None: 13, "add": 16, "mul": 16}.get(reduction, 18), f"a scatter that takes {reduction}")
    numbers = e.params["dimension_numbers"]
    indexed, batch = list(numbers.scatter_dims_to_operand_dims), indices.rank - 1
    gone = {*numbers.inserted_window_dims, *numbers.operand_batching_dims}
    kept = [axis for axis in range(operand.rank) if axis not in gone]
    window = list(numbers.update_window_dims)
    sizes = dict.fromkeys(gone, 1) | {axis: updates.shape[place] for axis, place in zip(kept, window, strict=True)}
    along = numbers.scatter_indices_batching_dims
    rows = _Rows(g, e, operand, numbers.operand_batching_dims, indexed, along, sizes)
    given = _labels(updates.rank, window, kept)
    wanted = [("n", axis) for axis in range(batch)] + [("o", axis) for axis in (*rows.wide, *rows.rest)]
    single = [place for place, label in enumerate(given) if label not in wanted]
    if single:
        given = [label for label in given if label in wanted]
        shape = tuple(dim for place, dim in enumerate(updates.shape) if place not in single)
        updates = g.shaped(g.Squeeze(updates, single), shape)
    updates = turned(g, updates, [given.index(label) for label in wanted])
    updates = g.Neg(updates) if e.name == "scatter-sub" else updates
    places, valid = rows.numbers(indices, clip="CLIP" in str(e.params["mode"]))
    if valid is not None and rows.wide:
        valid = g.Unsqueeze(valid, list(range(batch, batch + len(rows.wide))))
    return rows.unflat(_scattered(g, rows.flat(), places, valid, updates, reduction))


def _overwrites(e: Equation) -> bool:
    """Whether the updates take the place of what was there, rather than a function of it."""
    jaxpr = e.both("update_jaxpr")[0]
    jaxpr = getattr(jaxpr, "jaxpr", jaxpr)
    return jaxpr is None or list(jaxpr.outvars) == list(jaxpr.invars[1:])


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


@primitive("dynamic_slice")
def _dynamic_slice(g, e, x, *starts):
    sizes = e.dims("slice_sizes")
    axes = [axis for axis in range(x.rank) if sizes[axis] != x.shape[axis]]
    if not axes:
        return x
    begin, end = _bounds(g, e, x, starts, sizes, axes)
    return g.Slice(x, begin, end, axes)


def _bounds(
    g: Builder, e: Equation, x: Value, starts: Sequence[Value], sizes: Sequence[Dim], axes: Sequence[int]
) -> tuple[Value, Value]:
    """Where a slice begins and ends along some axes: it is moved to where all of it is inside."""
    places = [g.reshape(g.cast(starts[axis], np.int64), [1]) for axis in axes]
    place = g.Concat(*places, axis=0) if len(places) > 1 else places[0]
    length, size = (e.lengths.vector([of[axis] for axis in axes]) for of in (x.shape, sizes))
    fixed = isinstance(length, np.ndarray) and isinstance(size, np.ndarray)
    begin = g.Min(g.Max(place, [0]), length - size if fixed else g.Sub(length, size))
    return begin, g.Add(begin, size)


@primitive("dynamic_update_slice")
def _dynamic_update_slice(g, e, x, update, *starts):
    axes = [axis for axis in range(x.rank) if update.shape[axis] != x.shape[axis]]
    return _updated(g, e, x, update, starts, axes)


def _updated(g: Builder, e: Equation, x: Value, update: Value, starts: Sequence[Value], axes: Sequence[int]) -> Value:
    """`x` with the update in it, which is shorter along these axes."""
    if not axes:
        return update
    axis, *others = axes
    begin, end = _bounds(g, e, x, starts, update.shape, [axis])
    if others:
        shape = tuple(update.shape[i] if i == axis else dim for i, dim in enumerate(x.shape))
        middle = g.shaped(g.Slice(x, begin, end, [axis]), shape)
        update = _updated(g, e, middle, update, starts, others)
    far = [np.iinfo(np.int64).max]
    return g.Concat(g.Slice(x, [0], begin, [axis]), update, g.Slice(x, end, far, [axis]), axis=axis)
