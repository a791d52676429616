"""The ONNX forms of `ops/pool.py`."""

from ..ops.conv import pair
from .registry import exporter


def _windows(kernel_H, kernel_W, padding, stride):
    pads, strides = pair(padding, "padding", 0) * 2, pair(stride, "stride", 1)
    return {"kernel_shape": (kernel_H, kernel_W), "pads": pads, "strides": strides}


@exporter
def avg_pool2d_op(g, node_A, kernel_H, kernel_W, padding, stride):
    counted = 1 if any(pair(padding, "padding", 0)) else None
    return g.AveragePool(node_A, **_windows(kernel_H, kernel_W, padding, stride), count_include_pad=counted)


@exporter
def max_pool2d_op(g, node_A, kernel_H, kernel_W, padding, stride):
    return g.MaxPool(g.floats(node_A), **_windows(kernel_H, kernel_W, padding, stride))


@exporter
def interpolate_op(g, input, size, scale_factor, mode, align_corners):
    mapping = "align_corners" if align_corners else "half_pixel"
    options = {"mode": "cubic", "cubic_coeff_a": -0.75, "coordinate_transformation_mode": mapping}
    target = list(g.result[2:]) if g.result else []
    if not all(isinstance(side, int) for side in target) or not target:
        factors = scale_factor if isinstance(scale_factor, tuple | list) else [scale_factor] * 2
        if size is not None or any(factor != int(factor) for factor in factors):
            g.refuse("the size of its result depends on an open one: pass a whole scale_factor, or fix the sides")
        return g.Resize(g.floats(input), None, [1, 1, *factors], **options)
    axes = [2, 3] if g.opset >= 18 else None
    if axes is None:
        target = g.Concat(g.Slice(g.Shape(input), [0], [2]), g.constant(target, hint="sizes"), axis=0)
    return g.Resize(g.floats(input), None, None, target, axes=axes, **options)
