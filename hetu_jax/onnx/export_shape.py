"""The ONNX forms of `ops/shape.py`."""

import numpy as np

from .registry import exporter


@exporter
def array_reshape_op(g, node, output_shape):
    return g.reshape(node, np.atleast_1d(output_shape))


@exporter
def broadcastto_op(g, node_A, node_B):
    return g.expand(node_A, node_B)
