"""Narrow floats inside a step: convolutions and products in bfloat16; sums, norms, losses and Variables in float32.

Ops that only move numbers or treat each alike go on in the narrow type when one of their inputs is narrow; all others
get float32.  The exponent of bfloat16 is that of float32, so that gradients need no scaling.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from .errors import GraphError

if TYPE_CHECKING:
    from .graph import Node

NARROW = ("ops.conv", "ops.matmul")  # modules of the ops that are computed in the narrow type
FOLLOW = ("ops.elementwise", "ops.pool", "ops.shape", "ops.select")  # and of those that keep what they get


def compute_dtype(wanted: Any) -> np.dtype | None:
    """The narrow type of an Executor: None for all in float32.

    wanted: None, 'float32', or 'bfloat16', also as a dtype.  Raises GraphError for another.
    """
    name = None if wanted is None else str(jnp.dtype(wanted))
    if name in (None, "float32"):
        return None
    if name != "bfloat16":
        reason = ": its small exponents would need the loss scaled" if name == "float16" else ""
        raise GraphError(f"compute_dtype is 'float32' or 'bfloat16', not {name!r}{reason}")
    return jnp.dtype(jnp.bfloat16)


def inputs(node: Node, values: Sequence[Any], narrow: np.dtype) -> list[Any]:
    """What the node's op is given."""
    if node.op is None or node.writes:
        return list(values) if node.op is None else [widened(value) for value in values]
    family = node.op.__module__.rpartition("hetu_jax.")[2]
    follows = family in FOLLOW and any(_has(value, narrow) for value in values)
    to = narrow if family in NARROW or follows else np.dtype(np.float32)
    return [_cast(value, narrow if to == np.float32 else np.dtype(np.float32), to) for value in values]


def widened(value: Any) -> Any:
    """A value with its narrow floats as float32."""
    return _cast(value, jnp.dtype(jnp.bfloat16), np.dtype(np.float32))


def _has(value: Any, dtype: np.dtype) -> bool:
    return any(getattr(part, "dtype", None) == dtype for part in jax.tree.leaves(value))


def _cast(value: Any, before: np.dtype, after: np.dtype) -> Any:
    return jax.tree.map(lambda part: part.astype(after) if getattr(part, "dtype", None) == before else part, value)
