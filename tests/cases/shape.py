"""Rows for hetu_jax/ops/shape.py."""

import numpy as np

from .case import Case, integers, normal

X, EMPTY, INT = normal(2, 3, 4), np.zeros((0, 3)), integers(9, 2, 3)
SQUARE = normal(2, 4, 4)


def broadcast_shape(x, shape, add_axes=()):
    if add_axes and x.shape != (1,):
        x = np.expand_dims(x, tuple(add_axes))
    x = x.reshape((1,) * (len(shape) - x.ndim) + x.shape)
    return np.broadcast_to(x, [n if s == -1 else s for s, n in zip(shape, x.shape, strict=True)])


def split(x, axes, indices, splits):
    for axis, index, parts in zip(*map(np.atleast_1d, (axes, indices, splits)), strict=True):
        length = x.shape[axis] // parts
        cuts = [length * k for k in range(1, parts)]
        x = np.split(x, cuts, axis)[index]
    return x


def region(x, begin, size):
    ends = [n if s == -1 else b + s for b, s, n in zip(begin, size, x.shape, strict=True)]
    return tuple(map(slice, begin, ends))


def slice_assign(x, begin, size, val):
    x = x.copy()
    x[region(x, begin, size)] = val
    return x


def slice_assign_matrix(a, b, begin_a, size_a, begin_b, size_b):
    return slice_assign(a, begin_a, size_a, b[region(b, begin_b, size_b)])


def pad(x, paddings, mode="CONSTANT", constant_values=0):
    widths = [(0, 0)] * (x.ndim - len(paddings)) + list(paddings)
    values = {"constant_values": constant_values} if mode == "CONSTANT" else {}
    return np.pad(x, widths, mode.lower(), **values)


def tril(x, offset=0):
    n = x.shape[-1]
    flat = [x[..., r, c] for r in range(n) for c in range(n) if c <= r + offset]
    return np.stack(flat, -1) if flat else np.zeros((*x.shape[:-2], 0))


def arange(start, end, step=1.0):
    return np.float64([start + step * i for i in range(max(int(np.ceil((end - start) / step)), 0))])


def _torch_repeat(x, reps):
    return x.tile(tuple(np.atleast_1d(reps)))


TILES = [((2, 1, 3), "full"), ([2], "last axis"), ((1, 2), "two axes"), ((2, 1, 1, 1), "new axis"), (3, "int")]
NONE = "there is nothing to differentiate"

CASES = [
    *[
        Case("array_reshape_op", [X, s], lambda x, s: x.reshape(s), torch=lambda x, s: x.reshape(s), note=str(s))
        for s in [(4, 6), [2, -1], (-1,), (1, 24, 1), (2, 3, 4)]
    ],
    Case("array_reshape_op", [X, -1], lambda x, s: x.reshape(s), note="int"),
    Case("array_reshape_op", [INT, (3, 2)], lambda x, s: x.reshape(s), dtype=np.int32, note="integers"),
    Case("array_reshape_op", [normal(1), (1, 1)], lambda x, s: x.reshape(s), note="single"),
    Case("array_reshape_op", [EMPTY, (3, 0)], lambda x, s: x.reshape(s), note="empty"),
    Case("reshape_to_op", [X, normal(4, 6)], lambda x, t: x.reshape(t.shape), torch=lambda x, t: x.reshape(t.shape)),
    Case("reshape_to_op", [INT, normal(6)], lambda x, t: x.reshape(t.shape), dtype=np.int32, note="integers"),
    Case("transpose_op", [X], np.transpose, torch=lambda x: x.permute(2, 1, 0), note="reverse"),
    Case("transpose_op", [X, None], np.transpose, note="None"),
    Case("transpose_op", [X, [1, 2, 0]], np.transpose, torch=lambda x, p: x.permute(p), note="list"),
    Case("transpose_op", [X, (0, 1, 2)], np.transpose, note="identity"),
    Case("transpose_op", [INT, (1, 0)], np.transpose, dtype=np.int32, note="integers"),
    Case("transpose_op", [normal(5)], np.transpose, note="vector"),
    Case("transpose_op", [EMPTY], np.transpose, note="empty"),
    *[
        Case(
            "broadcastto_op",
            [normal(*s), X],
            lambda a, b: np.broadcast_to(a, b.shape),
            torch=lambda a, b: a.expand(b.shape),
            note=str(s),
        )
        for s in [(4,), (1,), (3, 1), (2, 1, 4), (2, 3, 4), ()]
    ],
    Case("broadcastto_op", [normal(3), EMPTY], lambda a, b: np.broadcast_to(a, b.shape), note="empty"),
    *[
        Case("broadcast_shape_op", [normal(*s), *more], broadcast_shape, note=f"{s} to {more}")
        for s, more in [
            ((4,), ((2, 3, 4),)),
            ((3, 1), ([2, -1, 4],)),
            ((2, 4), ((2, 3, 4), (1,))),
            ((3,), ((2, 3, 4), [0, 2])),
            ((2, 3), ((-1, 5, -1), (1,))),
            ((1,), ((2, 3), (0,))),
            ((1,), ((2, 3, 1), (0, 1))),
            ((3,), ((0, 3),)),
        ]
    ],
    Case(
        "broadcast_shape_op",
        [normal(2, 4), (2, 3, 4)],
        lambda x, shape, add_axes: broadcast_shape(x, shape, [add_axes]),
        kwargs={"add_axes": -2},
        note="negative axis",
    ),
    Case("concat_op", [X, normal(5, 3, 4)], lambda a, b: np.concatenate([a, b]), note="default axis"),
    Case(
        "concat_op",
        [X, normal(2, 3, 1), 2],
        lambda a, b, axis: np.concatenate([a, b], axis),
        torch=lambda a, b, axis: _torch().cat([a, b], axis),
        note="last axis",
    ),
    Case("concat_op", [X, normal(2, 1, 4), -2], lambda a, b, axis: np.concatenate([a, b], axis), note="negative axis"),
    Case("concat_op", [EMPTY, normal(2, 3)], lambda a, b: b, note="empty"),
    Case("concatenate_op", [[X, normal(1, 3, 4), X]], np.concatenate, note="default axis"),
    Case(
        "concatenate_op",
        [[X, normal(2, 3, 1)], -1],
        np.concatenate,
        torch=lambda nodes, axis: _torch().cat(nodes, axis),
        note="negative axis",
    ),
    Case("concatenate_op", [[normal(1)]], np.concatenate, note="one"),
    Case("concatenate_op", [[INT, INT], 1], np.concatenate, dtype=np.int32, note="integers"),
    *[
        Case("split_op", [normal(4, 7), *s], split, note=str(s))
        for s in [
            ([1], [0], [2]),
            ([1], [1], [2]),
            ([0, 1], [1, 2], [2, 3]),
            ((0,), (0,), (1,)),
            ([0], [3], [4]),
            ([-1], [1], [3]),
            ([1], [0], [8]),
        ]
    ],
    Case("split_op", [normal(4, 7), 1, 0, 2], split, note="ints"),
    *[
        Case("slice_op", [X, *s], lambda x, b, s: x[region(x, b, s)], note=str(s))
        for s in [
            ((0, 1, 2), (2, 2, 1)),
            ([1, 0, 0], [-1, -1, 2]),
            ([0, 0, 0], [2, 3, 4]),
            ((0, 3, 0), (1, 0, 1)),
        ]
    ],
    Case("slice_op", [normal(1), [0], [1]], lambda x, b, s: x, note="single"),
    *[
        Case("slice_assign_op", [X, *s], slice_assign, note=str(s))
        for s in [((0, 1, 2), (2, 2, 1), 7.5), ([1, 0, 0], [-1, -1, 2], 0), ((0, 0, 0), (0, 3, 4), 1)]
    ],
    Case(
        "slice_assign_op",
        [INT, (0, 1), (1, 2), 0.5],
        lambda x, *to: slice_assign(x + 0.0, *to),
        note="a fraction",
    ),
    Case(
        "slice_assign_matrix_op", [X, normal(3, 4, 5), (0, 1, 2), (2, 2, 1), (1, 2, 0), (2, 2, 1)], slice_assign_matrix
    ),
    Case(
        "slice_assign_matrix_op",
        [normal(4, 4), normal(2, 2), [2, 2], [-1, -1], [0, 0], [-1, -1]],
        slice_assign_matrix,
        note="to the end",
    ),
    *[
        Case("pad_op", [normal(2, 2, 3, 4), p, *more], pad, note=f"{p} {more}")
        for p in [[[0, 0], [0, 0], [1, 2], [0, 1]], [(1, 0), (2, 2)]]
        for more in [(), ("CONSTANT", 1.5), ("REFLECT",), ("SYMMETRIC",)]
    ],
    Case("pad_op", [normal(2, 1, 3, 3), [[1, 1]] * 4], pad, note="all axes"),
    Case("pad_op", [normal(3), [[2, 1]]], pad, note="vector"),
    Case(
        "pad_op",
        [INT, [[2, 1]], "CONSTANT", 0.5],
        lambda x, *more: pad(x + 0.0, *more),
        note="a fraction",
    ),
    Case("pad_op", [EMPTY, [[1, 0], [0, 1]]], pad, note="empty"),
    *[Case("tile_op", [normal(2, 1, 2), r], np.tile, torch=_torch_repeat, note=note) for r, note in TILES],
    *[Case("repeat_op", [normal(2, 1, 2), r], np.tile, torch=_torch_repeat, note=note) for r, note in TILES],
    Case("tile_op", [X, (1, 0, 1)], np.tile, onnx="no elements", note="no times"),
    *[
        Case("roll_op", [X, *s], np.roll, torch=lambda x, *s: x.roll(*s), note=str(s))
        for s in [(2,), (1, 1), (-1, -1), ((1, 2), (0, 2)), (13, 2)]
    ],
    Case("roll_op", [X], lambda x: x, note="default"),
    Case("roll_op", [X, [1, 2], [0, 2]], np.roll, note="lists"),
    *[Case("tril_lookup_op", [SQUARE, *s], tril, note=f"offset {s}") for s in [(), (0,), (1,), (-2,), (3,), (-3,)]],
    Case("tril_lookup_op", [normal(1, 1)], tril, note="single"),
    Case("tril_lookup_op", [normal(0, 2, 2)], tril, note="empty"),
    *[
        Case(op, [x, *more], lambda x, *_, value=value: np.full(x.shape, value), note=note)
        for op, more, value in [("oneslike_op", (), 1), ("zeroslike_op", (), 0), ("full_like_op", (2.5,), 2.5)]
        for x, note in [(X, "array"), (normal(1), "single"), (EMPTY, "empty"), (INT, "integers")]
    ],
    *[
        Case("full_op", [s, 2.5], lambda s, v: np.full(s, v), grad=NONE, note=str(s))
        for s in [(2, 3), [4], (1,), (0, 2), 3]
    ],
    Case("full_op", [(2, 3), 1], lambda s, v: np.full(s, v), grad=NONE, note="of an integer"),
    *[
        Case("arange_op", list(s), arange, grad=NONE, note=str(s))
        for s in [(0, 5), (1, 2.5, 0.5), (1, 2.6, 0.5), (5, 0, -2), (3, 3), (3, 0)]
    ],
]


def _torch():
    import torch

    return torch
