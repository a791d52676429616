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


@pytest.mark.parametrize("name", ["MALLOC_ARENA_MAX", "GLIBC_TUNABLES"])
def test_an_environment_with_settings_of_its_own_is_left_alone(name):
    assert asked(**{name: "" if name == "GLIBC_TUNABLES" else "8"})[0] is False
