"""ResNet-18 on images of 3 x 32 x 32, with the first convolution of 3 x 3 that is usual for CIFAR."""

import numpy as np

from .workload import Workload, normal, one_hot

WIDTHS = (64, 128, 256, 512)


def weights(rng, quick):
    """A convolution and a batch norm for each place; `--quick` has narrow stages of one block."""
    widths, blocks = ((8, 16, 32, 64), 1) if quick else (WIDTHS, 2)
    made = _conv_norm(rng, "first", 3, widths[0], 3)
    before = widths[0]
    for stage, width in enumerate(widths):
        for block in range(blocks):
            name = f"{stage}.{block}"
            made |= _conv_norm(rng, f"{name}.a", before, width, 3) | _conv_norm(rng, f"{name}.b", width, width, 3)
            if before != width:
                made |= _conv_norm(rng, f"{name}.short", before, width, 1)
            before = width
    return made | {"w": normal(rng, before, 10), "bias": np.zeros(10, np.float32)}


def _conv_norm(rng, name, channels, width, side):
    numbers = {"mean": np.zeros, "var": np.ones, "scale": np.ones, "shift": np.zeros}
    made = {f"{name}.{key}": fill(width, np.float32) for key, fill in numbers.items()}
    return made | {f"{name}.conv": normal(rng, width, channels, side, side)}


def data(rng, rows, w):
    return {"x": normal(rng, rows, 3, 32, 32, scale=1), "y": one_hot(rng, rows, 10)}


def _network(w, images, conv_norm, relu, mean):
    """The net, put together from a library's functions."""
    images = relu(conv_norm("first", images, 1))
    for name in sorted({key.rpartition(".a.")[0] for key in w if ".a." in key}):
        stride = 2 if f"{name}.short.conv" in w else 1
        inner = relu(conv_norm(f"{name}.a", images, stride))
        inner = conv_norm(f"{name}.b", inner, 1)
        images = relu(inner + (conv_norm(f"{name}.short", images, stride) if stride == 2 else images))
    return mean(images)


def hetu(ht, w, x):
    def conv_norm(name, images, stride):
        filters = w[f"{name}.conv"]
        images = ht.conv2d_op(images, filters, padding=filters.shape[2] // 2, stride=stride)
        return ht.batch_normalization_op(images, w[f"{name}.scale"], w[f"{name}.shift"], momentum=0.1, eps=1e-5)

    features = _network(w, x["x"], conv_norm, ht.relu_op, lambda images: ht.reduce_mean_op(images, [2, 3]))
    return ht.linear_op(features, w["w"], w["bias"])


def plain(w, x, new):
    import jax

    def conv_norm(name, images, stride):
        filters = w[f"{name}.conv"]
        pad = filters.shape[2] // 2
        images = jax.lax.conv_general_dilated(images, filters, (stride, stride), ((pad, pad), (pad, pad)))
        mean, var = w[f"{name}.mean"], w[f"{name}.var"]
        if new is not None:
            old = mean, var
            mean, var = images.mean((0, 2, 3)), images.var((0, 2, 3))
            new[f"{name}.mean"], new[f"{name}.var"] = 0.9 * old[0] + 0.1 * mean, 0.9 * old[1] + 0.1 * var
        scale = w[f"{name}.scale"] * jax.lax.rsqrt(var + 1e-5)
        return (images - mean[:, None, None]) * scale[:, None, None] + w[f"{name}.shift"][:, None, None]

    features = _network(w, x["x"], conv_norm, jax.nn.relu, lambda images: images.mean((2, 3)))
    return features @ w["w"] + w["bias"]


def torch(w, x, training):
    from torch.nn import functional as F

    def conv_norm(name, images, stride):
        filters = w[f"{name}.conv"]
        images = F.conv2d(images, filters, stride=stride, padding=filters.shape[2] // 2)
        statistics = w[f"{name}.mean"], w[f"{name}.var"]
        return F.batch_norm(images, *statistics, w[f"{name}.scale"], w[f"{name}.shift"], training, 0.1, 1e-5)

    features = _network(w, x["x"], conv_norm, F.relu, lambda images: images.mean((2, 3)))
    return features @ w["w"] + w["bias"]


WORKLOAD = Workload("ResNet-18", weights, data, hetu, plain, torch, optimizer="momentum", tolerance=5e-3)
