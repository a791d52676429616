"""Layers without parameters that work on each number by itself."""

from __future__ import annotations

from ..graph import Node
from ..ops.elementwise import abs_op, exp_op, gelu_op, log_op, opposite_op, relu_op, tanh_op
from ..ops.norm import dropout_op
from .base import BaseLayer


class Identity(BaseLayer):
    """x."""

    def __call__(self, x: Node) -> Node:
        return x


class Relu(BaseLayer):
    """max(x, 0)."""

    def __call__(self, x: Node) -> Node:
        return relu_op(x)


class Gelu(BaseLayer):
    """x times the standard normal distribution function at x."""

    def __call__(self, x: Node) -> Node:
        return gelu_op(x)


class Mish(BaseLayer):
    """x * tanh(ln(1 + exp(x)))."""

    def __call__(self, x: Node) -> Node:
        softplus = relu_op(x) + log_op(exp_op(opposite_op(abs_op(x))) + 1.0)  # ln(1 + exp(x)) that cannot overflow
        return x * tanh_op(softplus)


class DropOut(BaseLayer):
    """In training, each number becomes 0 with probability p, and the others are divided by 1 - p; else x.

    p: in [0, 1).  Raises ValueError for another.
    """

    def __init__(self, p: float = 0.5):
        if not 0 <= p < 1:
            raise ValueError(f"DropOut's p is the probability of dropping a number, in [0, 1), not {p!r}")
        self.p = p

    def __call__(self, x: Node) -> Node:
        return x if self.p == 0 else dropout_op(x, 1 - self.p)
