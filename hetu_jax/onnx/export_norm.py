"""The ONNX forms of `ops/norm.py`; what belongs to training alone is gone."""

import numpy as np

from .registry import exporter, identity

identity("dropout_op", "dropout2d_op")


def _standardised(g, node, axes, eps):
    distance = g.Sub(node, g.reduce("ReduceMean", node, axes, True))
    variance = g.reduce("ReduceMean", g.Mul(distance, distance), axes, True)
    return g.Div(distance, g.Sqrt(g.Add(variance, eps)))


@exporter
def batch_normalization_op(g, node_in, bn_scale, bn_bias, momentum, eps, running_mean, running_var):
    channels = [g.flat(value) for value in (bn_scale, bn_bias, running_mean, running_var)]
    return g.BatchNormalization(node_in, *channels, epsilon=float(eps))


@exporter
def layer_normalization_op(g, node_in, ln_scale, ln_bias, eps):
    if g.opset >= 17:
        return g.LayerNormalization(node_in, ln_scale, ln_bias, axis=-1, epsilon=float(eps))
    return g.Add(g.Mul(_standardised(g, node_in, [-1], eps), ln_scale), ln_bias)


@exporter
def instance_normalization2d_op(g, node_in, eps):
    channels = node_in.shape and node_in.shape[1]
    if not isinstance(channels, int):
        return _standardised(g, node_in, [2, 3], eps)
    scale, bias = np.ones(channels, node_in.dtype), np.zeros(channels, node_in.dtype)
    return g.InstanceNormalization(node_in, scale, bias, epsilon=float(eps))


@exporter
def softmax_op(g, node):
    return g.Softmax(node, axis=-1)


@exporter
def log_softmax_op(g, node):
    return g.LogSoftmax(node, axis=-1)
