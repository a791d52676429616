"""The Executor: groups, feeds, compilation, sharing, errors."""

import logging
import os
import subprocess
import sys

import jax
import numpy as np
import pytest

import hetu_jax as ht
from hetu_jax.errors import FeedError, GraphError, NonFiniteError
from hetu_jax.ndarray import NDArray


def data(n=64, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 4)).astype(np.float32)
    return x, np.eye(3, dtype=np.float32)[(x @ rng.standard_normal((4, 3))).argmax(1)]


def classifier(x, y_, **options):
    w = ht.init.random_normal((4, 3), stddev=0.1, name="w")
    b = ht.init.zeros((3,), name="b")
    logits = ht.matmul_op(x, w)
    logits = logits + ht.broadcastto_op(b, logits)
    loss = ht.reduce_mean_op(ht.softmaxcrossentropy_op(logits, y_), [0])
    return loss, logits, ht.optim.SGDOptimizer(0.5, **options).minimize(loss)


def fed_model():
    x, y_ = ht.Variable("x"), ht.Variable("y_")
    return x, y_, *classifier(x, y_)


class TestForms:
    def test_a_list_makes_the_group_default(self):
        x, y_, loss, logits, train = fed_model()
        values = dict(zip((x, y_), data(), strict=True))
        executor = ht.Executor([loss, logits, train], seed=1)
        first, predicted, nothing = executor.run(feed_dict=values)
        assert isinstance(first, NDArray) and first.shape == (1,) and nothing is None
        assert predicted.shape == (64, 3)
        for _ in range(20):
            last, _, _ = executor.run(feed_dict=values)
        assert float(last.asnumpy()) < 0.5 * float(first.asnumpy())

    def test_a_dict_names_the_groups(self):
        x, y_, loss, logits, train = fed_model()
        executor = ht.Executor({"train": [loss, train], "validate": [logits, y_]}, ctx=ht.cpu(0), seed=1)
        values = dict(zip((x, y_), data(), strict=True))
        assert len(executor.run("train", feed_dict=values)) == 2
        predicted, labels = executor.run("validate", feed_dict=values, convert_to_numpy_ret_vals=True)
        assert type(predicted) is np.ndarray
        np.testing.assert_array_equal(labels, values[y_])
        assert executor.subexecutor["validate"].inference and not executor.subexecutor["train"].inference
        with pytest.raises(GraphError, match="no group 'trian'.*did you mean train"):
            executor.run("trian", feed_dict=values)

    def test_minimize_is_one_slot_however_it_is_listed(self):
        x, y_, loss, logits, train = fed_model()
        values = dict(zip((x, y_), data(), strict=True))
        for nodes in ([loss, logits, train], [loss, logits, [train]], [loss, logits, *train], [loss, logits] + train):
            loss_val, _, nothing = ht.Executor({"train": nodes}).run("train", feed_dict=values)
            assert nothing is None and loss_val.shape == (1,)
        assert len(train) == 1 and list(train) == [train] and train + [loss] == [train, loss]

    def test_the_seed_documentations_form(self):
        xs, ys = data()
        x = ht.dataloader_op([ht.Dataloader(xs, 16, "train"), ht.Dataloader(xs[:32], 16, "validate")])
        y_ = ht.dataloader_op([ht.Dataloader(ys, 16, "train"), ht.Dataloader(ys[:32], 16, "validate")])
        loss, y, train = classifier(x, y_)
        executor = ht.Executor([loss, y, train], ctx=ht.cpu(0), dataloader_name="train")
        validate = ht.Executor([loss, y, y_], ctx=ht.cpu(0), dataloader_name="validate", inference=True)
        assert (executor.batch_num, validate.batch_num) == (4, 2)
        before = np.mean([validate.run(convert_to_numpy_ret_vals=True)[0] for _ in range(2)])
        for _ in range(40):
            loss_val, _, _ = executor.run()
            assert x.dataloaders["train"].last_batch_size == 16
        after = np.mean([validate.run(convert_to_numpy_ret_vals=True)[0] for _ in range(2)])
        assert after < 0.7 * before  # the second Executor sees what the first one learns
        assert "%f" % loss_val.asnumpy() == f"{float(loss_val.asnumpy()):f}"

    def test_get_batch_num_and_a_group_without_loaders(self):
        xs, _ = data()
        x = ht.dataloader_op([ht.Dataloader(xs, 10, ["a", "b"])])
        executor = ht.Executor({"a": [x * 1.0], "b": [x * 2.0]})
        assert executor.get_batch_num("a") == executor.get_batch_num("b") == 6
        assert ht.Executor([ht.Variable("v", [1.0])]).batch_num is None
        with pytest.raises(GraphError, match="get_batch_num"):
            _ = executor.batch_num

    def test_loaders_that_disagree_are_named(self):
        xs, _ = data()
        a, b = ht.dataloader_op([ht.Dataloader(xs, 16)]), ht.dataloader_op([ht.Dataloader(xs, 32)])
        with pytest.raises(GraphError, match="disagree on the number of batches"):
            _ = ht.Executor([a * 1.0, b * 1.0]).batch_num

    def test_shuffling_samples_without_their_labels_is_noticed(self):
        xs, ys = data()
        x, y = ht.dataloader_op([ht.Dataloader(xs, 8, shuffle=True)]), ht.dataloader_op([ht.Dataloader(ys, 8)])
        executor = ht.Executor([x * 1.0, y * 1.0])
        with pytest.warns(UserWarning, match=f"but not {y.name[:12]}.*same shuffle="):
            executor.run()

    def test_an_eval_node_list_retargets_the_group_for_good(self):
        x, y_, loss, logits, train = fed_model()
        values = dict(zip((x, y_), data(), strict=True))
        executor = ht.Executor([loss])
        assert len(executor.run(eval_node_list=[loss, logits * 2, train], feed_dict=values)) == 3
        assert len(executor.run(feed_dict=values)) == 3
        assert not executor.subexecutor["default"].inference

    def test_the_only_group_needs_no_name(self):
        w = ht.Variable("w", [1.0])
        assert ht.Executor({"train": [w * 2]}).run(convert_to_numpy_ret_vals=True)[0] == 2

    def test_dataloader_step_false_looks_ahead_without_moving_on(self):
        x = ht.dataloader_op([ht.Dataloader(np.arange(6.0), 2)])
        executor = ht.Executor([x * 1.0])
        read = lambda **o: executor.run(convert_to_numpy_ret_vals=True, **o)[0].tolist()  # noqa: E731
        assert read() == [0, 1]
        assert read(dataloader_step=False) == [2, 3]
        assert read() == [2, 3]
        executor.set_dataloader_batch_index("default", 0)
        assert read() == [0, 1]

    def test_a_short_last_batch(self):
        x = ht.dataloader_op([ht.Dataloader(np.arange(5.0), 2, drop_last=False)])
        executor = ht.Executor([x * 1.0])
        assert [executor.run()[0].shape for _ in range(executor.batch_num + 1)] == [(2,), (2,), (1,), (2,)]
        assert executor.compile_count == 2


class TestCompilation:
    def test_rate_step_and_batch_never_recompile(self):
        xs, ys = data()
        schedule = ht.lr.ExponentialScheduler(0.5, 0.9)
        x, y_ = (ht.dataloader_op([ht.Dataloader(a, 8, shuffle=True)]) for a in (xs, ys))
        w = ht.init.random_normal((4, 3), name="w")
        loss = ht.reduce_mean_op(ht.softmaxcrossentropy_op(ht.matmul_op(ht.dropout_op(x, 0.9), w), y_), [0])
        executor = ht.Executor([loss, ht.optim.AdamOptimizer(schedule).minimize(loss)])
        for _ in range(20):
            executor.run()
            schedule.step()
        assert executor.compile_count == 1

    def test_the_rate_counts_from_the_next_run(self):
        w = ht.Variable("w", [1.0])
        schedule = ht.lr.MultiStepScheduler(0.5, [1])
        executor = ht.Executor([ht.optim.SGDOptimizer(schedule).minimize(w * 1.0)])
        executor.run()
        np.testing.assert_allclose(w.tensor_value.asnumpy(), [0.5])
        schedule.step(), schedule.step()
        executor.run()
        np.testing.assert_allclose(w.tensor_value.asnumpy(), [0.45])

    def test_a_new_feed_shape_compiles_once_and_is_noticed(self, caplog):
        x = ht.Variable("ragged")
        executor = ht.Executor([x * 2])
        with caplog.at_level(logging.WARNING, "hetu_jax"):
            for n in (1, 2, 3, 1, 4, 5, 2):
                executor.run(feed_dict={x: np.ones(n)})
        assert executor.compile_count == 5
        assert len(caplog.records) == 1
        assert "'ragged'" in caplog.text and "pad the batches" in caplog.text

    def test_the_step_donates_and_never_takes_back_what_the_user_has(self):
        x, y_, loss, logits, train = fed_model()
        values = dict(zip((x, y_), data(), strict=True))
        w = next(v for v in train.params if v.name == "w")
        executor = ht.Executor({"train": [w, ht.stop_gradient_op(w), loss, train], "look": [w]})
        first = executor.run("look")[0]
        kept = first.asnumpy()
        before = w.value
        held = executor.run("train", feed_dict=values)[:2]
        assert before.is_deleted()
        for _ in range(3):
            executor.run("train", feed_dict=values)
        np.testing.assert_array_equal(first.asnumpy(), kept)
        assert all(np.isfinite(value.asnumpy()).all() for value in held)

    def test_a_fetched_variable_shows_the_value_after_the_step(self):
        w = ht.Variable("w", [1.0])
        executor = ht.Executor([w, w * 1.0, ht.optim.SGDOptimizer(0.25).minimize(w * 1.0)])
        after, read, _ = executor.run(convert_to_numpy_ret_vals=True)
        assert (after, read) == (0.75, 1.0)


class TestFeeds:
    def test_missing_wrong_and_foreign_feeds_are_all_named(self):
        x, y_, loss, logits, train = fed_model()
        w = train.params[0]
        executor = ht.Executor({"train": [loss, train], "predict": [logits]})
        xs, ys = data()
        with pytest.raises(FeedError, match=r"'y_' at .*test_executor.py:\d+ has no value: pass one in feed_dict"):
            executor.run("train", feed_dict={x: xs})
        with pytest.raises(FeedError, match="'y_'.*is no part of group 'predict'"):
            executor.run("predict", feed_dict={x: xs, y_: ys})
        with pytest.raises(FeedError, match=f"{w.name!r}.*has a value, so it cannot be fed"):
            executor.run("predict", feed_dict={x: xs, w: xs})

    @pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.int64, np.uint8, bool])
    def test_values_are_cast_to_the_placeholders_dtype(self, dtype):
        x = ht.Variable("x")
        (value,) = ht.Executor([x * 1.0]).run(feed_dict={x: np.ones(2, dtype)})
        assert value.dtype == np.float32 and value.asnumpy().tolist() == [1, 1]

    @pytest.mark.parametrize("declared", [np.float32, np.int32, np.int64])
    @pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.int64])
    def test_index_nodes_may_be_float_or_integer(self, declared, dtype):
        ids = ht.Variable("ids", dtype=declared)
        table = ht.Variable("table", np.arange(6.0).reshape(3, 2))
        (rows,) = ht.Executor([ht.embedding_lookup_op(table, ids)]).run(feed_dict={ids: np.array([2, 0], dtype)})
        np.testing.assert_array_equal(rows.asnumpy(), [[4, 5], [0, 1]])

    def test_lists_numbers_ndarrays_and_jax_arrays(self):
        x = ht.Variable("x")
        executor = ht.Executor([x * 2])
        for value in ([1.0, 2.0], (1, 2), ht.array([1, 2], ht.cpu(0)), jax.numpy.array([1, 2]), np.array([1, 2])):
            np.testing.assert_array_equal(executor.run(feed_dict={x: value})[0].asnumpy(), [2, 4])

    def test_a_value_of_the_wrong_kind_is_refused(self):
        x = ht.Variable("x")
        with pytest.raises(TypeError, match="the value fed to Placeholder 'x' .* must be an array of numbers"):
            ht.Executor([x * 2]).run(feed_dict={x: ["one"]})


class TestModes:
    def test_inference_overrides_dropout_and_batch_norm_but_not_updates(self):
        x, w = ht.Variable("x"), ht.Variable("w", np.ones((1, 100)))
        y = ht.dropout_op(ht.mul_op(x, w), 0.5)
        loss = ht.reduce_sum_op(y, [0, 1])
        executor = ht.Executor({"train": [y, ht.optim.SGDOptimizer(0.1).minimize(loss)], "validate": [y]})
        ones = {x: np.ones((1, 100))}
        assert (executor.run("train", feed_dict=ones, convert_to_numpy_ret_vals=True)[0] == 0).any()
        w.tensor_value = np.ones((1, 100))
        np.testing.assert_array_equal(
            executor.run("train", feed_dict=ones, inference=True)[0].asnumpy(), np.ones((1, 100))
        )
        np.testing.assert_allclose(w.tensor_value.asnumpy(), np.full((1, 100), 0.9))
        assert (executor.run("validate", feed_dict=ones, convert_to_numpy_ret_vals=True)[0] != 0).all()

    def test_running_statistics_move_in_training_only_and_are_shared(self):
        x = ht.Variable("x")
        y = ht.batch_normalization_op(x, ht.init.ones((3,), name="s"), ht.init.zeros((3,), name="c"), momentum=0.5)
        loss = ht.reduce_mean_op(y, [0, 1])
        executor = ht.Executor({"train": [loss, ht.optim.SGDOptimizer(0.1).minimize(loss)], "validate": [y]})
        batch = np.random.default_rng(0).normal(2, 3, (50, 3)).astype(np.float32)
        mean = next(v for v in y.writes if "mean" in v.name)
        executor.run("validate", feed_dict={x: batch})
        np.testing.assert_array_equal(mean.tensor_value.asnumpy(), np.zeros(3))
        executor.run("train", feed_dict={x: batch})
        np.testing.assert_allclose(mean.tensor_value.asnumpy(), 0.5 * batch.mean(0), rtol=1e-5)
        assert any("running_mean" in name for name in executor.state_dict())

    def test_detect_nan_names_the_first_op_and_applies_nothing(self):
        x, w = ht.Variable("x"), ht.Variable("w", [1.0])
        bad = ht.sqrt_op(w * x)
        loss = ht.reduce_mean_op(ht.relu_op(bad + 1.0), [0])
        executor = ht.Executor([loss, ht.optim.SGDOptimizer(0.1).minimize(loss)], detect_nan=True)
        executor.run(feed_dict={x: [4.0]})
        kept = w.tensor_value.asnumpy()
        with pytest.raises(
            NonFiniteError, match=rf"sqrt_op .*test_executor.py:{bad.site.line} is the first to make NaN"
        ):
            executor.run(feed_dict={x: [-4.0]})
        np.testing.assert_array_equal(w.tensor_value.asnumpy(), kept)
        assert np.isnan(ht.Executor([loss]).run(feed_dict={x: [-4.0]})[0].asnumpy())


class TestRandom:
    def build(self, seed):
        x = ht.Variable("x")
        w = ht.init.random_normal((4,), name="w")
        return x, w, ht.Executor([ht.dropout_op(x * 1.0, 0.5), w], seed=seed, inference=False)

    def test_the_same_seed_gives_the_same_numbers(self):
        runs = []
        for seed in (5, 5, 6):
            x, w, executor = self.build(seed)
            runs.append([executor.run(feed_dict={x: np.ones(50)}, convert_to_numpy_ret_vals=True) for _ in range(3)])
        np.testing.assert_equal(runs[0], runs[1])
        assert not np.array_equal(runs[0][0][1], runs[2][0][1])
        assert not np.array_equal(runs[0][0][0], runs[0][1][0])  # a new mask each step

    def test_equal_initializers_draw_different_numbers(self):
        a, b = (ht.init.random_normal((5,), name="w") for _ in "ab")
        one, two = ht.Executor([a, b], seed=0).run(convert_to_numpy_ret_vals=True)
        assert not np.array_equal(one, two)


class TestConfig:
    def test_unknown_options_are_refused_with_a_hint(self):
        with pytest.raises(TypeError, match="no option 'sede'; did you mean seed"):
            ht.Executor([ht.Variable("w", [1.0])], sede=3)

    def test_options_of_hetu_without_a_meaning_here_are_accepted(self):
        w = ht.Variable("w", [1.0])
        executor = ht.Executor([w], comm_mode=None, use_sparse_pull=False, prefetch=True, bsp=-1, enable_lazy=False)
        assert executor.rank is None and executor.config.comp_stream is None
        assert executor.config.nrank is None and executor.comm_mode is None

    def test_a_strategy_on_one_device_leaves_the_graph_whole(self, tmp_path):
        x, w = ht.Variable("x"), ht.Variable("w", [[2.0]])
        y = ht.matmul_op(x, w)
        plan = tmp_path / "plan.json"
        strategy = ht.dist.FlexFlowSearching({x: (1, 1)}, save_path=str(plan))
        executor = ht.Executor([y], dist_strategy=strategy)
        assert executor.run(feed_dict={x: [[3.0]]})[0].asnumpy() == 6
        assert (executor.rank, executor.local_rank, executor.config.nrank) == (0, 0, 1)
        assert y.name in plan.read_text()
        strategy.generate_random_config([y], str(tmp_path / "random{}.json"), count=2)
        strategy.generate_random_config([y], str(tmp_path / "single.json"))
        for name in ("random0", "random1", "single"):
            again = ht.dist.OptCNNSearching({x: (1, 1)}, load_path=str(tmp_path / f"{name}.json"))
            assert ht.Executor([y], dist_strategy=again).run(feed_dict={x: [[3.0]]})[0].asnumpy() == 6
        for mode in ("AllReduce", "PS", "Hybrid"):
            assert ht.Executor([y], dist_strategy=ht.dist.DataParallel(mode)).comm_mode == mode
        assert ht.Executor([y], comm_mode="PS").rank == 0

    def test_the_stream_of_a_gpu_can_be_waited_for(self):
        executor = ht.Executor([ht.Variable("w", [1.0])], ctx=ht.gpu(0))
        executor.run()
        executor.config.comp_stream.sync()

    def test_the_context_of_a_with_block_counts(self):
        with ht.context("cpu:0"):
            executor = ht.Executor([ht.Variable("w", [1.0])])
        assert executor.ctx == ht.cpu(0) and executor.config.context == ht.cpu(0)

    def test_a_gpu_that_is_not_there_warns_once_and_runs(self):
        if any(device.platform != "cpu" for device in jax.devices()):
            pytest.skip("there is an accelerator")
        with pytest.warns(UserWarning, match=r"there is no gpu\(7\) here"):
            executor = ht.Executor([ht.Variable("w", [1.0]) * 2], ctx=ht.gpu(7))
        assert executor.run()[0].asnumpy() == 2

    def test_placeholder_to_arr_map_is_live(self):
        w, x = ht.Variable("w", [1.0]), ht.Variable("x")
        executor = ht.Executor([ht.optim.SGDOptimizer(0.5).minimize(w * 1.0), x])
        values = executor.config.placeholder_to_arr_map
        executor.run(feed_dict={x: [0.0]})
        assert values[w].asnumpy() == 0.5 and values[x] is None
        values[w][:] = np.array([8.0])
        assert w.tensor_value.asnumpy() == 8 and len(values) >= 2

    def test_a_config_can_be_shared(self):
        w = ht.Variable("w", [1.0])
        config = ht.HetuConfig(ctx=ht.cpu(0), inference=True)
        assert ht.Executor([w], config=config).config is config
        with pytest.raises(TypeError, match="config= and also seed"):
            ht.Executor([w], config=config, seed=3)

    def test_a_list_of_something_else_is_refused(self):
        with pytest.raises(GraphError, match="has 'loss' in its list, which is no node"):
            ht.Executor(["loss"])

    def test_repr(self):
        text = repr(ht.Executor({"train": [ht.Variable("w", [1.0])]}))
        assert "group 'train': inference" in text and "1 trainable" in text


def test_all_three_ways_to_the_values_agree():
    w = ht.Variable("w", [2.0])
    executor = ht.Executor({"a": [w * 3]})
    assert executor.run("a")[0].asnumpy() == executor.run("a", convert_to_numpy_ret_vals=True)[0] == 6
    executor.return_tensor_values()
    executor.sync_all_streams()
    assert w.tensor_value.asnumpy() == 2


def test_profile_writes_a_line_for_each_op(tmp_path):
    x, w = ht.Variable("x"), ht.Variable("w", np.ones((4, 4)))
    product = ht.matmul_op(x, w)
    ht.Executor([ht.relu_op(product)]).profile({x: (8, 4)}, str(tmp_path / "times.log"))
    assert product.name in (tmp_path / "times.log").read_text()


EIGHT_DEVICES = """
import numpy as np, hetu_jax as ht
x = ht.dataloader_op([ht.Dataloader(np.arange(8.0).reshape(4, 2), 2)])
w = ht.init.ones((2, 1), name="w")
loss = ht.matmul_op(x, w)
executor = ht.Executor([loss, ht.optim.AdamOptimizer(0.1).minimize(loss)], ctx=ht.cpu(3))
for _ in range(3):
    value = executor.run()[0]
print(value.ctx, w.tensor_value.ctx, executor.ctx, executor.compile_count)
"""


def test_an_executor_runs_on_the_device_it_was_given():
    environment = os.environ | {"JAX_NUM_CPU_DEVICES": "8", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", EIGHT_DEVICES], env=environment, capture_output=True, text=True)
    assert done.stdout.split() == ["cpu(3)", "cpu(3)", "cpu(3)", "1"], done.stderr


def test_two_training_groups_take_turns_over_the_same_variables():
    a, b, c = (ht.Variable(name, [1.0]) for name in "abc")
    sgd = ht.optim.SGDOptimizer(0.25)
    executor = ht.Executor(
        {"ab": [sgd.minimize(a + b)], "bc": [sgd.minimize(b + c)], "all": [a * 1.0, b * 1.0, c * 1.0]}
    )
    read = lambda: [float(x) for x in executor.run("all", convert_to_numpy_ret_vals=True)]  # noqa: E731
    executor.run("ab"), executor.run("bc"), executor.run("ab")
    assert read() == [0.5, 0.25, 0.75]
    b.tensor_value = [10.0]
    executor.run("bc"), executor.run("bc")
    assert read() == [0.5, 9.5, 0.25] and executor.state_dict()["b"] == 9.5
    executor.load_dict({"a": [4.0]})
    executor.run("ab")
    assert read() == [3.75, 9.25, 0.25] and executor.compile_count == 3


class TestRetargeting:
    def test_a_list_that_is_refused_leaves_the_group_as_it_was(self):
        w = ht.Variable("w", value=[1.0])
        executor = ht.Executor({"a": [w * 2.0]})
        other = ht.dataloader_op([ht.Dataloader(np.ones((4, 1)), 2, "elsewhere")])
        for _ in range(2):
            with pytest.raises(GraphError, match="has no data for 'a'"):
                executor.run("a", eval_node_list=[other])
        assert executor.run("a")[0].asnumpy() == 2

    def test_inference_stays_what_the_executor_was_told(self):
        x = ht.Variable("x")
        dropped = ht.dropout_op(x, 0.5)
        executor = ht.Executor([dropped], inference=False)
        (value,) = executor.run(eval_node_list=[dropped * 1.0], feed_dict={x: np.ones(64)})
        assert set(value.asnumpy()) == {0, 2}

    def test_a_single_node_is_a_list_of_itself(self):
        w = ht.Variable("w", value=[1.0])
        (value,) = ht.Executor({"a": [w * 2.0]}).run("a", eval_node_list=w * 3.0)
        assert value.asnumpy() == 3
