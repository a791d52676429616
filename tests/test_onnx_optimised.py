"""What ONNX Runtime's optimizers and quantizers write of the models in data/onnx_models, against ONNX Runtime."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnxruntime import GraphOptimizationLevel as Level

from benchmarks import onnx_models
from hetu_jax.errors import OnnxImportError
from hetu_jax.onnx import backend

CASES = {case.name.removesuffix(".onnx"): case for case in onnx_models.fixtures()}
NETS = [name for name in CASES if not name.startswith("sklearn")]


def optimised(content, level, path):
    """A model as ONNX Runtime saves it."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level, options.optimized_model_filepath = level, str(path)
    options.log_severity_level = 3
    onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return path.read_bytes()


def compare(content, case, tolerance=1e-3):
    """Raises AssertionError unless a model gives what it gives in ONNX Runtime."""
    model = onnx.load_model_from_string(content)
    wanted = onnx_models.session(content).run(None, dict(zip(names(model), case.feeds, strict=True)))
    for ours, theirs in zip(backend.prepare(model).run(case.feeds), wanted, strict=True):
        if np.asarray(theirs).dtype.kind == "f":
            np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance * np.abs(theirs).max())


def names(model):
    stored = {tensor.name for tensor in model.graph.initializer}
    return [info.name for info in model.graph.input if info.name not in stored]


@pytest.mark.parametrize("name", CASES)
def test_optimised_models_import_or_say_at_which_level_they_would(name, tmp_path):
    case = CASES[name]
    compare(optimised(case.content, Level.ORT_ENABLE_EXTENDED, tmp_path / "extended.onnx"), case)
    everything = optimised(case.content, Level.ORT_ENABLE_ALL, tmp_path / "all.onnx")
    domains = {node.domain for node in onnx.load_model_from_string(everything).graph.node}
    if "com.microsoft.nchwc" in domains:
        with pytest.raises(OnnxImportError, match="save the model at its level ORT_ENABLE_EXTENDED"):
            backend.prepare(onnx.load_model_from_string(everything))
    elif name != "torch_lstm":  # which is the same at both levels, and compiles for long
        compare(everything, case)


@pytest.mark.parametrize("name", ["tf_cnn", "torch_resnet", "torch_transformer"])
@pytest.mark.parametrize("form", ["QOperator", "QDQ", "dynamic"])
def test_quantised_models_import(name, form, tmp_path):
    pytest.importorskip("sympy")
    from onnxruntime import quantization

    case = CASES[name]
    source, path = tmp_path / "model.onnx", tmp_path / "quantised.onnx"
    source.write_bytes(case.content)
    if form == "dynamic":
        quantization.quantize_dynamic(source, path)
    else:
        feeds = iter([dict(zip(names(onnx.load(source)), case.feeds, strict=True))])
        reader = type("Reader", (quantization.CalibrationDataReader,), {"get_next": lambda self: next(feeds, None)})()
        quantization.quantize_static(source, path, reader, quant_format=quantization.QuantFormat[form])
    # A number that falls between two whole ones goes either way, and the ones after it with it.
    compare(optimised(path.read_bytes(), Level.ORT_ENABLE_EXTENDED, tmp_path / "extended.onnx"), case, 0.03)


@pytest.mark.parametrize("name, kind", [("torch_text", "gpt2"), ("torch_transformer", "bert"), ("torch_vit", "vit")])
def test_models_of_the_transformer_optimizer_import(name, kind, tmp_path):
    pytest.importorskip("torch")
    from onnxruntime.transformers import optimizer

    (tmp_path / "model.onnx").write_bytes(CASES[name].content)
    made = optimizer.optimize_model(str(tmp_path / "model.onnx"), model_type=kind, num_heads=4, hidden_size=64)
    made.save_model_to_file(str(tmp_path / "optimised.onnx"))
    compare((tmp_path / "optimised.onnx").read_bytes(), CASES[name])
