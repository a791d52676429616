"""The backend suite of the package onnx; `data/onnx_backend_failures.txt` says which of its tests fail and why."""

import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper
from onnx.backend.test import BackendTest

from hetu_jax.onnx import backend

FAILURES = Path(__file__).parent / "data" / "onnx_backend_failures.txt"


def failures():
    """The reason of each failure, by the name of the test."""
    lines = [line for line in FAILURES.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return dict(line.split(": ", 1) for line in lines)


def suite():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the suite computes its expectations with infinities
        runner = BackendTest(backend, __name__)
    for name in failures():
        runner.xfail(f"^{name}_cpu$")
    cases = runner.test_cases
    for case in cases.values():
        for name in [name for name in vars(case) if name.endswith("_cuda")]:
            delattr(case, name)
    return cases


pytestmark = pytest.mark.usefixtures("compile_quickly")


@pytest.fixture(scope="module", autouse=True)
def quick(tmp_path_factory):
    """The suite's files go where tests may write."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONNX_HOME", str(tmp_path_factory.mktemp("onnx")))
        yield


globals().update(suite())


def test_every_failure_is_a_test_with_a_reason():
    known = {name for case in suite().values() for name in vars(case)}
    assert {f"{name}_cpu" for name in failures()} <= known
    assert all(failures().values())


def test_run_node_takes_arrays_and_gives_arrays():
    node = helper.make_node("Split", ["x"], ["a", "b"], axis=1, num_outputs=2)
    a, b = backend.run_node(node, [np.arange(6.0).reshape(2, 3)])
    assert (a.shape, b.shape, a.dtype) == ((2, 2), (2, 1), np.float64)


def test_run_model_takes_inputs_by_name_too():
    node = helper.make_node("Sub", ["x", "y"], ["z"])
    infos = [helper.make_tensor_value_info(name, onnx.TensorProto.INT64, [None]) for name in "xyz"]
    model = helper.make_model(helper.make_graph([node], "g", infos[:2], infos[2:]))
    large = np.array([2**40], np.int64)
    assert backend.run_model(model, {"y": np.ones(1, np.int64), "x": large}).z.tolist() == [2**40 - 1]


def test_devices():
    assert backend.supports_device("CPU") and backend.supports_device("CPU:0")
