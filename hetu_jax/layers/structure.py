"""Layers that reshape, and layers made of layers."""

from __future__ import annotations

from collections import abc
from typing import Any

from ..graph import Node, flatten
from ..ops.elementwise import sum_op
from ..ops.shape import array_reshape_op, concatenate_op, slice_op
from .base import BaseLayer, OpLayer, check_layers

Layer = abc.Callable[[Any], Any]


class Reshape(BaseLayer):
    """The elements in row-major order in another shape.

    shape: a tuple or list of ints; one may be -1.
    """

    def __init__(self, shape: abc.Sequence[int]):
        self.shape = shape

    def __call__(self, x: Node) -> Node:
        return array_reshape_op(x, self.shape)


class Slice(BaseLayer):
    """A block of an array.

    begin: where it starts on each axis.  size: its length on each axis; -1 is up to the end.
    """

    def __init__(self, begin: abc.Sequence[int], size: abc.Sequence[int]):
        self.begin, self.size = begin, size

    def __call__(self, x: Node) -> Node:
        return slice_op(x, self.begin, self.size)


class Sequence(BaseLayer):
    """One layer after the other.

    layers: layers, or functions from node to node.  Raises TypeError for anything else.
    """

    def __init__(self, *layers: Layer):
        self.layers = check_layers(layers, "Sequence")

    def __call__(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x


class SumLayers(BaseLayer):
    """The sum of what several layers give.

    layers: a list.  Called with one node for all of them, or with a list of one node for each.
    Raises ValueError where that list has another length.
    """

    def __init__(self, layers: abc.Sequence[Layer]):
        self.layers = check_layers(layers, "SumLayers")

    def __call__(self, x: Any) -> Node:
        inputs = list(x) if isinstance(x, list | tuple) else [x] * len(self.layers)
        if len(inputs) != len(self.layers):
            raise ValueError(f"SumLayers has {len(self.layers)} layers, but got {len(inputs)} nodes")
        outputs = [layer(node) for layer, node in zip(self.layers, inputs, strict=True)]
        return outputs[0] if len(outputs) == 1 else sum_op(outputs)


class Concatenate(BaseLayer):
    """Several nodes joined along an axis; called as layer(a, b, ...) or layer([a, b, ...]).

    axis: an int.
    """

    def __init__(self, axis: int):
        self.axis = axis

    def __call__(self, *nodes: Any) -> Node:
        parts = list(flatten(nodes))
        return parts[0] if len(parts) == 1 else concatenate_op(parts, axis=self.axis)


class ConcatenateLayers(BaseLayer):
    """What several layers give for the same node, joined along an axis.

    layers: a list.  axis: an int.
    """

    def __init__(self, layers: abc.Sequence[Layer], axis: int = 0):
        self.layers, self.axis = check_layers(layers, "ConcatenateLayers"), axis

    def __call__(self, x: Node) -> Node:
        return Concatenate(self.axis)(*[layer(x) for layer in self.layers])


class BatchSplitOnlyLayer(OpLayer):
    """The layers of `sequence`, unchanged.

    In Hetu it tells the planner of parallel runs to cut only the batch axis inside; here XLA places the arrays, so
    that nothing is left to tell.
    sequence: a layer or a function from node to node.  ctx: kept as an attribute, without further effect.
    """

    def __init__(self, sequence: Layer, ctx: Any = None):
        super().__init__(ctx)
        (self.sequence,) = check_layers([sequence], type(self).__name__)

    def build(self, *nodes: Any, **named: Any) -> Node:
        return self.sequence(*nodes, **named)


class ReserveSplitLayer(BatchSplitOnlyLayer):
    """The layers of `sequence`, unchanged.

    In Hetu it tells the planner of parallel runs to keep a cut through the reshapes inside; here XLA places the
    arrays, so that nothing is left to tell.
    sequence: a layer or a function from node to node.  ctx: kept as an attribute, without further effect.
    """
