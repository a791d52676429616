"""Every op with an ONNX form, over the rows of `tests/cases`: valid models that compute what the op computes."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import onnx.reference
import onnxruntime
import pytest

import hetu_jax.ops  # noqa: F401  registers every op
from hetu_jax.errors import OnnxExportError
from hetu_jax.executor import Executor
from hetu_jax.graph import OPS, Variable, toposort
from hetu_jax.onnx import exporters, hetu2onnx
from hetu_jax.onnx.registry import EXPORTERS
from hetu_jax.trace import Run, abstract_value, evaluate

from .cases import CASES

EXPORTED = [
    case
    for case in CASES
    if case.op in OPS and case.op not in exporters.NOT_EXPORTED and case.onnx is True and not case.training
]
# What onnx.reference computes otherwise than ONNX Runtime and its own specification.
REFERENCE_IS_WRONG = {
    "log_softmax_op-large": "its LogSoftmax underflows",
    "softmaxcrossentropy_op-large_logits": "its LogSoftmax underflows",
    "softmaxcrossentropy_sparse_op-large_logits": "its LogSoftmax underflows",
}


class Model:
    """A case's node, its leaves as the inputs of a model, and that model."""

    def __init__(self, case, count=None, opset=None):
        self.case, self.outputs = case, [part for root in jax.tree.leaves(case.build()) for part in _parts(root)]
        owned = {id(v) for root in self.outputs for v in root.writes if root.op and root.op.state is not None}
        leaves = [n for n in toposort(self.outputs) if isinstance(n, Variable) and id(n) not in owned]
        if not leaves:
            leaves = [Variable("zero", np.zeros(1))]
            self.outputs = [OPS["add_op"](root, leaves[0]) for root in self.outputs]
        self.leaves, self.inputs = leaves, leaves[:count]
        batch = next((leaf.shape[0] for leaf in leaves if leaf.shape), None)
        self.batched = [leaf for leaf in leaves if leaf.shape and leaf.shape[0] == batch]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that the batch is fixed, where it must be
            self.proto = hetu2onnx.export(
                Executor(self.outputs),
                self.inputs,
                self.outputs,
                dynamic_axes={leaf: {0: "N"} for leaf in self.batched if leaf in self.inputs},
                opset=opset,
                guard_ids=True,
            )

    @property
    def open(self):
        """Whether the size of the batch stayed open."""
        return any(dim.dim_param == "N" for i in self.proto.graph.input for dim in i.type.tensor_type.shape.dim[:1])

    def values(self, times=1):
        """The value of each leaf, with `times` as many rows where it is batched."""
        return [
            np.concatenate([np.asarray(leaf.value)] * times) if leaf in self.batched else np.asarray(leaf.value)
            for leaf in self.leaves
        ]

    def computed(self, values):
        """What the op makes of other values, compiled."""
        stored = {n: n.value for n in toposort(self.outputs) if isinstance(n, Variable) and n not in self.leaves}

        def value(arrays):
            return evaluate(
                self.outputs, stored | dict(zip(self.leaves, arrays, strict=True)), Run(False, jax.random.key(0))
            )

        return [np.asarray(part) for part in jax.jit(value)(list(map(jnp.asarray, values)))]

    def feeds(self, values):
        return {i.name: value for i, value in zip(self.proto.graph.input, values, strict=False)}

    def check(self, run, values, expected):
        for result, wanted in zip(run(None, self.feeds(values)), expected, strict=True):
            result = np.asarray(result)
            assert (result.dtype, result.shape) == (wanted.dtype, wanted.shape)
            scale = max(1.0, np.max(np.abs(wanted), initial=0, where=np.isfinite(wanted)))
            np.testing.assert_allclose(result, wanted, max(self.case.rtol, 1e-5), atol=2e-6 * scale)


def _parts(root):
    """The node, or its parts where its value is a list."""
    value = abstract_value(root)
    return [root[i] for i in range(len(value))] if isinstance(value, list | tuple) else [root]


def _expected(case, model):
    """What the reference of the row gives, in the dtypes that the row says; what the op gives where it has none."""
    if case.reference is None:
        return model.computed(model.values())
    parts = case.oracle(case.reference)
    parts = parts if isinstance(parts, list | tuple) else [parts]
    dtypes = case.dtype if isinstance(case.dtype, list) else [case.dtype] * len(parts)
    return [np.asarray(part).astype(dtype) for part, dtype in zip(parts, dtypes, strict=True)]


def _session(proto):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    return onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("case", EXPORTED, ids=str)
def test_export(case):
    """All leaves are inputs, the batch is open where it can be; the checker, the reference and the runtime agree."""
    model = Model(case)
    onnx.checker.check_model(model.proto, full_check=True)
    onnx.shape_inference.infer_shapes(model.proto, strict_mode=True, data_prop=True)
    values, expected = model.values(), _expected(case, model)
    with np.errstate(all="ignore"):
        if str(case) not in REFERENCE_IS_WRONG:
            model.check(onnx.reference.ReferenceEvaluator(model.proto).run, values, expected)
    session = _session(model.proto)
    model.check(session.run, values, expected)
    if model.open:
        values = model.values(2)
        model.check(session.run, values, model.computed(values))


@pytest.mark.parametrize("case", [c for c in EXPORTED if len(jax.tree.leaves(c.args)) > 1], ids=str)
def test_initializers(case):
    """One input; the other leaves are stored in the model."""
    model = Model(case, 1)
    model.check(_session(model.proto).run, model.values(), _expected(case, model))


@pytest.mark.parametrize("opset", [13, 18])  # the oldest, and the one in which most reductions took axes as an input
@pytest.mark.parametrize("op", sorted({case.op for case in EXPORTED}))
def test_older_opsets(op, opset):
    """The first row of every op at older opsets: it exports, or the error names the opset that it needs."""
    case = next(case for case in EXPORTED if case.op == op)
    try:
        model = Model(case, opset=opset)
    except OnnxExportError as error:
        assert "export with opset=" in str(error)
        return
    onnx.checker.check_model(model.proto, full_check=True)
    model.check(_session(model.proto).run, model.values(), _expected(case, model))


def test_every_op_exports_or_says_why():
    """An op has an exporter, goes through its trace, or has a reason; no reason is stale."""
    assert set(exporters.NOT_EXPORTED) <= set(OPS)
    assert not set(exporters.NOT_EXPORTED) & set(EXPORTERS)
    assert set(OPS) - set(exporters.NOT_EXPORTED) <= {case.op for case in EXPORTED}


def test_exporters_stand_in_the_file_of_their_op():
    """export_<family>.py holds the ops of ops/<family>.py."""
    for name, function in EXPORTERS.items():
        family = OPS[name].__module__.rpartition(".")[2]
        if function.__module__ != "hetu_jax.onnx.registry" and OPS[name].__module__.startswith("hetu_jax.ops."):
            assert function.__module__ == f"hetu_jax.onnx.export_{family}", name
