"""The ONNX forms of `ops/elementwise.py`."""

import math

import numpy as np

from .registry import exporter, same

same(
    {
        "add_op": "Add",
        "minus_op": "Sub",
        "mul_op": "Mul",
        "opposite_op": "Neg",
        "abs_op": "Abs",
        "sign_op": "Sign",
        "floor_op": "Floor",
        "exp_op": "Exp",
        "sqrt_op": "Sqrt",
        "sin_op": "Sin",
        "cos_op": "Cos",
        "sigmoid_op": "Sigmoid",
        "tanh_op": "Tanh",
        "relu_op": "Relu",
        "addbyconst_op": "Add",
    }
)


@exporter
def minus_byconst_op(g, node, const_val):
    return g.Sub(const_val, node)


@exporter
def mul_byconst_op(g, node_A, const_val, const_updater, counter):
    if const_updater is not None:
        g.refuse("its constant changes from step to step")
    return g.Mul(node_A, const_val)


@exporter
def div_op(g, node_A, node_B):
    return g.Div(g.floats(node_A), g.floats(node_B))


@exporter
def div_const_op(g, const_val, node_A):
    return g.Div(const_val, g.floats(node_A))


@exporter
def div_handle_zero_op(g, node_A, node_B):
    node_B = g.floats(node_B)
    return g.Div(g.floats(node_A), g.Where(g.Equal(node_B, 0), 1.0, node_B))


@exporter
def sum_op(g, node_list, sparse):
    if sparse:
        g.refuse("sums of embedding gradients belong to training")
    total, *rest = node_list
    for node in rest:
        total = g.Add(total, node)
    return total


@exporter
def matrix_dot_op(g, node_A, node_B, axes):
    return g.Mul(node_A, g.Reshape(node_B, [-1, *[1] * (node_A.rank - 1)]))


@exporter
def log_op(g, input, eps):
    return g.Log(g.Max(g.floats(input), eps))


@exporter
def rsqrt_op(g, node):
    return g.Reciprocal(g.Sqrt(node))


def _power(g, node, exponent):
    whole = np.ndim(exponent) == 0 and not hasattr(exponent, "dtype") and float(exponent).is_integer() and exponent >= 0
    node = node if whole else g.floats(node)
    return g.Pow(node, g.constant(exponent, node.dtype) if whole else exponent)


@exporter
def pow_op(g, node, eps):
    return _power(g, node, eps)


@exporter
def power_op(g, node, p):
    return _power(g, node, p)


@exporter
def const_pow_op(g, node, val):
    node = g.floats(node)
    return g.Pow(g.constant(val, node.dtype), node)


@exporter
def leaky_relu_op(g, node, alpha):
    return g.LeakyRelu(node, alpha=float(alpha))


@exporter
def gelu_op(g, node):
    if g.opset >= 20:
        return g.Gelu(node)
    return g.Mul(g.Mul(node, 0.5), g.Add(g.Erf(g.Div(node, math.sqrt(2))), 1.0))
