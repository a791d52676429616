# %% [markdown]
# # Quick start: handwritten digits
#
# > **中文摘要** 用 `hetu_jax` 定义一个小卷积网络，画出计算图、查看参数与运算量，在随包附带的 MNIST 子集上训练，
# > 画出训练曲线，再看看哪些数字被认错了。全文的中文版是 `01_quick_start.zh.ipynb`。
#
# A convolutional network is defined as a graph, drawn, trained for a few epochs, and asked which digits it gets wrong.
# Everything runs on a CPU in under a minute, with the part of MNIST that comes with the package.

# %%
import matplotlib.pyplot as plt
import numpy as np

import hetu_jax as ht
from hetu_jax import layers as htl
from hetu_jax.data import mnist_subset

(train_x, train_y), (valid_x, valid_y), _ = mnist_subset()
train_x, train_y = train_x[:4000], train_y[:4000]
train_x.shape, train_y.shape

# %% [markdown]
# An `NDArray` is what hetu_jax gives back from a run. A notebook shows its numbers, or pictures where it has the shape
# of some:

# %%
ht.array(train_x[:12].reshape(-1, 28, 28))

# %% [markdown]
# ## Define
#
# A script first says what is to be computed. Nothing is computed yet: each line adds nodes to a graph. Data sets are
# nodes too, with one dataloader for each group of the Executor.

# %%
BATCH = 100
images = ht.dataloader_op([ht.Dataloader(train_x, BATCH, "train"), ht.Dataloader(valid_x, BATCH, "valid")])
labels = ht.dataloader_op([ht.Dataloader(train_y, BATCH, "train"), ht.Dataloader(valid_y, BATCH, "valid")])

net = htl.Sequence(
    htl.Reshape((-1, 1, 28, 28)),
    htl.Conv2d(1, 8, 5, padding=2, activation="relu", name="conv1"),
    htl.MaxPool2d(2, 2),
    htl.Conv2d(8, 16, 5, padding=2, activation="relu", name="conv2"),
    htl.MaxPool2d(2, 2),
    htl.Reshape((-1, 16 * 7 * 7)),
    htl.Linear(16 * 7 * 7, 10, name="scores"),
)
scores = net(images)
loss = ht.reduce_mean_op(ht.softmaxcrossentropy_op(scores, labels), [0])
train = ht.optim.AdamOptimizer(learning_rate=0.003).minimize(loss)

executor = ht.Executor({"train": [loss, train], "valid": [scores, labels]}, seed=1)
executor

# %% [markdown]
# ## Look
#
# `ht.draw` shows the graph: a box for each layer with its parameters inside, and the shapes of what flows between them.

# %%
ht.draw(executor)

# %% [markdown]
# `summary` counts parameters and arithmetic. FLOPs are what one run of the group takes, here for a batch of 100 images.

# %%
executor.summary()

# %% [markdown]
# ## Run
#
# `ht.progress` runs all batches of a group once for each epoch; in a terminal it also draws a progress bar. The body of
# the loop comes after each epoch.


# %%
def guesses():
    """Scores and labels of all validation images."""
    runs = [executor.run("valid", convert_to_numpy_ret_vals=True) for _ in range(executor.get_batch_num("valid"))]
    return (np.concatenate(column) for column in zip(*runs, strict=True))


training = ht.progress(executor, "train", epochs=4)
for epoch in training:
    found, wanted = guesses()
    training.log("accuracy", np.mean(found.argmax(1) == wanted.argmax(1)))
    print(
        f"epoch {epoch + 1}: loss {training.history['loss'][-1]:.4f}, accuracy {training.history['accuracy'][-1]:.3f}"
    )

# %%
training.history.plot()

# %% [markdown]
# ## What it gets wrong
#
# The validation images that the network is most certain about, and wrong:

# %%
found, wanted = guesses()
wrong = np.flatnonzero(found.argmax(1) != wanted.argmax(1))
wrong = wrong[np.argsort(found[wrong, wanted[wrong].argmax(1)] - found[wrong].max(1))][:12]

figure, axes = plt.subplots(2, 6, figsize=(8, 3.2))
for ax in axes.flat:
    ax.set_axis_off()
for ax, i in zip(axes.flat, wrong, strict=False):
    ax.imshow(valid_x[i].reshape(28, 28), cmap="gray_r")
    ax.set_title(f"{wanted[i].argmax()} taken for {found[i].argmax()}", fontsize=9)

# %% [markdown]
# What the first layer learnt: a Variable shows its numbers, and filters as pictures.

# %%
net.layers[1].weight_var

# %% [markdown]
# ## Keep it
#
# A checkpoint has every Variable by name, and the random state. It is written to a new file and then renamed, so that a
# process that is killed while it saves leaves the previous one readable.

# %%
import tempfile

with tempfile.TemporaryDirectory() as folder:
    executor.save(folder, "digits.pkl")
    executor.load(folder, "digits.pkl")
sorted(executor.state_dict())[:6]

# %% [markdown]
# Next: [02](02_onnx.ipynb) takes a trained model to ONNX and back, [03](03_graph_to_xla.ipynb) shows what the Executor
# compiled.
