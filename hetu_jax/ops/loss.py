"""Losses; none but `nll_loss_op` averages, and none sends a gradient to its labels."""

import jax

from ..graph import op


@op
def softmaxcrossentropy_op(node_A, node_B, use_cudnn=True):
    """-sum over the last axis of labels * log_softmax(logits), computed without overflow.

    node_A: logits (..., C), float.  node_B: labels of the same shape, one-hot or probabilities.
    use_cudnn: accepted without effect; it chose between two kernels of Hetu.
    Returns: (...), the logits' dtype.  The gradient is softmax * sum(labels) - labels, which is Hetu's softmax - labels
    where the labels of a row sum to one, as they need not; none goes to the labels.
    """
    labels = jax.lax.stop_gradient(node_B).astype(node_A.dtype)
    return -(labels * jax.nn.log_softmax(node_A)).sum(-1)
