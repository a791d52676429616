"""Communicators, parameter server, cache and what else belongs to several processes, in one."""

import ctypes

import numpy as np
import pytest

import hetu_jax as ht
from hetu_jax import communicator, ndarray
from hetu_jax._base import _LIB, DNNL_LIB, c_array, check_call
from hetu_jax.communicator import mpi_comm, mpi_nccl_comm, nccl_comm
from hetu_jax.communicator.mpi_nccl_comm import ncclDataType_t, ncclRedOp_t
from hetu_jax.cstable import CacheSparseTable
from hetu_jax.errors import GraphError
from hetu_jax.preduce import PartialReduce
from hetu_jax.stream import CSEvent, PSEvent, create_event_handle, create_stream_handle


@pytest.fixture(autouse=True)
def fresh_server():
    communicator.worker_init()
    yield
    communicator.worker_finish()


def table(node_id=0, kind=1, length=6, width=3, init=0, a=0.0, b=1.0):
    server = communicator.get_worker_communicate()
    server.InitTensor(
        ctypes.c_int(node_id), ctypes.c_int(kind), ctypes.c_int(length), ctypes.c_int(width), ctypes.c_int(init),
        ctypes.c_double(a), ctypes.c_double(b), ctypes.c_ulonglong(123), ctypes.c_int(0), (ctypes.c_float * 1)(0.1),
        ctypes.c_int(1),
    )  # fmt: skip
    return server


def test_the_world_has_one_member():
    comm = communicator.wrapped_mpi_nccl_init()
    assert (comm.rank, comm.nrank, comm.local_rank, comm.dev_id) == (0, 1, 0, 0)
    assert (comm.localRank.value, comm.nRanks.value, comm.device_id.value) == (0, 1, 0)
    assert comm is communicator.wrapped_mpi_nccl_init() is communicator.get_nccl_communicate()
    assert communicator.wrapped_mpi_nccl_init(devices=[3]).dev_id == 3
    assert communicator.new_group_comm(ht.gpu(0)).nrank == communicator.new_group_comm((0,)).nrank == 1
    assert comm.getRankFromDevice("localhost", 0) == comm.getRankFromDevice(ht.gpu(0)) == 0
    mpi = communicator.wrapped_mpi_nccl_init(init_nccl=False)
    assert mpi.ncclGroupInit(ht.DeviceGroup(ht.gpu(0))).nrank == 1
    with pytest.raises(GraphError, match="a group of 2 members needs as many programs"):
        communicator.new_group_comm([ht.gpu(0), ht.gpu(1)])
    with pytest.raises(GraphError, match="this program is the only one"):
        comm.getRankFromDevice("elsewhere", 0)


def test_collectives_of_one_member_copy():
    comm, x = communicator.get_nccl_communicate(), ht.array([[1.0, 2.0]])
    args = (ncclDataType_t.ncclFloat32, ncclRedOp_t.ncclSum)
    calls = {
        "dlarrayNcclAllReduce": args, "dlarrayNcclReduce": (0,), "dlarrayBroadcast": (args[0], 0),
        "dlarrayAllGather": args[:1], "dlarrayReduceScatter": args, "dlarrayAllToAll": args[:1],
        "dlarrayHAllToAll": (args[0], 1, 1), "dlarrayHA2AGather": (args[0], 0, 1),
        "dlarrayHA2AScatter": (args[0], 0, 1),
    }  # fmt: skip
    for name, rest in calls.items():
        out = ht.empty((1, 2))
        getattr(comm, name)(x, out, *rest)
        np.testing.assert_array_equal(out.asnumpy(), [[1, 2]], err_msg=name)
    out = ht.empty((1, 2))
    comm.dlarraySend(x, args[0], 0, comm.stream)
    comm.dlarrayRecv(out, args[0], 0, comm.stream)
    np.testing.assert_array_equal(out.asnumpy(), [[1, 2]])
    comm.stream.sync()
    for refused in (
        lambda: comm.dlarrayRecv(out, args[0], 0),
        lambda: comm.dlarraySend(x, args[0], 1),
        lambda: comm.dlarrayNcclReduce(x, out, 2),
        lambda: comm.dlarrayHA2AGather(x, out, args[0], 0, 8),
    ):
        with pytest.raises(GraphError):
            refused()


def test_other_communicators():
    x = ht.array([1.0, 2.0])
    mpi = mpi_comm.mpi_communicator()
    mpi.allReduce(x)
    mpi.DLArrayAllReduce(x, mpi_comm.MPIDataType_t.MPI_FLOAT, mpi_comm.MPIOp_t.MPI_SUM)
    assert (mpi.rank(), mpi.size(), x.asnumpy().tolist()) == (0, 1, [1, 2])
    both = nccl_comm.nccl_communicator([0, 1], 2)
    outs = [ht.empty((2,)), ht.empty((2,))]
    both.All_Reduce_Ndarray([x, ht.array([10.0, 20.0])], outs)
    assert [out.asnumpy().tolist() for out in outs] == [[11, 22], [11, 22]]
    both.all_reduce([x, x], outs, 1)
    assert outs[0].asnumpy().tolist() == [2, 22]
    with pytest.raises(GraphError, match="pass one for each"):
        both.All_Reduce_Ndarray([x], outs)
    assert (ncclDataType_t.ncclFloat32, ncclDataType_t.ncclInt32, ncclRedOp_t.ncclAvg) == (7, 2, 4)
    mpi_nccl_comm.GroupStart()
    mpi_nccl_comm.GroupEnd()


def test_pushes_are_added_and_pulls_see_them():
    server, out = table(kind=0, length=6, width=1), ht.empty((2, 3))
    server.Push(0, ht.array(np.ones((2, 3))).handle, None)
    server.DDPushPull(0, ht.array(np.full((2, 3), 2.0)), out.handle, None)
    server.Wait(ctypes.c_int(0))
    assert out.asnumpy().tolist() == [[3, 3, 3], [3, 3, 3]]
    server.ClearOnServer(0)
    with pytest.raises(GraphError, match="has no tensor 0: call InitTensor first"):
        server.Pull(0, out)


def test_sparse_pushes_add_up_repeated_rows():
    server, ids = table(), ht.array([[1.0, 1.0], [4.0, 9.0]])
    server.SparsePush(0, ids.handle, ht.array(np.ones((2, 2, 3))).handle, None)
    whole, rows = np.zeros((6, 3), np.float32), ht.empty((2, 2, 3))
    server.SDPushPull(0, np.array([4]), np.ones((1, 3)), whole, None)
    assert whole[:, 0].tolist() == [0, 2, 0, 0, 2, 0]
    server.SSPushPull(0, np.array([0]), np.ones((1, 3)), ids, rows, None)
    assert rows.asnumpy()[..., 0].tolist() == [[2, 2], [2, 0]]
    server.SparsePull(0, ht.array([[0.0, 1.0], [2.0, 3.0]]), rows)
    assert rows.asnumpy()[..., 0].tolist() == [[1, 2], [0, 0]]


@pytest.mark.parametrize(("init", "a", "b"), [(0, 4.0, 0.0), (1, -1.0, 1.0), (2, 3.0, 0.1), (3, 3.0, 0.1)])
def test_first_values(init, a, b):
    values = table(init=init, a=a, b=b, length=500).tensor(0).values
    middle = {0: a, 1: 0}.get(init, a)
    assert abs(values.mean() - middle) < 0.05
    again = values.copy()
    table(init=0, a=9.0)  # the first caller wins
    np.testing.assert_array_equal(communicator.get_worker_communicate().tensor(0).values, again)


def test_saving_loading_and_counting(tmp_path):
    server = table()
    server.startRecord(bytes(tmp_path))
    server.Push(0, np.arange(18.0), None)
    server.SaveParam(0, str(tmp_path))
    server.Push(0, np.arange(18.0), None)
    server.LoadParam(ctypes.c_int(0), str(tmp_path))
    out = np.zeros((6, 3), np.float32)
    server.Pull(0, out)
    assert out.reshape(-1).tolist() == list(range(18))
    assert server.getLoads() == {"0 pull": 18, "0 push": 36}
    table(1, length=2)
    (tmp_path / "1_0.dat").write_bytes((tmp_path / "0_0.dat").read_bytes())
    with pytest.raises(GraphError, match="has 18 numbers"):
        server.LoadParam(1, str(tmp_path))


def test_vectors_by_number():
    server = communicator.get_worker_communicate()
    numbers, lengths = c_array(ctypes.c_long, [3, 5]), c_array(ctypes.c_long, [2, 3])
    server.WaitData(server.PushData(numbers, 2, ht.array(np.arange(5.0)), lengths))
    out = ht.empty((3,))
    server.WaitData(server.PullData([5], 1, out, [3]))
    assert out.asnumpy().tolist() == [2, 3, 4]
    with pytest.raises(GraphError, match="vector 7 of length 1 is asked for, but the parameter server has none"):
        server.PullData([7], 1, out, [1])


def test_groups_of_workers():
    server = communicator.get_worker_communicate()
    server.ssp_init(0, 1, 0)
    server.ssp_sync(0, 3)
    server.BarrierWorker()
    assert (server.rank(), server.nrank()) == (0, 1)
    with pytest.raises(GraphError, match="would wait for ever"):
        server.ssp_init(0, 2, 0)
    reduce, x = PartialReduce(), ht.array([1.0, 2.0])
    assert reduce.get_partner() == (0,)
    reduce.preduce(x, reduce.get_partner())
    assert x.asnumpy().tolist() == [1, 2]
    with pytest.raises(GraphError):
        reduce.preduce(x, (0, 1))
    for call in ("server_init", "server_finish", "scheduler_init", "scheduler_finish"):
        getattr(communicator, call)()


@pytest.mark.parametrize("policy", ["LRU", "LFU", "LFUOpt"])
def test_a_cache_returns_what_the_server_has(policy):
    server = table(kind=2, length=50, init=2)
    cache = CacheSparseTable(8, 50, 3, 0, policy, bound=2)
    rng, mirror = np.random.default_rng(0), server.tensor(0).values.copy()
    for _ in range(40):
        keys = rng.integers(0, 50, 6).astype(np.uint64)
        out, grads = np.empty((6, 3), np.float32), rng.standard_normal((6, 3)).astype(np.float32)
        cache.embedding_lookup(keys, out).wait()
        np.testing.assert_allclose(out, mirror[keys.astype(int)], rtol=1e-4, atol=1e-4)
        cache.embedding_update(keys, grads, sync=True)
        np.add.at(mirror, keys.astype(int), grads)
        assert policy == "LFUOpt" or len(cache.keys()) <= 8
    cache.bypass()
    np.testing.assert_allclose(server.tensor(0).values, mirror, rtol=1e-4, atol=1e-4)


def test_what_a_cache_gives_up():
    table(kind=2)

    def rest(policy):
        cache, out = CacheSparseTable(2, 6, 3, 0, policy), np.empty((1, 3), np.float32)
        for key in [0] * 12 + [1] * 11 + [2, 2]:
            cache.embedding_lookup(np.array([key], np.uint64), out, sync=True)
        return cache.keys().tolist()

    assert rest("LRU") == [1, 2]
    assert rest("lfu") == [0, 1]
    assert rest("LFUOpt") == [0, 1]


def test_staleness_is_bounded():
    server = table(kind=2)
    cache, out = CacheSparseTable(4, 6, 3, 0, bound=1), np.empty((1, 3), np.float32)
    key = np.array([2], np.uint64)
    cache.embedding_lookup(key, out, sync=True)
    server.SparsePush(0, [2], np.ones((1, 3)))
    cache.embedding_lookup(key, out, sync=True)
    assert out[0, 0] == 0  # one update behind is allowed
    cache.embedding_update(key, np.full((1, 3), 10, np.float32), sync=True)
    assert cache.lookup(2)[0] == 10 and server.tensor(0).values[2, 0] == 1  # held back
    server.SparsePush(0, [2], np.ones((1, 3)))
    cache.embedding_lookup(key, out, sync=True)
    assert out[0, 0] == 12  # fetched anew, own update added again
    cache.embedding_update(key, np.full((1, 3), 10, np.float32), sync=True)
    assert server.tensor(0).values[2, 0] == 22  # two updates are more than the bound


def test_a_cache_on_ndarrays_counts():
    table(kind=2)
    cache = CacheSparseTable(3, 6, 3, 0)
    cache.perf_enabled()
    assert cache.overall_miss_rate() == -1
    keys, out = ht.array([[0.0, 1.0], [1.0, 2.0]], ht.cpu(0)), ht.empty((2, 2, 3), ht.cpu(0))
    cache.embedding_push_pull(keys, out, keys, ht.array(np.ones((2, 2, 3)), ht.cpu(0)))
    cache.embedding_lookup(keys, out)
    assert out.asnumpy()[..., 0].tolist() == [[1, 2], [2, 1]]
    assert [row["type"] for row in cache.perf] == ["Push", "Pull", "Pull"]
    assert [row["num_miss"] for row in cache.perf] == [3, 3, 0]
    assert cache.overall_miss_rate() == 0.5
    assert cache.overall_data_rate(include_cold_start=True) == 6 / 12
    assert (cache.count(1), cache.count(5), cache.width, cache.limit) == (1, 0, 3, 3)
    cache.insert(5, np.ones(3))
    assert cache.keys().tolist() == cache.debug_keys().tolist() == [1, 2, 5] and cache.lookup(0) is None
    cache.bypass()
    cache.undobypass()
    assert len(cache.keys()) == 0
    with pytest.raises(TypeError, match="must both be NumPy arrays or both NDArrays"):
        cache.embedding_lookup(np.array([1], np.uint64), out)
    with pytest.raises(GraphError, match="key 9 is outside the table of 6 rows"):
        cache.embedding_lookup(np.array([9], np.uint64), np.empty((1, 3), np.float32))
    with pytest.raises(ValueError, match="policy is 'LRU', 'LFU' or 'LFUOpt', not 'FIFO'"):
        CacheSparseTable(3, 6, 3, 0, "FIFO")
    table(1)
    with pytest.raises(GraphError, match="needs that shape and kind 2"):
        CacheSparseTable(3, 6, 3, 1)


def test_events_and_streams():
    device = ht.gpu(0)
    stream, first, second = create_stream_handle(device), create_event_handle(device), create_event_handle(device)
    with pytest.raises(ValueError, match="recorded"):
        second.time_since(first)
    first.record(stream)
    second.record(stream)
    second.sync()
    assert second.time_since(first) >= 0
    assert stream.handle.device_type == 2
    with pytest.raises(ValueError, match=r"not to cpu\(0\)"):
        create_stream_handle(ht.cpu(0))
    event = PSEvent(table(), 0)
    event.update()
    event.sync()
    assert not event.need_wait
    table(2, kind=2)
    event = CSEvent(communicator.get_worker_communicate(), 2)
    event.update_ts(
        CacheSparseTable(3, 6, 3, 2).embedding_lookup(np.array([1], np.uint64), np.empty((1, 3), np.float32))
    )
    event.sync()
    assert not event.need_wait


def test_what_stands_for_the_c_library():
    assert DNNL_LIB["relu"] and DNNL_LIB["DnnlRelu"]
    check_call(0)
    with pytest.raises(ValueError, match="returned -1"):
        check_call(-1)
    with pytest.raises(AttributeError, match="use hetu_jax.gpu_links"):
        _LIB.DLGpuRelu  # noqa: B018
    assert list(c_array(ctypes.c_int, [1, 2])) == [1, 2]


def test_memory_of_numpy_arrays():
    x = np.zeros((2, 2), np.float32)
    handle = ndarray.numpyasdlarrayhandle(x)
    handle[:] = np.ones((2, 2))
    assert x.sum() == 4 and handle.asnumpy().sum() == 4
    with pytest.raises(TypeError, match="takes a NumPy array, not list"):
        ndarray.numpyasdlarrayhandle([1.0])
