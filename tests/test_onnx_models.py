"""Models of other frameworks' exporters, in data/onnx_models: both ways, against ONNX Runtime, and trained further."""

import runpy
from pathlib import Path

import numpy as np
import onnx
import pytest

import hetu_jax as ht
from benchmarks import onnx_export, onnx_models, onnx_nets
from hetu_jax.onnx import hetu2onnx, onnx2hetu

MODELS = {case.name.removesuffix(".onnx"): case for case in onnx_models.fixtures()}
TABLES = onnx_models.FIXTURES / "tf_cnn.npy"


@pytest.mark.parametrize("name", MODELS)
def test_agrees_with_onnxruntime_both_ways(name):
    result = onnx_models.measure(MODELS[name], rounds=0)
    assert result.error is None
    assert result.nodes[1] <= result.nodes[0]


@pytest.mark.parametrize("name", MODELS)
def test_goes_back_at_every_opset(name):
    case = MODELS[name]
    ends = onnx2hetu.from_onnx(onnx.load_model_from_string(case.content))
    inputs, outputs = (end if isinstance(end, list) else [end] for end in ends)
    executor = ht.Executor(outputs, inference=True)
    feeds = dict(zip(inputs, case.feeds, strict=True))
    wanted = executor.run(feed_dict=feeds, convert_to_numpy_ret_vals=True)
    for opset in range(hetu2onnx.OLDEST_OPSET, hetu2onnx.DEFAULT_OPSET + 1):
        model = hetu2onnx.export(executor, inputs, outputs, opset=opset)
        onnx.checker.check_model(model, full_check=True)
        session = onnx_models.session(model.SerializeToString())
        results = session.run(None, {node.name: array for node, array in feeds.items()})
        for result, array in zip(results, wanted, strict=True):
            np.testing.assert_allclose(result, array, rtol=1e-3, atol=1e-4)


def test_tensorflow_agrees():
    """Chapter 3 of the documentation, with TensorFlow's own result."""
    images = np.random.RandomState(seed=123).normal(scale=0.1, size=(20, 784)).astype(np.float32)
    hx, hy = onnx2hetu.load_onnx(onnx_models.FIXTURES / "tf_cnn.onnx")
    executor = ht.Executor([hy], ctx=ht.cpu(0))
    (scores,) = executor.run(feed_dict={hx: images})
    np.testing.assert_allclose(scores.asnumpy(), np.load(TABLES), rtol=1e-2, atol=1e-5)


@pytest.mark.parametrize("name", ["tf_cnn", "torch_resnet", "torch_vit", "torch_text"])
def test_fine_tuning_lowers_the_loss_and_the_result_exports(name, tmp_path):
    case = MODELS[name]
    x, y = onnx2hetu.load_onnx(onnx_models.FIXTURES / case.name)
    target = ht.Variable("target")
    scores = y if name != "torch_text" else ht.array_reshape_op(y, (-1, 20))
    loss = ht.reduce_mean_op(ht.softmaxcrossentropy_op(scores, target), [0])
    train = ht.optim.AdamOptimizer(2e-3).minimize(loss)
    executor = ht.Executor({"train": [loss, train], "infer": [y]})
    rows = case.feeds[0].size if name == "torch_text" else len(case.feeds[0])
    width = {"torch_text": 20}.get(name, 10)
    feeds = {x: case.feeds[0], target: np.eye(width, dtype=np.float32)[np.arange(rows) % width]}
    losses = [float(executor.run("train", feed_dict=feeds)[0].asnumpy()) for _ in range(15)]
    assert losses[-1] < 0.7 * losses[0]
    model = hetu2onnx.export(executor, [x], [y], tmp_path / "again.onnx")
    onnx.checker.check_model(model, full_check=True)
    (wanted,) = executor.run("infer", feed_dict={x: case.feeds[0]}, convert_to_numpy_ret_vals=True)
    session = onnx_models.session(Path(tmp_path / "again.onnx").read_bytes())
    (result,) = session.run(None, {session.get_inputs()[0].name: case.feeds[0]})
    np.testing.assert_allclose(result, wanted, rtol=1e-3, atol=1e-4)


@pytest.mark.skipif(not onnx_nets.HAS_TORCH, reason="torch is not installed")
@pytest.mark.parametrize("name", onnx_nets.HETU)
def test_no_more_nodes_than_pytorch_exports(name):
    module, inputs = onnx_nets.TORCH[name]()
    x, y = onnx_nets.HETU[name](module)
    executor = ht.Executor([y], inference=True)
    feeds = {x[0]: inputs[0].numpy()}
    (ours,) = executor.run(feed_dict=feeds, convert_to_numpy_ret_vals=True)
    np.testing.assert_allclose(ours, module(*inputs).detach().numpy(), rtol=1e-3, atol=1e-5)
    model = hetu2onnx.export(executor, x, [y], fold_batch_norm=True)  # as PyTorch does
    session = onnx_models.session(model.SerializeToString())
    (result,) = session.run(None, {session.get_inputs()[0].name: inputs[0].numpy()})
    np.testing.assert_allclose(result, ours, rtol=1e-3, atol=1e-5)
    theirs = [onnx_nets.torch_export(module, inputs, dynamo) for dynamo in (False, True)]
    theirs = [other for other in theirs if other]
    assert len(model.graph.node) <= min(len(onnx.load_model_from_string(other).graph.node) for other in theirs)
    assert onnx_export.optimised(model.SerializeToString()) <= min(map(onnx_export.optimised, theirs))


def test_the_page_of_what_is_supported_is_fresh():
    docs = Path(__file__).parents[1] / "docs"
    page = runpy.run_path(str(docs / "build_onnx.py"))["page"]()
    assert (docs / "onnx.md").read_text(encoding="utf-8") == page, "run python docs/build_onnx.py"
