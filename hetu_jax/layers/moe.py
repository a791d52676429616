"""Mixture of experts: the experts, and layers that send tokens to them and back.

One program holds every token and every expert, so that what Hetu's processes exchange is already in place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..graph import Node
from ..ops.elementwise import sigmoid_op
from ..ops.index import indexing_op
from ..ops.matmul import batch_matmul_op, linear_op, matmul_op
from ..ops.moe import layout_transform_op, reverse_layout_transform_no_gate_op, reverse_layout_transform_op
from ..ops.reduce import argsort_op
from ..ops.shape import array_reshape_op, concatenate_op, slice_op
from .base import XAVIER_UNIFORM, ZEROS, BaseLayer, activation_of, check_layers, parameter
from .gates import BalanceAssignmentGate

BALANCED = "BalanceAssignmentLayer"


class Expert(BaseLayer):
    """activation(x @ weight_1) @ weight_2, with biases if asked for.

    embed_dim, ffn_dim: the outer and the inner width; a call takes any shape and gives (rows, embed_dim).
    dropout_rate: kept as an attribute, without effect, as in Hetu.  initializer: of the weights.
    bias: whether there are `<name>_bias_1` and `<name>_bias_2`, zeros at first.
    activation: None, a callable from node to node, or 'relu', 'gelu', 'sigmoid' or 'tanh'.
    name: the Variables are `<name>_weight_1`, (embed_dim, ffn_dim), and `<name>_weight_2`, (ffn_dim, embed_dim).
    """

    def __init__(
        self,
        embed_dim: int,
        ffn_dim: int,
        dropout_rate: float = 0.0,
        initializer: Any = XAVIER_UNIFORM,
        bias: bool = False,
        activation: Any = None,
        name: str = "expert",
    ):
        self.embed_dim, self.ffn_dim, self.dropout_rate, self.initializer = (
            embed_dim,
            ffn_dim,
            dropout_rate,
            initializer,
        )
        self.bias, self.activation, self.name = bias, activation, name
        self._activate = activation_of(activation)
        widths = {1: (embed_dim, ffn_dim), 2: (ffn_dim, embed_dim)}
        self.weight_vars = [parameter(initializer, shape, f"{name}_weight_{i}") for i, shape in widths.items()]
        self.bias_vars = [parameter(ZEROS, s[1:], f"{name}_bias_{i}") if bias else None for i, s in widths.items()]

    def __call__(self, x: Node) -> Node:
        return self._times(self._activate(self._times(array_reshape_op(x, (-1, self.embed_dim)), 0)), 1)

    def _times(self, x: Node, which: int) -> Node:
        weight, bias = self.weight_vars[which], self.bias_vars[which]
        return matmul_op(x, weight) if bias is None else linear_op(x, weight, bias)


class _ExpertLayer(BaseLayer):
    """What the layers share: a gate, the experts, and the way of the tokens between them."""

    def __init__(self, gate: Any, experts: Any, num_tokens: Any, embed_dim: Any, all2all_size: Any, name: str, k: Any):
        if gate is None or not experts:
            raise ValueError(f"{type(self).__name__} {name!r} needs a gate and a list of experts")
        self.gate, self.experts = gate, check_layers(experts, type(self).__name__)
        self.num_tokens, self.name = num_tokens, name
        self.embed_dim = gate.embed_dim if embed_dim is None else embed_dim
        self.all2all_size = all2all_size or max(gate.num_experts // len(experts), 1)
        self._check(
            "number of experts", gate.num_experts, self.all2all_size * len(experts), "all2all_size * len(experts)"
        )
        self._check("width of a token", gate.embed_dim, self.embed_dim, "embed_dim")
        self._check("number of choices", gate.k, gate.k if k is None else k, "top or k")

    def _check(self, what: str, of_gate: int, here: int, argument: str) -> None:
        if of_gate != here:
            where = f"{type(self).__name__} {self.name!r}"
            raise ValueError(f"{where}: the {what} is {of_gate} in the gate, but {here} by {argument}")

    def _flat(self, x: Node) -> Node:
        return array_reshape_op(x, (-1, self.embed_dim))

    def _sent(self, x: Node, indices: list[Node], locations: list[Node], capacity: int) -> Node:
        """What the experts make of the tokens, in the order of their slots."""
        return self._served(layout_transform_op(x, indices, locations, capacity, self.gate.num_experts))

    def _served(self, slots: Node) -> Node:
        """Each expert on its slots; (experts * capacity, width), experts in order.

        Expert i of L serves the experts i, L + i, 2L + i, ... of the gate, as in each of Hetu's processes.
        """
        ranks, count = self.all2all_size, len(self.experts)
        slots = array_reshape_op(slots, (ranks, count, -1, self.embed_dim))
        outputs = [
            array_reshape_op(
                expert(self._flat(slice_op(slots, (0, i, 0, 0), (-1, 1, -1, -1)))), (ranks, 1, -1, self.embed_dim)
            )
            for i, expert in enumerate(self.experts)
        ]
        return self._flat(concatenate_op(outputs, axis=1))


class _GatedLayer(_ExpertLayer):
    """A layer whose gate gives losses, then indices, locations, gates and capacity."""

    def __call__(self, x: Node) -> Any:
        x = self._flat(x)
        *losses, indices, locations, gates, capacity = self.gate(x)
        sent = self._sent(x, indices, locations, capacity)
        y = reverse_layout_transform_op(sent, indices, locations, gates, capacity, self.gate.num_experts)
        return y, *losses


class MoELayer(_GatedLayer):
    """Tokens through the experts that their gate chooses.

    gate: a TopKGate, or another with its attributes and results; or a BalanceAssignmentGate.
    experts: the L layers of one process.  all2all_size: A, how many processes Hetu runs; in one program expert i serves
        the experts i, L + i, ... of the gate, which has A * L.  None for as many as fit.
    num_tokens, device_id: kept as attributes, without effect: the shape of x, and the one program, say it.
    embed_dim: the width of a token; None for the gate's.  top: how many experts a token chooses; None for the gate's.
    name: only for people; 'BalanceAssignmentLayer' needs a BalanceAssignmentGate.
    Called with x of any shape, gives (y, l_aux): the sum of gate * expert(token) over the choices, (tokens, embed_dim),
    in which a dropped choice counts for nothing; and the imbalance, (1,).
    With a BalanceAssignmentGate, gives y alone: token + sigmoid(token . centroid) * (expert(token) - token).
    Raises ValueError where the numbers of gate and layer differ.
    """

    def __init__(
        self,
        gate: Any = None,
        experts: Sequence[Any] | None = None,
        num_tokens: int | None = None,
        embed_dim: int | None = None,
        all2all_size: int | None = None,
        name: str = "MoELayer",
        device_id: int | None = None,
        top: int | None = None,
    ):
        super().__init__(gate, experts, num_tokens, embed_dim, all2all_size, name, top)
        self.device_id, self.top = device_id, top
        self._balanced = isinstance(gate, BalanceAssignmentGate)
        if name == BALANCED and not self._balanced:
            raise ValueError(f"a layer named {BALANCED!r} needs a BalanceAssignmentGate, not {gate!r}")

    def __call__(self, x: Node) -> Any:
        return self._blended(self._flat(x)) if self._balanced else super().__call__(x)

    def _blended(self, x: Node) -> Node:
        order, _ = self.gate(x)
        tokens = indexing_op(x, order)
        shares = array_reshape_op(tokens, (self.gate.num_experts, -1, self.embed_dim))
        centroids = array_reshape_op(self.gate.centroids, (self.gate.num_experts, self.embed_dim, 1))
        trust = sigmoid_op(array_reshape_op(batch_matmul_op(shares, centroids), (-1, 1)))
        return indexing_op(tokens + trust * (self._served(tokens) - tokens), argsort_op(order, dim=0))


class KTop1Layer(_GatedLayer):
    """Tokens through the best expert of each group.

    gate: a KTop1Gate.  k: how many groups; None for the gate's.  Other arguments and what a call gives, (y, l_aux), are
    as for MoELayer.
    """

    def __init__(
        self,
        gate: Any = None,
        experts: Sequence[Any] | None = None,
        num_tokens: int | None = None,
        embed_dim: int | None = None,
        all2all_size: int | None = None,
        name: str = "KTop1Layer",
        k: int | None = None,
    ):
        super().__init__(gate, experts, num_tokens, embed_dim, all2all_size, name, k)
        self.k = k


class SAMLayer(_GatedLayer):
    """Tokens through the best experts of the best device.

    gate: a SAMGate.  k: how many experts a token chooses; None for the gate's.
    num_local_gpus: kept as an attribute, without effect: the gate's is what counts.  Other arguments are as for
    MoELayer; a call gives (y, l_aux, l_alignment).
    """

    def __init__(
        self,
        gate: Any = None,
        experts: Sequence[Any] | None = None,
        num_tokens: int | None = None,
        embed_dim: int | None = None,
        all2all_size: int | None = None,
        name: str = "SAMLayer",
        k: int | None = None,
        num_local_gpus: int = 8,
    ):
        super().__init__(gate, experts, num_tokens, embed_dim, all2all_size, name, k)
        self.k, self.num_local_gpus = k, num_local_gpus


class HashLayer(_ExpertLayer):
    """Tokens through the expert that the caller names.

    gate: a HashGate.  Other arguments as for MoELayer.
    Called with x and the experts (tokens, 1), gives expert(token), (tokens, embed_dim), zeros for dropped tokens.
    """

    def __init__(
        self,
        gate: Any = None,
        experts: Sequence[Any] | None = None,
        num_tokens: int | None = None,
        embed_dim: int | None = None,
        all2all_size: int | None = None,
        name: str = "HashLayer",
    ):
        super().__init__(gate, experts, num_tokens, embed_dim, all2all_size, name, None)

    def __call__(self, x: Node, indice: Node) -> Node:
        x = self._flat(x)
        indices, locations, capacity = self.gate(x, indice)
        sent = self._sent(x, indices, locations, capacity)
        return reverse_layout_transform_no_gate_op(sent, indices, locations, capacity, self.gate.num_experts)
