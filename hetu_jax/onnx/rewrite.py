"""Tidying the exported graph: broadcasts that ONNX does by itself, biases, and what nobody reads any more."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Set

import numpy as np
import onnx
from onnx import helper
from onnx.reference import ReferenceEvaluator

from .arrays import KNOWN_SIZE
from .builder import Builder, Shape, Value

_BROADCASTING = frozenset(
    "Add Sub Mul Div Pow Min Max Where Equal Less Greater LessOrEqual GreaterOrEqual And Or Xor Mod PRelu".split()
)


def simplify(g: Builder, outputs: Set[str], fold: bool) -> None:
    """Rewrites the nodes of `g` in place; the values of `outputs` stay the same.

    fold: whether batch norm becomes a part of the convolution before it.
    """
    outputs = outputs | {name for node in g.nodes for name in read_inside(node)}
    fold_constants(g, outputs)
    merge_equal(g, outputs)
    join_slices(g)
    bypass_expand(g)
    drop_unread(g, outputs)
    fold_reshape(g, outputs)
    drop_unread(g, outputs)
    fuse_bias(g, outputs)
    if fold:
        fold_batch_norm(g, outputs)
        drop_unread(g, outputs)


def tidy(g: Builder, outputs: Set[str]) -> None:
    """Rewrites the nodes of a graph inside a node, which are those of `g` while it is written."""
    outputs = outputs | {name for node in g.nodes for name in read_inside(node)}
    fold_constants(g, outputs)
    merge_equal(g, outputs)
    bypass_expand(g)
    _drop_nodes(g, outputs)


_FOLDED = frozenset(
    "Add And Cast Clip Concat Equal Expand Gather Less Max Min Mod Mul Neg Not Or Range Reshape Slice Squeeze Sub "
    "Transpose Unsqueeze Where".split()
)


def fold_constants(g: Builder, outputs: Set[str]) -> None:
    """What is computed from small constants only becomes a constant; parameters stay what they are."""
    plain = set(g.unnamed)
    for node in g.nodes:
        known = node.op_type in _FOLDED and not node.domain and all(name in plain or not name for name in node.input)
        if not known or outputs.intersection(node.output):
            continue
        arrays = {name: g.initializers[name].array for name in node.input if name}
        array = _computed(g, node, arrays) if all(array.size <= KNOWN_SIZE for array in arrays.values()) else None
        if array is not None and array.size <= KNOWN_SIZE:
            value = g.values[node.output[0]]
            value.array, value.shape = array.astype(value.dtype), array.shape
            g.initializers[value.name] = value
            plain.add(value.name)
            node.Clear()
    g.nodes = [node for node in g.nodes if node.op_type]


def _computed(g: Builder, node: onnx.NodeProto, arrays: dict[str, np.ndarray]) -> np.ndarray | None:
    """The value of a node; None where onnx's own evaluator has none, which then is the runtime's business."""
    kinds = {name: helper.np_dtype_to_tensor_dtype(array.dtype) for name, array in arrays.items()}
    infos = [helper.make_tensor_value_info(name, kind, arrays[name].shape) for name, kind in kinds.items()]
    graph = helper.make_graph([node], "constant", infos, [onnx.ValueInfoProto(name=node.output[0])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", g.opset)])
    try:
        return np.asarray(ReferenceEvaluator(model).run(None, arrays)[0])
    except Exception:  # whatever it lacks
        return None


_RANDOM = frozenset("Bernoulli Multinomial RandomNormal RandomNormalLike RandomUniform RandomUniformLike".split())


def merge_equal(g: Builder, outputs: Set[str]) -> None:
    """Of nodes that compute the same only the first stays."""
    seen: dict[bytes, onnx.NodeProto] = {}
    renamed: dict[str, str] = {}
    for node in g.nodes:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        if node.op_type in _RANDOM | {"Dropout"} or outputs.intersection(node.output) or any(read_inside(node)):
            continue
        same = onnx.NodeProto()
        same.CopyFrom(node)
        same.ClearField("output")
        same.ClearField("name")
        first = seen.setdefault(same.SerializeToString(deterministic=True), node)
        if len(first.output) == len(node.output):
            renamed.update((b, a) for a, b in zip(first.output, node.output, strict=True) if a != b)


def join_slices(g: Builder) -> None:
    """Slices that are all the parts of a value along an axis become one Split."""
    groups: dict[tuple[str, int], list[tuple[int, int, onnx.NodeProto]]] = {}
    for node in g.nodes:
        numbers = [g.initializers.get(name) for name in node.input[1:]] if node.op_type == "Slice" else []
        if len(numbers) < 3 or any(value is None or value.array.size != 1 for value in numbers):
            continue
        start, end, axis, step = [*(int(value.array[0]) for value in numbers), 1][:4]
        shape = g.values[node.input[0]].shape
        if shape is not None and isinstance(shape[axis], int) and step == 1 and 0 <= start < end:
            part = start, min(end, shape[axis]), node
            groups.setdefault((node.input[0], axis % len(shape)), []).append(part)
    for (name, axis), parts in groups.items():
        first, parts = parts[0][2], sorted(parts, key=lambda part: part[0])
        starts, ends, nodes = zip(*parts, strict=True)
        if len(parts) > 1 and (*starts, g.values[name].shape[axis]) == (0, *ends):
            sizes = g.constant(np.subtract(ends, starts), np.int64, hint="split")
            names = [node.output[0] for node in nodes]
            split = helper.make_node("Split", [name, sizes.name], names, name=names[0], axis=axis)
            for node in nodes:
                node.Clear()
            first.CopyFrom(split)
    g.nodes = [node for node in g.nodes if node.op_type]


def read_inside(node: onnx.NodeProto) -> Iterator[str]:
    """The names that the graphs inside a node read, from outside or from each other."""
    for attribute in node.attribute:
        for inner in attribute.g.node:
            yield from inner.input
            yield from read_inside(inner)


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


def fold_reshape(g: Builder, outputs: Set[str]) -> None:
    """A stored tensor that is read only to be reshaped or transposed is stored in that shape."""
    readers, renamed = _reader_counts(g, outputs), {}
    for node in g.nodes:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        stored = g.initializers.get(node.input[0]) if node.op_type in ("Reshape", "Transpose") else None
        if stored is None or readers[stored.name] > 1 or node.output[0] in outputs:
            continue
        if node.op_type == "Transpose":
            order = next((list(a.ints) for a in node.attribute), None)
            stored.array = np.ascontiguousarray(np.transpose(stored.array, order))
            stored.shape = stored.array.shape
        elif node.input[1] in g.initializers and 0 not in g.initializers[node.input[1]].array:
            _reshape_stored(stored, g.initializers[node.input[1]].array.tolist())
        else:
            continue
        renamed[node.output[0]] = stored.name
        readers[stored.name] = readers[node.output[0]]


def _reshape_stored(value: Value, shape: Sequence[int]) -> None:
    value.array = np.asarray(value.array).reshape(shape)
    value.shape = value.array.shape


def fuse_bias(g: Builder, outputs: Set[str]) -> None:
    """Add of a bias becomes part of the Conv, MatMul or Gemm before it."""
    producers, readers = _producers(g), _reader_counts(g, outputs)
    for place, node in enumerate(g.nodes):
        for product, bias in _operands(node) if node.op_type == "Add" else ():
            source = producers.get(product)
            if source is None or readers[product] > 1 or len(source.input) != 2:
                continue
            if _is_product(g, source) and _fits(g, product, bias):
                _join(node, source, "Gemm", bias)
            elif source.op_type == "Conv" and readers[bias] == 1 and _is_per_channel(g, source, bias):
                _reshape_stored(g.initializers[bias], [-1])
                _join(node, source, "Conv", bias)
            else:
                continue
            count = readers[node.output[0]]
            _rename(g, node, place)
            producers[node.output[0]], readers[node.output[0]] = node, count
            break
    g.nodes = [node for node in g.nodes if node.op_type]


def _join(node: onnx.NodeProto, source: onnx.NodeProto, operator: str, bias: str) -> None:
    """Makes of an Add the operator that `source` is, with the bias as its third input."""
    source.op_type = operator
    _replace(node, source, [*source.input, bias])


def _replace(node: onnx.NodeProto, source: onnx.NodeProto, inputs: Sequence[str]) -> None:
    """Puts `source`, with other inputs, in the place of `node`."""
    joined = helper.make_node(source.op_type, inputs, node.output, name=node.name)
    joined.attribute.extend(source.attribute)
    node.CopyFrom(joined)
    source.Clear()


def _rename(g: Builder, node: onnx.NodeProto, place: int) -> None:
    """Calls what was an Add by its new operator, unless the user gave it a name."""
    if re.fullmatch(r"add(_\d+)?", node.output[0]):
        g.rename(g.values[node.output[0]], g.fresh(node.op_type.lower()), place)


def _is_per_channel(g: Builder, convolution: onnx.NodeProto, bias: str) -> bool:
    """Whether it is a stored vector with one element for each channel of the convolution, along axis 1 of four."""
    stored, channels = g.initializers.get(bias), g.values[convolution.input[1]].shape[0]
    return stored is not None and stored.shape in ((channels, 1, 1), (1, channels, 1, 1))


def _operands(node: onnx.NodeProto) -> Iterator[tuple[str, str]]:
    yield node.input[0], node.input[1]
    yield node.input[1], node.input[0]


def _is_product(g: Builder, node: onnx.NodeProto) -> bool:
    """Whether it multiplies two matrices of floats, and does nothing else."""
    if node.op_type not in ("MatMul", "Gemm"):
        return False
    factors = [g.values[name] for name in node.input]
    return all(f.shape is not None and len(f.shape) == 2 and np.issubdtype(f.dtype, np.floating) for f in factors)


def _fits(g: Builder, product: str, bias: str) -> bool:
    """Whether it is the same bias for each row of the product."""
    whole, part = g.values[product].shape, g.values[bias].shape
    if not _known(whole) or not _known(part) or len(part) > 2 or part[:-1] not in ((), (1,)):
        return False
    return all(b in (1, whole[-1]) for b in part[-1:])


def fold_batch_norm(g: Builder, outputs: Set[str]) -> None:
    """BatchNormalization of a convolution goes into its filters and bias, where all of them are stored."""
    producers, readers = _producers(g), _reader_counts(g, outputs)
    for node in g.nodes:
        source = producers.get(node.input[0]) if node.op_type == "BatchNormalization" else None
        if source is None or source.op_type != "Conv" or readers[node.input[0]] > 1 or len(node.output) > 1:
            continue
        if any(a.name == "training_mode" and a.i for a in node.attribute):  # it reads no running statistics
            continue
        stored = [g.initializers.get(name) for name in (*source.input[1:], *node.input[1:])]
        if all(value is not None for value in stored):
            filters, *bias, scale, shift, mean, variance = [np.asarray(value.array) for value in stored]
            epsilon = next((a.f for a in node.attribute if a.name == "epsilon"), 1e-5)
            factor = scale / np.sqrt(variance + np.asarray(epsilon, variance.dtype))
            filters = filters * factor.reshape(-1, *[1] * (filters.ndim - 1))
            shift = shift + ((bias[0] if bias else 0) - mean) * factor
            parts = [(source.input[1], filters), (f"{source.input[1]}_bias", shift)]
            names = [g.initializer(name, array).name for name, array in parts]
            _replace(node, source, [source.input[0], *names])
            producers[node.output[0]] = node
    g.nodes = [node for node in g.nodes if node.op_type]


def _reader_counts(g: Builder, outputs: Set[str]) -> dict[str, int]:
    counts = dict.fromkeys(g.values, 0) | dict.fromkeys(outputs, 1)
    for node in g.nodes:
        for name in node.input:
            counts[name] = counts.get(name, 0) + 1
    return counts


def drop_unread(g: Builder, outputs: Set[str]) -> None:
    """Removes nodes and initializers that no output depends on."""
    read = _drop_nodes(g, outputs)
    g.initializers = {name: value for name, value in g.initializers.items() if name in read}


def _drop_nodes(g: Builder, outputs: Set[str]) -> Set[str]:
    """Removes nodes that no output depends on; returns all names that are read."""
    read, kept = set(outputs), []
    for node in reversed(g.nodes):
        if read.intersection(node.output):
            kept.append(node)
            read.update(node.input)
    g.nodes = kept[::-1]
    return read
