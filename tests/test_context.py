"""Device groups and scopes."""

import pytest

import hetu_jax as ht
from hetu_jax.context import DeviceGroup


@pytest.mark.parametrize(
    ("spec", "devices"),
    [
        (ht.gpu(1), [ht.gpu(1)]),
        ("gpu:0,gpu:4", [ht.gpu(0), ht.gpu(4)]),
        ("GPU:0; cpu:0 gpu:1", [ht.gpu(0), ht.cpu(0), ht.gpu(1)]),
        ("node1:gpu:2", [ht.rgpu("node1", 2)]),
        ([ht.gpu(0), "gpu:1"], [ht.gpu(0), ht.gpu(1)]),
        ([("gpu:0", "gpu:1")], [(ht.gpu(0), ht.gpu(1))]),
        ((ht.gpu(0),), [ht.gpu(0)]),
    ],
)
def test_forms(spec, devices):
    group = DeviceGroup(spec)
    assert list(group) == devices and len(group) == len(devices)
    assert DeviceGroup(group) == group and hash(DeviceGroup(group)) == hash(group)


def test_cpus_are_servers_and_the_others_workers():
    group = DeviceGroup([ht.cpu(0), ht.gpu(1), ht.gpu(0)])
    assert (group.server_num, group.worker_num) == (1, 2)
    assert group[0] == ht.gpu(1) and group.index(ht.gpu(0)) == 2
    assert list(group.get_sorted())[-1] == ht.gpu(1)
    with pytest.raises(ValueError, match="3 devices, not one"):
        group.get_only()


def test_a_word_that_names_no_device():
    with pytest.raises(ValueError, match="'tpu0' names no device: write gpu:0"):
        DeviceGroup("tpu0")


def test_scopes_nest_and_nodes_remember_them():
    assert ht.get_current_context() is None
    with ht.context("gpu:0") as outer:
        with ht.context(ht.cpu(0)) as inner:
            assert ht.get_current_context() is inner
            node = ht.Variable("w", [1.0])
        assert ht.get_current_context() is outer
    assert node.raw_ctx == inner and ht.get_current_context() is None
    assert ht.Variable("w", [1.0], ctx=ht.gpu(3)).raw_ctx == DeviceGroup(ht.gpu(3))
