"""Blocks that cut an array along one axis are taken together, by one split, whose gradient is one concatenation.

The gradient of a block by itself is an array of zeros around it.  XLA fuses the sum of several such arrays into
whatever reads it and computes them once more for each reader: an unrolled LSTM's step took three times as long.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import jax
from jax import lax

from .layout import plain
from .ops.shape import slice_region, split_region

if TYPE_CHECKING:
    from .graph import Node

SWITCH = "HETU_JAX_SPLIT"  # 0: each block is taken by itself
Span = tuple[int, int]
REGIONS = {"slice_op": slice_region, "split_op": split_region}


class Parts:
    """The blocks among the nodes of one walk, by the node that they are cut from.

    nodes: those that the walk evaluates.
    """

    def __init__(self, nodes: Iterable[Node]):
        self._blocks: dict[Node, list[Node]] = {}
        self._values: dict[Node, jax.Array] = {}
        for node in nodes if os.environ.get(SWITCH) != "0" else ():
            if node.op is not None and node.op.__name__ in REGIONS and node.first_is_node and len(node.inputs) == 1:
                self._blocks.setdefault(node.inputs[0], []).append(node)

    def take(self, node: Node, values: Sequence[Any]) -> Any:
        """The node's value, or None where it is no block or cannot be taken together with others.

        values: of the node's inputs.
        """
        if self._blocks and node.op is not None and node.op.__name__ in REGIONS and values:
            blocks, array = self._blocks.pop(node.inputs[0], ()), plain(values[0])
            if isinstance(array, jax.Array):
                self._values.update(_taken(blocks, array))
        return self._values.pop(node, None)


def _taken(blocks: Iterable[Node], array: jax.Array) -> dict[Node, jax.Array]:
    """The values of the blocks that are cut along one axis, but for those that overlap."""
    by_axis: dict[int, dict[Node, Span]] = {}
    for block in blocks:
        if (cut := _cut(block, array)) is not None:
            by_axis.setdefault(cut[0], {})[block] = cut[1]
    values = {}
    for axis, spans in by_axis.items():
        values.update(_split(spans, array, axis))
    return values


def _split(spans: dict[Node, Span], array: jax.Array, axis: int) -> dict[Node, jax.Array]:
    """The values of blocks along an axis, or nothing where some overlap."""
    edges, places = [0], {}
    for begin, end in sorted(set(spans.values())):
        if begin < edges[-1]:
            return {}
        edges += [begin] * (begin > edges[-1])
        places[begin, end] = len(edges) - 1
        edges.append(end)
    edges += [array.shape[axis]] * (edges[-1] < array.shape[axis])
    pieces = lax.split(array, [end - begin for begin, end in zip(edges, edges[1:], strict=False)], axis)
    return {block: pieces[places[span]] for block, span in spans.items()}


def _cut(node: Node, array: jax.Array) -> tuple[int, Span] | None:
    """The axis that a block is cut along, and from where to where; None unless it is one axis."""
    _, *settings = node.bound.values()
    try:
        slices = REGIONS[node.op.__name__](array, *settings)
    except ValueError:  # the op itself will say so
        return None
    spans = [s.indices(n)[:2] for s, n in zip(slices, array.shape, strict=True)]
    axes = [axis for axis, (span, n) in enumerate(zip(spans, array.shape, strict=True)) if span != (0, n)]
    if len(axes) != 1 or spans[axes[0]][0] >= spans[axes[0]][1]:
        return None
    return axes[0], spans[axes[0]]
