"""Device groups and scopes."""

import pytest

import hetu_jax as ht
from hetu_jax.context import DeviceGroup, check_worker


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


def test_workers_of_several_devices():
    a, b, c, d = map(ht.gpu, range(4))
    group = DeviceGroup([(a, b), (c, d)])
    assert check_worker((a, b)) and check_worker(a) and not check_worker(ht.cpu(0))
    assert group.is_mp and group.mp_dev_num == 2 and group.cur_worker() is None
    group.check_mp_num(2)
    group.set_index(d)
    assert (group.dp_index, group.mp_index, group.local_dp, group.local_mp) == (1, 1, True, True)
    assert group.cur_worker() == (c, d)
    group.relocalize()
    assert DeviceGroup("node1:gpu:2").full_repr() == "['node1:gpu:2']"
    flat = DeviceGroup([a, b])
    flat.set_index(b)
    assert not flat.is_mp and (flat.dp_index, flat.mp_index, flat.mp_dev_num) == (1, -1, 1)
    flat.set_index(d)
    assert not flat.local_dp and DeviceGroup("cpu:0").mp_dev_num is None
    with pytest.raises(ValueError, match="has 1 devices, not 2"):
        flat.check_mp_num(2)
    with pytest.raises(ValueError, match="different numbers of devices"):
        DeviceGroup([(a, b), c])


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
