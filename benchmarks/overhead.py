"""What the facade costs a run: Executor.run against the raw jitted call inside it, by number of Variables."""

from __future__ import annotations

import numpy as np

from .timing import interleaved, median


def pair(count: int):
    """Two functions that take a step with the same `count` small Variables: through the facade, and by the raw call."""
    import hetu_jax as ht

    x = ht.Variable("x")
    params = [ht.Variable(f"p{i}", np.ones(4)) for i in range(count)]
    loss = ht.reduce_sum_op(ht.sum_op(params) * 1.0, 0) * x
    executor = ht.Executor([loss, ht.optim.SGDOptimizer(0.01).minimize(loss)])
    fed = {x: np.ones(1, np.float32)}
    executor.run(feed_dict=fed)
    group = executor.subexecutor["default"]
    step = next(iter(group._steps.values()))
    arrays = [feed.pull("default", True)[1] if feed is not x else (fed[x],) for feed in group._feeds]

    def facade():
        executor.run(feed_dict=fed)

    def raw():
        values = [variable.value for variable in step.kept]
        _, step.home.values[:], _, _ = step.call(step.home.values, values, arrays, None)

    return facade, raw


def measure(quick: bool) -> list[dict[str, float]]:
    """Microseconds of a run, of the raw call in it, and of what is between them."""
    rows = []
    for count in (10, 100) if quick else (10, 100, 1000):
        facade, raw = pair(count)
        times = interleaved(250 if quick else 6000, {"facade": facade, "raw": raw})  # turn about, so caches are alike
        extra = [f - r for f, r in zip(times["facade"], times["raw"], strict=True)]
        row = {"run_us": times["facade"], "raw_call_us": times["raw"], "facade_us": extra}
        rows.append({"Variables": count} | {key: 1e6 * median(values) for key, values in row.items()})
    return rows
