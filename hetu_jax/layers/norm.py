"""Normalisation."""

from __future__ import annotations

from typing import Any

from ..graph import Node
from ..initializers import GenOnes
from ..ops.norm import batch_normalization_op, layer_normalization_op
from .base import ZEROS, BaseLayer, parameter

_ONES = GenOnes()


class _Norm(BaseLayer):
    """A normalisation with one scale and one bias for each channel."""

    def __init__(self, num_channels: int, scale: Any, bias: Any, name: str):
        self.num_channels, self.scale, self.bias, self.name = num_channels, scale, bias, name
        self.scale_var = parameter(_ONES, (num_channels,), f"{name}_weight", trainable=scale)
        self.bias_var = parameter(ZEROS, (num_channels,), f"{name}_bias", trainable=bias)


class BatchNorm(_Norm):
    """Batch normalisation over axis 1 with `batch_normalization_op`'s momentum 0.1 and eps 1e-5.

    num_channels: the length of axis 1.  scale, bias: whether they are trainable; they are always there.
    name: the Variables are `<name>_weight`, ones, and `<name>_bias`, zeros; attributes `scale_var`, `bias_var`.
    The earlier order (num_channels, name) is understood.
    """

    def __init__(self, num_channels: int, scale: Any = True, bias: Any = True, name: str = "batchnorm"):
        if isinstance(scale, str):
            scale, name = True, scale
        super().__init__(num_channels, scale, bias, name)

    def __call__(self, x: Node) -> Node:
        return batch_normalization_op(x, self.scale_var, self.bias_var)


class LayerNorm(_Norm):
    """Normalisation over the last axis.

    num_channels: the length of the last axis.  scale, bias: whether they are trainable; they are always there.
    name: the Variables are `<name>_weight`, ones, and `<name>_bias`, zeros; attributes `scale_var`, `bias_var`.
    eps: added to the variance; 1e-12 unless given.  The earlier order (num_channels, name, eps=1e-5) is understood.
    """

    def __init__(
        self, num_channels: int, scale: Any = True, bias: Any = True, name: str = "layernorm", eps: float | None = None
    ):
        if isinstance(scale, str):
            name, eps = scale, eps if isinstance(bias, bool) else bias
            scale, bias, eps = True, True, 1e-5 if eps is None else eps
        super().__init__(num_channels, scale, bias, name)
        self.eps = 1e-12 if eps is None else eps

    def __call__(self, x: Node) -> Node:
        return layer_normalization_op(x, self.scale_var, self.bias_var, eps=self.eps)
