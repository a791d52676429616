"""Rows for hetu_jax/ops/loss.py."""

import numpy as np

from .case import Case, integers, normal
from .norm import log_softmax, softmax


def _one_hot(ids, classes):
    return np.eye(classes)[ids]


def _detached(name):
    """PyTorch's loss of that name with labels that get no gradient."""

    def f(scores, labels, *args):
        import torch

        return getattr(torch.nn.functional, name)(scores, labels.detach().to(scores.dtype), reduction="none")

    return f


def cross_entropy(x, y, *_):
    return -np.atleast_2d(y * log_softmax(x)).sum(-1)


def _cross_entropy_gradient(g, x, y, *_):
    return [((softmax(x) * y.sum(-1, keepdims=True) - y) * g[..., None]).reshape(x.shape), 0 * y]


def _torch_cross_entropy(x, y, *_):
    import torch

    return -torch.atleast_2d(y.detach() * x.log_softmax(-1)).sum(-1)


def _picked(scores, ids, kept):
    """scores[id] where kept, else 0."""
    ids = np.where(kept, ids, 0).astype(int)
    return np.where(kept, np.take_along_axis(scores, ids[..., None], -1)[..., 0], 0)


def cross_entropy_sparse(x, ids, ignored_index=-1):
    x, ids = np.atleast_2d(x), np.atleast_1d(ids)
    return -_picked(log_softmax(x), ids, ids != ignored_index)


def _torch_cross_entropy_sparse(x, ids, ignored_index=-1):
    import torch

    flat = torch.nn.functional.cross_entropy(
        x.reshape(-1, x.shape[-1]), ids.reshape(-1).long(), ignore_index=ignored_index, reduction="none"
    )
    return flat.reshape(ids.shape or (1,))


def plain_cross_entropy(p, y):
    return -np.atleast_2d(y * np.log(np.where(y == 0, 1, p))).sum(-1)


def _plain_gradient(g, p, y):
    return [(-y / np.where(y == 0, 1, p) * g[..., None]).reshape(p.shape), 0 * y]


def _torch_plain_cross_entropy(p, y):
    import torch

    return -torch.atleast_2d(y.detach() * p.log()).sum(-1)


def plain_cross_entropy_sparse(p, ids, ignored_index=-1):
    kept = (ids != ignored_index) & (ids >= 0)
    return -np.log(np.where(kept, _picked(p, ids, kept), 1))


def binary(p, t):
    return -t * np.log(p + 1e-12) - (1 - t) * np.log(1 - p + 1e-12)


def _binary_gradient(g, p, t):
    return [g * (p - t) / np.maximum(p * (1 - p), 1e-12), 0 * t]


def binary_with_logits(x, t):
    return (1 - t) * x + np.logaddexp(0, -x)


def _binary_with_logits_gradient(g, x, t):
    return [g * (1 / (1 + np.exp(-x)) - t), 0 * t]


def nll(x, ids, cols):
    return -np.mean([row[int(i)] for row, i in zip(x, ids, strict=True)], keepdims=True)


def _torch_nll(x, ids, cols):
    import torch

    return torch.nn.functional.nll_loss(x, ids).reshape(1)


SHAPES = [(4, 3), (2, 3, 5), (1, 1), (5,), (0, 3)]
IDS = np.int32([[0, 2, -1], [1, -1, 2]])
SATURATED = np.array([[0.0, 0.0, 1.0, 1.0, 0.5, 1e-13]]), np.array([[0.0, 1.0, 0.0, 1.0, 0.25, 1.0]])
STEPS = "the value is a step function of float ids"
P = np.random.default_rng(3).uniform(0.1, 0.9, (4, 3))

CASES = [
    *[
        Case(
            "softmaxcrossentropy_op",
            [normal(*s), softmax(normal(*s, seed=1))],
            cross_entropy,
            grads=_cross_entropy_gradient,
            torch=_torch_cross_entropy,
            note=str(s),
        )
        for s in SHAPES
    ],
    Case(
        "softmaxcrossentropy_op",
        [normal(4, 3), normal(4, 3, seed=2), False],
        cross_entropy,
        grads=_cross_entropy_gradient,
        torch=_torch_cross_entropy,
        note="labels that do not sum to one",
    ),
    Case(
        "softmaxcrossentropy_op",
        [1e4 * normal(4, 3), _one_hot([0, 2, 1, 1], 3)],
        cross_entropy,
        grads=_cross_entropy_gradient,
        note="large logits",
    ),
    Case(
        "softmaxcrossentropy_op",
        [normal(4, 3), np.int32(_one_hot([0, 2, 1, 1], 3))],
        cross_entropy,
        torch=_torch_cross_entropy,
        note="integer labels",
    ),
    *[
        Case(
            "softmaxcrossentropy_sparse_op",
            [normal(*s, 5), integers(5, *s)],
            cross_entropy_sparse,
            torch=_torch_cross_entropy_sparse,
            note=str(s),
        )
        for s in [(4,), (2, 3), (1,), ()]
    ],
    Case(
        "softmaxcrossentropy_sparse_op", [1e4 * normal(4, 3), integers(3, 4)], cross_entropy_sparse, note="large logits"
    ),
    Case("softmaxcrossentropy_sparse_op", [normal(0, 5), integers(5, 0)], cross_entropy_sparse, note="empty"),
    Case(
        "softmaxcrossentropy_sparse_op",
        [normal(2, 3, 4), IDS],
        cross_entropy_sparse,
        torch=_torch_cross_entropy_sparse,
        note="ignored",
    ),
    Case(
        "softmaxcrossentropy_sparse_op",
        [normal(2, 3, 4), np.abs(IDS), 2],
        cross_entropy_sparse,
        torch=_torch_cross_entropy_sparse,
        note="another ignored",
    ),
    Case(
        "softmaxcrossentropy_sparse_op",
        [normal(2, 3, 4), IDS.astype(float)],
        cross_entropy_sparse,
        grad=STEPS,
        note="float ids",
    ),
    Case(
        "softmaxcrossentropy_sparse_op",
        [normal(3, 4), np.int32([4, -2, 1])],
        lambda x, ids: np.array([np.nan, np.nan, -log_softmax(x)[2, 1]]),
        grad="NaN",
        onnx="an id outside the classes",
        note="ids outside",
    ),
    *[
        Case(
            "crossentropy_op",
            [softmax(normal(*s)), softmax(normal(*s, seed=1))],
            plain_cross_entropy,
            grads=_plain_gradient,
            torch=_torch_plain_cross_entropy,
            note=str(s),
        )
        for s in SHAPES
    ],
    Case(
        "crossentropy_op",
        [np.array([[0.0, 1.0], [0.25, 0.75]]), np.array([[0.0, 1.0], [0.0, 2.0]])],
        plain_cross_entropy,
        grads=_plain_gradient,
        note="zero probability of a zero label",
    ),
    *[
        Case(
            "crossentropy_sparse_op",
            [softmax(normal(2, 3, 4)), ids, *more],
            plain_cross_entropy_sparse,
            grad=STEPS if ids.dtype.kind == "f" else True,
            note=note,
        )
        for ids, more, note in [
            (np.abs(IDS), (), "ids"),
            (IDS, (), "ignored"),
            (IDS, (2,), "another ignored"),
            (IDS.astype(float), (), "float ids"),
        ]
    ],
    Case("crossentropy_sparse_op", [softmax(normal(0, 5)), integers(5, 0)], plain_cross_entropy_sparse, note="empty"),
    *[
        Case(
            "binarycrossentropy_op",
            [np.random.default_rng(1).uniform(0.05, 0.95, s), np.random.default_rng(2).uniform(0, 1, s)],
            binary,
            grads=_binary_gradient,
            note=str(s),
        )
        for s in [(4, 1), (3, 4), (5,), (1,), (0, 2)]
    ],
    Case("binarycrossentropy_op", [P, np.int32(P > 0.5)], binary, torch=_detached("binary_cross_entropy"), note="hard"),
    Case("binarycrossentropy_op", [*SATURATED], binary, grads=_binary_gradient, note="saturated"),
    *[
        Case(
            "binarycrossentropywithlogits_op",
            [3 * normal(*s), np.random.default_rng(2).uniform(0, 1, s)],
            binary_with_logits,
            grads=_binary_with_logits_gradient,
            torch=_detached("binary_cross_entropy_with_logits"),
            note=str(s),
        )
        for s in [(4, 1), (2, 3, 4), (1,), (0,)]
    ],
    Case(
        "binarycrossentropywithlogits_op",
        [np.array([0.0, 200.0, -200.0, 200.0, -200.0]), np.array([0.25, 1.0, 0.0, 0.0, 1.0])],
        binary_with_logits,
        grads=_binary_with_logits_gradient,
        note="large logits",
    ),
    Case("nll_loss_op", [log_softmax(normal(4, 3)), integers(3, 4), 3], nll, torch=_torch_nll),
    Case("nll_loss_op", [log_softmax(normal(1, 3)), np.array([2.0]), 3], nll, grad=STEPS, note="float ids"),
]
