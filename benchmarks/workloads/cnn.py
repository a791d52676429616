"""The CNN of Hetu's quick start: two convolutions of 5 x 5 with mean pooling, one dense layer."""

import numpy as np

from .workload import Workload, normal, one_hot


def weights(rng, quick):
    shapes = {"w1": (32, 1, 5, 5), "w2": (64, 32, 5, 5), "w3": (7 * 7 * 64, 10)}
    return {name: normal(rng, *shape) for name, shape in shapes.items()} | {"b3": np.zeros(10, np.float32)}


def data(rng, rows, w):
    return {"x": normal(rng, rows, 784, scale=1), "y": one_hot(rng, rows, 10)}


def hetu(ht, w, x):
    images = ht.array_reshape_op(x["x"], [-1, 1, 28, 28])
    for name in ("w1", "w2"):
        images = ht.relu_op(ht.conv2d_op(images, w[name], padding=2, stride=1))
        images = ht.avg_pool2d_op(images, kernel_H=2, kernel_W=2, padding=0, stride=2)
    logits = ht.matmul_op(ht.array_reshape_op(images, (-1, 7 * 7 * 64)), w["w3"])
    return logits + ht.broadcastto_op(w["b3"], logits)


def plain(w, x, new):
    import jax

    images = x["x"].reshape(-1, 1, 28, 28)
    for name in ("w1", "w2"):
        images = jax.nn.relu(jax.lax.conv_general_dilated(images, w[name], (1, 1), ((2, 2), (2, 2))))
        images = jax.lax.reduce_window(images, 0.0, jax.lax.add, (1, 1, 2, 2), (1, 1, 2, 2), "VALID") / 4
    return images.reshape(-1, 7 * 7 * 64) @ w["w3"] + w["b3"]


def torch(w, x, training):
    from torch.nn import functional as F

    images = x["x"].reshape(-1, 1, 28, 28)
    for name in ("w1", "w2"):
        images = F.avg_pool2d(F.relu(F.conv2d(images, w[name], padding=2)), 2)
    return F.linear(images.reshape(-1, 7 * 7 * 64), w["w3"].t(), w["b3"])


WORKLOAD = Workload("quick start CNN", weights, data, hetu, plain, torch)
