"""Every name that a Hetu script can import is there."""

import importlib
import re
import runpy
from pathlib import Path

import pytest

import hetu_jax as ht
from hetu_jax import gpu_ops, layers

from .hetu_names import VINTAGES

DOCS = Path(__file__).parents[1] / "docs"
LAYERS = """
    AvgPool2d BalanceAssignmentGate BatchNorm BatchSplitOnlyLayer BCELoss BCEWithLogitsLoss Concatenate
    ConcatenateLayers Conv2d DropOut Embedding Expert HashGate HashLayer Identity KTop1Gate KTop1Layer LayerNorm Linear
    MAELoss MaxPool2d Mish MoELayer MSELoss MultiHeadAttention Relu ReserveSplitLayer Reshape SAMGate SAMLayer Sequence
    Slice SoftmaxCrossEntropyLoss SumLayers TopKGate
""".split()


@pytest.mark.parametrize("vintage", VINTAGES)
def test_all_names_of_gpu_ops_are_there(vintage):
    missing = [name for name in VINTAGES[vintage] if not callable(getattr(ht, name, None))]
    assert not missing
    assert all(getattr(gpu_ops, name) is getattr(ht, name) for name in VINTAGES[vintage])


def test_all_layers_are_there():
    assert len(LAYERS) == 35
    assert all(callable(getattr(layers, name)) for name in LAYERS)


def test_a_misspelt_name_gets_a_hint():
    with pytest.raises(AttributeError, match="hetu_jax has no 'conv2_op'; did you mean conv2d_op"):
        _ = ht.conv2_op


def test_the_reference_of_the_ops_is_fresh():
    page = runpy.run_path(str(DOCS / "build_ops.py"))["page"]()
    assert (DOCS / "ops.md").read_text(encoding="utf-8") == page, "run python docs/build_ops.py"
    assert len(re.findall(r"^### ", page, re.MULTILINE)) == len(gpu_ops.OPS)


@pytest.mark.parametrize(
    ("module", "name", "meant"),
    [
        ("", "relu_opp", "relu_op"),
        ("gpu_ops", "relu_opp", "relu_op"),
        ("layers", "Lineer", "Linear"),
        ("ndarray", "aray", "array"),
        ("dataloader", "Datalaoder", "Dataloader"),
        ("random", "set_random_sed", "set_random_seed"),
        ("gpu_links", "matrix_multipy", "matrix_multiply"),
        ("cpu_links", "matrix_multipy", "matrix_multiply"),
        ("stream", "create_strem_handle", "create_stream_handle"),
        ("distributed_strategies", "DataParalel", "DataParallel"),
        ("context", "DeviceGrup", "DeviceGroup"),
        ("optimizer", "SGDOptimiser", "SGDOptimizer"),
        ("metrics", "acuracy", "accuracy"),
    ],
)
def test_every_module_hints_at_its_names(module, name, meant):
    path = f"hetu_jax.{module}".rstrip(".")
    with pytest.raises(AttributeError, match=f"{path} has no '{name}'; did you mean .*{meant}"):
        getattr(importlib.import_module(path), name)


def test_ops_that_differ_are_found_by_name_and_by_pattern():
    differing = runpy.run_path(str(DOCS / "build_ops.py"))["differing"]()
    patterns = {"reduce_sum_op", "reverse_layout_transform_gradient_data_op", "relu_gradient_op"}
    assert {"dispatch", "allreduceCommunicate_op", "mod_hash_op", "transpose_op"} | patterns <= differing
    assert not {"relu_op", "exp_op"} & differing
