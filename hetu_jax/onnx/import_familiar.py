"""Hetu's ops in imported graphs: where an ONNX operator comes down to one, it is recorded as that op.

Export, channels-last feature maps and sparse updates then work as on any graph.  Each function here is called as the
ONNX operator, takes its arguments, and gives the name of the op with its arguments, or None where they differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from ..graph import OPS, Node, Variable
from . import operators
from .arrays import is_text
from .nodes import FamiliarNode, OnnxNode, Subgraph, computed
from .operators import Operator
from .roles import ARITHMETIC

FOLDED_SIZE = 64  # larger arrays are no shapes

Call = tuple[str, dict[str, Any]] | None
TRANSLATORS: dict[str, Callable[..., Call]] = {}


def folded(operator: Operator, arguments: dict[str, Any], outputs: int) -> list[Any] | None:
    """The outputs of shape arithmetic on arrays that are known, or None where it is something else."""
    if operator.onnx_name not in ARITHMETIC or operator.domain:
        return None
    values = [v for argument in arguments.values() for v in (argument if isinstance(argument, tuple) else [argument])]
    if any(isinstance(value, Node | Subgraph) or is_text(value) or not _few(value) for value in values):
        return None
    try:
        found = computed(operator, arguments, outputs)
    except Exception:  # the model may never run this node; when it does, the message says what is wrong
        return None
    found = [found] if outputs == 1 else list(found)
    return found if all(isinstance(value, np.ndarray) for value in found) else None


def _few(value: Any) -> bool:
    return np.size(value) <= FOLDED_SIZE and max(np.shape(value), default=0) <= FOLDED_SIZE


def translated(node: OnnxNode, in_graph: bool) -> Node | None:
    """The node as a call of a Hetu op, or None where no op is the same.

    in_graph: whether it stands in the graph itself and not in a body of If, Loop or Scan, where nothing is written and
        no table trained.
    """
    translator = TRANSLATORS.get(node.op.onnx_name)
    if translator is None or node.op.domain or node.outputs > 1 or not node.inputs:
        return None
    bound, names = node.bound, [*node.op.inputs, *node.op.attributes]
    call = translator(**{name: bound.get(name) for name in names if name != "outputs"})
    if call is None:
        return None
    name, arguments = call
    op = OPS[name]
    if (op.writes or name == "embedding_lookup_op") and not in_graph:
        return None
    writes = tuple(arguments[target] for target in op.writes)
    if op.on_record is not None:
        op.on_record(arguments)
    return FamiliarNode(op, arguments, node, writes=writes)


def translator(fn: Callable[..., Call]) -> Callable[..., Call]:
    """Decorator: what the ONNX operator of the function's name comes down to."""
    TRANSLATORS[fn.__name__] = fn
    return fn


def _same(name: str) -> Callable[..., Call]:
    parameters = [p for p in OPS[name].call_signature.parameters]

    def translate(**arguments: Any) -> Call:
        if arguments.pop("axis", None) is not None:  # how the first versions broadcast
            return None
        arguments.pop("broadcast", None)
        return name, dict(zip(parameters, arguments.values(), strict=False))

    return translate


SAME = {
    "Abs": "abs_op",
    "Add": "add_op",
    "Cos": "cos_op",
    "Div": "div_op",
    "Exp": "exp_op",
    "Floor": "floor_op",
    "LeakyRelu": "leaky_relu_op",
    "Mul": "mul_op",
    "Neg": "opposite_op",
    "Relu": "relu_op",
    "Sigmoid": "sigmoid_op",
    "Sign": "sign_op",
    "Sin": "sin_op",
    "Sqrt": "sqrt_op",
    "Sub": "minus_op",
    "Tanh": "tanh_op",
}
TRANSLATORS.update({operator: _same(op) for operator, op in SAME.items()})


def _rank(value: Any) -> int | None:
    """The number of axes of a Variable or a known array; None for any other node."""
    if isinstance(value, Variable):
        return len(value.shape)
    return None if isinstance(value, Node) else np.ndim(value)


def _symmetric(pads: Sequence[int] | None, auto_pad: str, rank: int) -> tuple[int, ...] | None:
    """The padding of each axis where it is the same at both ends, else None."""
    if auto_pad not in ("NOTSET", "VALID"):
        return None
    pads = (0,) * 2 * rank if pads is None or auto_pad == "VALID" else tuple(pads)
    return pads[:rank] if len(pads) == 2 * rank and pads[:rank] == pads[rank:] and min(pads) >= 0 else None


def _all_one(values: Sequence[int] | None) -> bool:
    return values is None or set(values) <= {1}


@translator
def Conv(X, W, B, auto_pad, dilations, group, kernel_shape, pads, strides):
    padding = _symmetric(pads, auto_pad, 2)
    if _rank(W) != 4 or group != 1 or not _all_one(dilations) or padding is None:
        return None
    arguments = {"node_A": X, "node_B": W, "padding": padding, "stride": strides or (1, 1)}
    return ("conv2d_op", arguments) if B is None else ("conv2d_add_bias_op", {**arguments, "bias": B})


def _pool(name, X, kernel_shape, padding, strides):
    if padding is None or len(kernel_shape) != 2:
        return None
    rows, columns = kernel_shape
    arguments = {"node_A": X, "kernel_H": rows, "kernel_W": columns, "padding": padding, "stride": strides or (1, 1)}
    return name, arguments


@translator
def MaxPool(X, auto_pad, ceil_mode, dilations, kernel_shape, pads, storage_order, strides):
    if ceil_mode or not _all_one(dilations):
        return None
    return _pool("max_pool2d_op", X, kernel_shape, _symmetric(pads, auto_pad, 2), strides)


@translator
def AveragePool(X, auto_pad, ceil_mode, count_include_pad, dilations, kernel_shape, pads, strides):
    padding = _symmetric(pads, auto_pad, 2)
    if ceil_mode or not _all_one(dilations) or (padding and any(padding) and not count_include_pad):
        return None
    return _pool("avg_pool2d_op", X, kernel_shape, padding, strides)


@translator
def BatchNormalization(X, scale, B, input_mean, input_var, epsilon, momentum, training_mode, spatial):
    statistics = input_mean, input_var
    if training_mode or not spatial or not all(isinstance(v, Variable) for v in (scale, B, *statistics)):
        return None
    if any(v.trainable or v.dtype != np.float32 for v in statistics):
        return None
    return "batch_normalization_op", {
        "node_in": X,
        "bn_scale": scale,
        "bn_bias": B,
        "momentum": round(1 - momentum, 6),
        "eps": epsilon,
        "running_mean": input_mean,
        "running_var": input_var,
    }


@translator
def LayerNormalization(X, Scale, B, axis, epsilon, stash_type):
    if axis != -1 or _rank(Scale) != 1 or _rank(B) != 1 or stash_type != 1:
        return None
    return "layer_normalization_op", {"node_in": X, "ln_scale": Scale, "ln_bias": B, "eps": epsilon}


@translator
def Softmax(input, axis):
    return ("softmax_op", {"node": input}) if axis == -1 else None


@translator
def LogSoftmax(input, axis):
    return ("log_softmax_op", {"node": input}) if axis == -1 else None


@translator
def Gelu(X, approximate):
    return ("gelu_op", {"node": X}) if approximate == "none" else None


@translator
def Dropout(data, ratio, training_mode, seed):
    known = not isinstance(ratio, Node) and not isinstance(training_mode, Node)
    if not known or (training_mode is not None and np.any(training_mode)):
        return None
    keep_prob = 1 - float(np.asarray(0.5 if ratio is None else ratio))
    return ("dropout_op", {"node_in": data, "keep_prob": keep_prob}) if 0 < keep_prob <= 1 else None


@translator
def MatMul(A, B):
    matrix = any((_rank(value) or 0) >= 2 for value in (A, B))
    return ("matmul_op", {"node_A": A, "node_B": B}) if matrix else None


@translator
def Gemm(A, B, C, alpha, beta, transA, transB, broadcast):
    if alpha != 1 or (C is not None and beta != 1):
        return None
    arguments = {"node_A": A, "node_B": B, "trans_A": bool(transA), "trans_B": bool(transB)}
    return ("matmul_op", arguments) if C is None else ("linear_op", {**arguments, "bias": C})


@translator
def Concat(inputs, axis):
    return "concatenate_op", {"node_list": list(inputs), "axis": axis}


@translator
def Transpose(data, perm):
    return "transpose_op", {"node_A": data, "perm": perm}


@translator
def Reshape(data, shape, allowzero):
    if isinstance(shape, Node) or np.any(np.asarray(shape) == 0):
        return None
    return "array_reshape_op", {"node": data, "output_shape": tuple(int(length) for length in np.ravel(shape))}


@translator
def Gather(data, indices, axis):
    table = isinstance(data, Variable) and len(data.shape) == 2 and jnp.issubdtype(data.dtype, jnp.floating)
    if not table or axis != 0 or not data.shape[0]:
        return None
    rows = np.array(data.shape[0], np.int64)  # ids below 0 count from the end, which Hetu's op does not do
    if isinstance(indices, Node):
        index = OnnxNode(operators.find("", "Mod", 13), {"A": indices, "B": rows}, name="index")
    else:
        index = np.asarray(indices) % rows
    return "embedding_lookup_op", {"embedding": data, "index": index}


@translator
def Pow(A, B, axis, broadcast):
    if axis is not None or isinstance(B, Node) or np.ndim(B) > 0:
        return None
    return "power_op", {"node": A, "p": float(np.asarray(B))}
