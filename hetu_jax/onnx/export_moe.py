"""The ONNX forms of `ops/moe.py`."""

import numpy as np

from .export_embedding import rows
from .export_reduce import top_k
from .registry import exporter


def _listed(*lists):
    """One tuple for each choice of expert."""
    return zip(*(choices if isinstance(choices, list | tuple) else [choices] for choices in lists), strict=True)


def _slots(g, indices, locations, capacity):
    """The slot of each token, or -1 where its expert has no room for it."""
    capacity = g.constant(int(capacity))
    index, location = (g.Reshape(g.cast(value, np.int64), [-1]) for value in (indices, locations))
    refused = g.Or(g.Or(g.Less(index, 0), g.Less(location, 0)), g.Not(g.Less(location, capacity)))
    slots = g.Where(refused, -1, g.Add(g.Mul(index, capacity), location))
    return g.shaped(slots, (None,))


@exporter
def layout_transform_op(g, input, indices_s, location_s, capacity, total_experts):
    g.need(18, "a scatter that takes the maximum")
    count = int(capacity * total_experts)
    slots = [_slots(g, index, location, capacity) for index, location in _listed(indices_s, location_s)]
    slots = g.Concat(*slots, axis=0) if len(slots) > 1 else slots[0]
    places = g.Where(g.Less(slots, 0), g.constant(count), slots)
    tokens = g.Range(g.constant(0), g.Squeeze(g.Shape(slots), [0]), g.constant(1))
    free = g.Expand(g.constant(-1), [count + 1])
    owner = g.Slice(g.ScatterElements(free, places, tokens, reduction="max"), [0], [count])
    owner = g.Where(g.Less(owner, 0), -1, g.Mod(owner, g.length(input, 0, scalar=True)))
    return rows(g, input, g.shaped(owner, (count,)))


@exporter
def layout_transform_gradient_op(g, input, indice, location, capacity):
    return rows(g, input, _slots(g, indice, location, capacity))


@exporter
def reverse_layout_transform_op(g, input, indices_s, location_s, gates, capacity, num_experts):
    return _sum(
        g,
        [
            g.Mul(g.Reshape(gate, [-1, 1]), rows(g, input, _slots(g, index, location, capacity)))
            for index, location, gate in _listed(indices_s, location_s, gates)
        ],
    )


@exporter
def reverse_layout_transform_no_gate_op(g, input, indices_s, location_s, capacity, num_experts):
    return _sum(
        g,
        [rows(g, input, _slots(g, index, location, capacity)) for index, location in _listed(indices_s, location_s)],
    )


def _sum(g, parts):
    total, *rest = parts
    for part in rest:
        total = g.Add(total, part)
    return total


@exporter
def sam_group_sum_op(g, node, num_local_gpus):
    return g.ReduceSum(g.Reshape(node, [0, num_local_gpus, -1]), [2], keepdims=0)


def _own_block(g, node_B, width, experts):
    """Whether each expert is in the token's block of `width` experts: (tokens, experts)."""
    blocks = g.constant(np.arange(experts) // width, hint="blocks")
    return g.Equal(g.Reshape(g.cast(node_B, np.int64), [-1, 1]), blocks)


@exporter
def group_topk_idx_op(g, node_A, node_B, topk, num_local_gpus):
    own = _own_block(g, node_B, num_local_gpus, node_A.dim(1))
    return top_k(g, g.shaped(g.Where(own, node_A, -np.inf), node_A.shape), topk)[1]


@exporter
def sam_max_op(g, node_A, node_B, node_C, num_local_gpus):
    reference = g.GatherElements(node_A, g.Reshape(g.cast(node_C, np.int64), [-1, 1]), axis=1)
    own = _own_block(g, node_B, num_local_gpus, node_A.dim(1))
    counts = g.And(g.Not(own), g.Greater(node_A, reference))
    return g.Where(counts, g.Sub(node_A, reference), 0)
