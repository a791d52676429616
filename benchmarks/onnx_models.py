"""Real ONNX models: each loads, agrees with ONNX Runtime, exports again, and agrees again; and how long a run takes.

`pip download --no-deps -d wheels silero-vad magika rapidocr-onnxruntime ddddocr faster-whisper nudenet basic-pitch
speechmos`, then `python -m benchmarks.onnx_models --wheels wheels` prints a Markdown table.  The wheels are read, not
installed.  Without them the light models of onnx, the committed fixtures, and what PyTorch and scikit-learn export
here, where they are installed, remain.
"""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnxruntime

import hetu_jax as ht
from benchmarks import onnx_nets
from benchmarks.timing import interleaved, machine, median, paired_ratio, parser
from hetu_jax.onnx import hetu2onnx, onnx2hetu

FIXTURES = Path(__file__).parents[1] / "tests" / "data" / "onnx_models"
TOLERANCE = {"rtol": 1e-3, "atol": 1e-4}

# The lengths of dimensions that a wheel's models leave open, by the name or place of the dimension or by the input.
LENGTHS: dict[str, dict[str, Any]] = {
    "ddddocr": {"image_width": 128},
    "nudenet": {"batch": 1, "height": 320, "width": 320},
    "rapidocr_onnxruntime": {
        "x": {
            "ch_PP-OCRv4_det_infer": (1, 3, 224, 224),
            "ch_PP-OCRv4_rec_infer": (2, 3, 48, 160),
            "ch_ppocr_mobile_v2.0_cls_infer": (2, 3, 48, 192),
        }
    },
    "silero_vad": {
        "sequence": 576,
        "batch": 2,
        "input": {"silero_vad": (2, 576)},
        "state": {"silero_vad": (2, 2, 128)},
    },
    "speechmos": {"batch_size": 1, "frames": 200, "N": 1},
}
INTEGERS = {"sr": 16000}  # inputs that say how, and take one value


class Case(NamedTuple):
    """One model: what it is called, who made it, its bytes, and the arrays that it is run on."""

    name: str
    maker: str
    content: bytes
    feeds: list[np.ndarray]


class Result(NamedTuple):
    """What came of a case: an error, or the times of both sides in seconds."""

    error: str | None
    ours: list[float]
    theirs: list[float]
    nodes: tuple[int, int]


def case(name: str, maker: str, content: bytes, lengths: Mapping[str, Any] | None = None) -> Case:
    """A model with random inputs of the shapes that it declares; `lengths` for what it leaves open."""
    graph = onnx.load_model_from_string(content).graph
    stored = {tensor.name for tensor in graph.initializer}
    rng = np.random.default_rng(0)
    stem = Path(name).stem
    infos = [info for info in graph.input if info.name not in stored]
    return Case(name, maker, content, [_feed(info, stem, lengths or {}, rng) for info in infos])


def _feed(info: onnx.ValueInfoProto, stem: str, lengths: Mapping[str, Any], rng: np.random.Generator) -> np.ndarray:
    tensor = info.type.tensor_type
    dims = [dim.dim_value or lengths.get(dim.dim_param, 2) for dim in tensor.shape.dim]
    shape = lengths.get(info.name, {}).get(stem, [2 if dim < 0 else dim for dim in dims])
    dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)
    if info.name in INTEGERS:
        return np.full(shape, INTEGERS[info.name], dtype)
    if dtype.kind in "iu":
        return rng.integers(0, lengths.get("largest", 200), shape).astype(dtype)
    return rng.standard_normal(shape).astype(dtype) * dtype.type(lengths.get("scale", 0.5))


def shipped(wheels: Path) -> Iterator[Case]:
    """The models in the wheels of a folder."""
    for wheel in sorted(wheels.glob("*.whl")):
        package = wheel.name.partition("-")[0]
        with zipfile.ZipFile(wheel) as archive:
            for name in sorted(n for n in archive.namelist() if n.endswith(".onnx")):
                yield case(Path(name).name, package, archive.read(name), LENGTHS.get(package))


def light() -> Iterator[Case]:
    """The light models of onnx: famous nets with constant weights."""
    folder = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
    for path in sorted(folder.glob("*.onnx")):
        yield case(path.name, "onnx", path.read_bytes())


def fixtures() -> Iterator[Case]:
    """The models of the test suite."""
    for path in sorted(FIXTURES.glob("*.onnx")):
        yield case(path.name, "fixture", path.read_bytes(), {"largest": 20})


def exported() -> Iterator[Case]:
    """What PyTorch's two exporters make of the nets of `onnx_nets`."""
    for name, make in onnx_nets.TORCH.items():
        for dynamo in (False, True):
            module, inputs = make()
            content = onnx_nets.torch_export(module, inputs, dynamo)
            if content is not None:
                maker = f"torch.onnx, {'dynamo' if dynamo else 'TorchScript'}"
                yield Case(name, maker, content, [tensor.numpy() for tensor in inputs])


def session(content: bytes, threads: int = 0) -> onnxruntime.InferenceSession:
    """The model in ONNX Runtime; 0 threads means as many as it likes."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def agree(ours: list[Any], theirs: list[Any], exact: bool = False) -> None:
    """Raises AssertionError unless all outputs are the same, within the tolerance; `exact`: and of the same dtypes."""
    for mine, other in zip(ours, theirs, strict=True):
        mine, other = np.asarray(mine), np.asarray(other)
        if mine.shape != other.shape:
            raise AssertionError(f"has the shape {mine.shape}, and not {other.shape}")
        if mine.dtype != other.dtype and exact:
            raise AssertionError(f"holds {mine.dtype}, and not {other.dtype}")
        if not np.allclose(mine, other, **TOLERANCE):
            most = np.max(np.abs(mine - other)) / np.max(np.abs(other))
            raise AssertionError(f"differs by up to {100 * most:.2g} % of the largest output")


def measure(one: Case, rounds: int) -> Result:
    """Checks a model both ways and measures it."""
    try:
        return _measured(one, rounds)
    except Exception as error:  # whatever it is: the table shows it
        return Result(f"{type(error).__name__}: {' '.join(str(error).split())}"[:160], [], [], (0, 0))


def _measured(one: Case, rounds: int) -> Result:
    theirs = session(one.content)
    feeds = dict(zip([info.name for info in theirs.get_inputs()], one.feeds, strict=True))
    wanted = theirs.run(None, feeds)
    model = onnx.load_model_from_string(one.content)
    inputs, outputs = (ends if isinstance(ends, list) else [ends] for ends in onnx2hetu.from_onnx(model))
    executor = ht.Executor(outputs, inference=True)
    by_node = dict(zip(inputs, one.feeds, strict=True))
    used = executor.subexecutor["default"].need_feed_nodes
    by_node = {node: by_node[node] for node in used}

    def run() -> list[Any]:
        return executor.run(feed_dict=by_node, convert_to_numpy_ret_vals=True)

    agree(run(), wanted)
    again = hetu2onnx.export(executor, used, outputs)
    onnx.checker.check_model(again, full_check=True)
    ours_again = session(again.SerializeToString())
    taken = dict(zip([info.name for info in ours_again.get_inputs()], by_node.values(), strict=True))
    agree(ours_again.run(None, taken), wanted, exact=True)
    nodes = len(model.graph.node), len(again.graph.node)
    if not rounds:
        return Result(None, [], [], nodes)
    times = interleaved(rounds, {"ours": run, "theirs": lambda: theirs.run(None, feeds)})
    return Result(None, times["ours"], times["theirs"], nodes)


def row(one: Case, result: Result) -> str:
    name = f"| {one.name} | {one.maker} "
    if result.error:
        return f"{name}| {result.error.replace('|', '/')} | | | | |"
    ours, theirs = 1e3 * median(result.ours), 1e3 * median(result.theirs)
    ratio = paired_ratio(result.ours, result.theirs)
    return f"{name}| agrees | {result.nodes[0]} | {result.nodes[1]} | {ours:.2f} | {theirs:.2f} | {ratio:.2f} |"


def main() -> None:
    options = parser(__doc__.partition("\n")[0])
    options.add_argument("--wheels", type=Path, help="a folder of wheels with models in them")
    given = options.parse_args()
    warnings.simplefilter("ignore")
    print(f"{machine()}, onnx {onnx.__version__}, onnxruntime {onnxruntime.__version__}\n")
    print("| model | made by | both ways | nodes | exported again | hetu_jax, ms | ONNX Runtime, ms | ratio |")
    print("|---|---|---|---|---|---|---|---|")
    for cases in (shipped(given.wheels) if given.wheels else (), light(), fixtures(), exported()):
        for one in cases:
            print(row(one, measure(one, given.rounds)), flush=True)


if __name__ == "__main__":
    main()
