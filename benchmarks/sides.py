"""The implementations that are compared: each makes of a workload a step, which starts it and returns its result.

A training step's result is its loss, an inference step's the logits.  Batches follow each other through `BATCHES`, then
start again.  A side has its library imported, and no other's, in a process of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .workloads.workload import Arrays, Workload

BATCHES = 4
BETAS, EPSILON, MOMENTUM = (0.9, 0.999), 1e-8, 0.9


class Side(NamedTuple):
    """A workload in one library.

    step: starts the next step and returns its result.  wait: returns when a result is there.
    numbers: a result as an array.
    """

    step: Callable[[], Any]
    wait: Callable[[Any], Any]
    numbers: Callable[[Any], np.ndarray]


def hetu_jax(workload: Workload, w: Arrays, x: Arrays, batch: int, training: bool) -> Side:
    import hetu_jax as ht

    variables = {name: ht.Variable(name, value) for name, value in w.items()}
    nodes = {name: ht.dataloader_op([ht.Dataloader(a, batch, dtype=a.dtype)]) for name, a in x.items()}
    logits = workload.hetu(ht, variables, nodes)
    if not training:
        executor = ht.Executor([logits])
    else:
        softmax = workload.loss == "softmax"
        each = (ht.softmaxcrossentropy_op if softmax else ht.binarycrossentropywithlogits_op)(logits, nodes["y"])
        loss = ht.reduce_mean_op(each, [0] if softmax else [0, 1])
        kinds = {"sgd": ht.optim.SGDOptimizer, "momentum": ht.optim.MomentumOptimizer}
        kinds |= {"adagrad": ht.optim.AdaGradOptimizer, "adam": ht.optim.AdamOptimizer}
        executor = ht.Executor([loss, kinds[workload.optimizer](workload.rate).minimize(loss)])
    return Side(lambda: executor.run()[0], lambda result: result.value.block_until_ready(), lambda r: r.asnumpy())


def plain_jax(workload: Workload, w: Arrays, x: Arrays, batch: int, training: bool) -> Side:
    import jax

    state, data = jax.tree.map(jax.numpy.asarray, (w, x))
    at = 0

    def sliced(data, start):
        return {name: jax.lax.dynamic_slice_in_dim(a, start, batch) for name, a in data.items()}

    def next_start():
        nonlocal at
        start, at = at, (at + batch) % len(x["y"])
        return np.int32(start)

    def wait(result):
        return result.block_until_ready()

    if not training:
        infer = jax.jit(lambda w, data, start: _plain_logits(workload, w, sliced(data, start)))
        return Side(lambda: infer(state, data, next_start()), wait, np.asarray)
    state, update = _plain_training(workload, state)
    donated = jax.jit(lambda state, data, start: update(state, sliced(data, start)), donate_argnums=0)

    def step():
        nonlocal state
        state, loss = donated(state, data, next_start())
        return loss

    return Side(step, wait, np.asarray)


def _plain_logits(workload, w, x):
    if workload.table:
        w = w | {workload.table: w[workload.table][x["ids"]]}
    return workload.plain(w, x, None)


def _plain_training(workload, w):
    """The first state of a hand-written training step, and the step: (state, batch) -> (state, loss)."""
    import jax
    import optax

    kinds = {"sgd": optax.sgd, "momentum": lambda rate: optax.sgd(rate, MOMENTUM), "adam": optax.adam}
    optimizer = kinds[workload.optimizer](workload.rate)
    fixed = {name: a for name, a in w.items() if name.endswith((".mean", ".var"))}
    table = w.pop(workload.table) if workload.table else None
    params = {name: a for name, a in w.items() if name not in fixed}
    slots = optimizer.init(params), jax.tree.map(jax.numpy.zeros_like, (table, table))

    def loss_of(params, fixed, rows, x):
        new = dict(fixed)
        logits = workload.plain(params | fixed | ({workload.table: rows} if workload.table else {}), x, new)
        softmax = workload.loss == "softmax"
        each = (optax.softmax_cross_entropy if softmax else optax.sigmoid_binary_cross_entropy)(logits, x["y"])
        return each.mean(), new

    def update(state, x):
        params, fixed, table, (slots, moments) = state
        rows = None if table is None else table[x["ids"]]
        both = jax.value_and_grad(loss_of, (0, 2) if workload.table else 0, has_aux=True)
        (loss, fixed), grads = both(params, fixed, rows, x)
        if workload.table:
            grads, of_rows = grads
            count = slots[0].count + 1
            table, moments = _lazy_adam(workload.rate, table, moments, x["ids"].reshape(-1), of_rows, count)
        updates, slots = optimizer.update(grads, slots, params)
        return (optax.apply_updates(params, updates), fixed, table, (slots, moments)), loss

    return (params, fixed, table, slots), update


def _lazy_adam(rate, table, moments, ids, grads, count):
    """Adam on the rows that were looked up, each once; the others stay as they are."""
    import jax.numpy as jnp

    rows, place = jnp.unique(ids, return_inverse=True, size=len(ids), fill_value=len(table))
    g = jnp.zeros((len(ids), table.shape[1])).at[place].add(grads.reshape(len(ids), -1))
    m, v = (a.at[rows].get(mode="fill", fill_value=0) for a in moments)
    m, v = BETAS[0] * m + (1 - BETAS[0]) * g, BETAS[1] * v + (1 - BETAS[1]) * g * g
    step = rate * (m / (1 - BETAS[0] ** count)) / (jnp.sqrt(v / (1 - BETAS[1] ** count)) + EPSILON)
    moments = tuple(a.at[rows].set(b, mode="drop") for a, b in zip(moments, (m, v), strict=True))
    return table.at[rows].add(-step, mode="drop"), moments


def torch_eager(workload: Workload, w: Arrays, x: Arrays, batch: int, training: bool, compiled: bool = False) -> Side:
    import torch

    tensors = {name: torch.from_numpy(a) for name, a in w.items()}
    data = {name: torch.from_numpy(a) for name, a in x.items()}
    net = torch.compile(workload.torch, dynamic=False) if compiled else workload.torch
    at = 0

    def next_batch():
        nonlocal at
        start, at = at, (at + batch) % len(x["y"])
        return {name: a[start : start + batch] for name, a in data.items()}

    def infer():
        with torch.inference_mode():
            return net(tensors, next_batch(), False)

    if not training:
        return Side(infer, lambda result: None, lambda result: result.numpy())
    optimizers = _torch_optimizers(workload, tensors)
    softmax = workload.loss == "softmax"
    loss_of = torch.nn.functional.cross_entropy if softmax else torch.nn.functional.binary_cross_entropy_with_logits

    def step():
        x = next_batch()
        loss = loss_of(net(tensors, x, True), x["y"])
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        return loss.detach()

    return Side(step, lambda result: None, lambda result: result.numpy())


def _torch_optimizers(workload, tensors):
    from torch import optim

    params = [t.requires_grad_() for name, t in tensors.items() if not name.endswith((".mean", ".var"))]
    if workload.table:
        table = tensors[workload.table]
        dense = [t for t in params if t is not table]
        return [optim.Adam(dense, workload.rate), optim.SparseAdam([table], workload.rate)]
    kinds = {"sgd": optim.SGD, "momentum": lambda p, rate: optim.SGD(p, rate, momentum=MOMENTUM), "adam": optim.Adam}
    return [kinds[workload.optimizer](params, workload.rate)]


def torch_compiled(workload: Workload, w: Arrays, x: Arrays, batch: int, training: bool) -> Side:
    return torch_eager(workload, w, x, batch, training, compiled=True)


SIDES = {
    "hetu_jax": hetu_jax,
    "JAX": plain_jax,
    "PyTorch": torch_eager,
    "torch.compile": torch_compiled,
}
