"""Profilers of ops and collectives."""

import numpy as np
import pytest

import hetu_jax as ht
from hetu_jax.profiler import NCCLOP, HetuProfiler, HetuSimulator, NCCLProfiler


@pytest.fixture
def graph():
    x, t = ht.placeholder_op("x"), ht.placeholder_op("t")
    w = ht.Variable("w", value=np.ones((6, 3), np.float32))
    y = ht.matmul_op(x, w)
    loss = ht.reduce_mean_op(ht.softmaxcrossentropy_op(ht.dropout_op(y, 0.5), t), [0])
    return {x: (4, 6), t: (4, 3)}, y, loss, ht.optim.AdamOptimizer(0.1).minimize(loss)


def test_every_op_of_a_training_graph(graph, tmp_path):
    feeds, y, loss, train = graph
    executor = ht.Executor([loss, train])
    nodes = executor.subexecutor["default"].topo_order
    profiler = HetuProfiler(nodes, feeds, executor.config.placeholder_to_arr_map, ctx=ht.cpu(0))
    assert set(profiler.computing_nodes) == set(executor.subexecutor["default"].computing_nodes)
    times = profiler.profile_all(num_iterations=2)
    assert set(times) == {*profiler.computing_nodes, "all"}
    assert all(spent > 0 for spent in times.values())
    assert times["all"] == pytest.approx(sum(times.values()) - times["all"])
    assert profiler.profile(num_iterations=2, profiler="cpu") > 0
    profiler.renew_nodes([y], feeds)
    profiler.profile_n_log(tmp_path / "times.txt")
    first, total = (tmp_path / "times.txt").read_text().splitlines()
    assert first.split()[0] == y.name and first.endswith(" ms") and total.startswith("all ")


def test_what_a_profiler_needs_to_know(graph):
    feeds, y, loss, train = graph
    with pytest.raises(ValueError, match="'t' at .* has no shape: say it in feed_shapes"):
        HetuProfiler([loss], {next(iter(feeds)): (4, 6)})
    with pytest.raises(ValueError, match="profiler is 'cpu'"):
        HetuProfiler([y], feeds).profile(profiler="tpu")


@pytest.mark.parametrize("primitive", NCCLOP)
def test_collectives(primitive):
    profiler = NCCLProfiler()
    assert profiler.mpi_comm.rank == 0
    assert 0 < profiler.profile_allreduce(1001, [0, 2], num_iterations=2, primitive=primitive) < 1000
    assert 0 < profiler.profile_sendrecv(1001, [0, 1], num_iterations=2) < 1000


def test_simulator_measures_once(graph, tmp_path):
    feeds, y, loss, train = graph
    path = tmp_path / "times.json"
    path.write_text("no json")
    simulator = HetuSimulator(feeds, ht.cpu(0), None, 2, cache_path=str(path))
    times = simulator.node_times([y, loss])
    assert times[y] > 0 and simulator.simulate_time([y, loss]) == pytest.approx(sum(times.values()))
    assert simulator.collective_time(100) == simulator.collective_time(100, [0, 1])
    again = HetuSimulator(feeds, ht.cpu(0), cache_path=str(path))
    assert again.cached_exetime == simulator.cached_exetime
    assert again.node_times([y])[y] == times[y]
