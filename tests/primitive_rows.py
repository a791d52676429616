"""What users write in ops of their own, by name: a row for each form that a primitive of JAX takes in them."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import hetu_jax as ht
from hetu_jax.graph import Op

RANDOM = np.random.default_rng(7)


def draw(*shape, scale=1.0):
    return (RANDOM.normal(size=shape) * scale).astype(np.float32)


def whole(high, *shape, low=0, dtype=np.int32):
    return RANDOM.integers(low, high, shape).astype(dtype)


X, Y = draw(4, 3), draw(4, 3)
CUBE, IMAGE, PIXELS = draw(4, 3, 5), draw(4, 3, 8, 7), draw(4, 8, 7, 3)
SQUARE, POSITIVE, UNIT = draw(4, 3, 3), np.abs(draw(4, 3)) + 0.1, np.tanh(draw(4, 3))
K, J, WORDS = whole(9, 4, 3, low=-8), whole(9, 4, 3, low=1), whole(2**31 - 1, 4, 3, low=-(2**31))
U, BYTES = whole(200, 4, 3, dtype=np.uint32), whole(256, 4, 3, dtype=np.uint8)
SPECIAL = np.array([[0.5, -0.5, 1.5], [2.5, -2.5, 0.0], [np.inf, -np.inf, np.nan], [-0.0, 1e-30, 3.49]], np.float32)
TIES = np.array([[1, 0, 1], [2, 2, 0], [0, 0, 0], [-1, 3, 3]], np.float32)
ROWS4, PLACES = np.array([3, 0, 2, 2], np.int32), np.array([2, 0, 2, -1, 1], np.int32)
KEY = np.sort(draw(6))
A34, W = draw(3, 4), draw(5, 3)


class Row:
    """A user's op with its arguments; those as long as the first have the batch in front, unless `fixed` says why not.

    tol: relative.  wrong: what onnx.reference computes otherwise than the standard, and ONNX Runtime.
    """

    def __init__(self, function, *arrays, fixed=None, tol=2e-5, wrong=None):
        self.function, self.arrays, self.fixed, self.tol, self.wrong = function, arrays, fixed, tol, wrong
        self.nodes = [ht.placeholder_op(f"x{i}", dtype=array.dtype) for i, array in enumerate(arrays)]
        batched = [] if fixed else [node for node, array in zip(self.nodes, arrays, strict=True) if self._long(array)]
        self.axes = {node: {0: "N"} for node in batched}

    def _long(self, array):
        return array.ndim > 0 and len(array) == len(self.arrays[0])

    def outputs(self, name):
        def own_op(*nodes):
            """What a user wrote."""
            parts = jax.tree.leaves(self.function(*nodes))
            return parts[0] if len(parts) == 1 else tuple(parts)

        own_op.__name__ = f"{name}_op"
        count = len(jax.tree.leaves(jax.eval_shape(self.function, *self.arrays)))
        node = Op(own_op, registry={})(*self.nodes)
        return [node] if count == 1 else [node[i] for i in range(count)]

    def values(self, times):
        return [
            np.concatenate([a] * times) if node in self.axes else a
            for node, a in zip(self.nodes, self.arrays, strict=True)
        ]


def grad(function):
    return jax.grad(lambda x, *more: jnp.sum(function(x, *more) ** 2))


def newton(x):
    return lax.fori_loop(0, 5, lambda i, y: 0.5 * (y + x / y), jnp.ones_like(x))


def collatz(x):
    def step(state):
        n, count = state
        n = jnp.where(n % 2 == 0, n // 2, 3 * n + 1)
        return jnp.where(state[0] > 1, n, state[0]), count + (state[0] > 1)

    return lax.while_loop(lambda state: jnp.any(state[0] > 1), step, (x, jnp.zeros_like(x)))


def recurrent(x, w):
    def step(h, row):
        h = jnp.tanh(row @ w + h)
        return h, h * 2

    return lax.scan(step, jnp.zeros((x.shape[0], w.shape[1])), jnp.swapaxes(x, 0, 1))


def nested(x):
    def outer(total, row):
        inner = lax.fori_loop(0, 3, lambda i, v: v + row * i, total)
        return inner, jnp.sum(inner)

    return lax.scan(outer, jnp.zeros(x.shape[1]), x)


@jax.custom_jvp
def softer(x):
    return jnp.log1p(jnp.exp(x))


softer.defjvp(lambda primals, tangents: (softer(*primals), tangents[0]))


@jax.custom_vjp
def bounded(x):
    return jnp.clip(x, -1, 1)


bounded.defvjp(lambda x: (bounded(x), None), lambda _, g: (g,))


def window(function, start):
    def pool(shape, strides, padding, base=None, holes=None):
        return lambda x: lax.reduce_window(x, start, function, shape, strides, padding, base, holes)

    return pool


max_pool, min_pool, sum_pool = window(lax.max, -jnp.inf), window(lax.min, jnp.inf), window(lax.add, 0.0)


def conv(numbers=None, strides=(1, 1), padding="SAME", **options):
    return lambda x, w: lax.conv_general_dilated(x, w, strides, padding, dimension_numbers=numbers, **options)


def of_bools(function):
    return lambda *arrays: function(*(array > 0 for array in arrays))


def unary(*functions):
    return lambda x: tuple(function(x) for function in functions)


ENDS = "its MaxPool loses windows at padded ends"
PLANES = "its MaxPool says the places of maxima wrong"

ROWS = {
    # Control flow
    "cond": Row(lambda x: lax.cond(x.sum() > 0, lambda v: v * 2, lambda v: v - 1, x), X),
    "cond_of_closures": Row(
        lambda x, y: lax.cond(x[0, 0] > 0, lambda: x @ y.T[:3, :1], lambda: y[:, :1]),
        SQUARE[0],
        SQUARE[1],
        fixed="square",
    ),
    "cond_constant_branch": Row(lambda x: lax.cond(x.sum() > 0, lambda: jnp.ones((2,)), lambda: jnp.zeros((2,))), X),
    "cond_same_value": Row(lambda x, y: lax.cond(x.sum() > 0, lambda a, b: (a, a), lambda a, b: (b, a), x, y), X, Y),
    "switch": Row(lambda x, i: lax.switch(i, [jnp.sin, jnp.cos, lambda v: v], x), X, np.array(2, np.int32)),
    "switch_clamps": Row(lambda x, i: lax.switch(i, [jnp.sin, jnp.cos, lambda v: v], x), X, np.array(-3, np.int32)),
    "cond_in_cond": Row(
        lambda x: lax.cond(x.sum() > 0, lambda v: lax.cond(v[0, 0] > 0, jnp.sin, jnp.cos, v), jnp.exp, x), X
    ),
    "while": Row(lambda x: lax.while_loop(lambda v: jnp.any(jnp.abs(v) > 0.1), lambda v: v / 2, x), X),
    "while_of_several": Row(collatz, np.abs(K)),
    "while_never": Row(lambda x: lax.while_loop(lambda v: v.sum() > 1e9, lambda v: v * 2, x), X),
    "while_of_closures": Row(
        lambda x, y: lax.while_loop(lambda v: jnp.any(v < y), lambda v: v + jnp.abs(y) + 0.1, x), X, Y
    ),
    "fori_loop": Row(newton, POSITIVE),
    "fori_of_length": Row(lambda x: lax.fori_loop(0, x.shape[0], lambda i, t: t + x[i], jnp.zeros(x.shape[1])), X),
    "fori_dynamic": Row(lambda x, n: lax.fori_loop(1, n, lambda i, v: v + i, x), X, np.array(4, np.int32)),
    "fori_updates": Row(lambda x: lax.fori_loop(0, 3, lambda i, v: v.at[:, i].set(v[:, i] * i), x), X),
    "scan": Row(recurrent, CUBE, draw(5, 5)),
    "scan_over_batch": Row(lambda x: lax.scan(lambda c, r: (c + r, c * r), jnp.zeros(3), x), X),
    "scan_reverse": Row(lambda x: lax.scan(lambda c, r: (c * 0.5 + r, c), jnp.zeros(3), x, reverse=True), X),
    "scan_without_xs": Row(lambda x: lax.scan(lambda c, _: (c * 0.5, c), x, None, length=3), X),
    "scan_without_carry": Row(lambda x: lax.scan(lambda _, r: (None, r * 2), None, x)[1], X),
    "scan_without_ys": Row(lambda x: lax.scan(lambda c, r: (jnp.maximum(c, r), None), x[0], x)[0], X),
    "scan_two_xs": Row(lambda x, y: lax.scan(lambda c, r: (c + r[0] @ r[1], c), 0.0, (x, y)), X, Y),
    "scan_carry_is_y": Row(lambda x: lax.scan(lambda c, r: (c + r, c + r), jnp.zeros(3), x), X),
    "scan_passes_on": Row(lambda x: lax.scan(lambda c, r: ((r, c[0]), (r, r, 1.0)), (x[0], x[1]), x), X),
    "scan_unrolled": Row(lambda x: lax.scan(lambda c, r: (c + r, c), jnp.zeros(x.shape[0]), x.T, unroll=2), X),
    "scan_cond": Row(
        lambda x: lax.scan(lambda c, r: (lax.cond(r.sum() > 0, lambda: c + r, lambda: c - r), c), jnp.zeros(3), x), X
    ),
    "scan_of_ints": Row(
        lambda x: lax.scan(lambda c, r: (c + r, (c > 0, r.astype(jnp.float32))), jnp.zeros(3, jnp.int32), x), K
    ),
    "scan_in_scan": Row(nested, X),
    "scan_gradient": Row(grad(lambda x: lax.scan(lambda c, r: (jnp.tanh(c + r), c), x[:, 0], x.T)[0]), X),
    "map": Row(lambda x: lax.map(lambda r: jnp.sort(r) - r[0], x), X),
    "map_batches": Row(lambda x: lax.map(lambda r: r * 2, x, batch_size=2), X, fixed="batch_size"),
    "vmap_of_cond": Row(jax.vmap(lambda r: lax.cond(r[0] > 0, jnp.sin, jnp.cos, r)), X),
    "vmap_of_while": Row(jax.vmap(lambda r: lax.while_loop(lambda v: v.sum() > 1, lambda v: v * 0.5, r)), POSITIVE),
    "associative_scan": Row(lambda x: lax.associative_scan(jnp.add, x, axis=1), X),
    # Cumulative
    "cumsum": Row(
        unary(lambda x: jnp.cumsum(x, 1), lambda x: lax.cumsum(x, 1, reverse=True), lambda x: jnp.cumsum(x, 0)), X
    ),
    "cumsum_of_ints": Row(unary(lambda x: jnp.cumsum(x, 1), lambda x: jnp.cumsum(x > 0, 1)), K),
    "cumprod": Row(unary(lambda x: jnp.cumprod(x, 1), lambda x: lax.cumprod(x, 1, reverse=True)), TIES),
    "cumprod_over_batch": Row(lambda x: jnp.cumprod(x, 0), X),
    "cummax": Row(
        unary(lambda x: lax.cummax(x, 1), lambda x: lax.cummin(x, 1), lambda x: lax.cummax(x, 1, reverse=True)), TIES
    ),
    "cummax_over_batch": Row(unary(lambda x: lax.cummax(x, 0), lambda x: lax.cummin(x, 0, reverse=True)), K),
    "cumlogsumexp": Row(unary(lambda x: lax.cumlogsumexp(x, 1), lambda x: lax.cumlogsumexp(x * 50, 0)), X),
    "cumsum_gradient": Row(grad(lambda x: jnp.cumsum(x, 1)), X),
    "cumprod_gradient": Row(grad(lambda x: jnp.cumprod(x, 1)), X),
    # Search, sort
    "searchsorted": Row(lambda x: jnp.searchsorted(KEY, x), X),
    "searchsorted_right": Row(lambda x: jnp.searchsorted(jnp.array([0.0, 1, 1, 2, 3]), x, side="right"), TIES),
    "searchsorted_compare": Row(lambda x: jnp.searchsorted(KEY, x, method="compare_all"), X),
    "searchsorted_sort": Row(lambda x: jnp.searchsorted(KEY, x, method="sort"), X, fixed="3 N + 6"),
    "digitize": Row(lambda x: jnp.digitize(x, KEY), X),
    "sort": Row(
        unary(lambda x: jnp.sort(x, 1), lambda x: jnp.sort(x, 0), lambda x: jnp.sort(x, descending=True)), TIES
    ),
    "sort_of_ints": Row(unary(jnp.sort, lambda x: jnp.sort(x.astype(jnp.int8)), lambda x: jnp.sort(x > 0)), K),
    "argsort": Row(unary(jnp.argsort, lambda x: jnp.argsort(x, 0, descending=True), lambda x: jnp.argsort(-x)), TIES),
    "sort_by_two_keys": Row(lambda x, y: lax.sort((x, y, x * y), dimension=1, num_keys=2), TIES, Y),
    "sort_along": Row(lambda x, y: lax.sort((x, y), dimension=1, num_keys=1), TIES, K),
    "lexsort": Row(lambda x, y: jnp.lexsort((y, x)), TIES, K),
    "sort_zeros": Row(lambda x: lax.sort((x, x * 0 + 1.0 / x), dimension=1, num_keys=1)[0], SPECIAL[:2]),
    "top_k": Row(lambda x: lax.top_k(x, 2), TIES),
    "median": Row(unary(lambda x: jnp.median(x, 1), lambda x: jnp.quantile(x, 0.3, axis=1)), X),
    "unique_sized": Row(lambda x: jnp.unique(x, size=4), K, fixed="size"),
    "nonzero_sized": Row(lambda x: jnp.nonzero(x > 0, size=4), X, fixed="size"),
    # Dynamic slices
    "dynamic_slice": Row(lambda x, i: lax.dynamic_slice(x, (0, i), (2, 2)), CUBE[0], np.array(9, np.int32)),
    "dynamic_slice_rows": Row(lambda x, i: lax.dynamic_slice_in_dim(x, i, 2, axis=1), X, np.array(1, np.int32)),
    "dynamic_negative": Row(lambda x, i: lax.dynamic_slice_in_dim(x, i, 2, axis=1), X, np.array(-2, np.int32)),
    "dynamic_update": Row(
        lambda x, i: lax.dynamic_update_slice(x, jnp.ones((2, 2)), (i, i)), CUBE[0], np.array(1, np.int32)
    ),
    "dynamic_update_clamped": Row(
        lambda x, i: lax.dynamic_update_slice_in_dim(x, x[:, :2] * 2, i, 1), X, np.array(7, np.int32)
    ),
    "dynamic_index": Row(lambda x, i: lax.dynamic_index_in_dim(x, i, 1, keepdims=False), X, np.array(2, np.int32)),
    "vmap_dynamic_slice": Row(jax.vmap(lambda r, i: lax.dynamic_slice(r, (i,), (2,))), X, ROWS4),
    "vmap_dynamic_update": Row(jax.vmap(lambda r, i: lax.dynamic_update_slice(r, r[:2] * 2, (i,))), X, ROWS4),
    # Indexing
    "take_rows": Row(lambda x, i: x[i], X, PLACES),
    "take_columns": Row(lambda x, i: x[:, i], X, PLACES),
    "take_pairs": Row(lambda x, i: x[jnp.arange(x.shape[0]), i], X, ROWS4 % 3),
    "take_apart": Row(lambda x, i: x[:, i, :, i], IMAGE, PLACES),
    "take_two": Row(lambda x, i: x[:, i[:, None], i[None]], CUBE, PLACES),
    "take_scalar": Row(lambda x: (x[1], x[:, -1], x[2, 1], x[::2], x[::-1], x[:, None]), X, fixed="x[::2]"),
    "take_modes": Row(
        lambda x, i: tuple(jnp.take(x, i, 1, mode=mode) for mode in ("clip", "wrap", "fill")), X, whole(9, 5, low=-9)
    ),
    "take_fill": Row(lambda x, i: x.at[:, i].get(mode="fill", fill_value=-1), X, whole(9, 5, low=-9)),
    "take_along": Row(lambda x, i: jnp.take_along_axis(x, i, 1), X, np.abs(K) % 3),
    "take_along_first": Row(lambda x, i: jnp.take_along_axis(x, i, 0), X, np.abs(K) % 4, fixed="i < 4"),
    "take_mask": Row(lambda x: jnp.where(x[:, :1] > 0, x, 0)[:, np.array([True, False, True])], X),
    "roll": Row(unary(lambda x: jnp.roll(x, 1, 1), lambda x: jnp.roll(x, -2, 0)), X),
    "one_hot": Row(lambda i: jax.nn.one_hot(i, 5), K),
    "take_blocks": Row(jax.vmap(lambda r, i: lax.dynamic_slice(r, (i, 0, 1), (2, 4, 3))), IMAGE, ROWS4),
    "take_windows": Row(
        lambda x, i: lax.gather(x, i, lax.GatherDimensionNumbers((0, 1, 2), (), (1, 2)), (4, 2, 3)),
        CUBE,
        whole(2, 6, 2),
        fixed="slice_sizes",
    ),
    # Scatter
    "set": Row(lambda x, i: x.at[:, i].set(0.5), X, PLACES),
    "set_rows": Row(lambda x, y: x.at[jnp.array([2, 0])].set(y[:2]), X, Y),
    "set_slices": Row(lambda x, y: (x.at[:, 1:].set(y[:, 1:]), x.at[1].set(0), x.at[:, 0].set(y[:, 1])), X, Y),
    "set_strided": Row(lambda x, y: x.at[:, ::2].set(y[:, ::2]), X, Y),
    "add": Row(lambda x, i: x.at[:, i].add(jnp.arange(5.0)), X, PLACES),
    "add_pairs": Row(lambda x, i: x.at[jnp.arange(x.shape[0]), i].add(1), X, ROWS4 % 3),
    "add_outside": Row(lambda x, i: x.at[:, i].add(1, mode="drop"), X, whole(9, 5, low=-9)),
    "add_clipped": Row(lambda x, i: x.at[:, i].add(1, mode="clip"), X, whole(9, 5, low=-9)),
    "multiply": Row(lambda x, i: x.at[:, i].multiply(jnp.arange(5.0)), X, PLACES),
    "divide": Row(lambda x, i: x.at[:, i].divide(jnp.arange(1.0, 6)), X, PLACES, fixed=None),
    "power": Row(lambda x, i: x.at[:, i].power(2.0), X, PLACES[:2]),
    "min_max": Row(lambda x, i: (x.at[:, i].min(0.0), x.at[:, i].max(0.2)), X, PLACES),
    "min_max_of_ints": Row(lambda x, i: (x.at[:, i].min(0), x.at[:, i].max(2), x.at[:, i].add(3)), K, PLACES),
    "segment_sum": Row(lambda x, i: jax.ops.segment_sum(x, i, 3), X, ROWS4 % 3),
    "segment_max": Row(lambda x, i: jax.ops.segment_max(x, i, 3), X, ROWS4 % 3),
    "bincount": Row(lambda i: jnp.bincount(jnp.ravel(i), length=9), np.abs(K)),
    "take_gradient": Row(grad(lambda x, i: x[:, i]), X, PLACES),
    "take_blocks_gradient": Row(grad(jax.vmap(lambda r, i: lax.dynamic_slice(r, (i,), (2,)))), X, ROWS4),
    "take_along_gradient": Row(grad(lambda x, i: jnp.take_along_axis(x, i, 1)), X, np.abs(K) % 3),
    "dynamic_slice_gradient": Row(grad(lambda x, i: lax.dynamic_slice_in_dim(x, i, 2, 1)), X, np.array(1, np.int32)),
    # Pooling
    "max_pool": Row(max_pool((1, 1, 2, 2), (1, 1, 2, 2), "VALID"), IMAGE),
    "max_pool_nhwc": Row(max_pool((1, 3, 2, 1), (1, 2, 2, 1), "SAME"), PIXELS),
    "max_pool_channels": Row(max_pool((1, 2, 1, 1), (1, 1, 1, 1), "SAME"), IMAGE, wrong=ENDS),
    "max_pool_1d": Row(max_pool((1, 3), (1, 2), "SAME"), CUBE[:, 0]),
    "max_pool_dilated": Row(max_pool((1, 1, 2, 2), (1, 1, 1, 1), "VALID", None, (1, 1, 2, 3)), IMAGE),
    "max_pool_spread": Row(max_pool((1, 1, 2, 2), (1, 1, 1, 1), "VALID", (1, 1, 2, 2)), IMAGE),
    "max_pool_of_ints": Row(
        lambda x: lax.reduce_window(x, jnp.iinfo(jnp.int32).min, lax.max, (1, 2), (1, 1), "VALID"), K
    ),
    "max_pool_all": Row(max_pool((1, 2, 3, 2), (1, 1, 2, 2), "VALID"), IMAGE),
    "max_pool_over_batch": Row(max_pool((2, 1), (1, 1), "SAME"), X, fixed="windows over the batch", wrong=ENDS),
    "min_pool": Row(min_pool((1, 2, 2, 1), (1, 2, 2, 1), "SAME"), PIXELS),
    "sum_pool": Row(sum_pool((1, 3, 2, 1), (1, 2, 2, 1), "SAME"), PIXELS),
    "sum_pool_nchw": Row(sum_pool((1, 1, 3, 3), (1, 1, 1, 1), ((0, 0), (0, 0), (1, 2), (2, 0))), IMAGE),
    "sum_pool_dilated": Row(sum_pool((1, 1, 2, 2), (1, 1, 1, 1), "VALID", (1, 1, 2, 1), (1, 1, 2, 3)), IMAGE),
    "sum_pool_of_ints": Row(lambda x: lax.reduce_window(x, 0, lax.add, (1, 2), (1, 1), "SAME"), K),
    "average_pool": Row(lambda x: sum_pool((1, 2, 2, 1), (1, 2, 2, 1), "VALID")(x) / 4, PIXELS),
    "prod_pool": Row(lambda x: lax.reduce_window(x, 1.0, lax.mul, (1, 2), (1, 1), "VALID"), X),
    "max_pool_gradient": Row(grad(max_pool((1, 1, 2, 2), (1, 1, 2, 2), "VALID")), IMAGE),
    "max_pool_nhwc_gradient": Row(grad(max_pool((1, 3, 3, 1), (1, 2, 2, 1), "SAME")), PIXELS),
    "min_pool_gradient": Row(grad(min_pool((1, 2, 2, 1), (1, 1, 1, 1), "VALID")), PIXELS, wrong=PLANES),
    "sum_pool_gradient": Row(grad(sum_pool((1, 3, 3, 1), (1, 2, 2, 1), "SAME")), PIXELS),
    # Convolutions
    "conv": Row(conv(), IMAGE, draw(5, 3, 3, 3)),
    "conv_nhwc": Row(conv(("NHWC", "HWIO", "NHWC"), (2, 1)), PIXELS, draw(3, 2, 3, 5)),
    "conv_mixed": Row(conv(("NHWC", "OIHW", "NCHW"), padding=((0, 1), (2, 0))), PIXELS, draw(5, 3, 3, 2)),
    "conv_chwn": Row(conv(("CHWN", "IHWO", "HWNC")), IMAGE.transpose(1, 2, 3, 0), draw(3, 3, 3, 5), fixed="N last"),
    "conv_groups": Row(conv(("NHWC", "HWIO", "NHWC"), feature_group_count=3), PIXELS, draw(3, 3, 1, 6)),
    "conv_holes": Row(conv(rhs_dilation=(2, 3), padding="VALID"), IMAGE, draw(5, 3, 3, 2)),
    "conv_spread": Row(conv(lhs_dilation=(2, 3), padding=((1, 1), (0, 2))), IMAGE, draw(5, 3, 3, 3)),
    "conv_cut": Row(conv(padding=((-1, 2), (0, -2))), IMAGE, draw(5, 3, 3, 3)),
    "conv_1d": Row(lambda x, w: lax.conv_general_dilated(x, w, (2,), "SAME"), CUBE, draw(2, 3, 3)),
    "conv_3d": Row(
        lambda x, w: lax.conv_general_dilated(x[:, None], w, (1, 2, 1), "VALID"), IMAGE, draw(2, 1, 2, 3, 2)
    ),
    "conv_0d": Row(lambda x, w: lax.conv_general_dilated(x, w, (), ()), X, draw(2, 3)),
    "conv_batch_groups": Row(conv(batch_group_count=2), IMAGE, draw(6, 3, 3, 3), fixed="groups of the batch"),
    "conv_transpose": Row(lambda x, w: lax.conv_transpose(x, w, (2, 2), "SAME"), PIXELS, draw(3, 3, 3, 5)),
    "conv_transpose_kernel": Row(
        lambda x, w: lax.conv_transpose(x, w, (2, 3), "VALID", transpose_kernel=True), PIXELS, draw(3, 3, 5, 3)
    ),
    "conv_gradient": Row(
        jax.grad(lambda x, w: jnp.sum(conv(strides=(2, 2))(x, w) ** 2), (0, 1)), IMAGE, draw(5, 3, 3, 3), tol=2e-4
    ),
    "conv_groups_gradient": Row(
        jax.grad(lambda x, w: jnp.sum(conv(feature_group_count=3)(x, w) ** 2), (0, 1)),
        IMAGE,
        draw(6, 1, 3, 3),
        tol=2e-4,
    ),
    "conv_local": Row(
        lambda x, w: jnp.sum(lax.conv_general_dilated_patches(x, (2, 2), (1, 1), "VALID") * w, 1), IMAGE, draw(12, 1, 1)
    ),
    # Products
    "matmul": Row(lambda x, w: (x @ w, w.T @ x.T, jnp.matmul(x, x.T)), X, A34),
    "matmul_transposed": Row(lambda x, w: jnp.einsum("ij,kj->ik", x, w), X, W),
    "matmul_batches": Row(lambda x, y: (x @ y, x @ y.swapaxes(1, 2), x.swapaxes(1, 2) @ y), SQUARE, draw(4, 3, 3)),
    "vector": Row(lambda x, v: (x @ v, v @ x.T, jnp.dot(v, v), jnp.outer(v, v), jnp.vdot(x, x)), X, A34[:, 0]),
    "einsum": Row(
        lambda x, y: (
            jnp.einsum("bij,bkj->bik", x, y),
            jnp.einsum("bij,bkl->bikl", x, y),
            jnp.einsum("bij,bij->b", x, y),
            jnp.einsum("bij,ckj->bcik", x, x),
            jnp.einsum("bii->bi", x),
        ),
        SQUARE,
        draw(4, 3, 3),
    ),
    "einsum_two": Row(
        lambda x, w: (jnp.einsum("bij,jik->bk", x, w), jnp.einsum("ijb,ikb->bjk", x.T, x.T)), CUBE, draw(5, 3, 2)
    ),
    "attention": Row(lambda q, k: jax.nn.softmax(jnp.einsum("bqhd,bkhd->bhqk", q, k)), PIXELS, draw(4, 5, 7, 3)),
    "tensordot": Row(
        lambda x, w: (jnp.tensordot(x, w, ((1, 2), (1, 0))), jnp.tensordot(x, w, 0), jnp.kron(w[0], w[1])),
        CUBE,
        draw(5, 3, 2),
    ),
    "matmul_of_ints": Row(lambda x, w: x @ w, K, whole(5, 3, 2)),
    "matmul_mixed": Row(lambda x, w: jnp.matmul(x, w, preferred_element_type=jnp.float32), K, whole(5, 3, 2)),
    "matmul_gradient": Row(jax.grad(lambda x, w: jnp.sum((x @ w) ** 2), (0, 1)), X, A34, tol=1e-4),
    # Linear algebra
    "det": Row(lambda x: jnp.linalg.det(x[:, :2, :2]), SQUARE),
    "norms": Row(
        unary(lambda x: jnp.linalg.norm(x, axis=1), lambda x: jnp.linalg.norm(x, 1, 1), lambda x: jnp.linalg.norm(x)), X
    ),
    "matrix_power": Row(
        unary(
            lambda x: jnp.linalg.matrix_power(x, 3),
            lambda x: jnp.trace(x, axis1=1, axis2=2),
            jnp.tril,
            jnp.triu,
            lambda x: jnp.diagonal(x, 0, 1, 2),
        ),
        SQUARE,
    ),
    # Elementwise
    "gamma": Row(unary(lax.lgamma, lax.digamma), SPECIAL[:2] + X[:2] * 3, tol=1e-4),
    "gamma_large": Row(
        unary(lax.lgamma, lax.digamma, lambda x: jax.scipy.special.gamma(x / 9)), POSITIVE * 30, tol=1e-4
    ),
    "beta": Row(lambda x, y: jax.scipy.special.betaln(x, y), POSITIVE, POSITIVE[::-1].copy(), tol=1e-4),
    "erf": Row(unary(lax.erf, lax.erfc, lambda x: lax.erf_inv(jnp.tanh(x))), X),
    "erf_inv_ends": Row(
        lambda x: lax.erf_inv(x), np.array([[-1, 1, 0], [0.9999, -0.999999, 1e-6]], np.float32), tol=1e-4
    ),
    "ndtri": Row(
        unary(lambda x: jax.scipy.special.ndtri(x), lambda x: jax.scipy.stats.norm.cdf(x)), POSITIVE / 8, tol=1e-4
    ),
    "logistic": Row(
        unary(lax.logistic, jax.nn.silu, jax.nn.gelu, jax.nn.softplus, jax.nn.log_sigmoid, jax.scipy.special.logit),
        UNIT / 2 + 0.5,
    ),
    "small": Row(unary(jnp.expm1, jnp.log1p), np.array([[1e-7, -1e-7, 3e-4], [0.0, -0.5, 2.0]], np.float32)),
    "special_values": Row(
        unary(jnp.sign, jnp.abs, jnp.isfinite, jnp.isnan, jnp.isinf, jnp.floor, jnp.ceil, jnp.trunc, jnp.square),
        SPECIAL,
    ),
    "rounding": Row(
        unary(
            jnp.round, lambda x: lax.round(x, lax.RoundingMethod.AWAY_FROM_ZERO), jnp.rint, lambda x: jnp.round(x, 1)
        ),
        SPECIAL,
    ),
    "cbrt": Row(
        unary(
            jnp.cbrt,
            lambda x: lax.rsqrt(jnp.abs(x)),
            jnp.exp2,
            lambda x: x**3,
            lambda x: x**-2,
            lambda x: lax.integer_pow(x, 0),
        ),
        X,
    ),
    "logarithms": Row(
        unary(
            jnp.log2,
            jnp.log10,
            jnp.reciprocal,
            lambda x: jax.scipy.special.xlogy(x, x),
            lambda x: jax.scipy.special.entr(x),
        ),
        POSITIVE,
    ),
    "trigonometry": Row(
        unary(jnp.tan, jnp.arcsin, jnp.arccos, jnp.arctan, jnp.sinh, jnp.cosh, jnp.arcsinh, jnp.arctanh, jnp.sinc), UNIT
    ),
    "atan2": Row(
        lambda y, x: (jnp.arctan2(y, x), jnp.hypot(x, y), jnp.logaddexp(x, y), jnp.copysign(x, y), jnp.heaviside(x, y)),
        X,
        Y,
    ),
    "remainders": Row(lambda x, y: (lax.rem(x, y), jnp.mod(x, y), jnp.floor_divide(x, y), jnp.fmod(x, y)), X * 5, Y),
    "remainders_of_ints": Row(lambda x, y: (lax.rem(x, y), x % y, x // y, lax.div(x, y), jnp.divmod(x, -y)[1]), K, J),
    "powers": Row(lambda x, y: (x**y, jnp.power(x, jnp.abs(K[0, 0])), lax.pow(x, J[0, 0])), POSITIVE, Y),
    "powers_of_ints": Row(lambda x, y: (x**2, x**y, x * x - y), K, J % 4),
    "clamp": Row(lambda x, y: (lax.clamp(-0.5, x, 0.5), jnp.clip(x, -1), lax.clamp(y - 1, x, y + 1)), X, Y),
    "clamp_of_ints": Row(
        lambda x: (jnp.clip(x, -2, 3), lax.clamp(jnp.int32(1), x, jnp.int32(0)), jnp.minimum(x, 2.5)), K
    ),
    "nextafter": Row(lambda x, y: jnp.nextafter(x, y), X, Y),
    "bits": Row(lambda x, y: (x & y, x | y, x ^ y, ~x, lax.population_count(x), lax.clz(x)), WORDS, K),
    "bits_of_bytes": Row(lambda x: (x & 15, x | 1, ~x, lax.population_count(x), lax.clz(x), x << 1, x >> 3), BYTES),
    "shifts": Row(lambda x, y: (x << y, x >> y, lax.shift_right_logical(x, y), lax.shift_left(x, y * 4)), WORDS, J),
    "shifts_unsigned": Row(lambda x, y: (x << y, x >> y, x >> 31), U, J.astype(np.uint32)),
    "logic": Row(
        of_bools(lambda a, b: (a & b, a | b, a ^ b, ~a, a == b, a < b, jnp.maximum(a, b), jnp.where(a, b, ~b))), X, Y
    ),
    "compare": Row(lambda x, y: (x == y, x != y, x < y, x >= y, jnp.isclose(x, y), jnp.equal(x, 2)), K, J),
    "select_n": Row(lambda x, i: lax.select_n(i, x, x * 2, -x, x + 1), X, np.abs(K) % 4),
    "select_n_by_one": Row(lambda x, y: lax.select_n(x[0, 0] > 0, x, y), X, Y),
    "where": Row(
        lambda x, y: (jnp.where(x > 0, x, y), jnp.where(y > 0, 1, x), jnp.select([x > 1, x > 0], [x, y], 3.0)), X, Y
    ),
    "choose": Row(lambda x, i: jnp.choose(i, [x, x * 2, -x], mode="clip"), X, np.abs(K) % 4),
    "nan_to_num": Row(
        unary(jnp.nan_to_num, lambda x: jnp.nanmean(x), lambda x: jnp.nansum(x, 1), jnp.signbit), SPECIAL
    ),
    "bits_of_floats": Row(lambda x: jnp.ldexp(x, 3), X),
    # Reductions
    "reductions": Row(
        unary(
            lambda x: x.sum(1),
            lambda x: x.prod(1),
            lambda x: x.max(0),
            lambda x: x.min(),
            lambda x: x.mean(),
            lambda x: x.std(1),
            lambda x: jnp.ptp(x, 1),
        ),
        X,
    ),
    "reductions_of_ints": Row(
        unary(
            lambda x: x.sum(1),
            lambda x: x.prod(1),
            lambda x: x.max(0),
            lambda x: x.mean(),
            lambda x: lax.reduce_and(x, (1,)),
            lambda x: lax.reduce_or(x, (1,)),
            lambda x: lax.reduce_xor(x, (1,)),
        ),
        K,
    ),
    "reductions_of_bools": Row(
        of_bools(
            unary(
                lambda x: x.sum(1),
                lambda x: x.any(1),
                lambda x: x.all(0),
                lambda x: lax.reduce_xor(x, (1,)),
                lambda x: x.mean(),
                lambda x: jnp.count_nonzero(x, 1),
                jnp.argmax,
                lambda x: jnp.cumsum(x, 1),
                lambda x: jnp.sort(x, 1),
            )
        ),
        X,
    ),
    "arg": Row(
        unary(lambda x: x.argmax(1), lambda x: jnp.argmin(x, 0), jnp.argmax, lambda x: lax.argmax(x, 1, jnp.int32)),
        TIES,
    ),
    "arg_of_nan": Row(lambda x: jnp.nanargmax(x, 1), SPECIAL),
    "logsumexp": Row(
        unary(
            lambda x: jax.nn.logsumexp(x, 1),
            lambda x: jax.nn.softmax(x),
            lambda x: jax.nn.log_softmax(x, 0),
            lambda x: jax.nn.standardize(x),
        ),
        X,
    ),
    "reduce_own": Row(lambda x: lax.reduce(x, 0.5, lambda a, b: a + b, (1,)), X),
    "reduce_of_bools": Row(lambda x: lax.reduce(x > 0, False, lax.bitwise_or, (1,)), X),
    "variance": Row(
        unary(lambda x: jnp.var(x, 1, ddof=1), lambda x: jnp.cov(x.T), lambda x: jnp.average(x, 1, jnp.arange(3.0))),
        X,
        tol=1e-4,
    ),
    # Shapes
    "shapes": Row(
        unary(
            jnp.ravel,
            lambda x: x.T,
            lambda x: x.reshape(-1, 1),
            lambda x: jnp.expand_dims(x, 1),
            lambda x: jnp.tile(x, (2, 1)),
            lambda x: jnp.repeat(x, 2, 1),
            lambda x: jnp.broadcast_to(x, (2, *x.shape)),
        ),
        X,
    ),
    "splits": Row(lambda x: (*jnp.split(x, 3, 1), *jnp.array_split(x, 2, 1), *lax.split(x, (1, 2), 1)), X),
    "joins": Row(
        lambda x, y: (jnp.concatenate([x, y], 1), jnp.stack([x, y]), jnp.hstack([x, y]), jnp.concatenate([x, y])), X, Y
    ),
    "pad": Row(
        lambda x: (
            lax.pad(x, 1.5, ((0, 0, 0), (2, 1, 0))),
            lax.pad(x, 0.0, ((0, 0, 0), (-1, 2, 0))),
            lax.pad(x, 0.0, ((0, 0, 0), (-1, 1, 2))),
            lax.pad(x, 2.0, ((0, 0, 0), (0, 0, 1))),
        ),
        X,
    ),
    "pad_of_ints": Row(lambda x: (lax.pad(x, 3, ((0, 0, 0), (1, 0, 1))), jnp.pad(x > 0, ((0, 0), (1, 1)))), K),
    "pad_modes": Row(
        lambda x: tuple(jnp.pad(x, ((0, 0), (2, 1)), mode=mode) for mode in ("edge", "reflect", "wrap", "symmetric")), X
    ),
    "rev": Row(unary(lambda x: jnp.flip(x, 1), lambda x: jnp.flip(x), lambda x: jnp.rot90(x), lambda x: x[:, ::-2]), X),
    "iota": Row(
        unary(
            lambda x: x + lax.iota(jnp.float32, 3),
            lambda x: lax.broadcasted_iota(jnp.int32, x.shape, 0),
            lambda x: jnp.arange(x.shape[0]),
            lambda x: jnp.linspace(0, 1, 4),
            lambda x: jnp.eye(3),
        ),
        X,
    ),
    "meshgrid": Row(lambda x: (*jnp.meshgrid(x[:, 0], x[0]), jnp.tri(3), jnp.indices((2, 3))), X),
    # Dtypes
    "casts": Row(
        unary(
            lambda x: x.astype(jnp.int32),
            lambda x: x.astype(bool),
            lambda x: x.astype(jnp.float16),
            lambda x: x.astype(jnp.bfloat16).astype(jnp.float32),
            lambda x: x.astype(jnp.uint8).astype(jnp.float32),
        ),
        POSITIVE * 20,
    ),
    "casts_of_ints": Row(
        unary(
            lambda x: x.astype(jnp.float32),
            lambda x: x.astype(jnp.int8),
            lambda x: x.astype(jnp.uint8),
            lambda x: x.astype(bool),
            lambda x: x.astype(jnp.int16) * 2,
        ),
        K,
    ),
    "weak": Row(
        lambda x, i: (
            x * 2,
            i * 2,
            i * 2.5,
            i / 2,
            i + True,
            x + i,
            i + jnp.int8(3),
            2 ** i.astype(jnp.float32),
            i.mean(),
        ),
        X,
        K,
    ),
    "mixed": Row(
        lambda x, i: (
            lambda b: (b + 1, b * 2.0, b + b, b * i, i - b, jnp.where(b, i, 0.5), jnp.where(b, 1, 0), b.sum(), -i)
        )(x > 0),
        X,
        K,
    ),
    "mixed_small": Row(
        lambda x: (
            x.astype(jnp.int8) + x.astype(jnp.uint8),
            x.astype(jnp.float16) * x,
            (x.astype(jnp.bfloat16) + 1).astype(jnp.float32),
            x.astype(jnp.uint8) * 3,
            x.astype(jnp.float16) + x.astype(jnp.bfloat16),
        ),
        K,
    ),
    "bfloat16": Row(lambda x: (x.astype(jnp.bfloat16) * 3).astype(jnp.float32), X, tol=1e-2),
    "half": Row(
        lambda x: (jnp.exp(x), x @ x.T, x.sum(1), jnp.sort(x), jnp.cumsum(x, 1)), X.astype(np.float16), tol=2e-3
    ),
    "unsigned": Row(
        lambda x: (
            x - 300,
            x * 2,
            jnp.maximum(x, 5),
            x.sum(),
            x // 3,
            x % 7,
            x.astype(jnp.float32),
            jnp.sort(x),
            x > 5,
        ),
        U,
    ),
    "narrow_ints": Row(
        lambda x: (
            x + 250,
            x * 3,
            x.sum(),
            -x,
            x // 3,
            x % 7,
            jnp.maximum(x, 5),
            x.max(1),
            x.T @ x,
            jnp.cumsum(x, 1),
            jnp.where(x > 3, x, 0),
        ),
        BYTES,
        fixed="x.T @ x",
    ),
    # Calls
    "jit": Row(jax.jit(lambda x: jnp.sin(x) * 2), X),
    "remat": Row(jax.grad(lambda x: jnp.sum(jax.checkpoint(lambda v: jnp.sin(jnp.sin(v)))(x))), X),
    "custom_jvp": Row(unary(softer, jax.nn.relu, grad(softer)), X),
    "custom_vjp": Row(unary(bounded, grad(bounded)), X),
    "linear_call": Row(lambda x: jax.linearize(lambda v: jnp.sin(v) * v, x)[1](x), X),
    "stop_gradient": Row(grad(lambda x: x * lax.stop_gradient(x)), X),
    "barrier": Row(lambda x: lax.optimization_barrier((x, x * 2)), X),
    "jvp": Row(lambda x: jax.jvp(lambda v: jnp.tanh(v) @ v.T, (x,), (x * 2,))[1], X),
    "hessian": Row(lambda x: jax.hessian(lambda v: jnp.sum(jnp.tanh(v) ** 2))(x[0]), X),
    "layer_norm": Row(lambda x: (x - x.mean(1, keepdims=True)) * lax.rsqrt(x.var(1, keepdims=True) + 1e-5), X),
    "dot_product_attention": Row(lambda q: jax.nn.dot_product_attention(q, q, q, is_causal=True), PIXELS, tol=1e-4),
}
