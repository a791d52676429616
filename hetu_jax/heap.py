"""Freed memory stays with the process, so that a step finds its buffers where the last one left them.

XLA's CPU client takes the temporary buffer of a step from `malloc` and frees it after every step.  The GNU C library
gives so large a block back to the system at once; the next step gets it anew, and the system fills it with zeros page
by page while the step waits, which is a fifth of the time of large steps.

The price is one arena for all threads, whose lock they wait for: about ten microseconds a step, which short steps
notice.  A thread stays with the arena that it began with, so that the first graph decides, before JAX starts.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterable

from .graph import Node

SWITCH = "HETU_JAX_KEEP_MEMORY"  # 0: the C library's own ways; 1: for all graphs
LARGE = 32  # ops of a graph whose steps are long enough; one op on images is enough as well
TRIM_THRESHOLD, MMAP_MAX, ARENA_MAX = -1, -4, -8  # parameters of mallopt(3)
ALREADY_SET = ("MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD")  # somebody has chosen an allocator, or its ways


def prepare(nodes: Iterable[Node]) -> bool:
    """Keeps freed memory if steps of a graph of `nodes` are likely to be long; returns whether it will."""
    ops = [node.op for node in nodes if node.op is not None]
    large = len(ops) >= LARGE or any("channel_axis" in op.asks for op in ops)
    return (large or os.environ.get(SWITCH) == "1") and keep_freed_memory()


def keep_freed_memory() -> bool:
    """Asks the GNU C library to keep freed memory for the process's next use; returns whether it will.

    Does nothing elsewhere, and where the environment has settings of its own.
    """
    if os.environ.get(SWITCH) == "0" or any(name.startswith(ALREADY_SET) for name in os.environ):
        return False
    if sys.platform != "linux":
        return False
    set_parameter = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries have none
    # All threads share one arena: those of further ones hold 64 MB, and what is larger would go back to the system.
    return set_parameter is not None and all(
        set_parameter(*pair) for pair in ((ARENA_MAX, 1), (MMAP_MAX, 0), (TRIM_THRESHOLD, -1))
    )
