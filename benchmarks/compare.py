"""The sides of a workload against each other: results first, then times, in all orders, in fresh processes."""

from __future__ import annotations

import contextlib
import itertools
import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .sides import SIDES
from .timing import median, paired_ratio
from .worker import Setting
from .workloads import WORKLOADS

SLICE = 0.2  # seconds that one measurement of a side takes, if a step does not take longer
WARM_UP = 0.25  # part of a measurement that precedes it: caches are cold, and the last side's threads may still spin
MOST_STEPS = 1000
ENOUGH = 60  # seconds after which no more processes are started than were asked for: one has luck with its memory
OURS = "hetu_jax"
ROOT = Path(__file__).parents[1]


class Failed(RuntimeError):
    """A side could not be measured; the message says why."""


class Plan(NamedTuple):
    """How thoroughly to measure.

    sides: their names.  restarts: fresh processes of each side; more where steps are short.  rounds: measurements in
    each.  limit: seconds that a side may take to its first results.  quick: small sizes, and no more restarts.
    """

    sides: Sequence[str]
    restarts: int
    rounds: int
    limit: float
    quick: bool


class Worker:
    """A fresh process with one side in it."""

    def __init__(self, setting: Setting, limit: float):
        self.setting, self.limit = setting, limit
        command = [sys.executable, "-m", "benchmarks.worker", json.dumps(setting._asdict())]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self._process = subprocess.Popen(command, text=True, cwd=ROOT, **pipes)
        self._words: list[str] = []
        self._listener = threading.Thread(target=lambda: self._words.extend(self._process.stderr), daemon=True)
        self._listener.start()

    def reply(self) -> dict[str, Any]:
        """The next line.  Raises Failed where there is none within the limit."""
        timer = threading.Timer(self.limit, self._process.kill)
        timer.start()
        line = self._process.stdout.readline()
        in_time = timer.is_alive()
        timer.cancel()
        if line:
            return json.loads(line)
        if not in_time:
            raise Failed(f"no result within {self.limit:.0f} s")
        self._listener.join()
        raise Failed((self._words or ["ended without a word"])[-1].strip()[:300])

    def timed(self, steps: int) -> dict[str, float]:
        print(steps, file=self._process.stdin, flush=True)
        return self.reply()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listener.join()
        self._process.stdout.close()
        self._process.stderr.close()


def missing(side: str) -> str | None:
    """Why a side cannot be measured on this machine, or None."""
    if side.startswith(("PyTorch", "torch")):
        try:
            import torch
        except ImportError:
            return "PyTorch is not installed"
        if side == "torch.compile" and not any(map(shutil.which, ("g++", "clang++", "c++", "cl"))):
            return f"PyTorch {torch.__version__} finds no C++ compiler"
    return None


def compare(name: str, batch: int, training: bool, plan: Plan, note: Callable[[str], None] = print) -> dict[str, Any]:
    """What came of one workload: times, ratios and memory by side, and why a side has none.

    The sides' first results must agree; where they differ nothing is timed, and 'differs' says so.
    """
    absent: dict[str, str] = {side: why for side in plan.sides if (why := missing(side))}
    found: dict[str, Any] = {
        "workload": name, "title": WORKLOADS[name].title, "batch": batch, "training": training,
        "optimizer": WORKLOADS[name].optimizer, "absent": absent, "differs": None, "sides": {},
    }  # fmt: skip
    times: dict[str, dict[str, list[float]]] = {}
    start = time.monotonic()
    for restart in itertools.count():
        if restart >= plan.restarts and (plan.quick or time.monotonic() - start > ENOUGH):
            break
        sides = [side for side in plan.sides if side not in absent]
        settings = [Setting(name, side, batch, training, plan.quick) for side in sides]
        with _workers(settings, plan.limit) as workers:
            firsts = _firsts(workers, absent)
            found["differs"] = _difference(firsts, WORKLOADS[name].tolerance)
            if found["differs"]:
                return found
            note(f"run {restart + 1}")
            for side, values in _rounds({s: workers[s] for s in firsts}, plan.rounds).items():
                kept = times.setdefault(side, {"wall_s": [], "cpu_s": [], "peak_mb": [], "first_step_s": []})
                kept["first_step_s"].append(firsts[side]["first_step_s"])
                for key, more in values.items():
                    kept[key] += more
    found["sides"] = {side: _summary(side, times) for side in times}
    return found


@contextlib.contextmanager
def _workers(settings: Sequence[Setting], limit: float) -> Iterator[dict[str, Worker]]:
    workers = {setting.side: Worker(setting, limit) for setting in settings}
    try:
        yield workers
    finally:
        for worker in workers.values():
            worker.close()


def _firsts(workers: dict[str, Worker], absent: dict[str, str]) -> dict[str, Any]:
    firsts = {}
    for side, worker in workers.items():
        try:
            firsts[side] = worker.reply()
        except Failed as reason:
            absent[side] = str(reason)
    return firsts


def _difference(firsts: dict[str, Any], tolerance: float) -> str | None:
    """In which step which side's results are not those of the first side, or None."""
    if not firsts:
        return "no side gave a result"
    (first, wanted), *others = [(side, reply["results"]) for side, reply in firsts.items()]
    for side, results in others:
        for step, (a, b) in enumerate(zip(wanted, results, strict=True)):
            if not np.allclose(a, b, rtol=tolerance, atol=tolerance * np.abs(a).max()):
                return f"step {step}: {first} gives {a[0]:.6g}, {side} {b[0]:.6g}"
    return None


def _rounds(workers: dict[str, Worker], rounds: int) -> dict[str, dict[str, list[float]]]:
    steps = dict.fromkeys(workers, 2)
    for _ in range(2):  # the first steps of a process are slower
        for side, worker in workers.items():
            steps[side] = max(1, min(MOST_STEPS, round(SLICE / worker.timed(steps[side])["wall_s"])))
    times: dict[str, dict[str, list[float]]] = {side: {"wall_s": [], "cpu_s": [], "peak_mb": []} for side in workers}
    for order in itertools.islice(itertools.cycle(itertools.permutations(workers)), rounds):
        for side in order:
            workers[side].timed(max(1, round(WARM_UP * steps[side])))
            for key, value in workers[side].timed(steps[side]).items():
                times[side][key].append(value)
    return times


def _summary(side: str, times: dict[str, Any]) -> dict[str, Any]:
    """The medians of a side, and the ratios of ours to it."""
    own = times[side]
    summary = {key: median(own[key]) for key in ("wall_s", "cpu_s", "first_step_s")}
    summary |= {"minimum_s": min(own["wall_s"]), "peak_mb": max(own["peak_mb"]), "measurements": len(own["wall_s"])}
    if OURS in times and len(times[OURS]["wall_s"]) == len(own["wall_s"]):
        summary["ours_to_it"] = paired_ratio(times[OURS]["wall_s"], own["wall_s"])
        summary["ours_to_it_cpu"] = paired_ratio(times[OURS]["cpu_s"], own["cpu_s"])
    return summary


def available(compiled: bool) -> list[str]:
    """The names of the sides."""
    return [side for side in SIDES if compiled or side != "torch.compile"]
