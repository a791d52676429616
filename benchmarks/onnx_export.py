"""The same net exported by hetu_jax and by PyTorch: the number of nodes, and the latency in ONNX Runtime.

`pip install torch==2.13.0 onnxscript`, then `python -m benchmarks.onnx_export` prints a Markdown table.  Both of
PyTorch's exporters are asked, the second where onnxscript is installed; ratios are against the faster.  One thread, so
that what else the machine does matters less.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime

import hetu_jax as ht
from benchmarks import onnx_models, onnx_nets
from benchmarks.timing import interleaved, machine, median, paired_ratio, parser
from hetu_jax.onnx import hetu2onnx

MAKERS = "hetu_jax", "TorchScript", "dynamo"


def ours(name: str, module: Any, inputs: tuple[Any, ...]) -> bytes:
    x, y = onnx_nets.HETU[name](module)
    executor = ht.Executor([y], inference=True)
    executor.run(feed_dict={x[0]: inputs[0].numpy()})
    return hetu2onnx.export(executor, x, [y], fold_batch_norm=True).SerializeToString()


def models(name: str) -> tuple[dict[str, bytes], np.ndarray]:
    """The net by maker, and what to run it on."""
    module, inputs = onnx_nets.TORCH[name]()
    theirs = [onnx_nets.torch_export(module, inputs, dynamo) for dynamo in (False, True)]
    found = dict(zip(MAKERS, [ours(name, module, inputs), *theirs], strict=True))
    return {maker: content for maker, content in found.items() if content is not None}, inputs[0].numpy()


def optimised(content: bytes) -> int:
    """The number of nodes that ONNX Runtime makes of a model for this machine."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # it warns that the file is for this machine only
    with tempfile.TemporaryDirectory() as folder:
        options.optimized_model_filepath = os.path.join(folder, "optimised.onnx")
        onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        return len(onnx.load(options.optimized_model_filepath).graph.node)


def call(content: bytes, array: np.ndarray) -> Callable[[], Any]:
    session = onnx_models.session(content, threads=1)
    feeds = {session.get_inputs()[0].name: array}
    return lambda: session.run(None, feeds)


def row(name: str, rounds: int) -> str:
    found, array = models(name)
    calls = {maker: call(content, array) for maker, content in found.items()}
    results = [run()[0] for run in calls.values()]
    for result in results[1:]:
        np.testing.assert_allclose(results[0], result, rtol=1e-3, atol=1e-5)
    times = interleaved(rounds, calls, repeat=20)
    nodes = [str(len(onnx.load_model_from_string(content).graph.node)) for content in found.values()]
    left = [str(optimised(content)) for content in found.values()]
    best = min((maker for maker in found if maker != MAKERS[0]), key=lambda maker: median(times[maker]))
    latency = [f"{1e3 * median(times[maker]):.3f}" for maker in found]
    ratio = paired_ratio(times[MAKERS[0]], times[best])
    return f"| {name} | {' / '.join(nodes)} | {' / '.join(left)} | {' / '.join(latency)} | {ratio:.3f} |"


def main() -> None:
    given = parser(__doc__.partition("\n")[0]).parse_args()
    warnings.simplefilter("ignore")
    print(f"{machine()}\n\nnodes and milliseconds: {' / '.join(MAKERS)}\n")
    print("| net | nodes | of which ONNX Runtime makes | ms in ONNX Runtime | ratio |\n|---|---|---|---|---|")
    for name in onnx_nets.HETU:
        print(row(name, given.rounds), flush=True)


if __name__ == "__main__":
    main()
