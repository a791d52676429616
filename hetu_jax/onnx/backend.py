"""hetu_jax as a backend of the onnx package: `prepare(model).run(inputs)`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
import onnx
from onnx import helper
from onnx.backend.base import Backend, BackendRep, DeviceType, namedtupledict
from onnx.backend.base import Device as OnnxDevice

from ..executor import Executor
from ..ndarray import NDArray, cpu, gpu
from .arrays import is_text
from .onnx2hetu import OnnxGraph, _graph


class HetuBackendRep(BackendRep):
    """A model that is ready to run.

    Runs in JAX's 64-bit mode, so that int64 and double are what they say.
    """

    def __init__(self, graph: OnnxGraph, device: str):
        self.graph = graph
        with jax.enable_x64(True):
            self.executor = Executor(graph.outputs, ctx=_context(device), inference=True)

    def run(self, inputs: Any, **kwargs: Any) -> tuple[Any, ...]:
        """The outputs for these inputs: a list in the model's order, or a mapping by name."""
        if kwargs:
            raise TypeError(f"run takes no options, not {', '.join(kwargs)}")
        by_name = (
            inputs if isinstance(inputs, Mapping) else dict(zip(self.graph.input_names, _listed(inputs), strict=True))
        )
        read = self.executor.subexecutor["default"].need_feed_nodes
        feeds = {node: by_name[node.name] for node in self.graph.inputs if node in read}
        with jax.enable_x64(True):
            outputs = [_plain(value) for value in self.executor.run(feed_dict=feeds)]
        names = self.graph.output_names
        return namedtupledict("Outputs", names)(*outputs)


class HetuBackend(Backend):
    """onnx.backend.base.Backend over hetu_jax."""

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> HetuBackendRep:
        """Imports a model.  Raises OnnxImportError where it cannot be imported."""
        with jax.enable_x64(True):
            return HetuBackendRep(_graph(model, [kwargs["folder"]] if "folder" in kwargs else ()), device)

    @classmethod
    def run_node(
        cls,
        node: onnx.NodeProto,
        inputs: Any,
        device: str = "CPU",
        outputs_info: Sequence[tuple[Any, Sequence[int]]] | None = None,
        **kwargs: Any,
    ) -> tuple[Any, ...]:
        """The outputs of one operator.

        outputs_info: accepted without effect: dtypes and shapes follow from the inputs.
        kwargs: `opset_version`, of the default domain; the newest unless given.
        """
        version = kwargs.get("opset_version", onnx.defs.onnx_opset_version())
        names = [name for name in node.input if name]
        values = [np.asarray(value) for value in _listed(inputs)]
        infos = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
            for name, value in zip(names, values, strict=True)
        ]
        results = [onnx.ValueInfoProto(name=name) for name in node.output if name]
        graph = helper.make_graph([node], node.op_type, infos, results)
        imports = [helper.make_opsetid("", version)] + ([helper.make_opsetid(node.domain, 1)] if node.domain else [])
        return cls.prepare(helper.make_model(graph, opset_imports=imports), device).run(values)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """Whether there is such a device: 'CPU', or 'CUDA' where JAX has a GPU."""
        kind = OnnxDevice(device)
        if kind.type == DeviceType.CPU:
            return True
        return kind.type == DeviceType.CUDA and any(d.platform == "gpu" for d in jax.devices())


def _context(device: str) -> Any:
    kind = OnnxDevice(device)
    return cpu(kind.device_id) if kind.type == DeviceType.CPU else gpu(kind.device_id)


def _listed(inputs: Any) -> list[Any]:
    return list(inputs) if isinstance(inputs, list | tuple) else [inputs]


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if value is None or is_text(value) or isinstance(value, dict):
        return value
    return np.asarray(value.value if isinstance(value, NDArray) else value)


prepare = HetuBackend.prepare
run_node = HetuBackend.run_node
run_model = HetuBackend.run_model
supports_device = HetuBackend.supports_device
