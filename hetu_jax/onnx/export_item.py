"""The ONNX form of `item_op` of `gradients.py`."""

import numpy as np

from .builder import Value
from .registry import exporter


@exporter
def item_op(g, node, index):
    if isinstance(node, list | tuple):
        return node[index]
    if isinstance(index, int):
        return g.scalar_as_one(g.Gather(node, g.constant(index)), node.rank - 1)
    if isinstance(index, Value) and index.dtype != bool:
        return g.Gather(node, index)
    entries = _entries(index, node.rank)
    if not all(entry is None or isinstance(entry, int | slice) for entry in entries):
        g.refuse("only ints and slices index an array in ONNX")
    return _sliced(g, node, entries)


def _entries(index, rank):
    """The index as one entry an axis, and None for each new axis."""
    entries = list(index) if isinstance(index, tuple) else [index]
    used = sum(entry is not None and entry is not Ellipsis for entry in entries)
    place = next((i for i, entry in enumerate(entries) if entry is Ellipsis), len(entries))
    return [*entries[:place], *[slice(None)] * (rank - used), *entries[place + 1 :]]


def _sliced(g, node, entries):
    axes = [entry for entry in entries if entry is not None]
    cuts = [(axis, *_cut(entry)) for axis, entry in enumerate(axes) if entry != slice(None)]
    dropped = [axis for axis, entry in enumerate(axes) if isinstance(entry, int)]
    if len(cuts) == len(dropped) == 1:
        node = g.Gather(node, g.constant(axes[dropped[0]]), axis=dropped[0])
    elif cuts:
        cut_axes, starts, ends, steps = zip(*cuts, strict=True)
        node = g.Slice(node, starts, ends, cut_axes, steps)
        node = g.Squeeze(node, dropped) if dropped else node
    left = [entry for entry in entries if not isinstance(entry, int)]
    added = [i for i, entry in enumerate(left) if entry is None]
    node = g.Unsqueeze(node, added) if added else node
    return g.scalar_as_one(node, len(left))


def _cut(entry):
    """Start, end and step of one entry."""
    far = np.iinfo(np.int64)
    if isinstance(entry, int):
        return entry, far.max if entry == -1 else entry + 1, 1
    step = 1 if entry.step is None else entry.step
    start = (far.max if step < 0 else 0) if entry.start is None else entry.start
    end = (far.min if step < 0 else far.max) if entry.stop is None else entry.stop
    return start, end, step
