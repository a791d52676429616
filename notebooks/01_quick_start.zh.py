# %% [markdown]
# # 快速上手：手写数字
#
# 定义一个卷积网络的计算图，把它画出来，训练几个 epoch，再看看它认错了哪些数字。全部内容在 CPU 上不到一分钟就能跑完，
# 数据是随包附带的 MNIST 子集。英文版是 `01_quick_start.ipynb`，两者的代码和输出相同。

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
# `NDArray` 是每次运行返回的结果。笔记本里会显示它的数值；形状像图片时，就显示图片：

# %%
ht.array(train_x[:12].reshape(-1, 28, 28))

# %% [markdown]
# ## 定义
#
# 脚本先说明要计算什么。这时还没有任何计算：每一行只是往图里添加节点。数据集也是节点，
# Executor 的每个组有自己的 dataloader。

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
# ## 查看
#
# `ht.draw` 画出计算图：每层一个方框，里面写着它的参数，箭头旁边是流过的数据的形状。

# %%
ht.draw(executor)

# %% [markdown]
# `summary` 统计参数量和运算量。FLOPs 是这个组运行一次的浮点运算次数，这里一个批次有 100 张图片。

# %%
executor.summary()

# %% [markdown]
# ## 运行
#
# `ht.progress` 在每个 epoch 里把一个组的所有批次各运行一次；在终端里还会显示进度条。循环体在每个 epoch 之后执行。


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
# ## 认错的数字
#
# 验证集里网络最有把握却认错的图片：

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
# 第一层学到了什么：Variable 会显示自己的数值，卷积核则显示成图片。

# %%
net.layers[1].weight_var

# %% [markdown]
# ## 保存
#
# 检查点按名字保存所有 Variable，以及随机数状态。它先写入一个新文件再改名，所以即使进程在保存时被杀掉，
# 之前的检查点仍然可读。

# %%
import tempfile

with tempfile.TemporaryDirectory() as folder:
    executor.save(folder, "digits.pkl")
    executor.load(folder, "digits.pkl")
sorted(executor.state_dict())[:6]

# %% [markdown]
# 接下来：[02](02_onnx.zh.ipynb) 把训练好的模型导出为 ONNX 再导入，
# [03](03_graph_to_xla.ipynb) 展示 Executor 编译出了什么。
