"""Every check that one row of `tests/cases` drives; the ONNX checks over the same rows are in test_onnx_ops.py."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hetu_jax.gradients
import hetu_jax.ops  # noqa: F401  registers every op
from hetu_jax.executor import Executor
from hetu_jax.graph import OPS, Feed, Node, Variable, toposort
from hetu_jax.trace import Run, evaluate

from .cases import CASES, Case

PROBES = 48  # elements of an argument that are moved for finite differences
STEP = 1e-5
QUICK = {"xla_backend_optimization_level": 0}  # for steps that run a few times only, compiling is what takes long


def _dtypes(case: Case, count: int = 1) -> list[np.dtype]:
    dtypes = case.dtype if isinstance(case.dtype, list) else [case.dtype] * count
    return [np.dtype(dtype) for dtype in dtypes]


DIFFERENTIABLE = [
    case
    for case in CASES
    if case.grad is True
    and all(dtype.kind == "f" for dtype in _dtypes(case))
    and any(
        isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f" for leaf in jax.tree.leaves((case.args, case.kwargs))
    )
]


class Traced:
    """A case's node as a pure function of the values of its float leaves."""

    def __init__(self, case: Case):
        self.case, self.node = case, case.build()
        self.roots = jax.tree.leaves(self.node)
        self.leaves = [n for n in toposort(self.roots) if isinstance(n, Variable | Feed)]
        made = {id(v) for root in self.roots for v in root.writes if root.op.state is not None}
        self.wrt = [leaf for leaf in self.leaves if leaf.trainable and id(leaf) not in made]

    def __call__(self, moved: dict[Any, Any], dtype: Any = np.float32) -> list[jax.Array]:
        """The value's arrays; `moved` has new values of leaves, the floats of the others become `dtype`."""
        env = {leaf: moved.get(i, _cast(leaf.value, dtype)) for i, leaf in enumerate(self.leaves)}
        run = Run(self.case.training, jax.random.key(7), {root: i for i, root in enumerate(self.roots)})
        values = evaluate(self.roots, env, run)
        return jax.tree.leaves([self.written(run.updates) if v is None else v for v in values])

    def written(self, updates: dict[Variable, Any]) -> list[Any]:
        return [updates[variable] for root in self.roots for variable in root.writes]

    def points(self, dtype: Any) -> dict[int, jax.Array]:
        return {i: _cast(leaf.value, dtype) for i, leaf in enumerate(self.leaves) if leaf in self.wrt}


def _cast(value: Any, dtype: Any) -> Any:
    return jax.tree.map(lambda part: part.astype(dtype) if part.dtype.kind == "f" else part, value)


def _expected(case: Case) -> list[np.ndarray]:
    return [np.asarray(part) for part in _listed(case.oracle(case.reference))]


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _close(values: list[Any], expected: list[Any], what: str, **tolerance: float) -> None:
    assert len(values) == len(expected), f"{what}: {len(values)} values instead of {len(expected)}"
    for value, wanted in zip(values, expected, strict=True):
        assert value.shape == wanted.shape, f"{what}: shape {value.shape} instead of {wanted.shape}"
        value, wanted = (np.asarray(x, np.float64) for x in (value, wanted))
        np.testing.assert_allclose(value, wanted, **tolerance, err_msg=what)


class Ran(NamedTuple):
    """What an Executor gave for a case: the value's arrays, and how often it compiled in one run and in two."""

    values: list[np.ndarray]
    compiled: tuple[int, int]


_ran: dict[int, Ran] = {}


def _run(case: Case) -> Ran:
    """Two runs of an Executor over the case's node; made once for all checks."""
    if id(case) not in _ran:
        roots = jax.tree.leaves(case.build())
        executor = Executor({"default": roots})
        fetched = executor.run(inference=not case.training)
        written = [variable.value for root in roots if root.op.state is None for variable in root.writes]
        values = [np.asarray(value) for value in jax.tree.leaves(fetched) or written]
        once = executor.compile_count
        executor.run(inference=not case.training)
        _ran[id(case)] = Ran(values, (once, executor.compile_count))
    return _ran[id(case)]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_value(case):
    """Value, shape and dtype are those of the reference."""
    values = _run(case).values
    if case.check is not None:
        case.check(values[0] if len(values) == 1 else values)
    if case.reference is not None:
        _close(values, _expected(case), "value", rtol=case.rtol, atol=case.atol)
    assert case.check or case.reference, "a row needs a reference or a check"
    assert [value.dtype for value in values] == _dtypes(case, len(values))


@pytest.mark.usefixtures("compile_quickly")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_shape(case):
    """The node knows shape and dtype without computing."""
    node = case.build()
    if isinstance(node, Node) and node.shape is not None:
        (value,) = _run(case).values
        assert node.shape == value.shape
        assert node.dtype == value.dtype


# One row for each op and mode: without jit, each step of an op is compiled by itself, which takes long.
@pytest.mark.usefixtures("compile_quickly")
@pytest.mark.parametrize("case", {(case.op, case.training): case for case in reversed(CASES)}.values(), ids=str)
def test_eager(case):
    """The plain function gives on arrays what it gives compiled."""
    traced = Traced(case)
    draws = any("key" in root.op.asks for root in traced.roots)
    compiled = jax.jit(lambda: traced({}))() if draws else _run(case).values
    _close(traced({}), compiled, "eager", rtol=case.rtol, atol=case.atol)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_compiled_once(case):
    """A second run with the same shapes compiles nothing."""
    assert _run(case).compiled == (1, 1)


@pytest.mark.usefixtures("compile_quickly")
@pytest.mark.parametrize("case", DIFFERENTIABLE, ids=str)
def test_bfloat16(case):
    """Narrow floats stay narrow, unless the op is told a dtype."""
    traced = Traced(case)
    shapes = jax.eval_shape(lambda p: traced(p, jnp.bfloat16), traced.points(jnp.bfloat16))
    assert "dtype" in OPS[case.op].signature.parameters or {str(s.dtype) for s in shapes} == {"bfloat16"}


@pytest.mark.parametrize("case", [case for case in CASES if case.writes], ids=str)
def test_writes(case):
    """The Variables that the op owns get their new values."""
    traced = Traced(case)
    run = Run(case.training, jax.random.key(7))
    evaluate(traced.roots, {leaf: leaf.value for leaf in traced.leaves}, run)
    _close(traced.written(run.updates), case.oracle(case.writes), "writes", rtol=case.rtol, atol=case.atol)


@pytest.mark.usefixtures("compile_quickly")
@pytest.mark.parametrize("case", DIFFERENTIABLE, ids=str)
def test_gradient(case):
    """In float64: the value, and the gradients against finite differences (or `grads`) and PyTorch."""
    with jax.enable_x64(True):
        traced = Traced(case)
        points = traced.points(np.float64)
        shapes = jax.eval_shape(lambda p: traced(p, np.float64), points)
        assert all(s.dtype == np.float64 for s in shapes), f"float64 inputs give {[str(s.dtype) for s in shapes]}"
        cotangents = [np.random.default_rng(5).uniform(-1, 1, s.shape) for s in shapes]
        weighted = jax.jit(jax.value_and_grad(_weighted(traced, cotangents), has_aux=True), compiler_options=QUICK)
        (_, values), gradients = weighted(points)
        gradients = [gradients[i] for i in points]
        if case.reference is not None:
            _close(values, _expected(case), "float64 value", rtol=1e-8, atol=1e-8)
        if case.grads is not None:
            wanted = case.oracle(case.grads, cotangents[0] if len(cotangents) == 1 else cotangents)
            _close(gradients, wanted, "gradient", rtol=1e-8, atol=1e-8)
        else:
            _compare_differences(lambda p: float(weighted(p)[0][0]), points, gradients)
    if case.torch is not None:
        _compare_torch(case, cotangents, values, gradients)


def _weighted(traced: Traced, cotangents: list[np.ndarray]) -> Any:
    def scalar(points: dict[int, jax.Array]) -> tuple[jax.Array, list[jax.Array]]:
        values = traced(points, np.float64)
        return sum(jnp.sum(v * c) for v, c in zip(values, cotangents, strict=True)), values

    return scalar


def _compare_differences(scalar: Any, points: dict[int, jax.Array], gradients: list[Any]) -> None:
    for i, gradient in zip(points, gradients, strict=True):
        point, gradient = np.array(points[i]), np.asarray(gradient)
        assert gradient.shape == point.shape
        some = np.random.default_rng(6).permutation(point.size)[:PROBES]
        slopes = [_slope(lambda p, i=i: scalar({**points, i: p}), point, k) for k in some]
        scale = max(1.0, *np.abs(slopes)) if slopes else 1.0
        np.testing.assert_allclose(
            gradient.reshape(-1)[some], slopes, rtol=1e-5, atol=1e-7 * scale, err_msg=f"gradient of float input {i}"
        )


def _slope(scalar: Any, point: np.ndarray, k: int) -> float:
    ends = []
    for sign in (1, -1):
        moved = point.copy()
        moved.reshape(-1)[k] += sign * STEP
        ends.append(scalar(moved))
    return (ends[0] - ends[1]) / (2 * STEP)


def _compare_torch(case: Case, cotangents: list[np.ndarray], values: list[Any], gradients: list[Any]) -> None:
    torch = pytest.importorskip("torch")
    tensors = []

    def tensor(leaf: Any) -> Any:
        if not isinstance(leaf, np.ndarray):
            return leaf
        tensors.append(torch.tensor(leaf, requires_grad=leaf.dtype.kind == "f"))
        return tensors[-1]

    outputs = _listed(case.oracle(case.torch, convert=tensor))
    _close(values, [output.detach().numpy() for output in outputs], "PyTorch's value", rtol=1e-8, atol=1e-8)
    pairs = [(o, torch.tensor(c)) for o, c in zip(outputs, cotangents, strict=True) if o.requires_grad]
    leaves = [t for t in tensors if t.requires_grad]
    expected = torch.autograd.grad([o for o, _ in pairs], leaves, [w for _, w in pairs], allow_unused=True)
    expected = [torch.zeros_like(t) if g is None else g for t, g in zip(leaves, expected, strict=True)]
    _close(gradients, [g.numpy() for g in expected], "PyTorch's gradient", rtol=1e-7, atol=1e-8)


def test_every_op_has_a_row():
    missing = sorted(set(OPS) - {case.op for case in CASES})
    assert not missing, f"add a row to tests/cases for: {', '.join(missing)}"


@pytest.mark.parametrize("name", sorted(OPS))
def test_docstring(name):
    """The first line says in one sentence what the op computes."""
    first = (OPS[name].__doc__ or "").split("\n")[0]
    assert first.endswith("."), f"{name}: {first!r} is no sentence"
    assert ". " not in first.replace("e.g. ", ""), f"{name}: {first!r} is more than one sentence"
