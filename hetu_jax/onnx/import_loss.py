"""Import of ai.onnx: losses."""

import jax
import jax.numpy as jnp

from .arrays import device
from .operators import operator


def _picked_loss(log_probabilities, target, weight, ignore_index, reduction):
    """-log p of the target class (axis 1), weighted by class, over all positions that do not hold `ignore_index`."""
    target = device(target)
    counts = jnp.ones(target.shape, bool) if ignore_index is None else target != ignore_index
    safe = jnp.where(counts, target, 0)
    picked = jnp.take_along_axis(log_probabilities, safe[:, None], axis=1)[:, 0]
    factors = counts.astype(picked.dtype) * (1 if weight is None else device(weight)[safe])
    losses = -picked * factors
    if reduction == "none":
        return losses
    return losses.sum() if reduction == "sum" else losses.sum() / factors.sum()


@operator
def NegativeLogLikelihoodLoss(input, target, weight=None, *, ignore_index=None, reduction="mean"):
    return _picked_loss(device(input), target, weight, ignore_index, reduction)


@operator
def SoftmaxCrossEntropyLoss(scores, labels, weights=None, *, ignore_index=None, reduction="mean"):
    """The loss, and the logarithms of the softmax over axis 1."""
    log_probabilities = jax.nn.log_softmax(device(scores), axis=1)
    return _picked_loss(log_probabilities, labels, weights, ignore_index, reduction), log_probabilities
