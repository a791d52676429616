"""Rows for hetu_jax/ops/embedding.py."""

import numpy as np
import scipy.sparse

from .case import Case, integers, normal

IDS = np.array([[3, 0, 3], [5, 1, 3]], np.int32)
STRAY = np.array([-1, 2, 6, 0, -7, 5], np.int32)


def looked_up(table, ids):
    out = np.zeros(ids.shape + table.shape[1:])
    for place in np.ndindex(ids.shape):
        if 0 <= ids[place] < len(table):
            out[place] = table[int(ids[place])]
    return out


def torch_lookup(table, ids):
    import torch

    return torch.nn.functional.embedding(ids, table)


def sparse_lookup(matrix, ids):
    return looked_up(matrix.toarray(), ids)


def unique(ids):
    values = sorted(set(ids.ravel().tolist()))
    return np.array(values + [-1] * (ids.size - len(values))).reshape(ids.shape)


def offsets(ids):
    places = {}
    for place, value in enumerate(ids.ravel().tolist()):
        places.setdefault(value, []).append(place)
    groups = [places[value] for value in sorted(places)]
    starts = np.cumsum([0, *map(len, groups)]).tolist()
    padding = [ids.size] * (ids.size + 1 - len(starts))
    return np.array([len(groups), *sum(groups, []), *starts, *padding])


def per_id(rows, ids, combine):
    flat, out = rows.reshape(ids.size, -1), np.zeros((ids.size, rows.shape[-1]))
    for i, value in enumerate(sorted(set(ids.ravel().tolist()))):
        out[i] = combine(flat[ids.ravel() == value])
    return out.reshape(rows.shape)


def first_rows(rows, _):
    return per_id(rows, IDS, lambda group: group[0])


def summed_rows(rows, _):
    return per_id(rows, IDS, lambda group: group.sum(0))


def sum_sparse(shape, *items, dtype=None):
    total = np.zeros(shape)
    for item in items:
        if isinstance(item, tuple):
            for i, row in zip(item[0].ravel(), item[1].reshape(-1, shape[1]), strict=True):
                if 0 <= i < shape[0]:
                    total[int(i)] += row
        else:
            total = total + item
    return total


def assigned(table, ids, rows):
    table = table.copy()
    for i, row in zip(ids.ravel(), rows.reshape(-1, table.shape[1]), strict=True):
        if 0 <= i < len(table):
            table[int(i)] = row
    return table


MATRIX = scipy.sparse.random(6, 5, 0.4, "csr", np.float64, np.random.default_rng(3))
OFFSETS = offsets(IDS).astype(np.int32)
PADDED = np.array([[0, 2], [5, -1]], np.int32)

CASES = [
    Case("embedding_lookup_op", [normal(6, 4), IDS], looked_up, torch=torch_lookup),
    Case("embedding_lookup_op", [normal(6, 4), STRAY], looked_up, note="outside"),
    Case("embedding_lookup_op", [normal(6, 4), IDS.astype(np.float64)], looked_up, grad="float ids", note="float ids"),
    Case("embedding_lookup_op", [normal(6, 4), np.array([2], np.int32)], looked_up, note="one id"),
    Case("embedding_lookup_op", [normal(6, 4), np.zeros((0, 2), np.int32)], looked_up, note="no ids"),
    Case("embedding_lookup_op", [normal(0, 4), STRAY], looked_up, onnx="nothing to gather from", note="empty table"),
    Case("embedding_lookup_op", [integers(9, 6, 2), STRAY], looked_up, dtype=np.int32, note="remap table"),
    Case("sparse_embedding_lookup_op", [MATRIX, IDS], sparse_lookup),
    Case("sparse_embedding_lookup_op", [MATRIX, STRAY], sparse_lookup, note="outside"),
    Case("sparse_embedding_lookup_op", [scipy.sparse.csr_matrix((6, 5)), STRAY], sparse_lookup, note="no values"),
    Case("unique_indices_op", [IDS], unique, dtype=np.int32),
    Case("unique_indices_op", [np.array([4], np.int32)], unique, dtype=np.int32, note="one id"),
    Case("unique_indices_op", [np.zeros((0,), np.int32)], unique, dtype=np.int32, note="no ids"),
    Case("unique_indices_op", [integers(9, 4, 5).astype(np.float64)], unique, dtype=np.int32, note="float ids"),
    Case("unique_indices_offsets_op", [IDS], offsets, dtype=np.int32),
    Case("unique_indices_offsets_op", [np.array([7, 7], np.int32)], offsets, dtype=np.int32, note="one group"),
    Case("unique_indices_offsets_op", [np.zeros((0,), np.int32)], offsets, dtype=np.int32, note="no ids"),
    Case("deduplicate_lookup_op", [normal(2, 3, 4), OFFSETS], first_rows),
    Case("deduplicate_grad_op", [normal(2, 3, 4), OFFSETS], summed_rows),
    Case("sum_sparse_gradient_op", [(6, 3), normal(6, 3), (PADDED, normal(2, 2, 3))], sum_sparse),
    Case(
        "sum_sparse_gradient_op",
        [(6, 3), (PADDED, normal(2, 2, 3)), (STRAY, normal(6, 3, seed=1))],
        sum_sparse,
        kwargs={"dtype": np.float32},
        note="pairs only",
    ),
    Case("assign_with_indexedslices_op", [normal(6, 3), PADDED, normal(2, 2, 3)], assigned),
    Case("assign_with_indexedslices_op", [normal(6, 3), STRAY, normal(6, 3, seed=1)], assigned, note="outside"),
    Case("sparse_set_op", [integers(9, 6, 3), PADDED, integers(9, 4, 3)], assigned, dtype=np.int32),
    Case("sparse_set_op", [integers(9, 6, 3), STRAY, integers(9, 18)], assigned, dtype=np.int32, note="flat data"),
]
