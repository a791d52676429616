"""Which Variables of a spread step are split by output channels, where all others are whole on every device.

Late in a network feature maps are small and filters large.  Where a convolution's images are fewer numbers than its
filters, the devices had better exchange the images and keep a part of the filters each: then no gradient of filters
travels, each device prepares and updates its own part, and batch norm has all samples of its channels at hand.

Krizhevsky, One weird trick for parallelizing convolutional neural networks, arXiv:1404.5997.
"""

from __future__ import annotations

import math
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from .costs import Cost
from .graph import Node, Variable
from .update import OptimizerOp

UNKNOWN = Cost(None, 0)
SWITCH = "HETU_JAX_SPLIT_FILTERS"  # 0: all filters are whole on every device


def to_split(order: Sequence[Node], spent: Mapping[Node, Cost], devices: int) -> set[Variable]:
    """The Variables to split: filters, what has a number for each of their channels, and optimizers' slots of both.

    order: the nodes of a step.  spent: their costs, which know the shapes.
    Convolutions with results of one shape are judged together, as their results are often added to each other.
    """
    found: set[Variable] = set()
    if os.environ.get(SWITCH) == "0":
        return found
    images: Counter[tuple[int, ...]] = Counter()
    filters = defaultdict(set)
    for node in order:
        if node.op is not None and "spread" in node.op.asks and spent.get(node, UNKNOWN).shape is not None:
            before, kernel = node.bound["node_A"], node.bound["node_B"]
            if isinstance(before, Node) and isinstance(kernel, Variable):
                images[spent[node].shape] += math.prod(spent[before].shape) + math.prod(spent[node].shape)
                filters[spent[node].shape].add(kernel)
    for shape, kernels in filters.items():
        if shape[1] % devices == 0 and sum(math.prod(kernel.shape) for kernel in kernels) > images[shape]:
            found |= kernels | set(_per_channel(order, spent, shape))
    return found | set(_slots(order, found))


def _per_channel(order: Sequence[Node], spent: Mapping[Node, Cost], shape: tuple[int, ...]) -> Iterable[Variable]:
    for node in order:
        if node.op is not None and "channel_axis" in node.op.asks and node in spent and spent[node].shape == shape:
            yield from (below for below in node.inputs if isinstance(below, Variable) and below.shape == shape[1:2])


def _slots(order: Sequence[Node], split: set[Variable]) -> Iterable[Variable]:
    for node in order:
        if isinstance(node, OptimizerOp):
            for slot in node.slots:
                of = None if slot.of is None else node.params[slot.of]
                if of in split and slot.shape == of.shape:
                    yield slot
