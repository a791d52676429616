"""Draws docs/images: the graph of the quick start, and a terminal with its summary and its progress bar.

python docs/build_images.py
"""

import io
from argparse import Namespace
from itertools import islice
from pathlib import Path

from rich.console import Console

import hetu_jax as ht
from hetu_jax.data import mnist_subset
from hetu_jax.quickstart import Model, Training

IMAGES = Path(__file__).parent / "images"
OPTIONS = Namespace(batch_size=128, learning_rate=0.01, seed=0)


def terminal(executor: ht.Executor) -> str:
    """The SVG of a terminal in the middle of a training."""
    console = Console(record=True, width=92, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print("[bold green]>>>[/] executor.summary()")
    console.print(executor.summary())
    console.print("\n[bold green]>>>[/] for epoch in ht.progress(executor, 'train', epochs=3): ...")
    training = ht.progress(executor, "train", epochs=3, console=Console(file=io.StringIO(), force_terminal=True))
    for _ in islice(training, 2):
        pass
    console.print(training._bar._live.get_renderable())
    return console.export_svg(title="hetu_jax")


def main() -> None:
    """Writes the pictures."""
    (images, labels), valid, _ = mnist_subset(onehot=False)
    executor = Training(Model.initial(), ((images[:2560], labels[:2560]), valid), OPTIONS).executor
    IMAGES.mkdir(exist_ok=True)
    (IMAGES / "graph.svg").write_text(ht.draw(executor).svg("own"), encoding="utf-8")
    (IMAGES / "terminal.svg").write_text(terminal(executor), encoding="utf-8")


if __name__ == "__main__":
    main()
