"""Rows for hetu_jax/ops/moe.py."""

import numpy as np
import scipy.optimize

from .case import Case, normal

TOKENS, WIDTH, EXPERTS, CAPACITY = 7, 4, 3, 2
FIRST = np.array([[0.0], [2], [0], [0], [1], [-1], [2]])
FIRST_AT = np.array([0.0, 0, 1, 2, 0, 0, 1])
SECOND = np.array([[1.0], [1], [2], [1], [0], [2], [1]])
SECOND_AT = np.array([1.0, 5, 3, 2, 2, 2, 7])  # only the first still finds room
LAYOUT = "token and slot numbers are floats"


def slots(index, location, capacity):
    return [
        int(i) * int(capacity) + int(at) if i >= 0 and at < capacity else None
        for i, at in zip(index.ravel(), location, strict=True)
    ]


def to_experts(x, indices, locations, capacity, experts):
    out = np.zeros((int(capacity * experts), x.shape[1]))
    for index, location in zip(indices, locations, strict=True):
        for n, slot in enumerate(slots(index, location, capacity)):
            if slot is not None:
                out[slot] = x[n]
    return out


def from_slots(x, index, location, capacity):
    picked = [np.zeros(x.shape[1]) if slot is None else x[slot] for slot in slots(index, location, capacity)]
    return np.array(picked).reshape(-1, x.shape[1])


def combined(x, indices, locations, gates, capacity, experts):
    parts = zip(indices, locations, gates, strict=True)
    return sum(gate[:, None] * from_slots(x, index, location, capacity) for index, location, gate in parts)


def combined_plainly(x, indices, locations, capacity, experts):
    return combined(x, indices, locations, [np.ones(i.size) for i in indices], capacity, experts)


def added_in_slots(x, indices, locations, gates, capacity, experts):
    out = np.zeros((int(capacity * experts), x.shape[1]))
    for index, location, gate in zip(indices, locations, gates, strict=True):
        for n, slot in enumerate(slots(index, location, capacity)):
            if slot is not None:
                out[slot] += gate[n] * x[n]
    return out


def dots(y, x, index, location, capacity):
    return np.sum(y * from_slots(x, index, location, capacity), axis=1)


def best_of_group(gates, groups, k, width):
    out = []
    for row, group in zip(gates, groups.ravel(), strict=True):
        block = range(int(group) * width, min((int(group) + 1) * width, gates.shape[1]))
        out.append(sorted(block, key=lambda e: (-row[e], -e))[:k])
    return np.array(out)


def outside(gates, groups, width):
    return np.array([[e // width != int(g) for e in range(gates.shape[1])] for g in groups.ravel()])


def excess(gates, groups, reference, width):
    over = gates - np.array([[row[int(c)]] for row, c in zip(gates, reference.ravel(), strict=True)])
    return np.where(outside(gates, groups, width), np.maximum(over, 0), 0)


def excess_grads(g, gates, groups, reference, width):
    return [g * (excess(gates, groups, reference, width) > 0), np.zeros_like(groups), np.zeros_like(reference)]


def balanced(scores, slack=0.02):
    """What checks that it is a permutation whose sum of scores comes near the best one."""

    def holds(value):
        tokens, workers = scores.shape
        assert sorted(value.tolist()) == list(range(tokens))
        owner = np.repeat(np.arange(workers), tokens // workers)
        cost = -np.repeat(scores, tokens // workers, axis=1)
        best = -cost[scipy.optimize.linear_sum_assignment(cost)].sum()
        spread = scores.max() - scores.min()
        assert scores[value.astype(int), owner].sum() >= best - slack * spread * tokens - 1e-4

    return holds


def no_tokens(value):
    assert value.shape == (0,)


TIED = np.array([[1.0, 3, 3, 0, 2, 2], [5, 5, 5, 5, 5, 5], [0, 1, 2, 3, 4, 5]])
GROUPS = np.array([[0.0], [1], [1]])
REFERENCE = np.array([[4.0], [0], [5]])
TWO = ([FIRST, SECOND], [FIRST_AT, SECOND_AT])
ONE = ([FIRST], [FIRST_AT])
FLOATS = CAPACITY * 1.25, EXPERTS

CASES = [
    Case("layout_transform_op", [normal(TOKENS, WIDTH), *ONE, CAPACITY, EXPERTS], to_experts, grad=LAYOUT),
    Case(
        "layout_transform_op",
        [normal(TOKENS, WIDTH), [x.astype(np.int32) for x in ONE[0]], [x.astype(np.int32) for x in ONE[1]], *FLOATS],
        to_experts,
        note="int slots, float capacity",
    ),
    Case(
        "layout_transform_op",
        [normal(TOKENS, WIDTH), *[[x.astype(np.int32) for x in xs] for xs in TWO], CAPACITY, EXPERTS],
        to_experts,
        note="two choices",
    ),
    Case(
        "layout_transform_op",
        [normal(2, WIDTH), [np.zeros((2, 1), np.int32)], [np.zeros(2, np.int32)], 1, 2],
        to_experts,
        note="one slot for two",
    ),
    Case(
        "layout_transform_gradient_op",
        [normal(6, WIDTH), FIRST.astype(np.int32), FIRST_AT.astype(np.int32), CAPACITY],
        from_slots,
    ),
    Case(
        "reverse_layout_transform_op",
        [
            normal(6, WIDTH),
            *[[x.astype(np.int32) for x in xs] for xs in TWO],
            [normal(7), normal(7, seed=1)],
            CAPACITY,
            EXPERTS,
        ],
        combined,
        note="two choices",
    ),
    Case(
        "reverse_layout_transform_op", [normal(6, WIDTH), *ONE, [normal(7)], CAPACITY, EXPERTS], combined, grad=LAYOUT
    ),
    Case(
        "reverse_layout_transform_gradient_data_op",
        [normal(7, WIDTH), *[[x.astype(np.int32) for x in xs] for xs in TWO], [normal(7), normal(7, seed=1)], 2, 3],
        added_in_slots,
    ),
    Case(
        "reverse_layout_transform_gradient_data_op",
        [normal(7, WIDTH), FIRST.astype(np.int32), FIRST_AT.astype(np.int32), normal(7), 2, 3],
        lambda x, index, location, gate, *rest: added_in_slots(x, [index], [location], [gate], *rest),
        note="no lists",
    ),
    Case(
        "reverse_layout_transform_gradient_gate_op",
        [normal(7, WIDTH), normal(6, WIDTH), FIRST.astype(np.int32), FIRST_AT.astype(np.int32), 2],
        dots,
    ),
    Case(
        "reverse_layout_transform_no_gate_op",
        [normal(6, WIDTH), *[[x.astype(np.int32) for x in xs] for xs in ONE], 2, 3],
        combined_plainly,
    ),
    Case(
        "reverse_layout_transform_no_gate_gradient_op",
        [normal(7, WIDTH), FIRST.astype(np.int32), FIRST_AT.astype(np.int32), 2, 3],
        lambda x, index, location, *rest: added_in_slots(x, [index], [location], [np.ones(7)], *rest),
    ),
    Case(
        "sam_group_sum_op",
        [normal(5, 6), 3],
        lambda x, n: np.stack([block.sum(1) for block in np.split(x, n, 1)], 1),
        grads=lambda g, x, n: [np.zeros_like(x)],
    ),
    Case("group_topk_idx_op", [TIED, GROUPS, 2, 3], best_of_group, grad="whole numbers"),
    Case(
        "group_topk_idx_op",
        [normal(4, 9), np.array([[2.0], [0], [1], [2]]), 3, 3],
        best_of_group,
        grad="whole numbers",
        note="all",
    ),
    Case("sam_max_op", [TIED, GROUPS, REFERENCE, 3], excess, grads=excess_grads, note="ties"),
    Case("sam_max_op", [normal(3, 6), GROUPS, REFERENCE, 3], excess, grads=excess_grads),
    Case("balance_assignment_op", [normal(24, 4)], check=balanced(normal(24, 4)), grad="whole numbers"),
    Case(
        "balance_assignment_op",
        [normal(6, 6)],
        check=balanced(normal(6, 6)),
        grad="whole numbers",
        note="one token each",
    ),
    Case(
        "balance_assignment_op",
        [np.ones((8, 2))],
        check=balanced(np.ones((8, 2))),
        grad="whole numbers",
        note="all equal",
    ),
    Case(
        "balance_assignment_op", [normal(5, 1)], lambda x: np.argsort(-x[:, 0]), grad="whole numbers", note="one worker"
    ),
    Case("balance_assignment_op", [normal(0, 2)], check=no_tokens, grad="whole numbers", note="no tokens"),
]
