"""Mixture of experts: choosing experts, and moving tokens to them and back.

A token's slot is row index * capacity + location of the (capacity * experts, width) array that the experts work on.
"""

import jax
import jax.numpy as jnp

from ..graph import op
from .embedding import rows
from .index import cast_ids
from .reduce import top_k


def _slots(indices, locations, capacity):
    """The slot of each token, or -1 where its expert has no room for it."""
    index, location = cast_ids(indices).reshape(-1), cast_ids(locations).reshape(-1)
    kept = (index >= 0) & (location >= 0) & (location < int(capacity))
    return jnp.where(kept, index * int(capacity) + location, -1)


def _choices(*lists):
    """Hetu's lists with one node for each choice of expert; a bare array is the only choice."""
    lists = [choices if isinstance(choices, list | tuple) else [choices] for choices in lists]
    counts = {len(choices) for choices in lists}
    if len(counts) > 1 or counts == {0}:
        raise ValueError(f"the lists must have one node for each choice of expert, but have {[*map(len, lists)]}")
    return zip(*lists, strict=True)


@op
def layout_transform_op(input, indices_s, location_s, capacity, total_experts):
    """The tokens in the order of their experts' slots; free slots are zeros.

    input: (tokens, width).  indices_s: a list of (tokens, 1), the experts of each choice, negative for none.
    location_s: a list of (tokens,), the place in the expert's queue; from `capacity` on a token is dropped.
    capacity, total_experts: numbers.  Returns: (capacity * total_experts, width).
    Of several tokens in one slot the last choice's last one stays.
    """
    slots = [_slots(index, location, capacity) for index, location in _choices(indices_s, location_s)]
    slots = jnp.concatenate(slots)
    owner = jnp.full(int(capacity * total_experts), -1)
    owner = owner.at[jnp.where(slots < 0, len(owner), slots)].max(jnp.arange(len(slots)), mode="drop")
    return rows(input, jnp.where(owner < 0, -1, owner % max(len(input), 1)))


@op
def layout_transform_gradient_op(input, indice, location, capacity):
    """The row of each token's slot, zeros for a dropped token.

    input: (capacity * experts, width).  indice: (tokens, 1).  location: (tokens,).  capacity: number.
    Returns: (tokens, width).
    """
    return rows(input, _slots(indice, location, capacity))


@op
def reverse_layout_transform_op(input, indices_s, location_s, gates, capacity, num_experts):
    """The sum over the choices of gate * the row of the token's slot; a dropped choice counts for nothing.

    input: (capacity * num_experts, width).  indices_s: a list of (tokens, 1).  location_s: a list of (tokens,).
    gates: a list of (tokens,), float.  capacity, num_experts: numbers.  Returns: (tokens, width).
    """
    _check_height(input, capacity, num_experts)
    return sum(
        gate.reshape(-1, 1) * rows(input, _slots(index, location, capacity))
        for index, location, gate in _choices(indices_s, location_s, gates)
    )


def _check_height(input, capacity, num_experts):
    if len(input) != int(capacity * num_experts):
        raise ValueError(
            f"input has {len(input)} rows, but capacity {capacity} * {num_experts} experts is another number"
        )


@op
def reverse_layout_transform_gradient_data_op(input, indices, locations, gates, capacity, num_experts):
    """gate * row of each token added up in its slots: the gradient of reverse_layout_transform_op's `input`.

    input: (tokens, width).  indices: (tokens, 1), or a list of them.  locations, gates: (tokens,), or lists.
    capacity, num_experts: numbers.  Returns: (capacity * num_experts, width).
    """
    total = jnp.zeros((int(capacity * num_experts), input.shape[1]), input.dtype)
    for index, location, gate in _choices(indices, locations, gates):
        total = _add_in_slots(total, _slots(index, location, capacity), gate.reshape(-1, 1) * input)
    return total


def _add_in_slots(total, slots, values):
    return total.at[jnp.where(slots < 0, len(total), slots)].add(values, mode="drop")


@op
def reverse_layout_transform_gradient_gate_op(combined_output, expert_output, indices, locations, capacity):
    """The dot product of each token's row with that of its slot: the gradient of reverse_layout_transform_op's gate.

    combined_output: (tokens, width).  expert_output: (capacity * experts, width).  indices: (tokens, 1).
    locations: (tokens,).  capacity: number.  Returns: (tokens,), 0 for a dropped token.
    """
    return jnp.sum(combined_output * rows(expert_output, _slots(indices, locations, capacity)), axis=1)


@op
def reverse_layout_transform_no_gate_op(input, indices_s, location_s, capacity, num_experts):
    """The sum over the choices of the row of the token's slot; a dropped choice counts for nothing.

    As reverse_layout_transform_op with gates of 1.
    """
    _check_height(input, capacity, num_experts)
    choices = _choices(indices_s, location_s)
    return sum(rows(input, _slots(index, location, capacity)) for index, location in choices)


@op
def reverse_layout_transform_no_gate_gradient_op(input, indices, locations, capacity, num_experts):
    """The row of each token added up in its slots: the gradient of reverse_layout_transform_no_gate_op.

    input: (tokens, width).  indices: (tokens, 1), or a list of them.  locations: (tokens,), or a list.
    capacity, num_experts: numbers.  Returns: (capacity * num_experts, width).
    """
    total = jnp.zeros((int(capacity * num_experts), input.shape[1]), input.dtype)
    for index, location in _choices(indices, locations):
        total = _add_in_slots(total, _slots(index, location, capacity), input)
    return total


@op
def sam_group_sum_op(node, num_local_gpus):
    """The sums of `num_local_gpus` equal blocks of columns; no gradient flows.

    node: (tokens, experts), experts a multiple of num_local_gpus.  Returns: (tokens, num_local_gpus).
    """
    tokens, experts = node.shape
    if experts % num_local_gpus:
        raise ValueError(f"{experts} experts cannot be cut into {num_local_gpus} equal groups")
    return jax.lax.stop_gradient(node.reshape(tokens, num_local_gpus, -1).sum(2))


def _own_block(node_B, width, experts):
    """Whether each expert is in the token's block of `width` experts: (tokens, experts)."""
    return jnp.arange(experts) // width == cast_ids(node_B).reshape(-1, 1)


@op
def group_topk_idx_op(node_A, node_B, topk, num_local_gpus):
    """The best experts of each token's group g, which is experts g * num_local_gpus to (g + 1) * num_local_gpus - 1.

    node_A: gates (tokens, experts).  node_B: groups (tokens, 1).  topk: at most num_local_gpus.
    Returns: (tokens, topk) float32 expert numbers, best first; of equal gates the later expert comes first.
    """
    if not 0 < topk <= min(num_local_gpus, node_A.shape[1]):
        raise ValueError(f"a group has {num_local_gpus} of {node_A.shape[1]} experts, so topk cannot be {topk}")
    gates = jnp.where(_own_block(node_B, num_local_gpus, node_A.shape[1]), node_A, -jnp.inf)
    return top_k(gates, topk)[1].astype(jnp.float32)


@op
def sam_max_op(node_A, node_B, node_C, num_local_gpus):
    """How much each expert outside the token's group exceeds a reference expert: max(A - A[reference], 0), inside 0.

    node_A: gates (tokens, experts).  node_B: groups (tokens, 1), of num_local_gpus experts each.  node_C: reference
    experts (tokens, 1).  Returns: the shape of node_A.  The gradient leaves the reference out and is 0 at a tie.
    """
    reference = jnp.take_along_axis(node_A, cast_ids(node_C).reshape(-1, 1), axis=1)
    counts = ~_own_block(node_B, num_local_gpus, node_A.shape[1]) & (node_A > reference)
    return jnp.where(counts, node_A - jax.lax.stop_gradient(reference), 0)


BIDDING_ROUNDS, ALL_ROUNDS = 100, 1000
RETAINED = 1e12  # the value of a token that a worker won in the last round


@op
def balance_assignment_op(node):
    """An assignment of equally many tokens to each worker with nearly the largest sum of scores, by auction.

    node: scores (tokens, workers), tokens a multiple of workers.
    Returns: (tokens,) float32, the token numbers of the first worker, then the second's, ...; each worker's most
    valued first.  Always a permutation.  No gradient flows.  Raises ValueError where tokens cannot be shared equally.
    """
    tokens, workers = node.shape
    if tokens % workers:
        raise ValueError(f"{tokens} tokens cannot be shared out equally among {workers} workers")
    scores = jax.lax.stop_gradient(node).T
    if workers == 1 or not tokens:
        return top_k(scores, tokens)[1].reshape(-1).astype(jnp.float32)
    increment = jnp.maximum((scores.max() - scores.min()) / 50, 1e-4).astype(scores.dtype)
    value, bids = _auction(scores, tokens // workers, increment)
    return _shared_out(value, bids, tokens // workers).astype(jnp.float32)


def _auction(scores, share, increment):
    """The workers' last valuations and bids, both (workers, tokens), once every token has a bid.

    Each round a worker bids for the `share` tokens that it values most, as much as they are worth above the next one;
    the winning bids raise the prices.
    """
    zeros = jnp.zeros_like(scores)
    none = jnp.zeros(scores.shape, bool)
    bids = _bids(scores, none, share, increment)
    start = (jnp.int32(0), scores, zeros[0], bids)

    def unsettled(state):
        counter, _, _, bids = state
        return (counter < ALL_ROUNDS) & jnp.any(bids.max(0) == 0)

    def next_round(state):
        counter, _, cost, bids = state
        highest = bids.max(0)
        winner = len(scores) - 1 - jnp.argmax(bids[::-1], 0)
        won = (jnp.arange(len(scores))[:, None] == winner) & (highest > 0)
        cost = cost + highest
        early = counter < BIDDING_ROUNDS
        value = jnp.where(won, jnp.where(early, RETAINED, scores), scores - cost)
        retained = won & (counter + 1 < BIDDING_ROUNDS)
        return counter + 1, value, cost, _bids(value, retained, share, increment)

    _, value, _, bids = jax.lax.while_loop(unsettled, next_round, start)
    return value, bids


def _bids(value, retained, share, increment):
    largest, places = top_k(value, share + 1)
    bids = (largest[:, :share] - largest[:, share:]) + increment
    workers = jnp.arange(len(value))[:, None]
    return jnp.where(retained, increment, jnp.zeros_like(value).at[workers, places[:, :share]].set(bids))


def _shared_out(value, bids, share):
    """The tokens by worker, highest value first; tokens that nobody bid for fill the places left."""
    workers, tokens = bids.shape
    owner = jnp.where(bids.max(0) > 0, workers - 1 - jnp.argmax(bids[::-1], 0), workers)
    worth = jnp.take_along_axis(value, jnp.minimum(owner, workers - 1)[None], 0)[0]
    order = jnp.lexsort((-jnp.arange(tokens), -worth, owner))
    owner = owner[order]
    place = owner * share + jnp.arange(tokens) - jnp.searchsorted(owner, owner)
    filled = jnp.full(tokens, -1).at[jnp.where(owner < workers, place, tokens)].set(order, mode="drop")
    spare = jnp.flatnonzero(owner == workers, size=tokens, fill_value=0)
    nth = jnp.cumsum(filled < 0) - 1
    return jnp.where(filled < 0, order[spare[nth]], filled)
