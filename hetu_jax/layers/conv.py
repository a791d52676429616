"""Convolution and pooling of images, NCHW."""

from __future__ import annotations

from typing import Any

from ..graph import Node
from ..ops.conv import conv2d_add_bias_op, conv2d_op, pair
from ..ops.pool import avg_pool2d_op, max_pool2d_op
from .base import XAVIER_UNIFORM, ZEROS, BaseLayer, activation_of, parameter


class Conv2d(BaseLayer):
    """activation(cross-correlation of x with the filters + bias).

    in_channels, out_channels: a call takes (N, in_channels, H, W) and gives (N, out_channels, rows, columns).
    kernel_size, stride, padding: an int or a pair (height, width).
    initializer: a generator, or a node to use as the filters.  bias: whether there is one; it starts from zeros.
    activation: None, a callable from node to node, or 'relu', 'gelu', 'sigmoid' or 'tanh'.
    name: the Variables are `<name>_weight`, (out_channels, in_channels, height, width), and `<name>_bias`; attributes
        `weight_var`, and `bias_var` or None.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        initializer: Any = XAVIER_UNIFORM,
        bias: bool = True,
        activation: Any = None,
        name: str = "conv2d",
    ):
        self.in_channels, self.out_channels, self.kernel_size = in_channels, out_channels, kernel_size
        self.stride, self.padding, self.initializer = stride, padding, initializer
        self.bias, self.activation, self.name = bias, activation, name
        self._activate = activation_of(activation)
        shape = (out_channels, in_channels, *pair(kernel_size, "kernel_size", 1))
        self.weight_var = parameter(initializer, shape, f"{name}_weight")
        self.bias_var = parameter(ZEROS, (out_channels,), f"{name}_bias") if bias else None

    def __call__(self, x: Node) -> Node:
        window = {"padding": self.padding, "stride": self.stride}
        if self.bias_var is None:
            return self._activate(conv2d_op(x, self.weight_var, **window))
        return self._activate(conv2d_add_bias_op(x, self.weight_var, self.bias_var, **window))


class _Pool2d(BaseLayer):
    """Pooling with a square window; a subclass names the op."""

    _pool: Any

    def __init__(self, kernel_size: int, stride: int, padding: int = 0):
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding

    def __call__(self, x: Node) -> Node:
        return self._pool(x, self.kernel_size, self.kernel_size, padding=self.padding, stride=self.stride)


class MaxPool2d(_Pool2d):
    """The maximum over square windows.

    kernel_size: the window's side.  stride: from window to window.  padding: on each side, never the maximum.
    """

    _pool = max_pool2d_op


class AvgPool2d(_Pool2d):
    """The mean over square windows.

    kernel_size: the window's side.  stride: from window to window.  padding: zeros on each side, which count.
    """

    _pool = avg_pool2d_op
