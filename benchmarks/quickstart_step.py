"""The quick start's training step: hetu_jax against the same model hand-written in JAX and optax.

Both start from the same weights and see the same batches; their losses are compared before anything is timed.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax

import hetu_jax as ht

from .timing import interleaved, machine, median, paired_ratio, parser

SHAPES = {"w1": (32, 1, 5, 5), "w2": (64, 32, 5, 5), "w3": (7 * 7 * 64, 10), "b3": (10,)}


def weights() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {name: np.float32(rng.normal(0, 0.1, shape)) for name, shape in SHAPES.items()}


def hetu_step(x: np.ndarray, y: np.ndarray, batch: int):
    """A function that takes one step of the graph, and returns the loss."""
    w = {name: ht.Variable(name, value) for name, value in weights().items()}
    images = ht.array_reshape_op(ht.dataloader_op([ht.Dataloader(x, batch)]), [-1, 1, 28, 28])
    labels = ht.dataloader_op([ht.Dataloader(y, batch)])

    def conv_relu_avg(node, weight):
        node = ht.relu_op(ht.conv2d_op(node, weight, padding=2, stride=1))
        return ht.avg_pool2d_op(node, kernel_H=2, kernel_W=2, padding=0, stride=2)

    features = conv_relu_avg(conv_relu_avg(images, w["w1"]), w["w2"])
    logits = ht.matmul_op(ht.array_reshape_op(features, (-1, 7 * 7 * 64)), w["w3"])
    logits = logits + ht.broadcastto_op(w["b3"], logits)
    loss = ht.reduce_mean_op(ht.softmaxcrossentropy_op(logits, labels), [0])
    executor = ht.Executor([loss, ht.optim.SGDOptimizer(0.01).minimize(loss)])
    return lambda: executor.run()[0].value.block_until_ready()


def hand_written_step(x: np.ndarray, y: np.ndarray, batch: int):
    """The same in plain JAX, NCHW, one donated jit, as people write it."""
    optimizer = optax.sgd(0.01)
    params = {name: jnp.array(value) for name, value in weights().items()}
    state = optimizer.init(params)
    images, labels = jnp.array(x), jnp.array(y)

    def forward(p, images):
        for name in ("w1", "w2"):
            images = jax.lax.conv_general_dilated(images, p[name], (1, 1), ((2, 2), (2, 2)))
            images = jax.nn.relu(images)
            images = jax.lax.reduce_window(images, 0.0, jax.lax.add, (1, 1, 2, 2), (1, 1, 2, 2), "VALID") / 4
        return images.reshape(-1, 7 * 7 * 64) @ p["w3"] + p["b3"]

    def loss_of(p, images, labels):
        return optax.softmax_cross_entropy(forward(p, images.reshape(-1, 1, 28, 28)), labels).mean()

    def step(params, state, start):
        fed = (jax.lax.dynamic_slice_in_dim(a, start, batch) for a in (images, labels))
        loss, grads = jax.value_and_grad(loss_of)(params, *fed)
        updates, state = optimizer.update(grads, state)
        return optax.apply_updates(params, updates), state, loss

    step = jax.jit(step, donate_argnums=(0, 1))
    count, at = len(x) // batch, 0

    def call():
        nonlocal params, state, at
        params, state, loss = step(params, state, np.int32(at * batch))
        at = (at + 1) % count
        return loss.block_until_ready()

    return call


def main() -> None:
    options = parser(__doc__.splitlines()[0])
    options.add_argument("--batch-size", type=int, default=128)
    arguments = options.parse_args()
    (x, y), _, _ = ht.data.mnist_subset()
    ours, theirs = (make(x, np.float32(y), arguments.batch_size) for make in (hetu_step, hand_written_step))
    for step in range(5):
        a, b = float(np.asarray(ours()).item()), float(theirs())
        if not np.isclose(a, b, rtol=1e-4):
            raise SystemExit(f"the two differ at step {step}: {a} against {b}")
    print(machine())
    times = interleaved(arguments.rounds, {"hetu_jax": ours, "hand-written JAX": theirs})
    for name, values in times.items():
        print(f"{name:18} {1e3 * median(values):8.2f} ms a step (minimum {1e3 * min(values):.2f})")
    print(f"ratio              {paired_ratio(times['hetu_jax'], times['hand-written JAX']):8.3f}")


if __name__ == "__main__":
    main()
