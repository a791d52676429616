"""The ONNX forms of `ops/pool.py`."""

from ..ops.conv import pair
from .registry import exporter


def _windows(kernel_H, kernel_W, padding, stride):
    pads, strides = pair(padding, "padding", 0) * 2, pair(stride, "stride", 1)
    return {"kernel_shape": (kernel_H, kernel_W), "pads": pads, "strides": strides}


@exporter
def avg_pool2d_op(g, node_A, kernel_H, kernel_W, padding, stride):
    counted = 1 if any(pair(padding, "padding", 0)) else None
    return g.AveragePool(node_A, **_windows(kernel_H, kernel_W, padding, stride), count_include_pad=counted)


@exporter
def max_pool2d_op(g, node_A, kernel_H, kernel_W, padding, stride):
    return g.MaxPool(node_A, **_windows(kernel_H, kernel_W, padding, stride))
