"""What the initializers of a graph are for: parameters, statistics, or parts of shapes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

import onnx
from onnx import GraphProto, NodeProto

from . import operators

# Inputs, by number, that say what to compute rather than being computed with; None means all.
_SETTINGS: dict[str, tuple[int, ...] | None] = {
    "Reshape": (1,),
    "Expand": (1,),
    "Tile": (1, 2),
    "ConstantOfShape": None,
    "Range": None,
    "Slice": (1, 2, 3, 4),
    "Squeeze": (1,),
    "Unsqueeze": (1,),
    "Split": (1,),
    "SplitToSequence": (1,),
    "Pad": (1, 2, 3),
    "Resize": (1, 2, 3),
    "Upsample": (1,),
    "TopK": (1,),
    "OneHot": (1,),
    "CumSum": (1,),
    "CumProd": (1,),
    "Trilu": (1,),
    "Clip": (1, 2),
    "Pow": (1,),
    "Dropout": (1, 2),
    "Loop": (0, 1),
    "If": (0,),
    "NonMaxSuppression": (2, 3, 4),
    "DFT": (1, 2),
    "STFT": (1, 3),
    "MelWeightMatrix": None,
    "HannWindow": None,
    "HammingWindow": None,
    "BlackmanWindow": None,
    "AffineGrid": (1,),
    "CenterCropPad": (1,),
    "Col2Im": (1, 2),
    "MaxUnpool": (2,),
    "SequenceAt": (1,),
    "SequenceInsert": (2,),
    "SequenceErase": (1,),
    "ReverseSequence": (1,),
    **{f"Reduce{what}": (1,) for what in "L1 L2 LogSum LogSumExp Max Mean Min Prod Sum SumSquare".split()},
}

_SCALE = re.compile(r"(?i).*_scale|scales")  # names of inputs with the scales of quantised numbers

# Operators of shape arithmetic: what feeds them is a setting where what they give is one.
ARITHMETIC = frozenset(
    "Abs Add And Cast CastLike Ceil Concat Div Equal Floor Gather GatherElements GatherND Greater GreaterOrEqual Less "
    "LessOrEqual Max Min Mod Mul Neg Not Or ReduceMax ReduceMin ReduceProd ReduceSum Reshape Round ScatterElements "
    "ScatterND Slice Split Sqrt Squeeze Sub Sum Transpose Unsqueeze Where".split()
)
_THROUGH = ARITHMETIC | {"Identity", "Range", "ConstantOfShape", "Expand", "Tile"}


class Roles:
    """The names of a graph's settings (`shapes`) and of floats that training leaves alone (`frozen`)."""

    def __init__(self, graph: GraphProto):
        nodes = list(_nodes(graph))
        makers = {name: node for node in nodes for name in node.output}
        self.frozen = {name for node in nodes for name in _named(node, _frozen(node))}
        self.shapes: set[str] = set()
        pending = [name for node in nodes for name in _named(node, _SETTINGS.get(node.op_type, ()))]
        while pending:
            name = pending.pop()
            if name in self.shapes:
                continue
            self.shapes.add(name)
            maker = makers.get(name)
            if maker is not None and maker.op_type in _THROUGH:
                pending.extend(maker.input)


def _frozen(node: NodeProto) -> Sequence[int]:
    """Inputs with floats that training must leave alone: statistics and the scales of quantised numbers."""
    if node.op_type == "BatchNormalization":
        return (3, 4)
    operator = operators.find(node.domain, node.op_type, onnx.defs.onnx_opset_version())
    return [place for place, name in enumerate(operator.inputs if operator else ()) if _SCALE.fullmatch(name)]


def _nodes(graph: GraphProto) -> Iterator[NodeProto]:
    """The nodes of a graph, and of the graphs inside them."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            yield from _nodes(attribute.g)


def _named(node: NodeProto, places: Iterable[int] | None) -> list[str]:
    chosen = range(len(node.input)) if places is None else places
    return [node.input[i] for i in chosen if i < len(node.input) and node.input[i]]
