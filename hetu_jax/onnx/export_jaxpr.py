"""Export of what has no exporter of its own: the op's function, traced by JAX, primitive by primitive.

Gradients, and ops that users register, come this way.  The graph is less readable than that of an exporter, since
names are lost and one op becomes many nodes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from ..errors import OnnxExportError
from ..graph import Node
from ..trace import Run
from .builder import Builder, Dim, OpenLengthError, Shape, Value
from .shapes import Symbols

PRIMITIVES: dict[str, Callable[..., Any]] = {}
FUNCTIONS: dict[str, Callable[..., Any]] = {}  # of JAX's own, known by name, which ONNX says better than their inside
REASONS = {  # why primitives have no ONNX form, by reason
    "a special function that ONNX has not and no short formula gives": (
        "bessel_i0e bessel_i1e igamma igamma_grad_a igammac polygamma random_gamma_grad regularized_incomplete_beta "
        "zeta"
    ),
    "and ONNX solves no equations and takes no matrices apart": (
        "cholesky cholesky_update custom_linear_solve eig eigh geqrf hessenberg householder_product lu "
        "lu_pivots_to_permutation ormqr qr schur svd triangular_solve tridiagonal tridiagonal_solve"
    ),
    "and ONNX has no complex numbers": "complex conj fft imag real",
    "which draws new random numbers at every run": (
        "random_bits random_fold_in random_seed random_split random_unwrap random_wrap rng_bit_generator rng_uniform "
        "threefry2x32"
    ),
    "which runs code outside the program": "debug_callback ffi_call io_callback pure_callback",
    "which runs on several devices": (
        "all_gather all_to_all axis_index pbroadcast pmax pmin ppermute psum psum_invariant reduce_scatter shard_map"
    ),
    "which is written for one kind of hardware": "mosaic_gpu_wgmma pallas_call tpu_custom_call",
}
REFUSED: dict[str, str] = {name: reason for reason, names in REASONS.items() for name in names.split()}


def primitive(*names: str) -> Callable[..., Any]:
    """Decorator: the ONNX form of JAX primitives.

    The function takes the Builder, the `Equation` and its operands; it returns a Value, or a list of them.
    """

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        PRIMITIVES.update(dict.fromkeys(names, function))
        return function

    return register


class Parameters:
    """The parameters of an equation; one that an open length changes cannot be read."""

    def __init__(self, trials: Sequence[Any]):
        self.trials = [eqn.params for eqn in trials]

    def __contains__(self, name: str) -> bool:
        return name in self.trials[0]

    def __getitem__(self, name: str) -> Any:
        first, second = (params[name] for params in self.trials)
        if first != second and repr(first) != repr(second):  # NaN is not equal to itself
            raise OpenLengthError("what it computes depends on the length of an open axis, which must be fixed")
        return first


class Equation:
    """One equation of the trace.

    name: of the primitive.  params: its parameters.  shapes, dtypes: of its results.  taken: the dtypes of its
    operands.  lengths: finds open lengths.
    """

    def __init__(self, trials: Sequence[Any], lengths: Lengths):
        first, second = trials
        self.name, self.params, self.lengths = first.primitive.name, Parameters(trials), lengths
        outs = zip(first.outvars, second.outvars, strict=True)
        self.shapes = [lengths.merge(a.aval.shape, b.aval.shape) for a, b in outs]
        self.dtypes, self.taken = ([v.aval.dtype for v in of] for of in (first.outvars, first.invars))

    def dims(self, name: str) -> Shape:
        """A parameter that holds lengths, with the open ones as symbols."""
        return self.lengths.merge(*self.both(name))

    def both(self, name: str) -> list[Any]:
        """A parameter in the two trials."""
        return [params[name] for params in self.params.trials]

    def write(self, jaxprs: Sequence[Any], operands: Sequence[Value]) -> list[Value]:
        """The results of a function that is a parameter, in the two trials."""
        return _walk([_closed(jaxpr) for jaxpr in jaxprs], operands, self.lengths)


class Lengths:
    """Where the length of each open dimension can be read at run time.

    values: the operands of the whole trace.
    """

    def __init__(self, g: Builder, values: Sequence[Any], symbols: Symbols):
        self.g, self.symbols = g, symbols
        self._places = {
            dim: (value, axis)
            for value in jax.tree.leaves(values)
            for axis, dim in enumerate(value.shape or ())
            if isinstance(dim, str)
        }

    def merge(self, first: Sequence[int], second: Sequence[int]) -> Shape:
        """The lengths of the two trials as one shape."""
        return tuple(self.symbols.read(pair) for pair in zip(first, second, strict=True))

    def scalar(self, dim: Dim) -> Any:
        """A length as an int, or an int64 scalar where it is open."""
        if not isinstance(dim, str):
            return dim
        if dim in self._places:
            value, axis = self._places[dim]
            return self.g.Gather(self.g.Shape(value), self.g.constant(axis))
        factor, base, more = re.fullmatch(r"(?:(\d+)\*)?(.+?)([+-]\d+)?", dim).groups()
        if base == dim or base not in self._places:
            raise OpenLengthError("a length in it follows from an open one in a way that must be fixed")
        length = self.scalar(base)
        length = self.g.Mul(length, int(factor)) if factor else length
        return self.g.Add(length, int(more)) if more else length

    def vector(self, shape: Shape) -> Any:
        """A shape as a constant, or as int64 numbers where some of it is open."""
        if all(isinstance(dim, int) for dim in shape):
            return np.array(shape, np.int64)
        parts = [self.scalar(dim) for dim in shape]
        parts = [[part] if isinstance(part, int) else self.g.Unsqueeze(part, [0]) for part in parts]
        return self.g.Concat(*parts, axis=0) if len(parts) > 1 else parts[0]

    def reshape(self, value: Value, shape: Shape) -> Value:
        """`value` in another shape of as many elements."""
        if value.shape == shape:
            return value
        open_ones = sum(not isinstance(dim, int) for dim in shape)
        if open_ones == 1 and 0 not in shape:
            target = [dim if isinstance(dim, int) else -1 for dim in shape]
        else:
            target = self.vector(shape)
        reshaped = self.g.reshape(value, target) if open_ones < 2 else self.g.Reshape(value, target)
        return self.g.shaped(reshaped, shape)


def export(g: Builder, node: Node, values: Sequence[Any], symbols: Symbols) -> Any:
    """The value of a node, from the Values of what it needs: a Value, or a nest of them.

    Raises OnnxExportError for a primitive that has no ONNX form, OpenLengthError where the batch must be fixed.
    """
    trials = [_trace(node, values, symbols, trial) for trial in (0, 1)]
    leaves, structure = jax.tree.flatten(values)
    lengths = Lengths(g, leaves, symbols)
    results = _walk([closed for closed, _ in trials], leaves, lengths)
    return jax.tree.unflatten(jax.tree.structure(trials[0][1]), results)


def _trace(node: Node, values: Sequence[Any], symbols: Symbols, trial: int) -> tuple[Any, Any]:
    """The closed jaxpr of a node, and the structure of its value, in one of the two trials of the open lengths."""

    def struct(value: Value) -> jax.ShapeDtypeStruct:
        if value.shape is None:
            raise OnnxExportError("the shape of its input is unknown: run the Executor once before the export")
        shape = [symbols.length(dim, trial) for dim in value.shape]
        return jax.ShapeDtypeStruct(shape, jax.dtypes.canonicalize_dtype(value.dtype))

    def compute(arrays: Sequence[Any]) -> Any:
        env = dict(zip(node.needs, arrays, strict=True))
        value = node.evaluate(list(arrays), env, Run(False, jax.random.key(0)))
        return value[0] if node.writes else value

    structs = jax.tree.map(struct, list(values))
    try:
        return jax.make_jaxpr(compute, return_shape=True)(structs)
    except (TypeError, ValueError) as error:
        raise OnnxExportError(f"JAX cannot trace it: {error}") from None


def _walk(trials: Sequence[Any], operands: Sequence[Value], lengths: Lengths) -> list[Value]:
    """The results of a closed jaxpr; of the two trials only their lengths may differ."""
    first, second = (closed.jaxpr for closed in trials)
    env: dict[Any, Value] = dict(zip(first.invars, operands, strict=True))
    for var, one, two in zip(first.constvars, *(closed.consts for closed in trials), strict=True):
        env[var] = _constant(one, two, lengths)

    def read(one: Any, two: Any) -> Value:
        if not isinstance(one, core.Literal):
            return env[one]
        return _constant(*(np.asarray(literal.val, literal.aval.dtype) for literal in (one, two)), lengths)

    for pair in _live(first, second):
        given = [read(one, two) for one, two in zip(*(eqn.invars for eqn in pair), strict=True)]
        results = _equation(pair, given, lengths)
        env.update(zip(pair[0].outvars, results, strict=True))
    return [read(one, two) for one, two in zip(first.outvars, second.outvars, strict=True)]


def _live(first: Any, second: Any) -> list[tuple[Any, Any]]:
    """The equations that the results depend on, pairwise."""
    names = [[eqn.primitive.name for eqn in jaxpr.eqns] for jaxpr in (first, second)]
    if names[0] != names[1]:
        raise OpenLengthError("what it computes depends on the length of an open axis, which must be fixed")
    needed = {var for var in first.outvars if not isinstance(var, core.Literal)}
    live = []
    for pair in list(zip(first.eqns, second.eqns, strict=True))[::-1]:
        if needed.intersection(pair[0].outvars):
            needed.update(var for var in pair[0].invars if not isinstance(var, core.Literal))
            live.append(pair)
    return live[::-1]


def _constant(one: Any, two: Any, lengths: Lengths) -> Value:
    one, two = np.asarray(one), np.asarray(two)
    if one.shape == two.shape and np.array_equal(one, two, equal_nan=one.dtype.kind == "f"):
        return lengths.g.constant(one, one.dtype)
    if one.shape or one.shape != two.shape or one != np.floor(one) or two != np.floor(two):
        raise OpenLengthError("a constant of it depends on the length of an open axis, which must be fixed")
    length = lengths.scalar(lengths.symbols.read((int(one), int(two))))
    return lengths.g.shaped(lengths.g.cast(length, one.dtype), ())


# Calls of a function that is a parameter under one of the names of `_FUNCTION`
_CALLS = frozenset(
    "jit pjit closed_call core_call remat remat2 checkpoint custom_jvp_call custom_vjp_call custom_vjp_call_jaxpr "
    "custom_lin_call".split()
)
_FUNCTION = ("call_jaxpr", "fun_jaxpr", "jaxpr")

# What ONNX Runtime computes in no kernel of its own is computed in a dtype that holds all its numbers.
_WIDER = {np.dtype(name): np.dtype(np.int32) for name in ("int8", "uint8", "int16", "uint16")}
_WIDER |= {np.dtype(np.uint32): np.dtype(np.int64)}
_FLOATS = {np.dtype(jnp.bfloat16): np.dtype(np.float32)}
_MOVES = frozenset(
    "reshape squeeze expand_dims transpose broadcast_in_dim concatenate stack unstack slice dynamic_slice "
    "dynamic_update_slice gather split rev tile iota copy copy_p stop_gradient optimization_barrier "
    "convert_element_type bitcast_convert_type reduce_precision cond while scan".split()
)
_OF_ALL_INTEGERS = frozenset(
    "add add_any sub mul div abs sign eq ne lt gt le ge and or xor not shift_left shift_right_logical "
    "shift_right_arithmetic population_count clz reduce_and reduce_or reduce_xor scatter".split()
)


def _widened(g: Builder, name: str, operands: Sequence[Value]) -> list[Value]:
    """The operands of a primitive, in dtypes that runtimes compute it in."""
    if name in _MOVES:
        return list(operands)
    wider = _FLOATS if name in _OF_ALL_INTEGERS else _FLOATS | _WIDER
    if name.startswith("scatter-"):
        wider = wider | {np.dtype(np.float16): np.dtype(np.float32)}
    return [g.cast(operand, wider.get(operand.dtype, operand.dtype)) for operand in operands]


def _equation(pair: tuple[Any, Any], operands: Sequence[Value], lengths: Lengths) -> list[Value]:
    name = pair[0].primitive.name
    export_one = PRIMITIVES.get(name, FUNCTIONS.get(_function_name(pair[0])))
    if export_one is not None:
        equation = Equation(pair, lengths)
        if any(jnp.issubdtype(dtype, jnp.complexfloating) for dtype in equation.dtypes):
            raise OnnxExportError(f"JAX computes it with {name}, {REFUSED['complex']}")
        if all(0 in shape and all(isinstance(dim, int) for dim in shape) for shape in equation.shapes):
            empty = zip(equation.shapes, equation.dtypes, strict=True)
            return [lengths.g.constant(np.zeros(shape, dtype), dtype) for shape, dtype in empty]
        results = export_one(lengths.g, equation, *_widened(lengths.g, name, operands))
        results = results if isinstance(results, list) else [results]
        made = zip(results, equation.shapes, equation.dtypes, strict=True)
        return [lengths.g.cast(lengths.g.shaped(value, shape), dtype) for value, shape, dtype in made]
    if name == "call_hi_primitive":  # which newer versions of JAX write in terms of others
        return _walk([_expanded(eqn) for eqn in pair], operands, lengths)
    inner = next((key for key in _FUNCTION if key in pair[0].params), None)
    if inner is None or name not in _CALLS:
        reason = REFUSED.get(name, "which has no ONNX form here")
        raise OnnxExportError(f"JAX computes it with {name}, {reason}")
    return _walk([_closed(eqn.params[inner]) for eqn in pair], operands, lengths)


def _expanded(eqn: Any) -> Any:
    """The closed jaxpr of what a primitive of primitives stands for."""
    expand = eqn.params["_prim"].expand
    structs = [jax.ShapeDtypeStruct(var.aval.shape, var.aval.dtype) for var in eqn.invars]
    return jax.make_jaxpr(lambda *arrays: expand(*arrays))(*structs)


def _function_name(eqn: Any) -> str:
    """What the function of JAX's own that an equation calls is called in JAX's sources; empty for other functions."""
    jaxpr = next((eqn.params[key] for key in _FUNCTION if key in eqn.params), None)
    source = str(getattr(getattr(jaxpr, "debug_info", None), "func_src_info", None) or "")
    name, _, place = source.partition(" at ")
    return str(eqn.params.get("name") or name) if "_src" in place else ""


def _closed(jaxpr: Any) -> Any:
    return jaxpr if hasattr(jaxpr, "consts") else core.ClosedJaxpr(jaxpr, ())
