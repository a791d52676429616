"""The ONNX forms of JAX's control flow, and of what goes along an axis step by step: If, Loop and Scan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from . import rewrite
from .builder import Builder, Shape, Value
from .export_jaxpr import Equation, primitive
from .export_primitives import turned, where

Kind = tuple[str, np.dtype, Shape | None]  # of what a graph inside takes: a name, its dtype and its shape
Step = Callable[..., Sequence[Value]]


def _body(g: Builder, name: str, takes: Sequence[Kind], step: Step) -> Any:
    """The graph that `step` writes, from a Value for each of what it takes."""
    formals = [g.input(*kind) for kind in takes]

    def results() -> Sequence[Value]:
        made = list(step(*formals))
        rewrite.tidy(g, {value.name for value in made})
        return made

    return g.body(name, formals, results)[0]


def _kinds(name: str, values: Sequence[Value]) -> list[Kind]:
    return [(name, value.dtype, value.shape) for value in values]


@primitive("cond")
def _cond(g, e, which, *operands):
    return _choice(g, e, which, list(zip(*e.both("branches"), strict=True)), operands)


def _choice(g: Builder, e: Equation, which: Value, branches: list[Any], operands: Sequence[Value]) -> list[Value]:
    """The results of the branch of a number."""
    *others, last = branches
    if not others:
        return e.write(last, operands)
    graphs = {
        "then_branch": _body(g, "then", [], lambda: e.write(last, operands)),
        "else_branch": _body(g, "else", [], lambda: _choice(g, e, which, others, operands)),
    }
    taken = g.cast(which, bool) if len(others) == 1 else g.Equal(which, len(others))
    return g.place("If", [taken], e.dtypes, **graphs)


@primitive("while")
def _while(g, e, *operands):
    first = e.params["cond_nconsts"]
    second = first + e.params["body_nconsts"]
    states = _as_taken(g, e, operands)[second:]

    def holds(values: Sequence[Value]) -> Value:
        return e.write(e.both("cond_jaxpr"), [*operands[:first], *values])[0]

    def advance(values: Sequence[Value]) -> list[Value]:
        return e.write(e.both("body_jaxpr"), [*operands[first:second], *values])

    going = holds(states)
    if going.shape:  # of a loop under vmap: it goes on while any of its turns does
        return _loops_together(g, going, states, advance, holds, e.dtypes)

    def turn(number: Value, going: Value, *values: Value) -> Sequence[Value]:
        values = advance(values)
        return [holds(values), *values]

    return _loop(g, None, going, states, turn, e.dtypes)


def _loops_together(
    g: Builder, going: Value, states: Sequence[Value], advance: Step, holds: Step, results: Sequence[Any]
) -> list[Value]:
    """Loops side by side along the first axes, of which each keeps its states once it is over."""
    axes = list(range(len(going.shape)))

    def any_of(going: Value) -> Value:
        return g.cast(g.reduce("ReduceMax", g.cast(going, np.int32), axes, False), bool)

    def turn(number: Value, _: Value, going: Value, *values: Value) -> Sequence[Value]:
        joined = []
        for old, new in zip(values, advance(values), strict=True):
            new_axes = list(range(len(axes), old.rank))
            chosen = g.Unsqueeze(going, new_axes) if new_axes else going
            joined.append(g.shaped(where(g, chosen, new, old), old.shape))
        going = holds(joined)
        return [any_of(going), going, *joined]

    return _loop(g, None, any_of(going), [going, *states], turn, [going.dtype, *results])[1:]


def _loop(
    g: Builder, count: Value | None, going: Value, states: Sequence[Value], turn: Step, results: Sequence[Any]
) -> list[Value]:
    """A Loop of `count` turns, or as long as it is `going`; `turn` takes its number, the condition and the states."""
    takes = [("turn", np.dtype(np.int64), ()), ("going", np.dtype(np.bool_), ()), *_kinds("state", states)]
    return g.place("Loop", [count, going, *states], results, body=_body(g, "body", takes, turn))


def _as_taken(g: Builder, e: Equation, operands: Sequence[Value]) -> list[Value]:
    """The operands in the dtypes that the equation has for them; those of an imported model may have more bits."""
    return [g.cast(operand, dtype) for operand, dtype in zip(operands, e.taken, strict=True)]


def _counts(e: Equation) -> list[int]:
    """How many of a scan's operands are constants and states; newer versions of JAX hold trees of them."""
    if "num_carry" in e.params:
        return [e.params["num_consts"], e.params["num_carry"]]
    return [
        len(jax.tree.leaves(list(part), is_leaf=lambda leaf: leaf is None)) for part in e.both("ft_in")[0].unpack()[:2]
    ]


@primitive("scan")
def _scan(g, e, *operands):
    fixed, states = _counts(e)
    operands, jaxprs, back = _as_taken(g, e, operands), e.both("jaxpr"), e.params["reverse"]
    consts, states, rows = operands[:fixed], operands[fixed : fixed + states], operands[fixed + states :]

    def step(*values: Value) -> list[Value]:
        return e.write(jaxprs, [*consts, *values[: len(jaxprs[0].in_avals) - fixed]])

    (length,) = e.lengths.merge(*([length] for length in e.both("length")))
    count = e.lengths.scalar(length)
    if not rows and len(e.dtypes) == len(states):
        count = g.constant(count) if isinstance(count, int) else count
        return _loop(g, count, g.constant(True), states, lambda _, going, *values: [going, *step(*values)], e.dtypes)
    if not rows:  # the number of the step, which `step` drops
        rows = [
            g.constant(np.arange(count)) if isinstance(count, int) else g.Range(g.constant(0), count, g.constant(1))
        ]
    return _along(g, states, rows, step, e.dtypes, back)


def _turned_back(g: Builder, values: Sequence[Value], first: int) -> list[Value]:
    """`values`, those from number `first` on in the opposite order along their first axis."""
    far = np.iinfo(np.int64).min
    turned = [g.shaped(g.Slice(value, [-1], [far], [0], [-1]), value.shape) for value in values[first:]]
    return [*values[:first], *turned]


def _along(
    g: Builder, states: Sequence[Value], rows: Sequence[Value], step: Step, results: Sequence[Any], back: bool
) -> list[Value]:
    """A Scan along the first axis of `rows`; `step` takes the states and an element of each, and gives new ones."""
    rows = _turned_back(g, rows, 0) if back else rows
    takes = _kinds("state", states)
    takes += [("row", row.dtype, None if row.shape is None else row.shape[1:]) for row in rows]
    body = _body(g, "body", takes, step)
    made = g.place("Scan", [*states, *rows], results, body=body, num_scan_inputs=len(rows))
    return _turned_back(g, made, len(states)) if back else made


def _log_add(g: Builder, x: Value, y: Value) -> Value:
    """log(exp(x) + exp(y)), also where both are minus infinity."""
    limits = jnp.finfo(x.dtype)
    base = g.Clip(g.Max(x, y), g.constant(limits.min, x.dtype), g.constant(limits.max, x.dtype))
    return g.Add(base, g.Log(g.Add(g.Exp(g.Sub(x, base)), g.Exp(g.Sub(y, base)))))


def lowest(dtype: np.dtype, sign: int = 1) -> Any:
    """What a maximum of nothing is, or with `sign` -1 a minimum."""
    if jnp.issubdtype(dtype, jnp.floating):
        return -sign * np.inf
    return np.iinfo(dtype).min if sign > 0 else np.iinfo(dtype).max


_RUNNING: dict[str, tuple[Callable[..., Value], Callable[[np.dtype], Any]]] = {
    "cumprod": (lambda g, x, y: g.Mul(x, y), lambda dtype: 1),
    "cummax": (lambda g, x, y: g.Max(x, y), lowest),
    "cummin": (lambda g, x, y: g.Min(x, y), lambda dtype: lowest(dtype, -1)),
    "cumlogsumexp": (_log_add, lowest),
}


@primitive(*_RUNNING)
def _running(g, e, x):
    axis, back = e.params["axis"], e.params["reverse"]
    if e.name == "cumprod" and g.opset >= 26:
        return g.CumProd(x, g.constant(axis), reverse=int(back) or None)
    join, start = _RUNNING[e.name]
    shape = e.shapes[0][:axis] + e.shapes[0][axis + 1 :]
    state = g.constant(start(x.dtype), x.dtype)
    state = g.shaped(g.Expand(state, e.lengths.vector(shape)), shape) if shape else state

    def step(state: Value, row: Value) -> list[Value]:
        return [joined := g.shaped(join(g, state, row), shape), joined]

    order = [axis, *(other for other in range(x.rank) if other != axis)]
    made = _along(g, [state], [turned(g, x, order)], step, [x.dtype, x.dtype], back)[1]
    return turned(g, made, np.argsort(order).tolist())
