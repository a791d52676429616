"""Hetu's modules of one op each, and its helpers beside the Executor."""

import importlib

import numpy as np
import pytest

import hetu_jax as ht
from hetu_jax.gpu_ops import executor, families
from hetu_jax.graph import OPS

# Hetu's own modules of ops, of all vintages.
MODULES = """
Abs AddConst AddElewise Addmm AllGatherCommunicate AllReduceCommunicate AllToAll Arange Argmax ArgmaxPartial
Argsort AssignWithIndexedSlices AvgPool Baddbmm BalanceAssignment BatchMatrixMult BatchNorm BinaryCrossEntropy
BinaryCrossEntropyWithLogits Bool Broadcast BroadcastCommunicate BroadcastShape Clamp CompressedEmbedding Concat
Concatenate ConstPow Conv2d Conv2dAddBias Conv2dBroadcast Conv2dReduceSum CrossEntropy CrossEntropySparse
CuSparse Cumsum DataTransfer Dispatch DistGCN_15d Division Dropout Dropout2d EmbeddingLookUp Exp Floor Full
Gather Gelu GroupTopKIdx HAllToAll Indexing InstanceNorm2d Interpolate LayerNorm LayoutTransform LeakyRelu Linear
LogElewise LogSoftmax Mask MaskedFill MatrixDot MatrixMult Max MaxPool Min MinDist MinusByConst MinusElewise
MultiplyConst MultiplyElewise NllLoss Node Norm OneHot OnesLike Opposite OptEmbedBinaryStep Pad ParamClip
ParameterServerCommunicate PipelineReceive PipelineSend Pow Power Prune Quantize QuantizeALPTEmb
QuantizeEmbedding Rand ReduceCommunicate ReduceMean ReduceMin ReduceMul ReduceNorm1 ReduceNorm2
ReduceScatterCommunicate ReduceSum ReduceSumAxisZero Relu Repeat Reshape ReshapeTo ReverseLayoutTransform
ReverseLayoutTransformNoGate Roll SamGroupSum SamMax Sample Scatter Scatter1D Sigmoid Sign Sin Slice SliceAssign
SliceByMatrix Softmax SoftmaxCrossEntropy SoftmaxCrossEntropySparse SparseEmbeddingLookUp SparseSet Split Sqrt
StopGradient Sum SumSparseGradient Tanh Tile TopKIdx TopKVal Transpose TrilLookup Unique Variable Where ZerosLike
""".split()


def test_hetus_own_modules_are_there():
    assert set(MODULES) <= {*families.FAMILIES, *families.OTHERS}
    for name, attribute in [
        ("Abs", "Abs_GradientOp"),
        ("Cumsum", "CumsumOp"),
        ("Dropout", "Dropout_Gradient_recomputeOp"),
        ("MinusElewise", "MinusByMatrixOp"),
        ("Repeat", "Repeat_GradientOp"),
        ("Sample", "RandomIntSampleOp"),
        ("Unique", "DedupGradOp"),
        ("Unique", "DedupLookupOp"),
    ]:
        assert hasattr(importlib.import_module(f"hetu_jax.gpu_ops.{name}"), attribute)


def test_classes_for_one_form_of_an_op():
    from hetu_jax.gpu_ops.Bool import BoolMatrixOp, BoolOp, BoolValOp
    from hetu_jax.gpu_ops.Sum import SparseSumOp, SumOp

    x, ids = ht.Variable("x", value=[[1.0, 3.0]]), ht.Variable("i", value=[1], dtype=np.int32, trainable=False)
    value, matrix, rows = BoolValOp(x, 0.0, 2), BoolMatrixOp(x, x, 3), SparseSumOp([(ids, x), (ids, x)])
    assert isinstance(value, BoolValOp) and isinstance(value, BoolOp) and not isinstance(value, BoolMatrixOp)
    assert isinstance(matrix, BoolMatrixOp) and not isinstance(matrix, BoolValOp)
    assert isinstance(rows, SparseSumOp) and not isinstance(ht.sum_op([x]), SparseSumOp)
    assert isinstance(ht.sum_op([x]), SumOp)
    more, equal = ht.Executor([value, matrix]).run(convert_to_numpy_ret_vals=True)
    assert more.tolist() == [[1, 1]] and equal.tolist() == [[1, 1]]


@pytest.mark.parametrize("name", [*families.FAMILIES, *families.OTHERS])
def test_modules(name):
    module = importlib.import_module(f"hetu_jax.gpu_ops.{name}")
    assert module is importlib.import_module(f"hetu_jax.gpu_ops.{name}")
    for key, op_name in families.FAMILIES.get(name, {}).items():
        assert getattr(module, op_name) is families.constructor(op_name)
        assert isinstance(getattr(module, key), families.OpClass)


def test_every_op_of_hetu_has_a_class():
    ours = {"item_op"}
    assert set(OPS) - {op for row in families.FAMILIES.values() for op in row.values()} == ours


def test_classes_make_nodes_and_know_them():
    from hetu_jax.gpu_ops.MatrixMult import MatMulOp
    from hetu_jax.gpu_ops.Node import Op
    from hetu_jax.gpu_ops.Relu import ReluOp
    from hetu_jax.gpu_ops.Softmax import softmax_func
    from hetu_jax.gpu_ops.Variable import PlaceholderOp

    x = PlaceholderOp("x", value=np.eye(2))
    y = MatMulOp(x, x, trans_A=True)
    assert isinstance(y, MatMulOp) and isinstance(y, Op) and not isinstance(y, ReluOp)
    assert isinstance(x, PlaceholderOp) and isinstance(ht.placeholder_op("p"), PlaceholderOp)
    assert not isinstance(x, MatMulOp) and not isinstance(3, MatMulOp) and not isinstance(y, PlaceholderOp)
    np.testing.assert_allclose(ht.Executor([y]).run(convert_to_numpy_ret_vals=True)[0], np.eye(2))
    assert softmax_func(np.zeros(2)).tolist() == [0.5, 0.5]
    assert ht.gpu_ops.Variable is ht.Variable


def test_other_names_are_not_found():
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("hetu_jax.gpu_ops.NoSuchOp")


def test_walks():
    x = ht.Variable("x", value=[1.0])
    y = ht.relu_op(x)
    z = y + x
    visited, order = {x}, []
    executor.topo_sort_dfs(z, visited, order)
    assert order == [y, z] and visited == {x, y, z}
    executor.topo_sort_with_hook([z], None)
    assert executor.find_topo_sort_inference([z]) == executor.find_topo_sort([z]) == [x, y, z]
    assert executor.sum_node_list([None]) == (None, False) and executor.sum_node_list([y, None]) == (y, False)
    total, new = executor.sum_node_list([y, None, x], None)
    assert new and ht.Executor([total]).run(convert_to_numpy_ret_vals=True)[0] == 2
    assert list(executor.flatten([x, (y, [z])])) == [x, y, z]
    assert isinstance(ht.Executor([z]).subexecutor["default"], executor.SubExecutor)
    with pytest.raises(ValueError, match="no C libraries"):
        executor.path_to_lib("libps.so")
