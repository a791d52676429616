# %% [markdown]
# # Scaling out, on eight virtual devices
#
# > **中文摘要** 在一台机器上用八个虚拟设备演示数据并行：`ht.dist.DataParallel` 把批次切到各个设备上，参数在每个设备上
# > 各有一份，XLA 自动加入梯度的求和（all-reduce）。损失与单设备一致，每个设备的运算量约为八分之一。
#
# Data parallelism without eight devices: JAX makes eight of the CPU. What is seen here (where values lie, which
# collectives the program has, what each device computes) is what eight real devices would do; how long it takes is not,
# since the eight share the cores of one machine.

# %%
import os

os.environ["JAX_NUM_CPU_DEVICES"] = "8"  # before JAX starts

import re
import tempfile
from collections import Counter

import jax
import matplotlib.pyplot as plt
import numpy as np

import hetu_jax as ht
from hetu_jax import layers as htl
from hetu_jax.data import mnist_subset

(train_x, train_y), _, _ = mnist_subset()
train_x, train_y = train_x[:2560], train_y[:2560]
jax.devices()

# %% [markdown]
# ## The same script with a strategy
#
# Nothing changes in the model. The Executor gets `dist_strategy=`, as in Hetu:

# %%
BATCH = 256


def build(**options):
    images = ht.dataloader_op([ht.Dataloader(train_x, BATCH, "train")])
    labels = ht.dataloader_op([ht.Dataloader(train_y, BATCH, "train")])
    net = htl.Sequence(
        htl.Linear(784, 128, activation="relu", name="hidden"),
        htl.Linear(128, 10, name="scores"),
    )
    loss = ht.reduce_mean_op(ht.softmaxcrossentropy_op(net(images), labels), [0])
    train = ht.optim.MomentumOptimizer(0.1).minimize(loss)
    return ht.Executor({"train": [loss, train]}, seed=0, **options)


one = build(ctx=ht.cpu(0))
eight = build(dist_strategy=ht.dist.DataParallel("allreduce"))
losses = {name: ht.progress(graph, "train", epochs=4).run() for name, graph in (("one", one), ("eight", eight))}
losses

# %% [markdown]
# The losses are those of one device, up to the order in which float32 numbers are added:

# %%
steps = {name: history.steps["loss"] for name, history in losses.items()}
print(f"largest difference of a loss: {np.abs(steps['one'] - steps['eight']).max():.1e}")

figure, ax = plt.subplots(figsize=(5, 2.6), layout="constrained")
ax.plot(steps["one"], lw=4, alpha=0.4, label="one device")
ax.plot(steps["eight"], lw=1, color="black", label="eight devices")
ax.set(xlabel="step", ylabel="loss")
ax.legend()
plt.show()

# %% [markdown]
# ## Where things lie
#
# A parameter is on every device, whole; a batch of 256 images is split into eight parts of 32.

# %%
weight = eight.param_nodes[0]
print(f"{weight.name}: {weight.shape}, on {len(weight.value.sharding.device_set)} devices,", end=" ")
print("whole on each" if weight.value.sharding.is_fully_replicated else "in parts")

mesh = weight.value.sharding.mesh
split = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(*mesh.axis_names))
for device, part in list(split.devices_indices_map((BATCH, 784)).items())[:3]:
    print(f"{device} has the rows {part[0].start or 0} to {part[0].stop - 1} of a batch")

# %% [markdown]
# ## What XLA put in
#
# There is one program for all devices. Every device computes the gradients of its part; XLA adds them up:

# %%
for name, graph in (("one device", one), ("eight devices", eight)):
    text = graph.compiled_text("train")
    found = Counter(re.findall(r" (all-reduce|all-gather|reduce-scatter|all-to-all)(?:-start)?\(", text))
    print(f"{name}: {dict(found) or 'no collectives'}")

line = next(line for line in text.splitlines() if re.search(r" all-reduce(-start)?\(", line))
print(line.strip()[:240])

# %% [markdown]
# ## What each device does
#
# The arithmetic of a device, as XLA counts it in the compiled program, over the number of devices. The update of the
# parameters is done by each device for itself, so that the work falls a little less than the batch:

# %%
counts, work = [1, 2, 4, 8], []
for count in counts:
    graph = build(ctx=ht.cpu(0))
    if count > 1:
        graph.spread(jax.sharding.Mesh(np.array(jax.devices()[:count]), ("batch",)))
    work.append(graph.lowered("train").compile().cost_analysis()["flops"])

figure, ax = plt.subplots(figsize=(5, 2.6), layout="constrained")
ax.bar(range(4), np.array(work) / 1e6, color="#4c8dd6")
ax.set_xticks(range(4), [str(count) for count in counts])
ax.set(xlabel="devices", ylabel="MFLOP a step, each device")
plt.show()
print([f"{count} devices: {flops / 1e6:.1f} MFLOP" for count, flops in zip(counts, work, strict=True)])

# %% [markdown]
# ## One checkpoint for all
#
# A checkpoint knows nothing of devices: what eight have trained, one loads and goes on with.

# %%
with tempfile.TemporaryDirectory() as folder:
    eight.save(folder, "model.pkl")
    one.load(folder, "model.pkl")
following = [float(graph.run("train")[0]) for graph in (one, eight)]
print(f"the next loss on one device {following[0]:.6f}, on eight {following[1]:.6f}")

# %% [markdown]
# On real devices the same script runs as it is: the strategy takes all that JAX has on the machine.
