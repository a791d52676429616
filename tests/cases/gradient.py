"""Rows for hetu_jax/ops/gradient.py, gradient_layout.py and the item_op of hetu_jax/gradients.py."""

import numpy as np
import pytest

from .case import Case, integers, normal, positive

KINKS = np.array([-2.0, -0.5, 0.0, 0.25, 3.0])
X, G = normal(3, 4), normal(3, 4, seed=1)
IMAGES, FILTERS = normal(2, 3, 7, 6), normal(4, 3, 3, 2)
STEPS = np.array([-2, -1, -0.75, -0.4, -0.25, 0, 0.25, 0.4, 0.5, 1, 1.5])
SURROGATE = "the surrogate's own slope is that of its pieces"


def autograd(forward, of, times):
    """The oracle by PyTorch: the gradient of `forward` at argument number `of`, times argument number `times`.

    forward: called with torch, torch.nn.functional and the arguments.
    """

    def reference(*args, **kwargs):
        torch = pytest.importorskip("torch")
        tensors = [torch.tensor(x) if isinstance(x, np.ndarray) else x for x in args]
        tensors[of].requires_grad_()
        value = forward(torch, torch.nn.functional, *tensors, **kwargs)
        return torch.autograd.grad(value, tensors[of], tensors[times].expand_as(value))[0].numpy()

    return reference


def _conv(t, f, x, filters, padding, stride):
    return f.conv2d(x, filters, padding=padding, stride=stride)


def _conv_data(filters, g, data, padding=0, stride=1):
    reference = autograd(lambda t, f, x, g: _conv(t, f, x, t.tensor(filters), padding, stride), 0, 1)
    return reference(np.zeros_like(data), g)


def _conv_filter(data, g, filters, padding=0, stride=1):
    reference = autograd(lambda t, f, w, g: _conv(t, f, t.tensor(data), w, padding, stride), 0, 1)
    return reference(np.zeros_like(filters), g)


def _with(array, rest):
    """A reference with one more argument for what 2021 does not say."""
    return lambda a, b, *settings, **named: rest(a, b, array, *settings, **named)


def _pool(name, **options):
    def forward(t, f, y, g, x, rows, columns, padding, stride):
        return getattr(f, name)(x, (rows, columns), stride, padding, **options)

    return autograd(forward, 2, 1)


def _bicubic(t, f, g, x, mode="bicubic", align_corners=False):
    return f.interpolate(x, size=tuple(g.shape[2:]), mode=mode, align_corners=align_corners)


def _batch_norm(g, x, scale, y, eps):
    torch = pytest.importorskip("torch")
    inputs = [torch.tensor(x), torch.tensor(scale.reshape(-1)), torch.zeros(scale.size, dtype=torch.float64)]
    for tensor in inputs:
        tensor.requires_grad_()
    value = torch.nn.functional.batch_norm(inputs[0], None, None, *inputs[1:], training=True, eps=eps)
    data, scales, bias = (part.numpy() for part in torch.autograd.grad(value, inputs, torch.tensor(g)))
    return [data, scales.reshape(scale.shape), bias.reshape(scale.shape)]


def _layer_norm(g, x, scale, y, eps):
    torch = pytest.importorskip("torch")
    inputs = [torch.tensor(a, requires_grad=True) for a in (x, scale, 0 * scale)]
    value = torch.nn.functional.layer_norm(inputs[0], scale.shape, *inputs[1:], eps=eps)
    return [part.numpy() for part in torch.autograd.grad(value, inputs, torch.tensor(g))]


def _softmax(x):
    e = np.exp(x)
    return e / e.sum(-1, keepdims=True)


def _placed(shape, places, values):
    """Zeros with `values` added at `places`."""
    out = np.zeros(shape)
    np.add.at(out, places, values)
    return out


def _dropout(g, keep_prob, y):
    return np.where(np.abs(y) > 1e-10, g / keep_prob, 0)


def _tril(x, offset=0):
    n = next(n for n in range(1, 99) if len(np.tril_indices(n, offset)[0]) == x.shape[-1])
    out = np.zeros((*x.shape[:-1], n, n))
    out[(..., *np.tril_indices(n, offset))] = x
    return out


BATCH_NORM = [normal(4, 3, 2, 2), normal(4, 3, 2, 2, seed=1), positive(3), normal(4, 3, 2, 2, seed=2), 1e-5]
LAYER_NORM = [normal(2, 3, 5), normal(2, 3, 5, seed=1), positive(5), normal(2, 3, 5, seed=2), 0.01]
THREE = [normal(2, 3), normal(3), normal(3, seed=1)]
LABELS = _softmax(normal(3, 4, seed=3)).astype(np.float32).astype(float)
PROBABILITIES = _softmax(X).astype(np.float32).astype(float)
IDS = np.int32([2, -1, 0])
LOSS_G = normal(3, seed=4)
CUT = "labels get no gradient"


def _ignored(loss, x, ids, ignored_index, log):
    """A sparse loss of torch: zero where the id is ignored."""
    return loss.nll_loss(log(x), ids, ignore_index=ignored_index, reduction="none")


ELEMENTWISE = [
    Case("abs_gradient_op", [X, G], lambda x, g: np.sign(x) * g),
    Case("abs_gradient_op", [KINKS, np.ones(5)], lambda x, g: np.sign(x) * g, grad="a kink", note="kink"),
    Case("relu_gradient_op", [X, G], lambda x, g: (x > 0) * g),
    Case("relu_gradient_op", [KINKS, np.ones(5)], lambda x, g: g * (np.sign(x) + 1) / 2, grad="a kink", note="kink"),
    Case("leaky_relu_gradient_op", [X, G, 0.1], lambda x, g, a: np.where(x > 0, g, a * g)),
    Case(
        "leaky_relu_gradient_op",
        [KINKS, np.ones(5), 0.1],
        lambda x, g, a: np.where(x >= 0, g, a),
        grad="a kink",
        note="kink",
    ),
    Case("gelu_gradient_op", [X, G], autograd(lambda t, f, x, g: f.gelu(x), 0, 1)),
    Case("pow_gradient_op", [positive(3, 4), G, 2.5], lambda x, g, p: p * x ** (p - 1) * g),
    Case("pow_gradient_op", [X, G, 2], lambda x, g, p: 2 * x * g, note="square"),
    Case("log_grad_op", [G, positive(3, 4)], lambda g, x: g / x),
    Case(
        "log_grad_op",
        [np.ones(3), np.array([-1.0, 0, 0.5]), 0.01],
        lambda g, x, eps: g / np.maximum(x, eps),
        grad="a kink",
        note="below eps",
    ),
    Case("tanh_gradient_op", [np.tanh(X), G], lambda y, g: (1 - y * y) * g),
    Case("const_pow_gradient_op", [3**X, G, 3], lambda y, g, c: y * np.log(c) * g),
    Case(
        "binary_step_gradient_op",
        [STEPS],
        lambda x: np.where(np.abs(x) <= 0.4, 2 - 4 * np.abs(x), 0.4 * (np.abs(x) <= 1)),
        rtol=1e-5,
        grad=SURROGATE,
    ),
    *[
        Case(
            "norm_gradient_op",
            [X, np.sum(np.abs(X) ** p, 1, keepdims=True) ** (1 / p), normal(3, 1), 1, p],
            autograd(lambda t, f, x, y, g, axis, p: x.norm(p, axis, keepdim=True), 0, 2),
            note=f"p {p}",
        )
        for p in (1, 2, 3)
    ],
    Case(
        "norm_gradient_op",
        [X, normal(4), normal(4, seed=2), 0, 2],
        autograd(lambda t, f, x, y, g, axis, p: x.norm(p, axis), 0, 2),
        note="dropped",
    ),
    Case(
        "norm_gradient_op",
        [np.zeros((2, 3)), np.zeros((2, 1)), np.ones((2, 1)), 1, 2],
        lambda x, *_: 0 * x,
        grad="a kink",
        note="zeros",
    ),
    Case("addmm_gradient_op", [normal(4), G, 0.5], lambda a, g, beta: beta * g.sum(0), note="vector"),
    Case("addmm_gradient_op", [X, G], lambda a, g: g),
]

CONVOLUTION = [
    Case("conv2d_gradient_of_data_op", [FILTERS, normal(2, 4, 5, 5), IMAGES], _conv_data, note="2023"),
    Case("conv2d_gradient_of_data_op", [FILTERS, normal(2, 4, 4, 4), IMAGES, 1, 2], _conv_data, note="2023 remainder"),
    Case(
        "conv2d_gradient_of_data_op",
        [FILTERS, normal(2, 4, 4, 5), IMAGES, (1, 0), (2, 1)],
        _conv_data,
        note="2023 pairs",
    ),
    Case("conv2d_gradient_of_data_op", [FILTERS, normal(2, 4, 5, 5)], _with(IMAGES, _conv_data), note="2021"),
    Case(
        "conv2d_gradient_of_data_op", [FILTERS, normal(2, 4, 7, 7), 1], _with(IMAGES, _conv_data), note="2021 padding"
    ),
    Case(
        "conv2d_gradient_of_data_op",
        [FILTERS, normal(2, 4, 4, 4), 1, 2],
        _with(normal(2, 3, 7, 6), _conv_data),
        note="2021 stride",
    ),
    Case(
        "conv2d_gradient_of_data_op",
        [FILTERS, normal(2, 4, 4, 4)],
        _with(IMAGES, _conv_data),
        kwargs={"padding": 1, "stride": 2},
        note="2021 by name",
    ),
    Case("conv2d_gradient_of_filter_op", [IMAGES, normal(2, 4, 5, 5), FILTERS], _conv_filter, note="2023"),
    Case("conv2d_gradient_of_filter_op", [IMAGES, normal(2, 4, 4, 4), FILTERS, 1, 2], _conv_filter, note="2023 stride"),
    Case("conv2d_gradient_of_filter_op", [IMAGES, normal(2, 4, 5, 5)], _with(FILTERS, _conv_filter), note="2021"),
    Case(
        "conv2d_gradient_of_filter_op",
        [IMAGES, normal(2, 4, 4, 4), 1, 2],
        _with(FILTERS, _conv_filter),
        note="2021 stride",
    ),
    Case(
        "avg_pool2d_gradient_op",
        [normal(2, 3, 4, 3), normal(2, 3, 4, 3, seed=1), IMAGES, 2, 3, 1, 2],
        _pool("avg_pool2d", count_include_pad=True),
    ),
    Case(
        "max_pool2d_gradient_op",
        [normal(2, 3, 4, 4), normal(2, 3, 4, 4, seed=1), IMAGES, 3, 2, 1, 2],
        _pool("max_pool2d"),
    ),
    Case("interpolate_grad_op", [normal(1, 2, 5, 7), normal(1, 2, 3, 4)], autograd(_bicubic, 1, 0)),
    Case(
        "interpolate_grad_op",
        [normal(1, 2, 5, 3), normal(1, 2, 3, 4)],
        autograd(_bicubic, 1, 0),
        kwargs={"align_corners": True},
        note="corners",
    ),
]

NORMALISATION = [
    Case("batch_normalization_gradient_op", BATCH_NORM, _batch_norm, rtol=1e-4),
    Case(
        "batch_normalization_gradient_op",
        [*BATCH_NORM[:2], positive(1, 3, 1, 1), *BATCH_NORM[3:]],
        _batch_norm,
        rtol=1e-4,
        note="2021 scale",
    ),
    Case("batch_normalization_gradient_of_data_op", [THREE, normal(2, 3)], lambda three, like: three[0]),
    Case(
        "batch_normalization_gradient_of_scale_op",
        [THREE, normal(1, 3, 1)],
        lambda three, like: three[1].reshape(1, 3, 1),
    ),
    Case("batch_normalization_gradient_of_bias_op", [THREE, normal(3)], lambda three, like: three[2]),
    Case("layer_normalization_gradient_op", LAYER_NORM, _layer_norm, rtol=1e-4),
    Case("layer_normalization_gradient_of_data_op", [THREE, normal(2, 3)], lambda three, like: three[0]),
    Case("layer_normalization_gradient_of_scale_op", [THREE, normal(3)], lambda three, like: three[1]),
    Case("layer_normalization_gradient_of_bias_op", [THREE, normal(3)], lambda three, like: three[2]),
    Case(
        "instance_normalization2d_gradient_op",
        [IMAGES[::-1], IMAGES, IMAGES, 0.01],
        autograd(lambda t, f, g, x, y, eps: f.instance_norm(x, eps=eps), 1, 0),
        rtol=1e-4,
    ),
    *[
        Case(
            op,
            [G, 0.8, X * (G > 0)],
            _dropout,
            training=True,
            grads=lambda g, x, keep, y: [_dropout(g, keep, y), 0 * y],
        )
        for op in ("dropout_gradient_op", "dropout_gradient_recompute_op")
    ],
    Case("dropout_gradient_op", [G, 0.8, X * (G > 0)], lambda g, keep, y: g, note="inference"),
    Case("dropout_gradient_op", [G, 1.0, X * (G > 0)], lambda g, keep, y: g, training=True, note="nothing dropped"),
    Case(
        "dropout2d_gradient_op",
        [normal(2, 2, 3, 1), 0.5, np.float64([[[[1], [0], [2]], [[0], [0], [0]]], [[[0], [0], [0]], [[0], [0], [3]]]])],
        lambda g, keep, y: g / keep * np.float64([[1, 0], [0, 1]])[:, :, None, None],
        training=True,
        grad="a mask",
    ),
    Case("softmax_gradient_op", [_softmax(X), G], lambda y, g: y * (g - (g * y).sum(-1, keepdims=True))),
    Case(
        "softmax_gradient_op",
        [_softmax(normal(2, 3, 4)), normal(2, 3, 4, seed=1)],
        lambda y, g: y * (g - (g * y).sum(-1, keepdims=True)),
        note="three axes",
    ),
    Case("log_softmax_gradient_op", [np.log(_softmax(X)), G], lambda y, g: g - np.exp(y) * g.sum(-1, keepdims=True)),
]

LOSSES = [
    Case(
        "softmaxcrossentropy_gradient_op",
        [X, LABELS, LOSS_G],
        lambda x, t, g: (_softmax(x) * t.sum(-1, keepdims=True) - t) * g[:, None],
        grad=CUT,
    ),
    Case(
        "softmaxcrossentropy_sparse_gradient_op",
        [X, IDS, LOSS_G],
        autograd(lambda t, f, x, ids, g: _ignored(f, x, ids, -1, lambda x: f.log_softmax(x, -1)), 0, 2),
    ),
    Case("crossentropy_gradient_op", [LOSS_G, PROBABILITIES, LABELS], lambda g, y, t: -t / y * g[:, None], grad=CUT),
    Case(
        "crossentropy_sparse_gradient_op",
        [LOSS_G, PROBABILITIES, IDS, -1],
        autograd(lambda t, f, g, y, ids, ignored: _ignored(f, y, ids, ignored, t.log), 1, 0),
    ),
    Case(
        "binarycrossentropy_gradient_op",
        [PROBABILITIES, LABELS, G],
        lambda p, t, g: (p - t) / (p * (1 - p)) * g,
        grad=CUT,
    ),
    Case(
        "binarycrossentropywithlogits_gradient_op",
        [X, LABELS, G],
        lambda x, t, g: (1 / (1 + np.exp(-x)) - t) * g,
        grad=CUT,
    ),
    Case("nll_loss_grad_op", [normal(1), np.int32([1, 0, 2, 1]), 3], lambda g, ids, cols: -g / 4 * np.eye(cols)[ids]),
]

LAYOUT = [
    Case("array_reshape_gradient_op", [X, normal(6, 2)], lambda x, g: g.reshape(3, 4)),
    Case("concat_gradient_op", [normal(2, 7), normal(2, 3), 1, 0], lambda g, x, axis, idx: g[:, :3], note="first"),
    Case("concat_gradient_op", [normal(2, 7), normal(2, 3), 1, 1], lambda g, x, axis, idx: g[:, 4:], note="second"),
    Case("concatenate_gradient_op", [normal(2, 7), normal(2, 3), 1], lambda g, x, axis: g[:, :3], note="start"),
    Case(
        "concatenate_gradient_op",
        [normal(2, 7), normal(2, 3), -1],
        lambda g, x, axis, offset: g[:, 2:5],
        kwargs={"offset": 2},
        note="offset",
    ),
    Case(
        "split_gradient_op", [normal(2, 3), [1], [1], [3]], lambda g, *_: _placed((2, 9), (slice(None), slice(3, 6)), g)
    ),
    Case(
        "split_gradient_op",
        [normal(2, 3), [0, 1], [0, 1], [2, 2]],
        lambda g, *_: _placed((4, 6), (slice(2), slice(3, 6)), g),
        note="two axes",
    ),
    Case(
        "slice_gradient_op",
        [normal(2, 3), [1, 0], [4, 3]],
        lambda g, begin, size: _placed(size, (slice(1, 3), slice(3)), g),
    ),
    Case("pad_gradient_op", [normal(1, 2, 5, 6), [[0, 0], [0, 0], [1, 2], [0, 3]]], lambda g, pads: g[:, :, 1:3, :3]),
    Case("pad_gradient_op", [normal(1, 2, 5, 6), [[1, 1]]], lambda g, pads: g[..., 1:5], note="last axis"),
    Case(
        "pad_gradient_op",
        [np.arange(5.0), [[1, 1]], "REFLECT"],
        lambda g, pads, mode: np.array([1.0, 2 + 0 + 4, 3]),
        note="reflect",
    ),
    Case("repeat_gradient_op", [normal(2, 3), normal(4, 9)], lambda x, g: g.reshape(2, 2, 3, 3).sum((0, 2))),
    Case("repeat_gradient_op", [normal(3), normal(2, 3)], lambda x, g: g.sum(0), note="new axis"),
    Case("tril_lookup_gradient_op", [normal(2, 6)], _tril),
    Case("tril_lookup_gradient_op", [normal(2, 3), -1], _tril, note="below"),
    Case("tril_lookup_gradient_op", [normal(2, 8), 1], _tril, note="above"),
    Case(
        "gather_gradient_op",
        [normal(3, 4), normal(2, 4), 0, integers(3, 2, 4)],
        autograd(lambda t, f, x, g, dim, i: x.gather(dim, i), 0, 1),
    ),
    Case(
        "gather_gradient_op",
        [normal(3, 4), normal(3, 5), -1, integers(4, 3, 5) * 1.0],
        lambda x, g, dim, i: _placed((3, 4), (np.arange(3)[:, None], i.astype(int)), g),
        grad="float indices",
        note="float indices",
    ),
    Case(
        "slice_by_matrix_gradient_op",
        [normal(2, 3, 4), normal(5, 4), np.int32([0, 1, 1, 0, 1]), np.int32([2, 0, 0, 2, 1])],
        lambda x, g, i, j: _placed(x.shape, (i, j), g),
    ),
    Case("scatter1d_grad_op", [normal(4), np.int32([2, 0, 3, 1])], lambda g, i: g[i]),
    Case("indexing_grad_op", [normal(4, 2), np.int32([2, 0, 2, 1])], lambda g, i: _placed((4, 2), i, g)),
    Case(
        "embedding_lookup_gradient_op",
        [normal(2, 3, 2), np.int32([[0, 4, 0], [-1, 2, 5]]), (5, 2)],
        lambda v, i, shape: _placed((7, 2), np.where(i < 0, 6, i), v)[:5],
    ),
    Case(
        "sammax_grad_op",
        [normal(2, 4), normal(2, 4, seed=1), np.int32([[0], [1]]), np.int32([[1], [2]]), 2],
        lambda g, x, group, reference, n: (
            g * (x > np.take_along_axis(x, reference, 1)) * np.float64([[0, 0, 1, 1], [1, 1, 0, 0]])
        ),
    ),
    Case("item_op", [[X, G], 1], lambda parts, i: parts[i], note="of a list"),
    Case("item_op", [X, (slice(1, 3), 0)], lambda x, i: x[i], torch=lambda x, i: x[i], note="of an array"),
    Case("item_op", [X, (1, 2)], lambda x, i: x[i].reshape(1), note="one element"),
]

CASES = [*ELEMENTWISE, *CONVOLUTION, *NORMALISATION, *LOSSES, *LAYOUT]
