"""Hetu's layers: objects that own Variables and, called on nodes, give nodes.

A layer has no list of its parameters: the optimizer finds the trainable Variables below the loss.
"""

from ..errors import hint_at_names as _hint_at_names
from .activation import DropOut, Identity, Mish, Relu
from .attention import MultiHeadAttention
from .conv import AvgPool2d, Conv2d, MaxPool2d
from .embedding import Embedding
from .gates import BalanceAssignmentGate, HashGate, KTop1Gate, SAMGate, TopKGate
from .linear import Linear
from .loss import BCELoss, BCEWithLogitsLoss, MAELoss, MSELoss, SoftmaxCrossEntropyLoss
from .moe import Expert, HashLayer, KTop1Layer, MoELayer, SAMLayer
from .norm import BatchNorm, LayerNorm
from .structure import (
    BatchSplitOnlyLayer,
    Concatenate,
    ConcatenateLayers,
    ReserveSplitLayer,
    Reshape,
    Sequence,
    Slice,
    SumLayers,
)

__all__ = [
    "AvgPool2d",
    "BCELoss",
    "BCEWithLogitsLoss",
    "BalanceAssignmentGate",
    "BatchNorm",
    "BatchSplitOnlyLayer",
    "Concatenate",
    "ConcatenateLayers",
    "Conv2d",
    "DropOut",
    "Embedding",
    "Expert",
    "HashGate",
    "HashLayer",
    "Identity",
    "KTop1Gate",
    "KTop1Layer",
    "LayerNorm",
    "Linear",
    "MAELoss",
    "MSELoss",
    "MaxPool2d",
    "Mish",
    "MoELayer",
    "MultiHeadAttention",
    "Relu",
    "ReserveSplitLayer",
    "Reshape",
    "SAMGate",
    "SAMLayer",
    "Sequence",
    "Slice",
    "SoftmaxCrossEntropyLoss",
    "SumLayers",
    "TopKGate",
]

_hint_at_names(__name__)
