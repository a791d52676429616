"""Which node and which pass the parts of a compiled step come from."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from .costs import flops_of
from .graph import Node, Variable
from .hlo import Instruction, sides

OTHER = "(other)"
FORWARD, BACKWARD, UPDATE = "forward", "backward", "update"
PRODUCTS = ("dot_general", "conv_general_dilated")
_WRAPPED = re.compile(r"^\w+\((.*)\)$")

Key = tuple[str, str]  # the name of a node, and the pass


class Origins:
    """What JAX's names of operations say about a group of nodes, each of which is traced in a scope of its name.

    nodes: those of the group.
    """

    def __init__(self, nodes: Iterable[Node]):
        self.by_name = {node.name: node for node in nodes if not isinstance(node, Variable)}

    def of(self, origin: str) -> Key:
        """The innermost node in the name of an operation, and the pass."""
        name = OTHER
        for part in origin.split("/"):
            while found := _WRAPPED.match(part):
                part = found.group(1)
            name = part if part in self.by_name else name
        if name in self.by_name and self.by_name[name].trains:
            return name, UPDATE
        return name, BACKWARD if "transpose(" in origin else FORWARD

    def flops(self, jaxpr: Any) -> dict[Key, int]:
        """Floating-point operations by node and pass, before XLA changes anything."""
        found: Counter[Key] = Counter()
        for equation in jaxpr.jaxpr.eqns:
            found[self.of(str(equation.source_info.name_stack))] += flops_of(equation)
        return {key: count for key, count in found.items() if count}

    def of_instructions(self, instructions: Sequence[Instruction], jaxpr: Any) -> dict[str, list[Key]]:
        """By the name of an instruction: the node and pass that it ends in, then those that are fused into it.

        XLA forgets where some come from.  A product among them belongs to an operation of its size that no other
        instruction accounts for, anything else to what reads it.
        """
        found = {i.name: [key for o in i.origins if (key := self.of(o))[0] != OTHER] for i in instructions}
        missing = self._products(jaxpr)
        for i in instructions:
            for key, product in ((key, product) for product in i.products for key in found[i.name]):
                if key in missing[product]:
                    missing[product].remove(key)
        for i in instructions:
            for product in i.products:
                if not found[i.name] and missing[product]:
                    found[i.name] = [missing[product].pop(0)]
        for i in reversed(instructions):  # what reads stands behind what it reads
            for below in i.reads:
                found[below] = found.get(below) or found[i.name][:1]
        return found

    def _products(self, jaxpr: Any) -> defaultdict[tuple[int, ...], list[Key]]:
        """The nodes and passes of products, by their sides."""
        found: defaultdict[tuple[int, ...], list[Key]] = defaultdict(list)
        for equation in jaxpr.jaxpr.eqns:
            if equation.primitive.name in PRODUCTS:
                found[sides(equation.outvars[0].aval.shape)].append(self.of(str(equation.source_info.name_stack)))
        return found
