"""Timing things against each other in one process."""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping

import jax
import numpy as np


def interleaved(rounds: int, calls: Mapping[str, Callable[[], None]], repeat: int = 1) -> dict[str, list[float]]:
    """Seconds a call, measured A B C A B C ... so that a drifting machine hits all alike.

    rounds: how often each is measured.  repeat: calls a measurement, for short ones.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            for _ in range(repeat):
                call()
            times[name].append((time.perf_counter() - start) / repeat)
    return times


def median(values: list[float]) -> float:
    return statistics.median(values)


def paired_ratio(ours: list[float], theirs: list[float]) -> float:
    """The median of the ratios of neighbouring measurements."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def machine() -> str:
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, "
        f"jax {jax.__version__}, numpy {np.__version__}, {jax.devices()[0].device_kind}"
    )


def parser(description: str) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    made.add_argument("--rounds", type=int, default=30, help="measurements of each side")
    return made
