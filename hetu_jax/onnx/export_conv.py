"""The ONNX forms of `ops/conv.py`."""

from ..ops.conv import pair
from .registry import exporter


@exporter
def conv2d_op(g, node_A, node_B, padding, stride):
    return g.Conv(node_A, node_B, pads=pair(padding, "padding", 0) * 2, strides=pair(stride, "stride", 1))
