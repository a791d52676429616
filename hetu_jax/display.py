"""What a notebook shows of nodes, arrays, dataloaders and Executors: small HTML without scripts.

Text has the page's own colour, so that it can be read on light and on dark pages.
"""

from __future__ import annotations

import base64
import html
import struct
import zlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from .boxes import made_at, shape_text
from .errors import GraphError
from .graph import Node, Placeholder, Variable
from .ndarray import NDArray

if TYPE_CHECKING:
    from .dataloader import Dataloader
    from .executor import Executor

SAMPLE = 1 << 18  # numbers looked at, of a large array
FEW = 8  # numbers that are shown as they are
BINS, TILES = 32, 16
SMALLEST, LARGEST = 3, 256  # sides of what is shown as a picture

_BOX = 'style="border-left:3px solid #4c8dd6;padding:2px 10px;font-size:90%;line-height:1.5"'


class Markup(str):
    """HTML of our own, which needs no escaping."""


def of_node(node: Node) -> str:
    """Op, name, shape, where it was made, and its inputs; of a Variable also its numbers."""
    title = html.escape(node.op.__name__ if node.op is not None else type(node).__name__)
    rows = [("value", _typed(node)), ("made at", made_at(node))]
    if isinstance(node, Variable):
        rows.append(("kind", "trainable parameter" if node.trainable else "not trained"))
        rows += _numbers(node.value, tiles=4)
    loaders = getattr(node, "dataloaders", {})
    rows += [(f"for {name!r}", _batches(loader)) for name, loader in loaders.items()]
    rows += [(_role(node, source), f"{source.name} {_typed(source)}") for source in dict.fromkeys(node.inputs)]
    return _card(f"<b>{html.escape(node.name)}</b> {title}", rows)


def of_array(array: NDArray) -> str:
    """Shape, dtype, device, and the numbers: as they are if they are few, else as pictures or a histogram."""
    if array.value is None:
        return _card("<b>NDArray</b>", [("value", "none")])
    rows = [("value", f"{array.dtype} {shape_text(array.shape)}"), ("device", repr(array.ctx))]
    return _card("<b>NDArray</b>", rows + _numbers(array.value, tiles=TILES))


def of_dataloader(loader: Dataloader) -> str:
    """Batches, where it stands, and the first samples where they are pictures."""
    rows = [("value", _batches(loader)), ("samples", f"{loader.samples_num:,}"), ("order", _order(loader))]
    return _card(f"<b>Dataloader</b> {html.escape(loader.name)}", rows + _pictures(loader.raw_data[:TILES], TILES))


def of_executor(executor: Executor) -> str:
    """The groups: what each takes and gives."""
    rows = [("device", repr(executor.ctx)), ("trainable", f"{len(executor.param_nodes)} Variables")]
    for name, group in executor.subexecutor.items():
        kind = "inference" if group.inference else "training"
        fed = ", ".join(node.name for node in group.need_feed_nodes)
        batches = f"; {group.batch_num} batches" if group.dataloader_nodes else ""
        gives = ", ".join(node.name for node in group.eval_node_list)
        rows.append((f"group {name!r}", f"{kind}{batches}{f'; feed {fed}' if fed else ''}; gives {gives}"))
    return _card("<b>Executor</b>", [*rows, ("more", ".summary(), ht.draw(executor)")])


def _card(title: str, rows: Iterable[tuple[str, str]]) -> str:
    """A titled list."""
    lines = "".join(
        f'<div><span style="opacity:.6;display:inline-block;min-width:7em">{html.escape(name)}</span> '
        f"{text if isinstance(text, Markup) else html.escape(text)}</div>"
        for name, text in rows
    )
    return f"<div {_BOX}><div>{title}</div>{lines}</div>"


def _typed(node: Node) -> str:
    try:
        shape, dtype = node.shape, node.dtype
    except GraphError as reason:
        return f"cannot be computed: {str(reason).splitlines()[0]}"
    if shape is None:
        return "fed in each run" if isinstance(node, Placeholder) else "of unknown shape"
    return f"{dtype} {shape_text(shape)}"


def _role(node: Node, source: Node) -> str:
    """The name of the parameter by which `source` comes in."""
    names = [name for name, value in node.arguments.items() if value is source]
    return names[0] if names else "input"


def _batches(loader: Dataloader) -> str:
    return f"{loader.batch_num} batches of {loader.dtype} {shape_text(loader.shape)}, at {loader.batch_index}"


def _order(loader: Dataloader) -> str:
    return "shuffled" if loader.shuffle else "as given"


def _numbers(value: Any, tiles: int) -> list[tuple[str, str]]:
    if not isinstance(value, jax.Array | np.ndarray) or not getattr(value, "is_fully_addressable", True):
        return []
    if value.size <= FEW:
        return [("numbers", np.array2string(np.asarray(value), precision=4, separator=", ").replace("\n", ""))]
    flat = np.asarray(value.reshape(-1)[:: -(-value.size // SAMPLE)], np.float64)
    finite = flat[np.isfinite(flat)]
    rows = (
        [("bad", f"{len(flat) - len(finite):,} of {len(flat):,} are NaN or infinite")]
        if len(finite) < len(flat)
        else []
    )
    if not len(finite):
        return rows
    words = f"{finite.min():.4g} … {finite.max():.4g}, mean {finite.mean():.4g}, deviation {finite.std():.4g}"
    return [*rows, ("range", words), *(_pictures(value, tiles) or [("histogram", Markup(histogram(finite)))])]


def _pictures(value: Any, tiles: int) -> list[tuple[str, str]]:
    """One row with pictures, where an array has the shape of some: (N, H, W), or (N, 1 or more, H, W)."""
    shape = value.shape
    if len(shape) not in (3, 4) or not all(SMALLEST <= side <= LARGEST for side in shape[-2:]):
        return []
    array = np.asarray(value[:tiles], np.float64)
    planes = array.reshape(-1, *shape[-2:])[:tiles] if len(shape) == 3 or shape[1] != 3 else array.transpose(0, 2, 3, 1)
    return [("pictures", Markup(" ".join(map(_image, planes))))]


def _image(plane: np.ndarray) -> str:
    data = base64.b64encode(png(plane)).decode()
    side = max(32, min(96, plane.shape[0]))
    return (
        f'<img src="data:image/png;base64,{data}" alt="" '
        f'style="height:{side}px;image-rendering:pixelated;vertical-align:middle">'
    )


def png(plane: np.ndarray) -> bytes:
    """A PNG of an array (H, W), grey, or (H, W, 3), in colours; its smallest number is black, its largest white."""
    finite = plane[np.isfinite(plane)]
    low, high = (finite.min(), finite.max()) if finite.size else (0, 1)
    scaled = np.nan_to_num(np.clip(plane, low, high) - low) / (high - low if high > low else 1)
    pixels = np.round(255 * scaled).astype(np.uint8)
    lines = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", plane.shape[1], plane.shape[0], 8, 2 if plane.ndim == 3 else 0, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )


def histogram(numbers: Sequence[float] | np.ndarray, width: int = 192, height: int = 40) -> str:
    """An SVG of how many numbers lie where."""
    counts, _ = np.histogram(numbers, BINS)
    step = width / BINS
    bars = "".join(
        f'<rect x="{i * step:g}" y="{height - size:.1f}" width="{step - 1:g}" height="{size:.1f}"/>'
        for i, size in enumerate(counts / max(counts.max(), 1) * height)
        if size
    )
    return f'<svg width="{width}" height="{height}" fill="#4c8dd6" style="vertical-align:middle">{bars}</svg>'
