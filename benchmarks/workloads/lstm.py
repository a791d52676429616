"""An LSTM unrolled over the 28 rows of an image, as Hetu's example writes it: 28 numbers in, 128 units."""

import numpy as np

from .workload import Workload, normal, one_hot

STEPS, UNITS = 28, 128


def weights(rng, quick):
    made = {"wx": normal(rng, 28, 4 * UNITS), "wh": normal(rng, UNITS, 4 * UNITS), "w": normal(rng, UNITS, 10)}
    return made | {"b": np.zeros(4 * UNITS, np.float32), "bias": np.zeros(10, np.float32)}


def data(rng, rows, w):
    return {"x": normal(rng, rows, STEPS * 28, scale=1), "y": one_hot(rng, rows, 10)}


def hetu(ht, w, x):
    h = c = None
    for step in range(STEPS):
        gates = ht.linear_op(ht.slice_op(x["x"], (0, 28 * step), (-1, 28)), w["wx"], w["b"])
        gates = gates if h is None else gates + ht.matmul_op(h, w["wh"])
        i, f, g, o = (ht.slice_op(gates, (0, n * UNITS), (-1, UNITS)) for n in range(4))
        fresh = ht.sigmoid_op(i) * ht.tanh_op(g)
        c = fresh if c is None else ht.sigmoid_op(f) * c + fresh
        h = ht.sigmoid_op(o) * ht.tanh_op(c)
    return ht.linear_op(h, w["w"], w["bias"])


def plain(w, x, new):
    import jax
    import jax.numpy as jnp

    h = c = None
    for step in range(STEPS):
        gates = x["x"][:, 28 * step : 28 * step + 28] @ w["wx"] + w["b"]
        gates = gates if h is None else gates + h @ w["wh"]
        i, f, g, o = jnp.split(gates, 4, axis=1)
        fresh = jax.nn.sigmoid(i) * jnp.tanh(g)
        c = fresh if c is None else jax.nn.sigmoid(f) * c + fresh
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
    return h @ w["w"] + w["bias"]


def torch(w, x, training):
    from torch import addmm, sigmoid, tanh

    h = c = None
    for step in range(STEPS):
        gates = addmm(w["b"], x["x"][:, 28 * step : 28 * step + 28], w["wx"])
        gates = gates if h is None else addmm(gates, h, w["wh"])
        i, f, g, o = gates.chunk(4, 1)
        fresh = sigmoid(i) * tanh(g)
        c = fresh if c is None else sigmoid(f) * c + fresh
        h = sigmoid(o) * tanh(c)
    return addmm(w["bias"], h, w["w"])


WORKLOAD = Workload("unrolled LSTM", weights, data, hetu, plain, torch, optimizer="adam", rate=1e-3)
