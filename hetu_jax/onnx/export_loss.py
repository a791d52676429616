"""The ONNX forms of `ops/loss.py`."""

import numpy as np

from .registry import exporter


def _sum_of_products(g, labels, logarithms):
    # ONNX Runtime miscounts a negative axis where the batch is empty; one row alone gives (1,).
    return g.Neg(g.ReduceSum(g.Mul(labels, logarithms), [labels.rank - 1], keepdims=int(labels.rank == 1)))


def _picked(g, scores, ids):
    """The score of each id along the last axis; NaN for an id outside."""
    inside = g.Clip(ids, 0, g.last(scores, -1))
    if scores.rank == 1:  # one row alone
        return g.Where(g.Equal(ids, inside), g.Gather(scores, g.reshape(inside, [1])), np.nan)
    found = g.GatherElements(scores, g.Unsqueeze(inside, [-1]), axis=scores.rank - 1)
    return g.Where(g.Equal(ids, inside), g.Squeeze(found, [-1]), np.nan)


@exporter
def softmaxcrossentropy_op(g, node_A, node_B, use_cudnn):
    return _sum_of_products(g, g.cast(node_B, node_A.dtype), g.LogSoftmax(node_A, axis=-1))


@exporter
def softmaxcrossentropy_sparse_op(g, node_A, node_B, ignored_index):
    ids = g.ids(node_B)
    if not g.guard_ids and node_A.rank == 2:
        return g.SoftmaxCrossEntropyLoss(node_A, ids, ignore_index=int(ignored_index), reduction="none")
    ignored = g.Equal(ids, int(ignored_index))
    logarithms = g.shaped(g.LogSoftmax(node_A, axis=-1), node_A.shape)
    return g.Where(ignored, 0, g.Neg(_picked(g, logarithms, g.Where(ignored, 0, ids))))


@exporter
def crossentropy_op(g, node_y, node_y_):
    labels = g.cast(node_y_, node_y.dtype)
    return _sum_of_products(g, labels, g.Log(g.Where(g.Equal(labels, 0), 1, node_y)))


@exporter
def crossentropy_sparse_op(g, node_y, node_y_, ignored_index):
    ids = g.ids(node_y_)
    ignored = g.Or(g.Equal(ids, int(ignored_index)), g.Less(ids, 0))
    return g.Neg(g.Log(g.Where(ignored, 1, _picked(g, node_y, g.Where(ignored, 0, ids)))))


@exporter
def binarycrossentropy_op(g, node_A, node_B):
    labels = g.cast(node_B, node_A.dtype)
    hit = g.Mul(labels, g.Log(g.Add(node_A, 1e-12)))
    miss = g.Mul(g.Sub(1, labels), g.Log(g.Add(g.Sub(1, node_A), 1e-12)))
    return g.Neg(g.Add(hit, miss))


@exporter
def binarycrossentropywithlogits_op(g, inputs, targets):
    miss = g.Mul(g.Sub(1, g.cast(targets, inputs.dtype)), inputs)
    return g.Add(miss, g.Softplus(g.Neg(inputs)))


@exporter
def nll_loss_op(g, input, target, cols):
    return g.Neg(g.reduce("ReduceMean", _picked(g, input, g.ids(target)), [0], True))
