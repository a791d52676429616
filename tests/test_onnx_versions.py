"""Operators that ONNX Runtime or an opset lacks: imported, they come back in a form that runs there."""

import numpy as np
import onnx
import pytest
from onnx import helper

import hetu_jax as ht
from benchmarks import onnx_models
from hetu_jax.onnx import backend, hetu2onnx, onnx2hetu

RNG = np.random.default_rng(0)
IMAGE = RNG.standard_normal((2, 6, 6, 6)).astype(np.float32)
PER_GROUP = RNG.standard_normal((2, 3)).astype(np.float32)
REGIONS = [np.array([[0, 0, 4, 4], [1, 1, 5, 3]], np.float32), np.array([0, 1])]
WIDTH = RNG.standard_normal(6).astype(np.float32)
SIZE = dict(output_height=2, output_width=2)

# The operator, its opset, inputs and attributes, and the opsets at which the form of what comes back changes.
CALLS = {
    "GroupNormalization": ("GroupNormalization", 18, [IMAGE, *PER_GROUP], dict(num_groups=3), (13, 18, 20, 21, 26)),
    "GroupNormalization, new": ("GroupNormalization", 21, [IMAGE, WIDTH, WIDTH], dict(num_groups=3), (17, 20, 21)),
    **{
        f"RoiAlign {mode} {opset}": (
            "RoiAlign",
            opset,
            [IMAGE, *REGIONS],
            dict(**SIZE, sampling_ratio=2, mode=mode),
            (13, 16, 21, 22, 26),
        )
        for mode in ("avg", "max")
        for opset in (10, 16, 22)
    },
    "GlobalLpPool": ("GlobalLpPool", 18, [IMAGE], {}, (21, 22, 26)),
    "SimplifiedLayerNormalization": ("SimplifiedLayerNormalization", 18, [IMAGE, WIDTH], {}, (13, 22, 23, 26)),
}


def model_of(operator, opset, arrays, attributes):
    names = [f"i{place}" for place in range(len(arrays))]
    node = helper.make_node(operator, names, ["y"], **attributes)
    infos = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in zip(names, arrays, strict=True)
    ]
    graph = helper.make_graph([node], "g", infos, [onnx.ValueInfoProto(name="y")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


@pytest.mark.parametrize("call", CALLS)
def test_comes_back_in_a_form_that_runs(call):
    operator, opset, arrays, attributes, targets = CALLS[call]
    model = model_of(operator, opset, arrays, attributes)
    (wanted,) = backend.prepare(model).run(arrays)
    inputs, output = onnx2hetu.from_onnx(model)
    inputs, (output,) = (end if isinstance(end, list) else [end] for end in (inputs, output))
    executor = ht.Executor([output], inference=True)
    for target in targets:
        made = hetu2onnx.export(executor, inputs, [output], opset=target)
        onnx.checker.check_model(made, full_check=True)
        session = onnx_models.session(made.SerializeToString())
        (result,) = session.run(None, {node.name: array for node, array in zip(inputs, arrays, strict=True)})
        np.testing.assert_allclose(result, wanted, rtol=1e-4, atol=1e-5)


def test_a_roi_align_that_chooses_its_samples_stays_one():
    model = model_of("RoiAlign", 16, [IMAGE, *REGIONS], SIZE)
    inputs, (output,) = onnx2hetu.from_onnx(model)
    made = hetu2onnx.export(ht.Executor([output], inference=True), inputs, [output], opset=22)
    assert [node.op_type for node in made.graph.node] == ["RoiAlign"]
