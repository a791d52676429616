"""Losses, averaged or summed over axis 0."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from ..graph import Node, Op, op
from ..ops.elementwise import abs_op
from ..ops.loss import (
    binarycrossentropy_op,
    binarycrossentropywithlogits_op,
    softmaxcrossentropy_op,
    softmaxcrossentropy_sparse_op,
)
from ..ops.reduce import reduce_mean_op, reduce_sum_op
from .base import BaseLayer

REDUCTIONS = {
    "mean": lambda loss: reduce_mean_op(loss, [0]),
    "sum": lambda loss: reduce_sum_op(loss, [0]),
    "none": lambda loss: loss,
    None: lambda loss: loss,
}


class _Loss(BaseLayer):
    """A loss for each element or row, then reduced over axis 0; a subclass gives `each`."""

    each: Any

    def __init__(self, reduction: str | None = "mean"):
        if reduction not in REDUCTIONS:
            raise ValueError(f"there is no reduction {reduction!r}: use one of 'mean', 'sum', 'none' and None")
        self.reduction = reduction

    def __call__(self, inputs: Node, targets: Node) -> Node:
        return REDUCTIONS[self.reduction](self.each(inputs, targets))


_OWN: dict[str, Op] = {}  # ops that are no part of Hetu's


@op(registry=_OWN)
def loss_difference(inputs: Any, targets: Any) -> Any:
    """Inputs - targets, of one shape."""
    if jnp.shape(inputs) != jnp.shape(targets):
        raise ValueError(
            f"the loss compares inputs {jnp.shape(inputs)} with targets {jnp.shape(targets)} element by element, so "
            "they must have one shape: bring the targets into the other with array_reshape_op"
        )
    return jnp.subtract(inputs, targets)


class MSELoss(_Loss):
    """(inputs - targets)**2, of inputs and targets of one shape.

    reduction: 'mean' or 'sum' over axis 0 only, so that (N,) gives (1,) and (N, M) gives (M,); 'none' or None.
    """

    @staticmethod
    def each(inputs: Node, targets: Node) -> Node:
        """The loss of each element."""
        difference = loss_difference(inputs, targets)
        return difference * difference


class MAELoss(_Loss):
    """|inputs - targets|; shapes and reduction as for MSELoss."""

    @staticmethod
    def each(inputs: Node, targets: Node) -> Node:
        """The loss of each element."""
        return abs_op(loss_difference(inputs, targets))


class BCELoss(_Loss):
    """The binary cross-entropy of probabilities and labels in [0, 1]; reduction as for MSELoss."""

    each = binarycrossentropy_op


class BCEWithLogitsLoss(_Loss):
    """The binary cross-entropy of sigmoid(inputs) and labels in [0, 1]; reduction as for MSELoss."""

    each = binarycrossentropywithlogits_op


class SoftmaxCrossEntropyLoss(_Loss):
    """-log_softmax(inputs) at the target class, along the last axis.

    reduction: 'mean' or 'sum' over axis 0 only; 'none' or None.
    sparse: whether targets are class numbers (...), of which -1 counts for nothing, or one-hot, shaped as the inputs.
    """

    def __init__(self, reduction: str | None = "mean", sparse: bool = True):
        super().__init__(reduction)
        self.sparse = sparse
        self.each = softmaxcrossentropy_sparse_op if sparse else softmaxcrossentropy_op
