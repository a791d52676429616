"""Wide & Deep: 26 ids into one table of a million rows, 13 numbers; Adam moves only the rows that were looked up."""

import numpy as np

from .workload import Workload, normal

FIELDS, NUMBERS, WIDTH = 26, 13, 16


def weights(rng, quick, rows=None):
    shapes = {"wide": (NUMBERS, 1), "w1": (FIELDS * WIDTH + NUMBERS, 256), "w2": (256, 256), "w3": (256, 1)}
    made = {name: normal(rng, *shape) for name, shape in shapes.items()}
    made |= {"b1": np.zeros(256, np.float32), "b2": np.zeros(256, np.float32), "b3": np.zeros(1, np.float32)}
    return made | {"table": normal(rng, rows or (10_000 if quick else 1_000_000), WIDTH, scale=0.1)}


def data(rng, rows, w):
    """Ids of which some come far more often than others."""
    ids = np.int32(len(w["table"]) * rng.random((rows, FIELDS)) ** 3)
    labels = np.float32(rng.random((rows, 1)) < 0.3)
    return {"x": normal(rng, rows, NUMBERS, scale=1), "ids": ids, "y": labels}


def hetu(ht, w, x):
    found = ht.array_reshape_op(ht.embedding_lookup_op(w["table"], x["ids"]), (-1, FIELDS * WIDTH))
    h = ht.concat_op(found, x["x"], axis=1)
    h = ht.relu_op(ht.linear_op(h, w["w1"], w["b1"]))
    h = ht.relu_op(ht.linear_op(h, w["w2"], w["b2"]))
    return ht.linear_op(h, w["w3"], w["b3"]) + ht.matmul_op(x["x"], w["wide"])


def plain(w, x, new):
    """`w["table"]` are the looked-up rows here: that is what a hand-written lazy update differentiates."""
    import jax
    import jax.numpy as jnp

    h = jnp.concatenate([w["table"].reshape(-1, FIELDS * WIDTH), x["x"]], 1)
    h = jax.nn.relu(h @ w["w1"] + w["b1"])
    h = jax.nn.relu(h @ w["w2"] + w["b2"])
    return h @ w["w3"] + w["b3"] + x["x"] @ w["wide"]


def torch(w, x, training):
    from torch import addmm, cat, relu
    from torch.nn import functional as F

    found = F.embedding(x["ids"], w["table"], sparse=True).reshape(-1, FIELDS * WIDTH)
    h = relu(addmm(w["b1"], cat([found, x["x"]], 1), w["w1"]))
    h = relu(addmm(w["b2"], h, w["w2"]))
    return addmm(w["b3"], h, w["w3"]) + x["x"] @ w["wide"]


WORKLOAD = Workload(
    "Wide & Deep", weights, data, hetu, plain, torch, loss="sigmoid", optimizer="adam", rate=1e-3, table="table"
)
