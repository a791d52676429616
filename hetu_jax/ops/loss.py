"""Losses; none but `nll_loss_op` averages, and none sends a gradient to its labels."""

import jax
import jax.numpy as jnp
from jax.lax import stop_gradient

from ..graph import op
from .index import cast_ids


def _same_shape(scores, labels):
    if scores.shape != labels.shape:
        raise ValueError(
            f"predictions {scores.shape} and labels {labels.shape} must have one shape: {_remedy(scores, labels)}"
        )


def _remedy(scores, labels):
    """What to do about labels of another shape than the predictions."""
    if labels.shape == scores.shape[:-1] and scores.shape[-1] > 1:
        return "these are class numbers, so make them one-hot with one_hot_op, or use the loss's _sparse_op"
    if labels.size == scores.size:
        return f"bring the labels into shape with array_reshape_op(labels, {list(scores.shape)})"
    return "one row for each sample, and one column for each class"


def _rows(scores, ids):
    """Scores (..., C) and the ids of classes; one row alone counts as a batch of one, so that its loss is (1,)."""
    return jnp.atleast_2d(scores), jnp.atleast_1d(cast_ids(ids))


def _picked(scores, ids):
    """The score of each id along the last axis; NaN for an id outside."""
    if ids.shape != scores.shape[:-1]:
        raise ValueError(
            f"class numbers for predictions {scores.shape} must have shape {scores.shape[:-1]}, not {ids.shape}: "
            "one number for each sample, and for one-hot labels the loss without _sparse"
        )
    ids = jnp.where(ids < 0, scores.shape[-1], ids)
    return jnp.take_along_axis(scores, ids[..., None], -1, mode="fill")[..., 0]


@op
def softmaxcrossentropy_op(node_A, node_B, use_cudnn=True):
    """-sum over the last axis of labels * log_softmax(logits), computed without overflow.

    node_A: logits (..., C), float.  node_B: labels of the same shape, one-hot or probabilities.
    use_cudnn: accepted without effect; it chose between two kernels of Hetu.
    Returns: (...), (1,) for one row, the logits' dtype.
    The gradient is softmax * sum(labels) - labels, which is Hetu's softmax - labels where the labels of a row sum to
    one, as they need not; none goes to the labels.
    """
    _same_shape(node_A, node_B)
    return -jnp.atleast_2d(stop_gradient(node_B).astype(node_A.dtype) * jax.nn.log_softmax(node_A)).sum(-1)


@op
def softmaxcrossentropy_sparse_op(node_A, node_B, ignored_index=-1):
    """-log_softmax(logits)[id] along the last axis; 0, gradient too, where the id is `ignored_index`.

    node_A: logits (..., C), float.  node_B: class numbers (...), int or float; one outside [0, C) gives NaN.
    ignored_index: the class number that counts for nothing.
    Returns: (...), (1,) for one row, the logits' dtype.
    """
    node_A, ids = _rows(node_A, node_B)
    ignored = ids == ignored_index
    picked = _picked(node_A, jnp.where(ignored, 0, ids))
    # Without all the log-probabilities in memory, which takes half the time for 30,000 classes.
    top = stop_gradient(node_A.max(-1))
    return jnp.where(ignored, 0, jnp.log(jnp.exp(node_A - top[..., None]).sum(-1)) - (picked - top))


@op
def crossentropy_op(node_y, node_y_):
    """-sum over the last axis of labels * ln(probabilities), where a label of 0 counts for nothing.

    node_y: probabilities (..., C), float; no epsilon keeps them from 0.  node_y_: labels of the same shape.
    Returns: (...), (1,) for one row, the probabilities' dtype.  No gradient goes to the labels.
    """
    _same_shape(node_y, node_y_)
    labels = stop_gradient(node_y_).astype(node_y.dtype)
    return -jnp.atleast_2d(labels * jnp.log(jnp.where(labels == 0, 1, node_y))).sum(-1)


@op
def crossentropy_sparse_op(node_y, node_y_, ignored_index=-1):
    """-ln(probabilities[id]) along the last axis; 0, gradient too, where the id is `ignored_index` or negative.

    node_y: probabilities (..., C), float; no epsilon keeps them from 0.
    node_y_: class numbers (...), int or float; one that is C or larger gives NaN.
    ignored_index: the class number that counts for nothing.
    Returns: (...), (1,) for one row, the probabilities' dtype.
    """
    node_y, ids = _rows(node_y, node_y_)
    ignored = (ids == ignored_index) | (ids < 0)
    return -jnp.log(jnp.where(ignored, 1, _picked(node_y, jnp.where(ignored, 0, ids))))


@jax.custom_jvp
def _binary_cross_entropy(p, t):
    # Without the maximum XLA adds 1e-12 to 1 first, where float32 loses it.
    return -t * jnp.log(p + 1e-12) - (1 - t) * jnp.log(jnp.maximum(1 - p, 0) + 1e-12)


# Hetu's gradient: finite, and 0 where a saturated prediction is right.
_binary_cross_entropy.defjvps(lambda dp, loss, p, t: dp * (p - t) / jnp.maximum(p * (1 - p), 1e-12), None)


@op
def binarycrossentropy_op(node_A, node_B):
    """-t ln(p + 1e-12) - (1 - t) ln(1 - p + 1e-12), with the gradient (p - t) / max(p (1 - p), 1e-12).

    node_A: probabilities p, any shape, float.  node_B: labels t in [0, 1] of the same shape; they get no gradient.
    Returns: the same shape, the probabilities' dtype.
    """
    _same_shape(node_A, node_B)
    return _binary_cross_entropy(node_A, stop_gradient(node_B).astype(node_A.dtype))


@op
def binarycrossentropywithlogits_op(inputs, targets):
    """(1 - t) x + ln(1 + exp(-x)), the binary cross-entropy of sigmoid(x), computed without overflow.

    inputs: logits x, any shape, float.  targets: labels t of the same shape; they get no gradient.
    Returns: the same shape, the logits' dtype.
    """
    _same_shape(inputs, targets)
    return (1 - stop_gradient(targets).astype(inputs.dtype)) * inputs + jax.nn.softplus(-inputs)


@op
def nll_loss_op(input, target, cols):
    """The mean over rows of -log-probability[id].

    input: log-probabilities (B, C), float.  target: class numbers (B,), int or float; one outside [0, C) gives NaN.
    cols: C, which is checked.
    Returns: (1,), the dtype of input.
    """
    if input.ndim != 2 or input.shape[1] != cols:
        raise ValueError(f"input must have shape (rows, cols) with cols={cols}, not {input.shape}")
    return -_picked(input, cast_ids(target)).mean().reshape(1)
