"""The ONNX operators that can be imported: `@operator` functions, found by domain, name and version."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import OnnxImportError
from ..graph import Op
from .nodes import OnnxNode

REGISTRIES: dict[str, dict[str, Operator]] = {}
ONNX, ML, PREVIEW, TRAINING = "", "ai.onnx.ml", "ai.onnx.preview", "ai.onnx.preview.training"
MICROSOFT = "com.microsoft"

_WITHOUT_EFFECT = frozenset({"consumed_inputs", "is_test"})  # of the first versions, which said how, not what
_RENAMED = {
    ("Pad", "paddings"): "pads",
    ("Pad", "value"): "constant_value",
    ("TopK", "k"): "K",
}


class Operator(Op):
    """One ONNX operator: a function of the same name.

    Its positional parameters are the operator's inputs and its keyword-only ones the attributes, with the names and
    defaults of the standard; where an input was an attribute in older versions, both go into the one parameter.
    `Name_13` is the operator from version 13 on, `Name` from the first.  `outputs`, where a function has it, is the
    number of outputs that the node has; several outputs are returned as a tuple.
    """

    def __init__(self, fn: Callable[..., Any], domain: str):
        stem, _, version = fn.__name__.rpartition("_")
        self.onnx_name, self.since = (stem, int(version)) if version.isdigit() and stem else (fn.__name__, 1)
        self.domain = domain
        super().__init__(fn, node=OnnxNode, registry=REGISTRIES.setdefault(domain, {}))
        kinds = {name: parameter.kind for name, parameter in self.call_signature.parameters.items()}
        keywords = [name for name, kind in kinds.items() if kind is inspect.Parameter.KEYWORD_ONLY]
        self.attributes = [name for name in keywords if name not in self.asks]
        self.inputs = [name for name in kinds if name not in keywords]
        self.variadic = inspect.Parameter.VAR_POSITIONAL in kinds.values()
        self.counts_outputs = "outputs" in self.attributes

    def bind_node(self, inputs: Sequence[Any], attributes: Mapping[str, Any], outputs: int) -> dict[str, Any]:
        """The arguments of a call by parameter name.

        inputs: in order, None for one left out.  Raises OnnxImportError where they are not what the operator takes.
        """
        named = {_RENAMED.get((self.onnx_name, key), key): value for key, value in attributes.items()}
        named = {key: value for key, value in named.items() if key not in _WITHOUT_EFFECT}
        unknown = named.keys() - self.call_signature.parameters.keys() - {"outputs"}
        if unknown:
            raise OnnxImportError(f"{self.onnx_name} has no attribute {', '.join(map(repr, sorted(unknown)))}")
        if self.counts_outputs:
            named["outputs"] = outputs
        inputs = list(inputs)
        while inputs and inputs[-1] is None:
            inputs.pop()
        try:
            arguments = self.call_signature.bind_partial(*inputs, **named).arguments
        except TypeError as error:
            raise OnnxImportError(f"{self.onnx_name} takes {', '.join(self.inputs) or 'no inputs'}: {error}") from None
        return self._complete(arguments)

    def _complete(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """`arguments` without what was left out; raises OnnxImportError where something needed is missing."""
        for name, parameter in self.call_signature.parameters.items():
            needed = parameter.default is inspect.Parameter.empty and name not in self.asks
            if parameter.kind is inspect.Parameter.VAR_POSITIONAL or not needed or arguments.get(name) is not None:
                continue
            kind = "input" if name in self.inputs else "attribute"
            raise OnnxImportError(f"{self.onnx_name} needs its {kind} {name!r}")
        return {name: value for name, value in arguments.items() if value is not None}


def operator(fn: Callable[..., Any]) -> Operator:
    """Decorator: registers a function as the ai.onnx operator of its name."""
    return Operator(fn, ONNX)


def operator_of(domain: str) -> Callable[[Callable[..., Any]], Operator]:
    """The decorator for operators of another domain."""
    return lambda fn: Operator(fn, domain)


def find(domain: str, name: str, version: int) -> Operator | None:
    """The newest operator of the name that is not newer than `version`, or the oldest there is; None without any."""
    versions = _versions().get(("" if domain == "ai.onnx" else domain, name))
    if not versions:
        return None
    return max((o for o in versions if o.since <= version), key=lambda o: o.since, default=versions[0])


def _versions() -> dict[tuple[str, str], list[Operator]]:
    """The operators by domain and name, oldest first."""
    if not _by_name:
        from . import importers  # noqa: F401, fills the registries

        for domain, registry in REGISTRIES.items():
            for found in sorted(registry.values(), key=lambda o: o.since):
                _by_name.setdefault((domain, found.onnx_name), []).append(found)
    return _by_name


_by_name: dict[tuple[str, str], list[Operator]] = {}
