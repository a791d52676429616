"""The ONNX forms of `ops/index.py`."""

import numpy as np

from .registry import exporter


@exporter
def one_hot_op(g, node, num_classes):
    dtype = node.dtype if np.issubdtype(node.dtype, np.floating) else np.int32
    classes = g.constant(np.arange(num_classes), dtype, hint="classes")
    return g.cast(g.Equal(g.Unsqueeze(g.cast(node, dtype), [-1]), classes), np.float32)


@exporter
def gather_op(g, node, dim, index):
    return g.GatherElements(node, g.ids(index), axis=node.axes(dim)[0])


@exporter
def indexing_op(g, input_mat, index_mat):
    return g.Gather(input_mat, g.ids(index_mat), axis=0)


@exporter
def scatter1d_op(g, input_mat, index_mat):
    zeros = g.Expand(g.constant(0, input_mat.dtype), g.shape_of(input_mat))
    return g.ScatterElements(zeros, g.ids(index_mat), input_mat)


@exporter
def scatter_op(g, node1, node2, node3):
    return g.ScatterElements(node1, g.ids(node2), g.cast(node3, node1.dtype), axis=1)


@exporter
def slice_by_matrix_op(g, node_A, index1, index2):
    pairs = [g.Unsqueeze(g.cast(index, np.int64), [-1]) for index in (index1, index2)]
    return g.GatherND(node_A, g.Concat(*pairs, axis=-1))
