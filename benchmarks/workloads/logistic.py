"""Logistic regression: hardly any work, so what a step costs is getting it started."""

import numpy as np

from .workload import Workload, normal, one_hot


def weights(rng, quick):
    return {"w": normal(rng, 784, 10), "b": np.zeros(10, np.float32)}


def data(rng, rows, w):
    return {"x": normal(rng, rows, 784, scale=1), "y": one_hot(rng, rows, 10)}


def hetu(ht, w, x):
    return ht.linear_op(x["x"], w["w"], w["b"])


def plain(w, x, new):
    return x["x"] @ w["w"] + w["b"]


def torch(w, x, training):
    return x["x"] @ w["w"] + w["b"]


WORKLOAD = Workload("logistic regression", weights, data, hetu, plain, torch)
