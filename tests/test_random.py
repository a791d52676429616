"""The seed and its sequence number."""

import numpy as np
import pytest

import hetu_jax as ht
from hetu_jax import random


@pytest.fixture(autouse=True)
def keep_the_state():
    before = random.get_seed_status()
    yield
    random.set_seed_status(*before)


def test_setting_the_seed_leaves_the_sequence_alone():
    random.set_seed_status(1, 7)
    ht.random.set_random_seed(2**63 + 5)
    assert (random.get_seed(), random.get_seed_seqnum()) == (2**63 + 5, 7)
    random.step_seqnum(2**64 - 7)
    assert random.get_seed_status() == (2**63 + 5, 0)
    random.step_seqnum(3), random.reset_seed_seqnum()
    assert random.get_seed_seqnum() == 0 and random.to_ull(-1) == 2**64 - 1


def test_numpy_generators_follow_the_state():
    random.set_seed_status(3)
    a = random.get_np_rand(1).rand(3)
    assert random.get_seed_seqnum() == 1
    b = random.get_np_rand(1).rand(3)
    random.set_seed_status(3)
    np.testing.assert_array_equal(random.get_np_rand(1).rand(3), a)
    assert not np.array_equal(a, b)


def test_every_drawing_run_takes_the_next_number():
    x = ht.Variable("x", np.ones(8))
    executor = ht.Executor({"draw": [ht.dropout_op(x, 0.5)], "plain": [x * 2]}, seed=1, inference=False)
    executor.run("draw"), executor.run("draw"), executor.run("plain")
    assert random.get_seed_seqnum() == 2


def test_large_seeds_differ_in_both_halves():
    keys = set()
    for seed in (1, 2**32 + 1, 2**40 + 1):
        random.set_seed_status(seed)
        keys.add(tuple(np.asarray(random.base_key()).tolist()))
    assert len(keys) == 3
