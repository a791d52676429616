"""A layer of 8 experts, of which each of a sample's 32 tokens goes to the best two, as far as these have room."""

import math

import numpy as np

from .workload import Workload, normal, one_hot

TOKENS, WIDTH, INNER, EXPERTS, BEST, ROOM = 32, 128, 512, 8, 2, 1.25


def weights(rng, quick):
    made = {"gate": normal(rng, WIDTH, EXPERTS), "bias": np.zeros(EXPERTS, np.float32)}
    made |= {"head": normal(rng, WIDTH, 10)}
    made |= {f"up{e}": normal(rng, WIDTH, INNER) for e in range(EXPERTS)}
    return made | {f"down{e}": normal(rng, INNER, WIDTH) for e in range(EXPERTS)}


def data(rng, rows, w):
    return {"x": normal(rng, rows, TOKENS, WIDTH, scale=1), "y": one_hot(rng, rows, 10)}


def capacity(tokens):
    """How many tokens an expert takes."""
    return BEST * math.ceil(tokens / EXPERTS * ROOM)


def hetu(ht, w, x):
    tokens = x["x"].shape[0] * TOKENS
    gate = ht.layers.TopKGate(WIDTH, tokens, EXPERTS, BEST, ROOM, initializer=w["gate"])
    gate.bias_var = w["bias"]
    experts = [ht.layers.Expert(WIDTH, INNER, activation="relu", name=f"expert{e}") for e in range(EXPERTS)]
    for e, expert in enumerate(experts):
        expert.weight_vars = [w[f"up{e}"], w[f"down{e}"]]
    y, _ = ht.layers.MoELayer(gate, experts)(x["x"])
    return ht.matmul_op(ht.reduce_mean_op(ht.array_reshape_op(y, (-1, TOKENS, WIDTH)), [1]), w["head"])


def plain(w, x, new):
    import jax
    import jax.numpy as jnp

    tokens = x["x"].reshape(-1, WIDTH)
    room = capacity(len(tokens))
    shares, chosen = jax.lax.top_k(jax.nn.softmax(tokens @ w["gate"] + w["bias"]), BEST)
    chosen = chosen.T.reshape(-1)  # first choices stand in the queues before second ones
    queue = jnp.cumsum(jax.nn.one_hot(chosen, EXPERTS, dtype=jnp.int32), 0)
    place = jnp.take_along_axis(queue, chosen[:, None], 1)[:, 0] - 1
    slot = jnp.where(place < room, chosen * room + place, EXPERTS * room)
    sent = jnp.zeros((EXPERTS * room, WIDTH)).at[slot].set(jnp.tile(tokens, (BEST, 1)), mode="drop")
    sent = sent.reshape(EXPERTS, room, WIDTH)
    served = jnp.concatenate([jax.nn.relu(sent[e] @ w[f"up{e}"]) @ w[f"down{e}"] for e in range(EXPERTS)])
    back = served.at[slot].get(mode="fill", fill_value=0) * shares.T.reshape(-1, 1)
    y = back.reshape(BEST, -1, TOKENS, WIDTH).sum(0)
    return y.mean(1) @ w["head"]


def torch(w, x, training):
    from torch import relu, softmax
    from torch.nn import functional as F

    tokens = x["x"].reshape(-1, WIDTH)
    room = capacity(len(tokens))
    shares, chosen = softmax(tokens @ w["gate"] + w["bias"], 1).topk(BEST, 1)
    chosen, shares = chosen.t().reshape(-1), shares.t().reshape(-1)
    queue = F.one_hot(chosen, EXPERTS).cumsum(0)
    kept = queue.gather(1, chosen[:, None])[:, 0] <= room
    y = tokens.new_zeros(tokens.shape)
    for e in range(EXPERTS):
        sent = (kept & (chosen == e)).nonzero()[:, 0]
        token = sent % len(tokens)
        served = relu(tokens[token] @ w[f"up{e}"]) @ w[f"down{e}"]
        y = y.index_add(0, token, served * shares[sent, None])
    return y.reshape(-1, TOKENS, WIDTH).mean(1) @ w["head"]


WORKLOAD = Workload("mixture of experts", weights, data, hetu, plain, torch, rate=0.1)
