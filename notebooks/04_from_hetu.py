# %% [markdown]
# # From Hetu to hetu_jax, and on to plain JAX
#
# > **中文摘要** 旧的 Hetu 脚本不必修改就能运行：`python -m hetu_jax train.py`。本页演示旧脚本的运行、
# > 与 Hetu 的几处差别，以及如何把训练好的参数带到纯 JAX 代码里，再带回来。
#
# An unmodified script for Hetu is run, some differences are looked at, and a trained model moves to plain JAX and back.

# %%
import subprocess
import sys
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

import hetu_jax as ht

# %% [markdown]
# ## A script as it is
#
# This one imports `hetu`, asks for a GPU, and uses a name that NumPy dropped years ago.

# %%
SCRIPT = """
import hetu as ht
import numpy as np

rng = np.random.RandomState(0)
points = np.ones((512, 3)).astype(np.float)
points[:, :2] = rng.randn(512, 2)
inside = (np.square(points).sum(1) < 2.2).astype(np.int)

x = ht.Variable(name="x", trainable=False)
y_ = ht.Variable(name="y_", trainable=False)
w1 = ht.init.xavier_normal((3, 32), name="w1")
w2 = ht.init.xavier_normal((32, 2), name="w2")
y = ht.matmul_op(ht.relu_op(ht.matmul_op(x, w1)), w2)
loss = ht.reduce_mean_op(ht.softmaxcrossentropy_op(y, y_), [0])
train_op = ht.optim.SGDOptimizer(learning_rate=0.5).minimize(loss)

executor = ht.Executor([loss, y, train_op], ctx=ht.gpu(0))
for step in range(201):
    loss_val, y_val, _ = executor.run(feed_dict={x: points, y_: np.eye(2)[inside]}, convert_to_numpy_ret_vals=True)
    if step % 50 == 0:
        print("step %3d  loss %.4f  accuracy %.3f" % (step, loss_val, (y_val.argmax(1) == inside).mean()))
"""
path = Path(tempfile.mkdtemp()) / "circle.py"
path.write_text(SCRIPT)


def shell(*command):
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=True)
    return done.stdout


print(shell("-m", "hetu_jax", str(path)))

# %% [markdown]
# Inside a process of one's own, `hetu_jax.install()` does the same. The modules of both names are the same objects, so
# that old and new code can be mixed:

# %%
ht.install()
import hetu

hetu is ht, hetu.optimizer is ht.optimizer

# %% [markdown]
# What a script is given that it takes for granted:

# %%
print("\n".join(shell("-m", "hetu_jax", "--shims").splitlines()[:12]))

# %% [markdown]
# ## What is different
#
# What worked in Hetu gives the same numbers: a full reduction has the shape (1,), and the gradient of relu at 0 is a
# half.

# %%
a = ht.Variable("a", value=[-1.0, 0.0, 2.0])
total = ht.reduce_sum_op(ht.relu_op(a), [0])
(slope,) = ht.gradients(total, [a])
[value.asnumpy() for value in ht.Executor([total, slope]).run()]

# %% [markdown]
# What was a bug is mended; `docs/differences.md` has the list. Mistakes are told in one message that names the line:

# %%
b = ht.Variable("b", value=np.ones((3, 4)))
product = ht.matmul_op(b, b, name="product")
try:
    ht.Executor([product]).run()
except ht.errors.OpError as error:
    print(str(error).replace(str(product.site), "<this notebook>"))

# %% [markdown]
# ## To plain JAX
#
# Every op is a JAX function with a name; the function itself is its `.fn`. So a graph can be left one piece at a time.

# %%
scores = ht.softmax_op.fn(jnp.array([[1.0, 2.0, 3.0]]))
jax.grad(lambda v: ht.relu_op.fn(v).sum())(jnp.array([-1.0, 0.0, 2.0])), scores

# %% [markdown]
# A small model, trained here:

# %%
rng = np.random.default_rng(0)
points = np.column_stack([rng.normal(size=(512, 2)), np.ones(512)]).astype(np.float32)
inside = (np.square(points).sum(1) < 2.2).astype(int)
feeds = {"x": points, "y": np.eye(2, dtype=np.float32)[inside]}

x, y = ht.Variable("x"), ht.Variable("y")
w1, w2 = ht.init.xavier_normal((3, 32), name="w1"), ht.init.xavier_normal((32, 2), name="w2")
out = ht.matmul_op(ht.relu_op(ht.matmul_op(x, w1)), w2)
loss = ht.reduce_mean_op(ht.softmaxcrossentropy_op(out, y), [0])
executor = ht.Executor({"train": [loss, ht.optim.AdamOptimizer(0.02).minimize(loss)], "loss": [loss]}, seed=0)
history = ht.progress(executor, "train", epochs=100, feeds={x: feeds["x"], y: feeds["y"]}).run()
print(f"loss {history['loss'][0]:.4f} -> {history['loss'][-1]:.4f}")

# %% [markdown]
# Its parameters are arrays by name. The same model, written by hand in JAX and optax, goes on from there:

# %%
parameters = {name: jnp.asarray(value) for name, value in executor.state_dict().items() if name in ("w1", "w2")}


def hand_written(parameters, x, y):
    scores = jnp.maximum(x @ parameters["w1"], 0) @ parameters["w2"]
    return optax.softmax_cross_entropy(scores, y).mean()


(ours,) = executor.run("loss", feed_dict={x: feeds["x"], y: feeds["y"]})
print(f"hetu_jax {float(ours):.7f}, plain JAX {hand_written(parameters, **feeds):.7f}")

adam = optax.adam(0.02)


@jax.jit
def step(parameters, state):
    loss, gradients = jax.value_and_grad(hand_written)(parameters, **feeds)
    updates, state = adam.update(gradients, state)
    return optax.apply_updates(parameters, updates), state, loss


state = adam.init(parameters)
for _ in range(100):
    parameters, state, loss_value = step(parameters, state)
print(f"after 100 more steps in plain JAX: loss {loss_value:.4f}")

# %% [markdown]
# And back:

# %%
executor.load_dict({name: np.asarray(value) for name, value in parameters.items()})
(ours,) = executor.run("loss", feed_dict={x: feeds["x"], y: feeds["y"]})
print(f"hetu_jax {float(ours):.7f}, plain JAX {hand_written(parameters, **feeds):.7f}")
