"""The process's one random state: a seed and the number of draws so far.

Every random step and every initialised Executor takes the next sequence number; what it draws follows from
(seed, number, position in the graph) alone.
"""

from __future__ import annotations

import jax
import numpy as np

from .errors import hint_at_names

_seed, _seqnum = 0, 0
_base_key: jax.Array | None = None


def set_random_seed(seed: int) -> None:
    """Sets the seed (any integer; used modulo 2**64); the sequence number goes on from where it is."""
    global _seed, _base_key
    _seed, _base_key = int(seed) % 2**64, None


def get_seed() -> int:
    """The seed."""
    return _seed


def get_seed_seqnum() -> int:
    """The number of draws so far."""
    return _seqnum


def get_seed_status() -> tuple[int, int]:
    """Seed and sequence number: what a checkpoint stores."""
    return _seed, _seqnum


def set_seed_status(seed: int, seqnum: int = 0) -> None:
    """Sets both seed and sequence number."""
    global _seqnum
    set_random_seed(seed)
    _seqnum = int(seqnum) % 2**64


def step_seqnum(n: int) -> None:
    """Advances the sequence number by `n`, modulo 2**64."""
    global _seqnum
    _seqnum = (_seqnum + int(n)) % 2**64


def reset_seed_seqnum() -> None:
    """Sets the sequence number to 0."""
    global _seqnum
    _seqnum = 0


def get_np_rand(step: int | None = None) -> np.random.RandomState:
    """A NumPy generator for the present state, after advancing it by `step` if given."""
    if step is not None:
        step_seqnum(step)
    return np.random.RandomState(np.random.MT19937(np.random.SeedSequence((_seed, _seqnum))))


def to_ull(seed: int) -> int:
    """`seed` as an unsigned 64-bit integer."""
    return int(seed) % 2**64


def base_key() -> jax.Array:
    """The raw key data of the seed, shape (2,), uint32."""
    global _base_key
    if _base_key is None:
        halves = np.uint32(_seed >> 32), np.uint32(_seed & 0xFFFFFFFF)
        _base_key = jax.random.key_data(jax.random.fold_in(jax.random.key(halves[1]), halves[0]))
    return _base_key


def next_seqnum() -> np.uint32:
    """Advances the sequence number by one and returns it, modulo 2**32."""
    step_seqnum(1)
    return np.uint32(_seqnum & 0xFFFFFFFF)


def step_key(base: jax.Array, seqnum: jax.Array | np.uint32) -> jax.Array:
    """The key of one draw, from `base_key()` and its sequence number."""
    return jax.random.fold_in(jax.random.wrap_key_data(base), seqnum)


hint_at_names(__name__)
