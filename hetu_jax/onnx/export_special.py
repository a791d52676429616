"""The ONNX forms of JAX's special functions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .builder import Builder, Value
from .export_jaxpr import FUNCTIONS, primitive

# Lanczos' approximation of the gamma function
_G = 7.0
_BASE = 0.99999999999980993227684700473478
_LANCZOS = np.array(
    [
        676.520368121885098567009190444019,
        -1259.13921672240287047156078755283,
        771.3234287776530788486528258894,
        -176.61502916214059906584551354,
        12.507343278686904814458936853,
        -0.13857109526572011689554707,
        9.984369578019570859563e-6,
        1.50563273514931155834e-7,
    ]
)

# Giles' approximation of the inverse error function, for small and for large -log(1 - x²), highest power first
_CENTRE = (
    2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087, -0.00125372503, -0.00417768164,
    0.246640727, 1.50140941,
)  # fmt: skip
_TAIL = (
    -0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613, 0.00943887047,
    1.00167406, 2.83297682,
)  # fmt: skip


@primitive("log1p")
def log1p(g: Builder, e, x: Value) -> Value:
    """log(1 + x), also where x is lost beside 1."""
    near = g.Mul(g.Atanh(g.Div(x, g.Add(x, 2))), 2)
    return g.Where(g.Less(g.Abs(x), 0.5), near, g.Log(g.Add(x, 1)))


@primitive("expm1")
def _expm1(g, e, x):
    return g.Mul(g.Tanh(g.Mul(x, 0.5)), g.Add(g.Exp(x), 1))


def _logaddexp(g, e, x, y):
    """What is infinite has no difference, and the sum says which infinity it is."""
    difference = g.Sub(x, y)
    joined = g.Add(g.Max(x, y), g.Softplus(g.Neg(g.Abs(difference))))
    return g.Where(g.IsNaN(difference), g.Add(x, y), joined)


def _det(g, e, x):
    return g.Det(x)


FUNCTIONS.update(logaddexp=_logaddexp, det=_det)


def _series(g: Builder, z: Value, power: int) -> Value:
    """The sum of Lanczos' coefficients over (z + i) to a power, i = 1, 2, ..."""
    shifted = g.Add(g.Unsqueeze(z, [-1]), np.arange(1.0, len(_LANCZOS) + 1))
    shifted = g.Mul(shifted, shifted) if power == 2 else shifted
    return g.ReduceSum(g.Div(g.constant(_LANCZOS, z.dtype), shifted), [-1], keepdims=0)


def _reflected(g: Builder, x: Value) -> tuple[Value, Value, Value, Value]:
    """Whether x is below 1/2, the argument that takes its place, and with it Lanczos' t and log(t)."""
    small = g.Less(x, 0.5)
    z = g.Where(small, g.Neg(x), g.Sub(x, 1))
    return small, z, g.Add(z, _G + 0.5), g.Add(log1p(g, None, g.Div(z, _G + 0.5)), float(np.log(_G + 0.5)))


@primitive("lgamma")
def _lgamma(g, e, x):
    small, z, t, log_t = _reflected(g, x)
    inner = g.Mul(g.Sub(g.Add(z, 0.5), g.Div(t, log_t)), log_t)
    large = g.Add(g.Add(inner, float(np.log(2 * np.pi) / 2)), g.Log(g.Add(_series(g, z, 1), _BASE)))
    size = g.Abs(x)
    fraction = g.Sub(size, g.Floor(size))
    wave = g.Sin(g.Mul(g.Min(fraction, g.Sub(1, fraction)), np.pi))
    value = g.Where(small, g.Sub(g.Sub(float(np.log(np.pi)), g.Log(wave)), large), large)
    return g.Where(g.IsInf(x), g.constant(np.inf, x.dtype), value)


@primitive("digamma")
def _digamma(g, e, x):
    small, z, t, log_t = _reflected(g, x)
    large = g.Sub(log_t, g.Div(_series(g, z, 2), g.Add(_series(g, z, 1), _BASE)))
    large = g.Sub(large, g.Div(_G, t))
    fraction = g.Sub(x, g.Floor(g.Add(x, 0.5)))
    value = g.Where(small, g.Sub(large, g.Div(g.constant(np.pi, x.dtype), g.Tan(g.Mul(fraction, np.pi)))), large)
    pole = g.And(g.LessOrEqual(x, 0), g.Equal(x, g.Floor(x)))
    return g.Where(pole, g.constant(np.nan, x.dtype), value)


@primitive("polynomial")
def _polynomial_of_jax(g, e, x, *coefficients):
    return _polynomial(g, x, coefficients[::-1])


def _polynomial(g: Builder, x: Value, coefficients: Sequence[float | Value]) -> Value:
    """Horner's rule, the highest power first."""
    value = coefficients[0]
    for coefficient in coefficients[1:]:
        value = g.Add(g.Mul(value, x), coefficient)
    return value


@primitive("erf_inv")
def _erf_inv(g, e, x):
    w = g.Neg(log1p(g, None, g.Neg(g.Mul(x, x))))
    centre = _polynomial(g, g.Sub(w, 2.5), _CENTRE)
    tail = _polynomial(g, g.Sub(g.Sqrt(w), 3), _TAIL)
    value = g.Mul(g.Where(g.Less(w, 5), centre, tail), x)
    return g.Where(g.Equal(g.Abs(x), 1), g.Mul(x, g.constant(np.inf, x.dtype)), value)
