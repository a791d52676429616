"""`hetu._base`: what stands in for Hetu's C library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import cpu_links


class _Library:
    """In the place of the loaded C library: it has nothing to call, and says what to use."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"there is no C library and so no {name!r} in it: use hetu_jax.gpu_links or hetu_jax.cpu_links"
        )


class _Kernels(dict):
    """Which CPU kernels there are, under their names in `cpu_links` and under the C library's: all."""

    def __missing__(self, name: str) -> bool:
        return True


_LIB = _Library()
DNNL_LIB = _Kernels(dict.fromkeys(cpu_links.__all__, True))


def check_call(ret: int) -> None:
    """Raises ValueError for a result other than 0, by which C functions report errors."""
    if ret != 0:
        raise ValueError(f"a call returned {ret}; 0 means success")


def c_array(ctype: type, values: Sequence[Any]) -> Any:
    """A ctypes array of the values."""
    return (ctype * len(values))(*values)
