"""Nets as PyTorch modules, and the same nets as graphs of hetu_jax with the same weights.

`TORCH` has a function for each that makes the module and example inputs; `HETU` has, for some, one that makes of the
module's weights the same net: (inputs, output).
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import hetu_jax as ht

HAS_TORCH = importlib.util.find_spec("torch") is not None
HAS_DYNAMO = importlib.util.find_spec("onnxscript") is not None
TORCH: dict[str, Callable[[], tuple[Any, tuple[Any, ...]]]] = {}
HETU: dict[str, Callable[[Any], tuple[list[Any], Any]]] = {}

if HAS_TORCH:
    import torch
    from torch import nn
    from torch.nn import functional

    def net(function: Callable[[], tuple[Any, tuple[Any, ...]]]) -> Callable[[], tuple[Any, tuple[Any, ...]]]:
        """Decorator: a net of `TORCH`, made from a fixed seed."""

        def make() -> tuple[Any, tuple[Any, ...]]:
            torch.manual_seed(0)
            module, inputs = function()
            return module.eval(), inputs

        TORCH[function.__name__] = make
        return make

    @net
    def cnn():
        """The CNN of Hetu's documentation."""
        return _Cnn(), (torch.randn(20, 1, 28, 28),)

    @net
    def mlp():
        layers = nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10)
        return nn.Sequential(*layers), (torch.randn(20, 784),)

    @net
    def embedding():
        layers = nn.Embedding(50, 16), nn.Flatten(), nn.Linear(80, 4)
        return nn.Sequential(*layers), (torch.randint(0, 50, (20, 5), dtype=torch.int32),)

    @net
    def resnet():
        return _ResNet(), (torch.randn(4, 3, 32, 32),)

    @net
    def transformer():
        return _Encoder(64, 4, 128), (torch.randn(4, 16, 64),)

    @net
    def vit():
        return _ViT(), (torch.randn(4, 3, 32, 32),)

    @net
    def lstm():
        return _Recurrent(nn.LSTM), (torch.randn(4, 12, 16),)

    @net
    def gru():
        return _Recurrent(nn.GRU), (torch.randn(4, 12, 16),)

    @net
    def text():
        """A small language model over token ids, with a causal mask."""
        return _Text(), (torch.randint(0, 20, (2, 10)),)

    @net
    def unet():
        return _UNet(), (torch.randn(2, 1, 32, 32),)

    class _Cnn(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(1, 32, 5, padding=2, bias=False)
            self.conv2 = nn.Conv2d(32, 64, 5, padding=2, bias=False)
            self.out = nn.Linear(7 * 7 * 64, 10)

        def forward(self, x):
            x = functional.avg_pool2d(torch.relu(self.conv1(x)), 2)
            x = functional.avg_pool2d(torch.relu(self.conv2(x)), 2)
            return self.out(x.reshape(-1, 7 * 7 * 64))

    class _Block(nn.Module):
        def __init__(self, given: int, channels: int, stride: int):
            super().__init__()
            self.conv1 = nn.Conv2d(given, channels, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(channels)
            self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(channels)
            self.short = None if stride == 1 else nn.Conv2d(given, channels, 1, stride, bias=False)
            for norm in (self.bn1, self.bn2):  # as after some training
                nn.init.normal_(norm.running_mean, std=0.1)
                nn.init.uniform_(norm.running_var, 0.5, 1.5)

        def forward(self, x):
            y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
            return torch.relu(y + (x if self.short is None else self.short(x)))

    class _ResNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(3, 16, 3, 1, 1)
            self.blocks = nn.Sequential(_Block(16, 16, 1), _Block(16, 32, 2), _Block(32, 32, 1))
            self.out = nn.Linear(32, 10)

        def forward(self, x):
            return self.out(self.blocks(torch.relu(self.stem(x))).mean((2, 3)))

    class _Encoder(nn.Module):
        def __init__(self, width: int, heads: int, inner: int):
            super().__init__()
            self.heads = heads
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
            self.join = nn.Linear(width, width)
            self.up, self.down = nn.Linear(width, inner), nn.Linear(inner, width)

        def split(self, x):
            return x.reshape(x.shape[0], x.shape[1], self.heads, -1).transpose(1, 2)

        def forward(self, x):
            y = self.norm1(x)
            q, k, v = self.split(self.query(y)), self.split(self.key(y)), self.split(self.value(y))
            weights = torch.softmax(q @ k.transpose(-1, -2) / (q.shape[-1] ** 0.5), -1)
            x = x + self.join((weights @ v).transpose(1, 2).reshape(x.shape))
            return x + self.down(functional.gelu(self.up(self.norm2(x))))

    class _ViT(nn.Module):
        def __init__(self):
            super().__init__()
            self.patches = nn.Conv2d(3, 32, 8, 8)
            self.first = nn.Parameter(torch.randn(1, 1, 32))
            self.places = nn.Parameter(torch.randn(1, 17, 32))
            self.blocks = nn.Sequential(_Encoder(32, 4, 64), _Encoder(32, 4, 64))
            self.out = nn.Linear(32, 10)

        def forward(self, x):
            x = self.patches(x).flatten(2).transpose(1, 2)
            x = torch.cat([self.first.expand(x.shape[0], -1, -1), x], 1) + self.places
            return self.out(self.blocks(x)[:, 0])

    class _Recurrent(nn.Module):
        def __init__(self, kind: Any):
            super().__init__()
            self.cells = kind(16, 24, num_layers=2, batch_first=True, bidirectional=True)
            self.out = nn.Linear(48, 5)

        def forward(self, x):
            return self.out(self.cells(x)[0][:, -1])

    class _Text(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens, self.places = nn.Embedding(20, 32), nn.Embedding(16, 32)
            self.attention = nn.MultiheadAttention(32, 4, batch_first=True)
            self.norm, self.out = nn.LayerNorm(32), nn.Linear(32, 20)

        def forward(self, ids):
            length = ids.shape[1]
            x = self.tokens(ids) + self.places(torch.arange(length))
            mask = torch.full((length, length), float("-inf")).triu(1)
            return self.out(self.norm(x + self.attention(x, x, x, attn_mask=mask, need_weights=False)[0]))

    class _UNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.down1, self.down2 = nn.Conv2d(1, 8, 3, 1, 1), nn.Conv2d(8, 16, 3, 2, 1)
            self.norm, self.up = nn.GroupNorm(4, 16), nn.ConvTranspose2d(16, 8, 2, 2)
            self.out = nn.Conv2d(16, 1, 1)

        def forward(self, x):
            first = functional.silu(self.down1(x))
            second = functional.interpolate(self.norm(self.down2(first)), scale_factor=2, mode="bilinear")
            second = self.up(functional.max_pool2d(second, 2))
            return torch.sigmoid(self.out(torch.cat([first, second], 1)))


def torch_export(module: Any, inputs: tuple[Any, ...], dynamo: bool) -> bytes | None:
    """What PyTorch exports, its first axis open; None for `dynamo` where onnxscript is not installed."""
    if dynamo and not HAS_DYNAMO:
        return None
    file, names = io.BytesIO(), [f"input_{i}" for i in range(len(inputs))]
    if dynamo:
        batch = torch.export.Dim("N", min=1, max=4096)
        options = {"dynamic_shapes": tuple({0: batch} for _ in inputs), "opset_version": 20}
    else:
        options = {"dynamic_axes": {name: {0: "N"} for name in names} | {"output": {0: "N"}}, "opset_version": 20}
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        made = torch.onnx.export(
            module, inputs, file, input_names=names, output_names=["output"], dynamo=dynamo, verbose=False, **options
        )
    if dynamo:
        return made.model_proto.SerializeToString()
    return file.getvalue()


def _variable(name: str, tensor: Any) -> ht.Variable:
    return ht.Variable(name, tensor.detach().numpy())


def hetu(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Decorator: the graph of the net of the same name."""
    HETU[function.__name__.removesuffix("_graph")] = function
    return function


def _linear(x: Any, layer: Any, name: str) -> Any:
    return ht.linear_op(
        x, _variable(f"{name}.weight", layer.weight), _variable(f"{name}.bias", layer.bias), False, True
    )


@hetu
def cnn_graph(module):
    x = ht.Variable("x")
    y = x
    for name in ("conv1", "conv2"):
        y = ht.conv2d_op(y, _variable(name, getattr(module, name).weight), padding=2, stride=1)
        y = ht.avg_pool2d_op(ht.relu_op(y), 2, 2, 0, 2)
    return [x], _linear(ht.array_reshape_op(y, (-1, 7 * 7 * 64)), module.out, "out")


@hetu
def mlp_graph(module):
    x = ht.Variable("x")
    hidden = ht.relu_op(_linear(x, module[0], "0"))
    hidden = ht.relu_op(_linear(hidden, module[2], "2"))
    return [x], _linear(hidden, module[4], "4")


@hetu
def embedding_graph(module):
    x = ht.Variable("x", dtype=np.int32)
    rows = ht.embedding_lookup_op(_variable("table", module[0].weight), x)
    return [x], _linear(ht.array_reshape_op(rows, (-1, 80)), module[2], "out")


def _conv(x: Any, layer: Any, name: str) -> Any:
    options = {"padding": layer.padding[0], "stride": layer.stride[0]}
    weight = _variable(f"{name}.weight", layer.weight)
    if layer.bias is None:
        return ht.conv2d_op(x, weight, **options)
    return ht.conv2d_add_bias_op(x, weight, _variable(f"{name}.bias", layer.bias), **options)


def _norm(x: Any, layer: Any, name: str) -> Any:
    made = ht.batch_normalization_op(
        x, _variable(f"{name}.weight", layer.weight), _variable(f"{name}.bias", layer.bias), eps=layer.eps
    )
    for variable, tensor in zip(made.writes, (layer.running_mean, layer.running_var), strict=True):
        variable.value = tensor.numpy()
    return made


@hetu
def resnet_graph(module):
    x = ht.Variable("x")
    y = ht.relu_op(_conv(x, module.stem, "stem"))
    for i, block in enumerate(module.blocks):
        z = ht.relu_op(_norm(_conv(y, block.conv1, f"{i}.conv1"), block.bn1, f"{i}.bn1"))
        z = _norm(_conv(z, block.conv2, f"{i}.conv2"), block.bn2, f"{i}.bn2")
        y = ht.relu_op(z + (y if block.short is None else _conv(y, block.short, f"{i}.short")))
    return [x], _linear(ht.reduce_mean_op(y, [2, 3]), module.out, "out")


def _layer_norm(x: Any, layer: Any, name: str) -> Any:
    scale, bias = _variable(f"{name}.weight", layer.weight), _variable(f"{name}.bias", layer.bias)
    return ht.layer_normalization_op(x, scale, bias, eps=layer.eps)


def _dense(x: Any, layer: Any, name: str) -> Any:
    """A linear layer over the last of three axes."""
    product = ht.matmul_op(x, ht.Variable(f"{name}.weight", layer.weight.detach().numpy().T))
    return product + _variable(f"{name}.bias", layer.bias)


@hetu
def transformer_graph(module):
    x = ht.Variable("x")
    length, width, heads = 16, 64, module.heads

    def split(y: Any, perm: tuple[int, ...]) -> Any:
        return ht.transpose_op(ht.array_reshape_op(y, (-1, length, heads, width // heads)), perm)

    y = _layer_norm(x, module.norm1, "norm1")
    q = split(_dense(y, module.query, "query"), (0, 2, 1, 3))
    k = split(_dense(y, module.key, "key"), (0, 2, 3, 1))
    v = split(_dense(y, module.value, "value"), (0, 2, 1, 3))
    weights = ht.softmax_op(ht.matmul_op(q, k) * (width // heads) ** -0.5)
    mixed = ht.transpose_op(ht.matmul_op(weights, v), (0, 2, 1, 3))
    y = x + _dense(ht.array_reshape_op(mixed, (-1, length, width)), module.join, "join")
    inner = ht.gelu_op(_dense(_layer_norm(y, module.norm2, "norm2"), module.up, "up"))
    return [x], y + _dense(inner, module.down, "down")
