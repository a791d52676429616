"""Tidying the exported graph: broadcasts that ONNX does by itself, Gemm, and what nobody reads any more."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set

import numpy as np
import onnx
from onnx import helper

from .builder import Builder, Shape

_BROADCASTING = frozenset(
    "Add Sub Mul Div Pow Min Max Where Equal Less Greater LessOrEqual GreaterOrEqual And Or Xor Mod PRelu".split()
)


def simplify(g: Builder, outputs: Set[str]) -> None:
    """Rewrites the nodes of `g` in place; the values of `outputs` stay the same."""
    bypass_expand(g)
    drop_unread(g, outputs)
    fuse_gemm(g, outputs)
    drop_unread(g, outputs)


def _producers(g: Builder) -> dict[str, onnx.NodeProto]:
    return {name: node for node in g.nodes for name in node.output}


def bypass_expand(g: Builder) -> None:
    """An elementwise operator reads what Expand reads, where another operand already has the expanded shape."""
    producers = _producers(g)
    for node in g.nodes:
        for place in range(len(node.input)) if node.op_type in _BROADCASTING else ():
            expand = producers.get(node.input[place])
            if expand is not None and expand.op_type == "Expand" and _has_shape_of(g, producers, expand, node, place):
                node.input[place] = expand.input[0]


def _has_shape_of(
    g: Builder, producers: dict[str, onnx.NodeProto], expand: onnx.NodeProto, node: onnx.NodeProto, place: int
) -> bool:
    """Whether an operand besides number `place` is sure to have the shape that `expand` makes."""
    shape, measured = g.values[expand.output[0]].shape, producers.get(expand.input[1])
    others = [name for i, name in enumerate(node.input) if i != place and name]
    if measured is not None and measured.op_type == "Shape" and measured.input[0] in others:
        return True
    return _known(shape) and any(g.values[name].shape == shape for name in others)


def _known(shape: Shape | None) -> bool:
    return shape is not None and None not in shape


def fuse_gemm(g: Builder, outputs: Set[str]) -> None:
    """MatMul of two matrices and Add of a bias become Gemm."""
    producers, readers = _producers(g), _reader_counts(g, outputs)
    for place, node in enumerate(g.nodes):
        for product, bias in _operands(node) if node.op_type == "Add" else ():
            source = producers.get(product)
            if source is not None and readers[product] == 1 and _is_product(g, source) and _fits(g, product, bias):
                gemm = helper.make_node("Gemm", [*source.input, bias], node.output, name=node.name)
                gemm.attribute.extend(source.attribute)
                node.CopyFrom(gemm)
                source.Clear()
                if re.fullmatch(r"add(_\d+)?", gemm.name):
                    g.rename(g.values[gemm.name], g.fresh("gemm"), place)
                    producers[node.output[0]] = node
                    readers[node.output[0]] = readers[gemm.name]
                break
    g.nodes = [node for node in g.nodes if node.op_type]


def _operands(node: onnx.NodeProto) -> Iterator[tuple[str, str]]:
    yield node.input[0], node.input[1]
    yield node.input[1], node.input[0]


def _is_product(g: Builder, node: onnx.NodeProto) -> bool:
    """Whether it multiplies two matrices of floats, and does nothing else."""
    if len(node.input) != 2 or node.op_type not in ("MatMul", "Gemm"):
        return False
    factors = [g.values[name] for name in node.input]
    return all(f.shape is not None and len(f.shape) == 2 and np.issubdtype(f.dtype, np.floating) for f in factors)


def _fits(g: Builder, product: str, bias: str) -> bool:
    """Whether the bias broadcasts to the product, and not the other way."""
    whole, part = g.values[product].shape, g.values[bias].shape
    if not _known(whole) or not _known(part) or len(part) > 2:
        return False
    return all(b in (1, a) for a, b in zip(whole[::-1], part[::-1], strict=False))


def _reader_counts(g: Builder, outputs: Set[str]) -> dict[str, int]:
    counts = dict.fromkeys(g.values, 0) | dict.fromkeys(outputs, 1)
    for node in g.nodes:
        for name in node.input:
            counts[name] = counts.get(name, 0) + 1
    return counts


def drop_unread(g: Builder, outputs: Set[str]) -> None:
    """Removes nodes and initializers that no output depends on."""
    read, kept = set(outputs), []
    for node in reversed(g.nodes):
        if read.intersection(node.output):
            kept.append(node)
            read.update(node.input)
    g.nodes = kept[::-1]
    g.initializers = {name: value for name, value in g.initializers.items() if name in read}
