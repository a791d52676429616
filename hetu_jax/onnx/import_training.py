"""Import of ai.onnx.preview.training: optimizers' steps."""

import jax.numpy as jnp

from .operators import TRAINING, operator_of

operator = operator_of(TRAINING)


def _each(inputs, kinds, update):
    """`update` of each parameter with its gradient and slots; the new values, kind by kind."""
    count = len(inputs) // kinds
    by_kind = [inputs[i * count : (i + 1) * count] for i in range(kinds)]
    return tuple(value for column in zip(*map(update, *by_kind), strict=True) for value in column)


@operator
def Adagrad(R, T, *inputs, decay_factor=0.0, epsilon=1e-6, norm_coefficient=0.0):
    rate = R / (1 + T * decay_factor)

    def update(X, G, H):
        G = norm_coefficient * X + G
        H = H + G * G
        return X - rate * G / (jnp.sqrt(H) + epsilon), H

    return _each(inputs, 3, update)


@operator
def Adam(R, T, *inputs, alpha=0.9, beta=0.999, epsilon=1e-6, norm_coefficient=0.0, norm_coefficient_post=0.0):
    steps = jnp.asarray(T, R.dtype)
    rate = jnp.where(T > 0, R * jnp.sqrt(1 - beta**steps) / jnp.where(T > 0, 1 - alpha**steps, 1), R)

    def update(X, G, V, H):
        G = norm_coefficient * X + G
        V = alpha * V + (1 - alpha) * G
        H = beta * H + (1 - beta) * G * G
        return (1 - norm_coefficient_post) * (X - rate * V / (jnp.sqrt(H) + epsilon)), V, H

    return _each(inputs, 4, update)


@operator
def Momentum(R, T, *inputs, alpha, beta, mode, norm_coefficient):
    fraction = jnp.where(T > 0, beta, 1).astype(R.dtype)

    def update(X, G, V):
        G = norm_coefficient * X + G
        V = alpha * V + fraction * G
        return X - R * (G + alpha * V if mode == "nesterov" else V), V

    return _each(inputs, 3, update)
