"""Configurations, layouts, strategies, launcher, loggers and the planner of memory."""

import argparse
import json
import logging
import os
import sys
from pathlib import Path

import numpy as np
import pytest

import hetu_jax as ht
from hetu_jax import distributed_strategies as dist
from hetu_jax import launcher
from hetu_jax.cluster import DistConfig, NodeStatus
from hetu_jax.errors import GraphError
from hetu_jax.logger import HetuLogger, WandbLogger
from hetu_jax.memory_pool import HetuMemoryPool

TWO_HOSTS = """
nodes:
- host: localhost
  servers: 1
  workers: 2
  chief: true
- host: other
  workers: 4
"""


def test_this_machine_alone():
    config = DistConfig()
    assert (config.num_workers, config.num_servers, config.enable_PS, config.chief) == (1, 0, False, "localhost")
    assert config.workers == {"localhost": 1} and config.servers == {} and config.hosts == ["localhost"]
    assert str(config) == "nodes:\n- host: localhost\n  servers: 0\n  workers: 1\n  chief: true\n"
    with pytest.raises(GraphError, match="at least one worker"):
        DistConfig(num_local_workers=0)


def test_configuration_of_a_file(tmp_path):
    pytest.importorskip("yaml")
    path = tmp_path / "cluster.yml"
    path.write_text(TWO_HOSTS)
    config = DistConfig(str(path))
    assert (config.num_workers, config.num_servers, config.enable_PS) == (6, 1, True)
    assert [node["host"] for node in config] == config.hosts == ["localhost", "other"]
    settings = config.make_ps_config()
    assert settings["DMLC_NUM_WORKER"] == 6 and 13100 <= settings["DMLC_PS_ROOT_PORT"] < 13200
    config.save(str(path))
    assert DistConfig(str(path)).settings == config.settings


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nodes: []", "must have a list `nodes`"),
        ("nodes: [{host: a}]", "has 0 nodes with `chief: true`"),
        ("nodes: [{host: a, chief: true}, {host: b, chief: true}]", "has 2 nodes with"),
        ("nodes: [{host: a, gpus: 3, chief: true}]", "a node has the keys host, servers, workers, chief, not"),
        ("42", "must have a list"),
    ],
)
def test_configurations_that_say_too_little_or_too_much(tmp_path, text, message):
    pytest.importorskip("yaml")
    (tmp_path / "cluster.yml").write_text(text)
    with pytest.raises(GraphError, match=message):
        DistConfig(str(tmp_path / "cluster.yml"))


def split(dev_num, state, partial=None, order=None):
    status = NodeStatus(dev_num, partial_or_node=partial is not None)
    status.set_partial(partial)
    status.set_state(state)
    status.set_order(status.get_default_order() if order is None else order)
    return status


def test_parts_of_a_tensor():
    status = NodeStatus(8, (2, 1, 2))
    assert status.get() == ({0: 2, 2: 2}, 2, 1)
    assert status.valid_state() and not status.valid_all() and status.is_dist()
    status.set_order((0, -1, 2))
    assert status.get_all() == ({0: 2, 2: 2}, 2, 1, (0, -1, 2)) and status.valid_all()
    assert status.get_loop_sizes() == [4, 2, 1]
    assert status.map_dev_to_index(5) == {0: 1, 2: 1}
    assert status.map_dev_to_index(5, containing_duplicate=True) == {0: 1, -1: 0, 2: 1}
    assert status.get_devices_by_dim(-1, 5) == [5, 7]
    assert status.get_devices_by_dim(0, 5, list("abcdefgh")) == ["b", "f"]
    assert (status.get_dim(0), status.get_dim(1), status.get_dim(-1)) == (2, 1, 2)
    for refused in (
        lambda: NodeStatus(8, {0: 3}),
        lambda: status.set_order((0, 1)),
        lambda: status.set_partial(2),
        lambda: status.check_state(2, False),
        lambda: status.set_one(),
    ):
        with pytest.raises(GraphError):
            refused()
    status.check_state(3, True)


def test_what_collectives_lead_to():
    partial = split(4, {0: 2}, partial=2)
    assert partial.get_all() == ({0: 2}, 1, 2, (-2, 0))
    summed = partial.remove_partial()
    assert summed.get_all() == ({0: 2}, 2, 1, (-1, 0))
    assert partial.check_allreduce(summed) and not summed.check_allreduce(summed)
    assert partial.check_reducescatter(split(4, {0: 4}))
    gathered = split(4, {1: 2}, order=(-1, 1))
    assert split(4, {0: 2, 1: 2}).check_allgather(gathered) and not gathered.check_allgather(gathered)
    one = NodeStatus(2, {0: 2})
    one.set_order((0,))
    assert one.check_broadcast(split(4, {0: 2}, order=(0, -1)))
    reduced = NodeStatus(2, {0: 2})
    reduced.set_order((0,))
    assert partial.check_reduce(reduced)


def test_layouts_changed_and_compared():
    status = split(8, {0: 2, 1: 4})
    assert status.combine_state((0, 1)) == ({1: 8}, 1, 1)
    assert status.combine_order((0, 1)) == (1,)
    assert split(8, {0: 2, 1: 2}, order=(0, -1, 1)).combine_order((0, 1)) is None
    assert status.exchange_state((0, 1)) == ({0: 4, 1: 2}, 1, 1)
    assert status.exchange_order((0, 1)) == (1, 0)
    assert status.reduce_state(1) == ({0: 2}, 1, 1) and status.reduce_order(1) == (0,)
    twin = NodeStatus(8)
    twin.copy_from(status)
    assert twin.value_equal(status) and twin.effect_equal(status) and twin.content_hash() == status.content_hash()
    other = split(8, {0: 2, 1: 4}, order=(1, 0))
    assert not other.effect_equal(status) and "order=(1, 0)" in repr(other)
    product = ht.matmul_op(ht.Variable("a", value=np.eye(2)), ht.Variable("b", value=np.eye(2)))
    assert NodeStatus(2, partial_or_node=product).enable_partial
    assert not NodeStatus(2, partial_or_node=ht.relu_op(product)).enable_partial
    alone = NodeStatus(1)
    alone.set_one()
    assert alone.valid_all() and not alone.is_dist()


@pytest.fixture
def graph():
    x, w = ht.placeholder_op("x"), ht.Variable("w", value=np.ones((3, 2)))
    return x, ht.relu_op(ht.matmul_op(x, w))


def test_strategies_on_one_device(graph, tmp_path):
    x, y = graph
    feeds = {x: (4, 3)}
    made = [
        dist.DataParallel(), dist.DataParallel("AllReduce"), dist.ModelParallel4CNN(), dist.ModelParallel4LM(),
        dist.OneWeirdTrick4CNN(feeds), dist.MegatronLM(2), dist.BaseSearchingStrategy(feeds),
        dist.FlexFlowSearching(feeds, round_budget=3), dist.OptCNNSearching(feeds, include_duplicate=False),
        dist.GPipeSearching(feeds), dist.PipeDreamSearching(feeds, 2), dist.PipeOptSearching(feeds),
    ]  # fmt: skip
    assert [str(s.set_raw_ctxs_n_states([y])) for s in made] == ["DeviceGroup(gpu(0))"] * 12
    assert made[-2].batch_num == 2 and made[-1].batch_size == 4 and made[-1].num_parts == 1
    assert made[0].set_raw_ctxs([y]) == made[1].set_raw_ctxs([y])
    with pytest.raises(ValueError, match="not 'nccl'"):
        dist.DataParallel("nccl")
    plan = str(tmp_path / "plan.json")
    dist.MegatronLM(save_path=plan).set_raw_ctxs_n_states([y])
    assert [row["name"] for row in json.loads(Path(plan).read_text())] == [y.inputs[0].name]
    dist.OptCNNSearching(feeds, load_path=plan).set_raw_ctxs_n_states([y])
    with pytest.raises(GraphError, match="has no plan of the 0 nodes"):
        dist.OptCNNSearching(feeds, load_path=plan).set_raw_ctxs_n_states([x])
    several = made[2]
    several.settings = DistConfig(num_local_workers=2)
    with pytest.raises(GraphError, match="over 2 workers, which only DataParallel can"):
        several.set_raw_ctxs_n_states([y])
    made[0].settings = DistConfig(num_local_workers=99)
    with pytest.raises(GraphError, match=r"99 workers and JAX has \d+ devices here.*JAX_NUM_CPU_DEVICES=99"):
        made[0].mesh()


def test_launching_one_worker(tmp_path, monkeypatch):
    pytest.importorskip("yaml")
    path = tmp_path / "one.yml"
    path.write_text("shared: {HETU_JAX_TEST: 3}\nlaunch: {worker: 1, server: 1, scheduler: true}\n")
    monkeypatch.setenv("HETU_JAX_TEST", "0")

    def target(args):
        return os.environ["HETU_JAX_TEST"], args.num_local_worker

    assert launcher.launch(target, argparse.Namespace(config=str(path))) == ("3", 1)
    path.write_text("launch: {worker: 4}\n")
    with pytest.raises(GraphError, match="asks for 4 workers, and launching several is not available yet"):
        launcher.launch(target, argparse.Namespace(config=str(path)))


def test_no_servers_to_start(tmp_path, capsys):
    pytest.importorskip("yaml")
    (tmp_path / "one.yml").write_text("launch: {server: 1}\n")
    assert launcher.main([str(tmp_path / "one.yml"), "-n", "2", "--sched"]) == 0
    assert "No servers to start" in capsys.readouterr().out
    (tmp_path / "one.yml").write_text("- 1\n")
    with pytest.raises(GraphError, match="must have `shared` and `launch`"):
        launcher.main([str(tmp_path / "one.yml")])


def test_without_yaml(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(ImportError, match="needs PyYAML"):
        DistConfig(str(tmp_path / "cluster.yml"))


def test_logger(caplog):
    logger = HetuLogger()
    with caplog.at_level(logging.INFO, "hetu_jax"):
        logger.set_config({"rate": 0.1})
        logger.log("loss", ht.array([2.5]))
        logger.multi_log({"accuracy": np.float32(0.5)})
        with pytest.raises(ValueError, match="'loss' was logged already in this step"):
            logger.log("loss", 1)
        logger.step()
        logger.dist_log("loss", 1)
        logger.step()
    assert caplog.messages == ["config: rate=0.1", "step 0: loss=2.5, accuracy=0.5", "step 1: loss=1"]
    assert logger.history == [{"loss": 2.5, "accuracy": 0.5}, {"loss": 1}]
    with pytest.raises(ValueError, match=r"not an array of shape \(2,\)"):
        logger.log("loss", [1, 2])


def test_weights_and_biases(monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ImportError, match="pip install wandb"):
        WandbLogger("project", "run")

    class Run(list):
        config = {}
        log = list.append

    run = Run()
    monkeypatch.setitem(sys.modules, "wandb", argparse.Namespace(init=lambda **kwargs: run))
    logger = WandbLogger("project", "run")
    logger.set_config({"rate": 0.1})
    logger.log("loss", 1.0)
    logger.step()
    assert run == [{"loss": 1.0}] and run.config == {"rate": 0.1}


def test_plan_of_memory(graph):
    x, y = graph
    z = ht.exp_op(ht.relu_op(ht.relu_op(y)))
    pool = HetuMemoryPool()
    plan = pool.memory_plan([z], {x: (4, 3)})
    assert len(plan) == 5 and len(set(plan.values())) == 2
    for node in plan:
        assert plan[node].shape == (4, 2) and all(plan[node] != plan[below] for below in node.inputs if below in plan)
    assert pool.test_memory([z], {x: (4, 3)}) == 2 * 4 * 2 * 4
    kept = pool.memory_plan([y, z], {x: (4, 3)})
    assert [node for node in kept if kept[node] == kept[y]] == [y]
