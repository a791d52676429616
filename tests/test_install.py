import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import hetu_jax

install = import_module("hetu_jax.install")  # the attribute hetu_jax.install is the function

# Every form of import that Hetu's documentation and examples use.
STATEMENTS = """
import hetu as ht
from hetu import ndarray
from hetu import gpu_ops as ad
from hetu import gpu_ops as autodiff
from hetu import optimizer
from hetu import dataloader as dl
from hetu import initializers as init
from hetu import init
from hetu import optim
from hetu import lr
from hetu import data
from hetu import metrics
from hetu import random
from hetu import onnx as ax
from hetu import onnx as hx
from hetu import layers as htl
from hetu import stream
from hetu import gpu_links as gpu_op
from hetu import cpu_links as cpu_op
import hetu.layers as htl
from hetu.layers.gelu import Gelu
from hetu.layers.normalization import BatchNorm, LayerNorm
from hetu.layers.sequence import Sequence
from hetu.layers.slice import Slice
from hetu.layers.sum import SumLayers
from hetu.layers.batch_split_layer import BatchSplitOnlyLayer
from hetu.layers.moe_layer import Expert, MoELayer
from hetu.layers.ktop1_layer import KTop1Layer
from hetu.layers.TopGate import TopKGate
from hetu.layers.BalanceGate import BalanceAssignmentGate
import hetu.layers.pooling as pooling; pooling.MaxPool2d
import hetu.layers.dropout; hetu.layers.dropout.DropOut
from hetu.distributed_strategies.base import Strategy
from hetu.distributed_strategies.flexflow import FlexFlowSearching
import hetu.distributed_strategies.simple as simple; simple.DataParallel
from hetu.stream import create_stream_handle
from hetu.stream import *
from hetu.ndarray import numpyasdlarrayhandle
from hetu import dist
from hetu import distributed_strategies
from hetu import tokenizers
from hetu.communicator.mpi_nccl_comm import ncclDataType_t, ncclRedOp_t
from hetu.cstable import CacheSparseTable
from hetu.launcher import launch
from hetu.preduce import PartialReduce
from hetu._base import check_call
from hetu.context import DeviceGroup
from hetu.onnx.hetu2onnx import export
from hetu.onnx.onnx2hetu import load_onnx
from hetu.optimizer import SGDOptimizer
from hetu.gpu_ops.executor import gradients
import hetu.onnx.hetu2onnx
import hetu.lr_scheduler
""".strip().splitlines()


@pytest.fixture
def installed() -> Iterator[None]:
    install.install()
    yield
    install.uninstall()


@pytest.fixture
def nothing_installed() -> Iterator[None]:
    """Whatever a test imports as hetu or models is forgotten again."""
    before = set(sys.modules)
    yield
    install.uninstall()
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in ("hetu", "models"):
            del sys.modules[name]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_imports_of_hetu(installed: None, statement: str) -> None:
    exec(statement, {})


@pytest.mark.parametrize("name", [*install.MODULES.values(), *install.FALLBACKS.values()])
def test_every_row_names_a_module(name: str) -> None:
    import_module(name)


def test_modules_are_the_same_objects(installed: None) -> None:
    import hetu
    import hetu.gpu_ops
    import hetu.graph
    import hetu.onnx.hetu2onnx
    import hetu.optim

    assert hetu is hetu_jax
    assert hetu.gpu_ops is import_module("hetu_jax.gpu_ops")
    assert hetu.graph.Node is import_module("hetu_jax.graph").Node
    assert hetu.onnx.hetu2onnx is import_module("hetu_jax.onnx.hetu2onnx")
    assert hetu.optim is import_module("hetu_jax.optimizer")


def test_a_class_with_the_name_of_a_module_stays(installed: None) -> None:
    import hetu.layers.KTop1Gate
    from hetu.layers.SAMGate import SAMGate

    assert hetu.layers.SAMGate is SAMGate and isinstance(hetu.layers.KTop1Gate, type)


@pytest.mark.parametrize("name", install.GONE)
def test_modules_that_are_gone_name_what_to_use(installed: None, name: str) -> None:
    parent, _, child = name.rpartition(".")
    for written in (f"import {name}", f"from {parent} import {child}", f"from {name} import x"):
        with pytest.raises(ModuleNotFoundError, match=f"no module '{name}': .*{install.GONE[name]}"):
            exec(written, {})


def test_modules_keep_their_own_specs(installed: None) -> None:
    for name in ("hetu", "hetu.graph", "hetu.metrics", "hetu.onnx", "hetu.init"):
        module = import_module(name)
        assert module.__spec__.name == module.__name__
        assert module.__name__.partition(".")[0] == "hetu_jax"
        assert hasattr(module, "__path__") == (module.__spec__.submodule_search_locations is not None)


def test_a_function_with_the_name_of_a_module_stays(installed: None) -> None:
    import hetu
    import hetu.context
    from hetu.context import DeviceGroup

    assert hetu.context is hetu_jax.context and not isinstance(hetu.context, ModuleType)
    with hetu.context(hetu.cpu(0)) as group:
        assert isinstance(group, DeviceGroup)


def test_an_unknown_module_is_named_as_the_script_wrote_it(installed: None) -> None:
    with pytest.raises(ModuleNotFoundError, match="No module named 'hetu.nonsense'"):
        import_module("hetu.nonsense")


def test_install_twice_and_uninstall() -> None:
    assert hetu_jax.install is install.install
    finders, names = list(sys.meta_path), set(vars(np))
    install.install()
    after_once = list(sys.meta_path)
    install.install()
    assert sys.meta_path == after_once and len(after_once) == len(finders) + 2
    import hetu

    assert hetu.__name__ == "hetu_jax"
    install.uninstall()
    assert sys.meta_path == finders and set(vars(np)) == names
    assert not [name for name in sys.modules if name.partition(".")[0] == "hetu"]


def test_removed_names_come_back_and_existing_ones_stay() -> None:
    bool_type = np.bool
    assert not hasattr(np, "float")
    install.install()
    try:
        from collections.abc import Iterable, Mapping  # noqa: F401

        assert np.float is float and np.int is int and np.object is object and np.bool is bool_type
        assert np.ones(2).astype(np.float).dtype == np.float64
        assert np.Inf == np.inf and np.isnan(np.NaN)
    finally:
        install.uninstall()
    assert not hasattr(np, "float")


def test_another_hetu_already_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    other = ModuleType("hetu")
    other.__file__ = "/elsewhere/hetu/__init__.py"
    monkeypatch.setitem(sys.modules, "hetu", other)
    with pytest.raises(ImportError, match="another hetu is already imported, from /elsewhere/hetu"):
        install.install()
    assert sys.modules["hetu"] is other and not hasattr(np, "float")


@pytest.mark.usefixtures("nothing_installed")
def test_another_hetu_is_never_hidden_silently(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hetu").mkdir()
    (tmp_path / "hetu" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.warns(UserWarning, match="not the package at .*hetu.__init__.py") as caught:
        install.install()
    assert caught[0].filename == __file__
    import hetu

    assert hetu is hetu_jax


@pytest.mark.usefixtures("nothing_installed")
def test_load_data_is_supplied_where_a_script_has_none(installed: None) -> None:
    from models import load_data
    from models.load_data import convert_to_one_hot, load_mnist_data  # noqa: F401

    assert load_data is import_module("hetu_jax.models.load_data")


@pytest.mark.usefixtures("nothing_installed")
@pytest.mark.parametrize("own", [False, True])
def test_a_script_s_own_models_come_first(
    installed: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: bool
) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "__init__.py").write_text("mine = True\n")
    if own:
        (tmp_path / "models" / "load_data.py").write_text("mine = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert import_module("models").mine
    assert hasattr(import_module("models.load_data"), "mine") == own


def test_shims_lists_every_row() -> None:
    table = install.shims()
    rows = len(install.MODULES) + len(install.FALLBACKS) + len(install.ATTRIBUTES)
    assert len(table.splitlines()) == 2 + 1 + rows
    assert "| `numpy.float` | `float` |" in table
    assert "| `collections.Iterable` | `collections.abc.Iterable` |" in table


def test_importing_the_package_leaves_onnx_and_the_terminal_alone() -> None:
    heavy = ["onnx", "onnxruntime", "rich", "matplotlib", "torch"]
    program = f"import sys, hetu_jax; print(*[name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
