"""`gradients`: one Node class, evaluated by `jax.vjp`."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .errors import GraphError
from .graph import Feed, Node, Variable, flatten, op, toposort
from .layout import plain
from .sites import user_site
from .trace import Env, Run, evaluate, is_float


@op
def item_op(node: Any, index: Any) -> Any:
    """node[index]: one output of a node that has several, or NumPy indexing of an array.

    node: a list of values, or an array of any shape.  index: int, slice, or a tuple of those.
    Returns: the part; a full index of an array gives shape (1,).  Raises IndexError for a place outside the array.
    """
    if hasattr(node, "shape") and not any(isinstance(part, jax.Array) for part in jax.tree.leaves(index)):
        np.broadcast_to(False, node.shape)[index]  # raises where JAX takes the nearest element
    part = node[index]
    return part if not hasattr(part, "shape") or isinstance(node, list | tuple) or part.shape else part.reshape(1)


class Gradients(Node):
    """The gradients of the sum of `outputs`, weighted by `seeds`, with respect to each of `wrt`.

    Its value is a list aligned with `wrt`.  The forward pass is traced once, under `jax.vjp`, and shared with every
    other reader of its nodes.  The gradient at an inner node is taken with respect to a zero added to it, so that it is
    the whole one even where one of `wrt` is below another.
    """

    def __init__(self, outputs: Sequence[Node], wrt: Sequence[Node], seeds: Sequence[Node | None]):
        super().__init__(None, {}, name="Gradients")
        self.outputs, self.wrt, self.seeds = list(outputs), list(wrt), list(seeds)
        given = [seed for seed in self.seeds if seed is not None]
        self.inputs = [*self.outputs, *self.wrt, *given]
        self._order = toposort([*self.outputs, *self.wrt])
        self._written = {variable for node in self._order for variable in node.writes}
        self._leaves_below = [node for node in self._order if isinstance(node, Variable | Feed)]
        self._needs = self._leaves_below + given

    @property
    def needs(self) -> list[Node]:
        return self._needs

    @property
    def op_type(self) -> str:
        return "Gradients"

    def evaluate(self, values: Sequence[Any], env: Env, run: Run, **given: Any) -> list[jax.Array]:
        leaves = {node: env[node] for node in self._leaves_below}
        points = {node: leaves[node] for node in self.wrt if node in leaves}
        inner = [node for node in dict.fromkeys(self.wrt) if node not in leaves]
        if inner:
            shapes = jax.eval_shape(
                lambda known: evaluate(inner, dict(zip(leaves, known, strict=True)), run.fork()), [*leaves.values()]
            )
            points.update((node, jnp.zeros(s.shape, s.dtype)) for node, s in zip(inner, shapes, strict=True))
        for node, point in points.items():
            _check_float(node, point)
        written: list[Variable] = []

        def forward(moved: list[jax.Array]) -> tuple[list[Any], tuple[list[Any], list[Any]]]:
            moving = dict(zip(points, moved, strict=True))
            known = {node: moving.pop(node, value) for node, value in leaves.items()}
            inside = run.fork(moving)
            for variable in self._written:  # what this walk writes it writes anew, also where another has before it
                inside.updates.pop(variable, None)
            results = evaluate(self.outputs, known, inside)
            evaluate(self.wrt, known, inside)
            written[:] = inside.updates
            return results, ([known[node] for node in self._order], [*inside.updates.values()])

        results, pullback, (known, updates) = jax.vjp(forward, [*points.values()], has_aux=True)
        env.update(zip(self._order, known, strict=True))
        run.updates.update(zip(written, updates, strict=True))
        seeds = []
        for node, result, seed in zip(self.outputs, results, self.seeds, strict=True):
            _check_float(node, result)
            seed = jnp.ones_like(result) if seed is None else jnp.broadcast_to(plain(env[seed]), result.shape)
            seeds.append(seed.astype(result.dtype))
        by_node = dict(zip(points, pullback(seeds)[0], strict=True))
        return [by_node[node] for node in self.wrt]


def _check_float(node: Node, value: Any) -> None:
    if not is_float(value):
        dtype = getattr(value, "dtype", type(value).__name__)
        raise GraphError(f"{node.describe()} has dtype {dtype}: only floats have gradients, so cast it or leave it out")


def gradients(
    output_node: Node | Sequence[Node],
    node_list: Sequence[Node] | Node,
    insert_grad: Node | Sequence[Node | None] | None = None,
    return_all: bool = False,
) -> Any:
    """Nodes for the gradients of the sum of the outputs with respect to each node of `node_list`.

    output_node: a node or a list of nodes, float, any shape.
    node_list: leaves or inner nodes, float; a gradient has the shape of its node.
    insert_grad: seeds in place of ones, aligned with the outputs; None entries mean ones.
    return_all: also return two empty dicts, where Hetu keeps its maps between forward and backward nodes.
    Returns: a list of nodes aligned with `node_list`; they can be differentiated again.
    Where nothing flows from an output to a node the gradient is zeros, with one warning.
    Raises GraphError for what is no node, and when the numbers of seeds and outputs differ; at run time, for a node
    that is not float.

    >>> import hetu_jax as ht
    >>> x = ht.Variable("x", value=[2.0, 3.0])
    >>> (dx,) = ht.gradients(x * x * x, [x])
    >>> (d2x,) = ht.gradients(dx, [x])
    >>> [array.asnumpy().tolist() for array in ht.Executor([dx, d2x]).run()]
    [[12.0, 27.0], [12.0, 18.0]]
    """
    outputs = list(flatten([output_node]))
    wrt = [node_list] if isinstance(node_list, Node) else list(node_list)
    seeds = [None] * len(outputs) if insert_grad is None else list(flatten([insert_grad]))
    for node in (*outputs, *wrt, *(seed for seed in seeds if seed is not None)):
        if not isinstance(node, Node):
            hint = "ht.Variable('seed', value=array) makes one of an array"
            raise GraphError(f"gradients takes nodes, not {node!r}: {hint} (at {user_site()})")
    if len(seeds) != len(outputs):
        raise GraphError(f"insert_grad has {len(seeds)} entries for {len(outputs)} outputs (at {user_site()})")
    below = set(toposort(outputs))
    cut = [node.name for node in wrt if node not in below]
    if cut:
        names = ", ".join(node.name for node in outputs)
        warnings.warn(f"nothing flows from {names} back to {', '.join(cut)}: the gradient is zeros", stacklevel=2)
    parts = Gradients(outputs, wrt, seeds)
    nodes = [item_op(parts, i, name=f"gradient_of_{node.name}") for i, node in enumerate(wrt)]
    return (nodes, {}, {}) if return_all else nodes
