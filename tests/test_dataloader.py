"""Dataloaders: signatures of all vintages, order, alignment, where the data lies, and use in an Executor."""

import copy
import gc
import threading
import time

import jax
import numpy as np
import pytest

import hetu_jax as ht
from hetu_jax import dataloader as dl
from hetu_jax import random
from hetu_jax.errors import FeedError, GraphError
from hetu_jax.ndarray import NDArray
from hetu_jax.raw_data import BatchIndices, RawData

ROWS = np.arange(20.0).reshape(10, 2)


@pytest.fixture(params=["resident", "streamed"])
def placement(request, monkeypatch):
    """Every test that asks for it runs with the data on the device, and with batches fetched by a thread."""
    monkeypatch.setenv("HETU_JAX_DEVICE_DATA_MB", "0" if request.param == "streamed" else "1024")
    return request.param


def take(loader, count):
    return [loader.get_arr().asnumpy() for _ in range(count)]


def equal(batches, expected):
    assert [batch.tolist() for batch in batches] == [np.asarray(rows).tolist() for rows in expected]


# batches


def test_order_and_wrap(placement):
    loader = dl.Dataloader(ROWS, 3)
    assert (loader.batch_num, loader.samples_num, loader.batch_size, loader.shape) == (3, 10, 3, (3, 2))
    equal(take(loader, 5), [ROWS[0:3], ROWS[3:6], ROWS[6:9], ROWS[0:3], ROWS[3:6]])
    assert loader.batch_index == 2


def test_short_last_batch(placement):
    loader = dl.Dataloader(ROWS, 4, drop_last=False)
    assert loader.batch_num == 3
    sizes = []
    for expected in (ROWS[0:4], ROWS[4:8], ROWS[8:], ROWS[0:4]):
        equal([loader.get_arr().asnumpy()], [expected])
        sizes.append(loader.last_batch_size)
        assert loader.get_cur_shape() == expected.shape
    assert sizes == [4, 4, 2, 4]


def test_peek_does_not_move(placement):
    loader = dl.Dataloader(ROWS, 3)
    equal([loader.get_next_arr().asnumpy(), loader.get_next_arr().asnumpy()], [ROWS[0:3]] * 2)
    equal(take(loader, 2), [ROWS[0:3], ROWS[3:6]])
    equal([loader.get_next_arr().asnumpy()], [ROWS[6:9]])


def test_last_batch_size_exists_after_the_first_fetch(placement):
    loader = dl.Dataloader(ROWS, 3)
    assert not hasattr(loader, "last_batch_size")
    loader.get_next_arr()
    assert loader.last_batch_size == 3


def test_get_arr_gives_arrays_of_the_cpu():
    array = dl.Dataloader(ROWS, 3).get_arr()
    assert isinstance(array, NDArray) and array.ctx == ht.cpu(0)


def test_set_batch_index(placement):
    loader = dl.Dataloader(ROWS, 3)
    take(loader, 1)
    loader.set_batch_index(2)
    equal(take(loader, 2), [ROWS[6:9], ROWS[0:3]])
    with pytest.raises(ValueError, match="batches 0 to 2, not 3"):
        loader.set_batch_index(3)


@pytest.mark.parametrize("offset, first", [(0, 0), (2, 2), (3, 0), (99, 0)])
def test_offset(offset, first, placement):
    loader = dl.Dataloader(ROWS, 3, offset=offset)
    expected = [ROWS[3 * (first + i) % 9 :][:3] for i in range(4)]
    equal(take(loader, 4), expected)


def test_init_states_starts_again(placement):
    loader = dl.Dataloader(ROWS, 3, offset=1)
    take(loader, 1)
    loader.init_states()
    equal(take(loader, 1), [ROWS[3:6]])


# arguments


def test_func_is_applied_once_to_the_whole():
    calls = []

    def func(raw):
        calls.append(raw.shape)
        return raw * 2

    loader = dl.Dataloader(ROWS, 3, "train", func)
    equal(take(loader, 4), [2 * ROWS[0:3], 2 * ROWS[3:6], 2 * ROWS[6:9], 2 * ROWS[0:3]])
    assert calls == [(10, 2)]


def test_batch_func_gets_every_batch_and_may_change_it():
    seen = []

    def halve(batch):
        seen.append(batch.shape)
        batch /= 2
        return batch.reshape(-1, 2, 1)

    loader = dl.Dataloader(ROWS, 4, "train", None, halve, drop_last=False)
    equal(take(loader, 4), [ROWS[i : i + 4, :, None] / 2 for i in (0, 4, 8, 0)])
    assert seen[:4] == [(4, 2), (4, 2), (2, 2), (4, 2)]
    assert loader.struct().shape == (4, 2, 1)


def test_batch_func_that_changes_the_number_of_rows():
    loader = dl.Dataloader(ROWS, 4, batch_func=lambda batch: batch[:3])
    take(loader, 1)
    assert loader.last_batch_size == 3


def test_batch_func_errors_say_where():
    def broken(batch):
        raise RuntimeError("no such augmentation")

    loader = dl.Dataloader(ROWS, 4, "train", batch_func=broken)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="no such augmentation") as caught:
            loader.get_arr()
        assert caught.value.__notes__[0] == "in batch_func of Dataloader 'train', at batch 0"
        loader.set_batch_index(0)


@pytest.mark.parametrize("drop_last", [True, False])
def test_2021_has_drop_last_in_fifth_place(drop_last):
    loader = dl.Dataloader(ROWS, 4, "train", None, drop_last)
    assert loader.drop_last is drop_last and loader.batch_func is None
    assert loader.batch_num == (2 if drop_last else 3)


def test_dtypes():
    assert take(dl.Dataloader(np.arange(4), 2), 1)[0].dtype == np.float32
    assert take(dl.Dataloader(np.arange(4.0), 2, dtype=np.float64), 1)[0].dtype == np.float32
    assert take(dl.Dataloader(np.arange(4), 2, dtype=np.int64), 1)[0].dtype == np.int32
    assert take(dl.Dataloader(np.arange(4), 2, dtype=np.int32), 1)[0].dtype == np.int32
    assert take(dl.Dataloader(np.arange(4, dtype=np.uint8), 2, dtype=np.uint8), 1)[0].dtype == np.uint8


def test_numbers_that_the_dtype_cannot_hold_are_refused(tmp_path):
    for data in (np.array([1, 2**24 + 1]), np.array([-(2**24) - 1, 0]), ht.array([2**25], dtype=np.int32)):
        with pytest.raises(ValueError, match="raw_data has integers above 16,777,216.*dtype=np.int32"):
            dl.Dataloader(data, 1)
    for data in (np.arange(4) + 2**33, np.array([0.5]), np.array([np.nan])):
        with pytest.raises(ValueError, match="raw_data has numbers"):
            dl.Dataloader(data, 1, dtype=np.int32)
    assert int(take(dl.Dataloader(np.array([2**24 + 1]), 1, dtype=np.int32), 1)[0][0]) == 2**24 + 1
    assert dl.Dataloader(np.array([2.0**24 + 2]), 1).dtype == np.float32
    mapped = np.memmap(tmp_path / "rows", np.int64, "w+", shape=(2,))
    mapped[:] = 2**33
    with pytest.raises(ValueError, match="raw_data has numbers"):
        dl.Dataloader(mapped, 1, dtype=np.int32).get_arr()


def test_names():
    assert dl.Dataloader(ROWS, 3).name == "default"
    loader = dl.Dataloader(ROWS, 3, ["train", "probe"])
    node = dl.dataloader_op([loader])
    assert node.dataloaders == {"train": loader, "probe": loader}
    equal([node.get_arr("train").asnumpy(), node.get_arr("probe").asnumpy()], [ROWS[0:3], ROWS[3:6]])


def test_kinds_of_raw_data(tmp_path):
    expected = [ROWS[0:4], ROWS[4:8]]
    np.save(tmp_path / "a.npy", ROWS.astype(np.float32))
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    for raw in (
        ROWS,
        ROWS.tolist(),
        tuple(map(tuple, ROWS)),
        ht.array(ROWS),
        jax.numpy.asarray(ROWS),
        [ROWS[:3], ROWS[3:]],
        (ROWS[:3].astype(np.int32), ht.array(ROWS[3:])),
        np.asfortranarray(ROWS),
        mapped,
        [mapped[:5], mapped[5:]],
        [mapped[:5], ROWS[5:]],
    ):
        equal(take(dl.Dataloader(raw, 4), 2), expected)


def test_raw_data_that_is_no_data():
    with pytest.raises(ValueError, match=r"not \(3, 2\) and \(3, 3\)"):
        dl.Dataloader([np.zeros((3, 2)), np.zeros((3, 3))], 1)
    with pytest.raises(ValueError, match="samples along axis 0"):
        dl.Dataloader(3.0, 1)
    with pytest.raises(TypeError, match="array of numbers"):
        dl.Dataloader(["a", "b"], 1)


@pytest.mark.parametrize("size", [0, -1])
def test_no_batch_size(size):
    with pytest.raises(ValueError, match=f"batch_size of Dataloader 'train' must be 1 or more, not {size}"):
        dl.Dataloader(ROWS, size, "train")


@pytest.mark.parametrize("size, samples", [(11, 10), (1, 0)])
def test_no_batch(size, samples):
    with pytest.raises(ValueError, match=f"'train' has no batch: its batch_size is {size} and it has {samples}"):
        dl.Dataloader(ROWS[:samples], size, "train")


def test_batch_greater_than_the_data_without_drop_last(placement):
    loader = dl.Dataloader(ROWS, 64, drop_last=False)
    assert loader.batch_num == 1 and loader.get_batch_num(65) == 2
    equal(take(loader, 2), [ROWS, ROWS])


def test_changes_of_the_users_array_do_not_reach_the_loader(placement):
    raw = ROWS.astype(np.float32)
    loader = dl.Dataloader(raw, 4)
    raw[:] = -1
    equal(take(loader, 1), [ROWS[0:4]])


# shuffle


def numbers(loader, count):
    """Which batches came, for data whose first column is 0, 2, 4, ..."""
    return [int(batch[0, 0]) // (2 * loader.batch_size) for batch in take(loader, count)]


BIG = np.arange(400.0).reshape(200, 2)


def test_shuffle_permutes_the_batches_anew_in_each_epoch(placement):
    random.set_random_seed(3)
    loader = dl.Dataloader(BIG, 10, "train", shuffle=True)
    epochs = [numbers(loader, 20) for _ in range(4)]
    assert all(sorted(epoch) == list(range(20)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4
    random.set_random_seed(3)
    again = dl.Dataloader(BIG, 10, "train", shuffle=True)
    assert [numbers(again, 20) for _ in range(4)] == epochs
    random.set_random_seed(4)
    assert numbers(dl.Dataloader(BIG, 10, "train", shuffle=True), 20) != epochs[0]


def test_shuffle_takes_the_seed_of_the_moment_an_epoch_begins(placement):
    """An Executor sets the seed after the loaders were made, and batches fetched ahead must follow."""
    random.set_random_seed(1)
    loader = dl.Dataloader(BIG, 10, "train", shuffle=True)
    first = numbers(loader, 20)
    random.set_random_seed(2)
    second = numbers(loader, 20)
    random.set_random_seed(1)
    assert first == BatchIndices(20, True, "train").order(0)
    random.set_random_seed(2)
    assert second == BatchIndices(20, True, "train").order(1)


def test_samples_and_labels_stay_together(monkeypatch):
    """One of the loaders is resident, one streams, one has a batch_func; the seed changes in between."""
    labels = np.arange(200)
    monkeypatch.setenv("HETU_JAX_DEVICE_DATA_MB", "0")
    x = dl.Dataloader(BIG, 16, "train", shuffle=True, drop_last=False)
    x.get_next_arr()
    monkeypatch.setenv("HETU_JAX_DEVICE_DATA_MB", "1024")
    y = dl.Dataloader(labels, 16, "train", shuffle=True, drop_last=False, dtype=np.int32)
    z = dl.Dataloader(labels, 16, "train", None, lambda batch: batch + 1, True, False)
    for step in range(60):
        rows, label, shifted = (loader.get_arr().asnumpy() for loader in (x, y, z))
        assert rows[:, 0].tolist() == (2 * label).tolist() == (2 * (shifted - 1)).tolist()
        if step % 13 == 12:  # where an epoch of 13 batches ends
            random.set_random_seed(step)


def test_loaders_of_other_names_go_in_other_orders():
    random.set_random_seed(0)
    assert BatchIndices(50, True, "train").order(0) != BatchIndices(50, True, "validate").order(0)


# parts


def test_data_parallel_shards(placement):
    loaders = [dl.Dataloader(ROWS, 2) for _ in range(3)]
    for rank, loader in enumerate(loaders):
        loader.set_dp_rank(rank, 3)
        loader.set_dp_rank(rank, 3)
        assert (loader.samples_num, loader.batch_num, loader.dp_rank, loader.dp_nrank) == (3, 1, rank, 3)
        equal(take(loader, 2), [ROWS[3 * rank : 3 * rank + 2]] * 2)
    with pytest.raises(ValueError, match="number 0 of 3 already"):
        loaders[0].set_dp_rank(1, 3)
    loader = dl.Dataloader(ROWS, 2)
    loader.init_states(1, 2)
    equal(take(loader, 1), [ROWS[5:7]])
    with pytest.raises(ValueError, match="no batch"):
        dl.Dataloader(ROWS, 4).set_dp_rank(0, 3)


def test_model_parallel_parts(placement):
    raw = np.arange(96.0).reshape(8, 3, 4)
    loader = dl.Dataloader(raw, 4)
    loader.set_mp_parts({0: 1, 2: 0}, {0: 2, 1: 1, 2: 2})
    loader.set_mp_parts({0: 1, 2: 0}, {0: 2, 1: 1, 2: 2})
    assert loader.shape == (2, 3, 2) and loader.batch_num == 2
    equal(take(loader, 2), [raw[2:4, :, :2], raw[6:8, :, :2]])
    with pytest.raises(ValueError, match="split already"):
        loader.set_mp_parts({0: 0}, {0: 2})
    with pytest.raises(ValueError, match="no part 0 of 2 along axis 1"):
        dl.Dataloader(raw, 4).set_mp_parts({1: 0}, {1: 2})


# where the data lies


def test_resident_data_is_one_array_and_pulls_do_not_copy():
    loader = dl.Dataloader(ROWS, 3)
    rows, (data, start) = loader.pull(True)
    assert rows == 3 and start == 0 and data.shape == (10, 2)
    _, (again, start) = loader.pull(True)
    assert again is data and start == 3 and start.dtype == np.int32


def wide(rows, width=2048):
    return np.arange(rows * width, dtype=np.float32).reshape(rows, width)


def memory(array):
    return [shard.data.unsafe_buffer_pointer() for shard in array.addressable_shards]


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="only CPUs share memory")
def test_large_batches_are_arrays_that_share_the_memory_of_all():
    loader = dl.Dataloader(wide(10), 4, drop_last=False, shuffle=True)
    _, (whole, _) = loader.pull(False, whole=True)
    epochs = [[loader.pull(True)[1] for _ in range(3)] for _ in range(2)]
    starts = {memory(batch)[0] - memory(whole)[0]: batch for (batch,) in epochs[0]}
    assert {start: len(batch) for start, batch in starts.items()} == {0: 4, 4 * 2048 * 4: 4, 8 * 2048 * 4: 2}
    assert {id(batch) for (batch,) in epochs[0]} == {id(batch) for (batch,) in epochs[1]}
    np.testing.assert_array_equal(starts[0], wide(10)[:4])


@pytest.mark.parametrize("width, rows", [(2047, 3), (8, 16)])
def test_batches_at_odd_places_and_small_ones_are_sliced_by_the_step(width, rows):
    loader = dl.Dataloader(wide(64, width), rows)
    assert [loader.pull(True)[0] for _ in range(3)] == [rows] * 3


def test_sharing_can_be_switched_off(monkeypatch):
    monkeypatch.setenv(dl.SWITCH, "0")
    assert dl.Dataloader(wide(10), 4).pull(True)[0] == 4


@pytest.mark.skipif(len(jax.local_devices(backend="cpu")) < 2, reason="needs two CPU devices")
def test_batches_on_a_mesh_share_the_memory_of_all():
    loader = dl.Dataloader(wide(9, 32), 4)
    loader.place(jax.sharding.Mesh(jax.local_devices(backend="cpu")[:2], "batch"))
    batches = [loader.pull(True)[1][0] for _ in range(3)]
    first = memory(batches[0])[0]
    assert [[place - first for place in memory(batch)] for batch in batches] == [[0, 256], [512, 768], [0, 256]]
    assert batches[2] is batches[0] and not batches[0].is_fully_replicated and not loader.resident()
    np.testing.assert_array_equal(batches[1], wide(9, 32)[4:8])


def test_the_host_keeps_no_copy_of_what_a_cpu_has():
    loader = dl.Dataloader(wide(4), 2)
    whole = loader.pull(False, whole=True)[1][0]
    shared = loader.raw_data[0:4].ctypes.data == memory(whole)[0]
    assert shared == (jax.default_backend() == "cpu")


def test_steps_in_one_dispatch_pick_from_all_of_the_data():
    def losses(several):
        node = ht.dataloader_op([ht.Dataloader(wide(12) / 1e4, 4)])
        loss = ht.reduce_mean_op(node * ht.Variable("w", value=np.full(2048, 0.5)), [0, 1])
        executor = ht.Executor([loss, ht.optim.SGDOptimizer(0.1).minimize(loss)])
        if several:
            return executor.run(steps=5)[0].asnumpy()
        return np.stack([executor.run()[0].asnumpy() for _ in range(5)])

    np.testing.assert_allclose(losses(True), losses(False), rtol=1e-6)


def test_loaders_of_the_same_data_share_it():
    first = dl.Dataloader(ROWS, 3, "train")
    second = dl.Dataloader(ROWS.copy(), 5, "validate")
    other = dl.Dataloader(ROWS + 1, 3)
    assert first.raw_data is second.raw_data is not other.raw_data
    assert first.pull(True)[1][0] is second.pull(True)[1][0]
    assert dl.Dataloader(ROWS, 3, dtype=np.int32).raw_data is not first.raw_data
    assert dl.Dataloader(-0.0 * ROWS, 3).raw_data is not dl.Dataloader(0.0 * ROWS, 3).raw_data


def test_budget_counts_all_data_sets(monkeypatch):
    gc.collect()
    held = sum(array.nbytes for known in RawData._known for array in known._placed.values())
    monkeypatch.setenv("HETU_JAX_DEVICE_DATA_MB", str((held + 3 * 2**20) / 2**20))
    fill = np.random.default_rng(0).normal(size=(3, 2**19)).astype(np.float32)  # 2 MiB a row
    first, second = dl.Dataloader(fill[0], 8), dl.Dataloader(fill[1], 8)
    assert first.pull(True)[0] == 8 and second.pull(True)[0] is None
    del first
    gc.collect()
    assert dl.Dataloader(fill[2], 8).pull(True)[0] == 8


def test_memmap_is_read_batch_by_batch(tmp_path, monkeypatch):
    monkeypatch.setenv("HETU_JAX_DEVICE_DATA_MB", "0")
    path = tmp_path / "big.bin"
    mapped = np.memmap(path, np.int64, "w+", shape=(1000, 4))
    mapped[:] = np.arange(4000).reshape(1000, 4)
    loader = dl.Dataloader(mapped, 10)
    assert loader.raw_data.lazy
    mapped[500:] = 0  # what was not read yet is not in memory
    assert loader.get_arr().asnumpy().dtype == np.float32
    loader.set_batch_index(50)
    assert not loader.get_arr().asnumpy().any()


def test_the_next_batch_is_fetched_while_this_one_is_used():
    fetched, main = [], threading.get_ident()

    def slow(batch):
        fetched.append(threading.get_ident())
        time.sleep(0.2)
        return batch

    loader = dl.Dataloader(ROWS, 2, batch_func=slow)
    loader.get_arr()
    time.sleep(0.6)
    assert len(fetched) == 2 and main not in fetched
    start = time.perf_counter()
    equal(take(loader, 1), [ROWS[2:4]])
    assert time.perf_counter() - start < 0.15


def test_batch_func_is_never_called_twice_at_once():
    running, most = [], []

    def watch(batch):
        running.append(1)
        most.append(len(running))
        time.sleep(0.002)
        running.pop()
        return batch

    loader = dl.Dataloader(ROWS, 1, batch_func=watch)
    for index in (0, 5, 2, 9, 1, 4):
        loader.set_batch_index(index)
        equal(take(loader, 1), [ROWS[index : index + 1]])
    assert max(most) == 1


def test_a_pull_takes_microseconds():
    loader = dl.Dataloader(BIG, 10, shuffle=True)
    loader.pull(True)
    start = time.perf_counter()
    for _ in range(5000):
        loader.pull(True)
    assert (time.perf_counter() - start) / 5000 < 50e-6


def test_deepcopy_shares_the_data_and_keeps_its_own_position():
    node = dl.dataloader_op([dl.Dataloader(ROWS, 3, ["train", "probe"])])
    node.get_arr("train")
    twin = copy.deepcopy(node)
    assert twin.dataloaders["train"] is twin.dataloaders["probe"] is not node.dataloaders["train"]
    assert twin.dataloaders["train"].raw_data is node.dataloaders["train"].raw_data
    equal([twin.get_arr("train").asnumpy(), node.get_arr("train").asnumpy()], [ROWS[3:6]] * 2)


# RawData


def test_raw_data():
    raw = RawData([ROWS[:3], ROWS[3:]], np.float32)
    assert len(raw) == 10 and raw.shape == (10, 2) and raw.nbytes == 80
    assert raw[4].tolist() == raw[-6].tolist() == [8, 9] and raw[2:5].shape == (3, 2) and len(list(raw)) == 10
    assert raw.reshape(-1, 2, 1).shape == raw.reshape((-1, 2, 1)).shape == (10, 2, 1)
    with pytest.raises(ValueError, match="reshape"):
        raw.reshape(5, 4)
    with pytest.raises(IndexError):
        raw[10]
    with pytest.raises(ValueError, match="steps of 2"):
        raw[::2]
    equal([RawData([ROWS[:3], ROWS[3:]], np.float32, lambda block: block - block[0])[3]], [[0, 0]])


def test_raw_data_across_mapped_files(tmp_path):
    mapped = np.memmap(tmp_path / "a", np.float32, "w+", shape=(10, 2))
    mapped[:] = ROWS
    raw = RawData([mapped[:3], mapped[3:4], mapped[4:]])
    for start in range(10):
        for stop in range(start, 11):
            equal([raw[start:stop]], [ROWS[start:stop]])
    assert raw[2:6].flags.owndata or raw[2:6].base is not mapped
    assert raw.reshape(-1, 1, 2)[9].tolist() == [[18, 19]]


# the node


def test_forms_of_dataloader_op():
    for entry in (
        dl.Dataloader(ROWS, 3, "train"),
        [ROWS, 3, "train"],
        (ROWS, 3, "train", None, False),
        {"raw_data": ROWS, "batch_size": 3, "name": "train"},
    ):
        node = ht.dataloader_op([entry])
        assert node.shape == (3, 2) and node.dtype == np.float32 and node.on_cpu and not node.trainable
    with pytest.raises(TypeError, match="Dataloaders, or lists or dicts of their arguments, not ndarray"):
        dl.dataloader_op([ROWS])


def test_dtype_of_the_node():
    assert dl.dataloader_op([[ROWS, 3, "train"], {"raw_data": ROWS, "batch_size": 3}], np.int32).dtype == np.int32
    assert dl.dataloader_op([dl.Dataloader(ROWS, 3, dtype=np.int32)]).dtype == np.int32
    with pytest.raises(ValueError, match="dtypes float32, int32"):
        dl.dataloader_op([[ROWS, 3, "train"], dl.Dataloader(ROWS, 3, dtype=np.int32)])


def test_names_of_the_node():
    node = dl.dataloader_op([[ROWS, 3, "train"], [ROWS, 2, "validate"]])
    assert node.name == f"DataloaderOp{node.id}(train_validate)"
    assert node.get_batch_num("train") == 3 and node.batch_num("validate") == 5
    with pytest.raises(GraphError, match=r"has no data for 'test', only for 'train', 'validate'"):
        node.get_arr("test")
    with pytest.raises(ValueError, match="names 'train', 'train'"):
        dl.dataloader_op([[ROWS, 3, "train"], [ROWS, 2, "train"]])
    with pytest.raises(ValueError, match="names none"):
        dl.dataloader_op([])


def test_methods_of_the_node():
    node = dl.dataloader_op([[ROWS, 2, "train"], [ROWS, 5, "validate"]])
    node.set_batch_index("train", 2)
    equal([node.get_next_arr("train").asnumpy(), node.get_arr("train").asnumpy()], [ROWS[4:6]] * 2)
    assert node.get_cur_shape("train") == (2, 2) and node.get_cur_shape("validate") == (5, 2)
    node.set_dp_rank(1, 2)
    equal([node.get_arr("train").asnumpy(), node.get_arr("validate").asnumpy()], [ROWS[5:7], ROWS[5:10]])
    node.set_mp_parts({1: 1}, {1: 2})
    assert node.shape == (2, 1)
    equal([node.get_arr("train").asnumpy()], [ROWS[7:9, 1:]])


def test_shape_is_unknown_where_loaders_differ():
    node = dl.dataloader_op([[ROWS, 3, "train"], [ROWS[:, :1], 2, "validate"]])
    assert node.shape is None and node.dtype == np.float32
    assert dl.dataloader_op([[ROWS, 3, "train"], [ROWS, 2, "validate"]]).shape == (3, 2)


# in an Executor


def test_executor_goes_through_the_batches(placement):
    x = dl.dataloader_op([[ROWS, 3, "train"], [ROWS + 100, 4, "validate"]])
    doubled = x * 2.0
    executor = ht.Executor({"train": [doubled], "validate": [doubled, x]})
    assert executor.get_batch_num("train") == 3 and executor.get_batch_num("validate") == 2
    equal([executor.run("train")[0].asnumpy() for _ in range(4)], [2 * ROWS[i : i + 3] for i in (0, 3, 6, 0)])
    assert x.dataloaders["train"].last_batch_size == 3
    equal([value.asnumpy() for value in executor.run("validate")], [2 * ROWS[0:4] + 200, ROWS[0:4] + 100])
    assert x.dataloaders["validate"].last_batch_size == 4
    assert executor.compile_count == 2


def test_executor_repeats_a_batch_without_dataloader_step(placement):
    x = dl.dataloader_op([[ROWS, 3, "default"]])
    executor = ht.Executor([x * 1.0])
    runs = [executor.run(dataloader_step=step)[0].asnumpy() for step in (False, False, True, False, True)]
    equal(runs, [ROWS[0:3], ROWS[0:3], ROWS[0:3], ROWS[3:6], ROWS[3:6]])


def test_executor_compiles_once_more_for_a_short_batch(placement):
    x = dl.dataloader_op([dl.Dataloader(ROWS, 4, drop_last=False)])
    executor = ht.Executor([ht.reduce_sum_op(x, [0])])
    sums = [executor.run()[0].asnumpy() for _ in range(9)]
    equal(sums, [ROWS[i : i + 4].sum(0) for i in (0, 4, 8)] * 3)
    assert executor.compile_count == 2


def test_executor_keeps_samples_and_labels_together(placement):
    x = dl.dataloader_op([dl.Dataloader(BIG, 16, "train", shuffle=True)])
    y = dl.dataloader_op([dl.Dataloader(np.arange(200), 16, "train", None, None, True, dtype=np.int32)])
    executor = ht.Executor({"train": [x, y]}, seed=5)
    for _ in range(30):
        rows, labels = executor.run("train", convert_to_numpy_ret_vals=True)
        assert rows[:, 0].tolist() == (2 * labels).tolist()


def test_executor_sets_the_batch_index(placement):
    x = dl.dataloader_op([[ROWS, 3, "default"]])
    executor = ht.Executor([x * 1.0])
    executor.set_dataloader_batch_index("default", 2)
    equal([executor.run()[0].asnumpy()], [ROWS[6:9]])


def test_executor_on_loaders_that_disagree():
    x, y = dl.dataloader_op([[ROWS, 3, "train"]]), dl.dataloader_op([[ROWS, 2, "train"]])
    executor = ht.Executor({"train": [x, y]})
    with pytest.raises(GraphError, match="disagree on the number of batches"):
        executor.get_batch_num("train")


def test_training_lowers_the_loss(placement):
    rng = np.random.default_rng(0)
    samples = rng.normal(size=(64, 3)).astype(np.float32)
    x = dl.dataloader_op([dl.Dataloader(samples, 16, "train", shuffle=True)])
    y = dl.dataloader_op([dl.Dataloader(samples @ [[1.0], [2.0], [3.0]], 16, "train", shuffle=True)])
    w = ht.init.zeros((3, 1), name="w")
    error = ht.matmul_op(x, w) - y
    loss = ht.reduce_mean_op(error * error, [0, 1])
    executor = ht.Executor({"train": [loss, ht.optim.SGDOptimizer(0.1).minimize(loss)]}, seed=0)
    losses = [executor.run("train")[0].asnumpy().item() for _ in range(60)]
    assert losses[-1] < 1e-3 < losses[0]
    np.testing.assert_allclose(w.tensor_value.asnumpy(), [[1], [2], [3]], atol=0.02)


# graphs


class Graph:
    def __init__(self, features):
        self.features = features


@pytest.fixture
def no_graphs():
    yield
    dl.GNNDataLoaderOp.graph = dl.GNNDataLoaderOp.nxt_graph = None


def test_gnn(no_graphs):
    node = dl.GNNDataLoaderOp(lambda graph: ht.array(graph.features, ctx=ht.cpu()), ctx=ht.cpu())
    ids = dl.GNNDataLoaderOp(lambda graph: np.arange(len(graph.features)))
    executor = ht.Executor([node * 1.0, ids])
    dl.GNNDataLoaderOp.step(Graph(ROWS[:2]))
    with pytest.raises(GraphError, match=r"call GNNDataLoaderOp.step\(graph\) twice"):
        executor.run()
    dl.GNNDataLoaderOp.step(Graph(ROWS[:3]))
    features, numbers = executor.run(convert_to_numpy_ret_vals=True)
    equal([features, numbers], [ROWS[:2], [0, 1]])
    assert numbers.dtype == np.int32 and features.dtype == np.float32
    equal([node.get_arr("default").asnumpy(), node.get_next_arr("default").asnumpy()], [ROWS[:2], ROWS[:3]])
    dl.GNNDataLoaderOp.step(Graph(ROWS[:4]))
    equal([executor.run()[0].asnumpy()], [ROWS[:3]])
    assert executor.batch_num is None and node.get_batch_num("default") is None and node.shape is None
    assert node.name == "GNNDataloaderOp"


# what is refused moves no loader


def aligned(labels_func=None):
    """An Executor over samples, a placeholder and labels, in this order."""
    rows = np.arange(6.0, dtype=np.float32).reshape(6, 1)
    x = dl.dataloader_op([dl.Dataloader(rows, 2, "train")])
    y_ = dl.dataloader_op([dl.Dataloader(rows, 2, "train", batch_func=labels_func)])
    p = ht.Variable("p")
    return ht.Executor({"train": [x * 1.0, p * 1.0, y_ * 1.0]}), p


@pytest.mark.parametrize("feeds", [lambda p: {}, lambda p: {p: "abc"}, lambda p: {p: 0.0, ht.Variable("q"): 1.0}])
def test_a_refused_feed_moves_no_loader(feeds, placement):
    executor, p = aligned()
    with pytest.raises((FeedError, TypeError)):
        executor.run("train", feed_dict=feeds(p))
    for first in (0, 2, 4, 0):
        samples, _, labels = executor.run("train", feed_dict={p: 0.0}, convert_to_numpy_ret_vals=True)
        assert samples.tolist() == labels.tolist() == [[first], [first + 1]]


@pytest.mark.parametrize("failing", [1, 3])
def test_a_batch_func_that_raises_moves_no_loader(failing, placement):
    calls = []

    def flaky(batch):
        calls.append(batch)
        if len(calls) == failing:
            raise OSError("the disk is away")
        return batch

    executor, p = aligned(flaky)
    seen = []
    while len(seen) < 4:
        try:
            samples, _, labels = executor.run("train", feed_dict={p: 0.0}, convert_to_numpy_ret_vals=True)
        except OSError:
            continue
        assert samples.tolist() == labels.tolist()
        seen.append(samples[0, 0])
    assert seen == [0, 2, 4, 0]


def test_names_may_be_numbers():
    x = dl.dataloader_op([dl.Dataloader(ROWS, 2, 0), dl.Dataloader(ROWS, 5, [1])])
    executor = ht.Executor({0: [x], 1: [x]})
    assert executor.run(0)[0].shape == (2, 2) and executor.run(1)[0].shape == (5, 2)
    assert executor.get_batch_num(1) == 2 and executor.summary(0).group == "0"
    assert ht.Executor([x], dataloader_name=1).run()[0].shape == (5, 2)
