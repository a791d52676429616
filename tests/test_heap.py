"""Freed memory stays with the process, where that was not forbidden."""

import os
import subprocess
import sys

import pytest

from hetu_jax import heap

SCRIPT = """
import ctypes, resource
from hetu_jax import heap
kept = heap.keep_freed_memory()
c = ctypes.CDLL(None)
c.malloc.restype, c.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
c.free.argtypes = [ctypes.c_void_p]
for _ in range(3):  # the second time, or the third, the memory is there already
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = c.malloc(100 << 20)
    ctypes.memset(block, 1, 100 << 20)
    c.free(block)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(kept, faults)
"""


def asked(**environment):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(heap.ALREADY_SET)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, env=clean | environment
    )
    kept, faults = done.stdout.split()
    return kept == "True", int(faults)


@pytest.mark.skipif(sys.platform != "linux", reason="the GNU C library's")
def test_a_freed_block_is_there_the_next_time():
    kept, faults = asked()
    assert kept and faults < 100  # of 25,600 pages of 4 KB
    kept, faults = asked(**{heap.SWITCH: "0"})
    assert not kept


GRAPH = """
import numpy as np
import hetu_jax as ht
from hetu_jax import heap
from jax._src import xla_bridge
x = ht.Variable("x", trainable=False)
w = ht.Variable("w", value=np.ones((4, 4)))
y = x
for _ in range({layers}):
    y = ht.relu_op(ht.matmul_op(y, w))
print(xla_bridge.backends_are_initialized())
asked = []
heap.keep_freed_memory = lambda: asked.append(xla_bridge.backends_are_initialized())
loss = ht.reduce_mean_op(y, [0, 1])
ht.Executor([loss, ht.optim.AdamOptimizer(0.1).minimize(loss)])
print(asked)
"""


@pytest.mark.parametrize("layers, switch, asked", [(2, "", "[]"), (20, "", "[False]"), (2, "1", "[False]")])
def test_large_graphs_ask_for_it_before_jax_has_started(layers, switch, asked):
    done = subprocess.run(
        [sys.executable, "-c", GRAPH.format(layers=layers)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {heap.SWITCH: switch},
    )
    assert done.stdout.split("\n")[:2] == ["False", asked]


@pytest.mark.parametrize("name", ["MALLOC_ARENA_MAX", "GLIBC_TUNABLES"])
def test_an_environment_with_settings_of_its_own_is_left_alone(name):
    assert asked(**{name: "" if name == "GLIBC_TUNABLES" else "8"})[0] is False
