"""Checkpoints: round trips, other vintages' files, errors, and survival of a killed writer."""

import collections
import datetime
import os
import pickle
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import hetu_jax as ht
from hetu_jax import random, safe_pickle
from hetu_jax.errors import CheckpointError, UnsafeFileError


def model(optimizer=None):
    w = ht.init.random_normal((3, 2), name="w")
    b = ht.init.zeros((2,), name="b")
    c = ht.Variable("c", np.full((1,), 4.0), trainable=False)
    loss = ht.reduce_sum_op(ht.matmul_op(ht.Variable("one", np.ones((1, 3)), trainable=False), w) * c, [0, 1]) + (
        ht.reduce_sum_op(b, 0)
    )
    return ht.Executor([loss, (optimizer or ht.optim.AdamOptimizer(0.1)).minimize(loss)], seed=3)


def test_a_run_goes_on_from_a_checkpoint_as_if_never_stopped(tmp_path):
    one = model()
    for _ in range(3):
        one.run()
    path = one.save(tmp_path, "three", others={"epoch": 3})
    for _ in range(3):
        one.run()
    two = model()
    assert two.load(tmp_path, "three") == {"epoch": 3}
    for _ in range(3):
        two.run()
    for name, value in one.state_dict().items():
        np.testing.assert_array_equal(value, two.state_dict()[name], err_msg=name)
    assert os.path.basename(path) == "three"


def test_the_file_is_2023s(tmp_path):
    model().save(tmp_path, "model")
    content = safe_pickle.load(tmp_path / "model")
    assert set(content) == {"state_dict", "seed"}
    assert content["seed"] == random.get_seed_status()
    assert {"w", "b", "c", "w_adam_m", "w_adam_v"} <= set(content["state_dict"])
    assert all(isinstance(value, np.ndarray) for value in content["state_dict"].values())


def test_a_folder_alone_is_enough_as_in_2021(tmp_path):
    one = model()
    one.save(tmp_path / "new" / "folder")
    two = model()
    two.load(tmp_path / "new" / "folder")
    np.testing.assert_array_equal(one.state_dict()["w"], two.state_dict()["w"])


def test_2021s_folder_of_npy_files(tmp_path):
    np.save(tmp_path / "w.npy", np.full((3, 2), 2.0, np.float32))
    np.save(tmp_path / "b.npy", np.ones(2, np.float32))
    executor = model()
    executor.load(tmp_path)
    np.testing.assert_array_equal(executor.state_dict()["w"], np.full((3, 2), 2.0))
    (tmp_path / "b.npy").unlink()
    with pytest.raises(CheckpointError, match="neither hetu_checkpoint nor the files b.npy"):
        executor.load(tmp_path)


def test_early_2023s_flat_pickle(tmp_path):
    (tmp_path / "flat").write_bytes(pickle.dumps({"w": np.full((3, 2), 7.0, np.float32), "unknown": np.ones(1)}))
    executor = model()
    kept = executor.state_dict()["b"]
    executor.load(tmp_path, "flat")
    assert (executor.state_dict()["w"] == 7).all()
    np.testing.assert_array_equal(executor.state_dict()["b"], kept)


def test_2023s_adam_powers_become_the_count_of_updates(tmp_path):
    powers = np.array([0.9**5, 0.999**5], np.float32)
    state = {"w_adam_m": np.ones((3, 2), np.float32), "betats_0": powers}
    (tmp_path / "old").write_bytes(pickle.dumps({"state_dict": state, "seed": (3, 9)}))
    executor = model()
    executor.load(tmp_path, "old")
    assert executor.state_dict()["Adam_count"] == 5
    assert random.get_seed_status() == (3, 9)


def test_load_dict_and_load_seeds():
    executor = model()
    executor.load_dict({"w": np.zeros((3, 2))})
    assert (executor.state_dict()["w"] == 0).all()
    executor.load_seeds((11, 4))
    assert random.get_seed_status() == (11, 4)


def test_repeated_names_do_not_overwrite_each_other(tmp_path):
    a, b = ht.Variable("w", [1.0]), ht.Variable("w", [2.0])
    executor = ht.Executor([a + b])
    assert set(executor.state_dict()) == {"w", "w#1"}
    executor.save(tmp_path, "m")
    a.tensor_value, b.tensor_value = [0.0], [0.0]
    executor.load(tmp_path, "m")
    assert (a.tensor_value.asnumpy(), b.tensor_value.asnumpy()) == (1, 2)


def test_a_state_dict_is_a_copy():
    w = ht.Variable("w", [1.0])
    executor = ht.Executor([w])
    executor.state_dict()["w"][:] = 9
    assert w.tensor_value.asnumpy() == 1


class TestErrors:
    def test_a_shape_that_does_not_fit_changes_nothing(self):
        executor = model()
        kept = executor.state_dict()["b"]
        with pytest.raises(CheckpointError, match=r"'w' has shape \(2, 2\) in the checkpoint, and \(3, 2\)"):
            executor.load_dict({"b": np.ones(2), "w": np.zeros((2, 2))})
        np.testing.assert_array_equal(executor.state_dict()["b"], kept)

    def test_a_checkpoint_of_another_model(self):
        with pytest.raises(CheckpointError, match="fits no Variable: it has other, the graph has"):
            model().load_dict({"other": np.ones(1)})

    def test_no_file(self, tmp_path):
        with pytest.raises(CheckpointError, match="there is no checkpoint at"):
            model().load(tmp_path, "absent")

    @pytest.mark.parametrize(
        "broken",
        [
            {"seed": "xyz"},
            {"seed": None},
            {"seed": (1, 2, 3)},
            {"seed": (1.5, 2)},
            {"feeds": [1]},
            {"feeds": {"LearningRate": 1}},
            {"state_dict": {"w": np.zeros((3, 2)), "betats_0": np.zeros(0)}},
            {"state_dict": {"w": np.zeros((3, 2)), "b": [[1, 2], [3]]}},
            {"state_dict": {"w": np.zeros((3, 2)), "b": np.array(["1", "2"])}},
            {"state_dict": {"w": np.zeros((3, 2)), "b": "ab"}},
        ],
    )
    def test_a_broken_entry_changes_nothing(self, tmp_path, broken):
        executor = model()
        kept, seed = executor.state_dict(), random.get_seed_status()
        (tmp_path / "bad").write_bytes(pickle.dumps({"state_dict": {"w": np.zeros((3, 2))}, "seed": (1, 2)} | broken))
        with pytest.raises(CheckpointError):
            executor.load(tmp_path, "bad")
        assert random.get_seed_status() == seed
        for name, value in executor.state_dict().items():
            np.testing.assert_array_equal(value, kept[name])

    @pytest.mark.parametrize("bad", [np.ones((2, 2)), [np.ones(2)] * 2, [np.ones(2), np.ones(2), np.ones(2)]])
    def test_what_is_no_sparse_matrix(self, bad):
        a = ht.Variable("a", ht.sparse_array([1.0, 2.0], ([0, 1], [1, 0]), (2, 2)))
        executor = ht.Executor([ht.csrmv_op(a, ht.Variable("x", [1.0, 1.0], trainable=False))])
        with pytest.raises(CheckpointError, match="Variable 'a'.*a sparse matrix is a list of its values"):
            executor.load_dict({"a": bad})

    @pytest.mark.parametrize(
        "content", [b"", b"not a pickle", pickle.dumps({"state_dict": {}})[:-3], pickle.dumps([1])]
    )
    def test_a_broken_file(self, tmp_path, content):
        (tmp_path / "bad").write_bytes(content)
        with pytest.raises(CheckpointError):
            model().load(tmp_path, "bad")

    @pytest.mark.parametrize("content", [b"\x93NUMPY", b"\x93NUMPY\x01\x00v\x00{", b"PK\x03\x04 no archive"])
    def test_a_broken_npy(self, tmp_path, content):
        (tmp_path / "w.npy").write_bytes(content)
        np.save(tmp_path / "b.npy", np.ones(2))
        with pytest.raises(CheckpointError, match="broken .npy"):
            model().load(tmp_path)

    def test_a_malicious_pickle_runs_nothing(self, tmp_path):
        class Evil:
            def __reduce__(self):
                return os.system, (f"touch {tmp_path}/pwned",)

        (tmp_path / "evil").write_bytes(pickle.dumps({"state_dict": {"w": Evil()}, "seed": (0, 0)}))
        with pytest.raises(UnsafeFileError, match="system"):
            model().load(tmp_path, "evil")
        assert not (tmp_path / "pwned").exists()

    def test_a_pickle_inside_an_npy_is_refused(self, tmp_path):
        np.save(tmp_path / "w.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
        np.save(tmp_path / "b.npy", np.ones(2))
        with pytest.raises(CheckpointError, match="broken .npy"):
            model().load(tmp_path)

    def test_reserved_keys(self, tmp_path):
        with pytest.raises(CheckpointError, match="reserved|must not use the keys seed"):
            model().save(tmp_path, "m", others={"seed": 1})

    def test_a_file_in_the_place_of_the_folder(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(CheckpointError, match="is a file"):
            model().save(tmp_path / "file", "m")


WRITER = """
import sys, numpy as np, hetu_jax as ht
w = ht.Variable("w", np.zeros(2_000_000))
executor = ht.Executor([w])
number = 0
while True:
    number += 1
    w.tensor_value = np.full(2_000_000, float(number))
    executor.save(sys.argv[1], "model", others={"number": number})
    print(number, flush=True)
"""


def test_kill_9_while_saving_never_loses_the_previous_checkpoint(tmp_path):
    rng = np.random.default_rng(0)
    for _ in range(6):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        process.stdout.readline()
        time.sleep(rng.uniform(0, 0.1))
        process.send_signal(signal.SIGKILL)
        announced = [int(line) for line in process.communicate()[0].split()]
        content = safe_pickle.load(tmp_path / "model")
        assert content["number"] >= max(announced, default=1)
        np.testing.assert_array_equal(np.unique(content["state_dict"]["w"]), [content["number"]])
    left = [p.name for p in tmp_path.iterdir() if p.name != "model"]
    assert all(name.startswith(".model.") for name in left)


def test_a_failed_save_leaves_the_old_file_and_no_other(tmp_path):
    executor = model()
    executor.save(tmp_path, "model")
    before = (tmp_path / "model").read_bytes()
    for bad in (lambda: 0, datetime.date(2024, 1, 1), collections.defaultdict(list)):
        with pytest.raises(CheckpointError, match=r"others\['bad'\] could not be read back"):
            executor.save(tmp_path, "model", others={"good": 1, "bad": [bad]})
    with pytest.raises(CheckpointError, match="others must be a dict"):
        executor.save(tmp_path, "model", others=[1])
    assert (tmp_path / "model").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_sparse_values_and_lists_load():
    a, w = ht.Variable("a", ht.sparse_array([1.0, 2.0], ([0, 1], [1, 0]), (2, 2))), ht.Variable("w", [1.0])
    executor = ht.Executor([ht.csrmv_op(a, ht.Variable("x", [1.0, 1.0], trainable=False)), w])
    kept = executor.state_dict()
    executor.load_dict({"w": [4.0], "a": [3.0 * kept["a"][0], *kept["a"][1:]]})
    product, weight = executor.run(convert_to_numpy_ret_vals=True)
    assert product.tolist() == [3, 6] and weight.shape == (1,) and weight == 4


def test_results_and_arrays_among_the_others_are_read_back(tmp_path):
    executor = model()
    loss = executor.run()[0]
    executor.save(tmp_path, "m", others={"loss": loss.asnumpy(), "all": [loss, loss.value], "none": None})
    others = executor.load(tmp_path, "m")
    assert type(others["loss"]) is np.ndarray and others["none"] is None
    for found in (others["loss"], *others["all"]):
        np.testing.assert_array_equal(found, loss.asnumpy())


def shuffled(batches=4, gamma=0.5, **options):
    """A run whose results follow from the order of its batches and the schedule of its rate."""
    rows = np.arange(2.0 * batches).reshape(-1, 1)
    x, y = (ht.dataloader_op([ht.Dataloader(rows, 2, "train", shuffle=True, **options)]) for _ in "xy")
    w = ht.Variable("w", np.ones(1))
    schedule = ht.lr.StepScheduler(0.1, 2, gamma)
    train = ht.optim.SGDOptimizer(schedule).minimize(ht.reduce_mean_op(x * w, [0, 1]))
    return ht.Executor({"train": [x * 1.0, y * 1.0, w, train]}, seed=3), schedule


def steps(executor, schedule, count):
    found = []
    for _ in range(count):
        x, y, w, _ = executor.run("train", convert_to_numpy_ret_vals=True)
        schedule.step()
        found.append((x.tolist(), y.tolist(), w.tolist()))
    return found


@pytest.mark.parametrize("options", [{}, {"batch_func": lambda batch: batch}])
def test_loaders_and_schedules_go_on_from_a_checkpoint(tmp_path, options):
    one = shuffled(**options)
    steps(*one, 5)
    one[0].save(tmp_path, "five")
    expected = steps(*one, 6)
    two = shuffled(**options)
    steps(*two, 2)
    assert two[0].load(tmp_path, "five") == {}
    assert steps(*two, 6) == expected


def test_what_does_not_fit_starts_anew(tmp_path):
    one, schedule = shuffled()
    steps(one, schedule, 5)
    one.save(tmp_path, "five")
    other, schedule = shuffled(batches=3, gamma=0.25)
    other.load(tmp_path, "five")
    x, y = (node.dataloaders["train"] for node in other.subexecutor["train"].dataloader_nodes)
    assert (x.position, y.position) == ((0, 0, 3), (0, 0, 3)) and (schedule.cnt, schedule.get()) == (0, 0.1)
    content = pickle.loads((tmp_path / "five").read_bytes())
    content["feeds"] = {"DataloaderOp": {"train": (9, "x", 4)}, "LearningRate": {"cnt": "x"}}
    for feeds in ({"feeds": content["feeds"]}, {}):
        (tmp_path / "odd").write_bytes(pickle.dumps({"state_dict": content["state_dict"], **feeds}))
        fresh, schedule = shuffled()
        fresh.load(tmp_path, "odd")
        assert fresh.subexecutor["train"].dataloader_nodes[0].state() == {"train": (0, 0, 4)} and schedule.cnt == 0


def test_the_value_of_a_sparse_variable_is_a_copy_and_fetched_as_a_matrix():
    a = ht.Variable("a", ht.sparse_array([1.0, 2.0], ([0, 1], [1, 0]), (2, 2)))
    (fetched,) = ht.Executor([a]).run(convert_to_numpy_ret_vals=True)
    for matrix in (fetched, a.tensor_value.asnumpy()):
        assert matrix.toarray().tolist() == [[0, 1], [2, 0]]
