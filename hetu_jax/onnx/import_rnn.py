"""Import of ai.onnx: RNN, GRU and LSTM, as scans over time."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from .arrays import device
from .operators import operator

# By name: the function of x and of its two parameters, and their defaults.
_ACTIVATIONS = {
    "Affine": (lambda x, a, b: a * x + b, 1.0, 0.0),
    "Elu": (lambda x, a, b: jax.nn.elu(x, a), 1.0, 0.0),
    "HardSigmoid": (lambda x, a, b: jnp.clip(a * x + b, 0, 1), 0.2, 0.5),
    "LeakyRelu": (lambda x, a, b: jnp.where(x >= 0, x, a * x), 0.01, 0.0),
    "Relu": (lambda x, a, b: jnp.maximum(x, 0), 0.0, 0.0),
    "ScaledTanh": (lambda x, a, b: a * jnp.tanh(b * x), 1.0, 1.0),
    "Sigmoid": (lambda x, a, b: jax.nn.sigmoid(x), 0.0, 0.0),
    "Softplus": (lambda x, a, b: jax.nn.softplus(x), 0.0, 0.0),
    "Softsign": (lambda x, a, b: x / (1 + jnp.abs(x)), 0.0, 0.0),
    "Tanh": (lambda x, a, b: jnp.tanh(x), 0.0, 0.0),
    "ThresholdedRelu": (lambda x, a, b: jnp.where(x > a, x, 0), 1.0, 0.0),
}
_TAKES = {"Affine": 2, "Elu": 1, "HardSigmoid": 2, "LeakyRelu": 1, "ScaledTanh": 2, "ThresholdedRelu": 1}


def _functions(names, alphas, betas, clip):
    """The activations by name, each given its parameters in order; clipped inputs where asked."""
    alphas, betas = list(alphas or ()), list(betas or ())
    functions = []
    for name in names:
        key = next(known for known in _ACTIVATIONS if known.lower() == name.lower())
        function, alpha, beta = _ACTIVATIONS[key]
        alpha = alphas.pop(0) if alphas and _TAKES.get(key, 0) >= 1 else alpha
        beta = betas.pop(0) if betas and _TAKES.get(key, 0) >= 2 else beta
        functions.append(_with(function, alpha, beta, clip))
    return functions


def _with(function, alpha, beta, clip):
    if clip is None:
        return lambda x: function(x, alpha, beta)
    return lambda x: function(jnp.clip(x, -clip, clip), alpha, beta)


class _Weights(NamedTuple):
    """Of one direction: W (gates, input), R (gates, hidden), the two halves of B, and peepholes."""

    W: jax.Array
    R: jax.Array
    Wb: Any
    Rb: Any
    P: Any


def _turned(x, lengths):
    """Sequences (time, batch, ...) back to front, each within its own length."""
    if lengths is None:
        return jnp.flip(x, 0)
    time = jnp.arange(x.shape[0])[:, None]
    places = jnp.where(time < lengths, lengths - 1 - time, time)
    return jnp.take_along_axis(x, places.reshape(*places.shape, *[1] * (x.ndim - 2)), axis=0)


def _one_direction(step, weights, x, states, lengths, backwards):
    """The outputs (time, batch, hidden) and the last states; zeros after the end of a sequence."""
    x = _turned(x, lengths) if backwards else x
    projected = x @ weights.W.T + weights.Wb

    def turn(states, inputs):
        time, row = inputs
        new = step(weights, row, *states)
        if lengths is None:
            return new, new[0]
        alive = (time < lengths)[:, None]
        kept = tuple(jnp.where(alive, n, s) for n, s in zip(new, states, strict=True))
        return kept, jnp.where(alive, new[0], 0)

    states, outputs = lax.scan(turn, states, (jnp.arange(x.shape[0]), projected))
    return _turned(outputs, lengths) if backwards else outputs, states


def _recurrent(
    X: Any,
    weights: tuple[Any, ...],
    initial: tuple[Any, ...],
    sequence_lens: Any,
    gates: int,
    direction: str,
    layout: int,
    steps: Callable[[int], Callable[..., Any]],
) -> tuple[Any, ...]:
    """Y and the last states of all directions.

    weights: W, R, B and P or None.  initial: the first states or None.  steps: gives the step of a direction.
    """
    W, R, B, P = (None if w is None else device(w) for w in weights)
    X = device(X).swapaxes(0, 1) if layout else device(X)
    count, batch, hidden = W.shape[0], X.shape[1], R.shape[-1]
    lengths = None if sequence_lens is None else device(sequence_lens)
    B = jnp.zeros((count, 2 * gates * hidden), X.dtype) if B is None else B
    outputs, finals = [], []
    for number in range(count):
        own = _Weights(W[number], R[number], *jnp.split(B[number], 2), None if P is None else P[number])
        start = tuple(_start(state, number, layout, (batch, hidden), X.dtype) for state in initial)
        backwards = direction == "reverse" or number == 1
        y, last = _one_direction(steps(number), own, X, start, lengths, backwards)
        outputs.append(y)
        finals.append(last)
    axis = 1 if layout else 0
    last = [jnp.stack(parts, axis=axis) for parts in zip(*finals, strict=True)]
    Y = jnp.stack(outputs, axis=1)
    return jnp.transpose(Y, (2, 0, 1, 3)) if layout else Y, *last


def _start(state, number, layout, shape, dtype):
    if state is None:
        return jnp.zeros(shape, dtype)
    return device(state)[:, number] if layout else device(state)[number]


def activations_by_direction(names, default, gates, alphas, betas, clip):
    """The activations of each direction."""
    names = names or default * 2
    functions = _functions(names, alphas, betas, clip)
    return [functions[:gates], functions[gates:] or functions[:gates]]


@operator
def RNN(
    X,
    W,
    R,
    B=None,
    sequence_lens=None,
    initial_h=None,
    *,
    activation_alpha=None,
    activation_beta=None,
    activations=None,
    clip=None,
    direction="forward",
    hidden_size=None,
    layout=0,
    output_sequence=0,
):
    """h = f(W x + R h + b) over time: all of them, and the last."""
    functions = activations_by_direction(activations, ["Tanh"], 1, activation_alpha, activation_beta, clip)

    def steps(number):
        (f,) = functions[number]
        return lambda w, x, h: (f(x + h @ w.R.T + w.Rb),)

    return _recurrent(X, (W, R, B, None), (initial_h,), sequence_lens, 1, direction, layout, steps)


@operator
def GRU(
    X,
    W,
    R,
    B=None,
    sequence_lens=None,
    initial_h=None,
    *,
    activation_alpha=None,
    activation_beta=None,
    activations=None,
    clip=None,
    direction="forward",
    hidden_size=None,
    layout=0,
    linear_before_reset=0,
    output_sequence=0,
):
    """Gated recurrent units, gates in the order update, reset, hidden."""
    functions = activations_by_direction(activations, ["Sigmoid", "Tanh"], 2, activation_alpha, activation_beta, clip)

    def steps(number):
        f, g = functions[number]

        def step(w, x, h):
            Rz, Rr, Rh = jnp.split(w.R, 3)
            bz, br, bh = jnp.split(w.Rb, 3)
            xz, xr, xh = jnp.split(x, 3, axis=-1)
            z, r = f(xz + h @ Rz.T + bz), f(xr + h @ Rr.T + br)
            inner = r * (h @ Rh.T + bh) if linear_before_reset else (r * h) @ Rh.T + bh
            return ((1 - z) * g(xh + inner) + z * h,)

        return step

    return _recurrent(X, (W, R, B, None), (initial_h,), sequence_lens, 3, direction, layout, steps)


@operator
def LSTM(
    X,
    W,
    R,
    B=None,
    sequence_lens=None,
    initial_h=None,
    initial_c=None,
    P=None,
    *,
    activation_alpha=None,
    activation_beta=None,
    activations=None,
    clip=None,
    direction="forward",
    hidden_size=None,
    input_forget=0,
    layout=0,
    output_sequence=0,
):
    """Long short-term memory, gates in the order input, output, forget, cell."""
    functions = activations_by_direction(
        activations, ["Sigmoid", "Tanh", "Tanh"], 3, activation_alpha, activation_beta, clip
    )
    weights, initial = (W, R, B, P), (initial_h, initial_c)
    return long_short_term(X, weights, initial, sequence_lens, direction, layout, functions, input_forget)


def long_short_term(X, weights, initial, lengths, direction, layout, functions, input_forget=0, seen=lambda h: h):
    """LSTM of these weights, W, R, B and P, and first states; `seen` is what the products take of the last outputs."""

    def steps(number):
        f, g, h_of = functions[number]

        def step(w, x, h, c):
            i, o, forget, cell = jnp.split(x + seen(h) @ w.R.T + w.Rb, 4, axis=-1)
            pi, po, pf = (0, 0, 0) if w.P is None else jnp.split(w.P, 3)
            i = f(i + pi * c)
            forget = 1 - i if input_forget else f(forget + pf * c)
            c = forget * c + i * g(cell)
            return f(o + po * c) * h_of(c), c

        return step

    return _recurrent(X, weights, initial, lengths, 4, direction, layout, steps)
