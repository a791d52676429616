"""Import of ai.onnx: arithmetic, comparisons, logic and elementwise functions."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .arrays import astype, axis_of, device, is_float, number, traced, xp
from .operators import operator


def _aligned(A, B, axis):
    """B with ones behind its axes so that they meet those of A from `axis` on: how opsets below 7 broadcast."""
    if axis is None:
        return A, B
    return A, xp.reshape(B, B.shape + (1,) * (A.ndim - axis_of(axis, A.ndim) - B.ndim))


def _binary(name, function):
    """Registers an operator of two inputs.  `broadcast` said in old opsets that shapes differ: here they always may."""

    def compute(A, B, *, axis=None, broadcast=0):
        return function(*_aligned(A, B, axis))

    compute.__name__ = name
    operator(compute)


def _divided(A, B):
    if is_float(A):
        return xp.divide(A, B)
    if traced(A, B):
        return lax.div(*jnp.broadcast_arrays(device(A), device(B)))
    whole = np.floor_divide(A, B)
    return whole + ((A - whole * B != 0) & ((A < 0) != (B < 0))).astype(whole.dtype)


def _power(X, Y):
    """X to the power Y, in the dtype of X."""
    if not is_float(X) and is_float(Y):
        return astype(xp.power(astype(X, Y.dtype), Y), X.dtype)
    if is_float(X) and Y.dtype.kind in "iu" and not traced(Y) and np.ndim(Y) == 0:
        return X ** int(Y)
    return astype(xp.power(X, astype(Y, X.dtype) if is_float(X) else Y), X.dtype)


_BINARY = {
    "Add": lambda A, B: xp.add(A, B),
    "Sub": lambda A, B: xp.subtract(A, B),
    "Mul": lambda A, B: xp.multiply(A, B),
    "Div": _divided,
    "Pow": _power,
    "And": lambda A, B: xp.logical_and(A, B),
    "Or": lambda A, B: xp.logical_or(A, B),
    "Xor": lambda A, B: xp.logical_xor(A, B),
    "Equal": lambda A, B: A == B,
    "Less": lambda A, B: A < B,
    "Greater": lambda A, B: A > B,
    "LessOrEqual": lambda A, B: A <= B,
    "GreaterOrEqual": lambda A, B: A >= B,
    "BitwiseAnd": lambda A, B: xp.bitwise_and(A, B),
    "BitwiseOr": lambda A, B: xp.bitwise_or(A, B),
    "BitwiseXor": lambda A, B: xp.bitwise_xor(A, B),
}
for _name, _function in _BINARY.items():
    _binary(_name, _function)


def _unary(name, function):
    """Registers an operator of one input."""

    def compute(X):
        return function(X)

    compute.__name__ = name
    operator(compute)


def _special(function):
    """A function of JAX's for floats, which computes in at least float32."""

    def compute(X):
        values = device(X)
        floats = values if is_float(values) and values.dtype.itemsize >= 4 else values.astype(jnp.float32)
        return function(floats).astype(values.dtype)

    return compute


_NUMPY = {
    "Abs": "abs",
    "Acos": "arccos",
    "Acosh": "arccosh",
    "Asin": "arcsin",
    "Asinh": "arcsinh",
    "Atan": "arctan",
    "Atanh": "arctanh",
    "BitwiseNot": "invert",
    "Ceil": "ceil",
    "Cos": "cos",
    "Cosh": "cosh",
    "Exp": "exp",
    "Floor": "floor",
    "IsNaN": "isnan",
    "Log": "log",
    "Neg": "negative",
    "Not": "logical_not",
    "Reciprocal": "reciprocal",
    "Round": "round",
    "Sign": "sign",
    "Sin": "sin",
    "Sinh": "sinh",
    "Sqrt": "sqrt",
    "Tan": "tan",
    "Tanh": "tanh",
}
for _name, _numpy in _NUMPY.items():
    _unary(_name, functools.partial(lambda numpy, X: getattr(xp, numpy)(X), _numpy))
_unary("Erf", _special(jax.scipy.special.erf))
_unary("Sigmoid", _special(jax.nn.sigmoid))


@operator
def Identity(input):
    return input


@operator
def IsInf(X, *, detect_negative=1, detect_positive=1):
    infinite = xp.isinf(X)
    if not detect_negative:
        infinite &= X > 0
    if not detect_positive:
        infinite &= X < 0
    return infinite


@operator
def Mod(A, B, *, fmod=0):
    """The remainder, with the sign of B, or with that of A where `fmod` is set."""
    return xp.fmod(A, B) if fmod else xp.mod(A, B)


@operator
def BitShift(X, Y, *, direction):
    return xp.left_shift(X, Y) if direction == "LEFT" else xp.right_shift(X, Y)


def _variadic(name, combine):
    """Registers an operator that combines any number of inputs."""

    def compute(*data_0):
        return functools.reduce(combine, data_0)

    compute.__name__ = name
    operator(compute)


_variadic("Max", lambda a, b: xp.maximum(a, b))
_variadic("Min", lambda a, b: xp.minimum(a, b))
_variadic("Sum", lambda a, b: xp.add(a, b))


@operator
def Mean(*data_0):
    total = functools.reduce(lambda a, b: xp.add(a, b), data_0)
    return xp.divide(total, np.asarray(len(data_0), total.dtype))


@operator
def Clip(input, min=None, max=None):
    """min(max(input, lower bound), upper bound); a bound may be left out."""
    if min is not None:
        input = xp.maximum(input, _bound(min, input))
    if max is not None:
        input = xp.minimum(input, _bound(max, input))
    return input


def _bound(value, array):
    return astype(value, array.dtype) if hasattr(value, "dtype") else value


@operator
def Where(condition, X, Y):
    return xp.where(condition, X, Y)


@operator
def MatMul(A, B):
    return xp.matmul(A, B)


@operator
def Gemm(A, B, C=None, *, alpha=1.0, beta=1.0, transA=0, transB=0, broadcast=0):
    """alpha * A @ B + beta * C; C broadcasts, as `broadcast` had to say in opsets below 7."""
    product = _scaled(xp.matmul(A.T if transA else A, B.T if transB else B), alpha)
    return product if C is None else product + _scaled(C, beta)


def _scaled(array, factor):
    return array if factor == 1 else array * np.asarray(factor, array.dtype)


@operator
def Einsum(*Inputs, equation):
    equation = equation.replace(" ", "")
    narrow = [array.dtype for array in Inputs if is_float(array) and array.dtype.itemsize < 4]
    if narrow and not traced(Inputs):
        return device(np.einsum(equation, *[astype(array, np.float32) for array in Inputs])).astype(narrow[0])
    return xp.einsum(equation, *Inputs)


@operator
def Det(X):
    return jnp.linalg.det(device(X))


def _running(function, x, axis, exclusive, reverse, start):
    axis = axis_of(axis, x.ndim)
    if reverse:
        x = xp.flip(x, axis)
    if exclusive:
        first = xp.full_like(xp.take(x, np.array([0]), axis=axis), start)
        x = xp.concatenate([first, x], axis=axis)[(slice(None),) * axis + (slice(0, -1),)]
    result = function(x, axis=axis, dtype=x.dtype)
    return xp.flip(result, axis) if reverse else result


@operator
def CumSum(x, axis, *, exclusive=0, reverse=0):
    return _running(xp.cumsum, x, number(axis, "the axis"), exclusive, reverse, 0)


@operator
def CumProd(x, axis, *, exclusive=0, reverse=0):
    return _running(xp.cumprod, x, number(axis, "the axis"), exclusive, reverse, 1)
