"""Mixture of experts: which experts get which tokens."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp

from ..graph import Node, Variable
from ..initializers import BaseInit
from ..ops.elementwise import sum_op
from ..ops.index import one_hot_op
from ..ops.matmul import linear_op, matmul_op
from ..ops.moe import balance_assignment_op, group_topk_idx_op, sam_group_sum_op, sam_max_op
from ..ops.norm import softmax_op
from ..ops.reduce import cumsum_with_bias_op, reduce_mean_op, reduce_sum_op, topk_idx_op
from ..ops.shape import array_reshape_op, broadcastto_op, slice_op, transpose_op
from .base import XAVIER_UNIFORM, ZEROS, BaseLayer, parameter

__path__: list[str] = []  # Hetu's was a package: Python asks the finder of `install` for its modules, which says more


class _Gate(BaseLayer):
    """What gates share; a choice is one of the k experts of a token."""

    k = 1

    def __init__(self, embed_dim: int, num_tokens: int, num_experts: int, factors: tuple[float, float], name: str):
        self.embed_dim, self.num_tokens, self.num_experts, self.name = embed_dim, num_tokens, num_experts, name
        self.capacity_factor, self.eval_capacity_factor = factors

    @property
    def capacity(self) -> int:
        """How many tokens an expert takes: k * ceil(num_tokens / num_experts * capacity_factor)."""
        return self.k * math.ceil(self.num_tokens / self.num_experts * self.capacity_factor)


class _LinearGate(_Gate):
    """A gate that scores the experts by x @ weight + bias."""

    def __init__(self, embed_dim, num_tokens, num_experts, k, factors, initializer, name):
        super().__init__(embed_dim, num_tokens, num_experts, factors, name)
        self._check(0 < k <= num_experts, f"k is {k}, but it must be from 1 to num_experts, {num_experts}")
        self.k, self.initializer = k, initializer
        self.weight_var = parameter(initializer, (embed_dim, num_experts), f"{name}_linear_weight")
        self.bias_var = parameter(ZEROS, (1, num_experts), f"{name}_linear_bias")

    def _check(self, holds: bool, message: str) -> None:
        if not holds:
            raise ValueError(f"{type(self).__name__} {self.name!r}: {message}")

    def scores(self, x: Node) -> Node:
        """The score of each expert, (tokens, num_experts)."""
        return linear_op(x, self.weight_var, self.bias_var)

    def _chosen(self, gates: Node, chosen: Node) -> tuple[Node, list[Node], list[Node], list[Node], int]:
        """What the gate returns, for gates (tokens, experts) and the chosen experts (tokens, k)."""
        indices = _columns(chosen, self.k)
        masks = [_mask(index, self.num_experts) for index in indices]
        l_aux = sum_op([_imbalance(gates, mask, self.num_experts) for mask in masks])
        return l_aux, indices, _places(masks), [_at(gates, mask) for mask in masks], self.capacity


def _columns(matrix: Node, count: int) -> list[Node]:
    return [slice_op(matrix, (0, i), (-1, 1)) for i in range(count)]


def _mask(index: Node, experts: int) -> Node:
    """1 at each token's expert: (tokens, experts).  index: (tokens, 1)."""
    return array_reshape_op(one_hot_op(index, experts), (-1, experts))


def _at(values: Node, mask: Node) -> Node:
    """The value at each token's expert: (tokens,)."""
    return reduce_sum_op(values * mask, [1])


def _imbalance(gates: Node, mask: Node, experts: int) -> Node:
    """experts * sum over experts of mean gate * mean mask, (1,): 1 where all get as many tokens."""
    return reduce_sum_op(reduce_mean_op(gates, [0]) * reduce_mean_op(mask, [0]), [0]) * experts


def _places(masks: list[Node]) -> list[Node]:
    """Each token's place in the queue of its expert, (tokens,) for each choice; first choices stand before second."""
    places, ahead = [], None
    for mask in masks:
        place = cumsum_with_bias_op(mask, bias=-1, dim=0)
        places.append(_at(place if ahead is None else place + broadcastto_op(ahead, place), mask))
        count = reduce_sum_op(mask, [0], keepdims=True)
        ahead = count if ahead is None else ahead + count
    return places


class TopKGate(_LinearGate):
    """Each token goes to the k experts with the highest softmax.

    embed_dim: the width of a token.  num_tokens: in a batch.  num_experts: in all.  k: how many a token chooses.
    capacity_factor: an expert takes k * ceil(num_tokens / num_experts * capacity_factor) tokens and drops the rest.
    eval_capacity_factor: kept as an attribute, without effect, as in Hetu.
    initializer: of `<name>_linear_weight`, (embed_dim, num_experts); `<name>_linear_bias`, (1, num_experts), is zeros.
    Called with x (tokens, embed_dim), gives (l_aux, indices, locations, gates, capacity): l_aux (1,), the imbalance to
    be added to the loss; lists of one node a choice: experts (tokens, 1), places in their queues (tokens,), and
    probabilities (tokens,); and the capacity, an int.
    """

    def __init__(
        self,
        embed_dim: int,
        num_tokens: int,
        num_experts: int,
        k: int = 1,
        capacity_factor: float = 1.0,
        eval_capacity_factor: float = 1.0,
        initializer: Any = XAVIER_UNIFORM,
        name: str = "TopK_Gate",
    ):
        factors = (capacity_factor, eval_capacity_factor)
        super().__init__(embed_dim, num_tokens, num_experts, k, factors, initializer, name)

    def __call__(self, x: Node) -> tuple[Node, list[Node], list[Node], list[Node], int]:
        gates = softmax_op(self.scores(x))
        return self._chosen(gates, topk_idx_op(gates, self.k))


class KTop1Gate(_LinearGate):
    """The experts are cut into k groups, and each token goes to the best expert of each group.

    Arguments and what a call gives are as for TopKGate, with softmax, queues and imbalance of each group by itself.
    Raises ValueError where num_experts is no multiple of k.
    """

    def __init__(
        self,
        embed_dim: int,
        num_tokens: int,
        num_experts: int,
        k: int = 1,
        capacity_factor: float = 1.0,
        eval_capacity_factor: float = 1.0,
        initializer: Any = XAVIER_UNIFORM,
        name: str = "KTop1_Gate",
    ):
        factors = (capacity_factor, eval_capacity_factor)
        super().__init__(embed_dim, num_tokens, num_experts, k, factors, initializer, name)
        self._check(num_experts % k == 0, f"{num_experts} experts cannot be cut into {k} equal groups")

    def __call__(self, x: Node) -> tuple[Node, list[Node], list[Node], list[Node], int]:
        scores, width = self.scores(x), self.num_experts // self.k
        losses, indices, places, chosen = [], [], [], []
        for first in range(0, self.num_experts, width):
            gates = softmax_op(slice_op(scores, (0, first), (-1, width)))
            index = topk_idx_op(gates, 1)
            mask = _mask(index, width)
            losses.append(_imbalance(gates, mask, width))
            indices.append(index + float(first))
            places += _places([mask])
            chosen.append(_at(gates, mask))
        return sum_op(losses), indices, places, chosen, self.capacity


class SAMGate(_LinearGate):
    """Switch and mixture: each token goes to the device whose experts together have the highest softmax, and there to
    the k best experts.

    num_local_gpus: into how many equal groups, one a device, the experts are cut.  Other arguments as for TopKGate.
    Called with x (tokens, embed_dim), gives (l_aux, l_alignment, indices, locations, gates, capacity); l_alignment,
    (1,), is by how much experts of other devices exceed the last one chosen.
    Raises ValueError where num_experts is no multiple of num_local_gpus, or a device has fewer than k experts.
    """

    def __init__(
        self,
        embed_dim: int,
        num_tokens: int,
        num_experts: int,
        k: int = 1,
        capacity_factor: float = 1.0,
        eval_capacity_factor: float = 1.0,
        initializer: Any = XAVIER_UNIFORM,
        name: str = "TopK_Gate",
        num_local_gpus: int = 8,
    ):
        factors = (capacity_factor, eval_capacity_factor)
        super().__init__(embed_dim, num_tokens, num_experts, k, factors, initializer, name)
        self.num_local_gpus = num_local_gpus
        self._check(
            num_experts % num_local_gpus == 0, f"{num_experts} experts cannot be cut into {num_local_gpus} equal groups"
        )
        width = num_experts // num_local_gpus
        self._check(k <= width, f"k is {k}, but each of the {num_local_gpus} groups has only {width} experts")

    def __call__(self, x: Node) -> tuple[Node, Node, list[Node], list[Node], list[Node], int]:
        gates, width = softmax_op(self.scores(x)), self.num_experts // self.num_local_gpus
        group = topk_idx_op(sam_group_sum_op(gates, self.num_local_gpus), 1)
        l_aux, indices, *rest = self._chosen(gates, group_topk_idx_op(gates, group, self.k, width))
        l_alignment = reduce_sum_op(sam_max_op(gates, group, indices[-1], width), [0, 1])
        return l_aux, l_alignment, indices, *rest


class HashGate(_Gate):
    """Each token goes to the expert that the caller names.

    Arguments as for TopKGate, without k and initializer: there are no parameters.
    Called with x and the experts (tokens, 1), gives (indices, locations, capacity).
    """

    def __init__(
        self,
        embed_dim: int,
        num_tokens: int,
        num_experts: int,
        capacity_factor: float = 1.0,
        eval_capacity_factor: float = 1.0,
        name: str = "Hash_Gate",
    ):
        super().__init__(embed_dim, num_tokens, num_experts, (capacity_factor, eval_capacity_factor), name)

    def __call__(self, x: Node, indice: Node) -> tuple[list[Node], list[Node], int]:
        return [indice], _places([_mask(indice, self.num_experts)]), self.capacity


class _Orthogonal(BaseInit):
    """A tenth of orthonormal rows, or columns where there are fewer of them."""

    def __call__(self, key: jax.Array, dtype: Any = jnp.float32) -> jax.Array:
        return jax.nn.initializers.orthogonal(0.1)(key, self.shape, dtype)


class BalanceAssignmentGate(_Gate):
    """Each expert gets equally many tokens, near to its centroid (BASE layers).

    embed_dim, num_tokens, num_experts: as for TopKGate; a batch has a multiple of num_experts tokens.
    capacity_factor, eval_capacity_factor: kept as attributes, without effect: every expert takes its equal share.
    initializer: of the constant Variable 'centroids', (num_experts, embed_dim); None for a tenth of orthogonal rows.
    device_id: whose centroid a call returns; None for the first.
    Called with x (tokens, embed_dim), gives the numbers of the first expert's tokens, then the second's and so on,
    (tokens,); and the device's centroid, (embed_dim, 1).
    """

    def __init__(
        self,
        embed_dim: int,
        num_tokens: int,
        num_experts: int,
        capacity_factor: float = 1.0,
        eval_capacity_factor: float = 1.0,
        initializer: Any = None,
        name: str = "BalanceAssignment_Gate",
        device_id: int | None = None,
    ):
        super().__init__(embed_dim, num_tokens, num_experts, (capacity_factor, eval_capacity_factor), name)
        self.initializer, self.device_id = initializer, device_id
        if initializer is None:
            start = _Orthogonal((num_experts, embed_dim))
            self.centroids = Variable("centroids", initializer=start, trainable=False)
        else:
            self.centroids = parameter(initializer, (num_experts, embed_dim), "centroids", trainable=False)

    def __call__(self, x: Node) -> tuple[Node, Node]:
        own = slice_op(self.centroids, (self.device_id or 0, 0), (1, -1))
        return balance_assignment_op(matmul_op(x, self.centroids, trans_B=True)), transpose_op(own, (1, 0))
