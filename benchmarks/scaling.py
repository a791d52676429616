"""How the time of a step grows with the batch and with the depth of the net."""

from __future__ import annotations

import time

import numpy as np

from .compare import Plan, available, compare
from .timing import median

WIDTH, BATCH = 64, 32


def by_batch(quick: bool) -> list[dict[str, float]]:
    """Milliseconds of a training step of the quick start CNN, by batch size and side."""
    plan = Plan(available(compiled=False), 1, 2 if quick else 10, 120, quick)
    rows = []
    for batch in (1, 32) if quick else (1, 4, 16, 64, 256, 1024):
        found = compare("cnn", batch, True, plan, note=lambda text: None)
        rows.append({"batch": batch} | {f"{s}_ms": 1e3 * v["wall_s"] for s, v in found["sides"].items()})
    return rows


def by_depth(quick: bool) -> list[dict[str, float]]:
    """What training an MLP of `depth` layers of 64 units takes: seconds to build the graph, to trace it and for XLA to
    compile it, and milliseconds of a step; beside the step of the same net by hand in JAX."""
    return [_row(depth, 5 if quick else 50) for depth in ((10, 30) if quick else (10, 30, 100, 300, 1000))]


def _row(depth: int, steps: int) -> dict[str, float]:
    weights = np.random.default_rng(0).standard_normal((depth, WIDTH, WIDTH)).astype(np.float32) / WIDTH**0.5
    x = np.ones((BATCH, WIDTH), np.float32)
    row, ours = _hetu(weights, x)
    _, theirs = _plain(weights, x)
    times: dict[str, list[float]] = {"step_ms": [], "JAX_step_ms": []}
    for _ in range(steps):
        for key, call in (("step_ms", ours), ("JAX_step_ms", theirs)):
            start = time.perf_counter()
            call()
            times[key].append(1e3 * (time.perf_counter() - start))
    return {"layers": depth} | row | {key: median(values) for key, values in times.items()}


def _hetu(weights, x):
    import hetu_jax as ht

    start = time.perf_counter()
    h = fed = ht.placeholder_op("x")
    for i, w in enumerate(weights):
        h = ht.relu_op(ht.matmul_op(h, ht.Variable(f"w{i}", w)))
    loss = ht.reduce_mean_op(h, [0, 1])
    executor = ht.Executor([loss, ht.optim.SGDOptimizer(0.01).minimize(loss)])
    built = time.perf_counter()
    lowered = executor.lowered(feed_dict={fed: x})
    traced = time.perf_counter()
    lowered.compile()
    row = {"build_s": built - start, "trace_s": traced - built, "compile_s": time.perf_counter() - traced}

    def call():
        executor.run(feed_dict={fed: x})[0].value.block_until_ready()

    call()
    return row, call


def _plain(weights, x):
    import jax

    def loss_of(ws):
        h = x
        for w in ws:
            h = jax.nn.relu(h @ w)
        return h.mean()

    @jax.jit
    def step(ws):
        loss, grads = jax.value_and_grad(loss_of)(ws)
        return jax.tree.map(lambda w, g: w - 0.01 * g, ws, grads), loss

    ws = list(weights)

    def call():
        nonlocal ws
        ws, loss = step(ws)
        return loss.block_until_ready()

    call()
    return None, call
