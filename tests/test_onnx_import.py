"""Imported models are ordinary graphs: they agree with ONNX Runtime, train, and export again."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

import hetu_jax as ht
from hetu_jax.graph import toposort
from hetu_jax.onnx import onnx2hetu

OPSET = 21


def model_of(nodes, inputs, outputs, initializers=(), opset=OPSET, functions=(), domains=()):
    """A model from nodes and (name, element type, shape) triples."""
    infos = [[helper.make_tensor_value_info(*value) for value in values] for values in (inputs, outputs)]
    stored = [numpy_helper.from_array(array, name) for name, array in dict(initializers).items()]
    graph = helper.make_graph(nodes, "test", *infos, stored)
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(graph, opset_imports=imports, functions=list(functions), ir_version=10)


def runtime(model, *arrays):
    """What ONNX Runtime computes."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, dict(zip([i.name for i in session.get_inputs()], arrays, strict=True)))


def evaluate(outputs, feeds):
    return ht.Executor(list(outputs)).run(feed_dict=feeds, convert_to_numpy_ret_vals=True, inference=True)


def agrees(model, *arrays, rtol=1e-3, atol=1e-4):
    graph = onnx2hetu.from_onnx(model)
    inputs, outputs = ([ends] if not isinstance(ends, list) else ends for ends in graph)
    ours = evaluate(outputs, dict(zip(inputs, arrays, strict=True)))
    for mine, theirs in zip(ours, runtime(model, *arrays), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=rtol, atol=atol)
        assert mine.shape == theirs.shape


def rng(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def cnn():
    """A small residual net with batch norm and a depthwise convolution, its batch size open."""
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], name="conv1", pads=[1, 1, 1, 1], kernel_shape=[3, 3]),
        helper.make_node("BatchNormalization", ["c1", "scale", "bias", "mean", "var"], ["n1"], name="bn1"),
        helper.make_node("Relu", ["n1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], name="depthwise", group=8, pads=[1, 1, 1, 1]),
        helper.make_node("HardSwish", ["c2"], ["h2"]),
        helper.make_node("Add", ["h2", "r1"], ["s"]),
        helper.make_node("MaxPool", ["s"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["p"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("Gemm", ["f", "w3", "b3"], ["y"], transB=1),
    ]
    weights = {
        "w1": rng(8, 3, 3, 3) * 0.3,
        "b1": rng(8, seed=1),
        "scale": 1 + 0.1 * rng(8, seed=2),
        "bias": rng(8, seed=3),
        "mean": rng(8, seed=4),
        "var": np.abs(rng(8, seed=5)) + 0.5,
        "w2": rng(8, 1, 3, 3, seed=6) * 0.3,
        "w3": rng(4, 8, seed=7),
        "b3": rng(4, seed=8),
    }
    return model_of(nodes, [("x", 1, ["N", 3, 8, 8])], [("y", 1, ["N", 4])], weights)


def transformer():
    """One block as exporters write it: shapes computed from the input, attention spelled out, an embedding."""
    heads, width, vocabulary = 2, 8, 20
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["e"], name="embed"),
        helper.make_node("LayerNormalization", ["e", "g1", "be1"], ["l"], axis=-1),
        helper.make_node("Shape", ["ids"], ["shape"]),
        helper.make_node("Gather", ["shape", "zero"], ["batch"]),
        helper.make_node("Gather", ["shape", "one"], ["length"]),
        helper.make_node("Unsqueeze", ["batch", "axis0"], ["batch1"]),
        helper.make_node("Unsqueeze", ["length", "axis0"], ["length1"]),
        helper.make_node("Concat", ["batch1", "length1", "heads", "rest"], ["split"], axis=0),
        helper.make_node("Concat", ["batch1", "length1", "width"], ["joined"], axis=0),
    ]
    for name in "qkv":
        nodes += [
            helper.make_node("MatMul", ["l", f"w{name}"], [f"{name}0"]),
            helper.make_node("Reshape", [f"{name}0", "split"], [f"{name}1"]),
            helper.make_node("Transpose", [f"{name}1"], [name], perm=[0, 2, 3, 1] if name == "k" else [0, 2, 1, 3]),
        ]
    nodes += [
        helper.make_node("MatMul", ["q", "k"], ["scores"]),
        helper.make_node("Div", ["scores", "root"], ["scaled"]),
        helper.make_node("Softmax", ["scaled"], ["weights"], axis=-1),
        helper.make_node("MatMul", ["weights", "v"], ["mixed"]),
        helper.make_node("Transpose", ["mixed"], ["turned"], perm=[0, 2, 1, 3]),
        helper.make_node("Reshape", ["turned", "joined"], ["flat"]),
        helper.make_node("MatMul", ["flat", "wo"], ["o"]),
        helper.make_node("Add", ["o", "e"], ["r"]),
        helper.make_node("Gelu", ["r"], ["a"]),
        helper.make_node("ReduceMean", ["a", "axis1"], ["m"], keepdims=0),
        helper.make_node("Gemm", ["m", "wc", "bc"], ["y"]),
    ]
    weights = {
        "table": rng(vocabulary, width),
        "g1": np.ones(width, np.float32),
        "be1": np.zeros(width, np.float32),
        "root": np.array(np.sqrt(width // heads), np.float32),
        "wc": rng(width, 3, seed=9),
        "bc": np.zeros(3, np.float32),
        **{f"w{name}": rng(width, width, seed=i) * 0.3 for i, name in enumerate("qkvo", 1)},
        **{
            name: np.array(value, np.int64) for name, value in (("zero", 0), ("one", 1), ("axis0", [0]), ("axis1", [1]))
        },
        "heads": np.array([heads], np.int64),
        "rest": np.array([width // heads], np.int64),
        "width": np.array([width], np.int64),
    }
    return model_of(nodes, [("ids", 7, ["N", "T"])], [("y", 1, ["N", 3])], weights)


MODELS = {
    "cnn": (cnn, lambda n: rng(n, 3, 8, 8, seed=20)),
    "transformer": (transformer, lambda n: np.random.default_rng(0).integers(0, 20, (n, 5))),
}


@pytest.mark.parametrize("name", MODELS)
def test_agrees_with_onnxruntime(name):
    make, feed = MODELS[name]
    agrees(make(), feed(3))


@pytest.mark.parametrize("name", MODELS)
def test_fine_tuning_lowers_the_loss_and_what_was_learnt_exports(name, tmp_path):
    make, feed = MODELS[name]
    x, y = onnx2hetu.from_onnx(make())
    batch = feed(8)
    labels = ht.Variable("labels")
    one_hot = np.eye(y.shape[-1] if y.shape else 4, dtype=np.float32)[np.arange(8) % 3]
    one_hot = one_hot[:, : 3 if name == "transformer" else 4]
    loss = ht.reduce_mean_op(ht.softmaxcrossentropy_op(y, labels), [0])
    train = ht.optim.SGDOptimizer(0.1).minimize(loss)
    executor = ht.Executor({"train": [loss, train], "infer": [y]})
    losses = [float(executor.run("train", feed_dict={x: batch, labels: one_hot})[0].asnumpy()[0]) for _ in range(30)]
    assert losses[-1] < 0.7 * losses[0]
    assert executor.subexecutor["train"].compile_count == 1


def test_batches_of_other_sizes_need_no_other_model():
    x, y = onnx2hetu.from_onnx(transformer())
    executor = ht.Executor([y])
    for n in (1, 4):
        ids = np.arange(n * 6).reshape(n, 6) % 20
        (got,) = executor.run(feed_dict={x: ids}, convert_to_numpy_ret_vals=True)
        np.testing.assert_allclose(got, runtime(transformer(), ids)[0], rtol=1e-4, atol=1e-5)


def test_what_hetu_has_is_recorded_as_its_ops():
    x, y = onnx2hetu.from_onnx(cnn())
    names = [node.op.__name__ for node in toposort([y]) if node.op]
    assert names[:3] == ["conv2d_add_bias_op", "batch_normalization_op", "relu_op"]
    assert {"max_pool2d_op", "linear_op", "Conv", "HardSwish"} <= set(names)


def test_roles_of_initializers(tmp_path):
    path = tmp_path / "cnn.onnx"
    onnx.save(cnn(), path)
    graph = onnx2hetu.load_onnx_graph(path)
    trainable = {name for name, variable in graph.variables.items() if variable.trainable}
    assert trainable == {"w1", "b1", "scale", "bias", "w2", "w3", "b3"}
    assert set(graph.variables) - trainable == {"mean", "var"}
    assert "x: float32[N, 3, 8, 8]" in repr(graph) and "output y" in repr(graph)
