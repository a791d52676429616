"""What all layers share: how they are called, shown, and given their parameters."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import GraphError
from ..gradients import gradients
from ..graph import Node
from ..initializers import BaseInit, GenXavierUniform, GenZeros
from ..ops.elementwise import gelu_op, relu_op, sigmoid_op, tanh_op
from ..scope import scoped

XAVIER_UNIFORM = GenXavierUniform()
ZEROS = GenZeros()
ACTIVATIONS = {"relu": relu_op, "gelu": gelu_op, "sigmoid": sigmoid_op, "tanh": tanh_op}


class BaseLayer:
    """A function from nodes to nodes that may own Variables; a subclass defines `__call__`."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__call__" in vars(cls):
            cls.__call__ = scoped(cls.__call__)

    def __call__(self, *nodes: Any) -> Any:
        raise GraphError(f"{type(self).__name__} does not say what it computes: define __call__(self, x)")

    def make_dataloader_func(self) -> Callable[[Any], Any]:
        """The function that a dataloader applies to the batches for this layer; none unless a subclass defines it."""
        raise GraphError(f"{type(self).__name__} has no function for dataloaders: define make_dataloader_func(self)")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(_settings(self))})"


def _settings(layer: BaseLayer) -> list[str]:
    """The constructor's arguments, as far as they are attributes and differ from the defaults."""
    shown = []
    for name, parameter in inspect.signature(type(layer)).parameters.items():
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            shown += map(_text, vars(layer).get(name, ()))
        elif name in vars(layer) and (text := _text(vars(layer)[name])) != _text(parameter.default):
            shown.append(f"{name}={text}")
    return shown


def _text(value: Any) -> str:
    return getattr(value, "__name__", None) or repr(value)


class OpLayer(BaseLayer):
    """A layer that Hetu's planner of parallel runs takes for a single op; a subclass defines `build`.

    After a call, `inputs` and `output` are the nodes of that call, in the order in which they were given.
    ctx: the device of what the layer makes.
    """

    inputs: Sequence[Node] = ()
    output: Node | None = None

    def __init__(self, ctx: Any = None):
        self.ctx = ctx

    def build(self, *nodes: Any, **named: Any) -> Node:
        """The node that the layer computes from its inputs."""
        raise GraphError(f"{type(self).__name__} does not say what it computes: define build(self, x)")

    def __call__(self, *nodes: Any, **named: Any) -> Node:
        self.inputs = [node for node in (*nodes, *named.values()) if isinstance(node, Node)]
        self.output = self.build(*nodes, **named)
        return self.output


class OpLayerGradient(BaseLayer):
    """The backward pass of an `OpLayer`'s last call.

    layer: a layer that has been called.  Called with the gradient of its output, gives a list of nodes: the gradients
    of its inputs.  Raises GraphError for a layer that has not been called.
    """

    def __init__(self, layer: OpLayer):
        self.layer = layer

    def __call__(self, output_grad: Node) -> list[Node]:
        if self.layer.output is None:
            raise GraphError(f"{self.layer!r} has no gradient before it is called: call it on its inputs first")
        return gradients(self.layer.output, self.layer.inputs, insert_grad=output_grad)


def parameter(initializer: Any, shape: Sequence[int], name: str, trainable: bool = True, ctx: Any = None) -> Node:
    """A layer's parameter.

    initializer: a generator of `hetu_jax.initializers`, called as (shape=, name=, trainable=[, ctx=]), or a node,
        which is then the parameter itself.  shape, name, trainable, ctx: of the Variable.
    Raises TypeError for anything else.
    """
    if isinstance(initializer, Node):
        return initializer
    if isinstance(initializer, BaseInit) or not callable(initializer):
        raise TypeError(
            f"{name}: initializer must make Variables, as ht.init.GenXavierUniform() does, or be a node; "
            f"it is {initializer!r}"
        )
    return initializer(shape=shape, name=name, trainable=trainable, **({} if ctx is None else {"ctx": ctx}))


def activation_of(activation: Any) -> Callable[[Node], Node]:
    """The function from node to node that `activation` names.

    activation: None for none, a callable, or one of the names in ACTIVATIONS.
    Raises ValueError for another name, TypeError for anything else.
    """
    if activation is None:
        return lambda node: node
    if isinstance(activation, str):
        if activation not in ACTIVATIONS:
            raise ValueError(
                f"there is no activation {activation!r}: use one of {', '.join(ACTIVATIONS)}, or a callable"
            )
        return ACTIVATIONS[activation]
    if not callable(activation):
        raise TypeError(f"activation must be a name or a callable from node to node, not {activation!r}")
    return activation


def check_layers(layers: Sequence[Any], owner: str) -> list[Any]:
    """`layers` as a list.  Raises TypeError, in the name of `owner`, for one that cannot be called."""
    for layer in layers:
        if not callable(layer):
            raise TypeError(f"{owner} takes layers or functions from node to node, not {layer!r}")
    return list(layers)
