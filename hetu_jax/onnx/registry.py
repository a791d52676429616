"""Which op exports how: `@exporter` functions, the table of ops that are one ONNX node, and the reasons of the rest."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from ..graph import OPS, Op
from .builder import Builder

EXPORTERS: dict[str, Callable[..., Any]] = {}


def own_parameters(op: Op) -> list[str]:
    """The parameters of the op's function that a call gives: all but `ctx` and what the trace fills in."""
    return [name for name in op.call_signature.parameters if name not in op.asks and name != "ctx"]


def exporter_of(op: Op | None) -> Callable[..., Any] | None:
    """The exporter of an op of Hetu's; None for one that has none, and for ops of other registries."""
    return EXPORTERS.get(op.__name__) if op is not None and OPS.get(op.__name__) is op else None


def exporter(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: the ONNX form of the op of the same name.

    The function takes the Builder and the op's own parameters; nodes among the arguments come as Values.
    Raises ValueError where there is no such op, its parameters differ, or it has an exporter already.
    """
    name = function.__name__
    if name not in OPS:
        raise ValueError(f"no op is called {name}")
    expected, given = ["g", *own_parameters(OPS[name])], list(inspect.signature(function).parameters)
    if given != expected:
        raise ValueError(f"the exporter {name} must take ({', '.join(expected)}), not ({', '.join(given)})")
    return _register(name, function)


def same(table: Mapping[str, str]) -> None:
    """Registers ops that are one ONNX node without attributes, their arguments being its inputs, in order.

    table: the ONNX operator by the op's name.  Raises ValueError for a name that no op has.
    """
    for name, operator in table.items():
        if name not in OPS:
            raise ValueError(f"no op is called {name}")
        _register(name, _one_node(operator))


def identity(*names: str) -> None:
    """Registers ops that in inference give their first argument as it is."""
    for name in names:
        _register(name, _first_of(own_parameters(OPS[name])[0]))


def _first_of(parameter: str) -> Callable[..., Any]:
    def export(g: Builder, **arguments: Any) -> Any:
        return arguments[parameter]

    return export


def _one_node(operator: str) -> Callable[..., Any]:
    def export(g: Builder, **arguments: Any) -> Any:
        return g.add(operator, list(arguments.values()))

    return export


def _register(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    if EXPORTERS.setdefault(name, function) is not function:
        raise ValueError(f"two exporters are called {name}")
    return function


def call(function: Callable[..., Any], g: Builder, op: Op, arguments: Mapping[str, Any]) -> Any:
    """What an exporter makes of the arguments of a recorded call."""
    parameters = op.call_signature.parameters
    return function(g, **{name: arguments.get(name, parameters[name].default) for name in own_parameters(op)})
