"""The fully connected layer."""

from __future__ import annotations

from typing import Any

from ..graph import Node
from ..ops.matmul import linear_op, matmul_op
from .base import XAVIER_UNIFORM, ZEROS, BaseLayer, activation_of, parameter


class Linear(BaseLayer):
    """activation(x @ weight + bias).

    in_features, out_features: the widths; a call takes (N, in_features) and gives (N, out_features).
    initializer: a generator, or a node to use as the weight.  bias: whether there is one; it starts from zeros.
    activation: None, a callable from node to node, or 'relu', 'gelu', 'sigmoid' or 'tanh'.
    weight_transpose: whether the weight is (out_features, in_features) rather than (in_features, out_features).
    name: the Variables are `<name>_weight` and `<name>_bias`; attributes `weight_var`, and `bias_var` or None.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        initializer: Any = XAVIER_UNIFORM,
        bias: bool = True,
        activation: Any = None,
        weight_transpose: bool = False,
        name: str = "linear",
    ):
        self.in_features, self.out_features, self.initializer = in_features, out_features, initializer
        self.bias, self.activation, self.weight_transpose, self.name = bias, activation, weight_transpose, name
        self._activate = activation_of(activation)
        shape = (out_features, in_features) if weight_transpose else (in_features, out_features)
        self.weight_var = parameter(initializer, shape, f"{name}_weight")
        self.bias_var = parameter(ZEROS, (out_features,), f"{name}_bias") if bias else None

    def __call__(self, x: Node) -> Node:
        if self.bias_var is None:
            return self._activate(matmul_op(x, self.weight_var, trans_B=self.weight_transpose))
        return self._activate(linear_op(x, self.weight_var, self.bias_var, trans_B=self.weight_transpose))
