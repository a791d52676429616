"""The code of Hetu's documentation as it stands there (quick start, two chapters on ONNX), and of the READMEs."""

import re
import textwrap
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

install = import_module("hetu_jax.install")

ROOT = Path(__file__).parents[1]
READMES = ("README.md", "README.zh-CN.md")
DOCUMENT = ROOT.parent / "shared" / "hetu" / "docs" / "quickstart_and_onnx_zh.txt"
FIXTURE = Path(__file__).parent / "data" / "documentation_blocks.txt"

IMPORTS, DATA, MODEL, TRAINING, VALIDATION, OUTPUT, EXPORT, RUNTIME, TENSORFLOW, IMPORT, COMPARISON = range(11)
EPOCHS = 2


def code_blocks(document: Path) -> list[str]:
    text = document.read_text(encoding="utf-8")
    blocks = re.findall(r"^```(?:python)?\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [block.replace("\\#", "#") for block in blocks]


BLOCKS = code_blocks(DOCUMENT if DOCUMENT.exists() else FIXTURE)


def quick_start(epochs: int) -> str:
    """The five blocks in order; the validation belongs inside the loop over the epochs, which the page lost."""
    validation = textwrap.indent(BLOCKS[VALIDATION], "  ")
    script = "\n".join([BLOCKS[IMPORTS], BLOCKS[DATA], BLOCKS[MODEL], BLOCKS[TRAINING], validation])
    return script.replace("num_epochs = 10", f"num_epochs = {epochs}")


def run(script: str, names: dict[str, Any]) -> None:
    exec(compile(script, "documentation", "exec"), names)


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """The names of a script, in an empty folder and with no data but the package's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HETU_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    install.install()
    yield {"__name__": "__main__"}
    install.uninstall()


@pytest.mark.skipif(not DOCUMENT.exists(), reason="the documentation is not beside this checkout")
def test_fixture_is_the_documentation() -> None:
    assert code_blocks(FIXTURE) == code_blocks(DOCUMENT)


def test_quick_start_prints_what_the_documentation_shows(
    names: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    run(quick_start(EPOCHS), names)
    printed = capsys.readouterr().out
    assert printed.splitlines()[:4] == [
        "Building model...",
        "Building CNN model...",
        "Start training loop...",
        "Epoch 0",
    ]
    epochs = re.findall(r"Epoch (\d)\nLoss = (\d+\.\d{6})\tValidation accuracy = (\d\.\d{6})\n", printed)
    assert [int(epoch) for epoch, *_ in epochs] == list(range(EPOCHS))
    losses, accuracies = [float(e[1]) for e in epochs], [float(e[2]) for e in epochs]
    assert losses == sorted(losses, reverse=True)
    assert accuracies[-1] > 0.7


def test_chapter_on_export(names: dict[str, Any]) -> None:
    run(BLOCKS[IMPORTS] + BLOCKS[DATA], names)
    run(BLOCKS[EXPORT], names)
    # ONNX Runtime itself is further than the page's relative 1e-5 from the float64 result where a score is nearly 0,
    # whoever it is compared with: an absolute bound, for scores up to 0.6, is added to the relative one.
    run(BLOCKS[RUNTIME].replace("rtol=1e-5)", "rtol=1e-5, atol=2e-6)"), names)
    model = onnx.load(names["onnx_input_path"])
    onnx.checker.check_model(model, full_check=True)
    assert {"Conv", "Relu", "AveragePool", "Reshape"} <= {node.op_type for node in model.graph.node}
    assert names["pre"].shape == (128, 10)


def test_chapter_on_import(names: dict[str, Any]) -> None:
    run(BLOCKS[IMPORTS] + BLOCKS[DATA], names)
    names["model_name"] = "tf_cnn_model.onnx"
    onnx.save(tensorflow_model(), names["model_name"])
    run("from hetu import onnx as hx\nimport onnxruntime as rt\nctx = executor_ctx", names)  # what the page leaves out
    run(BLOCKS[IMPORT], names)
    run(BLOCKS[COMPARISON], names)
    assert names["pre"].shape == (20, 10)


def tensorflow_model() -> onnx.ModelProto:
    """What tf2onnx makes of the chapter's TensorFlow program: NHWC at its edges, weights as constants."""
    rand = np.random.RandomState(seed=123)
    weights = {"w1": (32, 1, 5, 5), "w2": (64, 32, 5, 5), "w3": (7 * 7 * 64, 10)}
    constants = {name: rand.normal(scale=0.1, size=shape).astype(np.float32) for name, shape in weights.items()}
    constants |= {"images": np.array([-1, 28, 28, 1]), "flat": np.array([-1, 7 * 7 * 64])}
    conv = {"kernel_shape": [5, 5], "strides": [1, 1], "auto_pad": "SAME_UPPER", "dilations": [1, 1], "group": 1}
    pool = {"kernel_shape": [2, 2], "strides": [2, 2], "auto_pad": "VALID"}
    nodes = [
        helper.make_node("Reshape", ["input:0", "images"], ["nhwc"]),
        helper.make_node("Transpose", ["nhwc"], ["nchw"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["nchw", "w1"], ["c1"], **conv),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("AveragePool", ["r1"], ["p1"], **pool),
        helper.make_node("Conv", ["p1", "w2"], ["c2"], **conv),
        helper.make_node("Relu", ["c2"], ["r2"]),
        helper.make_node("AveragePool", ["r2"], ["p2"], **pool),
        helper.make_node("Reshape", ["p2", "flat"], ["rows"]),
        helper.make_node("MatMul", ["rows", "w3"], ["scores"]),
        helper.make_node("Identity", ["scores"], ["output:0"]),
    ]
    graph = helper.make_graph(
        nodes,
        "cnn_model",
        [helper.make_tensor_value_info("input:0", TensorProto.FLOAT, ["unk__1", 784])],
        [helper.make_tensor_value_info("output:0", TensorProto.FLOAT, ["unk__2", 10])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)


@pytest.mark.parametrize("name", READMES)
def test_readme(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    text = (ROOT / name).read_text(encoding="utf-8")
    run("\n".join(re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)), {})
    assert capsys.readouterr().out == "[0 1 2]\n"


def test_readmes_show_the_same_code() -> None:
    fences = [
        re.findall(r"^```.*?^```$", (ROOT / n).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL) for n in READMES
    ]
    assert fences[0] == fences[1]
