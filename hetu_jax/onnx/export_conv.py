"""The ONNX forms of `ops/conv.py`."""

from ..ops.conv import pair
from .registry import exporter


def _windows(padding, stride):
    return {"pads": pair(padding, "padding", 0) * 2, "strides": pair(stride, "stride", 1)}


@exporter
def conv2d_op(g, node_A, node_B, padding, stride):
    return g.Conv(node_A, node_B, **_windows(padding, stride))


@exporter
def conv2d_add_bias_op(g, node_A, node_B, bias, padding, stride):
    return g.Conv(node_A, node_B, g.flat(bias), **_windows(padding, stride))


@exporter
def conv2d_broadcastto_op(g, node_A, node_B):
    return g.expand(g.reshape(node_A, [1, -1, 1, 1]), node_B)


@exporter
def conv2d_reducesum_op(g, node):
    return g.ReduceSum(node, [0, 2, 3], keepdims=0)
