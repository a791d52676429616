"""Importing a model of 500 MB: the time against reading the file, and the peak of memory against its size.

`python -m benchmarks.onnx_large` writes the model twice into a temporary folder, with its parameters inside and beside
it, and imports each in processes of their own.  Linux only: the peak is the kernel's.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnx
from onnx import helper, numpy_helper

from benchmarks.timing import machine, median
from hetu_jax.onnx import onnx2hetu

LAYERS = 16


def write(path: str, megabytes: int, external: bool) -> None:
    """A stack of matrix products of this size altogether."""
    width = round((megabytes * 2**20 / LAYERS / 4) ** 0.5)
    rng = np.random.default_rng(0)
    weights = [rng.standard_normal((width, width), np.float32) / width**0.5 for _ in range(LAYERS)]
    tensors = [numpy_helper.from_array(array, f"w{i}") for i, array in enumerate(weights)]
    nodes = [helper.make_node("MatMul", [f"x{i}", f"w{i}"], [f"x{i + 1}"]) for i in range(LAYERS)]
    ends = [helper.make_tensor_value_info(name, 1, ["N", width]) for name in ("x0", f"x{LAYERS}")]
    model = helper.make_model(helper.make_graph(nodes, "large", ends[:1], ends[1:], tensors), ir_version=10)
    options = {"save_as_external_data": True, "location": "large.data"} if external else {}
    onnx.save(model, path, **options)


def read(folder: str) -> tuple[float, int]:
    """Seconds to read all files of a folder into memory, and their bytes."""
    start, size = time.perf_counter(), 0
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as file:
            size += len(file.read())
    return time.perf_counter() - start, size


def peak() -> int:
    """The most memory that this process ever had, in bytes."""
    with open("/proc/self/status", encoding="ascii") as file:
        return next(1024 * int(line.split()[1]) for line in file if line.startswith("VmHWM"))


def child(folder: str) -> None:
    """Imports a tiny model first, so that only the large one counts; prints seconds of both and bytes of the peak."""
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    ends = [helper.make_tensor_value_info(name, 1, ["N", 2]) for name in "xy"]
    weight = numpy_helper.from_array(np.ones((2, 2), np.float32), "w")
    onnx2hetu.from_onnx(helper.make_model(helper.make_graph([node], "g", ends[:1], ends[1:], [weight]), ir_version=10))
    before = peak()
    start = time.perf_counter()
    graph = onnx2hetu.load_onnx_graph(os.path.join(folder, "large.onnx"))
    for variable in graph.variables.values():
        variable.value.block_until_ready()
    took, grown = time.perf_counter() - start, peak() - before
    seconds, _ = read(folder)
    print(seconds, took, grown)


def measured(folder: str, rounds: int) -> list[list[float]]:
    command = [sys.executable, "-m", "benchmarks.onnx_large", "--child", folder]
    lines = [subprocess.run(command, check=True, capture_output=True, text=True).stdout for _ in range(rounds)]
    return [list(values) for values in zip(*(map(float, line.split()) for line in lines), strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given.child)
        return
    print(f"{machine()}\n")
    print("| parameters | MB | reading, s | importing, s | ratio | peak of memory / size |\n|---|---|---|---|---|---|")
    for external in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            write(os.path.join(folder, "large.onnx"), given.megabytes, external)
            size = read(folder)[1]
            reading, importing, peak = (median(values) for values in measured(folder, given.rounds))
            where = "beside the model" if external else "in the model"
            ratio, growth = importing / reading, peak / size
            print(f"| {where} | {size / 1e6:.0f} | {reading:.2f} | {importing:.2f} | {ratio:.1f} | {growth:.2f} |")


if __name__ == "__main__":
    main()
