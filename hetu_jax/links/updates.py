"""The optimizers' direct kernels: one step of one parameter, as pure functions of arrays.

A gradient that is IndexedSlices changes the rows that it names, each once, with the gradients of a row added up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from ..ndarray import IndexedSlices, as_value
from ..update import touched_rows
from .kernels import cast_ids, dense, put, rows

__all__ = ["adagrad", "adam", "adam_rows", "adagrad_rows", "adamw", "decayed", "lamb", "powers", "sgd", "with_velocity"]

Step = Callable[..., tuple[jax.Array, ...]]


def _on_rows(step: Step, gradient: Any, tables: tuple[Any, ...], l2reg: float = 0) -> tuple[Any, ...]:
    """A step on whole tables, the parameter first, or on the rows that a sparse gradient touches.

    An absent table stays absent.  l2reg: adds l2reg * parameter to the gradient.
    """

    def regularised(g, p, *rest):
        return step(g + l2reg * p if l2reg else g, p, *rest)

    if not isinstance(gradient, IndexedSlices):
        return regularised(gradient.reshape(tables[0].shape), *tables)
    touched = touched_rows([as_value(gradient.indices)], [as_value(gradient.values)], len(tables[0]))
    old = [table if table is None else rows(table, touched.numbers) for table in tables]
    new = regularised(touched.gradient, *old)
    return tuple(t if t is None else put(t, touched.numbers, n) for t, n in zip(tables, new, strict=True))


def decayed(gradient: Any, param: Any, l2reg: float) -> Any:
    """The gradient, made dense, plus l2reg times the parameter."""
    return dense(gradient, param) + l2reg * param


def sgd(param: Any, gradient: Any, rate: float, l2reg: float = 0) -> jax.Array:
    """p - rate g."""
    return _on_rows(lambda g, p: (p - rate * g,), gradient, (param,), l2reg)[0]


def with_velocity(
    param: Any, gradient: Any, velocity: Any, rate: float, weight: float, nesterov: bool, l2reg: float
) -> Any:
    """The new parameter and velocity: v = w v - rate g, p + v; by Nesterov v = w (v - rate g), p + v - rate g.

    Every row moves, so IndexedSlices are made dense.
    """
    step = rate * decayed(gradient, param, l2reg)
    if nesterov:
        velocity = weight * (velocity - step)
        return param + velocity - step, velocity
    velocity = weight * velocity - step
    return param + velocity, velocity


def adagrad(param: Any, gradient: Any, accum: Any, rate: float, eps: float, l2reg: float = 0) -> tuple[Any, ...]:
    """The new parameter and accumulator: a + g^2, p - rate g / (sqrt(a) + eps)."""

    def step(g, p, a):
        a = a + g * g
        return p - rate * g / (jnp.sqrt(a) + eps), a

    return _on_rows(step, gradient, (param, accum), l2reg)


def _direction(g: Any, m: Any, v: Any, largest: Any, beta1: float, beta2: float, powers: Any, eps: float) -> Any:
    """Adam's direction and its new moments; `largest` is AMSGrad's running maximum, or None."""
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g * g
    corrected = v / (1 - powers[1])
    if largest is not None:
        corrected = largest = jnp.maximum(largest, corrected)
    return m / (1 - powers[0]) / (jnp.sqrt(corrected) + eps), m, v, largest


def adam(
    param: Any,
    gradient: Any,
    m: Any,
    v: Any,
    largest: Any,
    rate: float,
    beta1: float,
    beta2: float,
    powers: Any,
    eps: float,
    l2reg: float = 0,
) -> tuple[Any, ...]:
    """The new parameter, moments, and AMSGrad's maximum (None where there is none).

    powers: beta1 and beta2 to the power of the number of this step.
    """

    def step(g, p, m, v, largest):
        u, *state = _direction(g, m, v, largest, beta1, beta2, powers, eps)
        return p - rate * u, *state

    return _on_rows(step, gradient, (param, m, v, largest), l2reg)


def adamw(
    param: Any,
    gradient: Any,
    m: Any,
    v: Any,
    rate: float,
    beta1: float,
    beta2: float,
    powers: Any,
    eps: float,
    decay: float,
    ratio: Callable[[Any, Any], Any] = lambda p, u: 1,
) -> tuple[Any, ...]:
    """The new parameter and moments: p - rate (u + decay p), u Adam's direction.

    ratio: a factor of the step, from parameter and direction.
    """

    def step(g, p, m, v):
        u, m, v, _ = _direction(g, m, v, None, beta1, beta2, powers, eps)
        return p - rate * ratio(p, u) * (u + decay * p), m, v

    return _on_rows(step, gradient, (param, m, v))


def _norm_ratio(p: Any, u: Any) -> Any:
    norm = jnp.sqrt(jnp.sum(u * u))
    return jnp.where(norm > 0, jnp.sqrt(jnp.sum(p * p)) / jnp.where(norm > 0, norm, 1), 1)


def lamb(*arguments: Any) -> tuple[Any, ...]:
    """As `adamw`, with the step times |p| / |u|, norms over the tensor, or over the rows that are touched."""
    return adamw(*arguments, ratio=_norm_ratio)


def powers(betats: Any, beta1: float, beta2: float) -> jax.Array:
    """The running powers of the betas after one more step."""
    return betats * jnp.asarray([beta1, beta2], betats.dtype)


def adagrad_rows(ids: Any, g: Any, p: Any, rate: float, accum: Any, eps: float) -> tuple[Any, ...]:
    """New rows for looked-up rows `p` with gradients `g`, and the table of accumulators; ids below 0 are left out."""
    a = rows(accum, cast_ids(ids)).reshape(g.shape) + g * g
    return p - rate * g / (jnp.sqrt(a) + eps), put(accum, ids, a)


def adam_rows(
    ids: Any,
    g: Any,
    p: Any,
    rate: float,
    m: Any,
    v: Any,
    largest: Any,
    beta1: float,
    beta2: float,
    powers: Any,
    eps: float,
) -> tuple[Any, ...]:
    """New rows for looked-up rows `p` with gradients `g`, and the tables of moments; ids below 0 are left out."""
    tables = (m, v, largest)
    state = [table if table is None else rows(table, cast_ids(ids)).reshape(g.shape) for table in tables]
    u, *state = _direction(g, *state, beta1, beta2, powers, eps)
    return p - rate * u, *(t if t is None else put(t, ids, s) for t, s in zip(tables, state, strict=True))
