"""Timing things against each other in one process."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import jax

PACKAGES = ("jax", "numpy", "optax", "torch")


def interleaved(rounds: int, calls: Mapping[str, Callable[[], None]], repeat: int = 1) -> dict[str, list[float]]:
    """Seconds a call, measured A B C B C A C A B ..., so that a drifting machine and who went before hit all alike.

    rounds: how often each is measured.  repeat: calls a measurement, for short ones.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    order = list(calls.items())
    for _ in range(rounds):
        for name, call in order:
            start = time.perf_counter()
            for _ in range(repeat):
                call()
            times[name].append((time.perf_counter() - start) / repeat)
        order = order[1:] + order[:1]
    return times


def median(values: list[float]) -> float:
    return statistics.median(values)


def paired_ratio(ours: list[float], theirs: list[float]) -> float:
    """The median of the ratios of neighbouring measurements."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def machine() -> str:
    """The processor, its cores, the system and the versions that matter."""
    versions = ", ".join(f"{name} {version}" for name in PACKAGES if (version := _version(name)))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    device = jax.devices()[0].device_kind
    return (
        f"{_processor()}, {cores} CPUs{'' if device == 'cpu' else f', {device}'}, {platform.system()} "
        f"{platform.machine()}, Python {platform.python_version()}, {versions}"
    )


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "a processor")


def parser(description: str) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    made.add_argument("--rounds", type=int, default=30, help="measurements of each side")
    return made
