"""Attention."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..graph import Node, Variable
from ..ops.matmul import batch_matmul_op
from ..ops.norm import softmax_op
from ..ops.select import stop_gradient_op, where_const_op
from ..ops.shape import array_reshape_op, broadcastto_op, transpose_op
from .activation import DropOut
from .base import OpLayer

FUTURE = -1e4  # the score of a position that a causal mask hides


class MultiHeadAttention(OpLayer):
    """softmax(query key' / sqrt(head width) + mask) value for each head, without projections.

    hidden_size: the width of query, key and value, a multiple of num_heads.  num_heads: how many parts it is cut into.
    sequence_length: S.  dropout_rate: of the probabilities, in [0, 1).
    causal_mask: whether a position sees only itself and earlier ones; kept in the constant Variable 'causal_mask',
        (1, 1, S, S).  ctx: its device.
    Called with query, key and value, each (batch * S, hidden_size), and attention_mask (batch, 1, 1, S) or None, which
    is added to the scores and gets no gradient.  Gives (batch * S, hidden_size).
    Raises ValueError for sizes that do not fit.
    """

    def __init__(
        self,
        hidden_size: int,
        num_heads: int,
        sequence_length: int,
        dropout_rate: float = 0.0,
        causal_mask: bool = False,
        ctx: Any = None,
    ):
        super().__init__(ctx)
        if num_heads < 1 or hidden_size % num_heads:
            raise ValueError(
                f"hidden_size must be a multiple of num_heads, but {hidden_size} is not one of {num_heads}"
            )
        self.hidden_size, self.num_heads, self.sequence_length = hidden_size, num_heads, sequence_length
        self.dropout_rate, self.causal_mask = dropout_rate, causal_mask
        self._dropout = DropOut(dropout_rate)
        self._past = self._visible() if causal_mask else None

    def _visible(self) -> Variable:
        past = np.tril(np.ones((self.sequence_length, self.sequence_length), np.float32))
        return Variable("causal_mask", past[None, None], trainable=False, ctx=self.ctx)

    def build(self, query: Node, key: Node, value: Node, attention_mask: Node | None = None) -> Node:
        head_width = self.hidden_size // self.num_heads
        key = self._heads(key, (0, 2, 3, 1)) * (1 / math.sqrt(head_width))
        scores = batch_matmul_op(self._heads(query, (0, 2, 1, 3)), key)
        if self._past is not None:
            scores = where_const_op(broadcastto_op(self._past, scores), scores, FUTURE)
        if attention_mask is not None:
            scores = scores + broadcastto_op(stop_gradient_op(attention_mask), scores)
        probabilities = self._dropout(softmax_op(scores))
        context = batch_matmul_op(probabilities, self._heads(value, (0, 2, 1, 3)))
        return array_reshape_op(transpose_op(context, (0, 2, 1, 3)), (-1, self.hidden_size))

    def _heads(self, x: Node, perm: tuple[int, ...]) -> Node:
        """(batch * S, hidden_size) as (batch, S, heads, head width), its axes then in the order `perm`."""
        shape = (-1, self.sequence_length, self.num_heads, self.hidden_size // self.num_heads)
        return transpose_op(array_reshape_op(x, shape), perm)
