"""The ONNX forms of `ops/loss.py`."""

from .registry import exporter


@exporter
def softmaxcrossentropy_op(g, node_A, node_B, use_cudnn):
    return g.Neg(g.ReduceSum(g.Mul(node_B, g.LogSoftmax(node_A, axis=-1)), [-1], keepdims=0))
