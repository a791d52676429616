"""What the direct kernels compute, in NumPy."""

import math

import numpy as np
import scipy.sparse

from .cases.case import integers, normal, positive

X, Y, G = normal(3, 4), normal(3, 4, seed=1), normal(3, 4, seed=2)
P = positive(3, 4)
IMAGE, FILTER = normal(2, 3, 5, 6), normal(4, 3, 2, 3)
BOOL = integers(2, 3, 4).astype(np.float64)
ERF = np.vectorize(math.erf)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def windows(x, kernel, padding, stride, fill=0.0):
    """(N, C, rows, columns, kh, kw)."""
    (ph, pw), (sh, sw) = padding, stride
    x = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)), constant_values=fill)
    return np.lib.stride_tricks.sliding_window_view(x, kernel, (2, 3))[:, :, ::sh, ::sw]


def conv(x, f, padding=(0, 0), stride=(1, 1)):
    return np.einsum("nchwab,ocab->nohw", windows(x, f.shape[2:], padding, stride), f)


def conv_data(f, g, x, padding=(0, 0), stride=(1, 1)):
    (ph, pw), (sh, sw), (kh, kw) = padding, stride, f.shape[2:]
    out = np.zeros((*x.shape[:2], x.shape[2] + 2 * ph, x.shape[3] + 2 * pw))
    for i, j in np.ndindex(*g.shape[2:]):
        out[:, :, i * sh : i * sh + kh, j * sw : j * sw + kw] += np.einsum("no,ocab->ncab", g[:, :, i, j], f)
    return out[:, :, ph : ph + x.shape[2], pw : pw + x.shape[3]]


def conv_filter(x, g, f, padding=(0, 0), stride=(1, 1)):
    return np.einsum("nchwab,nohw->ocab", windows(x, f.shape[2:], padding, stride)[:, :, : g.shape[2], : g.shape[3]], g)


def average(x, kernel, padding, stride):
    return windows(x, kernel, padding, stride).mean((-1, -2))


def average_gradient(g, x, kernel, padding, stride):
    spread = np.ones((x.shape[1], 1, *kernel)) / np.prod(kernel)
    parts = [conv_data(spread[c : c + 1], g[:, c : c + 1], x[:, c : c + 1], padding, stride) for c in range(x.shape[1])]
    return np.concatenate(parts, 1)


def maximum(x, kernel, padding, stride):
    return windows(x, kernel, padding, stride, -np.inf).max((-1, -2))


def maximum_gradient(g, x, kernel, padding, stride):
    (ph, pw), (sh, sw) = padding, stride
    out = np.zeros((*x.shape[:2], x.shape[2] + 2 * ph, x.shape[3] + 2 * pw))
    w = windows(x, kernel, padding, stride, -np.inf)
    for n, c, i, j in np.ndindex(*g.shape):
        a, b = np.unravel_index(w[n, c, i, j].argmax(), kernel)
        out[n, c, i * sh + a, j * sw + b] += g[n, c, i, j]
    return out[:, :, ph : ph + x.shape[2], pw : pw + x.shape[3]]


def batch_norm(x, scale, bias, mean, var, eps):
    shape = (1, -1, 1, 1)
    return (x - mean.reshape(shape)) / np.sqrt(var.reshape(shape) + eps) * scale.reshape(shape) + bias.reshape(shape)


def moments(x):
    return x.mean((0, 2, 3)), x.var((0, 2, 3))


def batch_norm_step(x, scale, bias, mean, var, momentum, eps):
    """Value, running statistics, and the batch's."""
    batch_mean, batch_var = moments(x)
    n = x.size / x.shape[1]
    running = [
        (1 - momentum) * old + momentum * new for old, new in ((mean, batch_mean), (var, batch_var * n / (n - 1)))
    ]
    return batch_norm(x, scale, bias, batch_mean, batch_var, eps), *running, batch_mean, batch_var


def batch_norm_gradient(g, x, scale, mean, var, eps):
    n = x.size / x.shape[1]
    mean, var, scale = (part.reshape(1, -1, 1, 1) for part in (mean, var, scale))
    y = (x - mean) / np.sqrt(var + eps)
    by_scale, by_bias = (g * y).sum((0, 2, 3)), g.sum((0, 2, 3))
    data = scale / np.sqrt(var + eps) * (g - (by_bias.reshape(scale.shape) + y * by_scale.reshape(scale.shape)) / n)
    return data, by_scale, by_bias


def layer_norm_gradient(g, x, scale, mean, var, eps):
    """With any statistics, as Hetu's test has it."""
    deviation = np.sqrt(var + eps)
    inner = g * scale
    by_var = (inner * (x - mean)).sum(-1, keepdims=True) * -0.5 / deviation**3
    first = inner / deviation + by_var * 2 * (x - mean) / x.shape[-1]
    data = first - first.mean(-1, keepdims=True)
    axes = tuple(range(g.ndim - 1))
    return data, (g * (x - mean) / deviation).sum(axes), g.sum(axes)


def adam(p, g, m, v, lr, b1, b2, powers, eps, l2=0.0, largest=None):
    g = g + l2 * p
    m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
    corrected = v / (1 - powers[1])
    if largest is not None:
        corrected = largest = np.maximum(largest, corrected)
    u = m / (1 - powers[0]) / (np.sqrt(corrected) + eps)
    return p - lr * u, m, v, largest, u


def unique(ids, *tables):
    """Sorted distinct ids padded with -1; rows added up, and rows of the first occurrence."""
    n = ids.size
    found, first, inverse = np.unique(ids.reshape(-1), return_index=True, return_inverse=True)
    padded = np.full(n, -1)
    padded[: len(found)] = found
    return padded.reshape(ids.shape), found, first, inverse.reshape(-1)


def added_up(ids, values):
    _, _, _, inverse = unique(ids)
    out = np.zeros((ids.size, values.shape[-1]))
    np.add.at(out, inverse, values.reshape(ids.size, -1))
    return out.reshape(values.shape)


def first_rows(ids, values):
    _, found, first, _ = unique(ids)
    out = np.zeros((ids.size, values.shape[-1]))
    out[: len(found)] = values.reshape(ids.size, -1)[first]
    return out.reshape(values.shape)


def offsets(ids):
    flat = ids.reshape(-1)
    order = np.argsort(flat, kind="stable")
    _, starts = np.unique(flat[order], return_index=True)
    padded = np.full(flat.size + 1, flat.size)
    padded[: len(starts)] = starts
    return np.concatenate([[len(starts)], order, padded]).astype(np.int32)


def added(table, ids, values):
    out = table.copy()
    for i, row in zip(ids.reshape(-1).astype(int), values.reshape(-1, table.shape[1]), strict=True):
        if i >= 0:
            out[i] += row
    return out


def replaced(table, ids, values):
    out = table.copy()
    for i, row in zip(ids.reshape(-1).astype(int), values.reshape(ids.size, -1), strict=True):
        if i >= 0:
            out[i] = row
    return out


IDS = np.array([[4, 1, 4], [0, 1, 4]], np.int32)
ROWS = normal(2, 3, 5)
TABLE = normal(6, 5)
BETAS = (0.9, 0.99)
POWERS = np.array([0.9**3, 0.99**3])
STATE = [normal(3, 4, seed=7), positive(3, 4, seed=8)]
ROW_STATE = [normal(6, 5, seed=7), positive(6, 5, seed=8)]
UNIQUE = np.array([0, 1, 4, -1], np.int32)
UNIQUE_ROWS = np.concatenate([normal(3, 5, seed=3), np.zeros((1, 5))])
UNIQUE_GRADS = np.concatenate([normal(3, 5, seed=4), np.zeros((1, 5))])
STATISTICS = [normal(3, seed=5), positive(3, seed=6)]
SCALE, BIAS = positive(3, seed=2), normal(3, seed=3)


def adam_rows(ids, g, p, m, v, largest, lr, eps):
    """New rows, and the tables with the rows at `ids` replaced."""
    at = np.where(ids < 0, 0, ids)
    zero = lambda table: np.where(ids[:, None] < 0, 0, table[at])  # noqa: E731
    new, m1, v1, l1, _ = adam(p, g, zero(m), zero(v), lr, *BETAS, POWERS, eps, 0.0, zero(largest))
    return new, replaced(m, ids, m1), replaced(v, ids, v1), replaced(largest, ids, l1)


def between(low, high):
    def check(*arrays):
        for array in arrays:
            assert np.all((array >= low) & (array <= high)), (array.min(), array.max())
            assert np.ptp(array) > (high - low) / 2

    return check


def about(mean, deviation):
    def check(array):
        assert abs(array.mean() - mean) < deviation / 10
        assert abs(array.std() / deviation - 1) < 0.1

    return check


def kept(rate, x=1.0):
    """A dropout of ones: zeros and 1 / (1 - rate), in about the right proportion."""

    def check(*arrays):
        array = arrays[0]
        assert np.all((array == 0) | np.isclose(array, x / (1 - rate)))
        assert abs((array == 0).mean() - rate) < 0.06

    return check


def rounded(x, scale, zero, low, high):
    """Quantised values within one level of the exact ones."""

    def check(array, *others):
        exact = np.clip((x - zero) / scale, low, high)
        assert np.all(np.abs(array - exact) <= 1) and np.ptp(array) > 0

    return check


def packed(array, qparams):
    scale = (TABLE.max(1) - TABLE.min(1)) / 255
    np.testing.assert_allclose(qparams, np.stack([scale, TABLE.min(1)], 1), rtol=1e-5)
    rounded(TABLE, scale[:, None], TABLE.min(1, keepdims=True), 0, 255)(array)


def assigned_rows(scale, zero, low, high):
    def check(table):
        rounded(UNIQUE_ROWS[:3], scale, zero, low, high)(table[[0, 1, 4]])
        assert np.all(table[[2, 3, 5]] == 7)

    return check


ONES = np.ones((40, 50))
QUANTISED = integers(256, 6, 5).astype(np.uint8)
SIGNED = (integers(256, 6, 5) - 128).astype(np.int8)
SCALES = positive(6, seed=9)
QPARAMS = np.stack([SCALES, normal(6, seed=9)], 1)
OUTSIDE = np.array([[0, -1, 5]], np.int32)


def looked_up(table, ids, scale=1.0, zero=0.0):
    scale, zero = (np.broadcast_to(part, len(table)) for part in (scale, zero))
    at = np.where(ids < 0, 0, ids)
    return np.where((ids < 0)[..., None], 0, table[at] * scale[at][..., None] + zero[at][..., None])


TOKENS = normal(4, 5)
EXPERT = np.array([[0.0], [1.0], [0.0], [-1.0]])
EXPERT2 = np.array([[1.0], [0.0], [2.0], [2.0]])
PLACE, PLACE2 = np.array([0.0, 0.0, 1.0, 0.0]), np.array([1.0, 2.0, 0.0, 1.0])
GATE, GATE2 = positive(4), positive(4, seed=1)
SLOTS = normal(6, 5)  # 3 experts with room for 2


def slots(expert, place, capacity=2):
    e, p = expert.reshape(-1).astype(int), place.astype(int)
    return np.where((e >= 0) & (p < capacity), e * capacity + p, -1)


def dispatched(x, *choices):
    out = np.zeros((6, 5))
    for expert, place, *gate in choices:
        weight = gate[0] if gate else np.ones(len(x))
        for n, slot in enumerate(slots(expert, place)):
            if slot >= 0:
                out[slot] += weight[n] * x[n]
    return out


def collected(table, *choices):
    out = np.zeros((4, 5))
    for expert, place, *gate in choices:
        weight = gate[0] if gate else np.ones(4)
        for n, slot in enumerate(slots(expert, place)):
            if slot >= 0:
                out[n] += weight[n] * table[slot]
    return out


GATES = normal(4, 6)
GROUP = np.array([[0.0], [1.0], [2.0], [1.0]])


def in_group(gates, group, k):
    out = []
    for row, g in zip(gates, group.reshape(-1).astype(int), strict=True):
        part = row[g * 2 : g * 2 + 2]
        out.append(np.argsort(-part, kind="stable")[:k] + g * 2)
    return np.array(out)


def above(gates, group, reference, gradient=None):
    out = np.zeros(gates.shape)
    for n, row in enumerate(gates):
        for e, value in enumerate(row):
            over = value - row[int(reference[n, 0])]
            if e // 2 != int(group[n, 0]) and over > 0:
                out[n, e] = over if gradient is None else gradient[n, e]
    return out


def regrouped(x, order, nodes=2, local=3):
    shape = (local, nodes, local, -1) if order == (1, 0, 2, 3) else (nodes, local, local, -1)
    return x.reshape(shape).transpose(order).reshape(x.shape)


SPARSE = scipy.sparse.random(6, 5, 0.4, "csr", random_state=3, dtype=np.float64)
LOGITS = normal(3, 4)
LABELS = softmax(normal(3, 4, seed=5))
CLASSES = np.array([2.0, -1.0, 0.0])
SPIKE = np.eye(4)[[2, 0, 0]] * np.array([[1], [0], [1]])
ROW_G = normal(3, seed=4)

IMAGE_G = normal(2, 3, 5, 6, seed=4)
POOL = {"kernel": (2, 3), "padding": (1, 1), "stride": (2, 2)}


def nearest(query, key):
    return ((query[:, None] - key) ** 2).sum(-1).argmin(-1)
