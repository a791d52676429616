"""Import of com.microsoft: convolutions and pooling with the channels last."""

import jax.numpy as jnp

from .arrays import device
from .import_contrib import FusedConv
from .import_conv import Conv, MaxPool
from .import_quantize import QLinearConv
from .operators import MICROSOFT, operator_of

contrib = operator_of(MICROSOFT)


def _channels_first(x):
    return jnp.moveaxis(device(x), -1, 1)


def _channels_last(x):
    return jnp.moveaxis(x, 1, -1)


@contrib
def NhwcConv(X, W, B=None, *, auto_pad="NOTSET", dilations=None, group=1, kernel_shape=None, pads=None, strides=None):
    """A convolution of X (batch, ..., channels) with filters (out, ..., in), or (out, in, ...) as its schema says.

    Where the channels fit both, the filters are taken as ONNX Runtime's own optimizer writes them: channels last.
    """
    as_in_schema = W.shape[1] * group == X.shape[-1] != W.shape[-1] * group
    filters = device(W) if as_in_schema else _channels_first(W)
    return Conv.fn(
        X,
        filters,
        B,
        auto_pad=auto_pad,
        dilations=dilations,
        group=group,
        pads=pads,
        strides=strides,
        channel_axis=X.ndim - 1,
    )


@contrib
def NhwcFusedConv(
    X,
    W,
    B=None,
    Z=None,
    *,
    activation="",
    activation_params=(),
    auto_pad="NOTSET",
    dilations=None,
    group=1,
    kernel_shape=None,
    pads=None,
    strides=None,
):
    """A convolution of X (batch, ..., channels) with filters (out, in, ...), to which Z is added, activated."""
    return FusedConv.fn(
        X,
        W,
        B,
        Z,
        activation=activation,
        activation_params=activation_params,
        auto_pad=auto_pad,
        dilations=dilations,
        group=group,
        pads=pads,
        strides=strides,
        channel_axis=X.ndim - 1,
    )


@contrib
def NhwcMaxPool(x, *, auto_pad="NOTSET", ceil_mode=0, dilations=None, kernel_shape, pads=None, strides=None):
    pooled = MaxPool.fn(
        _channels_first(x),
        auto_pad=auto_pad,
        ceil_mode=ceil_mode,
        dilations=dilations,
        kernel_shape=kernel_shape,
        pads=pads,
        strides=strides,
        outputs=1,
    )
    return _channels_last(pooled)


@contrib
def QLinearConv_1(
    x,
    x_scale,
    x_zero_point,
    w,
    w_scale,
    w_zero_point,
    y_scale,
    y_zero_point,
    B=None,
    *,
    auto_pad="NOTSET",
    channels_last=0,
    dilations=None,
    group=1,
    kernel_shape=None,
    pads=None,
    strides=None,
):
    """The standard's convolution of quantised numbers; with channels_last, of x (batch, ..., channels)."""
    y = QLinearConv.fn(
        _channels_first(x) if channels_last else x,
        x_scale,
        x_zero_point,
        w,
        w_scale,
        w_zero_point,
        y_scale,
        y_zero_point,
        B,
        auto_pad=auto_pad,
        dilations=dilations,
        group=group,
        pads=pads,
        strides=strides,
    )
    return _channels_last(y) if channels_last else y
