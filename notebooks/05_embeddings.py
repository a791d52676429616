# %% [markdown]
# # Embeddings and recommenders
#
# > **中文摘要** 用 Wide & Deep 模型预测点击率。嵌入表可以很大：一步训练只读写被查到的行，所以耗时与表的行数无关。
# > 本页训练模型、计算 AUC，并与手写的稠密 JAX 训练步比较速度。
#
# A Wide & Deep model learns who clicks on what. Its tables may have millions of rows: a step reads and writes the rows
# that were looked up, and no others.

# %%
import time

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

import hetu_jax as ht
from hetu_jax import layers as htl
from hetu_jax import metrics

# %% [markdown]
# ## Clicks
#
# Made by a rule that the model does not know: people and things have hidden tastes, some pairs of categories attract
# each other, and chance has its part.

# %%
PEOPLE, THINGS, KINDS, COUNT = 4000, 1500, 20, 60_000
rng = np.random.default_rng(0)
tastes, offers = rng.normal(size=(PEOPLE, 3)), rng.normal(size=(THINGS, 3))
person, thing = rng.integers(PEOPLE, size=COUNT), rng.zipf(1.3, COUNT) % THINGS
ages, sorts = rng.integers(KINDS, size=PEOPLE), rng.integers(KINDS, size=THINGS)
pairs = rng.normal(size=(KINDS, KINDS))
age, sort = ages[person], sorts[thing]
score = (tastes[person] * offers[thing]).sum(1) + 1.5 * pairs[age, sort]
clicked = (rng.random(COUNT) < 1 / (1 + np.exp(-score))).astype(np.float32)[:, None]

# one table for all of them: each column has rows of its own
columns = np.stack([person, PEOPLE + thing], 1).astype(np.int32)
crossed = (age * KINDS + sort)[:, None].astype(np.int32)
print(f"{COUNT:,} lines, {clicked.mean():.1%} clicks; columns {columns.shape}, crossed column {crossed.shape}")

# %% [markdown]
# ## Wide and deep
#
# Wide: one weight for each pair of categories. Deep: a vector for each person and thing, and a network on top.

# %%
BATCH, WIDTH = 256, 16
cut = COUNT - 10_000


def batches(data, dtype=np.float32):
    parts = [("train", data[:cut]), ("valid", data[cut:])]
    return ht.dataloader_op([ht.Dataloader(part, BATCH, name, dtype=dtype) for name, part in parts])


ids, pair, label = batches(columns, np.int32), batches(crossed, np.int32), batches(clicked)
vectors = htl.Embedding(PEOPLE + THINGS, WIDTH, ht.init.GenNormal(stddev=0.05), name="vectors")
weights = htl.Embedding(KINDS * KINDS, 1, ht.init.GenZeros(), name="pairs")
network = htl.Sequence(
    htl.Reshape((-1, 2 * WIDTH)),
    htl.Linear(2 * WIDTH, 32, activation="relu", name="hidden"),
    htl.Linear(32, 1, name="deep"),
)
with ht.name_scope("wide"):
    wide = ht.array_reshape_op(weights(pair), (-1, 1))
logit = wide + network(vectors(ids))
loss = htl.BCEWithLogitsLoss()(logit, label)
train = ht.optim.AdamOptimizer(0.003).minimize(loss)
executor = ht.Executor({"train": [loss, train], "valid": [logit, label]}, seed=0)
ht.draw(executor)

# %%
executor.summary()


# %%
def auc():
    runs = [executor.run("valid", convert_to_numpy_ret_vals=True) for _ in range(executor.get_batch_num("valid"))]
    logits, labels = (np.concatenate(column) for column in zip(*runs, strict=True))
    return metrics.auc(labels, 1 / (1 + np.exp(-logits)))


training = ht.progress(executor, "train", epochs=3)
for epoch in training:
    training.log("AUC", auc())
    print(f"epoch {epoch + 1}: loss {training.history['loss'][-1]:.4f}, AUC {training.history['AUC'][-1]:.3f}")
training.history.plot()

# %% [markdown]
# The vectors of people have learnt something of their hidden tastes; what they explain of them by linear regression:

# %%
table = vectors.embedding_table.tensor_value.asnumpy()[:PEOPLE]
fitted = table @ np.linalg.lstsq(table, tastes, rcond=None)[0]
print("share of the tastes explained:", (1 - ((tastes - fitted) ** 2).sum(0) / (tastes**2).sum(0)).round(2))
vectors.embedding_table

# %% [markdown]
# ## Only the rows that are needed
#
# A step of one batch of 256 lookups changes the rows of these ids, in the table and in Adam's two slots:

# %%
before = vectors.embedding_table.tensor_value.asnumpy()
executor.set_dataloader_batch_index("train", 0)
executor.run("train")
changed = np.flatnonzero((vectors.embedding_table.tensor_value.asnumpy() != before).any(1))
print(f"{len(changed)} of {len(before):,} rows changed; they are the ids of the batch:", end=" ")
print(set(changed) == set(columns[:BATCH].ravel()))

# %% [markdown]
# So a step takes as long for a small table as for a large one. A dense update, as one writes it in JAX and optax, goes
# through all rows of the table and of the slots each time:

# %%
steps = 10


def milliseconds(run):
    jax.block_until_ready(run())
    begun = time.perf_counter()
    for _ in range(steps):
        result = run()
    jax.block_until_ready(result)
    return 1000 * (time.perf_counter() - begun) / steps


def ours(rows, batch):
    table = ht.init.zeros((rows, WIDTH), name="table")
    error = ht.reduce_mean_op(
        ht.pow_op(ht.embedding_lookup_op(table, ht.Variable("ids", value=batch)) - 1.0, 2), [0, 1]
    )
    graph = ht.Executor([error, ht.optim.AdamOptimizer(0.01).minimize(error)])
    return milliseconds(lambda: graph.run()[0].value)


def dense(rows, batch):
    adam = optax.adam(0.01)

    @jax.jit
    def step(table, state):
        gradient = jax.grad(lambda table: jnp.mean((table[batch] - 1) ** 2))(table)
        updates, state = adam.update(gradient, state)
        return optax.apply_updates(table, updates), state

    held = [jnp.zeros((rows, WIDTH))]
    held.append(adam.init(held[0]))

    def run():
        held[:] = step(*held)
        return held[0]

    return milliseconds(run)


sizes = [1_000, 10_000, 100_000, 1_000_000]
lookups = [rng.integers(size, size=256) for size in sizes]
times = {run.__name__: [run(*pair) for pair in zip(sizes, lookups, strict=True)] for run in (ours, dense)}

figure, ax = plt.subplots(figsize=(5, 3), layout="constrained")
ax.loglog(sizes, times["ours"], marker="o", label="hetu_jax: touched rows")
ax.loglog(sizes, times["dense"], marker="s", label="JAX and optax: all rows")
ax.set(xlabel="rows of the table", ylabel="ms a step", title="Adam, 256 lookups, width 16")
ax.grid(alpha=0.3)
ax.legend()
plt.show()
