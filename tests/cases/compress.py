"""Rows for hetu_jax/ops/compress.py."""

import math

import numpy as np

from .case import Case, integers, normal

IDS = integers(1000, 3, 4)
SIGNED = np.array([-5, -1, 0, 1, 7, 12], np.int32)
WIDE = np.array([[2**31 - 1, 123456789], [0, 2038074743], [1999999999, 1], [2038074742, 7]], np.int32)
RANDS = np.array([2038074743, *np.random.default_rng(8).integers(1, 2038074743, 9)], np.int32)
LARGE = np.full(10, 2038074742, np.int32)
LARGE[0] += 1


def digits(x, count, base):
    return np.stack([x // base**i % base for i in range(count)], -1)


def wrapped(x, slope, bias, prime, buckets):
    with np.errstate(over="ignore"):
        product = x.astype(np.int32)[..., None] * slope.astype(np.int32) + bias.astype(np.int32)
    return product.astype(np.int64) % prime % buckets / (buckets - 1)


def learn_hash(x, slope, bias, prime, buckets, dist):
    part = wrapped(x, slope, bias, prime, buckets)
    if dist == "uniform":
        return 2 * part - 1
    out = np.empty_like(part)
    radius, angle = np.sqrt(-2 * np.log(np.maximum(part[..., ::2], 1e-12))), 2 * np.pi * part[..., 1::2]
    out[..., ::2], out[..., 1::2] = radius * np.cos(angle), radius * np.sin(angle)
    return out


def robe(formula):
    """What fills (batch, slots, dim) from a formula of Python integers x, d, s and r."""

    def hashed(x, r, *sizes, **options):
        dim = sizes[1] if len(sizes) > 1 else sizes[0]
        r = [int(n) for n in r]
        cells = [
            [[formula(int(v), d, s, r, *sizes, **options) for d in range(dim)] for s, v in enumerate(row)] for row in x
        ]
        return np.array(cells)

    return hashed


@robe
def robe_hash(x, d, s, r, length, dim, Z, use_slot_coef=True):
    q = dim // Z
    return (r[3] * x + r[1] + r[2] * (d // q) + d % q + use_slot_coef * r[4] * s) % r[0] % length


@robe
def robe_sign(x, d, s, r, dim, use_slot_coef=True):
    return (r[7] * x + r[5] + r[6] * d + use_slot_coef * r[8] * s) % r[0] % 2 * 2 - 1


def pruned(weights, share, _=None):
    """Right where no magnitudes are tied."""
    weights = weights.copy()
    order = np.argsort(np.abs(weights), axis=None)
    weights.reshape(-1)[order[: math.ceil(share * weights.size)]] = 0
    return weights


def nearest(score):
    def numbers(query, keys):
        return np.array(
            [min(range(len(keys)), key=lambda k: (score(q, keys[k]), k)) for q in query.reshape(-1, query.shape[-1])]
        )

    return numbers


euclid, inner = nearest(lambda q, k: np.sum((q - k) ** 2)), nearest(lambda q, k: np.sum(q * k))


def chosen(numbers):
    return lambda query, keys, codebook, indices, mode="eu": keys[numbers(query, keys)].reshape(query.shape)


def codebook_after(numbers):
    def written(query, keys, codebook, indices, mode="eu"):
        codebook = codebook.copy()
        for place, number in zip(indices.ravel(), numbers(query, keys), strict=True):
            if 0 <= place < len(codebook):
                codebook[place] = number
        return [codebook]

    return written


def key_gradient(g, query, keys, codebook, indices, mode="eu"):
    gradient = np.zeros_like(keys)
    if mode == "eu":
        np.add.at(gradient, euclid(query, keys), g.reshape(-1, keys.shape[1]))
    return [np.zeros_like(query), gradient, np.zeros_like(codebook)]


QUERY, KEYS, CODEBOOK = normal(2, 3, 4), normal(5, 4, seed=1), normal(9)
PLACES = np.array([[0, 3, 8], [1, 2, -1]], np.int32)
TIED = np.array([[1.0, 0], [-1, 0], [1, 0]])
WHOLE = "the mask has no slope"

CASES = [
    Case("mod_hash_op", [IDS, 7], lambda x, n: x % n, dtype=np.int32),
    Case("mod_hash_op", [SIGNED, 5], lambda x, n: x % n, dtype=np.int32, note="negative ids"),
    Case("mod_hash_op", [np.array([8.0, 9.0]), 5], lambda x, n: x % n, dtype=np.int32, note="float ids"),
    Case("mod_hash_negative_op", [SIGNED, 3], lambda x, n: np.where(x < 0, -(x + 1) % n, -(x + 1)), dtype=np.int32),
    Case("div_hash_op", [IDS, 7], lambda x, n: x // n, dtype=np.int32),
    Case("compo_hash_op", [IDS, 3, 7], digits, dtype=np.int32),
    Case("compo_hash_op", [np.zeros((0, 2), np.int32), 3, 7], digits, dtype=np.int32, note="no ids"),
    Case("learn_hash_op", [IDS, *integers(997, 3, 6), 64, "uniform"], learn_hash, note="uniform"),
    Case("learn_hash_op", [IDS, *integers(997, 3, 6, low=1), 64, "normal"], learn_hash, note="normal"),
    Case(
        "learn_hash_op",
        [WIDE, *integers(2**31 - 1, 3, 4, low=2**30), 1000, "uniform"],
        learn_hash,
        atol=1e-5,
        note="wrapping",
    ),
    Case("robe_hash_op", [IDS, RANDS, 1000, 6, 3], robe_hash, dtype=np.int32),
    Case("robe_hash_op", [WIDE, LARGE, 2**30, 4, 1], robe_hash, dtype=np.int32, note="largest products"),
    Case("robe_hash_op", [WIDE, RANDS, 10**6, 4, 4, False], robe_hash, dtype=np.int32, note="no slots"),
    Case("robe_hash_op", [WIDE[:0], RANDS, 10, 4, 2], lambda *_: np.zeros((0, 2, 4)), dtype=np.int32, note="no ids"),
    Case("robe_sign_op", [IDS, RANDS, 5], robe_sign),
    Case("robe_sign_op", [WIDE, LARGE, 5], robe_sign, note="largest products"),
    Case("robe_sign_op", [WIDE, RANDS, 5], robe_sign, kwargs={"use_slot_coef": False}, note="no slots"),
    Case("prune_low_magnitude_op", [normal(10, 8), 0.25], pruned, grad=WHOLE),
    Case("prune_low_magnitude_op", [normal(10, 8), 0.0], pruned, grad=WHOLE, note="nothing"),
    Case("prune_low_magnitude_op", [normal(10, 8), 1.0], pruned, grad=WHOLE, note="everything"),
    Case("prune_low_magnitude_op", [normal(10), 0.33], pruned, grad=WHOLE, note="next larger share"),
    Case("prune_low_magnitude_op", [normal(4), 0.5, "feature"], pruned, grad=WHOLE, note="four elements"),
    Case(
        "min_dist_op",
        [QUERY, KEYS, CODEBOOK, PLACES],
        chosen(euclid),
        grads=key_gradient,
        writes=codebook_after(euclid),
    ),
    Case(
        "min_dist_op",
        [QUERY, KEYS, CODEBOOK, PLACES, "inner"],
        chosen(inner),
        grads=key_gradient,
        writes=codebook_after(inner),
        note="inner product",
    ),
    Case(
        "min_dist_op",
        [np.zeros((1, 2)), TIED, CODEBOOK, np.array([4], np.int32)],
        chosen(euclid),
        grads=key_gradient,
        writes=codebook_after(euclid),
        note="tie",
    ),
]
