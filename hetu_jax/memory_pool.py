"""`HetuMemoryPool`: which values of a graph could share memory; XLA plans it by itself, this is for looking."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from .graph import Feed, Node, Variable, toposort
from .trace import abstract_value


class Block(NamedTuple):
    """A piece of memory: its number, and the shape and dtype of what it holds."""

    number: int
    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def nbytes(self) -> int:
        """Its size in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize


class HetuMemoryPool:
    """Plans memory as Hetu does: a value takes the memory of one that is not read any more, of its shape and dtype."""

    def compute_memory_reuse_plan(
        self, computing_nodes: Sequence[Node], node_to_shape: Mapping[Node, Any], eval_nodes: Iterable[Node] = ()
    ) -> dict[Node, Block]:
        """The block of each value.

        computing_nodes: in the order in which they are computed.  node_to_shape: their shapes; a node of shape None
        takes no memory.  eval_nodes: whose values are wanted, and so keep their memory.
        """
        last_read = {below: i for i, node in enumerate(computing_nodes) for below in node.inputs}
        kept, plan, free, made = set(eval_nodes), {}, {}, 0
        for i, node in enumerate(computing_nodes):
            shape = node_to_shape.get(node)
            if shape is not None:
                key = (tuple(shape), node.dtype or np.dtype(np.float32))
                block = free[key].pop() if free.get(key) else None
                made += block is None
                plan[node] = block or Block(made - 1, *key)
            for below in dict.fromkeys([*node.inputs, node]):
                if last_read.get(below, i) == i and below in plan and below not in kept:
                    free.setdefault(plan[below][1:], []).append(plan[below])
        return plan

    def memory_plan(
        self, eval_nodes: Sequence[Node], feed_shapes: Mapping[Node, Sequence[int]] | None = None
    ) -> dict[Node, Block]:
        """The block of each value below some nodes.

        feed_shapes: the shapes of placeholders.  Variables and feeds keep their own memory and are left out.
        """
        structs = {node: abstract_feed(node, shape) for node, shape in (feed_shapes or {}).items()}
        computing = [node for node in toposort(eval_nodes) if not isinstance(node, Variable | Feed)]
        shapes = {node: getattr(abstract_value(node, feeds=structs), "shape", None) for node in computing}
        return self.compute_memory_reuse_plan(computing, shapes, eval_nodes)

    def test_memory(self, eval_nodes: Sequence[Node], feed_shapes: Mapping[Node, Sequence[int]] | None = None) -> int:
        """The bytes that the plan of `memory_plan` takes."""
        return sum(block.nbytes for block in set(self.memory_plan(eval_nodes, feed_shapes).values()))


def abstract_feed(node: Node, shape: Sequence[int]) -> Any:
    """The shape and dtype of a placeholder that is fed with an array of `shape`."""
    return jax.ShapeDtypeStruct(tuple(int(n) for n in shape), node.dtype or np.float32)
