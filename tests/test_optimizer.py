"""Optimizers: 20 steps of each against formulas in NumPy float64, dense and on rows of a table."""

import numpy as np
import pytest

import hetu_jax as ht
from hetu_jax.errors import GraphError
from hetu_jax.ndarray import as_numpy

STEPS, RATE, L2 = 20, 0.05, 0.1
SHAPES = [(4, 3), (5,)]


def adam_direction(s, g, t, b1=0.9, b2=0.999, eps=1e-7, amsgrad=False):
    s["m"] = b1 * s.get("m", 0) + (1 - b1) * g
    s["v"] = b2 * s.get("v", 0) + (1 - b2) * g * g
    v = s["v"] / (1 - b2**t)
    if amsgrad:
        s["max"] = v = np.maximum(s.get("max", 0), v)
    return s["m"] / (1 - b1**t) / (np.sqrt(v) + eps)


def sgd(p, g, s, t):
    return p - RATE * g


def momentum(p, g, s, t):
    s["v"] = 0.9 * s.get("v", 0) - RATE * g
    return p + s["v"]


def nesterov(p, g, s, t):
    s["v"] = 0.9 * (s.get("v", 0) - RATE * g)
    return p + s["v"] - RATE * g


def adagrad(p, g, s, t):
    s["a"] = s.get("a", 0.2) + g * g
    return p - RATE * g / (np.sqrt(s["a"]) + 1e-7)


def adam(p, g, s, t):
    return p - RATE * adam_direction(s, g, t)


def amsgrad(p, g, s, t):
    return p - RATE * adam_direction(s, g, t, amsgrad=True)


def adamw(p, g, s, t):
    return p - RATE * (adam_direction(s, g, t) + 0.3 * p)


def lamb(p, g, s, t):
    u = adam_direction(s, g, t)
    return p - RATE * np.linalg.norm(p) / np.linalg.norm(u) * (u + 0.3 * p)


optim = ht.optim
ROWS = {
    "sgd": (lambda **o: optim.SGDOptimizer(RATE, **o), sgd),
    "momentum": (lambda **o: optim.MomentumOptimizer(RATE, 0.9, **o), momentum),
    "nesterov": (lambda **o: optim.MomentumOptimizer(RATE, 0.9, True, **o), nesterov),
    "adagrad": (lambda **o: optim.AdaGradOptimizer(RATE, 0.2, **o), adagrad),
    "adam": (lambda **o: optim.AdamOptimizer(RATE, epsilon=1e-7, **o), adam),
    "amsgrad": (lambda **o: optim.AMSGradOptimizer(RATE, **o), amsgrad),
    "adamw": (lambda: optim.AdamWOptimizer(RATE, weight_decay=0.3), adamw),
    "lamb": (lambda: optim.LambOptimizer(RATE, weight_decay=0.3), lamb),
}
WITH_L2 = [name for name in ROWS if name not in ("adamw", "lamb")]


def run_dense(optimizer, reference, l2=0.0):
    rng = np.random.default_rng(0)
    start = [rng.standard_normal(shape) for shape in SHAPES]
    params = [ht.Variable(f"p{i}", value) for i, value in enumerate(start)]
    feeds = [ht.Variable(f"g{i}") for i in range(len(SHAPES))]
    losses = [ht.mul_op(p, g) for p, g in zip(params, feeds, strict=True)]
    executor = ht.Executor([optimizer.minimize(losses)])
    wanted, slots = [np.float64(np.float32(p)) for p in start], [{} for _ in SHAPES]
    for t in range(1, STEPS + 1):
        grads = [np.float64(np.float32(rng.standard_normal(shape))) for shape in SHAPES]
        executor.run(feed_dict=dict(zip(feeds, grads, strict=True)))
        wanted = [reference(p, g + l2 * p, s, t) for p, g, s in zip(wanted, grads, slots, strict=True)]
        for param, value in zip(params, wanted, strict=True):
            np.testing.assert_allclose(as_numpy(param.value), value, rtol=3e-5, atol=3e-6, err_msg=f"step {t}")
    assert executor.compile_count == 1


@pytest.mark.parametrize("name", ROWS)
def test_twenty_steps(name):
    make, reference = ROWS[name]
    run_dense(make(), reference)


@pytest.mark.parametrize("name", WITH_L2)
def test_twenty_steps_with_l2(name):
    make, reference = ROWS[name]
    run_dense(make(l2reg=L2), reference, L2)


def lookup_graph(optimizer, table, *, lookups=1):
    ids = [ht.Variable(f"ids{i}", dtype=np.int32) for i in range(lookups)]
    weights = [ht.Variable(f"weights{i}") for i in range(lookups)]
    losses = [ht.mul_op(ht.embedding_lookup_op(table, i), g) for i, g in zip(ids, weights, strict=True)]
    return ids, weights, ht.Executor([optimizer.minimize(losses)])


@pytest.mark.parametrize("lookups", [1, 2])
@pytest.mark.parametrize("name", ["sgd", "adagrad", "adam", "amsgrad", "adamw", "lamb"])
def test_twenty_steps_on_rows_move_only_the_rows_looked_up(name, lookups):
    make, reference = ROWS[name]
    rng = np.random.default_rng(1)
    table = ht.Variable("table", rng.standard_normal((7, 3)))
    wanted = np.float64(as_numpy(table.value))
    ids, weights, executor = lookup_graph(make(), table, lookups=lookups)
    fill = {"a": 0.2}
    slots = {}
    for t in range(1, STEPS + 1):
        chosen = [rng.integers(-1, 8, (2, 3)) for _ in ids]  # -1 and 7 are outside the table
        grads = [np.float64(np.float32(rng.standard_normal((2, 3, 3)))) for _ in ids]
        executor.run(feed_dict=dict(zip(ids, chosen, strict=True)) | dict(zip(weights, grads, strict=True)))
        dense = np.zeros((7, 3))
        for i, g in zip(chosen, grads, strict=True):
            inside = (i >= 0) & (i < 7)
            np.add.at(dense, i[inside], g[inside])
        rows = np.unique([r for i in chosen for r in i.ravel() if 0 <= r < 7])
        part = {k: v[rows] for k, v in slots.items()}
        new = reference(wanted[rows], dense[rows], part, t)
        for key, value in part.items():
            slots.setdefault(key, np.full((7, 3), fill.get(key, 0.0)))[rows] = value
        wanted[rows] = new
        np.testing.assert_allclose(as_numpy(table.value), wanted, rtol=3e-5, atol=3e-6, err_msg=f"step {t}")


@pytest.mark.parametrize("name", ["momentum", "nesterov"])
def test_momentum_moves_every_row_of_a_table(name):
    make, reference = ROWS[name]
    table = ht.Variable("table", np.ones((3, 2)))
    (ids,), (weights,), executor = lookup_graph(make(), table)
    wanted, slots = np.ones((3, 2)), {}
    for t, row in enumerate([0, 1, 1], start=1):
        executor.run(feed_dict={ids: [row], weights: [[1.0, 2.0]]})
        grad = np.zeros((3, 2))
        grad[row] = 1, 2
        wanted = reference(wanted, grad, slots, t)
    np.testing.assert_allclose(as_numpy(table.value), wanted, rtol=1e-5)


def test_a_table_that_is_also_used_densely_gets_the_dense_update():
    table = ht.Variable("table", np.ones((3, 2)))
    ids = ht.Variable("ids", [1], trainable=False, dtype=np.int32)
    loss = [ht.embedding_lookup_op(table, ids), ht.mul_op(table, table)]
    ht.Executor([optim.SGDOptimizer(0.1).minimize(loss)]).run()
    np.testing.assert_allclose(as_numpy(table.value), [[0.8, 0.8], [0.7, 0.7], [0.8, 0.8]], rtol=1e-6)


def test_l2_reaches_only_the_rows_looked_up():
    table = ht.Variable("table", np.ones((3, 1)))
    (ids,), (weights,), executor = lookup_graph(optim.SGDOptimizer(0.1, l2reg=1.0), table)
    executor.run(feed_dict={ids: [1], weights: [[2.0]]})
    np.testing.assert_allclose(as_numpy(table.value), [[1], [0.7], [1]], rtol=1e-6)


def test_the_lookup_and_the_update_never_make_a_dense_gradient():
    import jax

    table = ht.Variable("table", np.ones((1000, 3)))
    ids = ht.Variable("ids", [1, 2], trainable=False, dtype=np.int32)
    train = optim.SGDOptimizer(0.1).minimize(ht.embedding_lookup_op(table, ids))
    from hetu_jax.trace import Run, evaluate

    leaves = [n for n in (table, ids, train._rate)]
    values = [table.value, ids.value, jax.numpy.float32(0.1)]

    def step(v):
        run = Run(True)
        evaluate([train], dict(zip(leaves, v, strict=True)), run)
        return list(run.updates.values())

    equations = jax.make_jaxpr(step)(values).eqns
    assert [e.primitive.name for e in equations if e.outvars[0].aval.shape == (1000, 3)] == ["scatter-add"]


class TestSlots:
    def test_names_are_2023s(self):
        loss = ht.Variable("w", [1.0]) * 1.0
        names = lambda o: {s.name for s in o.minimize(loss).slots}  # noqa: E731
        assert names(optim.AdamOptimizer()) == {"w_adam_m", "w_adam_v", "Adam_count"}
        assert names(optim.AMSGradOptimizer()) == {"w_adam_m", "w_adam_v", "w_adam_maxv", "AMSGrad_count"}
        assert names(optim.AdamWOptimizer()) == {"w_adamw_m", "w_adamw_v", "AdamW_count"}
        assert names(optim.LambOptimizer()) == {"w_lamb_m", "w_lamb_v", "Lamb_count"}
        assert names(optim.MomentumOptimizer()) == {"w_momentum_v"}
        assert names(optim.AdaGradOptimizer()) == {"w_adagrad_accum"}
        assert names(optim.SGDOptimizer()) == set()

    def test_slots_are_never_trained(self):
        train = optim.AdamOptimizer().minimize(ht.Variable("w", [1.0]) * 1.0)
        assert not any(slot.trainable for slot in train.slots)


class TestMinimize:
    def test_var_list_limits_the_update(self):
        a, b = ht.Variable("a", [1.0]), ht.Variable("b", [1.0])
        ht.Executor([optim.SGDOptimizer(0.5).minimize(a * b, var_list=[b])]).run()
        assert (as_numpy(a.value), as_numpy(b.value)) == (1, 0.5)

    def test_constants_are_left_alone(self):
        a, c = ht.Variable("a", [1.0]), ht.Variable("c", [1.0], trainable=False)
        optimizer = optim.SGDOptimizer(0.5)
        train = optimizer.minimize(a * c)
        assert optimizer.params == train.params == [a]
        assert optim.Optimizer.get_var_list(a * c + a) == [a]

    def test_nothing_to_train(self):
        with pytest.raises(GraphError, match=r"None cannot be minimised.*test_optimizer.py"):
            ht.optim.SGDOptimizer(0.1).minimize(None)
        with pytest.raises(GraphError, match="no trainable Variable of floats below"):
            optim.SGDOptimizer().minimize(ht.Variable("x") * 2)
        with pytest.raises(GraphError, match="which is no Variable"):
            x = ht.Variable("x")
            optim.SGDOptimizer().minimize(x * ht.Variable("w", [1.0]), var_list=[x])

    def test_two_optimizers_over_one_graph_both_count(self):
        w, v = ht.Variable("w", [1.0]), ht.Variable("v", [1.0])
        one = optim.SGDOptimizer(0.5).minimize(w * v, var_list=[w])
        two = optim.SGDOptimizer(0.25).minimize(w * v, var_list=[v])
        ht.Executor([one, two]).run()  # both read the values at the start of the step
        assert (as_numpy(w.value), as_numpy(v.value)) == (0.5, 0.75)

    def test_defaults(self):
        assert optim.AdamOptimizer().learning_rate == 1e-3 and optim.AdamOptimizer().epsilon == 1e-8
        assert optim.AMSGradOptimizer().learning_rate == optim.SGDOptimizer().learning_rate == 0.01

    @pytest.mark.parametrize("options", [{"learning_rate": -1}, {"l2reg": -0.1}, {"learning_rate": float("nan")}])
    def test_bad_numbers(self, options):
        with pytest.raises(ValueError, match="must not be negative"):
            optim.SGDOptimizer(**options)

    def test_a_users_own_optimizer(self):
        import optax

        class Sign(optim.Optimizer):
            def transform(self, rate):
                return optax.chain(optax.scale_by_sign(), optax.scale(-rate))

        w = ht.Variable("w", [1.0, -1.0])
        ht.Executor([Sign(0.25).minimize(w * w)]).run()
        np.testing.assert_allclose(as_numpy(w.value), [0.75, -0.75])
        with pytest.raises(GraphError, match="define transform"):
            optim.Optimizer(0.1).minimize(w * w)

    def test_get_config_is_what_hetu_sends_to_its_server(self):
        assert optim.SGDOptimizer(0.5).get_config() == (0, (0.5,), 1)
        assert optim.MomentumOptimizer(0.5, nesterov=True).get_config() == (2, (0.5, 0.9), 2)
        assert optim.LambOptimizer(0.5).get_config()[0] == 5


def test_adam_matches_torch():
    torch = pytest.importorskip("torch")
    start = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
    w = ht.Variable("w", start)
    executor = ht.Executor([optim.AdamOptimizer(0.1).minimize(ht.mul_op(ht.sin_op(w), w))])
    mirror = torch.nn.Parameter(torch.tensor(start))
    adam = torch.optim.Adam([mirror], lr=0.1)
    for _ in range(10):
        executor.run()
        adam.zero_grad()
        (torch.sin(mirror) * mirror).sum().backward()
        adam.step()
    np.testing.assert_allclose(as_numpy(w.value), mirror.detach().numpy(), rtol=1e-4, atol=2e-5)


def test_ids_and_sparse_matrices_below_a_loss_are_not_trained():
    ids = ht.Variable("ids", [1, 0], dtype=np.int32)
    table, matrix = ht.Variable("table", np.ones((2, 2))), ht.Variable("a", ht.sparse_array([1.0], ([0], [1]), (2, 2)))
    loss = ht.csrmm_op(matrix, ht.embedding_lookup_op(table, ids))
    train = optim.SGDOptimizer(0.1).minimize(loss)
    assert train.params == [table]
    ht.Executor([train]).run()
    np.testing.assert_allclose(as_numpy(table.value), [[0.9, 0.9], [1, 1]], rtol=1e-6)


def test_a_lookup_by_a_constant_array():
    table = ht.Variable("table", np.ones((3, 1)))
    ht.Executor([optim.SGDOptimizer(0.5).minimize(ht.embedding_lookup_op(table, np.array([2, 2])))]).run()
    np.testing.assert_allclose(as_numpy(table.value), [[1], [1], [0]], atol=1e-6)


def test_a_single_variable_may_stand_for_the_list():
    v, w = ht.Variable("v", value=[1.0]), ht.Variable("w", value=[1.0])
    train = ht.optim.SGDOptimizer(0.5).minimize(v * w, w)
    ht.Executor([train]).run()
    assert train.params == [w] and w.tensor_value.asnumpy() == 0.5 and v.tensor_value.asnumpy() == 1
