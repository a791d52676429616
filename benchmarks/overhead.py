"""What the facade costs a run: Executor.run against the raw jitted call inside it, by number of Variables."""

from __future__ import annotations

import numpy as np

import hetu_jax as ht

from .timing import interleaved, machine, median, parser


def executor_over(count: int) -> ht.Executor:
    """A training step that hardly computes: `count` small Variables, one fed number."""
    x = ht.Variable("x")
    params = [ht.Variable(f"p{i}", np.ones(4)) for i in range(count)]
    loss = ht.reduce_sum_op(ht.sum_op(params) * 1.0, 0) * x
    return x, ht.Executor([loss, ht.optim.SGDOptimizer(0.01).minimize(loss)])


def pair(count: int):
    """Two functions that do the same step: through the facade, and by the raw call."""
    x, executor = executor_over(count)
    fed = {x: np.ones(1, np.float32)}
    executor.run(feed_dict=fed)
    group = executor.subexecutor["default"]
    step = next(iter(group._steps.values()))
    arrays = [feed.pull("default", True)[1] if feed is not x else (fed[x],) for feed in group._feeds]

    def facade():
        executor.run(feed_dict=fed)

    def raw():
        values = [variable.value for variable in step.kept]
        _, raw.state, _, _ = step.call(raw.state, values, arrays, None)

    raw.state = [np.asarray(variable.value) for variable in step.taken]
    return facade, raw


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--counts", type=int, nargs="+", default=[10, 100, 1000], help="numbers of Variables")
    arguments = options.parse_args()
    print(machine())
    for count in arguments.counts:
        facade, raw = pair(count)
        times = interleaved(arguments.rounds, {"facade": facade, "raw": raw}, repeat=200)
        a, b = median(times["facade"]), median(times["raw"])
        extra = median([f - r for f, r in zip(times["facade"], times["raw"], strict=True)])
        print(f"{count:5} Variables: run {1e6 * a:7.1f} us, raw call {1e6 * b:7.1f} us, facade {1e6 * extra:6.1f} us")


if __name__ == "__main__":
    main()
