# %% [markdown]
# # From the graph to XLA
#
# > **中文摘要** Executor 把整张图（前向、梯度、优化器更新）编译成一个 XLA 程序。本页查看它交给 XLA 的 StableHLO、
# > XLA 融合之后的程序、每个算子的时间与运算量，并与手写的 JAX 训练步比较速度。
#
# An Executor makes one program of the whole graph: forward pass, gradients, update. This page looks at what it gives to
# XLA, what XLA makes of it, where the time goes, and how that compares with the same step written by hand.

# %%
import re
import time
from collections import Counter
from functools import partial

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

import hetu_jax as ht
from hetu_jax import layers as htl

# %%
BATCH = 128
x, y = ht.Variable("x"), ht.Variable("y")
net = htl.Sequence(
    htl.Linear(784, 256, activation="relu", name="first"),
    htl.Linear(256, 64, activation="relu", name="second"),
    htl.Linear(64, 10, name="third"),
)
loss = ht.reduce_mean_op(ht.softmaxcrossentropy_op(net(x), y), [0], name="loss")
train = ht.optim.MomentumOptimizer(0.05).minimize(loss)
executor = ht.Executor({"train": [loss, train]}, seed=0)

rng = np.random.default_rng(0)
feeds = {
    x: rng.normal(size=(BATCH, 784)).astype(np.float32),
    y: np.eye(10, dtype=np.float32)[rng.integers(10, size=BATCH)],
}
executor.summary(feed_shapes={x: (BATCH, 784), y: (BATCH, 10)})

# %% [markdown]
# ## What goes in
#
# The step in StableHLO, the language in which XLA takes programs. The whole step is one function: parameters and the
# optimizer's slots go in and come out, and their buffers are reused (`tf.aliasing_output`, `jax.buffer_donor`).

# %%
text = executor.lower_text("train", feed_dict=feeds)
operations = Counter(re.findall(r"stablehlo\.(\w+)", text))
print(f"{len(text.splitlines())} lines; {operations.total()} operations:", dict(operations.most_common(5)))

lines = [line.strip()[:96] for line in text.splitlines()]
start = next(i for i, line in enumerate(lines) if "dot_general" in line)
print("\n".join(lines[start - 1 : start + 9]))

# %% [markdown]
# ## What comes out
#
# XLA fuses what belongs together: each fusion is one loop over memory, and products of matrices go to a library.

# %%
compiled = executor.compiled_text("train", feed_dict=feeds)
entry = compiled[compiled.index("ENTRY") :]
kinds = Counter(re.findall(r"= \S+(?: \S+)*? ([\w-]+)\(", entry))
kinds = {
    kind: count
    for kind, count in kinds.most_common()
    if kind not in ("parameter", "get-tuple-element", "constant", "tuple")
}
print("instructions of the compiled step:", kinds)

names = re.findall(r'fusion\(.*?op_name="([^"]*)"', entry)
print("\n".join(["the first fusions, each by its last operation:", *(f"  {name}" for name in names[:8])]))

# %% [markdown]
# ## Where the time goes
#
# `profile` runs the step some times, and says for each op of the graph what its part of the compiled program takes.

# %%
profile = executor.profile("train", feed_dict=feeds)
profile

# %%
profile.plot(count=10)

# %%
profile.by("which")

# %% [markdown]
# ## The same by hand
#
# The step as one writes it in JAX and optax, compiled by one `jax.jit` that reuses the buffers of parameters and slots:


# %%
def initial():
    values = executor.state_dict()
    return {name: jnp.asarray(value) for name, value in values.items() if name.endswith(("weight", "bias"))}


def loss_of(p, images, labels):
    hidden = jnp.maximum(images @ p["first_weight"] + p["first_bias"], 0)
    hidden = jnp.maximum(hidden @ p["second_weight"] + p["second_bias"], 0)
    return optax.softmax_cross_entropy(hidden @ p["third_weight"] + p["third_bias"], labels).mean()


momentum = optax.sgd(0.05, momentum=0.9)


@partial(jax.jit, donate_argnums=(0, 1))
def step(p, state, images, labels):
    value, gradients = jax.value_and_grad(loss_of)(p, images, labels)
    updates, state = momentum.update(gradients, state)
    return optax.apply_updates(p, updates), state, value


held = [initial()]
held.append(momentum.init(held[0]))
fed = [jnp.asarray(value) for value in feeds.values()]


def by_hand():
    *held[:], value = step(*held, *fed)
    return value


def by_graph():
    return executor.run("train", feed_dict=on_device)[0].value


on_device = dict(zip(feeds, fed, strict=True))
for number in range(3):
    print(f"step {number}: loss {float(by_graph()[0]):.6f}, by hand {float(by_hand()):.6f}")

# %% [markdown]
# Both run the same arithmetic; what differs is what Python does around it. Measured in turns, so that what else runs on
# the machine disturbs both alike:

# %%
COUNT, ROUNDS = 50, 9


def seconds(run):
    begun = time.perf_counter()
    for _ in range(COUNT):
        result = run()
    jax.block_until_ready(result)
    return (time.perf_counter() - begun) / COUNT


taken = np.array([[seconds(by_graph), seconds(by_hand)] for _ in range(ROUNDS)]) * 1e3
ratio = np.median(taken[:, 0] / taken[:, 1])
ours, hand = np.median(taken, 0)
print(f"hetu_jax {ours:.3f} ms, by hand {hand:.3f} ms a step; median ratio {ratio:.2f}")

figure, ax = plt.subplots(figsize=(5, 2.2), layout="constrained")
ax.boxplot(taken, orientation="horizontal", tick_labels=["hetu_jax", "JAX and optax, by hand"])
ax.set(xlabel="ms a step", xlim=(0, None))
plt.show()

# %% [markdown]
# The same comparison for eight models, with PyTorch beside them, is what `python -m benchmarks` makes: training steps
# at batch sizes 128 and 32, on two CPU cores, as multiples of hetu_jax's time.
#
# ![Times of a training step by workload, hetu_jax = 1](../docs/images/benchmark.png)
