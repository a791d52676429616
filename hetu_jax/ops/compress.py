"""Smaller embedding tables: hashed ids, pruning, and codebooks."""

import jax
import jax.numpy as jnp
import numpy as np

from ..graph import Feed, op
from .embedding import put_rows, rows
from .index import cast_ids


@op
def mod_hash_op(node, nembed):
    """x modulo nembed, not negative.

    node: ids of any shape.  nembed: int.  Returns: the same shape, int32.
    """
    return cast_ids(node) % nembed


@op
def mod_hash_negative_op(node, nembed):
    """y modulo nembed for y = -(x + 1) where that is not negative, else y, which a lookup takes for no row.

    node: ids of any shape, negative ones for rare rows.  nembed: int.  Returns: the same shape, int32.
    """
    rare = -(cast_ids(node) + 1)
    return jnp.where(rare >= 0, rare % nembed, rare)


@op
def div_hash_op(node, nembed):
    """x divided by nembed, rounded down.

    node: ids of any shape.  nembed: int.  Returns: the same shape, int32.
    """
    return cast_ids(node) // nembed


@op
def compo_hash_op(node, ntable, nembed):
    """The `ntable` lowest digits of x in base nembed, the lowest first.

    node: ids of any shape S.  ntable, nembed: int.  Returns: S + (ntable,), int32.
    """
    rest, digits = cast_ids(node), []
    for _ in range(ntable):
        digits.append(rest % nembed)
        rest = rest // nembed
    return jnp.stack(digits, -1)


@op
def learn_hash_op(node, slope, bias, prime, nbucket, dist):
    """r / (nbucket - 1) for the hashes r = (slope * x + bias) mod prime mod nbucket, spread as `dist` says.

    node: ids of any shape S.  slope, bias, prime: (h,) int; products wrap around at 32 bits.  nbucket: int from 2 up.
    dist: 'uniform', in [-1, 1], or 'normal', by the Box-Muller transform of neighbouring hashes, h even.
    Returns: S + (h,), float32.  Raises ValueError for another `dist`, an odd h, or too few buckets.
    """
    slope, bias, prime = cast_ids(slope), cast_ids(bias), cast_ids(prime)
    if dist not in ("uniform", "normal") or nbucket < 2 or len(slope) % 2 and dist == "normal":
        raise ValueError(
            f"learn_hash_op takes dist 'uniform' or 'normal' (with an even number of hashes) and at least 2 buckets, "
            f"not {dist!r} with {len(slope)} hashes and nbucket={nbucket}"
        )
    hashed = (cast_ids(node)[..., None] * slope + bias) % prime % nbucket
    part = hashed.astype(jnp.float32) / (nbucket - 1)
    return part * 2 - 1 if dist == "uniform" else _box_muller(part)


def _box_muller(part):
    radius = jnp.sqrt(-2 * jnp.log(jnp.maximum(part[..., ::2], 1e-12)))
    angle = 2 * np.pi * part[..., 1::2]
    pairs = jnp.stack([radius * jnp.cos(angle), radius * jnp.sin(angle)], -1)
    return pairs.reshape(part.shape)


def _mod_add(a, b, modulus):
    """(a + b) mod modulus, for uint32 a, b < modulus < 2**31."""
    total = a + b
    return jnp.where(total >= modulus, total - modulus, total)


def _mod_mul(a, b, modulus):
    """a * b mod modulus, for uint32 a, b < modulus < 2**31: bit by bit, since JAX has no 64-bit integers by default."""
    shape = jnp.broadcast_shapes(a.shape, b.shape)

    def add_bit(i, total):
        doubled = _mod_add(total, total, modulus)
        return jnp.where((a >> (30 - i)) & 1, _mod_add(doubled, b, modulus), doubled)

    return jax.lax.fori_loop(0, 31, add_bit, jnp.zeros(shape, jnp.uint32))


def _robe(rands, offset, *terms):
    """(rands[offset] + the sum of rands[i] * x over the terms (i, x)) mod rands[0], exact, uint32.

    A term (None, x) is x itself.
    """
    modulus = cast_ids(rands[0])
    reduced = (cast_ids(rands) % modulus).astype(jnp.uint32)
    terms = [(i, (cast_ids(x) % modulus).astype(jnp.uint32)) for i, x in terms]
    modulus = modulus.astype(jnp.uint32)
    total = reduced[offset]
    for i, x in terms:
        total = _mod_add(total, x if i is None else _mod_mul(reduced[i], x, modulus), modulus)
    return total


def _check_robe(indices, rands):
    if indices.ndim != 2 or rands.ndim != 1 or len(rands) < 9:
        raise ValueError(
            f"robe hashing needs indices (batch, slots) and at least 9 rands, not {indices.shape} and {rands.shape}"
        )


@op
def robe_hash_op(indices, rands, length, dim, Z, use_slot_coef=True):
    """((r3 x + r1 + r2 (d // q) + d % q + r4 s) mod r0) mod length, for element d of slot s and q = dim / Z.

    indices: x (batch, slots) int.  rands: (at least 9,) int, r0 a prime.  length: int.  dim: int, a multiple of Z.
    use_slot_coef: False leaves r4 s out.  Returns: (batch, slots, dim) int32, places in an array of `length`.
    Raises ValueError for other shapes.
    """
    _check_robe(indices, rands)
    if Z < 1 or dim % Z:
        raise ValueError(f"dim {dim} is no multiple of Z {Z}")
    element, slot = jnp.arange(dim), jnp.arange(indices.shape[1])[:, None]
    group = dim // Z
    terms = [(3, indices[..., None]), (2, element // group), (None, element % group)]
    hashed = _robe(rands, 1, *terms, *([(4, slot)] if use_slot_coef else []))
    return (hashed % length).astype(jnp.int32)


@op
def robe_sign_op(indices, rands, dim, use_slot_coef=True):
    """2 (((r7 x + r5 + r6 d + r8 s) mod r0) mod 2) - 1, for element d of slot s.

    indices: x (batch, slots) int.  rands: (at least 9,) int, r0 a prime.  dim: int.
    use_slot_coef: False leaves r8 s out.  Returns: (batch, slots, dim) float32 of -1 and 1.
    Raises ValueError for other shapes.
    """
    _check_robe(indices, rands)
    terms = [(7, indices[..., None]), (6, jnp.arange(dim))]
    slot = [(8, jnp.arange(indices.shape[1])[:, None])] if use_slot_coef else []
    return (_robe(rands, 5, *terms, *slot) % 2).astype(jnp.float32) * 2 - 1


class PruneRate(Feed):
    """The share of zeros that a schedule asks for, read on the host at each run.

    rate: a function of the number of runs so far, from 1.
    """

    def __init__(self, rate):
        super().__init__("prune_rate")
        self.rate, self.runs = rate, 0

    def pull(self, group, advance):
        self.runs += 1
        return None, (np.float32(self.rate(self.runs)),)

    def _abstract(self):
        return jax.ShapeDtypeStruct((), jnp.float32)


def _feed_rate(arguments):
    if arguments.get("buffer_conf", "feature_dim") not in ("feature_dim", "feature", "dim"):
        raise ValueError(f"buffer_conf is 'feature_dim', 'feature' or 'dim', not {arguments['buffer_conf']!r}")
    if callable(arguments["rate"]):
        arguments["rate"] = PruneRate(arguments["rate"])


@op(writes=("node",), on_record=_feed_rate)
def prune_low_magnitude_op(node, rate, buffer_conf="feature_dim"):
    """In place: the elements of least magnitude become 0, as many as make the wanted share.

    node: Variable of any shape, magnitudes below 100.  rate: the share, or a function of the number of runs so far
    (1, 2, ...) that gives it; up to 0 nothing changes.  buffer_conf: accepted without effect, as it sizes a buffer.
    Returns: nothing.
    """
    magnitude = jnp.abs(node)
    return None, jnp.where((magnitude < _threshold(magnitude, rate)) & (rate > 0), 0, node).astype(node.dtype)


def _threshold(magnitude, share):
    """The bound below which lies the given share of the magnitudes or just more, by bisection of [0, 100]."""
    tolerance = jnp.minimum(1e-4, 1e-3 * (1 - share))

    def excess(bound):
        return jnp.sum(magnitude < bound) / max(magnitude.size, 1) - share

    def unsettled(state):
        low, high, off = state
        middle = (low + high) / 2
        return (jnp.abs(off) >= tolerance) & (low < middle) & (middle < high)

    def halve(state):
        low, high, off = state
        middle = (low + high) / 2
        low, high = jnp.where(off < 0, middle, low), jnp.where(off < 0, high, middle)
        return low, high, excess((low + high) / 2)

    ends = jnp.zeros((), magnitude.dtype), jnp.full((), 100, magnitude.dtype)
    low, high, off = jax.lax.while_loop(unsettled, halve, (*ends, excess(50)))
    return jnp.where(jnp.abs(off) < tolerance, (low + high) / 2, high)


@op(writes=("codebook",))
def min_dist_op(query, key, codebook, indices, mode="eu"):
    """The key nearest to each query; in place, codebook[index] = its number.

    query: S + (d,), float.  key: (keys, d).  codebook: Variable, any shape.  indices: S, places in the
    flat `codebook`.
    mode: 'eu', the least squared distance, or 'in', the least inner product; longer words that begin so are understood.
    Returns: the shape of `query`; of equal keys the first.  The gradient goes to `key` for 'eu', nowhere for 'in'.
    Raises ValueError for another mode.
    """
    score = _SCORES.get(mode[:2])
    if score is None:
        raise ValueError(f"mode is 'eu' (squared distance) or 'in' (inner product), not {mode!r}")
    nearest = jnp.argmin(score(query[..., None, :], key), axis=-1)
    codebook = put_rows(codebook.reshape(-1), cast_ids(indices), nearest).reshape(codebook.shape)
    return rows(key if mode[:2] == "eu" else jax.lax.stop_gradient(key), nearest), codebook


_SCORES = {
    "eu": lambda query, key: jnp.sum((query - key) ** 2, -1),
    "in": lambda query, key: jnp.sum(query * key, -1),
}
