"""Hetu's gradient constructors: what its own backward pass was made of, here derived from the forward ops.

A script that takes gradients with `ht.gradients` or `minimize` needs none of them.
"""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np

from ..graph import op
from . import conv, elementwise, loss, norm, pool, reduce, select


def pull(forward, at, times):
    """The gradient of `forward` at `at`, times that of its output."""
    value, pullback = jax.vjp(forward, elementwise.floats(at))
    return pullback(jnp.broadcast_to(times, value.shape).astype(value.dtype))[0]


def gradient(of, times):
    """Decorator: makes of a forward call the op that gives its gradient.

    of: the parameter that the gradient is of.  times: the parameter with the gradient of the call's value.
    """

    def decorate(forward):
        signature = inspect.signature(forward)

        @functools.wraps(forward)
        def backward(*args, **kwargs):
            call = signature.bind(*args, **kwargs)
            call.apply_defaults()
            given = call.arguments
            return pull(lambda x: forward(**{**given, of: x}), given[of], given[times])

        # Python 3.13 takes the indentation off a docstring, earlier ones leave it.
        returns = f"Returns: the shape and dtype of {of}; {times} is the gradient of the op's value."
        backward.__doc__ = f"{inspect.getdoc(forward)}\n\n{returns}"
        return op(backward)

    return decorate


# Elementwise


@gradient(of="node_A", times="node_B")
def abs_gradient_op(node_A, node_B):
    """The gradient of abs_op at node_A, times node_B."""
    return elementwise.abs_op.fn(node_A)


@gradient(of="node_A", times="node_B")
def relu_gradient_op(node_A, node_B):
    """The gradient of relu_op at node_A, times node_B."""
    return elementwise.relu_op.fn(node_A)


@gradient(of="node_A", times="node_B")
def leaky_relu_gradient_op(node_A, node_B, alpha):
    """The gradient of leaky_relu_op at node_A, times node_B."""
    return elementwise.leaky_relu_op.fn(node_A, alpha)


@gradient(of="node_A", times="node_B")
def gelu_gradient_op(node_A, node_B):
    """The gradient of gelu_op at node_A, times node_B."""
    return elementwise.gelu_op.fn(node_A)


@gradient(of="node_A", times="node_B")
def pow_gradient_op(node_A, node_B, eps):
    """The gradient of pow_op at node_A, times node_B; eps is the exponent."""
    return elementwise.pow_op.fn(node_A, eps)


@gradient(of="input", times="output_grad")
def log_grad_op(output_grad, input, eps=1e-7):
    """The gradient of log_op at input, times output_grad."""
    return elementwise.log_op.fn(input, eps)


@op
def tanh_gradient_op(forward_node, output_grad):
    """(1 - y^2) * output_grad, the gradient of tanh_op where its value is y.

    forward_node: y.  output_grad: the same shape.  Returns: the same shape.
    """
    return (1 - forward_node * forward_node) * output_grad


@op
def const_pow_gradient_op(input_node, grad_node, val):
    """y * ln(val) * grad_node, the gradient of const_pow_op where its value is y.

    input_node: y.  grad_node: the same shape.  val: number.  Returns: the same shape.
    """
    return input_node * elementwise.constant(np.log(val), elementwise.floats(input_node)) * grad_node


@op
def binary_step_gradient_op(node):
    """The slope that binary_step_op takes for its own: 2 - 4|x| up to 0.4, 0.4 up to 1, 0 beyond.

    node: any shape, float.  Returns: the same shape; not yet times the gradient of the value.
    """
    return select.binary_step_slope(elementwise.floats(node))


# Reductions and products


@gradient(of="node", times="grad_y")
def norm_gradient_op(node, node_y, grad_y, axis, p):
    """The gradient of norm_op at node, times grad_y; node_y, its value, tells whether the axis was kept."""
    return reduce.norm_op.fn(node, axis, p, keepdims=node_y.ndim == node.ndim)


@gradient(of="node_input", times="node_grad")
def addmm_gradient_op(node_input, node_grad, beta=1.0):
    """The gradient of addmm_op's first matrix: beta * node_grad, summed to the shape of node_input."""
    return jnp.broadcast_to(elementwise.constant(beta, node_input) * node_input, node_grad.shape)


# Convolution and pooling


def _data_or_2021(third, padding, stride):
    """The third array of a gradient of conv2d_op, padding and stride.

    2021 has no third array: a number in its place is the padding, and the next argument the stride.
    """
    return (third, padding, stride) if third is None or np.ndim(third) == 4 else (None, third, padding or stride)


def _before(sides, kernel, padding, stride):
    """The sides that a convolution without remainder made into `sides`."""
    settings = zip(sides, kernel, conv.pair(padding, "padding", 0), conv.pair(stride, "stride", 1), strict=True)
    return [(side - 1) * step + k - 2 * pad for side, k, pad, step in settings]


@op
def conv2d_gradient_of_data_op(node_A, node_B, node_C=None, padding=0, stride=1):
    """The gradient of conv2d_op with respect to its images.

    node_A: filters (O, C, kh, kw).  node_B: gradient of the value (N, O, ...).  padding, stride: as conv2d_op.
    node_C: the images; without it, as in 2021, they are taken to leave no remainder.  Returns: (N, C, H, W).
    """
    data, padding, stride = _data_or_2021(node_C, padding, stride)
    sides = data.shape[2:] if data is not None else _before(node_B.shape[2:], node_A.shape[2:], padding, stride)
    at = jnp.zeros((node_B.shape[0], node_A.shape[1], *sides), node_A.dtype)
    return pull(lambda x: conv.conv2d_op.fn(x, node_A, padding, stride), at, node_B)


@op
def conv2d_gradient_of_filter_op(input_X, gradient_Y, input_filter=None, padding=0, stride=1):
    """The gradient of conv2d_op with respect to its filters.

    input_X: images (N, C, H, W).  gradient_Y: gradient of the value (N, O, ...).  padding, stride: as conv2d_op.
    input_filter: the filters; without them, as in 2021, they are taken to leave no remainder.
    Returns: (O, C, kh, kw).
    """
    filters, padding, stride = _data_or_2021(input_filter, padding, stride)
    size = filters.shape[2:] if filters is not None else _kernel(input_X, gradient_Y, padding, stride)
    at = jnp.zeros((gradient_Y.shape[1], input_X.shape[1], *size), input_X.dtype)
    return pull(lambda f: conv.conv2d_op.fn(input_X, f, padding, stride), at, gradient_Y)


def _kernel(images, result, padding, stride):
    """Rows and columns of the filters of a convolution without remainder."""
    pads, steps = conv.pair(padding, "padding", 0), conv.pair(stride, "stride", 1)
    return [
        before + 2 * pad - (after - 1) * step
        for before, after, pad, step in zip(images.shape[2:], result.shape[2:], pads, steps, strict=True)
    ]


@gradient(of="node_in", times="node_out_gradient")
def avg_pool2d_gradient_op(node_out, node_out_gradient, node_in, kernel_H, kernel_W, padding, stride):
    """The gradient of avg_pool2d_op at node_in, times node_out_gradient; node_out is not needed."""
    return pool.avg_pool2d_op.fn(node_in, kernel_H, kernel_W, padding, stride)


@gradient(of="node_in", times="node_out_gradient")
def max_pool2d_gradient_op(node_out, node_out_gradient, node_in, kernel_H, kernel_W, padding, stride):
    """The gradient of max_pool2d_op at node_in, times node_out_gradient; node_out is not needed."""
    return pool.max_pool2d_op.fn(node_in, kernel_H, kernel_W, padding, stride)


@gradient(of="input", times="grad")
def interpolate_grad_op(grad, input, mode="bicubic", align_corners=False):
    """The gradient of interpolate_op at input, times grad, whose rows and columns were the size."""
    return pool.interpolate_op.fn(input, size=grad.shape[2:], mode=mode, align_corners=align_corners)


# Normalisation, dropout and softmax


def _of_three(forward, x, scale, out_gradient):
    """The gradients of forward(x, scale, bias); no normalisation's depend on its bias."""
    return list(jax.vjp(forward, x, scale, jnp.zeros_like(scale))[1](out_gradient))


@op
def batch_normalization_gradient_op(out_gradient, in_node, bn_scale, forward_node, eps):
    """The three gradients of batch_normalization_op in training, for the ops that take one of them.

    out_gradient, in_node: (N, C, ...).  bn_scale: C elements.  eps: number.
    forward_node: the op's value, accepted without effect: the statistics of the batch are taken again.
    Returns: a list, the gradients of data, scale and bias.
    """
    count = bn_scale.size
    running = {"running_mean": jnp.zeros(count), "running_var": jnp.ones(count), "training": True}
    forward = functools.partial(norm.batch_normalization_op.fn, eps=eps, **running)
    return _of_three(lambda *inputs: forward(*inputs)[0], in_node, bn_scale, out_gradient)


@op
def layer_normalization_gradient_op(out_gradient, in_node, ln_scale, forward_node, eps):
    """The three gradients of layer_normalization_op, for the ops that take one of them.

    out_gradient, in_node: (..., n).  ln_scale: (n,).  eps: number.
    forward_node: the op's value, accepted without effect: mean and variance are taken again.
    Returns: a list, the gradients of data, scale and bias.
    """
    forward = functools.partial(norm.layer_normalization_op.fn, eps=eps)
    return _of_three(forward, in_node, ln_scale, out_gradient)


@op
def batch_normalization_gradient_of_data_op(bn_gradient, in_arr):
    """The gradient of the data from a batch_normalization_gradient_op, in the shape of in_arr."""
    return bn_gradient[0].reshape(in_arr.shape)


@op
def batch_normalization_gradient_of_scale_op(bn_gradient, in_scale):
    """The gradient of the scale from a batch_normalization_gradient_op, in the shape of in_scale."""
    return bn_gradient[1].reshape(in_scale.shape)


@op
def batch_normalization_gradient_of_bias_op(bn_gradient, in_bias):
    """The gradient of the bias from a batch_normalization_gradient_op, in the shape of in_bias."""
    return bn_gradient[2].reshape(in_bias.shape)


@op
def layer_normalization_gradient_of_data_op(ln_gradient, in_arr):
    """The gradient of the data from a layer_normalization_gradient_op, in the shape of in_arr."""
    return ln_gradient[0].reshape(in_arr.shape)


@op
def layer_normalization_gradient_of_scale_op(ln_gradient, in_scale):
    """The gradient of the scale from a layer_normalization_gradient_op, in the shape of in_scale."""
    return ln_gradient[1].reshape(in_scale.shape)


@op
def layer_normalization_gradient_of_bias_op(ln_gradient, in_bias):
    """The gradient of the bias from a layer_normalization_gradient_op, in the shape of in_bias."""
    return ln_gradient[2].reshape(in_bias.shape)


@gradient(of="in_node", times="out_gradient")
def instance_normalization2d_gradient_op(out_gradient, in_node, forward_node, eps=0.01):
    """The gradient of instance_normalization2d_op at in_node, times out_gradient; forward_node is not needed.

    eps: as of instance_normalization2d_op; 2021's constructor has none.
    """
    return norm.instance_normalization2d_op.fn(in_node, eps)


def _dropped(gradient, keep_prob, kept, training):
    return jnp.where(kept, gradient / keep_prob, 0) if training and keep_prob < 1 else gradient


@op
def dropout_gradient_op(node_in, keep_prob, forward_node, *, training):
    """node_in / keep_prob where forward_node, dropout_op's value, is not 0, else 0; node_in in inference.

    node_in: gradient of the value.  keep_prob: number.  forward_node: the same shape.  Returns: the same shape.
    """
    return _dropped(node_in, keep_prob, jnp.abs(forward_node) > 1e-10, training)


@op
def dropout_gradient_recompute_op(node_in, keep_prob, forward_node, *, training):
    """The same as dropout_gradient_op: nothing need be drawn again where forward_node has its value.

    node_in: gradient of the value.  keep_prob: number.  forward_node: the same shape.  Returns: the same shape.
    """
    return _dropped(node_in, keep_prob, jnp.abs(forward_node) > 1e-10, training)


@op
def dropout2d_gradient_op(node_in, keep_prob, forward_node, *, training):
    """As dropout_gradient_op, for dropout2d_op, which keeps or drops whole channels.

    node_in, forward_node: (N, C, H, W).  keep_prob: number.  Returns: the same shape.
    """
    kept = jnp.any(jnp.abs(forward_node) > 1e-10, axis=(2, 3), keepdims=True)
    return _dropped(node_in, keep_prob, kept, training)


@op
def softmax_gradient_op(node_y, grad):
    """y * (grad - sum of grad * y), the gradient of softmax_op where its value is y.

    node_y: y (..., n).  grad: the same shape.  Returns: the same shape.
    """
    return node_y * (grad - jnp.sum(grad * node_y, axis=-1, keepdims=True))


@op
def log_softmax_gradient_op(node_y, grad):
    """grad - exp(y) * sum of grad, the gradient of log_softmax_op where its value is y.

    node_y: y (..., n).  grad: the same shape.  Returns: the same shape.
    """
    return grad - jnp.exp(node_y) * jnp.sum(grad, axis=-1, keepdims=True)


# Losses


@gradient(of="node_A", times="node_C")
def softmaxcrossentropy_gradient_op(node_A, node_B, node_C, use_cudnn=True):
    """The gradient of softmaxcrossentropy_op at the logits node_A with labels node_B, times node_C."""
    return loss.softmaxcrossentropy_op.fn(node_A, node_B, use_cudnn)


@gradient(of="node_A", times="node_C")
def softmaxcrossentropy_sparse_gradient_op(node_A, node_B, node_C, ignored_index=-1):
    """The gradient of softmaxcrossentropy_sparse_op at the logits node_A with ids node_B, times node_C."""
    return loss.softmaxcrossentropy_sparse_op.fn(node_A, node_B, ignored_index)


@gradient(of="node_y", times="node_grad")
def crossentropy_gradient_op(node_grad, node_y, node_y_):
    """The gradient of crossentropy_op at the probabilities node_y with labels node_y_, times node_grad."""
    return loss.crossentropy_op.fn(node_y, node_y_)


@gradient(of="node_y", times="node_grad")
def crossentropy_sparse_gradient_op(node_grad, node_y, node_y_, ignored_index=-1):
    """The gradient of crossentropy_sparse_op at the probabilities node_y with ids node_y_, times node_grad."""
    return loss.crossentropy_sparse_op.fn(node_y, node_y_, ignored_index)


@gradient(of="node_A", times="node_C")
def binarycrossentropy_gradient_op(node_A, node_B, node_C):
    """The gradient of binarycrossentropy_op at the probabilities node_A with labels node_B, times node_C."""
    return loss.binarycrossentropy_op.fn(node_A, node_B)


@gradient(of="node_A", times="node_C")
def binarycrossentropywithlogits_gradient_op(node_A, node_B, node_C):
    """The gradient of binarycrossentropywithlogits_op at the logits node_A with labels node_B, times node_C."""
    return loss.binarycrossentropywithlogits_op.fn(node_A, node_B)


@op
def nll_loss_grad_op(output_grad, target, cols):
    """-output_grad / B at (row, id of the row), else 0: the gradient of nll_loss_op.

    output_grad: (1,).  target: ids (B,).  cols: number of classes.  Returns: (B, cols).
    """
    at = jnp.zeros((len(target), cols), elementwise.floats(output_grad).dtype)
    return pull(lambda x: loss.nll_loss_op.fn(x, target, cols), at, output_grad)
