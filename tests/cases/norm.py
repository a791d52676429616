"""Rows for hetu_jax/ops/norm.py."""

import numpy as np

from .case import Case, normal, positive


def _along_channels(v, x):
    return v.reshape(1, -1, *[1] * (x.ndim - 2))


def _moments(x):
    axes = tuple(a for a in range(x.ndim) if a != 1)
    return x.mean(axes), x.var(axes), x.var(axes, ddof=1) if x.size > x.shape[1] else x.var(axes)


def _standardised(x, scale, bias, mean, variance, eps):
    mean, variance, scale, bias = (_along_channels(v, x) for v in (mean, variance, scale, bias))
    return scale * (x - mean) / np.sqrt(variance + eps) + bias


def batch_norm(x, scale, bias, momentum=0.1, eps=1e-5):
    return _standardised(x, scale, bias, *_moments(x)[:2], eps)


def batch_norm_inference(x, scale, bias, momentum=0.1, eps=1e-5):
    channels = x.shape[1]
    return _standardised(x, scale, bias, np.zeros(channels), np.ones(channels), eps)


def running(x, scale, bias, momentum=0.1, eps=1e-5):
    mean, _, unbiased = _moments(x)
    return [momentum * mean, (1 - momentum) + momentum * unbiased]


def running_unchanged(x, *_, **__):
    return [np.zeros(x.shape[1]), np.ones(x.shape[1])]


def _torch_batch_norm(training):
    def f(x, scale, bias, momentum=0.1, eps=1e-5):
        import torch

        mean, variance = torch.zeros(x.shape[1], dtype=x.dtype), torch.ones(x.shape[1], dtype=x.dtype)
        args = (scale.reshape(-1), bias.reshape(-1), training, momentum, eps)
        return torch.nn.functional.batch_norm(x, mean, variance, *args)

    return f


SHAPES = [(6, 3), (4, 3, 5), (4, 3, 2, 5), (2, 3, 2, 2, 3)]
BATCH_NORM = [
    *[([3 * normal(*s) + 1, positive(3), normal(3)], {}, f"rank {len(s)}") for s in SHAPES],
    ([normal(4, 3, 2, 5), positive(1, 3, 1, 1), normal(1, 3, 1, 1)], {}, "4-D scale"),
    ([normal(4, 3, 2, 5), positive(3), normal(3), 0.99, 0.01], {}, "2021 defaults"),
    ([normal(4, 1, 3, 3), positive(1), normal(1)], {"eps": 0.5, "momentum": 0.3}, "one channel"),
]


def layer_norm(x, scale, bias, eps=0.01):
    return scale * (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + eps) + bias


def _torch_layer_norm(x, scale, bias, eps=0.01):
    import torch

    return torch.nn.functional.layer_norm(x, x.shape[-1:], scale, bias, eps)


def instance_norm(x, eps=0.01):
    return (x - x.mean((2, 3), keepdims=True)) / np.sqrt(x.var((2, 3), keepdims=True) + eps)


def _torch_instance_norm(x, eps=0.01):
    import torch

    return torch.nn.functional.instance_norm(x, eps=eps)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True, initial=-np.inf))
    return e / e.sum(-1, keepdims=True)


def log_softmax(x):
    x = x - x.max(-1, keepdims=True, initial=-np.inf)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def _kept(x, keep_prob, whole_maps=False):
    """Elements are 0 or x / keep_prob, about keep_prob of them the latter."""

    def check(value):
        kept = value != 0
        np.testing.assert_allclose(value[kept], (x / keep_prob)[kept], rtol=1e-6)
        maps = kept[:, :, 0, 0] if whole_maps else kept
        assert not whole_maps or (kept == maps[:, :, None, None]).all()
        assert abs(maps.mean() - keep_prob) < 5 * np.sqrt(keep_prob * (1 - keep_prob) / maps.size)

    return check


BIG, MAPS = positive(50, 40), positive(20, 30, 2, 3)
ROWS = [
    (normal(3, 4), "matrix"),
    (normal(2, 3, 5), "rank 3"),
    (normal(5), "vector"),
    (normal(1), "single"),
    (np.zeros((0, 3)), "no rows"),
    (np.array([[1e4, -1e4, 0.0], [-1e4, -1e4, -1e4]]), "large"),
]

CASES = [
    *[
        Case(
            "batch_normalization_op",
            args,
            batch_norm,
            kwargs=kwargs,
            torch=_torch_batch_norm(True),
            writes=running,
            training=True,
            rtol=1e-4,
            atol=1e-5,
            onnx="normalises by the batch and moves running statistics",
            note=f"training {note}",
        )
        for args, kwargs, note in BATCH_NORM
    ],
    *[
        Case(
            "batch_normalization_op",
            args,
            batch_norm_inference,
            kwargs=kwargs,
            torch=_torch_batch_norm(False),
            writes=running_unchanged,
            note=f"inference {note}",
        )
        for args, kwargs, note in BATCH_NORM
    ],
    Case(
        "batch_normalization_op",
        [normal(1, 3), positive(3), normal(3)],
        batch_norm,
        writes=running,
        training=True,
        onnx="normalises by the batch and moves running statistics",
        note="batch of one",
    ),
    *[
        Case(
            "layer_normalization_op", [normal(*s), positive(s[-1]), normal(s[-1])], layer_norm, torch=_torch_layer_norm
        )
        for s in [(3, 4), (2, 3, 5), (6,), (1,), (2, 1)]
    ],
    Case(
        "layer_normalization_op",
        [1 + normal(3, 4), positive(4), normal(4), 1e-5],
        layer_norm,
        torch=_torch_layer_norm,
        atol=1e-5,
        note="small eps",
    ),
    Case("layer_normalization_op", [np.zeros((0, 3)), positive(3), normal(3)], layer_norm, note="no rows"),
    Case("instance_normalization2d_op", [normal(2, 3, 4, 5)], instance_norm, torch=_torch_instance_norm),
    Case("instance_normalization2d_op", [normal(2, 3, 4, 5), 1e-5], instance_norm, note="small eps", atol=1e-5),
    Case("instance_normalization2d_op", [normal(2, 3, 1, 1)], instance_norm, note="one pixel"),
    Case("dropout_op", [normal(3, 4), 0.5], lambda x, p: x, note="inference"),
    Case("dropout_op", [normal(3, 4), 1.0], lambda x, p: x, training=True, note="keep all"),
    Case("dropout_op", [BIG, 0.8], check=_kept(BIG, 0.8), training=True, onnx="random", note="training"),
    Case(
        "dropout_op",
        [BIG, 0.3, False, True],
        check=_kept(BIG, 0.3),
        training=True,
        onnx="random",
        note="other arguments",
    ),
    Case("dropout2d_op", [normal(2, 3, 2, 2), 0.5], lambda x, p: x, note="inference"),
    Case("dropout2d_op", [MAPS, 0.7], check=_kept(MAPS, 0.7, True), training=True, onnx="random", note="training"),
    *[Case("softmax_op", [x], softmax, torch=lambda x: x.softmax(-1), note=note) for x, note in ROWS],
    *[Case("log_softmax_op", [x], log_softmax, torch=lambda x: x.log_softmax(-1), note=note) for x, note in ROWS],
]
