# %% [markdown]
# # ONNX out and in
#
# > **中文摘要** 把训练好的网络导出为 ONNX，在 ONNX Runtime 中核对结果；再导入一个由 TensorFlow 生成的模型，
# > 它就是一张普通的、可继续训练的图：微调它，并重新导出。全文的中文版是 `02_onnx.zh.ipynb`。
#
# A model is trained and exported, ONNX Runtime checks it, and a model that another framework made is imported,
# fine-tuned and exported again.

# %%
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

import hetu_jax as ht
from hetu_jax import layers as htl
from hetu_jax.data import mnist_subset
from hetu_jax.onnx import hetu2onnx, onnx2hetu

folder = Path(tempfile.mkdtemp())
(train_x, train_y), (valid_x, valid_y), _ = mnist_subset()
train_x, train_y = train_x[:4000], train_y[:4000]

# %% [markdown]
# ## Out
#
# The placeholder `x` stands for the model's input. Its batch stays open in the exported file: the same file takes one
# image or a thousand.

# %%
x, y = ht.Variable("x"), ht.Variable("y")
net = htl.Sequence(htl.Linear(784, 64, activation="relu", name="hidden"), htl.Linear(64, 10, name="scores"))
scores = net(x)
loss = ht.reduce_mean_op(ht.softmaxcrossentropy_op(scores, y), [0])
train = ht.optim.AdamOptimizer(0.003).minimize(loss)
executor = ht.Executor({"train": [loss, train], "predict": [scores]}, seed=0)

batches = [{x: train_x[i : i + 100], y: train_y[i : i + 100]} for i in range(0, len(train_x), 100)]
ht.progress(executor, "train", epochs=5, feeds=batches).run()

# %%
path = folder / "digits.onnx"
hetu2onnx.export(executor, [x], [scores], str(path))

model = onnx.load(path)
onnx.checker.check_model(model, full_check=True)
print(f"{path.stat().st_size:,} bytes, opset {model.opset_import[0].version}")
for node in model.graph.node:
    print(f"{node.op_type:8} {', '.join(node.input)} -> {', '.join(node.output)}")

# %% [markdown]
# ONNX Runtime gives the same scores, to the last digits of float32, and for any batch:

# %%
session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
for count in (1, 7, 1000):
    (ours,) = executor.run("predict", feed_dict={x: valid_x[:count]}, convert_to_numpy_ret_vals=True)
    (theirs,) = session.run(None, {session.get_inputs()[0].name: valid_x[:count]})
    difference = np.abs(ours - theirs).max()
    print(f"{count:5} images: largest score {np.abs(ours).max():.2f}, largest difference {difference:.1e}")

# %% [markdown]
# ## In
#
# `tf_cnn.onnx` is a small convolutional network that TensorFlow built and tf2onnx converted: images come as rows of 784
# numbers, and are turned into (N, 28, 28, 1) and from there into (N, 1, 28, 28). It was never trained.

# %%
imported = Path("../tests/data/onnx_models/tf_cnn.onnx")
x2, scores2 = onnx2hetu.load_onnx(str(imported))
ht.draw(scores2, feed_shapes={x2: (100, 784)})

# %% [markdown]
# What was imported is an ordinary graph. Its weights are Variables, so that a loss on top of it can be minimised:

# %%
y2 = ht.Variable("y2")
loss2 = ht.reduce_mean_op(ht.softmaxcrossentropy_op(scores2, y2), [0])
train2 = ht.optim.AdamOptimizer(0.002).minimize(loss2)
tuned = ht.Executor({"train": [loss2, train2], "predict": [scores2]}, seed=0)
tuned.summary(feed_shapes={x2: (100, 784), y2: (100, 10)})


# %%
def accuracy():
    (found,) = tuned.run("predict", feed_dict={x2: valid_x}, convert_to_numpy_ret_vals=True)
    return np.mean(found.argmax(1) == valid_y.argmax(1))


print(f"as imported: accuracy {accuracy():.3f}")
batches = [{x2: train_x[i : i + 100], y2: train_y[i : i + 100]} for i in range(0, 2000, 100)]
training = ht.progress(tuned, "train", epochs=3, feeds=batches)
for _ in training:
    training.log("accuracy", accuracy())
print(f"fine-tuned:  accuracy {accuracy():.3f}")
training.history.plot()

# %% [markdown]
# ## And out again
#
# The fine-tuned graph exports like any other. The operators are those that came in, without the casts and identities
# that did nothing.

# %%
again = folder / "tuned.onnx"
hetu2onnx.export(tuned, [x2], [scores2], str(again))
session = onnxruntime.InferenceSession(str(again), providers=["CPUExecutionProvider"])
(theirs,) = session.run(None, {session.get_inputs()[0].name: valid_x})
(ours,) = tuned.run("predict", feed_dict={x2: valid_x}, convert_to_numpy_ret_vals=True)
np.testing.assert_allclose(theirs, ours, atol=1e-4 * np.abs(ours).max())
print("operators, as imported: ", [node.op_type for node in onnx.load(imported).graph.node])
print("operators, as exported: ", [node.op_type for node in onnx.load(again).graph.node])
print(f"ONNX Runtime on the exported file: accuracy {np.mean(theirs.argmax(1) == valid_y.argmax(1)):.3f}")
