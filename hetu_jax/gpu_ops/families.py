"""Hetu's modules of one op each, `hetu.gpu_ops.MatrixMult` and the like, made from a table when they are imported.

A class of such a module is what `isinstance(node, MatMulOp)` asks about; called, it makes the node.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from types import ModuleType
from typing import Any

from .. import ops
from ..graph import OPS, Node, Placeholder, Variable, find_topo_sort, placeholder_op

# Module -> class -> op, by Hetu's names of all vintages; where no vintage has a class for an op, in their manner.
FAMILIES: dict[str, dict[str, str]] = {
    "Abs": {"AbsOp": "abs_op", "Abs_GradientOp": "abs_gradient_op", "AbsGradientOp": "abs_gradient_op"},
    "AddConst": {"AddByConstOp": "addbyconst_op"},
    "AddElewise": {"AddOp": "add_op"},
    "Addmm": {"AddmmOp": "addmm_op", "AddmmGradientOp": "addmm_gradient_op"},
    "AllGatherCommunicate": {"AllGatherCommunicateOp": "allgatherCommunicate_op"},
    "AllReduceCommunicate": {
        "AllReduceCommunicateOp": "allreduceCommunicate_op",
        "AllReduceCommunicateP2POp": "allreduceCommunicatep2p_op",
        "GroupAllReduceCommunicateOp": "groupallreduceCommunicate_op",
    },
    "AllToAll": {"AllToAllOp": "alltoall_op"},
    "Arange": {"ArangeOp": "arange_op"},
    "Argmax": {"ArgmaxOp": "argmax_op", "ArgmaxPartialOp": "argmax_partial_op"},
    "ArgmaxPartial": {"ArgmaxPartialOp": "argmax_partial_op"},
    "Argsort": {"ArgsortOp": "argsort_op"},
    "AssignWithIndexedSlices": {
        "AssignWithIndexedSlicesOp": "assign_with_indexedslices_op",
        "AssignQuantizedEmbeddingOp": "assign_quantized_embedding_op",
    },
    "AvgPool": {"Avg_Pool2dOp": "avg_pool2d_op", "Avg_Pool2d_GradientOp": "avg_pool2d_gradient_op"},
    "Baddbmm": {"BaddbmmOp": "baddbmm_op"},
    "BalanceAssignment": {"BalanceAssignmentOp": "balance_assignment_op"},
    "BatchMatrixMult": {"BatchMatMulOp": "batch_matmul_op"},
    "BatchNorm": {
        "Batch_NormalizationOp": "batch_normalization_op",
        "Batch_Normalization_GradientOp": "batch_normalization_gradient_op",
        "Batch_Normalization_Gradient_of_BiasOp": "batch_normalization_gradient_of_bias_op",
        "Batch_Normalization_Gradient_of_DataOp": "batch_normalization_gradient_of_data_op",
        "Batch_Normalization_Gradient_of_ScaleOp": "batch_normalization_gradient_of_scale_op",
    },
    "BinaryCrossEntropy": {
        "BinaryCrossEntropyOp": "binarycrossentropy_op",
        "BinaryCrossEntropyGradientOp": "binarycrossentropy_gradient_op",
    },
    "BinaryCrossEntropyWithLogits": {
        "BinaryCrossEntropyWithLogitsOp": "binarycrossentropywithlogits_op",
        "BinaryCrossEntropyWithLogitsGradientOp": "binarycrossentropywithlogits_gradient_op",
    },
    "Bool": {"BoolOp": "bool_op", "BoolValOp": "bool_op", "BoolMatrixOp": "bool_op"},
    "Broadcast": {"BroadcastToOp": "broadcastto_op"},
    "BroadcastCommunicate": {"BroadcastCommunicateOp": "broadcastCommunicate_op"},
    "BroadcastShape": {"BroadcastShapeOp": "broadcast_shape_op"},
    "Clamp": {"ClampOp": "clamp_op"},
    "CompressedEmbedding": {
        "ALPTEmbeddingLookUpOp": "alpt_embedding_lookup_op",
        "ALPTRoundingOp": "alpt_rounding_op",
        "ALPTScaleGradientOp": "alpt_scale_gradient_op",
        "CompoHashOp": "compo_hash_op",
        "DivHashOp": "div_hash_op",
        "LearnHashOp": "learn_hash_op",
        "ModHashNegativeOp": "mod_hash_negative_op",
        "ModHashOp": "mod_hash_op",
        "RobeHashOp": "robe_hash_op",
        "RobeSignOp": "robe_sign_op",
    },
    "Concat": {"ConcatOp": "concat_op", "Concat_gradientOP": "concat_gradient_op"},
    "Concatenate": {"ConcatenateOp": "concatenate_op", "Concatenate_gradientOP": "concatenate_gradient_op"},
    "ConstPow": {"ConstPowOp": "const_pow_op", "ConstPowGradientOp": "const_pow_gradient_op"},
    "Conv2d": {
        "Conv2dOp": "conv2d_op",
        "Conv2d_Gradient_of_DataOp": "conv2d_gradient_of_data_op",
        "Conv2d_Gradient_of_FilterOp": "conv2d_gradient_of_filter_op",
    },
    "Conv2dAddBias": {"Conv2dAddBiasOp": "conv2d_add_bias_op"},
    "Conv2dBroadcast": {"Conv2d_BroadcastToOp": "conv2d_broadcastto_op"},
    "Conv2dReduceSum": {"Conv2d_ReduceSumOp": "conv2d_reducesum_op"},
    "CrossEntropy": {"CrossEntropyOp": "crossentropy_op", "CrossEntropyGradientOp": "crossentropy_gradient_op"},
    "CrossEntropySparse": {
        "CrossEntropySparseOp": "crossentropy_sparse_op",
        "CrossEntropySparseGradientOp": "crossentropy_sparse_gradient_op",
    },
    "CuSparse": {"CsrmmOp": "csrmm_op", "CsrmvOp": "csrmv_op"},
    "Cumsum": {"CumsumOp": "cumsum_with_bias_op", "CumsumWithBiasOp": "cumsum_with_bias_op"},
    "DataTransfer": {"DataD2HOp": "datad2h_op", "DataH2DOp": "datah2d_op"},
    "Dispatch": {"DispatchOp": "dispatch"},
    "DistGCN_15d": {"DistGCN_15dOp": "distgcn_15d_op"},
    "Division": {"DivOp": "div_op", "DivConstOp": "div_const_op", "DivHandleZeroOp": "div_handle_zero_op"},
    "Dropout": {
        "DropoutOp": "dropout_op",
        "Dropout_GradientOp": "dropout_gradient_op",
        "Dropout_Gradient_recomputeOp": "dropout_gradient_recompute_op",
        "Dropout_Gradient_RecomputeOp": "dropout_gradient_recompute_op",
        "Dropout2dOp": "dropout2d_op",
        "Dropout2d_GradientOp": "dropout2d_gradient_op",
    },
    "Dropout2d": {"Dropout2dOp": "dropout2d_op", "Dropout2d_GradientOp": "dropout2d_gradient_op"},
    "EmbeddingLookUp": {
        "EmbeddingLookUp": "embedding_lookup_op",
        "EmbeddingLookUp_Gradient": "embedding_lookup_gradient_op",
        "SparseEmbeddingLookUp": "sparse_embedding_lookup_op",
        "SumSparseGradientOp": "sum_sparse_gradient_op",
    },
    "Exp": {"ExpOp": "exp_op"},
    "Floor": {"FloorOp": "floor_op"},
    "Full": {"FullOp": "full_op", "FullLikeOp": "full_like_op"},
    "Gather": {"GatherOp": "gather_op", "GatherGradientOp": "gather_gradient_op"},
    "Gelu": {"GeluOp": "gelu_op", "GeluGradientOp": "gelu_gradient_op"},
    "GroupTopKIdx": {"GroupTopKIdxOp": "group_topk_idx_op"},
    "HAllToAll": {"HAllToAllOp": "halltoall_op"},
    "Indexing": {"IndexingOp": "indexing_op", "IndexingGradOp": "indexing_grad_op"},
    "InstanceNorm2d": {
        "Instance_Normalization2dOp": "instance_normalization2d_op",
        "Instance_Normalization2d_GradientOp": "instance_normalization2d_gradient_op",
    },
    "Interpolate": {"InterpolateOp": "interpolate_op", "InterpolateGradOp": "interpolate_grad_op"},
    "LayerNorm": {
        "Layer_NormalizationOp": "layer_normalization_op",
        "Layer_Normalization_GradientOp": "layer_normalization_gradient_op",
        "Layer_Normalization_Gradient_of_BiasOp": "layer_normalization_gradient_of_bias_op",
        "Layer_Normalization_Gradient_of_DataOp": "layer_normalization_gradient_of_data_op",
        "Layer_Normalization_Gradient_of_ScaleOp": "layer_normalization_gradient_of_scale_op",
    },
    "LayoutTransform": {
        "LayoutTransformOp": "layout_transform_op",
        "LayoutTransformGradientOp": "layout_transform_gradient_op",
    },
    "LeakyRelu": {"LeakyReluOp": "leaky_relu_op", "LeakyReluGradientOp": "leaky_relu_gradient_op"},
    "Linear": {"LinearOp": "linear_op"},
    "LogElewise": {"LogOp": "log_op", "LogGradOp": "log_grad_op"},
    "LogSoftmax": {"LogSoftmaxOp": "log_softmax_op", "LogSoftmaxGradientOp": "log_softmax_gradient_op"},
    "Mask": {"MaskOp": "mask_op"},
    "MaskedFill": {"MaskedFillOp": "masked_fill_op"},
    "MatrixDot": {"MatrixDotOp": "matrix_dot_op"},
    "MatrixMult": {"MatMulOp": "matmul_op"},
    "Max": {"MaxOp": "max_op"},
    "MaxPool": {"Max_Pool2dOp": "max_pool2d_op", "Max_Pool2d_GradientOp": "max_pool2d_gradient_op"},
    "Min": {"MinOp": "min_op"},
    "MinDist": {"MinDistOp": "min_dist_op"},
    "MinusByConst": {"MinusByConstOp": "minus_byconst_op"},
    "MinusElewise": {"MinusByMatrixOp": "minus_op", "MinusOp": "minus_op"},
    "MultiplyConst": {"MulByConstOp": "mul_byconst_op"},
    "MultiplyElewise": {"MulOp": "mul_op"},
    "NllLoss": {"NllLossOp": "nll_loss_op", "NllLossGradOp": "nll_loss_grad_op"},
    "Norm": {"NormOp": "norm_op", "NormGradientOp": "norm_gradient_op"},
    "OneHot": {"OneHotOp": "one_hot_op"},
    "OnesLike": {"OnesLikeOp": "oneslike_op"},
    "Opposite": {"OppositeOp": "opposite_op"},
    "OptEmbedBinaryStep": {"BinaryStepOp": "binary_step_op", "BinaryStepGradientOp": "binary_step_gradient_op"},
    "Pad": {"PadOp": "pad_op", "Pad_GradientOp": "pad_gradient_op"},
    "ParamClip": {"ParamClipOp": "param_clip_op"},
    "ParameterServerCommunicate": {
        "ParameterServerCommunicateOp": "parameterServerCommunicate_op",
        "ParameterServerSparsePullOp": "parameterServerSparsePull_op",
    },
    "PipelineReceive": {"PipelineReceiveOp": "pipeline_receive_op"},
    "PipelineSend": {"PipelineSendOp": "pipeline_send_op"},
    "Pow": {"PowOp": "pow_op", "PowGradientOp": "pow_gradient_op"},
    "Power": {"PowerOp": "power_op"},
    "Prune": {"PruneLowMagnitudeOp": "prune_low_magnitude_op"},
    "Quantize": {"QuantizeOp": "quantize_op", "DequantizeOp": "dequantize_op"},
    "QuantizeALPTEmb": {
        "ALPTEmbeddingLookUpOp": "alpt_embedding_lookup_op",
        "ALPTRoundingOp": "alpt_rounding_op",
        "ALPTScaleGradientOp": "alpt_scale_gradient_op",
    },
    "QuantizeEmbedding": {
        "QuantizedEmbeddingLookUpOp": "quantized_embedding_lookup_op",
        "UnifiedQuantizedEmbeddingLookUpOp": "unified_quantized_embedding_lookup_op",
    },
    "Rand": {"RandOp": "rand_op"},
    "ReduceCommunicate": {"ReduceCommunicateOp": "reduceCommunicate_op"},
    "ReduceMean": {"ReduceMeanOp": "reduce_mean_op"},
    "ReduceMin": {"ReduceMinOp": "reduce_min_op"},
    "ReduceMul": {"ReduceMulOp": "reduce_mul_op"},
    "ReduceNorm1": {"ReduceNorm1Op": "reduce_norm1_op"},
    "ReduceNorm2": {"ReduceNorm2Op": "reduce_norm2_op"},
    "ReduceScatterCommunicate": {"ReduceScatterCommunicateOp": "reducescatterCommunicate_op"},
    "ReduceSum": {"ReduceSumOp": "reduce_sum_op"},
    "ReduceSumAxisZero": {"ReduceSumAxisZeroOp": "reducesumaxiszero_op"},
    "Relu": {"ReluOp": "relu_op", "ReluGradientOp": "relu_gradient_op"},
    "Repeat": {
        "RepeatOp": "repeat_op",
        "Repeat_GradientOp": "repeat_gradient_op",
        "RepeatGradientOp": "repeat_gradient_op",
    },
    "Reshape": {
        "Array_ReshapeOp": "array_reshape_op",
        "Array_Reshape_GradientOp": "array_reshape_gradient_op",
        "ReshapeToOp": "reshape_to_op",
    },
    "ReshapeTo": {"ReshapeToOp": "reshape_to_op"},
    "ReverseLayoutTransform": {
        "ReverseLayoutTransformOp": "reverse_layout_transform_op",
        "ReverseLayoutTransformGradientDataOp": "reverse_layout_transform_gradient_data_op",
        "ReverseLayoutTransformGradientGateOp": "reverse_layout_transform_gradient_gate_op",
        "ReverseLayoutTransformNoGateOp": "reverse_layout_transform_no_gate_op",
        "ReverseLayoutTransformNoGateGradientOp": "reverse_layout_transform_no_gate_gradient_op",
    },
    "ReverseLayoutTransformNoGate": {
        "ReverseLayoutTransformNoGateOp": "reverse_layout_transform_no_gate_op",
        "ReverseLayoutTransformNoGateGradientOp": "reverse_layout_transform_no_gate_gradient_op",
    },
    "Roll": {"RollOp": "roll_op"},
    "SamGroupSum": {"SamGroupSumOp": "sam_group_sum_op"},
    "SamMax": {"SamMaxOp": "sam_max_op", "SamMaxGradOp": "sammax_grad_op"},
    "Sample": {
        "GumbelSampleOp": "gumbel_sample_op",
        "NormalSampleOp": "normal_sample_op",
        "RandomIntSampleOp": "randint_sample_op",
        "RandintSampleOp": "randint_sample_op",
        "TruncatedNormalSampleOp": "truncated_normal_sample_op",
        "UniformSampleOp": "uniform_sample_op",
    },
    "Scatter": {"ScatterOp": "scatter_op"},
    "Scatter1D": {"Scatter1DOp": "scatter1d_op", "Scatter1DGradOp": "scatter1d_grad_op"},
    "Sigmoid": {"SigmoidOp": "sigmoid_op"},
    "Sign": {"SignOp": "sign_op"},
    "Sin": {"SinOp": "sin_op", "CosOp": "cos_op"},
    "Slice": {"SliceOp": "slice_op", "SliceGradientOp": "slice_gradient_op"},
    "SliceAssign": {"SliceAssignOp": "slice_assign_op", "SliceAssignMatrixOp": "slice_assign_matrix_op"},
    "SliceByMatrix": {
        "SliceByMatrixOp": "slice_by_matrix_op",
        "SliceByMatrixGradientOp": "slice_by_matrix_gradient_op",
    },
    "Softmax": {"SoftmaxOp": "softmax_op", "SoftmaxGradientOp": "softmax_gradient_op"},
    "SoftmaxCrossEntropy": {
        "SoftmaxCrossEntropyOp": "softmaxcrossentropy_op",
        "SoftmaxCrossEntropyGradientOp": "softmaxcrossentropy_gradient_op",
    },
    "SoftmaxCrossEntropySparse": {
        "SoftmaxCrossEntropySparseOp": "softmaxcrossentropy_sparse_op",
        "SoftmaxCrossEntropySparseGradientOp": "softmaxcrossentropy_sparse_gradient_op",
    },
    "SparseEmbeddingLookUp": {"SparseEmbeddingLookUp": "sparse_embedding_lookup_op"},
    "SparseSet": {"SparseSetOp": "sparse_set_op"},
    "Split": {"SplitOp": "split_op", "SplitGradientOp": "split_gradient_op"},
    "Sqrt": {"SqrtOp": "sqrt_op", "ReciprocalSqrtOp": "rsqrt_op"},
    "StopGradient": {"StopGradientOp": "stop_gradient_op"},
    "Sum": {"SumOp": "sum_op", "SparseSumOp": "sum_op"},
    "SumSparseGradient": {"SumSparseGradientOp": "sum_sparse_gradient_op"},
    "Tanh": {"TanhOp": "tanh_op", "TanhGradientOp": "tanh_gradient_op"},
    "Tile": {"TileOp": "tile_op"},
    "TopKIdx": {"TopKIdxOp": "topk_idx_op"},
    "TopKVal": {"TopKValOp": "topk_val_op"},
    "Transpose": {"TransposeOp": "transpose_op"},
    "TrilLookup": {"TrilLookupOp": "tril_lookup_op", "TrilLookupGradientOp": "tril_lookup_gradient_op"},
    "Unique": {
        "UniqueIndicesOp": "unique_indices_op",
        "UniqueIndicesOffsetsOp": "unique_indices_offsets_op",
        "DedupLookupOp": "deduplicate_lookup_op",
        "DedupGradOp": "deduplicate_grad_op",
        "DeduplicateLookupOp": "deduplicate_lookup_op",
        "DeduplicateGradOp": "deduplicate_grad_op",
    },
    "Where": {"WhereOp": "where_op", "WhereConstOp": "where_const_op"},
    "ZerosLike": {"ZerosLikeOp": "zeroslike_op"},
}
FAMILIES |= {  # what this package called them first
    "BinaryStep": FAMILIES["OptEmbedBinaryStep"],
    "CumSum": FAMILIES["Cumsum"],
    "Log": FAMILIES["LogElewise"],
}

# Classes for one form of an op each: the parameter that only this form is given, and how Hetu's class is called.
FORMS: dict[str, tuple[str, Any]] = {
    "BoolMatrixOp": ("input", lambda node_A, node_B, cond, ctx=None: OPS["bool_op"](node_A, node_B, None, cond, ctx)),
    "BoolValOp": ("val", lambda node, val, cond=0, ctx=None: OPS["bool_op"](node, None, val, cond, ctx)),
    "SparseSumOp": ("sparse", lambda node_list, ctx=None: OPS["sum_op"](node_list, ctx, True)),
}

# Modules that hold something else.
OTHERS: dict[str, dict[str, Any]] = {
    "Node": {"Op": Node, "find_topo_sort": find_topo_sort},
    "Variable": {"PlaceholderOp": (Variable, Placeholder), "Variable": Variable, "placeholder_op": placeholder_op},
}


class OpClass(type):
    """What a class of graph nodes is here: all nodes of one op are its instances, and a call of it makes one."""

    def __instancecheck__(cls, instance: Any) -> bool:
        if isinstance(cls.makes, tuple):
            return isinstance(instance, cls.makes)
        if not isinstance(instance, Node) or instance.op is None or instance.op.__name__ != cls.makes.__name__:
            return False
        given = instance.arguments.get(FORMS[cls.__name__][0]) if cls.__name__ in FORMS else instance
        return given is not None and given is not False

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if cls.__name__ in FORMS:
            return FORMS[cls.__name__][1](*args, **kwargs)
        return (placeholder_op if isinstance(cls.makes, tuple) else cls.makes)(*args, **kwargs)


def _class(name: str, makes: Any) -> OpClass:
    made = "a leaf" if isinstance(makes, tuple) else makes.__name__
    return OpClass(
        name, (), {"makes": staticmethod(makes) if callable(makes) else makes, "__doc__": f"Nodes of {made}."}
    )


def constructor(name: str) -> Any:
    """The op, or the function of a module of ops, with a name."""
    homes = (getattr(ops, family) for family in ops.__all__)
    return OPS.get(name) or next(getattr(home, name) for home in homes if hasattr(home, name))


def module(name: str) -> ModuleType:
    """The module of a family of ops, with their classes and their constructors."""
    made = ModuleType(
        f"{__package__}.{name}", f"Hetu's module {name}: {', '.join(FAMILIES.get(name, OTHERS.get(name)))}."
    )
    for key, value in OTHERS.get(name, {}).items():
        setattr(made, key, _class(key, value) if isinstance(value, tuple) else value)
    for key, op_name in FAMILIES.get(name, {}).items():
        op = constructor(op_name)
        setattr(made, key, _class(key, op))
        setattr(made, op_name, op)
    if name == "Softmax":
        made.softmax_func = constructor("softmax_func")
    return made


class _Families(MetaPathFinder, Loader):
    """Finds the modules of `FAMILIES` and `OTHERS` under this package."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a family's module, or None for any other."""
        parent, _, last = name.rpartition(".")
        known = parent == __package__ and (last in FAMILIES or last in OTHERS)
        return ModuleSpec(name, self) if known else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module, made from its row."""
        return module(spec.name.rpartition(".")[2])

    def exec_module(self, module: ModuleType) -> None:
        """Nothing to run: the module is complete."""


_finder = _Families()
sys.meta_path.append(_finder)
for _name in OTHERS:  # here already, or importing hetu.gpu_ops.Variable would put the module in the function's place
    _full = f"{__package__}.{_name}"
    sys.modules[_full] = module_from_spec(ModuleSpec(_full, _finder))
