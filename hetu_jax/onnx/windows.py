"""What convolutions and pooling share: where windows lie."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


class Windows:
    """The windows over some axes.

    sides: the lengths of the axes.  kernel, strides, dilations: one number an axis; None means ones.
    pads: all the beginnings, then all the ends.  auto_pad: NOTSET, VALID, SAME_UPPER or SAME_LOWER.
    ceil: whether a last window may reach past the padding, if it begins before it.
    After construction `counts` are the numbers of windows, and `pads` pairs that make so many fit.
    """

    def __init__(
        self,
        sides: Sequence[int],
        kernel: Sequence[int],
        strides: Sequence[int] | None = None,
        dilations: Sequence[int] | None = None,
        pads: Sequence[int] | None = None,
        auto_pad: str = "NOTSET",
        ceil: bool = False,
    ):
        rank = len(kernel)
        if len(sides) != rank:
            raise ValueError(f"a window of {tuple(kernel)} needs {rank} axes, and there are {len(sides)}")
        self.sides, self.kernel = tuple(sides), tuple(kernel)
        self.strides, self.dilations = tuple(strides or (1,) * rank), tuple(dilations or (1,) * rank)
        self.reach = tuple((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilations, strict=True))
        pads = tuple(pads or (0,) * 2 * rank)
        self.declared = self._declared(pads, auto_pad)
        self.counts = tuple(self._count(axis, ceil) for axis in range(rank))
        if min(self.counts) < 1:
            raise ValueError(f"a window of {self.reach} does not fit into {self.sides} padded by {self.declared}")
        self.pads = [
            (low, max(high, (count - 1) * s + reach - side - low))
            for (low, high), count, s, reach, side in zip(
                self.declared, self.counts, self.strides, self.reach, self.sides, strict=True
            )
        ]

    def _declared(self, pads: tuple[int, ...], auto_pad: str) -> list[tuple[int, int]]:
        rank = len(self.kernel)
        if auto_pad == "VALID":
            return [(0, 0)] * rank
        if auto_pad not in ("SAME_UPPER", "SAME_LOWER"):
            return list(zip(pads[:rank], pads[rank:], strict=True))
        totals = [
            max((-(-side // s) - 1) * s + reach - side, 0)
            for side, s, reach in zip(self.sides, self.strides, self.reach, strict=True)
        ]
        pairs = [(total // 2, total - total // 2) for total in totals]
        return pairs if auto_pad == "SAME_UPPER" else [(high, low) for low, high in pairs]

    def _count(self, axis: int, ceil: bool) -> int:
        (low, high), side, stride = self.declared[axis], self.sides[axis], self.strides[axis]
        room = side + low + high - self.reach[axis]
        if not ceil:
            return room // stride + 1
        count = -(-room // stride) + 1
        return count - 1 if (count - 1) * stride >= side + low else count

    def places(self, axis: int) -> np.ndarray:
        """The indices (windows, kernel) along an axis that windows cover, beyond its ends in the padding."""
        starts = np.arange(self.counts[axis]) * self.strides[axis] - self.declared[axis][0]
        return starts[:, None] + np.arange(self.kernel[axis]) * self.dilations[axis]

    def covered(self, padding: bool) -> np.ndarray:
        """How many elements each window covers, those of the declared padding included or not."""
        numbers = []
        for axis, side in enumerate(self.sides):
            low, high = self.declared[axis] if padding else (0, 0)
            places = self.places(axis)
            numbers.append(((places >= -low) & (places < side + high)).sum(1))
        return math.prod(np.ix_(*numbers))

    def around(self, values: Sequence[object], outside: object, channel_axis: int) -> list[object]:
        """`values`, one a spatial axis, with `outside` for the batch and the channels."""
        return [outside, outside, *values] if channel_axis == 1 else [outside, *values, outside]


def spatial(shape: Sequence[int], channel_axis: int) -> tuple[int, ...]:
    """The lengths of the axes that are neither batch nor channels."""
    return tuple(shape[2:]) if channel_axis == 1 else tuple(shape[1:-1])


def layout(rank: int, channel_axis: int) -> str:
    """The letters of JAX's dimension numbers for `rank` spatial axes."""
    letters = "".join(chr(ord("0") + axis) for axis in range(rank))
    return f"NC{letters}" if channel_axis == 1 else f"N{letters}C"
