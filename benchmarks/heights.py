"""Whether the height of an embedding table costs time: Wide & Deep steps with 10,000 rows and with a million."""

from __future__ import annotations

import numpy as np

from .sides import BATCHES, hetu_jax
from .timing import interleaved, median, paired_ratio
from .workloads import WORKLOADS, wide_deep

LOW, HIGH = 10_000, 1_000_000


def measure(quick: bool) -> list[dict[str, float | str]]:
    """Milliseconds of a training step on 128 samples by optimizer and height, and the ratio."""
    return [_row(optimizer, quick) for optimizer in ("sgd", "adagrad", "adam")]


def _row(optimizer: str, quick: bool) -> dict[str, float | str]:
    heights = {"low": LOW, "high": 10 * LOW if quick else HIGH}
    sides = {name: _side(optimizer, height) for name, height in heights.items()}

    def runner(side):
        return lambda: side.wait(side.step())

    calls = {name: runner(side) for name, side in sides.items()}
    times = interleaved(5 if quick else 50, calls, repeat=5)
    row = {f"{height}_rows_ms": 1e3 * median(times[name]) for name, height in heights.items()}
    return {"optimizer": optimizer} | row | {"ratio": paired_ratio(times["high"], times["low"])}


def _side(optimizer: str, height: int):
    rng = np.random.default_rng(0)
    weights = wide_deep.weights(rng, False, height)
    workload = WORKLOADS["wide_deep"]._replace(optimizer=optimizer)
    return hetu_jax(workload, weights, workload.data(rng, BATCHES * 128, weights), 128, True)
