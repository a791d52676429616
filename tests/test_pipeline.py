"""`pipeline=`: micro-batches, against the same arithmetic in NumPy float64 and against an Executor without it."""

import numpy as np
import pytest

import hetu_jax as ht
from hetu_jax.errors import FeedError, GraphError

BATCHES = np.random.default_rng(5).normal(size=(4, 6, 3)).astype(np.float32)
TARGETS = np.random.default_rng(6).normal(size=(4, 6, 1)).astype(np.float32)
START = np.array([[0.5], [-0.25], [1.0]], np.float32)


def regression(optimizer, **options):
    x, y = ht.placeholder_op("x"), ht.placeholder_op("y")
    w = ht.Variable("w", START.copy())
    difference = ht.matmul_op(x, w) - y
    loss = ht.reduce_mean_op(ht.mul_op(difference, difference), [0, 1])
    train = optimizer.minimize(loss)
    executor = ht.Executor({"train": [loss, train], "validate": [loss]}, seed=1, **options)
    return executor, w, [{x: a, y: b} for a, b in zip(BATCHES, TARGETS, strict=True)]


def gradient(w, x, y):
    x, y = x.astype(np.float64), y.astype(np.float64)
    return 2 * x.T @ (x @ w - y) / len(x)


class Sgd:
    def __init__(self):
        self.optimizer = ht.optim.SGDOptimizer(0.1, l2reg=0.05)

    def apply(self, w, g):
        return w - 0.1 * (g + 0.05 * w)


class Momentum:
    def __init__(self):
        self.optimizer, self.velocity = ht.optim.MomentumOptimizer(0.1, 0.9), 0.0

    def apply(self, w, g):
        self.velocity = 0.9 * self.velocity - 0.1 * g
        return w + self.velocity


class TestGPipe:
    @pytest.mark.parametrize("rule", [Sgd, Momentum])
    def test_gradients_are_those_at_the_start_of_the_step(self, rule):
        oracle = rule()
        executor, w, feeds = regression(oracle.optimizer, pipeline="gpipe")
        expected = START.astype(np.float64)
        for _ in range(3):
            executor.run("train", feed_dict=feeds, batch_num=4)
            start = expected
            for x, y in zip(BATCHES, TARGETS, strict=True):
                expected = oracle.apply(expected, gradient(start, x, y))
        np.testing.assert_allclose(w.tensor_value.asnumpy(), expected, rtol=2e-5)

    def test_results_are_a_list_for_each_node(self):
        executor, _, feeds = regression(ht.optim.SGDOptimizer(0.1), pipeline="gpipe")
        losses, nothing = executor.run("train", feed_dict=feeds, convert_to_numpy_ret_vals=True)
        assert nothing is None and [loss.shape for loss in losses] == [(1,)] * 4
        difference = BATCHES.astype(np.float64) @ START - TARGETS
        np.testing.assert_allclose(np.concatenate(losses), (difference**2).mean((1, 2)), rtol=1e-5)
        assert isinstance(executor.run("train", feed_dict=feeds)[0][0], ht.NDArray)

    def test_two_steps_are_compiled_whatever_the_number_of_micro_batches(self):
        executor, _, feeds = regression(ht.optim.SGDOptimizer(0.1), pipeline="gpipe")
        executor.run("train", feed_dict=feeds)
        executor.run("train", feed_dict=feeds[:2])
        assert executor.compile_count == 2

    def test_one_micro_batch_is_an_ordinary_step(self):
        piped, w, feeds = regression(ht.optim.AdamOptimizer(0.1), pipeline="gpipe")
        plain, expected, plain_feeds = regression(ht.optim.AdamOptimizer(0.1))
        for feed, plain_feed in zip(feeds, plain_feeds, strict=True):
            piped.run("train", feed_dict=[feed])
            plain.run("train", feed_dict=plain_feed)
        np.testing.assert_allclose(w.tensor_value.asnumpy(), expected.tensor_value.asnumpy(), rtol=1e-6)

    def test_dataloaders_batch_norm_and_tables_of_which_rows_are_looked_up(self):
        ids = np.arange(12).reshape(12, 1) % 5
        x = ht.dataloader_op([ht.Dataloader(ids, 3, "train")], dtype=np.int32)
        table = ht.Variable("table", np.ones((6, 4), np.float32))
        mean = ht.layers.BatchNorm(4, "norm")
        rows = ht.array_reshape_op(ht.embedding_lookup_op(table, x), [-1, 4, 1, 1])
        loss = ht.reduce_mean_op(ht.mul_op(mean(rows), rows), [0, 1, 2, 3])
        train = ht.optim.AdamOptimizer(0.1, l2reg=0.5).minimize(loss)
        executor = ht.Executor({"train": [loss, train]}, pipeline="gpipe")
        assert executor.rank == 0 and executor.config.pp_nrank == 1
        losses, _ = executor.run("train", batch_num=4)
        assert len(losses) == 4
        values = table.tensor_value.asnumpy()
        assert (values[:5] != 1).all() and (values[5] == 1).all()

    def test_rows_of_a_quantised_table_are_rounded_when_they_are_applied(self):
        ids = ht.placeholder_op("ids", dtype=np.int32)
        table = ht.Variable("table", np.full((6, 3), 0.5, np.float32))
        looked_up = ht.unified_quantized_embedding_lookup_op(table, ids, 1e-4, 0.0, 16)
        loss = ht.reduce_sum_op(looked_up, [0, 1])
        executor = ht.Executor({"train": [loss, ht.optim.SGDOptimizer(0.1).minimize(loss)]}, pipeline="gpipe")
        executor.run("train", feed_dict=[{ids: [1, 4]}, {ids: [1, 2]}])
        moved = np.array([0, 0.2, 0.1, 0, 0.1, 0])[:, None]
        codes = table.tensor_value.asnumpy().astype(int) - 2**15
        np.testing.assert_allclose(codes * 1e-4, np.broadcast_to(0.5 - moved, (6, 3)), atol=3e-4)

    def test_other_groups_run_as_ever(self):
        executor, _, feeds = regression(ht.optim.SGDOptimizer(0.1), pipeline="gpipe")
        (loss,) = executor.run("validate", feed_dict=feeds[0])
        assert loss.asnumpy().shape == (1,)
        with pytest.raises(GraphError, match="'validate' takes no batch_num=, as it has no optimizer"):
            executor.run("validate", feed_dict=feeds[0], batch_num=1)


class TestPipedream:
    @pytest.mark.parametrize("kind", ["pipedream", "hetpipe"])
    def test_every_micro_batch_is_a_step(self, kind):
        piped, w, feeds = regression(ht.optim.MomentumOptimizer(0.1), pipeline=kind)
        plain, expected, plain_feeds = regression(ht.optim.MomentumOptimizer(0.1))
        rows = piped.run("train", feed_dict=feeds, batch_num=4)
        losses = [plain.run("train", feed_dict=feed)[0].asnumpy() for feed in plain_feeds]
        assert [row[1] for row in rows] == [None] * 4
        np.testing.assert_array_equal([row[0] for row in rows], losses)
        np.testing.assert_array_equal(w.tensor_value.asnumpy(), expected.tensor_value.asnumpy())


class TestRefusals:
    def test_a_dict_where_a_list_of_dicts_belongs(self):
        executor, _, feeds = regression(ht.optim.SGDOptimizer(0.1), pipeline="gpipe")
        with pytest.raises(FeedError, match="a list with a dict for each micro-batch"):
            executor.run("train", feed_dict=feeds[0])

    def test_numbers_that_disagree(self):
        executor, _, feeds = regression(ht.optim.SGDOptimizer(0.1), pipeline="pipedream")
        with pytest.raises(FeedError, match="batch_num is 3, and feed_dict has 4"):
            executor.run("train", feed_dict=feeds, batch_num=3)
        with pytest.raises(GraphError, match="at least 1, not 0"):
            executor.run("train", batch_num=0)

    def test_batch_num_without_a_pipeline(self):
        executor, _, feeds = regression(ht.optim.SGDOptimizer(0.1))
        with pytest.raises(GraphError, match="the Executor has no pipeline="):
            executor.run("train", feed_dict=feeds, batch_num=4)

    def test_an_unknown_pipeline(self):
        with pytest.raises(GraphError, match="'pipedreams' is not one of .*did you mean pipedream"):
            regression(ht.optim.SGDOptimizer(0.1), pipeline="pipedreams")
