"""A fresh process with one side of a workload in it: `python -m benchmarks.worker '{"name": ..., ...}'`.

It writes a line of JSON when its first steps are done, and another for each line with a number of steps that it reads.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from typing import Any, NamedTuple

import numpy as np

from .sides import BATCHES, SIDES, Side
from .workloads import WORKLOADS

SHOWN = 16  # how many logits are compared


class Setting(NamedTuple):
    """Which step: of which workload and side, on how many samples, with which sizes."""

    name: str
    side: str
    batch: int
    training: bool
    quick: bool = False
    steps: int = 5


def side_of(setting: Setting) -> Side:
    workload, rng = WORKLOADS[setting.name], np.random.default_rng(0)
    weights = workload.weights(rng, setting.quick)
    data = workload.data(rng, BATCHES * setting.batch, weights)
    return SIDES[setting.side](workload, weights, data, setting.batch, setting.training)


def first_steps(setting: Setting) -> tuple[Side, dict[str, Any]]:
    """The side, and the results of its first steps, how long the first took from the start of building, and memory."""
    start = time.perf_counter()
    side = side_of(setting)
    results = [side.numbers(side.step()).reshape(-1)[:SHOWN].tolist()]
    seconds = time.perf_counter() - start
    results += [side.numbers(side.step()).reshape(-1)[:SHOWN].tolist() for _ in range(setting.steps - 1)]
    return side, {"results": results, "first_step_s": seconds, "peak_mb": peak_mb()}


def peak_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3


def timed(side: Side, steps: int) -> dict[str, float]:
    """Seconds a step, on the clock and of all cores."""
    cpu, start, result = time.process_time(), time.perf_counter(), None
    for _ in range(steps):
        result = side.step()
    side.wait(result)
    return {
        "wall_s": (time.perf_counter() - start) / steps,
        "cpu_s": (time.process_time() - cpu) / steps,
        "peak_mb": peak_mb(),
    }


def main() -> None:
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not get between the replies

    def reply(value: dict[str, Any]) -> None:
        print(json.dumps(value), file=replies, flush=True)

    side, first = first_steps(Setting(**json.loads(sys.argv[1])))
    reply(first)
    for line in sys.stdin:
        reply(timed(side, int(line)))


if __name__ == "__main__":
    main()
