"""What newcomers do wrong, and what they are told: the line of their script, what was found and what to do."""

import traceback
import warnings
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import hetu_jax as ht
from hetu_jax.errors import (
    CheckpointError,
    DataNotFoundError,
    FeedError,
    GraphError,
    OnnxExportError,
    OnnxImportError,
    OpError,
)
from hetu_jax.onnx import hetu2onnx, onnx2hetu

# What the scripts below find: a model of 4 numbers and 3 classes, and batches of 8 samples.
MODEL = """\
x, y_ = ht.Variable("x"), ht.Variable("y_")
w = ht.Variable("w", value=np.ones((4, 3)))
scores = ht.matmul_op(x, w)
loss = ht.reduce_mean_op(ht.softmaxcrossentropy_op(scores, y_), [0])
images, classes = np.ones((8, 4), np.float32), np.arange(8) % 3
labels = np.eye(3, dtype=np.float32)[classes]
"""


OP_AS_A_CLASS = """
        from hetu_jax.{module} import Op
        class MyOp(Op):
            def __init__(self, node, ctx=None):
                super().__init__(MyOp, [node], ctx)
        MyOp(scores)
        """
LINES = {"x": 1, "w": 2, "scores": 3, "loss": 4}


class Mistake(NamedTuple):
    """A script, the line that is to be named (its number, or a node of the model), and parts of the message."""

    script: str
    line: int | str
    error: type[Exception]
    said: tuple[str, ...]


def mistake(script: str, line: int | str, error: type[Exception], *said: str) -> Mistake:
    return Mistake(script.strip("\n"), line, error, said)


SHAPES = {
    "flat images into a convolution": mistake(
        """
        f = ht.Variable("f", value=np.ones((6, 1, 3, 3)))
        y = ht.conv2d_op(x, f, padding=1)
        ht.Executor([y]).run(feed_dict={x: np.ones((8, 784))})
        """,
        2,
        OpError,
        "the input (N, C, H, W) must have 4 axes, not 2 as shape (8, 784) has",
        "array_reshape_op",
        "input 'x': float32[8, 784]",
        "signature: conv2d_op(node_A, node_B, padding=0, stride=1",
    ),
    "channels last into a convolution": mistake(
        """
        f = ht.Variable("f", value=np.ones((6, 3, 5, 5)))
        y = ht.conv2d_op(x, f)
        ht.Executor([y]).run(feed_dict={x: np.ones((8, 32, 32, 3))})
        """,
        2,
        OpError,
        "the input (8, 32, 32, 3) has 32 channels (axis 1), and the filter (6, 3, 5, 5) is for 3",
        "transpose_op(x, [0, 3, 1, 2])",
    ),
    "a filter for other channels": mistake(
        """
        f = ht.Variable("f", value=np.ones((6, 3, 3, 3)))
        y = ht.conv2d_op(x, f, padding=1)
        ht.Executor([y]).run(feed_dict={x: np.ones((8, 1, 28, 28))})
        """,
        2,
        OpError,
        "the input (8, 1, 28, 28) has 1 channels (axis 1), and the filter (6, 3, 3, 3) is for 3",
        "make them agree",
    ),
    "a window larger than the image": mistake(
        """
        y = ht.max_pool2d_op(x, 5, 5, 0, 1)
        ht.Executor([y]).run(feed_dict={x: np.ones((2, 4, 3, 3))})
        """,
        1,
        OpError,
        "a window of (5, 5) does not fit into images of (3, 3) padded by (0, 0)",
        "smaller window",
    ),
    "a product of shapes that do not fit": mistake(
        """
        ht.Executor([scores]).run(feed_dict={x: np.ones((8, 5))})
        """,
        "scores",
        OpError,
        "the rows of A have 5 elements and the columns of B 4, in (8, 5) @ (4, 3)",
        "trans_A and trans_B",
    ),
    "a sum of shapes that do not broadcast": mistake(
        """
        y = scores + np.ones(4, np.float32)
        ht.Executor([y]).run(feed_dict={x: images})
        """,
        1,
        OpError,
        "(8, 3), (4,)",
        "lengths must be equal, or one of them 1, counted from the last axis",
    ),
    "a reshape to another number of elements": mistake(
        """
        y = ht.array_reshape_op(x, [-1, 100])
        ht.Executor([y]).run(feed_dict={x: np.ones((8, 784))})
        """,
        1,
        OpError,
        "cannot reshape array of shape (8, 784)",
        "as many elements",
    ),
    "a mean over an axis that there is not": mistake(
        """
        y = ht.reduce_mean_op(x, [2])
        ht.Executor([y]).run(feed_dict={x: images})
        """,
        1,
        OpError,
        "axis 2 is out of range for an array of shape (8, 4)",
        "axes count from 0",
    ),
    "labels that are not one-hot": mistake(
        """
        ht.Executor([loss]).run(feed_dict={x: images, y_: classes})
        """,
        "loss",
        OpError,
        "predictions (8, 3) and labels (8,) must have one shape",
        "these are class numbers, so make them one-hot with one_hot_op",
    ),
    "labels of other classes": mistake(
        """
        ht.Executor([loss]).run(feed_dict={x: images, y_: np.ones((8, 10))})
        """,
        "loss",
        OpError,
        "predictions (8, 3) and labels (8, 10) must have one shape",
        "one column for each class",
    ),
    "one-hot labels for a sparse loss": mistake(
        """
        y = ht.softmaxcrossentropy_sparse_op(scores, y_)
        ht.Executor([y]).run(feed_dict={x: images, y_: labels})
        """,
        1,
        OpError,
        "class numbers for predictions (8, 3) must have shape (8,), not (8, 3)",
        "for one-hot labels the loss without _sparse",
    ),
    "labels without the column that the predictions have": mistake(
        """
        p = ht.sigmoid_op(ht.reduce_mean_op(scores, [1], keepdims=True))
        y = ht.binarycrossentropy_op(p, y_)
        ht.Executor([y]).run(feed_dict={x: images, y_: np.ones(8)})
        """,
        2,
        OpError,
        "predictions (8, 1) and labels (8,) must have one shape",
        "array_reshape_op(labels, [8, 1])",
    ),
    "batch normalisation of one sample": mistake(
        """
        scale, bias = ht.Variable("scale", value=np.ones(4)), ht.Variable("bias", value=np.zeros(4))
        y = ht.reduce_mean_op(ht.batch_normalization_op(x, scale, bias), [0, 1])
        train = ht.optim.SGDOptimizer(0.1).minimize(y)
        ht.Executor([y, train]).run(feed_dict={x: images[:1]})
        """,
        2,
        UserWarning,
        "trains on (1, 4), one value for each channel",
        "take batches of two samples or more",
    ),
    "the probability to drop in place of that to keep": mistake(
        """
        y = ht.dropout_op(x, 0)
        ht.Executor([y]).run(feed_dict={x: images})
        """,
        1,
        OpError,
        "keep_prob is the probability to KEEP an element, in (0, 1], not 0",
    ),
}

FEEDS = {
    "no feed_dict": mistake(
        """
        ht.Executor([scores]).run()
        """,
        "x",
        FeedError,
        "Placeholder 'x'",
        "has no value: pass one in feed_dict, as executor.run(feed_dict={x: array})",
    ),
    "names as keys": mistake(
        """
        ht.Executor([scores]).run(feed_dict={"x": images})
        """,
        "x",
        FeedError,
        "'x' is no node: the keys of feed_dict are placeholders, not names",
    ),
    "feeds in the place of the group": mistake(
        """
        executor = ht.Executor([scores])
        executor.run({x: images})
        """,
        2,
        GraphError,
        "run takes the name of a group first, not a dict: write run(feed_dict=...)",
    ),
    "feeds in the place of the nodes": mistake(
        """
        executor = ht.Executor({"train": [scores]})
        executor.run("train", {x: images})
        """,
        2,
        GraphError,
        "the nodes of group 'train' are given as a dict, not a list",
        "what is to be fed goes into feed_dict=",
    ),
    "a list of feeds": mistake(
        """
        executor = ht.Executor([scores])
        executor.run(feed_dict=[images])
        """,
        2,
        FeedError,
        "feed_dict must be a dict from placeholders to arrays, not a list",
    ),
    "a feed that the group has no use for": mistake(
        """
        ht.Executor({"predict": [scores]}).run("predict", feed_dict={x: images, y_: labels})
        """,
        "x",
        FeedError,
        "Placeholder 'y_'",
        "is no part of group 'predict': leave it out of feed_dict",
    ),
    "a Variable with a value": mistake(
        """
        ht.Executor([scores]).run(feed_dict={x: images, w: np.zeros((4, 3))})
        """,
        "w",
        FeedError,
        "Variable 'w'",
        "has a value, so it cannot be fed: set w.tensor_value = array",
    ),
    "a node as a value": mistake(
        """
        z = ht.Variable("z")
        ht.Executor([z * 2.0]).run(feed_dict={z: scores})
        """,
        1,
        TypeError,
        "the value fed to Placeholder 'z'",
        "must be an array of numbers, not <matmul_op",
        "fetch that in a run first",
    ),
    "lists of several lengths": mistake(
        """
        z = ht.Variable("z")
        ht.Executor([z * 2.0]).run(feed_dict={z: [[1, 2], [3]]})
        """,
        1,
        TypeError,
        "must be an array of numbers: lists in it differ in length",
    ),
    "words": mistake(
        """
        z = ht.Variable("z")
        ht.Executor([z * 2.0]).run(feed_dict={z: ["one", "two"]})
        """,
        1,
        TypeError,
        "must be an array of numbers, not <U3 (shape (2,))",
    ),
    "int64 numbers that float32 has not": mistake(
        """
        ids = ht.Variable("ids")
        ht.Executor([ids * 2.0]).run(feed_dict={ids: np.array([20_000_001], np.int64)})
        """,
        1,
        ValueError,
        "the value fed to Placeholder 'ids'",
        "has integers above 16,777,216, which float32 cannot hold: give it dtype=np.int32",
    ),
    "an unknown group": mistake(
        """
        executor = ht.Executor({"train": [loss], "validate": [scores]})
        executor.run("trian", feed_dict={x: images, y_: labels})
        """,
        2,
        GraphError,
        "this Executor has no group 'trian'; it has 'train', 'validate'; did you mean train?",
    ),
    "no group where there are several": mistake(
        """
        executor = ht.Executor({"train": [loss], "validate": [scores]})
        executor.run(feed_dict={x: images, y_: labels})
        """,
        2,
        GraphError,
        "no group 'default'; it has 'train', 'validate': name one of them",
    ),
}

NODES = {
    "asnumpy of a node": mistake(
        """
        scores.asnumpy()
        """,
        "scores",
        AttributeError,
        "matmul_op 'Matmul",
        "has no attribute 'asnumpy': it is a node of the graph",
        "value, = executor.run(feed_dict={...})",
    ),
    "asnumpy of a Variable": mistake(
        """
        w.asnumpy()
        """,
        "w",
        AttributeError,
        "Variable 'w'",
        "w.tensor_value.asnumpy()",
    ),
    "backward": mistake(
        """
        loss.backward()
        """,
        1,
        AttributeError,
        "has no attribute 'backward'",
        "ht.gradients or an optimizer's minimize",
    ),
    "a method of arrays": mistake(
        """
        scores.reshape(3, 8)
        """,
        1,
        AttributeError,
        "has no attribute 'reshape': use ht.array_reshape_op",
    ),
    "if node": mistake(
        """
        if loss:
            pass
        """,
        1,
        UserWarning,
        "is a node of the graph, which always counts as true",
        "write `is not None`",
    ),
    "comparing a node": mistake(
        """
        small = loss < 0.1
        """,
        1,
        TypeError,
        "so it cannot be compared: use ht.bool_op",
        "executor.run(feed_dict={...})",
    ),
    "a function of NumPy": mistake(
        """
        y = np.exp(scores)
        """,
        1,
        TypeError,
        "so it cannot go through numpy.exp: use ht.exp_op",
    ),
    "a reduction of NumPy": mistake(
        """
        y = np.mean(scores)
        """,
        1,
        TypeError,
        "so it cannot go through numpy.mean: use ht.reduce_mean_op",
    ),
    "a node as an array": mistake(
        """
        y = np.array(scores)
        """,
        1,
        TypeError,
        "so it cannot become a NumPy array: fetch it with an Executor",
    ),
    "a node as a number": mistake(
        """
        print("%f" % loss)
        """,
        1,
        TypeError,
        "so it cannot become a number: fetch it with an Executor",
    ),
    "assigning to a part of a node": mistake(
        """
        scores[0] = 1
        """,
        1,
        TypeError,
        "so it cannot be assigned to: build the new value with ht.where_op",
    ),
    "an op under another version's name": mistake(
        """
        y = ht.softmax_cross_entropy_op(scores, y_)
        """,
        1,
        AttributeError,
        "hetu_jax has no 'softmax_cross_entropy_op'; did you mean softmaxcrossentropy_op",
    ),
    "an initializer with a typing error": mistake(
        """
        v = ht.init.xavier_norml((4, 3), name="v")
        """,
        1,
        AttributeError,
        "hetu_jax.initializers has no 'xavier_norml'; did you mean xavier_normal",
    ),
    "an argument that the op has not": mistake(
        """
        y = ht.conv2d_op(x, w, pading=1)
        """,
        1,
        TypeError,
        "conv2d_op(node_A, node_B, padding=0, stride=1, ctx=None, *, name=None)",
        "unexpected keyword argument 'pading'",
    ),
    "a shape as several arguments": mistake(
        """
        y = ht.array_reshape_op(x, -1, 100)
        """,
        1,
        TypeError,
        "ctx must be a device such as ht.cpu(0) or 'gpu:0', or a list of devices, not 100",
    ),
    "an array in the place of the name": mistake(
        """
        v = ht.Variable(images)
        """,
        1,
        TypeError,
        "the first argument of Variable is its name, a string, not ndarray",
        "ht.Variable('w', value=array)",
    ),
    "an argument that Variable has not": mistake(
        """
        v = ht.Variable("v", vlaue=images)
        """,
        1,
        TypeError,
        "Variable 'v' has no argument 'vlaue'; did you mean value?",
    ),
    "an initializer that is a function": mistake(
        """
        v = ht.Variable("v", initializer=ht.init.GenZeros())
        """,
        1,
        TypeError,
        "the initializer of Variable 'v' must be an object with a shape, such as ht.init.ZerosInit((3, 4))",
        "ht.init.zeros((3, 4), name='v')",
    ),
    "an initializer by its name": mistake(
        """
        v = ht.Variable("v", initializer="zeros")
        """,
        1,
        TypeError,
        "must be an object with a shape, such as ht.init.ZerosInit((3, 4)), not 'zeros'",
    ),
    "an op as a class": mistake(
        OP_AS_A_CLASS.format(module="gpu_ops.Node"),
        4,
        GraphError,
        "an op is no class here",
        "@op, as docs/faq.md shows",
    ),
    "an op as a class of the graph's own": mistake(
        OP_AS_A_CLASS.format(module="graph"),
        4,
        GraphError,
        "an op is no class here",
    ),
    "an Executor over nothing": mistake("ht.Executor({})", 1, GraphError, "Executor got no nodes: give it a list"),
    "an Executor over an empty list": mistake("ht.Executor([])", 1, GraphError, "Executor got no nodes"),
    "a way to communicate that there is not": mistake(
        """
        ht.Executor([scores], comm_mode="allreduce")
        """,
        1,
        GraphError,
        "comm_mode='allreduce' is not one of None, 'AllReduce', 'PS', 'Hybrid'; did you mean AllReduce?",
    ),
    "gradients with respect to a name": mistake(
        """
        ht.gradients(loss, ["w"])
        """,
        1,
        GraphError,
        "gradients takes nodes, not 'w'",
    ),
    "gradients of a number": mistake("ht.gradients(3, [w])", 1, GraphError, "gradients takes nodes, not 3"),
    "gradients with an array as seed": mistake(
        """
        ht.gradients(loss, [w], insert_grad=np.ones(1))
        """,
        1,
        GraphError,
        "gradients takes nodes, not array([1.])",
        "ht.Variable('seed', value=array) makes one",
    ),
    "a device below zero": mistake(
        """
        ht.Executor([scores], ctx=ht.gpu(-1))
        """,
        1,
        ValueError,
        "devices are numbered from 0 on, so there is none with the number -1",
    ),
    "a learning rate in quotes": mistake(
        """
        ht.optim.SGDOptimizer(ht.lr.FixedScheduler("0.1"))
        """,
        1,
        TypeError,
        "learning_rate of a schedule must be a number, not '0.1'",
    ),
    "a step size in quotes": mistake(
        """
        ht.lr.StepScheduler(0.1, "3")
        """,
        1,
        TypeError,
        "step_size of a schedule must be a number, not '3'",
    ),
    "a batch size of nothing": mistake(
        """
        ht.Dataloader(images, 0)
        """,
        1,
        ValueError,
        "batch_size of Dataloader 'default' must be 1 or more, not 0",
    ),
    "a device that there is not": mistake(
        """
        ht.Executor([scores], ctx="cuda:0")
        """,
        1,
        ValueError,
        "'cuda:0' names no device: write gpu:0, cpu:0 or host:gpu:0",
    ),
}

TRAINING = {
    "a learning rate in quotes": mistake(
        """
        optimizer = ht.optim.SGDOptimizer(learning_rate="0.1")
        """,
        1,
        TypeError,
        "learning_rate must be a number or a scheduler such as ht.lr.StepScheduler, not '0.1'",
    ),
    "another name for the learning rate": mistake(
        """
        optimizer = ht.optim.AdamOptimizer(lr=0.1)
        """,
        1,
        TypeError,
        "AdamOptimizer has no argument 'lr'; it has learning_rate, beta1",
    ),
    "minimising the value of the loss": mistake(
        """
        value = ht.Executor([loss]).run(feed_dict={x: images, y_: labels})
        train = ht.optim.SGDOptimizer(0.1).minimize(value)
        """,
        2,
        GraphError,
        "cannot be minimised: it is no node of a graph, but what a run gave or an array",
        "give the node of the loss",
    ),
    "nothing to train": mistake(
        """
        train = ht.optim.SGDOptimizer(0.1).minimize(ht.reduce_mean_op(x, [0]))
        """,
        1,
        GraphError,
        "there is no trainable Variable of floats below ReduceMeanOp",
    ),
    "parameters that are whole numbers": mistake(
        """
        v = ht.Variable("v", value=np.arange(4), dtype=np.int32)
        train = ht.optim.SGDOptimizer(0.1).minimize(ht.reduce_sum_op(v * v, [0]))
        """,
        2,
        GraphError,
        "no trainable Variable of floats",
        "Variable 'v' at student.py:1 holds whole numbers: give dtype=np.float32",
    ),
    "a parameter that the loss has no use for": mistake(
        """
        v = ht.Variable("v", value=np.ones(3))
        train = ht.optim.SGDOptimizer(0.1).minimize(loss, var_list=[w, v])
        """,
        1,
        UserWarning,
        "Variable 'v'",
        "is not below the loss, so it is never trained: leave it out of var_list",
    ),
    "an Executor built before minimize": mistake(
        """
        executor = ht.Executor({"train": [loss]})
        train = ht.optim.SGDOptimizer(0.1).minimize(loss)
        executor.run("train", feed_dict={x: images, y_: labels})
        """,
        2,
        UserWarning,
        "group 'train' trains nothing",
        "is in no Executor; call minimize first, and list its node, as in Executor({'train': [loss, train]})",
    ),
    "what is no node in the list": mistake(
        """
        executor = ht.Executor([loss, "accuracy"])
        """,
        1,
        GraphError,
        "group 'default' has 'accuracy' in its list, which is no node of a graph",
    ),
    "nodes that are not in a list": mistake(
        """
        executor = ht.Executor(loss, scores)
        """,
        1,
        TypeError,
        "config must be a HetuConfig, not <matmul_op",
        "nodes go into one list, Executor([a, b])",
    ),
    "the gradient of an integer": mistake(
        """
        ids = ht.Variable("ids", dtype=np.int32)
        rows = ht.embedding_lookup_op(w, ids)
        ht.Executor(ht.gradients(rows, [ids])).run(feed_dict={ids: [1, 2]})
        """,
        1,
        GraphError,
        "Placeholder 'ids'",
        "has dtype int32: only floats have gradients, so cast it or leave it out",
    ),
}

FILES = {
    "a batch larger than the data": mistake(
        """
        loader = ht.Dataloader(images, 20, "train")
        """,
        1,
        ValueError,
        "Dataloader 'train' has no batch: its batch_size is 20 and it has 8 samples",
        "take a smaller batch_size, or drop_last=False",
    ),
    "a batch size in quotes": mistake(
        """
        loader = ht.Dataloader(images, "8", "train")
        """,
        1,
        TypeError,
        "batch_size of Dataloader 'train' must be a whole number, not '8'",
    ),
    "data for another group": mistake(
        """
        data = ht.dataloader_op([ht.Dataloader(images, 4, "train")])
        ht.Executor({"training": [data * 2.0]}).run("training")
        """,
        1,
        GraphError,
        "has no data for 'training', only for 'train'",
        "name the Executor's group after one",
    ),
    "more samples than labels": mistake(
        """
        data = ht.dataloader_op([ht.Dataloader(images, 2, "train")])
        targets = ht.dataloader_op([ht.Dataloader(labels[:6], 2, "train")])
        ht.Executor({"train": [ht.matmul_op(data, w) - targets]}).run("train")
        """,
        3,
        UserWarning,
        "the dataloaders of group 'train' differ in their number of batches",
        "samples and labels will not match",
    ),
    "a path without data": mistake(
        """
        sets = ht.data.mnist("no/such/folder")
        """,
        1,
        DataNotFoundError,
        "MNIST is not at no/such/folder",
        "HETU_DATA",
    ),
    "a checkpoint that there is not": mistake(
        """
        ht.Executor([scores]).load("checkpoints")
        """,
        1,
        CheckpointError,
        "there is no checkpoint at checkpoints",
        "give the folder that save() was given",
    ),
    "a checkpoint of another model": mistake(
        """
        ht.Executor([ht.Variable("u", value=np.ones(3))]).save("checkpoints")
        ht.Executor([scores]).load("checkpoints")
        """,
        2,
        CheckpointError,
        "the checkpoint fits no Variable: it has u, the graph has w",
        "load a checkpoint of the same model",
    ),
    "two Variables of one name in another order": mistake(
        """
        a, b = ht.Variable("v", value=np.ones((3, 3))), ht.Variable("v", value=np.ones((3, 2)))
        ht.Executor([a, b]).save("checkpoints")
        ht.Executor([b, a]).load("checkpoints")
        """,
        1,
        CheckpointError,
        "'v' has shape (3, 3) in the checkpoint, and (3, 2) in Variable 'v'",
        "several Variables are called 'v', which only their order tells apart: give each a name of its own",
    ),
    "a PyTorch checkpoint as an ONNX model": mistake(
        """
        net = onnx2hetu.load_onnx("model.pt")
        """,
        1,
        OnnxImportError,
        "'model.pt' is no ONNX model: it seems to be a zip archive, such as a PyTorch checkpoint (.pt, .pth)",
        "export it to ONNX first",
    ),
    "an ONNX model that there is not": mistake(
        """
        net = onnx2hetu.load_onnx("model.onnx")
        """,
        1,
        FileNotFoundError,
        "there is no file 'model.onnx', seen from",
    ),
    "an export whose shapes nobody knows": mistake(
        """
        z = ht.Variable("z")
        y = ht.array_reshape_op(ht.pad_op(z, [[0, 0], [1, 1]]), [-1, 8])
        hetu2onnx.export(ht.Executor([y]), [z], [y], "model.onnx")
        """,
        1,
        OnnxExportError,
        "the shape of Placeholder 'z'",
        "run the Executor once before the export, or pass input_shapes={z: ('N', ...)}",
    ),
    "an export without one of its inputs": mistake(
        """
        hetu2onnx.export(ht.Executor([loss]), [x], [loss], "model.onnx")
        """,
        "x",
        OnnxExportError,
        "the outputs depend on Placeholder 'y_'",
        "which is not among the inputs: add it there",
    ),
    "an export of the node in place of the Executor": mistake(
        """
        hetu2onnx.export(scores, [x], [scores], "model.onnx")
        """,
        "scores",
        OnnxExportError,
        "export takes an Executor over the graph first, not <matmul_op",
        "ht.Executor([y])",
    ),
    "an export into a folder that there is not": mistake(
        """
        ht.Executor([scores]).run(feed_dict={x: images})
        hetu2onnx.export(ht.Executor([scores]), [x], [scores], "models/model.onnx")
        """,
        2,
        FileNotFoundError,
        "'models/model.onnx' cannot be written: there is no folder 'models'",
    ),
}

MISTAKES = SHAPES | FEEDS | NODES | TRAINING | FILES


def place(line: int | str) -> str:
    """Where the message is to point to."""
    return f"student.py:{line}" if isinstance(line, int) else f"model.py:{LINES[line]}"


def execute(script: str, name: str, names: dict[str, Any]) -> None:
    exec(compile(script, name, "exec"), names)


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a script finds, in a folder with nothing but a file of PyTorch's."""
    monkeypatch.chdir(tmp_path)
    for variable, value in {"HETU_JAX_OFFLINE": "1", "XDG_CACHE_HOME": str(tmp_path)}.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.delenv("HETU_DATA", raising=False)
    with zipfile.ZipFile("model.pt", "w") as archive:
        archive.writestr("archive/data.pkl", b"")
    found = {"ht": ht, "np": np, "hetu2onnx": hetu2onnx, "onnx2hetu": onnx2hetu}
    execute(MODEL, "model.py", found)
    return found


def told(case: Mistake, names: dict[str, Any]) -> tuple[str, str]:
    """The message, and where it is from: the places that it names, and those of the traceback."""
    script = "\n".join(line.removeprefix(" " * 8) for line in case.script.splitlines())
    if issubclass(case.error, Warning):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            execute(script, "student.py", names)
        warning = next(w for w in caught if issubclass(w.category, case.error))
        return str(warning.message), f"{warning.message} {warning.filename}:{warning.lineno}"
    with warnings.catch_warnings(), pytest.raises(case.error) as raised:
        warnings.simplefilter("ignore")
        execute(script, "student.py", names)
    message = str(raised.value)
    frames = traceback.extract_tb(raised.value.__traceback__)
    return message, message + "".join(f" {frame.filename}:{frame.lineno}" for frame in frames)


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake(name: str, names: dict[str, Any]) -> None:
    case = MISTAKES[name]
    message, places = told(case, names)
    assert not [part for part in case.said if part not in message], message
    assert place(case.line) in places, places


def test_there_are_enough() -> None:
    assert len(MISTAKES) >= 30
