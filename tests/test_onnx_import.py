"""Imported models are ordinary graphs: they agree with ONNX Runtime, train, and export again."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import hetu_jax as ht
from hetu_jax.errors import OnnxImportError
from hetu_jax.graph import toposort
from hetu_jax.onnx import hetu2onnx, onnx2hetu, operators, stripping

from . import onnx_fuzz

OPSET = 21

FOUND = Path(__file__).parent / "data" / "onnx_fuzz"


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


@pytest.mark.parametrize("group, shape", [(2, (4, 6, 9, 8)), (6, (4, 6, 9, 8)), (6, (4, 6, 9)), (9, (2, 18, 5, 5))])
def test_convolutions_of_groups(group, shape):
    rank, channels = len(shape) - 2, shape[1]
    options = {"group": group, "strides": [2] * rank, "dilations": [2] * rank, "pads": [2, 1, 1, 2][: 2 * rank]}
    nodes = [helper.make_node("Conv", ["x", "w", "b"], ["y"], **options)]
    weights = {"w": rng(channels, channels // group, *[3] * rank), "b": rng(channels, seed=1)}
    agrees(model_of(nodes, [("x", 1, list(shape))], [("y", 1, None)], weights), rng(*shape, seed=2))


def test_gather_counts_negative_ids_from_the_end_and_trains_its_table():
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["rows"]),
        helper.make_node("Gather", ["table", "last"], ["l"]),
    ]
    weights = {"table": rng(5, 3), "last": np.array([-1])}
    model = model_of(nodes, [("ids", 7, ["N"])], [("rows", 1, ["N", 3]), ("l", 1, [1, 3])], weights)
    agrees(model, np.array([0, -1, 3, -5]))
    (x,), (y, _) = onnx2hetu.from_onnx(model)
    assert y.op.__name__ == "embedding_lookup_op"
    train = ht.optim.SGDOptimizer(1.0).minimize(ht.reduce_sum_op(y, [0, 1]))
    executor = ht.Executor({"train": [train], "infer": [y]})
    executor.run("train", feed_dict={x: np.array([-1, 1])})
    (moved,) = executor.run("infer", feed_dict={x: np.arange(5)}, convert_to_numpy_ret_vals=True)
    np.testing.assert_allclose(weights["table"] - moved, np.repeat([0, 1, 0, 0, 1], 3).reshape(5, 3), atol=1e-6)
    assert [node.op_type for node in hetu2onnx.export(executor, [x], [y]).graph.node] == ["Gather"]


def test_what_hetu_has_is_recorded_as_its_ops():
    x, y = onnx2hetu.from_onnx(cnn())
    names = [node.op.__name__ for node in toposort([y]) if node.op]
    assert names[:3] == ["conv2d_add_bias_op", "batch_normalization_op", "relu_op"]
    assert {"max_pool2d_op", "linear_op", "Conv", "HardSwish"} <= set(names)


def detector():
    """A convolution and what is found in its map, of which nobody knows the number beforehand."""
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["c", "scale", "bias", "mean", "var"], ["n"]),
        helper.make_node("Relu", ["n"], ["r"]),
        helper.make_node("Shape", ["r"], ["shape"]),
        helper.make_node("NonZero", ["r"], ["places"]),
        helper.make_node("Transpose", ["places"], ["rows"]),
        helper.make_node("GatherND", ["r", "rows"], ["found"]),
        helper.make_node("ReduceMax", ["r"], ["top"], keepdims=0),
        helper.make_node("Mul", ["found", "top"], ["y"]),
        helper.make_node("Expand", ["top", "shape"], ["z"]),
    ]
    weights = {
        "w1": rng(4, 3, 3, 3),
        "b1": rng(4, seed=1),
        "scale": rng(4, seed=2),
        "bias": rng(4, seed=3),
        "mean": rng(4, seed=4),
        "var": np.abs(rng(4, seed=5)) + 0.5,
    }
    return model_of(nodes, [("x", 1, ["N", 3, 6, 6])], [("y", 1, ["M"]), ("z", 1, ["N", 4, 6, 6])], weights)


def test_only_what_follows_from_unknown_lengths_runs_op_by_op(caplog):
    (x,), outputs = onnx2hetu.from_onnx(detector())
    executor = ht.Executor(list(outputs), inference=True)
    for seed in (0, 1):
        images = rng(2, 3, 6, 6, seed=seed)
        ours = executor.run(feed_dict={x: images}, convert_to_numpy_ret_vals=True)
        for mine, theirs in zip(ours, runtime(detector(), images), strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-4)
    (message,) = [record.getMessage() for record in caplog.records]
    assert "compiles 6 of its 10 ops and runs the rest one by one: NonZero 'places'" in message


def test_a_branch_whose_shape_the_condition_decides_is_one_program():
    branches = {
        name: helper.make_graph([helper.make_node(kind, ["r"], [name])], name, [], [onnx.ValueInfoProto(name=name)])
        for name, kind in (("kept", "Exp"), ("flat", "Flatten"))
    }
    nodes = [
        helper.make_node("Relu", ["x"], ["r"]),
        helper.make_node("If", ["c"], ["y"], then_branch=branches["kept"], else_branch=branches["flat"]),
    ]
    model = model_of(nodes, [("x", 1, ["N", 2, 3]), ("c", 9, [])], [("y", 1, None)])
    graph = onnx2hetu._graph(model)
    executor, (x, c) = ht.Executor(graph.outputs), graph.inputs
    for seed in range(3):
        for cond in (True, False):
            (got,) = executor.run(feed_dict={x: rng(2, 2, 3, seed=seed), c: cond}, convert_to_numpy_ret_vals=True)
            (wanted,) = runtime(model, rng(2, 2, 3, seed=seed), np.array(cond))
            np.testing.assert_allclose(got, wanted, rtol=1e-5)
    (node,) = [node for node in toposort(graph.outputs) if node.op_type == "If"]
    assert all(list(node.arguments[name]._programs.values())[0] for name in ("then_branch", "else_branch"))


def test_roles_of_initializers(tmp_path):
    path = tmp_path / "cnn.onnx"
    onnx.save(cnn(), path)
    graph = onnx2hetu.load_onnx_graph(path)
    trainable = {name for name, variable in graph.variables.items() if variable.trainable}
    assert trainable == {"w1", "b1", "scale", "bias", "w2", "w3", "b3"}
    assert set(graph.variables) - trainable == {"mean", "var"}
    assert "x: float32[N, 3, 8, 8]" in repr(graph) and "output y" in repr(graph)


def test_weights_in_nodes_are_trainable_like_initializers():
    stored = {"w": rng(4, 3), "s": np.ones(3, np.float32), "m": rng(3), "v": np.ones(3, np.float32)}
    constants = [
        helper.make_node("Constant", [], [name], value=numpy_helper.from_array(a)) for name, a in stored.items()
    ]
    root = helper.make_node("Constant", [], ["root"], value_float=2.0)
    nodes = [
        *constants,
        root,
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("BatchNormalization", ["a", "s", "m", "m", "v"], ["b"]),
        helper.make_node("Div", ["b", "root"], ["y"]),
    ]
    model = model_of(nodes, [("x", 1, ["N", 4])], [("y", 1, ["N", 3])])
    agrees(model, rng(2, 4))
    variables = onnx2hetu._graph(model).variables
    assert {name: variable.trainable for name, variable in variables.items()} == {
        "w": True,
        "s": True,
        "m": False,
        "v": False,
    }


def test_integers_that_32_bits_do_not_hold_are_not_cut_silently():
    nodes = [helper.make_node("Gather", ["big", "x"], ["y"])]
    ends = [("x", 7, ["N"])], [("y", 7, ["N"])]
    with pytest.raises(OnnxImportError, match="initializer 'big': it has integers that 32 bits do not hold: .*x64"):
        onnx2hetu.from_onnx(model_of(nodes, *ends, {"big": np.full(20_000, 2**40)}))
    far = {"far": np.array([2**63 - 1])}
    agrees(model_of([helper.make_node("Min", ["x", "far"], ["y"])], *ends, far), np.array([3, 4]))
    x, y = onnx2hetu.from_onnx(
        model_of([helper.make_node("Add", ["x", "big"], ["y"])], *ends, {"big": np.array([2**40])})
    )
    with pytest.warns(UserWarning, match=f"such as {2**40}, do not fit"):
        evaluate([y], {x: np.array([3])})


def test_dtypes_of_stored_tensors_come_back():
    nodes = [helper.make_node("Gather", ["table", "x"], ["y"]), helper.make_node("Mul", ["z", "w"], ["v"])]
    stored = {"table": np.arange(20_000), "w": np.ones(2)}
    model = model_of(nodes, [("x", 7, ["N"]), ("z", 11, [2])], [("y", 7, ["N"]), ("v", 11, [2])], stored)
    graph = onnx2hetu._graph(model)
    again = hetu2onnx.export(ht.Executor(graph.outputs), graph.inputs, graph.outputs)
    assert {tensor.name: tensor.data_type for tensor in again.graph.initializer} == {"table": 7, "w": 11}
    assert [info.type.tensor_type.elem_type for info in again.graph.output] == [7, 11]
    assert [node.op_type for node in again.graph.node] == ["Gather", "Mul"]


def test_outputs_are_shown_as_the_model_declares_them():
    nodes = [helper.make_node("TopK", ["x", "k"], ["v", "i"])]
    graph = onnx2hetu._graph(
        model_of(nodes, [("x", 1, ["N", 5])], [("v", 1, ["N", 2]), ("i", 7, ["N", 2])], {"k": np.array([2])})
    )
    assert "output v: float32[N, 2]" in repr(graph) and "output i: int64[N, 2]" in repr(graph)


def test_feeds_that_the_model_does_not_take():
    x, y = onnx2hetu.from_onnx(transformer())
    for feed, error, message in [
        (np.full((2, 3), 1.5), TypeError, "takes integers, and was fed fractions"),
        (np.ones(3, int), ValueError, r"fed the shape \(3,\), and the model declares \['N', 'T'\]"),
    ]:
        with pytest.raises(error, match=message):
            evaluate([y], {x: feed})


def test_operators_of_a_domain_that_is_not_imported_are_the_newest():
    model = plain(helper.make_node("Softmax", ["x"], ["y"], axis=0), domains=["ai.onnx.ml"])
    del model.opset_import[0]
    x, y = onnx2hetu.from_onnx(model)
    assert toposort([y])[-1].onnx.op.since == 13 if hasattr(y, "onnx") else y.op.since == 13


def test_functions_that_write_out_to_millions_of_nodes_are_refused_at_once():
    functions = [
        helper.make_function(
            "f", f"f{i}", ["a"], ["b"], nodes, [helper.make_opsetid("", OPSET), helper.make_opsetid("f", 1)]
        )
        for i, nodes in enumerate(
            [
                helper.make_node(f"f{i - 1}" if i else "Relu", [a], [b], domain="f" if i else "")
                for a, b in ("ac", "cd", "db")
            ]
            for i in range(30)
        )
    ]
    call = helper.make_node("f29", ["x"], ["y"], domain="f")
    with pytest.raises(OnnxImportError, match="over 300,000 nodes in its functions"):
        onnx2hetu.from_onnx(plain(call, functions=functions, domains=["f"]))


def test_scales_of_quantised_numbers_are_left_alone():
    nodes = [
        helper.make_node(
            "MatMulNBits", ["x", "w", "scales"], ["y"], domain="com.microsoft", K=32, N=4, bits=4, block_size=32
        )
    ]
    stored = {"w": np.zeros((4, 1, 16), np.uint8), "scales": np.ones(4, np.float32)}
    model = model_of(nodes, [("x", 1, ["N", 32])], [("y", 1, ["N", 4])], stored, domains=["com.microsoft"])
    assert not onnx2hetu._graph(model).variables["scales"].trainable


def relu(name="x", result="y"):
    return helper.make_node("Relu", [name], [result], name="act")


def plain(*nodes, **options):
    return model_of(list(nodes), [("x", 1, ["N"])], [("y", 1, ["N"])], **options)


MALFORMED = {
    "missing": (plain(relu("nowhere")), "node 'act' .*reads 'nowhere', which is neither"),
    "circle": (plain(relu("a"), helper.make_node("Neg", ["y"], ["a"])), "node 'act' .*reads 'a', which a later node"),
    "twice": (plain(relu(), relu()), "node 'act' .*two values are called 'y'"),
    "no output": (plain(relu(result="z")), "the output 'y' of the graph is made by no node"),
    "types": (
        plain(helper.make_node("Add", ["x", "i"], ["y"], name="sum"), initializers={"i": np.ones(1, int)}),
        "sum",
    ),
    "attribute": (plain(helper.make_node("Elu", ["x"], ["y"], name="e", beta=1.0)), "node 'e' .*no attribute 'beta'"),
    "kind": (plain(helper.make_node("Elu", ["x"], ["y"], name="e", alpha="1")), "'alpha' is STRING, and must be FLOAT"),
    "inputs": (plain(helper.make_node("Add", ["x"], ["y"], name="s")), "node 's' .*needs its input 'B'"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_one_error_says_where_a_model_makes_no_sense(name):
    model, message = MALFORMED[name]
    with pytest.raises(OnnxImportError, match=message):
        onnx2hetu.from_onnx(model)


def test_all_unsupported_operators_are_named_at_once():
    nodes = [
        helper.make_node("Abc", ["x"], ["a"], name="one"),
        helper.make_node("Xyz", ["a"], ["y"], "two", domain="d"),
    ]
    with pytest.raises(OnnxImportError, match=r"ai.onnx.Abc \(opset 21\) at 'one'; d.Xyz \(opset 1\) at 'two'"):
        onnx2hetu.from_onnx(plain(*nodes, domains=["d"]))


def test_operators_for_one_processor_say_how_to_do_without():
    node = helper.make_node("Conv", ["x", "x"], ["y"], domain="com.microsoft.nchwc")
    with pytest.raises(OnnxImportError, match="nchwc.Conv .*: save the model at its level ORT_ENABLE_EXTENDED"):
        onnx2hetu.from_onnx(plain(node, domains=["com.microsoft.nchwc"]))


def test_a_tensor_may_not_declare_more_than_it_has():
    model = plain(helper.make_node("Add", ["x", "w"], ["y"]), initializers={"w": np.ones(3, np.float32)})
    model.graph.initializer[0].dims[:] = [2**40]
    with pytest.raises(OnnxImportError, match="initializer 'w'"):
        onnx2hetu.from_onnx(model)


@pytest.mark.parametrize(
    "content, what",
    [(b"", "empty"), (b"PK\x03\x04rest", "PyTorch"), (b"\x80\x02}q", "pickle"), (b"\x89HDF\r\n", "HDF5")],
)
def test_files_of_other_kinds_are_recognised(tmp_path, content, what):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(OnnxImportError, match=what):
        onnx2hetu.load_onnx(path)


def external(tmp_path, location, length=12):
    model = plain(helper.make_node("Add", ["x", "w"], ["y"]), initializers={"w": np.ones(3, np.float32)})
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("length", length)):
        tensor.external_data.add(key=key, value=str(value))
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "model.onnx").write_bytes(model.SerializeToString())
    for folder in (tmp_path, tmp_path / "inside"):
        (folder / "data").write_bytes(np.arange(3, dtype=np.float32).tobytes())
    return tmp_path / "inside" / "model.onnx"


def test_external_data_is_read_from_the_folder_of_the_model(tmp_path):
    graph = onnx2hetu.load_onnx_graph(external(tmp_path, "data"))
    assert graph.variables["w"].value.tolist() == [0, 1, 2]


@pytest.mark.parametrize("location, length", [("../data", 12), ("/etc/hosts", 12), ("none", 12), ("data", 2**40)])
def test_external_data_stays_in_the_folder_and_within_its_file(tmp_path, location, length):
    with pytest.raises(OnnxImportError, match="'w'"):
        onnx2hetu.load_onnx(external(tmp_path, location, length))


def linked(tmp_path, target):
    """A model and its data as the Hugging Face Hub caches them: links to files in another folder."""
    whole = external(tmp_path, "data")
    (tmp_path / "blobs").mkdir()
    (tmp_path / "snapshot").mkdir()
    whole.rename(tmp_path / "blobs" / "a")
    (tmp_path / "inside" / "data").rename(tmp_path / "blobs" / "b")
    (tmp_path / "snapshot" / "model.onnx").symlink_to(tmp_path / "blobs" / "a")
    (tmp_path / "snapshot" / "data").symlink_to(tmp_path / target)
    return tmp_path / "snapshot" / "model.onnx"


def test_links_beside_a_model_that_is_a_link_lead_where_it_leads(tmp_path):
    graph = onnx2hetu.load_onnx_graph(linked(tmp_path, "blobs/b"))
    assert graph.variables["w"].value.tolist() == [0, 1, 2]


def test_links_do_not_lead_elsewhere(tmp_path):
    with pytest.raises(OnnxImportError, match="'data', outside the model's folder"):
        onnx2hetu.load_onnx(linked(tmp_path, "data"))


def test_a_large_model_may_be_a_link(tmp_path):
    (tmp_path / "blobs").mkdir()
    weights, _ = large(tmp_path / "blobs" / "a")
    (tmp_path / "model.onnx").symlink_to(tmp_path / "blobs" / "a")
    graph = onnx2hetu.load_onnx_graph(tmp_path / "model.onnx")
    np.testing.assert_array_equal(graph.variables["w"].value, weights["w"])


def large(path, **options):
    """A model of some megabytes in a file."""
    weights = {"w": rng(600, 600), "half": rng(300, 600).astype(np.float16), "small": rng(600)}
    nodes = [
        helper.make_node("Cast", ["half"], ["wide"], to=1),
        helper.make_node("Gemm", ["x", "w", "small"], ["a"]),
        helper.make_node("Gemm", ["a", "wide"], ["y"], transB=1),
    ]
    model = model_of(nodes, [("x", 1, ["N", 600])], [("y", 1, ["N", 300])], weights)
    onnx.save(model, path, **options)
    return weights, model


@pytest.mark.parametrize("external", [False, True])
def test_large_models_are_read_without_a_copy_and_outlive_their_file(tmp_path, external):
    path = tmp_path / "large.onnx"
    weights, model = large(path, save_as_external_data=external, location="large.data" if external else None)
    graph = onnx2hetu.load_onnx_graph(path)
    for name in ("large.onnx", "large.data") if external else ("large.onnx",):
        content = bytearray((tmp_path / name).read_bytes())
        content[-100_000:] = bytes(100_000)
        with open(tmp_path / name, "r+b") as file:  # in place, where the first one lies
            file.write(content)
    for name, array in weights.items():
        np.testing.assert_array_equal(graph.variables[name].value, array)
    if not external:
        (got,) = evaluate(graph.outputs, {graph.inputs[0]: rng(2, 600)})
        np.testing.assert_allclose(got, runtime(model, rng(2, 600))[0], rtol=1e-2, atol=1e-2)


def test_large_files_that_are_cut_off(tmp_path):
    path = tmp_path / "large.onnx"
    large(path)
    for length in (1_100_000, path.stat().st_size - 10):
        (tmp_path / "cut.onnx").write_bytes(path.read_bytes()[:length])
        with pytest.raises(OnnxImportError, match="is no ONNX model"):
            onnx2hetu.load_onnx(tmp_path / "cut.onnx")


def test_stripped_models_say_where_their_tensors_lie(tmp_path):
    path = tmp_path / "large.onnx"
    weights, model = large(path)
    content = path.read_bytes()
    short = onnx.ModelProto.FromString(stripping.stripped(memoryview(content), "large.onnx"))
    assert len(short.SerializeToString()) < 5000
    for tensor, whole in zip(short.graph.initializer, model.graph.initializer, strict=True):
        place = {entry.key: entry.value for entry in tensor.external_data}
        raw = tensor.raw_data or content[int(place["offset"]) :][: int(place["length"])]
        assert (tensor.name, list(tensor.dims), raw) == (whole.name, list(whole.dims), whole.raw_data)
    assert stripping.stripped(memoryview(content[:1000]), "large.onnx") is None


def test_damaged_models_give_one_kind_of_error():
    assert not [number for number in range(400) if onnx_fuzz.problem(onnx_fuzz.damaged(number))]


@pytest.mark.parametrize("path", sorted(FOUND.glob("*.onnx")), ids=lambda path: path.stem)
def test_what_the_fuzzer_found_stays_mended(path):
    with pytest.raises(OnnxImportError, match="node .*: "):
        onnx2hetu.load_onnx(path)


def test_operators_are_called_as_in_the_standard():
    operators.find("", "Add", 1)
    named = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        names = {*schema.attributes, *(formal.name for formal in schema.inputs)}
        named.setdefault((schema.domain, schema.name), {"outputs", "axis", "broadcast"}).update(names)
    for operator in operators.REGISTRIES[""].values():
        known = named.get(("", operator.onnx_name))
        assert known is None or set(operator.attributes) <= known, operator.onnx_name


def test_operators_take_all_that_any_version_of_the_standard_has():
    missing = []
    for schema in onnx.defs.get_all_schemas_with_history():
        operator = operators.find(schema.domain, schema.name, schema.since_version)
        if schema.domain or operator is None:
            continue
        inputs = [object()] * schema.min_input
        for name in schema.attributes:
            if name in [formal.name for formal in schema.inputs]:  # Split of opset 1 has `split` twice
                continue
            attributes = {name: object()} | {n: object() for n, a in schema.attributes.items() if a.required}
            try:
                operator.bind_node(inputs, attributes, 1)
            except OnnxImportError as error:
                missing.append((schema.since_version, str(error)))
    assert set(missing) == {(1, "LpPool needs its attribute 'kernel_shape'"), (1, "Reshape needs its input 'shape'")}


def test_element_types_by_name():
    """As the first version of Cast says them."""
    model = plain(
        helper.make_node("Cast", ["x"], ["h"], to="FLOAT16"),
        helper.make_node("Cast", ["h"], ["y"], to="FLOAT"),
        opset=5,
    )
    x, y = onnx2hetu.from_onnx(model)
    (got,) = evaluate([y], {x: np.array([0.1], np.float32)})
    np.testing.assert_array_equal(got, np.array([0.1], np.float16).astype(np.float32))
