"""The ONNX export as a user meets it: shapes, names, files and messages.  The ops are in test_onnx_ops.py."""

import os
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import onnx
import onnx.reference
import onnxruntime
import pytest

import hetu_jax as ht
from hetu_jax import onnx as ax
from hetu_jax.errors import OnnxExportError
from hetu_jax.graph import Op
from hetu_jax.onnx import builder, registry, rewrite
from hetu_jax.onnx.hetu2onnx import export

CNN = ["Conv", "Relu", "AveragePool", "Conv", "Relu", "AveragePool", "Reshape", "Gemm"]


def numbers(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).normal(scale=0.1, size=shape).astype(np.float32)


def weight(name, *shape):
    return ht.Variable(name, numbers(*shape))


def operators(model):
    return [node.op_type for node in model.graph.node]


def dims(info):
    return [
        dim.dim_param or (dim.dim_value if dim.HasField("dim_value") else None)
        for dim in info.type.tensor_type.shape.dim
    ]


def run(model, **feeds):
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def conv_relu_avg(x, name, *shape):
    x = ht.conv2d_op(x, weight(name, *shape), padding=2, stride=1)
    return ht.avg_pool2d_op(ht.relu_op(x), kernel_H=2, kernel_W=2, padding=0, stride=2)


def cnn(x):
    """The model of the documentation."""
    x = conv_relu_avg(conv_relu_avg(x, "W1", 32, 1, 5, 5), "W2", 64, 32, 5, 5)
    return ht.matmul_op(ht.array_reshape_op(x, (-1, 7 * 7 * 64)), weight("W3", 7 * 7 * 64, 10))


def test_documentation(tmp_path):
    """The documentation's export, before any run: eight nodes, an open batch, and Hetu's own result."""
    x = ht.Variable(name="X")
    y = cnn(x) + weight("b3", 10)
    executor = ht.Executor([y], ctx=ht.cpu(0))
    path = tmp_path / "hetu_cnn_model.onnx"
    model = ax.hetu2onnx.export(executor, [x], [y], path)
    assert operators(model) == CNN
    assert dims(model.graph.input[0]) == ["N", 1, "H", "W"]
    assert [value.name for value in model.graph.initializer] == ["W1", "W2", "shape", "W3", "b3"]
    assert 330_000 < path.stat().st_size < 336_000
    session = onnxruntime.InferenceSession(str(path))
    for batch in (1, 5):
        images = numbers(batch, 1, 28, 28)
        (result,) = session.run(None, {session.get_inputs()[0].name: images})
        (wanted,) = executor.run(feed_dict={x: images})
        np.testing.assert_allclose(result, wanted.asnumpy(), rtol=1e-5, atol=1e-6)
    assert dims(export(executor, [x], [y]).graph.input[0]) == ["N", 1, 28, 28]


def test_training_executor(tmp_path):
    """The outputs of a training graph over dataloaders export without the training."""
    images, labels = numbers(20, 784), np.eye(10, dtype=np.float32)[np.arange(20) % 10]
    x = ht.dataloader_op([ht.Dataloader(images, 8, "train"), ht.Dataloader(images, 4, "validate")])
    y_ = ht.dataloader_op([ht.Dataloader(labels, 8, "train"), ht.Dataloader(labels, 4, "validate")])
    logits = cnn(ht.array_reshape_op(x, [-1, 1, 28, 28]))
    y = logits + ht.broadcastto_op(weight("b3", 10), logits)
    loss = ht.reduce_mean_op(ht.softmaxcrossentropy_op(y, y_), [0])
    train = ht.optim.SGDOptimizer(learning_rate=0.01).minimize(loss)
    executor = ht.Executor([loss, y, train], dataloader_name="train")
    executor.run()
    model = ax.hetu2onnx.export(executor, [x], [y], onnx_save_dir=str(tmp_path / "cnn.onnx"))
    assert operators(model) == ["Reshape", *CNN]
    assert (dims(model.graph.input[0]), dims(model.graph.output[0])) == (["N", 784], ["N", 10])
    assert (model.graph.input[0].name, model.graph.output[0].name) == ("input", "output")
    whole = ht.Executor([y, loss], dataloader_name="train", inference=True)
    wanted = whole.run(convert_to_numpy_ret_vals=True)
    both = export(executor, [x, y_], [y, loss])
    results = run(both, input=images[8:16], input_1=labels[8:16])
    for result, expected in zip(results, wanted, strict=True):
        np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)
    with pytest.raises(OnnxExportError, match="belongs to training"):
        export(executor, [x, y_], [train])
    with pytest.raises(OnnxExportError, match="not among the inputs: add it"):
        export(executor, [x], [loss])
    with pytest.raises(OnnxExportError, match="do not depend on the input"):
        export(executor, [x, y_], [y])


def test_batch_norm_and_dropout_are_exported_for_inference():
    """What a training run moved is what the model holds, and dropout is gone."""
    x, y_ = ht.Variable("x"), ht.Variable("y_")
    hidden = ht.matmul_op(x, weight("w", 6, 4))
    normed = ht.batch_normalization_op(
        hidden, ht.init.ones((1, 4, 1, 1), name="scale"), ht.init.zeros((4,), name="bias")
    )
    y = ht.dropout_op(normed, 0.5)
    loss = ht.reduce_mean_op(ht.binarycrossentropywithlogits_op(y, y_), [0, 1])
    executor = ht.Executor({"train": [loss, ht.optim.AdamOptimizer().minimize(loss)], "test": [y]})
    for step in range(3):
        executor.run("train", feed_dict={x: 5 + numbers(8, 6, seed=step), y_: np.ones((8, 4))})
    model = export(executor, [x], [y])
    assert operators(model) == ["MatMul", "BatchNormalization"]
    assert {"scale", "bias", "scale_running_mean", "scale_running_var"} < {v.name for v in model.graph.initializer}
    (wanted,) = executor.run("test", feed_dict={x: numbers(3, 6)}, convert_to_numpy_ret_vals=True)
    np.testing.assert_allclose(run(model, x=numbers(3, 6))[0], wanted, rtol=1e-4, atol=1e-6)


# Shapes


def test_unknown_shape_is_an_error_that_helps():
    x = ht.Variable("x")
    executor = ht.Executor([ht.relu_op(x)])
    with pytest.raises(
        OnnxExportError, match=r"shape of Placeholder 'x' at .*test_onnx_export.py:\d+ is unknown.*input_shapes"
    ):
        export(executor, [x], executor.eval_node_dict["default"])
    model = export(executor, [x], executor.eval_node_dict["default"], input_shapes={x: ("N", 3, None)})
    assert dims(model.graph.output[0]) == ["N", 3, "x_dim_2"]
    model = export(
        executor, [x], executor.eval_node_dict["default"], input_shapes={x: (2, 3)}, dynamic_axes={x: {1: "L"}}
    )
    assert dims(model.graph.output[0]) == [2, "L"]
    executor.run(feed_dict={x: numbers(2, 3)})
    assert dims(export(executor, [x], executor.eval_node_dict["default"]).graph.input[0]) == ["N", 3]


def test_dimensions_that_stay_open():
    x = ht.Variable("x")
    y = ht.reduce_sum_op(ht.transpose_op(x, [0, 2, 1]), [2])
    executor = ht.Executor([y])
    executor.run(feed_dict={x: numbers(2, 3, 4)})

    def shapes(**options):
        model = export(executor, [x], [y], **options)
        run(model, x=numbers(2, 3, 4))
        return dims(model.graph.input[0]), dims(model.graph.output[0])

    assert shapes() == (["N", 3, 4], ["N", 4])
    assert shapes(dynamic_batch=False) == ([2, 3, 4], [2, 4])
    assert shapes(dynamic_axes={x: {2: "length"}}) == (["N", 3, "length"], ["N", "length"])
    assert shapes(dynamic_axes={"x": [1]}) == (["N", "x_dim_1", 4], ["N", 4])
    with pytest.raises(OnnxExportError, match="'z' is none of the inputs"):
        shapes(dynamic_axes={"z": [1]})
    with pytest.raises(OnnxExportError, match="axis 3 of Placeholder 'x' .* whose shape is"):
        shapes(dynamic_axes={x: [3]})
    with pytest.raises(OnnxExportError, match="'N' has length 4 here, and 2 there"):
        shapes(dynamic_axes={x: {2: "N"}})


def test_inputs_of_another_length_are_no_batch():
    """The first input tells the batch; an input fed with other rows keeps its length."""
    x, w = ht.Variable("x"), ht.Variable("w")
    y = ht.matmul_op(x, w)
    executor = ht.Executor([y])
    executor.run(feed_dict={x: numbers(5, 3), w: numbers(3, 2)})
    model = export(executor, [x, w], [y])
    assert [dims(i) for i in model.graph.input] == [["N", 3], [3, 2]]
    assert run(model, x=numbers(7, 3), w=numbers(3, 2))[0].shape == (7, 2)


def test_a_fixed_batch_is_exported_with_a_warning():
    x = ht.Variable("x")
    y = ht.array_reshape_op(x, (4, 6)) * 2.0
    executor = ht.Executor([y])
    executor.run(feed_dict={x: numbers(8, 3)})
    with pytest.warns(UserWarning, match=r"for N = 8 only: array_reshape_op .*test_onnx_export.py"):
        model = export(executor, [x], [y])
    assert dims(model.graph.input[0]) == [8, 3]
    with pytest.raises(OnnxExportError, match="do not fit the graph"):
        export(executor, [x], [y], input_shapes={x: (5, 5)})


def test_an_axis_that_must_be_fixed():
    """An op that ONNX cannot write for an open length fixes it, where it was seen."""
    x = ht.Variable("x")
    y = ht.split_op(x, [0], [1], [2])
    executor = ht.Executor([y])
    with pytest.raises(OnnxExportError, match="split_op .*axis 0 of its input .* fixed length.*run the Executor once"):
        export(executor, [x], [y], input_shapes={x: ("N", 2)})
    executor.run(feed_dict={x: numbers(6, 2)})
    with pytest.warns(UserWarning, match="for N = 6 only: split_op"):
        model = export(executor, [x], [y])
    assert run(model, x=numbers(6, 2))[0].shape == (3, 2)


# Names


def test_names():
    """A shared Variable is stored once, equal names get a number, and the user's names stay."""
    x, w, twin = ht.Variable("x"), weight("w", 3, 3), weight("w", 3, 3)
    hidden = ht.relu_op(ht.matmul_op(x, w), name="hidden")
    y = ht.matmul_op(ht.matmul_op(hidden, w), twin)
    z = ht.sigmoid_op(y, name="probability")
    model = export(ht.Executor([y, z]), [x], [y, z], names={y: "logits"})
    assert [value.name for value in model.graph.initializer] == ["w", "w_1"]
    assert [node.output[0] for node in model.graph.node] == ["matmul", "hidden", "matmul_1", "logits", "probability"]
    assert [node.name for node in model.graph.node] == [node.output[0] for node in model.graph.node]
    assert [value.name for value in model.graph.output] == ["logits", "probability"]
    again = export(ht.Executor([y, z]), [x], [y, z], names={y: "logits"})
    assert again == model


def test_outputs_that_nothing_computes():
    """An input, a Variable and a node twice: each is an output of its own."""
    x, w = ht.Variable("x"), weight("w", 2, 2)
    y = ht.matmul_op(x, w)
    model = export(ht.Executor([y]), [x], [x, w, y, y])
    assert operators(model).count("Identity") == 3
    results = run(model, x=numbers(3, 2))
    assert len({value.name for value in model.graph.output}) == 4
    for result, wanted in zip(
        results, [numbers(3, 2), numbers(2, 2), *2 * [numbers(3, 2) @ numbers(2, 2)]], strict=True
    ):
        np.testing.assert_allclose(result, wanted, rtol=1e-5)


def test_any_node_can_be_an_input():
    """Variables become inputs instead of initializers; an inner node cuts the graph."""
    x, w = ht.Variable("x"), weight("w", 3, 4)
    hidden = ht.relu_op(ht.matmul_op(x, w))
    y = ht.matmul_op(hidden, weight("v", 4, 2))
    executor = ht.Executor([y])
    executor.run(feed_dict={x: numbers(5, 3)})
    free = export(executor, [x, w], [y])
    assert [(i.name, dims(i)) for i in free.graph.input] == [("x", ["N", 3]), ("w", [3, 4])]
    head = export(executor, [hidden], [y])
    assert (operators(head), dims(head.graph.input[0])) == (["MatMul"], ["N", 4])


# Errors


def test_a_placeholder_of_bools_is_an_input_of_bools():
    condition, x = ht.Variable("condition", dtype=np.bool_), ht.Variable("x")
    y = ht.where_op(condition, x, x * 2.0) + condition
    shapes = {condition: (2, 3), x: (2, 3)}
    model = export(ht.Executor([y]), [condition, x], [y], input_shapes=shapes, dynamic_batch=False)
    asked, values = numbers(2, 3) > 0, numbers(2, 3, seed=1)
    (found,) = run(model, condition=asked, x=values)
    np.testing.assert_allclose(found, np.where(asked, values, 2 * values) + asked, rtol=1e-6)


def test_refusals(tmp_path):
    x, other = ht.Variable("x"), ht.Variable("other")
    y = ht.matmul_op(x, weight("w", 3, 2))
    executor = ht.Executor([y, ht.matmul_op(y, ht.rand_op([2, 2]))])
    noisy = executor.eval_node_dict["default"][1]
    for inputs, outputs, message in [
        ([], [y], "inputs must be a list of at least one node"),
        ([x], [], "outputs must be a list of at least one node"),
        (x, [y], "inputs must be a list"),
        ([x, x], [y], "inputs has a node twice"),
        (["x"], [y], "'x' in it, which is no node"),
        ([other], [y], "'other' .* is no part of the Executor's graph"),
        ([x], [ht.relu_op(y)], "relu_op .* is no part of the Executor's graph"),
        (
            [x],
            [noisy],
            r"rand_op 'RandOp\d+' at .*test_onnx_export.py:\d+ has no ONNX form: it draws new random numbers",
        ),
    ]:
        with pytest.raises(OnnxExportError, match=message):
            export(executor, inputs, outputs)
    with pytest.raises(OnnxExportError, match="(?s)'output' is unknown: matmul_op .* cannot be computed.*input_shapes"):
        export(executor, [x], [y], input_shapes={x: ("N", 5)})
    with pytest.raises(OnnxExportError, match="opset must be 13 to"):
        export(executor, [x], [y], opset=12)
    with pytest.raises(OnnxExportError, match="is a folder"):
        ax.hetu2onnx.export(executor, [x], [y], tmp_path)
    with pytest.raises(OSError, match="nowhere"):
        ax.hetu2onnx.export(executor, [x], [y], tmp_path / "nowhere" / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_options_that_make_no_sense(tmp_path):
    x = ht.Variable("x")
    y = ht.matmul_op(x, weight("w", 3, 2), name="y")
    executor = ht.Executor([y])
    for message, options in {
        "opset must be a number": {"opset": "17"},
        "metadata must be a dict": {"metadata": ["a"]},
        "dynamic_axes of 'x' must be a list": {"dynamic_axes": {"x": 0}},
        "input_shapes of 'x' must be a list": {"input_shapes": {"x": 5}},
        "must give each node a name of its own, and not 5": {"names": {y: 5}},
        "a name of its own, and not 'a' for 'y'": {"names": {x: "a", "y": "a"}},
        "names has 'z', which is no node": {"names": {"z": "a"}},
        "path is empty": {"path": ""},
        "and not both": {"path": tmp_path / "a", "onnx_save_dir": tmp_path / "b"},
        "size of the batch of Placeholder 'x' .* dynamic_batch=False": {"dynamic_batch": False},
    }.items():
        with pytest.raises(OnnxExportError, match=message):
            export(executor, [x], [y], **options)
    assert export(executor, [x], [y], names={"y": "scores"}).graph.output[0].name == "scores"


def test_the_batch_is_called_as_any_input_says():
    x, z = ht.Variable("x"), ht.Variable("z")
    y = x + z
    executor = ht.Executor([y])
    executor.run(feed_dict={x: numbers(4, 3), z: numbers(4, 3)})
    for node in (x, z):
        model = export(executor, [x, z], [y], dynamic_axes={node: {0: "batch"}})
        assert [dims(i) for i in (*model.graph.input, *model.graph.output)] == [["batch", 3]] * 3


def test_batch_norm_in_training_mode_is_not_folded():
    g = builder.Builder(26)
    x, filters = g.input("x", np.float32, ("N", 2, 4, 4)), g.initializer("w", numbers(2, 2, 1, 1))
    parts = [g.initializer(name, np.ones(2, np.float32)) for name in "sbmv"]
    y = g.BatchNormalization(g.Conv(x, filters), *parts, training_mode=1)
    rewrite.simplify(g, {y.name}, True)
    assert [node.op_type for node in g.nodes] == ["Conv", "BatchNormalization"]


def test_lookups_and_losses_are_one_node_unless_ids_are_guarded():
    ids, table = ht.Variable("ids", dtype=np.int32), weight("table", 6, 4)
    rows = ht.embedding_lookup_op(table, ids)
    loss = ht.softmaxcrossentropy_sparse_op(rows, ids, ignored_index=3)
    executor = ht.Executor([rows, loss])
    feed = np.array([0, 3, 2], np.int32)
    wanted = executor.run(feed_dict={ids: feed}, convert_to_numpy_ret_vals=True)
    for guard, count in ((False, 2), (True, 16)):
        model = export(executor, [ids], [rows, loss], guard_ids=guard)
        assert len(model.graph.node) == count
        for result, array in zip(run(model, ids=feed), wanted, strict=True):
            np.testing.assert_allclose(result, array, rtol=1e-5)
    assert not run(export(executor, [ids], [rows], guard_ids=True), ids=np.array([9, -1, 0], np.int32))[0][:2].any()


def test_older_opset_that_lacks_an_operator():
    x = ht.Variable("x", np.ones((2, 2)))
    slots = ht.layout_transform_op(x, [ht.Variable("i", np.zeros((2, 1)))], [ht.Variable("l", np.arange(2))], 2, 1)
    with pytest.raises(OnnxExportError, match="layout_transform_op .* export with opset=18 or newer, not 13"):
        export(ht.Executor([slots]), [x], [slots], opset=13)


def test_registry_checks_exporters():
    with pytest.raises(ValueError, match="no op is called rel_op"):
        registry.same({"rel_op": "Relu"})

    def relu_op(g, x):
        return g.Relu(x)

    with pytest.raises(ValueError, match=r"must take \(g, node\), not \(g, x\)"):
        registry.exporter(relu_op)
    with pytest.raises(ValueError, match="two exporters are called relu_op"):
        registry.same({"relu_op": "Relu"})


# Files


def test_file_is_whole_or_absent(tmp_path, monkeypatch):
    x = ht.Variable("x")
    y = ht.matmul_op(x, weight("w", 3, 2))
    executor, path = ht.Executor([y]), tmp_path / "model.onnx"
    ax.hetu2onnx.export(executor, [x], [y], path, metadata={"trained on": "nothing"}, job_name="a job")
    before = path.read_bytes()
    model = onnx.load(path)
    assert (model.graph.doc_string, model.metadata_props[0].value) == ("a job", "nothing")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        ax.hetu2onnx.export(executor, [x], [y], path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_external_data(tmp_path):
    """The parameters beside the model, found again relative to it; the model in memory is whole."""
    x = ht.Variable("x")
    y = ht.matmul_op(x, weight("w", 30, 40)) + weight("b", 40)
    executor, path = ht.Executor([y]), tmp_path / "model.onnx"
    model = ax.hetu2onnx.export(executor, [x], [y], path, external_data=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.onnx", "model.onnx.data"]
    assert path.stat().st_size < 1000 < 4800 <= (tmp_path / "model.onnx.data").stat().st_size
    onnx.checker.check_model(str(path), full_check=True)
    (result,) = onnxruntime.InferenceSession(str(path)).run(None, {"x": numbers(2, 30)})
    np.testing.assert_allclose(result, run(model, x=numbers(2, 30))[0])
    stored = {value.name: onnx.numpy_helper.to_array(value) for value in onnx.load(path).graph.initializer}
    np.testing.assert_array_equal(stored["w"], numbers(30, 40))


def test_more_than_one_file_holds(tmp_path, monkeypatch):
    monkeypatch.setattr(ax.hetu2onnx, "MAX_BYTES", 4000)
    x = ht.Variable("x")
    y = ht.matmul_op(x, weight("w", 30, 40))
    with pytest.raises(OnnxExportError, match="larger than the 2 GB .* external_data=True"):
        export(ht.Executor([y]), [x], [y], tmp_path / "model.onnx")
    with pytest.raises(OnnxExportError, match="pass a path and external_data=True"):
        export(ht.Executor([y]), [x], [y], external_data=True)
    assert list(tmp_path.iterdir()) == []
    model = export(ht.Executor([y]), [x], [y], tmp_path / "model.onnx", external_data=True)
    assert len(model.SerializeToString()) < 1000 and model.graph.initializer[0].external_data
    (result,) = onnxruntime.InferenceSession(tmp_path / "model.onnx").run(None, {"x": numbers(2, 30)})
    np.testing.assert_allclose(result, numbers(2, 30) @ numbers(30, 40), rtol=1e-5, atol=1e-6)


def test_versions():
    x = ht.Variable("x")
    y = ht.matmul_op(x, weight("w", 3, 2))
    executor = ht.Executor([y])
    for opset, ir in ((None, 13), (13, 7), (21, 10)):
        model = export(executor, [x], [y], opset=opset)
        assert (model.opset_import[0].version, model.ir_version) == (opset or 26, ir)
        run(model, x=numbers(2, 3))


def test_onnx_is_imported_only_when_asked_for():
    code = "import sys, hetu_jax; assert 'onnx' not in sys.modules; import hetu_jax.onnx as ax; ax.hetu2onnx.export"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


# Rewrites


def biased(add):
    x, bias = ht.Variable("x"), weight("b", 4)
    y = add(ht.conv2d_op(x, weight("w", 4, 3, 3, 3), padding=1), bias)
    executor = ht.Executor([y])
    (wanted,) = executor.run(feed_dict={x: numbers(2, 3, 5, 5)}, convert_to_numpy_ret_vals=True)
    model = export(executor, [x], [y])
    np.testing.assert_allclose(run(model, x=numbers(2, 3, 5, 5))[0], wanted, rtol=1e-4, atol=1e-6)
    return model


@pytest.mark.parametrize(
    "add",
    [
        lambda x, b: x + ht.conv2d_broadcastto_op(b, x),
        lambda x, b: ht.broadcastto_op(ht.array_reshape_op(b, (1, 4, 1, 1)), x) + x,
        lambda x, b: x + ht.array_reshape_op(b, (4, 1, 1)),
    ],
)
def test_bias_of_a_convolution(add):
    """However the script spells it, the bias is the third input of Conv."""
    model = biased(add)
    assert operators(model) == ["Conv"]
    assert sorted(list(value.dims) for value in model.graph.initializer) == [[4], [4, 3, 3, 3]]


def test_additions_that_are_no_bias():
    """One number for all channels, a residual and a shared product stay additions."""
    assert "Add" in operators(biased(lambda x, b: x + ht.array_reshape_op(ht.slice_op(b, [0], [1]), (1, 1, 1, 1))))
    x, w = ht.Variable("x"), weight("w", 3, 3)
    product = ht.matmul_op(x, w)
    residual = product + x
    assert operators(export(ht.Executor([residual]), [x], [residual])) == ["MatMul", "Add"]
    shared = [product + weight("b", 3), ht.relu_op(product)]
    assert operators(export(ht.Executor(shared), [x], shared)) == ["MatMul", "Add", "Relu"]


def test_broadcasts_that_matter_stay():
    """An Expand goes only where another operand already has its shape."""
    x, row = ht.Variable("x"), weight("row", 1, 3)
    wide = ht.broadcastto_op(row, x)
    y = ht.exp_op(wide) + row
    executor = ht.Executor([y, wide * x])
    executor.run(feed_dict={x: numbers(4, 3)})
    model = export(executor, [x], [y])
    assert operators(model) == ["Shape", "Expand", "Exp", "Add"]
    assert run(model, x=numbers(6, 3))[0].shape == (6, 3)
    product = executor.eval_node_dict["default"][1]
    assert operators(export(executor, [x], [product])) == ["Mul"]


@pytest.mark.parametrize(
    "index",
    [
        0,
        -1,
        slice(1, None),
        slice(None, None, -1),
        (0, 1),
        (slice(None), -1),
        (Ellipsis, 1),
        (None, slice(2)),
        (0, 1, 2),
    ],
    ids=str,
)
def test_indexing(index):
    x = ht.Variable("x")
    y = x[index]
    model = export(ht.Executor([y]), [x], [y], input_shapes={x: (2, 3, 4)})
    value = numbers(2, 3, 4)
    np.testing.assert_array_equal(run(model, x=value)[0], np.atleast_1d(value[index]))


def test_long_graphs():
    """Thousands of nodes: no recursion, and seconds."""
    x = ht.Variable("x")
    y = x
    for _ in range(3000):
        y = ht.relu_op(y) * 1.5
    executor = ht.Executor([y])
    start = time.monotonic()
    model = export(executor, [x], [y], input_shapes={x: ("N", 3)})
    assert len(model.graph.node) == 6000
    assert time.monotonic() - start < 60


# What goes through the trace


def test_gradients():
    """Gradients export too, with the batch open, and agree with the Executor's at another batch size."""
    x, y_, w = ht.Variable("x"), ht.Variable("y_"), weight("w", 49, 10)
    hidden = ht.max_pool2d_op(ht.relu_op(conv_relu_avg(x, "f", 1, 1, 5, 5)), 2, 2, 0, 2)
    y = ht.matmul_op(ht.array_reshape_op(hidden, (-1, 49)), w)
    loss = ht.reduce_mean_op(ht.softmaxcrossentropy_op(y, y_), [0])
    outputs = ht.gradients(loss, [x, w])
    executor = ht.Executor(outputs)
    feeds = {x: numbers(3, 1, 28, 28), y_: np.eye(10, dtype=np.float32)[:3]}
    executor.run(feed_dict=feeds)
    model = export(executor, [x, y_], outputs)
    assert [dims(output) for output in model.graph.output] == [["N", 1, 28, 28], [49, 10]]
    for times in (1, 2):
        feeds = {node: np.concatenate([value] * times) for node, value in feeds.items()}
        results = run(model, **{node.name: value for node, value in feeds.items()})
        wanted = executor.run(feed_dict=feeds, convert_to_numpy_ret_vals=True)
        for result, expected in zip(results, wanted, strict=True):
            np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-6)
    with pytest.raises(OnnxExportError, match="not among the inputs: add it"):
        export(executor, [x], outputs)


def new_op(function):
    """An op of the test alone."""
    return Op(function, registry={})


def test_an_op_without_an_exporter():
    """A user's own op is exported primitive by primitive; what has no ONNX form is refused by name."""

    @new_op
    def mish_op(node):
        """x tanh(ln(1 + exp(x)))."""
        return node * jnp.tanh(jax.nn.softplus(node))

    @new_op
    def share_op(node):
        """A share of the gamma function."""
        return jax.scipy.special.gammainc(node, 2.0)

    @new_op
    def halves_op(node):
        """A count that follows the batch."""
        return node[: node.shape[0] // 2]

    x = ht.Variable("x")
    y, z, half = mish_op(x, name="mish"), share_op(x), halves_op(x)
    executor = ht.Executor([y, z, half])
    with pytest.raises(OnnxExportError, match="share_op .* cannot be exported: JAX computes it with igamma, a special"):
        export(executor, [x], [z], input_shapes={x: ("N", 3)})
    model = export(executor, [x], [y], input_shapes={x: ("N", 3)})
    assert (model.graph.output[0].name, dims(model.graph.output[0])) == ("mish", ["N", 3])
    value = numbers(5, 3)
    np.testing.assert_allclose(run(model, x=value)[0], value * np.tanh(np.log1p(np.exp(value))), rtol=1e-5, atol=1e-7)
    executor.run(feed_dict={x: numbers(6, 3)})
    with pytest.warns(UserWarning, match="for N = 6 only: halves_op"):
        assert run(export(executor, [x], [half]), x=numbers(6, 3))[0].shape == (3, 3)


def test_constants_are_computed_beforehand():
    @new_op
    def columns_op(node, weight):
        """Two columns, masked, times a matrix that lies the other way."""
        return jnp.where(np.tri(2, dtype=np.int32) > 0, node[:, np.array([0, 2])], 0.0) @ weight.T

    x, w = ht.Variable("x"), weight("w", 4, 2)
    y = columns_op(x, w)
    executor = ht.Executor([y])
    (wanted,) = executor.run(feed_dict={x: numbers(2, 3)}, convert_to_numpy_ret_vals=True)
    model = export(executor, [x], [y], dynamic_batch=False)
    assert set(operators(model)) <= {"Gather", "Where", "Transpose", "MatMul"}
    assert len(model.graph.node) <= 6
    np.testing.assert_allclose(run(model, x=numbers(2, 3))[0], wanted, rtol=1e-5)


def test_all_parts_of_a_value_are_one_split():
    x = ht.Variable("x")
    parts = [ht.split_op(x, [1], [i], [4]) for i in range(4)]
    y = ht.sigmoid_op(parts[1]) * ht.tanh_op(parts[0]) + parts[3] * parts[2]
    executor = ht.Executor([y, parts[2]])
    (wanted, _) = executor.run(feed_dict={x: numbers(2, 8)}, convert_to_numpy_ret_vals=True)
    model = export(executor, [x], [y, parts[2]])
    assert sorted(operators(model)) == ["Add", "Mul", "Mul", "Sigmoid", "Split", "Tanh"]
    np.testing.assert_allclose(run(model, x=numbers(2, 8))[0], wanted, rtol=1e-5)
    assert operators(export(executor, [x], [parts[2]])) == ["Slice"]


def test_what_is_computed_twice_is_exported_once():
    """A gradient repeats its forward pass."""
    x, w = ht.Variable("x"), weight("w", 4, 4)
    loss = ht.reduce_sum_op(ht.exp_op(ht.matmul_op(x, w)), [0, 1])
    outputs = [loss, *ht.gradients(loss, [w])]
    executor = ht.Executor(outputs)
    (_, wanted) = executor.run(feed_dict={x: numbers(2, 4)}, convert_to_numpy_ret_vals=True)
    model = export(executor, [x], outputs)
    assert operators(model).count("Exp") == 1
    np.testing.assert_allclose(run(model, x=numbers(2, 4))[1], wanted, rtol=1e-5)


def test_ops_on_images_of_any_size_are_one_node():
    x = ht.Variable("x")
    for y, name in [
        (ht.pad_op(x, [[1, 2], [2, 1]], mode="REFLECT"), "Pad"),
        (ht.interpolate_op(x, scale_factor=2), "Resize"),
        (x[:, 1], "Gather"),
    ]:
        executor = ht.Executor([y])
        (wanted,) = executor.run(feed_dict={x: numbers(2, 3, 5, 6)}, convert_to_numpy_ret_vals=True)
        model = export(executor, [x], [y], input_shapes={x: ("N", 3, "H", "W")})
        assert operators(model) == [name]
        np.testing.assert_allclose(run(model, x=numbers(2, 3, 5, 6))[0], wanted, rtol=1e-4, atol=1e-5)
    half = ht.interpolate_op(x, scale_factor=1.5)
    with pytest.raises(OnnxExportError, match="depends on an open one: pass a whole scale_factor"):
        export(ht.Executor([half]), [x], [half], input_shapes={x: ("N", 3, "H", "W")})


def test_indices_of_a_trace():
    """Gathers and scatters of all modes and layouts are JAX's."""

    @new_op
    def indexed_op(table, ids, rows):
        """Reads and writes by index."""
        inside = jnp.clip(ids, 0, table.shape[0] - 1)
        pairs = table[inside[0], inside[1] % 4]
        taken = jnp.take(table, ids, axis=0, mode="clip").sum((0, 1))
        columns = jnp.take(table.T, inside, axis=1).transpose(1, 0, 2)
        added = table.at[ids[0]].add(rows, mode="drop").at[inside[1], 2].max(3.0)
        return jnp.concatenate([pairs, taken, columns.ravel(), added.ravel(), table.at[:, 1].set(0.5).ravel()])

    table, rows = numbers(6, 4), numbers(3, 4, seed=1)
    ids = np.array([[0, 9, 3], [5, -2, 1]], np.int32)
    nodes = ht.Variable("table", table), ht.Variable("ids", ids, dtype=np.int32), ht.Variable("rows", rows)
    y = indexed_op(*nodes)
    executor = ht.Executor([y])
    model = export(executor, list(nodes), [y])
    wanted = executor.run(convert_to_numpy_ret_vals=True)[0]
    np.testing.assert_allclose(run(model, table=table, ids=ids, rows=rows)[0], wanted, rtol=1e-6)


def test_primitives_of_a_trace():
    """Primitives that no op's gradient has."""

    @new_op
    def potpourri_op(x):
        """Many functions."""
        positive = jnp.abs(x) + 0.5
        parts = [jnp.expm1(x), jnp.log1p(positive), jnp.exp2(x), jnp.round(3 * x), jnp.ceil(x), jnp.arctan(x)]
        parts += [jnp.fmod(x, 0.3), jax.scipy.special.erfc(x), jnp.isfinite(x / positive).astype(x.dtype)]
        parts += [jnp.where((x > 0) ^ (x > 1), x, -x), jnp.clip(x, -0.5, 0.25), jnp.flip(x, 1), jnp.tile(x[:1], (3, 1))]
        parts += [jnp.cumsum(x, 1), jax.lax.cumsum(x, 1, reverse=True), jnp.sort(x, 0), x.max(0) * jnp.ones_like(x)]
        parts += [jnp.einsum("ij,kj->ik", x, x) @ x, (x > 0).all(0) * x, jnp.argmin(x, 1)[:, None] * x, x.prod(0) + x]
        parts += [jnp.pad(x, ((0, 1), (2, 0)))[1:, :-2], jax.lax.pad(x, 0.0, ((0, -2, 1), (-1, 1, 0))), x[::-1]]
        parts += [jnp.arange(4.0) * x]
        parts += [
            x // 0.3,
            jnp.arctan2(x, jnp.flip(x, 0)),
            jnp.cbrt(x),
            jnp.select([x > 1, x > 0, x > -1], [x, 2 * x, -x]),
        ]
        parts += [jax.lax.top_k(x, 2)[0].sum(1, keepdims=True) * jax.lax.top_k(x, 2)[1][:, :1] + x]
        parts += [jax.lax.select_n(jnp.clip(x, 0, 2).astype(jnp.int32), x, x + 1, x + 2)]
        parts += [jax.lax.dynamic_slice(jnp.tile(x, (2, 2)), (jnp.argmax(x[0]), 9), (3, 4))]
        parts += [jnp.left_shift(jnp.arange(4), 2) * x, jnp.einsum("bij,bjk->bik", x[None], x.T[None])[0] @ x]
        return jnp.stack(parts)

    x = ht.Variable("x")
    y = potpourri_op(x)
    executor = ht.Executor([y])
    value = 3 * numbers(3, 4)
    wanted = executor.run(feed_dict={x: value}, convert_to_numpy_ret_vals=True)[0]
    model = export(executor, [x], [y], dynamic_batch=False)
    np.testing.assert_allclose(run(model, x=value)[0], wanted, rtol=1e-5, atol=1e-6)


# Imported graphs


def imported(text, opset=18, **initializers):
    """The graph in ONNX's text form, imported, with these initializers."""
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : {opset}]> {text}')
    model.graph.initializer.extend(onnx.numpy_helper.from_array(array, name) for name, array in initializers.items())
    return model, ax.onnx2hetu._graph(model)


def round_trip(text, feeds, operators_after, outputs=None, **initializers):
    before, graph = imported(text, **initializers)
    after = export(ht.Executor(graph.outputs), graph.inputs, graph.outputs)
    assert operators(after) == operators_after
    assert [(i.name, i.type) for i in after.graph.input] == [(i.name, i.type) for i in before.graph.input]
    for result, wanted in zip(run(after, **feeds), run(before, **feeds), strict=True):
        assert result.dtype == wanted.dtype
        np.testing.assert_allclose(result, wanted, rtol=1e-5, atol=1e-6)
    return after


def test_imported_network():
    """What was imported goes back operator by operator, with its names and open dimensions."""
    after = round_trip(
        """net (float[batch,3,H,W] image) => (float[batch,5] scores) {
            c = Conv <pads: ints = [1,1,1,1]> (image, filters)
            r = LeakyRelu <alpha: float = 0.1> (c)
            p = GlobalAveragePool (r)
            f = Flatten (p)
            scores = Gemm <transB: int = 1> (f, weights, bias)
        }""",
        {"image": numbers(2, 3, 6, 7)},
        ["Conv", "LeakyRelu", "GlobalAveragePool", "Flatten", "Gemm"],
        filters=numbers(4, 3, 3, 3),
        weights=numbers(5, 4),
        bias=numbers(5),
    )
    assert sorted(value.name for value in after.graph.initializer) == ["bias", "filters", "weights"]


def test_imported_shape_arithmetic():
    """Shapes that the model computes stay computed, and 64-bit inputs stay so."""
    round_trip(
        """net (int64[N,L] ids) => (float[?,6] rows, int64[2] shape) {
            shape = Shape (ids)
            g = Gather (table, ids)
            target = Constant <value_ints: ints = [-1,6]> ()
            rows = Reshape (g, target)
        }""",
        {"ids": np.array([[0, 3], [1, 4], [2, 2]])},
        ["Gather", "Reshape", "Shape"],
        table=numbers(5, 6),
    )


def test_imported_recurrence():
    """An operator with several outputs and no op of Hetu behind it."""
    round_trip(
        """net (float[T,N,3] x) => (float[T,1,N,4] y, float[1,N,4] last) {
            y, last = GRU <hidden_size: int = 4> (x, w, r)
        }""",
        {"x": numbers(5, 2, 3)},
        ["GRU"],
        w=numbers(1, 12, 3),
        r=numbers(1, 12, 4),
    )


@pytest.mark.parametrize(
    "text, wanted",
    [
        ("s = SplitToSequence <axis: int = 1> (x) y = SequenceAt (s, one)", ["SplitToSequence", "SequenceAt"]),
        (
            "s = SequenceConstruct (x, x) t = SequenceInsert (s, x) y = ConcatFromSequence <axis: int = 1> (t)",
            ["SequenceConstruct", "SequenceInsert", "ConcatFromSequence"],
        ),
    ],
)
@pytest.mark.parametrize("kind", ["float", "int32"])
def test_sequences_inside_a_graph(text, wanted, kind):
    stored = {"one": np.array(1)} if "one" in text else {}
    feed = np.arange(6, dtype="float32" if kind == "float" else kind).reshape(2, 3)
    text = f"net ({kind}[N,3] x) => ({kind}[N,M] y) {{ {text} }}"
    round_trip(text, {"x": feed}, wanted, **stored)


def test_narrow_constants_of_one_width_stay_apart():
    """Equal bits in two dtypes of one width are two tensors."""
    kinds = [ml_dtypes.int4, ml_dtypes.uint4, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2]
    g = builder.Builder(26)
    assert len({g.constant(np.zeros(2, kind), kind).name for kind in kinds}) == 4


# Operators of old opsets, with what they go back as at the default one
OLD = {
    "clip": (9, "y = Clip <min: float = -0.1, max: float = 0.1> (x)", ["Clip"]),
    "pad": (10, "y = Pad <pads: ints = [0,0,1,0,0,0,1,0], value: float = 0.5> (x)", ["Pad"]),
    "upsample": (7, "y = Upsample <scales: floats = [1,1,2,2]> (x)", ["Resize"]),
    "resize": (10, 'y = Resize <mode: string = "linear"> (x, scales)', ["Resize"]),
    "scatter": (9, "y = Scatter <axis: int = 3> (x, indices, x)", ["ScatterElements"]),
    "dropout": (7, "r = Relu (x) d = Dropout <ratio: float = 0.3> (r) y = Neg (d)", ["Relu", "Neg"]),
    "groups": (18, "y = GroupNormalization <num_groups: int = 2> (x, two, two)", None),
    "top": (9, "y, i = TopK <k: int = 2> (x)", ["TopK"]),
    "sampling": (16, 'y = GridSample <mode: string = "bicubic"> (x, grid)', ["GridSample"]),
}
OLD_STORED = {
    "scales": np.array([1, 1, 2, 2], np.float32),
    "indices": np.arange(4)[::-1].reshape(1, 1, 1, 4).repeat(4, 1).repeat(2, 0),
    "two": np.array([0.5, 2], np.float32),
    "grid": numbers(2, 3, 3, 2),
}


@pytest.mark.parametrize("name", OLD)
def test_operators_of_old_opsets_go_back(name):
    opset, text, wanted = OLD[name]
    before, graph = imported(
        f"net (float[2,4,1,4] x) => (float[?,?,?,?] y) {{ {text} }}",
        opset,
        **{stored: array for stored, array in OLD_STORED.items() if f" {stored}" in text},
    )
    after = export(ht.Executor(graph.outputs), graph.inputs, graph.outputs)
    assert wanted is None or operators(after) == wanted
    before.ir_version = 3 if opset < 9 else 8
    session = onnxruntime.InferenceSession(before.SerializeToString(), providers=["CPUExecutionProvider"])
    value = numbers(2, 4, 1, 4)
    (result,), expected = run(after, x=value), session.run(None, {"x": value})[0]
    assert result.dtype == expected.dtype
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("text", ["n = Cast <to: int = 17> (x) y = Cast <to: int = 1> (n)", "y = CastLike (x, narrow)"])
def test_element_types_that_an_opset_lacks(text):
    stored = {"narrow": np.zeros(1, ml_dtypes.float8_e4m3fn)} if "narrow" in text else {}
    kind = "float8e4m3fn" if stored else "float"
    _, graph = imported(f"net (float[2] x) => ({kind}[2] y) {{ {text} }}", 19, **stored)
    with pytest.raises(OnnxExportError, match="float8_e4m3fn at .*: export with a newer one"):
        export(ht.Executor(graph.outputs), graph.inputs, graph.outputs, opset=13)


@pytest.mark.parametrize(
    "text, stored, wanted, compute",
    [
        ("y = Add <axis: int = 1, broadcast: int = 1> (x, s)", numbers(3), None, lambda x, s: x + s[:, None]),
        ("y = PRelu (x, s)", numbers(3), ["PRelu"], lambda x, s: np.where(x < 0, x * s[:, None], x)),
        ("y = Concat (x, s)", numbers(2, 3, 3), ["Concat"], lambda x, s: np.concatenate([x, s], 1)),
        ("i = Cast <to: string = \"INT32\"> (s) f = Cast <to: string = \"FLOAT\"> (i) y = Add <broadcast:int=1> (x, f)",
         np.full(3, 1.5, np.float32), None, lambda x, s: x + 1),
    ],
)  # fmt: skip
def test_the_first_operators_go_back(text, stored, wanted, compute):
    """What ONNX Runtime does not read any more."""
    _, graph = imported(f"net (float[2,3,3] x) => (float[?,?,?] y) {{ {text} }}", 3, s=stored)
    after = export(ht.Executor(graph.outputs), graph.inputs, graph.outputs)
    assert wanted is None or operators(after) == wanted
    np.testing.assert_allclose(run(after, x=numbers(2, 3, 3))[0], compute(numbers(2, 3, 3), stored), rtol=1e-5)


@pytest.mark.parametrize(
    "text, opset, target",
    [
        ("y = SpaceToDepth <blocksize: int = 2, mode: string = \"CRD\"> (x)", 27, 26),
        ("s = Shape <start: int = 3> (x) f = Cast <to: int = 1> (s) y = Mul (x, f)", 15, 13),
        ("y = ReduceMax <keepdims: int = 1> (x, axes)", 18, 13),
        ("y = ReduceMean (x, axes)", 18, 17),
        ("y, z = Split <axis: int = 2, num_outputs: int = 2> (x)", 18, 17),
        ("y = GridSample <mode: string = \"linear\"> (x, x)", 20, 16),
        ("y = Reshape <allowzero: int = 1> (x, shape)", 18, 13),
    ],
)  # fmt: skip
def test_what_an_older_opset_lacks_is_said_otherwise(text, opset, target):
    stored = {"axes": np.array([1]), "shape": np.array([2, -1, 4, 2])}
    stored = {name: array for name, array in stored.items() if name in text}
    before, graph = imported(f"net (float[2,2,4,2] x) => (float[?,?,?,?] y) {{ {text} }}", opset, **stored)
    after = export(ht.Executor(graph.outputs), graph.inputs, graph.outputs, opset=target)
    assert after.opset_import[0].version == target
    value = numbers(2, 2, 4, 2)
    before.ir_version = 10
    wanted = onnx.reference.ReferenceEvaluator(before).run(None, {"x": value})
    np.testing.assert_allclose(run(after, x=value)[0], wanted[0], rtol=1e-5, atol=1e-6)
