"""Import of ai.onnx: If, Loop, Scan, and operators on sequences and optional values.

Graphs inside come as functions.  What can be decided while a step is traced is decided then; the rest becomes
`lax.cond`, `lax.while_loop` and `lax.scan`.  Sequences are Python lists, an empty optional is None.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..errors import HostValueError, OpError
from .arrays import axis_of, device, host, ints, number, xp
from .operators import operator

UNROLLED = 16  # loops of so many turns are written out


def _known(value):
    """A number or truth value where it is known, else None."""
    try:
        return number(value)
    except HostValueError:
        return None


def _is_traced(body, *values):
    return body.traced or any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(values))


def _on_device(values):
    return jax.tree.map(device, list(values))


@operator
def If(cond, *, then_branch, else_branch):
    """One of two graphs; both are compiled where the condition is computed in the step."""
    known = _known(cond)
    if known is not None:
        return tuple((then_branch if known else else_branch).compiled())
    try:
        return tuple(lax.cond(cond.reshape(()), *(lambda b=b: _on_device(b()) for b in (then_branch, else_branch))))
    except TypeError:
        raise HostValueError("its condition, as the branches give different shapes") from None
    except OpError as error:  # of a branch that need not be taken
        raise HostValueError(f"its condition, as a branch does not fit: {str(error).splitlines()[0]}") from None


def _turns(body, limit, cond, state):
    """The states and the scan outputs of a loop, turn by turn, on values that are known."""
    rows, turn = [], 0
    while (limit is None or turn < limit) and cond:
        cond, *results = body(np.array(turn, np.int64), np.array(True), *state)
        cond = number(cond, "the condition of the loop")
        state, outputs = results[: len(state)], results[len(state) :]
        rows.append(outputs)
        turn += 1
    return state, rows


def _stacked(body, state, rows, count):
    """The scan outputs of all turns, one array each."""
    if rows:
        return [xp.stack(column) for column in zip(*rows, strict=True)]
    shapes = jax.eval_shape(lambda *s: _on_device(body(jnp.zeros((), int), jnp.array(True), *s)), *state)
    return [np.zeros((0, *shape.shape), shape.dtype) for shape in shapes[len(shapes) - count :]]


def _steady(body, state):
    """Whether the body's condition is known to stay true."""
    conditions = []

    def probe(turn, *state):
        cond, *results = body(turn, np.array(True), *state)
        conditions.append(_known(cond))
        return _on_device(results)

    jax.eval_shape(probe, jnp.zeros((), int), *state)
    return bool(conditions[-1])


def _scanned(body, limit, state):
    """A loop of a known number of turns as `lax.scan`."""

    def turn(state, number):
        _, *results = body(number, np.array(True), *state)
        results = _on_device(results)
        return results[: len(state)], results[len(state) :]

    return lax.scan(turn, _on_device(state), jnp.arange(limit))


def _whiled(body, limit, cond, state):
    """A loop whose end is computed in the step as `lax.while_loop`."""
    limit = np.iinfo(np.int32).max if limit is None else device(limit).reshape(())

    def go_on(carried):
        return (carried[0] < limit) & carried[1]

    def turn(carried):
        cond, *results = body(carried[0], carried[1], *carried[2])
        return carried[0] + 1, device(cond).reshape(()), _on_device(results)

    cond = True if cond is None else device(cond).reshape(())
    return lax.while_loop(go_on, turn, (jnp.zeros((), int), jnp.asarray(cond), _on_device(state)))[2]


@operator
def Loop(M=None, cond=None, *v_initial, body):
    """`body` again and again: at most M times, as long as its condition holds.

    Turns that can be counted beforehand become a scan, or are written out where a state changes its shape; with a
    condition that is computed in the step, and no outputs that pile up, it is a while loop.
    """
    state, limit, start = list(v_initial), None if M is None else _known(M), True if cond is None else _known(cond)
    piled = body.results - 1 - len(state)
    if not _is_traced(body, M, cond, state) or start is False:
        state, rows = _turns(body, limit, start, state)
        return (*state, *_stacked(body, state, rows, piled))
    if (M is None or limit is not None) and start is not None and _steady(body, state):
        return _counted(body, limit, state, piled)
    if piled:
        raise HostValueError("the number of its turns, as its outputs have one row for each")
    try:
        return tuple(_whiled(body, M, cond, state))
    except TypeError:
        raise HostValueError("the number of its turns, as its state changes shape") from None


def _counted(body, limit, state, piled):
    if limit is None:
        raise ValueError("the loop has neither a number of turns nor a condition that can end it")
    if limit > UNROLLED:
        try:
            state, stacks = _scanned(body, limit, state)
            return (*state, *stacks)
        except TypeError:
            pass  # the state changes its shape or its length
    state, rows = _turns(body, limit, True, state)
    return (*state, *_stacked(body, state, rows, piled))


def _along(x, axis, backwards):
    """x with `axis` first, turned round where asked."""
    x = xp.moveaxis(x, axis_of(axis, x.ndim), 0)
    return xp.flip(x, 0) if backwards else x


def _scan(body, states, series):
    def turn(state, rows):
        results = _on_device(body(*state, *rows))
        return results[: len(state)], results[len(state) :]

    return lax.scan(turn, _on_device(states), _on_device(series))


@operator
def Scan(
    sequence_lens=None,
    *initial_state_and_scan_inputs,
    body,
    num_scan_inputs,
    directions=None,
):
    """The first version: each sample of a batch by itself, up to its own length; zeros fill the rest."""
    values = [device(value) for value in initial_state_and_scan_inputs]
    states, series = values[: len(values) - num_scan_inputs], values[len(values) - num_scan_inputs :]
    length = series[0].shape[1]
    lengths = [length] * series[0].shape[0] if sequence_lens is None else ints(sequence_lens, "the lengths")
    samples = []
    for sample, turns in enumerate(lengths):
        rows = [x[sample, :turns] for x in series]
        rows = [jnp.flip(x, 0) if b else x for x, b in zip(rows, directions or [0] * len(rows), strict=True)]
        final, outputs = _scan(body, [s[sample] for s in states], rows)
        padded = [jnp.pad(y, [(0, length - turns)] + [(0, 0)] * (y.ndim - 1)) for y in outputs]
        samples.append([*final, *padded])
    return tuple(jnp.stack(parts) for parts in zip(*samples, strict=True))


@operator
def Scan_9(
    *initial_state_and_scan_inputs,
    body,
    num_scan_inputs,
    scan_input_axes=None,
    scan_input_directions=None,
    scan_output_axes=None,
    scan_output_directions=None,
):
    """`body` along an axis of each scan input, carrying states; what it gives besides is stacked."""
    values = list(initial_state_and_scan_inputs)
    count = len(values) - num_scan_inputs
    axes = scan_input_axes or [0] * num_scan_inputs
    backwards = scan_input_directions or [0] * num_scan_inputs
    series = [_along(x, a, b) for x, a, b in zip(values[count:], axes, backwards, strict=True)]
    final, outputs = _scan(body, values[:count], series)
    axes = scan_output_axes or [0] * len(outputs)
    backwards = scan_output_directions or [0] * len(outputs)
    turned = [jnp.flip(y, 0) if b else y for y, b in zip(outputs, backwards, strict=True)]
    return (*final, *(jnp.moveaxis(y, 0, a) for y, a in zip(turned, axes, strict=True)))


@operator
def SequenceMap(input_sequence, *additional_inputs, body):
    """`body` for each element of a sequence, and of further sequences beside it; arrays are given whole."""
    rows = [
        body(element, *(x[i] if isinstance(x, list) else x for x in additional_inputs))
        for i, element in enumerate(input_sequence)
    ]
    return tuple(list(column) for column in zip(*rows, strict=True)) if rows else ([],) * body.results


@operator
def SequenceConstruct(*inputs):
    return list(inputs)


@operator
def SequenceEmpty(*, dtype=1):
    """An empty sequence; of which `dtype` its elements would be makes no difference."""
    return []


@operator
def SequenceAt(input_sequence, position):
    return input_sequence[number(position, "the position")]


@operator
def SequenceLength(input_sequence):
    return np.array(len(input_sequence), np.int64)


@operator
def SequenceInsert(input_sequence, tensor, position=None):
    place = len(input_sequence) if position is None else number(position, "the position")
    place = place if place >= 0 else place + len(input_sequence)
    return [*input_sequence[:place], tensor, *input_sequence[place:]]


@operator
def SequenceErase(input_sequence, position=None):
    place = number(-1 if position is None else position, "the position") % len(input_sequence)
    return [*input_sequence[:place], *input_sequence[place + 1 :]]


@operator
def SplitToSequence(input, split=None, *, axis=0, keepdims=1):
    axis = axis_of(axis, input.ndim)
    length = input.shape[axis]
    if split is None:
        sizes = [1] * length
    elif np.ndim(host(split, "the sizes of the parts")) == 0:
        size = number(split)
        sizes = [min(size, length - i) for i in range(0, length, size)]
    else:
        sizes = ints(split)
    ends = np.cumsum([0, *sizes]).tolist()
    parts = [input[(slice(None),) * axis + (slice(a, b),)] for a, b in zip(ends, ends[1:], strict=False)]
    return parts if keepdims or split is not None else [xp.squeeze(part, axis) for part in parts]


@operator
def ConcatFromSequence(input_sequence, *, axis, new_axis=0):
    return (xp.stack if new_axis else xp.concatenate)(input_sequence, axis=axis)


@operator
def Optional(input=None, *, type=None):
    """The input, or None; the `type` that an absent one would have makes no difference."""
    return input


@operator
def OptionalHasElement(input=None):
    return np.array(input is not None)


@operator
def OptionalGetElement(input):
    return input
