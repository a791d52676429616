"""A Transformer encoder over 64 places of 256 numbers: pre-norm, 4 heads, 4 layers (1 with `--quick`)."""

import math

import numpy as np

from .workload import Workload, normal, one_hot

PLACES, WIDTH, HEADS, INNER = 64, 256, 4, 1024
EPS = 1e-5


def weights(rng, quick):
    made = {"places": normal(rng, PLACES, WIDTH, scale=0.02), "head": normal(rng, WIDTH, 10)}
    shapes = {"q": (WIDTH, WIDTH), "k": (WIDTH, WIDTH), "v": (WIDTH, WIDTH), "o": (WIDTH, WIDTH)}
    shapes |= {"up": (WIDTH, INNER), "down": (INNER, WIDTH)}
    for layer in range(1 if quick else 4):
        made |= {f"{layer}.{name}": normal(rng, *shape) for name, shape in shapes.items()}
        made |= {f"{layer}.{name}.b": np.zeros(shape[1], np.float32) for name, shape in shapes.items()}
        for norm in ("n1", "n2"):
            made |= {f"{layer}.{norm}": np.ones(WIDTH, np.float32), f"{layer}.{norm}.b": np.zeros(WIDTH, np.float32)}
    return made


def data(rng, rows, w):
    return {"x": normal(rng, rows, PLACES, WIDTH, scale=1), "y": one_hot(rng, rows, 10)}


def _layers(w):
    return range(sum(name.endswith(".q") for name in w))


def hetu(ht, w, x):
    def dense(name, h):
        return ht.linear_op(h, w[name], w[f"{name}.b"])

    def norm(name, h):
        return ht.layer_normalization_op(h, w[name], w[f"{name}.b"], eps=EPS)

    attention = ht.layers.MultiHeadAttention(WIDTH, HEADS, PLACES)
    h = x["x"] + ht.broadcastto_op(w["places"], x["x"])
    h = ht.array_reshape_op(h, (-1, WIDTH))
    for i in _layers(w):
        a = norm(f"{i}.n1", h)
        h = h + dense(f"{i}.o", attention(dense(f"{i}.q", a), dense(f"{i}.k", a), dense(f"{i}.v", a)))
        h = h + dense(f"{i}.down", ht.gelu_op(dense(f"{i}.up", norm(f"{i}.n2", h))))
    h = ht.array_reshape_op(h, (-1, PLACES, WIDTH))
    return ht.matmul_op(ht.reduce_mean_op(h, [1]), w["head"])


def plain(w, x, new):
    import jax

    def dense(name, h):
        return h @ w[name] + w[f"{name}.b"]

    def norm(name, h):
        mean, var = h.mean(-1, keepdims=True), h.var(-1, keepdims=True)
        return (h - mean) * jax.lax.rsqrt(var + EPS) * w[name] + w[f"{name}.b"]

    def heads(name, h):
        return dense(name, h).reshape(-1, PLACES, HEADS, WIDTH // HEADS).transpose(0, 2, 1, 3)

    h = x["x"] + w["places"]
    for i in _layers(w):
        a = norm(f"{i}.n1", h)
        q, k, v = (heads(f"{i}.{name}", a) for name in "qkv")
        shares = jax.nn.softmax(q @ k.swapaxes(-1, -2) / math.sqrt(WIDTH // HEADS))
        h = h + dense(f"{i}.o", (shares @ v).transpose(0, 2, 1, 3).reshape(-1, PLACES, WIDTH))
        h = h + dense(f"{i}.down", jax.nn.gelu(dense(f"{i}.up", norm(f"{i}.n2", h)), approximate=False))
    return h.mean(1) @ w["head"]


def torch(w, x, training):
    from torch.nn import functional as F

    def dense(name, h):
        return F.linear(h, w[name].t(), w[f"{name}.b"])

    def norm(name, h):
        return F.layer_norm(h, (WIDTH,), w[name], w[f"{name}.b"], EPS)

    def heads(name, h):
        return dense(name, h).reshape(-1, PLACES, HEADS, WIDTH // HEADS).transpose(1, 2)

    h = x["x"] + w["places"]
    for i in _layers(w):
        a = norm(f"{i}.n1", h)
        context = F.scaled_dot_product_attention(*(heads(f"{i}.{name}", a) for name in "qkv"))
        h = h + dense(f"{i}.o", context.transpose(1, 2).reshape(-1, PLACES, WIDTH))
        h = h + dense(f"{i}.down", F.gelu(dense(f"{i}.up", norm(f"{i}.n2", h))))
    return h.mean(1) @ w["head"]


WORKLOAD = Workload("Transformer encoder", weights, data, hetu, plain, torch, optimizer="adam", rate=1e-4)
