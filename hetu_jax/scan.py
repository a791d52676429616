"""Several steps in one dispatch: `jax.lax.scan` over what differs from one to the next, for steps that are small."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

SWITCH = "HETU_JAX_SCAN"  # 0: never; 1: always; by default, small steps
WORTH_SCANNING = 1e8  # floating-point operations of a step from which the loop inside XLA stops paying


def wanted(operations: float) -> bool:
    """Whether steps of so many floating-point operations are worth it."""
    switch = os.environ.get(SWITCH, "auto")
    return switch == "1" or (switch != "0" and 0 < operations < WORTH_SCANNING)


def split(steps: Sequence[Any]) -> tuple[list[Any], list[Any]] | None:
    """What all steps are fed alike, and what differs, stacked; each with None in the places of the other.

    steps: a pytree of arrays for each step, all of one structure.
    Returns None where something other than numbers differs: it is not worth bringing together.
    """
    alike, moving = [], []
    for column in zip(*map(jax.tree.leaves, steps), strict=True):
        same = all(value is column[0] for value in column)
        if not same and any(np.ndim(value) for value in column):
            return None
        alike.append(column[0] if same else None)
        moving.append(None if same else np.stack(column))
    return alike, moving


def scanned(step: Callable[..., Any]) -> Callable[..., Any]:
    """A function of (taken, kept, alike, moving, key, numbers, structure) that goes through all steps.

    step: (taken, kept, arrays, draw) -> (values, renewed, ...); `structure` is that of the pytree of its arrays.
    The function returns the values, each stacked along a new axis 0, and the last renewed.
    """

    def several(taken: Any, kept: Any, alike: Any, moving: Any, key: Any, numbers: Any, structure: Any) -> Any:
        def once(carried: Any, at: Any) -> tuple[Any, Any]:
            own, number = at
            leaves = [one if other is None else other for one, other in zip(alike, own, strict=True)]
            arrays = jax.tree.unflatten(structure, leaves)
            values, renewed, *_ = step(carried, kept, arrays, (key, number))
            return renewed, values

        renewed, values = jax.lax.scan(once, taken, (moving, numbers))
        return values, renewed

    return several


def stacked(parts: Sequence[Any]) -> Any:
    """A node's values in several steps, stacked along a new axis 0, or their list where they differ in shape.

    parts: one entry a step; None for a node without value, and the result is None too.
    """
    return joined([[part] if not isinstance(part, jax.Array) else part[None] for part in parts])


def joined(parts: Sequence[Any]) -> Any:
    """As `stacked`, of parts that are each one or more steps along axis 0."""
    if all(part is None or (isinstance(part, list) and part == [None]) for part in parts):
        return None
    if all(isinstance(part, jax.Array) and part.shape[1:] == parts[0].shape[1:] for part in parts):
        return jnp.concatenate(parts) if len(parts) > 1 else parts[0]
    return [value for part in parts for value in part]
