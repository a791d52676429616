"""The models of onnx's backend suite, imported and exported again: what comes out must still compute what they do.

`python -m tests.onnx_round_trip` prints those that do not, with the reason; `data/onnx_round_trip.txt` lists them.
"""

import functools
import sys
import warnings

import jax
import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper
from onnx.backend.test.loader import load_model_tests
from onnx.reference import ReferenceEvaluator

import hetu_jax as ht
from hetu_jax.onnx import hetu2onnx, onnx2hetu


@functools.cache
def cases():
    """The tests of single operators, by name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the suite computes its expectations with infinities
        return {case.name: case for case in load_model_tests(kind="node")}


def known(case):
    """The model, and its first inputs and outputs."""
    return case.model, *([plain(part) for part in parts] for parts in case.data_sets[0])


def plain(part):
    """A tensor, sequence or optional of the suite as NumPy has it."""
    if isinstance(part, onnx.TensorProto):
        return numpy_helper.to_array(part)
    if isinstance(part, onnx.SequenceProto):
        return numpy_helper.to_list(part)
    return numpy_helper.to_optional(part) if isinstance(part, onnx.OptionalProto) else part


def again(model, arrays):
    """The model that the import and the export make of a model, and which of its inputs are left."""
    graph = onnx2hetu._graph(model)
    executor = ht.Executor(graph.outputs, inference=True)
    used = executor.subexecutor["default"].need_feed_nodes
    inputs = [node for node in graph.inputs if node in used]
    shapes = {
        node: np.shape(array)
        for node, array in zip(graph.inputs, arrays, strict=False)
        if node in used and not isinstance(array, list) and array is not None
    }
    places = [graph.inputs.index(node) for node in inputs]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        opset = max(hetu2onnx.DEFAULT_OPSET, graph.opsets.get("", 1))
        return hetu2onnx.export(executor, inputs, graph.outputs, input_shapes=shapes, opset=opset), places


def computed(model, arrays):
    """The outputs, by ONNX Runtime, or by onnx's own evaluator where it lacks an operator."""
    feeds = dict(zip([info.name for info in model.graph.input], arrays, strict=True))
    try:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return session.run(None, feeds)
    except Exception:  # whatever it lacks
        return ReferenceEvaluator(model).run(None, feeds)


def same(result, wanted):
    if isinstance(wanted, list | tuple):
        for one, other in zip(result, wanted, strict=True):
            same(one, other)
    elif wanted is None or np.asarray(wanted).dtype.kind in "OUS":
        np.testing.assert_array_equal(result, wanted)
    else:
        result, wanted = np.asarray(result), np.asarray(wanted)
        if wanted.dtype.kind == "V" and result.dtype == np.uint8:  # as which ONNX Runtime gives narrow floats
            result = result.view(wanted.dtype)
        assert result.shape == wanted.shape and result.dtype == wanted.dtype, (result, wanted)
        wide = np.float64 if wanted.dtype.kind == "V" else None
        np.testing.assert_allclose(np.asarray(result, wide), np.asarray(wanted, wide), rtol=1e-3, atol=1e-5)


def problem(case):
    """Why a model does not come back as it was; None where it does."""
    model, arrays, wanted = known(case)
    try:
        with jax.enable_x64(True):
            made, places = again(model, arrays)
        onnx.checker.check_model(made, full_check=True)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            compare(computed(made, [arrays[place] for place in places]), wanted, model, arrays)
    except Exception as error:  # whatever it is, it is listed
        return " ".join(f"{type(error).__name__}: {error}".split())[:200]
    return None


def compare(results, wanted, model, arrays):
    """Raises AssertionError unless the results are those of the suite, or the runtime's own for the first model."""
    try:
        same(results, list(wanted))
    except AssertionError:
        same(results, computed(model, arrays))


def main():
    found = {name: text for name, case in sorted(cases().items()) if (text := problem(case))}
    for name, text in found.items():
        print(f"{name}: {text}")
    print(f"{len(found)} of {len(cases())} do not come back", file=sys.stderr)


if __name__ == "__main__":
    main()
