"""A multilayer perceptron on flat images: 784, 512, 512, 10."""

import numpy as np

from .workload import Workload, normal, one_hot

WIDTHS = (784, 512, 512, 10)


def weights(rng, quick):
    pairs = list(zip(WIDTHS, WIDTHS[1:], strict=False))
    made = {f"w{i}": normal(rng, *pair) for i, pair in enumerate(pairs)}
    return made | {f"b{i}": np.zeros(pair[1], np.float32) for i, pair in enumerate(pairs)}


def data(rng, rows, w):
    return {"x": normal(rng, rows, 784, scale=1), "y": one_hot(rng, rows, 10)}


def hetu(ht, w, x):
    h = ht.relu_op(ht.linear_op(x["x"], w["w0"], w["b0"]))
    h = ht.relu_op(ht.linear_op(h, w["w1"], w["b1"]))
    return ht.linear_op(h, w["w2"], w["b2"])


def plain(w, x, new):
    import jax

    h = jax.nn.relu(x["x"] @ w["w0"] + w["b0"])
    h = jax.nn.relu(h @ w["w1"] + w["b1"])
    return h @ w["w2"] + w["b2"]


def torch(w, x, training):
    from torch import addmm, relu

    h = relu(addmm(w["b0"], x["x"], w["w0"]))
    h = relu(addmm(w["b1"], h, w["w1"]))
    return addmm(w["b2"], h, w["w2"])


WORKLOAD = Workload("MLP", weights, data, hetu, plain, torch)
