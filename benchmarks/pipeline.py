"""What the way of the data into a step costs: on the device, read ahead from a file, or fed by the script."""

from __future__ import annotations

import os
import tempfile

import numpy as np

from .timing import interleaved, median

ROWS, BATCH, WIDTH = 8192, 128, 3 * 32 * 32


def measure(quick: bool) -> list[dict[str, float | str]]:
    """Milliseconds of a training step of a small net on 128 samples of 12 KiB, and GB/s of data, by source."""
    rows = ROWS // 8 if quick else ROWS
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "x.bin")
        np.random.default_rng(0).standard_normal((rows, WIDTH), np.float32).tofile(path)
        data = np.memmap(path, np.float32, "r", shape=(rows, WIDTH))
        calls = {"on the device": _on_device(data), "file, read ahead": _read_ahead(data), "feed_dict": _fed(data)}
        times = interleaved(3 if quick else 20, calls, repeat=rows // BATCH)
        del calls, data
    size = BATCH * WIDTH * 4
    return [{"source": n, "step_ms": 1e3 * median(t), "GB_per_s": size / median(t) / 1e9} for n, t in times.items()]


def _training(ht, x):
    """The nodes of a step whose work is small beside its data."""
    w = ht.Variable("w", np.full((WIDTH, 10), 1e-3, np.float32))
    loss = ht.reduce_mean_op(ht.pow_op(ht.matmul_op(x, w), 2), [0, 1])
    return [loss, ht.optim.SGDOptimizer(1e-3).minimize(loss)]


def _on_device(data):
    import hetu_jax as ht

    executor = ht.Executor(_training(ht, ht.dataloader_op([ht.Dataloader(np.array(data), BATCH)])))
    return lambda: executor.run()[0].value.block_until_ready()


def _read_ahead(data):
    import hetu_jax as ht

    before = os.environ.get("HETU_JAX_DEVICE_DATA_MB")
    os.environ["HETU_JAX_DEVICE_DATA_MB"] = "0"
    executor = ht.Executor(_training(ht, ht.dataloader_op([ht.Dataloader(data, BATCH)])))
    executor.run()  # the first run decides where the data lies
    if before is None:
        del os.environ["HETU_JAX_DEVICE_DATA_MB"]
    else:
        os.environ["HETU_JAX_DEVICE_DATA_MB"] = before
    return lambda: executor.run()[0].value.block_until_ready()


def _fed(data):
    import hetu_jax as ht

    x, at = ht.placeholder_op("x"), 0
    executor = ht.Executor(_training(ht, x))

    def call():
        nonlocal at
        executor.run(feed_dict={x: data[at : at + BATCH]})[0].value.block_until_ready()
        at = (at + BATCH) % len(data)

    return call
